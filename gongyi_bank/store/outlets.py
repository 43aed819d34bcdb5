"""Outlets as facts and as rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.closings import Home, homes_of
from gongyi_bank.rules.outlets import Stays, stays_of
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.store import counting
from gongyi_bank.store.engines import Capability, StoreEngine
from gongyi_bank.store.hours import is_waiting
from gongyi_bank.store.locks import Place
from gongyi_bank.store.tables import (
    account,
    closing,
    customer,
    customer_stay,
    hour_record,
    outlet,
    outlet_stay,
    partner_store,
    passbook,
    pool,
    serial_counter,
    staff_role,
)
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of

#: The state of a closing that waits for who is under way.
CLOSING = "closing"
_FACTS = (
    outlet.c.outlet_no,
    outlet.c.code,
    outlet.c.name,
    outlet.c.tier,
    outlet.c.parent_no,
    outlet.c.state,
)


@query
def _by_codes(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(*_FACTS).where(of_bank(outlet), engine.among(outlet.c.code, "codes"))


#: In the rows themselves, where whoever closes looks: of a select of numbers alone MariaDB would
#: share no more than the index of codes.
_share = _by_codes.locking(outlet.c.outlet_no, is_shared=True)


@query
def _with_homes(engine: StoreEngine) -> sa.Select[Any]:
    """Outlets by their codes, and those where accounts are or were registered."""
    named, stay = outlet.alias("named"), customer_stay
    numbers = sa.union(
        sa.select(named.c.outlet_no).where(
            named.c.bank_id == sa.bindparam("bank"), engine.among(named.c.code, "codes")
        ),
        sa.select(stay.c.outlet_no).where(
            of_bank(stay), engine.among(stay.c.account_no, "accounts")
        ),
    )
    return engine.rows_named(_FACTS, outlet.c.outlet_no, numbers)


_share_with_homes = _with_homes.locking(outlet.c.outlet_no, is_shared=True)


@query
def _by_numbers(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(*_FACTS).where(of_bank(outlet), engine.among(outlet.c.outlet_no, "numbers"))


@query
def _head_office(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(*_FACTS).where(of_bank(outlet), outlet.c.head_mark == 1)


@query
def _all(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(*_FACTS).where(of_bank(outlet)).order_by(outlet.c.outlet_no)


def _facts(row: tuple[Any, ...]) -> OutletFacts:
    outlet_no, code, name, tier, parent_no, state = row
    return OutletFacts(outlet_no, code, name, tier, parent_no, state == "open")


def ask_outlets(codes: Iterable[str], accounts: Iterable[int] = ()) -> Ask[dict[str, OutletFacts]]:
    """The outlets with these codes, by code; to lock them keeps their days from closing.

    And the days of those where these accounts are or were registered, whose figures show them;
    the lock tells all of them, first their numbers. Others may keep them too, but while somebody
    is closing they wait at the gate (`ask_gate`).
    """
    wanted, numbers = set(codes), sorted(set(accounts))
    names = sorted(wanted)

    def parse(rows: Rows) -> dict[str, OutletFacts]:
        return {facts.code: facts for facts in map(_facts, rows) if facts.code in wanted}

    if not numbers:
        return _by_codes.ask(parse, codes=names).locked_by(_share)
    return _by_codes.ask(parse, codes=names, accounts=numbers).locked_by(_share_with_homes)


def load_outlets(tx: Transaction, codes: Iterable[str]) -> dict[str, OutletFacts]:
    """The outlets with these codes, by code."""
    return tx.look(ask_outlets(codes))


def ask_outlets_by_no(numbers: Iterable[int]) -> Ask[dict[int, OutletFacts]]:
    """The outlets with these numbers, by number."""
    return _by_numbers.ask(
        lambda rows: {facts.outlet_no: facts for facts in map(_facts, rows)},
        numbers=sorted(set(numbers)),
    )


def load_outlets_by_no(tx: Transaction, numbers: Iterable[int]) -> dict[int, OutletFacts]:
    """The outlets with these numbers, by number."""
    return tx.look(ask_outlets_by_no(numbers))


def ask_place(code: str | None) -> Ask[OutletFacts | None]:
    """The outlet with this code, or without one 总行."""

    def parse(rows: Rows) -> OutletFacts | None:
        return next((facts for facts in map(_facts, rows) if code in (None, facts.code)), None)

    return _head_office.ask(parse) if code is None else _by_codes.ask(parse, codes=[code])


def load_head_office(tx: Transaction) -> OutletFacts:
    """总行."""
    return _facts(_head_office(tx)[0])


def load_all_outlets(tx: Transaction) -> dict[int, OutletFacts]:
    """Every outlet, by number: a district has a few hundred."""
    return {facts.outlet_no: facts for facts in map(_facts, _all(tx))}


@query
def _all_then(_: StoreEngine) -> sa.Select[Any]:
    stand = counting.places()
    same = sa.and_(stand.c.bank_id == outlet.c.bank_id, stand.c.outlet_no == outlet.c.outlet_no)
    columns = [stand.c.parent_no if one is outlet.c.parent_no else one for one in _FACTS]
    return (
        sa.select(*columns)
        .select_from(outlet.join(stand, same))
        .where(of_bank(outlet), counting.was_place(stand))
    )


def ask_outlets_then(day: dt.date) -> Ask[dict[int, OutletFacts]]:
    """Every outlet, by number, below the one that it was below on a day."""

    def parse(rows: Rows) -> dict[int, OutletFacts]:
        return {facts.outlet_no: facts for facts in map(_facts, rows)}

    return _all_then.ask(parse, last_on=day)


@query
def _homes(engine: StoreEngine) -> sa.Select[Any]:
    stay = customer_stay
    place = sa.and_(outlet.c.bank_id == stay.c.bank_id, outlet.c.outlet_no == stay.c.outlet_no)
    return (
        sa.select(stay.c.account_no, stay.c.stay_no, stay.c.since_on, *_FACTS)
        .select_from(stay.join(outlet, place))
        .where(of_bank(stay), engine.among(stay.c.account_no, "accounts"))
    )


def ask_homes(accounts: Iterable[int]) -> Ask[dict[int, tuple[Home, ...]]]:
    """Where customers are and were registered, by account; the bank's own accounts have none."""
    return _homes.ask(_homes_by_account, accounts=sorted(set(accounts)))


