"""Receipts about customers and accounts."""

from __future__ import annotations

from gongyi_bank.receipts.base import BulkReceipt, Receipt
from gongyi_bank.values import PointsSum


class CustomersRegistered(BulkReceipt):
    """Accounts were opened."""

    accounts: tuple[int, ...]
    """Their numbers, in the order of the call."""
    replayed: tuple[int, ...] = ()
    """Those among them that were registered before under the same reference."""


class CustomerMoved(Receipt):
    """An account belongs to another savings branch."""

    account: int
    """The account; its number did not change."""
    source: str
    """The savings branch it left."""
    target: str
    """The savings branch it belongs to now."""


class AccountChanged(Receipt):
    """An account was frozen, unfrozen, put to sleep or woken."""

    account: int
    """The account."""
    state: str
    """`active`, `frozen` or `dormant`."""


class AccountClosedOut(Receipt):
    """An account was closed."""

    account: int
    """The account."""
    paid_out: PointsSum
    """The balance that went elsewhere."""
    target: int | None
    """The account that received it, if one did."""
