"""The way back from points to the credits that they were in the beginning. Read only.

What came by a refund leads to the numbers of the debit that it returned, what was given to the
numbers that its giver took; each was credited before, so there is no circle. Many lines are
followed in each statement: how many statements there are grows with the depth of gifts. What is
found knows its place in the debit, and what is open is taken up from the lowest place.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from gongyi_bank.rules.ledger import internal_kind
from gongyi_bank.store import provenance as store
from gongyi_bank.store.provenance import LineKey, NumberRange, RangeLine, TransferLeg
from gongyi_bank.store.statements import load_totals
from gongyi_bank.store.transaction import Transaction

#: So many credit lines are looked at for one answer: what they say has to fit into memory.
FOLLOWED_MAX: Final = 50_000
#: So many refunds and gifts are followed one behind the other.
STEPS_MAX: Final = 1_000
#: Ranges of numbers that are followed together, and lines that they may lead to at a time.
_SPANS, _LINES = 500, 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """A refund or a gift through which points came on, and those through which they did later."""

    line: LineKey
    later: Step | None
    #: 1 for the last of them.
    number: int

    @classmethod
    def behind(cls, later: Step | None, line: LineKey) -> Step:
        """One step further back."""
        return cls(line, later, later.number + 1 if later is not None else 1)

    def path(self) -> tuple[LineKey, ...]:
        """The lines, the newest first."""
        lines = []
        step: Step | None = self
        while step is not None:
            lines.append(step.line)
            step = step.later
        return tuple(reversed(lines))


class Span(NamedTuple):
    """Points low + 1 to high of an account, which are to be followed."""

    #: How many points of the debit come before these.
    place: int
    account_no: int
    low: int
    high: int
    #: How they came on from there.
    step: Step | None = None


class Origin(NamedTuple):
    """Points low + 1 to high, as a credit line brought them that no other line stands behind."""

    place: int
    line: RangeLine
    low: int
    high: int
    step: Step | None


class Walk:
    """From a debit's numbers to the credits behind them; `origins` is what was found, in order."""

    def __init__(self, tx: Transaction, span: Span) -> None:
        self._tx = tx
        #: What is to be followed, the lowest place last.
        self._open = [span]
        self._too_far: list[Span] = []
        self._looked_at = 0
        self.origins: list[Origin] = []

    def go(self) -> None:
        """Follow everything, as far as the bounds allow."""
        while self._open and self._looked_at < FOLLOWED_MAX:
            spans = self._open[-_SPANS:]
            del self._open[-_SPANS:]
            pieces, left = self._credits(spans[::-1])
            left += self._behind(pieces)
            self._open += sorted(left, key=lambda span: -span.place)
        self.origins.sort(key=lambda origin: origin.place)

    def count_unfollowed(self) -> int:
        """The points that a credit stands behind, and that the bounds left where they were."""
        spans = self._open + self._too_far
        found = 0
        for first in range(0, len(spans), _SPANS):
            some = spans[first : first + _SPANS]
            totals = load_totals(self._tx, {span.account_no for span in some})
            for span in some:
                credited = totals[span.account_no].credited
                found += max(0, min(span.high, credited) - span.low)
        return found

    def _credits(self, spans: list[Span]) -> tuple[list[Origin], list[Span]]:
        """The credits that these spans overlap, and what is left for the next time."""
        ends = [(span.account_no, number) for span in spans for number in (span.low, span.high - 1)]
        lines = iter(store.find_credits(self._tx, ends))
        room = min(_LINES, FOLLOWED_MAX - self._looked_at)
        looked: list[tuple[Span, range, bool]] = []
        left = []
        for span, first, last in zip(spans, lines, lines, strict=False):
            if room <= 0:
                left.append(span)
                continue
            some = range(first, min(last, first + room - 1) + 1)
            room -= len(some)
            looked.append((span, some, some[-1] < last))
        asked = {(span.account_no, line_no) for span, some, _ in looked for line_no in some}
        credits = store.list_credits_at(self._tx, sorted(asked))
        pieces: list[Origin] = []
        for span, some, goes_on in looked:
            mine = [credits.get((span.account_no, line_no)) for line_no in some]
            found = [_piece(span, credit) for credit in mine if credit is not None]
            pieces += found
            if goes_on and found:
                left.append(_after(span, found[-1].high))
        self._looked_at += len(pieces)
        return pieces, left

    def _behind(self, pieces: list[Origin]) -> list[Span]:
        """Where these points came from; what came from nowhere else is an origin."""
        ranges = _ranges_behind(self._tx, {key_of(piece.line): piece.line for piece in pieces})
        laid = {key: _Laid(parts) for key, parts in ranges.items()}
        spans: list[Span] = []
        for piece in pieces:
            behind = laid.get(key_of(piece.line))
            if behind is None:
                self.origins.append(piece)
            elif piece.step is not None and piece.step.number >= STEPS_MAX:
                self._too_far.append(Span(0, piece.line.account_no, piece.low, piece.high))
            else:
                spans += _spans_behind(piece, behind)
        return spans


def _spans_behind(piece: Origin, behind: _Laid) -> Iterator[Span]:
    step, place = Step.behind(piece.step, key_of(piece.line)), piece.place
    for part in behind.cut(piece.low - piece.line.low, piece.high - piece.low):
        yield Span(place, part.account_no, part.below, part.below + part.amount, step)
        place += part.amount


