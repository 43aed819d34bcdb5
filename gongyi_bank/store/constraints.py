"""What the database itself should have refused, asked of it again: its guards can be dropped.

Every CHECK and every reference of every table, in one statement a table.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store import tables
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import whole
from gongyi_bank.store.transaction import Query, Transaction, of_bank, query

_CHECKED = {
    table.name: sorted(
        (c for c in table.constraints if isinstance(c, sa.CheckConstraint)),
        key=lambda c: str(c.name),
    )
    for table in tables.metadata.sorted_tables
    if "bank_id" in table.c
}


@functools.cache
def _breaches(table_name: str) -> Query:
    """How many rows break each check of a table, in order."""
    table = tables.metadata.tables[table_name]

    def build(_: StoreEngine) -> sa.Select[Any]:
        one: sa.ColumnElement[int] = sa.literal_column("1")
        none: sa.ColumnElement[int] = sa.literal_column("0")
        broken: list[Any] = []
        for number, check in enumerate(_CHECKED[table_name]):
            rule: sa.ColumnElement[bool] = sa.literal_column(str(check.sqltext), sa.Boolean())
            # A rule that cannot be decided holds, as it does for the database.
            is_kept = sa.func.coalesce(rule, sa.true(), type_=sa.Boolean())
            counted = sa.func.coalesce(sa.func.sum(sa.case((is_kept, none), else_=one)), none)
            broken.append(whole(counted).label(f"broken_{number}"))
        return sa.select(*broken).select_from(table).where(of_bank(table))

    return Query(build)


def list_breaches(tx: Transaction) -> Iterator[tuple[str, int]]:
    """(name of a check, how many rows break it)."""
    for name, checks in _CHECKED.items():
        if checks:
            for check, count in zip(checks, _breaches(name)(tx)[0], strict=True):
                if count:
                    yield str(check.name), count


#: References that are not asked again: to the bank, by which every statement is bound, and of
#: lines to their accounts and vouchers, which the audit of each account tells.
_KNOWN = frozenset({"gb_account_line_account_fk", "gb_account_line_voucher_fk"})
_REFERRING = {
    table.name: found
    for table in tables.metadata.sorted_tables
    if (
        found := sorted(
            (
                constraint
                for constraint in table.foreign_key_constraints
                if len(constraint.elements) > 1 and constraint.name not in _KNOWN
            ),
            key=lambda constraint: str(constraint.name),
        )
    )
}


@functools.cache
def _dangling(table_name: str) -> Query:
    """How many rows of a table refer to something that is not there, by each reference."""
    table = tables.metadata.tables[table_name]

    def count(constraint: sa.ForeignKeyConstraint) -> Any:
        target = constraint.referred_table.alias("target")
        pairs = [(table.c[e.parent.name], target.c[e.column.name]) for e in constraint.elements]
        found = sa.exists().where(*(own == theirs for own, theirs in pairs))
        given = (own.is_not(None) for own, _ in pairs)
        rows = sa.select(sa.func.count()).select_from(table).where(of_bank(table), *given, ~found)
        return rows.scalar_subquery().label(str(constraint.name))

    return Query(lambda _: sa.select(*map(count, _REFERRING[table_name])))


def list_dangling(tx: Transaction) -> Iterator[tuple[str, int]]:
    """(name of a reference, how many rows of it lead nowhere)."""
    for name, constraints in _REFERRING.items():
        for constraint, count in zip(constraints, _dangling(name)(tx)[0], strict=True):
            if count:
                yield str(constraint.name), count


@query
def _unlike_stays(_: StoreEngine) -> sa.Select[Any]:
    """Customers who are registered elsewhere than their newest stay says."""
    one, stay, later = tables.customer, tables.customer_stay, tables.customer_stay.alias("later")
    same = sa.exists().where(
        stay.c.bank_id == one.c.bank_id,
        stay.c.account_no == one.c.account_no,
        stay.c.stay_no == one.c.stay_no,
        stay.c.outlet_no == one.c.outlet_no,
    )
    newer = sa.exists().where(
        later.c.bank_id == one.c.bank_id,
        later.c.account_no == one.c.account_no,
        later.c.stay_no > one.c.stay_no,
    )
    return (
        sa.select(one.c.account_no)
        .where(of_bank(one), sa.or_(~same, newer))
        .order_by(one.c.account_no)
    )


def list_unlike_stays(tx: Transaction) -> list[int]:
    """Accounts whose customer is not where the newest stay says."""
    return [row[0] for row in _unlike_stays(tx)]


@query
def _wrong_prices(_: StoreEngine) -> sa.Select[Any]:
    """Redemptions that cost something else than their pieces do."""
    taken, offer = tables.redemption, tables.offer
    its_offer = sa.and_(
        offer.c.bank_id == taken.c.bank_id,
        offer.c.store_no == taken.c.store_no,
        offer.c.sku == taken.c.sku,
    )
    return (
        sa.select(taken.c.redemption_id)
        .select_from(taken.join(offer, its_offer))
        .where(of_bank(taken), taken.c.points != taken.c.quantity * offer.c.points)
        .order_by(taken.c.redemption_id)
    )


def list_wrong_prices(tx: Transaction) -> list[bytes]:
    """Redemptions that did not cost what their pieces do."""
    return [row[0] for row in _wrong_prices(tx)]


@query
def _wrong_days(_: StoreEngine) -> sa.Select[Any]:
    """Reservations that name another day than that of the hand-over, or else of the act."""
    taken, act = tables.redemption, tables.voucher
    cause = sa.case(
        (taken.c.state == "captured", taken.c.settled_voucher_id), else_=taken.c.voucher_id
    )
    its_act = sa.and_(act.c.bank_id == taken.c.bank_id, act.c.voucher_id == cause)
    return (
        sa.select(taken.c.redemption_id)
        .select_from(taken.join(act, its_act))
        .where(
            of_bank(taken),
            taken.c.hold_id.is_not(None),
            taken.c.redeemed_on != act.c.business_day,
        )
        .order_by(taken.c.redemption_id)
    )


def list_wrong_days(tx: Transaction) -> list[bytes]:
    """Reservations with a day that is not their voucher's."""
    return [row[0] for row in _wrong_days(tx)]


@query
def _books(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(sa.func.count().label("books")).where(of_bank(tables.passbook))


def count_passbooks(tx: Transaction) -> int:
    """How many passbooks were ever printed."""
    counted: int = _books(tx)[0][0]
    return counted


@query
def _founded(_: StoreEngine) -> sa.Select[Any]:
    """The bank as it stands, beside the voucher whose body tells how it was founded."""
    bank, first = tables.bank, tables.voucher
    return (
        sa.select(bank.c.name, bank.c.scale, bank.c.time_zone, bank.c.founded_at,
                  first.c.booked_at, first.c.body)
        .select_from(bank.join(first, first.c.bank_id == bank.c.bank_id))
        .where(of_bank(bank), first.c.act == "bank.found")
        .order_by(first.c.booked_at)
        .limit(1)
    )  # fmt: skip


def load_founding(tx: Transaction) -> tuple[Any, ...] | None:
    """(name, scale, time zone, founded at; moment and body of the voucher that founded it)."""
    rows = _founded(tx)
    return rows[0] if rows else None
