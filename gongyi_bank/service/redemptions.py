"""兑换: points out of the passbook and goods out of the store, at once or by reservation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from gongyi_bank.commands.redemptions import (
    Redeem,
    RedeemMany,
    RedemptionRow,
    Reserve,
)
from gongyi_bank.receipts.hours import ManyRecorded, RowOutcome
from gongyi_bank.receipts.redemptions import (
    GoodsRedeemed,
    GoodsReserved,
)
from gongyi_bank.rules import holds as hold_rules
from gongyi_bank.rules import redemptions as rules
from gongyi_bank.rules.accrual import Declined
from gongyi_bank.rules.holds import HeldGoods, Hold
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, internal_no
from gongyi_bank.rules.redemptions import (
    RedemptionAccepted,
    RedemptionDecision,
    RedemptionFacts,
    RedemptionReplayed,
)
from gongyi_bank.rules.staff import require_permission
from gongyi_bank.rules.stores import StoreFacts
from gongyi_bank.service import holds
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.scenes import Scene
from gongyi_bank.service.together import Apart, Together
from gongyi_bank.store import hours, stores
from gongyi_bank.store import redemptions as store
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points


def redeem(visit: Visit, command: Redeem) -> GoodsRedeemed:
    """Redeem at once: a list of one. A refusal is raised."""
    run = _judge(visit, command, [command.row()], rules.REDEMPTION)
    decision = run.only_one()
    if isinstance(decision, RedemptionReplayed):
        return _redeemed_before(visit, run, decision)
    return _redeem(visit, command, run, decision)


def _redeem(
    visit: Visit, command: Redeem, run: _Run, decision: RedemptionAccepted
) -> GoodsRedeemed:
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
    return _reserve(visit, command, run, decision)


def _reserve(
    visit: Visit, command: Reserve, run: _Run, decision: RedemptionAccepted
) -> GoodsReserved:
    hold = run.hold(decision)
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
        deadline_at=hold.deadline_at,
        latest_at=hold.latest_at,
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
        #: Holds of these customers that had lapsed unswept; settled on the way.
        self.lapsed: list[Hold] = []
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
            record.redemption_id = holds.new_hold_id(self.visit)
            leg = Leg(head.account_no, _account_of(decision.store.store_no), record.points)
            mark = Mark(
                "redemption", decision.redeemed_on, decision.outlet.outlet_no,
                origin_on=decision.origin_on,
            )  # fmt: skip
            self.posting.post(leg, mark)
            record.line_no = head.line_no
            self.balances[record.redemption_id] = head.balance
            # Behind what was held beside it; a line takes the lowest numbers all the same.
            cites_from = head.free_from - record.points
            rows.append(self._row(decision, hold_id=None, cites_from=cites_from))
        self._write(rows)

    def hold(self, decision: RedemptionAccepted) -> Hold:
        """Put the points aside: live ones, so what is past its date expires first."""
        visit, record = self.visit, decision.record
        head = self.posting.heads[record.account_no]
        record.redemption_id = holds.new_hold_id(visit)
        deadline_at, latest_at = rules.deadline_of(visit.now, visit.policies, visit.today)
        hold = Hold(
            hold_id=record.redemption_id,
            account_no=head.account_no,
            payee_no=_account_of(decision.store.store_no),
            amount=record.points,
            captured=0,
            state=hold_rules.HELD,
            placed_at=visit.now,
            deadline_at=deadline_at,
            latest_at=latest_at,
            outlet_no=decision.outlet.outlet_no,
            goods=HeldGoods(*decision.offer.key, decision.row.quantity),
        )
        self.posting.expire(head, decision.outlet.outlet_no)
        hold.place(head)
        self._write([self._row(decision, hold_id=hold.hold_id, cites_from=None)], hold)
        return hold

    def _row(
        self, decision: RedemptionAccepted, *, hold_id: bytes | None, cites_from: int | None
    ) -> tuple[object, ...]:
        record, row = decision.record, decision.row
        return (
            record.redemption_id, record.account_no, decision.store.store_no, row.sku,
            row.quantity, record.points, record.state, row.ref, record.row_digest,
            decision.redeemed_on, record.line_no, hold_id, cites_from, self.visit.voucher_id, None,
        )  # fmt: skip

    def _write(self, rows: list[tuple[object, ...]], *placed: Hold) -> None:
        visit, outlet = self.visit, self.accepted[0].outlet
        holds.write(visit, self.posting, [*self.lapsed, *placed], outlet)
        store.write_redemptions(visit.writes, rows)
        stores.write_stock(visit.writes, self.offers.values(), visit.voucher_id)

    def facts_on_lapses(self) -> dict[str, object]:
        """For the voucher: the holds that were found lapsed."""
        return holds.facts_on_lapses(self.lapsed)


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
    scene = Scene(visit.tx, rows, numbers, visit.now)
    if not scene.recall(visit):
        visit.tx.gather(*scene.asks_before())
    visit.lock(numbers, *scene.locks(), outlets_at=scene.places)
    visit.enter(command, outlets_at=scene.places, asks=scene.asks(visit))
    scene.compare(visit)
    if not isinstance(command, RedeemMany):  # in a list each row is refused by itself
        _require_permission(visit, command.act, scene.stores.values())
    visit.require_role(command.act)
    facts = scene.facts(visit)
    facts.customers_by_ref = {ref: customer.account_no for ref, customer in by_ref.items()}
    run = _Run(visit, facts, visit.posting(visit.heads()))
    run.lapsed = scene.lapsed()
    holds.free(run.posting.heads, facts.offers, run.lapsed)
    facts.available = {no: head.available for no, head in run.posting.heads.items()}
    run.decisions = rules.decide_redemptions(facts, rows, purpose)
    return run


def _require_permission(visit: Visit, act: str, named: Iterable[StoreFacts]) -> None:
    """The actor must be allowed at every store named, by the outlet that recruited it."""
    for found in named:
        require_permission(visit.staff, act, visit.outlets[found.outlet_code], found.store_no)


def _outcome(index: int, run: _Run, decision: RedemptionDecision) -> RowOutcome:
    """One row of a bulk receipt."""
    row = decision.row
    if isinstance(decision, Declined):
        zone = run.visit.tx.bank.zone
        return RowOutcome.refusal(index, row.ref, row.account, decision.error, zone)
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
        redemption_id=UUID(bytes=record.redemption_id),
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
    assert booked.held is not None
    assert booked.deadline_at is not None
    assert booked.latest_at is not None
    return GoodsReserved(
        voucher_id=UUID(bytes=booked.voucher_id),
        business_day=booked.business_day,
        booked_at=booked.booked_at,
        account=record.account_no,
        redemption_id=UUID(bytes=record.redemption_id),
        store=row.store,
        sku=row.sku,
        quantity=row.quantity,
        points=run.points(booked.held),
        deadline_at=booked.deadline_at,
        latest_at=booked.latest_at,
    )


# --- several at once, each by itself ----------------------------------------------------------


class RedeemedTogether(Scene, Together[Redeem | Reserve, RedemptionAccepted]):
    """Redemptions and reservations of a group (service/grouping.py)."""

    def __init__(
        self, tx: Transaction, commands: Sequence[Redeem | Reserve], came_at: dt.datetime
    ) -> None:
        numbers = {command.account for command in commands}
        super().__init__(tx, [command.row() for command in commands], numbers, came_at)
        self.people = set()

    def begin(self, visit: Visit, heads: dict[int, Head]) -> None:
        """Go by these facts. Lapsed holds are for acts that are done one by one."""
        if self.lapsed():
            raise Apart
        self._heads, self._around = heads, self.facts(visit)

    def judge(self, visit: Visit, command: Redeem | Reserve) -> RedemptionAccepted | None:
        """The decision on one; None for one whose reference was sent before."""
        facts, row = self._around, command.row()
        found = self.stores.get(row.store)
        _require_permission(visit, command.act, [found] if found else [])
        visit.require_role(command.act)
        head = self._heads.get(command.account)
        if head is not None:
            facts.available[head.account_no] = head.available
        facts.actor = visit.staff
        purpose = rules.RESERVATION if isinstance(command, Reserve) else rules.REDEMPTION
        (decision,) = rules.decide_redemptions(facts, [row], purpose)
        if isinstance(decision, Declined):
            raise decision.error
        return decision if isinstance(decision, RedemptionAccepted) else None

    def book(
        self, visit: Visit, command: Redeem | Reserve, decision: RedemptionAccepted
    ) -> GoodsRedeemed | GoodsReserved:
        """Carry the decision out."""
        heads = {command.account: self._heads[command.account]}
        run = _Run(visit, self._around, visit.posting(heads))
        run.decisions = [decision]
        receipt: GoodsRedeemed | GoodsReserved
        if isinstance(command, Reserve):
            receipt = _reserve(visit, command, run, decision)
        else:
            receipt = _redeem(visit, command, run, decision)
        decision.offer.go_on()
        return receipt
