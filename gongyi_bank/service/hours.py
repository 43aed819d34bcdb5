"""服务时长: recording, deciding and correcting service, and crediting what it is worth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from gongyi_bank.commands.hours import (
    ApproveHours,
    CorrectHours,
    RecordHours,
    RecordManyHours,
    RefuseHours,
    ServiceRow,
    VoidHours,
)
from gongyi_bank.errors import (
    FourEyesRequired,
    GongyiBankError,
    RecordNotCredited,
    RecordNotWaiting,
    UnknownRecord,
)
from gongyi_bank.periods import Period, business_day, instants
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.receipts.hours import HoursDecided, HoursRecorded, ManyRecorded, RowOutcome
from gongyi_bank.rules import accrual
from gongyi_bank.rules.accrual import Accepted, Declined, HourFacts, Replayed
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, expired_within, internal_no
from gongyi_bank.rules.outlets import BRANCH
from gongyi_bank.rules.staff import (
    OutletFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import hours as store
from gongyi_bank.store.hours import StoredRecord
from gongyi_bank.store.ledger import ask_heads, load_lot
from gongyi_bank.store.outlets import (
    ask_share,
    load_head_office,
    load_outlets_by_no,
    share_place,
)
from gongyi_bank.values import Points


def record(visit: Visit, command: RecordHours) -> HoursRecorded:
    """Record one service: a list of one. A refusal is raised."""
    row = command.row()
    run = _judge(visit, command, [row])
    decision = run.decisions[0]
    if isinstance(decision, Declined):
        raise decision.error
    if isinstance(decision, Replayed):
        return _replay_of(visit, run, decision)
    run.post()
    receipt = _recorded(visit, run, decision)
    visit.book(command, receipt, decision.outlet, posting=run.posting, second=decision.checker)
    return receipt


def record_many(visit: Visit, command: RecordManyHours) -> ManyRecorded:
    """Record a list: each row is credited, waits, is a replay, or is refused by itself."""
    run = _judge(visit, command, command.rows)
    accepted = run.accepted
    run.post()
    outcomes = tuple(_outcome(i, run, d) for i, d in enumerate(run.decisions))
    receipt = ManyRecorded(
        voucher_id=visit.voucher_uuid if accepted else None,
        business_day=visit.today,
        booked_at=visit.now,
        outcomes=outcomes,
    )
    if accepted:
        places = [decision.outlet for decision in accepted]
        handled_at = visit.handled_at(command.act, places)
        keep = command.idempotency_key is not None
        visit.book(command, receipt, handled_at, posting=run.posting, keep_receipt=keep)
    return receipt


class _Run:
    """Rows judged against locked facts, and what becomes of them in the ledger."""

    def __init__(
        self, visit: Visit, decisions: list[accrual.Decision], heads: dict[int, Head]
    ) -> None:
        self.visit = visit
        self.decisions = decisions
        self.posting = visit.posting(heads)
        self.accepted = [d for d in decisions if isinstance(d, Accepted)]
        #: Line number and balance after each accepted row, by account and record number.
        self.results: dict[tuple[int, int], tuple[int | None, int]] = {}

    def post(self, replaces: int | None = None) -> None:
        """Credit what is credited, and turn every accepted row into a record."""
        expires_on = self.visit.policies.in_force(PointsExpiry, self.visit.today)[1].expires_on(
            self.visit.today
        )
        rows = []
        for row in self.accepted:
            line_no = self._credit(row, expires_on)
            rows.append(_record_row(row, line_no, self.visit.voucher_id, replaces))
        store.write_records(self.visit.writes, rows)

    def _credit(self, row: Accepted, expires_on: dt.date) -> int | None:
        head = self.posting.heads[row.customer.account_no]
        head.record_no = row.record_no
        line_no = None
        if row.state == accrual.CREDITED:
            head.verified_minutes += row.minutes
            line_no = credit_service(
                self.posting, head, row.outlet.outlet_no, row.points,
                row.service_on, row.tariff_id, expires_on,
            )  # fmt: skip
        self.results[head.account_no, row.record_no] = (line_no, head.balance)
        return line_no


def credit_service(
    posting: Posting,
    head: Head,
    outlet_no: int,
    points: int,
    service_on: dt.date,
    tariff_id: int,
    expires_on: dt.date,
) -> int | None:
    """入折: the credit line of a service, issued at its outlet; none for zero points."""
    if not points:
        return None
    leg = Leg(internal_no("issued", outlet_no), head.account_no, points)
    posting.post(leg, Mark("service", service_on, outlet_no, tariff_id, expires_on))
    return head.line_no


def _record_row(
    row: Accepted, line_no: int | None, voucher_id: bytes, replaces: int | None
) -> tuple[object, ...]:
    sent = row.row
    is_credited = row.state == accrual.CREDITED
    return (
        row.customer.account_no, row.record_no, "service", row.state, sent.ref, row.row_digest,
        row.outlet.outlet_no, sent.project, sent.category, sent.started_at, sent.ended_at,
        row.service_on, row.minutes, sent.client_rating, row.recorder.staff_no,
        row.checker.staff_no, row.points if is_credited else 0, line_no,
        row.tariff_id if is_credited else None, replaces, voucher_id, None,
    )  # fmt: skip


def _judge(
    visit: Visit,
    command: RecordHours | RecordManyHours,
    rows: Sequence[ServiceRow],
) -> _Run:
    """Lock the rows' accounts, read everything around them, and let the rules decide."""
    by_ref = store.load_customers_by_ref(visit.tx, [r.customer_ref for r in rows if r.customer_ref])
    numbers = {r.account for r in rows if r.account is not None}
    numbers |= {customer.account_no for customer in by_ref.values()}
    # A record that waits keeps its outlet open; until it is committed, this does.
    visit.lock(numbers, ask_share(row.outlet for row in rows))
    facts, heads = _enter_with_rows(visit, command, rows, numbers)
    if isinstance(command, RecordHours):  # in a list each row is refused by itself
        for outlet in visit.outlets.values():
            require_permission(visit.staff, command.act, outlet)
    visit.require_role(command.act)
    # The state of a customer found by reference may have changed while we waited.
    facts.customers_by_ref = {ref: facts.customers[c.account_no] for ref, c in by_ref.items()}
    return _Run(visit, accrual.decide_hours(facts, rows), heads)


