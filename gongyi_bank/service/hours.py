"""服务时长: recording, deciding and correcting service, and crediting what it is worth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
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
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, internal_no
from gongyi_bank.rules.outlets import BRANCH
from gongyi_bank.rules.reversals import REVERSAL, Part, Reversible, note_expiries, take_back
from gongyi_bank.rules.staff import (
    OutletFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.holds import NOTHING_LAPSED, Overdue, Settled
from gongyi_bank.service.reversals import terms_of
from gongyi_bank.service.together import Together
from gongyi_bank.store import hours as store
from gongyi_bank.store.hours import Decided, StoredRecord
from gongyi_bank.store.outlets import (
    ask_outlets,
    load_head_office,
    load_outlets_by_no,
    load_place,
)
from gongyi_bank.store.reversals import asks_reversible, reversible
from gongyi_bank.store.transaction import Ask, Transaction
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
    return _record(visit, command, run, decision)


def _record(visit: Visit, command: RecordHours, run: _Run, decision: Accepted) -> HoursRecorded:
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
            mark = Mark(
                "service", row.value_on, row.outlet.outlet_no, row.tariff_id, expires_on,
                row.origin_on,
            )  # fmt: skip
            line_no = credit_service(self.posting, head, row.points, mark)
        self.results[head.account_no, row.record_no] = (line_no, head.balance)
        return line_no


def credit_service(posting: Posting, head: Head, points: int, mark: Mark) -> int | None:
    """入折: the credit line of a service, issued at its outlet; none for zero points."""
    if not points:
        return None
    posting.post(Leg(internal_no("issued", mark.outlet_no), head.account_no, points), mark)
    return head.line_no


def _record_row(
    row: Accepted, line_no: int | None, voucher_id: bytes, replaces: int | None
) -> tuple[object, ...]:
    sent = row.row
    is_credited = row.state == accrual.CREDITED
    return (
        row.customer.account_no, row.record_no, "service", row.state, row.state, sent.ref,
        row.row_digest, row.outlet.outlet_no, sent.project, sent.category, row.started_at,
        row.ended_at, row.service_on, row.value_on, None, row.minutes, sent.client_rating,
        row.recorder.staff_no,
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
    visit.lock(numbers, outlets_at=[row.outlet for row in rows])
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
    scene = _Scene(visit, rows, numbers)
    visit.enter(
        command,
        outlets_at={row.outlet for row in rows},
        people=_people(rows),
        asks=scene.asks(),
    )
    locked = visit.heads()
    return scene.facts(visit, locked), locked


class _Scene:
    """What the books say around rows of locked accounts."""

    def __init__(self, visit: Visit, rows: Sequence[ServiceRow], numbers: Iterable[int]) -> None:
        self._rows, self._numbers = rows, numbers
        self._longest = visit.shelf.longest_record()
        window = _window(rows, visit.tx.bank.zone, self._longest)
        self._spans = store.ask_spans(numbers, window)
        self._customers = store.ask_customers(numbers)
        self._refs = store.ask_records_by_ref([row.ref for row in rows if row.ref])

    def asks(self) -> list[Ask[Any]]:
        """Its questions."""
        return [self._customers, self._refs, self._spans]

    def facts(self, visit: Visit, heads: dict[int, Head]) -> HourFacts:
        """What the rules go by; customers by reference are filled in by whoever knows them."""
        zone = visit.tx.bank.zone
        if visit.policies.longest_record() > self._longest:
            window = _window(self._rows, zone, visit.policies.longest_record())
            self._spans = store.ask_spans(self._numbers, window)
            visit.tx.gather(self._spans)
        taken, daily = self._spans.answer
        return HourFacts(
            now=visit.asked_at,
            day_of=lambda instant: business_day(instant, zone),
            scale=visit.tx.bank.scale,
            policies=visit.policies,
            customers=self._customers.answer,
            customers_by_ref={},
            outlets=visit.outlets,
            actor=visit.staff,
            staff=visit.people,
            refs=self._refs.answer,
            spans=taken,
            daily=daily,
            record_nos={head.account_no: head.record_no for head in heads.values()},
            value_day=visit.value_day,
        )


def _people(rows: Iterable[ServiceRow]) -> set[str]:
    return {code for row in rows for code in (row.recorded_by, row.checked_by)}


def _window(rows: Sequence[ServiceRow], zone: ZoneInfo, longest: dt.timedelta) -> store.Window:
    """When a record can overlap a row, and when it can share its local day."""
    earliest = min(row.started_at for row in rows)
    latest = max(max(row.ended_at, row.started_at) for row in rows)
    first_day, _ = instants(Period.containing(business_day(earliest, zone), "day"), zone)
    _, last_day = instants(Period.containing(business_day(latest, zone), "day"), zone)
    return store.Window(earliest - longest, earliest, latest, first_day, last_day)


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
        zone = run.visit.tx.bank.zone
        return RowOutcome.refusal(index, ref, decision.row.account, decision.error, zone)
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


# --- several at once, each by itself ----------------------------------------------------------


class RecordedTogether(Together[RecordHours, Accepted]):
    """Records of a group (service/grouping.py)."""

    def __init__(
        self, tx: Transaction, commands: Sequence[RecordHours], came_at: dt.datetime
    ) -> None:
        self._rows = [command.row() for command in commands]
        self.numbers = {command.account for command in commands}
        self.places = {row.outlet for row in self._rows}
        self.people = _people(self._rows)

    def asks(self, visit: Visit) -> list[Ask[Any]]:
        """The facts behind the locks."""
        self._scene = _Scene(visit, self._rows, self.numbers)
        return self._scene.asks()

    def begin(self, visit: Visit, heads: dict[int, Head]) -> None:
        """Go by these facts."""
        self._heads, self._facts = heads, self._scene.facts(visit, heads)

    def judge(self, visit: Visit, command: RecordHours) -> Accepted | None:
        """The decision on one; None for one whose reference was sent before."""
        row, place = command.row(), visit.outlets.get(command.outlet)
        if place is not None:
            require_permission(visit.staff, command.act, place)
        visit.require_role(command.act)
        self._facts.actor = visit.staff
        (decision,) = accrual.decide_hours(self._facts, [row])
        if isinstance(decision, Declined):
            raise decision.error
        return decision if isinstance(decision, Accepted) else None

    def book(self, visit: Visit, command: RecordHours, decision: Accepted) -> HoursRecorded:
        """Carry the decision out."""
        run = _Run(visit, [decision], {command.account: self._heads[command.account]})
        return _record(visit, command, run, decision)


# --- deciding on what waits ----------------------------------------------------------------


def approve(visit: Visit, command: ApproveHours) -> HoursDecided:
    """Credit a waiting record under the tariff in force on its day of service."""
    record, outlet = _enter_decision(visit, command)
    _require_waiting(record)
    _require_decider(visit, command.act, record, outlet)
    heads = visit.heads()
    head, posting = heads[record.account_no], visit.posting(heads)
    assert record.category is not None
    tariff_id, rate = visit.policies.rate(record.category, record.service_on)
    points = accrual.points_for(record.minutes, rate, visit.tx.bank.scale)
    expires_on = visit.policies.in_force(PointsExpiry, visit.today)[1].expires_on(visit.today)
    head.verified_minutes += record.minutes
    head.is_touched = True
    value_on, origin_on = visit.value_day(outlet, record.service_on, record.account_no)
    mark = Mark("service", value_on, outlet.outlet_no, tariff_id, expires_on, origin_on)
    line_no = credit_service(posting, head, points, mark)
    decided = Decided(
        accrual.CREDITED, points=points, line_no=line_no, policy_id=tariff_id, value_on=value_on
    )
    store.write_decision(visit.writes, record, visit.voucher_id, decided)
    receipt = _decided(visit, record, accrual.CREDITED, points, line_no, head)
    visit.book(command, receipt, outlet, posting=posting, facts=_names(record))
    return receipt


def refuse(visit: Visit, command: RefuseHours) -> HoursDecided:
    """Refuse a waiting record; nothing is credited and its time is free again."""
    record, outlet = _enter_decision(visit, command)
    _require_waiting(record)
    _require_decider(visit, command.act, record, outlet)
    head = visit.heads()[record.account_no]
    decided = Decided(accrual.REFUSED, value_on=record.value_on)
    store.write_decision(visit.writes, record, visit.voucher_id, decided)
    receipt = _decided(visit, record, accrual.REFUSED, 0, None, head)
    visit.book(command, receipt, outlet, reason=command.reason, facts=_names(record))
    return receipt


def void(visit: Visit, command: VoidHours) -> HoursDecided:
    """Take a credited record's minutes and points back by a reversal (冲正)."""
    states = store.ask_customers([command.account])
    people = [command.second_person]
    record, outlet = _enter_decision(visit, command, people, asks=[states])
    _require_credited(record)
    second = require_second_person(
        command.act, visit.staff, visit.people.get(command.second_person),
        command.second_person, outlet,
    )  # fmt: skip
    for person in (visit.staff, second):
        require_not_own(command.act, person, record.account_no)
    heads = visit.heads()
    head, posting = heads[record.account_no], visit.posting(heads)
    cited, lapsed = _cited(visit, posting, record)
    if cited is not None and cited.due:
        require_open(record.account_no, states.answer[record.account_no].state)
    part = _take_back(visit, posting, record, cited, outlet)
    moved, line_no = (part.moved, part.by_line_no) if part else (0, None)
    receipt = _decided(visit, record, accrual.VOIDED, moved, line_no, head)
    lapsed.write(visit, posting, outlet)
    visit.book(
        command, receipt, outlet, posting=posting, second=second, reason=command.reason,
        facts=_names(record) | lapsed.facts,
    )  # fmt: skip
    return receipt


