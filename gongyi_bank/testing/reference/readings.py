"""What can be read at the reference bank's desks: the rows that the bank's own desks show.

Each reading is told again over the dicts. Rows and column keys are those of the bank; headings and
words for people are its own (`gongyi_bank.display`), so a column is headed by its key here. Of a
report the fields are told (`told.Told`), with what stands in them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

from gongyi_bank.commands.hours import ROWS_MAX
from gongyi_bank.display import Table
from gongyi_bank.errors import InvalidValue, UnknownStore
from gongyi_bank.periods import require_moment
from gongyi_bank.rules.holds import HELD, LAPSED
from gongyi_bank.rules.redemptions import RESERVED
from gongyi_bank.testing.arguments import require_whole
from gongyi_bank.testing.reference import (
    clearing,
    origins,
    ratings,
    registers,
    statements,
    summaries,
)
from gongyi_bank.testing.reference.looking import Look, table_of
from gongyi_bank.testing.reference.rows import Redemption, StoredHold
from gongyi_bank.values import clean_code, parse_account_no

_HOLD = "hold_id account payee sku points captured points_left state placed_at deadline_at"


# --- holds, goods and pools ------------------------------------------------------------------


def holds_open(
    look: Look, *, after: tuple[dt.datetime, UUID] | None = None, count_max: int = 1000
) -> Table:
    """Open holds of the bank, first deadline first; the next page begins `after` the last row."""
    require_whole("count_max", count_max, 1, ROWS_MAX)
    since = None if after is None else _place(after)
    found = sorted(
        (one for one in look.books.holds.values() if one.state == HELD),
        key=lambda one: (one.deadline_at, one.hold_id),
    )
    page = [one for one in found if since is None or (one.deadline_at, one.hold_id) > since]
    return table_of("holds.list", _HOLD, (_held(look, one) for one in page[:count_max]))


def _place(after: object) -> tuple[dt.datetime, bytes]:
    if not isinstance(after, tuple) or len(after) != 2 or not isinstance(after[1], UUID):
        raise InvalidValue.of("after", after, "the deadline and the id of the last row")
    return require_moment(after[0], "after"), after[1].bytes


def holds_of(look: Look, account: int | str, *, count_max: int = 100) -> Table:
    """An account's newest holds, newest first, whatever became of them."""
    require_whole("count_max", count_max, 1, ROWS_MAX)
    number = parse_account_no(account)
    found = [one for one in look.books.holds.values() if one.account_no == number]
    found.sort(key=lambda one: (one.placed_at, one.hold_id), reverse=True)
    return table_of("holds.of", _HOLD, (_held(look, one) for one in found[:count_max]))


def _held(look: Look, one: StoredHold) -> tuple[Any, ...]:
    goods = look.books.redemptions.get(one.hold_id)
    left = one.amount - one.captured if one.state == HELD else 0
    return (
        UUID(bytes=one.hold_id), one.account_no, look.payee_code(one.payee_no),
        goods.sku if goods else None, *map(look.points, (one.amount, one.captured, left)),
        LAPSED if look.has_lapsed(one) else one.state,
        look.local(one.placed_at), look.local(one.deadline_at),
    )  # fmt: skip


def offers(look: Look, store: str | None = None) -> Table:
    """What the stores, or one of them, offer, and what is free and reserved of it.

    Raises UnknownStore.
    """
    code = None if store is None else clean_code(store, field="store")
    if code is not None and code not in look.books.stores:
        raise UnknownStore(store=code)
    places = {one.store_no: one for one in look.books.stores.values() if code in (None, one.code)}
    found = look.books.offer_facts(key for key in look.books.offers if key[0] in places)
    rows = sorted(
        (
            places[one.store_no].code, places[one.store_no].name, one.sku, one.name,
            look.points(one.points), one.stock, one.reserved, one.state,
        )
        for one in found.values()
    )  # fmt: skip
    return table_of("stores.offers", "store store_name sku name points stock reserved state", rows)


def redemptions_of(look: Look, account: int | str, *, count_max: int = 100) -> Table:
    """An account's newest redemptions and reservations, newest first."""
    require_whole("count_max", count_max, 1, ROWS_MAX)
    number = parse_account_no(account)
    found = [one for one in look.books.redemptions.values() if one.account_no == number]
    found.sort(key=lambda one: (one.redeemed_on, one.redemption_id), reverse=True)
    rows = (
        (UUID(bytes=one.redemption_id), one.redeemed_on, *_goods(look, one), one.state, one.line_no)
        for one in found[:count_max]
    )
    keys = "redemption_id redeemed_on store sku name quantity points state line_no"
    return table_of("redemptions.of", keys, rows)


