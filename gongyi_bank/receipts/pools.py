"""Receipts about pools."""

from __future__ import annotations

from gongyi_bank.receipts.base import Receipt


class PoolOpened(Receipt):
    """A pool was opened."""

    pool: str
    """Its code."""
    outlet: str
    """The outlet that it belongs to."""
    account: int
    """The number of its account, by which statements know it."""


class PoolEnded(Receipt):
    """An empty pool was closed."""

    pool: str
    """Its code."""
    outlet: str
    """The outlet that it belonged to."""
