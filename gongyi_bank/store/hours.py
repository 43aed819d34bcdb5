"""The book of hours: facts around service rows, records and their decisions."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from gongyi_bank.rules.accrual import COUNTING, VOIDED, CustomerFacts, RecordFacts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import account_line, customer, hour_record, outlet, voucher
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of

#: A new record's columns: all but the voucher that may void it one day.
RECORD_COLUMNS = tuple(name for name in columns_of(hour_record) if name != "voided_voucher_id")
_CUSTOMER = (
    customer.c.account_no,
    customer.c.state,
    customer.c.registered_on,
    customer.c.outlet_no,
)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it stands, for deciding on it."""

    account_no: int
    record_no: int
    kind: str
    state: str
    outlet_no: int
    category: str | None
    project: str | None
    started_at: dt.datetime
    ended_at: dt.datetime
    service_on: dt.date
    value_on: dt.date
    minutes: int
    recorded_by_no: int | None
    checked_by_no: int | None
    points: int
    line_no: int | None
    policy_id: int | None
    #: Who sent it, which need not be the recorder.
    sent_by_no: int


def is_waiting() -> sa.ColumnElement[bool]:
    """The record waits for an approval: in the very words of the partial index."""
    return _is_in("waiting_branch", "waiting_head_office")


def _is_in(*states: str) -> sa.ColumnElement[bool]:
    """The record is in one of these states.

    In words and never as parameters: SQLite would compile the whole statement anew each time,
    to see whether the states given are those of a partial index.
    """
    return hour_record.c.state.in_([sa.literal_column(f"'{state}'") for state in states])


_STORED = tuple(hour_record.c[name] for name in StoredRecord.__slots__ if name != "sent_by_no")


