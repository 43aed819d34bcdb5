"""账户明细: an account's statement, why a line is there, and balances.

Read only. A page is one range scan on the key, so it costs the same in a bank of any size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gongyi_bank.display import Column, Shown, Table
from gongyi_bank.errors import InvalidValue, UnknownCustomer, UnknownLine
from gongyi_bank.periods import (
    Period,
    PeriodKind,
    business_day,
    instants,
    require_day,
    require_moment,
)
from gongyi_bank.reports.words import LINE_SUMMARIES_EN
from gongyi_bank.rules.expiry import Lot, dated_lots, terms_of
from gongyi_bank.rules.ledger import LINE_SUMMARIES, internal_kind
from gongyi_bank.store import statements as store
from gongyi_bank.store.policies import load_book, load_stamp
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


class StatementLine:
    """One line of a statement: a view of the stored line, in the words and zone of its bank.

    Nothing public can be set.
    """

    __slots__ = ("_bank", "_given_on", "_line")

    def __init__(
        self, line: StoredLine, bank: BankIdentity, given_on: dt.date | None = None
    ) -> None:
        self._line = line
        self._bank = bank
        #: The date that a policy has given to its points since, if one has.
        self._given_on = given_on

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StatementLine):
            return NotImplemented
        # The last field is about where the line was read, not about the line.
        mine, others = self._line[:-1], other._line[:-1]
        return (mine, self._bank, self.expires_on) == (others, other._bank, other.expires_on)

    def __hash__(self) -> int:
        return hash(self._line[:-1])

    @property
    def line_no(self) -> int:
        """Its number in the account."""
        return self._line.line_no

    @property
    def day(self) -> dt.date:
        """The business day on which it was booked."""
        return self._line.business_day

    @property
    def booked_at(self) -> dt.datetime:
        """The moment of booking, in the bank's zone."""
        return self._line.booked_at.astimezone(self._bank.zone)

    @property
    def kind(self) -> str:
        """What it is, for programs: `service`, `redemption` …"""
        return self._line.kind

    @property
    def summary(self) -> str:
        """摘要: what people call the kind."""
        return LINE_SUMMARIES.get(self._line.kind, self._line.kind)

    @property
    def amount(self) -> Points:
        """Signed: what was credited, or (below zero) debited."""
        return Points.of_units(self._line.amount, self._bank.scale)

    @property
    def balance(self) -> Points:
        """The balance after it."""
        return Points.of_units(self._line.balance_after, self._bank.scale)

    @property
    def outlet(self) -> str:
        """The code of the outlet that handled it."""
        return self._line.outlet

    @property
    def outlet_name(self) -> str:
        """The name of the outlet that handled it."""
        return self._line.outlet_name

    @property
    def value_on(self) -> dt.date:
        """The day in whose period it counts: of the service, of the paper book."""
        return self._line.value_on

    @property
    def origin_on(self) -> dt.date | None:
        """The day it belongs to, where that lies in a closed period."""
        return self._line.origin_on

    @property
    def expires_on(self) -> dt.date | None:
        """The last day of credited points; NEVER without a date; None of a debit.

        Points without a date have the one that the introduction of expiry has given them since.
        """
        return self._given_on or self._line.expires_on

    @property
    def voucher_id(self) -> UUID:
        """Its voucher."""
        return UUID(bytes=self._line.voucher_id)

    def to_row(self) -> tuple[Any, ...]:
        """The line as cells of a table."""
        until = "—" if self.expires_on == NEVER else self.expires_on
        return (
            self.line_no, self.day, self.summary, self.amount, self.balance, self.outlet,
            self.outlet_name, self.value_on, until,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<StatementLine {self.line_no} {self.kind} {self.amount} on {self.day}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Shown):
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
    number = _account_no(account)
    _require_count("newest", newest, NEWEST_MAX)
    above, last = 0, store.LINES_MAX
    if before_line is not None:
        last = _require_count("before_line", before_line, store.LINES_MAX) - 1
    if as_of is not None:
        last = _last_as_of(tx, number, last, as_of)
    if between is not None:
        above, last = _lines_between(tx, number, last, between)
    lines = store.list_lines(tx, number, above=above, newest=last, size=newest)
    return _shown(tx, number, lines, above=above, last=last)


def _shown(
    tx: Transaction, account_no: int, lines: list[StoredLine], *, above: int, last: int
) -> Statement:
    if lines:
        before = lines[-1].balance_after - lines[-1].amount
        after = lines[0].balance_after
    else:
        totals = require_totals(tx, account_no)
        standing = store.load_line(tx, account_no, min(last, totals.line_no))
        before = after = standing.balance_after if standing else 0
    scale, amounts = tx.bank.scale, [line.amount for line in lines]
    return Statement(
        account=account_no,
        opening=Points.of_units(before, scale),
        credited=Points.of_units(sum(amount for amount in amounts if amount > 0), scale),
        debited=Points.of_units(-sum(amount for amount in amounts if amount < 0), scale),
        closing=Points.of_units(after, scale),
        lines=statement_lines(tx, lines),
        next_before_line=lines[-1].line_no if lines and lines[-1].line_no > above + 1 else None,
    )


def statement_lines(tx: Transaction, lines: Sequence[StoredLine]) -> tuple[StatementLine, ...]:
    """Lines of one account in this order, with the dates that are in force today.

    Costs nothing more where every line has a date, or no policy can have given it one since.
    """
    undated = [line for line in lines if line.may_have_date and line.expires_on == NEVER]
    given: dict[int, dt.date] = {}
    if undated and internal_kind(undated[0].account_no) is None:
        given = _dates_given(tx, sorted(undated, key=lambda line: line.line_no))
    return tuple(StatementLine(line, tx.bank, given.get(line.line_no)) for line in lines)


