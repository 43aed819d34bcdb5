"""The books when all is over, in plain figures: what the checks of the bank test judge by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
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
class HoldStep:
    """Something that an act did to a hold."""

    number: int
    #: `placed`, `captured`, `released`, `lapsed`.
    kind: str
    #: What was placed, captured or given free.
    units: int
    voucher: str
    #: From the moment at which it was booked until the hold's deadline.
    time_left: dt.timedelta

    @property
    def is_overdue(self) -> bool:
        """Whether the hold was past its deadline."""
        return self.time_left <= dt.timedelta()


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it stands, with what was done to it."""

    name: str
    account: int
    units: int
    captured: int
    state: str
    #: The act that placed it.
    voucher: str
    steps: tuple[HoldStep, ...]

    @property
    def kept(self) -> int:
        """What it still keeps."""
        return self.units - self.captured if self.state == "held" else 0


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
    #: All of them, as they were before anything overdue was swept.
    holds: tuple[Hold, ...] = ()
    #: Points in holds that are still open after everything overdue was swept.
    held_after_sweep: int = 0
    #: Lines that were there before the workers came.
    first_lines: Mapping[int, int]
