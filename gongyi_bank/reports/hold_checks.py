"""核对 of holds: a hold is what its steps say, and its captures are lines of its account.

Pure, over rows as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gongyi_bank.reports.account_checks import AccountAudit
from gongyi_bank.rules.holds import CAPTURED, EXTENDED, HELD, LAPSED, PLACED, RELEASED
from gongyi_bank.rules.ledger import Head
from gongyi_bank.store.verification import AuditHold, AuditHoldStep, AuditLine, AuditRedemption

_GIVEN_FREE = (RELEASED, LAPSED)
#: The line of a capture, without goods and with them.
_LINE_KINDS = ("capture", "redemption")


def check_holds(
    audit: AccountAudit,
    holds: Sequence[AuditHold],
    steps: Mapping[bytes, list[AuditHoldStep]],
    lines: Mapping[int, AuditLine],
) -> None:
    """Every hold agrees with its steps, and every capture with its line."""
    for hold in holds:
        what = f"预留 {hold.hold_id.hex()}"
        mine = steps.get(hold.hold_id, [])
        _check_sequence(audit, what, hold, mine)
        _check_amounts(audit, what, hold, mine)
        _check_deadlines(audit, what, hold, mine)
        _check_vouchers(audit, what, hold, mine)
        for step in mine:
            if step.line_no is not None:
                _check_line(audit, what, hold, step, lines.get(step.line_no))
    cited = [s.line_no for h in holds for s in steps.get(h.hold_id, []) if s.line_no is not None]
    audit.check_cited(cited, lines, lambda line: line.kind == "capture", "hold_line")


def cited_from(
    redemptions: Sequence[AuditRedemption],
    holds: Sequence[AuditHold],
    steps: Mapping[bytes, list[AuditHoldStep]],
) -> dict[int, int]:
    """By line, the number below the first point that a redemption or a capture cites."""
    found = {
        taken.line_no: taken.cites_from
        for taken in redemptions
        if taken.line_no is not None and taken.cites_from is not None
    }
    for hold in holds:
        below = hold.cites_from
        for step in steps.get(hold.hold_id, []):
            if step.line_no is not None:
                found[step.line_no] = below
                below += step.amount
    return found


def check_cited(
    audit: AccountAudit,
    head: Head,
    redemptions: Sequence[AuditRedemption],
    holds: Sequence[AuditHold],
    lines: Mapping[int, AuditLine],
) -> None:
    """What a debit cites lies behind what was taken before it, by no more than holds can keep."""
    for hold in holds:
        if not 0 <= hold.cites_from <= head.credited - hold.amount:
            what, most = f"预留 {hold.hold_id.hex()}", head.credited - hold.amount
            audit.note("cites_from", what, hold.cites_from, f"0 - {most}")
    for taken in redemptions:
        line = lines.get(taken.line_no or 0)
        if taken.hold_id is not None or line is None:
            continue
        least = line.debited_after + line.amount
        most = line.credited_after + line.amount if holds else least
        if taken.cites_from is None or not least <= taken.cites_from <= most:
            what = f"兑换 {taken.redemption_id.hex()}"
            audit.note("cites_from", what, taken.cites_from, f"{least} - {most}")


def _check_sequence(
    audit: AccountAudit, what: str, hold: AuditHold, steps: list[AuditHoldStep]
) -> None:
    """Numbered without gaps, placed first, and nothing after the end."""
    numbers = [step.event_no for step in steps]
    # Not a list of event_no numbers: what was tampered with may be any number.
    audit.differ("hold_events", what, numbers, list(range(1, len(steps) + 1)))
    audit.differ("hold_events", what, hold.event_no, len(steps))
    for number, step in enumerate(steps, start=1):
        if (step.kind == PLACED) != (number == 1):
            audit.note("hold_events", what, step.kind, "placed first, and once")
        if step.kind in _GIVEN_FREE and number < len(steps):
            audit.note("hold_events", what, step.kind, "nothing after the end")


def _check_amounts(
    audit: AccountAudit, what: str, hold: AuditHold, steps: list[AuditHoldStep]
) -> None:
    """No more is captured than was placed; what is given free is the rest; the state follows."""
    captured = sum(step.amount for step in steps if step.kind == CAPTURED)
    placed = sum(step.amount for step in steps if step.kind == PLACED)
    audit.differ("hold_amount", what, (hold.amount, hold.captured), (placed, captured))
    if captured > placed:
        audit.note("hold_amount", what, captured, f"<= {placed}")
    freed = [step for step in steps if step.kind in _GIVEN_FREE]
    for step in freed:
        audit.differ("hold_amount", what, step.amount, placed - captured)
    state = freed[-1].kind if freed else CAPTURED if captured == placed else HELD
    audit.differ("hold_state", what, hold.state, state)


def _check_deadlines(
    audit: AccountAudit, what: str, hold: AuditHold, steps: list[AuditHoldStep]
) -> None:
    """The deadline is the newest step's; only extensions move it, later and within the life."""
    before = hold.placed_at
    for step in steps:
        moves = step.kind in (PLACED, EXTENDED)
        if (step.deadline_at > before) if moves else (step.deadline_at == before):
            before = step.deadline_at
        else:
            audit.note("hold_deadline", what, step.deadline_at, f"after {before}")
    newest = steps[-1].deadline_at if steps else None
    audit.differ("hold_deadline", what, hold.deadline_at, newest)
    if hold.deadline_at > hold.latest_at:
        audit.note("hold_deadline", what, hold.deadline_at, f"<= {hold.latest_at}")


