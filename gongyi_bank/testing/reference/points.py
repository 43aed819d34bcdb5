"""期初、人工入账与到期 in the reference: opening balances, grants by hand, passed dates."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.commands.points import BringForward, ExpireDue, GrantPoints
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.receipts.hours import ManyRecorded, RowOutcome
from gongyi_bank.receipts.points import PointsExpired, PointsGranted
from gongyi_bank.rules import accrual
from gongyi_bank.rules import points as rules
from gongyi_bank.rules.accrual import Declined, RecordFacts, Replayed
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.ledger import Leg, Mark, internal_kind, internal_no
from gongyi_bank.rules.points import OpeningAccepted, OpeningDecision, OpeningFacts
from gongyi_bank.rules.staff import require_not_own, require_second_person
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import Entry, entry_of
from gongyi_bank.testing.reference.rows import HourRecord
from gongyi_bank.values import NEVER, Points


def grant(visit: Visit, command: GrantPoints) -> PointsGranted:
    """Credit points by hand; a second person agreed, and neither of them gets the points."""
    code, account_no = command.second_person, command.account
    visit.enter(command, outlets_at=[command.outlet], people=[code])
    outlet = visit.outlet_for(command.act, command.outlet)
    named = visit.people.get(code)
    second = require_second_person(command.act, visit.staff, named, code, outlet)
    for person in (visit.staff, second):
        require_not_own(command.act, person, account_no)
    require_open(account_no, visit.books.states([account_no]).get(account_no))
    value_on = rules.require_past(command.value_on, visit.today)
    amount = command.points.to_units(visit.bank.scale)
    entry = entry_of(visit, [account_no])
    leg = Leg(internal_no("issued", outlet.outlet_no), account_no, amount)
    days = visit.value_day(outlet, value_on, account_no)
    entry.post(leg, _mark(visit, "grant", days, outlet.outlet_no))
    head = entry.heads[account_no]
    receipt = PointsGranted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=account_no,
        points=Points.of_units(amount, visit.bank.scale),
        line_no=head.line_no,
        balance=Points.of_units(head.balance, visit.bank.scale),
    )
    visit.book(command, receipt, outlet, posting=entry, second=second, reason=command.reason)
    return receipt


def _mark(visit: Visit, kind: str, days: tuple[dt.date, dt.date | None], outlet_no: int) -> Mark:
    """How the line is marked; `days` are its value date, and its origin date or None."""
    value_on, origin_on = days
    policy_id, expiry = visit.policies.in_force(PointsExpiry, visit.today)
    good_until = expiry.expires_on(visit.today)
    return Mark(kind, value_on, outlet_no, policy_id, good_until, origin_on)


# --- opening balances --------------------------------------------------------------------------


def bring_forward(visit: Visit, command: BringForward) -> ManyRecorded:
    """Take over hours and points from the paper books, each account once and first of all."""
    visit.enter(command)
    visit.outlet_for(command.act, None)
    books = visit.books
    named = [(row.customer_ref, books.customer_of_ref(row.customer_ref)) for row in command.rows]
    numbers = {row.account for row in command.rows if row.account is not None}
    customers = books.customer_facts(
        numbers | {customer.account_no for _, customer in named if customer is not None}
    )
    entry = entry_of(visit, customers)
    facts = OpeningFacts(
        today=visit.today,
        scale=visit.bank.scale,
        actor=visit.staff,
        outlets=books.outlets,
        customers=customers,
        customers_by_ref={ref: customers[c.account_no] for ref, c in named if ref and c},
        heads=entry.heads,
        openings=_openings(visit),
        value_day=visit.value_day,
    )
    decisions = rules.decide_openings(facts, command.rows)
    outcomes = tuple(_outcome(visit, entry, i, d) for i, d in enumerate(decisions))
    accepted = [decision for decision in decisions if isinstance(decision, OpeningAccepted)]
    receipt = ManyRecorded(
        voucher_id=visit.voucher_uuid if accepted else None,
        business_day=visit.today,
        booked_at=visit.now,
        outcomes=outcomes,
    )
    if accepted:
        places = [books.outlets[decision.customer.outlet_no] for decision in accepted]
        visit.book(command, receipt, visit.handled_at(command.act, places), posting=entry)
    return receipt


def _openings(visit: Visit) -> dict[int, RecordFacts]:
    """The opening record of each account that has one."""
    firsts = (records[0] for records in visit.books.records.values() if records)
    return {
        one.account_no: RecordFacts(
            one.account_no, 1, one.state, one.row_digest, one.minutes, one.points, one.line_no
        )
        for one in firsts
        if one.kind == "opening"
    }


def _outcome(visit: Visit, entry: Entry, index: int, decision: OpeningDecision) -> RowOutcome:
    """Carry one row's decision out, and say what became of it."""
    if isinstance(decision, Declined):
        zone = visit.bank.zone
        return RowOutcome.refusal(index, None, decision.row.account, decision.error, zone)
    scale = visit.bank.scale
    if isinstance(decision, Replayed):
        record = decision.record
        return RowOutcome(
            index, None, accrual.REPLAYED, record.account_no, record.record_no, record.line_no,
            record.minutes, Points.of_units(record.points, scale),
        )  # fmt: skip
    made = _take_over(visit, entry, decision)
    return RowOutcome(
        index, None, accrual.CREDITED, made.account_no, made.record_no, made.line_no,
        made.minutes, Points.of_units(made.points, scale),
        Points.of_units(entry.heads[made.account_no].balance, scale),
    )  # fmt: skip


