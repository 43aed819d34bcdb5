"""服务时长 in the reference: recording, approving, refusing, voiding and correcting service.

Which records overlap, and how many minutes a day has, is told from all records of the account.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

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
    RecordNotCredited,
    RecordNotWaiting,
    UnknownRecord,
)
from gongyi_bank.periods import business_day
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.receipts.hours import HoursDecided, HoursRecorded, ManyRecorded, RowOutcome
from gongyi_bank.rules import accrual
from gongyi_bank.rules.accrual import Accepted, Declined, HourFacts, RecordFacts, Replayed
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.ledger import Leg, Mark, internal_no
from gongyi_bank.rules.outlets import BRANCH
from gongyi_bank.rules.reversals import REVERSAL, Part, Reversible, note_expiries, take_back
from gongyi_bank.rules.staff import (
    OutletFacts,
    require_not_own,
    require_permission,
    require_second_person,
)
from gongyi_bank.testing.reference.citing import reversibles_of, terms_of
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import Entry, entry_of
from gongyi_bank.testing.reference.rows import HourRecord
from gongyi_bank.values import Points

_WAITING = (accrual.WAITING_BRANCH, accrual.WAITING_HEAD_OFFICE)


# --- recording -------------------------------------------------------------------------------


def record(visit: Visit, command: RecordHours) -> HoursRecorded:
    """Record one service. A refusal is raised."""
    row = command.row()
    facts = _enter_with_rows(visit, command, [row])
    for place in visit.outlets.values():
        require_permission(visit.staff, command.act, place)
    visit.require_role(command.act)
    (decision,) = accrual.decide_hours(facts, [row])
    if isinstance(decision, Declined):
        raise decision.error
    if isinstance(decision, Replayed):
        return _recorded_before(visit, decision.record)
    entry = entry_of(visit, [decision.customer.account_no])
    made = _add(visit, entry, decision)
    receipt = _recorded(visit, entry, made)
    visit.book(command, receipt, decision.outlet, posting=entry, second=decision.checker)
    return receipt


def record_many(visit: Visit, command: RecordManyHours) -> ManyRecorded:
    """Record a list: each row is credited, waits, is a replay, or is refused by itself."""
    facts = _enter_with_rows(visit, command, command.rows)
    visit.require_role(command.act)
    entry = entry_of(visit, facts.customers)
    decisions = accrual.decide_hours(facts, command.rows)
    outcomes = tuple(_outcome(visit, entry, i, d) for i, d in enumerate(decisions))
    accepted = [decision for decision in decisions if isinstance(decision, Accepted)]
    receipt = ManyRecorded(
        voucher_id=visit.voucher_uuid if accepted else None,
        business_day=visit.today,
        booked_at=visit.now,
        outcomes=outcomes,
    )
    if accepted:
        handled_at = visit.handled_at(command.act, [decision.outlet for decision in accepted])
        visit.book(command, receipt, handled_at, posting=entry)
    return receipt


def _outcome(visit: Visit, entry: Entry, index: int, decision: accrual.Decision) -> RowOutcome:
    """Carry one row's decision out, and say what became of it."""
    ref = decision.row.ref
    if isinstance(decision, Declined):
        zone = visit.bank.zone
        return RowOutcome.refusal(index, ref, decision.row.account, decision.error, zone)
    if isinstance(decision, Replayed):
        made = _record_of(visit, decision.record.account_no, decision.record.record_no)
        return RowOutcome(
            index, ref, accrual.REPLAYED, made.account_no, made.record_no, made.line_no,
            made.minutes, _points(visit, made.points),
        )  # fmt: skip
    made = _add(visit, entry, decision)
    return RowOutcome(
        index, ref, made.state, made.account_no, made.record_no, made.line_no, made.minutes,
        _points(visit, made.points), _balance(visit, entry, made.account_no),
    )  # fmt: skip


