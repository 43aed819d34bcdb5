"""来源与去向: what paid for a debit, and what a credit paid for. Read only.

The n-th point ever credited is point n, and debits take the lowest numbers, so the answer is
the overlap of ranges of numbers. What came back by a refund is followed to the credits behind
the debit that it returns, and what came from another account to that account's own credits.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from gongyi_bank.display import Column, Shown, Table
from gongyi_bank.errors import InvalidValue, UnknownLine
from gongyi_bank.reports.origins import Origin, Span, Walk, key_of
from gongyi_bank.reports.statements import require_totals
from gongyi_bank.reports.words import LINE_SUMMARIES_EN
from gongyi_bank.rules.ledger import LINE_SUMMARIES, internal_kind
from gongyi_bank.rules.pools import PoolFacts
from gongyi_bank.store import provenance as store
from gongyi_bank.store.pools import ask_pools_of
from gongyi_bank.store.provenance import LineKey, PaidRecord, RangeLine
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, format_account_no

#: Credits whose services are looked up at a time.
_RECORDS: Final = 1_000

_SOURCE_COLUMNS = (
    Column("account", "账号", "Account"),
    Column("line_no", "序号", "No.", "right"),
    Column("day", "日期", "Date"),
    Column("summary", "摘要", "Details", words=LINE_SUMMARIES_EN),
    Column("category", "类别", "Category"),
    Column("project", "项目", "Project"),
    Column("fund", "基金", "Fund"),
    Column("outlet", "网点", "Outlet"),
    Column("points", "积分", "Points", "right"),
)
_USE_COLUMNS = (
    Column("line_no", "序号", "No.", "right"),
    Column("day", "日期", "Date"),
    Column("summary", "摘要", "Details", words=LINE_SUMMARIES_EN),
    Column("store", "商家", "Store"),
    Column("sku", "兑换品", "Article"),
    Column("outlet", "网点", "Outlet"),
    Column("points", "积分", "Points", "right"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsSource:
    """Points of one credit line that went into a debit."""

    #: Whose line: another account's where the points were given.
    account: int
    line_no: int
    kind: str
    #: 摘要: what people call the kind.
    summary: str
    points: Points
    #: The day of booking, and the day that the points are for.
    day: dt.date
    value_on: dt.date
    outlet: str
    #: Of a service or an opening: the record.
    record_no: int | None = None
    category: str | None = None
    project: str | None = None
    #: The fund, a pool, that gave it on: its code and name. Of several the one that did so last.
    fund: str | None = None
    fund_name: str | None = None
    #: The (account, line) of refunds and gifts that it came through, the newest first.
    through: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance(Shown):
    """来源: what paid for a debit line.

    The sources, what is unpaid and what was not followed add up to it.
    """

    account: int
    line_no: int
    #: What the line took.
    points: Points
    #: Lowest numbers first.
    sources: tuple[PointsSource, ...]
    #: Owed: no credit stands behind it yet (欠分).
    unpaid: Points
    #: Behind more than 50 000 credits, or 1 000 refunds and gifts in a row: not looked for.
    unfollowed: Points

    def to_table(self) -> Table:
        """One row per credit line."""
        rows = [
            (
                format_account_no(s.account) if internal_kind(s.account) is None else s.account,
                s.line_no, s.day, s.summary, s.category, s.project, s.fund_name, s.outlet, s.points,
            )
            for s in self.sources
        ]  # fmt: skip
        where = format_account_no(self.account) if internal_kind(self.account) is None else "池"
        return Table(
            title=f"积分来源 {where} 第 {self.line_no} 行",
            title_en=f"What paid for line {self.line_no} of {where}",
            columns=_SOURCE_COLUMNS,
            rows=tuple(rows),
            notes=(
                f"支取 {self.points}，其中欠分 {self.unpaid}",
                *self._beyond("其中未追溯到源头"),
            ),
            notes_en=(
                f"debited {self.points}, of it owed {self.unpaid}",
                *self._beyond("of it not followed to where it came from"),
            ),
        )

    def _beyond(self, words: str) -> tuple[str, ...]:
        """What a table says of points that were not followed, where there are any."""
        return (f"{words} {self.unfollowed}",) if self.unfollowed else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsUse:
    """Points of a credit that one debit line took."""

    line_no: int
    kind: str
    summary: str
    points: Points
    day: dt.date
    outlet: str
    #: Of a redemption.
    store: str | None = None
    sku: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsSpent(Shown):
    """去向: what a credit line paid for; the uses and what is left add up to it."""

    account: int
    line_no: int
    #: What the line brought.
    points: Points
    uses: tuple[PointsUse, ...]
    #: Not taken yet, held points included.
    left: Points

    def to_table(self) -> Table:
        """One row per debit line."""
        rows = [
            (use.line_no, use.day, use.summary, use.store, use.sku, use.outlet, use.points)
            for use in self.uses
        ]
        where = format_account_no(self.account) if internal_kind(self.account) is None else "池"
        return Table(
            title=f"积分去向 {where} 第 {self.line_no} 行",
            title_en=f"What line {self.line_no} of {where} paid for",
            columns=_USE_COLUMNS,
            rows=tuple(rows),
            notes=(f"存入 {self.points}，尚余 {self.left}",),
            notes_en=(f"credited {self.points}, left {self.left}",),
        )


def spent_on(tx: Transaction, account: int | str, line_no: int) -> PointsSpent:
    """What a credit line paid for, by the account's own debits.

    Raises UnknownCustomer, UnknownLine, and InvalidValue for a debit.
    """
    line = _require_line(tx, account, line_no)
    if line.amount < 0:
        raise InvalidValue.of("line_no", line_no, "it is a debit: ask provenance")
    number = line.account_no
    debits = store.list_debits(tx, number, low=line.low, high=line.high)
    days = [debit.value_on for debit in debits]
    goods = store.load_goods(tx, number, min(days), max(days)) if days else {}
    uses = []
    for debit in debits:
        paid = goods.get(debit.line_no)
        use = PointsUse(
            line_no=debit.line_no,
            kind=debit.kind,
            summary=LINE_SUMMARIES.get(debit.kind, debit.kind),
            points=Points.of_units(_overlap(debit, line.low, line.high), tx.bank.scale),
            day=debit.business_day,
            outlet=debit.outlet,
            store=paid.store if paid else None,
            sku=paid.sku if paid else None,
        )
        uses.append(use)
    taken = sum(_overlap(debit, line.low, line.high) for debit in debits)
    return PointsSpent(
        account=number,
        line_no=line_no,
        points=Points.of_units(line.amount, tx.bank.scale),
        uses=tuple(uses),
        left=Points.of_units(line.amount - taken, tx.bank.scale),
    )


def provenance(tx: Transaction, account: int | str, line_no: int) -> Provenance:
    """What paid for a debit line, followed through refunds and gifts, however many there are.

    What lies beyond FOLLOWED_MAX credits or STEPS_MAX steps is `unfollowed`.

    Raises UnknownCustomer, UnknownLine, and InvalidValue for a credit.
    """
    line = _require_line(tx, account, line_no)
    if line.amount > 0:
        raise InvalidValue.of("line_no", line_no, "it is a credit: ask spent_on")
    walk = Walk(tx, Span(0, line.account_no, line.low, line.high))
    walk.go()
    scale, taken = tx.bank.scale, -line.amount
    found = sum(origin.high - origin.low for origin in walk.origins)
    unfollowed = walk.count_unfollowed()
    return Provenance(
        account=line.account_no,
        line_no=line_no,
        points=Points.of_units(taken, scale),
        sources=tuple(_sources(tx, walk.origins)),
        unpaid=Points.of_units(taken - found - unfollowed, scale),
        unfollowed=Points.of_units(unfollowed, scale),
    )


def _require_line(tx: Transaction, account: int | str, line_no: int) -> RangeLine:
    """A line that exists."""
    totals = require_totals(tx, account)
    if type(line_no) is not int or abs(line_no) > 2**62:
        raise InvalidValue.of("line_no", line_no, "the number of a line")
    if not 1 <= line_no <= totals.line_no:
        raise UnknownLine(account=totals.account_no, line_no=line_no)
    return store.load_line(tx, totals.account_no, line_no)


def _overlap(line: RangeLine, low: int, high: int) -> int:
    return max(0, min(line.high, high) - max(line.low, low))


def _sources(tx: Transaction, origins: list[Origin]) -> list[PointsSource]:
    """The credits found, with the services behind them and the funds that gave them on."""
    records = _records_behind(tx, origins)
    # What came the same way shares one path.
    paths = {id(origin.step): origin.step.path() if origin.step else () for origin in origins}
    ways = [(origin, paths[id(origin.step)]) for origin in origins]
    given_by = [_fund_no(path, origin.line) for origin, path in ways]
    wanted = sorted(set(given_by) - {0})
    funds = tx.look(ask_pools_of(wanted)) if wanted else {}
    return [
        _source(origin, path, records.get(key_of(origin.line)), funds.get(fund_no), tx.bank.scale)
        for (origin, path), fund_no in zip(ways, given_by, strict=True)
    ]


def _records_behind(tx: Transaction, origins: list[Origin]) -> dict[LineKey, PaidRecord]:
    """The records of these credits; each voucher of many of them is read once."""
    lines = sorted({(origin.line.voucher_id, key_of(origin.line)) for origin in origins})
    found: dict[LineKey, PaidRecord] = {}
    for first in range(0, len(lines), _RECORDS):
        some = [key for _, key in lines[first : first + _RECORDS]]
        read = store.load_records(tx, some)
        found.update((key, read[key]) for key in some if key in read)
    return found


def _fund_no(path: tuple[LineKey, ...], line: RangeLine) -> int:
    """The account of the pool that the points came through, of the last one; 0 if of none."""
    for number in (*(account_no for account_no, _ in path), line.account_no, line.contra_no):
        if internal_kind(number) == "pool":
            return number
    return 0


def _source(
    found: Origin,
    path: tuple[LineKey, ...],
    record: PaidRecord | None,
    fund: PoolFacts | None,
    scale: int,
) -> PointsSource:
    line = found.line
    return PointsSource(
        account=line.account_no,
        line_no=line.line_no,
        kind=line.kind,
        summary=LINE_SUMMARIES.get(line.kind, line.kind),
        points=Points.of_units(found.high - found.low, scale),
        day=line.business_day,
        value_on=line.value_on,
        outlet=line.outlet,
        record_no=record.record_no if record is not None else None,
        category=record.category if record is not None else None,
        project=record.project if record is not None else None,
        fund=fund.code if fund is not None else None,
        fund_name=fund.name if fund is not None else None,
        through=path,
    )
