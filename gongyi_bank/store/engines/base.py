"""What the store asks of a database engine, and the names of what engines differ in.

Differences live in this package and nowhere else. Code above asks for a capability by
name or calls one of these methods; it never looks at a dialect's name.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import sqlalchemy as sa

from gongyi_bank.errors import EngineError, EngineUnsupported, RetryTransaction
from gongyi_bank.store.engines.guards import guarded_tables, unguards
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.writing import VOUCHER_COLUMNS, Insert, Row, Update, Writes

#: Execution option of the engines that we made: their transactions begin as we need them.
PREPARED = "gongyi_bank_prepared"
_KEY = VOUCHER_COLUMNS.index("idempotency_key")


class Capability(enum.StrEnum):
    """What some engines can do and others cannot (design.md §7)."""

    GUARD_TRIGGERS = "guard_triggers"
    #: The triggers also stop whoever empties a table at once (TRUNCATE), or nobody can.
    GUARDED_TRUNCATE = "guarded_truncate"
    SHARED_ROW_LOCK = "shared_row_lock"
    #: Who shares a row overtakes who waits for it alone, for ever if there are enough of them.
    SHARERS_OVERTAKE = "sharers_overtake"
    #: Accounts have rights of their own, so a service can be kept from changing history.
    GRANTS = "grants"


class KeyTaken(Exception):
    """The voucher's idempotency key was claimed while this act was deciding."""


class WeakSettings(NamedTuple):
    """What is wrong with a connection or its server, in words for whoever runs it."""

    #: Acknowledged acts can be lost, or broken rows be let in.
    unsafe: list[str]
    #: Whoever waits for a lock may wait for ever; with what to do.
    endless: list[str]


@dataclass(frozen=True, slots=True)
class Fusion:
    """Several selects as one statement, and how its rows fall apart again."""

    sql: str
    #: The rows of each select, from those of the statement.
    split: Callable[[list[Row]], Sequence[Sequence[Sequence[Any]]]]
    #: For each select what turns its columns into Python's values, as `result_converters`.
    converters: list[list[tuple[int, Any]]]