def _enter_with_rows(
    visit: Visit, command: RecordHours | RecordManyHours | CorrectHours, rows: Sequence[ServiceRow]
) -> HourFacts:
    """Enter, and tell what the books say around these rows."""
    people = {code for row in rows for code in (row.recorded_by, row.checked_by)}
    visit.enter(command, outlets_at={row.outlet for row in rows}, people=people)
    books = visit.books
    named = [(row.customer_ref, books.customer_of_ref(row.customer_ref)) for row in rows]
    numbers = {row.account for row in rows if row.account is not None}
    numbers |= {customer.account_no for _, customer in named if customer is not None}
    visit.go_by_accounts(numbers)
    customers = books.customer_facts(numbers)
    counting = [
        one
        for number in customers
        for one in books.records.get(number, ())
        if one.kind == "service" and one.state in accrual.COUNTING
    ]
    facts = HourFacts(
        now=visit.asked_at,
        day_of=lambda instant: business_day(instant, visit.bank.zone),
        scale=visit.bank.scale,
        policies=visit.policies,
        customers=customers,
        customers_by_ref={ref: customers[c.account_no] for ref, c in named if ref and c},
        outlets=visit.outlets,
        actor=visit.staff,
        staff=visit.people,
        refs=_refs(visit, rows),
        spans={},
        daily={},
        record_nos={number: len(books.records.get(number, ())) for number in customers},
        value_day=visit.value_day,
    )
    for one in sorted(counting, key=lambda one: one.started_at):
        span = (one.started_at, one.ended_at, one.record_no)
        facts.spans.setdefault(one.account_no, []).append(span)
        day = (one.account_no, one.service_on)
        facts.daily[day] = facts.daily.get(day, 0) + one.minutes
    return facts


def _refs(visit: Visit, rows: Sequence[ServiceRow]) -> dict[str, RecordFacts]:
    """The records that carry the rows' references already."""
    wanted = {row.ref for row in rows if row.ref is not None}
    return {
        one.ref: RecordFacts(
            one.account_no, one.record_no, one.state, one.row_digest, one.minutes, one.points,
            one.line_no,
        )
        for records in visit.books.records.values()
        for one in records
        if one.ref is not None and one.ref in wanted
    }  # fmt: skip


def _add(visit: Visit, entry: Entry, row: Accepted, replaces: int | None = None) -> HourRecord:
    """Turn an accepted row into a record, and into a line if it is credited."""
    sent, points, line_no, tariff_id = row.row, 0, None, None
    if row.state == accrual.CREDITED:
        points, tariff_id = row.points, row.tariff_id
        mark = Mark(
            "service", row.value_on, row.outlet.outlet_no, tariff_id, _good_until(visit),
            row.origin_on,
        )  # fmt: skip
        line_no = _credit(entry, row.customer.account_no, points, mark)
    made = HourRecord(
        account_no=row.customer.account_no,
        record_no=row.record_no,
        kind="service",
        state=row.state,
        first_state=row.state,
        ref=sent.ref,
        row_digest=row.row_digest,
        outlet_no=row.outlet.outlet_no,
        project=sent.project,
        category=sent.category,
        started_at=sent.started_at.astimezone(dt.UTC),
        ended_at=sent.ended_at.astimezone(dt.UTC),
        service_on=row.service_on,
        value_on=row.value_on,
        voided_on=None,
        minutes=row.minutes,
        client_rating=sent.client_rating,
        recorded_by_no=row.recorder.staff_no,
        checked_by_no=row.checker.staff_no,
        points=points,
        line_no=line_no,
        policy_id=tariff_id,
        replaces_record_no=replaces,
        voucher_id=visit.voucher_id,
    )
    mine = visit.books.records.get(made.account_no, ())
    visit.books.records[made.account_no] = (*mine, made)
    entry.look(made.account_no)
    return made


