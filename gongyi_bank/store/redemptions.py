"""Redemptions, reservations and their holds as facts and rows.

A reservation's hold carries the redemption's own id, so each finds the other by its key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.redemptions import LAPSED, RESERVED, EarlierRedemption, Reservation
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import (
    account_line,
    hold,
    offer,
    outlet,
    partner_store,
    redemption,
    voucher,
)
from gongyi_bank.store.transaction import Ask, Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

REDEMPTION_COLUMNS = columns_of(redemption)
HOLD_COLUMNS = columns_of(hold)
_HELD = "held"
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


def _reservations() -> sa.Select[Any]:
    return sa.select(
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
        hold.c.deadline_at,
    )


@query
def _one(_: StoreEngine) -> sa.Select[Any]:
    source = redemption.join(partner_store, _ITS_STORE).join(outlet, _ITS_OUTLET)
    return (
        _reservations()
        .select_from(source.outerjoin(hold, _ITS_HOLD))
        .where(of_bank(redemption), redemption.c.redemption_id == sa.bindparam("redemption"))
    )


def _overdue_holds() -> sa.Select[Any]:
    source = hold.join(redemption, _ITS_HOLD).join(partner_store, _ITS_STORE)
    return (
        _reservations()
        .select_from(source.join(outlet, _ITS_OUTLET))
        .where(of_bank(hold), hold.c.state == _HELD, hold.c.deadline_at <= sa.bindparam("now"))
        .order_by(hold.c.deadline_at, hold.c.hold_id)
    )


@query
def _overdue(_: StoreEngine) -> sa.Select[Any]:
    return _overdue_holds().limit(sa.bindparam("count_max"))


@query
def _overdue_of(engine: StoreEngine) -> sa.Select[Any]:
    return _overdue_holds().where(engine.among(hold.c.account_no, "accounts"))


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
        .where(of_bank(hold), hold.c.state == _HELD)
        .order_by(hold.c.deadline_at, hold.c.hold_id)
    )


def ask_by_ref(refs: Iterable[str]) -> Ask[dict[str, EarlierRedemption]]:
    """The redemptions and reservations that carry these references, whatever their state."""
    return _by_refs.ask(
        lambda rows: {row[0]: EarlierRedemption(*row[1:]) for row in rows}, refs=sorted(set(refs))
    )


def ask_reservation(redemption_id: bytes) -> Ask[Reservation | None]:
    """One redemption as it stands."""
    return _one.ask(lambda rows: Reservation(*rows[0]) if rows else None, redemption=redemption_id)


def load_overdue(tx: Transaction, now: dt.datetime, count_max: int) -> list[Reservation]:
    """Reservations past their deadline that still hold something, longest overdue first."""
    return [Reservation(*row) for row in _overdue(tx, now=now, count_max=count_max)]


def ask_overdue_of(accounts: Iterable[int], now: dt.datetime) -> Ask[list[Reservation]]:
    """The same for some accounts; only their heads' locks keep the answer true."""
    return _overdue_of.ask(
        lambda rows: [Reservation(*row) for row in rows], accounts=sorted(set(accounts)), now=now
    )


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
    deadline_at: dt.datetime | None


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
    source = redemption.join(voucher, its_voucher).outerjoin(account_line, its_line)
    return (
        sa.select(
            redemption.c.voucher_id,
            voucher.c.business_day,
            voucher.c.booked_at,
            redemption.c.line_no,
            account_line.c.credited_after,
            account_line.c.debited_after,
            hold.c.deadline_at,
        )
        .select_from(source.outerjoin(hold, _ITS_HOLD))
        .where(of_bank(redemption), redemption.c.redemption_id == sa.bindparam("redemption"))
    )


def load_booked(tx: Transaction, redemption_id: bytes) -> BookedRedemption:
    """A redemption that exists, with its voucher, its line and its deadline."""
    return BookedRedemption(*_booked(tx, redemption=redemption_id)[0])


def write_redemptions(writes: Writes, rows: list[Row]) -> None:
    """Add redemptions (full rows in the order of REDEMPTION_COLUMNS), after their holds."""
    writes.insert(redemption, REDEMPTION_COLUMNS, rows)


def write_holds(writes: Writes, rows: list[Row]) -> None:
    """Add holds (full rows in the order of HOLD_COLUMNS)."""
    writes.insert(hold, HOLD_COLUMNS, rows)


@dataclass(frozen=True, slots=True)
class Settled:
    """How a reservation ended."""

    reservation: Reservation
    state: str
    #: Of a captured one: the line in the passbook, and the day of the hand-over.
    line_no: int | None = None
    handed_over_on: dt.date | None = None


def write_settled(writes: Writes, settled: list[Settled], voucher_id: bytes) -> None:
    """End reservations and their holds; guarded by their being open still."""
    redemptions: list[Row] = []
    holds: list[Row] = []
    for end in settled:
        was = end.reservation
        captured = was.points if end.state not in (LAPSED, "released") else 0
        day = end.handed_over_on or was.redeemed_on
        redemptions.append((was.redemption_id, RESERVED, end.state, end.line_no, day, voucher_id))
        holds.append((was.redemption_id, _HELD, end.state, captured, voucher_id))
    writes.update(
        redemption,
        redemptions,
        key=("redemption_id",),
        guards=("state",),
        changes=("state", "line_no", "redeemed_on", "settled_voucher_id"),
    )
    writes.update(
        hold,
        holds,
        key=("hold_id",),
        guards=("state",),
        changes=("state", "captured", "settled_voucher_id"),
    )
