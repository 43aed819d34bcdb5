"""One database transaction of one bank: reads in facts, writes an act's rows at once.

A `Query` is built once per engine and then runs as a plain driver statement, because a
single act costs what its round trips and its per-statement overhead cost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from gongyi_bank.errors import GongyiBankError, RetryTransaction, TransactionEnded
from gongyi_bank.periods import require_aware
from gongyi_bank.store.connections import Savepoint
from gongyi_bank.store.engines import Fusion, KeyTaken, StoreEngine, Wire
from gongyi_bank.store.locks import HeldLocks, Lock, Place
from gongyi_bank.store.tables import account_head
from gongyi_bank.store.writing import Insert, Writes

Clock = Callable[[], dt.datetime]
Rows = list[tuple[Any, ...]]
AnswerT = TypeVar("AnswerT")
Build = Callable[[StoreEngine], sa.Select[Any] | sa.CompoundSelect[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankIdentity:
    """What never changes about a bank, bound to every handle of it."""

    bank_id: int
    name: str
    #: Decimal places of a point, 0 to 4.
    scale: int
    zone: ZoneInfo
    founded_at: dt.datetime
    #: Marks of the seal key and the index key it was founded with, if any.
    key_marks: tuple[str | None, str | None]


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
        held: HeldLocks | None = None,
    ) -> None:
        self.connection = connection
        self.wire = Wire(connection, engine)
        self.engine = engine
        self.bank = bank
        self._clock = clock
        self.seal_key = keys.seal_key
        self.index_key = keys.index_key
        #: Set when a write failed half-way: nothing more may be done, only rolled back.
        self.doomed: str | None = None
        self.is_closed = False
        #: The savepoint it stands on, in a caller's transaction.
        self.savepoint: Savepoint | None = None
        #: Where an act in it passed the gate last (see `outlets.ask_gate`).
        self._passed_in: sa.Transaction | None = None
        #: What this transaction has locked, if the order of locks is watched.
        self.held = held

    def sees_one_moment(self) -> bool:
        """Whether all its questions are answered as of one moment, whatever others commit."""
        return self.engine.sees_one_moment(self.wire)

    def clock(self) -> dt.datetime:
        """What this host's clock says. Raises InvalidInstant for a time without a zone."""
        return require_aware(self._clock(), "clock")

    @property
    def has_passed_gate(self) -> bool:
        """Whether an act in the savepoint that is open now, or in none, keeps days open already."""
        return self._passed_in is not None and self._passed_in is self._innermost()

    def note_passed_gate(self) -> None:
        """An act keeps days open, until this savepoint is undone or the transaction ends."""
        self._passed_in = self._innermost()

    def _innermost(self) -> sa.Transaction | None:
        return self.connection.get_nested_transaction() or self.connection.get_transaction()

    def write(self, writes: Writes) -> None:
        """Write an act's rows. A failure dooms this transaction, except for a taken key."""
        self.require_sound()
        try:
            self.engine.write(self.wire, self.bank.bank_id, writes)
        except KeyTaken:
            raise
        except BaseException as error:  # a cancelled task may have written half of them
            self.doomed = _name_of(error)
            raise
        if self.held is not None:
            self.held.add_new(_new_heads(writes))

    def execute(self, statement: sa.Executable, rows: list[dict[str, Any]] | None = None) -> None:
        """Run a statement that is no select and off the hot path; its errors are ours."""
        try:
            self.connection.execute(statement, rows)
        except sa.exc.DBAPIError as error:
            failure = self.engine.classify_wrapped(error)
            self.doomed = failure.code
            raise failure from None

    def close(self) -> None:
        """Nothing more may be done: the block that this transaction belongs to has ended."""
        self.is_closed = True

    def require_open(self) -> None:
        """Raise TransactionEnded after the block's end, or the caller's of their transaction."""
        if self.is_closed or (self.savepoint is not None and not self.savepoint.is_active):
            raise TransactionEnded()

    def require_sound(self) -> None:
        """Refuse to go on after a failed write, or after the end."""
        self.require_open()
        if self.doomed:
            raise RetryTransaction(reason=f"an earlier act failed: {self.doomed}")

    def lock(self, *asks: Ask[Any]) -> None:
        """Lock the rows of these questions, in this order; where all is locked, only say so.

        A lock shows its rows as they are when it has them, also after a wait, and so answers
        the question. Raises LockOutOfOrder, before anything is locked.
        """
        self._note_locks(asks)
        if self.engine.locks_at_begin:
            return
        found = self._rows_of([(ask.lock or ask.query, ask.params) for ask in asks])
        for ask, rows in zip(asks, found, strict=True):
            ask.rows, ask.is_settled = rows, True

    def _note_locks(self, asks: Sequence[Ask[Any]]) -> None:
        """Remember what these questions lock, if the order of locks is watched."""
        locking = [ask.locks for ask in asks if ask.locks]
        if self.held is None or not locking:
            return
        self.held.take(*{(place, key) for place, keys in locking for key in keys})

    def gather(self, *asks: Ask[Any]) -> None:
        """Answer several questions as of one moment; what is settled is not asked again."""
        left = [ask for ask in asks if not ask.is_settled]
        found = self._rows_of([(ask.query, ask.params) for ask in left])
        for ask, rows in zip(left, found, strict=True):
            ask.rows = rows

    def _rows_of(self, asked: Sequence[tuple[Query, dict[str, Any]]]) -> list[Rows]:
        """The rows of these queries, in one statement."""
        self.require_open()
        try:
            if len(asked) > 1:
                return _fused(self, tuple(query for query, _ in asked)).run(self, asked)
            return [query.compiled(self).run(self, params) for query, params in asked]
        except BaseException as error:
            self.doomed = _name_of(error)
            raise

    def look(self, ask: Ask[AnswerT]) -> AnswerT:
        """Answer one question."""
        self.gather(ask)
        return ask.answer


