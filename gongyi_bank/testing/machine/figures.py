"""What the reference's books say of the bank's reports: the same figures, added up anew.

The reference has no reports. Its rows tell what a report must show, in plain tuples; each figure
stands beside the function that takes the same out of the bank's report.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gongyi_bank.periods import business_day
from gongyi_bank.reports.as_of import AccountTotals, BalanceAsOf
from gongyi_bank.reports.books import LedgerBook, TrialBalance
from gongyi_bank.reports.customers import CustomerSummary
from gongyi_bank.reports.statements import Statement
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.rules.ledger import has_lines, internal_kind
from gongyi_bank.testing.reference.books import WAITING
from gongyi_bank.testing.reference.looking import Look, below
from gongyi_bank.testing.reference.rows import Line
from gongyi_bank.values import Points, mask_name


@dataclass(frozen=True, slots=True, repr=False)
class Personal:
    """Something personal: it can be compared, and is never shown."""

    value: object

    def __repr__(self) -> str:
        return "(personal)"


# --- one account -----------------------------------------------------------------------------


def statement(look: Look, account: int, newest: int) -> Any:
    """The newest lines of an account, newest first, and what they add up to."""
    lines = look.books.lines[account][::-1][:newest]
    after = look.books.balance(account)
    moved = _sums(look, lines)
    return (
        look.points(after - sum(line.amount for line in lines)), *moved, look.points(after),
        [_line(look, line) for line in lines],
    )  # fmt: skip


def of_statement(said: Statement) -> Any:
    """The same of the bank's statement."""
    lines = [
        (one.line_no, one.day, one.kind, one.amount, one.balance, one.outlet, one.outlet_name,
         one.value_on, one.origin_on)
        for one in said.lines
    ]  # fmt: skip
    return said.opening, said.credited, said.debited, said.closing, lines


def _line(look: Look, line: Line) -> tuple[Any, ...]:
    outlet = look.books.outlets[line.outlet_no]
    return (
        line.line_no, line.business_day, line.kind, look.points(line.amount),
        look.points(line.credited_after - line.debited_after), outlet.code, outlet.name,
        line.value_on, line.origin_on,
    )  # fmt: skip


def _sums(look: Look, lines: tuple[Line, ...]) -> tuple[Points, Points]:
    """What lines credit, and what they debit."""
    credited = sum(line.amount for line in lines if line.amount > 0)
    return look.points(credited), look.points(credited - sum(line.amount for line in lines))


def balance_on(look: Look, account: int, day: dt.date) -> Any:
    """What the passbook showed at the end of a day, and what it holds by value."""
    lines = look.books.lines[account]
    known = [line for line in lines if business_day(line.booked_at, look.books.zone) <= day]
    then, now = (
        look.points(sum(line.amount for line in some if line.value_on <= day))
        for some in (known, lines)
    )
    return look.points(sum(line.amount for line in known)), then, now


def of_balance_on(said: BalanceAsOf) -> Any:
    """The same of the bank's answer."""
    return said.booked, said.known_then, said.by_value


def totals(look: Look, account: int, between: tuple[dt.date, dt.date]) -> Any:
    """What the lines of some days add up to, by kind."""
    first_on, last_on = between
    lines = look.books.lines[account]
    found = [line for line in lines if first_on <= line.business_day <= last_on]
    kinds = {}
    for kind in {line.kind for line in found}:
        mine = tuple(line for line in found if line.kind == kind)
        kinds[kind] = len(mine), *_sums(look, mine)
    opening = sum(line.amount for line in lines if line.business_day < first_on)
    closing = opening + sum(line.amount for line in found)
    return look.points(opening), kinds, look.points(closing)


def of_totals(said: AccountTotals) -> Any:
    """The same of the bank's totals."""
    kinds = {one.kind: (one.lines, one.credited, one.debited) for one in said.kinds}
    return said.opening, kinds, said.closing


_SUMMARY = (
    "holder", "kind", "state", "ref", "outlet", "outlet_name", "registered_on", "credited",
    "debited", "balance", "held", "expirable", "available", "verified_minutes", "records",
    "waiting", "lines", "newest_line_on",
)  # fmt: skip