def _check_vouchers(
    audit: AccountAudit, what: str, hold: AuditHold, steps: list[AuditHoldStep]
) -> None:
    """It cites the vouchers of its first and its last step, which exist like all between."""
    first = steps[0].voucher_id if steps else None
    last = steps[-1].voucher_id if steps and hold.state != HELD else None
    audit.differ("hold_voucher", what, (hold.voucher_id, hold.settled_voucher_id), (first, last))
    for step in steps:
        if step.voucher_id not in audit.rules.digests:
            audit.note("voucher_missing", what, step.voucher_id.hex(), "a voucher")


def _check_line(
    audit: AccountAudit, what: str, hold: AuditHold, step: AuditHoldStep, line: AuditLine | None
) -> None:
    """A capture is a debit of just this amount, for the payee, under the same voucher."""
    if line is None or line.kind not in _LINE_KINDS:
        audit.note("hold_line", what, step.line_no, "a line of a capture")
        return
    found = (line.amount, line.contra_no, line.voucher_id)
    audit.differ("hold_line", what, found, (-step.amount, hold.payee_no, step.voucher_id))


def check_reservations(
    audit: AccountAudit,
    redemptions: Sequence[AuditRedemption],
    holds: Sequence[AuditHold],
    steps: Mapping[bytes, list[AuditHoldStep]],
) -> None:
    """What is or was reserved has its hold, and together they stand for the same points."""
    by_hold: dict[bytes, list[AuditRedemption]] = {}
    for taken in redemptions:
        if taken.hold_id is not None:
            by_hold.setdefault(taken.hold_id, []).append(taken)
        if (taken.state == "redeemed") != (taken.hold_id is None):
            what = f"兑换 {taken.redemption_id.hex()}"
            audit.note("redemption_hold", what, taken.state, "a hold where it was reserved")
    known = {hold.hold_id: hold for hold in holds}
    for hold_id, rows in by_hold.items():
        what, hold = f"兑换 {hold_id.hex()}", known.get(hold_id)
        if hold is None:
            audit.note("redemption_hold", what, "no hold", "a hold of this account")
            continue
        _check_reservation(audit, what, hold, rows, steps.get(hold_id, []))


def _check_reservation(
    audit: AccountAudit,
    what: str,
    hold: AuditHold,
    rows: list[AuditRedemption],
    steps: list[AuditHoldStep],
) -> None:
    state = "reserved" if hold.state == HELD else hold.state
    own = [row.state for row in rows if row.redemption_id == hold.hold_id]
    audit.differ("redemption_hold", what, own, [state])
    audit.differ("redemption_hold", what, sum(row.points for row in rows), hold.amount)
    handed_over = sorted((row.line_no or 0, row.points) for row in rows if row.state == CAPTURED)
    captures = sorted((step.line_no or 0, step.amount) for step in steps if step.kind == CAPTURED)
    audit.differ("redemption_hold", what, handed_over, captures)
