"""结账: closing days, months, quarters and years, race-free against acts under way.

A closing is announced, drained, closed (design.md §4 "Period lock"), each in a transaction of
its own where the caller has none. Announcing is an INSERT that nobody can hold up; from then
on who posts queues behind the closer instead of overtaking. Draining bars the period by
changing the house's stamp, and waits for who was under way. Then the days stand still and are
summed in peace.
"""

from __future__ import annotations

from typing import Any, TypeVar

from gongyi_bank.commands.closings import AnnounceClosing, CloseBooks, DrainClosing
from gongyi_bank.errors import (
    ClosingUnfinished,
    PeriodAlreadyClosed,
    UnknownOutlet,
    WrongClosingState,
)
from gongyi_bank.periods import Period, business_day
from gongyi_bank.receipts.closings import BooksClosed, ClosingAnnounced, ClosingDrained
from gongyi_bank.rules import closings as rules
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.seals import seal_days
from gongyi_bank.store import closings as store
from gongyi_bank.store import totals as roll_ups
from gongyi_bank.store.closings import ClosingFacts
from gongyi_bank.store.outlets import load_head_office, load_outlets
from gongyi_bank.store.policies import write_stamp
from gongyi_bank.store.transaction import Ask

Closing = AnnounceClosing | DrainClosing | CloseBooks
ReceiptT = TypeVar("ReceiptT", ClosingAnnounced, ClosingDrained, BooksClosed)


def announce(visit: Visit, command: AnnounceClosing) -> ClosingAnnounced:
    """Say that a period will be closed: from now on whoever posts there queues."""
    visit.lock(())
    place = _enter(visit, command)
    made = _begin(visit, command, place, rules.CLOSING)
    store.write_closing(visit.writes, made, visit.voucher_id)
    receipt = _receipt(ClosingAnnounced, visit, place, made)
    visit.book(command, receipt, place)
    return receipt


def drain(visit: Visit, command: DrainClosing) -> ClosingDrained:
    """Bar the period, and wait for everybody who was under way in it."""
    visit.lock_to_close(*store.steps_to_close(_place(visit, command)))
    place = _enter(visit, command)
    found = _found(visit, command, place)
    if found is None or found.state != rules.CLOSING:
        raise WrongClosingState(
            outlet=place.code, kind=str(Period.parse(command.period).kind),
            through=Period.parse(command.period).last_on,
            state=found.state if found else "not begun",
        )  # fmt: skip
    store.write_closing_state(visit.writes, found, rules.DRAINED)
    receipt = _receipt(ClosingDrained, visit, place, found)
    visit.book(command, receipt, place)
    write_stamp(visit.tx, visit.voucher_id)
    return receipt


def close(visit: Visit, command: CloseBooks) -> BooksClosed:
    """Close a period for good, whatever steps towards it were taken before."""
    place = _place(visit, command)
    found = _found(visit, command, place)
    is_drained = found is not None and found.state in (rules.DRAINED, rules.CLOSED)
    # Who comes second must find the days sealed, and the voucher of a twin with the same key.
    steps = store.steps_to_close(place)
    if found is not None and is_drained:
        steps = ([store.ask_lock_closing(found)],)
    else:
        visit.require_newest_rows()
    visit.lock_to_close(*steps)
    newest = store.ask_newest_moment()
    place = _enter(visit, command, newest)
    # Nothing that was booked before is younger than the closing, whatever this host's clock says.
    visit.go_by(newest.answer)
    found = _found(visit, command, place)
    if found is None or found.state == rules.CLOSED:
        made = _begin(visit, command, place, rules.CLOSED)
        store.write_closing(visit.writes, made, visit.voucher_id, visit.voucher_id)
    else:
        made = found
        store.write_closing_state(visit.writes, found, rules.CLOSED, visit.voucher_id)
    receipt = _receipt(BooksClosed, visit, place, made, **_summed(visit, place, made))
    visit.book(command, receipt, place)
    if not is_drained:
        write_stamp(visit.tx, visit.voucher_id)
    return receipt


def _summed(visit: Visit, place: OutletFacts, made: ClosingFacts) -> dict[str, object]:
    """With a day of the whole bank: roll up its internal accounts, and seal it."""
    overdue = store.count_overdue_holds(visit.tx, visit.now)
    if made.kind != rules.DAY or place.parent_no is not None:
        return {"totals": 0, "overdue_holds": overdue, "root": None}
    totals = roll_ups.load_new_totals(visit.tx, made.last_on)
    roll_ups.write_totals(visit.writes, totals, made.last_on, visit.voucher_id)
    sealed = seal_days(visit, made.closing_no, made.first_on, made.last_on)
    return {"totals": len(totals), "overdue_holds": overdue, "root": sealed.root.hex()}


def _place(visit: Visit, command: Closing) -> OutletFacts:
    """The outlet that is closed with everything below it. Raises UnknownOutlet."""
    if command.outlet is None:
        return load_head_office(visit.tx)
    found = load_outlets(visit.tx, [command.outlet]).get(command.outlet)
    if found is None:
        raise UnknownOutlet(outlet=command.outlet)
    return found


def _enter(visit: Visit, command: Closing, *asks: Ask[Any]) -> OutletFacts:
    visit.enter(command, asks=asks)
    place = _place(visit, command)
    require_permission(visit.staff, command.act, place)
    return place


def _found(visit: Visit, command: Closing, place: OutletFacts) -> ClosingFacts | None:
    period = Period.parse(command.period)
    return store.load_closing(visit.tx, place.outlet_no, str(period.kind), period.last_on)


def _begin(visit: Visit, command: Closing, place: OutletFacts, state: str) -> ClosingFacts:
    """A new closing, from where the one before it ended."""
    period = Period.parse(command.period)
    head_no = load_head_office(visit.tx).outlet_no
    reached = store.load_reached(visit.tx, place, head_no, visit.closed.stays_of(place))
    zone = visit.tx.bank.zone
    founded_on = business_day(visit.tx.bank.founded_at, zone)
    try:
        # What is over, is over by the clock of whoever asks: others' may be ahead.
        today = business_day(visit.asked_at, zone)
        first_on = rules.decide_first_day(
            place, period, reached, today=today, founded_on=founded_on
        )
    except (ClosingUnfinished, PeriodAlreadyClosed):
        # Nothing keeps out a twin with the same key, that may have begun it since the key was
        # looked for: its receipt goes before the refusal.
        visit.enter(command)
        raise
    return ClosingFacts(
        closing_no=store.next_closing_no(visit.tx),
        outlet_no=place.outlet_no,
        kind=str(period.kind),
        first_on=first_on,
        last_on=period.last_on,
        state=state,
    )


def _receipt(
    kind: type[ReceiptT], visit: Visit, place: OutletFacts, made: ClosingFacts, **more: object
) -> ReceiptT:
    return kind.model_validate(
        {
            "voucher_id": visit.voucher_uuid,
            "business_day": visit.today,
            "booked_at": visit.now,
            "closing_no": made.closing_no,
            "outlet": place.code,
            "kind": made.kind,
            "first_on": made.first_on,
            "last_on": made.last_on,
        }
        | more
    )
