"""What all receipts share: frozen, comparable, and exact through JSON."""

from __future__ import annotations

import datetime as dt
from typing import Protocol, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class AnyReceipt(Protocol):
    """What every receipt can do: go into a voucher and come back equal."""

    def to_json(self) -> str:
        """The receipt as JSON."""
        ...

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The receipt that `to_json` wrote."""
        ...


class Receipt(BaseModel):
    """What an act did. A replay of the act gives an equal receipt; nothing personal is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    voucher_id: UUID
    """凭证: the one row that records this act and that everything it wrote cites."""
    business_day: dt.date
    """The day on which the books show it."""
    booked_at: dt.datetime
    """The bank's clock when it was booked."""

    def to_json(self) -> str:
        """The receipt as JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The receipt that `to_json` wrote."""
        return cls.model_validate_json(text)
