"""预约的结清: what was reserved is captured whole or in parts, held longer, or given free."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from gongyi_bank.commands.redemptions import Capture, Extend, Release
from gongyi_bank.errors import UnknownRedemption
from gongyi_bank.receipts.redemptions import ReservationExtended, ReservationSettled
from gongyi_bank.rules import holds as hold_rules
from gongyi_bank.rules import redemptions as rules
from gongyi_bank.rules.customers import require_payable
from gongyi_bank.rules.holds import Hold
from gongyi_bank.rules.ledger import Leg, Mark, Posting
from gongyi_bank.rules.redemptions import EarlierRedemption, Reservation
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.rules.stores import OfferFacts
from gongyi_bank.service import holds
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import holds as hold_store
from gongyi_bank.store import hours, passbooks, stores
from gongyi_bank.store import redemptions as store
from gongyi_bank.values import Points


def capture(visit: Visit, command: Capture) -> ReservationSettled:
    """Hand over what was reserved, or some of it; points are honoured also past their date."""
    held = _enter_settling(visit, command)
    reservation, account_no = held.reservation, held.reservation.account_no
    hold = rules.require_capturable(reservation, visit.now, command.redemption)
    require_payable(account_no, held.customer_state, held.frozen)
    quantity, points = rules.decide_capture(reservation, command.quantity, command.redemption)
    head = held.posting.heads[account_no]
    value_on, origin_on = visit.value_day(held.outlet, visit.today)
    leg = Leg(account_no, hold.payee_no, points)
    mark = Mark("redemption", value_on, held.outlet.outlet_no, origin_on=origin_on)
    held.posting.capture(head, leg, mark)
    hold.capture(points, head.line_no)
    held.offer.hand_over(quantity)
    part_id = hold.hold_id
    if hold.left:
        part_id = holds.new_hold_id(visit)
        part = EarlierRedemption(
            part_id, account_no, rules.CAPTURED, reservation.row_digest, points, head.line_no
        )
        store.write_part(visit.writes, reservation, part, quantity, value_on, visit.voucher_id)
    else:
        store.write_captured(visit.writes, reservation, head.line_no, value_on, visit.voucher_id)
    handed_over = _HandedOver(quantity, points, head.line_no, part_id)
    return _settle(visit, command, held, hold, handed_over)


def release(visit: Visit, command: Release) -> ReservationSettled:
    """Give free what is left of a reservation; one past its deadline is settled as lapsed."""
    held = _enter_settling(visit, command)
    reservation = held.reservation
    state = rules.decide_release(reservation, visit.now, command.redemption)
    hold = rules.require_reserved(reservation, command.redemption)
    points = hold.end(state, held.posting.heads[reservation.account_no])
    held.offer.free(reservation.quantity)
    given_free = _HandedOver(reservation.quantity, points)
    return _settle(visit, command, held, hold, given_free, reason=command.reason)


def extend(visit: Visit, command: Extend) -> ReservationExtended:
    """Hold points and goods longer; a reservation that has lapsed stays lapsed."""
    held = _enter_settling(visit, command)
    hold = rules.require_capturable(held.reservation, visit.now, command.redemption)
    hold.extend(hold_rules.decide_extension(hold, command.deadline_at))
    hold_store.write_holds(visit.writes, [hold], visit.voucher_id)
    receipt = ReservationExtended(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=hold.account_no,
        redemption_id=command.redemption,
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
    )
    visit.book(command, receipt, held.outlet, posting=held.posting)
    return receipt


@dataclass(frozen=True, slots=True)
class _HandedOver:
    """The pieces and points of one step; without a line they are given free."""

    quantity: int
    points: int
    line_no: int | None = None
    #: The redemption that stands for them.
    part_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """A reservation whose customer and offer are locked, with what is known around it."""

    reservation: Reservation
    outlet: OutletFacts
    offer: OfferFacts
    posting: Posting
    customer_state: str
    frozen: dict[int, int]


def _enter_settling(visit: Visit, command: Capture | Extend | Release) -> _Held:
    """Lock the customer and the offer, then read the reservation as it is now."""
    ask = store.ask_reservation(command.redemption.bytes)
    seen = visit.tx.look(ask)
    if seen is None:
        raise UnknownRedemption(redemption=command.redemption)
    account_no = seen.account_no
    offers = stores.ask_offers([seen.key])
    visit.lock([account_no], offers, outlets_at=[seen.outlet_code])
    customers = hours.ask_customers([account_no])
    frozen = passbooks.ask_frozen([account_no], visit.now)
    again = () if visit.tx.engine.locks_at_begin else (ask,)
    asks = (*again, offers, customers, frozen)
    visit.enter(command, outlets_at=[seen.outlet_code], asks=asks)
    # A store may leave and its outlet close: what is reserved there is still honoured.
    outlet = visit.outlets[seen.outlet_code]
    require_permission(visit.staff, command.act, outlet, seen.store_no)
    reservation = ask.answer
    assert reservation is not None
    return _Held(
        reservation=reservation,
        outlet=outlet,
        offer=offers.answer[seen.key],
        posting=visit.posting(visit.heads()),
        customer_state=customers.answer[account_no].state,
        frozen=frozen.answer,
    )


def _settle(
    visit: Visit,
    command: Capture | Release,
    held: _Held,
    hold: Hold,
    step: _HandedOver,
    reason: str | None = None,
) -> ReservationSettled:
    scale = visit.tx.bank.scale
    holds.write(visit, held.posting, [hold], held.outlet)
    stores.write_stock(visit.writes, [held.offer], visit.voucher_id)
    receipt = ReservationSettled(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=hold.account_no,
        redemption_id=command.redemption,
        state=rules.RESERVED if hold.left else hold.state,
        quantity=step.quantity,
        quantity_left=held.reservation.quantity - step.quantity,
        points=Points.of_units(step.points, scale),
        line_no=step.line_no,
        part_id=UUID(bytes=step.part_id) if step.part_id else None,
        balance=Points.of_units(held.posting.heads[hold.account_no].balance, scale),
    )
    visit.book(command, receipt, held.outlet, posting=held.posting, reason=reason)
    return receipt
