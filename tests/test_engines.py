"""The test bench itself: all engines are there, and each test has a database of its own."""

import pytest
from sqlalchemy import create_engine, inspect, text

from tests.mariadb import MariadbServer


@pytest.mark.parametrize("visit", ["first", "second"])
def test_each_test_gets_an_empty_database(empty_url: str, visit: str) -> None:
    engine = create_engine(empty_url)
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE visit (n INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO visit VALUES (1)"))
        assert connection.execute(text("SELECT count(*) FROM visit")).scalar_one() == 1
    engine.dispose()


def test_postgresql_is_real_and_answers_over_psycopg(postgresql_url: str) -> None:
    engine = create_engine(postgresql_url)
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")
    with engine.connect() as connection:
        assert connection.execute(text("SHOW server_encoding")).scalar_one() == "UTF8"
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
    engine.dispose()


@pytest.mark.parametrize("visit", ["first", "second", "third"])
def test_a_kept_database_comes_back_empty_and_whole(
    mariadb_server: MariadbServer, visit: str
) -> None:
    with mariadb_server.database_with_tables() as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM gb_bank")).scalar_one() == 0
            connection.execute(text("TRUNCATE TABLE gb_seal"))
            assert "visit" not in inspect(engine).get_table_names()
            if visit == "first":
                connection.execute(text("DROP TRIGGER gb_voucher_no_delete"))
                connection.execute(text("CREATE TABLE visit (n INTEGER PRIMARY KEY)"))
            connection.execute(text("DELETE FROM gb_bank"))
            connection.execute(
                text(
                    "INSERT INTO gb_bank (bank_id, name, scale, time_zone, policies_stamp,"
                    " founded_at) VALUES (1, 'x', 2, 'UTC', 0, '2022-01-01')"
                )
            )
        engine.dispose()


def test_mariadb_is_real_and_answers_over_pymysql(mariadb_url: str) -> None:
    engine = create_engine(mariadb_url)
    assert engine.dialect.driver == "pymysql"
    with engine.connect() as connection:
        found = connection.execute(text("SELECT @@innodb_flush_log_at_trx_commit")).scalar_one()
        assert found == 1
    engine.dispose()
