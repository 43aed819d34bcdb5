"""A database that could lose what it acknowledged is refused at opening, or warned of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineSettingsUnsafe
from gongyi_bank.store.engines import engine_for
from tests import mariadb
from tests.district import District
from tests.faults.power_cut import SAFE, SETTINGS
from tests.faults.servers import running_server
from tests.mysqld import MariadbMissing

#: What a SQLite connection of the caller's needs besides a safe journal.
RIGHT = ("foreign_keys=ON", "recursive_triggers=ON")


@contextmanager
def engine_told(url: str, *pragmas: str) -> Iterator[sa.Engine]:
    """An engine of the caller's whose connections are told these."""
    engine = sa.create_engine(url)

    def tell(connection: Any, _record: object) -> None:
        for pragma in (*RIGHT, *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "connect", tell)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.mark.parametrize("settings", sorted(SETTINGS))
def test_sqlite_is_refused_under_what_a_power_cut_shows_to_be_unsafe(
    sqlite_district: District, settings: str
) -> None:
    """The very settings that `power_cut` cuts the power under, and their fate there."""
    pragmas = ("journal_mode=WAL", "synchronous=FULL", *SETTINGS[settings])
    with engine_told(sqlite_district.url, *pragmas) as engine:
        sqlite_district.close()
        if settings in SAFE:
            Bank.open(engine).close()
            return
        with pytest.raises(EngineSettingsUnsafe, match=r"PRAGMA (synchronous|journal_mode)"):
            Bank.open(engine)


@pytest.mark.parametrize(
    ("pragma", "told"),
    [
        ("foreign_keys=OFF", "PRAGMA foreign_keys is off"),
        ("recursive_triggers=OFF", "PRAGMA recursive_triggers is off"),
        ("ignore_check_constraints=ON", "PRAGMA ignore_check_constraints is on"),
    ],
)
def test_sqlite_that_does_not_keep_to_its_schema_is_refused(
    sqlite_district: District, pragma: str, told: str
) -> None:
    with engine_told(sqlite_district.url, "synchronous=EXTRA", pragma) as engine:
        with pytest.raises(EngineSettingsUnsafe, match=told) as refused:
            Bank.open(engine)
        assert str(refused.value).count("PRAGMA") == 2 * told.count("PRAGMA")


def test_unsafe_settings_are_warned_of_or_let_pass_where_that_is_wished(
    sqlite_district: District,
) -> None:
    with engine_told(sqlite_district.url, "synchronous=OFF") as engine:
        with pytest.warns(UserWarning, match="PRAGMA synchronous is below FULL"):
            Bank.open(engine, unsafe_settings="warn").close()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Bank.open(engine, unsafe_settings="allow").close()


def test_a_transaction_of_the_callers_under_unsafe_settings_is_refused(
    sqlite_district: District,
) -> None:
    bank = Bank.open(sqlite_district.url, staff="T1")
    with (
        engine_told(sqlite_district.url, "synchronous=NORMAL") as engine,
        engine.begin() as connection,
        pytest.raises(EngineSettingsUnsafe, match="synchronous"),
        bank.within(connection),
    ):
        pytest.fail("it was let in")
    bank.close()


def test_a_database_in_memory_has_nothing_to_lose_by_a_power_cut() -> None:
    bank = Bank.found("sqlite://")
    assert engine_for("sqlite").weak_settings(bank.engine.connect()) == ([], [])
    bank.close()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("synchronous_commit", "off"), ("synchronous_commit", "local")],
)
def test_postgresql_that_answers_before_it_has_synced_is_refused(
    postgresql_url: str, setting: str, value: str
) -> None:
    District(postgresql_url).close()
    engine = sa.create_engine(postgresql_url, connect_args={"options": f"-c {setting}={value}"})
    with pytest.raises(EngineSettingsUnsafe, match=f"{setting} is {value}"):
        Bank.open(engine)
    engine.dispose()


def test_postgresql_without_fsync_or_full_pages_is_refused(postgresql_url: str) -> None:
    """Test servers run without both; the library says so, and would refuse one that serves."""
    District(postgresql_url).close()
    found = _server_settings(postgresql_url)
    with pytest.raises(EngineSettingsUnsafe) as refused:
        Bank.open(postgresql_url)
    for name, value in found.items():
        assert (f"{name} is off" in str(refused.value)) == (value == "off")
    assert "off" in found.values()


def _server_settings(url: str) -> dict[str, str]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = ("fsync", "full_page_writes")
        found = {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names}
    engine.dispose()
    return found


def test_mariadb_that_answers_before_it_has_synced_is_refused(mariadb_url: str) -> None:
    District(mariadb_url).close()
    engine = sa.create_engine(mariadb_url)
    name = "innodb_flush_log_at_trx_commit"
    with engine.connect() as connection:
        for value in (0, 2):
            connection.exec_driver_sql(f"SET GLOBAL {name} = {value}")
            try:
                with pytest.raises(EngineSettingsUnsafe, match=f"{name} is not 1"):
                    Bank.open(mariadb_url)
            finally:
                connection.exec_driver_sql(f"SET GLOBAL {name} = 1")
    engine.dispose()


@pytest.mark.slow
def test_mariadb_that_never_syncs_is_refused() -> None:
    """The servers of the bank test; `loop_power_cut` shows what they lose (`nosync`)."""
    try:
        with running_server("mariadb") as server:
            server.make_database()
            District(server.url()).close()
            with pytest.raises(EngineSettingsUnsafe, match="innodb_flush_method is nosync"):
                Bank.open(server.url())
    except MariadbMissing:
        pytest.skip(mariadb.ABSENT)
