"""Holds and what happened to them, as facts and rows.

A hold that belongs to a reservation carries the redemption's own id, so each finds the other
by its key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.holds import HELD, EarlierHold, HeldGoods, Hold
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import (
    hold,
    hold_event,
    outlet,
    partner_store,
    redemption,
    voucher,
)
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

#: How many holds one statement finds by their ids.
IDS_MAX = 50
#: Before any deadline; every engine can store it.
_BEFORE_ALL = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HOLD_COLUMNS = columns_of(hold)
_EVENT_COLUMNS = columns_of(hold_event)
#: The columns of a `Hold`, in its order.
HOLD_FIELDS = (
    "hold_id", "account_no", "payee_no", "amount", "captured", "state", "placed_at",
    "deadline_at", "latest_at", "outlet_no", "cites_from", "event_no",
)  # fmt: skip
assert tuple(Hold.__slots__)[: len(HOLD_FIELDS)] == HOLD_FIELDS, "Hold begins as these columns do"
_CHANGES = ("captured", "deadline_at", "event_no", "state", "settled_voucher_id")
_ITS_OUTLET = sa.and_(outlet.c.bank_id == hold.c.bank_id, outlet.c.outlet_no == hold.c.outlet_no)
_ITS_GOODS = sa.and_(
    redemption.c.bank_id == hold.c.bank_id, redemption.c.redemption_id == hold.c.hold_id
)
_ITS_PAYEE = sa.and_(
    partner_store.c.bank_id == hold.c.bank_id, partner_store.c.account_no == hold.c.payee_no
)


def hold_of(row: Sequence[Any], outlet_code: str, goods: HeldGoods | None) -> Hold:
    """A hold from its columns, in the order of HOLD_FIELDS."""
    return Hold(*(*row, row[-1], outlet_code, goods))


def _holds() -> sa.Select[Any]:
    source = hold.join(outlet, _ITS_OUTLET).outerjoin(redemption, _ITS_GOODS)
    goods = (redemption.c.store_no, redemption.c.sku, redemption.c.quantity)
    columns = (hold.c[name] for name in HOLD_FIELDS)
    return sa.select(*columns, outlet.c.code, *goods).select_from(source).where(of_bank(hold))


def _holds_of(rows: Rows) -> list[Hold]:
    return [
        hold_of(row[:-4], row[-4], None if row[-3] is None else HeldGoods(*row[-3:]))
        for row in rows
    ]


@query
def _by_ids(_: StoreEngine) -> sa.Select[Any]:
    wanted: list[sa.BindParameter[bytes]] = [
        sa.bindparam(f"hold_{number}") for number in range(IDS_MAX)
    ]
    return _holds().where(hold.c.hold_id.in_(wanted))


def _overdue_holds() -> sa.Select[Any]:
    return _holds().where(hold.c.state == HELD, hold.c.deadline_at <= sa.bindparam("now"))


def _is_after() -> sa.ColumnElement[bool]:
    """Whether a hold stands behind this deadline and id."""
    return sa.or_(
        hold.c.deadline_at > sa.bindparam("after_at"),
        sa.and_(
            hold.c.deadline_at == sa.bindparam("after_at"),
            hold.c.hold_id > sa.bindparam("after_id"),
        ),
    )


@query
def _overdue(_: StoreEngine) -> sa.Select[Any]:
    in_order = _overdue_holds().order_by(hold.c.deadline_at, hold.c.hold_id)
    from_there = hold.c.deadline_at >= sa.bindparam("after_at")
    return in_order.where(from_there, _is_after()).limit(sa.bindparam("count_max"))


@query
def _overdue_of(engine: StoreEngine) -> sa.Select[Any]:
    return _overdue_holds().where(engine.among(hold.c.account_no, "accounts"))


@query
def _by_ref(_: StoreEngine) -> sa.Select[Any]:
    its_voucher = sa.and_(
        voucher.c.bank_id == hold.c.bank_id, voucher.c.voucher_id == hold.c.voucher_id
    )
    return (
        sa.select(hold.c.row_digest, voucher.c.body)
        .select_from(hold.join(voucher, its_voucher))
        .where(of_bank(hold), hold.c.ref == sa.bindparam("ref"))
    )


def _listed() -> sa.Select[Any]:
    source = hold.join(partner_store, _ITS_PAYEE).outerjoin(redemption, _ITS_GOODS)
    return (
        sa.select(
            hold.c.hold_id,
            hold.c.account_no,
            partner_store.c.code,
            redemption.c.sku,
            hold.c.amount,
            hold.c.captured,
            hold.c.state,
            hold.c.placed_at,
            hold.c.deadline_at,
        )
        .select_from(source)
        .where(of_bank(hold))
    )


@query
def _listed_open(_: StoreEngine) -> sa.Select[Any]:
    return (
        _listed()
        .where(hold.c.state == HELD, _is_after())
        .order_by(hold.c.deadline_at, hold.c.hold_id)
        .limit(sa.bindparam("count_max"))
    )


@query
def _listed_of_account(_: StoreEngine) -> sa.Select[Any]:
    return (
        _listed()
        .where(hold.c.account_no == sa.bindparam("account"))
        .order_by(hold.c.placed_at.desc(), hold.c.hold_id.desc())
        .limit(sa.bindparam("count_max"))
    )


def asks_by_ids(hold_ids: Iterable[bytes]) -> list[Ask[list[Hold]]]:
    """The holds with these ids, so many to a question."""
    ids = sorted(set(hold_ids))
    asks = []
    for start in range(0, len(ids), IDS_MAX):
        part = ids[start : start + IDS_MAX]
        part += part[-1:] * (IDS_MAX - len(part))
        params = {f"hold_{number}": hold_id for number, hold_id in enumerate(part)}
        asks.append(_by_ids.ask(_holds_of, **params))
    return asks


def load_overdue(
    tx: Transaction, now: dt.datetime, after: Hold | None, count_max: int
) -> list[Hold]:
    """Holds past their deadline that still keep something, longest overdue first, after one."""
    after_at = after.deadline_at if after else _BEFORE_ALL
    after_id = after.hold_id if after else bytes(16)
    found = _overdue(tx, now=now, after_at=after_at, after_id=after_id, count_max=count_max)
    return _holds_of(found)


def ask_overdue_of(accounts: Iterable[int], now: dt.datetime) -> Ask[list[Hold]]:
    """The same for some accounts; only their heads' locks keep the answer true."""
    return _overdue_of.ask(
        lambda rows: sorted(_holds_of(rows), key=lambda one: (one.deadline_at, one.hold_id)),
        accounts=sorted(set(accounts)),
        now=now,
    )


