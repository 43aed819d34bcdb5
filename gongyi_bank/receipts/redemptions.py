"""Receipts about redemptions and reservations."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from gongyi_bank.receipts.base import Receipt
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
    latest_at: dt.datetime
    """No extension reaches beyond this moment."""


class ReservationExtended(Receipt):
    """Points and goods are held longer."""

    account: int
    """The customer's account."""
    redemption_id: UUID
    """The reservation."""
    deadline_at: dt.datetime
    """From this moment on it has lapsed."""
    latest_at: dt.datetime
    """No extension reaches beyond this moment."""


class ReservationSettled(Receipt):
    """A reservation was captured, whole or in part, released, or found lapsed."""

    account: int
    """The customer's account."""
    redemption_id: UUID
    """The reservation."""
    state: str
    """`reserved` while pieces are left, else `captured`, `released` or `lapsed`."""
    quantity: int
    """Pieces handed over, or free again."""
    quantity_left: int
    """Pieces that it still holds."""
    points: PointsSum
    """Points debited, or free again."""
    line_no: int | None
    """The line in the passbook, if something was captured."""
    part_id: UUID | None
    """The redemption that stands for what was captured: of a part one of its own."""
    balance: PointsSum
    """The balance after it."""
