"""已赠、已捐、已拨: what accounts have given and were granted, month by month, as limits count it.

Pure. An act counts once for an account, however many lines it has there. What came back by a
reversal was not given, and an act of which everything came back does not count; both are taken
off the month that they were counted in. So each month's sum stands for its lines, and nobody
has to read them to know what may still be given (decision 0019).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gongyi_bank.rules.reversals import Part
from gongyi_bank.rules.transfers import GRANT, GRANTEE, LINE_KINDS, Given

#: Whose limits the lines of a kind count to; see `rules.transfers.TransferFacts.given`.
PURPOSES: Final = {given: purpose for purpose, (given, _) in LINE_KINDS.items()} | {
    LINE_KINDS[GRANT][1]: GRANTEE
}
#: An account, the first day of a month, and a kind of lines.
Month = tuple[int, dt.date, str]


class Sum(NamedTuple):
    """What the lines of a kind moved in a month, less what came back, and by how many acts."""

    points: int = 0
    acts: int = 0


Sums = Mapping[Month, Sum]


def month_of(day: dt.date) -> dt.date:
    """The first day of a day's month, by which the month is known.

    >>> month_of(dt.date(2022, 10, 15))
    datetime.date(2022, 10, 1)
    """
    return day.replace(day=1)


def given_by(sums: Sums, today: dt.date) -> dict[tuple[int, str], Given]:
    """What limits are held against, by account and purpose, of sums that begin with the year."""
    found: dict[tuple[int, str], Given] = {}
    for (account_no, month_on, kind), (points, acts) in sums.items():
        key, is_now = (account_no, PURPOSES[kind]), month_on >= month_of(today)
        before = found.get(key, Given())
        found[key] = Given(
            before.points_month + points * is_now,
            before.count_month + acts * is_now,
            before.points_year + points,
            before.count_year + acts,
        )
    return found


def after_giving(sums: Sums, lines: Iterable[Sequence[Any]]) -> dict[Month, Sum]:
    """The sums that an act's new lines change, as they are with them."""
    moved: dict[Month, int] = {}
    for account_no, _, kind, amount, _, _, _, _, value_on, *_ in lines:
        if kind in PURPOSES:
            month = (account_no, month_of(value_on), kind)
            moved[month] = moved.get(month, 0) + abs(amount)
    return {
        month: Sum(before.points + points, before.acts + 1)
        for month, points in moved.items()
        for before in [sums.get(month, Sum())]
    }


def after_reversing(
    sums: Sums, kept: Mapping[tuple[int, str], int], parts: Iterable[Part]
) -> dict[Month, Sum]:
    """The sums that the parts taken back of one voucher's lines change, as they are without them.

    `kept` is what was left of that act until now, by account and kind of line.
    """
    back: dict[Month, int] = {}
    for part in parts:
        line = part.line
        if line.kind in PURPOSES:
            month = (line.account_no, month_of(line.value_on), line.kind)
            back[month] = back.get(month, 0) + part.moved
    changed = {}
    for (account_no, month_on, kind), points in back.items():
        if points:
            month = (account_no, month_on, kind)
            before, is_whole = sums.get(month, Sum()), kept.get((account_no, kind)) == points
            changed[month] = Sum(before.points - points, before.acts - is_whole)
    return changed
