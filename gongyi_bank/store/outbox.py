"""发件箱: vouchers in an order that other services can follow.

Neither the id nor the clock of a voucher says when it was committed, so a reader that goes on
from either skips what was under way. Therefore a voucher gets its place in the outbox after
it was committed, from whoever reads first, one reader at a time: a number that is visible has
no invisible one below it. This holds on every engine, a sharded one included.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gongyi_bank.store import serials
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.locks import Place
from gongyi_bank.store.tables import outbox_consumer, outlet, staff, voucher
from gongyi_bank.store.transaction import Rows, Transaction, of_bank, query

SERIES = "outbox"


@query
def _unnumbered(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(voucher.c.voucher_id)
        .where(of_bank(voucher), voucher.c.outbox_no.is_(None))
        .limit(1)
    )


@query
def _page(_: StoreEngine) -> sa.Select[Any]:
    maker = sa.and_(staff.c.bank_id == voucher.c.bank_id, staff.c.staff_no == voucher.c.staff_no)
    place = sa.and_(
        outlet.c.bank_id == voucher.c.bank_id, outlet.c.outlet_no == voucher.c.outlet_no
    )
    return (
        sa.select(
            voucher.c.outbox_no,
            voucher.c.voucher_id,
            voucher.c.act,
            staff.c.code,
            outlet.c.code,
            voucher.c.business_day,
            voucher.c.booked_at,
            voucher.c.idempotency_key,
            voucher.c.reason,
            voucher.c.body,
        )
        .select_from(voucher.join(staff, maker).join(outlet, place))
        .where(of_bank(voucher), voucher.c.outbox_no > sa.bindparam("after"))
        .order_by(voucher.c.outbox_no)
        .limit(sa.bindparam("count_max", type_=sa.Integer()))
    )


@query
def _position(_: StoreEngine) -> sa.Select[Any]:
    mine = outbox_consumer.c.name == sa.bindparam("name")
    return sa.select(outbox_consumer.c.outbox_no).where(of_bank(outbox_consumer), mine)


@query
def _newest(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(sa.func.max(voucher.c.outbox_no)).where(of_bank(voucher))


def has_unnumbered(tx: Transaction) -> bool:
    """Whether a committed voucher has no place in the outbox yet."""
    return bool(_unnumbered(tx))


def number_vouchers(tx: Transaction, count_max: int) -> None:
    """Give up to `count_max` committed vouchers their places, oldest first.

    The counter's row is locked until this transaction ends, so readers take turns and their
    numbers are committed in order; one that is rolled back leaves no gap. No place is given
    twice where the counter was lost: readers have gone past it, and would skip what has it now.
    """
    counted = serials.draw(tx, SERIES, 0, 0)
    first = max(counted, load_newest(tx) + 1)
    waiting = (
        sa.select(
            voucher.c.voucher_id,
            (sa.func.row_number().over(order_by=voucher.c.voucher_id) + (first - 1)).label("place"),
        )
        .where(voucher.c.bank_id == tx.bank.bank_id, voucher.c.outbox_no.is_(None))
        .order_by(voucher.c.voucher_id)
        .limit(count_max)
        .subquery("waiting")
    )
    numbered = (
        sa.update(voucher)
        .where(voucher.c.bank_id == tx.bank.bank_id, voucher.c.voucher_id == waiting.c.voucher_id)
        .values(outbox_no=waiting.c.place)
    )
    tx.execute(numbered)
    newest = load_newest(tx)
    if newest >= counted:
        serials.draw(tx, SERIES, 0, newest - counted + 1)


def list_vouchers(tx: Transaction, after: int, count_max: int) -> Rows:
    """Numbered vouchers after a place, in the order of OutboxVoucher's fields."""
    return _page(tx, after=after, count_max=count_max)


def load_position(tx: Transaction, consumer: str) -> int:
    """Up to where a consumer has acknowledged; 0 for one that never did."""
    rows = _position(tx, name=consumer)
    return rows[0][0] if rows else 0


def load_newest(tx: Transaction) -> int:
    """The highest place given so far."""
    return _newest(tx)[0][0] or 0


def save_position(tx: Transaction, consumer: str, outbox_no: int) -> None:
    """Move a consumer forward; never back, so that a late acknowledgement does no harm.

    Its row is locked until the transaction ends, the last of all locks. Raises LockOutOfOrder.
    """
    if tx.held is not None:
        tx.held.take((Place.CONSUMERS, consumer))
    key = {"bank_id": tx.bank.bank_id, "name": consumer}
    tx.execute(tx.engine.insert_if_missing(outbox_consumer), [key | {"outbox_no": 0}])
    tx.execute(
        sa.update(outbox_consumer)
        .where(
            outbox_consumer.c.bank_id == tx.bank.bank_id,
            outbox_consumer.c.name == consumer,
            outbox_consumer.c.outbox_no < outbox_no,
        )
        .values(outbox_no=outbox_no)
    )
