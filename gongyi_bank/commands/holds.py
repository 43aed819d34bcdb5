"""Commands about 预留: points put aside for a payee, and what becomes of them."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from gongyi_bank.commands.base import AccountNo, AsTuple, Code, Command, Moment, Reason, Ref
from gongyi_bank.commands.hours import ROWS_MAX
from gongyi_bank.errors.validation import CheckedModel
from gongyi_bank.receipts.holds import (
    HoldCaptured,
    HoldExtended,
    HoldPlaced,
    HoldReleased,
    HoldsCaptured,
    HoldsLapsed,
    HoldsReleased,
)
from gongyi_bank.values import PositivePoints


class PlaceHold(Command):
    """预留: put points aside for a store, whose final amount is not known yet."""

    receipt: ClassVar = HoldPlaced
    act: ClassVar[str] = "holds.place"

    account: AccountNo
    """The customer's account."""
    points: PositivePoints
    """How much; no more than this can ever be captured."""
    store: Code
    """The store that captures go to; its outlet handles the hold."""
    hours: Annotated[int, Field(ge=1, le=24 * 365)] | None = None
    """Until the deadline; what the policy says if both are left out."""
    deadline_at: Moment | None = None
    """From this moment on it has lapsed."""
    ref: Ref | None = None
    """The sender's own reference; the same hold sent again has no effect."""


class ExtendHold(Command):
    """展期: keep the points longer, never beyond the longest life that its receipt names."""

    receipt: ClassVar = HoldExtended
    act: ClassVar[str] = "holds.extend"

    hold: UUID
    """The hold."""
    deadline_at: Moment
    """From this moment on it has lapsed; later than the deadline there is."""


class HoldCapture(CheckedModel):
    """What one hold of a list pays."""

    hold: UUID
    """The hold; it may come several times."""
    points: PositivePoints | None = None
    """How much of it; all that is left if left out."""


class CaptureHold(Command):
    """支用: debit what is held, whole or in part; what is left goes on being held."""

    receipt: ClassVar = HoldCaptured
    act: ClassVar[str] = "holds.capture"

    hold: UUID
    """The hold."""
    points: PositivePoints | None = None
    """How much of it; all that is left if left out."""


class CaptureHolds(Command):
    """Capture a list, all or none: the same books as one by one, in one posting."""

    receipt: ClassVar = HoldsCaptured
    act: ClassVar[str] = "holds.capture_many"

    captures: Annotated[tuple[HoldCapture, ...], AsTuple, Field(min_length=1, max_length=ROWS_MAX)]
    """What each hold pays, in order."""


class ReleaseHold(Command):
    """取消预留: give free what is left; one past its deadline is settled as lapsed."""

    receipt: ClassVar = HoldReleased
    act: ClassVar[str] = "holds.release"

    hold: UUID
    """The hold."""
    reason: Reason
    """Why."""


class ReleaseHolds(Command):
    """Release a list, all or none: the same books as one by one, in one posting."""

    receipt: ClassVar = HoldsReleased
    act: ClassVar[str] = "holds.release_many"

    holds: Annotated[tuple[UUID, ...], AsTuple, Field(min_length=1, max_length=ROWS_MAX)]
    """The holds."""
    reason: Reason
    """Why."""


class LapseOverdue(Command):
    """清理过期预留: give free what holds past their deadline still keep, reservations too."""

    receipt: ClassVar = HoldsLapsed
    act: ClassVar[str] = "holds.lapse_overdue"

    count_max: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 1000
    """At most this many, the longest overdue first; run it again until none are left."""
