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

import importlib

try:
    # SQLAlchemy imports it late, and says less when it is missing.
    importlib.import_module("greenlet")
except ImportError as missing:
    raise ImportError(
        "gongyi_bank.aio 需要扩展 asyncio / needs the extra asyncio: "
        "pip install 'gongyi-bank[asyncio]'",
        name=missing.name,
    ) from missing

from gongyi_bank.aio.bank import AsyncBank, AsyncCounter
from gongyi_bank.aio.desks import AsyncDesk, AsyncDesks, AsyncMethod

__all__ = ["AsyncBank", "AsyncCounter", "AsyncDesk", "AsyncDesks", "AsyncMethod"]
