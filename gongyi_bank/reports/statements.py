"""账户明细: an account's statement, why a line is there, and balances.

Read only. A page is one range scan on the key, so it costs the same in a bank of any size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gongyi_bank.display import Column, Table
from gongyi_bank.errors import InvalidValue, UnknownCustomer, UnknownLine
from gongyi_bank.periods import Period, PeriodKind, instants, require_aware, require_day
from gongyi_bank.reports.words import LINE_SUMMARIES_EN
from gongyi_bank.rules.ledger import LINE_SUMMARIES
from gongyi_bank.store import statements as store
from gongyi_bank.store.statements import StoredLine, StoredTotals
from gongyi_bank.store.transaction import BankIdentity, Transaction
from gongyi_bank.values import NEVER, Points, format_account_no, parse_account_no

#: A statement's longest page.
NEWEST_MAX = 10_000
Days = tuple[dt.date, dt.date]

_COLUMNS = (
    Column("line_no", "序号", "No.", "right"),
    Column("day", "日期", "Date"),
    Column("summary", "摘要", "Details", words=LINE_SUMMARIES_EN),
    Column("amount", "发生额", "Amount", "right"),
    Column("balance", "余额", "Balance", "right"),
    Column("outlet", "网点", "Outlet"),
    Column("outlet_name", "网点名称", "Outlet name"),
    Column("value_on", "服务日", "Value date"),
    Column("expires_on", "有效至", "Valid until"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One line of a statement."""

    line_no: int
    #: The business day on which it was booked.
    day: dt.date
    #: In the bank's zone.
    booked_at: dt.datetime
    kind: str
    #: 摘要: what people call the kind.
    summary: str
    #: Signed: what was credited, or (below zero) debited.
    amount: Points
    #: The balance after it.
    balance: Points
    #: The outlet that handled it.
    outlet: str
    outlet_name: str
    #: The day the points are for: of the service, of the paper book.
    value_on: dt.date
    #: The last day on which credited points can be spent; NEVER without a date; None of a debit.
    expires_on: dt.date | None
    voucher_id: UUID

    def to_row(self) -> tuple[Any, ...]:
        """The line as cells of a table."""
        until = "—" if self.expires_on == NEVER else self.expires_on
        return (
            self.line_no, self.day, self.summary, self.amount, self.balance, self.outlet,
            self.outlet_name, self.value_on, until,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """账户明细: lines newest first; opening + credited − debited = closing for what it shows."""

    account: int
    #: The balance before the oldest line shown.
    opening: Points
    credited: Points
    debited: Points
    #: The balance after the newest line shown.
    closing: Points
    lines: tuple[StatementLine, ...]
    #: Hand it in as `before_line` for the next page; None when there are no older lines.
    next_before_line: int | None

    def to_table(self) -> Table:
        """The statement as a table."""
        return Table(
            title=f"账户明细 {format_account_no(self.account)}",
            title_en=f"Statement {format_account_no(self.account)}",
            columns=_COLUMNS,
            rows=tuple(line.to_row() for line in self.lines),
            notes=(
                f"期初 {self.opening} ＋ 存入 {self.credited} － 支取 {self.debited}"
                f" ＝ 期末 {self.closing}",
            ),
            notes_en=(
                f"opening {self.opening} + credited {self.credited} − debited {self.debited}"
                f" = closing {self.closing}",
            ),
        )

    def to_pandas(self) -> Any:
        """A pandas DataFrame, one row per line."""
        return self.to_table().to_pandas()

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    def __str__(self) -> str:
        return self.to_table().to_text()


def statement(
    tx: Transaction,
    account: int | str,
    *,
    newest: int = 50,
    before_line: int | None = None,
    between: Days | None = None,
    as_of: dt.date | dt.datetime | None = None,
) -> Statement:
    """The newest lines of an account, older than `before_line`, booked within the days given.

    Raises UnknownCustomer, and InvalidValue for a page or days that cannot be.
    """
    totals = _require_totals(tx, account)
    _require_count("newest", newest, NEWEST_MAX)
    last = totals.line_no
    if before_line is not None:
        last = min(last, _require_count("before_line", before_line, 2**62) - 1)
    if as_of is not None:
        last = _last_as_of(tx, totals, last, as_of)
    above = 0
    if between is not None:
        above, last = _lines_between(tx, totals, last, between)
    lines = store.list_lines(tx, totals.account_no, above=above, newest=last, size=newest)
    return _shown(tx, totals, lines, above=above, last=last)


def _shown(
    tx: Transaction, totals: StoredTotals, lines: list[StoredLine], *, above: int, last: int
) -> Statement:
    if lines:
        before = _balance_of(lines[-1]) - lines[-1].amount
        after = _balance_of(lines[0])
    else:
        standing = store.load_line(tx, totals.account_no, last)
        before = after = _balance_of(standing) if standing else 0
    scale = tx.bank.scale
    return Statement(
        account=totals.account_no,
        opening=Points.of_units(before, scale),
        credited=Points.of_units(sum(max(0, line.amount) for line in lines), scale),
        debited=Points.of_units(sum(max(0, -line.amount) for line in lines), scale),
        closing=Points.of_units(after, scale),
        lines=tuple(shown_line(tx.bank, line) for line in lines),
        next_before_line=lines[-1].line_no if lines and lines[-1].line_no > above + 1 else None,
    )


def shown_line(bank: BankIdentity, line: StoredLine) -> StatementLine:
    """A stored line as people of this bank see it."""
    scale = bank.scale
    return StatementLine(
        line_no=line.line_no,
        day=line.business_day,
        booked_at=line.booked_at.astimezone(bank.zone),
        kind=line.kind,
        summary=LINE_SUMMARIES.get(line.kind, line.kind),
        amount=Points.of_units(line.amount, scale),
        balance=Points.of_units(_balance_of(line), scale),
        outlet=line.outlet,
        outlet_name=line.outlet_name,
        value_on=line.value_on,
        expires_on=line.expires_on,
        voucher_id=UUID(bytes=line.voucher_id),
    )


def _balance_of(line: StoredLine) -> int:
    return line.credited_after - line.debited_after


def _last_as_of(
    tx: Transaction, totals: StoredTotals, last: int, as_of: dt.date | dt.datetime
) -> int:
    """The newest line booked by an instant (inclusive), or by the end of a day."""
    if isinstance(as_of, dt.datetime):
        instant, is_inclusive = require_aware(as_of, "as_of"), True
    else:
        instant, is_inclusive = _day_bounds(tx, as_of, "as_of")[1], False
    return store.load_newest_line_no(
        tx, totals.account_no, last, instant, is_inclusive=is_inclusive
    )


def _lines_between(
    tx: Transaction, totals: StoredTotals, last: int, between: Days
) -> tuple[int, int]:
    """The line numbers (above, up to) that were booked on the days given, both included."""
    if not isinstance(between, tuple) or len(between) != 2:
        raise InvalidValue.of("between", between, "give the first and the last day")
    first_on, last_on = (require_day(day, "between") for day in between)
    if last_on < first_on:
        raise InvalidValue.of("between", f"{first_on}–{last_on}", "it ends before it begins")
    account_no = totals.account_no
    end = _day_bounds(tx, last_on, "between")[1]
    start = _day_bounds(tx, first_on, "between")[0]
    last = store.load_newest_line_no(tx, account_no, last, end, is_inclusive=False)
    return store.load_newest_line_no(tx, account_no, last, start, is_inclusive=False), last


def _day_bounds(tx: Transaction, day: dt.date, field: str) -> tuple[dt.datetime, dt.datetime]:
    """A day as moments: its first, and the first of the next."""
    return instants(Period.containing(require_day(day, field), PeriodKind.DAY), tx.bank.zone)


def _require_count(field: str, value: int, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise InvalidValue.of(field, value, f"a whole number from 1 to {most}")
    return value


def _require_totals(tx: Transaction, account: int | str) -> StoredTotals:
    account_no = parse_account_no(account)
    totals = store.load_totals(tx, [account_no]).get(account_no)
    if totals is None:
        raise UnknownCustomer(account=account_no)
    return totals


# --- balances ------------------------------------------------------------------------------


def balance(tx: Transaction, account: int | str) -> Points:
    """What the passbook shows now; raises UnknownCustomer."""
    totals = _require_totals(tx, account)
    return Points.of_units(totals.credited - totals.debited, tx.bank.scale)


def balances(tx: Transaction, accounts: Iterable[int | str]) -> dict[int, Points]:
    """What the passbooks of these accounts show now, by account number.

    Raises UnknownCustomer for the first account that does not exist.
    """
    numbers = [parse_account_no(account) for account in accounts]
    found = store.load_totals(tx, numbers) if numbers else {}
    for number in numbers:
        if number not in found:
            raise UnknownCustomer(account=number)
    scale = tx.bank.scale
    return {n: Points.of_units(found[n].credited - found[n].debited, scale) for n in numbers}


def require_line(tx: Transaction, account: int | str, line_no: int) -> StoredLine:
    """A line that exists; raises UnknownCustomer or UnknownLine."""
    totals = _require_totals(tx, account)
    number = _require_count("line_no", line_no, 2**62)
    line = store.load_line(tx, totals.account_no, number)
    if line is None:
        raise UnknownLine(account=totals.account_no, line_no=number)
    return line