def _enter_with_rows(
    visit: Visit,
    command: RecordHours | RecordManyHours | CorrectHours,
    rows: Sequence[ServiceRow],
    numbers: Iterable[int],
) -> tuple[HourFacts, dict[int, Head]]:
    """Enter, and read everything the rules need to know around rows of locked accounts."""
    longest = visit.shelf.longest_record()
    spans = store.ask_spans(numbers, *_window(rows, visit.tx.bank.zone, longest))
    heads, customers = ask_heads(numbers), store.ask_customers(numbers)
    refs = store.ask_records_by_ref([row.ref for row in rows if row.ref])
    people = {code for row in rows for code in (row.recorded_by, row.checked_by)}
    visit.enter(
        command,
        outlets_at={row.outlet for row in rows},
        people=people,
        asks=(heads, customers, refs, spans),
    )
    if visit.policies.longest_record() > longest:
        longest = visit.policies.longest_record()
        spans = store.ask_spans(numbers, *_window(rows, visit.tx.bank.zone, longest))
        visit.tx.gather(spans)
    taken, daily = spans.answer
    locked = visit.bring_up(heads.answer)
    zone = visit.tx.bank.zone
    facts = HourFacts(
        now=visit.now,
        day_of=lambda instant: business_day(instant, zone),
        scale=visit.tx.bank.scale,
        policies=visit.policies,
        customers=customers.answer,
        customers_by_ref={},
        outlets=visit.outlets,
        actor=visit.staff,
        staff=visit.people,
        refs=refs.answer,
        spans=taken,
        daily=daily,
        record_nos={head.account_no: head.record_no for head in locked.values()},
    )
    return facts, locked


