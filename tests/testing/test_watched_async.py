"""A service for asyncio is watched by the machine as one without it is, on each such driver."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis.stateful import rule
from sqlalchemy.ext.asyncio import AsyncSession

from gongyi_bank.aio import AsyncBank
from gongyi_bank.bank import Bank
from gongyi_bank.commands.holds import PlaceHold
from gongyi_bank.commands.points import GrantPoints
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import GongyiBankError, InsufficientPoints, InvalidValue, NotPermitted
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import Wish, wishes
from gongyi_bank.values import Points
from tests.testing.test_machine import AcknowledgedBeforeCommit, machine_on, thanks

Service = Callable[[AsyncBank], Coroutine[Any, Any, None]]


@asynccontextmanager
async def opened(machine: BankMachine) -> AsyncIterator[AsyncBank]:
    """The run's bank as a service for asyncio opens it, by the clock of its own host."""
    url = machine.bank.engine.url
    bank = await AsyncBank.open(url, bank=machine.bank.name, unsafe_settings="allow")
    try:
        yield bank
    finally:
        await bank.close()


def serve(machine: BankMachine, service: Service) -> None:
    """Let a service do what it does, watched."""

    async def run() -> None:
        async with opened(machine) as bank, machine.watched(bank) as seen:
            await service(seen)

    asyncio.run(run())


@pytest.fixture
def machine(async_engine_url: str) -> Iterator[BankMachine]:
    """A machine at the beginning of a run."""
    made = machine_on(async_engine_url)()
    yield made
    made.close()


def fields(command: GrantPoints, **changes: Any) -> dict[str, Any]:
    return dict(command) | changes


def credited(machine: BankMachine) -> int:
    """All that the first customer was ever credited."""
    return next(iter(machine.books.lines.values()))[-1].credited_after


def test_what_a_service_did_is_held_against_the_reference(machine: BankMachine) -> None:
    """In transactions of its own and of the bank's, by its own people, refusals too."""

    async def service(bank: AsyncBank) -> None:
        await bank.acting_as("K1").execute(thanks(machine, 1))
        await bank.acting_as("K1").points.grant(**fields(thanks(machine, 2)))
        async with bank.begin(staff="K1") as counter:
            await counter.execute(thanks(machine, 4))
        async with (
            AsyncSession(bank.engine) as session,
            session.begin(),
            bank.within(session, staff="K1") as counter,
        ):
            await counter.points.grant(**fields(thanks(machine, 8)))
            with pytest.raises(NotPermitted):
                await counter.points.grant(**fields(thanks(machine, 8), outlet="B02S01"))

    before, sent = credited(machine), len(machine.sent)
    serve(machine, service)
    machine.teardown()
    assert (credited(machine) - before, len(machine.sent) - sent) == (1500, 5)


def test_what_a_service_gave_up_is_left_out(machine: BankMachine) -> None:
    """With its own transaction, with a block of the bank's, or because it only looked."""

    async def service(bank: AsyncBank) -> None:
        async with bank.engine.connect() as connection:
            async with bank.within(connection, staff="K1") as counter:
                await counter.execute(thanks(machine, 1))
            await connection.rollback()
        with contextlib.suppress(KeyError):
            async with bank.begin(staff="K1") as counter:
                await counter.execute(thanks(machine, 2))
                raise KeyError
        async with bank.simulate(staff="K1") as counter:
            await counter.execute(thanks(machine, 4))

    sent = len(machine.sent)
    serve(machine, service)
    assert len(machine.sent) == sent
    machine.teardown()


def test_what_tasks_did_at_once_is_held_against_it_one_after_the_other(
    machine: BankMachine,
) -> None:
    async def service(bank: AsyncBank) -> None:
        keeper = bank.acting_as("K1")
        commands = [
            thanks(machine, 1).model_copy(update={"account": account, "idempotency_key": key})
            for account in list(machine.books.customers)[:3]
            for key in (f"{account}-a", f"{account}-b")
        ]
        await asyncio.gather(*(keeper.execute(command) for command in commands))

    sent = len(machine.sent)
    serve(machine, service)
    assert len(machine.sent) == sent + 6
    machine.teardown()


def test_what_was_acknowledged_and_is_not_there_is_found(machine: BankMachine) -> None:
    async def run() -> None:
        async with opened(machine) as bank:
            bank._bank.__class__ = AcknowledgedBeforeCommit
            async with machine.watched(bank) as seen:
                account = next(iter(machine.books.customers))
                await seen.acting_as("admin").redemptions.reserve(
                    account=account, store="P1", sku="A"
                )

    asyncio.run(run())
    with pytest.raises(AssertionError, match="held=50"):
        machine.teardown()


def test_what_a_task_committed_comes_before_what_a_later_one_asks_for(
    machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session per request, each in a task of its own: a stale refusal is wrong."""

    def refuse(visit: Any, command: PlaceHold) -> None:
        raise InsufficientPoints(account=command.account, needed="21.00", available="20.00")

    async def request(bank: AsyncBank, command: Any) -> None:
        async with (
            AsyncSession(bank.engine) as session,
            session.begin(),
            bank.within(session, staff="admin") as counter,
        ):
            await counter.execute(command)

    async def service(bank: AsyncBank) -> None:
        account = next(iter(machine.books.customers))
        await asyncio.create_task(request(bank, thanks(machine, 50)))
        with contextlib.suppress(InsufficientPoints):
            held = PlaceHold(account=account, points=Points(21), store="P1")
            await asyncio.create_task(request(bank, held))

    monkeypatch.setitem(SERVICES, PlaceHold, refuse)
    with pytest.raises(AssertionError, match="the bank answered insufficient_points"):
        serve(machine, service)


def test_another_bank_than_the_run_s_is_named(machine: BankMachine) -> None:
    other = Bank.found(machine.bank.engine, bank="他行", unsafe_settings="allow")

    async def run() -> None:
        url = machine.bank.engine.url
        bank = await AsyncBank.open(url, bank=other.name, unsafe_settings="allow")
        try:
            async with machine.watched(bank):
                raise AssertionError
        finally:
            await bank.close()

    with pytest.raises(InvalidValue, match="他行"):
        asyncio.run(run())


def test_a_rule_of_a_service_for_asyncio_is_a_plain_one(async_engine_url: str) -> None:
    class WithService(machine_on(async_engine_url)):  # type: ignore[misc]
        @rule(wish=wishes())
        def a_service_is_recorded(self, wish: Wish) -> None:
            staff, command = self.wished("hours.record", wish)

            async def service(bank: AsyncBank) -> None:
                with contextlib.suppress(GongyiBankError):
                    await bank.acting_as(staff).execute(command)

            serve(self, service)

    machine = WithService()
    sent = len(machine.sent)
    for wish in (Wish(), Wish(units=1, twist=7), Wish(units=1)):
        machine.a_service_is_recorded(wish)
    assert len(machine.sent) == sent + 3
    machine.teardown()


def test_the_machine_loads_nothing_of_asyncio() -> None:
    program = """
import sys
from gongyi_bank.testing import BankMachine
assert not {"gongyi_bank.aio", "aiosqlite", "sqlalchemy.ext.asyncio"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
