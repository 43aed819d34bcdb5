"""The conformance suite of the engines, pointed at ours as a service would point it at its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import InvalidValue
from gongyi_bank.testing import EngineConformance
from tests.postgresql import PostgresqlServer
from tests.store.test_foreign_transactions import foreign_engine


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One file for all tests: each founds a bank of its own in it."""
    return f"sqlite:///{tmp_path_factory.mktemp('conformance') / 'bank.db'}"


class TestSqliteFile(EngineConformance):
    @pytest.fixture
    def database(self, one_file: str) -> str:
        return one_file


@pytest.fixture(scope="module")
def one_database(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """The same on a server."""
    with postgresql_server.fresh_database() as url:
        yield url


class TestPostgresql(EngineConformance):
    unsafe_settings = "allow"

    @pytest.fixture
    def database(self, one_database: str) -> str:
        return one_database


@pytest.mark.slow
class TestMariadb(EngineConformance):
    unsafe_settings = "allow"

    @pytest.fixture
    def database(self, mariadb_tables_url: str) -> str:
        return mariadb_tables_url


@pytest.mark.slow
class TestEngineOfTheCallersOwn(EngineConformance):
    """A pool that an application made, with a new file for every test."""

    @pytest.fixture
    def database(self, sqlite_url: str) -> Iterator[sa.Engine]:
        engine = foreign_engine(sqlite_url)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        yield engine
        engine.dispose()


def test_a_class_that_overrides_nothing_is_told_what_to_override() -> None:
    fixture: Any = EngineConformance.database
    with pytest.raises(NotImplementedError, match="override the fixture `database`"):
        fixture._get_wrapped_function()(EngineConformance())


@pytest.mark.parametrize("database", ["sqlite://", sa.make_url("sqlite:///:memory:")])
def test_a_database_that_nobody_else_can_open_is_refused(database: Any) -> None:
    """In memory each test that opens the bank once more would open an empty one."""
    fixture: Any = EngineConformance.story
    for given in (database, sa.create_engine(database)):
        with pytest.raises(InvalidValue, match="others cannot open it"):
            next(fixture._get_wrapped_function()(EngineConformance(), given))
