"""MariaDB's and MySQL's own traps: what the engine refuses, tells, or makes impossible there.

All of it on whichever of the two is tested (tests/mysqld.py); some of it can be had on one alone.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.outlets import NewOutlet
from gongyi_bank.errors import (
    BankExists,
    EngineError,
    EngineSettingsUnsafe,
    RetryTransaction,
)
from gongyi_bank.policies import RedemptionRules
from gongyi_bank.store.engines import Capability, Wire, connect, engine_for
from gongyi_bank.store.founding import create_schema
from gongyi_bank.store.migrations.version import is_newest
from gongyi_bank.store.tables import account_head, customer, outlet, serial_counter, voucher
from gongyi_bank.store.writing import Update, Writes
from gongyi_bank.values import Points
from tests.district import District
from tests.mysqld import MYSQL_IS_TESTED

SUPPORT = engine_for("mariadb")


@pytest.fixture
def maria(mariadb_tables_url: str) -> Iterator[District]:
    """The small district on MariaDB."""
    made = District(mariadb_tables_url)
    yield made
    made.close()


def running(maria: District, *settings: str, **options: Any) -> sa.Engine:
    """An application's own engine, with these settings in every session."""
    engine = sa.create_engine(maria.url, **options)

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        for setting in settings:
            connection.cursor().execute("SET SESSION " + setting)

    return engine


# --- settings ----------------------------------------------------------------------------

#: How a server is weakened, how it is mended, and what is said of it.
WEAKENED = [
    (
        "SET GLOBAL innodb_flush_log_at_trx_commit = 2",
        "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
        "innodb_flush_log_at_trx_commit is not 1",
    ),
]
#: The same of what only MySQL has, or has unless it is told otherwise.
WEAKENED_MYSQL = [
    ("SET GLOBAL sync_binlog = 0", "SET GLOBAL sync_binlog = 1", "sync_binlog is not 1"),
    (
        "SET GLOBAL innodb_doublewrite = DETECT_ONLY",
        "SET GLOBAL innodb_doublewrite = DETECT_AND_RECOVER",
        "innodb_doublewrite is detect_only",
    ),
    (
        "ALTER INSTANCE DISABLE INNODB REDO_LOG",
        "ALTER INSTANCE ENABLE INNODB REDO_LOG",
        "redo log is switched off",
    ),
]


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("sql_mode=''", "sql_mode"),
        *([] if MYSQL_IS_TESTED else [("check_constraint_checks=OFF", "check_constraint_checks")]),
    ],
)
def test_settings_that_let_bad_rows_in_are_refused(
    maria: District, setting: str, fault: str
) -> None:
    engine = running(maria, setting)
    with pytest.raises(EngineSettingsUnsafe, match=fault):
        Bank.open(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("weakens", "mends", "fault"), [*WEAKENED, *(WEAKENED_MYSQL if MYSQL_IS_TESTED else [])]
)
def test_a_server_that_could_lose_what_it_acknowledged_is_refused(
    maria: District, weakens: str, mends: str, fault: str
) -> None:
    with maria.bank.engine.connect() as connection:
        connection.exec_driver_sql(weakens)
        try:
            with pytest.raises(EngineSettingsUnsafe, match=fault):
                Bank.open(maria.url)
        finally:
            connection.exec_driver_sql(mends)
    Bank.open(maria.url).close()


