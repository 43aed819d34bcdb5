"""截至: what an account held on a day, by booking and by value, as known then and corrected since.

Booking says when the bank wrote it down, the value date for which day. An account's balance on
a past day never changes by booking; by value it changes with everything that is booked late.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from gongyi_bank.display import Column, Shown, Table
from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import Period, PeriodKind, instants, require_day
from gongyi_bank.reports.statements import (
    Days,
    StatementLine,
    newest_line_no,
    require_days,
    require_totals,
    statement_lines,
)
from gongyi_bank.reports.words import LINE_SUMMARIES_EN
from gongyi_bank.rules.ledger import EARLIEST, LINE_SUMMARIES
from gongyi_bank.store import statements as store
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, format_account_no

Dating = Literal["booking", "value"]
_DATINGS = ("booking", "value")
_AS_OF = (
    Column("what", "口径", "Basis"),
    Column("points", "余额", "Balance", "right"),
)
_TOTALS = (
    Column("summary", "摘要", "Details", words=LINE_SUMMARIES_EN),
    Column("lines", "笔数", "Lines", "right"),
    Column("credited", "存入", "Credited", "right"),
    Column("debited", "支取", "Debited", "right"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceAsOf(Shown):
    """截至某日的余额: one account at the end of a day, on every basis.

    `by_value` = `known_then` + what `corrections` with a value date through that day add;
    `corrected` takes in also those that a closed period kept out of their day.
    """

    account: int
    day: dt.date
    #: What the passbook showed at the end of that day.
    booked: Points
    #: By value date, with only what was booked by the end of that day.
    known_then: Points
    #: By value date, with everything that is booked now.
    by_value: Points
    #: By the day things belong to: late work for a closed period counts on its own day.
    corrected: Points
    #: What was booked after that day for that day or an earlier one, oldest first.
    corrections: tuple[StatementLine, ...]

    def to_table(self) -> Table:
        """The four balances as a table."""
        return Table(
            title=f"截至 {self.day} 余额 {format_account_no(self.account)}",
            title_en=f"Balance as of {self.day} {format_account_no(self.account)}",
            columns=_AS_OF,
            rows=(
                ("按记账日 booked", self.booked),
                ("按起息日，当时所知 by value, as known then", self.known_then),
                ("按起息日，现在所知 by value, as known now", self.by_value),
                ("按所属日，补记后 corrected since", self.corrected),
            ),
            notes=(f"此后补记 {len(self.corrections)} 笔",),
            notes_en=(f"{len(self.corrections)} lines were booked late",),
        )


def balance_as_of(tx: Transaction, account: int | str, day: dt.date) -> BalanceAsOf:
    """One account at the end of a day, by booking and by value. Raises UnknownCustomer."""
    totals = require_totals(tx, account)
    require_day(day, "day")
    _, end = instants(Period.containing(day, PeriodKind.DAY), tx.bank.zone)
    number = totals.account_no
    known = newest_line_no(tx, number, end, is_inclusive=False)
    standing = store.load_line(tx, number, known)
    booked = standing.balance_after if standing else 0
    everything, known_then, with_origin = store.load_by_value(tx, number, day, known)
    scale = tx.bank.scale
    return BalanceAsOf(
        account=number,
        day=day,
        booked=Points.of_units(booked, scale),
        known_then=Points.of_units(known_then, scale),
        by_value=Points.of_units(everything, scale),
        corrected=Points.of_units(everything + with_origin, scale),
        corrections=statement_lines(tx, store.list_corrections(tx, number, day, known)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTotal:
    """What the lines of one kind add up to."""

    kind: str
    #: 摘要: what people call the kind.
    summary: str
    lines: int
    credited: Points
    debited: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTotals(Shown):
    """期间合计: one account between two days; opening + credited − debited = closing."""

    account: int
    first_on: dt.date
    last_on: dt.date
    dating: Dating
    opening: Points
    kinds: tuple[KindTotal, ...]
    closing: Points

    @property
    def credited(self) -> Points:
        """Everything credited in these days."""
        return sum((total.credited for total in self.kinds), self.opening - self.opening)

    @property
    def debited(self) -> Points:
        """Everything debited in these days."""
        return sum((total.debited for total in self.kinds), self.opening - self.opening)

    def to_table(self) -> Table:
        """The totals as a table, one row per kind."""
        days = f"{self.first_on} – {self.last_on}"
        return Table(
            title=f"期间合计 {format_account_no(self.account)} {days}",
            title_en=f"Totals {format_account_no(self.account)} {days}",
            columns=_TOTALS,
            rows=tuple((k.summary, k.lines, k.credited, k.debited) for k in self.kinds),
            notes=(
                f"期初 {self.opening} ＋ 存入 {self.credited} － 支取 {self.debited}"
                f" ＝ 期末 {self.closing}",
            ),
            notes_en=(
                f"opening {self.opening} + credited {self.credited} − debited {self.debited}"
                f" = closing {self.closing}",
            ),
        )


def account_totals(
    tx: Transaction, account: int | str, between: Days, dating: Dating
) -> AccountTotals:
    """One account between two days, both included. Raises UnknownCustomer, InvalidValue."""
    totals = require_totals(tx, account)
    first_on, last_on = require_days(between)
    if dating not in _DATINGS:
        raise InvalidValue.of("dating", dating, "booking or value")
    by_value, number, scale = dating == "value", totals.account_no, tx.bank.scale
    found = store.list_by_kind(tx, number, first_on, last_on, by_value=by_value)
    before = []
    if first_on > EARLIEST:
        last_before = first_on - dt.timedelta(days=1)
        before = store.list_by_kind(tx, number, EARLIEST, last_before, by_value=by_value)
    opening = sum(credited - debited for _, _, credited, debited in before)
    closing = opening + sum(credited - debited for _, _, credited, debited in found)
    return AccountTotals(
        account=number,
        first_on=first_on,
        last_on=last_on,
        dating=dating,
        opening=Points.of_units(opening, scale),
        kinds=tuple(
            KindTotal(
                kind=kind,
                summary=LINE_SUMMARIES.get(kind, kind),
                lines=lines,
                credited=Points.of_units(credited, scale),
                debited=Points.of_units(debited, scale),
            )
            for kind, lines, credited, debited in found
        ),
        closing=Points.of_units(closing, scale),
    )
