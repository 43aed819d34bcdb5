"""Receipts about points that do not come from a service."""

from __future__ import annotations

from gongyi_bank.receipts.base import BulkReceipt, Receipt
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


class PointsExpired(BulkReceipt):
    """Points past their date were taken."""

    accounts: int
    """How many accounts were looked at because a date had come."""
    lines: int
    """How many of them had points left that expired."""
    points: PointsSum
    """How many points expired."""
    may_be_more: bool
    """Whether the act stopped at its limit: do it again, under another key."""
    left_out: int
    """How many accounts it passed over: their outlet has closed this day; the next day has them."""