def _credit(entry: Entry, account_no: int, points: int, mark: Mark) -> int | None:
    """入折: the credit line of a service, issued at its outlet; none for zero points."""
    if not points:
        return None
    entry.post(Leg(internal_no("issued", mark.outlet_no), account_no, points), mark)
    return entry.heads[account_no].line_no


def _good_until(visit: Visit) -> dt.date:
    """The last day of points that are credited today."""
    return visit.policies.in_force(PointsExpiry, visit.today)[1].expires_on(visit.today)


def _recorded(visit: Visit, entry: Entry, made: HourRecord) -> HoursRecorded:
    return HoursRecorded(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=made.account_no,
        record_no=made.record_no,
        state=made.state,
        minutes=made.minutes,
        points=_points(visit, made.points),
        line_no=made.line_no,
        balance=_balance(visit, entry, made.account_no),
        replaces_record_no=made.replaces_record_no,
    )


def _recorded_before(visit: Visit, earlier: RecordFacts) -> HoursRecorded:
    """The receipt of a record that was sent before: as it stands now."""
    made = _record_of(visit, earlier.account_no, earlier.record_no)
    voucher = visit.books.vouchers[made.voucher_id]
    balance = visit.books.balance(made.account_no)
    if made.line_no is not None:
        line = visit.books.lines[made.account_no][made.line_no - 1]
        balance = line.credited_after - line.debited_after
    return HoursRecorded(
        voucher_id=UUID(bytes=made.voucher_id),
        business_day=voucher.business_day,
        booked_at=voucher.booked_at,
        account=made.account_no,
        record_no=made.record_no,
        state=made.state,
        minutes=made.minutes,
        points=_points(visit, made.points),
        line_no=made.line_no,
        balance=_points(visit, balance),
        replaces_record_no=made.replaces_record_no,
    )


# --- deciding on what waits, and taking back what was credited ---------------------------------


def approve(visit: Visit, command: ApproveHours) -> HoursDecided:
    """Credit a waiting record under the tariff in force on its day of service."""
    waits, outlet = _enter_decision(visit, command)
    _require_decider(visit, command.act, waits, outlet)
    entry = entry_of(visit, [waits.account_no])
    assert waits.category is not None
    tariff_id, rate = visit.policies.rate(waits.category, waits.service_on)
    points = accrual.points_for(waits.minutes, rate, visit.bank.scale)
    value_on, origin_on = visit.value_day(outlet, waits.service_on, waits.account_no)
    mark = Mark("service", value_on, outlet.outlet_no, tariff_id, _good_until(visit), origin_on)
    made = waits._replace(
        state=accrual.CREDITED,
        value_on=value_on,
        points=points,
        line_no=_credit(entry, waits.account_no, points, mark),
        policy_id=tariff_id,
        decided_voucher_id=visit.voucher_id,
    )
    _change(visit, made)
    entry.look(made.account_no)
    entry.heads[made.account_no].is_touched = True
    balance = entry.heads[made.account_no].balance
    receipt = _decided(visit, made, points, made.line_no, balance)
    visit.book(command, receipt, outlet, posting=entry)
    return receipt


def refuse(visit: Visit, command: RefuseHours) -> HoursDecided:
    """Refuse a waiting record; nothing is credited and its time is free again."""
    waits, outlet = _enter_decision(visit, command)
    _require_decider(visit, command.act, waits, outlet)
    visit.go_by_accounts([waits.account_no])
    made = waits._replace(state=accrual.REFUSED, decided_voucher_id=visit.voucher_id)
    _change(visit, made)
    receipt = _decided(visit, made, 0, None, visit.books.balance(made.account_no))
    visit.book(command, receipt, outlet, reason=command.reason)
    return receipt


