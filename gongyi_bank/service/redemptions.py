"""兑换: points out of the passbook and goods out of the store, at once or by reservation."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from gongyi_bank.commands.redemptions import (
    Capture,
    LapseOverdue,
    Redeem,
    RedeemMany,
    RedemptionRow,
    Release,
    Reserve,
)
from gongyi_bank.errors import UnknownRedemption
from gongyi_bank.receipts.hours import ManyRecorded, RowOutcome
from gongyi_bank.receipts.redemptions import (
    GoodsRedeemed,
    GoodsReserved,
    ReservationSettled,
    ReservationsLapsed,
)
from gongyi_bank.rules import redemptions as rules
from gongyi_bank.rules.accrual import Declined
from gongyi_bank.rules.ledger import Leg, Mark, Posting, internal_no
from gongyi_bank.rules.redemptions import (
    RedemptionAccepted,
    RedemptionDecision,
    RedemptionFacts,
    RedemptionReplayed,
    Reservation,
)
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.rules.stores import OfferFacts, OfferKey, StoreFacts
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import hours, passbooks, stores
from gongyi_bank.store import redemptions as store
from gongyi_bank.store.ledger import ask_heads
from gongyi_bank.store.redemptions import Settled
from gongyi_bank.values import Points, new_uuid7


def redeem(visit: Visit, command: Redeem) -> GoodsRedeemed:
    """Redeem at once: a list of one. A refusal is raised."""
    run = _judge(visit, command, [command.row()], rules.REDEMPTION)
    decision = run.only_one()
    if isinstance(decision, RedemptionReplayed):
        return _redeemed_before(visit, run, decision)
    run.post()
    record = decision.record
    assert record.line_no is not None
    receipt = GoodsRedeemed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=record.account_no,
        redemption_id=UUID(bytes=record.redemption_id),
        store=decision.store.code,
        sku=decision.offer.sku,
        quantity=decision.row.quantity,
        points=run.points(record.points),
        line_no=record.line_no,
        balance=run.points(run.balances[record.redemption_id]),
    )
    visit.book(command, receipt, decision.outlet, posting=run.posting, facts=run.facts_on_lapses())
    return receipt


def redeem_many(visit: Visit, command: RedeemMany) -> ManyRecorded:
    """Redeem a list: each row is redeemed, is a replay, or is refused by itself."""
    run = _judge(visit, command, command.rows, rules.REDEMPTION)
    accepted = run.accepted
    if accepted:
        run.post()
    receipt = ManyRecorded(
        voucher_id=visit.voucher_uuid if accepted else None,
        business_day=visit.today,
        booked_at=visit.now,
        outcomes=tuple(_outcome(i, run, d) for i, d in enumerate(run.decisions)),
    )
    if accepted:
        own = visit.handled_at(command.act, [decision.outlet for decision in accepted])
        keep = command.idempotency_key is not None
        visit.book(
            command, receipt, own, posting=run.posting, keep_receipt=keep,
            facts=run.facts_on_lapses(),
        )  # fmt: skip
    return receipt


def reserve(visit: Visit, command: Reserve) -> GoodsReserved:
    """Hold points and goods until the deadline; judged like a redemption."""
    run = _judge(visit, command, [command.row()], rules.RESERVATION)
    decision = run.only_one()
    if isinstance(decision, RedemptionReplayed):
        return _reserved_before(visit, run, decision)
    deadline_at = rules.deadline_of(visit.now, visit.policies, visit.today)
    run.hold(decision, deadline_at)
    receipt = GoodsReserved(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=decision.record.account_no,
        redemption_id=UUID(bytes=decision.record.redemption_id),
        store=decision.store.code,
        sku=decision.offer.sku,
        quantity=decision.row.quantity,
        points=run.points(decision.record.points),
        deadline_at=deadline_at,
    )
    visit.book(command, receipt, decision.outlet, posting=run.posting, facts=run.facts_on_lapses())
    return receipt


class _Run:
    """Rows judged against locked facts, and what becomes of them in the ledger."""

    def __init__(self, visit: Visit, facts: RedemptionFacts, posting: Posting) -> None:
        self.visit = visit
        self.posting = posting
        self.offers = facts.offers
        self.decisions: list[RedemptionDecision] = []
        #: Reservations of these customers that had lapsed unswept; settled on the way.
        self.lapsed: list[Reservation] = []
        #: The balance after each redeemed row.
        self.balances: dict[bytes, int] = {}

    @property
    def accepted(self) -> list[RedemptionAccepted]:
        """The rows for which something is given out or put aside."""
        return [d for d in self.decisions if isinstance(d, RedemptionAccepted)]

    def only_one(self) -> RedemptionAccepted | RedemptionReplayed:
        """What was decided on a list of one; its refusal is raised."""
        decision = self.decisions[0]
        if isinstance(decision, Declined):
            raise decision.error
        return decision

    def points(self, units: int) -> Points:
        """An amount for a receipt."""
        return Points.of_units(units, self.visit.tx.bank.scale)

    def post(self) -> None:
        """Debit every accepted row, and write redemptions and stock."""
        rows = []
        for decision in self.accepted:
            record = decision.record
            head = self.posting.heads[record.account_no]
            record.redemption_id = _new_id(self.visit)
            leg = Leg(head.account_no, _account_of(decision.store.store_no), record.points)
            mark = Mark("redemption", decision.redeemed_on, decision.outlet.outlet_no)
            self.posting.post(leg, mark)
            record.line_no = head.line_no
            self.balances[record.redemption_id] = head.balance
            rows.append(self._row(decision, hold_id=None))
        self._write(rows)

    def hold(self, decision: RedemptionAccepted, deadline_at: dt.datetime) -> None:
        """Put the points aside: live ones, so what is past its date expires first."""
        visit, record = self.visit, decision.record
        head = self.posting.heads[record.account_no]
        record.redemption_id = _new_id(visit)
        self.posting.expire(head, decision.outlet.outlet_no)
        head.held += record.points
        head.is_touched = True
        hold = (
            record.redemption_id, head.account_no, record.points, 0, "held", visit.now,
            deadline_at, visit.voucher_id, None,
        )  # fmt: skip
        store.write_holds(visit.writes, [hold])
        self._write([self._row(decision, hold_id=record.redemption_id)])

    def _row(self, decision: RedemptionAccepted, hold_id: bytes | None) -> tuple[object, ...]:
        record, row = decision.record, decision.row
        return (
            record.redemption_id, record.account_no, decision.store.store_no, row.sku,
            row.quantity, record.points, record.state, row.ref, record.row_digest,
            decision.redeemed_on, record.line_no, hold_id, self.visit.voucher_id, None,
        )  # fmt: skip

    def _write(self, rows: list[tuple[object, ...]]) -> None:
        visit = self.visit
        store.write_redemptions(visit.writes, rows)
        settled = [Settled(reservation, rules.LAPSED) for reservation in self.lapsed]
        store.write_settled(visit.writes, settled, visit.voucher_id)
        stores.write_stock(visit.writes, self.offers.values(), visit.voucher_id)

    def facts_on_lapses(self) -> dict[str, object]:
        """For the voucher: the reservations that were found lapsed."""
        ids = [str(UUID(bytes=reservation.redemption_id)) for reservation in self.lapsed]
        return {"lapsed": ids} if ids else {}


def _new_id(visit: Visit) -> bytes:
    return new_uuid7(visit.now, os.urandom(10))


def _account_of(store_no: int) -> int:
    """The internal account of what a store has taken."""
    return internal_no("store", store_no)


def _judge(
    visit: Visit,
    command: Redeem | RedeemMany | Reserve,
    rows: Sequence[RedemptionRow],
    purpose: str,
) -> _Run:
    """Lock heads, then offers; read everything around the rows, and let the rules decide."""
    by_ref = hours.load_customers_by_ref(visit.tx, [r.customer_ref for r in rows if r.customer_ref])
    numbers = {row.account for row in rows if row.account is not None}
    numbers |= {customer.account_no for customer in by_ref.values()}
    came_at = visit.now
    known = stores.ask_stores(row.store for row in rows)
    overdue = store.ask_overdue_of(numbers, came_at)
    visit.tx.gather(known, overdue)
    keys = _keys(known.answer, rows) | {reservation.key for reservation in overdue.answer}
    visit.lock(numbers, stores.ask_lock_offers(keys))
    heads, customers = ask_heads(numbers), hours.ask_customers(numbers)
    frozen = passbooks.ask_frozen(numbers, visit.now)
    offers = stores.ask_offers(keys)
    # Behind row locks these are asked again; a lock taken at BEGIN has kept the first answers.
    is_fixed = visit.tx.engine.locks_at_begin
    facing = known if is_fixed else stores.ask_stores(known.answer)
    again = () if is_fixed else (facing, overdue)
    refs = store.ask_by_ref(row.ref for row in rows if row.ref)
    visit.enter(
        command,
        outlets_at={found.outlet_code for found in known.answer.values()},
        asks=(heads, customers, frozen, offers, refs, *again),
    )
    if not isinstance(command, RedeemMany):  # in a list each row is refused by itself
        _require_permission(visit, command.act, known.answer)
    visit.require_role(command.act)
    facts = RedemptionFacts(
        today=visit.today,
        scale=visit.tx.bank.scale,
        policies=visit.policies,
        actor=visit.staff,
        customers={no: customer.state for no, customer in customers.answer.items()},
        customers_by_ref={ref: customer.account_no for ref, customer in by_ref.items()},
        frozen=frozen.answer,
        stores=facing.answer,
        outlets=visit.outlets,
        offers=offers.answer,
        available={},
        refs=refs.answer,
    )
    run = _Run(visit, facts, visit.posting(visit.bring_up(heads.answer)))
    # Asked again behind the locks: what somebody settled meanwhile is no longer among them.
    run.lapsed = [reservation for reservation in overdue.answer if reservation.key in keys]
    _free(run.posting, facts.offers, run.lapsed)
    facts.available = {no: head.available for no, head in run.posting.heads.items()}
    run.decisions = rules.decide_redemptions(facts, rows, purpose)
    return run


def _keys(known: Mapping[str, StoreFacts], rows: Iterable[RedemptionRow]) -> set[OfferKey]:
    return {(known[row.store].store_no, row.sku) for row in rows if row.store in known}


def _require_permission(visit: Visit, act: str, known: Mapping[str, StoreFacts]) -> None:
    """The actor must be allowed at every store named, by the outlet that recruited it."""
    for found in known.values():
        require_permission(visit.staff, act, visit.outlets[found.outlet_code], found.store_no)


def _free(
    posting: Posting, offers: dict[OfferKey, OfferFacts], reservations: Iterable[Reservation]
) -> None:
    """Give points and pieces free again; points past their date expire in the same act."""
    for reservation in reservations:
        head = posting.heads[reservation.account_no]
        head.held -= reservation.points
        head.is_touched = True
        posting.expire(head, reservation.outlet_no)
        offers[reservation.key].free(reservation.quantity)


def _outcome(index: int, run: _Run, decision: RedemptionDecision) -> RowOutcome:
    """One row of a bulk receipt."""
    row = decision.row
    if isinstance(decision, Declined):
        return RowOutcome(index, row.ref, rules.REFUSED, row.account, error=decision.error)
    record = decision.record
    is_new = isinstance(decision, RedemptionAccepted)
    return RowOutcome(
        index=index,
        ref=row.ref,
        outcome=rules.REDEEMED if is_new else rules.REPLAYED,
        account=record.account_no,
        line_no=record.line_no,
        points=run.points(record.points),
        balance=run.points(run.balances[record.redemption_id]) if is_new else None,
    )


def _redeemed_before(visit: Visit, run: _Run, replayed: RedemptionReplayed) -> GoodsRedeemed:
    """The receipt of a redemption that was sent before."""
    row, record = replayed.row, replayed.record
    booked = store.load_booked(visit.tx, record.redemption_id)
    assert booked.line_no is not None
    assert booked.credited_after is not None
    assert booked.debited_after is not None
    return GoodsRedeemed(
        voucher_id=UUID(bytes=booked.voucher_id),
        business_day=booked.business_day,
        booked_at=booked.booked_at,
        account=record.account_no,
        redemption_id=UUID(bytes=record.redemption_id),
        store=row.store,
        sku=row.sku,
        quantity=row.quantity,
        points=run.points(record.points),
        line_no=booked.line_no,
        balance=run.points(booked.credited_after - booked.debited_after),
    )


def _reserved_before(visit: Visit, run: _Run, replayed: RedemptionReplayed) -> GoodsReserved:
    """The receipt of a reservation that was sent before, whatever became of it."""
    row, record = replayed.row, replayed.record
    booked = store.load_booked(visit.tx, record.redemption_id)
    assert booked.deadline_at is not None
    return GoodsReserved(
        voucher_id=UUID(bytes=booked.voucher_id),
        business_day=booked.business_day,
        booked_at=booked.booked_at,
        account=record.account_no,
        redemption_id=UUID(bytes=record.redemption_id),
        store=row.store,
        sku=row.sku,
        quantity=row.quantity,
        points=run.points(record.points),
        deadline_at=booked.deadline_at,
    )


# --- settling reservations -----------------------------------------------------------------


def capture(visit: Visit, command: Capture) -> ReservationSettled:
    """Hand over what was reserved; the held points are debited, also when past their date."""
    held = _enter_settling(visit, command)
    reservation, account_no = held.reservation, held.reservation.account_no
    rules.require_capturable(reservation, visit.now, command.redemption)
    rules.require_payable(account_no, held.customer_state, held.frozen)
    head = held.posting.heads[account_no]
    leg = Leg(account_no, _account_of(reservation.store_no), reservation.points)
    held.posting.capture(head, leg, Mark("redemption", visit.today, held.outlet.outlet_no))
    held.offer.hand_over(reservation.quantity)
    settled = Settled(reservation, rules.CAPTURED, head.line_no, visit.today)
    return _settle(visit, command, held, settled, reason=None)


def release(visit: Visit, command: Release) -> ReservationSettled:
    """Give a reservation free; one past its deadline is settled as lapsed."""
    held = _enter_settling(visit, command)
    state = rules.decide_release(held.reservation, visit.now, command.redemption)
    _free(held.posting, {held.offer.key: held.offer}, [held.reservation])
    return _settle(visit, command, held, Settled(held.reservation, state), reason=command.reason)


@dataclass(frozen=True, slots=True)
class _Held:
    """A reservation whose customer and offer are locked, with what is known around it."""

    reservation: Reservation
    outlet: OutletFacts
    offer: OfferFacts
    posting: Posting
    customer_state: str
    frozen: dict[int, int]


def _enter_settling(visit: Visit, command: Capture | Release) -> _Held:
    """Lock the customer and the offer, then read the reservation as it is now."""
    ask = store.ask_reservation(command.redemption.bytes)
    seen = visit.tx.look(ask)
    if seen is None:
        raise UnknownRedemption(redemption=command.redemption)
    account_no = seen.account_no
    visit.lock([account_no], stores.ask_lock_offers([seen.key]))
    offers, heads = stores.ask_offers([seen.key]), ask_heads([account_no])
    customers = hours.ask_customers([account_no])
    frozen = passbooks.ask_frozen([account_no], visit.now)
    asks = (ask, offers, heads, customers, frozen)
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
        posting=visit.posting(visit.bring_up(heads.answer)),
        customer_state=customers.answer[account_no].state,
        frozen=frozen.answer,
    )


def _settle(
    visit: Visit,
    command: Capture | Release,
    held: _Held,
    settled: Settled,
    reason: str | None,
) -> ReservationSettled:
    reservation, scale = held.reservation, visit.tx.bank.scale
    store.write_settled(visit.writes, [settled], visit.voucher_id)
    stores.write_stock(visit.writes, [held.offer], visit.voucher_id)
    receipt = ReservationSettled(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=reservation.account_no,
        redemption_id=command.redemption,
        state=settled.state,
        points=Points.of_units(reservation.points, scale),
        line_no=settled.line_no,
        balance=Points.of_units(held.posting.heads[reservation.account_no].balance, scale),
    )
    visit.book(command, receipt, held.outlet, posting=held.posting, reason=reason)
    return receipt


def lapse_overdue(visit: Visit, command: LapseOverdue) -> ReservationsLapsed:
    """Sweep reservations past their deadline; nobody decides here, the clock has."""
    seen = store.load_overdue(visit.tx, visit.now, command.count_max)
    numbers = {reservation.account_no for reservation in seen}
    visit.lock(numbers)
    wanted = {reservation.redemption_id for reservation in seen}
    overdue = visit.tx.look(store.ask_overdue_of(numbers, visit.now))
    lapsing = [reservation for reservation in overdue if reservation.redemption_id in wanted]
    keys = {reservation.key for reservation in lapsing}
    stores.lock_offers(visit.tx, keys)
    visit.enter(command)
    handled_at = visit.outlet_for(command.act, None)
    posting = visit.posting(visit.heads(numbers))
    offers = stores.load_offers(visit.tx, keys)
    _free(posting, offers, lapsing)
    settled = [Settled(reservation, rules.LAPSED) for reservation in lapsing]
    store.write_settled(visit.writes, settled, visit.voucher_id)
    stores.write_stock(visit.writes, offers.values(), visit.voucher_id)
    freed = sum(reservation.points for reservation in lapsing)
    receipt = ReservationsLapsed(
        voucher_id=visit.voucher_uuid if lapsing else None,
        business_day=visit.today,
        booked_at=visit.now,
        redemption_ids=tuple(UUID(bytes=r.redemption_id) for r in lapsing),
        points=Points.of_units(freed, visit.tx.bank.scale),
    )
    if lapsing:
        visit.book(command, receipt, handled_at, posting=posting)
    return receipt
