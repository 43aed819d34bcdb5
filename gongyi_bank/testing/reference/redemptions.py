"""兑换 in the reference: goods for points, at once or by reservation."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gongyi_bank.commands.redemptions import Redeem, RedeemMany, RedemptionRow, Reserve
from gongyi_bank.receipts.hours import ManyRecorded, RowOutcome
from gongyi_bank.receipts.redemptions import GoodsRedeemed, GoodsReserved
from gongyi_bank.rules import holds as hold_rules
from gongyi_bank.rules import redemptions as rules
from gongyi_bank.rules.accrual import Declined
from gongyi_bank.rules.holds import HeldGoods, Hold
from gongyi_bank.rules.ledger import Leg, Mark, internal_no
from gongyi_bank.rules.redemptions import (
    EarlierRedemption,
    RedemptionAccepted,
    RedemptionDecision,
    RedemptionFacts,
    RedemptionReplayed,
)
from gongyi_bank.rules.staff import require_permission
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.holds import keep_placed
from gongyi_bank.testing.reference.lots import Entry, entry_of
from gongyi_bank.testing.reference.rows import Redemption
from gongyi_bank.values import Points


def redeem(visit: Visit, command: Redeem) -> GoodsRedeemed:
    """Redeem at once. A refusal is raised."""
    run = _judge(visit, command, [command.row()], rules.REDEMPTION)
    decision = run.decisions[0]
    if isinstance(decision, Declined):
        raise decision.error
    if isinstance(decision, RedemptionReplayed):
        return _redeemed_before(visit, decision)
    made, balance = run.redeem(decision)
    run.expire_freed()
    assert made.line_no is not None
    receipt = GoodsRedeemed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=made.account_no,
        redemption_id=UUID(bytes=made.redemption_id),
        store=decision.store.code,
        sku=made.sku,
        quantity=made.quantity,
        points=_points(visit, made.points),
        line_no=made.line_no,
        balance=_points(visit, balance),
    )
    visit.book(command, receipt, decision.outlet, posting=run.entry)
    return receipt


def redeem_many(visit: Visit, command: RedeemMany) -> ManyRecorded:
    """Redeem a list: each row is redeemed, is a replay, or is refused by itself."""
    run = _judge(visit, command, command.rows, rules.REDEMPTION)
    outcomes = tuple(run.outcome(index, decision) for index, decision in enumerate(run.decisions))
    accepted = run.accepted
    receipt = ManyRecorded(
        voucher_id=visit.voucher_uuid if accepted else None,
        business_day=visit.today,
        booked_at=visit.now,
        outcomes=outcomes,
    )
    if accepted:
        run.expire_freed()
        handled_at = visit.handled_at(command.act, [decision.outlet for decision in accepted])
        visit.book(command, receipt, handled_at, posting=run.entry)
    return receipt


def reserve(visit: Visit, command: Reserve) -> GoodsReserved:
    """Hold points and goods until the deadline; judged like a redemption."""
    run = _judge(visit, command, [command.row()], rules.RESERVATION)
    decision = run.decisions[0]
    if isinstance(decision, Declined):
        raise decision.error
    if isinstance(decision, RedemptionReplayed):
        return _reserved_before(visit, decision)
    hold = run.hold(decision)
    receipt = GoodsReserved(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=hold.account_no,
        redemption_id=UUID(bytes=hold.hold_id),
        store=decision.store.code,
        sku=decision.offer.sku,
        quantity=decision.row.quantity,
        points=_points(visit, hold.amount),
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
    )
    visit.book(command, receipt, decision.outlet, posting=run.entry)
    return receipt


class _Run:
    """Rows that were judged, and what becomes of them."""

    def __init__(
        self, visit: Visit, entry: Entry, freed: set[int], decisions: list[RedemptionDecision]
    ) -> None:
        self.visit = visit
        self.entry = entry
        #: Accounts of which lapsed holds were settled on the way.
        self.freed = freed
        self.decisions = decisions

    @property
    def accepted(self) -> list[RedemptionAccepted]:
        """The rows for which something is given out."""
        return [d for d in self.decisions if isinstance(d, RedemptionAccepted)]

    def redeem(self, decision: RedemptionAccepted) -> tuple[Redemption, int]:
        """Debit the points and give out the goods; returns the balance, too."""
        record, store_no = decision.record, decision.store.store_no
        record.redemption_id = self.visit.new_id()
        mark = Mark(
            "redemption", decision.redeemed_on, decision.outlet.outlet_no,
            origin_on=decision.origin_on,
        )  # fmt: skip
        leg = Leg(record.account_no, internal_no("store", store_no), record.points)
        self.entry.post(leg, mark)
        head = self.entry.heads[record.account_no]
        record.line_no = head.line_no
        cites_from = head.debited - record.points + head.held
        return self._keep(decision, None, cites_from), head.balance

    def hold(self, decision: RedemptionAccepted) -> Hold:
        """Put points and goods aside."""
        visit, record = self.visit, decision.record
        record.redemption_id = visit.new_id()
        deadline_at, latest_at = rules.deadline_of(visit.now, visit.policies, visit.today)
        hold = Hold(
            hold_id=record.redemption_id,
            account_no=record.account_no,
            payee_no=internal_no("store", decision.store.store_no),
            amount=record.points,
            captured=0,
            state=hold_rules.HELD,
            placed_at=visit.now,
            deadline_at=deadline_at,
            latest_at=latest_at,
            outlet_no=decision.outlet.outlet_no,
            goods=HeldGoods(*decision.offer.key, decision.row.quantity),
        )
        self._keep(decision, hold.hold_id, None)
        keep_placed(visit, self.entry, hold, decision.outlet, self.freed)
        return hold

    def _keep(
        self, decision: RedemptionAccepted, hold_id: bytes | None, cites_from: int | None
    ) -> Redemption:
        record, row = decision.record, decision.row
        made = Redemption(
            redemption_id=record.redemption_id,
            account_no=record.account_no,
            store_no=decision.store.store_no,
            sku=row.sku,
            quantity=row.quantity,
            points=record.points,
            state=record.state,
            ref=row.ref,
            row_digest=record.row_digest,
            redeemed_on=decision.redeemed_on,
            line_no=record.line_no,
            hold_id=hold_id,
            cites_from=cites_from,
            voucher_id=self.visit.voucher_id,
        )
        self.visit.books.redemptions[made.redemption_id] = made
        return made

    def expire_freed(self) -> None:
        """What lapsed holds had kept alive is handled where the first row is."""
        self.visit.expire_freed(self.entry, self.freed, self.accepted[0].outlet)

    def outcome(self, index: int, decision: RedemptionDecision) -> RowOutcome:
        """Carry one row's decision out, and say what became of it."""
        row = decision.row
        if isinstance(decision, Declined):
            zone = self.visit.bank.zone
            return RowOutcome.refusal(index, row.ref, row.account, decision.error, zone)
        record, balance, said = decision.record, None, rules.REPLAYED
        if isinstance(decision, RedemptionAccepted):
            made, units = self.redeem(decision)
            balance, said = _points(self.visit, units), made.state
        return RowOutcome(
            index=index,
            ref=row.ref,
            outcome=said,
            account=record.account_no,
            line_no=record.line_no,
            points=_points(self.visit, record.points),
            balance=balance,
            redemption_id=UUID(bytes=record.redemption_id),
        )


