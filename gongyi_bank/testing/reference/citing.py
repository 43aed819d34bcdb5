"""Lines that are to be taken back: what of them was taken before, and what has expired since.

Told from all lines and all parts of the account; what a part means, the rules say.
"""

from __future__ import annotations

from collections.abc import Sequence

from gongyi_bank.policies import PointsExpiry, ReversalRules
from gongyi_bank.rules.past import PartTaken, Past, may_spend
from gongyi_bank.rules.reversals import CitedLine, MarkOf, Reversible, Terms
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import Visit
from gongyi_bank.testing.reference.rows import Line


def cited(line: Line) -> CitedLine:
    """A line as the rules of reversals want to see it."""
    return CitedLine(
        account_no=line.account_no,
        line_no=line.line_no,
        kind=line.kind,
        amount=line.amount,
        contra_no=line.contra_no,
        credited_after=line.credited_after,
        debited_after=line.debited_after,
        value_on=line.value_on,
        outlet_no=line.outlet_no,
        policy_id=line.policy_id,
        voucher_id=line.voucher_id,
        origin_on=line.origin_on,
    )


def reversibles_of(books: Books, lines: Sequence[Line]) -> list[Reversible]:
    """These lines with their past; lines of one account share what became of its points."""
    pasts = {line.account_no: _past_of(books, line.account_no) for line in lines}
    found = []
    for line in lines:
        mine = _parts_of(books, line)
        found.append(
            Reversible(
                cited(line),
                taken=sum(part.high - part.low for part in mine),
                parts=len(mine),
                lost=sum(part.expired for part in mine),
                cites_from=_captured_from(books, line),
                past=pasts[line.account_no],
            )
        )
    return found


def terms_of(visit: Visit, mark_of: MarkOf) -> Terms:
    """What the policies in force today say about reversals and refunds."""
    _, policy = visit.policies.in_force(ReversalRules, visit.today)
    _, expiry = visit.policies.in_force(PointsExpiry, visit.today)
    until = expiry.expires_on(visit.today)
    return Terms(policy.spent, policy.refund_validity, until, mark_of)


def _past_of(books: Books, account_no: int) -> Past:
    """What became of an account's points, by their numbers."""
    past = Past()
    for line in books.lines[account_no]:
        for part in _parts_of(books, line):
            past.note(part)
        if line.kind == "expiry":
            past.expired.append((line.debited_after + line.amount, line.debited_after))
    return past


def _captured_from(books: Books, line: Line) -> int | None:
    """The number below the first point that a capture cites; None for any other line."""
    for hold in books.holds.values():
        captured = 0
        for step in hold.steps:
            if step.line_no is None:
                continue
            if (hold.account_no, step.line_no) == (line.account_no, line.line_no):
                return hold.cites_from + captured
            captured += step.amount
    return None


def _cited_from(books: Books, line: Line) -> int | None:
    """The number below the first point that a line cites, where that is not its own."""
    for taken in books.redemptions.values():
        is_its = (taken.account_no, taken.line_no) == (line.account_no, line.line_no)
        if is_its and taken.cites_from is not None:
            return taken.cites_from
    return _captured_from(books, line)


def _parts_of(books: Books, line: Line) -> list[PartTaken]:
    """The parts that were taken of a line, side by side from its first point on."""
    after = line.credited_after if line.amount > 0 else line.debited_after
    low = after - abs(line.amount)
    found, cites_from = [], _cited_from(books, line)
    for part in books.parts:
        if (part.account_no, part.line_no) != (line.account_no, line.line_no):
            continue
        moved, credited = 0, 0
        if part.by_line_no is not None:
            by_line = books.lines[part.account_no][part.by_line_no - 1]
            moved, credited = abs(by_line.amount), by_line.credited_after
        numbers = (line.amount > 0, low, low + part.amount, part.expired)
        where = (cites_from, may_spend(line.contra_no))
        found.append(PartTaken(*numbers, moved, credited, *where))
        low += part.amount
        if cites_from is not None:
            cites_from += part.amount
    return found
