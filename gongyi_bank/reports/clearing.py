"""清算表: what each branch owes the others or is owed, and why. Read only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gongyi_bank.display import Column, Shown, Table
from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import require_day
from gongyi_bank.reports.faults import Fault
from gongyi_bank.reports.words import LINE_SUMMARIES_EN, TOTAL
from gongyi_bank.rules.clearing import CLEARING, branch_no, sum_by_branch
from gongyi_bank.rules.closings import CLOSED, DAY
from gongyi_bank.rules.ledger import EARLIEST, LINE_SUMMARIES, internal_no
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.store import clearing as store
from gongyi_bank.store import totals
from gongyi_bank.store.closings import ask_closing
from gongyi_bank.store.outlets import ask_outlets_then
from gongyi_bank.store.transaction import Rows, Transaction
from gongyi_bank.values import Points

_COLUMNS = (
    Column("outlet", "网点", "Outlet", words=TOTAL),
    Column("outlet_name", "网点名称", "Name"),
    Column("opening", "期初", "Opening", "right"),
    Column("business", "跨行业务", "Business", "right"),
    Column("moved", "迁移", "Moved", "right"),
    Column("closing", "期末", "Closing", "right"),
)
_CROSSING_COLUMNS = (
    Column("outlet", "网点", "Outlet"),
    Column("other", "对方网点", "Other outlet"),
    Column("summary", "摘要", "Details", words=LINE_SUMMARIES_EN),
    Column("points", "应付积分", "Owed", "right"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingRow:
    """What lies between one branch and all others: above zero it owes, below it is owed."""

    #: A branch, or the head office.
    outlet: str
    outlet_name: str
    opening: Points
    #: What its customers took with others, less what others' took with it, in these days.
    business: Points
    #: What customers and savings branches brought along that moved in these days, less what left.
    moved: Points
    closing: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingCrossing:
    """Lines of one kind between the accounts of two branches."""

    #: The branch of the account that the lines stand in.
    outlet: str
    #: The branch of the other side: of the store, the pool, or the outlet that issued.
    other: str
    #: The kind of the lines, as `StatementLine.kind`.
    kind: str
    #: What `outlet` owes `other` by them; below zero it is owed.
    points: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearing(Shown):
    """清算表: the netting of the branches by one closing of the whole bank."""

    first_on: dt.date
    last_on: dt.date
    rows: tuple[ClearingRow, ...]
    crossings: tuple[ClearingCrossing, ...]

    def to_table(self) -> Table:
        """Branch by branch; the last row is the total, which is zero."""
        rows = [
            (row.outlet, row.outlet_name, row.opening, row.business, row.moved, row.closing)
            for row in self.rows
        ]
        sums = [sum((row[at] for row in rows), start=Points("0")) for at in range(2, 6)]
        return Table(
            title=f"清算表 {self.first_on} 至 {self.last_on}",
            title_en=f"Clearing of {self.first_on} to {self.last_on}",
            columns=_COLUMNS,
            rows=(*rows, ("合计", None, *sums)),
        )

    def to_plain_table(self) -> Table:
        """One row per branch, without the total."""
        table = self.to_table()
        return Table(title="", columns=table.columns, rows=table.rows[:-1])

    def crossings_table(self) -> Table:
        """跨行明细: which branch owes which for what."""
        return Table(
            title=f"跨行明细 {self.first_on} 至 {self.last_on}",
            title_en=f"Between branches, {self.first_on} to {self.last_on}",
            columns=_CROSSING_COLUMNS,
            rows=tuple(
                (one.outlet, one.other, LINE_SUMMARIES.get(one.kind, one.kind), one.points)
                for one in self.crossings
            ),
        )


def clearing(tx: Transaction, day: dt.date | None) -> Clearing:
    """The netting by the closing that ends on `day`, or by the newest one.

    Raises InvalidValue, where no closing of the whole bank ends on that day.
    """
    last_on = tx.look(totals.ask_rolled_up_through(dt.date.max))
    if day is not None:
        last_on = require_day(day, "day")
    closed = tx.look(ask_closing(None, DAY, last_on))
    if closed is None or closed.state != CLOSED:
        reason = "the last day of a closing of the whole bank (closings.register)"
        raise InvalidValue.of("day", day, reason)
    found, outlets = store.ask_crossings(closed.first_on, last_on), ask_outlets_then(last_on)
    moves = store.ask_netted(closed.closing_no)
    tx.gather(found, outlets, moves)
    crossings = _between_branches(found.answer, outlets.answer)
    books = _books_through(tx, last_on, outlets.answer)
    netted = _netted(moves.answer, outlets.answer)
    business: dict[int, int] = {}
    for (own_no, other_no, _), owed in crossings.items():
        business[own_no] = business.get(own_no, 0) + owed
        business[other_no] = business.get(other_no, 0) - owed

    def points(units: int) -> Points:
        return Points.of_units(units, tx.bank.scale)

    rows = [
        ClearingRow(
            outlet=outlets.answer[number].code,
            outlet_name=outlets.answer[number].name,
            opening=points(-books.get(number, 0) - netted.get(number, 0)),
            business=points(business.get(number, 0)),
            moved=points(netted.get(number, 0) - business.get(number, 0)),
            closing=points(-books.get(number, 0)),
        )
        for number in sorted({branch_no(number, outlets.answer) for number in outlets.answer})
    ]
    return Clearing(
        first_on=closed.first_on,
        last_on=last_on,
        rows=tuple(rows),
        crossings=tuple(
            ClearingCrossing(
                outlet=outlets.answer[own_no].code,
                other=outlets.answer[other_no].code,
                kind=kind,
                points=points(owed),
            )
            for (own_no, other_no, kind), owed in sorted(crossings.items())
            if owed
        ),
    )


def _between_branches(
    rows: Rows, outlets: Mapping[int, OutletFacts]
) -> dict[tuple[int, int, str], int]:
    """What one branch owes another by lines of a kind, from what crossed between outlets."""
    found: dict[tuple[int, int, str], int] = {}
    for own_no, other_no, kind, amount in sorted(rows):
        key = branch_no(own_no, outlets), branch_no(other_no, outlets), kind
        if key[0] != key[1]:
            found[key] = found.get(key, 0) - amount
    return found


def _books_through(
    tx: Transaction, last_on: dt.date, outlets: Mapping[int, OutletFacts]
) -> dict[int, int]:
    """What the books of each branch add up to without the clearing accounts."""
    sums = totals.list_account_sums(tx, last_on)
    rows = ((one.outlet_no, one.kind, one.debits, one.credits) for one in sums)
    return sum_by_branch((row for row in rows if row[1] != CLEARING), outlets)


def _netted(moves: Rows, outlets: Iterable[int]) -> dict[int, int]:
    """What was moved into the clearing account of each branch, less what was moved out."""
    own = {internal_no(CLEARING, number): number for number in outlets}
    found: dict[int, int] = {}
    for source_no, target_no, amount in moves:
        found[own[source_no]] = found.get(own[source_no], 0) - amount
        found[own[target_no]] = found.get(own[target_no], 0) + amount
    return found


# --- audit ---------------------------------------------------------------------------------


def check_clearing(tx: Transaction) -> Iterator[Fault]:
    """With what was netted, the books of each branch add up to zero on the newest closed day."""
    last_on = tx.look(totals.ask_rolled_up_through(dt.date.max))
    if last_on == EARLIEST:
        return
    rolled_up, _ = totals.asks_of_internal(last_on, last_on)
    since, outlets = totals.ask_netted(last_on), ask_outlets_then(last_on)
    tx.gather(rolled_up, since, outlets)
    books = _books_through(tx, last_on, outlets.answer)
    rows = (row[1:] for row in (*rolled_up.answer, *since.answer) if row[2] == CLEARING)
    positions = sum_by_branch(rows, outlets.answer)
    for number in sorted(books.keys() | positions.keys()):
        found, due = positions.get(number, 0), -books.get(number, 0)
        if found != due:
            where = f"网点 {outlets.answer[number].code}"
            yield Fault("clearing", where, str(found), f"{due}, what lies with other branches")
