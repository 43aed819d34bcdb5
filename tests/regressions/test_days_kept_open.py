"""Who books keeps the day open from the start of the act, on every engine with row locks.

On MariaDB an outlet found by its code was shared in the index of codes alone, where whoever
closes never looks: a day could be closed between an act's facts and its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import RetryTransaction
from tests.district import District

#: How a connection is told not to wait long for a lock.
IMPATIENT: dict[str, dict[str, Any]] = {
    "postgresql_district_url": {"options": "-c lock_timeout=100ms"},
    "mariadb_district_url": {"init_command": "SET innodb_lock_wait_timeout = 1"},
}


@contextmanager
def before_anything_is_written(bank: Bank, then: Any) -> Iterator[None]:
    """Once in the block, when an act is about to write its voucher, do something else first."""
    waiting = [then]

    def pause(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO gb_voucher" in statement and waiting:
            waiting.pop()()

    sa.event.listen(bank.engine, "before_cursor_execute", pause)
    try:
        yield
    finally:
        sa.event.remove(bank.engine, "before_cursor_execute", pause)
    assert not waiting


@pytest.mark.parametrize("place", ["H", "B01S01"])
@pytest.mark.parametrize("database", IMPATIENT)
def test_no_day_is_closed_between_the_facts_and_the_rows_of_an_act(
    request: pytest.FixtureRequest, database: str, place: str
) -> None:
    url = request.getfixturevalue(database)
    district = District(url, is_founded=True)
    account, today = district.customer(), district.clock().date().isoformat()
    district.clock.advance(days=1)
    closing = sa.create_engine(url, connect_args=IMPATIENT[database])
    if "mariadb" in database:
        closing = closing.execution_options(isolation_level="READ COMMITTED")
    told = []

    def close() -> None:
        with closing.begin() as connection:
            counter = district.bank.within(connection, staff="admin")
            with pytest.raises(RetryTransaction) as refused, counter as desks:
                desks.closings.close(period=today, outlet=place)
            connection.rollback()
        told.append(refused.value.facts["reason"])

    with before_anything_is_written(district.bank, close):
        district.serve(account, "10-03 08:00")
    assert told
    closing.dispose()
    district.close()
