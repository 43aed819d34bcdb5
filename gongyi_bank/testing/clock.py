"""A clock for tests: it stands still until it is told the time, and never runs backwards unasked.

Needs nothing but the bank itself.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from gongyi_bank.arguments import require_flag
from gongyi_bank.errors import InvalidInstant, InvalidValue
from gongyi_bank.periods import require_aware

SHANGHAI = ZoneInfo("Asia/Shanghai")
#: Where a clock begins that is told nothing else: noon of 15 October 2022 in Shanghai.
START = dt.datetime(2022, 10, 15, 12, tzinfo=SHANGHAI)


#: No act is booked earlier or later: a voucher's id begins with the milliseconds since 1970.
_FIRST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_YEAR_MAX = 9000
_YEARS = "a bank's clock shows the years 1970 (UTC) to 9000"


def require_bookable(value: object, field: str) -> dt.datetime:
    """A moment at which a bank can book. Raises InvalidInstant."""
    moment = require_aware(value, field)
    if moment < _FIRST or moment.year > _YEAR_MAX:
        raise InvalidInstant.of(field, moment, _YEARS)
    return moment


def passed(moment: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """So much later as time passes, in the same zone, whatever its clocks do meanwhile."""
    return (moment.astimezone(dt.UTC) + span).astimezone(moment.tzinfo)


class FrozenClock:
    """A clock that stands still, to be handed to `Bank.found`, `Bank.open` or `bank.at`.

    >>> clock = FrozenClock(dt.datetime(2022, 10, 15, 12, tzinfo=SHANGHAI))
    >>> bank = Bank.found("sqlite://", clock=clock)
    >>> clock.advance(days=3)

    Raises InvalidInstant for a time without a zone, and before 1970 or after 9000.
    """

    def __init__(self, now: dt.datetime = START) -> None:
        self._now = require_bookable(now, "now")

    def __call__(self) -> dt.datetime:
        return self._now

    @property
    def now(self) -> dt.datetime:
        """What the clock shows."""
        return self._now

    def advance(
        self,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> dt.datetime:
        """Move on by `days=3` or `hours=1, minutes=30`, as time passes; what it shows then.

        In a zone with summer time an hour is an hour and a day 24 of them. Raises InvalidValue
        for what is no number or leaves the calendar, InvalidInstant for a move backwards.
        """
        step = _span(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        if step < dt.timedelta(0):
            raise InvalidInstant.of("advance", str(step), "a clock only goes on; see `set`")
        try:
            later = passed(self._now, step)
        except OverflowError:
            raise InvalidInstant.of("advance", str(step), _YEARS) from None
        return self.set(later)

    def set(self, now: dt.datetime, *, backwards: bool = False) -> dt.datetime:
        """Show another time; an earlier one only with `backwards=True`.

        Raises InvalidInstant, and InvalidValue for what is neither True nor False.
        """
        moment = require_bookable(now, "now")
        may_go_back = require_flag(backwards, field="backwards")
        # Two times of one zone compare by what its clocks show, which summer time repeats.
        if moment.astimezone(dt.UTC) < self._now and not may_go_back:
            raise InvalidInstant.of("now", moment, f"earlier than {self._now}; say backwards=True")
        self._now = moment
        return moment

    def __repr__(self) -> str:
        return f"FrozenClock({self._now.isoformat()})"


def _span(**given: float) -> dt.timedelta:
    """So many of each unit together. Raises InvalidValue that names the unit."""
    span = dt.timedelta(0)
    for unit, count in given.items():
        if type(count) not in (int, float) or count != count:  # Not a number is not itself.
            raise InvalidValue.of(unit, count, f"a number is needed: {unit}=3")
        try:
            span += dt.timedelta(**{unit: count})
        except OverflowError:
            raise InvalidValue.of(unit, count, _YEARS) from None
    return span