def _take_over(visit: Visit, entry: Entry, opening: OpeningAccepted) -> HourRecord:
    """The opening line and the opening record of one account, at its own savings branch."""
    account_no, row = opening.customer.account_no, opening.row
    home = visit.books.outlets[opening.customer.outlet_no]
    days = opening.value_on, opening.origin_on
    line_no, mark = None, _mark(visit, "opening", days, home.outlet_no)
    if opening.points:
        leg = Leg(internal_no("brought_forward", home.outlet_no), account_no, opening.points)
        entry.post(leg, mark)
        line_no = entry.heads[account_no].line_no
    midnight = dt.datetime.combine(row.as_of, dt.time(), visit.bank.zone)
    made = HourRecord(
        account_no=account_no,
        record_no=1,
        kind="opening",
        state=accrual.CREDITED,
        first_state=accrual.CREDITED,
        ref=None,
        row_digest=opening.row_digest,
        outlet_no=home.outlet_no,
        project=None,
        category=None,
        started_at=midnight,
        ended_at=midnight,
        service_on=row.as_of,
        value_on=mark.value_on,
        voided_on=None,
        minutes=row.minutes,
        client_rating=None,
        recorded_by_no=None,
        checked_by_no=None,
        points=opening.points,
        line_no=line_no,
        policy_id=None,
        replaces_record_no=None,
        voucher_id=visit.voucher_id,
    )
    visit.books.records[account_no] = (made,)
    entry.look(account_no)
    return made


# --- points past their date ----------------------------------------------------------------------


def expire_due(visit: Visit, command: ExpireDue) -> PointsExpired:
    """Write the expiry lines of accounts whose next date has come, each at its home outlet.

    Where that has closed its day already, on the next one.
    """
    seen, left_out = visit.sweepable(_due(visit), int, command.count_max)
    visit.enter(command)
    handled_at = visit.outlet_for(command.act, None)
    entry = entry_of(visit, seen)
    for account_no, head in sorted(entry.heads.items()):
        entry.expire(head, visit.books.place(account_no).outlet_no)
        head.is_touched = head.dates != head.seen_expiry
    changed = [head for head in entry.heads.values() if head.is_changed]
    receipt = PointsExpired(
        voucher_id=visit.voucher_uuid if changed else None,
        business_day=visit.today,
        booked_at=visit.now,
        accounts=len(changed),
        lines=len(entry.lines),
        points=Points.of_units(-sum(line[3] for line in entry.lines), visit.bank.scale),
        may_be_more=len(seen) == command.count_max,
        left_out=left_out,
    )
    if changed:
        visit.book(command, receipt, handled_at, posting=entry)
    return receipt


def _due(visit: Visit) -> list[int]:
    """The accounts that a bank's sweep would look at, by what it has noted of their dates.

    First those whose noted date has come, then, while points expire, those with points for
    which no date is noted yet.
    """
    noted = [(day, no) for no, (_, day, line_no) in visit.books.noted.items() if line_no]
    due = [no for day, no in sorted(noted) if day < visit.today]
    if visit.expiry_terms.is_in_force:
        due += sorted(no for day, no in noted if day == NEVER and internal_kind(no) is None)
    return due


ACTS: Acts = {
    GrantPoints: grant,
    BringForward: bring_forward,
    ExpireDue: expire_due,
}
