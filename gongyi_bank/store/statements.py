"""Reading lines: pages of an account's lines, and what stands behind one of them."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import ZERO, only_where, total_of
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    hour_record,
    outlet,
    partner_store,
    policy,
    redemption,
    staff,
    voucher,
)
from gongyi_bank.store.tables.columns import Big, Instant
from gongyi_bank.store.transaction import Transaction, of_bank, query
from gongyi_bank.values import NEVER


class StoredLine(NamedTuple):
    """A line as a statement shows it, with the outlet that handled it.

    A tuple, since pages of them are read: it is made ten times as fast as a frozen dataclass.
    """

    account_no: int
    line_no: int
    kind: str
    amount: int
    credited_after: int
    debited_after: int
    expires_on: dt.date | None
    value_on: dt.date
    origin_on: dt.date | None
    booked_at: dt.datetime
    business_day: dt.date
    voucher_id: bytes
    policy_id: int | None
    outlet: str
    outlet_name: str
    #: Whether a policy may have introduced expiry since; true also where nobody has looked.
    may_have_date: int = True

    @property
    def balance_after(self) -> int:
        """The balance after it, in the smallest part."""
        return self.credited_after - self.debited_after


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """An account's totals, from its head."""

    account_no: int
    credited: int
    debited: int
    line_no: int


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    """Who did an act, who agreed, and why."""

    act: str
    staff: str
    second_person: str | None
    reason: str | None
    booked_at: dt.datetime


@dataclass(frozen=True, slots=True)
class LineRecord:
    """The hour record behind a line."""

    record_no: int
    kind: str
    state: str
    ref: str | None
    category: str | None
    project: str | None
    started_at: dt.datetime
    ended_at: dt.datetime
    minutes: int
    points: int
    policy_id: int | None
    recorded_by: str | None
    checked_by: str | None


@dataclass(frozen=True, slots=True)
class LineRedemption:
    """The redemption behind a line."""

    store: str
    store_name: str
    sku: str
    quantity: int
    ref: str | None


#: More lines than any account has.
LINES_MAX = 2**62


