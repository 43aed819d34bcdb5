"""Histories: what happens in a district, step by step, as values that a bank can be made to live.

A step is a command with the moment and the person. Some are about something that an earlier step
brought about and that the bank names only then (a hold, a reservation, a line); such a step says
which one, and `play` fills the name in. Nothing here needs Hypothesis.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.customers import MarkDormant, UnfreezeAccount, WakeAccount
from gongyi_bank.commands.holds import (
    CaptureHold,
    CaptureHolds,
    ExtendHold,
    HoldCapture,
    ReleaseHold,
    ReleaseHolds,
)
from gongyi_bank.commands.hours import ApproveHours, CorrectHours, RefuseHours, VoidHours
from gongyi_bank.commands.passbooks import (
    AllotPassbooks,
    LiftLoss,
    ReissuePassbook,
    RenewPassbook,
    ReportLoss,
    UpdatePassbook,
)
from gongyi_bank.commands.redemptions import Capture, Extend, Release
from gongyi_bank.commands.refunds import RefundGoods
from gongyi_bank.commands.reversals import ReverseLine, ReverseVoucher
from gongyi_bank.errors import EngineError, GongyiBankError, InvalidValue
from gongyi_bank.values import require_list

#: By the field of a command: what of an earlier receipt goes into it, None if it says nothing.
_Names = dict[str, Callable[[Any], Any]]


def _same(*names: str) -> _Names:
    """Fields that are called alike on both."""
    return {name: partial(_fact, name) for name in names}


def _fact(name: str, receipt: Any) -> Any:
    return getattr(receipt, name, None)


def _first_account(receipt: Any) -> int | None:
    """The account that an act was about, or the first one that it opened."""
    opened: tuple[int, ...] = getattr(receipt, "accounts", ())
    return opened[0] if opened else getattr(receipt, "account", None)


_HOLD: _Names = {"hold": lambda receipt: receipt.hold_id}
_REDEMPTION: _Names = {"redemption": lambda receipt: receipt.redemption_id}
_RECORD = _same("account", "record_no")
_ACCOUNT: _Names = {"account": _first_account}
#: Commands that are about what the bank names only then.
FILLED_IN: dict[type[Command], _Names] = {
    CaptureHold: _HOLD,
    ExtendHold: _HOLD,
    ReleaseHold: _HOLD,
    CaptureHolds: {"captures": lambda receipt: (HoldCapture(hold=receipt.hold_id),)},
    ReleaseHolds: {"holds": lambda receipt: (receipt.hold_id,)},
    Capture: _REDEMPTION,
    Extend: _REDEMPTION,
    Release: _REDEMPTION,
    RefundGoods: _REDEMPTION,
    ApproveHours: _RECORD,
    RefuseHours: _RECORD,
    VoidHours: _RECORD,
    CorrectHours: _RECORD,
    UnfreezeAccount: _ACCOUNT,
    MarkDormant: _ACCOUNT,
    WakeAccount: _ACCOUNT,
    AllotPassbooks: _same("first", "last"),
    UpdatePassbook: _ACCOUNT,
    RenewPassbook: _ACCOUNT,
    ReportLoss: _ACCOUNT,
    LiftLoss: _ACCOUNT,
    ReissuePassbook: _ACCOUNT,
    ReverseLine: _same("account", "line_no"),
    ReverseVoucher: {"voucher": lambda receipt: receipt.voucher_id},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One act of a history: when, by whom, and what."""

    at: dt.datetime
    staff: str
    command: Command
    #: The number (from 0) of the step whose receipt names what this one is about, if any does.
    of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step led to: a receipt, or a refusal, or neither.

    Neither (`is_moot`) when the step is about something that an earlier one did not bring about.
    """

    step: Step
    receipt: Any = None
    error: GongyiBankError | None = None

    @property
    def is_moot(self) -> bool:
        """Whether there was nothing to do."""
        return self.receipt is None and self.error is None

    @property
    def code(self) -> str:
        """`done`, `moot`, or the code of the refusal."""
        if self.error is not None:
            return self.error.code
        return "moot" if self.is_moot else "done"


class Player(Protocol):
    """Whatever can live a history: a `Bank`, or anything with these three of its methods."""

    def at(self, clock: dt.datetime, /) -> Self:
        """The same with time standing still."""
        ...

    def acting_as(self, staff: str, /) -> Self:
        """The same for another person."""
        ...

    def execute(self, command: Command, /) -> Any:
        """Run a command."""
        ...


def play(bank: Player, history: Iterable[Step], *, prefix: str = "") -> tuple[Outcome, ...]:
    """Live a history on a bank, each step at its moment, and tell what became of every one.

    Refusals are outcomes; what the database does (`EngineError`) rises. `prefix` is put before
    the steps' idempotency keys, so that one bank can live several histories. Raises
    InvalidValue for what is no bank or no list of steps, and for a step about one that comes later.

    >>> outcomes = play(small_district("sqlite://").bank, history)
    """
    if not all(callable(getattr(bank, name, None)) for name in ("at", "acting_as", "execute")):
        raise InvalidValue.of("bank", bank, "a Bank or a ReferenceBank is needed")
    outcomes: list[Outcome] = []
    for number, step in enumerate(require_list(history, field="history")):
        if not isinstance(step, Step):
            raise InvalidValue.of("history", step, f"a Step is needed in place {number}")
        if step.of is not None and not 0 <= step.of < number:
            raise InvalidValue.of("of", step.of, f"step {number} is about none before it")
        command = _filled_in(step, outcomes, prefix)
        outcomes.append(Outcome(step=step) if command is None else _lived(bank, step, command))
    return tuple(outcomes)


def _filled_in(step: Step, outcomes: Sequence[Outcome], prefix: str) -> Command | None:
    """The step's command with the names that earlier receipts gave; None where there are none."""
    changes: dict[str, Any] = {}
    if step.of is not None:
        receipt = outcomes[step.of].receipt
        if receipt is None:
            return None
        names = FILLED_IN.get(type(step.command), {})
        changes = {field: named(receipt) for field, named in names.items()}
    if None in changes.values():
        return None
    key = step.command.idempotency_key
    if key is not None:
        changes["idempotency_key"] = prefix + key
    return step.command.model_copy(update=changes)


def _lived(bank: Player, step: Step, command: Command) -> Outcome:
    try:
        receipt = bank.at(step.at).acting_as(step.staff).execute(command)
    except EngineError:
        raise
    except GongyiBankError as error:
        return Outcome(step=step, error=error)
    return Outcome(step=step, receipt=receipt)
