"""What clients read, held against the books as they were committed when it was read.

Whoever reads sees one moment: that of the first statement. What was acknowledged before is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gongyi_bank.periods import business_day
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.values import Points
from tests.simulation.planted import Planted
from tests.simulation.requests import SCALE

if TYPE_CHECKING:
    from tests.simulation.clients import Client

Read = Callable[["Client"], str | None]


def _seen(client: Client) -> Books:
    """What was committed when the client looked first."""
    return client.picture or client.world.mirror.books


def _balances(client: Client) -> str | None:
    """All balances, in one statement."""
    accounts, reports = list(client.world.mirror.books.customers), client.bank.reports
    if client.world.planted is Planted.TORN_READ:
        found = {no: reports.balance(no) for no in accounts}
    else:
        found = reports.balances(accounts)
    for account, balance in found.items():
        is_now = Points.of_units(_seen(client).balance(account), SCALE)
        if balance != is_now:
            return f"{account} was read as {balance}, and is {is_now}"
    return None


def _trial_balance(client: Client) -> str | None:
    is_balanced = client.bank.reports.trial_balance().is_balanced
    return None if is_balanced else "the trial balance is not balanced"


def _statement(client: Client) -> str | None:
    account = client.chance.choice(list(client.world.mirror.books.customers))
    page = client.bank.reports.statement(account, newest=20)
    if page.closing.to_units(SCALE) == _seen(client).balance(account):
        return None
    return f"the statement of {account} ends with {page.closing}"


def _available(client: Client) -> str | None:
    """What may be spent: lapsed holds are free, whether or not anybody has swept them."""
    account = client.chance.choice(list(client.world.mirror.books.customers))
    found = client.bank.reports.expiry_schedule(account)
    books, moment = _seen(client), client.acted_at
    terms = terms_of(books.policy_book(), business_day(moment, books.zone))
    head = books.head(account, terms)
    head.held -= sum(hold.left for hold in books.overdue([account], moment))
    told = tuple(points.to_units(SCALE) for points in (found.available, found.held, found.past))
    expected = (head.available, head.held, head.expirable)
    if told == expected:
        return None
    return f"{account} has (available, held, past) {told}, expected {expected}"


READS: dict[str, Read] = {
    "balances": _balances,
    "trial_balance": _trial_balance,
    "statement": _statement,
    "available": _available,
}
#: By how often they are read.
KINDS = ("balances", "balances", "trial_balance", "statement", "available")
