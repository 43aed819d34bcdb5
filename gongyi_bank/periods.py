"""Days, months, quarters and years of the bank, and the days on which it redeems or works.

All calendar arithmetic lives here, and only here is dateutil used. This room reads no
clock and knows no default time zone: instants and zones come from the caller, and an
instant without a zone is refused.
"""

from __future__ import annotations

import calendar as gregorian
import dataclasses
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NoReturn, Protocol

from dateutil.relativedelta import relativedelta

from gongyi_bank.errors import InvalidInstant, InvalidValue

__all__ = [
    "Period",
    "PeriodKind",
    "RedemptionWindow",
    "WeekdayCalendar",
    "WorkingCalendar",
    "add_months",
    "add_working_days",
    "business_day",
    "end_of",
    "expiry_on",
    "instants",
    "month",
    "months_of",
    "quarter",
    "require_aware",
    "require_clock",
    "require_day",
    "require_moment",
    "year",
]

_ONE_DAY = timedelta(days=1)
_MONTHS_MAX = 12_000
_WORKING_DAYS_MAX = 10_000
#: No calendar closes for longer than this; one that does is a mistake, not a holiday.
_CLOSED_DAYS_MAX = 366


# --- refusing what is no day and no instant ------------------------------------------------


def require_aware(value: object, field: str = "instant") -> datetime:
    """Hand back an instant that has a zone; refuse every other value.

    Raises InvalidInstant: a naive datetime would mean another moment on another server.
    """
    if not isinstance(value, datetime):
        raise InvalidInstant.of(field, value, "an instant is a datetime with a time zone")
    if value.utcoffset() is None:
        raise InvalidInstant.of(field, value, "the time has no time zone")
    return value


def require_moment(value: object, field: str = "instant") -> datetime:
    """Hand back an instant with a zone that the books can hold: of the years 1900 to 9000.

    Raises InvalidInstant; nearer to the ends of the calendar a day more would leave it.
    """
    instant = require_aware(value, field)
    if not 1900 <= instant.year <= 9000:
        raise InvalidInstant.of(field, value, "the books hold the years 1900 to 9000")
    return instant


def require_clock(value: object, field: str = "clock") -> Callable[[], datetime]:
    """Hand back something that can be asked for the time. Raises InvalidInstant."""
    if not callable(value):
        raise InvalidInstant.of(
            field, type(value).__name__, "a function that tells the time is needed"
        )
    return value


def require_day(value: object, field: str = "day") -> date:
    """Hand back a plain date; refuse a datetime, whose day depends on a zone.

    Raises InvalidInstant.
    """
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidInstant.of(field, value, "a day is a date without a time")
    return value


def _beyond(field: str, value: object) -> NoReturn:
    raise InvalidInstant.of(field, value, "it leaves the calendar (0001–9999)") from None


