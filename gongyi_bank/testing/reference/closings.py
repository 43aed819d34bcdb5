"""结账 in the reference: closing days, months, quarters and years. Seals are the bank's alone."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, TypeVar

from gongyi_bank.commands.closings import AnnounceClosing, CloseBooks, DrainClosing
from gongyi_bank.commands.points import ExpireDue
from gongyi_bank.errors import UnknownOutlet, WrongClosingState
from gongyi_bank.periods import Period, business_day
from gongyi_bank.receipts.closings import BooksClosed, ClosingAnnounced, ClosingDrained
from gongyi_bank.rules import closings as rules
from gongyi_bank.rules.closings import Reached
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.clearing import net_branches
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.rows import Closing

#: Where a bank's receipt shows the root of its seal.
_NO_ROOT: Final = "0" * 64
_Closing = AnnounceClosing | DrainClosing | CloseBooks
ReceiptT = TypeVar("ReceiptT", ClosingAnnounced, ClosingDrained, BooksClosed)


def announce(visit: Visit, command: AnnounceClosing) -> ClosingAnnounced:
    """Say that a period will be closed; nothing is barred yet."""
    place = _enter(visit, command)
    made = _begin(visit, command, place, rules.CLOSING)
    receipt = _receipt(ClosingAnnounced, visit, place, made)
    visit.book(command, receipt, place)
    visit.books.closings[made.closing_no] = made
    return receipt


def drain(visit: Visit, command: DrainClosing) -> ClosingDrained:
    """Bar the period for good."""
    place = _enter(visit, command)
    found, period = _found(visit, command, place), Period.parse(command.period)
    if found is None or found.state != rules.CLOSING:
        raise WrongClosingState(
            outlet=place.code, kind=str(period.kind), through=period.last_on,
            state=found.state if found else "not begun",
        )  # fmt: skip
    made = found._replace(state=rules.DRAINED)
    receipt = _receipt(ClosingDrained, visit, place, made)
    visit.book(command, receipt, place)
    visit.books.closings[made.closing_no] = made
    return receipt


def close(visit: Visit, command: CloseBooks) -> BooksClosed:
    """Close a period for good, whatever steps towards it were taken before.

    Nothing that was booked before is younger than the closing.
    """
    place = _enter(visit, command)
    visit.go_by_newest()
    found = _found(visit, command, place)
    if found is None or found.state == rules.CLOSED:
        made = _begin(visit, command, place, rules.CLOSED)
    else:
        made = found._replace(state=rules.CLOSED)
    made = made._replace(closed_voucher_id=visit.voucher_id)
    held = (hold for hold in visit.books.holds.values() if hold.state == "held")
    netted = net_branches(visit, made.last_on) if _is_sealed(place, made) else None
    receipt = _receipt(
        BooksClosed, visit, place, made,
        totals=_new_totals(visit, made) if _is_sealed(place, made) else 0,
        netted=len(netted.moves) if netted else 0,
        overdue_holds=sum(hold.deadline_at <= visit.now for hold in held),
        root=_NO_ROOT if _is_sealed(place, made) else None,
    )  # fmt: skip
    visit.book(command, receipt, place, posting=netted)
    visit.books.closings[made.closing_no] = made
    return receipt


def close_through(
    house: Any, period: Period | str, *, outlet: str | None = None,
    idempotency_key: str | None = None,
) -> BooksClosed:  # fmt: skip
    """`closings.close` of a desk: on a bank in the three steps that a bank takes, each an act."""
    label = period.label if isinstance(period, Period) else period
    command = CloseBooks(period=label, outlet=outlet, idempotency_key=idempotency_key)
    name = f"{command.outlet or '#'}:{command.period}"
    if idempotency_key is None:
        command = command.model_copy(update={"idempotency_key": f"closings.close:{name}"})
    if house.commits_each_act:
        _prepare(house, command, name)
    return house.execute(command)  # type: ignore[no-any-return]


def _prepare(house: Any, command: CloseBooks, name: str) -> None:
    """Expire, announce and drain, as far as that was not done before."""
    period, state = Period.parse(command.period), _state_of(house.look().books, command)
    is_whole_day = command.outlet is None and str(period.kind) == rules.DAY
    while state in (None, rules.CLOSING) and is_whole_day:
        done = house.execute(ExpireDue())
        if not (done.may_be_more and done.accounts > 0):
            break
    steps: list[tuple[str, type[AnnounceClosing | DrainClosing], bool]] = [
        ("announce", AnnounceClosing, state is None),
        ("drain", DrainClosing, state in (None, rules.CLOSING)),
    ]
    for step, act, is_missing in steps:
        if is_missing:
            key = f"closings.{step}:{name}"
            house.execute(act(period=command.period, outlet=command.outlet, idempotency_key=key))


def _state_of(books: Books, command: CloseBooks) -> str | None:
    """How far the closing that ends with this period has come. Raises UnknownOutlet."""
    place = books.head_office if command.outlet is None else books.outlet(command.outlet)
    if place is None:
        raise UnknownOutlet(outlet=command.outlet)
    period = Period.parse(command.period)
    wanted = (place.outlet_no, str(period.kind), period.last_on)
    states = {(one.outlet_no, one.kind, one.last_on): one.state for one in books.closings.values()}
    return states.get(wanted)


def _is_sealed(place: OutletFacts, made: Closing) -> bool:
    """Whether it is a day of the whole bank, which a bank rolls up, nets and seals."""
    return made.kind == rules.DAY and place.parent_no is None


def _new_totals(visit: Visit, made: Closing) -> int:
    """How many accounts without lines moved since the last day that the bank closed."""
    books = visit.books
    before = (
        one.last_on
        for one in books.closings.values()
        if (one.outlet_no, one.kind, one.state) == (made.outlet_no, rules.DAY, rules.CLOSED)
    )
    since = max((day for day in before if day <= made.last_on), default=EARLIEST)
    moved = {
        line.contra_no
        for lines in books.lines.values()
        for line in lines
        if since < line.business_day <= made.last_on and line.contra_no not in books.lines
    }
    for move in books.moves:
        if since < move.business_day <= made.last_on:
            moved |= {move.source_no, move.target_no}
    return len(moved)


def _enter(visit: Visit, command: _Closing) -> OutletFacts:
    """The outlet that is closed with everything below it, where the actor may close.

    Whoever bars the days must know the outlet before all else; announcing it locks nothing.
    """
    if not isinstance(command, AnnounceClosing):
        _place(visit, command)
    visit.enter(command)
    place = _place(visit, command)
    require_permission(visit.staff, command.act, place)
    return place


def _place(visit: Visit, command: _Closing) -> OutletFacts:
    """The outlet that the command names, or the head office. Raises UnknownOutlet."""
    if command.outlet is None:
        return visit.books.head_office
    named = visit.books.outlet(command.outlet)
    if named is None:
        raise UnknownOutlet(outlet=command.outlet)
    return named


def _found(visit: Visit, command: _Closing, place: OutletFacts) -> Closing | None:
    """The outlet's closing of this very period, if it was begun."""
    period = Period.parse(command.period)
    wanted = (place.outlet_no, str(period.kind), period.last_on)
    for found in visit.books.closings.values():
        if (found.outlet_no, found.kind, found.last_on) == wanted:
            return found
    return None


