"""Receipts about points that do not come from a service."""

from __future__ import annotations

from gongyi_bank.receipts.base import Receipt
from gongyi_bank.values import Points


class PointsGranted(Receipt):
    """Points were credited by hand."""

    account: int
    """The account."""
    points: Points
    """How many."""
    line_no: int
    """The line in the passbook."""
    balance: Points
    """The balance after it."""
