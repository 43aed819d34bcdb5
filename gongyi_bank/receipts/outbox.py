"""What the outbox hands to other services."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class OutboxVoucher(BaseModel):
    """发件箱里的凭证: an act that was committed, for another service. Nothing personal is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    outbox_no: int
    """Its place in the outbox, without gaps from 1: what a consumer acknowledges."""
    voucher_id: UUID
    """The voucher. Given again it is the same one: consumers drop what they have had."""
    act: str
    """The act: `hours.record`, `redemptions.redeem` …"""
    staff: str
    """Who did it."""
    outlet: str
    """The outlet that handled it."""
    business_day: dt.date
    """The day on which the books show it."""
    booked_at: dt.datetime
    """The bank's clock when it was booked; not the order of the outbox."""
    idempotency_key: str | None
    """The caller's key."""
    reason: str | None
    """Why, where the act has a reason."""
    body: dict[str, Any]
    """The receipt (`body["receipt"]`) and whatever else the voucher tells."""
