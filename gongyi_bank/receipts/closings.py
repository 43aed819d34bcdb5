"""Receipts about closing."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.receipts.base import Receipt


class _Closing(Receipt):
    """What all steps of a closing say."""

    closing_no: int
    """The closing's number."""
    outlet: str
    """The outlet that is closed with everything below it."""
    kind: str
    """`day`, `month`, `quarter` or `year`."""
    first_on: dt.date
    """The first day that it closes."""
    last_on: dt.date
    """The last day that it closes."""


class ClosingAnnounced(_Closing):
    """A closing was announced."""


class ClosingDrained(_Closing):
    """The period is barred, and nobody is under way in it any more."""


class BooksClosed(_Closing):
    """The period is closed."""

    totals: int
    """How many internal accounts moved since the last closed day and were rolled up."""
    netted: int
    """清算: how many branches' books were netted, so that each balances by itself."""
    overdue_holds: int
    """Holds past their deadline that nobody has swept: they bind nothing, but wait to be swept."""
    root: str | None
    """封账: the Merkle root of the sealed days, in hex; None for a part of the bank or a month."""
