"""核对 of holds: a hold is what its steps say, and its captures are lines of its account.

Pure, over rows as they stand.
"""

from __future__ import annotations

from collections.abc import Container

from gongyi_bank.reports.account_checks import AccountAudit
from gongyi_bank.rules.holds import CAPTURED, EXTENDED, HELD, LAPSED, PLACED, RELEASED
from gongyi_bank.rules.ledger import Head
from gongyi_bank.store.audit_rows import (
    AnyLine,
    AuditHold,
    AuditHoldStep,
    AuditRedemption,
    HeldRows,
)

_GIVEN_FREE = (RELEASED, LAPSED)
#: The line of a capture, without goods and with them.
_LINE_KINDS = ("capture", "redemption")


def check_hold(audit: AccountAudit, head: Head, held: HeldRows) -> None:
    """A hold agrees with its steps, every capture with its line, and its goods with both."""
    hold, steps = held.hold, held.steps
    what = f"预留 {hold.hold_id.hex()}"
    _check_sequence(audit, what, hold, steps)
    _check_amounts(audit, what, hold, steps)
    _check_deadlines(audit, what, hold, steps)
    _check_vouchers(audit, what, hold, steps)
    for step in steps:
        if step.line_no is not None:
            _check_line(audit, what, hold, step, step.line)
            audit.cite("hold_line", step.line_no)
    if not 0 <= hold.cites_from <= head.credited - hold.amount:
        audit.note("cites_from", what, hold.cites_from, f"0 - {head.credited - hold.amount}")
    if held.reserved:
        _check_reservation(audit, f"兑换 {hold.hold_id.hex()}", hold, held.reserved, steps)


def cited_by_captures(held: HeldRows, lines: Container[int]) -> dict[int, int]:
    """By line, of these lines: the number below the first point that a capture cites."""
    found, below = {}, held.hold.cites_from
    for step in held.steps:
        if step.line_no is not None:
            if step.line_no in lines:
                found[step.line_no] = below
            below += step.amount
    return found


def check_taken(audit: AccountAudit, taken: AuditRedemption, *, has_holds: bool) -> None:
    """What was reserved has its hold; what was not cites what lies behind all taken before it,
    by no more than holds can keep."""
    what, line = f"兑换 {taken.redemption_id.hex()}", taken.line
    if (taken.state == "redeemed") != (taken.hold_id is None):
        audit.note("redemption_hold", what, taken.state, "a hold where it was reserved")
    if taken.hold_id is not None:
        if not taken.has_hold:
            where = f"兑换 {taken.hold_id.hex()}"
            audit.note("redemption_hold", where, "no hold", "a hold of this account")
        return
    if line is not None:
        least = line.debited_after + line.amount
        most = line.credited_after + line.amount if has_holds else least
        if taken.cites_from is None or not least <= taken.cites_from <= most:
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
        if audit.rules.vouchers.get(step.voucher_id) is None:
            audit.note("voucher_missing", what, step.voucher_id.hex(), "a voucher")


def _check_line(
    audit: AccountAudit, what: str, hold: AuditHold, step: AuditHoldStep, line: AnyLine | None
) -> None:
    """A capture is a debit of just this amount, for the payee, under the same voucher."""
    if line is None or line.kind not in _LINE_KINDS:
        audit.note("hold_line", what, step.line_no, "a line of a capture")
        return
    found = (line.amount, line.contra_no, line.voucher_id)
    audit.differ("hold_line", what, found, (-step.amount, hold.payee_no, step.voucher_id))


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
