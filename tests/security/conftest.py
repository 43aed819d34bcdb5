"""Districts on a server, where two callers are truly at work at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import sqlalchemy as sa

from gongyi_bank.store.engines import connect
from tests.district import District
from tests.postgresql import PostgresqlServer

#: Callers at once; each has a connection, so that none waits for another's.
CALLERS = 20


@pytest.fixture
def postgresql_district(postgresql_url: str) -> Iterator[District]:
    """A founded bank with outlets and staff, on PostgreSQL."""
    made = District(postgresql_url)
    yield made
    made.close()


@pytest.fixture(scope="session")
def crowded_engine(postgresql_server: PostgresqlServer) -> Iterator[sa.Engine]:
    """An engine with a connection for every caller, in a database for all tests of a process."""
    with postgresql_server.fresh_database() as url:
        engine = connect(url, create=partial(sa.create_engine, pool_size=CALLERS + 1))
        yield engine
        engine.dispose()


@pytest.fixture
def crowded(crowded_engine: sa.Engine) -> Callable[[], District]:
    """Makes a district, a bank of its own in the one database."""
    name = uuid.uuid4().hex
    return lambda: District(crowded_engine, bank=name)  # type: ignore[arg-type]