def summary(look: Look, account: int) -> Any:
    """One customer at a glance, as an act would find them now."""
    books, customer = look.books, look.books.customers[account]
    today = business_day(look.moment_of(account), books.zone)
    head = books.head(account, terms_of(books.policy_book(), today))
    mine = (one for one in books.holds.values() if one.account_no == account)
    head.held -= sum(one.amount - one.captured for one in mine if look.has_lapsed(one))
    records, lines = books.records[account], books.lines[account]
    outlet = books.outlets[customer.outlet_no]
    values = (
        Personal(mask_name(customer.name)), customer.kind, customer.state, customer.ref,
        outlet.code, outlet.name, customer.registered_on,
        *map(look.points, (head.credited, head.debited, head.balance, head.held)),
        look.points(head.expirable), look.points(head.available), head.verified_minutes,
        len(records), sum(one.state in WAITING for one in records), len(lines),
        lines[-1].business_day if lines else None,
    )  # fmt: skip
    return dict(zip(_SUMMARY, values, strict=True))


def of_summary(said: CustomerSummary) -> Any:
    """The same of the bank's summary."""
    return {name: getattr(said, name) for name in _SUMMARY} | {"holder": Personal(said.holder)}


# --- many accounts -----------------------------------------------------------------------------


def ledger_book(look: Look, outlet: str) -> Any:
    """Every account at an outlet and below it, to date."""
    books, places = look.books, {one.outlet_no: one for one in below(look, outlet)}
    return sorted(
        (
            no, one.kind, one.state, places[one.outlet_no].code, places[one.outlet_no].name,
            *map(look.points, (books.credited(no), books.debited(no), books.balance(no))),
            sum(record.minutes for record in books.records[no] if record.state == "credited"),
            Personal(mask_name(one.name)),
        )
        for no, one in books.customers.items()
        if one.outlet_no in places
    )  # fmt: skip


def of_ledger_book(said: LedgerBook) -> Any:
    """The same of the bank's book."""
    return sorted(
        (
            one.account, one.kind, one.state, one.outlet, one.outlet_name, one.credited,
            one.debited, one.closing, one.minutes, Personal(one.holder),
        )
        for one in said.rows
    )  # fmt: skip


def trial_balance(look: Look) -> Any:
    """Debits and credits by kind of account, of the whole bank: each leg in both its accounts."""
    books = look.books
    debits, credits_ = Counter[str](), Counter[str]()
    for number, lines in books.lines.items():
        for line in lines:
            here, there = (debits, credits_) if line.amount < 0 else (credits_, debits)
            here[_kind(number)] += abs(line.amount)
            if not has_lines(line.contra_no):
                there[_kind(line.contra_no)] += abs(line.amount)
    for move in books.moves:
        debits[_kind(move.source_no)] += move.amount
        credits_[_kind(move.target_no)] += move.amount
    every = debits.keys() | credits_.keys()
    kinds = {kind: (look.points(debits[kind]), look.points(credits_[kind])) for kind in every}
    return kinds, True


def of_trial_balance(said: TrialBalance) -> Any:
    """The same of the bank's trial balance."""
    kinds: dict[str, tuple[Points, Points]] = {}
    for one in said.rows:
        debits, credits_ = kinds.get(one.kind, (said.debits - said.debits,) * 2)
        kinds[one.kind] = debits + one.debits, credits_ + one.credits
    return kinds, said.is_balanced


def _kind(account_no: int) -> str:
    return internal_kind(account_no) or "customer"


#: By desk and method: what the books tell, and what takes the same out of the bank's answer.
FIGURES: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "reports.statement": (statement, of_statement),
    "reports.balance_as_of": (balance_on, of_balance_on),
    "reports.totals": (totals, of_totals),
    "reports.customer_summary": (summary, of_summary),
    "reports.ledger_book": (ledger_book, of_ledger_book),
    "reports.trial_balance": (trial_balance, of_trial_balance),
}