def _homes_by_account(rows: Rows) -> dict[int, tuple[Home, ...]]:
    stays: dict[int, list[tuple[dt.date, OutletFacts]]] = {}
    for account_no, _, since_on, *facts in sorted(rows):
        stays.setdefault(account_no, []).append((since_on, _facts(tuple(facts))))
    return {account_no: homes_of(own) for account_no, own in stays.items()}


@query
def _places(engine: StoreEngine) -> sa.Select[Any]:
    its_customer = sa.and_(
        customer.c.bank_id == account.c.bank_id, customer.c.account_no == account.c.account_no
    )
    home = sa.func.coalesce(customer.c.outlet_no, account.c.outlet_no)
    place = sa.and_(outlet.c.bank_id == account.c.bank_id, outlet.c.outlet_no == home)
    return (
        sa.select(account.c.account_no, *_FACTS)
        .select_from(account.outerjoin(customer, its_customer).join(outlet, place))
        .where(of_bank(account), engine.among(account.c.account_no, "accounts"))
    )


def ask_places(accounts: Iterable[int]) -> Ask[dict[int, OutletFacts]]:
    """The outlet that each account belongs to now: a pool's, or where a customer has moved."""
    return _places.ask(
        lambda rows: {number: _facts(tuple(facts)) for number, *facts in rows},
        accounts=sorted(set(accounts)),
    )


OUTLET_COLUMNS = columns_of(outlet)
STAY_COLUMNS = columns_of(outlet_stay)


