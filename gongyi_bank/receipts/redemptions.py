"""Receipts about redemptions and reservations."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from gongyi_bank.receipts.base import BulkReceipt, Receipt
from gongyi_bank.values import PointsSum


class GoodsRedeemed(Receipt):
    """Goods were given for points at once."""

    account: int
    """The customer's account."""
    redemption_id: UUID
    """The redemption."""
    store: str
    """The store's code."""
    sku: str
    """The article."""
    quantity: int
    """Pieces."""
    points: PointsSum
    """Points debited."""
    line_no: int
    """The line in the passbook."""
    balance: PointsSum
    """The balance after it."""


class GoodsReserved(Receipt):
    """Points and goods are held until the deadline."""

    account: int
    """The customer's account."""
    redemption_id: UUID
    """The reservation, by which it is captured or released."""
    store: str
    """The store's code."""
    sku: str
    """The article."""
    quantity: int
    """Pieces held."""
    points: PointsSum
    """Points held; they leave the balance when it is captured."""
    deadline_at: dt.datetime
    """From this moment on it has lapsed."""


class ReservationSettled(Receipt):
    """A reservation was captured, released, or found lapsed."""

    account: int
    """The customer's account."""
    redemption_id: UUID
    """The reservation."""
    state: str
    """`captured`, `released` or `lapsed`."""
    points: PointsSum
    """Points debited, or free again."""
    line_no: int | None
    """The line in the passbook, if it was captured."""
    balance: PointsSum
    """The balance after it."""


class ReservationsLapsed(BulkReceipt):
    """Overdue reservations were swept. `voucher_id` is None when there were none."""

    redemption_ids: tuple[UUID, ...]
    """The reservations that lapsed, in the order of their deadlines."""
    points: PointsSum
    """Points that are no longer held."""
