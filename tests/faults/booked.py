"""The books when all is over, in plain figures: what the checks of the bank test judge by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an account, amounts in units."""

    account: int
    number: int
    amount: int
    credited_after: int
    debited_after: int
    voucher: str
    kind: str
    booked_at: dt.datetime
    #: The business day on which it was booked.
    day: dt.date
    #: The day in whose period it counts, and the one that it belongs to (earlier, if at all).
    value_on: dt.date
    belongs_on: dt.date

    @property
    def balance_after(self) -> int:
        """The account's balance after it."""
        return self.credited_after - self.debited_after


@dataclass(frozen=True, slots=True)
class HeadTotals:
    """What the head of an account says."""

    credited: int
    debited: int
    held: int
    line_no: int


@dataclass(frozen=True, slots=True)
class Voucher:
    """An act in the books."""

    key: str | None
    act: str
    digest: str
    receipt: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The books when all is over."""

    heads: Mapping[int, HeadTotals]
    lines: tuple[Line, ...]
    #: By id. Those of the time before the workers came are left out.
    vouchers: Mapping[str, Voucher]
    #: The sum over the internal accounts.
    internal: int
    #: By account: what open holds still keep.
    open_holds: Mapping[int, int] = field(default_factory=dict)
    #: Points in holds that are still open after everything overdue was swept.
    held_after_sweep: int = 0
    #: Lines that were there before the workers came.
    first_lines: Mapping[int, int]
