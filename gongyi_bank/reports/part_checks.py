"""账账核对 of 冲正、退货 and 欠分: what was taken back of lines agrees with the lines that did it.

Pure, over rows as they stand; see `rules.reversals` for what a part of a line means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gongyi_bank.policies import ReversalRules
from gongyi_bank.reports.account_checks import AccountAudit
from gongyi_bank.reports.line_checks import LineWalk, rules_on
from gongyi_bank.rules.ledger import Head
from gongyi_bank.rules.past import PartTaken, Past, may_spend
from gongyi_bank.rules.reversals import CITED, REFUND, REVERSAL, TAKE_AVAILABLE, dead_among
from gongyi_bank.store.audit_rows import AuditPart, AuditRefund, CitedLine

Lines = Mapping[int, CitedLine]
Rules = Sequence[ReversalRules]


def check_parts(
    audit: AccountAudit,
    parts: Sequence[AuditPart],
    walk: LineWalk,
    cites: Mapping[int, int],
) -> None:
    """Parts of a line follow each other, add up to at most the line, and have their new lines.

    `cites` says from which number on a debit cites, where that is not the first that it took.
    """
    lines, policies = walk.kept, audit.rules.policies
    by_line: dict[int, list[AuditPart]] = {}
    for part in parts:
        by_line.setdefault(part.line_no, []).append(part)
    numbers = _Numbers(by_line, walk, cites)
    for line_no, its_parts in by_line.items():
        what, taken = f"第 {line_no} 行", 0
        line = lines.get(line_no)
        if line is None:
            audit.note("part_line", what, "no line", "a line")
            continue
        for number, part in enumerate(its_parts, start=1):
            audit.differ("part_number", what, part.part_no, number)
            audit.differ("part_kind", what, part.kind, _kind_for(line))
            rules = rules_on(policies, part.business_day)
            _check_new_line(audit, rules, part, line, lines)
            low = _below(line) + taken
            if line.amount > 0:
                possible = numbers.expired_of(part, low)
            else:
                cites_from = cites.get(line_no, _below(line)) + taken
                possible = _not_returned(rules, part, line, walk, cites_from)
            if part.expired not in possible:
                expected = " / ".join(map(str, sorted(possible)))
                audit.note("part_expired", f"{what}之 {part.part_no}", part.expired, expected)
            taken += part.amount
        if taken > abs(line.amount):
            audit.note("part_sum", what, taken, f"<= {abs(line.amount)}")


def _kind_for(line: CitedLine) -> str:
    return REFUND if line.kind == "redemption" else REVERSAL


def _below(line: CitedLine) -> int:
    """The number below the first point that a line credited, or took."""
    after = line.credited_after if line.amount > 0 else line.debited_after
    return after - abs(line.amount)


def _check_new_line(
    audit: AccountAudit, rules: Rules, part: AuditPart, line: CitedLine, lines: Lines
) -> None:
    """The line that took the part back: its kind, its other side, its voucher and its amount."""
    what = f"第 {part.line_no} 行之 {part.part_no}"
    due, moved = part.amount - part.expired, 0
    if part.by_line_no is not None:
        made = lines.get(part.by_line_no)
        found = (made.kind, made.contra_no, made.voucher_id.hex()) if made else None
        expected = (part.kind, line.contra_no, part.voucher_id.hex())
        audit.differ("part_by_line", what, found, expected)
        moved = (-made.amount if line.amount > 0 else made.amount) if made else 0
    # What a store has taken is not spent meanwhile: all of it is there to come back.
    lets_go = line.amount > 0 or may_spend(line.contra_no)
    lets_go = lets_go and any(rule.spent == TAKE_AVAILABLE for rule in rules)
    if not (lets_go and 0 <= moved <= due):
        audit.differ("part_amount", what, moved, due)


class _Numbers:
    """What the parts and expiries of an account say about its points, at any moment of it."""

    def __init__(
        self,
        by_line: Mapping[int, Sequence[AuditPart]],
        walk: LineWalk,
        cites: Mapping[int, int],
    ) -> None:
        self._walk = walk
        self._cites = cites
        self._lines = lines = walk.kept
        self._parts: list[tuple[AuditPart, PartTaken]] = []
        for line_no, its_parts in by_line.items():
            if line_no in lines:
                self._add(lines[line_no], its_parts)

    def _add(self, line: CitedLine, its_parts: Iterable[AuditPart]) -> None:
        low = _below(line)
        ahead = self._cites.get(line.line_no, low) - low
        for part in its_parts:
            made = self._lines.get(part.by_line_no or 0)
            moved = (abs(made.amount), made.credited_after) if made is not None else (0, 0)
            numbers = (line.amount > 0, low, low + part.amount, part.expired)
            given = may_spend(line.contra_no)
            taken = PartTaken(*numbers, *moved, low + ahead, given)
            self._parts.append((part, taken))
            low += part.amount

    def expired_of(self, part: AuditPart, low: int) -> set[int]:
        """What of a credit's part can have been gone when it was taken back.

        A part for which nothing moved has no line that says when on its day that was.
        """
        found = set()
        for before in (
            [part.by_line_no] if part.by_line_no else self._walk.places_on(part.business_day)
        ):
            for with_same_day in (False, True):
                past = self._past(before, part, with_same_day=with_same_day)
                found.add(part.amount - past.due(low, low + part.amount))
        return set(range(min(found), max(found) + 1))

    def _past(self, before: int, of: AuditPart, *, with_same_day: bool) -> Past:
        past = Past()
        past.expired += [taken for line_no, taken in self._walk.expiries if line_no < before]
        for part, numbers in self._parts:
            if part.by_line_no is not None:
                is_before = part.by_line_no < before
            else:
                is_before = part.business_day < of.business_day or (
                    with_same_day and part.business_day == of.business_day
                )
            if is_before and part is not of:
                past.note(numbers)
        return past


def _not_returned(
    rules: Rules,
    part: AuditPart,
    line: CitedLine,
    walk: LineWalk,
    cites_from: int,
) -> set[int]:
    """What of a debit's part can have been past its date when it was given back."""
    if may_spend(line.contra_no):
        return {part.expired}  # The other side tells: see `house_checks.check_sides`.
    dead = dead_among(cites_from, part.amount, walk.dead_no(part.business_day))
    made = walk.kept.get(part.by_line_no or 0)
    owed = max(0, made.debited_after - made.credited_after + made.amount) if made else 0
    dead = min(dead, max(0, part.amount - owed))
    return {dead if rule.refund_validity == CITED else 0 for rule in rules}