def _require_count(value: object, field: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise InvalidValue.of(field, value, f"a whole number from {least} to {most} is needed")
    return value


# --- months from an anchor -----------------------------------------------------------------


def add_months(anchor: date, months: int) -> date:
    """The same day so many months later, or the last day of that month if it is shorter.

    `add_months(date(2023, 1, 31), 1)` is 28 February. Always count from the anchor, not
    from the last result: two steps of one month from 31 January would end on 28 March.
    Raises InvalidInstant beyond the calendar, InvalidValue for a silly number of months.
    """
    require_day(anchor, "anchor")
    _require_count(months, "months", -_MONTHS_MAX, _MONTHS_MAX)
    try:
        return anchor + relativedelta(months=months)
    except (ValueError, OverflowError):
        _beyond("anchor", anchor)


def expiry_on(anchor: date, months: int | None) -> date:
    """The last day on which points booked on `anchor` may be spent; they are past it the day after.

    `expiry_on(date(2022, 10, 31), 36)` is 31 October 2025. With `months=None` points do
    not expire and the day is `values.NEVER`. A later anchor never gives an earlier day,
    so old points do not outlive new ones. Raises as `add_months`.
    """
    if months is None:
        require_day(anchor, "anchor")
        return date.max
    return add_months(anchor, _require_count(months, "months", 1, _MONTHS_MAX))


# --- periods -------------------------------------------------------------------------------


class PeriodKind(StrEnum):
    """How long a period is; 月、季、年 are the periods of redemption, review and stars."""

    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS_IN = {PeriodKind.MONTH: 1, PeriodKind.QUARTER: 3, PeriodKind.YEAR: 12}
_LABEL = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:Q(?P<quarter>[1-4])|-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>[0-3][0-9]))?)?"
)


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Period:
    """One day, month, quarter or year, whole: `Period.parse("2022Q4")`.

    Periods sort by their first day, a shorter one before a longer. `str()` is the label.
    Raises InvalidValue when the two days do not make a period of that kind.
    """

    #: The first day that belongs to it.
    first_on: date
    #: The last day that belongs to it (inclusive).
    last_on: date
    #: day, month, quarter or year.
    kind: PeriodKind

    def __post_init__(self) -> None:
        whole = _bounds(require_day(self.first_on, "first_on"), _kind(self.kind))
        if (self.first_on, self.last_on) != whole:
            raise InvalidValue.of(
                "period", f"{self.first_on}–{self.last_on}", f"it is not a whole {self.kind}"
            )
        object.__setattr__(self, "kind", PeriodKind(self.kind))

    @classmethod
    def containing(cls, day: date, kind: PeriodKind | str) -> Period:
        """The month (quarter, year) that a day belongs to; the day itself for kind day.

        Raises InvalidInstant for a datetime: turn it into a `business_day` first.
        """
        first_on, last_on = _bounds(require_day(day), _kind(kind))
        return cls(first_on, last_on, _kind(kind))

    @classmethod
    def parse(cls, label: object, *, field: str = "period") -> Period:
        """Read a label: "2022-10-31", "2022-10", "2022Q4" or "2022".

        Raises InvalidValue naming the field for anything else.
        """
        found = _LABEL.fullmatch(label) if isinstance(label, str) else None
        if found is None:
            raise InvalidValue.of(
                field, label, "a period reads 2022-10-31, 2022-10, 2022Q4 or 2022"
            )
        part = found.groupdict()
        try:
            if part["quarter"]:
                day = date(int(part["year"]), int(part["quarter"]) * 3, 1)
            else:
                day = date(int(part["year"]), int(part["month"] or 1), int(part["day"] or 1))
        except ValueError:
            raise InvalidValue.of(field, label, "there is no such day in the calendar") from None
        return cls.containing(day, _kind_of_label(part))

    @property
    def label(self) -> str:
        """How the period is written: "2022-10-31", "2022-10", "2022Q4", "2022"."""
        day = self.first_on.isoformat()
        if self.kind is PeriodKind.QUARTER:
            return f"{day[:4]}Q{(self.first_on.month + 2) // 3}"
        return {PeriodKind.YEAR: day[:4], PeriodKind.MONTH: day[:7]}.get(self.kind, day)

    def __str__(self) -> str:
        return self.label

    def contains(self, day: date) -> bool:
        """True when the day is in the period, the last day included."""
        return self.first_on <= require_day(day) <= self.last_on

    def previous(self) -> Period:
        """The period of the same kind just before; InvalidInstant before the year 1."""
        if self.first_on == date.min:
            _beyond("period", self.label)
        return Period.containing(self.first_on - _ONE_DAY, self.kind)

    def next(self) -> Period:
        """The period of the same kind just after; InvalidInstant after the year 9999."""
        if self.last_on == date.max:
            _beyond("period", self.label)
        return Period.containing(self.last_on + _ONE_DAY, self.kind)


def _kind(kind: PeriodKind | str) -> PeriodKind:
    try:
        return PeriodKind(kind)
    except ValueError:
        raise InvalidValue.of("kind", kind, "it is one of day, month, quarter, year") from None


def _kind_of_label(part: dict[str, str | None]) -> PeriodKind:
    for kind in (PeriodKind.DAY, PeriodKind.MONTH, PeriodKind.QUARTER):
        if part[kind]:
            return kind
    return PeriodKind.YEAR


def _bounds(day: date, kind: PeriodKind) -> tuple[date, date]:
    if kind is PeriodKind.DAY:
        return day, day
    count = _MONTHS_IN[kind]
    first_month = (day.month - 1) // count * count + 1
    last_month = first_month + count - 1
    last_day = gregorian.monthrange(day.year, last_month)[1]
    return date(day.year, first_month, 1), date(day.year, last_month, last_day)


def _parse_as(label: str, kind: PeriodKind, example: str) -> Period:
    period = Period.parse(label, field=kind)
    if period.kind is not kind:
        raise InvalidValue.of(kind, label, f"a {kind} reads {example}")
    return period


def month(label: str) -> Period:
    """`month("2022-10")`: a month by its label. Raises InvalidValue for other labels."""
    return _parse_as(label, PeriodKind.MONTH, "2022-10")


def quarter(label: str) -> Period:
    """`quarter("2022Q4")`: a quarter by its label. Raises InvalidValue for other labels."""
    return _parse_as(label, PeriodKind.QUARTER, "2022Q4")


def year(label: str) -> Period:
    """`year("2022")`: a calendar year by its label. Raises InvalidValue for other labels."""
    return _parse_as(label, PeriodKind.YEAR, "2022")


def months_of(period: Period) -> tuple[Period, ...]:
    """The months that a period touches, in order: three for a quarter, one for a day."""
    months = [Period.containing(period.first_on, PeriodKind.MONTH)]
    while months[-1].last_on < period.last_on:
        months.append(months[-1].next())
    return tuple(months)


# --- between days and instants -------------------------------------------------------------


def business_day(instant: datetime, zone: tzinfo) -> date:
    """The day that an instant falls on at the bank, whatever zone the instant is written in.

    Raises InvalidInstant for an instant without a zone.
    """
    require_aware(instant)
    try:
        return instant.astimezone(zone).date()
    except OverflowError:
        _beyond("instant", instant)