def ask_by_ref(ref: str) -> Ask[EarlierHold | None]:
    """The hold that carries this reference, whatever became of it."""
    return _by_ref.ask(lambda rows: EarlierHold(*rows[0]) if rows else None, ref=ref)


def list_open(
    tx: Transaction, after_at: dt.datetime, after_id: bytes, count_max: int
) -> list[tuple[Any, ...]]:
    """Holds that keep something, first deadline first, after this deadline and id: id, account,
    payee, sku or None, amount, captured, state, placed, deadline."""
    return _listed_open(tx, after_at=after_at, after_id=after_id, count_max=count_max)


def list_of_account(tx: Transaction, account_no: int, count_max: int) -> list[tuple[Any, ...]]:
    """An account's holds, newest first; columns as `list_open`."""
    return _listed_of_account(tx, account=account_no, count_max=count_max)


def write_holds(writes: Writes, holds: Iterable[Hold], voucher_id: bytes) -> None:
    """Write what an act did to these holds: new ones, changed ones, and every step."""
    changed = [one for one in holds if one.steps]
    new: list[Row] = [
        (
            # No act ends what it places: nothing has settled it yet.
            *(getattr(one, name) for name in HOLD_FIELDS), one.ref, one.row_digest, voucher_id,
            None,
        )
        for one in changed
        if not one.seen_event_no
    ]  # fmt: skip
    writes.insert(hold, _HOLD_COLUMNS, new)
    rows: list[Row] = [
        (
            one.hold_id, one.seen_event_no, one.captured, one.deadline_at, one.event_no,
            one.state, None if one.state == HELD else voucher_id,
        )
        for one in changed
        if one.seen_event_no
    ]  # fmt: skip
    writes.update(hold, rows, key=("hold_id",), guards=("event_no",), changes=_CHANGES)
    steps: list[Row] = [(one.hold_id, *step, voucher_id) for one in changed for step in one.steps]
    writes.insert(hold_event, _EVENT_COLUMNS, steps)