def write_new_outlets(writes: Writes, rows: list[tuple[Any, ...]]) -> None:
    """Add outlets with their places, parents first (full rows in the order of OUTLET_COLUMNS)."""
    writes.insert(outlet, OUTLET_COLUMNS, rows)
    kept = ("outlet_no", "opened_on", "parent_no", "state", "voucher_id")
    places = [OUTLET_COLUMNS.index(name) for name in kept]
    stays = []
    for row in rows:
        outlet_no, opened_on, *rest = (row[place] for place in places)
        stays.append((outlet_no, 1, opened_on, *rest))
    write_stays(writes, stays)


def write_stays(writes: Writes, rows: list[tuple[Any, ...]]) -> None:
    """Say below which outlet, and whether open, others are from a day on (full STAY_COLUMNS)."""
    writes.insert(outlet_stay, STAY_COLUMNS, rows)


@query
def _stays(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(*(outlet_stay.c[name] for name in StoredStay.__slots__)).where(
        of_bank(outlet_stay)
    )


@query
def _stays_of_one(_: StoreEngine) -> sa.Select[Any]:
    stay = outlet_stay
    return (
        sa.select(*(stay.c[name] for name in StoredStay.__slots__))
        .where(of_bank(stay), stay.c.outlet_no == sa.bindparam("outlet"))
        .order_by(stay.c.stay_no)
    )


@dataclass(frozen=True, slots=True)
class StoredStay:
    """Since when an outlet is, or was, below another one, open or closed."""

    outlet_no: int
    stay_no: int
    since_on: dt.date
    parent_no: int | None
    state: str


def list_stays(tx: Transaction, outlet_no: int | None = None) -> list[StoredStay]:
    """The stays of one outlet or of all of them, in order."""
    rows = _stays(tx) if outlet_no is None else _stays_of_one(tx, outlet=outlet_no)
    return [StoredStay(*row) for row in sorted(rows)]


def ask_stays() -> Ask[Stays]:
    """Below which outlet each of them was when."""

    def parse(rows: Rows) -> Stays:
        stays = (StoredStay(*row) for row in sorted(rows))
        return stays_of((stay.outlet_no, stay.parent_no, stay.since_on) for stay in stays)

    return _stays.ask(parse)


def load_stays(tx: Transaction) -> Stays:
    """Below which outlet each of them was when."""
    return tx.look(ask_stays())


def write_outlet_change(writes: Writes, outlet_no: int, **changes: Any) -> None:
    """Change what may change about an outlet."""
    writes.update(
        outlet, [(outlet_no, *changes.values())], key=("outlet_no",), changes=tuple(changes)
    )


@query
def _left_open(_: StoreEngine) -> sa.Select[Any]:
    """What keeps an outlet from closing, counted."""
    here: sa.BindParameter[int] = sa.bindparam("outlet")
    child = outlet.alias("child")

    def count(table: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> Any:
        mine = table.c.bank_id == sa.bindparam("bank")
        rows = sa.select(sa.func.count()).select_from(table).where(mine, *conditions)
        return rows.scalar_subquery()

    record = hour_record
    # In the order of LEFT_OPEN.
    return sa.select(
        count(child, child.c.parent_no == here, child.c.state == "open").label("a"),
        count(customer, customer.c.outlet_no == here, customer.c.state != "closed").label("b"),
        count(passbook, passbook.c.outlet_no == here, passbook.c.state == "blank").label("c"),
        count(record, record.c.outlet_no == here, is_waiting()).label("d"),
        count(staff_role, staff_role.c.outlet_no == here, staff_role.c.ended_on.is_(None)).label(
            "e"
        ),
        count(
            partner_store,
            partner_store.c.recruited_by_no == here,
            partner_store.c.left_on.is_(None),
        ).label("f"),
        count(pool, pool.c.outlet_no == here, pool.c.state == "open").label("g"),
    )


LEFT_OPEN = (
    "outlets", "accounts", "blank passbooks", "waiting records", "staff roles", "partner stores",
    "pools",
)  # fmt: skip


def load_left_open(tx: Transaction, outlet_no: int) -> dict[str, int]:
    """What is still open at an outlet, by name, without what is zero."""
    row = _left_open(tx, outlet=outlet_no)[0]
    return {name: count for name, count in zip(LEFT_OPEN, row, strict=True) if count}


@query
def _lock_house(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(
        sa.select(outlet.c.outlet_no).where(of_bank(outlet), outlet.c.head_mark == 1)
    )


@query
def _lock(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(
        sa.select(outlet.c.outlet_no)
        .where(of_bank(outlet), engine.among(outlet.c.code, "codes"))
        .order_by(outlet.c.outlet_no)
    )


#: The series of the counter row at which acts queue while a closing waits for who is under way.
GATE = "gate"


def _gate_row(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    row = serial_counter.c
    is_it = (row.series == sa.literal_column(f"'{GATE}'"), row.owner_no == sa.literal_column("0"))
    return sa.select(row.last_no).where(of_bank(serial_counter), *is_it, *conditions)


def _gate_while_closing() -> sa.Select[Any]:
    """The gate while a closing waits for who is under way: whoever comes later queues.

    A row that nothing else shares or writes. At the closing's own, who queued would still hold
    it, one after the other, when the closing goes on; at the bank's, every teller would wait
    for each transaction with an older snapshot, and meet acts on the house in a circle.
    """
    waits = sa.exists().where(
        closing.c.bank_id == serial_counter.c.bank_id, closing.c.state == CLOSING
    )
    return _gate_row(waits)


@query
def _gate(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(_gate_while_closing())


@query
def _gate_once(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock_once(_gate_while_closing(), GATE)


@query
def _gate_alone(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(_gate_row())


def ask_gate_alone() -> Ask[Rows]:
    """The gate itself, for whoever closes: behind the bank's own row, before all others."""
    return _gate_alone.ask(list)


def ask_gate(tx: Transaction) -> list[Ask[Rows]]:
    """What comes before a lock by which an act keeps days open, once in a transaction.

    Where sharers overtake, a teller or forty would starve whoever closes. A transaction that
    has passed is under way and is waited for, so it must not wait here again. Whether a caller's
    has, in another block of it or in a savepoint that was undone since, the server knows.
    """
    if Capability.SHARERS_OVERTAKE not in tx.engine.capabilities or tx.has_passed_gate:
        return []
    tx.note_passed_gate()
    return [(_gate if tx.savepoint is None else _gate_once).ask(list)]


def ask_lock_house() -> Ask[Rows]:
    """Lock the head office's row: acts on the house itself (outlets, staff, rules) queue."""
    return _lock_house.ask(list).locking(Place.OUTLETS, [0])


def ask_lock_outlets(codes: Iterable[str]) -> Ask[Rows]:
    """Lock these outlets' rows, in order; facts come in a later statement."""
    return _lock.ask(list, codes=sorted(set(codes)))


def load_place(tx: Transaction, outlet_no: int) -> OutletFacts:
    """The outlet with this number. Its code and number never change; the rest may."""
    return _facts(_by_numbers(tx, numbers=[outlet_no])[0])


@query
def _subtree(_: StoreEngine) -> sa.Select[Any]:
    """An outlet and everything below it, each with its parent's code."""
    top, parent = outlet.alias("top"), outlet.alias("parent")
    below = sa.and_(
        top.c.bank_id == outlet.c.bank_id,
        sa.or_(
            top.c.tier == 1,
            top.c.outlet_no == outlet.c.outlet_no,
            top.c.outlet_no == outlet.c.parent_no,
        ),
    )
    above = sa.and_(parent.c.bank_id == outlet.c.bank_id, parent.c.outlet_no == outlet.c.parent_no)
    return (
        sa.select(
            outlet.c.outlet_no,
            outlet.c.code,
            outlet.c.name,
            outlet.c.tier,
            parent.c.code,
            outlet.c.setting,
            outlet.c.state,
        )
        .select_from(outlet.join(top, below).outerjoin(parent, above))
        .where(of_bank(outlet), top.c.code == sa.bindparam("code"))
        .order_by(outlet.c.outlet_no)
    )


def list_subtree(tx: Transaction, code: str) -> Rows:
    """(number, code, name, tier, parent's code, setting, state) of an outlet and all below it."""
    return _subtree(tx, code=code)
