"""冲正的规则: which lines can be reversed, which of their points a part means, what comes back.

Pure. A part of a line means the lowest of the line's numbers that no earlier part took, so
parts are ranges side by side and never add up to more than the line. What of a credit's range
has expired is gone already: only the rest is taken back, from the oldest points there are, so
points of older lines then stand under younger numbers, and `Past.due` follows them there. A
debit that is reversed is credited anew, under new numbers; its points have the dates of the
numbers that it cites, which lie behind what was held beside it (decision 0026). Lines of two
accounts that one leg wrote are reversed together, and so are all lines of one purpose of a
transfer of many legs. What the receiver has spent does not come back, and stays given.

A wish is refused by the first of these that applies: unknown line or voucher; no permission;
second person missing, the same, or not of the outlet; one's own account; a kind that cannot
be reversed; a closed account or pool; no such part left; a closed period, if the policy says
so; the points are spent, if the policy says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gongyi_bank.errors import InsufficientPoints, LineNotReversible, LineTakenBack
from gongyi_bank.rules.ledger import (
    LINE_SUMMARIES,
    MIRROR_KINDS,
    Leg,
    Mark,
    Posting,
    has_lines,
    internal_kind,
    require_available,
)
from gongyi_bank.rules.past import PartTaken, Past, may_spend
from gongyi_bank.values import Points

REVERSAL: Final = "reversal"
REFUND: Final = "refund"
TAKE_AVAILABLE: Final = "take_available"
REFUSE: Final = "refuse"
DEBT: Final = "debt"
CITED: Final = "cited"
#: The kinds of lines that can be reversed. Another kind of movement is added here, and its
#: contra accounts to `rules.ledger.CONTRA_KINDS["reversal"]`.
REVERSIBLE: Final = frozenset({
    "service", "grant", "capture", "gift_out", "gift_in", "donation_out", "donation_in",
    "pool_grant_out", "pool_grant_in",
})  # fmt: skip
#: What to do about the others, in both languages.
INSTEAD: Final = {
    "redemption": "办理退货 return the goods (redemptions.refund)",
    "refund": "重新兑换 redeem again (redemptions.redeem)",
    "opening": "以人工入账补差 grant what is missing (points.grant)",
    "expiry": "以人工入账补回 grant them anew (points.grant)",
    "close": "另开新户并人工入账 open an account and grant them (points.grant)",
    "reversal": "重新登记服务或人工入账 record or grant it anew (hours.record, points.grant)",
}
_WHOLE_VOUCHER: Final = "冲正整张凭证 reverse the whole voucher (reversals.reverse_voucher)"
_TRANSIT: Final = "transit"
#: How far the points of a transfer's lines have come: given, donated to a pool, granted from it.
_STEP_OF: Final = {
    kind: step for step, kinds in enumerate(MIRROR_KINDS.items()) for kind in kinds
}  # fmt: skip

LineKey = tuple[int, int]
#: How the line that takes a part back is marked, without the date of its points.
MarkOf = Callable[["CitedLine"], Mark]


@dataclass(frozen=True, slots=True)
class CitedLine:
    """A line that somebody wants to reverse, as it stands in the books."""

    account_no: int
    line_no: int
    kind: str
    amount: int
    contra_no: int
    credited_after: int
    debited_after: int
    value_on: dt.date
    outlet_no: int
    policy_id: int | None
    voucher_id: bytes
    #: The day it belongs to, where that was closed already when it was booked.
    origin_on: dt.date | None = None

    @property
    def key(self) -> LineKey:
        """What the line is known by."""
        return self.account_no, self.line_no

    @property
    def units(self) -> int:
        """How much it moved, in the smallest part."""
        return abs(self.amount)

    @property
    def is_credit(self) -> bool:
        """Whether it put points into the account."""
        return self.amount > 0

    @property
    def below(self) -> int:
        """The number below its first point: of the points it credited, or of those it took."""
        after = self.credited_after if self.is_credit else self.debited_after
        return after - self.units

    @property
    def has_mirror(self) -> bool:
        """Whether the other side of its leg has a line too."""
        return has_lines(self.contra_no)

    @property
    def is_in_transit(self) -> bool:
        """Whether it is one of many legs that balance only together."""
        return internal_kind(self.contra_no) == _TRANSIT


@dataclass(slots=True)
class Reversible:
    """A line with what was taken of it before; `cut` adds to that."""

    line: CitedLine
    #: What earlier parts add up to, and how many there are.
    taken: int = 0
    parts: int = 0
    #: What of the earlier parts had expired.
    lost: int = 0
    #: Of the line's account; the same for all its lines.
    past: Past = field(default_factory=Past)
    #: Of a debit, the number below the first point that it cites; None if that is its first.
    cites_from: int | None = None

    @property
    def left(self) -> int:
        """What no part has taken yet."""
        return self.line.units - self.taken

    @property
    def due(self) -> int:
        """What would be taken back now if all that is left were reversed."""
        line = self.line
        return self.past.due(line.below + self.taken, line.credited_after)

    @property
    def gone(self) -> int:
        """What of the whole line has expired: it stays so, whatever becomes of the line."""
        return self.lost + self.left - self.due

    def cut(self, wanted: int | None, scale: int) -> Part:
        """The next part: so much, or all that is left. Raises LineTakenBack."""
        amount = self.left if wanted is None else wanted
        if not 0 < amount <= self.left:
            line = self.line
            raise LineTakenBack(
                account=line.account_no,
                line_no=line.line_no,
                left=str(Points.of_units(self.left, scale)),
                wanted=str(Points.of_units(amount or line.units, scale)),
            )
        low = self.line.below + self.taken
        cites_from = low if self.cites_from is None else self.cites_from + self.taken
        self.taken += amount
        self.parts += 1
        return Part(self.line, self.parts, amount, low, cites_from, self.past)


@dataclass(slots=True)
class Part:
    """A part of a line and, once it is carried out, what became of it."""

    line: CitedLine
    part_no: int
    amount: int
    #: The number below its first point.
    low: int
    #: Of a debit, the number below the first point whose dates it brings back.
    cites_from: int
    past: Past
    #: What of it has expired, here or where it went to, and how much went back. The rest was
    #: spent, and let go by the policy.
    expired: int = 0
    moved: int = 0
    by_line_no: int | None = None
    #: Why it may not be taken back at all: its points are spent.
    refusal: InsufficientPoints | None = None

    @property
    def high(self) -> int:
        """The number of its last point."""
        return self.low + self.amount

    def note(self, posting: Posting, kind: str) -> None:
        """Write its row, and let later parts of this act know of it."""
        line = self.line
        numbers = (line.is_credit, self.low, self.high, self.expired)
        head = posting.heads[line.account_no]
        head.go_by(posting.booked_at)  # also if nothing moves: later parts go by what expired here
        made = (self.moved, head.credited)
        given = may_spend(line.contra_no)
        self.past.note(PartTaken(*numbers, *made, self.cites_from, given))
        posting.parts.append((
            *line.key, self.part_no, kind, self.amount, self.expired, self.by_line_no,
            posting.voucher_id,
        ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terms:
    """What the policies and the day say about a reversal."""

    #: refuse, take_available or debt: see `policies.ReversalRules`.
    spent: str
    #: cited, or fresh with the last day of what is credited today.
    validity: str
    fresh_until: dt.date
    mark_of: MarkOf
    #: The codes of the pools among the accounts, by account.
    pools: Mapping[int, str] = field(default_factory=dict)


# --- which lines ---------------------------------------------------------------------------


def require_reversible(line: CitedLine, *, by_voucher: bool) -> None:
    """Raise LineNotReversible for a kind that another act undoes, and for one leg of many."""
    if line.kind not in REVERSIBLE:
        raise _not_reversible(line, INSTEAD.get(line.kind, INSTEAD[REVERSAL]))
    if line.is_in_transit and not by_voucher:
        raise _not_reversible(line, _WHOLE_VOUCHER)


def _not_reversible(line: CitedLine, instead: str) -> LineNotReversible:
    kind = f"{LINE_SUMMARIES.get(line.kind, line.kind)} {line.kind}"
    return LineNotReversible(
        account=line.account_no, line_no=line.line_no, kind=kind, instead=instead
    )


@dataclass(slots=True)
class Movement:
    """Lines that are reversed together: one line, two that mirror each other, or many legs."""

    lines: list[Reversible]

    @property
    def credits(self) -> list[Reversible]:
        """The lines that put points into accounts."""
        return [line for line in self.lines if line.line.is_credit]

    @property
    def debits(self) -> list[Reversible]:
        """The lines that took points."""
        return [line for line in self.lines if not line.line.is_credit]


def movements_of(lines: Iterable[Reversible]) -> list[Movement]:
    """The lines of one voucher, put together as they were posted.

    Equal legs between the same two accounts are told apart by their order. Of many legs, those
    of one purpose balance by themselves; what was given on by then comes back first.
    """
    found: dict[object, Movement] = {}
    seen: dict[object, int] = {}
    for reversible in sorted(lines, key=lambda one: one.line.key):
        line = reversible.line
        key: object = line.key
        if line.is_in_transit:
            key = (line.contra_no, _STEP_OF.get(line.kind))
        elif line.has_mirror:
            source, target = line.contra_no, line.account_no
            if not line.is_credit:
                source, target = target, source
            leg = (source, target, line.units)
            rank = seen[leg, line.is_credit] = seen.get((leg, line.is_credit), 0) + 1
            key = (leg, rank)
        found.setdefault(key, Movement([])).lines.append(reversible)
    return sorted(found.values(), key=lambda made: -_STEP_OF.get(made.lines[0].line.kind, 0))


# --- what comes back -----------------------------------------------------------------------


def note_expiries(posting: Posting, lines: Iterable[Reversible], outlet_no: int) -> None:
    """Let what is past its date expire first, and let the lines know which numbers it was."""
    pasts = {one.line.account_no: one.past for one in lines if one.line.is_credit}
    for account_no, past in sorted(pasts.items()):
        head = posting.heads[account_no]
        amount = posting.expire(head, outlet_no)
        if amount:
            past.expired.append((head.debited - amount, head.debited))


def reverse(
    posting: Posting, movements: Iterable[Movement], wanted: int | None, terms: Terms
) -> list[Part]:
    """Reverse movements, whole or in part. Raises LineTakenBack, InsufficientPoints.

    Points that are spent are told last, after what the day of any line forbids (`mark_of`).
    """
    parts = [part for movement in movements for part in _reverse(posting, movement, wanted, terms)]
    _require_there(parts)
    return parts


def _reverse(posting: Posting, movement: Movement, wanted: int | None, terms: Terms) -> list[Part]:
    taken = [one.cut(wanted, posting.scale) for one in movement.credits]
    given = [one.cut(wanted, posting.scale) for one in movement.debits]
    if taken and given and not taken[0].line.is_in_transit:
        _take_back_to(posting, taken[0], given[0], terms)
    elif taken and given:
        _take_back_through(posting, taken, given, terms)
    elif taken:
        _take_back(posting, taken[0], terms)
    else:
        give_back(posting, given[0], terms)
    return taken + given


def _require_there(parts: Iterable[Part]) -> None:
    """Raise what the first of these parts is refused for, if any is."""
    for part in parts:
        if part.refusal is not None:
            raise part.refusal


def take_back(posting: Posting, part: Part, terms: Terms, kind: str = REVERSAL) -> None:
    """Take a part of a credit back, less what of its numbers has expired.

    If the points are spent, the policy decides: InsufficientPoints, what there is, or a debt.
    """
    _take_back(posting, part, terms, kind)
    _require_there([part])


def _take_back(posting: Posting, part: Part, terms: Terms, kind: str = REVERSAL) -> None:
    """The same; what is refused is noted, and the working copy goes on as if it were a debt."""
    line = part.line
    part.moved = _obtainable(posting, part, terms)
    if part.moved:
        leg = Leg(line.account_no, line.contra_no, part.moved)
        posting.take_back(leg, _marked(posting, line.contra_no, terms, line))
        part.by_line_no = posting.heads[line.account_no].line_no
    part.note(posting, kind)


def give_back(posting: Posting, part: Part, terms: Terms, kind: str = REVERSAL) -> None:
    """Credit a part of a debit anew. Under `cited` dates nothing comes back for dead points.

    No point dies before an older one, so the dead are the lowest numbers that the part cites, and
    the others are good until the account's last date, which is theirs or a later one. What is
    owed is settled also with dead points: who returns everything owes nothing for it.
    """
    line = part.line
    head = posting.heads[line.account_no]
    if terms.validity == CITED:
        owed = max(0, head.debited - head.credited)
        dead = dead_among(part.cites_from, part.amount, head.dead_no)
        part.expired = min(dead, max(0, part.amount - owed))
    part.moved = part.amount - part.expired
    _credit(posting, part, terms, kind)


def dead_among(cites_from: int, amount: int, dead_no: int) -> int:
    """How many of the points that a debit cites are past their date.

    >>> dead_among(cites_from=10, amount=10, dead_no=14)
    4
    """
    return max(0, min(amount, dead_no - cites_from))


def _take_back_to(posting: Posting, taken: Part, given: Part, terms: Terms) -> None:
    """Both lines of a leg between two accounts: what the one still has goes to the other.

    What expired there has expired for both. What was spent there stays given: whoever is to
    return the points that were given away still owes them.
    """
    _take_back(posting, taken, terms)
    given.moved, given.expired = taken.moved, taken.expired
    if taken.moved:
        given.by_line_no = posting.heads[given.line.account_no].line_no
    given.note(posting, REVERSAL)


def _take_back_through(
    posting: Posting, taken: Sequence[Part], given: Sequence[Part], terms: Terms
) -> None:
    """Many legs: what the receivers still have is shared out as it was given, and what expired.

    The legs were netted for each account, so the books do not know who gave to whom: all givers
    of one purpose stand in for what its receivers have spent.
    """
    for part in taken:
        _take_back(posting, part, terms)
    moved = share_out(sum(part.moved for part in taken), [part.amount for part in given])
    rest = [part.amount - share for part, share in zip(given, moved, strict=True)]
    expired = share_out(sum(part.expired for part in taken), rest)
    for part, part.moved, part.expired in zip(given, moved, expired, strict=True):
        _credit(posting, part, terms, REVERSAL)


def share_out(total: int, amounts: Sequence[int]) -> list[int]:
    """`total` in proportion to the amounts, in whole units that add up to it.

    >>> share_out(5, [3, 3, 4])
    [2, 1, 2]
    """
    whole = sum(amounts) or 1
    shares = [total * amount // whole for amount in amounts]
    left = total - sum(shares)
    for index, amount in enumerate(amounts):
        if left and shares[index] < amount:
            shares[index] += 1
            left -= 1
    return shares


def _credit(posting: Posting, part: Part, terms: Terms, kind: str) -> None:
    line = part.line
    if part.moved:
        leg = Leg(line.contra_no, line.account_no, part.moved)
        posting.post(leg, _marked(posting, line.account_no, terms, line))
        part.by_line_no = posting.heads[line.account_no].line_no
    part.note(posting, kind)


def _obtainable(posting: Posting, part: Part, terms: Terms) -> int:
    """How much of the part can be taken back now."""
    head = posting.heads[part.line.account_no]
    part.expired = part.amount - part.past.due(part.low, part.high)
    due = part.amount - part.expired
    if due <= head.available:
        return due
    if terms.spent == REFUSE:
        try:
            require_available(head, due, posting.scale, pool=terms.pools.get(head.account_no))
        except InsufficientPoints as refusal:
            part.refusal = refusal
    return head.available if terms.spent == TAKE_AVAILABLE else due


def _marked(posting: Posting, credited_no: int, terms: Terms, line: CitedLine) -> Mark:
    """The mark of a line, with the last day of the points where an account is credited."""
    mark, head = terms.mark_of(line), posting.heads.get(credited_no)
    expires_on = terms.fresh_until
    if terms.validity == CITED and head is not None:
        expires_on = head.last_expires_on
    return Mark(
        mark.kind, mark.value_on, mark.outlet_no, mark.policy_id, expires_on, mark.origin_on
    )
