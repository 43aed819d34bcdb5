"""Redemptions, reservations and their holds as facts and rows.

A reservation's hold carries the redemption's own id, so each finds the other by its key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.holds import HELD, HeldGoods, Hold
from gongyi_bank.rules.redemptions import CAPTURED, RESERVED, EarlierRedemption, Reservation
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.holds import HOLD_FIELDS, hold_of
from gongyi_bank.store.tables import (
    account_line,
    hold,
    hold_event,
    offer,
    outlet,
    partner_store,
    redemption,
    voucher,
)
from gongyi_bank.store.transaction import Ask, Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

REDEMPTION_COLUMNS = columns_of(redemption)
_ITS_HOLD = sa.and_(
    hold.c.bank_id == redemption.c.bank_id, hold.c.hold_id == redemption.c.redemption_id
)
_ITS_STORE = sa.and_(
    partner_store.c.bank_id == redemption.c.bank_id,
    partner_store.c.store_no == redemption.c.store_no,
)
_ITS_OUTLET = sa.and_(
    outlet.c.bank_id == partner_store.c.bank_id,
    outlet.c.outlet_no == partner_store.c.recruited_by_no,
)
_ITS_OFFER = sa.and_(
    offer.c.bank_id == redemption.c.bank_id,
    offer.c.store_no == redemption.c.store_no,
    offer.c.sku == redemption.c.sku,
)


@query
def _by_refs(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(
        redemption.c.ref,
        redemption.c.redemption_id,
        redemption.c.account_no,
        redemption.c.state,
        redemption.c.row_digest,
        redemption.c.points,
        redemption.c.line_no,
    ).where(of_bank(redemption), engine.among(redemption.c.ref, "refs"))


@query
def _one(_: StoreEngine) -> sa.Select[Any]:
    source = redemption.join(partner_store, _ITS_STORE).join(outlet, _ITS_OUTLET)
    return (
        sa.select(
            redemption.c.redemption_id,
            redemption.c.account_no,
            redemption.c.store_no,
            outlet.c.code,
            outlet.c.outlet_no,
            redemption.c.sku,
            redemption.c.quantity,
            redemption.c.points,
            redemption.c.state,
            redemption.c.redeemed_on,
            redemption.c.row_digest,
            *(hold.c[name].label(f"hold_{name}") for name in HOLD_FIELDS),
        )
        .select_from(source.outerjoin(hold, _ITS_HOLD))
        .where(of_bank(redemption), redemption.c.redemption_id == sa.bindparam("redemption"))
    )


@query
def _listed_of_account(_: StoreEngine) -> sa.Select[Any]:
    source = redemption.join(partner_store, _ITS_STORE).join(offer, _ITS_OFFER)
    return (
        sa.select(
            redemption.c.redemption_id,
            redemption.c.redeemed_on,
            partner_store.c.code,
            offer.c.sku,
            offer.c.name,
            redemption.c.quantity,
            redemption.c.points,
            redemption.c.state,
            redemption.c.line_no,
        )
        .select_from(source)
        .where(of_bank(redemption), redemption.c.account_no == sa.bindparam("account"))
        .order_by(redemption.c.redeemed_on.desc(), redemption.c.redemption_id.desc())
        .limit(sa.bindparam("count_max"))
    )


@query
def _listed_reserved(_: StoreEngine) -> sa.Select[Any]:
    source = hold.join(redemption, _ITS_HOLD).join(partner_store, _ITS_STORE)
    return (
        sa.select(
            redemption.c.redemption_id,
            hold.c.deadline_at,
            redemption.c.account_no,
            partner_store.c.code,
            offer.c.sku,
            offer.c.name,
            redemption.c.quantity,
            redemption.c.points,
        )
        .select_from(source.join(offer, _ITS_OFFER))
        .where(of_bank(hold), hold.c.state == HELD)
        .order_by(hold.c.deadline_at, hold.c.hold_id)
    )


def ask_by_ref(refs: Iterable[str]) -> Ask[dict[str, EarlierRedemption]]:
    """The redemptions and reservations that carry these references, whatever their state."""
    named = sorted(set(refs))
    asked = _by_refs.ask(
        lambda rows: {row[0]: EarlierRedemption(*row[1:]) for row in rows}, refs=named
    )
    return asked.settled_if(not named)


def ask_reservation(redemption_id: bytes) -> Ask[Reservation | None]:
    """One redemption as it stands."""
    return _one.ask(lambda rows: _reservation(rows[0]) if rows else None, redemption=redemption_id)


def _reservation(row: tuple[Any, ...]) -> Reservation:
    size = len(HOLD_FIELDS)
    its_hold = None
    if row[-size] is not None:
        goods = HeldGoods(row[2], row[5], row[6])
        its_hold = hold_of(row[-size:], row[3], goods)
    return Reservation(*(*row[:-size], its_hold))


def list_of_account(tx: Transaction, account_no: int, count_max: int) -> list[tuple[Any, ...]]:
    """An account's redemptions, newest first: id, day, store, sku, name, pieces, points, state,
    line."""
    return _listed_of_account(tx, account=account_no, count_max=count_max)


def list_reserved(tx: Transaction) -> list[tuple[Any, ...]]:
    """What is on hold, first deadline first: id, deadline, account, store, sku, name, pieces,
    points."""
    return _listed_reserved(tx)


@dataclass(frozen=True, slots=True)
class BookedRedemption:
    """A redemption with what its receipt says: for answering a repeated reference."""

    voucher_id: bytes
    business_day: dt.date
    booked_at: dt.datetime
    line_no: int | None
    credited_after: int | None
    debited_after: int | None
    #: Of a reservation: what was held, in the smallest part, and the deadline it began with.
    held: int | None
    deadline_at: dt.datetime | None
    latest_at: dt.datetime | None


@query
def _booked(_: StoreEngine) -> sa.Select[Any]:
    its_voucher = sa.and_(
        voucher.c.bank_id == redemption.c.bank_id,
        voucher.c.voucher_id == redemption.c.voucher_id,
    )
    its_line = sa.and_(
        account_line.c.bank_id == redemption.c.bank_id,
        account_line.c.account_no == redemption.c.account_no,
        account_line.c.line_no == redemption.c.line_no,
    )
    placed = sa.and_(
        hold_event.c.bank_id == redemption.c.bank_id,
        hold_event.c.hold_id == redemption.c.redemption_id,
        hold_event.c.event_no == 1,
    )
    source = redemption.join(voucher, its_voucher).outerjoin(account_line, its_line)
    return (
        sa.select(
            redemption.c.voucher_id,
            voucher.c.business_day,
            voucher.c.booked_at,
            redemption.c.line_no,
            account_line.c.credited_after,
            account_line.c.debited_after,
            hold_event.c.amount,
            hold_event.c.deadline_at,
            hold.c.latest_at,
        )
        .select_from(source.outerjoin(hold, _ITS_HOLD).outerjoin(hold_event, placed))
        .where(of_bank(redemption), redemption.c.redemption_id == sa.bindparam("redemption"))
    )


def load_booked(tx: Transaction, redemption_id: bytes) -> BookedRedemption:
    """A redemption that exists, with its voucher, its line and its first deadline."""
    return BookedRedemption(*_booked(tx, redemption=redemption_id)[0])


def write_redemptions(writes: Writes, rows: list[Row]) -> None:
    """Add redemptions (full rows in the order of REDEMPTION_COLUMNS), after their holds."""
    writes.insert(redemption, REDEMPTION_COLUMNS, rows)


def write_part(
    writes: Writes,
    reservation: Reservation,
    part: EarlierRedemption,
    quantity: int,
    day: dt.date,
    voucher_id: bytes,
) -> None:
    """A captured part becomes a redemption of its own; the reservation keeps the rest."""
    was = reservation
    left = (was.quantity - quantity, was.points - part.points)
    writes.update(
        redemption,
        [(was.redemption_id, RESERVED, was.quantity, *left)],
        key=("redemption_id",),
        guards=("state", "quantity"),
        changes=("quantity", "points"),
    )
    row = (
        part.redemption_id, was.account_no, was.store_no, was.sku, quantity, part.points,
        part.state, None, was.row_digest, day, part.line_no, was.redemption_id, None, voucher_id,
        voucher_id,
    )  # fmt: skip
    write_redemptions(writes, [row])


def write_captured(
    writes: Writes, reservation: Reservation, line_no: int, day: dt.date, voucher_id: bytes
) -> None:
    """All that was left of a reservation is handed over."""
    row = (reservation.redemption_id, RESERVED, CAPTURED, line_no, day, voucher_id)
    writes.update(
        redemption,
        [row],
        key=("redemption_id",),
        guards=("state",),
        changes=("state", "line_no", "redeemed_on", "settled_voucher_id"),
    )


def write_ended(writes: Writes, holds: Iterable[Hold], voucher_id: bytes) -> None:
    """End the reservations of these holds, which were released or have lapsed."""
    rows: list[Row] = [
        (one.hold_id, RESERVED, one.state, voucher_id) for one in holds if one.goods is not None
    ]
    writes.update(
        redemption,
        rows,
        key=("redemption_id",),
        guards=("state",),
        changes=("state", "settled_voucher_id"),
    )
