"""来源与去向 in the reference: what stands behind a line, what paid for it, what it paid for.

A debit takes the lowest numbers of points; each number leads to the credit that brought it, and
from a refund or a gift to the numbers that came back or were given. One number after the other is
followed to its end, from the lines alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from gongyi_bank.errors import InvalidValue, LineNotSealed, UnknownLine
from gongyi_bank.periods import business_day
from gongyi_bank.policies import Tariff
from gongyi_bank.rules.closings import CLOSED, DAY
from gongyi_bank.rules.ledger import internal_kind
from gongyi_bank.testing.reference.looking import Look
from gongyi_bank.testing.reference.lots import lots_of
from gongyi_bank.testing.reference.rows import HourRecord, Line, Redemption
from gongyi_bank.testing.reference.statements import (
    account_no,
    require_line,
    require_lines,
    shown,
    summary_of,
)
from gongyi_bank.testing.reference.told import Told, tell
from gongyi_bank.values import Points, canonical

#: The (account, line) of the refunds and gifts that points came through, the newest first.
Way = tuple[tuple[int, int], ...]
#: The numbers low + 1 to high of an account.
Numbers = tuple[int, int, int]


class Source(NamedTuple):
    """Points of a credit that no other line stands behind, and how they came on."""

    line: Line
    amount: int
    through: Way


# --- the line itself -------------------------------------------------------------------------


def explain(look: Look, account: int | str, line_no: int) -> Told:
    """为什么: the record, tariff and rounding, or the voucher and people, behind a line."""
    line = require_line(look, account, line_no)
    voucher = look.books.vouchers[line.voucher_id]
    facts: dict[str, Any] = dict.fromkeys((
        "record_no", "ref", "category", "project", "minutes", "recorded_by", "checked_by",
        "tariff_id", "tariff_effective_on", "points_per_hour", "arithmetic", "store", "sku",
        "quantity",
    ))  # fmt: skip
    record = _record_explained(look, line)
    goods = _goods_of(look, line)
    if record is not None:
        facts |= _of_record(look, record) | _of_tariff(look, record)
    elif goods is not None:
        store = look.books.store_of_no(goods.store_no)
        facts |= {"store": f"{store.code} {store.name}", "sku": goods.sku,
                  "quantity": goods.quantity, "ref": goods.ref}  # fmt: skip
    return tell(
        "Explanation",
        account=line.account_no,
        line=shown(look, [line])[0],
        act=voucher.act,
        staff=_staff_code(look, voucher.staff_no),
        second_person=_staff_code(look, voucher.second_no),
        reason=voucher.reason,
        **facts,
    )


def _staff_code(look: Look, staff_no: int | None) -> str | None:
    people = look.books.people.values()
    return next((one.code for one in people if one.staff_no == staff_no), None)


def _record_of(look: Look, account: int, line_no: int) -> HourRecord | None:
    """The service, or the opening, that a line credited."""
    records = look.books.records.get(account, ())
    return next((one for one in records if one.line_no == line_no), None)


def _record_explained(look: Look, line: Line) -> HourRecord | None:
    """The record that a line paid, or of which it took the points back."""
    paid = line.line_no
    if line.kind == "reversal":
        parts = (one for one in look.books.parts if one.account_no == line.account_no)
        paid = next((one.line_no for one in parts if one.by_line_no == line.line_no), 0)
    record = _record_of(look, line.account_no, paid)
    is_its = line.kind != "reversal" or (record and record.voided_voucher_id == line.voucher_id)
    return record if is_its else None


def _of_record(look: Look, one: HourRecord) -> dict[str, Any]:
    return {
        "record_no": one.record_no, "ref": one.ref, "category": one.category,
        "project": one.project, "minutes": one.minutes,
        "recorded_by": _staff_code(look, one.recorded_by_no),
        "checked_by": _staff_code(look, one.checked_by_no),
    }  # fmt: skip


def _of_tariff(look: Look, one: HourRecord) -> dict[str, Any]:
    for policy_id, effective_on, policy in look.books.policies:
        if policy_id == one.policy_id and isinstance(policy, Tariff) and one.category:
            rate = next(r.points_per_hour for r in policy.rates if r.category == one.category)
            return {
                "tariff_id": policy_id, "tariff_effective_on": effective_on,
                "points_per_hour": rate,
                "arithmetic": _in_words(one.minutes, rate, look.points(one.points)),
            }  # fmt: skip
    return {}


def _in_words(minutes: int, rate: Points, credited: Points) -> str:
    exact = Fraction(rate.to_decimal()) * minutes / 60
    start = f"{minutes} min × {rate} / 60 = "
    if exact == Fraction(credited.to_decimal()):
        return f"{start}{credited}"
    six = (Decimal(exact.numerator) / exact.denominator).quantize(Decimal("1e-6"), ROUND_FLOOR)
    is_all = Fraction(six) == exact
    told = f"{six.normalize():f}" if is_all else f"{six:f}…"
    return f"{start}{told} → {credited}, floored"


def proof(look: Look, account: int | str, line_no: int) -> Told:
    """凭据: which seal covers the line, and what its leaf says besides its hash.

    There are no hashes here, so there is no path, and the root is none.
    """
    line = require_line(look, account, line_no)
    head_no = look.books.head_office.outlet_no
    days = sorted(
        one.last_on
        for one in look.books.closings.values()
        if (one.outlet_no, one.kind, one.state) == (head_no, DAY, CLOSED)
    )
    seals = [(number, day) for number, day in enumerate(days, 1) if line.business_day <= day]
    if not seals:
        raise LineNotSealed(account=line.account_no, line_no=line_no)
    return tell(
        "LineProof",
        account=line.account_no,
        line_no=line_no,
        leaf=canonical("account_line", *line).decode(),
        seal_no=seals[0][0],
        through_on=seals[0][1],
    )


# --- dates -----------------------------------------------------------------------------------


def expiry_schedule(look: Look, account: int | str) -> Told:
    """到期计划: which points are good until when, lot by lot. Raises UnknownCustomer."""
    books, number = look.books, account_no(account)
    lines = require_lines(look, number)
    today = business_day(look.moment_of(number), books.zone)
    mine = [one for one in books.holds.values() if one.account_no == number]
    lapsed = sum(one.amount - one.captured for one in mine if look.has_lapsed(one))
    held = rest = books.held(number) - lapsed
    dates: dict[dt.date, int] = {}
    past = 0
    for lot in lots_of(lines, books.policy_book()):
        kept = min(rest, lot.left)
        rest -= kept
        free = lot.left - kept
        if lot.until < today:
            past += free
        elif free:
            dates[lot.until] = dates.get(lot.until, 0) + free
    return tell(
        "ExpirySchedule",
        account=number,
        day=today,
        dates=tuple(
            tell("ExpiringPoints", expires_on=day, points=look.points(units))
            for day, units in sorted(dates.items())
        ),
        held=look.points(held),
        past=look.points(past),
        available=look.points(sum(dates.values())),
    )


# --- what paid for what ----------------------------------------------------------------------


def _require_numbered(look: Look, account: int | str, line_no: int) -> Line:
    number = account_no(account)
    lines = require_lines(look, number)
    if type(line_no) is not int or abs(line_no) > 2**62:
        raise InvalidValue.of("line_no", line_no, "the number of a line")
    if not 1 <= line_no <= len(lines):
        raise UnknownLine(account=number, line_no=line_no)
    return lines[line_no - 1]


def _low(line: Line) -> int:
    """The number below the first point that a line credited or took."""
    return (line.credited_after if line.amount > 0 else line.debited_after) - abs(line.amount)


def spent_on(look: Look, account: int | str, line_no: int) -> Told:
    """去向: what a credit line paid for. Raises InvalidValue for a debit."""
    line = _require_numbered(look, account, line_no)
    if line.amount < 0:
        raise InvalidValue.of("line_no", line_no, "it is a debit: ask provenance")
    taken = [
        (one, common)
        for one in look.books.lines[line.account_no]
        if one.amount < 0 and (common := _common(line, one))
    ]
    return tell(
        "PointsSpent",
        account=line.account_no,
        line_no=line_no,
        points=look.points(line.amount),
        uses=tuple(_use(look, one, common) for one, common in taken),
        left=look.points(line.amount - sum(common for _, common in taken)),
    )


def _common(one: Line, other: Line) -> int:
    """How many numbers two lines share."""
    high = min(_low(one) + abs(one.amount), _low(other) + abs(other.amount))
    return max(0, high - max(_low(one), _low(other)))


def _use(look: Look, line: Line, amount: int) -> Told:
    goods = _goods_of(look, line)
    return tell(
        "PointsUse",
        line_no=line.line_no,
        kind=line.kind,
        summary=summary_of(line),
        points=look.points(amount),
        day=line.business_day,
        outlet=look.books.outlets[line.outlet_no].code,
        store=look.store_code(goods.store_no) if goods else None,
        sku=goods.sku if goods else None,
    )


def _goods_of(look: Look, line: Line) -> Redemption | None:
    """What a debit was for."""
    mine = (one for one in look.books.redemptions.values() if one.account_no == line.account_no)
    return next((one for one in mine if one.line_no == line.line_no), None)


def provenance(look: Look, account: int | str, line_no: int) -> Told:
    """来源: the services, grants and gifts that paid for a debit line."""
    line = _require_numbered(look, account, line_no)
    if line.amount > 0:
        raise InvalidValue.of("line_no", line_no, "it is a credit: ask spent_on")
    low = _low(line)
    sources = list(_behind_numbers(look, (line.account_no, low, low - line.amount), ()))
    found = sum(one.amount for one in sources)
    return tell(
        "Provenance",
        account=line.account_no,
        line_no=line_no,
        points=look.points(-line.amount),
        sources=tuple(_source(look, one) for one in sources),
        unpaid=look.points(-line.amount - found),
        unfollowed=look.points(0),
    )


def _behind_numbers(look: Look, numbers: Numbers, way: Way) -> Iterator[Source]:
    """The credits behind some points of an account, the lowest number first."""
    number, low, high = numbers
    for line in look.books.lines[number]:
        below = _low(line)
        first, last = max(low, below) - below, min(high - below, line.amount)
        if line.amount > 0 and first < last:
            behind = list(_given_back(look, line)) or list(_given(look, line))
            if not behind:
                yield Source(line, last - first, way)
            for one in _cut(behind, first, last):
                yield from _behind_numbers(look, one, (*way, (number, line.line_no)))


def _cut(parts: list[Numbers], first: int, last: int) -> Iterator[Numbers]:
    """Those between two places of numbers laid end to end."""
    for number, low, high in parts:
        size = high - low
        if max(first, 0) < min(last, size):
            yield number, low + max(first, 0), low + min(last, size)
        first, last = first - size, last - size


def _given_back(look: Look, line: Line) -> Iterator[Numbers]:
    """The numbers that a refund or a reversal gave back: of each part the last ones."""
    if line.kind not in ("refund", "reversal"):
        return
    for cited in look.books.lines[line.account_no]:
        end = _low(cited)
        for part in look.books.parts:
            if (part.account_no, part.line_no) == (cited.account_no, cited.line_no):
                end += part.amount
                if part.by_line_no == line.line_no:
                    yield line.account_no, end - line.amount, end


def _given(look: Look, line: Line) -> list[Numbers]:
    """The numbers that the givers of a credit took, those before it having gone to others."""
    through = internal_kind(line.contra_no)
    if through not in (None, "pool", "transit"):
        return []
    legs = sorted(one for mine in look.books.lines.values() for one in mine
                  if one.voucher_id == line.voucher_id)  # fmt: skip
    if through == "transit":
        legs = [one for one in legs if one.contra_no == line.contra_no]
        taken, received = (
            [one for one in legs if (one.amount > 0) is side] for side in (False, True)
        )
    else:
        pair = line.account_no, line.contra_no
        taken = [one for one in legs if (one.contra_no, one.account_no) == pair and one.amount < 0]
        received = [one for one in legs if (one.account_no, one.contra_no) == pair]
    before = sum(one.amount for one in received if one.amount > 0 and one < line)
    parts = [(one.account_no, _low(one), _low(one) - one.amount) for one in taken]
    return list(_cut(parts, before, before + line.amount))


def _source(look: Look, one: Source) -> Told:
    line = one.line
    record = _record_of(look, line.account_no, line.line_no)
    passed = [*(number for number, _ in one.through), line.account_no, line.contra_no]
    pools = {pool.account_no: pool for pool in look.books.pools.values()}
    fund = next((pools[number] for number in passed if number in pools), None)
    return tell(
        "PointsSource",
        account=line.account_no,
        line_no=line.line_no,
        kind=line.kind,
        summary=summary_of(line),
        points=look.points(one.amount),
        day=line.business_day,
        value_on=line.value_on,
        outlet=look.books.outlets[line.outlet_no].code,
        record_no=record.record_no if record else None,
        category=record.category if record else None,
        project=record.project if record else None,
        fund=fund.code if fund else None,
        fund_name=fund.name if fund else None,
        through=one.through,
    )