def void(visit: Visit, command: VoidHours) -> HoursDecided:
    """Take a credited record's minutes and points back by a reversal (冲正)."""
    code = command.second_person
    wrong, outlet = _enter_decision(visit, command, code)
    _require_credited(wrong)
    named = visit.people.get(code)
    second = require_second_person(command.act, visit.staff, named, code, outlet)
    for person in (visit.staff, second):
        require_not_own(command.act, person, wrong.account_no)
    freed = _free_lapsed(visit, wrong)
    entry = entry_of(visit, [wrong.account_no])
    cited = _cited(visit, entry, wrong)
    if cited is not None and cited.due:
        require_open(wrong.account_no, visit.books.customers[wrong.account_no].state)
    part = _take_back(visit, entry, wrong, cited, outlet)
    moved, line_no = (part.moved, part.by_line_no) if part else (0, None)
    made = _record_of(visit, wrong.account_no, wrong.record_no)
    receipt = _decided(visit, made, moved, line_no, entry.heads[made.account_no].balance)
    visit.expire_freed(entry, freed, outlet)
    visit.book(command, receipt, outlet, posting=entry, second=second, reason=command.reason)
    return receipt


def correct(visit: Visit, command: CorrectHours) -> HoursRecorded:
    """Void a credited record and record the right one, in one act: never an edit."""
    wrong = _require_record(visit, command.account, command.record_no)
    place = visit.books.outlets[wrong.outlet_no]
    row = ServiceRow(
        account=wrong.account_no, category=command.category, started_at=command.started_at,
        ended_at=command.ended_at, outlet=place.code, project=command.project,
        client_rating=command.client_rating, recorded_by=command.recorded_by,
        checked_by=command.checked_by,
    )  # fmt: skip
    facts = _enter_with_rows(visit, command, [row])
    outlet = visit.outlet_for(command.act, place.code)
    _require_credited(wrong)
    if visit.staff.code not in (command.recorded_by, command.checked_by):
        raise FourEyesRequired(act=command.act, staff=visit.staff.code)
    _forget(facts, wrong)
    (decision,) = accrual.decide_hours(facts, [row])
    if isinstance(decision, Declined):
        raise decision.error
    assert isinstance(decision, Accepted)
    freed = _free_lapsed(visit, wrong)
    entry = entry_of(visit, [wrong.account_no])
    cited = _cited(visit, entry, wrong)
    # What has expired of the wrong record stays expired: to correct is not to revive.
    decision.points = max(0, decision.points - (cited.gone if cited else 0))
    made = _add(visit, entry, decision, replaces=wrong.record_no)
    _take_back(visit, entry, wrong, cited, outlet)
    receipt = _recorded(visit, entry, made)
    visit.expire_freed(entry, freed, outlet)
    visit.book(
        command, receipt, outlet, posting=entry, second=decision.checker, reason=command.reason
    )
    return receipt


def _enter_decision(
    visit: Visit, command: ApproveHours | RefuseHours | VoidHours, *people: str
) -> tuple[HourRecord, OutletFacts]:
    """The record and its outlet, where the actor must be allowed to act."""
    visit.enter(command, people=people)
    found = _require_record(visit, command.account, command.record_no)
    outlet = visit.books.outlets[found.outlet_no]
    visit.outlets[outlet.code] = outlet
    require_permission(visit.staff, command.act, outlet)
    return found, outlet


def _record_of(visit: Visit, account_no: int, record_no: int) -> HourRecord:
    return visit.books.records[account_no][record_no - 1]


def _require_record(visit: Visit, account_no: int, record_no: int) -> HourRecord:
    """A service that was recorded; opening balances are none. Raises UnknownRecord."""
    for found in visit.books.records.get(account_no, ()):
        if found.record_no == record_no and found.kind == "service":
            return found
    raise UnknownRecord(record=f"{account_no}/{record_no}")


def _change(visit: Visit, made: HourRecord) -> None:
    """Put a record in the place of what it was."""
    mine = list(visit.books.records[made.account_no])
    mine[made.record_no - 1] = made
    visit.books.records[made.account_no] = tuple(mine)