def _dates_given(tx: Transaction, undated: Sequence[StoredLine]) -> dict[int, dt.date]:
    """What introductions of expiry have given these lines, the oldest first."""
    today = business_day(tx.clock(), tx.bank.zone)
    terms = terms_of(load_book(tx, load_stamp(tx)), today)
    older = None
    if len(terms.introductions) > 1:  # Expiry had ended: points behind a date live as long.
        older = store.load_last_date(tx, undated[0].account_no, undated[0].line_no)
    lots = (Lot(0, line.amount, NEVER, line.business_day) for line in undated)
    dates = [last_on for _, last_on in dated_lots(lots, terms)]
    return {
        line.line_no: max(last_on, older or last_on)
        for line, last_on in zip(undated, dates, strict=True)
        if last_on < NEVER
    }


def _last_as_of(tx: Transaction, account_no: int, last: int, as_of: dt.date | dt.datetime) -> int:
    """The newest line booked by an instant (inclusive), or by the end of a day."""
    instant, is_inclusive = _moment(tx, as_of)
    return newest_line_no(tx, account_no, instant, at_most=last, is_inclusive=is_inclusive)


def _moment(tx: Transaction, as_of: dt.date | dt.datetime) -> tuple[dt.datetime, bool]:
    """An instant, itself included; or a day's end, which is the next day's and is not."""
    if isinstance(as_of, dt.datetime):
        return require_moment(as_of, "as_of"), True
    return _day_bounds(tx, as_of, "as_of")[1], False


def _lines_between(tx: Transaction, account_no: int, last: int, between: Days) -> tuple[int, int]:
    """The line numbers (above, up to) that were booked on the days given, both included."""
    first_on, last_on = require_days(between)
    end = _day_bounds(tx, last_on, "between")[1]
    start = _day_bounds(tx, first_on, "between")[0]
    last = newest_line_no(tx, account_no, end, at_most=last, is_inclusive=False)
    return newest_line_no(tx, account_no, start, at_most=last, is_inclusive=False), last


def newest_line_no(
    tx: Transaction,
    account_no: int,
    instant: dt.datetime,
    *,
    at_most: int = store.LINES_MAX,
    is_inclusive: bool,
) -> int:
    """The newest line booked before (or at) an instant, or 0. Raises UnknownCustomer."""
    found = store.load_newest_line_no(tx, account_no, at_most, instant, is_inclusive=is_inclusive)
    if found is None:
        raise UnknownCustomer(account=account_no)
    return found


def require_days(between: Days) -> Days:
    """The first and the last day, both included. Raises InvalidValue."""
    if not isinstance(between, tuple) or len(between) != 2:
        raise InvalidValue.of("between", between, "give the first and the last day")
    first_on, last_on = (require_day(day, "between") for day in between)
    if last_on < first_on:
        raise InvalidValue.of("between", f"{first_on}–{last_on}", "it ends before it begins")
    return first_on, last_on


def _day_bounds(tx: Transaction, day: dt.date, field: str) -> tuple[dt.datetime, dt.datetime]:
    """A day as moments: its first, and the first of the next."""
    return instants(Period.containing(require_day(day, field), PeriodKind.DAY), tx.bank.zone)


def _require_count(field: str, value: int, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise InvalidValue.of(field, value, f"a whole number from 1 to {most}")
    return value


def require_totals(tx: Transaction, account: int | str) -> StoredTotals:
    """An account's totals; raises UnknownCustomer."""
    account_no = _account_no(account)
    totals = store.load_totals(tx, [account_no]).get(account_no)
    if totals is None:
        raise UnknownCustomer(account=account_no)
    return totals


def _account_no(account: int | str) -> int:
    """Pools have statements too; their numbers are the ledger's own, without a check digit."""
    is_pool = type(account) is int and account < 2**63 and internal_kind(account) == "pool"
    return int(account) if is_pool else parse_account_no(account)


# --- balances ------------------------------------------------------------------------------


def balance(
    tx: Transaction, account: int | str, as_of: dt.date | dt.datetime | None = None
) -> Points:
    """What the passbook shows now, or showed as of a moment; raises UnknownCustomer."""
    number = _account_no(account)
    if as_of is None:
        units = store.load_balance(tx, number)
    else:
        instant, is_inclusive = _moment(tx, as_of)
        units = store.load_balance_by(tx, number, instant, is_inclusive=is_inclusive)
    if units is None:
        raise UnknownCustomer(account=number)
    return Points.of_units(units, tx.bank.scale)


def balances(tx: Transaction, accounts: Iterable[int | str]) -> dict[int, Points]:
    """What the passbooks of these accounts show now, by account number.

    Raises UnknownCustomer for the first account that does not exist, InvalidValue for no list.
    """
    if isinstance(accounts, str) or not isinstance(accounts, Iterable):
        raise InvalidValue.of("accounts", accounts, "give a list of account numbers")
    numbers = [parse_account_no(account, field="accounts") for account in accounts]
    found = store.load_totals(tx, numbers) if numbers else {}
    for number in numbers:
        if number not in found:
            raise UnknownCustomer(account=number)
    scale = tx.bank.scale
    return {n: Points.of_units(found[n].credited - found[n].debited, scale) for n in numbers}


def require_line(tx: Transaction, account: int | str, line_no: int) -> StoredLine:
    """A line that exists; raises UnknownCustomer or UnknownLine."""
    totals = require_totals(tx, account)
    number = _require_count("line_no", line_no, 2**62)
    line = store.load_line(tx, totals.account_no, number)
    if line is None:
        raise UnknownLine(account=totals.account_no, line_no=number)
    return line
