"""Ranges of points by their numbers: which lines they came from, and which took them.

Totals never fall with the line's number, so a line is found by halving the key, for many accounts
in one statement. Questions about many lines name them in a list, and each voucher or day that
stands behind several of them is read once. No account is scanned.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.reversals import is_made_by
from gongyi_bank.store.statements import compared, line_at
from gongyi_bank.store.sums import ZERO
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    hour_record,
    line_part,
    outlet,
    partner_store,
    redemption,
)
from gongyi_bank.store.tables.columns import Big
from gongyi_bank.store.transaction import Query, Transaction, of_bank, query

#: Written into the statement as what they are: whole numbers, of which a half is one too.
_ONE: sa.ColumnElement[int] = sa.literal_column("1", Big)
_TWO: sa.ColumnElement[int] = sa.literal_column("2", Big)
#: An account and the number of a line in it.
LineKey = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RangeLine:
    """A line with the numbers that it credited or took, and where it was handled."""

    account_no: int
    line_no: int
    kind: str
    amount: int
    contra_no: int
    credited_after: int
    debited_after: int
    expires_on: dt.date | None
    value_on: dt.date
    business_day: dt.date
    voucher_id: bytes
    outlet: str

    @property
    def low(self) -> int:
        """The number below its first point: of those it credited, or of those it took."""
        if self.amount > 0:
            return self.credited_after - self.amount
        return self.debited_after + self.amount

    @property
    def high(self) -> int:
        """The number of its last point."""
        return self.low + abs(self.amount)


class NumberRange(NamedTuple):
    """So many points of an account, after the number below."""

    account_no: int
    below: int
    amount: int


class TransferLeg(NamedTuple):
    """A line of a transfer: what was given, or received, and the numbers that were taken."""

    voucher_id: bytes
    account_no: int
    line_no: int
    contra_no: int
    amount: int
    debited_after: int

    @property
    def taken(self) -> NumberRange:
        """The points that a debit took."""
        return NumberRange(self.account_no, self.debited_after + self.amount, -self.amount)


@dataclass(frozen=True, slots=True)
class PaidRecord:
    """The service behind a credit line."""

    record_no: int
    category: str | None
    project: str | None


@dataclass(frozen=True, slots=True)
class PaidGoods:
    """The goods behind a debit line."""

    store: str
    sku: str


_ITS_OUTLET = sa.and_(
    outlet.c.bank_id == account_line.c.bank_id, outlet.c.outlet_no == account_line.c.outlet_no
)
_LINE = (*(account_line.c[name] for name in RangeLine.__slots__[:-1]), outlet.c.code)
_MINE = account_line.c.account_no == sa.bindparam("account")
_LEG = account_line.alias("leg")


def _asked(engine: StoreEngine) -> tuple[sa.FromClause, sa.FromClause]:
    """The lines that the parameter `asked` lists, and the list joined to them."""
    asked = engine.rows_of("asked", ("account_no", "line_no"))
    line = account_line
    same = sa.and_(
        of_bank(line), line.c.account_no == asked.c.account_no, line.c.line_no == asked.c.line_no
    )
    return asked, asked.join(line, same)


def _first_above(engine: StoreEngine, total: sa.Column[Any]) -> sa.Select[Any]:
    """For each number asked for, the first line after which a total is above it.

    All of them halve the range (low, high] of their account's lines together, one line a step.
    """
    asked, head = engine.rows_of("asked", ("place", "account_no", "number")), account_head
    its_head = sa.and_(of_bank(head), head.c.account_no == asked.c.account_no)
    whole = sa.select(
        head.c.bank_id,
        asked.c.place,
        asked.c.account_no,
        asked.c.number,
        sa.cast(ZERO, Big).label("low"),
        (head.c.line_no + _ONE).label("high"),
    ).select_from(asked.join(head, its_head))
    halves = whole.cte("halves", recursive=True)
    middle = (halves.c.low + halves.c.high) // _TWO
    line, is_joined = line_at(engine, (account_line.c.line_no, total), halves, middle)
    is_above = line.c[total.name] > halves.c.number
    is_open = halves.c.high - halves.c.low > _ONE
    half = (
        sa.select(
            halves.c.bank_id,
            halves.c.place,
            halves.c.account_no,
            halves.c.number,
            sa.case((is_above, halves.c.low), else_=line.c.line_no),
            sa.case((is_above, line.c.line_no), else_=halves.c.high),
        )
        .select_from(halves.join(line, is_joined))
        .where(is_open)
    )
    found = halves.union_all(half)
    return sa.select(found.c.place, found.c.high).where(found.c.high - found.c.low == _ONE)


@query
def _first_credited(engine: StoreEngine) -> sa.Select[Any]:
    return _first_above(engine, account_line.c.credited_after)


@query
def _first_debited(engine: StoreEngine) -> sa.Select[Any]:
    return _first_above(engine, account_line.c.debited_after)


def _between(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(*_LINE)
        .select_from(account_line.join(outlet, _ITS_OUTLET))
        .where(
            of_bank(account_line),
            _MINE,
            account_line.c.line_no >= sa.bindparam("first"),
            account_line.c.line_no <= sa.bindparam("last"),
            *conditions,
        )
        .order_by(account_line.c.line_no)
    )


@query
def _credits(_: StoreEngine) -> sa.Select[Any]:
    return _between(account_line.c.amount > ZERO)


@query
def _debits(_: StoreEngine) -> sa.Select[Any]:
    return _between(account_line.c.amount < ZERO)


@query
def _credits_at(engine: StoreEngine) -> sa.Select[Any]:
    _, lines = _asked(engine)
    return (
        sa.select(*_LINE)
        .select_from(lines.join(outlet, _ITS_OUTLET))
        .where(account_line.c.amount > ZERO)
    )


@query
def _parts(engine: StoreEngine) -> sa.Select[Any]:
    """All parts of the debits that the lines asked for gave back, each debit once."""
    asked = engine.rows_of("asked", ("account_no", "line_no"))
    given, part, line = line_part.alias("given"), line_part, account_line
    made = account_line.alias("made")
    cited = (
        sa.select(given.c.account_no, given.c.line_no)
        .distinct()
        .select_from(
            asked.join(
                given,
                sa.and_(
                    given.c.bank_id == sa.bindparam("bank"),
                    given.c.account_no == asked.c.account_no,
                    given.c.by_line_no == asked.c.line_no,
                ),
            )
        )
        .subquery("cited")
    )
    its_parts = sa.and_(
        of_bank(part), part.c.account_no == cited.c.account_no, part.c.line_no == cited.c.line_no
    )
    its_line = sa.and_(
        of_bank(line), line.c.account_no == cited.c.account_no, line.c.line_no == cited.c.line_no
    )
    return (
        sa.select(
            part.c.account_no,
            part.c.line_no,
            part.c.by_line_no,
            part.c.amount,
            made.c.amount.label("moved"),
            (line.c.debited_after + line.c.amount).label("low"),
        )
        .select_from(
            cited.join(part, its_parts).join(line, its_line).outerjoin(made, is_made_by(made, part))
        )
        .order_by(part.c.account_no, part.c.line_no, part.c.part_no)
    )


def _behind(engine: StoreEngine, *columns: sa.Column[Any]) -> sa.Subquery:
    """What these columns say in the lines asked for, each once."""
    _, lines = _asked(engine)
    return sa.select(*columns).distinct().select_from(lines).subquery("behind")


def _found_by(
    engine: StoreEngine,
    behind: sa.Subquery,
    found: tuple[sa.FromClause, str],
    names: Sequence[str],
    *conditions: sa.ColumnElement[bool],
) -> sa.Select[Any]:
    """A table's rows by an index for each row of what is behind; empty where there are none.

    What is left of an outer join is read first: planners would rather read a small table whole.
    """
    table, index = found
    mine = sa.and_(table.c.bank_id == sa.bindparam("bank"), *conditions)
    rows = sa.select(*(table.c[name] for name in names)).select_from(behind.outerjoin(table, mine))
    return engine.looked_up_by(rows, table, index)


@query
def _legs_of_day(engine: StoreEngine) -> sa.Select[Any]:
    """What was given to the accounts of the lines asked for on those lines' days."""
    behind = _behind(engine, account_line.c.account_no, account_line.c.business_day)
    return _found_by(
        engine,
        behind,
        (_LEG, "gb_account_line_contra_ix"),
        TransferLeg._fields,
        _LEG.c.contra_no == behind.c.account_no,
        _LEG.c.business_day == behind.c.business_day,
        _LEG.c.amount < ZERO,
    )