def correct(visit: Visit, command: CorrectHours) -> HoursRecorded:
    """Void a credited record and record the right one, in one act: never an edit."""
    visit.lock([command.account])
    record = visit.tx.look(store.ask_record(command.account, command.record_no))
    if record is None or record.kind != "service":
        raise UnknownRecord(record=f"{command.account}/{command.record_no}")
    place = load_place(visit.tx, record.outlet_no)
    visit.tx.lock(ask_outlets([place.code]))
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
    cited, lapsed = _cited(visit, run.posting, record)
    # What has expired of the wrong record stays expired: to correct is not to revive.
    decision.points = max(0, decision.points - (cited.gone if cited else 0))
    run.post(replaces=record.record_no)
    _take_back(visit, run.posting, record, cited, outlet)
    key = (record.account_no, decision.record_no)
    run.results[key] = (run.results[key][0], heads[record.account_no].balance)
    receipt = _recorded(visit, run, decision, replaces=record.record_no)
    lapsed.write(visit, run.posting, outlet)
    visit.book(
        command, receipt, outlet, posting=run.posting, second=decision.checker,
        reason=command.reason, facts=_names(record) | lapsed.facts,
    )  # fmt: skip
    return receipt


Deciding = ApproveHours | RefuseHours | VoidHours


def _enter_decision(
    visit: Visit, command: Deciding, people: Sequence[str] = (), asks: Sequence[Ask[Any]] = ()
) -> tuple[StoredRecord, OutletFacts]:
    """Lock the account, find the record, and require that the actor may act at its outlet."""
    visit.lock([command.account])
    asked = store.ask_record(command.account, command.record_no)
    visit.enter(command, people=people, asks=(*asks, asked))
    record = asked.answer
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


