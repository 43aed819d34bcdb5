"""The rows of the books as an audit looks at them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

from gongyi_bank.store.tables import account_line
from gongyi_bank.store.writing import columns_of

LINE_COLUMNS = columns_of(account_line)
_VALUE_ON, _ORIGIN_ON, _OUTLET_NO, _POLICY_ID = map(
    LINE_COLUMNS.index, ("value_on", "origin_on", "outlet_no", "policy_id")
)
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line as it stands: what its hash covers, and the hash."""

    #: All columns but the hash, in order.
    content: Row
    line_hash: bytes
    account_no: int
    line_no: int
    kind: str
    amount: int
    contra_no: int
    credited_after: int
    debited_after: int
    expires_on: dt.date | None
    booked_at: dt.datetime
    business_day: dt.date
    voucher_id: bytes

    @property
    def value_on(self) -> dt.date:
        """The day in whose period it counts."""
        day: dt.date = self.content[_VALUE_ON]
        return day

    @property
    def origin_on(self) -> dt.date | None:
        """The day to which it belongs, where that is another."""
        day: dt.date | None = self.content[_ORIGIN_ON]
        return day

    @property
    def outlet_no(self) -> int:
        """The outlet that handled it."""
        number: int = self.content[_OUTLET_NO]
        return number

    @property
    def policy_id(self) -> int | None:
        """The policy that decided it."""
        number: int | None = self.content[_POLICY_ID]
        return number

    @classmethod
    def of_row(cls, row: Row) -> AuditLine:
        """A line from all its columns."""
        return cls(row[:-1], row[-1], *row[:8], *row[10:12], *row[13:14])


@dataclass(frozen=True, slots=True)
class CitedLine:
    """What is looked at of a line that something else cites."""

    line_no: int
    kind: str
    amount: int
    contra_no: int
    credited_after: int
    debited_after: int
    voucher_id: bytes
    value_on: dt.date
    origin_on: dt.date | None
    outlet_no: int
    policy_id: int | None

    @classmethod
    def of_line(cls, line: AuditLine) -> CitedLine:
        """What is kept of a line when the rest of it is let go."""
        return cls(*(getattr(line, name) for name in cls.__slots__))


#: Where a line is at hand whole, it need not be read again.
AnyLine = AuditLine | CitedLine


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An hour record, as far as an audit looks at it."""

    account_no: int
    record_no: int
    kind: str
    state: str
    category: str | None
    started_at: dt.datetime
    ended_at: dt.datetime
    minutes: int
    points: int
    line_no: int | None
    policy_id: int | None
    replaces_record_no: int | None
    voucher_id: bytes
    decided_voucher_id: bytes | None
    voided_voucher_id: bytes | None
    first_state: str
    outlet_no: int
    service_on: dt.date
    value_on: dt.date
    #: The voucher that voided the record which this one replaces.
    replaced_by: bytes | None
    line: AnyLine | None


class Stint(NamedTuple):
    """When somebody served, by a record that counts."""

    record_no: int
    started_at: dt.datetime
    ended_at: dt.datetime


@dataclass(frozen=True, slots=True)
class AuditRedemption:
    """A redemption, as far as an audit looks at it."""

    account_no: int
    redemption_id: bytes
    state: str
    points: int
    line_no: int | None
    hold_id: bytes | None
    cites_from: int | None
    quantity: int
    store_no: int
    redeemed_on: dt.date
    voucher_id: bytes
    settled_voucher_id: bytes | None
    #: Whether its hold, if it names one, is one of the account's.
    has_hold: bool
    line: AnyLine | None


@dataclass(frozen=True, slots=True)
class AuditHold:
    """A hold as it stands."""

    account_no: int
    hold_id: bytes
    payee_no: int
    amount: int
    captured: int
    state: str
    placed_at: dt.datetime
    deadline_at: dt.datetime
    latest_at: dt.datetime
    cites_from: int
    event_no: int
    voucher_id: bytes
    settled_voucher_id: bytes | None


@dataclass(frozen=True, slots=True)
class AuditHoldStep:
    """Something that happened to a hold."""

    hold_id: bytes
    event_no: int
    kind: str
    amount: int
    deadline_at: dt.datetime
    line_no: int | None
    voucher_id: bytes
    line: AnyLine | None


class HeldRows(NamedTuple):
    """A hold with its steps in order, and what was reserved by it."""

    hold: AuditHold
    steps: list[AuditHoldStep]
    reserved: list[AuditRedemption]


@dataclass(frozen=True, slots=True)
class AuditPart:
    """A part of a line that was taken back, with its voucher's day."""

    account_no: int
    line_no: int
    part_no: int
    kind: str
    amount: int
    expired: int
    by_line_no: int | None
    voucher_id: bytes
    business_day: dt.date


@dataclass(frozen=True, slots=True)
class AuditRefund:
    """A refund as it stands."""

    account_no: int
    redemption_id: bytes
    part_no: int
    refunded_on: dt.date
    quantity: int
    points: int
    refund_line_no: int | None
    voucher_id: bytes
    #: (line, points, pieces) of its redemption, where the account has it.
    taken: tuple[int | None, int, int] | None


@dataclass(frozen=True, slots=True)
class AuditBook:
    """A passbook that was issued."""

    account_no: int
    passbook_no: int
    volume_no: int
    state: str
    first_line_no: int
    printed_line_no: int
