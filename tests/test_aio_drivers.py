"""Asynchronous drivers under the synchronous bank: it works where somebody awaits them for it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from gongyi_bank.aio import AsyncBank
from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineUnsupported
from gongyi_bank.values import Points
from tests.district import Clock
from tests.test_aio import bank as bank
from tests.test_aio import customer, service

pytestmark = pytest.mark.anyio


async def test_the_synchronous_bank_works_where_it_is_awaited_and_says_so_elsewhere(
    bank: AsyncBank,
) -> None:
    """`run_sync` is such a place; outside of it nothing could wait for the driver."""
    account = await customer(bank)

    def open_and_read(connection: sa.Connection) -> tuple[Bank, Points]:
        sync = Bank.open(connection.engine, staff="T1", clock=Clock(), unsafe_settings="allow")
        with sync.within(connection) as counter:
            counter.execute(service(account, 8))
        return sync, sync.reports.balance(account)

    async with bank.engine.connect() as connection, AsyncSession(bank.engine) as session:
        sync, before = await connection.run_sync(open_and_read)
        await connection.commit()
        assert before == 0
        assert await session.run_sync(lambda _: sync.reports.balance(account)) == 1
        for caller in (connection.sync_connection, session.sync_session):
            assert caller is not None
            with pytest.raises(EngineUnsupported, match="AsyncBank"), sync.within(caller):
                raise AssertionError("the block began")
        for use in (
            lambda: sync.reports.balance(account),
            lambda: sync.reports.statement(account),
            lambda: sync.execute(service(account, 10)),
            sync.verify,
        ):
            with pytest.raises(EngineUnsupported, match="AsyncBank"):
                use()
        async with bank.within(connection) as counter:
            await counter.execute(service(account, 10))
        await connection.commit()
    assert await bank.reports.balance(account) == 2
    assert (await bank.verify()).is_clean
