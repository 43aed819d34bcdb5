"""The bank for asyncio: the same desks, awaited. Needs the extra `asyncio`.

from gongyi_bank.aio import AsyncBank

bank = await AsyncBank.open("sqlite:///yanjiang.db", staff="T-1")
await bank.hours.record(account=…, …)              # one transaction
async with bank.begin() as counter:                # one transaction for several acts
    await counter.hours.record(…)
async with bank.within(async_session) as counter:  # inside the caller's own transaction
    await counter.hours.record(…)

Nothing is decided here. Every call runs the synchronous `Bank` in a greenlet, whose driver
waits on the event loop; the desks take their types from the synchronous declarations.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import partial
from types import MethodType
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, Self, TypeVar, overload
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn

from gongyi_bank.bank import Bank, Counter, Desks
from gongyi_bank.commands.base import Command
from gongyi_bank.desks.base import Act, Desk, House
from gongyi_bank.desks.customers import AccountsDesk, CustomersDesk, HoursDesk, PointsDesk
from gongyi_bank.desks.house import OutletsDesk, PoliciesDesk, StaffDesk
from gongyi_bank.desks.passbooks import PassbooksDesk
from gongyi_bank.desks.ratings import RatingsDesk
from gongyi_bank.desks.reports import ReportsDesk
from gongyi_bank.desks.stores import RedemptionsDesk, StoresDesk
from gongyi_bank.errors import InvalidValue, TransactionEnded
from gongyi_bank.reports.faults import Verification
from gongyi_bank.store.engines import connect, engine_for
from gongyi_bank.store.transaction import Clock, Transaction

try:
    # SQLAlchemy imports it late, and says less when it is missing.
    importlib.import_module("greenlet")
    from sqlalchemy.ext.asyncio import (
        AsyncConnection,
        AsyncEngine,
        AsyncSession,
        create_async_engine,
    )
except ImportError as missing:
    raise ImportError(
        "gongyi_bank.aio 需要扩展 asyncio / needs the extra asyncio: "
        "pip install 'gongyi-bank[asyncio]'",
        name=missing.name,
    ) from missing

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
D = TypeVar("D", bound=Desk)
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


# --- the desks, from the synchronous declarations ---


class AsyncHouse:
    """Whatever asynchronous desks stand in: a bank or a counter."""

    async def visit(self, look: Callable[[Desks], T]) -> T:
        """Run what uses the synchronous desks, in one go."""
        raise NotImplementedError


class AsyncDesk:
    """A window of the bank for one noun, awaited."""

    #: The desk that this one stands for.
    stands_for: ClassVar[type[Desk]]

    def __init__(self, house: AsyncHouse) -> None:
        self._house = house


class AsyncMethod(Generic[P, R]):
    """A synchronous desk's method, awaited: same arguments, same result."""

    def __init__(self, bind: Callable[[Desk], Callable[P, R]], doc: str | None) -> None:
        self._bind = bind
        self._signature: inspect.Signature | None = None
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, desk: None, owner: type) -> AsyncMethod[P, R]: ...
    @overload
    def __get__(self, desk: AsyncDesk, owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(
        self, desk: AsyncDesk | None, owner: type
    ) -> AsyncMethod[P, R] | Callable[P, Coroutine[Any, Any, R]]:
        if desk is None:
            return self
        bind, stands_for, house = self._bind, desk.stands_for, desk._house

        async def run(*args: P.args, **fields: P.kwargs) -> R:
            return await house.visit(lambda desks: bind(stands_for(desks))(*args, **fields))

        run.__name__ = self.__name__
        self._describe(run, stands_for)
        return run

    def _describe(self, run: Any, stands_for: type[Desk]) -> None:
        if self._signature is None:
            model = self._bind(stands_for(House()))
            self._signature, self.__doc__ = inspect.signature(model), model.__doc__
        run.__signature__, run.__doc__ = self._signature, self.__doc__


def async_act(act: Act[P, R]) -> AsyncMethod[P, R]:
    """Declare a desk's act, from the synchronous one: `record = async_act(HoursDesk.record)`."""
    return AsyncMethod(lambda desk: act.__get__(desk, type(desk)), act.__doc__)


def async_read(look: Callable[Concatenate[D, P], R]) -> AsyncMethod[P, R]:
    """Declare a desk's reading method: `waiting = async_read(HoursDesk.waiting)`."""
    return AsyncMethod(lambda desk: MethodType(look, desk), look.__doc__)


class AsyncOutletsDesk(AsyncDesk):
    """网点: the tree of head office, branches and savings branches."""

    stands_for = OutletsDesk
    open = async_act(OutletsDesk.open)
    rename = async_act(OutletsDesk.rename)
    move = async_act(OutletsDesk.move)
    close = async_act(OutletsDesk.close)
    reopen = async_act(OutletsDesk.reopen)
    tree = async_read(OutletsDesk.tree)


class AsyncStaffDesk(AsyncDesk):
    """岗位: who works where, in which role."""

    stands_for = StaffDesk
    appoint = async_act(StaffDesk.appoint)
    end = async_act(StaffDesk.end)
    roles = async_read(StaffDesk.roles)


class AsyncPoliciesDesk(AsyncDesk):
    """规则: the numbers that the district sets, with their effective dates."""

    stands_for = PoliciesDesk
    adopt = async_act(PoliciesDesk.adopt)
    book = async_read(PoliciesDesk.book)


class AsyncCustomersDesk(AsyncDesk):
    """客户: registering and moving customers."""

    stands_for = CustomersDesk
    register = async_act(CustomersDesk.register)
    move = async_act(CustomersDesk.move)
    account_of = async_read(CustomersDesk.account_of)


class AsyncAccountsDesk(AsyncDesk):
    """账户: an account's state."""

    stands_for = AccountsDesk
    freeze = async_act(AccountsDesk.freeze)
    unfreeze = async_act(AccountsDesk.unfreeze)
    mark_dormant = async_act(AccountsDesk.mark_dormant)
    wake = async_act(AccountsDesk.wake)
    close = async_act(AccountsDesk.close)


class AsyncPointsDesk(AsyncDesk):
    """积分: opening balances and grants by hand."""

    stands_for = PointsDesk
    bring_forward = async_act(PointsDesk.bring_forward)
    grant = async_act(PointsDesk.grant)


class AsyncHoursDesk(AsyncDesk):
    """服务时长: recording service and deciding on what waits."""

    stands_for = HoursDesk
    record = async_act(HoursDesk.record)
    record_many = async_act(HoursDesk.record_many)
    approve = async_act(HoursDesk.approve)
    refuse = async_act(HoursDesk.refuse)
    void = async_act(HoursDesk.void)
    correct = async_act(HoursDesk.correct)
    waiting = async_read(HoursDesk.waiting)
    of = async_read(HoursDesk.of)


class AsyncPassbooksDesk(AsyncDesk):
    """存折: stock, and the books in the customers' hands."""

    stands_for = PassbooksDesk
    print_stock = async_act(PassbooksDesk.print_stock)
    allot = async_act(PassbooksDesk.allot)
    issue = async_act(PassbooksDesk.issue)
    update = async_act(PassbooksDesk.update)
    renew = async_act(PassbooksDesk.renew)
    report_loss = async_act(PassbooksDesk.report_loss)
    lift_loss = async_act(PassbooksDesk.lift_loss)
    reissue = async_act(PassbooksDesk.reissue)
    spoil = async_act(PassbooksDesk.spoil)
    destroy = async_act(PassbooksDesk.destroy)
    stock = async_read(PassbooksDesk.stock)
    page = async_read(PassbooksDesk.page)
    of = async_read(PassbooksDesk.of)


class AsyncStoresDesk(AsyncDesk):
    """商家: who is in the alliance, and what they offer."""

    stands_for = StoresDesk
    recruit = async_act(StoresDesk.recruit)
    leave = async_act(StoresDesk.leave)
    publish_offers = async_act(StoresDesk.publish_offers)
    restock = async_act(StoresDesk.restock)
    withdraw_offer = async_act(StoresDesk.withdraw_offer)
    offers = async_read(StoresDesk.offers)


class AsyncRedemptionsDesk(AsyncDesk):
    """兑换: goods for points, at once or by reservation."""

    stands_for = RedemptionsDesk
    redeem = async_act(RedemptionsDesk.redeem)
    redeem_many = async_act(RedemptionsDesk.redeem_many)
    reserve = async_act(RedemptionsDesk.reserve)
    capture = async_act(RedemptionsDesk.capture)
    release = async_act(RedemptionsDesk.release)
    lapse_overdue = async_act(RedemptionsDesk.lapse_overdue)
    of = async_read(RedemptionsDesk.of)
    reserved = async_read(RedemptionsDesk.reserved)


class AsyncReportsDesk(AsyncDesk):
    """报表: statements, summaries, ledger books and trial balances."""

    stands_for = ReportsDesk
    statement = async_read(ReportsDesk.statement)
    explain = async_read(ReportsDesk.explain)
    balance = async_read(ReportsDesk.balance)
    balances = async_read(ReportsDesk.balances)
    customer_summary = async_read(ReportsDesk.customer_summary)
    ledger_book = async_read(ReportsDesk.ledger_book)
    trial_balance = async_read(ReportsDesk.trial_balance)


class AsyncRatingsDesk(AsyncDesk):
    """星级与排行: volunteers by hours, savings branches by five indicators."""

    stands_for = RatingsDesk
    volunteer_stars = async_read(RatingsDesk.volunteer_stars)
    volunteers_by_stars = async_read(RatingsDesk.volunteers_by_stars)
    explain = async_read(RatingsDesk.explain)
    volunteer_league = async_read(RatingsDesk.volunteer_league)
    indicators = async_read(RatingsDesk.indicators)
    outlet_league = async_read(RatingsDesk.outlet_league)
    explain_outlet = async_read(RatingsDesk.explain_outlet)


# --- the door ---


class AsyncDesks(AsyncHouse):
    """Everything that can be done, by noun, awaited."""

    @property
    def outlets(self) -> AsyncOutletsDesk:
        """网点: the tree of outlets."""
        return AsyncOutletsDesk(self)

    @property
    def staff(self) -> AsyncStaffDesk:
        """岗位: who works where."""
        return AsyncStaffDesk(self)

    @property
    def policies(self) -> AsyncPoliciesDesk:
        """规则: the numbers that the district sets."""
        return AsyncPoliciesDesk(self)

    @property
    def customers(self) -> AsyncCustomersDesk:
        """客户: registering and moving customers."""
        return AsyncCustomersDesk(self)

    @property
    def accounts(self) -> AsyncAccountsDesk:
        """账户: an account's state."""
        return AsyncAccountsDesk(self)

    @property
    def points(self) -> AsyncPointsDesk:
        """积分: opening balances and grants by hand."""
        return AsyncPointsDesk(self)

    @property
    def hours(self) -> AsyncHoursDesk:
        """服务时长: recording service and deciding on what waits."""
        return AsyncHoursDesk(self)

    @property
    def passbooks(self) -> AsyncPassbooksDesk:
        """存折: stock, and the books in the customers' hands."""
        return AsyncPassbooksDesk(self)

    @property
    def stores(self) -> AsyncStoresDesk:
        """商家: who is in the alliance, and what they offer."""
        return AsyncStoresDesk(self)

    @property
    def redemptions(self) -> AsyncRedemptionsDesk:
        """兑换: goods for points, at once or by reservation."""
        return AsyncRedemptionsDesk(self)

    @property
    def reports(self) -> AsyncReportsDesk:
        """报表: statements, summaries, ledger books and trial balances."""
        return AsyncReportsDesk(self)

    @property
    def ratings(self) -> AsyncRatingsDesk:
        """星级: stars and leagues of volunteers and savings branches."""
        return AsyncRatingsDesk(self)

    async def verify(self) -> Verification:
        """核对: audit the books as they stand; all faults come back as values."""
        return await self.visit(lambda desks: desks.verify())

    async def execute(self, command: Command) -> Any:
        """Run any command and return its receipt; as `Bank.execute`."""
        return await self.visit(lambda desks: desks.execute(command))

    async def execute_many(self, commands: Iterable[Command]) -> list[Any]:
        """Run commands in order and return their receipts; as `Bank.execute_many`."""
        return await self.visit(lambda desks: desks.execute_many(commands))

    async def read(self, look: Callable[[Transaction], T]) -> T:
        """Run a synchronous reading function in a transaction; as `Bank.read`."""
        return await self.visit(lambda desks: desks.read(look))


class AsyncCounter(AsyncDesks):
    """柜台: all desks within one transaction, for one staff member; tasks take turns at it."""

    def __init__(self, counter: Counter, *, stops: bool) -> None:
        self._counter: Counter | None = counter
        self._stops = stops
        self._turn = asyncio.Lock()

    async def visit(self, look: Callable[[Desks], T]) -> T:
        """Run what uses the synchronous desks, while no other task does so."""
        return await _run(self._in_turn(look), stops=self._stops)

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