def test_a_table_outside_innodb_is_refused(mariadb_url: str) -> None:
    District(mariadb_url).close()
    engine = connect(mariadb_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE gb_other (n INTEGER) ENGINE = MyISAM")
        assert SUPPORT.weak_settings(connection).unsafe == ["table gb_other is not InnoDB"]
    engine.dispose()


def test_connections_of_our_own_are_strict_and_read_what_is_committed(maria: District) -> None:
    with maria.bank.engine.connect() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"
        found = connection.exec_driver_sql(
            "SELECT @@sql_mode, @@innodb_lock_wait_timeout, @@time_zone, @@autocommit,"
            " @@character_set_client"
        ).one()
        own = connection.exec_driver_sql(
            "SELECT @@range_optimizer_max_mem_size"
            if MYSQL_IS_TESTED
            else "SELECT @@in_predicate_conversion_threshold, NOT @@check_constraint_checks"
        ).one()
    assert "STRICT_ALL_TABLES" in found[0]
    assert found[1:] == (10, "+00:00", 0, "utf8mb4")
    assert not any(own)  # the first is for long lists


def test_truncate_is_what_the_triggers_cannot_stop(maria: District) -> None:
    assert Capability.GUARD_TRIGGERS in SUPPORT.capabilities
    assert Capability.GUARDED_TRUNCATE not in SUPPORT.capabilities
    assert Capability.GUARDED_TRUNCATE in engine_for("postgresql").capabilities
    with maria.bank.engine.connect() as connection:
        connection.exec_driver_sql("TRUNCATE TABLE gb_stock_move")


# --- the caller's transaction ------------------------------------------------------------


def test_an_old_snapshot_would_be_acted_upon_so_that_level_is_refused(maria: District) -> None:
    account = maria.customer()
    engine = running(maria)  # the server's default is REPEATABLE READ
    with (
        engine.begin() as connection,
        pytest.raises(EngineSettingsUnsafe, match="use READ COMMITTED"),
        maria.bank.within(connection, staff="T1") as counter,
    ):
        counter.accounts.freeze(account=account, reason="x")
    engine.dispose()


@pytest.mark.parametrize("change", ["freeze", "dismissal", "policy", "nothing"])
def test_with_snapshot_isolation_a_change_since_is_told(maria: District, change: str) -> None:
    if MYSQL_IS_TESTED:
        return  # it has no such setting, and REPEATABLE READ is refused: see above
    bank, account = maria.bank, maria.customer()
    maria.serve(account, "10-03 08:00", 60)
    engine = running(maria, "innodb_snapshot_isolation=ON")
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE TEMPORARY TABLE own (n INTEGER)"))
        connection.execute(sa.text("INSERT INTO own VALUES (1)"))
        connection.execute(sa.text("SELECT count(*) FROM gb_bank"))
        if change == "freeze":
            bank.accounts.freeze(account=account, reason="x")
        elif change == "dismissal":
            bank.staff.end(code="T1", role="teller", outlet="B01S01", reason="x")
        elif change == "policy":
            policy = bank.policies.book().in_force(RedemptionRules, maria.clock().date())[1]
            bank.policies.adopt(policy=policy, effective_on=dt.date(2022, 10, 16))
        if change == "nothing":
            with bank.within(connection, staff="T1") as counter:
                counter.accounts.freeze(account=account, reason="x")
            connection.commit()
        else:
            with (
                pytest.raises(RetryTransaction),
                bank.within(connection, staff="T1") as counter,
            ):
                counter.accounts.freeze(account=account, reason="y")
            # The server undid everything; going on would keep half of the caller's work.
            with pytest.raises(sa.exc.PendingRollbackError):
                connection.execute(sa.text("INSERT INTO own VALUES (2)"))
    assert bank.reports.balance(account) == Points(1)
    engine.dispose()


def test_serializable_is_taken_as_it_is(maria: District) -> None:
    account = maria.customer()
    engine = running(maria, isolation_level="SERIALIZABLE")
    with engine.begin() as connection, maria.bank.within(connection, staff="T1") as counter:
        counter.accounts.freeze(account=account, reason="x")
    engine.dispose()


def test_counting_changed_rows_in_place_of_found_ones_is_refused(maria: District) -> None:
    engine = running(maria, isolation_level="READ COMMITTED")
    with engine.connect() as connection:
        driver_connection: Any = connection.connection.driver_connection
        driver_connection.client_flag &= ~2
        with (
            pytest.raises(EngineSettingsUnsafe, match="FOUND_ROWS"),
            maria.bank.within(connection, staff="T1"),
        ):
            pass
    engine.dispose()


def test_after_a_deadlock_nobody_goes_on_in_the_callers_transaction(maria: District) -> None:
    first, second = sorted(maria.customer() for _ in range(2))
    # Without the bank it would be a scan, which waits for every row that anybody has locked.
    find = sa.select(account_head.c.line_no).where(account_head.c.bank_id == 1).with_for_update()
    may_go, results = threading.Barrier(2, timeout=10), []

    def cross(mine: int, other: int) -> None:
        with maria.bank.engine.connect() as connection:
            connection.execute(find.where(account_head.c.account_no == mine)).all()
            may_go.wait()
            try:
                with maria.bank.within(connection, staff="T1") as counter:
                    counter.accounts.freeze(account=other, reason="x")
                results.append("done")
                connection.rollback()
            except RetryTransaction:
                with pytest.raises(sa.exc.PendingRollbackError):
                    connection.execute(sa.select(sa.literal(1)))
                results.append("told")

    threads = [
        threading.Thread(target=cross, args=pair) for pair in ((first, second), (second, first))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["done", "told"]


def test_a_lock_timeout_dooms_the_block_and_leaves_the_callers_rows(maria: District) -> None:
    account = maria.customer()
    find = sa.select(account_head.c.line_no).where(account_head.c.account_no == account)
    engine = running(maria, "innodb_lock_wait_timeout=1", isolation_level="READ COMMITTED")
    with maria.bank.engine.connect() as holder, engine.connect() as connection:
        holder.execute(find.with_for_update()).all()
        connection.execute(sa.insert(serial_counter), [_counter_row(1)])
        with (
            pytest.raises(RetryTransaction, match="1205"),
            maria.bank.within(connection, staff="T1") as counter,
        ):
            counter.accounts.freeze(account=account, reason="x")
        assert connection.scalar(_count_of_counters()) == 1
    engine.dispose()


def _counter_row(last_no: int) -> dict[str, Any]:
    return {"bank_id": 1, "series": "caller", "owner_no": 1, "last_no": last_no}


def _count_of_counters() -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(serial_counter.c.series == "caller")


# --- what is written ---------------------------------------------------------------------


def test_codes_differ_by_case_accent_and_trailing_blank(maria: District) -> None:
    codes = ["X1", "x1", "é", "e", "é ", "X1 "]
    with maria.bank.engine.connect() as connection:
        known = connection.execute(sa.select(outlet).where(outlet.c.code == "B01S01")).one()
        row = dict(known._mapping)
        for number, code in enumerate(codes, start=5000):
            connection.execute(sa.insert(outlet).values(row | {"outlet_no": number, "code": code}))
        found = connection.scalars(sa.select(outlet.c.code).where(outlet.c.code == "X1")).all()
        assert found == ["X1"]
        by_list = sa.select(outlet.c.code).where(SUPPORT.among(outlet.c.code, "codes"))
        found = connection.scalars(by_list, {"codes": ("X1 ", "e")}).all()
        assert sorted(found) == ["X1 ", "e"]


def test_an_update_finds_rows_that_stay_the_same_and_misses_those_that_changed(
    maria: District,
) -> None:
    account = maria.customer()
    with maria.bank.engine.connect() as connection:
        _write_head(connection, account, line_no=0, debt=0)
        with pytest.raises(RetryTransaction, match="changed under the act"):
            _write_head(connection, account, line_no=7, debt=0)


@pytest.mark.parametrize("debt", [2**63, -(2**63) - 1, 10**25])
def test_a_number_too_large_is_refused_and_not_cut_to_fit(maria: District, debt: int) -> None:
    account = maria.customer()
    with maria.bank.engine.connect() as connection, pytest.raises(EngineError):
        _write_head(connection, account, line_no=0, debt=debt)


def test_a_text_too_long_is_refused_and_not_cut_to_fit(maria: District) -> None:
    account = maria.customer()
    with maria.bank.engine.connect() as connection:
        _update(connection, customer, account, ref="x" * 100)
        for ref in ("x" * 101, "长" * 101, "x" * 102, "长" * 500):
            with pytest.raises(EngineError):
                _update(connection, customer, account, ref=ref)
        assert connection.scalar(_ref_of(account)) == "x" * 100


def test_texts_and_instants_arrive_as_they_were_sent(maria: District) -> None:
    account = maria.customer()
    instant = dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
    text = "\\'\"%s 张三😀\n\t[1] "
    with maria.bank.engine.connect() as connection:
        _update(connection, customer, account, ref=text)
        _update(
            connection, account_head, account, booked_at=instant, head_hash=bytes(range(200, 232))
        )
        head = connection.execute(
            sa.select(account_head).where(account_head.c.account_no == account)
        ).one()
        ref = connection.scalar(_ref_of(account))
    assert (head.booked_at, head.head_hash, ref) == (instant, bytes(range(200, 232)), text)


def _ref_of(account: int) -> sa.Select[Any]:
    return sa.select(customer.c.ref).where(customer.c.account_no == account)


def _write_head(connection: sa.Connection, account: int, *, line_no: int, debt: int) -> None:
    step = Update(
        account_head, ("account_no",), ("line_no",), ("line_no", "debt"),
        [(account, line_no, line_no, debt)],
    )  # fmt: skip
    _run(connection, step)


def _update(connection: sa.Connection, table: sa.Table, account: int, **values: Any) -> None:
    row = (account, *values.values())
    _run(connection, Update(table, ("account_no",), (), tuple(values), [row]))


def _run(connection: sa.Connection, step: Update) -> None:
    """Write one step under a copy of an old voucher with another id."""
    found = connection.execute(sa.select(voucher).limit(1)).one()._mapping
    number = connection.scalar(sa.select(sa.func.count()).select_from(voucher)) or 0
    copy = {"voucher_id": number.to_bytes(16, "big"), "outbox_no": None}
    row = tuple((dict(found) | copy)[name] for name in found if name != "bank_id")
    writes = Writes(steps=[step], vouchers=[row])
    with connection.begin_nested():
        SUPPORT.write(Wire(connection, SUPPORT), 1, writes)


def test_a_list_is_a_range_of_the_index_even_a_long_one(maria: District) -> None:
    select = sa.select(account_head.c.line_no).where(
        account_head.c.bank_id == 1, SUPPORT.among(account_head.c.account_no, "accounts")
    )
    sql = "EXPLAIN FORMAT=TRADITIONAL " + str(select.compile(dialect=maria.bank.engine.dialect))
    with maria.bank.engine.connect() as connection:
        head = connection.execute(
            sa.select(account_head).where(account_head.c.account_no == maria.customer())
        ).one()
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        rows = [dict(head._mapping) | {"account_no": n * 10} for n in range(1, 30_001)]
        connection.execute(sa.insert(account_head), rows)
        connection.exec_driver_sql("ANALYZE TABLE gb_account_head")
        for size in (1, 20, 1_500):  # of many more, statistics count double; a scan is 30 000
            wanted = tuple(n * 30 for n in range(1, size + 1))
            given = {"bank_id_1": 1, "accounts": wanted}
            plan = connection.exec_driver_sql(sql, given).one()._mapping
            assert plan["key"] == "PRIMARY"
            assert int(plan["rows"]) <= 2 * size
        connection.exec_driver_sql("SET foreign_key_checks = 1")


def test_whoever_locks_most_accounts_waits_for_no_other(maria: District) -> None:
    """Not even where the server would rather look at every account: it locks what it looks at."""
    most = [maria.customer() for _ in range(20)]
    somebody = most.pop(7)
    find = sa.select(account_head.c.line_no).where(
        account_head.c.bank_id == 1, account_head.c.account_no == somebody
    )
    engine = running(maria, "innodb_lock_wait_timeout=1", isolation_level="READ COMMITTED")
    with maria.bank.engine.connect() as holder, engine.connect() as connection:
        holder.exec_driver_sql("ANALYZE TABLE gb_account_head")
        holder.execute(find.with_for_update()).all()
        with maria.bank.within(connection, staff="T1") as counter:
            counter.lock(accounts=most)
        with (
            pytest.raises(RetryTransaction, match="1205"),
            maria.bank.within(connection, staff="T1") as counter,
        ):
            counter.lock(accounts=[somebody])
    engine.dispose()


def test_an_empty_list_finds_nothing(maria: District) -> None:
    select = sa.select(outlet.c.code).where(SUPPORT.among(outlet.c.code, "codes"))
    with maria.bank.engine.connect() as connection:
        assert connection.scalars(select, {"codes": SUPPORT.adapt([])}).all() == []


def test_errors_name_the_constraint_and_nothing_of_the_row(maria: District) -> None:
    with maria.bank.engine.connect() as connection:
        row = dict(connection.execute(sa.select(outlet).limit(1)).one()._mapping)
        for change in ({"code": "王小明", "tier": 7}, {}, {"code": "王小明" * 30, "outlet_no": 1}):
            with pytest.raises(sa.exc.DBAPIError) as caught:
                connection.execute(sa.insert(outlet).values(row | change))
            error = SUPPORT.classify_wrapped(caught.value)
            assert "王小明" not in str(error) + repr(error)
    with pytest.raises(BankExists):
        Bank.found(maria.url, bank="雁江")


# --- founding ----------------------------------------------------------------------------

#: What docs/how-to/mysql.md says that founding takes.
FOUNDING = "SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX, REFERENCES, TRIGGER"
_TRUST = "SET GLOBAL log_bin_trust_function_creators = {}"


@pytest.fixture
def founder_url(mariadb_url: str) -> Iterator[str]:
    """An empty database as an account sees it that may found a bank there, and nothing else."""
    owner = sa.create_engine(mariadb_url, isolation_level="AUTOCOMMIT")
    name, word = f"founder_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    with owner.connect() as connection:
        connection.exec_driver_sql(f"CREATE USER {name} IDENTIFIED BY '{word}'")
        connection.exec_driver_sql(f"GRANT {FOUNDING} ON {owner.url.database}.* TO {name}")
        url = owner.url.set(username=name, password=word)
        yield url.render_as_string(hide_password=False)
        connection.exec_driver_sql(_TRUST.format(0))
        connection.exec_driver_sql(f"DROP USER {name}")
    owner.dispose()


def test_a_founder_needs_no_more_than_is_said_and_is_told_what_a_binary_log_wants(
    mariadb_url: str, founder_url: str
) -> None:
    if MYSQL_IS_TESTED:  # whose binary log is on, unless it is told otherwise
        with pytest.raises(EngineError, match="log_bin_trust_function_creators=1"):
            Bank.found(founder_url)
        engine = connect(mariadb_url)
        with engine.connect() as connection:
            connection.exec_driver_sql(_TRUST.format(1))
        engine.dispose()
    Bank.found(founder_url).close()
    bank = Bank.open(founder_url, staff="admin")
    found = bank.verify()
    assert (found.faults, found.guards_installed) == ((), SUPPORT.count_guards_expected())
    bank.close()


def test_a_founder_waits_for_whoever_changes_the_schema(mariadb_url: str) -> None:
    """Or a migration at the same time meets half a schema and fails."""
    engine = connect(mariadb_url)
    waits = "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'"
    made = "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
    found: list[District] = []
    founder = threading.Thread(target=lambda: found.append(District(mariadb_url)))
    with engine.connect() as migration, engine.connect() as watching:
        with SUPPORT.migrating_alone(migration):
            founder.start()
            while founder.is_alive() and not watching.exec_driver_sql(waits).scalar():
                time.sleep(0.02)
            assert watching.exec_driver_sql(made).scalar() == 0
            watching.rollback()
        founder.join()
    engine.dispose()
    assert found[0].bank.verify().is_clean
    found[0].close()


@pytest.mark.parametrize("stopped_after", [0, 1, 5, 20, 40, 60])
def test_a_founder_who_stopped_half_way_is_followed_by_another(
    mariadb_url: str, stopped_after: int
) -> None:
    engine, seen = connect(mariadb_url), []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _stop(*facts: Any) -> None:
        if facts[2].lstrip().startswith("CREATE"):
            seen.append(facts[2])
            if len(seen) > stopped_after:
                raise ConnectionError

    with pytest.raises(ConnectionError), engine.begin() as connection:
        create_schema(connection, SUPPORT)
    engine.dispose()
    district = District(mariadb_url)
    with district.bank.engine.connect() as connection:
        assert is_newest(connection)
        guards = SUPPORT.count_guards(Wire(connection, SUPPORT))
        assert guards == SUPPORT.count_guards_expected()
        inspector = sa.inspect(connection)
        for table in (account_head, voucher, outlet, customer):
            made = {index["name"] for index in inspector.get_indexes(table.name)}
            assert {index.name for index in table.indexes} <= made
    district.bank.outlets.open(outlets=[NewOutlet(code="B03", name="新分行", parent="H")])
    district.close()
