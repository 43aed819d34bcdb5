"""Receipts about points that do not come from a service."""

from __future__ import annotations

from gongyi_bank.receipts.base import Receipt
from gongyi_bank.values import PointsSum


class PointsGranted(Receipt):
    """Points were credited by hand."""

    account: int
    """The account."""
    points: PointsSum
    """How many."""
    line_no: int
    """The line in the passbook."""
    balance: PointsSum
    """The balance after it."""
