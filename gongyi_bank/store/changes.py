"""Reading what shows only how things stand, beside what the vouchers tell of its changes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from gongyi_bank.rules import book_changes
from gongyi_bank.rules.changes import ACTS, Change, Run, changes_in
from gongyi_bank.store import tables
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.transaction import Query, Transaction, of_bank, query

#: So many rows are in memory at a time, and so many vouchers, each with all that its act did.
ROWS_MAX = 2000
VOUCHERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """A table whose rows change, with what they say and what they said at first."""

    table: sa.Table
    columns: tuple[str, ...]
    #: What a column said at first: a value, or the value of another column.
    at_first: tuple[sa.Column[Any] | str | None, ...]

    @property
    def key(self) -> list[sa.Column[Any]]:
        """The key within the bank."""
        return [column for column in self.table.primary_key.columns if column.name != "bank_id"]

    def has_changed(self) -> sa.ColumnElement[bool]:
        """The row says something else than at first."""
        pairs = zip(self.columns, self.at_first, strict=True)
        return sa.or_(*(_differs(self.table.c[name], first) for name, first in pairs))


def _differs(column: sa.Column[Any], first: sa.Column[Any] | str | None) -> Any:
    return column.is_not(None) if first is None else column != first


_customer = tables.customer
SUBJECTS: Final = {
    "customer": Subject(
        _customer, ("state", "state_since_on"), ("active", _customer.c.registered_on)
    ),
    "offer": Subject(tables.offer, ("state",), ("listed",)),
    # Nothing was said of a book before it was printed: where it is, and what is in it.
    "passbook": Subject(tables.passbook, ("state", "outlet_no"), (None, None)),
    "passbook_pages": Subject(
        tables.passbook, book_changes.PAGES, (None,) * len(book_changes.PAGES)
    ),
    "partner_store": Subject(tables.partner_store, ("left_on",), (None,)),
    "pool": Subject(tables.pool, ("state",), ("open",)),
    "staff": Subject(tables.staff, ("own_account_no",), (None,)),
    "staff_role": Subject(tables.staff_role, ("ended_on",), (None,)),
}


@functools.cache
def _rows(what: str, is_first: bool) -> Query:
    """A batch of the rows that have changed, in key order: key, what they say, what they said."""
    subject = SUBJECTS[what]
    table, key = subject.table, subject.key

    def build(_: StoreEngine) -> sa.Select[Any]:
        firsts = [first for first in subject.at_first if isinstance(first, sa.Column)]
        columns = [*key, *(table.c[name] for name in subject.columns), *firsts]
        select = sa.select(*columns).where(of_bank(table), subject.has_changed()).order_by(*key)
        if not is_first:
            seen = [sa.bindparam(f"seen_{column.name}", type_=column.type) for column in key]
            select = select.where(sa.tuple_(*key) > sa.tuple_(*seen))
        return select.limit(sa.bindparam("size", type_=sa.Integer()))

    return Query(build)


def stream_changed(tx: Transaction) -> Iterator[Change]:
    """Every row that has changed: what it said at first, and what it says now."""
    for what, subject in SUBJECTS.items():
        names = [column.name for column in subject.key]
        wide, told = len(names), len(subject.columns)
        seen: dict[str, Any] = {}
        while True:
            rows = _rows(what, not seen)(tx, size=ROWS_MAX, **seen)
            for row in rows:
                more = iter(row[wide + told :])
                first = tuple(
                    next(more) if isinstance(one, sa.Column) else one for one in subject.at_first
                )
                yield Change(what, tuple(row[:wide]), first, tuple(row[wide : wide + told]))
            if len(rows) < ROWS_MAX:
                break
            seen = {f"seen_{name}": rows[-1][at] for at, name in enumerate(names)}


@query
def _vouchers(_: StoreEngine) -> sa.Select[Any]:
    one = tables.voucher
    return (
        sa.select(one.c.voucher_id, one.c.body)
        .where(
            of_bank(one),
            one.c.voucher_id > sa.bindparam("seen", type_=one.c.voucher_id.type),
            one.c.act.in_([sa.literal_column(f"'{act}'") for act in ACTS]),
        )
        .order_by(one.c.voucher_id)
        .limit(sa.bindparam("size", type_=sa.Integer()))
    )


def stream_told(tx: Transaction) -> Iterator[Change]:
    """Every change that a voucher tells of, in the vouchers' order."""
    seen = bytes(16)
    while rows := _vouchers(tx, seen=seen, size=VOUCHERS_MAX):
        for _, body in rows:
            for one in changes_in(body):
                yield from one.each() if isinstance(one, Run) else (one,)
        seen = rows[-1][0]
