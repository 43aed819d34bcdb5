"""Closings as facts and rows, and the locks by which they wait for each other and for acts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.closings import (
    CLOSED,
    CLOSING,
    EVERYWHERE,
    ClosedDays,
    Reached,
    closed_through,
)
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.outlets import HEAD_OFFICE, Stay
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.locks import Place
from gongyi_bank.store.outlets import ask_gate, ask_gate_alone, ask_lock_outlets, ask_stays
from gongyi_bank.store.tables import (
    bank,
    closing,
    hold,
    outlet,
    outlet_stay,
    serial_counter,
    voucher,
)
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of

#: The series of the counter row that cold acts share to keep days open.
SERIES = "closing"
_CLOSING_COLUMNS = columns_of(closing)


# --- which days are closed -----------------------------------------------------------------


@query
def _newest(_: StoreEngine) -> sa.Select[Any]:
    place = sa.and_(
        outlet.c.bank_id == closing.c.bank_id, outlet.c.outlet_no == closing.c.outlet_no
    )
    return (
        sa.select(
            closing.c.outlet_no,
            outlet.c.tier,
            closing.c.kind,
            sa.func.max(closing.c.last_on, type_=closing.c.last_on.type),
        )
        .select_from(closing.join(outlet, place))
        # Announcing bars nothing: it does not change the stamp, so most handles know nothing of it.
        .where(of_bank(closing), closing.c.state != CLOSING)
        .group_by(closing.c.outlet_no, outlet.c.tier, closing.c.kind)
    )


def load_closed(tx: Transaction) -> ClosedDays:
    """Through which day every outlet is closed, drained closings included.

    All stays are read, not only those of outlets that have moved: facts that an act reads later
    may know of a move that the closings do not, and a new place without its past is wrong.
    """
    newest, stays = _newest.ask(list), ask_stays()
    tx.gather(newest, stays)
    return ClosedDays(newest.answer, stays.answer)


@query
def _reached(engine: StoreEngine) -> sa.Select[Any]:
    def newest(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
        day = closing.c.last_on
        return sa.func.max(sa.case((condition, day)), type_=day.type)

    is_closed = closing.c.state == CLOSED
    is_own = closing.c.outlet_no == sa.bindparam("outlet")
    return (
        sa.select(
            closing.c.outlet_no,
            closing.c.kind,
            sa.func.max(closing.c.last_on, type_=closing.c.last_on.type),
            newest(is_closed).label("closed_on"),
            newest(sa.and_(is_own, ~is_closed)).label("unfinished_on"),
        )
        .where(of_bank(closing), engine.among(closing.c.outlet_no, "outlets"))
        .group_by(closing.c.outlet_no, closing.c.kind)
    )


def ask_reached(place: OutletFacts, head_no: int, stays: Sequence[Stay]) -> Ask[dict[str, Reached]]:
    """How far closings of each kind have come at an outlet and, in its stays, above it."""
    above = {place.outlet_no, head_no} | ({stay.parent_no for stay in stays} - {None})

    def parse(rows: Rows) -> dict[str, Reached]:
        begun: dict[str, dict[int, dt.date]] = {}
        closed: dict[str, dict[int, dt.date]] = {}
        unfinished: dict[str, dt.date] = {}
        for outlet_no, kind, begun_on, closed_on, unfinished_on in rows:
            where = EVERYWHERE if outlet_no == head_no else outlet_no
            begun.setdefault(kind, {})[where] = begun_on
            closed.setdefault(kind, {})[where] = closed_on or EARLIEST
            if unfinished_on is not None:
                unfinished[kind] = unfinished_on
        return {
            kind: Reached(
                closed_through(begun[kind], place.outlet_no, stays),
                closed_through(closed[kind], place.outlet_no, stays),
                unfinished.get(kind),
            )
            for kind in begun
        }

    return _reached.ask(parse, outlet=place.outlet_no, outlets=sorted(above))


# --- one closing ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClosingFacts:
    """A closing as it stands."""

    closing_no: int
    outlet_no: int
    kind: str
    first_on: dt.date
    last_on: dt.date
    state: str


def _place_of(code: str | None) -> sa.ScalarSelect[Any]:
    """The number of the outlet with the code that is given, or of the head office."""
    is_it = outlet.c.head_mark == 1 if code is None else outlet.c.code == sa.bindparam("code")
    return sa.select(outlet.c.outlet_no).where(of_bank(outlet), is_it).scalar_subquery()


def _one(code: str | None) -> sa.Select[Any]:
    return sa.select(*(closing.c[name] for name in ClosingFacts.__slots__)).where(
        of_bank(closing),
        closing.c.outlet_no == _place_of(code),
        closing.c.kind == sa.bindparam("kind"),
        closing.c.last_on == sa.bindparam("last_on"),
    )


@query
def _one_of_head_office(_: StoreEngine) -> sa.Select[Any]:
    return _one(None)


@query
def _one_of_outlet(_: StoreEngine) -> sa.Select[Any]:
    return _one("code")


def ask_closing(code: str | None, kind: str, last_on: dt.date) -> Ask[ClosingFacts | None]:
    """The closing of the outlet with this code, or of the head office, that ends with a day."""

    def parse(rows: Rows) -> ClosingFacts | None:
        return ClosingFacts(*rows[0]) if rows else None

    if code is None:
        return _one_of_head_office.ask(parse, kind=kind, last_on=last_on)
    return _one_of_outlet.ask(parse, code=code, kind=kind, last_on=last_on)


@query
def _newest_no(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(sa.func.max(closing.c.closing_no)).where(of_bank(closing))


def ask_next_closing_no() -> Ask[int]:
    """One more than the highest number.

    No counter is locked for it: that row is shared by who keeps days open, and they would
    starve whoever wants to announce. Of two at once, one finds the number taken and retries.
    """
    return _newest_no.ask(lambda rows: (rows[0][0] or 0) + 1)


@query
def _newest_moment(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(sa.func.max(voucher.c.booked_at, type_=voucher.c.booked_at.type)).where(
        of_bank(voucher)
    )


def ask_newest_moment() -> Ask[dt.datetime]:
    """The newest moment of the bank's vouchers: the ledger's clock for whoever closes."""
    return _newest_moment.ask(_only)


def _only(rows: Rows) -> Any:
    return rows[0][0]


def note_announcing(tx: Transaction) -> None:
    """A closing is announced next. Raises LockOutOfOrder, if the order of locks is watched."""
    if tx.held is not None:
        tx.held.take((Place.CLOSINGS, 0))


def write_closing(
    writes: Writes, made: ClosingFacts, voucher_id: bytes, closed_voucher_id: bytes | None = None
) -> None:
    """Add a closing."""
    values = tuple(getattr(made, name) for name in ClosingFacts.__slots__)
    writes.insert(closing, _CLOSING_COLUMNS, [(*values, voucher_id, closed_voucher_id)])


def write_closing_state(
    writes: Writes, was: ClosingFacts, state: str, closed_voucher_id: bytes | None = None
) -> None:
    """Bring a closing one step further; the guard is the state that it was in."""
    writes.update(
        closing,
        [(was.closing_no, was.state, state, closed_voucher_id)],
        key=("closing_no",),
        guards=("state",),
        changes=("state", "closed_voucher_id"),
    )


@query
def _register(engine: StoreEngine) -> sa.Select[Any]:
    place = sa.and_(
        outlet.c.bank_id == closing.c.bank_id, outlet.c.outlet_no == closing.c.outlet_no
    )
    return (
        sa.select(
            closing.c.closing_no,
            outlet.c.code,
            outlet.c.name,
            closing.c.kind,
            closing.c.first_on,
            closing.c.last_on,
            closing.c.state,
        )
        .select_from(closing.join(outlet, place))
        .where(of_bank(closing), engine.among(closing.c.outlet_no, "outlets"))
        .order_by(closing.c.closing_no.desc())
        .limit(sa.bindparam("size"))
    )


def list_closings(tx: Transaction, outlet_nos: list[int], size: int) -> Rows:
    """(number, code, name, kind, first day, last day, state) of the newest closings."""
    return _register(tx, outlets=sorted(outlet_nos), size=size)


@query
def _overdue(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(
        of_bank(hold), hold.c.state == "held", hold.c.deadline_at <= sa.bindparam("now")
    )


def ask_overdue_holds(now: dt.datetime) -> Ask[int]:
    """How many holds past their deadline nobody has swept."""
    return _overdue.ask(_only, now=now)


# --- audit ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuditClosing:
    """A closing with the vouchers that announced and closed it."""

    closing_no: int
    outlet_no: int
    kind: str
    first_on: dt.date
    last_on: dt.date
    state: str
    #: The business day on which it was announced.
    announced_on: dt.date
    #: When it was closed; None before.
    closed_at: dt.datetime | None


@query
def _audited(_: StoreEngine) -> sa.Select[Any]:
    begun, ended = voucher.alias("begun"), voucher.alias("ended")
    by = sa.and_(begun.c.bank_id == closing.c.bank_id, begun.c.voucher_id == closing.c.voucher_id)
    closed_by = sa.and_(
        ended.c.bank_id == closing.c.bank_id, ended.c.voucher_id == closing.c.closed_voucher_id
    )
    return (
        sa.select(
            *(closing.c[name] for name in ClosingFacts.__slots__),
            begun.c.business_day,
            ended.c.booked_at,
        )
        .select_from(closing.join(begun, by).outerjoin(ended, closed_by))
        .where(of_bank(closing))
        .order_by(closing.c.closing_no)
    )


def list_audited(tx: Transaction) -> list[AuditClosing]:
    """Every closing, in order."""
    return [AuditClosing(*row) for row in _audited(tx)]


# --- locks ---------------------------------------------------------------------------------


def _counter() -> sa.Select[Any]:
    return sa.select(serial_counter.c.last_no).where(
        of_bank(serial_counter),
        serial_counter.c.series == sa.bindparam("series"),
        serial_counter.c.owner_no == 0,
    )


@query
def _share(engine: StoreEngine) -> sa.Select[Any]:
    return engine.share(_counter())


@query
def _alone(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(_counter())


@query
def _lock_bank(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(sa.select(bank.c.bank_id).where(of_bank(bank)))


@query
def _lock_all(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(
        sa.select(outlet.c.outlet_no).where(of_bank(outlet)).order_by(outlet.c.outlet_no)
    )


@query
def _lock_below(engine: StoreEngine) -> sa.Select[Any]:
    """An outlet, and all that are or were below it: the days of then are closed with it."""
    top: sa.BindParameter[int] = sa.bindparam("outlet")
    stay = outlet_stay
    was_below = sa.exists().where(
        stay.c.bank_id == outlet.c.bank_id,
        stay.c.outlet_no == outlet.c.outlet_no,
        stay.c.parent_no == top,
    )
    return engine.lock(
        sa.select(outlet.c.outlet_no)
        .where(of_bank(outlet), sa.or_(outlet.c.outlet_no == top, was_below))
        .order_by(outlet.c.outlet_no)
    )


@query
def _lock_one(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(
        sa.select(closing.c.closing_no).where(
            of_bank(closing), closing.c.closing_no == sa.bindparam("closing")
        )
    )


def ask_lock_closing(was: ClosingFacts) -> Ask[Rows]:
    """Lock out who would bring the same closing further; no poster waits for a drained one."""
    return _lock_one.ask(list, closing=was.closing_no)


def asks_to_keep(tx: Transaction) -> list[Ask[Rows]]:
    """Keep every day of the bank open until this transaction ends (see `outlets.ask_outlets`)."""
    if tx.engine.locks_at_begin:
        return []
    return [*ask_gate(tx), _share.ask(list, series=SERIES)]


def steps_to_close(place: OutletFacts | None) -> tuple[list[Ask[Rows]], ...]:
    """What locks out everybody who keeps a day open at an outlet or below it, step by step.

    Without an outlet, in the whole bank. The bank's own row first: transactions with an older
    snapshot share it for as long as they last, and new outlets and moves change it, so the last
    step sees who belongs here. Then the gate (`outlets.ask_gate`), so that only who is under
    way is waited for, and no queue at any outlet; tellers pass while the first is waited for.
    """
    below = _lock_all.ask(list)
    if place is not None and place.tier != HEAD_OFFICE:
        below = _lock_below.ask(list, outlet=place.outlet_no)
    first = _lock_bank.ask(list).locking(Place.OUTLETS, [0])
    return [first, ask_gate_alone()], [_alone.ask(list, series=SERIES), below]


def steps_to_move(codes: Iterable[str]) -> tuple[list[Ask[Rows]], ...]:
    """What locks out whoever closes, and who works at these outlets: for one that moves.

    The bank's own row first, as whoever closes does: so neither waits for the other in a circle.
    """
    first = _lock_bank.ask(list).locking(Place.OUTLETS, [0])
    return [first], [ask_lock_outlets(codes)]
