"""What is sealed: every ledger table's rows as leaves, streamed in key order, and the seals.

A row belongs to the day of its voucher, whose id begins with its time. A row that changes
later has a part of its own for each change, dated by the voucher that made it; so a sealed
day's leaves can be read from the books again at any later time.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from gongyi_bank.rules.canonical import COLUMNS_FROM
from gongyi_bank.rules.seals import (
    claim_text,
    leaf_content,
    leaf_hashes,
    row_ends,
    row_number,
    row_numbers,
)
from gongyi_bank.store import tables
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.transaction import Ask, Query, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Insert, Row, Update, Writes, columns_of

#: So many rows of a table are in memory at a time.
ROWS_MAX = 2000
#: And of a day that is being sealed: fewer statements, each of which waits for a processor.
SEALED_TOGETHER = 5000
_HEXADECIMAL: Final = re.compile("[0-9a-f]{64}")
#: Above every voucher id.
END: Final = b"\xff" * 17


@dataclass(frozen=True, slots=True)
class Part:
    """The columns of a table that one voucher fixes for good, and the column that names it."""

    #: "hour_record", "hour_record.decided" …: what the leaf says it is.
    name: str
    table: sa.Table
    columns: tuple[str, ...]
    dated_by: str = "voucher_id"
    #: (column, value, further columns): these are final from the start in rows with the value.
    at_once: tuple[str, object, tuple[str, ...]] | None = None
    #: What a state is called here that may still become another one.
    names: Mapping[object, object] = field(default_factory=dict)
    #: Whether the voucher answers for it. Not for itself, nor for lines, which have chains,
    #: nor for what an earlier voucher wrote and this one makes final.
    is_claimed: bool = True

    def __hash__(self) -> int:
        return hash(self.name)


def _table(
    table: sa.Table,
    *,
    left_out: Iterable[str] = (),
    at_once: tuple[str, object, tuple[str, ...]] | None = None,
    later: Iterable[tuple[str, str, tuple[str, ...]]] = (),
    names: Mapping[object, object] | None = None,
    is_claimed: bool = True,
) -> list[Part]:
    """A table's parts: all its columns but those left out, and what is fixed `later`.

    `later` are (what happened, the column of its voucher, the columns that it fixed).
    """
    name = table.name.removeprefix("gb_")
    key = tuple(column.name for column in table.primary_key.columns if column.name != "bank_id")
    gone = set(left_out)
    created = tuple(column for column in columns_of(table) if column not in gone)
    parts = [Part(name, table, created, at_once=at_once, is_claimed=is_claimed)]
    for what, dated_by, columns in later:
        all_columns = (*key, *columns, dated_by)
        parts.append(Part(f"{name}.{what}", table, all_columns, dated_by, names=names or {}))
    return parts


#: What approving a record fills in, and what a record that is credited at once brings along.
_CREDIT = ("value_on", "points", "line_no", "policy_id")
_SETTLED = "settled_voucher_id"


def _redemptions() -> list[Part]:
    """A reservation may still be captured in parts: its size is final when it is settled."""
    goods = ("quantity", "points", "redeemed_on")
    parts = _table(
        tables.redemption,
        left_out=["state", "line_no", *goods, _SETTLED],
        at_once=("hold_id", None, ("line_no", *goods)),
        later=[("settled", _SETTLED, ("state", "line_no"))],
    )
    columns = ("redemption_id", *goods)
    last = Part("redemption.goods", tables.redemption, columns, _SETTLED, is_claimed=False)
    return [*parts, last]


#: Every sealed table. What the rows' voucher fixed is sealed with its day; what is left out
#: of it here is either sealed by a later part or may go on changing (see the how-to's list).
SEALED: Final[dict[str, list[Part]]] = {
    parts[0].name: parts
    for parts in (
        _table(tables.voucher, left_out=["outbox_no"], is_claimed=False),
        _table(tables.policy),
        _table(
            tables.outlet,
            left_out=["name", "parent_no", "parent_tier", "state", "closed_on"],
        ),
        _table(tables.outlet_stay),
        _table(tables.staff, left_out=["own_account_no"]),
        _table(tables.staff_role, left_out=["ended_on"]),
        _table(tables.account),
        _table(
            tables.customer,
            left_out=["outlet_no", "stay_no", "state", "state_since_on", "closed_on"],
        ),
        _table(tables.customer_stay),
        _table(tables.account_line, is_claimed=False),
        _table(tables.internal_move),
        _table(
            tables.hold,
            left_out=["captured", "deadline_at", "event_no", "state", _SETTLED],
            later=[("settled", _SETTLED, ("state", "captured"))],
        ),
        _table(tables.hold_event),
        _table(tables.line_part),
        _table(
            tables.hour_record,
            left_out=[
                "state", *_CREDIT, "voided_on", "decided_voucher_id", "voided_voucher_id",
            ],
            at_once=("first_state", "credited", _CREDIT),
            later=[
                ("decided", "decided_voucher_id", ("state", *_CREDIT)),
                ("voided", "voided_voucher_id", ("voided_on",)),
            ],
            names={"voided": "credited"},
        ),
        _table(tables.partner_store, left_out=["name", "left_on"]),
        _table(tables.offer, left_out=["stock", "reserved", "state"]),
        _table(tables.stock_move),
        _redemptions(),
        _table(tables.refund),
        _table(
            tables.loss_report,
            left_out=["state", _SETTLED],
            later=[("settled", _SETTLED, ("state",))],
        ),
        _table(tables.pool, left_out=["name", "state"]),
        _table(tables.account_total),
        _table(
            tables.closing,
            left_out=["state", "closed_voucher_id"],
            later=[("closed", "closed_voucher_id", ())],
        ),
        _table(tables.seal),
    )
}  # fmt: skip

#: Tables that no seal covers, and why.
NOT_SEALED: Final = {
    "bank": "the bank itself; no voucher changes it",
    "person": "personal data is in no hash, so that it can be erased",
    "account_head": "follows from the account's lines, holds and records: compared with them",
    "given_sum": "follows from the lines of its month and their parts: compared with them",
    "passbook": "only its newest state; compared with what vouchers tell of its changes",
    "serial_counter": "only ever ahead of the numbers that are in use",
    "outbox_consumer": "how far readers have come; no voucher changes it",
}


class SealedRow(NamedTuple):
    """One part of a row that is or will be a leaf."""

    part: Part
    voucher_id: bytes
    #: What the leaf covers; see `rules.seals`.
    content: bytes
    row: Row


Read = Callable[[Row], tuple[bytes | None, tuple[Any, ...]]]


@functools.cache
def _reader(part: Part, columns: tuple[str, ...]) -> Read:
    """How a part is read off a row of these columns; those missing in it are empty."""

    def place(name: str) -> int:
        return columns.index(name) if name in columns else len(columns)

    places = [place(name) for name in part.columns]
    dated = place(part.dated_by)
    names = part.names if "state" in part.columns else {}
    state = part.columns.index("state") if names else -1
    when, value, more = part.at_once or (part.dated_by, part, ())
    decides, further = place(when), [place(name) for name in more]
    # A part has its key and at least one column more, so that these give tuples.
    chosen, all_chosen = itemgetter(*places), itemgetter(*places, *further)

    def read(row: Row) -> tuple[bytes | None, tuple[Any, ...]]:
        row = (*row, None)
        voucher_id = row[dated]
        if voucher_id is None:
            return None, ()
        values: tuple[Any, ...] = (all_chosen if row[decides] == value else chosen)(row)
        if names:
            called = names.get(values[state], values[state])
            values = (*values[:state], called, *values[state + 1 :])
        return voucher_id, values

    return read


# --- reading the books ----------------------------------------------------------------------


@functools.cache
def _columns_of(name: str) -> tuple[str, ...]:
    return columns_of(SEALED[name][0].table)


@functools.cache
def _rows(name: str, is_first: bool, is_ranged: bool) -> Query:
    """A batch of a table's rows in key order; with `is_ranged` those of some days."""
    parts = SEALED[name]
    table = parts[0].table
    key = [column for column in table.primary_key.columns if column.name != "bank_id"]

    def build(_: StoreEngine) -> sa.Select[Any]:
        select = sa.select(*(table.c[column] for column in _columns_of(name)))
        select = select.where(of_bank(table)).order_by(*key)
        if is_ranged:
            select = select.where(_is_within(parts))
        if not is_first:
            seen = [sa.bindparam(f"seen_{column.name}", type_=column.type) for column in key]
            select = select.where(sa.tuple_(*key) > sa.tuple_(*seen))
        return select.limit(sa.bindparam("size", type_=sa.Integer()))

    return Query(build)


