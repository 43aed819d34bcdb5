"""预留: points put aside for a payee, captured in parts, extended, released, swept.

Whoever asks what may be spent, or taken back, gives free first what of the same customer has
lapsed unswept (`Overdue`), so that a deadline means the same before and after a sweep.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from gongyi_bank.receipts.base import AnyReceipt
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
from gongyi_bank.rules.holds import Hold, Placing
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, internal_no
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.rules.stores import OfferFacts, OfferKey
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.sweeps import closed_today, find_due
from gongyi_bank.store import holds as store
from gongyi_bank.store import hours, outlets, passbooks, redemptions, stores
from gongyi_bank.store.policies import load_stamp
from gongyi_bank.values import Points

_Settling = CaptureHold | CaptureHolds | ReleaseHold | ReleaseHolds | ExtendHold


# --- what every act does that touches holds ----------------------------------------------------


def free(
    heads: Mapping[int, Head], offers: Mapping[OfferKey, OfferFacts], lapsed: Iterable[Hold]
) -> None:
    """Give free what lapsed holds keep: points, and the pieces of reservations."""
    for hold in lapsed:
        if hold.goods is not None:
            offers[hold.goods.key].free(hold.goods.quantity)
        head = heads[hold.account_no]
        hold.end(rules.LAPSED, head)
        # What is free again settles a debt at once: whoever closes the account asks for it.
        head.debt = min(head.debt, head.short)


def write(visit: Visit, posting: Posting, holds: Iterable[Hold], outlet: OutletFacts) -> None:
    """Write what became of these holds; what they no longer keep past its date expires now."""
    changed = list(holds)
    for hold in changed:
        posting.expire(posting.heads[hold.account_no], outlet.outlet_no)
    ended = [hold for hold in changed if hold.state in (rules.RELEASED, rules.LAPSED)]
    store.write_holds(visit.writes, changed, visit.voucher_id)
    redemptions.write_ended(visit.writes, ended, visit.voucher_id)


def new_hold_id(visit: Visit) -> bytes:
    """An id in the order of the acts, also of those of one millisecond (see `gate`)."""
    return visit.new_id()


def goods_of(holds: Iterable[Hold]) -> set[OfferKey]:
    """The offers whose pieces these holds keep."""
    return {hold.goods.key for hold in holds if hold.goods is not None}


class Overdue:
    """The lapsed holds of some accounts, for an act that asks what these have.

    Looked for behind the heads' locks; only where reservations lapsed, their goods are locked
    then and read, which costs a statement or two more and keeps the order of all locks.
    """

    def __init__(self, visit: Visit, accounts: Iterable[int]) -> None:
        self._visit = visit
        numbers = set(accounts)
        #: The question, to be answered behind the heads' locks.
        self.asks = [store.ask_overdue_of(numbers, visit.now)] if numbers else []

    def settle(self, posting: Posting) -> Settled:
        """Give free what they keep; `write` writes it."""
        lapsed = [hold for ask in self.asks for hold in ask.answer]
        offers: dict[OfferKey, OfferFacts] = {}
        keys = goods_of(lapsed)
        if keys:
            asked = stores.ask_offers(keys)
            self._visit.tx.lock(asked)
            offers = self._visit.tx.look(asked)
        free(posting.heads, offers, lapsed)
        return Settled(lapsed, offers)


@dataclass(frozen=True, slots=True)
class Settled:
    """Holds that an act found lapsed on its way."""

    holds: Sequence[Hold]
    offers: Mapping[OfferKey, OfferFacts]

    @property
    def facts(self) -> dict[str, object]:
        """For the voucher."""
        return facts_on_lapses(self.holds)

    def write(self, visit: Visit, posting: Posting, outlet: OutletFacts, *placed: Hold) -> None:
        """Write what became of them, and of new ones; what is free and past its date expires."""
        write(visit, posting, [*self.holds, *placed], outlet)
        stores.write_stock(visit.writes, self.offers.values(), visit.voucher_id)


#: Where no hold was found lapsed, or none was looked for.
NOTHING_LAPSED = Settled((), {})


# --- placing -----------------------------------------------------------------------------------


def place(visit: Visit, command: PlaceHold) -> HoldPlaced:
    """Put points aside: live ones, so what is past its date expires first."""
    digest = command.request_digest()
    account_no = command.account
    known = stores.ask_stores([command.store])
    visit.tx.gather(known)
    places = {found.outlet_code for found in known.answer.values()}
    visit.lock([account_no], outlets_at=places)
    overdue = Overdue(visit, [account_no])
    customers = hours.ask_customers([account_no])
    frozen = passbooks.ask_frozen([account_no], visit.now)
    is_fixed = visit.tx.engine.locks_at_begin
    facing = known if is_fixed else stores.ask_stores([command.store])
    again = () if is_fixed else (facing,)
    earlier = [store.ask_by_ref(command.ref)] if command.ref is not None else []
    visit.enter(
        command,
        outlets_at=places,
        asks=(customers, frozen, *earlier, *again, *overdue.asks),
    )
    for ask in earlier:
        if ask.answer is not None and rules.is_replay(ask.answer, digest, command.ref):
            return HoldPlaced.from_json(json.loads(ask.answer.body)["receipt"])
    for found in facing.answer.values():
        require_permission(
            visit.staff, command.act, visit.outlets[found.outlet_code], found.store_no
        )
    visit.require_role(command.act)
    posting = visit.posting(visit.heads())
    lapsed = overdue.settle(posting)
    placing = rules.decide_placing(
        rules.PlacingFacts(
            now=visit.now,
            today=visit.today,
            scale=visit.tx.bank.scale,
            rules=visit.policies.in_force(HoldRules, visit.today)[1],
            customers={no: customer.state for no, customer in customers.answer.items()},
            frozen=frozen.answer,
            stores=facing.answer,
            outlets=visit.outlets,
            heads=posting.heads,
        ),
        account_no=account_no,
        points=command.points,
        store=command.store,
        hours=command.hours,
        deadline_at=command.deadline_at,
    )
    return _place(visit, command, posting, placing, lapsed)


def _place(
    visit: Visit,
    command: PlaceHold,
    posting: Posting,
    placing: Placing,
    lapsed: Settled,
) -> HoldPlaced:
    head, outlet = posting.heads[command.account], placing.outlet
    hold = Hold(
        hold_id=new_hold_id(visit),
        account_no=head.account_no,
        payee_no=internal_no("store", placing.store.store_no),
        amount=placing.amount,
        captured=0,
        state=rules.HELD,
        placed_at=visit.now,
        deadline_at=placing.deadline_at,
        latest_at=placing.latest_at,
        outlet_no=outlet.outlet_no,
        ref=command.ref,
        row_digest=command.request_digest() if command.ref is not None else None,
    )
    posting.expire(head, outlet.outlet_no)
    hold.place(head)
    lapsed.write(visit, posting, outlet, hold)
    scale = visit.tx.bank.scale
    receipt = HoldPlaced(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=head.account_no,
        hold_id=UUID(bytes=hold.hold_id),
        store=placing.store.code,
        points=Points.of_units(hold.amount, scale),
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
        balance=Points.of_units(head.balance, scale),
        available=Points.of_units(head.available, scale),
    )
    visit.book(command, receipt, outlet, posting=posting, facts=lapsed.facts)
    return receipt


def facts_on_lapses(lapsed: Iterable[Hold]) -> dict[str, object]:
    """For the voucher: the holds that an act found lapsed on its way."""
    ids = [str(UUID(bytes=hold.hold_id)) for hold in lapsed]
    return {"lapsed": ids} if ids else {}


# --- what becomes of a hold --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """Holds whose customers are locked, by id, with what is known around them."""

    holds: dict[UUID, Hold]
    posting: Posting
    #: The state of each customer's account, and the lost passbooks.
    states: dict[int, str]
    frozen: dict[int, int]


def _enter(visit: Visit, command: _Settling, ids: Iterable[UUID]) -> _Found:
    """Lock the customers, then read the holds as they are now."""
    names = list(dict.fromkeys(ids))
    asks = store.asks_by_ids(name.bytes for name in names)
    visit.tx.gather(*asks)
    seen = {UUID(bytes=hold.hold_id): hold for ask in asks for hold in ask.answer}
    for name in names:
        if name not in seen:
            raise UnknownHold(hold=name)
    numbers = {hold.account_no for hold in seen.values()}
    places = {hold.outlet_code for hold in seen.values()}
    visit.lock(numbers, outlets_at=places)
    customers = hours.ask_customers(numbers)
    frozen = passbooks.ask_frozen(numbers, visit.now)
    # Behind row locks they are asked again; a lock taken at BEGIN has kept the first answers.
    again = () if visit.tx.engine.locks_at_begin else asks
    visit.enter(command, outlets_at=places, asks=(*again, customers, frozen))
    holds = {UUID(bytes=hold.hold_id): hold for ask in asks for hold in ask.answer}
    # A store may leave and its outlet close: what is held for it is still honoured.
    for name in names:
        hold = holds[name]
        outlet = visit.outlets[hold.outlet_code]
        require_permission(visit.staff, command.act, outlet, hold.store_no)
    return _Found(
        holds=holds,
        posting=visit.posting(visit.heads()),
        states={no: customer.state for no, customer in customers.answer.items()},
        frozen=frozen.answer,
    )


def capture(visit: Visit, command: CaptureHold) -> HoldCaptured:
    """Capture one hold: a list of one."""
    wanted = HoldCapture(hold=command.hold, points=command.points)
    found = _enter(visit, command, [command.hold])
    (part,) = _capture(visit, found, [wanted])
    receipt = HoldCaptured(**_booked(visit), **part.model_dump())
    _book(visit, command, receipt, found)
    return receipt


def capture_many(visit: Visit, command: CaptureHolds) -> HoldsCaptured:
    """Capture a list, all or none."""
    found = _enter(visit, command, [wanted.hold for wanted in command.captures])
    parts = _capture(visit, found, command.captures)
    receipt = HoldsCaptured(**_booked(visit), parts=tuple(parts))
    _book(visit, command, receipt, found)
    return receipt


def _capture(visit: Visit, found: _Found, captures: Iterable[HoldCapture]) -> list[HoldPart]:
    """Debit what was held, honoured also past its date, and note it in the holds."""
    parts = []
    for wanted in captures:
        hold = found.holds[wanted.hold]
        rules.require_alive(hold, visit.now, wanted.hold)
        require_payable(hold.account_no, found.states.get(hold.account_no), found.frozen)
        amount = rules.decide_amount(hold, wanted.points, visit.tx.bank.scale, wanted.hold)
        outlet, head = visit.outlets[hold.outlet_code], found.posting.heads[hold.account_no]
        value_on, origin_on = visit.value_day(outlet, visit.today)
        leg = Leg(head.account_no, hold.payee_no, amount)
        mark = Mark("capture", value_on, outlet.outlet_no, origin_on=origin_on)
        found.posting.capture(head, leg, mark)
        hold.capture(amount, head.line_no)
        parts.append(_part(visit, hold, head, amount, head.line_no))
    return parts


def release(visit: Visit, command: ReleaseHold) -> HoldReleased:
    """Release one hold: a list of one."""
    found = _enter(visit, command, [command.hold])
    (part,) = _release(visit, found, [command.hold])
    receipt = HoldReleased(**_booked(visit), **part.model_dump())
    _book(visit, command, receipt, found, reason=command.reason)
    return receipt


def release_many(visit: Visit, command: ReleaseHolds) -> HoldsReleased:
    """Release a list, all or none."""
    found = _enter(visit, command, command.holds)
    parts = _release(visit, found, command.holds)
    receipt = HoldsReleased(**_booked(visit), parts=tuple(parts))
    _book(visit, command, receipt, found, reason=command.reason)
    return receipt


def _release(visit: Visit, found: _Found, names: Iterable[UUID]) -> list[HoldPart]:
    """Give free what is left; points past their date expire in the same act."""
    parts = []
    for name in names:
        hold = found.holds[name]
        state = rules.decide_release(hold, visit.now, name)
        head = found.posting.heads[hold.account_no]
        freed = hold.end(state, head)
        found.posting.expire(head, hold.outlet_no)
        parts.append(_part(visit, hold, head, freed, None))
    return parts


def extend(visit: Visit, command: ExtendHold) -> HoldExtended:
    """Keep the points longer; a hold that has lapsed stays lapsed."""
    found = _enter(visit, command, [command.hold])
    hold = found.holds[command.hold]
    rules.require_alive(hold, visit.now, command.hold)
    hold.extend(rules.decide_extension(hold, command.deadline_at))
    receipt = HoldExtended(
        **_booked(visit),
        account=hold.account_no,
        hold_id=command.hold,
        points=Points.of_units(hold.left, visit.tx.bank.scale),
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
    )
    _book(visit, command, receipt, found)
    return receipt


def _booked(visit: Visit) -> dict[str, Any]:
    return {
        "voucher_id": visit.voucher_uuid,
        "business_day": visit.today,
        "booked_at": visit.now,
    }


def _part(visit: Visit, hold: Hold, head: Head, amount: int, line_no: int | None) -> HoldPart:
    scale = visit.tx.bank.scale
    return HoldPart(
        account=hold.account_no,
        hold_id=UUID(bytes=hold.hold_id),
        state=hold.state,
        points=Points.of_units(amount, scale),
        points_left=Points.of_units(hold.left, scale),
        line_no=line_no,
        balance=Points.of_units(head.balance, scale),
    )


def _book(
    visit: Visit,
    command: _Settling,
    receipt: AnyReceipt,
    found: _Found,
    reason: str | None = None,
) -> None:
    store.write_holds(visit.writes, found.holds.values(), visit.voucher_id)
    places = [visit.outlets[hold.outlet_code] for hold in found.holds.values()]
    outlet = visit.handled_at(command.act, places)
    visit.book(command, receipt, outlet, posting=found.posting, reason=reason)


def lapse_overdue(visit: Visit, command: LapseOverdue) -> HoldsLapsed:
    """Sweep holds past their deadline; nobody decides here, the clock has."""
    _, closed = visit.shelf.of(visit.tx, load_stamp(visit.tx))
    came_at = visit.now

    def list_after(last: Hold | None, size: int) -> list[Hold]:
        return store.load_overdue(visit.tx, came_at, last, size)

    of_account = operator.attrgetter("account_no")
    seen, left_out = find_due(visit, closed, list_after, of_account, command.count_max)
    numbers = {hold.account_no for hold in seen}
    if numbers:  # or nothing will be written, and whoever closes a day waits for no lock
        visit.lock(numbers)
    wanted = {hold.hold_id for hold in seen}
    overdue = visit.tx.look(store.ask_overdue_of(numbers, visit.now))
    found = [hold for hold in overdue if hold.hold_id in wanted]
    offered, places = stores.ask_offers(goods_of(found)), outlets.ask_places(numbers)
    visit.tx.lock(offered)
    visit.enter(command, asks=(offered, places))
    handled_at = visit.outlet_for(command.act, None)
    posting = visit.posting(visit.heads())
    # Asked again behind the locks: a branch may have closed, or somebody moved, meanwhile.
    shut = closed_today(visit, visit.closed, numbers, visit.homes, places.answer)
    lapsing = [hold for hold in found if hold.account_no not in shut]
    offers = offered.answer
    freed = sum(hold.left for hold in lapsing)
    free(posting.heads, offers, lapsing)
    write(visit, posting, lapsing, handled_at)
    stores.write_stock(visit.writes, offers.values(), visit.voucher_id)
    receipt = HoldsLapsed(
        voucher_id=visit.voucher_uuid if lapsing else None,
        business_day=visit.today,
        booked_at=visit.now,
        hold_ids=tuple(UUID(bytes=hold.hold_id) for hold in lapsing),
        points=Points.of_units(freed, visit.tx.bank.scale),
        may_be_more=len(seen) == command.count_max,
        left_out=left_out + len(found) - len(lapsing),
    )
    if lapsing:
        visit.book(command, receipt, handled_at, posting=posting)
    return receipt
