"""Receipts about reversals."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from gongyi_bank.receipts.base import Receipt
from gongyi_bank.values import PointsSum


class PartReversed(BaseModel):
    """What became of one line, or a part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    account: int
    """The account."""
    line_no: int
    """The line that was reversed."""
    points: PointsSum
    """How much of it this part is."""
    moved: PointsSum
    """How much went back: less where points had expired, or were spent and the policy lets go."""
    expired: PointsSum
    """Points of the part for which nothing comes back: their date is past, here or there."""
    by_line_no: int | None
    """The new line in the passbook; None where nothing went back."""
    balance: PointsSum
    """The account's balance after the act."""
    debt: PointsSum
    """欠分: what the account owes after the act; its next credits settle it."""


class LineReversed(Receipt):
    """A line was taken back, whole or in part."""

    part: PartReversed
    """The line that was named."""
    mirror: PartReversed | None
    """Its mirror in the other account, if it has one."""


class VoucherReversed(Receipt):
    """All that was left of a voucher's lines was taken back."""

    reversed_voucher_id: UUID
    """The voucher whose lines they were."""
    parts: tuple[PartReversed, ...]
    """Each line, by account and line number."""