def reserved(look: Look, store: str | None = None, *, account: int | str | None = None) -> Table:
    """What is put aside, first deadline first; `lapsed` where only the sweep is missing."""
    number = None if account is None else parse_account_no(account)
    code = None if store is None else clean_code(store, field="store")
    rows = (
        (
            UUID(bytes=hold.hold_id), look.local(hold.deadline_at), hold.account_no,
            *_goods(look, goods), LAPSED if look.has_lapsed(hold) else RESERVED,
        )
        for hold, goods in _reservations(look)
        if code in (None, look.store_code(goods.store_no)) and number in (None, hold.account_no)
    )  # fmt: skip
    keys = "redemption_id deadline_at account store sku name quantity points state"
    return table_of("redemptions.reserved", keys, rows)


def _reservations(look: Look) -> Iterator[tuple[StoredHold, Redemption]]:
    holds = sorted(look.books.holds.values(), key=lambda one: (one.deadline_at, one.hold_id))
    for hold in holds:
        goods = look.books.redemptions.get(hold.hold_id)
        if goods is not None and hold.state == HELD:
            yield hold, goods


def _goods(look: Look, one: Redemption) -> tuple[Any, ...]:
    name = look.books.offers[one.store_no, one.sku].published.name
    return look.store_code(one.store_no), one.sku, name, one.quantity, look.points(one.points)


def pools(look: Look) -> Table:
    """Every pool with what it received, gave and has."""
    books = look.books
    rows = (
        (
            one.code, one.name, one.outlet_code, books.outlets[one.outlet_no].name, one.account_no,
            look.points(books.credited(one.account_no)), look.points(books.debited(one.account_no)),
            look.points(books.balance(one.account_no)), one.state,
        )
        for one in sorted(books.pools.values(), key=lambda one: one.pool_no)
    )  # fmt: skip
    keys = "pool name outlet outlet_name account received given balance state"
    return table_of("pools.list", keys, rows)


#: What answers `reference.holds.of(…)` and the like, by desk and method.
READINGS: dict[str, Callable[..., Any]] = {
    "closings.register": registers.closings,
    "customers.account_of": registers.account_of,
    "holds.list": holds_open,
    "holds.of": holds_of,
    "hours.of": registers.records_of,
    "hours.waiting": registers.waiting_records,
    "outlets.tree": registers.outlet_tree,
    "passbooks.of": registers.books_of,
    "passbooks.page": registers.page,
    "passbooks.stock": registers.stock,
    "policies.book": registers.policy_book,
    "pools.balance": statements.pool_balance,
    "pools.list": pools,
    "pools.statement": statements.pool_statement,
    "ratings.explain": ratings.explain,
    "ratings.explain_outlet": ratings.explain_outlet,
    "ratings.indicators": ratings.indicators,
    "ratings.outlet_league": ratings.outlet_league,
    "ratings.volunteer_league": ratings.volunteer_league,
    "ratings.volunteer_stars": ratings.volunteer_stars,
    "ratings.volunteers_by_stars": ratings.volunteers_by_stars,
    "redemptions.of": redemptions_of,
    "redemptions.reserved": reserved,
    "reports.balance": statements.balance,
    "reports.balance_as_of": statements.balance_as_of,
    "reports.balances": statements.balances,
    "reports.clearing": clearing.clearing,
    "reports.customer_summary": summaries.customer_summary,
    "reports.expiry_schedule": origins.expiry_schedule,
    "reports.explain": origins.explain,
    "reports.ledger_book": summaries.ledger_book,
    "reports.proof": origins.proof,
    "reports.provenance": origins.provenance,
    "reports.spent_on": origins.spent_on,
    "reports.statement": statements.statement,
    "reports.totals": statements.totals,
    "reports.trial_balance": summaries.trial_balance,
    "staff.roles": registers.staff_roles,
    "stores.offers": offers,
}


def absent(name: str) -> NotImplementedError:
    """What to raise for something that a bank has and the reference has not.

    No refusal of the bank's: nothing that a service would take for an answer.
    """
    return NotImplementedError(
        f"the reference bank has no {name}: it is dicts and rules, no database. Ask a Bank for it"
    )


#: What a bank has and the reference has not: desks, methods of desks, and methods of the bank.
ABSENT: Final = frozenset({
    "engine", "glance", "grants", "keep", "lock", "migrate", "open", "outbox", "read", "verify",
    "within",
})  # fmt: skip
