"""Waiting without keeping an event loop from its other tasks."""

from __future__ import annotations

import time

import sqlalchemy as sa


def pause(engine: sa.Engine, seconds: float) -> None:
    """Wait; under an asynchronous driver (aio/) the event loop goes on meanwhile."""
    if engine.dialect.is_async:
        import asyncio

        sa.util.await_only(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)
