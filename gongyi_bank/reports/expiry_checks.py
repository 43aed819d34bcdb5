"""到期核对 of one account: its lines' dates and what its head keeps of them.

Pure. Dates are looked up when an account is posted to, so a head may stand as it was left
before a date passed: both what it was and what it is to become are right, and nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from gongyi_bank.rules.expiry import ExpiryTerms, Introduction, earliest_after
from gongyi_bank.rules.ledger import EARLIEST, Head
from gongyi_bank.values import NEVER

#: (kind of fault, found, expected).
Finding = tuple[str, object, object]


LineT = TypeVar("LineT", bound="CreditLine")


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


def too_early(
    credits_: Iterable[LineT], introductions: Sequence[Introduction]
) -> Iterator[tuple[LineT, dt.date]]:
    """Credit lines that die before the one before them, each with its earliest date."""
    earliest_on, before = EARLIEST, None
    for line in credits_:
        assert line.expires_on is not None
        if before is not None and before.expires_on == NEVER:
            earliest_on = earliest_after(before.business_day, line.business_day, introductions)
        if line.expires_on < earliest_on:
            yield line, earliest_on
        earliest_on, before = line.expires_on, line


def check_head(head: Head, credits_: Sequence[CreditLine], terms: ExpiryTerms) -> Iterator[Finding]:
    """What a head keeps of dates: the numbers past theirs, the next date, the newest one.

    `terms` are those of the newest day that the books know; no introductions for a pool.
    """
    passed = [line for line in credits_ if line.credited_after <= head.dead_no]
    dead_no = passed[-1].credited_after if passed else 0
    if head.dead_no != dead_no:
        yield "head_dead_no", head.dead_no, dead_no
    living = [last_on for last_on in _last_days(passed, terms) if last_on >= terms.today]
    if living:
        yield "head_dead_no", head.dead_no, f"nothing past {living[0]}"
    if head.dead_no > head.debited + head.held:
        yield "head_unswept", head.dead_no, f"<= {head.debited + head.held}"
    found = (head.next_expiry_line_no, head.next_expiry_on)
    expected = _next_dates(credits_[len(passed) :], terms)
    if found not in expected:
        yield "head_next_expiry", found, expected[0]
    newest = _newest_dates(credits_, terms)
    if head.last_expires_on not in newest:
        yield "head_last_expires_on", head.last_expires_on, newest[0]


def _last_days(lines: Sequence[CreditLine], terms: ExpiryTerms) -> Iterator[dt.date]:
    for line in lines:
        assert line.expires_on is not None
        yield terms.last_day(line.expires_on, line.business_day)


def _next_dates(rest: Sequence[CreditLine], terms: ExpiryTerms) -> list[tuple[int, dt.date]]:
    """What may stand on the head as the first living line and the date to look at it."""
    if not rest:
        return [(0, NEVER)]
    first = rest[0]
    assert first.expires_on is not None
    dates = [first.expires_on]
    if first.expires_on == NEVER:
        last_on = terms.last_day(NEVER, first.business_day)
        noted = [made.good_until for made in terms.introductions]
        dates += [day for day in noted if day <= last_on < NEVER]
    return [(first.line_no, day) for day in dates]


def _newest_dates(credits_: Sequence[CreditLine], terms: ExpiryTerms) -> list[dt.date]:
    """What may stand on the head as the date of the newest credit."""
    if not credits_:
        return [EARLIEST]
    newest = credits_[-1]
    assert newest.expires_on is not None
    if newest.expires_on < NEVER:
        return [newest.expires_on]
    *given, _ = terms.introduced_after(newest.business_day)
    return [NEVER, *given]
