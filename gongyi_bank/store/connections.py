"""Where transactions begin and end: our own, retried where safe, and the caller's, joined.

COMMIT is part of the act. When it fails with anything that does not mean "certainly not
applied", nobody knows, and `OutcomeUnknown` says so with the key (reliability.md).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.util.concurrency import in_greenlet

from gongyi_bank.errors import (
    BlockUndone,
    DatabaseUnreachable,
    EngineUnsupported,
    InvalidValue,
    OutcomeUnknown,
    RetryTransaction,
    TransactionEnded,
)
from gongyi_bank.store.engines import StoreEngine, Wire
from gongyi_bank.store.engines.waiting import pause

T = TypeVar("T")
Caller = sa.Connection | Session
#: What a block inside the caller's transaction stands on.
Savepoint = sa.NestedTransaction | SessionTransaction
#: Own transactions are tried this often, and never longer than this.
TRIES_MAX = 8
SECONDS_MAX = 20.0


def _connected(engine: sa.Engine, support: StoreEngine) -> sa.Connection:
    """A connection from the pool; that there is none is an error of ours."""
    require_usable_here(engine.dialect)
    try:
        return engine.connect()
    except sa.exc.DBAPIError as error:
        raise support.classify_wrapped(error) from None
    except sa.exc.TimeoutError:
        raise RetryTransaction(reason="no connection is free") from None


def require_usable_here(dialect: sa.Dialect | type[sa.Dialect]) -> None:
    """Raise EngineUnsupported for an asynchronous driver that nobody awaits for us (aio/ does)."""
    if dialect.is_async and not _is_awaited():
        raise refused_here(dialect)


def refused_here(dialect: sa.Dialect | type[sa.Dialect]) -> EngineUnsupported:
    """What is told to whoever opens a bank with a driver that has to be awaited."""
    reason = "an asynchronous driver: use gongyi_bank.aio.AsyncBank, or a synchronous driver"
    return EngineUnsupported(engine=f"{dialect.name}+{dialect.driver}", reason=reason)


def _is_awaited() -> bool:
    """Whether this is a greenlet of SQLAlchemy's, from which an event loop can be awaited."""
    try:
        return in_greenlet()
    except (ImportError, ValueError):  # the package greenlet is not there
        return False


def require_reachable(engine: sa.Engine) -> None:
    """Connect once. Raises DatabaseUnreachable, with the server's own words and no password."""
    require_usable_here(engine.dialect)
    try:
        with engine.connect():
            pass
    except (sa.exc.DBAPIError, RuntimeError, ValueError) as error:
        # PyMySQL raises a bare RuntimeError where it lacks a package for MySQL's passwords, and
        # sqlite3 a ValueError for a path that no file can have.
        name = (engine.url.database or "").encode(errors="backslashreplace").decode()
        database = engine.url.set(database=name or None).render_as_string(hide_password=True)
        told = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise DatabaseUnreachable(database=database, reason=" ".join(str(told).split())) from None


@contextmanager
def own_transaction(
    engine: sa.Engine,
    support: StoreEngine,
    *,
    read_only: bool = False,
    keep: bool = True,
    key: str | None = None,
) -> Iterator[sa.Connection]:
    """A transaction of our own: committed at the end (unless `keep` is false), or undone.

    One that only read is committed, too: at a ROLLBACK, psycopg forgets the statements that it
    has prepared, and whoever has the connection next pays for their plans again.
    """
    with _connected(engine, support) as connection:
        if read_only:
            connection = support.for_reading(connection)
        try:
            connection.begin()
            yield connection
        except sa.exc.DBAPIError as error:
            _roll_back(connection)
            raise support.classify_wrapped(error) from None
        except BaseException:
            _roll_back(connection)
            raise
        if read_only:
            _end_reading(connection)
        elif keep:
            _commit(connection, support, key)
        else:
            _roll_back(connection)


@contextmanager
def one_statement(engine: sa.Engine, support: StoreEngine) -> Iterator[sa.Connection]:
    """A connection for a single reading statement, which needs no transaction around it."""
    with _connected(engine, support) as connection, support.alone(connection):
        yield connection


def _commit(connection: sa.Connection, support: StoreEngine, key: str | None) -> None:
    try:
        connection.commit()
    except sa.exc.DBAPIError as error:
        _roll_back(connection)
        if support.commit_outcome_known(error):
            raise RetryTransaction(reason="COMMIT was refused") from None
        reason = type(error.orig).__name__
        raise OutcomeUnknown(key=key or "（无 none）", reason=reason) from None


def _end_reading(connection: sa.Connection) -> None:
    """COMMIT with nothing to keep: what was read is known, whatever becomes of it."""
    try:
        connection.commit()
    except sa.exc.DBAPIError:
        _roll_back(connection)


def _roll_back(connection: sa.Connection) -> None:
    """Roll back; a connection that cannot even do that is thrown away."""
    try:
        connection.rollback()
    except sa.exc.DBAPIError:
        connection.invalidate()


def _is_innermost(savepoint: Savepoint, caller: Caller) -> bool:
    """Whether the caller still holds it, if only because its own flush or RELEASE has failed."""
    return caller.get_nested_transaction() is savepoint


