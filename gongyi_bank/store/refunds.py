"""Refunds of redemptions as facts and rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.refunds import Refundable
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import whole
from gongyi_bank.store.tables import outlet, partner_store, redemption, refund
from gongyi_bank.store.transaction import Ask, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

REFUND_COLUMNS = columns_of(refund)


@query
def _refundable(_: StoreEngine) -> sa.Select[Any]:
    """A redemption with its refunds so far; its store's outlet handles it."""
    its_store = sa.and_(
        partner_store.c.bank_id == redemption.c.bank_id,
        partner_store.c.store_no == redemption.c.store_no,
    )
    its_outlet = sa.and_(
        outlet.c.bank_id == partner_store.c.bank_id,
        outlet.c.outlet_no == partner_store.c.recruited_by_no,
    )

    def of_refunds(value: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
        return (
            sa.select(value)
            .where(
                refund.c.bank_id == redemption.c.bank_id,
                refund.c.redemption_id == redemption.c.redemption_id,
            )
            .correlate(redemption)
            .scalar_subquery()
        )

    pieces = sa.func.coalesce(sa.func.sum(refund.c.quantity), sa.literal_column("0"))
    return (
        sa.select(
            redemption.c.redemption_id,
            redemption.c.account_no,
            redemption.c.store_no,
            outlet.c.code,
            redemption.c.sku,
            redemption.c.quantity,
            redemption.c.points,
            redemption.c.state,
            redemption.c.line_no,
            redemption.c.cites_from,
            of_refunds(sa.func.count()).label("parts"),
            of_refunds(whole(pieces)).label("returned"),
        )
        .select_from(redemption.join(partner_store, its_store).join(outlet, its_outlet))
        .where(of_bank(redemption), redemption.c.redemption_id == sa.bindparam("redemption"))
    )


def ask_refundable(redemption_id: bytes) -> Ask[Refundable | None]:
    """One redemption with what was returned of it; true behind the head's lock."""
    return _refundable.ask(
        lambda rows: Refundable(*rows[0]) if rows else None, redemption=redemption_id
    )


def write_refund(
    writes: Writes,
    found: Refundable,
    refunded_on: dt.date,
    returned: tuple[int, int],
    line_no: int | None,
    *,
    restocked: bool,
    voucher_id: bytes,
) -> None:
    """Add a refund of (pieces, points)."""
    row: Row = (
        found.redemption_id, found.parts + 1, found.account_no, refunded_on, *returned, line_no,
        int(restocked), voucher_id,
    )  # fmt: skip
    writes.insert(refund, REFUND_COLUMNS, [row])
