"""A caller's transaction of several blocks, and a closing that waits for it between two of them.

Whoever is under way is waited for, so nobody under way may queue behind the closing. What a
savepoint undid is not under way any more, and queues as everybody who comes later does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from gongyi_bank.aio import AsyncBank
from gongyi_bank.bank import Bank
from tests.district import OUTLETS, District, at
from tests.store.test_within import OpenCaller, by_connection, each_way, spoil
from tests.waiting import wait_for_lock

DAY = "2022-10-31"
SERVICE = {
    "category": "sanitation", "outlet": "B01S01", "recorded_by": "T1", "checked_by": "K1",
}  # fmt: skip


@pytest.fixture(params=["postgresql_district_url", "mariadb_district_url"])
def district(request: pytest.FixtureRequest) -> Iterator[District]:
    """On a server with row locks; the day that is closed is over."""
    yield from _after_the_day(request.getfixturevalue(request.param))


@pytest.fixture
def queueing(postgresql_district_url: str) -> Iterator[District]:
    """Where sharers overtake: whoever comes later queues at the gate."""
    yield from _after_the_day(postgresql_district_url)


def _after_the_day(url: str) -> Iterator[District]:
    district = District(url, is_founded=True)
    district.clock.now = at("11-01 08:00")
    yield district
    district.close()


def service(account: int, hour: int) -> dict[str, Any]:
    started_at, ended_at = at(f"10-03 {hour:02}:00"), at(f"10-03 {hour:02}:30")
    return {"account": account, "started_at": started_at, "ended_at": ended_at, **SERVICE}


def serve(bank: Bank, caller: Any, account: int, hour: int) -> None:
    """A block of the caller's transaction with one act in it."""
    with bank.within(caller) as counter:
        counter.hours.record(**service(account, hour))


