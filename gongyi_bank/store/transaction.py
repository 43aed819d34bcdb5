"""One database transaction of one bank: reads in facts, writes an act's rows at once.

A `Query` is built once per engine and then runs as a plain driver statement, because a
single act costs what its round trips and its per-statement overhead cost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from gongyi_bank.errors import GongyiBankError, RetryTransaction
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.writing import Writes

Clock = Callable[[], dt.datetime]
Build = Callable[[StoreEngine], sa.Select[Any] | sa.CompoundSelect[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankIdentity:
    """What never changes about a bank, bound to every handle of it."""

    bank_id: int
    name: str
    #: Decimal places of a point, 0 to 4.
    scale: int
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Keys that the caller keeps outside the database; never shown, never stored."""

    #: Makes the hash chain of the lines an HMAC.
    seal_key: bytes | None = field(default=None, repr=False)
    #: Keys the blind index of identity documents.
    index_key: bytes = field(repr=False)


class Transaction:
    """A connection inside a transaction, bound to one bank."""

    def __init__(
        self,
        connection: sa.Connection,
        engine: StoreEngine,
        bank: BankIdentity,
        clock: Clock,
        keys: Keys,
    ) -> None:
        self.connection = connection
        self.engine = engine
        self.bank = bank
        self.clock = clock
        self.seal_key = keys.seal_key
        self.index_key = keys.index_key
        #: Set when a write failed half-way: nothing more may be done, only rolled back.
        self.doomed: str | None = None

    def write(self, writes: Writes) -> None:
        """Write an act's rows. A failure dooms this transaction, except for a taken key."""
        self.require_sound()
        try:
            self.engine.write(self.connection, self.bank.bank_id, writes)
        except sa.exc.DBAPIError as error:
            failure = self.engine.classify(error)
            self.doomed = failure.code
            raise failure from None
        except GongyiBankError as error:
            self.doomed = error.code
            raise

    def require_sound(self) -> None:
        """Refuse to go on after a failed write."""
        if self.doomed:
            raise RetryTransaction(reason=f"an earlier act failed: {self.doomed}")


class Query:
    """A select over one bank, compiled once per engine; calling it returns plain tuples.

    The select names its parameters with `sa.bindparam`; `bank` is always one of them.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}
        self.__doc__ = build.__doc__

    def __call__(self, tx: Transaction, **params: Any) -> list[tuple[Any, ...]]:
        compiled = self._compiled.get(tx.engine.name)
        if compiled is None:
            compiled = _compile(self._build(tx.engine), tx)
            self._compiled[tx.engine.name] = compiled
        return compiled.run(tx, params)


@dataclass(slots=True)
class _Compiled:
    sql: str
    order: list[str] | None
    #: Values written into the select itself.
    constants: dict[str, Any]
    converters: list[tuple[int, Any]]

    def run(self, tx: Transaction, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        adapt = tx.engine.adapt
        values = self.constants | {name: adapt(value) for name, value in params.items()}
        values["bank"] = tx.bank.bank_id
        try:
            if self.order is None:
                result = tx.connection.exec_driver_sql(self.sql, values)
            else:
                positional = tuple(values[name] for name in self.order)
                result = tx.connection.exec_driver_sql(self.sql, positional)
            assert result.cursor is not None
            rows = list(result.cursor.fetchall())
            result.close()
        except sa.exc.DBAPIError as error:
            failure = tx.engine.classify(error)
            tx.doomed = failure.code
            raise failure from None
        return self._converted(rows) if self.converters else rows

    def _converted(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        made = [list(row) for row in rows]
        for row in made:
            for position, convert in self.converters:
                if row[position] is not None:
                    row[position] = convert(row[position])
        return [tuple(row) for row in made]


def _compile(select: sa.Select[Any] | sa.CompoundSelect[Any], tx: Transaction) -> _Compiled:
    compiled = select.compile(dialect=tx.connection.dialect)
    types = [column.type for column in select.selected_columns]
    order = list(compiled.positiontup or ()) if compiled.positional else None
    adapt = tx.engine.adapt
    constants = {name: adapt(b.value) for name, b in compiled.binds.items() if not b.required}
    return _Compiled(str(compiled), order, constants, tx.engine.result_converters(types))


def query(build: Build) -> Query:
    """Decorate a function that builds a select for an engine."""
    return Query(build)


def of_bank(table: sa.Table) -> sa.ColumnElement[bool]:
    """The condition that every statement has: this bank's rows, as a parameter."""
    condition: sa.ColumnElement[bool] = table.c.bank_id == sa.bindparam("bank")
    return condition