def _new_heads(writes: Writes) -> list[Lock]:
    """The heads among new rows."""
    return [
        (Place.HEADS, row[step.columns.index("account_no")])
        for step in writes.steps
        if isinstance(step, Insert) and step.table is account_head
        for row in step.rows
    ]


def _name_of(error: BaseException) -> str:
    return error.code if isinstance(error, GongyiBankError) else type(error).__name__


@dataclass(slots=True)
class Ask(Generic[AnswerT]):
    """A question to the books: a query with its parameters, and what its rows mean."""

    query: Query
    params: dict[str, Any]
    parse: Callable[[Rows], AnswerT]
    rows: Rows | None = None
    #: What these rows were found to mean: whoever changes it, changes it for all who ask.
    _parsed: tuple[Rows, AnswerT] | None = field(default=None, init=False, repr=False)
    #: What locks its rows, with the same parameters; None where the query itself does.
    lock: Query | None = None
    #: What locking it locks alone: of which place, and by which keys.
    locks: tuple[Place, Sequence[Any]] | None = None
    #: Whether to ask again would change nothing: its rows are locked, or there can be none.
    is_settled: bool = False

    def locked_by(self, lock: Query) -> Self:
        """The same question, whose rows `Transaction.lock` can lock before they are asked for."""
        self.lock = lock
        return self

    def settled_if(self, has_none: bool) -> Self:
        """The same question, whose answer is known to be empty if so: nothing was named."""
        if has_none:
            self.rows, self.is_settled = [], True
        return self

    def locking(self, place: Place, keys: Sequence[Any]) -> Self:
        """The same question, known to lock these rows alone (see `store.locks`)."""
        self.locks = place, keys
        return self

    @property
    def answer(self) -> AnswerT:
        """What the rows mean; the question must have been gathered."""
        assert self.rows is not None
        parsed = self._parsed
        if parsed is None or parsed[0] is not self.rows:
            parsed = self._parsed = self.rows, self.parse(self.rows)
        return parsed[1]


