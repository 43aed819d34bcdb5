"""What MySQL says that MariaDB never says, and what is made of it: no server is needed for that."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import DatabaseUnreachable, EngineError, RetryTransaction
from gongyi_bank.store.engines import Wire, engine_for
from gongyi_bank.store.tables import account_head, customer, hold
from gongyi_bank.store.writing import Update, Writes

SUPPORT = engine_for("mysql")
SAFE = {
    "innodb_flush_log_at_trx_commit": "1",
    "log_bin": "ON",
    "sync_binlog": "1",
    "innodb_flush_method": "fsync",
    "innodb_doublewrite": "ON",
    "sql_mode": "STRICT_TRANS_TABLES,NO_ZERO_DATE",
    "innodb_lock_wait_timeout": "50",
}


class Telling:
    """A connection to a server with these variables, which has InnoDB tables alone."""

    def __init__(self, redo_log: str | None, variables: dict[str, str]) -> None:
        self._redo_log, self._variables = redo_log, variables

    def execute(self, statement: Any) -> Any:
        is_status = "STATUS" in str(statement)
        status = {"Innodb_redo_log_enabled": self._redo_log} if self._redo_log else {}
        return _Rows((status if is_status else self._variables).items())

    def scalars(self, _statement: Any) -> Any:
        return _Rows([])


class _Rows(list[Any]):
    def all(self) -> list[Any]:
        return list(self)


def faults(redo_log: str | None = "ON", **changes: str) -> list[str]:
    told: Any = Telling(redo_log, SAFE | changes)
    return SUPPORT.weak_settings(told).unsafe


def test_the_usual_settings_are_safe() -> None:
    assert faults() == faults(redo_log=None) == []


def test_a_binary_log_that_is_not_synced_is_unsafe_and_no_binary_log_is_not() -> None:
    assert faults(sync_binlog="0") == ["sync_binlog is not 1"]
    assert faults(sync_binlog="0", log_bin="OFF") == []


@pytest.mark.parametrize("value", ["DETECT_AND_RECOVER", "ON", "1"])
def test_torn_pages_are_mended_under_any_of_these_names(value: str) -> None:
    assert faults(innodb_doublewrite=value) == []


@pytest.mark.parametrize("value", ["DETECT_ONLY", "OFF", "0"])
def test_torn_pages_that_are_only_found_are_unsafe(value: str) -> None:
    assert faults(innodb_doublewrite=value) == [f"innodb_doublewrite is {value.lower()}"]


def test_a_redo_log_that_is_switched_off_is_unsafe() -> None:
    assert faults(redo_log="OFF") == ["the InnoDB redo log is switched off"]


@pytest.mark.parametrize(("seconds", "is_endless"), [("99999999", False), ("100000000", True)])
def test_a_wait_that_innodb_sets_no_clock_for_is_told(seconds: str, is_endless: bool) -> None:
    told: Any = Telling("ON", SAFE | {"innodb_lock_wait_timeout": seconds})
    unsafe, endless = SUPPORT.weak_settings(told)
    assert unsafe == []
    assert any(f"innodb_lock_wait_timeout is {seconds}" in one for one in endless) == is_endless


def of_driver(number: int, said: str = "x") -> Exception:
    """An error as the driver raises it."""
    return RuntimeError(number, said)


def test_a_server_that_is_being_shut_down_is_tried_again() -> None:
    assert isinstance(SUPPORT.classify(of_driver(1053), lost=False), RetryTransaction)


def test_a_commit_that_a_shutdown_meets_may_have_been_applied() -> None:
    error = sa.exc.DBAPIError("COMMIT", None, of_driver(1053))
    assert not SUPPORT.commit_outcome_known(error)


def test_what_another_member_of_a_group_overtook_was_certainly_not_applied() -> None:
    error = sa.exc.DBAPIError("COMMIT", None, of_driver(3101))
    assert SUPPORT.commit_outcome_known(error)
    assert isinstance(SUPPORT.classify_wrapped(error), RetryTransaction)


def test_triggers_that_a_binary_log_stops_say_what_to_set() -> None:
    found = SUPPORT.classify(of_driver(1419, "You do not have the SUPER privilege"), lost=False)
    assert type(found) is EngineError
    assert "errno 1419" in str(found)
    assert "log_bin_trust_function_creators=1" in str(found)


def test_a_driver_that_lacks_a_package_for_passwords_is_told_like_any_failure_to_connect() -> None:
    def connect() -> Any:
        raise RuntimeError("'cryptography' package is required for caching_sha2_password")

    engine = sa.create_engine("sqlite://", creator=connect)
    with pytest.raises(DatabaseUnreachable, match="'cryptography' package is required"):
        Bank.open(engine)


@pytest.mark.parametrize("table", [account_head, customer, hold])
def test_no_cell_of_a_list_becomes_null_because_it_does_not_fit(table: sa.Table) -> None:
    """MySQL's JSON_TABLE makes a NULL of it, unless it is told otherwise for every column."""
    columns = [column.name for column in table.columns if column.name != "bank_id"]
    sent: list[str] = []

    class Sending(Wire):
        def __init__(self) -> None:
            self.connection = sa.create_mock_engine("mysql+pymysql://", lambda *_: None)  # type: ignore[assignment]

        def execute(self, sql: str, params: Any) -> int:
            sent.append(sql)
            return 1

        def execute_many(self, sql: str, rows: list[Any]) -> int:
            return len(rows)

    row = (None,) * len(columns)
    step = Update(table, (columns[0],), (), tuple(columns[1:]), [row])
    SUPPORT.write(Sending(), 1, Writes(steps=[step], vouchers=[]))
    (sql,) = [statement for statement in sent if statement.startswith("UPDATE")]
    assert sql.count(" PATH ") == sql.count("ERROR ON ERROR") == len(columns)
