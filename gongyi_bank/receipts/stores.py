"""Receipts about partner stores and their offers."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.receipts.base import BulkReceipt, Receipt
from gongyi_bank.values import PointsSum


class StoresRecruited(BulkReceipt):
    """Stores are in the alliance. `voucher_id` is None when all of them were there already."""

    codes: tuple[str, ...]
    """The stores' codes, as given."""
    store_nos: tuple[int, ...]
    """Their numbers, in the same order."""
    replayed: tuple[str, ...]
    """Codes of those that had been recruited before with the same content."""


class AllianceLeft(Receipt):
    """A store left the alliance; what is reserved there is still honoured."""

    store: str
    """The store's code."""
    left_on: dt.date
    """The first day on which nothing is redeemed there any more."""


class OffersPublished(BulkReceipt):
    """Offers are listed. `voucher_id` is None when all of them were published already."""

    published: int
    """How many are new."""
    replayed: int
    """How many had been published before with the same content."""


class OfferChanged(Receipt):
    """An offer was restocked, written off (报损) or withdrawn."""

    store: str
    """The store's code."""
    sku: str
    """The article."""
    points: PointsSum
    """What one piece costs."""
    stock: int
    """Pieces that are neither given out nor reserved, after it."""
    reserved: int
    """Pieces that are reserved."""
    state: str
    """`listed` or `withdrawn`."""
