"""Reading the house for an audit: its outlets, offers and serial counters as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import total_of
from gongyi_bank.store.tables import (
    account,
    offer,
    outlet,
    partner_store,
    passbook,
    policy,
    pool,
    redemption,
    serial_counter,
    staff,
    stock_move,
    voucher,
)
from gongyi_bank.store.transaction import Transaction, of_bank, query

#: So many accounts are in memory at a time.
ROWS_MAX = 2000


@dataclass(frozen=True, slots=True)
class AuditOutlet:
    """An outlet's place in the tree."""

    outlet_no: int
    code: str
    tier: int
    parent_no: int | None
    state: str


@dataclass(frozen=True, slots=True)
class AuditOffer:
    """An offer with what its moves and reservations add up to."""

    store_no: int
    sku: str
    stock: int
    reserved: int
    moved: int
    held: int


@query
def _outlets(_: StoreEngine) -> sa.Select[Any]:
    columns = (outlet.c[name] for name in AuditOutlet.__slots__)
    return sa.select(*columns).where(of_bank(outlet)).order_by(outlet.c.outlet_no)


@query
def _offers(_: StoreEngine) -> sa.Select[Any]:
    def total(column: sa.Column[Any], *conditions: sa.ColumnElement[bool]) -> Any:
        return sa.select(total_of(column)).where(*conditions).scalar_subquery()

    move, taken = stock_move.c, redemption.c
    moved = total(
        move.quantity,
        move.bank_id == offer.c.bank_id,
        move.store_no == offer.c.store_no,
        move.sku == offer.c.sku,
    )
    held = total(
        taken.quantity,
        taken.bank_id == offer.c.bank_id,
        taken.store_no == offer.c.store_no,
        taken.sku == offer.c.sku,
        taken.state == "reserved",
    )
    return sa.select(
        offer.c.store_no, offer.c.sku, offer.c.stock, offer.c.reserved, moved.label("moved"),
        held.label("held"),
    ).where(of_bank(offer))  # fmt: skip


@query
def _accounts(_: StoreEngine) -> sa.Select[Any]:
    its_store = sa.and_(
        partner_store.c.bank_id == account.c.bank_id,
        partner_store.c.account_no == account.c.account_no,
    )
    columns = (account.c.account_no, account.c.kind, account.c.outlet_no)
    return (
        sa.select(*columns, partner_store.c.recruited_by_no)
        .select_from(account.outerjoin(partner_store, its_store))
        .where(of_bank(account), account.c.account_no > sa.bindparam("above"))
        .order_by(account.c.account_no)
        .limit(sa.bindparam("size", type_=sa.Integer()))
    )


@query
def _counters(_: StoreEngine) -> sa.Select[Any]:
    counter = serial_counter
    return sa.select(counter.c.series, counter.c.owner_no, counter.c.last_no).where(
        of_bank(counter)
    )


@query
def _newest_numbers(_: StoreEngine) -> sa.Select[Any]:
    """In the order of NUMBERED."""

    def newest(column: sa.Column[Any]) -> Any:
        table = column.table
        mine = table.c.bank_id == sa.bindparam("bank")
        return sa.select(sa.func.max(column)).where(mine).scalar_subquery()

    return sa.select(
        newest(outlet.c.outlet_no).label("a"),
        newest(staff.c.staff_no).label("b"),
        newest(policy.c.policy_id).label("c"),
        newest(partner_store.c.store_no).label("d"),
        newest(passbook.c.passbook_no).label("e"),
        newest(pool.c.pool_no).label("f"),
        newest(voucher.c.outbox_no).label("g"),
    )


#: The series of the bank as a whole.
NUMBERED = ("outlet", "staff", "policy", "store", "passbook", "pool", "outbox")


def list_outlets(tx: Transaction) -> list[AuditOutlet]:
    """Every outlet's place."""
    return [AuditOutlet(*row) for row in _outlets(tx)]


def stream_accounts(tx: Transaction) -> Iterator[tuple[int, str, int, int | None]]:
    """(number, kind, outlet, outlet that recruited its store) of every account, in order."""
    above = 0
    while rows := _accounts(tx, above=above, size=ROWS_MAX):
        yield from rows
        above = rows[-1][0]


def list_offers(tx: Transaction) -> list[AuditOffer]:
    """Every offer with what its moves and reservations add up to."""
    return [AuditOffer(*row) for row in _offers(tx)]


def load_counters(tx: Transaction) -> dict[tuple[str, int], int]:
    """The last number drawn of each series and owner."""
    return {(series, owner): last for series, owner, last in _counters(tx)}


def load_newest_numbers(tx: Transaction) -> dict[str, int]:
    """The highest number in use of each of the bank's own series."""
    return {name: no or 0 for name, no in zip(NUMBERED, _newest_numbers(tx)[0], strict=True)}