@query
def _legs_of_voucher(engine: StoreEngine) -> sa.Select[Any]:
    """Lines of or against some accounts in the vouchers of the lines asked for."""
    behind = _behind(engine, account_line.c.voucher_id)
    sides = (compared(side) for side in (_LEG.c.account_no, _LEG.c.contra_no))
    return _found_by(
        engine,
        behind,
        (_LEG, "gb_account_line_voucher_ix"),
        TransferLeg._fields,
        _LEG.c.voucher_id == behind.c.voucher_id,
        sa.or_(*(engine.among(side, "accounts") for side in sides)),
    )


@query
def _records(engine: StoreEngine) -> sa.CompoundSelect[Any]:
    """By the vouchers that credited the lines: when they were recorded, or approved."""
    record = hour_record
    names = ("account_no", "line_no", *PaidRecord.__slots__)
    behind = _behind(engine, account_line.c.voucher_id)
    mine = engine.among(compared(record.c.account_no), "accounts")
    cited = {
        "gb_hour_record_voucher_ix": record.c.voucher_id,
        "gb_hour_record_decided_by_ix": record.c.decided_voucher_id,
    }
    return sa.union(
        *(
            _found_by(
                engine, behind, (record, index), names, voucher_id == behind.c.voucher_id, mine
            )
            for index, voucher_id in cited.items()
        )
    )


