"""What a statement was sent with is told by no error and no log, whoever made the engine.

Our own engines hide the parameters of every statement, the caller's included. An engine of the
caller's need not; then nothing that we raise or log may show them either.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from gongyi_bank.aio import AsyncBank
from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.errors import EngineError
from tests.district import District
from tests.security.test_canary import (
    BIRTH,
    NAME,
    PEOPLE,
    PHONE,
    identity_no,
    require_clean,
    said_by,
)

PERSON: dict[str, Any] = {"name": NAME, "phone": PHONE}
BORN_ON = dt.date.fromisoformat(BIRTH)
FAILING = sa.text("INSERT INTO nowhere VALUES (:name, :phone)")
WORKING = sa.text(f"SELECT count(*) FROM {PEOPLE} WHERE name = :name OR phone = :phone")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every statement is logged, from before the engine is made."""
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    return caplog


def run_both(engine: sa.Engine) -> list[str]:
    """A statement of the caller's that works, and everything that one says which does not."""
    with engine.connect() as connection:
        connection.execute(WORKING, PERSON)
    with pytest.raises(sa.exc.DBAPIError) as caught, engine.connect() as connection:
        connection.execute(FAILING, PERSON)
    return said_by(caught.value)


def test_our_own_engines_show_no_parameters(
    told: pytest.LogCaptureFixture, district: District
) -> None:
    said = run_both(district.bank.engine)
    assert "INSERT INTO nowhere" in told.text
    require_clean([told.text, *said])


@pytest.mark.anyio
async def test_nor_do_those_of_the_asynchronous_bank(
    told: pytest.LogCaptureFixture, async_engine_url: str
) -> None:
    bank = await AsyncBank.found(async_engine_url, unsafe_settings="allow")
    async with bank.engine.connect() as connection:
        said = await connection.run_sync(lambda sync: run_both(sync.engine))
    await bank.close()
    assert "INSERT INTO nowhere" in told.text
    require_clean([told.text, *said])


def test_another_engine_shows_them(
    told: pytest.LogCaptureFixture, sqlite_district: District
) -> None:
    """A check of the check: this is what is hidden."""
    engine = sa.create_engine(sqlite_district.url)
    said = run_both(engine)
    engine.dispose()
    for text in (told.text, "\n".join(said)):
        assert NAME in text
        with pytest.raises(AssertionError):
            require_clean([text])


# --- an engine of the caller's, that hides nothing ----------------------------------------------


@pytest.fixture
def theirs(district: District) -> Iterator[Bank]:
    """The district's bank, opened on an engine that shows parameters."""
    engine = sa.create_engine(district.url)
    assert not engine.hide_parameters
    yield Bank.open(engine, staff="T1", clock=district.clock, unsafe_settings="allow")
    engine.dispose()


def new_customer() -> NewCustomer:
    number = identity_no(1)
    shown = {"document_kind": "resident_id", "document_no": number, "birth_on": BORN_ON}
    return NewCustomer(outlet="B01S01", **PERSON, **shown)


def register(desks: Any) -> None:
    desks.customers.register(customers=[new_customer()])


def _in_begin(bank: Bank) -> None:
    with bank.begin() as counter:
        register(counter)


def _in_simulation(bank: Bank) -> None:
    with bank.simulate() as counter:
        register(counter)


def _within_connection(bank: Bank) -> None:
    with bank.engine.begin() as connection, bank.within(connection) as counter:
        register(counter)


def _within_session(bank: Bank) -> None:
    with Session(bank.engine) as session, bank.within(session) as counter:
        register(counter)


def _no_table(connection: sa.Connection) -> None:
    connection.exec_driver_sql(f"ALTER TABLE {PEOPLE} RENAME TO gone")


def _no_such_name(connection: sa.Connection) -> None:
    """What a server quotes: the row that a constraint refuses."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"CREATE TRIGGER no_canary BEFORE INSERT ON {PEOPLE} WHEN NEW.phone = '{PHONE}'"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    else:
        connection.exec_driver_sql(
            f"ALTER TABLE {PEOPLE} ADD CONSTRAINT no_canary CHECK (phone <> '{PHONE}')"
        )


def chain_of(error: BaseException) -> list[str]:
    """The error, and every one that it says stands behind it."""
    behind = error.__cause__ if error.__suppress_context__ else error.__context__
    return said_by(error) + (chain_of(behind) if behind is not None else [])


@pytest.mark.parametrize("fail", [_no_table, _no_such_name])
@pytest.mark.parametrize(
    "way", [register, _in_begin, _in_simulation, _within_connection, _within_session]
)
def test_an_engine_that_hides_nothing_is_told_nothing_by_our_errors_and_logs(
    theirs: Bank,
    way: Callable[[Any], None],
    fail: Callable[[sa.Connection], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with theirs.engine.begin() as connection:
        fail(connection)
    # Without echo, so that SQLAlchemy itself logs nothing; we are at our most talkative.
    caplog.set_level(logging.DEBUG, "gongyi_bank")
    with pytest.raises(EngineError) as caught:
        way(theirs)
    assert caplog.records
    require_clean([caplog.text, *chain_of(caught.value)])
