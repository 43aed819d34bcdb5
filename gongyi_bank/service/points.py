"""期初与人工入账: opening balances in bulk, and grants by hand."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.commands.points import BringForward, ExpireDue, GrantPoints
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.receipts.hours import ManyRecorded, RowOutcome
from gongyi_bank.receipts.points import PointsExpired, PointsGranted
from gongyi_bank.rules import accrual
from gongyi_bank.rules import points as rules
from gongyi_bank.rules.accrual import Declined, Replayed
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, internal_no
from gongyi_bank.rules.points import OpeningAccepted, OpeningFacts
from gongyi_bank.rules.staff import require_not_own, require_second_person
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.sweeps import closed_today, find_due
from gongyi_bank.store import hours, ledger, outlets
from gongyi_bank.store.outlets import load_outlets_by_no
from gongyi_bank.store.points import load_openings
from gongyi_bank.store.policies import load_stamp
from gongyi_bank.values import Points


def grant(visit: Visit, command: GrantPoints) -> PointsGranted:
    """Credit points by hand; a second person agreed, and neither of them gets the points."""
    visit.lock([command.account], outlets_at=[command.outlet])
    customers, people = hours.ask_customers([command.account]), [command.second_person]
    visit.enter(command, outlets_at=[command.outlet], people=people, asks=[customers])
    outlet = visit.outlet_for(command.act, command.outlet)
    second = require_second_person(
        command.act,
        visit.staff,
        visit.people.get(command.second_person),
        command.second_person,
        outlet,
    )
    for person in (visit.staff, second):
        require_not_own(command.act, person, command.account)
    customer = customers.answer.get(command.account)
    require_open(command.account, customer.state if customer else None)
    value_on = rules.require_past(command.value_on, visit.today)
    amount = command.points.to_units(visit.tx.bank.scale)
    heads = visit.heads()
    posting = visit.posting(heads)
    leg = Leg(internal_no("issued", outlet.outlet_no), command.account, amount)
    days = visit.value_day(outlet, value_on, command.account)
    posting.post(leg, _mark(visit, "grant", days, outlet.outlet_no))
    head = heads[command.account]
    receipt = PointsGranted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        account=command.account,
        points=Points.of_units(amount, visit.tx.bank.scale),
        line_no=head.line_no,
        balance=Points.of_units(head.balance, visit.tx.bank.scale),
    )
    visit.book(command, receipt, outlet, posting=posting, second=second, reason=command.reason)
    return receipt


def _mark(visit: Visit, kind: str, days: tuple[dt.date, dt.date | None], outlet_no: int) -> Mark:
    """How the line is marked; `days` are its value date, and its origin date or None."""
    value_on, origin_on = days
    expiry_id, expiry = visit.policies.in_force(PointsExpiry, visit.today)
    expires_on = expiry.expires_on(visit.today)
    return Mark(kind, value_on, outlet_no, expiry_id, expires_on, origin_on)


def bring_forward(visit: Visit, command: BringForward) -> ManyRecorded:
    """Take over hours and points from the paper books, each account once and first of all."""
    rows = command.rows
    refs = [row.customer_ref for row in rows if row.customer_ref]
    by_ref = hours.load_customers_by_ref(visit.tx, refs)
    numbers = {row.account for row in rows if row.account is not None}
    numbers |= {customer.account_no for customer in by_ref.values()}
    visit.lock(numbers)
    visit.enter(command)
    visit.outlet_for(command.act, None)
    heads = visit.heads()
    customers = visit.tx.look(hours.ask_customers(heads))
    homes = load_outlets_by_no(visit.tx, [customer.outlet_no for customer in customers.values()])
    facts = OpeningFacts(
        today=visit.today,
        scale=visit.tx.bank.scale,
        actor=visit.staff,
        outlets=homes,
        customers=customers,
        customers_by_ref={ref: customers[c.account_no] for ref, c in by_ref.items()},
        heads=heads,
        openings=load_openings(visit.tx, heads),
        value_day=visit.value_day,
    )
    decisions = rules.decide_openings(facts, rows)
    posting = visit.posting(heads)
    accepted = [decision for decision in decisions if isinstance(decision, OpeningAccepted)]
    records = [_take_over(visit, posting, decision) for decision in accepted]
    hours.write_records(visit.writes, records)
    receipt = ManyRecorded(
        voucher_id=visit.voucher_uuid if accepted else None,
        business_day=visit.today,
        booked_at=visit.now,
        outcomes=tuple(_outcome(visit, heads, i, d) for i, d in enumerate(decisions)),
    )
    if accepted:
        places = [homes[decision.customer.outlet_no] for decision in accepted]
        handled_at = visit.handled_at(command.act, places)
        keep = command.idempotency_key is not None
        visit.book(command, receipt, handled_at, posting=posting, keep_receipt=keep)
    return receipt


def _take_over(visit: Visit, posting: Posting, opening: OpeningAccepted) -> tuple[object, ...]:
    """The opening line and the opening record of one account, at its own savings branch.

    What is brought for a closed period counts in the open one, as all that comes late.
    """
    customer, row = opening.customer, opening.row
    head = posting.heads[customer.account_no]
    line_no = None
    mark = _mark(visit, "opening", (opening.value_on, opening.origin_on), customer.outlet_no)
    if opening.points:
        source_no = internal_no("brought_forward", customer.outlet_no)
        posting.post(Leg(source_no, head.account_no, opening.points), mark)
        line_no = head.line_no
    head.record_no = 1
    head.verified_minutes += row.minutes
    midnight = dt.datetime.combine(row.as_of, dt.time(), visit.tx.bank.zone)
    return (
        head.account_no, 1, "opening", accrual.CREDITED, accrual.CREDITED, None,
        opening.row_digest, customer.outlet_no, None, None, midnight, midnight, row.as_of,
        mark.value_on, None, row.minutes, None, None, None, opening.points, line_no, None, None,
        visit.voucher_id, None,
    )  # fmt: skip


def _outcome(
    visit: Visit, heads: dict[int, Head], index: int, decision: rules.OpeningDecision
) -> RowOutcome:
    if isinstance(decision, Declined):
        zone = visit.tx.bank.zone
        return RowOutcome.refusal(index, None, decision.row.account, decision.error, zone)
    scale = visit.tx.bank.scale
    if isinstance(decision, Replayed):
        record = decision.record
        return RowOutcome(
            index, None, accrual.REPLAYED, record.account_no, record.record_no, record.line_no,
            record.minutes, Points.of_units(record.points, scale),
        )  # fmt: skip
    head = heads[decision.customer.account_no]
    return RowOutcome(
        index, None, accrual.CREDITED, head.account_no, 1, head.line_no or None,
        decision.row.minutes, Points.of_units(decision.points, scale),
        Points.of_units(head.balance, scale),
    )  # fmt: skip


# --- points past their date ------------------------------------------------------------------


def expire_due(visit: Visit, command: ExpireDue) -> PointsExpired:
    """Write the expiry lines of accounts whose next date has come; nobody decides here.

    Each at its home outlet; where that has closed its day already, on the next one.
    """
    book, closed = visit.shelf.of(visit.tx, load_stamp(visit.tx))
    terms = terms_of(book, visit.today)

    def list_after(last: ledger.Due | None, size: int) -> list[ledger.Due]:
        return ledger.list_due(visit.tx, terms, last or ledger.BEFORE_ALL, size)

    seen, left_out = find_due(visit, closed, list_after, lambda due: due[1], command.count_max)
    numbers = [account_no for _, account_no in seen]
    if numbers:  # or nothing will be written, and whoever closes a day waits for no lock
        visit.lock(numbers)
    visit.enter(command)
    handled_at = visit.outlet_for(command.act, None)
    heads = visit.heads()
    places = visit.tx.look(outlets.ask_places(numbers).settled_if(has_none=not numbers))
    # Asked again behind the locks: a branch may have closed, or somebody moved, meanwhile.
    shut = closed_today(visit, visit.closed, numbers, visit.homes, places)
    posting = visit.posting(heads)
    for account_no, head in sorted(heads.items()):
        if account_no in shut:
            continue
        posting.expire(head, places[account_no].outlet_no)
        now_noted = (head.dead_no, head.next_expiry_on, head.next_expiry_line_no)
        head.is_touched = now_noted != head.seen_expiry
    changed = [head for head in heads.values() if head.is_changed]
    receipt = PointsExpired(
        voucher_id=visit.voucher_uuid if changed else None,
        business_day=visit.today,
        booked_at=visit.now,
        accounts=len(changed),
        lines=len(posting.lines),
        points=Points.of_units(-sum(line[3] for line in posting.lines), visit.tx.bank.scale),
        may_be_more=len(seen) == command.count_max,
        left_out=left_out + len(shut),
    )
    if changed:
        visit.book(command, receipt, handled_at, posting=posting)
    return receipt