def _window(
    rows: Sequence[ServiceRow], zone: ZoneInfo, longest: dt.timedelta
) -> tuple[dt.datetime, dt.datetime]:
    """Between which starts a record can overlap a row, or share its local day."""
    earliest = min(row.started_at for row in rows)
    latest = max(max(row.ended_at, row.started_at) for row in rows)
    first_day, _ = instants(Period.containing(business_day(earliest, zone), "day"), zone)
    _, last_day = instants(Period.containing(business_day(latest, zone), "day"), zone)
    return min(first_day, earliest - longest), max(last_day, latest)


def _recorded(visit: Visit, run: _Run, row: Accepted, replaces: int | None = None) -> HoursRecorded:
    line_no, balance = run.results[row.customer.account_no, row.record_no]
    scale = visit.tx.bank.scale
    is_credited = row.state == accrual.CREDITED
    return HoursRecorded(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=row.customer.account_no,
        record_no=row.record_no,
        state=row.state,
        minutes=row.minutes,
        points=Points.of_units(row.points if is_credited else 0, scale),
        line_no=line_no,
        balance=Points.of_units(balance, scale),
        replaces_record_no=replaces,
    )


def _replay_of(visit: Visit, run: _Run, replayed: Replayed[ServiceRow]) -> HoursRecorded:
    """The receipt of a record that was sent before: as it stands now."""
    account_no, record_no = replayed.record.account_no, replayed.record.record_no
    booked = store.load_booked_record(visit.tx, account_no, record_no)
    if booked.credited_after is not None and booked.debited_after is not None:
        balance = booked.credited_after - booked.debited_after
    else:
        balance = run.posting.heads[account_no].balance
    scale = visit.tx.bank.scale
    return HoursRecorded(
        voucher_id=UUID(bytes=booked.voucher_id),
        business_day=booked.business_day,
        booked_at=booked.booked_at,
        account=account_no,
        record_no=record_no,
        state=booked.state,
        minutes=booked.minutes,
        points=Points.of_units(booked.points, scale),
        line_no=booked.line_no,
        balance=Points.of_units(balance, scale),
        replaces_record_no=booked.replaces_record_no,
    )


def _outcome(index: int, run: _Run, decision: accrual.Decision) -> RowOutcome:
    """One row of a bulk receipt."""
    ref = decision.row.ref
    if isinstance(decision, Declined):
        return RowOutcome(index, ref, accrual.REFUSED, decision.row.account, error=decision.error)
    scale = run.visit.tx.bank.scale
    if isinstance(decision, Replayed):
        record = decision.record
        # A row that this very call has booked has its line only now.
        line_no, _ = run.results.get((record.account_no, record.record_no), (record.line_no, 0))
        return RowOutcome(
            index, ref, accrual.REPLAYED, record.account_no, record.record_no, line_no,
            record.minutes, Points.of_units(record.points, scale),
        )  # fmt: skip
    account_no = decision.customer.account_no
    line_no, balance = run.results[account_no, decision.record_no]
    points = decision.points if decision.state == accrual.CREDITED else 0
    return RowOutcome(
        index, ref, decision.state, account_no, decision.record_no, line_no, decision.minutes,
        Points.of_units(points, scale), Points.of_units(balance, scale),
    )  # fmt: skip


# --- deciding on what waits ----------------------------------------------------------------


def approve(visit: Visit, command: ApproveHours) -> HoursDecided:
    """Credit a waiting record under the tariff in force on its day of service."""
    record, outlet = _enter_decision(visit, command)
    _require_waiting(record)
    _require_decider(visit, command.act, record, outlet)
    heads = visit.heads([record.account_no])
    head, posting = heads[record.account_no], visit.posting(heads)
    assert record.category is not None
    tariff_id, rate = visit.policies.rate(record.category, record.service_on)
    points = accrual.points_for(record.minutes, rate, visit.tx.bank.scale)
    expires_on = visit.policies.in_force(PointsExpiry, visit.today)[1].expires_on(visit.today)
    head.verified_minutes += record.minutes
    head.is_touched = True
    line_no = credit_service(
        posting, head, outlet.outlet_no, points, record.service_on, tariff_id, expires_on
    )
    store.write_decision(
        visit.writes, record, visit.voucher_id,
        state=accrual.CREDITED, points=points, line_no=line_no, policy_id=tariff_id,
    )  # fmt: skip
    receipt = _decided(visit, record, accrual.CREDITED, points, line_no, head)
    visit.book(command, receipt, outlet, posting=posting, facts=_names(record))
    return receipt


