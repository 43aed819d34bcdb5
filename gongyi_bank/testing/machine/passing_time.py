"""Moments to which the machine's clock may go on, and by how much a host's clock may be behind.

Those to which it goes on are those at which something ends or begins.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from gongyi_bank.periods import Period, business_day
from gongyi_bank.rules.holds import HELD
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.values import NEVER

_MOMENT, _DAY = dt.timedelta(microseconds=1), dt.timedelta(days=1)
Pass = Callable[[dt.datetime, Books], dt.datetime]


def _midnight(day: dt.date, books: Books) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), books.zone)


def _after_period(now: dt.datetime, books: Books, kind: str) -> dt.datetime:
    """The first moment after the period in which it is now."""
    period = Period.containing(business_day(now, books.zone), kind)
    return _midnight(period.last_on + _DAY, books)


def _deadline(now: dt.datetime, books: Books) -> dt.datetime:
    """The next deadline of a hold; tomorrow if there is none."""
    ends = [one.deadline_at for one in books.holds.values() if one.state == HELD]
    to_come = [end for end in ends if end > now]
    return min(to_come, default=now + _DAY).astimezone(books.zone)


def _expiry(now: dt.datetime, books: Books) -> dt.datetime:
    """The first moment at which the next points are past their date; tomorrow if none will be."""
    today = business_day(now, books.zone)
    lines = (line for mine in books.lines.values() for line in mine)
    days = [line.expires_on for line in lines if line.expires_on is not None]
    to_come = [day for day in days if today <= day < NEVER]
    return _midnight(min(to_come, default=today) + _DAY, books)


#: By name: from what the clock shows and the books hold to what it shows next, never earlier.
MOMENTS: dict[str, Pass] = {
    "a minute": lambda now, _: now + dt.timedelta(minutes=1),
    "an hour": lambda now, _: now + dt.timedelta(hours=1),
    "midnight": lambda now, books: _after_period(now, books, "day"),
    "just before midnight": lambda now, books: _before(now, _after_period(now, books, "day")),
    "the next deadline": _deadline,
    "just before the next deadline": lambda now, books: _before(now, _deadline(now, books)),
    "the next expiry": _expiry,
    "the end of the month": lambda now, books: _after_period(now, books, "month"),
    "a week": lambda now, _: now + 7 * _DAY,
    "100 days": lambda now, _: now + 100 * _DAY,
    "the end of the year": lambda now, books: _after_period(now, books, "year"),
}


#: By how much a clock may be set back, or a host's be behind the others'.
SETBACKS: dict[str, dt.timedelta] = {
    "a second": dt.timedelta(seconds=1),
    "half an hour": dt.timedelta(minutes=30),
    "five hours": dt.timedelta(hours=5),
    "a day": _DAY,
    "three days and a bit": 3 * _DAY + dt.timedelta(hours=7),
    "four weeks": 28 * _DAY,
}
#: Days that lie further apart an audit takes for those of another order of acts.
FURTHEST_BACK = 30 * _DAY


def _before(now: dt.datetime, moment: dt.datetime) -> dt.datetime:
    return max(now, moment - _MOMENT)
