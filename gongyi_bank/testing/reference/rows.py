"""The rows of the reference bank's books: frozen, so that a copy of a table is a picture of it.

Nothing is changed in a row; a changed one takes its place. The fields are those of the bank's own
tables, in their order, without what only a database needs. Where `rules/` has a frozen value
for the same thing (an outlet, a store, a pool, a passbook, a loss report), that value is the row.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gongyi_bank.rules.holds import HoldStep
from gongyi_bank.rules.staff import RoleFacts
from gongyi_bank.rules.stores import OfferKey, PublishedOffer


class Voucher(NamedTuple):
    """凭证: one act that was booked."""

    voucher_id: bytes
    act: str
    key: str | None
    request_digest: bytes
    staff_no: int
    second_no: int | None
    outlet_no: int
    business_day: dt.date
    booked_at: dt.datetime
    cites: bytes | None
    reason: str | None
    #: The receipt itself.
    receipt: Any


class Role(NamedTuple):
    """A role that somebody has or had."""

    role_no: int
    facts: RoleFacts
    since_on: dt.date
    ended_on: dt.date | None = None


class Person(NamedTuple):
    """岗位: somebody who acts for the bank."""

    staff_no: int
    code: str
    own_account_no: int | None
    roles: tuple[Role, ...] = ()

    @property
    def in_force(self) -> tuple[Role, ...]:
        """The roles that have not ended."""
        return tuple(role for role in self.roles if role.ended_on is None)


class Stay(NamedTuple):
    """Where an outlet is from a day on, and whether it is open."""

    outlet_no: int
    parent_no: int | None
    since_on: dt.date
    is_open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """客户: who holds an account."""

    account_no: int
    kind: str
    #: Where it is and was registered: (since when, the outlet), in order.
    stays: tuple[tuple[dt.date, int], ...]
    ref: str | None
    registered_on: dt.date
    state: str
    state_since_on: dt.date
    #: Kind and number of the document that was shown.
    document: tuple[str, str] | None = field(repr=False)
    #: What is personal besides, as it was given.
    name: str = field(repr=False)
    document_no: str | None = field(repr=False)
    birth_on: dt.date | None = field(repr=False)
    phone: str | None = field(repr=False)

    @property
    def outlet_no(self) -> int:
        """Where it is registered now."""
        return self.stays[-1][1]


class Line(NamedTuple):
    """明细: a line of an account, in the order of the rows of `rules.ledger.Posting.lines`."""

    account_no: int
    line_no: int
    kind: str
    amount: int
    contra_no: int
    credited_after: int
    debited_after: int
    expires_on: dt.date | None
    value_on: dt.date
    origin_on: dt.date | None
    booked_at: dt.datetime
    business_day: dt.date
    outlet_no: int
    voucher_id: bytes
    policy_id: int | None


class Move(NamedTuple):
    """A leg between two accounts without lines, as in `rules.ledger.Posting.moves`."""

    voucher_id: bytes
    leg_no: int
    source_no: int
    target_no: int
    unit: str
    amount: int
    business_day: dt.date
    outlet_no: int


class LinePart(NamedTuple):
    """A part of a line that was taken back, as in `rules.ledger.Posting.parts`."""

    account_no: int
    line_no: int
    part_no: int
    kind: str
    amount: int
    expired: int
    by_line_no: int | None
    voucher_id: bytes


class HourRecord(NamedTuple):
    """服务记录: one service, or an opening balance of hours."""

    account_no: int
    record_no: int
    kind: str
    state: str
    first_state: str
    ref: str | None
    row_digest: bytes
    outlet_no: int
    project: str | None
    category: str | None
    started_at: dt.datetime
    ended_at: dt.datetime
    service_on: dt.date
    value_on: dt.date
    voided_on: dt.date | None
    minutes: int
    client_rating: int | None
    recorded_by_no: int | None
    checked_by_no: int | None
    points: int
    line_no: int | None
    policy_id: int | None
    replaces_record_no: int | None
    voucher_id: bytes
    decided_voucher_id: bytes | None = None
    voided_voucher_id: bytes | None = None


class StoredHold(NamedTuple):
    """预留: a hold of points, alone or for a reservation."""

    hold_id: bytes
    account_no: int
    payee_no: int
    amount: int
    captured: int
    state: str
    placed_at: dt.datetime
    deadline_at: dt.datetime
    latest_at: dt.datetime
    outlet_no: int
    cites_from: int
    event_no: int
    ref: str | None
    row_digest: bytes | None
    voucher_id: bytes
    #: Everything that ever happened to it; the first step is its placing.
    steps: tuple[HoldStep, ...]


class Redemption(NamedTuple):
    """兑换: goods given out, or reserved."""

    redemption_id: bytes
    account_no: int
    store_no: int
    sku: str
    quantity: int
    points: int
    state: str
    ref: str | None
    row_digest: bytes
    redeemed_on: dt.date
    line_no: int | None
    hold_id: bytes | None
    cites_from: int | None
    voucher_id: bytes
    settled_voucher_id: bytes | None = None


class Refund(NamedTuple):
    """退货: goods that came back."""

    redemption_id: bytes
    part_no: int
    account_no: int
    refunded_on: dt.date
    quantity: int
    points: int
    refund_line_no: int | None
    restocked: bool
    voucher_id: bytes


class Offer(NamedTuple):
    """兑换品: what a store gives for points; how many are left follows from the redemptions."""

    published: PublishedOffer
    #: All pieces that were ever put on the shelf, those written off taken away.
    supplied: int
    state: str

    @property
    def key(self) -> OfferKey:
        """What it is known by."""
        return self.published.store_no, self.published.sku


class Closing(NamedTuple):
    """结账: a period that is being closed, or is."""

    closing_no: int
    outlet_no: int
    kind: str
    first_on: dt.date
    last_on: dt.date
    state: str
    voucher_id: bytes
    closed_voucher_id: bytes | None = None
