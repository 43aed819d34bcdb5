"""Every act in a caller's transaction, at every level of isolation that its engine allows.

READ COMMITTED with row locks is what the library asks for; a caller may run stricter. On
MariaDB REPEATABLE READ is allowed only where old snapshots are told (docs/decisions/0010).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import EngineSettingsUnsafe, RetryTransaction
from gongyi_bank.store.engines import engine_for
from gongyi_bank.store.tables import voucher
from tests.acts import ACTS, keyed
from tests.district import District
from tests.mysqld import engine_name, is_mysql

pytestmark = pytest.mark.slow


LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


@contextmanager
def caller_at(district: District, level: str) -> Iterator[sa.Connection]:
    """A connection of the caller's at this level; old snapshots are told on MariaDB."""
    engine = district.bank.engine.execution_options(isolation_level=level)
    with engine.connect() as connection:
        is_mariadb = engine_name(engine.url) == "mariadb"
        if is_mariadb and level == "REPEATABLE READ":
            connection.exec_driver_sql("SET SESSION innodb_snapshot_isolation = ON")
            connection.rollback()
        try:
            yield connection
        finally:
            connection.rollback()
            if is_mariadb:
                connection.invalidate()  # the setting belongs to the session


def vouchers_of_key(district: District) -> list[bytes]:
    """The vouchers under the key that all cases share."""
    with district.bank.engine.connect() as connection:
        found = sa.select(voucher.c.voucher_id).where(voucher.c.idempotency_key == "K1")
        return list(connection.scalars(found))


#: They sum what others book, and need to see the newest of it.
SUMMING = frozenset({"closings.close", "outlets.close"})


def levels_open(district: District) -> list[str]:
    """The levels at which a transaction is let in: MySQL never tells of an old snapshot."""
    closed = {"REPEATABLE READ"} if is_mysql(district.url) else set()
    return [level for level in LEVELS if level not in closed]


def levels_for(district: District, name: str) -> list[str]:
    """The levels at which this act can be done in a transaction that has begun."""
    if name not in SUMMING:
        return levels_open(district)
    is_mariadb = engine_name(district.url) == "mariadb"
    return ["READ COMMITTED", "SERIALIZABLE"] if is_mariadb else ["READ COMMITTED"]


@pytest.mark.parametrize("name", sorted(SUMMING))
def test_what_sums_the_books_of_others_is_refused_in_an_older_snapshot(
    server_district: District, name: str
) -> None:
    """It would seal a day without what was committed meanwhile, or close an outlet over it."""
    staff, command, _ = ACTS[name](server_district)
    bank = server_district.acting(staff)
    for level in set(levels_open(server_district)) - set(levels_for(server_district, name)):
        with caller_at(server_district, level) as connection, bank.within(connection) as counter:
            with pytest.raises(EngineSettingsUnsafe, match="READ COMMITTED"):
                counter.execute(keyed(command))
            counter.reports.trial_balance()
    assert vouchers_of_key(server_district) == []


@pytest.mark.parametrize("name", sorted(ACTS))
def test_an_act_works_at_every_level(server_district: District, name: str) -> None:
    staff, command, _ = ACTS[name](server_district)
    bank, levels = server_district.acting(staff), levels_for(server_district, name)
    for level in levels:
        with caller_at(server_district, level) as connection:
            with bank.within(connection) as counter:
                receipt = counter.execute(keyed(command))
                assert counter.execute(keyed(command)) == receipt
            assert vouchers_of_key(server_district) == []
            if level == levels[-1]:
                connection.commit()
    assert len(vouchers_of_key(server_district)) == 1
    assert bank.execute(keyed(command)) == receipt
    assert bank.verify().is_clean


@pytest.mark.parametrize("name", sorted(ACTS.keys() - SUMMING))
def test_two_of_a_kind_at_serializable_have_one_effect(
    server_district: District, name: str
) -> None:
    staff, command, _ = ACTS[name](server_district)
    bank, support = server_district.acting(staff), engine_for(server_district.bank.engine.name)
    met = threading.Barrier(2)
    outcomes: list[Any] = []

    def submit() -> None:
        try:
            with caller_at(server_district, "SERIALIZABLE") as connection:
                met.wait(20)
                with bank.within(connection) as counter:
                    receipt = counter.execute(keyed(command))
                connection.commit()
        except RetryTransaction as error:
            outcomes.append(error)
        except sa.exc.DBAPIError as error:  # the caller's own COMMIT, to be run again
            outcomes.append(support.classify_wrapped(error))
        else:
            outcomes.append(receipt)

    threads = [threading.Thread(target=submit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [outcome for outcome in outcomes if isinstance(outcome, RetryTransaction)]
    done = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert len(told) + len(done) == 2, outcomes
    assert len(vouchers_of_key(server_district)) == (1 if done else 0)
    assert [bank.execute(keyed(command))] * len(done) == done
    assert len(vouchers_of_key(server_district)) == 1
    assert bank.verify().is_clean


def test_levels_that_would_trust_an_old_snapshot_are_refused(mariadb_tables_url: str) -> None:
    district = District(mariadb_tables_url)
    engine = district.bank.engine.execution_options(isolation_level="REPEATABLE READ")
    with (
        engine.connect() as connection,
        pytest.raises(EngineSettingsUnsafe, match="REPEATABLE-READ"),
        district.bank.within(connection, staff="T1"),
    ):
        pass
    district.close()
