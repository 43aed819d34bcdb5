"""兑换的规则: a list of redemption rows against the books, decided as a fold.

Each row sees stock and points as changed by the rows before it, so a list gives the same
books as one by one. A row is decided by the first rule that applies, in this order: the
same reference (replay or conflict), in the future, unknown customer, closed or frozen
account, passbook reported lost, unknown store, store not in the alliance that day or its
outlet closed, store not in the alliance today (unless an importer sends what was redeemed
before), unknown or withdrawn offer, more pieces than the policy allows at once, out of
stock, insufficient points, a day in a closed period where the policy refuses that. A
reservation is judged by the same rules.

What is reserved is captured whole or in parts. Unknown redemption, not permitted, settled,
lapsed, closed or frozen account, passbook reported lost, more pieces than are left: the first
that applies refuses. Extending asks for the same as `rules.holds`, releasing only that nobody
has settled it yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.errors import (
    GongyiBankError,
    IdempotencyConflict,
    InsufficientPoints,
    InvalidInstant,
    InvalidValue,
    OutOfStock,
    RedemptionSettled,
    ReservationExceeded,
    ReservationLapsed,
    UnknownCustomer,
)
from gongyi_bank.policies import HoldRules, PolicyBook, RedemptionRules
from gongyi_bank.rules.accrual import Declined, require_open_outlet
from gongyi_bank.rules.closings import ValueDay, day_itself
from gongyi_bank.rules.customers import require_payable
from gongyi_bank.rules.holds import Hold, latest_of
from gongyi_bank.rules.staff import OutletFacts, StaffFacts, require_permission
from gongyi_bank.rules.stores import (
    OfferFacts,
    OfferKey,
    StoreFacts,
    require_listed,
    require_member,
    require_offer,
    require_store,
)
from gongyi_bank.values import Points

REDEEMED: Final = "redeemed"
RESERVED: Final = "reserved"
CAPTURED: Final = "captured"
RELEASED: Final = "released"
LAPSED: Final = "lapsed"
REPLAYED: Final = "replayed"
#: What a row is for, as its digest says it: one reference never serves both.
REDEMPTION: Final = "redemption"
RESERVATION: Final = "reservation"


@dataclass(slots=True)
class EarlierRedemption:
    """A redemption that is in the books already, or that this call has just accepted."""

    redemption_id: bytes
    account_no: int
    state: str
    row_digest: bytes
    #: In the smallest part.
    points: int
    line_no: int | None = None


@dataclass(slots=True)
class RedemptionFacts:
    """What the books say around the rows to be judged; the fold changes it as it goes."""

    today: dt.date
    scale: int
    policies: PolicyBook
    #: Who sends the rows.
    actor: StaffFacts
    #: The state of each customer's account.
    customers: Mapping[int, str]
    customers_by_ref: Mapping[str, int]
    #: The lost passbook of accounts under a loss report.
    frozen: Mapping[int, int]
    stores: Mapping[str, StoreFacts]
    outlets: dict[str, OutletFacts]
    offers: dict[OfferKey, OfferFacts]
    #: Points that may be spent now, in the smallest part, by account.
    available: dict[int, int]
    #: Redemptions by their reference, whatever their state.
    refs: dict[str, EarlierRedemption]
    #: (value date, origin date or None) of goods handed over on a day at an outlet to an account.
    value_day: ValueDay = day_itself


@dataclass(slots=True)
class RedemptionAccepted:
    """A row for which goods are given out, or put aside."""

    row: RedemptionRow
    store: StoreFacts
    outlet: OutletFacts
    offer: OfferFacts
    #: The day in whose period it counts, and the day of the hand-over where that is another.
    redeemed_on: dt.date
    origin_on: dt.date | None
    #: What the books will say of it; the service fills in its id and line.
    record: EarlierRedemption


@dataclass(slots=True)
class RedemptionReplayed:
    """A row whose reference is in the books with the same content."""

    row: RedemptionRow
    record: EarlierRedemption


RedemptionDecision = RedemptionAccepted | RedemptionReplayed | Declined[RedemptionRow]


def decide_redemptions(
    facts: RedemptionFacts, rows: Iterable[RedemptionRow], purpose: str = REDEMPTION
) -> list[RedemptionDecision]:
    """Judge the rows in order; stock, points and references are changed by every accepted one."""
    return [_decide(facts, row, purpose) for row in rows]


def _decide(facts: RedemptionFacts, row: RedemptionRow, purpose: str) -> RedemptionDecision:
    try:
        row_digest = row.digest(purpose)
    except InvalidValue as error:
        return Declined(row, error)
    earlier = facts.refs.get(row.ref) if row.ref is not None else None
    if earlier is not None:
        if earlier.row_digest == row_digest:
            return RedemptionReplayed(row, earlier)
        return Declined(row, IdempotencyConflict(key=row.ref))
    try:
        accepted = _judge(facts, row, row_digest, purpose)
    except GongyiBankError as error:
        return Declined(row, error)
    _remember(facts, accepted, purpose)
    return accepted


def _judge(
    facts: RedemptionFacts, row: RedemptionRow, row_digest: bytes, purpose: str
) -> RedemptionAccepted:
    day = row.redeemed_on or facts.today
    if day > facts.today:
        raise InvalidInstant.of("redeemed_on", day, "it is in the future")
    place = facts.stores.get(row.store)
    if place is not None:
        outlet = facts.outlets[place.outlet_code]
        require_permission(facts.actor, "redemptions.redeem", outlet, place.store_no)
    account_no = _require_customer(facts, row)
    store = require_store(facts.stores, row.store)
    require_member(store, day)
    outlet = require_open_outlet(facts.outlets, store.outlet_code)
    if not facts.actor.sends_for_others(outlet):
        require_member(store, facts.today)  # Nobody serves any more at a store that left.
    offer = require_offer(facts.offers, store, row.sku)
    require_listed(offer, store)
    _require_pieces(facts, offer, row.quantity, day)
    points = offer.points * row.quantity
    _require_points(facts, account_no, points)
    state = REDEEMED if purpose == REDEMPTION else RESERVED
    record = EarlierRedemption(b"", account_no, state, row_digest, points)
    value_on, origin_on = facts.value_day(outlet, day, account_no)
    return RedemptionAccepted(row, store, outlet, offer, value_on, origin_on, record)


def _require_customer(facts: RedemptionFacts, row: RedemptionRow) -> int:
    account_no = row.account
    if account_no is None:
        account_no = facts.customers_by_ref.get(row.customer_ref or "")
    if account_no is None or account_no not in facts.customers:
        raise UnknownCustomer(account=row.account or row.customer_ref)
    require_payable(account_no, facts.customers[account_no], facts.frozen)
    return account_no


def _require_pieces(facts: RedemptionFacts, offer: OfferFacts, quantity: int, day: dt.date) -> None:
    quantity_max = facts.policies.in_force(RedemptionRules, day)[1].quantity_max
    if quantity > quantity_max:
        raise InvalidValue.of("quantity", quantity, f"at most {quantity_max} at once")
    if quantity > offer.stock:
        raise OutOfStock(sku=offer.sku, left=offer.stock, wanted=quantity)


def _require_points(facts: RedemptionFacts, account_no: int, points: int) -> None:
    available = facts.available[account_no]
    if points > available:
        raise InsufficientPoints(
            account=account_no,
            available=str(Points.of_units(available, facts.scale)),
            needed=str(Points.of_units(points, facts.scale)),
        )


def _remember(facts: RedemptionFacts, accepted: RedemptionAccepted, purpose: str) -> None:
    row, record = accepted.row, accepted.record
    if purpose == REDEMPTION:
        accepted.offer.give_out(row.quantity)
    else:
        accepted.offer.hold(row.quantity)
    facts.available[record.account_no] -= record.points
    if row.ref is not None:
        facts.refs[row.ref] = record


@dataclass(frozen=True, slots=True)
class Reservation:
    """A redemption as it stands, with its hold if it was reserved."""

    redemption_id: bytes
    account_no: int
    store_no: int
    outlet_code: str
    outlet_no: int
    sku: str
    #: What is left of it, like `points`, in the smallest part.
    quantity: int
    points: int
    state: str
    redeemed_on: dt.date
    row_digest: bytes
    #: None for an immediate redemption, and for the part of a reservation that was captured.
    hold: Hold | None

    @property
    def key(self) -> OfferKey:
        """The offer whose pieces it holds."""
        return self.store_no, self.sku


def deadline_of(
    now: dt.datetime, policies: PolicyBook, today: dt.date
) -> tuple[dt.datetime, dt.datetime]:
    """(deadline, the latest it can ever be) of a reservation that is made now."""
    hours = policies.in_force(RedemptionRules, today)[1].reservation_hours
    deadline_at = now + dt.timedelta(hours=hours)
    return deadline_at, latest_of(now, deadline_at, policies.in_force(HoldRules, today)[1])


def require_reserved(reservation: Reservation, name: object) -> Hold:
    """Its hold; raises RedemptionSettled unless nobody has settled it yet."""
    if reservation.state != RESERVED or reservation.hold is None:
        raise RedemptionSettled(redemption=name, state=reservation.state)
    return reservation.hold


def require_capturable(reservation: Reservation, now: dt.datetime, name: object) -> Hold:
    """Its hold; raises RedemptionSettled, or ReservationLapsed from the deadline on."""
    hold = require_reserved(reservation, name)
    if hold.is_overdue(now):
        raise ReservationLapsed(redemption=name, deadline_at=hold.deadline_at)
    return hold


def decide_capture(reservation: Reservation, quantity: int | None, name: object) -> tuple[int, int]:
    """(pieces, points) that are handed over: all that is left, or some of the pieces.

    Raises ReservationExceeded.
    """
    if quantity is None:
        return reservation.quantity, reservation.points
    left = reservation.quantity
    if quantity > left:
        raise ReservationExceeded(redemption=name, left=left, wanted=quantity)
    return quantity, reservation.points // left * quantity


def decide_release(reservation: Reservation, now: dt.datetime, name: object) -> str:
    """The state that a release leaves behind: one past its deadline had lapsed already."""
    return LAPSED if require_reserved(reservation, name).is_overdue(now) else RELEASED
