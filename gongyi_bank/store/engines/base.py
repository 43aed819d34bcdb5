"""What the store asks of a database engine, and the names of what engines differ in.

Differences live in this package and nowhere else. Code above asks for a capability by
name or calls one of these methods; it never looks at a dialect's name.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from gongyi_bank.errors import EngineError, RetryTransaction
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.writing import Insert, Row, Update, Writes

#: Execution option of the engines that we made: their transactions begin as we need them.
PREPARED = "gongyi_bank_prepared"


class Capability(enum.StrEnum):
    """What some engines can do and others cannot (design.md §7)."""

    FUSED_STATEMENTS = "fused_statements"
    GUARD_TRIGGERS = "guard_triggers"
    SHARED_ROW_LOCK = "shared_row_lock"


class KeyTaken(Exception):
    """The voucher's idempotency key was claimed while this act was deciding."""


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

    def finish_schema(  # noqa: B027 - most engines want nothing
        self, connection: sa.Connection, metadata: sa.MetaData
    ) -> None:
        """Whatever an engine wants once, after the tables were created."""

    def fresh_cursor(self, connection: sa.Connection) -> Any:
        """A cursor of the driver, for one transaction."""
        return connection.connection.cursor()

    @abstractmethod
    def unsafe_settings(self, connection: sa.Connection) -> list[str]:
        """What about this connection or server could lose acknowledged acts."""

    @abstractmethod
    def guard_statements(self) -> list[str]:
        """The DDL of the triggers that keep written history from being changed."""

    @abstractmethod
    def among(self, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
        """`column` is one of the values of the list parameter `name`."""

    @abstractmethod
    def adapt(self, value: Any) -> Any:
        """A parameter as the driver wants it (lists for `among` included)."""

    @abstractmethod
    def result_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        """(position, function) for the result columns that need turning into Python values."""

    def fuse(self, selects: Sequence[tuple[str, Sequence[Any]]]) -> str:
        """Several selects (text, column types) as one, a JSON array of rows for each.

        The parameters of the n-th select get the prefix `qn_`. Only with FUSED_STATEMENTS.
        """
        raise NotImplementedError(self.name)

    def json_converters(self, types: Sequence[Any]) -> list[tuple[int, Any]]:
        """As `result_converters`, for values that came through JSON."""
        raise NotImplementedError(self.name)

    @abstractmethod
    def begin_writing(self, wire: Wire, bank_id: int) -> None:
        """In a transaction that somebody else set up: what must come before the first read.

        Raises EngineSettingsUnsafe where every statement is committed by itself.
        """

    @abstractmethod
    def for_reading(self, connection: sa.Connection) -> sa.Connection:
        """A fresh connection set up to read one moment without holding up writers."""

    @abstractmethod
    def write(self, wire: Wire, bank_id: int, writes: Writes) -> None:
        """Write the voucher and all its rows, or raise KeyTaken having written none."""

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

    #: True where the transaction's start took the only write lock there is.
    locks_at_begin: ClassVar[bool] = False

    def lock(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """The select with the row lock that postings take (FOR NO KEY UPDATE)."""
        return statement.with_for_update(key_share=True)


def require_all_found(step: Update, found: int) -> None:
    """Rows were locked before; a missing one means somebody wrote without the lock."""
    if found != len(step.rows):
        raise RetryTransaction(reason=f"{step.table.name} changed under the act")


def insert_columns(step: Insert) -> tuple[str, ...]:
    """The columns of an INSERT, `bank_id` first."""
    return ("bank_id", *step.columns)


def sorted_rows(step: Insert | Update) -> list[Row]:
    """Rows in key order, so that two acts never wait for each other in a circle."""
    if isinstance(step, Update):
        size = len(step.key)
        return sorted(step.rows, key=lambda row: row[:size])
    positions = _key_positions(step.table, step.columns)
    return sorted(step.rows, key=lambda row: tuple(row[i] for i in positions))


def _key_positions(table: sa.Table, columns: Iterable[str]) -> list[int]:
    names = list(columns)
    return [names.index(c.name) for c in table.primary_key.columns if c.name != "bank_id"]
