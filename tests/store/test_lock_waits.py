"""How long a connection waits for a lock: bounded on ours, and told where a caller's has no end."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from gongyi_bank.aio import AsyncBank
from gongyi_bank.bank import Bank
from gongyi_bank.store.engines import connect
from tests.postgresql import PostgresqlServer

#: What every connection of our own is told on PostgreSQL.
OURS = {"lock_timeout": "10s", "plan_cache_mode": "force_generic_plan"}
NO_END = "lock_timeout is 0"


def with_options(url: str, *options: str) -> sa.URL:
    return sa.make_url(url).update_query_pairs([("options", one) for one in options])


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ([], {}),
        (["-c search_path=public"], {"search_path": "public"}),
        (["-c lock_timeout=3s"], {"lock_timeout": "3s"}),
        (["--lock-timeout=3s"], {"lock_timeout": "3s"}),
        (["-c LOCK_TIMEOUT=3s", "-c work_mem=8MB"], {"lock_timeout": "3s", "work_mem": "8MB"}),
        (["-c plan_cache_mode=auto"], {"plan_cache_mode": "auto"}),
    ],
)
def test_options_of_the_url_come_beside_ours_and_are_believed_first(
    postgresql_url: str, options: list[str], changed: dict[str, str]
) -> None:
    wanted = OURS | changed
    engine = connect(with_options(postgresql_url, *options))
    with engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in wanted}
    engine.dispose()
    assert found == wanted


# --- a caller's engine ------------------------------------------------------------------------


@contextmanager
def callers(url: str, options: str = "") -> Iterator[sa.Engine]:
    """An application's own engine."""
    engine = sa.create_engine(url, connect_args={"options": options})
    try:
        yield engine
    finally:
        engine.dispose()


def opened(engine: sa.Engine, **settings: Any) -> list[warnings.WarningMessage]:
    """What is said while a bank is opened on it."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        Bank.open(engine, **settings).close()
    return heard


def test_waiting_without_an_end_is_warned_of_where_the_bank_is_opened_and_never_refused(
    postgresql_server: PostgresqlServer, postgresql_district_url: str
) -> None:
    with postgresql_server.durable():
        for policy in ("refuse", "warn"):
            with callers(postgresql_district_url) as engine:
                (heard,) = opened(engine, unsafe_settings=policy)
            assert NO_END in str(heard.message)
            assert "'options': '-c lock_timeout=10s'" in str(heard.message)
            assert heard.filename == __file__
        Bank.open(postgresql_district_url).close()  # ours has an end, and is not warned of


@pytest.mark.parametrize("options", ["-c lock_timeout=10s", "-c statement_timeout=30s"])
def test_nothing_is_said_of_a_wait_that_something_ends(
    postgresql_server: PostgresqlServer, postgresql_district_url: str, options: str
) -> None:
    with postgresql_server.durable(), callers(postgresql_district_url, options) as engine:
        assert opened(engine) == []


def test_nothing_is_said_where_that_is_wished(postgresql_district_url: str) -> None:
    with callers(postgresql_district_url) as engine:
        assert opened(engine, unsafe_settings="allow") == []


def test_a_block_on_another_engine_is_warned_of_once_and_asks_the_server_nothing_more(
    postgresql_server: PostgresqlServer, postgresql_district_url: str
) -> None:
    asked: list[str] = []
    with (
        postgresql_server.durable(),
        callers(postgresql_district_url, "-c lock_timeout=5s") as bounded,
        callers(postgresql_district_url) as engine,
    ):
        bank = Bank.open(bounded, staff="T1")
        note = sa.event.listens_for(engine, "before_cursor_execute")
        note(lambda _connection, _cursor, statement, *_: asked.append(statement))
        heard, counts = [], []
        for _ in range(2):
            asked.clear()
            with warnings.catch_warnings(record=True) as said, engine.begin() as connection:
                warnings.simplefilter("always")
                with bank.within(connection):
                    pass
            heard.append([(NO_END in str(one.message), one.filename) for one in said])
            counts.append(sum("current_setting" in statement for statement in asked))
        bank.close()
    assert heard == [[(True, __file__)], []]
    assert counts == [1, 0]  # with what is asked about fsync


@pytest.mark.anyio
async def test_asyncio_is_warned_too(
    postgresql_server: PostgresqlServer, postgresql_district_url: str
) -> None:
    with postgresql_server.durable():
        engine = create_async_engine(postgresql_district_url)
        with pytest.warns(UserWarning, match=NO_END):
            bank = await AsyncBank.open(engine)
        await bank.close()


def test_mariadb_is_warned_of_only_where_somebody_has_taken_its_bound_away(
    mariadb_district_url: str,
) -> None:
    usual = sa.create_engine(mariadb_district_url)
    assert opened(usual) == []
    usual.dispose()
    setting = {"init_command": "SET SESSION innodb_lock_wait_timeout = 100000000"}
    patient = sa.create_engine(mariadb_district_url, connect_args=setting)
    (heard,) = opened(patient)
    assert "innodb_lock_wait_timeout is 100000000" in str(heard.message)
    patient.dispose()
