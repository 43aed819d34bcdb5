"""What became of an account's points, by their numbers: what reversals and refunds go by.

Pure. The points of a credit line are its numbers. Some of them have expired; some were taken
back already, or came back under younger numbers. What is left may be taken back: `Past.due`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from gongyi_bank.rules.ledger import expired_within, has_lines, internal_kind

#: Point numbers that follow each other: (the number below the first, the last).
Numbers = tuple[int, int]


class Dead(NamedTuple):
    """So many points that a debit took and that died: numbers that it cites, and that it took.

    Both are told by the number below the first. No two debits took the same number.
    """

    cited: int
    took: int
    amount: int


class PartTaken(NamedTuple):
    """A part that is in the books: numbers low + 1 to high of a credit, or of a debit."""

    is_credit: bool
    low: int
    high: int
    expired: int
    #: How much the line moved that did it, and the account's credits after that line.
    moved: int
    credited_after: int
    #: Of a debit, the number below the first point that the part cites; None if that is its first.
    cites_from: int | None = None
    #: Of a debit, whether its points were given to somebody who could spend them.
    is_given: bool = False

    @property
    def dead(self) -> Dead:
        """What expired of a debit's part: the oldest points, which no store has spent meanwhile.

        Who was given points spends the oldest, and the others expire.
        """
        below = self.high - self.expired if self.is_given else self.low
        cites_from = self.low if self.cites_from is None else self.cites_from
        return Dead(cites_from + below - self.low, below, self.expired)


def may_spend(contra_no: int) -> bool:
    """Whether what goes to this account can be spent on: a customer's, a pool's, or in transit.

    >>> may_spend(10_000_000_000_003), may_spend(50_000_007)  # a pool's, a store's
    (True, False)
    """
    return has_lines(contra_no) or internal_kind(contra_no) == "transit"


@dataclass(slots=True)
class Past:
    """What became of one account's points, by their numbers: what a due amount depends on."""

    #: The numbers that have expired by an expiry line, each as (number below, last number).
    expired: list[Numbers] = field(default_factory=list)
    #: Numbers, as (below, last), whose points are not their line's own any more, and how many
    #: those are: what was taken back for a part of a credit, and what came back of a debit.
    taken: list[tuple[int, int, int]] = field(default_factory=list)
    #: What did not come back of debits that were given back, because its date was past.
    dead: list[Dead] = field(default_factory=list)

    def note(self, part: PartTaken) -> None:
        """A part that was reversed or refunded."""
        if part.is_credit:
            self.taken.append((part.low, part.high, part.moved))
            return
        if part.expired:
            self.dead.append(part.dead)
        if part.moved:
            last = part.credited_after
            self.taken.append((last - part.moved, last, part.moved))

    def due(self, low: int, high: int) -> int:
        """What may be taken back for the points low + 1 to high of a credit line.

        What of them has expired may not. Where a younger line was reversed first, it took points
        from here and left its own numbers in exchange; so of all numbers from here to its end
        only what neither expired nor was taken back can be due still. Likewise what was spent
        here and has come back since stands under younger numbers, and is due only if it lives.
        """
        expired = numbers_of(self.expired, self.dead)
        rooms, taken = [high - low - expired_within(low, high, expired)], 0
        for below, last, amount in sorted(self.taken):
            if below >= high:
                taken += amount
                rooms.append(last - low - expired_within(low, last, expired) - taken)
        return max(0, min(rooms))


def numbers_of(expired: Iterable[Numbers], dead: Iterable[Dead]) -> list[Numbers]:
    """The numbers that are gone: what expiry lines took, and dead points where debits cite them.

    Where a number is gone already, the dead point counts under the number that it was taken by;
    a point that stood there for its citation makes room and does the same. So each counts once:
    a hold that was let go has left two debits citing the same, and an expiry beside a hold took
    what the hold cites.

    >>> numbers_of([(0, 4)], [Dead(0, 4, 4), Dead(8, 20, 2)])
    [(0, 4), (4, 8), (8, 10)]
    """
    fixed, waiting = list(expired), sorted(dead, key=lambda one: (one.took, one.cited))
    standing: list[Dead] = []
    while waiting:
        one = waiting.pop(0)
        taken = [*fixed, *((its.cited, its.cited + its.amount) for its in standing)]
        free, sent_on = _split(one, taken)
        standing += free
        for part in sent_on:
            # To where it was taken: no other point of the books was, so only citations give way.
            place = (part.took, part.took + part.amount)
            fixed.append(place)
            pairs = [_split(its, [place]) for its in standing]
            standing = [piece for kept, _ in pairs for piece in kept]
            waiting += [piece for _, hit in pairs for piece in hit]
    return sorted(fixed + [(its.cited, its.cited + its.amount) for its in standing])


def _split(one: Dead, taken: Iterable[Numbers]) -> tuple[list[Dead], list[Dead]]:
    """Those of the points whose cited numbers are free, and the others."""
    free, others, at, end = [], [], one.cited, one.cited + one.amount
    for below, last in sorted(taken):
        low, high = max(at, below), min(end, last)
        if low < high:
            free.append(_cut(one, at, low))
            others.append(_cut(one, low, high))
            at = high
    free.append(_cut(one, at, end))
    return [part for part in free if part.amount], others


def _cut(one: Dead, low: int, high: int) -> Dead:
    """Those of the points that cite the numbers low + 1 to high."""
    return Dead(low, one.took + low - one.cited, high - low)