def compared(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The column's value, not to be searched by: what a voucher wrote is found by the voucher.

    An account may have a thousand times as many rows; planners without statistics do not know.
    """
    return column + ZERO


def line_at(
    engine: StoreEngine,
    columns: Sequence[sa.Column[Any]],
    found: sa.CTE,
    number: sa.ColumnElement[Any],
) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """The line with this number that a search looks at, and on what to join it.

    `found` has the bank and the account in its own rows: of what a parameter picks, SQLite may
    first make a filter, which is all lines (decision 0003).
    """
    return engine.row_at(
        columns,
        account_line.c.bank_id == found.c.bank_id,
        account_line.c.account_no == found.c.account_no,
        account_line.c.line_no == number,
    )


_PLACE = sa.and_(
    outlet.c.bank_id == account_line.c.bank_id, outlet.c.outlet_no == account_line.c.outlet_no
)
_LINE: tuple[Any, ...] = (
    *(account_line.c[name] for name in StoredLine._fields[:-3]),
    outlet.c.code,
    outlet.c.name,
)
_MINE = account_line.c.account_no == sa.bindparam("account")


@query
def _totals(engine: StoreEngine) -> sa.Select[Any]:
    head = account_head
    columns = (head.c[name] for name in StoredTotals.__slots__)
    return sa.select(*columns).where(of_bank(head), engine.among(head.c.account_no, "accounts"))


@query
def _balance(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    return sa.select(head.c.credited - head.c.debited).where(
        of_bank(head), head.c.account_no == sa.bindparam("account")
    )


@query
def _page(_: StoreEngine) -> sa.Select[Any]:
    """One range scan on the key, newest first; and whether there was ever more than one policy
    on expiry, which saves reading them where there was not."""
    adopted = (
        sa.select(sa.func.count())
        .select_from(policy)
        .where(of_bank(policy), policy.c.kind == "points_expiry")
        .scalar_subquery()
    )
    return (
        sa.select(*_LINE, (adopted > 1).label("may_have_date"))
        .select_from(account_line.join(outlet, _PLACE))
        .where(
            of_bank(account_line),
            _MINE,
            account_line.c.line_no > sa.bindparam("above"),
            account_line.c.line_no <= sa.bindparam("newest"),
        )
        .order_by(account_line.c.line_no.desc())
        .limit(sa.bindparam("size", type_=sa.Integer()))
    )


@query
def _last_date(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    return sa.select(sa.func.max(line.c.expires_on)).where(
        of_bank(line),
        _MINE,
        line.c.line_no < sa.bindparam("before"),
        line.c.expires_on < sa.bindparam("never", NEVER, type_=line.c.expires_on.type),
    )


_INSTANT: sa.BindParameter[Any] = sa.bindparam("instant", type_=Instant())
#: `operator.le` or `operator.lt`: whether the instant itself is early.
Compare = Callable[[Any, Any], Any]


def _halves(engine: StoreEngine, compare: Compare) -> sa.CTE:
    """Where the newest of an account's lines up to `at_most` and an instant is: low = high.

    A binary search on the key in one statement, as all lines before an early one are early: it
    halves the range (low, high] and asks one line at each step.
    """
    head, most = account_head, sa.cast(sa.bindparam("at_most"), Big)
    whole = sa.select(
        head.c.bank_id,
        head.c.account_no,
        sa.cast(ZERO, Big).label("low"),
        sa.case((head.c.line_no < most, head.c.line_no), else_=most).label("high"),
    ).where(of_bank(head), head.c.account_no == sa.bindparam("account"))
    halves = whole.cte("halves", recursive=True)
    middle = (halves.c.low + halves.c.high + 1) // 2
    asked = (account_line.c.line_no, account_line.c.booked_at)
    line, is_joined = line_at(engine, asked, halves, middle)
    is_early = compare(line.c.booked_at, _INSTANT)
    half = (
        sa.select(
            halves.c.bank_id,
            halves.c.account_no,
            sa.case((is_early, line.c.line_no), else_=halves.c.low),
            sa.case((is_early, halves.c.high), else_=line.c.line_no - 1),
        )
        .select_from(halves.join(line, is_joined))
        .where(halves.c.low < halves.c.high)
    )
    return halves.union_all(half)


def _newest_by(engine: StoreEngine, compare: Compare) -> sa.Select[Any]:
    found = _halves(engine, compare)
    return sa.select(found.c.low).where(found.c.low == found.c.high)


def _balance_by(engine: StoreEngine, compare: Compare) -> sa.Select[Any]:
    found = _halves(engine, compare)
    totals = (account_line.c.credited_after, account_line.c.debited_after)
    line, is_joined = line_at(engine, totals, found, found.c.low)
    balance = sa.func.coalesce(line.c.credited_after - line.c.debited_after, ZERO)
    return (
        sa.select(balance)
        .select_from(found.outerjoin(line, is_joined))
        .where(found.c.low == found.c.high)
    )


@query
def _newest_through(engine: StoreEngine) -> sa.Select[Any]:
    return _newest_by(engine, operator.le)


@query
def _newest_before(engine: StoreEngine) -> sa.Select[Any]:
    return _newest_by(engine, operator.lt)


@query
def _balance_through(engine: StoreEngine) -> sa.Select[Any]:
    return _balance_by(engine, operator.le)


@query
def _balance_before(engine: StoreEngine) -> sa.Select[Any]:
    return _balance_by(engine, operator.lt)


@query
def _by_value(_: StoreEngine) -> sa.Select[Any]:
    """What the lines with a value date through `day` add up to: all, and the first `known`.

    The third sum is of what was booked since for an earlier day that is closed: it has a later
    value date, and the day it belongs to as its origin.
    """
    line, known = account_line, account_line.c.line_no <= sa.bindparam("known")
    day: sa.BindParameter[Any] = sa.bindparam("day", type_=line.c.value_on.type)
    by_value, by_origin = line.c.value_on <= day, line.c.origin_on <= day
    sums = {
        "all_of_it": by_value,
        "known_then": sa.and_(by_value, known),
        "with_origin": sa.and_(by_origin, ~by_value),
    }
    columns: list[Any] = [
        total_of(only_where(counts, line.c.amount)).label(name) for name, counts in sums.items()
    ]
    return sa.select(*columns).where(of_bank(line), _MINE)


@query
def _corrections(_: StoreEngine) -> sa.Select[Any]:
    """What was booked later for a day or an earlier one, oldest first."""
    line = account_line
    day: sa.BindParameter[Any] = sa.bindparam("day", type_=line.c.value_on.type)
    return (
        sa.select(*_LINE)
        .select_from(line.join(outlet, _PLACE))
        .where(
            of_bank(line),
            _MINE,
            line.c.line_no > sa.bindparam("known"),
            sa.func.coalesce(line.c.origin_on, line.c.value_on) <= day,
        )
        .order_by(line.c.line_no)
    )


def _by_kind(day: sa.Column[Any]) -> sa.Select[Any]:
    line = account_line
    first: sa.BindParameter[Any] = sa.bindparam("first", type_=day.type)
    last: sa.BindParameter[Any] = sa.bindparam("last", type_=day.type)
    return (
        sa.select(
            line.c.kind,
            sa.func.count().label("lines"),
            total_of(only_where(line.c.amount > 0, line.c.amount)).label("credited"),
            total_of(only_where(line.c.amount < 0, -line.c.amount)).label("debited"),
        )
        .where(of_bank(line), _MINE, day >= first, day <= last)
        .group_by(line.c.kind)
        .order_by(line.c.kind)
    )


@query
def _by_kind_booked(_: StoreEngine) -> sa.Select[Any]:
    return _by_kind(account_line.c.business_day)


@query
def _by_kind_valued(_: StoreEngine) -> sa.Select[Any]:
    return _by_kind(account_line.c.value_on)


@query
def _voucher(_: StoreEngine) -> sa.Select[Any]:
    second = staff.alias("second")
    maker = sa.and_(staff.c.bank_id == voucher.c.bank_id, staff.c.staff_no == voucher.c.staff_no)
    checker = sa.and_(
        second.c.bank_id == voucher.c.bank_id, second.c.staff_no == voucher.c.second_staff_no
    )
    return (
        sa.select(
            voucher.c.act,
            staff.c.code,
            second.c.code.label("second_code"),
            voucher.c.reason,
            voucher.c.booked_at,
        )
        .select_from(voucher.join(staff, maker).outerjoin(second, checker))
        .where(of_bank(voucher), voucher.c.voucher_id == sa.bindparam("voucher"))
    )


def _record_of(cited: sa.Column[Any], which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The account's records that a voucher wrote, decided or voided, with who made them."""
    record, checker = hour_record, staff.alias("checker")
    recorded = sa.and_(
        staff.c.bank_id == record.c.bank_id, staff.c.staff_no == record.c.recorded_by_no
    )
    checked = sa.and_(
        checker.c.bank_id == record.c.bank_id, checker.c.staff_no == record.c.checked_by_no
    )
    columns = [record.c[name] for name in tuple(LineRecord.__slots__)[:-2]]
    return (
        sa.select(*columns, staff.c.code, checker.c.code.label("checker_code"))
        .select_from(record.outerjoin(staff, recorded).outerjoin(checker, checked))
        .where(
            of_bank(record),
            cited == sa.bindparam("voucher"),
            compared(record.c.account_no) == sa.bindparam("account"),
            which,
        )
    )


@query
def _record_paid(_: StoreEngine) -> sa.CompoundSelect[Any]:
    """The record that a line paid, when it was recorded or when it was approved."""
    paid = hour_record.c.line_no == sa.bindparam("line")
    cited = (hour_record.c.voucher_id, hour_record.c.decided_voucher_id)
    return sa.union(*(_record_of(voucher_id, paid) for voucher_id in cited))


@query
def _record_taken_back(_: StoreEngine) -> sa.Select[Any]:
    """The record that a reversal under this voucher took back."""
    return _record_of(hour_record.c.voided_voucher_id, hour_record.c.state == "voided")


@query
def _redemption(_: StoreEngine) -> sa.CompoundSelect[Any]:
    """The goods that a line paid: redeemed under its voucher, or reserved before and captured."""
    taken = redemption
    its_store = sa.and_(
        partner_store.c.bank_id == taken.c.bank_id, partner_store.c.store_no == taken.c.store_no
    )
    columns = (
        partner_store.c.code, partner_store.c.name, taken.c.sku, taken.c.quantity, taken.c.ref,
    )  # fmt: skip
    return sa.union(
        *(
            sa.select(*columns)
            .select_from(taken.join(partner_store, its_store))
            .where(
                of_bank(taken),
                cited == sa.bindparam("voucher"),
                compared(taken.c.account_no) == sa.bindparam("account"),
                taken.c.line_no == sa.bindparam("line"),
            )
            for cited in (taken.c.voucher_id, taken.c.settled_voucher_id)
        )
    )


def load_totals(tx: Transaction, accounts: Iterable[int]) -> dict[int, StoredTotals]:
    """Totals of these accounts, by account number: one seek each, whatever their length."""
    rows = _totals(tx, accounts=sorted(set(accounts)))
    return {row[0]: StoredTotals(*row) for row in rows}


def list_lines(
    tx: Transaction, account_no: int, *, above: int, newest: int, size: int
) -> list[StoredLine]:
    """At most `size` lines with `above` < line number <= `newest`, newest first."""
    rows = _page(tx, account=account_no, above=above, newest=newest, size=size)
    # The last column is a number where the engine has no truth values.
    return list(map(StoredLine._make, rows))


def load_last_date(tx: Transaction, account_no: int, before_line: int) -> dt.date | None:
    """The latest date that a line before this one carries; reads all of them."""
    found: dt.date | None = _last_date(tx, account=account_no, before=before_line)[0][0]
    return found


def load_line(tx: Transaction, account_no: int, line_no: int) -> StoredLine | None:
    """One line."""
    found = list_lines(tx, account_no, above=line_no - 1, newest=line_no, size=1)
    return found[0] if found else None


def load_newest_line_no(
    tx: Transaction, account_no: int, at_most: int, instant: dt.datetime, *, is_inclusive: bool
) -> int | None:
    """The newest line up to `at_most` booked before `instant`, or 0; None for no such account.

    A binary search on the key, since `booked_at` never decreases within an account.
    """
    find = _newest_through if is_inclusive else _newest_before
    rows = find(tx, account=account_no, at_most=at_most, instant=instant)
    return rows[0][0] if rows else None


def load_balance(tx: Transaction, account_no: int) -> int | None:
    """An account's balance now; None for no such account."""
    rows = _balance(tx, account=account_no)
    return rows[0][0] if rows else None


def load_balance_by(
    tx: Transaction, account_no: int, instant: dt.datetime, *, is_inclusive: bool
) -> int | None:
    """An account's balance by what was booked before `instant`; None for no such account."""
    find = _balance_through if is_inclusive else _balance_before
    rows = find(tx, account=account_no, at_most=LINES_MAX, instant=instant)
    return rows[0][0] if rows else None


def load_by_value(
    tx: Transaction, account_no: int, day: dt.date, known: int
) -> tuple[int, int, int]:
    """(all, of the first `known` lines, booked later with an origin) through a value date."""
    everything, known_then, with_origin = _by_value(tx, account=account_no, day=day, known=known)[0]
    return everything, known_then, with_origin


def list_corrections(
    tx: Transaction, account_no: int, day: dt.date, known: int
) -> list[StoredLine]:
    """The lines after the first `known` that belong to `day` or an earlier one."""
    rows = _corrections(tx, account=account_no, day=day, known=known)
    return [StoredLine(*row) for row in rows]


def list_by_kind(
    tx: Transaction, account_no: int, first: dt.date, last: dt.date, *, by_value: bool
) -> list[tuple[str, int, int, int]]:
    """(kind, lines, credited, debited) between two days, both included."""
    find = _by_kind_valued if by_value else _by_kind_booked
    return [
        (kind, lines, credited, debited)
        for kind, lines, credited, debited in find(tx, account=account_no, first=first, last=last)
    ]


def load_voucher(tx: Transaction, voucher_id: bytes) -> VoucherFacts:
    """The voucher of a line that exists."""
    return VoucherFacts(*_voucher(tx, voucher=voucher_id)[0])


def load_line_record(tx: Transaction, line: StoredLine) -> LineRecord | None:
    """The hour record that a line paid, or took back."""
    by = {"account": line.account_no, "voucher": line.voucher_id}
    # A correction takes a record back and pays another one under the same voucher.
    is_paid = line.kind != "reversal"
    rows = _record_paid(tx, line=line.line_no, **by) if is_paid else _record_taken_back(tx, **by)
    return LineRecord(*rows[0]) if rows else None


def load_line_redemption(tx: Transaction, line: StoredLine) -> LineRedemption | None:
    """The redemption that a line paid for."""
    rows = _redemption(tx, account=line.account_no, line=line.line_no, voucher=line.voucher_id)
    return LineRedemption(*rows[0]) if rows else None
