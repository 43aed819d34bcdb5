"""The test bench itself: both engines are there, and each test has a database of its own."""

import pytest
from sqlalchemy import create_engine, inspect, text


@pytest.mark.parametrize("visit", ["first", "second"])
def test_each_test_gets_an_empty_database(engine_url: str, visit: str) -> None:
    engine = create_engine(engine_url)
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
