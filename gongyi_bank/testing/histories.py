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
from inspect import iscoroutinefunction
from typing import Any, Protocol, Self
from uuid import UUID

from gongyi_bank.arguments import require_list
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
from gongyi_bank.periods import require_moment
from gongyi_bank.testing.arguments import require_kind, require_whole
from gongyi_bank.values import clean_code

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


def _first_hold(receipt: Any) -> tuple[UUID, ...] | None:
    """The hold that an act was about, as a list of one."""
    hold_id = getattr(receipt, "hold_id", None)
    return None if hold_id is None else (hold_id,)


def _first_capture(receipt: Any) -> tuple[HoldCapture, ...] | None:
    holds = _first_hold(receipt)
    return None if holds is None else tuple(HoldCapture(hold=hold) for hold in holds)


_HOLD: _Names = {"hold": partial(_fact, "hold_id")}
_REDEMPTION: _Names = {"redemption": partial(_fact, "redemption_id")}
_RECORD = _same("account", "record_no")
_ACCOUNT: _Names = {"account": _first_account}
#: Commands that are about what the bank names only then.
FILLED_IN: dict[type[Command], _Names] = {
    CaptureHold: _HOLD,
    ExtendHold: _HOLD,
    ReleaseHold: _HOLD,
    CaptureHolds: {"captures": _first_capture},
    ReleaseHolds: {"holds": _first_hold},
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
    ReverseVoucher: {"voucher": partial(_fact, "voucher_id")},
}


#: As long as a key can be.
_KEY_MAX = 200
#: No history is longer.
_STEPS_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One act of a history: when, by whom, and what.

    Raises InvalidValue.
    """

    at: dt.datetime
    staff: str
    command: Command
    #: The number (from 0) of the step whose receipt names what this one is about, if any does.
    of: int | None = None

    def __post_init__(self) -> None:
        require_moment(self.at, "at")
        object.__setattr__(self, "staff", clean_code(self.staff, field="staff"))
        require_kind("command", self.command, Command, "a command is needed, for example Redeem(…)")
        if self.of is not None:
            require_whole("of", self.of, 0, _STEPS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step led to: a receipt, or a refusal, or neither.

    Neither (`is_moot`) when the step is about something that an earlier one did not bring about.
    Raises InvalidValue.
    """

    step: Step
    receipt: Any = None
    error: GongyiBankError | None = None

    def __post_init__(self) -> None:
        require_kind("step", self.step, Step, "a Step is needed")
        if self.error is not None:
            require_kind(
                "error", self.error, GongyiBankError, "a refusal of this library is needed"
            )
            if self.receipt is not None:
                raise InvalidValue.of(
                    "receipt", "a receipt", "give a receipt or an error, not both"
                )

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
    InvalidValue for what is no bank or no list of steps, and for a step about one that comes
    later, before anything is lived.

    >>> outcomes = play(small_district("sqlite://").bank, history)
    """
    _require_player(bank)
    outcomes: list[Outcome] = []
    for step in _require_history(history, prefix):
        command = _filled_in(step, outcomes, prefix)
        outcomes.append(Outcome(step=step) if command is None else _lived(bank, step, command))
    return tuple(outcomes)


def _require_player(bank: object) -> None:
    methods = [getattr(bank, name, None) for name in ("at", "acting_as", "execute")]
    # A class has methods, too, and a bank for asyncio answers with what must be awaited.
    is_plain = not (isinstance(bank, type) or iscoroutinefunction(methods[-1]))
    if not (is_plain and all(map(callable, methods))):
        reason = "a Bank or a ReferenceBank is needed"
        raise InvalidValue.of("bank", type(bank).__name__, reason)


def _require_history(history: Iterable[Step], prefix: str) -> tuple[Step, ...]:
    """The steps, each about an earlier one if about any, and with keys under this prefix."""
    if prefix != "":
        clean_code(prefix, field="prefix", length_max=_KEY_MAX)
    steps = tuple(require_list(history, field="history"))
    for number, step in enumerate(steps):
        require_kind("history", step, Step, f"a Step is needed in place {number}")
        if step.of is not None and step.of >= number:
            raise InvalidValue.of("of", step.of, f"step {number} is about none before it")
        key = step.command.idempotency_key or ""
        if len(prefix + key) > _KEY_MAX:
            raise InvalidValue.of("prefix", prefix, f"over {_KEY_MAX} characters")
    return steps


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
