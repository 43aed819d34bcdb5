"""结账: closing days, months, quarters and years, race-free against acts under way.

A closing is announced, drained, closed (design.md §4 "Period lock"), each in a transaction of
its own where the caller has none. Announcing is an INSERT that nobody can hold up; from then
on who posts queues behind the closer instead of overtaking. Draining bars the period by
changing the house's stamp, and waits for who was under way. Then the days stand still and are
summed in peace.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Self, TypeVar

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
from gongyi_bank.rules.ledger import Posting
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.service.clearing import Netting
from gongyi_bank.service.gate import Visit
from gongyi_bank.service.seals import Sealing
from gongyi_bank.store import closings as store
from gongyi_bank.store import totals as roll_ups
from gongyi_bank.store.closings import ClosingFacts
from gongyi_bank.store.outlets import ask_place, load_head_office
from gongyi_bank.store.policies import write_stamp
from gongyi_bank.store.seals import ask_newest_seal
from gongyi_bank.store.transaction import Ask

Closing = AnnounceClosing | DrainClosing | CloseBooks
ReceiptT = TypeVar("ReceiptT", ClosingAnnounced, ClosingDrained, BooksClosed)


def announce(visit: Visit, command: AnnounceClosing) -> ClosingAnnounced:
    """Say that a period will be closed: from now on whoever posts there queues."""
    store.note_announcing(visit.tx)
    visit.lock(())
    place, _ = _enter(visit, command)
    made = _begin(visit, command, place, rules.CLOSING)
    store.write_closing(visit.writes, made, visit.voucher_id)
    receipt = _receipt(ClosingAnnounced, visit, place, made)
    visit.book(command, receipt, place)
    return receipt


def drain(visit: Visit, command: DrainClosing) -> ClosingDrained:
    """Bar the period, and wait for everybody who was under way in it."""
    # Every statement before the locks lets more of the tellers pass the gate first.
    place = _look(visit, command)[0] if command.outlet is not None else None
    visit.lock_to_close(*store.steps_to_close(place))
    place, found = _enter(visit, command)
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
    place, found = _look(visit, command)
    is_drained = found is not None and found.state in (rules.DRAINED, rules.CLOSED)
    # Who comes second must find the days sealed, and the voucher of a twin with the same key.
    steps = store.steps_to_close(place)
    if found is not None and is_drained:
        steps = ([store.ask_lock_closing(found)],)
    else:
        visit.require_newest_rows()
    visit.lock_to_close(*steps)
    newest, day = store.ask_newest_moment(), _WholeDay.of(command, place)
    place, found = _enter(visit, command, newest, *(day.facts if day else ()))
    # Nothing that was booked before is younger than the closing, whatever this host's clock says.
    visit.go_by(newest.answer)
    if found is None or found.state == rules.CLOSED:
        made = _begin(visit, command, place, rules.CLOSED)
        store.write_closing(visit.writes, made, visit.voucher_id, visit.voucher_id)
    else:
        made = found
        store.write_closing_state(visit.writes, found, rules.CLOSED, visit.voucher_id)
    summed, netting = _summed(visit, place, made, day)
    receipt = _receipt(BooksClosed, visit, place, made, **summed)
    visit.book(command, receipt, place, posting=netting)
    if not is_drained:
        write_stamp(visit.tx, visit.voucher_id)
    return receipt


class _WholeDay:
    """What closing a day of the whole bank needs besides: it is rolled up, netted and sealed."""

    def __init__(self, last_on: dt.date) -> None:
        self.since = roll_ups.ask_rolled_up_through(last_on)
        self.newest = ask_newest_seal()

    @classmethod
    def of(cls, command: CloseBooks, place: OutletFacts) -> Self | None:
        """None for a longer period, or an outlet's."""
        period = Period.parse(command.period)
        is_it = str(period.kind) == rules.DAY and place.parent_no is None
        return cls(period.last_on) if is_it else None

    @property
    def facts(self) -> tuple[Ask[Any], ...]:
        """Its first questions."""
        return self.since, self.newest


def _summed(
    visit: Visit, place: OutletFacts, made: ClosingFacts, day: _WholeDay | None
) -> tuple[dict[str, object], Posting | None]:
    """With a day of the whole bank: roll up its internal accounts, net its branches, seal it."""
    overdue = store.ask_overdue_holds(visit.now)
    if day is None:
        found = visit.tx.look(overdue)
        return {"totals": 0, "netted": 0, "overdue_holds": found, "root": None}, None
    netting = Netting(day.since.answer, made.last_on)
    sealing = Sealing(visit, day.newest.answer, made.first_on, made.last_on)
    visit.tx.gather(overdue, sealing.tables, *netting.facts)
    totals = roll_ups.new_totals(netting.rolled_up.answer, netting.moved.answer)
    roll_ups.write_totals(visit.writes, totals, made.last_on, visit.voucher_id)
    netted = netting.net(visit, place)
    seal = sealing.seal(made.closing_no)
    whole = {
        "totals": len(totals), "netted": len(netted.moves),
        "overdue_holds": overdue.answer, "root": seal.root.hex(),
    }  # fmt: skip
    return whole, netted


Standing = tuple[OutletFacts, ClosingFacts | None]


def _asked(command: Closing) -> tuple[Ask[OutletFacts | None], Ask[ClosingFacts | None]]:
    """The outlet that is closed with everything below it, and how far its closing has come."""
    period = Period.parse(command.period)
    closing = store.ask_closing(command.outlet, str(period.kind), period.last_on)
    return ask_place(command.outlet), closing


def _look(visit: Visit, command: Closing) -> Standing:
    """Both, before anything is locked. Raises UnknownOutlet."""
    place, closing = _asked(command)
    visit.tx.gather(place, closing)
    return _require_known(command, place.answer), closing.answer


def _enter(visit: Visit, command: Closing, *asks: Ask[Any]) -> Standing:
    """Both, as the facts of an actor who may close there. Raises UnknownOutlet, NotPermitted."""
    asked = _asked(command)
    visit.enter(command, asks=[*asked, *asks])
    place = _require_known(command, asked[0].answer)
    require_permission(visit.staff, command.act, place)
    return place, asked[1].answer


def _require_known(command: Closing, place: OutletFacts | None) -> OutletFacts:
    if place is None:
        raise UnknownOutlet(outlet=command.outlet)
    return place


def _begin(visit: Visit, command: Closing, place: OutletFacts, state: str) -> ClosingFacts:
    """A new closing, from where the one before it ended."""
    period = Period.parse(command.period)
    head_no = place.outlet_no
    if place.parent_no is not None:
        head_no = load_head_office(visit.tx).outlet_no
    reached = store.ask_reached(place, head_no, visit.closed.stays_of(place))
    closing_no = store.ask_next_closing_no()
    visit.tx.gather(reached, closing_no)
    zone = visit.tx.bank.zone
    founded_on = business_day(visit.tx.bank.founded_at, zone)
    try:
        # What is over, is over by the clock of whoever asks: others' may be ahead.
        today = business_day(visit.asked_at, zone)
        first_on = rules.decide_first_day(
            place, period, reached.answer, today=today, founded_on=founded_on
        )
    except (ClosingUnfinished, PeriodAlreadyClosed):
        # Nothing keeps out a twin with the same key, that may have begun it since the key was
        # looked for: its receipt goes before the refusal.
        visit.enter(command)
        raise
    return ClosingFacts(
        closing_no=closing_no.answer,
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
