"""What a takeover asks of the books: is a row late, and what do the books say afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.accrual import CREDITED
from gongyi_bank.store import counting
from gongyi_bank.store.engines import StoreEngine, engine_for
from gongyi_bank.store.sums import total_of
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    customer,
    hour_record,
    metadata,
    outlet,
    partner_store,
    redemption,
)
from gongyi_bank.store.transaction import Transaction, of_bank, query

_FIRST, _LAST = counting.FIRST, counting.LAST
_COUNT_MAX: sa.BindParameter[int] = sa.bindparam("count_max")
#: Redemptions whose goods were given out.
_IS_DONE = sa.or_(redemption.c.state == "redeemed", redemption.c.state == "captured")


def refresh_statistics(engine: sa.Engine) -> None:
    """Let the planner count what has grown, where the engine would be late to do it itself."""
    engine_for(engine.dialect.name).refresh_statistics(engine, sorted(metadata.tables))


# --- rows that come late -------------------------------------------------------------------


@query
def _late_balances(engine: StoreEngine) -> sa.Select[Any]:
    head, line = account_head, account_line
    instant = sa.bindparam("instant", type_=head.c.booked_at.type)
    its_head = sa.and_(
        head.c.bank_id == customer.c.bank_id, head.c.account_no == customer.c.account_no
    )
    by_then = sa.and_(
        line.c.bank_id == head.c.bank_id,
        line.c.account_no == head.c.account_no,
        line.c.booked_at <= instant,
    )
    return (
        sa.select(customer.c.ref, total_of(line.c.amount))
        .select_from(customer.join(head, its_head).outerjoin(line, by_then))
        .where(of_bank(customer), engine.among(customer.c.ref, "refs"), head.c.booked_at > instant)
        .group_by(customer.c.ref)
    )


def load_late_balances(
    tx: Transaction, refs: Iterable[str], instant: dt.datetime
) -> dict[str, int]:
    """What was in the book at an instant, for those customers whose book has gone on since."""
    return dict(_late_balances(tx, refs=sorted(set(refs)), instant=instant))


@query
def _redeemed_refs(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(redemption.c.ref).where(
        of_bank(redemption), engine.among(redemption.c.ref, "refs")
    )


def load_redeemed_refs(tx: Transaction, refs: Iterable[str]) -> set[str]:
    """Those of these references that are in the books."""
    return {ref for (ref,) in _redeemed_refs(tx, refs=sorted(set(refs)))}


# --- what the books say --------------------------------------------------------------------


@query
def _record_sums(_: StoreEngine) -> sa.CompoundSelect[Any]:
    record = hour_record
    credited = counting.counted("kind")
    state = sa.literal_column(f"'{CREDITED}'", sa.Text()).label("state")
    others = (
        sa.select(
            record.c.kind,
            record.c.state,
            sa.func.count(),
            total_of(record.c.points),
            total_of(record.c.minutes),
        )
        .where(
            of_bank(record),
            record.c.state != CREDITED,
            sa.case(
                (counting.IS_VOIDED, counting.within(record.c.voided_on)),
                else_=counting.within(record.c.value_on),
            ),
        )
        .group_by(record.c.kind, record.c.state)
    )
    return sa.union_all(
        sa.select(
            credited.c.kind,
            state,
            total_of(credited.c.n),
            total_of(credited.c.points),
            total_of(credited.c.minutes),
        ).group_by(credited.c.kind),
        others,
    )


def load_record_sums(
    tx: Transaction, days: tuple[dt.date, dt.date]
) -> dict[tuple[str, str], tuple[int, int, int]]:
    """(records, points, minutes) by value date, by kind and state."""
    rows = _record_sums(tx, first_on=days[0], last_on=days[1])
    return {(kind, state): tuple(sums) for kind, state, *sums in rows}


@query
def _redeemed_sums(_: StoreEngine) -> sa.Select[Any]:
    wanted: list[sa.ColumnElement[Any]] = [sa.func.count(), total_of(redemption.c.points)]
    return sa.select(*wanted).where(
        of_bank(redemption), _IS_DONE, redemption.c.redeemed_on.between(_FIRST, _LAST)
    )


def load_redeemed_sums(tx: Transaction, days: tuple[dt.date, dt.date]) -> tuple[int, int]:
    """(redemptions, points) of these days."""
    count, points = _redeemed_sums(tx, first_on=days[0], last_on=days[1])[0]
    return count, points


@query
def _outstanding(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    own = sa.and_(customer.c.bank_id == line.c.bank_id, customer.c.account_no == line.c.account_no)
    return (
        sa.select(total_of(line.c.amount))
        .select_from(line.join(customer, own))
        .where(of_bank(line), line.c.business_day <= _LAST)
    )


def load_outstanding(tx: Transaction, day: dt.date) -> int:
    """All customers' points at the end of a business day."""
    total: int = _outstanding(tx, last_on=day)[0][0]
    return total


