"""Accounts, customers and, apart from them, what is personal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.hours import is_waiting
from gongyi_bank.store.tables import (
    account,
    account_line,
    customer,
    customer_stay,
    hour_record,
    person,
)
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

ACCOUNT_COLUMNS = columns_of(account)
CUSTOMER_COLUMNS = columns_of(customer)
PERSON_COLUMNS = columns_of(person)
STAY_COLUMNS = columns_of(customer_stay)


@dataclass(frozen=True, slots=True)
class StoredCustomer:
    """A customer as they stand, without anything personal."""

    account_no: int
    kind: str
    outlet_no: int
    #: The number of the newest stay: 1, and one more for every move.
    stay_no: int
    ref: str | None
    registered_on: dt.date
    state: str
    state_since_on: dt.date


_STORED = tuple(customer.c[name] for name in StoredCustomer.__slots__)


@query
def _by_accounts(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(*_STORED).where(
        of_bank(customer), engine.among(customer.c.account_no, "accounts")
    )


@query
def _by_refs(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(*_STORED).where(of_bank(customer), engine.among(customer.c.ref, "refs"))


@query
def _by_documents(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(person.c.document_index, person.c.account_no).where(
        of_bank(person), engine.among(person.c.document_index, "indexes")
    )


@query
def _people(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(person.c.account_no, person.c.name).where(
        of_bank(person), engine.among(person.c.account_no, "accounts")
    )


@query
def _indexes(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(person.c.account_no, person.c.document_index).where(
        of_bank(person), engine.among(person.c.account_no, "accounts")
    )


@query
def _newest_use(_: StoreEngine) -> sa.Select[Any]:
    """The newest line's business day and the newest service day of one account."""
    mine: sa.BindParameter[int] = sa.bindparam("account")
    return sa.select(
        sa.select(sa.func.max(account_line.c.business_day))
        .where(of_bank(account_line), account_line.c.account_no == mine)
        .scalar_subquery()
        .label("line_day"),
        sa.select(sa.func.max(hour_record.c.service_on))
        .where(of_bank(hour_record), hour_record.c.account_no == mine)
        .scalar_subquery()
        .label("service_day"),
    )


@query
def _waiting(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(sa.func.count())
        .select_from(hour_record)
        .where(
            of_bank(hour_record),
            hour_record.c.account_no == sa.bindparam("account"),
            is_waiting(),
        )
    )


def ask_stored(accounts: Iterable[int]) -> Ask[dict[int, StoredCustomer]]:
    """Customers by account number."""
    return _by_accounts.ask(
        lambda rows: {row[0]: StoredCustomer(*row) for row in rows}, accounts=sorted(set(accounts))
    )


def load_stored(tx: Transaction, accounts: Iterable[int]) -> dict[int, StoredCustomer]:
    """Customers by account number."""
    return tx.look(ask_stored(accounts))


@query
def _newest_stay(_: StoreEngine) -> sa.Select[Any]:
    day = customer_stay.c.since_on
    return sa.select(sa.func.max(day, type_=day.type)).where(
        of_bank(customer_stay), customer_stay.c.account_no == sa.bindparam("account")
    )


def ask_newest_stay(account_no: int) -> Ask[dt.date | None]:
    """Since when an account has been registered where it is; None for one that is not there."""
    return _newest_stay.ask(lambda rows: rows[0][0], account=account_no)


def ask_stored_by_ref(refs: Iterable[str]) -> Ask[dict[str, StoredCustomer]]:
    """Customers by external reference."""
    return _by_refs.ask(_stored_by_ref, refs=sorted(set(refs)))


def _stored_by_ref(rows: Rows) -> dict[str, StoredCustomer]:
    found = [StoredCustomer(*row) for row in rows]
    return {stored.ref: stored for stored in found if stored.ref is not None}


def ask_documents(indexes: Iterable[str]) -> Ask[dict[str, int]]:
    """The accounts that hold documents with these blind indexes."""
    return _by_documents.ask(
        lambda rows: {row[0]: row[1] for row in rows}, indexes=sorted(set(indexes))
    )


def load_document_indexes(tx: Transaction, accounts: Iterable[int]) -> dict[int, str | None]:
    """The blind index of the document that each account's holder showed, if any."""
    return dict(_indexes(tx, accounts=sorted(set(accounts))))


def load_names(tx: Transaction, accounts: Iterable[int]) -> dict[int, str]:
    """Names, which are personal: for a passbook or, masked, for a list."""
    return dict(_people(tx, accounts=sorted(set(accounts))))


def load_newest_use(tx: Transaction, account_no: int) -> dt.date | None:
    """The newest day on which anything was booked for, or served by, this account."""
    days = [day for day in _newest_use(tx, account=account_no)[0] if day is not None]
    return max(days) if days else None


def count_waiting(tx: Transaction, account_no: int) -> int:
    """Hour records of this account that wait for an approval."""
    count: int = _waiting(tx, account=account_no)[0][0]
    return count


def write_accounts(writes: Writes, rows: list[Row]) -> None:
    """Add accounts (full rows in the order of ACCOUNT_COLUMNS)."""
    writes.insert(account, ACCOUNT_COLUMNS, rows)


def write_customers(writes: Writes, customers: list[Row], people: list[Row]) -> None:
    """Add customers and their personal data (full rows)."""
    writes.insert(customer, CUSTOMER_COLUMNS, customers)
    writes.insert(person, PERSON_COLUMNS, people)


def write_stays(writes: Writes, rows: list[Row]) -> None:
    """Say where accounts are registered from a day on (full rows of STAY_COLUMNS)."""
    writes.insert(customer_stay, STAY_COLUMNS, rows)


def write_customer_change(writes: Writes, stored: StoredCustomer, **changes: Any) -> None:
    """Change a customer's outlet or state; guarded by the state that was decided on."""
    writes.update(
        customer,
        [(stored.account_no, stored.state, *changes.values())],
        key=("account_no",),
        guards=("state",),
        changes=tuple(changes),
    )
