"""Waiting for others in tests of two at once: for a lock, and for an act that must be repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import RetryTransaction
from tests.mysqld import engine_name

#: Long enough for anything here on a busy machine.
SECONDS_MAX = 60
_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


def patiently(act: Callable[[], object]) -> None:
    """Do it, however often the bank asks to do it again."""
    give_up_at = time.monotonic() + SECONDS_MAX
    while True:
        try:
            act()
            return
        except RetryTransaction:
            assert time.monotonic() < give_up_at


def wait_for_lock(bank: Bank, future: Future[Any], count: int = 1) -> None:
    """Until so many wait for a lock; whoever has finished instead did not."""
    asked = sa.text(_WAITING[engine_name(bank.engine.url)])
    give_up_at = time.monotonic() + SECONDS_MAX
    while True:
        with bank.engine.connect() as connection:
            if connection.scalar(asked) >= count:
                return
        assert not future.done(), "nobody was waited for"
        assert time.monotonic() < give_up_at
        time.sleep(0.2)  # Asked more often, InnoDB would tell what it told before.
