"""Receipts about holds of points."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from gongyi_bank.receipts.base import BulkReceipt, Receipt
from gongyi_bank.values import PointsSum


class HoldPlaced(Receipt):
    """Points are put aside for a payee until the deadline."""

    account: int
    """The customer's account."""
    hold_id: UUID
    """The hold, by which it is captured, extended or released."""
    store: str
    """The store that captures go to."""
    points: PointsSum
    """Points put aside; they leave the balance when they are captured."""
    deadline_at: dt.datetime
    """From this moment on it has lapsed."""
    latest_at: dt.datetime
    """No extension reaches beyond this moment."""
    balance: PointsSum
    """The balance, which still contains them."""
    available: PointsSum
    """What may be spent beside them."""


class HoldExtended(Receipt):
    """A hold lasts longer."""

    account: int
    """The customer's account."""
    hold_id: UUID
    """The hold."""
    points: PointsSum
    """Points that it still keeps."""
    deadline_at: dt.datetime
    """From this moment on it has lapsed."""
    latest_at: dt.datetime
    """No extension reaches beyond this moment."""


class HoldPart(BaseModel):
    """What became of one hold of a list."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    account: int
    """The customer's account."""
    hold_id: UUID
    """The hold."""
    state: str
    """`held` while something is left, else `captured`, `released` or `lapsed`."""
    points: PointsSum
    """Points captured, or free again."""
    points_left: PointsSum
    """Points that it still keeps."""
    line_no: int | None
    """The line in the passbook, if something was captured."""
    balance: PointsSum
    """The balance after it."""


class HoldCaptured(Receipt, HoldPart):
    """Points that were put aside have left the passbook, all of them or a part."""


class HoldsCaptured(Receipt):
    """A list of captures, all or none."""

    parts: tuple[HoldPart, ...]
    """What was captured, in the order of the list."""


class HoldReleased(Receipt, HoldPart):
    """A hold was given free, or found lapsed."""


class HoldsReleased(Receipt):
    """A list of holds was given free, all or none."""

    parts: tuple[HoldPart, ...]
    """What became of each, in the order of the list."""


class HoldsLapsed(BulkReceipt):
    """Overdue holds were swept, those of reservations too. `voucher_id` is None without any."""

    hold_ids: tuple[UUID, ...]
    """The holds that lapsed, in the order of their deadlines; a reservation's has its own id."""
    points: PointsSum
    """Points that are no longer held."""
    may_be_more: bool
    """Whether the act stopped at its limit: do it again, under another key."""
    left_out: int
    """How many it passed over: the customer's outlet has closed this day; the next day has them."""