def key_of(line: RangeLine) -> LineKey:
    """The account and number of a line."""
    return line.account_no, line.line_no


def _piece(span: Span, credit: RangeLine) -> Origin:
    low, high = max(credit.low, span.low), min(credit.high, span.high)
    return Origin(span.place + low - span.low, credit, low, high, span.step)


def _after(span: Span, low: int) -> Span:
    return span._replace(place=span.place + low - span.low, low=low)


def _ranges_behind(
    tx: Transaction, credits: dict[LineKey, RangeLine]
) -> dict[LineKey, list[NumberRange]]:
    """The numbers that credits give back, or that their givers took, all of each credit's."""
    back = [key for key, line in credits.items() if line.kind in ("refund", "reversal")]
    ranges = store.list_returned(tx, back) if back else {}
    given = [
        line
        for key, line in credits.items()
        if key not in ranges and internal_kind(line.contra_no) in (None, "pool", "transit")
    ]
    return ranges | _given(tx, given)


def _given(tx: Transaction, credits: list[RangeLine]) -> dict[LineKey, list[NumberRange]]:
    """The numbers that the givers of these credits took.

    A customer receives little on one day, but maybe under a voucher of thousands; a pool much
    on one day under many vouchers. So either is looked up by what is less. Under a voucher with
    several lines between the two, all of them on both sides are wanted.
    """
    ranges, by_voucher = {}, [line for line in credits if not _is_simple(line)]
    simple = [line for line in credits if _is_simple(line)]
    if simple:
        sides = _Sides(store.list_legs_of_day(tx, [key_of(line) for line in simple]))
        for line in simple:
            taken = sides.given_for(line)
            if sum(part.amount for part in taken) == line.amount:
                ranges[key_of(line)] = taken
            else:
                by_voucher.append(line)
    if by_voucher:
        keys = [key_of(line) for line in by_voucher]
        receivers = {_receiver(line) for line in by_voucher}
        sides = _Sides(store.list_legs_of_voucher(tx, keys, receivers))
        for line in by_voucher:
            ranges[key_of(line)] = sides.part_for(line)
    return {key: parts for key, parts in ranges.items() if parts}


def _is_simple(line: RangeLine) -> bool:
    return internal_kind(line.account_no) is None and internal_kind(line.contra_no) != "transit"


def _receiver(line: RangeLine | TransferLeg) -> int:
    """Against whom the givers' lines of a received line's voucher are written."""
    in_transit = internal_kind(line.contra_no) == "transit"
    return line.contra_no if in_transit else line.account_no


class _Sides:
    """What was given and received under vouchers, by voucher, receiver and giver.

    Several legs of one voucher are taken in the order of accounts and lines, on both sides. In
    transit the account that they all pass through stands for both.
    """

    def __init__(self, legs: Iterable[TransferLeg]) -> None:
        given: dict[tuple[bytes, int, int], list[NumberRange]] = defaultdict(list)
        self._received: dict[tuple[bytes, int, int], dict[LineKey, int]] = defaultdict(dict)
        sums: dict[tuple[bytes, int, int], int] = defaultdict(int)
        for leg in sorted(legs, key=lambda leg: (leg.account_no, leg.line_no)):
            if leg.amount < 0:
                in_transit = internal_kind(leg.contra_no) == "transit"
                giver = leg.contra_no if in_transit else leg.account_no
                given[leg.voucher_id, leg.contra_no, giver].append(leg.taken)
            else:
                both = leg.voucher_id, _receiver(leg), leg.contra_no
                self._received[both][leg.account_no, leg.line_no] = sums[both]
                sums[both] += leg.amount
        self._given = {both: _Laid(parts) for both, parts in given.items()}

    def given_for(self, line: RangeLine) -> list[NumberRange]:
        """All that the giver of this credit gave its account under the voucher."""
        laid = self._given.get(_both(line))
        return laid.parts if laid is not None else []

    def part_for(self, line: RangeLine) -> list[NumberRange]:
        """What of it this credit brought, after those before it."""
        laid, before = self._given.get(_both(line)), self._received[_both(line)]
        return laid.cut(before.get(key_of(line), 0), line.amount) if laid is not None else []


def _both(line: RangeLine) -> tuple[bytes, int, int]:
    return line.voucher_id, _receiver(line), line.contra_no


class _Laid:
    """Ranges of numbers laid end to end.

    >>> _Laid([NumberRange(1, 0, 10), NumberRange(2, 50, 10)]).cut(8, 5)
    [NumberRange(account_no=1, below=8, amount=2), NumberRange(account_no=2, below=50, amount=3)]
    """

    def __init__(self, parts: list[NumberRange]) -> None:
        self.parts = parts
        self._starts = list(itertools.accumulate((part.amount for part in parts), initial=0))

    def cut(self, before: int, amount: int) -> list[NumberRange]:
        """So much of them, after what comes before; looks only at those that it cuts from."""
        return list(self._cut(before, before + amount))

    def _cut(self, first: int, last: int) -> Iterator[NumberRange]:
        number = bisect_right(self._starts, first) - 1
        while number < len(self.parts) and self._starts[number] < last:
            start, part = self._starts[number], self.parts[number]
            low, high = max(first - start, 0), min(last - start, part.amount)
            if low < high:
                yield NumberRange(part.account_no, part.below + low, high - low)
            number += 1