def _is_within(parts: Iterable[Part]) -> sa.ColumnElement[bool]:
    """Whether a voucher between `low` and `high` fixed one of the parts of a row."""

    def within(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
        low, high = (sa.bindparam(name, type_=column.type) for name in ("low", "high"))
        return sa.and_(column >= low, column < high)

    return sa.or_(*(within(part.table.c[part.dated_by]) for part in parts))


@query
def _filled(_: StoreEngine) -> sa.Select[Any]:
    """For each sealed table whether it has rows of these vouchers."""
    columns: list[Any] = []
    for name, parts in SEALED.items():
        table = parts[0].table
        rows: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(table)
        found = rows.where(of_bank(table), _is_within(parts))
        columns.append(sa.exists(found).label(f"has_{name}"))
    return sa.select(*columns)


def ask_tables_between(low: bytes, high: bytes) -> Ask[list[str]]:
    """The sealed tables that have rows of these vouchers, in their order; one statement."""

    def parse(rows: Rows) -> list[str]:
        return [name for name, is_filled in zip(SEALED, rows[0], strict=True) if is_filled]

    return _filled.ask(parse, low=low, high=high)


def tables_between(tx: Transaction, low: bytes, high: bytes) -> list[str]:
    """The sealed tables that have rows of these vouchers, in their order."""
    return tx.look(ask_tables_between(low, high))


def stream(
    tx: Transaction, name: str, low: bytes = bytes(16), high: bytes = END
) -> Iterator[SealedRow]:
    """The leaves of a table whose vouchers lie between, in key order, a batch at a time."""
    columns = _columns_of(name)
    readers = [(part, _reader(part, columns)) for part in SEALED[name]]
    bank_id = tx.bank.bank_id
    for row in chain.from_iterable(_batches(tx, name, low, high, ROWS_MAX)):
        for part, read in readers:
            voucher_id, values = read(row)
            if voucher_id is not None and low <= voucher_id < high:
                yield SealedRow(part, voucher_id, leaf_content(bank_id, part.name, values), row)


def hash_leaves(
    tx: Transaction, name: str, low: bytes, high: bytes
) -> Iterator[tuple[list[bytes], dict[str, int]]]:
    """The hashes of what `stream` gives, a batch at a time, and how many there are of each part.

    Columns are hashed together: whoever closes a day among forty tellers has little of a
    processor, and a row at a time this takes three times as long.
    """
    columns, parts = _columns_of(name), SEALED[name]
    for rows in _batches(tx, name, low, high, SEALED_TOGETHER):
        found: list[tuple[int, int, bytes]] = []
        counts: dict[str, int] = {}
        for number, part in enumerate(parts):
            dates = map(itemgetter(columns.index(part.dated_by)), rows)
            places = [i for i, date in enumerate(dates) if date is not None and low <= date < high]
            if places:
                hashes = _hashes_of(part, columns, [rows[i] for i in places], tx.bank.bank_id)
                found += zip(places, repeat(number), hashes, strict=False)
                counts[part.name] = len(places)
        if len(counts) > 1:
            found.sort()  # a row's parts follow each other
        yield [leaf for _, _, leaf in found], counts


def _hashes_of(part: Part, columns: tuple[str, ...], rows: list[Row], bank_id: int) -> list[bytes]:
    """One part's leaves of some rows."""
    own, ends = _given_by_columns(part, columns, rows)
    return leaf_hashes(bank_id, part.name, own, ends)


def _given_by_columns(
    part: Part, columns: tuple[str, ...], rows: Sequence[Row]
) -> tuple[list[Sequence[Any]], Iterable[str]]:
    """What a part covers of these rows, column by column, and with what some of them end."""
    given = dict(zip(columns, zip(*rows, strict=True), strict=True))
    nothing: Sequence[Any] = [None] * len(rows)
    own = [given.get(name, nothing) for name in part.columns]
    if part.names and "state" in part.columns:
        at = part.columns.index("state")
        own[at] = [part.names.get(state, state) for state in own[at]]
    if part.at_once is None:
        return own, repeat("")
    when, value, more = part.at_once
    ends = row_ends([given.get(name, nothing) for name in more])
    has_ends = (found == value for found in given.get(when, nothing))
    return own, (end if has else "" for end, has in zip(ends, has_ends, strict=True))


def _batches(tx: Transaction, name: str, low: bytes, high: bytes, size: int) -> Iterator[list[Row]]:
    """A table's rows of these vouchers in key order, at most so many at a time."""
    columns, table = _columns_of(name), SEALED[name][0].table
    key = [column.name for column in table.primary_key.columns if column.name != "bank_id"]
    places = [columns.index(column) for column in key]
    is_ranged = (low, high) != (bytes(16), END)
    span: dict[str, Any] = {"low": low, "high": high} if is_ranged else {}
    seen: dict[str, Any] = {}
    while True:
        rows = _rows(name, not seen, is_ranged)(tx, size=size, **span, **seen)
        if rows:
            yield rows
        if len(rows) < size:
            return
        last = rows[-1]
        seen = {f"seen_{c}": last[at] for c, at in zip(key, places, strict=True)}


# --- claims: what a voucher says about its rows -----------------------------------------------


#: How a voucher's body begins where it answers for rows: the claim is found without parsing.
CLAIM: Final = '{"rows":"'


def claim_of(writes: Writes, bank_id: int, seal_key: bytes | None) -> dict[str, object]:
    """What goes first into the body of the voucher of these writes: its claim, if it has rows."""
    numbers = list(_numbers(writes, bank_id, seal_key))
    return {"rows": claim_text(numbers)} if numbers else {}


def read_claim(body: str) -> int:
    """The claim in a voucher's body; zero where it answers for no rows."""
    digits = body[len(CLAIM) : len(CLAIM) + 64]
    # Whoever wrote something else there changed the voucher, whose hash tells.
    is_claim = body.startswith(CLAIM) and _HEXADECIMAL.fullmatch(digits)
    return int(digits, 16) if is_claim else 0


def _numbers(writes: Writes, bank_id: int, seal_key: bytes | None) -> Iterator[int]:
    """One number for each part of a row that these writes fix; lines have chains instead."""
    for step in writes.steps:
        for part in SEALED.get(step.table.name.removeprefix("gb_"), []):
            if isinstance(step, Insert) and len(step.rows) >= COLUMNS_FROM:
                yield from _numbers_of_many(part, step, bank_id, seal_key)
                continue
            read = _reader_of(part, step) if part.is_claimed else None
            for row in step.rows if read else ():
                assert read is not None
                voucher_id, values = read(row)
                if voucher_id is not None:
                    yield row_number(leaf_content(bank_id, part.name, values), seal_key)


def _numbers_of_many(
    part: Part, step: Insert, bank_id: int, seal_key: bytes | None
) -> Iterator[int]:
    """The numbers of new rows, column by column."""
    if not part.is_claimed or part.dated_by not in step.columns:
        return iter(())
    dated = step.columns.index(part.dated_by)
    rows = [row for row in step.rows if row[dated] is not None]
    if not rows:
        return iter(())
    own, ends = _given_by_columns(part, step.columns, rows)
    return row_numbers(bank_id, part.name, own, seal_key, ends)


def _reader_of(part: Part, step: Insert | Update) -> Read | None:
    """How the part is read off rows of this step; None where the step does not fix it."""
    if isinstance(step, Insert):
        return _reader(part, step.columns)
    if part.dated_by not in step.changes or part.dated_by == "voucher_id":
        return None
    guards = tuple(f"was_{name}" for name in step.guards)
    return _reader(part, (*step.key, *guards, *step.changes))


# --- seals ------------------------------------------------------------------------------------

SEAL_COLUMNS = columns_of(tables.seal)
LINE_COLUMNS = columns_of(tables.account_line)


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """A seal as it stands."""

    seal_no: int
    closing_no: int
    through_on: dt.date
    root: bytes
    counts: str
    seal_hash: bytes
    voucher_id: bytes

    @property
    def fields(self) -> tuple[Any, ...]:
        """What its hash covers: all but the hash."""
        return (
            self.seal_no, self.closing_no, self.through_on, self.root, self.counts, self.voucher_id,
        )  # fmt: skip


assert tuple(StoredSeal.__slots__) == SEAL_COLUMNS, "a seal is read as it is stored"


@query
def _seals(_: StoreEngine) -> sa.Select[Any]:
    seal = tables.seal
    columns = (seal.c[name] for name in SEAL_COLUMNS)
    return sa.select(*columns).where(of_bank(seal)).order_by(seal.c.seal_no)


@query
def _newest_seal(_: StoreEngine) -> sa.Select[Any]:
    seal, newer = tables.seal, tables.seal.alias("newer")
    newest = sa.select(sa.func.max(newer.c.seal_no)).where(newer.c.bank_id == sa.bindparam("bank"))
    columns = (seal.c[name] for name in SEAL_COLUMNS)
    return sa.select(*columns).where(of_bank(seal), seal.c.seal_no == newest.scalar_subquery())


def list_seals(tx: Transaction) -> list[StoredSeal]:
    """Every seal, oldest first."""
    return [StoredSeal(*row) for row in _seals(tx)]


def ask_newest_seal() -> Ask[StoredSeal | None]:
    """The newest seal."""
    return _newest_seal.ask(lambda rows: StoredSeal(*rows[0]) if rows else None)


def write_seal(writes: Writes, seal: StoredSeal) -> None:
    """Add a seal."""
    row = tuple(getattr(seal, name) for name in SEAL_COLUMNS)
    writes.insert(tables.seal, SEAL_COLUMNS, [row])
