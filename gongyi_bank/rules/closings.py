"""结账的规则: which days are closed where, and what becomes of work that comes late.

A closed *day* bars its business day: nothing more is booked on it. A closed *month, quarter or
year* bars its value dates: work for a day in it is booked on the first open day with its
origin date, or refused, by policy. A closing of an outlet covers everything below it on the
days that it closes: a savings branch that moves keeps what its old branch had closed, and what
its new one had closed before means nothing to it (docs/decisions/0021). It covers the customers
registered there, too, wherever they are served (docs/decisions/0023).

The first of these that applies refuses a closing: unknown outlet, not permitted, a period that
is not over, one before the founding, another closing under way, closed already, shorter periods
open; a later step besides, one that has not begun or has gone further.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gongyi_bank.errors import (
    ClosingUnfinished,
    DayClosed,
    InvalidValue,
    PeriodAlreadyClosed,
    PeriodClosed,
    PeriodNotOver,
    ShorterPeriodOpen,
)
from gongyi_bank.periods import Period
from gongyi_bank.policies import ClosingRules, PolicyBook
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.outlets import HEAD_OFFICE, Stay, Stays
from gongyi_bank.rules.staff import OutletFacts

DAY: Final = "day"
CLOSING: Final = "closing"
DRAINED: Final = "drained"
CLOSED: Final = "closed"
#: What must be closed before a longer period can be.
_PARTS: Final = {"month": DAY, "quarter": "month", "year": "quarter"}
#: Stands for the head office wherever days are kept by outlet.
EVERYWHERE: Final = 0
_ONE_DAY: Final = dt.timedelta(days=1)
#: (value date, origin date or None) of what is done at an outlet, for a day and an account.
ValueDay = Callable[[OutletFacts, dt.date, int], tuple[dt.date, dt.date | None]]


def day_itself(_: OutletFacts, day: dt.date, __: int) -> tuple[dt.date, dt.date | None]:
    """The value day where nothing is closed."""
    return day, None


@dataclass(frozen=True, slots=True)
class Home:
    """The days for which an account was registered at an outlet."""

    outlet: OutletFacts
    first_on: dt.date
    #: Before `first_on` where the account moved on within the day: then it has no day at all.
    last_on: dt.date = dt.date.max

    def closed_through(self, through: dt.date) -> dt.date:
        """The last day that is closed for who was registered here, the outlet being so `through`.

        Days before a closed one are closed, wherever the account was: longer periods contain
        them.
        """
        last_on = min(through, self.last_on)
        return last_on if last_on >= self.first_on else EARLIEST


def homes_of(stays: Iterable[tuple[dt.date, OutletFacts]]) -> tuple[Home, ...]:
    """An account's homes from (since when, the outlet), in order.

    On any day the newest stay that had begun counts, as in every figure of a period. Before the
    first one the account was nowhere.
    """
    homes: list[Home] = []
    last_on = dt.date.max
    for since_on, outlet in reversed(list(stays)):
        homes.append(Home(outlet, since_on, last_on))
        last_on = min(last_on, since_on - _ONE_DAY)
    return tuple(reversed(homes))


class ClosedDays:
    """Through which day each outlet is closed: for booking, and for value dates."""

    def __init__(
        self,
        closings: Iterable[tuple[int, int, str, dt.date]] = (),
        stays: Stays | None = None,
    ) -> None:
        """`closings` are (outlet number, its tier, kind, last day), drained ones included.

        `stays` say which outlet was above each one when. One without any has always been where
        it is.
        """
        self._stays = stays or {}
        self._booking: dict[int, dt.date] = {}
        self._value: dict[int, dt.date] = {}
        for outlet_no, tier, kind, last_on in closings:
            through = self._booking if kind == DAY else self._value
            place = EVERYWHERE if tier == HEAD_OFFICE else outlet_no
            through[place] = max(last_on, through.get(place, EARLIEST))
        #: Whether a branch has closed more than the bank: then it matters who is served.
        self.is_by_branch = any(
            last_on > days.get(EVERYWHERE, EARLIEST)
            for days in (self._booking, self._value)
            for last_on in days.values()
        )

    def reaches(self, day: dt.date) -> bool:
        """Whether this business day is closed anywhere."""
        return any(day <= last_on for last_on in self._booking.values())

    def booking_through(self, outlet: OutletFacts) -> dt.date:
        """The last business day that is closed at this outlet."""
        return self._through(self._booking, outlet)

    def value_through(self, outlet: OutletFacts) -> dt.date:
        """The last value date that is closed at this outlet."""
        return self._through(self._value, outlet)

    def _through(self, days: Mapping[int, dt.date], outlet: OutletFacts) -> dt.date:
        return closed_through(days, outlet.outlet_no, self.stays_of(outlet))

    def stays_of(self, outlet: OutletFacts) -> tuple[Stay, ...]:
        """Which outlets were above this one, in order."""
        return self._stays.get(outlet.outlet_no) or (Stay(outlet.parent_no),)

    def require_open_day(self, outlet: OutletFacts, today: dt.date) -> None:
        """Raise DayClosed where the business day is closed: a clock that is behind, at most."""
        if self._booking and today <= self.booking_through(outlet):
            raise DayClosed(outlet=outlet.code, day=today)

    def closed_home(self, homes: Iterable[Home], today: dt.date) -> Home | None:
        """The first of these homes that has closed the day for those registered there."""
        for home in homes:
            if today <= home.closed_through(self.booking_through(home.outlet)):
                return home
        return None

    def require_open_homes(self, homes: Iterable[Home], today: dt.date) -> None:
        """Raise DayClosed where one of these homes has closed the day."""
        home = self.closed_home(homes, today)
        if home is not None:
            raise DayClosed(outlet=home.outlet.code, day=today)

    def require_open_value(self, outlet: OutletFacts, day: dt.date) -> None:
        """Raise PeriodClosed for a day whose figures stand."""
        through = self.value_through(outlet)
        if day <= through:
            raise PeriodClosed(outlet=outlet.code, day=day, through=through)

    def value_day(
        self,
        outlet: OutletFacts,
        day: dt.date,
        today: dt.date,
        policies: PolicyBook,
        homes: Iterable[Home] = (),
    ) -> tuple[dt.date, dt.date | None]:
        """(value date, origin date or None) of work for `day`. Raises PeriodClosed.

        Work for a day in a closed period counts on the first open day (domain.md: late
        corrections post to the open period; both dates are kept), or is refused by policy. It
        is closed where the outlet that serves has closed it, or one where the account was
        registered then: the figures of both would change.
        """
        place, through = outlet, self.value_through(outlet) if self._value else EARLIEST
        for home in homes:
            last_on = home.closed_through(self.value_through(home.outlet))
            if last_on > through:
                place, through = home.outlet, last_on
        if day > through:
            return day, None
        if policies.in_force(ClosingRules, today)[1].late_work == "refuse":
            raise PeriodClosed(outlet=place.code, day=day, through=through)
        return through + _ONE_DAY, day


def closed_through(days: Mapping[int, dt.date], outlet_no: int, stays: Iterable[Stay]) -> dt.date:
    """The last day that is closed at an outlet, `days` being the last closed one of each place.

    Of each stay the days count that the parent of then has closed. All days before a closed
    one are closed, whoever the parent was: longer periods of the later parent contain them.
    """
    through = max(days.get(outlet_no, EARLIEST), days.get(EVERYWHERE, EARLIEST))
    for stay in stays:
        last_on = min(days.get(stay.parent_no or EVERYWHERE, EARLIEST), stay.last_on)
        if last_on >= stay.first_on:
            through = max(through, last_on)
    return through


# --- closing one more period ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the closings of one kind have come at an outlet, by its own and those above it.

    Those above it count for the days on which they were above it.
    """

    #: The last day of those begun, the outlet's own and those above it.
    begun_on: dt.date = EARLIEST
    #: The last day of those finished.
    closed_on: dt.date = EARLIEST
    #: The last day of the outlet's own closing that is under way.
    unfinished_on: dt.date | None = None


