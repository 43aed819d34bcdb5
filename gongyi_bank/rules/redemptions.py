"""兑换的规则: a list of redemption rows against the books, decided as a fold.

Each row sees stock and points as changed by the rows before it, so a list gives the same
books as one by one. A row is decided by the first rule that applies, in this order: the
same reference (replay or conflict), in the future, unknown customer, closed or frozen
account, passbook reported lost, unknown store, store not in the alliance that day or its
outlet closed, store not in the alliance today (unless an importer sends what was redeemed
before), unknown or withdrawn offer, more pieces than the policy allows at once, out of
stock, insufficient points. A reservation is judged by the same rules.
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
    PassbookFrozen,
    RedemptionSettled,
    ReservationLapsed,
    UnknownCustomer,
)
from gongyi_bank.policies import PolicyBook, RedemptionRules
from gongyi_bank.rules.accrual import Declined, require_open_outlet
from gongyi_bank.rules.customers import require_usable
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
from gongyi_bank.values import Points, format_passbook_no

REDEEMED: Final = "redeemed"
RESERVED: Final = "reserved"
CAPTURED: Final = "captured"
RELEASED: Final = "released"
LAPSED: Final = "lapsed"
REPLAYED: Final = "replayed"
REFUSED: Final = "refused"
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


@dataclass(slots=True)
class RedemptionAccepted:
    """A row for which goods are given out, or put aside."""

    row: RedemptionRow
    store: StoreFacts
    outlet: OutletFacts
    offer: OfferFacts
    redeemed_on: dt.date
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
    return RedemptionAccepted(row, store, outlet, offer, day, record)


def _require_customer(facts: RedemptionFacts, row: RedemptionRow) -> int:
    account_no = row.account
    if account_no is None:
        account_no = facts.customers_by_ref.get(row.customer_ref or "")
    if account_no is None or account_no not in facts.customers:
        raise UnknownCustomer(account=row.account or row.customer_ref)
    require_payable(account_no, facts.customers[account_no], facts.frozen)
    return account_no


def require_payable(account_no: int, state: str | None, frozen: Mapping[int, int]) -> None:
    """Raise UnknownCustomer, AccountClosed, AccountFrozen or PassbookFrozen unless points
    may leave the account now."""
    require_usable(account_no, state)
    if account_no in frozen:
        raise PassbookFrozen(account=account_no, serial=format_passbook_no(frozen[account_no]))


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
    """A redemption as it stands, with its deadline if it was reserved."""

    redemption_id: bytes
    account_no: int
    store_no: int
    outlet_code: str
    outlet_no: int
    sku: str
    quantity: int
    #: In the smallest part.
    points: int
    state: str
    redeemed_on: dt.date
    #: From this moment on it has lapsed; None for an immediate redemption.
    deadline_at: dt.datetime | None

    @property
    def key(self) -> OfferKey:
        """The offer whose pieces it holds."""
        return self.store_no, self.sku

    def is_overdue(self, now: dt.datetime) -> bool:
        """Whether it has lapsed by the clock, swept or not."""
        return self.deadline_at is not None and now >= self.deadline_at


def deadline_of(now: dt.datetime, policies: PolicyBook, today: dt.date) -> dt.datetime:
    """Until when a reservation that is made now is held."""
    hours = policies.in_force(RedemptionRules, today)[1].reservation_hours
    return now + dt.timedelta(hours=hours)


def require_reserved(reservation: Reservation, name: object) -> None:
    """Raise RedemptionSettled unless nobody has settled it yet."""
    if reservation.state != RESERVED:
        raise RedemptionSettled(redemption=name, state=reservation.state)


def require_capturable(reservation: Reservation, now: dt.datetime, name: object) -> None:
    """Raise RedemptionSettled, or ReservationLapsed from the deadline on."""
    require_reserved(reservation, name)
    if reservation.is_overdue(now):
        raise ReservationLapsed(redemption=name, deadline_at=reservation.deadline_at)


def decide_release(reservation: Reservation, now: dt.datetime, name: object) -> str:
    """The state that a release leaves behind: one past its deadline had lapsed already."""
    require_reserved(reservation, name)
    return LAPSED if reservation.is_overdue(now) else RELEASED
