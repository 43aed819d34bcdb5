"""Where transactions begin and end: retries, lost answers, and the caller's own."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from gongyi_bank.aio import AsyncBank
from gongyi_bank.bank import Bank
from gongyi_bank.errors import (
    DatabaseUnreachable,
    EngineError,
    EngineSettingsUnsafe,
    EngineUnsupported,
    OutcomeUnknown,
    RetryTransaction,
    UnknownBank,
)
from gongyi_bank.store import connections
from gongyi_bank.store.engines import engine_for, sqlite
from tests.district import District
from tests.tidy.house import ROOT


class Busy(sqlite3.OperationalError):
    """What sqlite3 raises when another writer holds the lock."""

    sqlite_errorname = "SQLITE_BUSY"


def fail_commits(monkeypatch: pytest.MonkeyPatch, failures: list[Exception]) -> list[str]:
    """Let the next commits fail like this, before or after they happened; log every try."""
    real: Callable[[sa.Connection], None] = sa.Connection.commit
    tried: list[str] = []

    def commit(connection: sa.Connection) -> None:
        tried.append("commit")
        if not failures:
            return real(connection)
        failure = failures.pop(0)
        if not isinstance(failure, Busy):
            real(connection)
        raise sa.exc.DBAPIError("COMMIT", {}, failure)

    monkeypatch.setattr(sa.Connection, "commit", commit)
    return tried


def serve(district: District, account: int, key: str) -> Any:
    row = district.row(account, "10-03 08:00")
    given = {n: getattr(row, n) for n in row.__slots__ if n[0] != "_" and n != "customer_ref"}
    return district.acting("T1").hours.record(**given, idempotency_key=key)


def test_a_busy_commit_is_tried_again(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sqlite_district.customer()
    tried = fail_commits(monkeypatch, [Busy("busy"), Busy("busy")])
    assert serve(sqlite_district, account, "A").line_no == 1
    assert len(tried) == 3


def test_tries_are_bounded(sqlite_district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    account = sqlite_district.customer()
    tried = fail_commits(monkeypatch, [Busy("busy")] * 100)
    with pytest.raises(RetryTransaction) as caught:
        serve(sqlite_district, account, "A")
    assert caught.value.retryable
    assert len(tried) == connections.TRIES_MAX


def test_a_lost_answer_to_commit_names_the_key_and_the_key_tells_the_truth(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sqlite_district.customer()
    fail_commits(monkeypatch, [sqlite3.OperationalError("disk I/O error")])
    with pytest.raises(OutcomeUnknown) as caught:
        serve(sqlite_district, account, "A")
    assert caught.value.facts["key"] == "A"
    assert serve(sqlite_district, account, "A").record_no == 1


def test_writers_in_threads_wait_for_each_other(district: District) -> None:
    accounts = [district.customer() for _ in range(4)]
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n, a=a: results.append(serve(district, a, f"K{n}")))
        for n, a in enumerate(accounts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipt.account for receipt in results) == sorted(accounts)


def test_a_database_that_cannot_be_used_says_why() -> None:
    with pytest.raises(EngineUnsupported):
        Bank.open("oracle://nowhere/bank")
    with pytest.raises(EngineUnsupported):
        Bank.open("not a url")
    with pytest.raises(EngineError):
        Bank.open("sqlite:////nowhere/at/all/bank.db")


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[float]]]:
    """A new file whose journal another connection keeps from being changed, until we pause."""
    path, waits = tmp_path / "new.db", list[float]()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE theirs (x)")
    other.execute("BEGIN IMMEDIATE")
    pause = sqlite.pause

    def paused(engine: sa.Engine, seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.execute("COMMIT")
        pause(engine, seconds)

    monkeypatch.setattr(sqlite, "pause", paused)
    yield f"sqlite:///{path}", waits
    other.close()


def test_a_new_file_that_another_is_setting_up_is_waited_for(held: tuple[str, list[float]]) -> None:
    """SQLite itself does not wait here, whatever the busy_timeout (found by CI's migrations)."""
    url, waits = held
    bank = Bank.found(url)
    assert len(waits) == 3
    assert max(waits) <= 0.01
    with bank.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    bank.close()


def test_tasks_wait_for_it_without_keeping_their_loop(held: tuple[str, list[float]]) -> None:
    url, waits = held

    async def found() -> None:
        bank = await AsyncBank.found(url.replace("sqlite:", "sqlite+aiosqlite:"))
        assert not (await bank.verify()).faults
        await bank.close()

    asyncio.run(found())
    assert len(waits) == 3


def test_it_is_not_waited_for_for_ever(
    held: tuple[str, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, waits = held
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", -1)
    with pytest.raises(DatabaseUnreachable, match="database is locked"):
        Bank.found(url)
    assert not waits


@pytest.mark.parametrize("path", ["a\0b.db", "\ud800.db"])
def test_a_path_that_no_file_can_have_is_refused_as_one_that_is_not_there(
    tmp_path: Path, path: str
) -> None:
    for way in (Bank.open, Bank.found, Bank.migrate):
        with pytest.raises(DatabaseUnreachable) as caught:
            way(f"sqlite:///{tmp_path / path}")
        told = str(caught.value)
        assert told.isprintable()
        assert told.encode()


#: Drivers that have to be awaited; which of them are installed makes no difference.
AWAITED = (
    "sqlite+aiosqlite://", "postgresql+asyncpg://u:secret@nowhere/bank",
    "postgresql+psycopg_async://u:secret@nowhere/bank", "mysql+aiomysql://u:secret@nowhere/bank",
    "mysql+asyncmy://u:secret@nowhere/bank", "mariadb+aiomysql://u:secret@nowhere/bank",
)  # fmt: skip


@pytest.mark.parametrize("url", AWAITED)
@pytest.mark.parametrize(
    "way", [Bank.open, Bank.found, Bank.migrate, partial(Bank.grants, role="r")]
)
def test_a_driver_that_has_to_be_awaited_is_refused_with_what_to_do(
    url: str, way: Callable[[Any], object]
) -> None:
    with pytest.raises(EngineUnsupported) as caught:
        way(url)
    assert url.startswith(caught.value.facts["engine"])
    assert "AsyncBank" in caught.value.message("en")
    assert "AsyncBank，或换成同步驱动" in caught.value.message("zh")
    assert "secret" not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize(
    "way", [Bank.open, Bank.found, Bank.migrate, partial(Bank.grants, role="r")]
)
def test_so_is_an_engine_of_the_callers_with_such_a_driver(
    way: Callable[[Any], object], sqlite_url: str
) -> None:
    theirs = create_async_engine(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"))
    for engine in (theirs, theirs.sync_engine):
        with pytest.raises(EngineUnsupported, match="AsyncBank"):
            way(engine)


def test_without_the_package_for_awaiting_it_is_refused_alike() -> None:
    """In a process of its own, where `import greenlet` fails."""
    program = (
        "import sys; sys.modules['greenlet'] = None\n"
        "from gongyi_bank import Bank, EngineUnsupported\n"
        "try: Bank.open('sqlite+aiosqlite://')\n"
        "except EngineUnsupported as error: print(error.facts['reason'])"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "gongyi_bank.aio.AsyncBank" in run.stdout, run.stderr


def test_an_empty_database_has_no_bank(engine_url: str) -> None:
    with pytest.raises(UnknownBank):
        Bank.open(engine_url, bank="雁江", unsafe_settings="allow")


def test_an_engine_of_the_callers_with_unsafe_settings_is_refused(sqlite_url: str) -> None:
    District(sqlite_url).close()
    bare = sa.create_engine(sqlite_url)
    with pytest.raises(EngineSettingsUnsafe, match="foreign_keys"):
        Bank.open(bare)
    bare.dispose()


def test_a_driver_error_never_shows_what_was_written(sqlite_district: District) -> None:
    with sqlite_district.bank.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE gb_person")
    with pytest.raises(EngineError) as caught:
        sqlite_district.customer(name="王小明")
    assert "王小明" not in repr(caught.value) + str(caught.value)


# --- how often, and how long ------------------------------------------------------------------


class Pauses:
    """A clock that goes on only while somebody pauses."""

    def __init__(self, seconds_a_pause: float | None = None) -> None:
        self.now, self.waits = 100.0, list[float]()
        self._fixed = seconds_a_pause

    def __call__(self) -> float:
        return self.now

    def pause(self, _: sa.Engine, seconds: float) -> None:
        """Take as long as asked, or as long as this clock always takes."""
        self.waits.append(seconds)
        self.now += self._fixed or seconds


def retry(district: District, run: Callable[[sa.Connection], Any], pauses: Pauses) -> Any:
    engine = district.bank.engine
    support = engine_for(engine.dialect.name)
    return connections.retrying(engine, support, run, key="K", now=pauses, pause=pauses.pause)


def test_pauses_grow_and_have_a_bound(sqlite_district: District) -> None:
    pauses, runs = Pauses(), []

    def run(_: sa.Connection) -> None:
        runs.append(1)
        raise RetryTransaction(reason="40P01")

    with pytest.raises(RetryTransaction):
        retry(sqlite_district, run, pauses)
    assert len(runs) == connections.TRIES_MAX
    assert len(pauses.waits) == connections.TRIES_MAX - 1
    assert all(0 <= wait <= 0.01 * 2**tried for tried, wait in enumerate(pauses.waits, 1))


def test_after_the_deadline_nothing_is_tried_again(sqlite_district: District) -> None:
    pauses, runs = Pauses(connections.SECONDS_MAX / 2), []

    def run(_: sa.Connection) -> None:
        runs.append(1)
        raise RetryTransaction(reason="55P03")

    with pytest.raises(RetryTransaction):
        retry(sqlite_district, run, pauses)
    # At the deadline itself still, a moment later no more.
    assert len(runs) == 4


def test_only_what_was_certainly_not_applied_is_tried_again(sqlite_district: District) -> None:
    for error in (OutcomeUnknown(key="K", reason="x"), EngineError(reason="x"), ValueError()):
        runs: list[int] = []

        def run(_: sa.Connection, error: Exception = error, runs: list[int] = runs) -> None:
            runs.append(1)
            raise error

        with pytest.raises(type(error)):
            retry(sqlite_district, run, Pauses())
        assert runs == [1]


def test_a_serialization_failure_of_commit_itself_is_tried_again(postgresql_url: str) -> None:
    """Two that each read what the other writes: the server finds it out when COMMIT comes."""
    district = District(postgresql_url)
    pair = sa.Table(
        "pair", sa.MetaData(),
        sa.Column("side", sa.Integer, primary_key=True), sa.Column("amount", sa.Integer),
    )  # fmt: skip
    strict = district.bank.engine.execution_options(isolation_level="SERIALIZABLE")
    pair.metadata.create_all(strict)
    with strict.begin() as connection:
        connection.execute(sa.insert(pair), [{"side": n, "amount": 1} for n in (1, 2)])

    def take(connection: sa.Connection, side: int) -> int:
        total: int = connection.scalars(sa.select(sa.func.sum(pair.c.amount))).one()
        if total > 1:
            connection.execute(sa.update(pair).where(pair.c.side == side).values(amount=0))
        return total

    seen: list[int] = []

    def run(connection: sa.Connection) -> None:
        seen.append(take(connection, 1))
        if len(seen) == 1:
            with strict.begin() as other:
                take(other, 2)

    support, pauses = engine_for("postgresql"), Pauses()
    connections.retrying(strict, support, run, key="K", now=pauses, pause=pauses.pause)
    assert seen == [2, 1]
    assert len(pauses.waits) == 1
    with strict.connect() as connection:
        assert connection.scalars(sa.select(sa.func.sum(pair.c.amount))).one() == 1
    district.close()


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "READ COMMITTED"])
def test_after_a_single_statement_the_connection_is_as_its_engine_made_it(
    postgresql_url: str, level: str
) -> None:
    engine = sa.create_engine(postgresql_url, isolation_level=level, pool_size=1)
    with connections.one_statement(engine, engine_for("postgresql")) as connection:
        assert connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]
    with engine.connect() as connection:
        found = connection.connection.dbapi_connection.autocommit  # type: ignore[union-attr]
    engine.dispose()
    assert found is (level == "AUTOCOMMIT")
