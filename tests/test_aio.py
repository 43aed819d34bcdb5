"""The asynchronous bank: the same desks, the same books, and what cancelling leaves behind."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from gongyi_bank.aio import AsyncBank, AsyncCounter, AsyncDesk, AsyncDesks, AsyncMethod
from gongyi_bank.bank import Bank, Counter, Desks
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.desks.base import Desk, House
from gongyi_bank.errors import (
    EngineSettingsUnsafe,
    EngineUnsupported,
    InsufficientPoints,
    InvalidText,
    InvalidValue,
    RetryTransaction,
    TransactionEnded,
    UnknownBank,
)
from gongyi_bank.values import Points
from tests.books import books
from tests.district import OUTLETS, STAFF, TARIFF, Clock, District, at
from tests.service.test_stores import new_offer, new_store
from tests.tidy.house import ROOT

pytestmark = pytest.mark.anyio
FOUNDING: dict[str, Any] = {"bank": "雁江", "policies": (TARIFF,), "unsafe_settings": "allow"}


@pytest.fixture
async def bank(async_engine_url: str) -> AsyncIterator[AsyncBank]:
    """The small district, founded through the asynchronous bank, on each engine."""
    made = await AsyncBank.found(async_engine_url, clock=Clock(), **FOUNDING)
    await made.outlets.open(outlets=OUTLETS)
    await made.staff.appoint(appointments=STAFF)
    yield made.acting_as("T1")
    await made.close()


async def test_a_bank_is_founded_in_an_empty_database(async_empty_url: str) -> None:
    made = await AsyncBank.found(async_empty_url, clock=Clock(), **FOUNDING)
    found = await made.verify()
    await made.close()
    assert found.is_clean
    assert (found.counts["outlets"], found.is_guarded) == (1, True)


async def customer(bank: AsyncBank, name: str = "张三") -> int:
    new = NewCustomer(outlet="B01S01", name=name, registered_on=dt.date(2022, 1, 1))
    register = bank.acting_as("admin").customers.register
    return (await register(customers=(new,))).accounts[0]


def service(account: int, hour: int, *, day: str = "10-03", minutes: int = 60) -> RecordHours:
    started_at = at(f"{day} {hour:02}:00")
    return RecordHours(
        account=account,
        category="sanitation",
        outlet="B01S01",
        recorded_by="T1",
        checked_by="K1",
        started_at=started_at,
        ended_at=started_at + dt.timedelta(minutes=minutes),
        idempotency_key=f"{account}-{day}-{hour}",
    )


def fields(command: RecordHours) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.model_fields_set}


async def spoil(block: AbstractAsyncContextManager[AsyncCounter], *commands: RecordHours) -> None:
    async with block as counter:
        for command in commands:
            await counter.execute(command)
        raise ZeroDivisionError


async def require_sound(bank: AsyncBank) -> None:
    """The books agree, no connection is kept, and the next act waits for nobody."""
    assert (await bank.verify()).faults == ()
    async with asyncio.timeout(5):
        await customer(bank, "李四")
    pool = bank.engine.pool
    assert isinstance(pool, sa.pool.QueuePool)
    for _ in range(100):  # what was cancelled may have been left to finish alone
        if pool.checkedout() == 0:
            break
        await asyncio.sleep(0.05)
    assert pool.checkedout() == 0


# --- one story, twice ----------------------------------------------------------------------


async def first_customer(desks: Any) -> int:
    found = desks.customers.account_of("C1")
    account: int = await found if inspect.isawaitable(found) else found
    return account


Step = tuple[str, Callable[[Any, int], Any]]
STORY: list[Step] = [
    ("admin", lambda d, _: d.outlets.rename(outlet="B02S02", name="石桥")),
    ("admin", lambda d, _: d.customers.register(
        customers=[NewCustomer(outlet="B01S01", name="张三", ref="C1",
                               registered_on=dt.date(2022, 1, 1))])),
    ("T1", lambda d, a: d.hours.record(**fields(service(a, 8, minutes=120)))),
    ("T1", lambda d, a: d.execute_many([service(a, 13), service(a, 15)])),
    ("K1", lambda d, a: d.hours.void(account=a, record_no=2, reason="错记", second_person="K1b")),
    ("K1", lambda d, a: d.points.grant(
        account=a, points=Points("2.5"), reason="表彰", second_person="K1b", outlet="B01")),
    ("K1", lambda d, _: d.stores.recruit(stores=[new_store()])),
    ("K1", lambda d, _: d.stores.publish_offers(offers=[new_offer()])),
    ("T1", lambda d, a: d.redemptions.redeem(account=a, store="P1", sku="A")),
    ("T1", lambda d, a: d.redemptions.reserve(account=a, store="P1", sku="A")),
    ("T1", lambda d, a: d.accounts.freeze(account=a, reason="核查")),
]  # fmt: skip
READINGS: list[Callable[[Any, int], Any]] = [
    lambda d, a: d.reports.balance(a),
    lambda d, a: d.reports.statement(a, newest=3),
    lambda d, _: d.reports.trial_balance(),
    lambda d, a: d.hours.of(a),
    lambda d, _: d.outlets.tree("B01"),
    lambda d, _: d.stores.offers(),
    lambda d, a: d.ratings.volunteer_stars(a),
    lambda d, _: d.verify(),
]


async def tell(bank: Any) -> list[Any]:
    """The story through a synchronous or an asynchronous bank: what it answered and reads."""
    answers: list[Any] = []
    account = 0
    for staff, step in STORY:
        answer = step(bank.acting_as(staff), account)
        answers.append(await answer if inspect.isawaitable(answer) else answer)
        account = account or (await first_customer(bank) if len(answers) == 2 else 0)
    for look in READINGS:
        answer = look(bank, account)
        shown = str(await answer if inspect.isawaitable(answer) else answer)
        answers.append(re.sub(r"触发器 \d+/\d+", "", shown))  # each engine has its own number
    return answers


async def test_a_story_gives_the_books_of_the_synchronous_bank(
    bank: AsyncBank, tmp_path: Path
) -> None:
    district = District(f"sqlite:///{tmp_path / 'sync.db'}")
    said, awaited = await tell(district.bank), await tell(bank)
    assert [type(one) for one in awaited] == [type(one) for one in said]
    assert awaited[len(STORY) :] == said[len(STORY) :]
    async with bank.engine.connect() as connection:
        assert await connection.run_sync(books) == books(district.bank)
    district.close()


# --- the desks are the synchronous ones ----------------------------------------------------


def desks_of(house: type) -> dict[str, type]:
    """Property name to desk class."""
    found = {}
    for name, prop in inspect.getmembers(house, lambda value: isinstance(value, property)):
        answer = prop.fget.__annotations__["return"]
        module = inspect.getmodule(house)
        kind = getattr(module, answer, None)
        if isinstance(kind, type) and issubclass(kind, Desk | AsyncDesk):
            found[name] = kind
    return found


def public(desk: type) -> set[str]:
    return {name for name in dir(desk) if not name.startswith("_")} - {"stands_for"}


def test_every_synchronous_desk_has_its_asynchronous_one() -> None:
    sync, awaited = desks_of(Desks), desks_of(AsyncDesks)
    assert sync
    assert {name: vars(kind)["stands_for"] for name, kind in awaited.items()} == sync


@pytest.mark.parametrize("name", sorted(desks_of(Desks)))
async def test_desks_have_the_same_methods_with_the_same_arguments(name: str) -> None:
    sync, kind = desks_of(Desks)[name](House()), desks_of(AsyncDesks)[name]
    assert public(kind) == public(type(sync))
    awaited = kind(AsyncDesks())
    assert (kind.__doc__ or "").split(":")[0] == (type(sync).__doc__ or "").split(":")[0]
    for method in public(kind):
        assert isinstance(inspect.getattr_static(kind, method), AsyncMethod)
        mine, theirs = getattr(awaited, method), getattr(sync, method)
        assert inspect.iscoroutinefunction(mine), method
        assert inspect.signature(mine) == inspect.signature(theirs), method
        assert (mine.__name__, mine.__doc__) == (method, theirs.__doc__)


@pytest.mark.parametrize(("sync", "awaited"), [(Bank, AsyncBank), (Counter, AsyncCounter)])
def test_bank_and_counter_offer_the_same(sync: type, awaited: type) -> None:
    # What the desks ask of their house; the awaited desks go through `visit` for all of it.
    # A migration runs before any service does, on a synchronous driver.
    only_async, only_sync = {"visit"}, {"commits_each_act", "glance", "grants", "keep", "migrate"}
    assert public(awaited) - only_async == public(sync) - only_sync
    for name in ("found", "open"):
        mine, theirs = getattr(AsyncBank, name), getattr(Bank, name)
        assert inspect.signature(mine) == inspect.signature(theirs)
        assert mine.__doc__ == theirs.__doc__


def test_type_checkers_see_the_same_types() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "tests/aio_types.py"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


# --- opening -------------------------------------------------------------------------------


async def test_a_bank_is_opened_again_by_name_and_with_an_engine(
    bank: AsyncBank, async_engine_url: str
) -> None:
    account = await customer(bank)
    await bank.execute(service(account, 8))
    again = await AsyncBank.open(async_engine_url, bank="雁江", staff="T2", unsafe_settings="allow")
    assert await again.reports.balance(account) == Points("1")
    assert (again.name, again.scale, str(again.zone)) == ("雁江", 2, "Asia/Shanghai")
    assert repr(again).startswith("<AsyncBank 雁江 on ")
    await again.close()
    shared = await AsyncBank.open(bank.engine, staff="T1", unsafe_settings="allow")
    assert await shared.read(lambda tx: tx.bank.name) == "雁江"
    moved = shared.at(at("10-20 09:00"))
    assert (await moved.execute(service(account, 10, day="10-19"))).line_no == 2
    with pytest.raises(UnknownBank):
        await AsyncBank.open(bank.engine, bank="nowhere", unsafe_settings="allow")


async def test_engines_that_cannot_be_used_say_why(sqlite_url: str) -> None:
    for url in ("oracle://nowhere/bank", "not a url", "postgresql+pg8000://nowhere/x"):
        with pytest.raises(EngineUnsupported):
            await AsyncBank.open(url)
    District(sqlite_url).close()
    bare = create_async_engine(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"))
    with pytest.raises(EngineSettingsUnsafe, match="foreign_keys"):
        await AsyncBank.open(bare)
    await bare.dispose()


@pytest.mark.parametrize(("package", "error"), [
    ("greenlet", "ImportError"), ("aiosqlite", "EngineUnsupported"),
])  # fmt: skip
def test_a_missing_package_names_the_extra(package: str, error: str) -> None:
    program = (
        f"import sys, asyncio; sys.modules[{package!r}] = None\n"
        "from gongyi_bank.aio import AsyncBank\n"
        "asyncio.run(AsyncBank.open('sqlite://'))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    last = run.stderr.strip().splitlines()[-1]
    assert error in last
    assert "gongyi-bank[asyncio]" in last


async def test_sqlite_connections_are_set_up_as_the_synchronous_ones(sqlite_url: str) -> None:
    bank = await AsyncBank.found(sqlite_url, **FOUNDING)
    async with bank.engine.connect() as connection:
        found = {}
        for name in ("foreign_keys", "recursive_triggers", "synchronous", "journal_mode"):
            found[name] = (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
    await bank.close()
    assert found == {
        "foreign_keys": 1, "recursive_triggers": 1, "synchronous": 2, "journal_mode": "wal",
    }  # fmt: skip


async def test_readers_do_not_wait_for_an_open_transaction(bank: AsyncBank) -> None:
    account = await customer(bank)
    async with bank.begin() as counter:
        await counter.execute(service(account, 8))
        async with asyncio.timeout(2):
            assert await bank.reports.balance(account) == Points("0")
        assert await counter.reports.balance(account) == Points("1")
    assert await bank.reports.balance(account) == Points("1")


# --- transactions --------------------------------------------------------------------------


async def test_an_exception_undoes_the_block_and_a_simulation_always_ends_undone(
    bank: AsyncBank,
) -> None:
    account = await customer(bank)
    with pytest.raises(ZeroDivisionError):
        await spoil(bank.begin(), service(account, 8))
    async with bank.simulate(staff="T1") as counter:
        assert (await counter.execute(service(account, 8))).line_no == 1
    assert await bank.reports.balance(account) == Points("0")
    await require_sound(bank)


async def test_a_refusal_leaves_the_block_usable(bank: AsyncBank) -> None:
    account = await customer(bank)
    await bank.acting_as("K1").stores.recruit(stores=(new_store(),))
    await bank.acting_as("K1").stores.publish_offers(offers=(new_offer(),))
    async with bank.begin() as counter:
        with pytest.raises(InsufficientPoints):
            await counter.redemptions.redeem(account=account, store="P1", sku="A")
        await counter.execute(service(account, 8))
    assert await bank.reports.balance(account) == Points("1")


@pytest.mark.parametrize("keep", [True, False])
async def test_acts_share_the_fate_of_the_session_they_join(bank: AsyncBank, keep: bool) -> None:
    account = await customer(bank)
    async with bank.engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE thanks (words TEXT)"))
    async with AsyncSession(bank.engine) as session:
        await session.execute(sa.text("INSERT INTO thanks VALUES ('谢谢')"))
        async with bank.within(session) as counter:
            await counter.execute(service(account, 8))
        await (session.commit() if keep else session.rollback())
    async with bank.engine.connect() as connection:
        thanks = await connection.scalar(sa.text("SELECT count(*) FROM thanks"))
    assert thanks == int(keep)
    assert await bank.reports.balance(account) == Points(int(keep))
    await require_sound(bank)


async def test_an_exception_within_undoes_only_the_block(bank: AsyncBank) -> None:
    account = await customer(bank)
    async with bank.engine.begin() as connection:
        async with bank.within(connection, staff="T1") as counter:
            await counter.execute(service(account, 8))
        with pytest.raises(ZeroDivisionError):
            await spoil(bank.within(connection), service(account, 10))
    assert await bank.reports.balance(account) == Points("1")
    with pytest.raises(InvalidValue):
        bank.within(bank.engine.connect())


async def test_an_empty_code_never_stands_for_whoever_the_bank_was_opened_for(
    bank: AsyncBank,
) -> None:
    account = await customer(bank)
    with pytest.raises(InvalidText):
        await bank.acting_as("").accounts.freeze(account=account, reason="核查")
    with pytest.raises(InvalidText):
        await spoil(bank.begin(staff=""), service(account, 8))
    async with bank.engine.connect() as connection:
        with pytest.raises(InvalidText):
            await spoil(bank.within(connection, staff=""), service(account, 8))


async def test_tasks_take_turns_at_one_counter(bank: AsyncBank) -> None:
    account = await customer(bank)
    async with bank.begin() as counter:
        receipts = await asyncio.gather(
            *(counter.execute(service(account, hour)) for hour in range(6, 14))
        )
    assert sorted(receipt.line_no for receipt in receipts) == list(range(1, 9))
    with pytest.raises(TransactionEnded):
        await counter.execute(service(account, 15))
    await require_sound(bank)


async def test_tasks_that_outlive_the_block_write_nothing(bank: AsyncBank) -> None:
    account = await customer(bank)
    acts: list[asyncio.Task[Any]] = []

    async def leave_early() -> None:
        async with bank.begin() as counter:
            for hour in range(6, 12):
                acts.append(asyncio.create_task(counter.execute(service(account, hour))))
            await asyncio.wait(acts, return_when=asyncio.FIRST_COMPLETED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave_early()
    ended = await asyncio.gather(*acts, return_exceptions=True)
    assert any(isinstance(one, TransactionEnded) for one in ended)
    assert await bank.reports.balance(account) == Points("0")
    await require_sound(bank)


async def test_twenty_tasks_at_one_customer(bank: AsyncBank) -> None:
    account = await customer(bank)
    days = [f"10-{day:02}" for day in range(1, 15)]
    commands = [service(account, hour, day=day) for day in days for hour in (8, 10)][:20]
    receipts = await asyncio.gather(*map(bank.execute, commands))
    assert sorted(receipt.line_no for receipt in receipts) == list(range(1, 21))
    assert await bank.reports.balance(account) == Points("20")
    again = await asyncio.gather(*(bank.execute(commands[0]) for _ in range(20)))
    assert {receipt.line_no for receipt in again} == {receipts[0].line_no}
    await require_sound(bank)


async def test_tasks_share_a_bank_in_memory_one_after_the_other() -> None:
    bank = await AsyncBank.found("sqlite://", clock=Clock(), **FOUNDING)
    await bank.outlets.open(outlets=OUTLETS)
    await bank.staff.appoint(appointments=STAFF)
    tasks = [asyncio.create_task(customer(bank, f"客{n}")) for n in range(20)]
    await asyncio.sleep(0.01)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await require_sound(bank)
    await bank.close()


class Busy(sqlite3.OperationalError):
    """What sqlite3 raises when another writer holds the lock."""

    sqlite_errorname = "SQLITE_BUSY"


async def test_retries_pause_without_stopping_the_loop(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = await AsyncBank.found(sqlite_url, **FOUNDING)
    real: Callable[[sa.Connection], None] = sa.Connection.commit
    failures = [Busy("busy"), Busy("busy")]

    def commit(connection: sa.Connection) -> None:
        if not failures:
            return real(connection)
        raise sa.exc.DBAPIError("COMMIT", {}, failures.pop())

    def stop(_seconds: float) -> None:
        raise AssertionError("the event loop was stopped")

    monkeypatch.setattr(sa.Connection, "commit", commit)
    monkeypatch.setattr(time, "sleep", stop)
    monkeypatch.setattr(random, "uniform", lambda _low, _high: 0.1)
    act = asyncio.create_task(bank.outlets.open(outlets=OUTLETS))
    ticks = 0
    while not act.done():
        await asyncio.sleep(0.01)
        ticks += 1
    await act
    assert not failures
    assert ticks >= 10
    await bank.close()


# --- cancelling ----------------------------------------------------------------------------


class AtStatement:
    """Cancels a task when the n-th statement is about to be sent, once."""

    def __init__(self, bank: AsyncBank, number: int) -> None:
        self.left = number
        self.task: asyncio.Task[Any] | None = None
        self.engine = bank.engine.sync_engine
        sa.event.listen(self.engine, "before_cursor_execute", self)

    def __call__(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            assert self.task is not None
            self.task.cancel()

    def forget(self) -> None:
        sa.event.remove(self.engine, "before_cursor_execute", self)


async def test_an_act_cancelled_at_any_statement_is_undone_or_done(bank: AsyncBank) -> None:
    account = await customer(bank)
    for number in range(1, 40):
        before = await bank.reports.balance(account)
        hook = AtStatement(bank, number)
        command = service(account, 8, day=f"10-{number % 14 + 1:02}")
        hook.task = asyncio.create_task(bank.execute(command))
        await asyncio.wait([hook.task])
        hook.forget()
        after = await bank.reports.balance(account)
        if not hook.task.cancelled():
            break
        assert after == before
    else:
        raise AssertionError("the act has no end")
    assert number > 3
    assert after == Points("1")
    await require_sound(bank)


async def test_a_block_that_outlives_a_cancelled_act_keeps_no_half_of_it(bank: AsyncBank) -> None:
    account = await customer(bank)
    cancelled = []
    for number in range(1, 40):
        hook = AtStatement(bank, 10**6)
        hook.task = asyncio.current_task()
        try:
            async with bank.begin() as counter:
                hook.left = number
                try:
                    await counter.execute(service(account, 8))
                except asyncio.CancelledError:
                    cancelled.append(number)
        except RetryTransaction:
            assert cancelled[-1] == number
            assert await bank.reports.balance(account) == Points("0")
        else:
            break
        finally:
            hook.forget()
    assert len(cancelled) == number - 1 >= 3
    assert await bank.reports.balance(account) == Points("1")
    await require_sound(bank)


@pytest.mark.parametrize("style", ["task", "scope", "timeout"])
async def test_cancelling_at_any_time_leaves_no_lock_and_no_connection(
    bank: AsyncBank, style: str
) -> None:
    account, chance = await customer(bank), random.Random(7)

    async def block(command: RecordHours) -> None:
        async with bank.begin() as counter:
            await counter.execute(command)
            await asyncio.sleep(0)

    async def cut(number: int) -> None:
        command = service(account, 6 + number % 12, day=f"10-{number // 12 + 1:02}")
        wait = chance.uniform(0, 0.03)
        doing = bank.execute(command) if number % 2 else block(command)
        if style == "task":
            task = asyncio.create_task(doing)
            await asyncio.sleep(wait)
            task.cancel()
            await asyncio.wait([task])
        elif style == "scope":
            with anyio.move_on_after(wait):
                await doing
        else:
            try:
                async with asyncio.timeout(wait):
                    await doing
            except TimeoutError:
                pass

    for number in range(0, 60, 3):
        await asyncio.gather(*(cut(number + n) for n in range(3)))
    await require_sound(bank)


async def test_a_caller_waiting_for_a_lock_can_leave(bank: AsyncBank) -> None:
    account = await customer(bank)
    began = time.monotonic()
    async with bank.begin() as counter:
        await counter.execute(service(account, 8))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await bank.execute(service(account, 10))
        assert time.monotonic() - began < 5
    again = await bank.execute(service(account, 12))
    assert again.line_no == 2
    await require_sound(bank)
