"""What became of holds, held against what was asked for. Pure.

A hold is what its steps make of it, and every step is of an act that was asked for it. But for one
thing: whatever act comes across a hold that is past its deadline gives it free.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from tests.faults.booked import Books, Hold, HoldStep
from tests.faults.journal import Attempt

#: The ends of a hold that keep nothing.
_FREED = ("released", "lapsed")


def steps_by_voucher(books: Books) -> dict[str, list[tuple[Hold, HoldStep]]]:
    """What each act did to holds."""
    found: dict[str, list[tuple[Hold, HoldStep]]] = defaultdict(list)
    for hold in books.holds:
        for step in hold.steps:
            found[step.voucher].append((hold, step))
    return found


def asked_of_holds(attempt: Attempt) -> list[str]:
    """What a request wants done to holds, in words."""
    if not attempt.act.startswith("holds."):
        return []
    wanted = json.loads(attempt.command)
    if attempt.act == "holds.place":
        units = int(Decimal(wanted["points"]) * 100)
        return [f"placed {units} of {wanted['account']} for {float(wanted['hours'])} hours"]
    name = wanted["hold"].replace("-", "")
    if attempt.act == "holds.capture":
        ((account, units),) = attempt.lines
        return [f"captured {-units} of {account}, hold {name}"]
    return [f"ended hold {name}"]


def done_otherwise(asked: list[str], steps: Iterable[tuple[Hold, HoldStep]]) -> str | None:
    """What an act did to holds, if not just what was asked for."""
    done = []
    for hold, step in steps:
        deed = _deed(hold, step)
        is_swept = step.kind == "lapsed" and step.is_overdue
        if deed in asked or not is_swept:
            done.append(deed)
    if sorted(done) == asked:
        return None
    return f"{', '.join(sorted(done)) or 'did nothing to any hold'}, not {', '.join(asked) or 'so'}"


def _deed(hold: Hold, step: HoldStep) -> str:
    """What a step did to its hold, in the words of what is asked for, if it can have been."""
    hours = step.time_left.total_seconds() / 3600
    if step.kind == "placed":
        return f"placed {step.units} of {hold.account} for {hours} hours"
    if step.kind == "captured" and not step.is_overdue:
        return f"captured {step.units} of {hold.account}, hold {hold.name}"
    # Who releases a hold past its deadline finds that it has lapsed.
    if step.kind == ("lapsed" if step.is_overdue else "released"):
        return f"ended hold {hold.name}"
    return f"{step.kind} hold {hold.name} {hours} hours before its deadline"


def faults_of_hold(hold: Hold) -> list[str]:
    """Where a hold is not what its steps make of it."""
    placed = captured = left = 0
    state = voucher = ""
    for number, step in enumerate(hold.steps, start=1):
        is_first = number == 1
        is_over = not is_first and state != "held"
        if step.number != number or is_over or (step.kind == "placed") != is_first:
            return [f"hold {hold.name}: step {step.number}, {step.kind}, is out of turn"]
        if step.kind == "placed":
            placed, left, state, voucher = step.units, step.units, "held", step.voucher
        elif step.kind == "captured":
            captured, left = captured + step.units, left - step.units
            state = "held" if left else "captured"
        elif step.kind in _FREED:
            left, state = left - step.units, step.kind
    if left < 0 or (left and state in _FREED):
        return [f"hold {hold.name} is {state}, and {left} of it are left"]
    says = (hold.units, hold.captured, hold.state, hold.voucher)
    made = (placed, captured, state, voucher)
    return [f"hold {hold.name} says {says}, and its steps {made}"] if says != made else []
