"""账户明细 in the reference: what an account's lines say, and what they add up to."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from gongyi_bank.errors import InvalidValue, UnknownCustomer, UnknownLine
from gongyi_bank.periods import (
    Period,
    PeriodKind,
    business_day,
    instants,
    require_day,
    require_moment,
)
from gongyi_bank.rules.ledger import LINE_SUMMARIES, internal_kind
from gongyi_bank.rules.pools import require_pool
from gongyi_bank.testing.arguments import require_whole
from gongyi_bank.testing.reference.looking import Look
from gongyi_bank.testing.reference.lots import lots_of
from gongyi_bank.testing.reference.rows import Line
from gongyi_bank.testing.reference.told import Told, tell
from gongyi_bank.values import Points, clean_code, parse_account_no

Days = tuple[dt.date, dt.date]
_NEWEST_MAX: Final = 10_000
#: More lines than any account has.
_LINES_MAX: Final = 2**62


# --- accounts and their lines ----------------------------------------------------------------


def account_no(account: int | str) -> int:
    """A customer's account, or a pool's by its own number."""
    is_pool = type(account) is int and account < 2**63 and internal_kind(account) == "pool"
    return int(account) if is_pool else parse_account_no(account)


def require_lines(look: Look, number: int) -> tuple[Line, ...]:
    """All lines of an account. Raises UnknownCustomer."""
    if number not in look.books.lines:
        raise UnknownCustomer(account=number)
    return look.books.lines[number]


def require_line(look: Look, account: int | str, line_no: int) -> Line:
    """A line that there is. Raises UnknownCustomer, InvalidValue, UnknownLine."""
    number = account_no(account)
    lines = require_lines(look, number)
    require_whole("line_no", line_no, 1, _LINES_MAX)
    if line_no > len(lines):
        raise UnknownLine(account=number, line_no=line_no)
    return lines[line_no - 1]


def summary_of(line: Line) -> str:
    """摘要."""
    return LINE_SUMMARIES.get(line.kind, line.kind)


def shown(look: Look, lines: Iterable[Line]) -> tuple[Told, ...]:
    """Lines of one account as a statement shows them."""
    found = list(lines)
    dates: dict[int, dt.date] = {}
    if found:
        policies = look.books.policy_book()
        every = lots_of(look.books.lines[found[0].account_no], policies)
        dates = {lot.line.line_no: lot.until for lot in every}
    return tuple(_shown(look, line, dates.get(line.line_no)) for line in found)


def _shown(look: Look, line: Line, until: dt.date | None) -> Told:
    outlet = look.books.outlets[line.outlet_no]
    return tell(
        "StatementLine",
        line_no=line.line_no,
        day=line.business_day,
        booked_at=look.local(line.booked_at),
        kind=line.kind,
        summary=summary_of(line),
        amount=look.points(line.amount),
        balance=look.points(_balance_after(line)),
        outlet=outlet.code,
        outlet_name=outlet.name,
        value_on=line.value_on,
        origin_on=line.origin_on,
        expires_on=until,
        voucher_id=UUID(bytes=line.voucher_id),
    )


def _balance_after(line: Line) -> int:
    return line.credited_after - line.debited_after


# --- statements ------------------------------------------------------------------------------


def statement(
    look: Look,
    account: int | str,
    *,
    newest: int = 50,
    before_line: int | None = None,
    between: Days | None = None,
    as_of: dt.date | dt.datetime | None = None,
) -> Told:
    """The newest lines of an account, newest first, and what they add up to.

    Raises UnknownCustomer, InvalidValue.
    """
    number = account_no(account)
    require_whole("newest", newest, 1, _NEWEST_MAX)
    above, last = 0, _LINES_MAX
    if before_line is not None:
        require_whole("before_line", before_line, 1, _LINES_MAX)
        last = before_line - 1
    if as_of is not None:
        last = min(last, _count(look, number, _by(look, as_of)))
    if between is not None:
        first_on, last_on = require_days(between)
        last = min(last, _count(look, number, _by(look, last_on)))
        above = min(last, _count(look, number, _before(look, first_on)))
    lines = require_lines(look, number)
    page = [line for line in reversed(lines) if above < line.line_no <= last][:newest]
    standing = lines[min(last, len(lines)) - 1 :][:1] if last and lines else ()
    after = sum(map(_balance_after, page[:1] or standing))
    credited, debited = _sums(page)
    return tell(
        "Statement",
        account=number,
        opening=look.points(after - credited + debited),
        credited=look.points(credited),
        debited=look.points(debited),
        closing=look.points(after),
        lines=shown(look, page),
        next_before_line=page[-1].line_no if page and page[-1].line_no > above + 1 else None,
    )


def pool_statement(
    look: Look,
    pool: str,
    *,
    newest: int = 50,
    before_line: int | None = None,
    between: Days | None = None,
    as_of: dt.date | dt.datetime | None = None,
) -> Told:
    """积分池明细: as a customer's. Raises UnknownPool, InvalidValue."""
    number = require_pool(look.books.pools, clean_code(pool, field="pool")).account_no
    return statement(
        look, number, newest=newest, before_line=before_line, between=between, as_of=as_of
    )


