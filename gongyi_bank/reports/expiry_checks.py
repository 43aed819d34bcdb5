"""到期核对 of one account: its lines' dates and what its head keeps of them.

Pure. Dates are looked up when an account is posted to, so a head may stand as it was left
before a date passed: both what it was and what it is to become are right, and nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Protocol

from gongyi_bank.rules.expiry import ExpiryTerms, earliest_after
from gongyi_bank.rules.ledger import EARLIEST, Head
from gongyi_bank.values import NEVER

#: (kind of fault, found, expected).
Finding = tuple[str, object, object]


class CreditLine(Protocol):
    """The columns of a credit line that are looked at."""

    @property
    def line_no(self) -> int:
        """Its number in the account."""

    @property
    def credited_after(self) -> int:
        """The number of its last point."""

    @property
    def expires_on(self) -> dt.date | None:
        """The last day of its points, as written."""

    @property
    def business_day(self) -> dt.date:
        """The day on which it was booked."""


class CreditWalk:
    """Goes through the credit lines of an account; keeps what its head's dates follow from."""

    def __init__(self, terms: ExpiryTerms, dead_no: int) -> None:
        """`terms` have no introductions for a pool; `dead_no` is the head's."""
        self._terms, self._dead_no = terms, dead_no
        self._earliest_on = EARLIEST
        self._newest: CreditLine | None = None
        #: Of the lines up to the head's number: the last one, and the latest of their last days.
        self._passed: CreditLine | None = None
        self._latest_on: dt.date | None = None
        #: The first of the others.
        self._living: CreditLine | None = None

    def take(self, line: CreditLine) -> dt.date | None:
        """Go on to the next; its earliest date, if it dies before the one before it."""
        assert line.expires_on is not None
        before = self._newest
        if before is not None and before.expires_on == NEVER:
            made = self._terms.introductions
            self._earliest_on = earliest_after(before.business_day, line.business_day, made)
        earliest_on = self._earliest_on
        self._earliest_on, self._newest = line.expires_on, line
        if line.credited_after <= self._dead_no:
            last_on = self._terms.last_day(line.expires_on, line.business_day)
            self._passed = line
            self._latest_on = max(self._latest_on or last_on, last_on)
        elif self._living is None:
            self._living = line
        return earliest_on if line.expires_on < earliest_on else None

    def check_head(self, head: Head, today: dt.date) -> Iterator[Finding]:
        """What a head keeps of dates: the numbers past theirs, the next date, the newest one.

        `today` is the newest day that the books know.
        """
        dead_no = self._passed.credited_after if self._passed else 0
        if head.dead_no != dead_no:
            yield "head_dead_no", head.dead_no, dead_no
        if self._latest_on is not None and self._latest_on >= today:
            yield "head_dead_no", head.dead_no, f"nothing past {self._latest_on}"
        if head.dead_no > head.debited + head.held:
            yield "head_unswept", head.dead_no, f"<= {head.debited + head.held}"
        found = (head.next_expiry_line_no, head.next_expiry_on)
        expected = _next_dates(self._living, self._terms)
        if found not in expected:
            yield "head_next_expiry", found, expected[0]
        newest = _newest_dates(self._newest, self._terms)
        if head.last_expires_on not in newest:
            yield "head_last_expires_on", head.last_expires_on, newest[0]


def _next_dates(first: CreditLine | None, terms: ExpiryTerms) -> list[tuple[int, dt.date]]:
    """What may stand on the head as the first living line and the date to look at it."""
    if first is None:
        return [(0, NEVER)]
    assert first.expires_on is not None
    dates = [first.expires_on]
    if first.expires_on == NEVER:
        last_on = terms.last_day(NEVER, first.business_day)
        noted = [made.good_until for made in terms.introductions]
        dates += [day for day in noted if day <= last_on < NEVER]
    return [(first.line_no, day) for day in dates]


def _newest_dates(newest: CreditLine | None, terms: ExpiryTerms) -> list[dt.date]:
    """What may stand on the head as the date of the newest credit."""
    if newest is None:
        return [EARLIEST]
    assert newest.expires_on is not None
    if newest.expires_on < NEVER:
        return [newest.expires_on]
    *given, _ = terms.introduced_after(newest.business_day)
    return [NEVER, *given]