def refuse(visit: Visit, command: RefuseHours) -> HoursDecided:
    """Refuse a waiting record; nothing is credited and its time is free again."""
    record, outlet = _enter_decision(visit, command)
    _require_waiting(record)
    _require_decider(visit, command.act, record, outlet)
    head = visit.heads([record.account_no])[record.account_no]
    store.write_decision(
        visit.writes, record, visit.voucher_id,
        state=accrual.REFUSED, points=0, line_no=None, policy_id=None,
    )  # fmt: skip
    receipt = _decided(visit, record, accrual.REFUSED, 0, None, head)
    visit.book(command, receipt, outlet, reason=command.reason, facts=_names(record))
    return receipt


def void(visit: Visit, command: VoidHours) -> HoursDecided:
    """Take a credited record's minutes and points back by a reversal (冲正)."""
    record, outlet = _enter_decision(visit, command, people=[command.second_person])
    _require_credited(record)
    second = require_second_person(
        command.act, visit.staff, visit.people.get(command.second_person),
        command.second_person, outlet,
    )  # fmt: skip
    for person in (visit.staff, second):
        require_not_own(command.act, person, record.account_no)
    heads = visit.heads([record.account_no])
    head, posting = heads[record.account_no], visit.posting(heads)
    points = _unexpired(visit, posting, head, record)
    line_no = _take_back(visit, posting, head, record, points)
    receipt = _decided(visit, record, accrual.VOIDED, points, line_no, head)
    visit.book(
        command,
        receipt,
        outlet,
        posting=posting,
        second=second,
        reason=command.reason,
        facts=_names(record),
    )
    return receipt


def correct(visit: Visit, command: CorrectHours) -> HoursRecorded:
    """Void a credited record and record the right one, in one act: never an edit."""
    visit.lock([command.account])
    record = store.load_record(visit.tx, command.account, command.record_no)
    if record is None or record.kind != "service":
        raise UnknownRecord(record=f"{command.account}/{command.record_no}")
    place = share_place(visit.tx, record.outlet_no)
    row = ServiceRow(
        account=record.account_no, category=command.category, started_at=command.started_at,
        ended_at=command.ended_at, outlet=place.code, project=command.project,
        client_rating=command.client_rating, recorded_by=command.recorded_by,
        checked_by=command.checked_by,
    )  # fmt: skip
    facts, heads = _enter_with_rows(visit, command, [row], [command.account])
    outlet = visit.outlet_for(command.act, place.code)
    _require_credited(record)
    if visit.staff.code not in (command.recorded_by, command.checked_by):
        raise FourEyesRequired(act=command.act, staff=visit.staff.code)
    _forget(facts, record)
    decision = accrual.decide_hours(facts, [row])[0]
    if not isinstance(decision, Accepted):
        raise _error_of(decision)
    run = _Run(visit, [decision], heads)
    head = heads[record.account_no]
    # What has expired of the wrong record stays expired: to correct is not to revive.
    alive = _unexpired(visit, run.posting, head, record)
    decision.points = max(0, decision.points - (record.points - alive))
    run.post(replaces=record.record_no)
    _take_back(visit, run.posting, head, record, alive)
    key = (record.account_no, decision.record_no)
    run.results[key] = (run.results[key][0], heads[record.account_no].balance)
    receipt = _recorded(visit, run, decision, replaces=record.record_no)
    visit.book(
        command, receipt, outlet, posting=run.posting, second=decision.checker,
        reason=command.reason, facts=_names(record),
    )  # fmt: skip
    return receipt


Deciding = ApproveHours | RefuseHours | VoidHours