@query
def _counts(_: StoreEngine) -> sa.Select[Any]:
    def count(table: sa.Table) -> sa.ScalarSelect[Any]:
        return sa.select(sa.func.count()).where(of_bank(table)).scalar_subquery()

    return sa.select(
        count(outlet).label("outlets"),
        count(customer).label("customers"),
        count(partner_store).label("stores"),
    )


def load_counts(tx: Transaction) -> tuple[int, int, int]:
    """How many outlets, customers and partner stores there are."""
    outlets, customers, stores = _counts(tx)[0]
    return outlets, customers, stores


@query
def _waiting(_: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    place = sa.and_(outlet.c.bank_id == record.c.bank_id, outlet.c.outlet_no == record.c.outlet_no)
    # A savings branch's records wait for the branch above it, a branch's for itself.
    branch_no = sa.case((outlet.c.tier == 3, outlet.c.parent_no), else_=outlet.c.outlet_no)
    return (
        sa.select(
            record.c.state,
            branch_no.label("branch_no"),
            sa.func.count(),
            total_of(record.c.minutes),
            sa.func.min(record.c.service_on),
        )
        .select_from(record.join(outlet, place))
        .where(of_bank(record), record.c.state.startswith("waiting"))
        .group_by(record.c.state, branch_no)
    )


def list_waiting(tx: Transaction) -> list[tuple[str, int, int, int, dt.date]]:
    """(state, number of the branch, records, minutes, first day) of all that waits."""
    return [
        (state, branch_no, count, minutes, first_on)
        for state, branch_no, count, minutes, first_on in _waiting(tx)
    ]


# --- who has most --------------------------------------------------------------------------

Ranked = list[tuple[str, int]]


def _is_service() -> sa.ColumnElement[bool]:
    return hour_record.c.kind == "service"


@query
def _top_minutes(_: StoreEngine) -> sa.Select[Any]:
    served = counting.counted("account_no", where=_is_service)
    total = total_of(served.c.minutes)
    return (
        sa.select(customer.c.ref, total)
        .select_from(served.join(customer, customer.c.account_no == served.c.account_no))
        .where(of_bank(customer), customer.c.ref.is_not(None))
        .group_by(customer.c.ref)
        .order_by(total.desc(), customer.c.ref)
        .limit(_COUNT_MAX)
    )


@query
def _top_outlets(_: StoreEngine) -> sa.Select[Any]:
    served = counting.counted("outlet_no", where=_is_service)
    total = total_of(served.c.points)
    return (
        sa.select(outlet.c.code, total)
        .select_from(served.join(outlet, outlet.c.outlet_no == served.c.outlet_no))
        .where(of_bank(outlet))
        .group_by(outlet.c.code)
        .order_by(total.desc(), outlet.c.code)
        .limit(_COUNT_MAX)
    )


@query
def _top_stores(_: StoreEngine) -> sa.Select[Any]:
    total = total_of(redemption.c.points)
    its_store = sa.and_(
        partner_store.c.bank_id == redemption.c.bank_id,
        partner_store.c.store_no == redemption.c.store_no,
    )
    return (
        sa.select(partner_store.c.code, total)
        .select_from(redemption.join(partner_store, its_store))
        .where(
            of_bank(redemption),
            _IS_DONE,
            redemption.c.redeemed_on.between(_FIRST, _LAST),
        )
        .group_by(partner_store.c.code)
        .order_by(total.desc(), partner_store.c.code)
        .limit(_COUNT_MAX)
    )


@query
def _top_balances(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    balance = head.c.credited - head.c.debited
    own = sa.and_(customer.c.bank_id == head.c.bank_id, customer.c.account_no == head.c.account_no)
    return (
        sa.select(customer.c.ref, balance)
        .select_from(head.join(customer, own))
        .where(of_bank(head), customer.c.ref.is_not(None))
        .order_by(balance.desc(), customer.c.ref)
        .limit(_COUNT_MAX)
    )


def list_top_minutes(tx: Transaction, days: tuple[dt.date, dt.date], count_max: int) -> Ranked:
    """(customer reference, credited minutes), most first; equals by reference."""
    return _ranked(_top_minutes(tx, first_on=days[0], last_on=days[1], count_max=count_max))


def list_top_outlets(tx: Transaction, days: tuple[dt.date, dt.date], count_max: int) -> Ranked:
    """(outlet code, points credited for service given there), most first; equals by code."""
    return _ranked(_top_outlets(tx, first_on=days[0], last_on=days[1], count_max=count_max))


def list_top_stores(tx: Transaction, days: tuple[dt.date, dt.date], count_max: int) -> Ranked:
    """(store code, points redeemed there), most first; equals by code."""
    return _ranked(_top_stores(tx, first_on=days[0], last_on=days[1], count_max=count_max))


def list_top_balances(tx: Transaction, count_max: int) -> Ranked:
    """(customer reference, balance), highest first; equals by reference."""
    return _ranked(_top_balances(tx, count_max=count_max))


def _ranked(rows: list[tuple[Any, ...]]) -> Ranked:
    return [(name, value) for name, value in rows]
