"""预约的结清 in the reference: what was reserved is captured, held longer, or given free."""

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
from gongyi_bank.rules.ledger import Mark
from gongyi_bank.rules.redemptions import Reservation
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import Entry, entry_of
from gongyi_bank.values import Points


@dataclass(slots=True)
class _Settling:
    """A reservation that somebody may settle, with what is known around it."""

    visit: Visit
    command: Capture | Extend | Release
    reservation: Reservation
    outlet: OutletFacts
    entry: Entry

    def settled(
        self, hold: Hold, quantity: int, points: int, part_id: bytes | None, line_no: int | None
    ) -> ReservationSettled:
        """The receipt of one step."""
        visit, scale = self.visit, self.visit.bank.scale
        return ReservationSettled(
            voucher_id=visit.voucher_uuid,
            business_day=visit.today,
            booked_at=visit.now,
            account=hold.account_no,
            redemption_id=self.command.redemption,
            state=rules.RESERVED if hold.left else hold.state,
            quantity=quantity,
            quantity_left=self.reservation.quantity - quantity,
            points=Points.of_units(points, scale),
            line_no=line_no,
            part_id=UUID(bytes=part_id) if part_id else None,
            balance=Points.of_units(self.entry.heads[hold.account_no].balance, scale),
        )


def _enter(visit: Visit, command: Capture | Extend | Release) -> _Settling:
    """The reservation must be known and the actor allowed at its store."""
    books, name = visit.books, command.redemption
    found = books.redemptions.get(name.bytes)
    if found is None:
        raise UnknownRedemption(redemption=name)
    outlet = books.outlets[books.store_of_no(found.store_no).outlet_no]
    visit.enter(command, outlets_at=[outlet.code])
    require_permission(visit.staff, command.act, outlet, found.store_no)
    reservation = Reservation(
        redemption_id=found.redemption_id,
        account_no=found.account_no,
        store_no=found.store_no,
        outlet_code=outlet.code,
        outlet_no=outlet.outlet_no,
        sku=found.sku,
        quantity=found.quantity,
        points=found.points,
        state=found.state,
        redeemed_on=found.redeemed_on,
        row_digest=found.row_digest,
        hold=books.hold(found.redemption_id),
    )
    return _Settling(visit, command, reservation, outlet, entry_of(visit, [found.account_no]))


def capture(visit: Visit, command: Capture) -> ReservationSettled:
    """Hand over what was reserved, or some of it; points are honoured also past their date."""
    held, books = _enter(visit, command), visit.books
    was, number = held.reservation, held.reservation.account_no
    hold = rules.require_capturable(was, visit.now, command.redemption)
    require_payable(number, books.states([number]).get(number), books.frozen([number], visit.now))
    quantity, points = rules.decide_capture(was, command.quantity, command.redemption)
    value_on, origin_on = visit.value_day(held.outlet, visit.today)
    mark = Mark("redemption", value_on, held.outlet.outlet_no, origin_on=origin_on)
    head = held.entry.pay(hold, points, mark)
    line_no, row = head.line_no, books.redemptions[was.redemption_id]
    part = row._replace(
        state=rules.CAPTURED,
        quantity=quantity,
        points=points,
        line_no=line_no,
        redeemed_on=value_on,
        settled_voucher_id=visit.voucher_id,
    )
    if hold.left:
        # A part becomes a redemption of its own; the reservation keeps the rest.
        part = part._replace(
            redemption_id=visit.new_id(), ref=None, hold_id=was.redemption_id,
            voucher_id=visit.voucher_id,
        )  # fmt: skip
        books.redemptions[row.redemption_id] = row._replace(
            quantity=row.quantity - quantity, points=row.points - points
        )
    books.redemptions[part.redemption_id] = part
    held.entry.expire(head, held.outlet.outlet_no)
    receipt = held.settled(hold, quantity, points, part.redemption_id, line_no)
    visit.book(command, receipt, held.outlet, posting=held.entry)
    return receipt


def release(visit: Visit, command: Release) -> ReservationSettled:
    """Give free what is left of a reservation; one past its deadline is settled as lapsed."""
    held = _enter(visit, command)
    was = held.reservation
    state = rules.decide_release(was, visit.now, command.redemption)
    hold = rules.require_reserved(was, command.redemption)
    head = held.entry.heads[was.account_no]
    points = hold.end(state, head)
    visit.books.keep_hold(hold, visit.voucher_id)
    held.entry.expire(head, held.outlet.outlet_no)
    receipt = held.settled(hold, was.quantity, points, None, None)
    visit.book(command, receipt, held.outlet, posting=held.entry, reason=command.reason)
    return receipt


def extend(visit: Visit, command: Extend) -> ReservationExtended:
    """Hold points and goods longer; a reservation that has lapsed stays lapsed."""
    held = _enter(visit, command)
    hold = rules.require_capturable(held.reservation, visit.now, command.redemption)
    hold.extend(hold_rules.decide_extension(hold, command.deadline_at))
    visit.books.keep_hold(hold, visit.voucher_id)
    receipt = ReservationExtended(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=hold.account_no,
        redemption_id=command.redemption,
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
    )
    visit.book(command, receipt, held.outlet, posting=held.entry)
    return receipt


ACTS: Acts = {
    Capture: capture,
    Release: release,
    Extend: extend,
}
