"""Serial numbers, drawn in bulk; the counter rows are the last locks of an act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.locks import counter_of
from gongyi_bank.store.tables import serial_counter
from gongyi_bank.store.transaction import Transaction, of_bank, query
from gongyi_bank.store.writing import Writes


@query
def _last(engine: StoreEngine) -> sa.Select[Any]:
    rows = (
        sa.select(serial_counter.c.owner_no, serial_counter.c.last_no)
        .where(
            of_bank(serial_counter),
            serial_counter.c.series == sa.bindparam("series"),
            engine.among(serial_counter.c.owner_no, "owners"),
        )
        .order_by(serial_counter.c.owner_no)
    )
    return rows if engine.locks_at_begin else engine.lock(rows)


def draw_many(
    tx: Transaction, series: str, counts: Mapping[int, int], *, first: int = 1
) -> dict[int, int]:
    """For each owner the first of `count` numbers never drawn before; gaps are allowed.

    A row is made when a series is first used, and locked until the transaction ends.
    """
    found = _locked(tx, series, sorted(counts), first)
    counter = serial_counter.c
    statement = (
        sa.update(serial_counter)
        .where(
            counter.bank_id == tx.bank.bank_id,
            counter.series == series,
            counter.owner_no == sa.bindparam("owner"),
        )
        .values(last_no=sa.bindparam("last"))
    )
    tx.execute(statement, [{"owner": o, "last": last + counts[o]} for o, last in found.items()])
    return {owner: last + 1 for owner, last in found.items()}


def _locked(tx: Transaction, series: str, owners: list[int], first: int) -> dict[int, int]:
    """The last number of each owner, in rows that are made where they are missing, and locked.

    Raises LockOutOfOrder, if the order of locks is watched.
    """
    tx.require_sound()
    if tx.held is not None:
        tx.held.take(*(counter_of(series, owner) for owner in owners))
    found: dict[int, int] = dict(_last(tx, series=series, owners=owners))
    key = {"bank_id": tx.bank.bank_id, "series": series}
    missing = [owner for owner in owners if owner not in found]
    if missing:
        rows = [key | {"owner_no": owner, "last_no": first - 1} for owner in missing]
        tx.execute(tx.engine.insert_if_missing(serial_counter), rows)
        found = dict(_last(tx, series=series, owners=owners))
    return found


def draw(tx: Transaction, series: str, owner_no: int, count: int, *, first: int = 1) -> int:
    """The first of `count` numbers of one owner's series."""
    return draw_many(tx, series, {owner_no: count}, first=first)[owner_no]


def draw_without_gap(tx: Transaction, writes: Writes, series: str, count: int) -> int:
    """The first of `count` numbers of the bank's own series, used up by what the act writes.

    An act that turns out to be its twin's replay, or begins anew, leaves no number unused.
    """
    last = _locked(tx, series, [0], 1)[0]
    writes.update(
        serial_counter,
        [(series, 0, last, last + count)],
        key=("series", "owner_no"),
        guards=("last_no",),
        changes=("last_no",),
    )
    return last + 1