def taken_of(parts: Iterable[AuditPart]) -> dict[int, int]:
    """By line, what its parts add up to."""
    taken: dict[int, int] = {}
    for part in parts:
        taken[part.line_no] = taken.get(part.line_no, 0) + part.amount
    return taken


def check_refunds(
    audit: AccountAudit, refunds: Iterable[AuditRefund], parts: Sequence[AuditPart]
) -> None:
    """A refund is a part of its redemption's line; pieces never exceed what was given out."""
    known = {(part.line_no, part.voucher_id): part for part in parts if part.kind == REFUND}
    #: By redemption: how many refunds, how many pieces, how many points.
    before: dict[bytes, tuple[int, int, int]] = {}
    for refund in refunds:
        what = f"退货 {refund.redemption_id.hex()} 之 {refund.part_no}"
        line_no = refund.taken[0] if refund.taken else None
        part = known.pop((line_no or 0, refund.voucher_id), None)
        found = (part.amount, part.by_line_no, part.business_day) if part else None
        expected = (refund.points, refund.refund_line_no, refund.refunded_on)
        audit.differ("refund_part", what, found, expected)
        number, returned, worth = before.get(refund.redemption_id, (0, 0, 0))
        number, returned, worth = number + 1, returned + refund.quantity, worth + refund.points
        before[refund.redemption_id] = number, returned, worth
        audit.differ("refund_number", what, refund.part_no, number)
        if refund.taken is not None:
            _, points, quantity = refund.taken
            # Of no pieces every refund is too much, and said below.
            share = points * returned // quantity if quantity else 0
            audit.differ("refund_points", what, worth, share)
            if returned > quantity:
                audit.note("refund_pieces", what, returned, f"<= {quantity}")
    for line_no, _ in known:
        audit.note("refund_part", f"第 {line_no} 行", "no refund", "a refund")


def check_debt(audit: AccountAudit, head: Head) -> None:
    """A debt is exactly what the account is short of."""
    audit.differ("head_debt", "", head.debt, head.short)