class Query:
    """A select over one bank, compiled once per engine; calling it returns plain tuples.

    The select names its parameters with `sa.bindparam`; `bank` is always one of them.
    """

    def __init__(self, build: Build) -> None:
        self._build = build
        self._compiled: dict[str, _Compiled] = {}
        self.__doc__ = build.__doc__

    def __call__(self, tx: Transaction, **params: Any) -> Rows:
        return tx.look(self.ask(_as_they_are, **params))

    def locking(self, *key: sa.Column[Any], is_shared: bool = False) -> Query:
        """What locks the rows of this query alone, or shares them, in the order of their key."""

        def build(engine: StoreEngine) -> sa.Select[Any]:
            facts = self._build(engine)
            assert isinstance(facts, sa.Select)
            rows = facts.order_by(*key)
            return engine.share(rows) if is_shared else engine.lock(rows)

        return Query(build)

    def ask(self, parse: Callable[[Rows], AnswerT], **params: Any) -> Ask[AnswerT]:
        """The question with these parameters, to be gathered with others."""
        return Ask(self, params, parse)

    def compiled(self, tx: Transaction) -> _Compiled:
        """This query for the transaction's engine."""
        compiled = self._compiled.get(tx.engine.name)
        if compiled is None:
            compiled = _compile(self._build(tx.engine), tx)
            self._compiled[tx.engine.name] = compiled
        return compiled


def _as_they_are(rows: Rows) -> Rows:
    return rows


@dataclass(slots=True)
class _Compiled:
    sql: str
    #: The parameters' names in their order.
    order: list[str]
    #: Values written into the select itself.
    constants: dict[str, Any]
    types: list[Any]
    converters: list[tuple[int, Any]]

    def given(self, tx: Transaction, params: dict[str, Any]) -> list[Any]:
        """The parameters as the driver takes them."""
        adapt = tx.engine.adapt
        values = {**self.constants, "bank": adapt(tx.bank.bank_id)}
        for name, value in params.items():
            values[name] = adapt(value)
        return [values[name] for name in self.order]

    def run(self, tx: Transaction, params: dict[str, Any]) -> Rows:
        return _converted(tx.wire.fetch(self.sql, self.given(tx, params)), self.converters)


@dataclass(frozen=True, slots=True)
class _Fused:
    """Several queries as one statement of an engine."""

    parts: list[_Compiled]
    fusion: Fusion

    def run(self, tx: Transaction, asked: Sequence[tuple[Query, dict[str, Any]]]) -> list[Rows]:
        """The rows of each, with these parameters."""
        given: list[Any] = []
        for part, (_, params) in zip(self.parts, asked, strict=True):
            given += part.given(tx, params)
        found = self.fusion.split(tx.wire.fetch(self.fusion.sql, given))
        converters = self.fusion.converters
        return [_converted(rows, some) for rows, some in zip(found, converters, strict=True)]


#: By engine and queries. A thread finds them whole, or makes its own.
_made: dict[tuple[str, tuple[Query, ...]], _Fused] = {}


def _fused(tx: Transaction, queries: tuple[Query, ...]) -> _Fused:
    key = tx.engine.name, queries
    fused = _made.get(key)
    if fused is None:
        parts = [query.compiled(tx) for query in queries]
        fusion = tx.engine.fuse([(part.sql, len(part.order), part.types) for part in parts])
        fused = _made[key] = _Fused(parts, fusion)
    return fused


def _converted(rows: Sequence[Sequence[Any]], converters: list[tuple[int, Any]]) -> Rows:
    """The rows as tuples, each column converted in one go."""
    if not converters or not rows:
        return list(map(tuple, rows))
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for position, convert in converters:
        columns[position] = [
            None if value is None else convert(value) for value in columns[position]
        ]
    return list(zip(*columns, strict=True))


def _compile(select: sa.Select[Any] | sa.CompoundSelect[Any], tx: Transaction) -> _Compiled:
    compiled = tx.engine.compile(select, tx.connection.dialect)
    types = [column.type for column in select.selected_columns]
    order = list(compiled.positiontup or ())
    adapt = tx.engine.adapt
    constants = {name: adapt(b.value) for name, b in compiled.binds.items() if not b.required}
    return _Compiled(str(compiled), order, constants, types, tx.engine.result_converters(types))


def query(build: Build) -> Query:
    """Decorate a function that builds a select for an engine."""
    return Query(build)


def of_bank(table: sa.Table) -> sa.ColumnElement[bool]:
    """The condition that every statement has: this bank's rows, as a parameter."""
    condition: sa.ColumnElement[bool] = table.c.bank_id == sa.bindparam("bank")
    return condition
