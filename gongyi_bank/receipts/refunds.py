"""Receipts about refunds."""

from __future__ import annotations

from uuid import UUID

from gongyi_bank.receipts.base import Receipt
from gongyi_bank.values import PointsSum


class GoodsRefunded(Receipt):
    """Goods came back, and points for them."""

    account: int
    """The customer's account."""
    redemption_id: UUID
    """The redemption."""
    quantity: int
    """Pieces that came back."""
    left: int
    """Pieces of the redemption that may still come back."""
    points: PointsSum
    """What they had cost."""
    expired: PointsSum
    """Points among these that are past their date by now: they do not come back."""
    line_no: int | None
    """The line in the passbook; None where nothing came back."""
    balance: PointsSum
    """The balance after it."""
