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
from gongyi_bank.reports.statements import require_totals
from gongyi_bank.reports.words import LINE_SUMMARIES_EN
from gongyi_bank.rules.ledger import LINE_SUMMARIES, internal_kind
from gongyi_bank.rules.pools import PoolFacts
from gongyi_bank.store import provenance as store
from gongyi_bank.store.pools import ask_pools_of
from gongyi_bank.store.provenance import PaidRecord, RangeLine
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, format_account_no

#: So many lines are followed at the most; what is left is said as it came.
FOLLOWED_MAX: Final = 200

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
    """来源: what paid for a debit line; the sources and what is unpaid add up to it."""

    account: int
    line_no: int
    #: What the line took.
    points: Points
    #: Lowest numbers first.
    sources: tuple[PointsSource, ...]
    #: Owed: no credit stands behind it yet (欠分).
    unpaid: Points

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
            notes=(f"支取 {self.points}，其中欠分 {self.unpaid}",),
            notes_en=(f"debited {self.points}, of it owed {self.unpaid}",),
        )


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
    line, newest = _require_line(tx, account, line_no)
    if line.amount < 0:
        raise InvalidValue.of("line_no", line_no, "it is a debit: ask provenance")
    number = line.account_no
    debits = store.list_debits(tx, number, low=line.low, high=line.high, newest=newest)
    goods = store.load_goods(tx, number, [debit.line_no for debit in debits])
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
    """What paid for a debit line, followed through refunds and gifts.

    Raises UnknownCustomer, UnknownLine, and InvalidValue for a credit.
    """
    line, newest = _require_line(tx, account, line_no)
    if line.amount > 0:
        raise InvalidValue.of("line_no", line_no, "it is a credit: ask spent_on")
    search = _Search(tx, {line.account_no: newest})
    search.follow(_Span(line.account_no, line.low, line.high))
    while search.open_spans and search.followed < FOLLOWED_MAX:
        search.step()
    search.give_up()
    scale, taken = tx.bank.scale, -line.amount
    return Provenance(
        account=line.account_no,
        line_no=line_no,
        points=Points.of_units(taken, scale),
        sources=tuple(search.sources()),
        unpaid=Points.of_units(taken - search.total, scale),
    )


def _require_line(tx: Transaction, account: int | str, line_no: int) -> tuple[RangeLine, int]:
    """A line that exists, and the number of the account's newest line."""
    totals = require_totals(tx, account)
    if type(line_no) is not int or abs(line_no) > 2**62:
        raise InvalidValue.of("line_no", line_no, "the number of a line")
    if not 1 <= line_no <= totals.line_no:
        raise UnknownLine(account=totals.account_no, line_no=line_no)
    return store.load_lines(tx, totals.account_no, [line_no])[line_no], totals.line_no


def _overlap(line: RangeLine, low: int, high: int) -> int:
    return max(0, min(line.high, high) - max(line.low, low))