def _require_decider(visit: Visit, act: str, waits: HourRecord, outlet: OutletFacts) -> None:
    """The level that the record waits for; not its maker, its checker or who sent it."""
    if waits.state not in _WAITING:
        raise RecordNotWaiting(record=f"{waits.account_no}/{waits.record_no}", state=waits.state)
    if waits.state == accrual.WAITING_HEAD_OFFICE:
        require_permission(visit.staff, act, visit.books.head_office)
    else:
        require_permission(visit.staff, act, outlet, tier_max=BRANCH)
    sender_no = visit.books.vouchers[waits.voucher_id].staff_no
    if visit.staff.staff_no in (waits.recorded_by_no, waits.checked_by_no, sender_no):
        raise FourEyesRequired(act=act, staff=visit.staff.code)
    require_not_own(act, visit.staff, waits.account_no)


def _require_credited(found: HourRecord) -> None:
    if found.state != accrual.CREDITED:
        raise RecordNotCredited(record=f"{found.account_no}/{found.record_no}", state=found.state)


def _free_lapsed(visit: Visit, wrong: HourRecord) -> set[int]:
    """What lapsed holds kept is there to be taken back, if anything was credited."""
    return visit.free_lapsed([wrong.account_no]) if wrong.line_no is not None else set()


def _cited(visit: Visit, entry: Entry, wrong: HourRecord) -> Reversible | None:
    """The record's line with what was taken of it before, and what has expired until today."""
    if wrong.line_no is None:
        return None
    line = visit.books.lines[wrong.account_no][wrong.line_no - 1]
    (found,) = reversibles_of(visit.books, [line])
    note_expiries(entry, [found], wrong.outlet_no)
    return found


def _take_back(
    visit: Visit, entry: Entry, wrong: HourRecord, cited: Reversible | None, outlet: OutletFacts
) -> Part | None:
    """Void the record, and take back what is left of its points."""
    value_on, origin_on = visit.value_day(outlet, wrong.value_on, wrong.account_no)
    if wrong.value_on != wrong.service_on:
        origin_on = wrong.service_on
    part = None
    if cited is not None and cited.left:
        mark = Mark(REVERSAL, value_on, wrong.outlet_no, wrong.policy_id, origin_on=origin_on)
        part = cited.cut(None, visit.bank.scale)
        take_back(entry, part, terms_of(visit, lambda _: mark))
    _change(
        visit,
        wrong._replace(
            state=accrual.VOIDED, voided_on=value_on, voided_voucher_id=visit.voucher_id
        ),
    )
    entry.look(wrong.account_no)
    entry.heads[wrong.account_no].is_touched = True
    return part


def _forget(facts: HourFacts, wrong: HourRecord) -> None:
    """The record under correction takes part in no overlap and no daily limit."""
    mine = facts.spans.get(wrong.account_no, [])
    facts.spans[wrong.account_no] = [span for span in mine if span[2] != wrong.record_no]
    day = (wrong.account_no, wrong.service_on)
    facts.daily[day] = facts.daily.get(day, 0) - wrong.minutes


def _points(visit: Visit, units: int) -> Points:
    return Points.of_units(units, visit.bank.scale)


def _balance(visit: Visit, entry: Entry, account_no: int) -> Points:
    return _points(visit, entry.heads[account_no].balance)


def _decided(
    visit: Visit, made: HourRecord, units: int, line_no: int | None, balance: int
) -> HoursDecided:
    return HoursDecided(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=made.account_no,
        record_no=made.record_no,
        state=made.state,
        minutes=made.minutes,
        points=_points(visit, units),
        line_no=line_no,
        balance=_points(visit, balance),
    )


ACTS: Acts = {
    RecordHours: record,
    RecordManyHours: record_many,
    ApproveHours: approve,
    RefuseHours: refuse,
    VoidHours: void,
    CorrectHours: correct,
}
