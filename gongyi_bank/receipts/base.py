"""What all receipts share: frozen, comparable, and exact through JSON."""

from __future__ import annotations

import datetime as dt
from typing import Protocol, Self, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from gongyi_bank.errors.validation import refusal_of


@runtime_checkable
class AnyReceipt(Protocol):
    """What every receipt can do: go into a voucher and come back equal."""

    def to_json(self) -> str:
        """The receipt as JSON."""
        ...

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The receipt that `to_json` wrote."""
        ...


class Answer(BaseModel):
    """What an act did. A replay of the act gives an equal answer; nothing personal is in it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    business_day: dt.date
    """The day on which the books show it."""
    booked_at: dt.datetime
    """The bank's clock when it was booked."""

    def to_json(self) -> str:
        """The receipt as JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The receipt that `to_json` wrote; raises InvalidValue for any other text."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            refusal = refusal_of(error, frozenset(cls.model_fields))
        raise refusal  # Out here, or pydantic's words would hang on it.


class Receipt(Answer):
    """The answer of an act that always writes."""

    voucher_id: UUID
    """凭证: the one row that records this act and that everything it wrote cites."""


class BulkReceipt(Answer):
    """The answer of an act on a list, which may find that there is nothing new in it."""

    voucher_id: UUID | None
    """凭证: the row that records this act; None when nothing was new, so nothing was written."""
