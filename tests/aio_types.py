"""What type checkers make of the asynchronous desks; mypy reads this file in tests/test_aio.py."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import assert_type

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from gongyi_bank import Bank, GoodsRedeemed, HoursRecorded, Points, Verification
from gongyi_bank.aio import AsyncBank, AsyncCounter
from gongyi_bank.display import Table
from gongyi_bank.reports.statements import Statement
from gongyi_bank.testing import BankMachine


class Branch(AsyncBank):
    """A subclass, which opening gives back."""


async def acts_and_readings(bank: AsyncBank, at: dt.datetime) -> None:
    receipt = await bank.hours.record(
        account=1,
        category="sanitation",
        outlet="B01S01",
        recorded_by="T1",
        checked_by="K1",
        started_at=at,
        ended_at=at,
        idempotency_key="A",
    )
    assert_type(receipt, HoursRecorded)
    assert_type(await bank.hours.waiting("B01"), Table)
    assert_type(await bank.reports.balance(1), Points)
    assert_type(await bank.reports.statement(1, newest=3), Statement)
    assert_type(await bank.verify(), Verification)
    assert_type(await bank.read(lambda tx: tx.bank.name), str)
    redeeming = asyncio.create_task(bank.redemptions.redeem(account=1, store="P01", sku="SOAP"))
    assert_type(await redeeming, GoodsRedeemed)


async def blocks(bank: AsyncBank, session: AsyncSession) -> None:
    async with bank.begin(staff="T1") as counter:
        assert_type(counter, AsyncCounter)
        assert_type(await counter.customers.account_of("C1"), int)
    async with bank.within(await session.connection()) as counter, bank.simulate() as other:
        assert_type(other, AsyncCounter)


async def opening(engine: AsyncEngine) -> None:
    assert_type(await AsyncBank.found("sqlite://", scale=2, administrator="admin"), AsyncBank)
    assert_type(await Branch.open(engine, staff="T1"), Branch)
    assert_type(Branch(engine, (await Branch.open(engine))._bank).acting_as("T1"), Branch)


async def watching(machine: BankMachine, bank: Branch) -> None:
    async with machine.watched(bank) as seen:
        assert_type(seen, Branch)
    with machine.watched() as plain:
        assert_type(plain, Bank)


async def mistakes(bank: AsyncBank, at: dt.datetime) -> None:
    await bank.hours.waiting(1)  # type: ignore[arg-type]
    await bank.hours.record(account=1)  # type: ignore[call-arg]
    await bank.reports.balance(number=1)  # type: ignore[call-arg]
    await AsyncBank.open("sqlite://", scale=2)  # type: ignore[call-arg]