def _cited(
    visit: Visit, posting: Posting, record: StoredRecord
) -> tuple[Reversible | None, Settled]:
    """The record's line with what was taken of it before, and what has expired until today.

    And the customer's lapsed holds: what they kept is there to be taken back, or has expired.
    """
    if record.line_no is None:
        return None, NOTHING_LAPSED
    asks = asks_reversible(record.account_no, record.line_no)
    overdue = Overdue(visit, [record.account_no])
    visit.tx.gather(*asks, *overdue.asks)
    lapsed, cited = overdue.settle(posting), reversible(asks)
    note_expiries(posting, [cited], record.outlet_no)
    return cited, lapsed


def _take_back(
    visit: Visit,
    posting: Posting,
    record: StoredRecord,
    cited: Reversible | None,
    outlet: OutletFacts,
) -> Part | None:
    """Void the record: its minutes leave the second book, its points go back to the issuer.

    What was reversed of its line before is not taken again, and what has expired stays so. Of
    points that are spent the policy says what becomes: see `rules.reversals`. Both books leave
    the period in which the record counted, or the open one if that is closed.
    """
    value_on, origin_on = visit.value_day(outlet, record.value_on, record.account_no)
    if record.value_on != record.service_on:
        origin_on = record.service_on  # recorded late for a closed day: it leaves that day
    head, part = posting.heads[record.account_no], None
    if cited is not None and cited.left:
        number, policy_id = record.outlet_no, record.policy_id
        mark = Mark(REVERSAL, value_on, number, policy_id, origin_on=origin_on)
        part = cited.cut(None, posting.scale)
        take_back(posting, part, terms_of(visit, lambda _: mark))
    head.verified_minutes -= record.minutes
    head.is_touched = True
    decided = Decided(
        accrual.VOIDED, points=record.points, line_no=record.line_no,
        policy_id=record.policy_id, value_on=record.value_on, voided_on=value_on,
    )  # fmt: skip
    store.write_decision(visit.writes, record, visit.voucher_id, decided)
    return part


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