@dataclass(frozen=True, slots=True)
class _Span:
    """Points low + 1 to high of an account, and the lines through which they came on."""

    account_no: int
    low: int
    high: int
    through: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A credit line that is a source, with its part of the points."""

    line: RangeLine
    low: int
    high: int
    through: tuple[tuple[int, int], ...]


class _Search:
    """The walk from ranges of numbers to the credits behind them.

    What is found of a span takes its place, so the sources stand in the order of the points.
    """

    def __init__(self, tx: Transaction, newest: dict[int, int]) -> None:
        self._tx = tx
        self._newest = newest
        self._found: list[_Span | _Found] = []
        self.followed = 0

    @property
    def open_spans(self) -> list[_Span]:
        """What is to be followed still."""
        return [part for part in self._found if isinstance(part, _Span)]

    @property
    def total(self) -> int:
        """The points that a credit stands behind."""
        return sum(part.high - part.low for part in self._found)

    def follow(self, span: _Span) -> None:
        """Begin with these points."""
        self._found.append(span)

    def step(self) -> None:
        """Replace the first open span by the credits that it overlaps, or by what they cite."""
        position = next(i for i, part in enumerate(self._found) if isinstance(part, _Span))
        span = self._found[position]
        assert isinstance(span, _Span)
        parts: list[_Span | _Found] = []
        for credit in self._credits(span):
            low, high = max(credit.low, span.low), min(credit.high, span.high)
            parts += self._behind(credit, low, high, span.through)
        self._found[position : position + 1] = parts
        self.followed += 1

    def give_up(self) -> None:
        """Name the credits of what was not followed any more."""
        while self.open_spans:
            position = self._found.index(self.open_spans[0])
            span = self.open_spans[0]
            self._found[position : position + 1] = [
                _Found(line, max(line.low, span.low), min(line.high, span.high), span.through)
                for line in self._credits(span)
            ]

    def _credits(self, span: _Span) -> list[RangeLine]:
        number = span.account_no
        if number not in self._newest:
            self._newest[number] = require_totals(self._tx, number).line_no
        return store.list_credits(
            self._tx, number, low=span.low, high=span.high, newest=self._newest[number]
        )

    def _behind(
        self, credit: RangeLine, low: int, high: int, through: tuple[tuple[int, int], ...]
    ) -> list[_Span | _Found]:
        """Where points low + 1 to high of a credit line came from."""
        start, end = low - credit.low, high - credit.low
        passed = (*through, (credit.account_no, credit.line_no))
        ranges = self._given_back(credit) or self._given(credit)
        if not ranges:
            return [_Found(credit, low, high, through)]
        spans: list[_Span | _Found] = []
        offset = 0
        for account_no, below, amount in ranges:
            first, last = max(start - offset, 0), min(end - offset, amount)
            if first < last:
                spans.append(_Span(account_no, below + first, below + last, passed))
            offset += amount
        return spans

    def _given_back(self, credit: RangeLine) -> list[tuple[int, int, int]]:
        """(account, number below, amount) of the debits that a refund or reversal returns."""
        if credit.kind not in ("refund", "reversal"):
            return []
        number = credit.account_no
        parts = store.list_parts(self._tx, number, credit.line_no)
        cited = store.load_lines(self._tx, number, {part.line_no for part in parts})
        return [
            (
                number,
                cited[part.line_no].low + part.taken_before + part.expired,
                part.amount - part.expired,
            )
            for part in parts
        ]

    def _given(self, credit: RangeLine) -> list[tuple[int, int, int]]:
        """(account, number below, amount) of the givers' points that make up this credit.

        Several legs of one voucher are taken in the order of accounts and lines, on both sides.
        """
        kind = internal_kind(credit.contra_no)
        if kind not in (None, "pool", "transit"):
            return []
        legs = store.list_legs(self._tx, credit, credit.contra_no)
        received = [leg for leg in legs if leg.amount > 0]
        given = [leg for leg in legs if leg.amount < 0]
        if kind != "transit":
            received = [leg for leg in received if leg.account_no == credit.account_no]
            back = store.list_legs(self._tx, credit, credit.account_no)
            given = [leg for leg in back if leg.amount < 0 and leg.account_no == credit.contra_no]
        mine = (credit.account_no, credit.line_no)
        before = sum(leg.amount for leg in received if (leg.account_no, leg.line_no) < mine)
        return _cut([(g.account_no, g.low, -g.amount) for g in given], before, credit.amount)

    def sources(self) -> list[PointsSource]:
        """The credits found, with the services behind them and the funds that gave them on."""
        found = [part for part in self._found if isinstance(part, _Found)]
        records: dict[tuple[int, int], PaidRecord] = {}
        for number in sorted({part.line.account_no for part in found}):
            lines = [part.line.line_no for part in found if part.line.account_no == number]
            for line_no, record in store.load_records(self._tx, number, lines).items():
                records[number, line_no] = record
        scale = self._tx.bank.scale
        given_by = {_fund_no(part) for part in found} - {0}
        funds = self._tx.look(ask_pools_of(given_by)) if given_by else {}
        return [
            _source(
                part,
                records.get((part.line.account_no, part.line.line_no)),
                funds.get(_fund_no(part)),
                scale,
            )
            for part in found
        ]


def _fund_no(found: _Found) -> int:
    """The account of the pool that the points came through, of the last one; 0 if of none.

    What was not followed to its end says at least from whom it came.
    """
    numbers = [account_no for account_no, _ in found.through]
    for number in (*numbers, found.line.account_no, found.line.contra_no):
        if internal_kind(number) == "pool":
            return number
    return 0


def _source(
    found: _Found, record: PaidRecord | None, fund: PoolFacts | None, scale: int
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
        through=found.through,
    )


def _cut(
    ranges: list[tuple[int, int, int]], before: int, amount: int
) -> list[tuple[int, int, int]]:
    """So much of ranges laid end to end, after what comes before.

    >>> _cut([(1, 0, 10), (2, 50, 10)], 8, 5)
    [(1, 8, 2), (2, 50, 3)]
    """
    found = []
    for account_no, below, size in ranges:
        first, last = max(before, 0), min(before + amount, size)
        if first < last:
            found.append((account_no, below + first, last - first))
        before -= size
    return found