@query
def _goods(engine: StoreEngine) -> sa.Select[Any]:
    """What an account redeemed on some days: one range of its own redemptions."""
    taken = redemption
    its_store = sa.and_(
        partner_store.c.bank_id == taken.c.bank_id, partner_store.c.store_no == taken.c.store_no
    )
    day = taken.c.redeemed_on
    rows = (
        sa.select(taken.c.line_no, partner_store.c.code, taken.c.sku)
        .select_from(taken.outerjoin(partner_store, its_store))
        .where(
            of_bank(taken),
            taken.c.account_no == sa.bindparam("account"),
            day >= sa.bindparam("first", type_=day.type),
            day <= sa.bindparam("last", type_=day.type),
            taken.c.line_no.is_not(None),
        )
    )
    return engine.looked_up_by(rows, taken, "gb_redemption_account_ix")


def find_credits(tx: Transaction, asked: Sequence[tuple[int, int]]) -> list[int]:
    """For each (account, number) the first line by which more than this number was credited.

    That of the line that will come next, where there is none; all of them in one statement.
    """
    return _find(tx, _first_credited, asked)


def list_credits_at(tx: Transaction, asked: Sequence[LineKey]) -> dict[LineKey, RangeLine]:
    """The credits among these lines."""
    found = (RangeLine(*row) for row in _credits_at(tx, asked=json.dumps(asked)))
    return {(line.account_no, line.line_no): line for line in found}


def list_debits(tx: Transaction, account_no: int, *, low: int, high: int) -> list[RangeLine]:
    """The debit lines that took the points low + 1 to high, in their order."""
    first, last = _find(tx, _first_debited, [(account_no, low), (account_no, high - 1)])
    rows = _debits(tx, account=account_no, first=first, last=last)
    return [RangeLine(*row) for row in rows]


def _find(tx: Transaction, search: Query, asked: Sequence[tuple[int, int]]) -> list[int]:
    rows = [(place, *number) for place, number in enumerate(asked)]
    found: dict[int, int] = dict(search(tx, asked=json.dumps(rows)))
    # Lines have no gaps; in an account with one, which an audit tells, nothing may be found.
    return [found.get(place, 0) for place in range(len(asked))]


def list_credits_from(
    tx: Transaction, account_no: int, *, first: int, newest: int
) -> list[RangeLine]:
    """The credit lines from one line on."""
    rows = _credits(tx, account=account_no, first=first, last=newest)
    return [RangeLine(*row) for row in rows]


def load_line(tx: Transaction, account_no: int, line_no: int) -> RangeLine:
    """A line that exists."""
    span = {"account": account_no, "first": line_no, "last": line_no}
    (row,) = _credits(tx, **span) or _debits(tx, **span)
    return RangeLine(*row)


def list_returned(tx: Transaction, asked: Sequence[LineKey]) -> dict[LineKey, list[NumberRange]]:
    """The taken points that refunds and reversals gave back, by the line that did it.

    A part's lowest numbers are those that were spent or had expired, and did not come back.
    """
    found: dict[LineKey, list[NumberRange]] = {key: [] for key in asked}
    debit, before = None, 0
    for account_no, line_no, by_line_no, amount, moved, low in _parts(tx, asked=json.dumps(asked)):
        if debit != (account_no, line_no):
            debit, before = (account_no, line_no), 0
        if (account_no, by_line_no) in found:
            back = NumberRange(account_no, low + before + amount - moved, moved)
            found[account_no, by_line_no].append(back)
        before += amount
    return {key: ranges for key, ranges in found.items() if ranges}


def list_legs_of_day(tx: Transaction, asked: Sequence[LineKey]) -> list[TransferLeg]:
    """What was given to the accounts of these lines on the lines' days."""
    return _legs(_legs_of_day(tx, asked=json.dumps(asked)))


def list_legs_of_voucher(
    tx: Transaction, asked: Sequence[LineKey], accounts: Iterable[int]
) -> list[TransferLeg]:
    """The lines of these accounts, and those against them, in the vouchers of some lines."""
    return _legs(_legs_of_voucher(tx, asked=json.dumps(asked), accounts=sorted(set(accounts))))


def _legs(rows: Iterable[tuple[Any, ...]]) -> list[TransferLeg]:
    return [TransferLeg._make(row) for row in rows if row[0] is not None]


def load_records(tx: Transaction, asked: Sequence[LineKey]) -> dict[LineKey, PaidRecord]:
    """The service records behind credit lines, and maybe others of their vouchers."""
    accounts = sorted({account_no for account_no, _ in asked})
    rows = _records(tx, asked=json.dumps(asked), accounts=accounts)
    return {(row[0], row[1]): PaidRecord(*row[2:]) for row in rows if row[0] is not None}


def load_goods(
    tx: Transaction, account_no: int, first: dt.date, last: dt.date
) -> dict[int, PaidGoods]:
    """The goods that an account's debits of these value dates paid for, by line number."""
    rows = _goods(tx, account=account_no, first=first, last=last)
    return {row[0]: PaidGoods(*row[1:]) for row in rows}