def _enter_decision(
    visit: Visit, command: Deciding, people: Sequence[str] = ()
) -> tuple[StoredRecord, OutletFacts]:
    """Lock the account, find the record, and require that the actor may act at its outlet."""
    visit.lock([command.account])
    visit.enter(command, people=people)
    record = store.load_record(visit.tx, command.account, command.record_no)
    if record is None or record.kind != "service":
        raise UnknownRecord(record=f"{command.account}/{command.record_no}")
    outlet = load_outlets_by_no(visit.tx, [record.outlet_no])[record.outlet_no]
    visit.outlets[outlet.code] = outlet
    require_permission(visit.staff, command.act, outlet)
    return record, outlet


def _names(record: StoredRecord) -> dict[str, int]:
    """Which record a voucher speaks of."""
    return {"account": record.account_no, "record_no": record.record_no}


def _name(record: StoredRecord) -> str:
    return f"{record.account_no}/{record.record_no}"


def _require_waiting(record: StoredRecord) -> None:
    if record.state not in (accrual.WAITING_BRANCH, accrual.WAITING_HEAD_OFFICE):
        raise RecordNotWaiting(record=_name(record), state=record.state)


def _require_credited(record: StoredRecord) -> None:
    if record.state != accrual.CREDITED:
        raise RecordNotCredited(record=_name(record), state=record.state)


def _require_decider(visit: Visit, act: str, record: StoredRecord, outlet: OutletFacts) -> None:
    """The level that the record waits for; not its maker, its checker or who sent it."""
    if record.state == accrual.WAITING_HEAD_OFFICE:
        head_office = load_head_office(visit.tx)
        require_permission(visit.staff, act, head_office)
    else:
        require_permission(visit.staff, act, outlet, tier_max=BRANCH)
    makers = (record.recorded_by_no, record.checked_by_no, record.sent_by_no)
    if visit.staff.staff_no in makers:
        raise FourEyesRequired(act=act, staff=visit.staff.code)
    require_not_own(act, visit.staff, record.account_no)


def _take_back(
    visit: Visit, posting: Posting, head: Head, record: StoredRecord, points: int
) -> int | None:
    """Void the record: its minutes leave the second book, its points go back to the issuer.

    `points` is what has not expired of them, so that other services' points stay. Those that
    are spent cannot be taken back: InsufficientPoints. Returns the line, if there is one.
    """
    head.verified_minutes -= record.minutes
    head.is_touched = True
    line_no = None
    if points:
        leg = Leg(head.account_no, internal_no("issued", record.outlet_no), points)
        posting.post(leg, Mark("reversal", record.service_on, record.outlet_no, record.policy_id))
        line_no = head.line_no
    store.write_decision(
        visit.writes, record, visit.voucher_id, state=accrual.VOIDED,
        points=record.points, line_no=record.line_no, policy_id=record.policy_id,
    )  # fmt: skip
    return line_no


def _unexpired(visit: Visit, posting: Posting, head: Head, record: StoredRecord) -> int:
    """The record's points less those of their numbers that have expired, until today."""
    expired_now = posting.expire(head, record.outlet_no)
    if record.line_no is None or not head.dead_no:
        return record.points
    (low, high), expired = load_lot(visit.tx, head.account_no, record.line_no)
    expired.append((head.debited - expired_now, head.debited))
    return record.points - expired_within(low, high, expired)


def _forget(facts: HourFacts, record: StoredRecord) -> None:
    """The record under correction takes part in no overlap and no daily limit."""
    spans = facts.spans.get(record.account_no, [])
    facts.spans[record.account_no] = [s for s in spans if s[2] != record.record_no]
    day = (record.account_no, record.service_on)
    if day in facts.daily:
        facts.daily[day] -= record.minutes


def _error_of(decision: accrual.Decision) -> GongyiBankError:
    assert isinstance(decision, Declined)
    return decision.error


def _decided(
    visit: Visit, record: StoredRecord, state: str, points: int, line_no: int | None, head: Head
) -> HoursDecided:
    scale = visit.tx.bank.scale
    return HoursDecided(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=record.account_no,
        record_no=record.record_no,
        state=state,
        minutes=record.minutes,
        points=Points.of_units(points, scale),
        line_no=line_no,
        balance=Points.of_units(head.balance, scale),
    )
