"""The bank and the counter for asyncio: the synchronous ones, run in a greenlet."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.util import greenlet_spawn

from gongyi_bank.aio.desks import AsyncDesks
from gongyi_bank.bank import Bank, Counter, Desks
from gongyi_bank.errors import InvalidValue, TransactionEnded
from gongyi_bank.store.engines import connect, engine_for
from gongyi_bank.store.transaction import Clock

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
B = TypeVar("B", bound="AsyncBank")

#: The asynchronous driver of a URL that names none, or the synchronous one.
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+pysqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
}


# --- running a synchronous body ---

#: What a cancelled caller has left to be finished; the event loop itself holds on to no task.
_unfinished: set[asyncio.Task[None]] = set()
#: How long a cancelled caller waits for its body to be undone.
_PATIENCE_SECONDS = 1.0


async def _run(
    body: Coroutine[Any, Any, T],
    *,
    stops: bool = True,
    undo: Callable[[], object] | None = None,
) -> T:
    """Await a body that holds a connection; however it is cancelled, it ends what it began.

    The body has a task of its own, which hears of a cancellation once (with `stops`; never
    without it): a rollback that is interrupted in its turn would leave a broken connection.
    `undo` is for a body that had succeeded by the time its caller was gone.
    """
    task = asyncio.create_task(body)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        if stops:
            task.cancel()
        rest = asyncio.create_task(_finish(task, undo))
        _unfinished.add(rest)
        rest.add_done_callback(_unfinished.discard)
        # Cancelled again (anyio does so at every await), or when the driver does not let go
        # (SQLite waiting for its lock), we leave, and the rest goes on alone.
        await asyncio.wait([rest], timeout=_PATIENCE_SECONDS)
        raise
    return task.result()


async def _finish(task: asyncio.Task[Any], undo: Callable[[], object] | None) -> None:
    await asyncio.wait([task])
    if task.cancelled() or task.exception() is not None:
        return
    if undo is not None:
        await greenlet_spawn(undo)


class AsyncCounter(AsyncDesks):
    """柜台: all desks within one transaction, for one staff member; tasks take turns at it."""

    def __init__(self, counter: Counter, *, stops: bool) -> None:
        self._counter: Counter | None = counter
        self._stops = stops
        self._turn = asyncio.Lock()

    async def visit(self, look: Callable[[Desks], T]) -> T:
        """Run what uses the synchronous desks, while no other task does so."""
        return await _run(self._in_turn(look), stops=self._stops)

    async def lock(
        self,
        *,
        accounts: Iterable[int] = (),
        stores: Iterable[str] = (),
        pools: Iterable[str] = (),
    ) -> None:
        """Take all locks of the coming acts now, in the right order and in one statement."""

        def run(counter: Desks) -> None:
            assert isinstance(counter, Counter)
            counter.lock(accounts=accounts, stores=stores, pools=pools)

        await self.visit(run)

    async def _in_turn(self, look: Callable[[Desks], T]) -> T:
        async with self._turn:
            if self._counter is None:
                raise TransactionEnded()
            return await greenlet_spawn(look, self._counter)

    async def _leave(self, end: Callable[[], bool | None]) -> bool | None:
        """End the transaction when the act under way is over; tasks still waiting get none."""
        self._counter = None
        async with self._turn:
            return await greenlet_spawn(end)


class AsyncOpening(Generic[P]):
    """`Bank.found` or `Bank.open`, awaited: same keywords, giving an AsyncBank."""

    def __init__(self, make: Callable[Concatenate[str | sa.URL | sa.Engine, P], Bank]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(
        self, bank: object, owner: type[B]
    ) -> Callable[Concatenate[str | sa.URL | AsyncEngine, P], Coroutine[Any, Any, B]]:
        make = self._make

        async def run(
            database: str | sa.URL | AsyncEngine, /, *args: P.args, **fields: P.kwargs
        ) -> B:
            engine = database if isinstance(database, AsyncEngine) else _connect(database)
            opened = partial(make, engine.sync_engine, *args, **fields)
            try:
                return owner(engine, await _run(greenlet_spawn(opened)))
            except BaseException:
                if engine is not database:
                    await _run(engine.dispose(), stops=False)
                raise

        run.__signature__ = inspect.signature(make)  # type: ignore[attr-defined]
        run.__doc__ = self.__doc__
        return run


def _connect(url: str | sa.URL) -> AsyncEngine:
    return AsyncEngine(connect(url, drivers=_DRIVERS, create=_create))


def _create(url: sa.URL, **options: Any) -> sa.Engine:
    return create_async_engine(url, **options).sync_engine


class AsyncBank(AsyncDesks):
    """A 公益银行 for asyncio: its desks, its transactions, its clock."""

    #: Create the schema where it is missing, and a bank with its head office in it.
    found = AsyncOpening(Bank.found)
    #: Open a bank by name, or the only one in the database.
    open = AsyncOpening(Bank.open)

    def __init__(self, engine: AsyncEngine, bank: Bank) -> None:
        """Use `AsyncBank.found` or `AsyncBank.open`."""
        self._engine = engine
        self._bank = bank
        url, support = engine.url, engine_for(engine.dialect.name)
        #: A driver that is interrupted may lose its connection, and with it such a database.
        self._stops = not support.lives_in_a_connection(url)

    async def visit(self, look: Callable[[Desks], T]) -> T:
        """Run what uses the synchronous desks, with transactions as `Bank` makes them."""
        return await _run(greenlet_spawn(look, self._bank), stops=self._stops)

    def acting_as(self, staff: str) -> Self:
        """The same bank, for another staff member."""
        return type(self)(self._engine, self._bank.acting_as(staff))

    def at(self, clock: Clock | dt.datetime) -> Self:
        """The same bank with another clock, or with time standing still at an instant."""
        return type(self)(self._engine, self._bank.at(clock))

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine underneath, for services that share it."""
        return self._engine

    @property
    def name(self) -> str:
        """The bank's name."""
        return self._bank.name

    @property
    def zone(self) -> ZoneInfo:
        """The bank's time zone."""
        return self._bank.zone

    @property
    def scale(self) -> int:
        """Decimal places of a point."""
        return self._bank.scale

    async def close(self) -> None:
        """Give the database connections back, when what was cancelled is undone."""
        loop = asyncio.get_running_loop()
        if rest := [task for task in _unfinished if task.get_loop() is loop]:
            await asyncio.wait(rest)
        await _run(greenlet_spawn(self._bank.close), stops=False)

    def __repr__(self) -> str:
        return repr(self._bank).replace("<Bank", f"<{type(self).__name__}", 1)

    # --- transactions ---

    def begin(self, *, staff: str | None = None) -> AbstractAsyncContextManager[AsyncCounter]:
        """One transaction with all desks: committed at the end, undone by an exception."""
        return self._block(self._bank.begin(staff=staff))

    def within(
        self, connection_or_session: AsyncConnection | AsyncSession, *, staff: str | None = None
    ) -> AbstractAsyncContextManager[AsyncCounter]:
        """All desks inside the caller's own transaction, which is never committed here.

        An exception undoes only what happened inside the block (a savepoint).
        """
        if isinstance(connection_or_session, AsyncSession):
            return self._block(self._bank.within(connection_or_session.sync_session, staff=staff))
        if not isinstance(connection_or_session, AsyncConnection):
            kind = type(connection_or_session).__name__
            raise InvalidValue.of(
                "connection_or_session", kind, "an AsyncConnection or AsyncSession"
            )
        connection = connection_or_session.sync_connection
        if connection is None:
            raise InvalidValue.of("connection", connection_or_session, "it is not open yet")
        return self._block(self._bank.within(connection, staff=staff))

    def simulate(self, *, staff: str | None = None) -> AbstractAsyncContextManager[AsyncCounter]:
        """One transaction with all desks that really runs and is always rolled back."""
        return self._block(self._bank.simulate(staff=staff))

    @asynccontextmanager
    async def _block(self, block: AbstractContextManager[Counter]) -> AsyncIterator[AsyncCounter]:
        gone = asyncio.CancelledError()
        undo = partial(block.__exit__, type(gone), gone, None)
        entered = _run(greenlet_spawn(block.__enter__), stops=self._stops, undo=undo)
        counter = AsyncCounter(await entered, stops=self._stops)
        try:
            yield counter
        except BaseException as error:
            end = partial(block.__exit__, type(error), error, error.__traceback__)
            if not await _run(counter._leave(end), stops=False):
                raise
        else:
            await _run(counter._leave(partial(block.__exit__, None, None, None)), stops=False)
