"""预留 in the reference: points put aside for a payee, captured in parts, extended, released."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from gongyi_bank.commands.holds import (
    CaptureHold,
    CaptureHolds,
    ExtendHold,
    HoldCapture,
    LapseOverdue,
    PlaceHold,
    ReleaseHold,
    ReleaseHolds,
)
from gongyi_bank.errors import UnknownHold
from gongyi_bank.policies import HoldRules
from gongyi_bank.receipts.holds import (
    HoldCaptured,
    HoldExtended,
    HoldPart,
    HoldPlaced,
    HoldReleased,
    HoldsCaptured,
    HoldsLapsed,
    HoldsReleased,
)
from gongyi_bank.rules import holds as rules
from gongyi_bank.rules.customers import require_payable
from gongyi_bank.rules.holds import EarlierHold, Hold
from gongyi_bank.rules.ledger import Head, Mark, internal_no
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import Entry, entry_of
from gongyi_bank.values import Points

_Settling = CaptureHold | CaptureHolds | ReleaseHold | ReleaseHolds | ExtendHold


# --- placing -----------------------------------------------------------------------------------


def place(visit: Visit, command: PlaceHold) -> HoldPlaced:
    """Put points aside: live ones, so what is past its date expires first."""
    books, account_no = visit.books, command.account
    facing = books.stores_named([command.store])
    visit.enter(command, outlets_at=[found.outlet_code for found in facing.values()])
    before = _placed_before(visit, command)
    if before is not None:
        return before
    for found in facing.values():
        outlet = visit.outlets[found.outlet_code]
        require_permission(visit.staff, command.act, outlet, found.store_no)
    visit.require_role(command.act)
    freed = visit.free_lapsed([account_no])
    entry = entry_of(visit, [account_no])
    placing = rules.decide_placing(
        rules.PlacingFacts(
            now=visit.now,
            today=visit.today,
            scale=visit.bank.scale,
            rules=visit.policies.in_force(HoldRules, visit.today)[1],
            customers=books.states([account_no]),
            frozen=books.frozen([account_no], visit.now),
            stores=facing,
            outlets=visit.outlets,
            heads=entry.heads,
        ),
        account_no=account_no,
        points=command.points,
        store=command.store,
        hours=command.hours,
        deadline_at=command.deadline_at,
    )
    hold = Hold(
        hold_id=visit.new_id(),
        account_no=account_no,
        payee_no=internal_no("store", placing.store.store_no),
        amount=placing.amount,
        captured=0,
        state=rules.HELD,
        placed_at=visit.now,
        deadline_at=placing.deadline_at,
        latest_at=placing.latest_at,
        outlet_no=placing.outlet.outlet_no,
        ref=command.ref,
        row_digest=command.request_digest() if command.ref is not None else None,
    )
    head = keep_placed(visit, entry, hold, placing.outlet, freed)
    receipt = HoldPlaced(
        **_booked(visit),
        account=account_no,
        hold_id=UUID(bytes=hold.hold_id),
        store=placing.store.code,
        points=_points(visit, hold.amount),
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
        balance=_points(visit, head.balance),
        available=_points(visit, head.available),
    )
    visit.book(command, receipt, placing.outlet, posting=entry)
    return receipt


def _placed_before(visit: Visit, command: PlaceHold) -> HoldPlaced | None:
    """The receipt of the hold that carries the reference already, whatever became of it."""
    for earlier in visit.books.holds.values():
        if command.ref is not None and earlier.ref == command.ref:
            assert earlier.row_digest is not None
            known = EarlierHold(earlier.row_digest, "")
            rules.is_replay(known, command.request_digest(), command.ref)
            before: HoldPlaced = visit.books.vouchers[earlier.voucher_id].receipt
            return before
    return None


def keep_placed(
    visit: Visit, entry: Entry, hold: Hold, outlet: OutletFacts, freed: Iterable[int]
) -> Head:
    """Put a new hold into the books; what is past its date, it must not keep alive."""
    head = entry.heads[hold.account_no]
    entry.expire(head, outlet.outlet_no)
    hold.place(head)
    visit.books.keep_hold(hold, visit.voucher_id)
    entry.look(hold.account_no)
    visit.expire_freed(entry, freed, outlet)
    return head


# --- what becomes of a hold --------------------------------------------------------------------


def _enter(visit: Visit, command: _Settling, names: Sequence[UUID]) -> Entry:
    """The holds must be known and the actor allowed at their outlets, or for their stores."""
    found = []
    for name in dict.fromkeys(names):
        hold = visit.books.hold(name.bytes)
        if hold is None:
            raise UnknownHold(hold=name)
        found.append(hold)
    visit.enter(command, outlets_at={hold.outlet_code for hold in found})
    for hold in found:
        outlet = visit.outlets[hold.outlet_code]
        require_permission(visit.staff, command.act, outlet, hold.store_no)
    return entry_of(visit, {hold.account_no for hold in found})


def _hold(visit: Visit, name: UUID) -> Hold:
    """A hold that is known to exist, as the acts before have left it."""
    found = visit.books.hold(name.bytes)
    assert found is not None
    return found


def capture(visit: Visit, command: CaptureHold) -> HoldCaptured:
    """Capture one hold."""
    entry = _enter(visit, command, [command.hold])
    part = _capture(visit, entry, HoldCapture(hold=command.hold, points=command.points))
    receipt = HoldCaptured(**_booked(visit), **part.model_dump())
    visit.book(command, receipt, _place_of(visit, command, [command.hold]), posting=entry)
    return receipt


def capture_many(visit: Visit, command: CaptureHolds) -> HoldsCaptured:
    """Capture a list, all or none."""
    names = [wanted.hold for wanted in command.captures]
    entry = _enter(visit, command, names)
    parts = tuple(_capture(visit, entry, wanted) for wanted in command.captures)
    receipt = HoldsCaptured(**_booked(visit), parts=parts)
    visit.book(command, receipt, _place_of(visit, command, names), posting=entry)
    return receipt


def _capture(visit: Visit, entry: Entry, wanted: HoldCapture) -> HoldPart:
    """Debit what was held, honoured also past its date."""
    books, hold = visit.books, _hold(visit, wanted.hold)
    number = hold.account_no
    rules.require_alive(hold, visit.now, wanted.hold)
    require_payable(number, books.states([number]).get(number), books.frozen([number], visit.now))
    amount = rules.decide_amount(hold, wanted.points, visit.bank.scale, wanted.hold)
    outlet = visit.outlets[hold.outlet_code]
    value_on, origin_on = visit.value_day(outlet, visit.today)
    head = entry.pay(hold, amount, Mark("capture", value_on, outlet.outlet_no, origin_on=origin_on))
    return _part(visit, hold, head, amount, head.line_no)


def release(visit: Visit, command: ReleaseHold) -> HoldReleased:
    """Release one hold."""
    entry = _enter(visit, command, [command.hold])
    part = _release(visit, entry, command.hold)
    receipt = HoldReleased(**_booked(visit), **part.model_dump())
    place_of = _place_of(visit, command, [command.hold])
    visit.book(command, receipt, place_of, posting=entry, reason=command.reason)
    return receipt


def release_many(visit: Visit, command: ReleaseHolds) -> HoldsReleased:
    """Release a list, all or none."""
    entry = _enter(visit, command, command.holds)
    parts = tuple(_release(visit, entry, name) for name in command.holds)
    receipt = HoldsReleased(**_booked(visit), parts=parts)
    place_of = _place_of(visit, command, command.holds)
    visit.book(command, receipt, place_of, posting=entry, reason=command.reason)
    return receipt


def _release(visit: Visit, entry: Entry, name: UUID) -> HoldPart:
    """Give free what is left; points past their date expire in the same act."""
    hold = _hold(visit, name)
    head = entry.heads[hold.account_no]
    freed = hold.end(rules.decide_release(hold, visit.now, name), head)
    visit.books.keep_hold(hold, visit.voucher_id)
    entry.expire(head, hold.outlet_no)
    return _part(visit, hold, head, freed, None)


def extend(visit: Visit, command: ExtendHold) -> HoldExtended:
    """Keep the points longer; a hold that has lapsed stays lapsed."""
    entry = _enter(visit, command, [command.hold])
    hold = _hold(visit, command.hold)
    rules.require_alive(hold, visit.now, command.hold)
    hold.extend(rules.decide_extension(hold, command.deadline_at))
    visit.books.keep_hold(hold, visit.voucher_id)
    receipt = HoldExtended(
        **_booked(visit),
        account=hold.account_no,
        hold_id=command.hold,
        points=_points(visit, hold.left),
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
    )
    visit.book(command, receipt, _place_of(visit, command, [command.hold]), posting=entry)
    return receipt


def lapse_overdue(visit: Visit, command: LapseOverdue) -> HoldsLapsed:
    """Sweep holds past their deadline; nobody decides here, the clock has."""
    visit.enter(command)
    handled_at = visit.outlet_for(command.act, None)
    books = visit.books
    overdue = books.overdue(books.lines, visit.now)
    of_account = operator.attrgetter("account_no")
    lapsing, left_out = visit.sweepable(overdue, of_account, command.count_max)
    freed = sum(hold.left for hold in lapsing)
    entry = entry_of(visit, {hold.account_no for hold in lapsing})
    for hold in lapsing:
        hold.end(rules.LAPSED, entry.heads[hold.account_no])
        books.keep_hold(hold, visit.voucher_id)
    for hold in lapsing:
        entry.expire(entry.heads[hold.account_no], handled_at.outlet_no)
    receipt = HoldsLapsed(
        voucher_id=visit.voucher_uuid if lapsing else None,
        business_day=visit.today,
        booked_at=visit.now,
        hold_ids=tuple(UUID(bytes=hold.hold_id) for hold in lapsing),
        points=_points(visit, freed),
        may_be_more=len(lapsing) == command.count_max,
        left_out=left_out,
    )
    if lapsing:
        visit.book(command, receipt, handled_at, posting=entry)
    return receipt


# --- receipts ----------------------------------------------------------------------------------


def _place_of(visit: Visit, command: _Settling, names: Iterable[UUID]) -> OutletFacts:
    places = [visit.outlets[_hold(visit, name).outlet_code] for name in names]
    return visit.handled_at(command.act, places)


def _booked(visit: Visit) -> dict[str, Any]:
    return {
        "voucher_id": visit.voucher_uuid,
        "business_day": visit.today,
        "booked_at": visit.now,
    }


def _points(visit: Visit, units: int) -> Points:
    return Points.of_units(units, visit.bank.scale)


def _part(visit: Visit, hold: Hold, head: Head, amount: int, line_no: int | None) -> HoldPart:
    return HoldPart(
        account=hold.account_no,
        hold_id=UUID(bytes=hold.hold_id),
        state=hold.state,
        points=_points(visit, amount),
        points_left=_points(visit, hold.left),
        line_no=line_no,
        balance=_points(visit, head.balance),
    )


ACTS: Acts = {
    PlaceHold: place,
    CaptureHold: capture,
    CaptureHolds: capture_many,
    ReleaseHold: release,
    ReleaseHolds: release_many,
    ExtendHold: extend,
    LapseOverdue: lapse_overdue,
}