class StoreEngine(ABC):
    """One kind of database, as the store sees it. Stateless; one instance per kind."""

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]

    def engine_options(self, url: sa.URL) -> dict[str, Any]:
        """Arguments of `create_engine` for an engine of our own."""
        return {}

    def lives_in_a_connection(self, url: sa.URL) -> bool:
        """Whether the database is gone with its connection, which must never be dropped then."""
        return False

    @abstractmethod
    def prepare(self, engine: sa.Engine) -> None:
        """Set up an engine that the library made itself (never one handed to it)."""

    def create_tables(self, connection: sa.Connection, metadata: sa.MetaData) -> None:
        """Create the tables that are missing."""
        metadata.create_all(connection)

    def finish_schema(self, connection: sa.Connection) -> None:  # noqa: B027 - most want nothing
        """Whatever an engine wants after tables or indexes were made."""

    @contextlib.contextmanager
    def migrating_alone(self, connection: sa.Connection) -> Iterator[None]:
        """A fresh connection set up for a migration, which begins and ends within."""
        yield

    @contextlib.contextmanager
    def founding_alone(self, connection: sa.Connection) -> Iterator[None]:
        """A transaction in which only this founder, and no migration, changes the schema.

        By default whoever comes second fails and is tried again: DDL that is undone harms nobody.
        """
        yield

    def lock_schema(self, connection: sa.Connection) -> None:  # noqa: B027 - or locked before
        """In a migration's transaction: wait until nobody else changes the schema."""

    def require_sound_schema(self, connection: sa.Connection) -> None:  # noqa: B027 - or always
        """At the end of a migration: raise EngineError where a row refers to nothing."""

    def in_a_script(self, statement: str) -> str:
        """A trigger's statement as the server's own client takes it from a file."""
        return f"{statement};"

    def refresh_statistics(  # noqa: B027 - most engines keep theirs, or were told
        self, engine: sa.Engine, tables: Iterable[str]
    ) -> None:
        """Let the planner count these tables, in a transaction of its own, after fast growth."""

    def fresh_cursor(self, connection: sa.Connection) -> Any:
        """A cursor of the driver, for one transaction."""
        return connection.connection.cursor()

    @abstractmethod
    def weak_settings(self, connection: sa.Connection) -> WeakSettings:
        """What about this connection or server is unsafe, or lets an act wait for ever."""

    def guard_basis(self) -> list[str]:
        """The DDL of whatever the triggers run."""
        return []

    @abstractmethod
    def guards_of(self, table: str, columns: Sequence[str] | None) -> list[str]:
        """The DDL of the triggers that keep a table's rows, or some columns, from changing."""

    def unguards_of(self, table: str) -> list[str]:
        """The DDL that drops them, if they are there."""
        return unguards(table)

    def guard_statements(self) -> list[str]:
        """The DDL of the triggers that keep written history from being changed."""
        of_tables = [self.guards_of(*guarded) for guarded in guarded_tables().items()]
        return [*self.guard_basis(), *itertools.chain(*of_tables)]

    @abstractmethod
    def count_guards(self, wire: Wire) -> int:
        """How many of those triggers are there and switched on."""

    def count_guards_expected(self) -> int:
        """How many triggers the schema comes with."""
        return sum(text.startswith("CREATE TRIGGER") for text in self.guard_statements())

    def grants_for(self, connection: sa.Connection, role: str) -> list[str]:
        """The SQL by which a role may run a bank and not change its history. Raises InvalidValue.

        Raises EngineUnsupported without Capability.GRANTS.
        """
        reason = "no accounts: whoever can write the file can write all of it"
        raise EngineUnsupported(engine=self.name, reason=reason)

    @abstractmethod
    def history_is_writable(self, wire: Wire) -> bool | None:
        """Whether the connection's user may change written history; None: it cannot be known."""

    @abstractmethod
    def among(self, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
        """`column` is one of the values of the list parameter `name`."""

    @abstractmethod
    def rows_of(self, name: str, columns: Sequence[str]) -> sa.FromClause:
        """Rows of whole numbers: the parameter `name` is JSON, a list of a list for each row."""

    def row_at(
        self, columns: Sequence[sa.Column[Any]], *conditions: sa.ColumnElement[bool]
    ) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
        """The one row of a table with the key that these conditions say, and on what to join it."""
        return columns[0].table, sa.and_(*conditions)

    def looked_up_by(
        self, select: sa.Select[Any], table: sa.FromClause, index: str
    ) -> sa.Select[Any]:
        """The select, which looks this table up by this index, as most planners would."""
        return select

    def rows_named(
        self, columns: Sequence[Any], column: sa.Column[Any], named: sa.CompoundSelect[Any]
    ) -> sa.Select[Any]:
        """A bank's rows whose `column` a subquery names once; locked, no others are locked."""
        return sa.select(*columns).where(
            column.table.c.bank_id == sa.bindparam("bank"), column.in_(named)
        )

    @abstractmethod
    def adapt(self, value: Any) -> Any:
        """A parameter as the driver wants it (lists for `among` included)."""

    @abstractmethod
    def result_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        """(position, function) for the result columns that need turning into Python values."""

    @abstractmethod
    def compile(self, select: sa.ClauseElement, dialect: sa.Dialect) -> Any:
        """A select for the driver's own cursor (`fresh_cursor`): its parameters have an order."""

    @abstractmethod
    def fuse(self, selects: Sequence[tuple[str, int, Sequence[Any]]]) -> Fusion:
        """Several selects as one statement, as of one moment; it locks in their order.

        Each is a text, how many parameters it has, and its columns' types; the parameters
        are given one after the other.
        """

    @abstractmethod
    def begin_writing(self, wire: Wire, bank_id: int) -> None:
        """In a transaction that somebody else set up: what must come before the first read.

        Raises EngineSettingsUnsafe where every statement is committed by itself.
        """

    @abstractmethod
    def for_reading(self, connection: sa.Connection) -> sa.Connection:
        """A fresh connection set up to read one moment without holding up writers."""

    def reads_newest_rows(self, wire: Wire) -> bool:
        """Whether every statement sees what was committed before it, and no older snapshot."""
        return True

    def sees_one_moment(self, wire: Wire) -> bool:
        """Whether all statements of a transaction that may write see the same rows of others."""
        return self.locks_at_begin or not self.reads_newest_rows(wire)

    def alone(self, connection: sa.Connection) -> contextlib.AbstractContextManager[object]:
        """In it a fresh connection reads by one statement, with no BEGIN and no ROLLBACK where the
        driver can do without."""
        return contextlib.nullcontext()

    @abstractmethod
    def write(self, wire: Wire, bank_id: int, writes: Writes) -> None:
        """Write the vouchers and all rows, or raise KeyTaken having written nothing.

        It is raised if any of the vouchers could not claim its key.
        """

    def insert_if_missing(self, table: sa.Table) -> Any:
        """An INSERT that leaves a row that is there, waiting for whoever is inserting it."""
        return self.insert_construct(table).on_conflict_do_nothing()

    @abstractmethod
    def insert_construct(self, table: sa.Table) -> Any:
        """The dialect's INSERT, which knows ON CONFLICT."""

    @abstractmethod
    def classify(self, error: BaseException | None, *, lost: bool) -> EngineError:
        """The error of ours for a driver's; never shows parameters or row contents.

        `lost` says that the connection is gone, before COMMIT was sent.
        """

    def classify_wrapped(self, error: sa.exc.DBAPIError) -> EngineError:
        """The error of ours for one that SQLAlchemy has wrapped."""
        return self.classify(error.orig, lost=error.connection_invalidated)

    @abstractmethod
    def commit_outcome_known(self, error: sa.exc.DBAPIError) -> bool:
        """Whether an error of COMMIT itself means: certainly not applied."""

    def must_run_again(self, error: sa.exc.DBAPIError) -> bool:
        """Whether a statement of the caller's met with a deadlock, or with an old snapshot.

        Then all of the transaction must be run again; by default nobody meets with either.
        """
        return False

    def has_failed(self, connection: sa.Connection) -> bool:
        """Whether a statement failed and nothing can follow but a rollback; asks no server."""
        return False

    #: True where the transaction's start took the only write lock there is.
    locks_at_begin: ClassVar[bool] = False

    def lock(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """The select with the row lock that postings take (FOR NO KEY UPDATE)."""
        return statement.with_for_update(key_share=True)

    def lock_once(self, statement: sa.Select[Any], name: str) -> sa.Select[Any]:
        """`lock`, unless this transaction has done so before, of the bank, under this name.

        A savepoint that is undone lets go of the lock, and forgets it. By default the rows are
        locked again, which changes nothing where whoever holds a row need not queue for it.
        """
        return self.lock(statement)

    def share(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """The select with a row lock that others may share."""
        return statement.with_for_update(read=True)


@contextlib.contextmanager
def all_or_none(wire: Wire, vouchers: Sequence[Row]) -> Iterator[None]:
    """Within it, KeyTaken undoes what was written: vouchers whose own keys were free.

    A single voucher whose key is taken has written nothing, and needs no savepoint.
    """
    if len(vouchers) == 1:
        yield
        return
    wire.execute("SAVEPOINT gb_vouchers", ())
    try:
        yield
    except KeyTaken:
        wire.execute("ROLLBACK TO SAVEPOINT gb_vouchers", ())
        raise
    wire.execute("RELEASE SAVEPOINT gb_vouchers", ())


def sorted_vouchers(vouchers: Sequence[Row]) -> list[Row]:
    """In the order of their keys, so that two writers never wait for each other in a circle."""
    return sorted(vouchers, key=lambda row: row[_KEY] or "")


def require_all_found(step: Update, found: int) -> None:
    """Rows were locked before; a missing one means somebody wrote without the lock."""
    if found != len(step.rows):
        raise RetryTransaction(reason=f"{step.table.name} changed under the act")


def insert_columns(step: Insert) -> tuple[str, ...]:
    """The columns of an INSERT, `bank_id` first."""
    return ("bank_id", *step.columns)


def on_conflict(table: sa.Table, replaces: Sequence[str]) -> str:
    """What follows an INSERT whose rows may be there already; nothing without columns."""
    if not replaces:
        return ""
    key = ", ".join(column.name for column in table.primary_key.columns)
    sets = ", ".join(f"{name} = excluded.{name}" for name in replaces)
    return f" ON CONFLICT ({key}) DO UPDATE SET {sets}"


def sorted_rows(step: Insert | Update) -> list[Row]:
    """Rows in key order, so that two acts never wait for each other in a circle."""
    if len(step.rows) == 1:
        return step.rows
    if isinstance(step, Update):
        size = len(step.key)
        return sorted(step.rows, key=lambda row: row[:size])
    positions = _key_positions(step.table, step.columns)
    return sorted(step.rows, key=lambda row: tuple(row[i] for i in positions))


@functools.cache
def _key_positions(table: sa.Table, columns: tuple[str, ...]) -> list[int]:
    names = [c.name for c in table.primary_key.columns if c.name != "bank_id"]
    return [columns.index(name) for name in names]