class Closer:
    """Announces the closing of a day, and then waits for whoever is under way."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._pool = ThreadPoolExecutor(1)
        self.draining: Future[Any]

    def begin(self) -> None:
        self._bank.closings.announce(period=DAY)
        self.draining = self._pool.submit(self._drain)
        wait_for_lock(self._bank, self.draining)

    def _drain(self) -> None:
        """In a transaction that is never tried again, so that a deadlock is told."""
        with self._bank.begin() as counter:
            counter.closings.drain(period=DAY)

    def end(self) -> None:
        """Nobody is under way any more."""
        self.draining.result(60)
        assert self._bank.closings.close(DAY).root
        assert self._bank.verify().is_clean


@contextlib.contextmanager
def closer_for(bank: Bank) -> Iterator[Closer]:
    closer = Closer(bank)
    with closer._pool:
        yield closer
        closer.end()


@each_way
def test_a_later_block_does_not_queue_behind_who_waits_for_an_earlier_one(
    district: District, open_caller: OpenCaller
) -> None:
    bank, account = district.bank, district.customer()
    with closer_for(bank) as closer, open_caller(bank) as caller:
        serve(bank, caller, account, 8)
        closer.begin()
        serve(bank, caller, account, 9)
        with bank.within(caller) as counter:
            counter.points.expire_due()  # which keeps all days open
        caller.commit()
    assert len(bank.reports.statement(account).lines) == 2


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_nor_does_one_with_an_older_snapshot(queueing: District, level: str) -> None:
    bank, account = queueing.bank, queueing.customer()
    older = bank.engine.execution_options(isolation_level=level)
    with closer_for(bank) as closer, older.connect() as caller:
        serve(bank, caller, account, 8)
        closer.begin()
        serve(bank, caller, account, 9)
        caller.commit()


@each_way
def test_nor_if_the_earlier_one_stood_in_a_savepoint_that_was_released(
    district: District, open_caller: OpenCaller
) -> None:
    bank, account = district.bank, district.customer()
    with closer_for(bank) as closer, open_caller(bank) as caller:
        with caller.begin_nested(), caller.begin_nested():
            serve(bank, caller, account, 8)
        closer.begin()
        with caller.begin_nested():
            serve(bank, caller, account, 9)
        caller.commit()


@each_way
def test_nor_if_something_else_was_undone_in_between(
    district: District, open_caller: OpenCaller
) -> None:
    bank, account = district.bank, district.customer()
    with closer_for(bank) as closer, open_caller(bank) as caller:
        serve(bank, caller, account, 8)
        undone = caller.begin_nested()
        serve(bank, caller, account, 9)
        undone.rollback()
        with pytest.raises(ZeroDivisionError):
            spoil(bank, caller, lambda counter: counter.hours.record(**service(account, 9)))
        closer.begin()
        serve(bank, caller, account, 9)
        caller.commit()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [AsyncConnection, AsyncSession])
async def test_nor_in_what_asyncio_holds(queueing: District, kind: type) -> None:
    account = queueing.customer()
    bank = await AsyncBank.open(
        queueing.url, staff="admin", clock=queueing.clock, unsafe_settings="allow"
    )
    caller: Any = AsyncSession(bank.engine) if kind is AsyncSession else bank.engine.connect()
    with closer_for(queueing.bank) as closer:
        async with caller:
            async with bank.within(caller) as counter:
                await counter.hours.record(**service(account, 8))
            closer.begin()
            async with bank.within(caller) as counter:
                await counter.hours.record(**service(account, 9))
            await caller.commit()
    await bank.close()


def _rolled_back_savepoint(bank: Bank, caller: sa.Connection, account: int) -> None:
    savepoint = caller.begin_nested()
    with caller.begin_nested():
        serve(bank, caller, account, 8)
    savepoint.rollback()


def _rolled_back_by_hand(bank: Bank, caller: sa.Connection, account: int) -> None:
    caller.exec_driver_sql("SAVEPOINT mine")
    serve(bank, caller, account, 8)
    caller.exec_driver_sql("ROLLBACK TO SAVEPOINT mine")


def _rolled_back_within(bank: Bank, caller: sa.Connection, account: int) -> None:
    with bank.within(caller) as counter:
        savepoint = caller.begin_nested()
        counter.hours.record(**service(account, 8))
        savepoint.rollback()


def _at_another_bank(bank: Bank, caller: sa.Connection, account: int) -> None:
    other = Bank.found(bank.engine, bank="邻县", unsafe_settings="allow")
    with other.within(caller) as counter:
        counter.outlets.open(outlets=OUTLETS)


def _failed_block(bank: Bank, caller: sa.Connection, account: int) -> None:
    with pytest.raises(ZeroDivisionError):
        spoil(bank, caller, lambda counter: counter.hours.record(**service(account, 8)))


def _committed(bank: Bank, caller: sa.Connection, account: int) -> None:
    serve(bank, caller, account, 8)
    caller.commit()


@pytest.mark.parametrize(
    "leave",
    [
        _rolled_back_savepoint, _rolled_back_by_hand, _rolled_back_within, _failed_block,
        _committed, _at_another_bank,
    ],
)  # fmt: skip
def test_who_holds_nothing_any_more_queues_as_everybody_else(
    queueing: District, leave: Callable[[Bank, sa.Connection, int], None]
) -> None:
    """Or tellers without end would overtake who closes."""
    bank, account, other = queueing.bank, queueing.customer(), queueing.customer()
    with (
        closer_for(bank) as closer,
        by_connection(bank) as under_way,
        by_connection(bank) as caller,
        ThreadPoolExecutor(1) as pool,
    ):
        serve(bank, under_way, other, 8)
        leave(bank, caller, account)
        closer.begin()
        queued = pool.submit(serve, bank, caller, account, 9)
        wait_for_lock(bank, queued, count=2)
        under_way.commit()
        queued.result(60)
        # Who queued was let in behind the closer. Had it overtaken, the closer would wait for it
        # until the caller commits, and would not come to an end here.
        closer.draining.result(60)
        caller.commit()


def test_so_does_who_holds_nothing_any_more_within_one_block(queueing: District) -> None:
    bank, account, other = queueing.bank, queueing.customer(), queueing.customer()

    def serve_twice(caller: sa.Connection) -> None:
        with bank.within(caller) as counter:
            undone = caller.begin_nested()
            counter.hours.record(**service(account, 9))
            undone.rollback()
            closer.begin()
            counter.hours.record(**service(account, 9))

    with (
        closer_for(bank) as closer,
        by_connection(bank) as under_way,
        by_connection(bank) as caller,
        ThreadPoolExecutor(1) as pool,
    ):
        serve(bank, under_way, other, 8)
        queued = pool.submit(serve_twice, caller)
        wait_for_lock(bank, queued, count=2)
        under_way.commit()
        queued.result(60)
        closer.draining.result(60)
        caller.commit()