@query
def _customers(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(*_CUSTOMER).where(
        of_bank(customer), engine.among(customer.c.account_no, "accounts")
    )


@query
def _customers_by_ref(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(customer.c.ref, *_CUSTOMER).where(
        of_bank(customer), engine.among(customer.c.ref, "refs")
    )


#: The columns of RecordFacts, in its order.
RECORD_FACTS = tuple(
    hour_record.c[name]
    for name in (
        "account_no", "record_no", "state", "row_digest", "minutes", "points", "line_no",
    )
)  # fmt: skip


@query
def _by_refs(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(hour_record.c.ref, *RECORD_FACTS).where(
        of_bank(hour_record), engine.among(hour_record.c.ref, "refs")
    )


@query
def _spans(engine: StoreEngine) -> sa.CompoundSelect[Any]:
    """Counting records that touch the window one by one, and the minutes of its days summed.

    Two answers in one: a day's records are many where a list is long, and touch nothing.
    """
    record, account_no = hour_record, hour_record.c.account_no

    def counting(since: str, until: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            of_bank(record),
            engine.among(account_no, "accounts"),
            record.c.started_at >= sa.bindparam(since),
            record.c.started_at < sa.bindparam(until),
            _is_in(*COUNTING),
            record.c.kind == "service",
        )

    def empty(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        return sa.type_coerce(sa.null(), column.type)

    one_by_one = sa.select(
        account_no,
        record.c.started_at,
        record.c.ended_at,
        record.c.record_no,
        empty(record.c.service_on).label("service_on"),
        empty(record.c.minutes).label("minutes"),
    ).where(*counting("earliest", "latest"), record.c.ended_at > sa.bindparam("begin"))
    by_day = (
        sa.select(
            account_no,
            empty(record.c.started_at),
            empty(record.c.ended_at),
            empty(record.c.record_no),
            record.c.service_on,
            sa.func.sum(record.c.minutes),
        )
        .where(*counting("first_at", "last_at"))
        .group_by(account_no, record.c.service_on)
    )
    return sa.union_all(one_by_one, by_day)


@query
def _one(_: StoreEngine) -> sa.Select[Any]:
    its_voucher = sa.and_(
        voucher.c.bank_id == hour_record.c.bank_id,
        voucher.c.voucher_id == hour_record.c.voucher_id,
    )
    return (
        sa.select(*_STORED, voucher.c.staff_no)
        .select_from(hour_record.join(voucher, its_voucher))
        .where(
            of_bank(hour_record),
            hour_record.c.account_no == sa.bindparam("account"),
            hour_record.c.record_no == sa.bindparam("record"),
        )
    )


def ask_customers(accounts: Iterable[int]) -> Ask[dict[int, CustomerFacts]]:
    """What hours need to know of these customers, by account number."""
    return _customers.ask(
        lambda rows: {row[0]: CustomerFacts(*row) for row in rows}, accounts=sorted(set(accounts))
    )


def load_customers_by_ref(tx: Transaction, refs: Iterable[str]) -> dict[str, CustomerFacts]:
    """What hours need to know of these customers, by external reference."""
    names = sorted(set(refs))
    if not names:
        return {}
    return {row[0]: CustomerFacts(*row[1:]) for row in _customers_by_ref(tx, refs=names)}


def ask_records_by_ref(refs: Iterable[str]) -> Ask[dict[str, RecordFacts]]:
    """The records that carry these references."""
    named = sorted(set(refs))
    asked = _by_refs.ask(lambda rows: {row[0]: RecordFacts(*row[1:]) for row in rows}, refs=named)
    return asked.settled_if(not named)


Spans = dict[int, list[tuple[dt.datetime, dt.datetime, int]]]
Daily = dict[tuple[int, dt.date], int]


class Window(NamedTuple):
    """The time around service rows that other records must be known of."""

    #: No record that began before it reaches `begin`.
    earliest: dt.datetime
    #: From the first beginning to the last end.
    begin: dt.datetime
    latest: dt.datetime
    #: The whole local days of the rows.
    first_at: dt.datetime
    last_at: dt.datetime


def ask_spans(accounts: Iterable[int], window: Window) -> Ask[tuple[Spans, Daily]]:
    """Spans of time that touch the window, and minutes taken on each of its days."""
    return _spans.ask(_spans_and_days, accounts=sorted(set(accounts)), **window._asdict())


def _spans_and_days(rows: Rows) -> tuple[Spans, Daily]:
    spans: Spans = {}
    daily: Daily = {}
    for account_no, start, end, record_no, service_on, minutes in rows:
        if service_on is None:
            spans.setdefault(account_no, []).append((start, end, record_no))
        else:
            daily[account_no, service_on] = int(minutes)
    return spans, daily


@query
def _newest_service(_: StoreEngine) -> sa.Select[Any]:
    """By outlet, so that each is one seek in the index, however many records there are."""
    newest = (
        sa.select(sa.func.max(hour_record.c.service_on).label("newest"))
        .where(
            hour_record.c.bank_id == outlet.c.bank_id,
            hour_record.c.outlet_no == outlet.c.outlet_no,
            hour_record.c.kind == "service",
        )
        .correlate(outlet)
        .scalar_subquery()
    )
    return sa.select(sa.func.max(newest)).where(of_bank(outlet))


def newest_service_on(tx: Transaction) -> dt.date | None:
    """The newest day of service in the books."""
    newest: dt.date | None = _newest_service(tx)[0][0]
    return newest


def ask_record(account_no: int, record_no: int) -> Ask[StoredRecord | None]:
    """One record as it stands; true behind its account's lock."""
    return _one.ask(
        lambda rows: StoredRecord(*rows[0]) if rows else None, account=account_no, record=record_no
    )


def write_records(writes: Writes, rows: list[tuple[Any, ...]]) -> None:
    """Add new records (full rows in the order of RECORD_COLUMNS)."""
    writes.insert(hour_record, RECORD_COLUMNS, rows)


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided on a record: all of it that may change."""

    state: str
    #: The day in whose period it counts, and the one in which a voided record is taken off.
    value_on: dt.date
    voided_on: dt.date | None = None
    points: int = 0
    line_no: int | None = None
    policy_id: int | None = None


_DECIDED = tuple(Decided.__slots__)
_decided_values = operator.attrgetter(*_DECIDED)


def write_decision(
    writes: Writes, record: StoredRecord, voucher_id: bytes, decided: Decided
) -> None:
    """Fill in what was decided on a record; the guard is the state it was decided in.

    What voids a record has a column of its own, so that what credited it stays told.
    """
    key = (record.account_no, record.record_no, record.state)
    cause = "voided_voucher_id" if decided.state == VOIDED else "decided_voucher_id"
    writes.update(
        hour_record,
        [(*key, *_decided_values(decided), voucher_id)],
        key=("account_no", "record_no"),
        guards=("state",),
        changes=(*_DECIDED, cause),
    )


@dataclass(frozen=True, slots=True)
class BookedRecord:
    """A record with what its receipt says: for answering a repeated reference."""

    voucher_id: bytes
    business_day: dt.date
    booked_at: dt.datetime
    state: str
    minutes: int
    points: int
    line_no: int | None
    replaces_record_no: int | None
    credited_after: int | None
    debited_after: int | None


@query
def _booked(_: StoreEngine) -> sa.Select[Any]:
    record, line = hour_record, account_line
    same_voucher = sa.and_(
        voucher.c.bank_id == record.c.bank_id, voucher.c.voucher_id == record.c.voucher_id
    )
    its_line = sa.and_(
        line.c.bank_id == record.c.bank_id,
        line.c.account_no == record.c.account_no,
        line.c.line_no == record.c.line_no,
    )
    return (
        sa.select(
            record.c.voucher_id,
            voucher.c.business_day,
            voucher.c.booked_at,
            record.c.state,
            record.c.minutes,
            record.c.points,
            record.c.line_no,
            record.c.replaces_record_no,
            line.c.credited_after,
            line.c.debited_after,
        )
        .select_from(record.join(voucher, same_voucher).outerjoin(line, its_line))
        .where(
            of_bank(record),
            record.c.account_no == sa.bindparam("account"),
            record.c.record_no == sa.bindparam("record"),
        )
    )


def load_booked_record(tx: Transaction, account_no: int, record_no: int) -> BookedRecord:
    """A record that exists, with its voucher and its line."""
    return BookedRecord(*_booked(tx, account=account_no, record=record_no)[0])


_LISTED = (
    hour_record.c.account_no,
    hour_record.c.record_no,
    hour_record.c.ref,
    hour_record.c.state,
    outlet.c.code,
    hour_record.c.category,
    hour_record.c.project,
    hour_record.c.started_at,
    hour_record.c.ended_at,
    hour_record.c.minutes,
    hour_record.c.points,
    hour_record.c.client_rating,
)
_WITH_OUTLET = hour_record.join(
    outlet,
    sa.and_(
        outlet.c.bank_id == hour_record.c.bank_id, outlet.c.outlet_no == hour_record.c.outlet_no
    ),
)


@query
def _waiting(engine: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*_LISTED)
        .select_from(_WITH_OUTLET)
        .where(of_bank(hour_record), engine.among(hour_record.c.outlet_no, "outlets"), is_waiting())
        .order_by(hour_record.c.started_at, hour_record.c.account_no, hour_record.c.record_no)
    )


@query
def _of_account(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*_LISTED)
        .select_from(_WITH_OUTLET)
        .where(
            of_bank(hour_record),
            hour_record.c.account_no == sa.bindparam("account"),
            hour_record.c.record_no < sa.bindparam("before"),
        )
        .order_by(hour_record.c.record_no.desc())
        .limit(sa.bindparam("size"))
    )


def list_waiting(tx: Transaction, outlet_nos: Iterable[int]) -> Rows:
    """Records given at these outlets that wait for an approval, oldest service first."""
    return _waiting(tx, outlets=sorted(set(outlet_nos)))


def list_records(tx: Transaction, account_no: int, before: int, size: int) -> Rows:
    """An account's records below a number, newest first."""
    return _of_account(tx, account=account_no, before=before, size=size)