def _begin(visit: Visit, command: _Closing, place: OutletFacts, state: str) -> Closing:
    """A new closing, from where the one before it ended.

    Whether the period is over is judged by the clock of whoever asks.
    """
    books, period = visit.books, Period.parse(command.period)
    today = business_day(visit.asked_at, visit.bank.zone)
    founded_on = business_day(visit.bank.founded_at, visit.bank.zone)
    first_on = rules.decide_first_day(
        place, period, _reached(visit, place), today=today, founded_on=founded_on
    )
    return Closing(
        closing_no=max(books.closings, default=0) + 1,
        outlet_no=place.outlet_no,
        kind=str(period.kind),
        first_on=first_on,
        last_on=period.last_on,
        state=state,
        voucher_id=visit.voucher_id,
    )


def _reached(visit: Visit, place: OutletFacts) -> dict[str, Reached]:
    """How far closings of each kind have come at an outlet and above it."""
    kinds: dict[str, list[Closing]] = {}
    for one in visit.books.closings.values():
        kinds.setdefault(one.kind, []).append(one)
    return {kind: _reached_by(visit, place, found) for kind, found in kinds.items()}


def _reached_by(visit: Visit, place: OutletFacts, closings: list[Closing]) -> Reached:
    closed = [one for one in closings if one.state == rules.CLOSED]
    unfinished = (
        one.last_on
        for one in closings
        if one.state != rules.CLOSED and one.outlet_no == place.outlet_no
    )
    return Reached(
        begun_on=_through(visit, place, closings),
        closed_on=_through(visit, place, closed),
        unfinished_on=max(unfinished, default=None),
    )


def _through(visit: Visit, place: OutletFacts, closings: list[Closing]) -> dt.date:
    """The last day that these closings close at an outlet."""
    days: dict[int, dt.date] = {}
    for one in closings:
        is_head_office = one.outlet_no == visit.books.head_office.outlet_no
        number = rules.EVERYWHERE if is_head_office else one.outlet_no
        days[number] = max(one.last_on, days.get(number, EARLIEST))
    return rules.closed_through(days, place.outlet_no, visit.closed.stays_of(place))


def _receipt(
    kind: type[ReceiptT], visit: Visit, place: OutletFacts, made: Closing, **more: Any
) -> ReceiptT:
    return kind(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        closing_no=made.closing_no,
        outlet=place.code,
        kind=made.kind,
        first_on=made.first_on,
        last_on=made.last_on,
        **more,
    )


ACTS: Acts = {
    AnnounceClosing: announce,
    DrainClosing: drain,
    CloseBooks: close,
}