def _judge(
    visit: Visit,
    command: Redeem | RedeemMany | Reserve,
    rows: Sequence[RedemptionRow],
    purpose: str,
) -> _Run:
    """Tell what the books say around the rows, and let the rules decide."""
    books = visit.books
    facing = books.stores_named(row.store for row in rows)
    visit.enter(command, outlets_at={found.outlet_code for found in facing.values()})
    if not isinstance(command, RedeemMany):  # in a list each row is refused by itself
        for found in facing.values():
            outlet = visit.outlets[found.outlet_code]
            require_permission(visit.staff, command.act, outlet, found.store_no)
    visit.require_role(command.act)
    named = [(row.customer_ref, books.customer_of_ref(row.customer_ref)) for row in rows]
    numbers = {row.account for row in rows if row.account is not None}
    numbers |= {customer.account_no for _, customer in named if customer is not None}
    freed = visit.free_lapsed(numbers)
    entry = entry_of(visit, numbers)
    facts = RedemptionFacts(
        today=visit.today,
        scale=visit.bank.scale,
        policies=visit.policies,
        actor=visit.staff,
        customers=books.states(numbers),
        customers_by_ref={ref: c.account_no for ref, c in named if ref and c},
        frozen=books.frozen(numbers, visit.now),
        stores=facing,
        outlets=visit.outlets,
        offers=books.offer_facts(
            (facing[row.store].store_no, row.sku) for row in rows if row.store in facing
        ),
        available={number: head.available for number, head in entry.heads.items()},
        refs=_refs(visit, rows),
        value_day=visit.value_day,
    )
    return _Run(visit, entry, freed, rules.decide_redemptions(facts, rows, purpose))


def _refs(visit: Visit, rows: Sequence[RedemptionRow]) -> dict[str, EarlierRedemption]:
    """The redemptions that carry the rows' references already, whatever their state."""
    wanted = {row.ref for row in rows if row.ref is not None}
    return {
        one.ref: EarlierRedemption(
            one.redemption_id, one.account_no, one.state, one.row_digest, one.points, one.line_no
        )
        for one in visit.books.redemptions.values()
        if one.ref is not None and one.ref in wanted
    }


def _redeemed_before(visit: Visit, replayed: RedemptionReplayed) -> GoodsRedeemed:
    """The receipt of a redemption that was sent before."""
    row, made = replayed.row, visit.books.redemptions[replayed.record.redemption_id]
    voucher = visit.books.vouchers[made.voucher_id]
    assert made.line_no is not None
    line = visit.books.lines[made.account_no][made.line_no - 1]
    return GoodsRedeemed(
        voucher_id=UUID(bytes=made.voucher_id),
        business_day=voucher.business_day,
        booked_at=voucher.booked_at,
        account=made.account_no,
        redemption_id=UUID(bytes=made.redemption_id),
        store=row.store,
        sku=row.sku,
        quantity=row.quantity,
        points=_points(visit, made.points),
        line_no=made.line_no,
        balance=_points(visit, line.credited_after - line.debited_after),
    )


def _reserved_before(visit: Visit, replayed: RedemptionReplayed) -> GoodsReserved:
    """The receipt of a reservation that was sent before, whatever became of it."""
    row, made = replayed.row, visit.books.redemptions[replayed.record.redemption_id]
    voucher, hold = visit.books.vouchers[made.voucher_id], visit.books.holds[made.redemption_id]
    placed = hold.steps[0]
    return GoodsReserved(
        voucher_id=UUID(bytes=made.voucher_id),
        business_day=voucher.business_day,
        booked_at=voucher.booked_at,
        account=made.account_no,
        redemption_id=UUID(bytes=made.redemption_id),
        store=row.store,
        sku=row.sku,
        quantity=row.quantity,
        points=_points(visit, placed.amount),
        deadline_at=placed.deadline_at,
        latest_at=hold.latest_at,
    )


def _points(visit: Visit, units: int) -> Points:
    return Points.of_units(units, visit.bank.scale)


ACTS: Acts = {
    Redeem: redeem,
    RedeemMany: redeem_many,
    Reserve: reserve,
}
