"""到期的规则: until when points are good, and what a policy makes of points without a date.

Pure. A credit line carries the last day of its points, and no point dies before an older one.
Points that were credited while no policy set a date have `NEVER`; the policy that introduces
expiry later gives all of them one date, that of a point credited on its first day (decision
0011). A line is never changed: the date is read from the policies adopted since.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gongyi_bank.policies import PointsExpiry, PolicyBook
from gongyi_bank.values import NEVER


@dataclass(frozen=True, slots=True)
class Introduction:
    """A time in which points expire, between times in which they do not."""

    effective_on: dt.date
    #: The first day on which no policy sets a date again; NEVER while that is not adopted.
    ended_on: dt.date
    #: The last day of all points that were credited before it without a date.
    good_until: dt.date


def introductions_of(book: PolicyBook) -> tuple[Introduction, ...]:
    """Every time at which expiry was introduced, oldest first; `good_until` never falls.

    What an earlier introduction promised stands, so a later and shorter one keeps its date.
    """
    made: list[Introduction] = []
    promised = began_on = None
    for _, effective_on, policy in book.history(PointsExpiry.kind):
        assert isinstance(policy, PointsExpiry)
        if policy.mode == "none":
            if promised is not None and began_on is not None:
                made[-1] = Introduction(began_on, effective_on, promised)
            began_on = None
        elif began_on is None:
            began_on = effective_on
            until = policy.expires_on(effective_on)
            promised = until if promised is None else max(promised, until)
            made.append(Introduction(began_on, NEVER, promised))
    return tuple(made)


@dataclass(frozen=True, slots=True)
class ExpiryTerms:
    """What the policies say about dates, as of one business day."""

    today: dt.date
    #: The last day of points credited today.
    fresh_until: dt.date
    introductions: tuple[Introduction, ...] = ()

    @property
    def is_in_force(self) -> bool:
        """Whether points that are credited today expire."""
        return self.fresh_until < NEVER

    @property
    def passed(self) -> Introduction | None:
        """The newest introduction whose date for older points has passed."""
        passed = [made for made in self.introductions if made.good_until < self.today]
        return passed[-1] if passed else None

    @property
    def unlimited_from(self) -> dt.date:
        """Points without a date live today only if they were booked on this day or later."""
        passed = self.passed
        return dt.date.min if passed is None else passed.ended_on

    def last_day(self, expires_on: dt.date, business_day: dt.date) -> dt.date:
        """Until when points are good whose line says `expires_on`, booked on `business_day`."""
        if expires_on < NEVER:
            return expires_on
        return self.introduced_after(business_day)[0]

    def introduced_after(self, business_day: dt.date) -> tuple[dt.date, ...]:
        """The dates that introductions set for points without one, booked that day; NEVER last.

        The first is what holds. Points booked while expiry was in force belong to it, which
        covers those that were credited on its first day before it was adopted.
        """
        later = [made.good_until for made in self.introductions if made.ended_on > business_day]
        return (*later, NEVER)

    def look_on(self, booked_on: dt.date) -> dt.date:
        """When to look at points without a date in an account whose newest line is that old.

        While no policy sets a date, an account that was posted to after an introduction's date
        had passed has been looked at; all that it has left is younger.
        """
        if self.is_in_force:
            return self.introductions[0].good_until
        passed = self.passed
        return passed.good_until if passed and booked_on <= passed.good_until else NEVER


@functools.lru_cache(maxsize=64)
def terms_of(book: PolicyBook, today: dt.date) -> ExpiryTerms:
    """What the adopted policies say about dates on a business day."""
    fresh_until = book.in_force(PointsExpiry, today)[1].expires_on(today)
    return ExpiryTerms(today, fresh_until, introductions_of(book))


class Dated(Protocol):
    """The part of an account's head that dates are kept in; see `rules.ledger.Head`."""

    credited: int
    dead_no: int
    next_expiry_on: dt.date
    next_expiry_line_no: int
    last_expires_on: dt.date


def earliest_after(
    booked_on: dt.date, today: dt.date, introductions: Iterable[Introduction]
) -> dt.date:
    """No credit of today dies before this day, behind points without a date booked that day.

    It is the date of the introduction that those points belong to, once it has begun: whether
    or not the account was posted to meanwhile, and whatever has been introduced since.
    """
    begun = (made for made in introductions if made.effective_on <= today)
    return next((made.good_until for made in begun if made.ended_on > booked_on), NEVER)


def note_introduction(head: Dated, terms: ExpiryTerms, booked_on: dt.date) -> None:
    """Give a head whose points have no date the one that a policy has introduced since."""
    if head.last_expires_on == NEVER:
        head.last_expires_on = earliest_after(booked_on, terms.today, terms.introductions)
    if head.next_expiry_line_no and head.next_expiry_on == NEVER:
        head.next_expiry_on = terms.look_on(booked_on)


# --- what expires when -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lot:
    """The points of one credit line, by their numbers: low + 1 to high."""

    low: int
    high: int
    #: As the line says it.
    expires_on: dt.date
    business_day: dt.date


def dated_lots(lots: Iterable[Lot], terms: ExpiryTerms) -> Iterator[tuple[Lot, dt.date]]:
    """Each lot, oldest first, with its last day: no point dies before an older one."""
    newest = dt.date.min
    for lot in lots:
        newest = max(newest, terms.last_day(lot.expires_on, lot.business_day))
        yield lot, newest


def schedule(lots: Iterable[Lot], terms: ExpiryTerms, free_from: int) -> dict[dt.date, int]:
    """How many points numbered above `free_from` have which last day, earliest first.

    `free_from` is what was debited or is held: those are the lowest numbers, and a hold is
    honoured also past the date. The lots must begin no later than there.
    """
    amounts: dict[dt.date, int] = {}
    for lot, last_on in dated_lots(lots, terms):
        amount = lot.high - max(lot.low, free_from)
        if amount > 0:
            amounts[last_on] = amounts.get(last_on, 0) + amount
    return amounts