def _midnight(day: date, zone: tzinfo) -> datetime:
    # Through UTC and back: where a clock change skips midnight, the day starts at one o'clock.
    try:
        return datetime.combine(day, time.min, zone).astimezone(UTC).astimezone(zone)
    except OverflowError:
        _beyond("day", day)


def instants(period: Period, zone: tzinfo) -> tuple[datetime, datetime]:
    """The period as moments, `start <= instant < end`: no gap and no overlap with its neighbours.

    Raises InvalidInstant where the end lies beyond the calendar.
    """
    if period.last_on == date.max:
        _beyond("period", period.label)
    return _midnight(period.first_on, zone), _midnight(period.last_on + _ONE_DAY, zone)


def end_of(period: Period, zone: tzinfo) -> datetime:
    """23:59 on the last day: the time that is printed on what is dated to a period's end.

    For comparisons use `instants`, whose end leaves no minute out.
    """
    return datetime.combine(period.last_on, time(23, 59), zone)


# --- working days --------------------------------------------------------------------------


class WorkingCalendar(Protocol):
    """What the bank asks of a calendar; hand in your own to follow a local one."""

    def is_working_day(self, day: date) -> bool:
        """True when deadlines count this day."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeekdayCalendar:
    """Monday to Friday, less the holidays, plus the weekend days worked in exchange (调休).

    The lists are data of the State Council's yearly notice and are handed in; without
    them every weekday works. Raises InvalidValue when a day stands in both lists.
    """

    #: Days off, whatever their weekday.
    holidays: frozenset[date] = frozenset()
    #: Saturdays and Sundays that are worked.
    working_weekends: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "holidays", frozenset(self.holidays))
        object.__setattr__(self, "working_weekends", frozenset(self.working_weekends))
        for day in sorted(self.holidays & self.working_weekends):
            raise InvalidValue.of("holidays", day, "it is also listed as a working weekend")

    def is_working_day(self, day: date) -> bool:
        """True for a working day: `WeekdayCalendar().is_working_day(date(2022, 10, 31))`."""
        require_day(day)
        if day.weekday() >= 5:
            return day in self.working_weekends
        return day not in self.holidays


def add_working_days(day: date, n: int, calendar: WorkingCalendar) -> date:
    """The n-th working day after `day`, which itself is not counted; `day` itself when n is 0.

    "Within 10 working days" of a Friday thus ends on the Friday two weeks later.
    Raises InvalidValue for a negative n or a calendar that never works, InvalidInstant
    beyond the year 9999.
    """
    require_day(day)
    _require_count(n, "n", 0, _WORKING_DAYS_MAX)
    reached = day
    for _ in range(n):
        reached = _next_working_day(reached, calendar)
    return reached


def _next_working_day(day: date, calendar: WorkingCalendar) -> date:
    for step in range(1, _CLOSED_DAYS_MAX + 1):
        try:
            candidate = day + timedelta(days=step)
        except OverflowError:
            _beyond("day", day)
        if calendar.is_working_day(candidate):
            return candidate
    raise InvalidValue.of("calendar", calendar, f"no working day within a year of {day}")


# --- redemption days -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RedemptionWindow:
    """The days of each month on which points may be redeemed (月兑换).

    `RedemptionWindow(first_day=25, last_day=-1)` is the 25th to the month's end;
    `RedemptionWindow()` is open every day. A first day after the last one runs over the
    month's end, and a day that a short month lacks means its last day, so no month is
    left without a window. Raises InvalidValue for other numbers, or one without the other.
    """

    #: Day of the month, 1 to 31, or -1 for its last day; None when always open.
    first_day: int | None = None
    #: Likewise; the day is included.
    last_day: int | None = None

    def __post_init__(self) -> None:
        if (self.first_day is None) != (self.last_day is None):
            raise InvalidValue.of("last_day", self.last_day, "give both days of the month or none")
        for field in ("first_day", "last_day"):
            value = getattr(self, field)
            if value is not None and value != -1:
                _require_count(value, field, 1, 31)

    @property
    def is_always_open(self) -> bool:
        """True when no day of the month is closed by this window's definition."""
        return self.first_day is None

    def is_open(self, day: date) -> bool:
        """True when points may be redeemed on that day."""
        require_day(day)
        if self.first_day is None or self.last_day is None:
            return True
        length = gregorian.monthrange(day.year, day.month)[1]
        first, last = _day_within(self.first_day, length), _day_within(self.last_day, length)
        # Whether it runs over the month's end is said by the window, not by a short month.
        if _day_within(self.first_day, 31) > _day_within(self.last_day, 31):
            return day.day >= first or day.day <= last
        return first <= day.day <= last

    def next_open_on(self, day: date) -> date:
        """The first day from `day` on (itself included) on which redemption is open."""
        reached = require_day(day)
        while not self.is_open(reached):
            if reached == date.max:
                _beyond("day", day)
            reached += _ONE_DAY
        return reached


def _day_within(day_of_month: int, length: int) -> int:
    return length if day_of_month == -1 else min(day_of_month, length)