def decide_first_day(
    outlet: OutletFacts,
    period: Period,
    reached: Mapping[str, Reached],
    *,
    today: dt.date,
    founded_on: dt.date,
) -> dt.date:
    """The first day of a new closing that ends with `period`: the day after the one before.

    So closings of a kind follow each other without a gap. Raises, in this order,
    PeriodNotOver, InvalidValue before the founding, ClosingUnfinished, PeriodAlreadyClosed
    and, for a month, quarter or year, ShorterPeriodOpen.
    """
    kind, last_on = str(period.kind), period.last_on
    if last_on >= today:
        raise PeriodNotOver(period=period.label, today=today)
    if last_on < founded_on:
        raise InvalidValue.of("period", period.label, f"the bank was founded on {founded_on}")
    own = reached.get(kind, Reached())
    if own.unfinished_on is not None:
        raise ClosingUnfinished(outlet=outlet.code, kind=kind, through=own.unfinished_on)
    if own.begun_on >= last_on:
        raise PeriodAlreadyClosed(outlet=outlet.code, kind=kind, through=own.begun_on)
    require_parts_closed(outlet, period, reached)
    return max(own.begun_on + _ONE_DAY, founded_on)


def require_parts_closed(
    outlet: OutletFacts, period: Period, reached: Mapping[str, Reached]
) -> None:
    """A month needs all its days closed, a quarter its months, a year its quarters.

    Raises ShorterPeriodOpen.
    """
    part = _PARTS.get(str(period.kind))
    if part is not None and reached.get(part, Reached()).closed_on < period.last_on:
        raise ShorterPeriodOpen(
            outlet=outlet.code, kind=part, period=period.label, through=period.last_on
        )