def _undo(savepoint: Savepoint, caller: Caller, connection: sa.Connection) -> None:
    """Undo a savepoint; one that is gone went with the caller's transaction (a deadlock).

    Some servers would go on in a new transaction and keep half of the caller's work.
    """
    if not savepoint.is_active and not _is_innermost(savepoint, caller):
        return  # the caller has ended the transaction
    try:
        savepoint.rollback()
    except sa.exc.DBAPIError:
        connection.invalidate()


def retrying(
    engine: sa.Engine,
    support: StoreEngine,
    run: Callable[[sa.Connection], T],
    *,
    key: str | None,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[sa.Engine, float], None] = pause,
) -> T:
    """Run a whole transaction again while it was certainly not applied, a bounded time.

    `now` (in seconds) and `pause` are the clock that bounds it.
    """
    give_up_at = now() + SECONDS_MAX
    for tried in range(1, TRIES_MAX + 1):
        try:
            with own_transaction(engine, support, key=key) as connection:
                return run(connection)
        except RetryTransaction:
            if tried == TRIES_MAX or now() > give_up_at:
                raise
            pause(engine, random.uniform(0, 0.01 * 2**tried))
    raise AssertionError("the loop returns or raises")


@contextmanager
def savepoint_within(
    caller: Caller, support: StoreEngine, bank_id: int
) -> Iterator[tuple[sa.Connection, Savepoint]]:
    """A savepoint in the caller's transaction: released at the end, or undone alone.

    A session makes its own savepoint, so that what it had pending before is flushed before.
    The caller's own database errors pass through as they are, what a session flushes on its way
    in and out included; but RetryTransaction where all of the transaction must be run again.
    Raises BlockUndone where a statement has failed and nobody was told; TransactionEnded where
    the caller has ended the transaction, and the savepoint with it.
    """
    connection = _joined(caller, support, bank_id)
    savepoint = _begin_block(caller, support)
    try:
        yield connection, savepoint
        _require_whole(savepoint, connection, support)
        _release(savepoint, connection, support)
    except BaseException as error:
        has_undone_itself = not savepoint.is_active and _is_innermost(savepoint, caller)
        _undo(savepoint, caller, connection)
        if has_undone_itself and isinstance(error, TransactionEnded):
            # A flush has failed: the session undid its savepoint then, and the act with it.
            raise BlockUndone from None
        if isinstance(error, sa.exc.DBAPIError) and support.must_run_again(error):
            raise support.classify_wrapped(error) from error
        raise


def _joined(caller: Caller, support: StoreEngine, bank_id: int) -> sa.Connection:
    """The caller's connection, in a transaction in which an act may begin."""
    try:
        connection = caller if isinstance(caller, sa.Connection) else caller.connection()
        if not connection.in_transaction():
            connection.begin()
        elif connection.invalidated:
            # An earlier block of the caller's transaction lost it: all of that is undone.
            raise RetryTransaction(reason="the transaction was lost before this block")
        support.begin_writing(Wire(connection, support), bank_id)
    except sa.exc.DBAPIError as error:
        raise support.classify_wrapped(error) from None
    except sa.exc.InvalidRequestError as error:
        if type(error) is not sa.exc.InvalidRequestError:
            raise  # of a session that its owner must first roll back
        reason = str(error.args[0])  # closed for good, or begins no transaction by itself
        raise InvalidValue.of("connection_or_session", type(caller).__name__, reason) from None
    return connection


def _begin_block(caller: Caller, support: StoreEngine) -> Savepoint:
    """The block's savepoint; what a session flushes before it is the caller's own."""
    try:
        savepoint = caller.begin_nested()
        if not isinstance(caller, sa.Connection):
            caller.connection()  # a session sends SAVEPOINT when it is next asked for one
    except sa.exc.DBAPIError as error:
        if _is_of_savepoint(error):
            raise support.classify_wrapped(error) from None
        if support.must_run_again(error):
            raise support.classify_wrapped(error) from error
        raise
    return savepoint


def _require_whole(savepoint: Savepoint, connection: sa.Connection, support: StoreEngine) -> None:
    """Raise what keeps a block from being released, though no error has left it."""
    if not savepoint.is_active:
        raise TransactionEnded
    if connection.invalidated:
        raise RetryTransaction(reason="the connection was lost in this block")
    if support.has_failed(connection):
        raise BlockUndone


def _release(savepoint: Savepoint, connection: sa.Connection, support: StoreEngine) -> None:
    """Keep what was done in the block; what a session flushes before that is the caller's own."""
    try:
        savepoint.commit()
    except sa.exc.DBAPIError as error:
        if not _is_of_savepoint(error):
            raise
        # SQLAlchemy does not undo it any more, and a COMMIT might keep half or say nothing.
        connection.invalidate()
        raise support.classify_wrapped(error) from None


def _is_of_savepoint(error: sa.exc.DBAPIError) -> bool:
    """Whether it was SAVEPOINT or RELEASE that failed, and no statement of the caller's."""
    return "SAVEPOINT" in (error.statement or "SAVEPOINT")