def require_days(between: Days) -> Days:
    """The first and the last day, both included. Raises InvalidValue."""
    if not isinstance(between, tuple) or len(between) != 2:
        raise InvalidValue.of("between", between, "give the first and the last day")
    first_on, last_on = (require_day(day, "between") for day in between)
    if last_on < first_on:
        raise InvalidValue.of("between", f"{first_on}–{last_on}", "it ends before it begins")
    return first_on, last_on


def _by(look: Look, as_of: dt.date | dt.datetime) -> Callable[[Line], bool]:
    """Whether a line was booked by an instant, itself included, or by the end of a day."""
    if isinstance(as_of, dt.datetime):
        instant = require_moment(as_of, "as_of")
        return lambda line: line.booked_at <= instant
    day = _require_whole_day(look, require_day(as_of, "as_of"))
    return lambda line: business_day(line.booked_at, look.books.zone) <= day


def _before(look: Look, day: dt.date) -> Callable[[Line], bool]:
    _require_whole_day(look, day)
    return lambda line: business_day(line.booked_at, look.books.zone) < day


def _require_whole_day(look: Look, day: dt.date) -> dt.date:
    """A day that begins and ends within the calendar, as the bank asks for its moments.

    Raises InvalidInstant.
    """
    instants(Period.containing(day, PeriodKind.DAY), look.books.zone)
    return day


def _count(look: Look, number: int, is_early: Callable[[Line], bool]) -> int:
    return sum(map(is_early, require_lines(look, number)))


def _sums(lines: Iterable[Line]) -> tuple[int, int]:
    """What lines credit, and what they debit."""
    amounts = [line.amount for line in lines]
    credited = sum(amount for amount in amounts if amount > 0)
    return credited, credited - sum(amounts)


# --- balances --------------------------------------------------------------------------------


def pool_balance(look: Look, pool: str) -> Points:
    """余额: what a pool has now. Raises UnknownPool."""
    found = require_pool(look.books.pools, clean_code(pool, field="pool"))
    return look.points(look.books.balance(found.account_no))


def balance(
    look: Look, account: int | str, *, as_of: dt.date | dt.datetime | None = None
) -> Points:
    """余额: what the passbook shows now, or showed then. Raises UnknownCustomer."""
    number = account_no(account)
    is_early = None if as_of is None else _by(look, as_of)
    lines = require_lines(look, number)
    known = lines if is_early is None else list(filter(is_early, lines))
    return look.points(sum(line.amount for line in known))


def balances(look: Look, accounts: Iterable[int | str]) -> dict[int, Points]:
    """余额 of many accounts, by account number. Raises UnknownCustomer."""
    if isinstance(accounts, str) or not isinstance(accounts, Iterable):
        raise InvalidValue.of("accounts", accounts, "give a list of account numbers")
    numbers = [parse_account_no(account, field="accounts") for account in accounts]
    return {number: balance(look, number) for number in numbers}


def balance_as_of(look: Look, account: int | str, day: dt.date) -> Told:
    """截至余额: one account at the end of a day, by booking and by value."""
    number = account_no(account)
    lines = require_lines(look, number)
    is_early = _by(look, require_day(day, "day"))
    known = [line for line in lines if is_early(line)]
    late = [line for line in lines if not is_early(line)]

    def total(some: Iterable[Line]) -> Points:
        return look.points(sum(line.amount for line in some))

    return tell(
        "BalanceAsOf",
        account=number,
        day=day,
        booked=total(known),
        known_then=total(line for line in known if line.value_on <= day),
        by_value=total(line for line in lines if line.value_on <= day),
        corrected=total(line for line in lines if min(_days_of(line)) <= day),
        corrections=shown(look, [line for line in late if _days_of(line)[-1] <= day]),
    )


def _days_of(line: Line) -> tuple[dt.date, ...]:
    """The day by which a line counts, and the one that it belongs to where that is closed."""
    return (line.value_on,) if line.origin_on is None else (line.value_on, line.origin_on)


def totals(look: Look, account: int | str, between: Days, *, dating: str = "booking") -> Told:
    """期间合计: what the lines of some days add up to, by kind."""
    number = account_no(account)
    lines = require_lines(look, number)
    first_on, last_on = require_days(between)
    if dating not in ("booking", "value"):
        raise InvalidValue.of("dating", dating, "booking or value")
    days = {line.line_no: line.value_on if dating == "value" else line.business_day
            for line in lines}  # fmt: skip
    found = [line for line in lines if first_on <= days[line.line_no] <= last_on]
    opening = sum(line.amount for line in lines if days[line.line_no] < first_on)
    return tell(
        "AccountTotals",
        account=number,
        first_on=first_on,
        last_on=last_on,
        dating=dating,
        opening=look.points(opening),
        kinds=tuple(
            _of_kind(look, [line for line in found if line.kind == kind])
            for kind in sorted(Counter(line.kind for line in found))
        ),
        closing=look.points(opening + sum(line.amount for line in found)),
    )


def _of_kind(look: Look, lines: list[Line]) -> Told:
    credited, debited = map(look.points, _sums(lines))
    return tell(
        "KindTotal", kind=lines[0].kind, summary=summary_of(lines[0]), lines=len(lines),
        credited=credited, debited=debited,
    )  # fmt: skip
