"""Where transactions begin and end: retries, lost answers, and the caller's own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import (
    EngineError,
    EngineSettingsUnsafe,
    EngineUnsupported,
    OutcomeUnknown,
    RetryTransaction,
    UnknownBank,
)
from gongyi_bank.store import connections
from tests.district import District


class Busy(sqlite3.OperationalError):
    """What sqlite3 raises when another writer holds the lock."""

    sqlite_errorname = "SQLITE_BUSY"


def fail_commits(monkeypatch: pytest.MonkeyPatch, failures: list[Exception]) -> list[str]:
    """Let the next commits fail like this, before or after they happened; log every try."""
    real: Callable[[sa.Connection], None] = sa.Connection.commit
    tried: list[str] = []

    def commit(connection: sa.Connection) -> None:
        tried.append("commit")
        if not failures:
            return real(connection)
        failure = failures.pop(0)
        if not isinstance(failure, Busy):
            real(connection)
        raise sa.exc.DBAPIError("COMMIT", {}, failure)

    monkeypatch.setattr(sa.Connection, "commit", commit)
    return tried


def serve(district: District, account: int, key: str) -> Any:
    row = district.row(account, "10-03 08:00")
    given = {n: getattr(row, n) for n in row.__slots__ if n[0] != "_" and n != "customer_ref"}
    return district.acting("T1").hours.record(**given, idempotency_key=key)


def test_a_busy_commit_is_tried_again(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sqlite_district.customer()
    tried = fail_commits(monkeypatch, [Busy("busy"), Busy("busy")])
    assert serve(sqlite_district, account, "A").line_no == 1
    assert len(tried) == 3


def test_tries_are_bounded(sqlite_district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    account = sqlite_district.customer()
    tried = fail_commits(monkeypatch, [Busy("busy")] * 100)
    with pytest.raises(RetryTransaction) as caught:
        serve(sqlite_district, account, "A")
    assert caught.value.retryable
    assert len(tried) == connections.TRIES_MAX


def test_a_lost_answer_to_commit_names_the_key_and_the_key_tells_the_truth(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = sqlite_district.customer()
    fail_commits(monkeypatch, [sqlite3.OperationalError("disk I/O error")])
    with pytest.raises(OutcomeUnknown) as caught:
        serve(sqlite_district, account, "A")
    assert caught.value.facts["key"] == "A"
    assert serve(sqlite_district, account, "A").record_no == 1


def test_writers_in_threads_wait_for_each_other(district: District) -> None:
    accounts = [district.customer() for _ in range(4)]
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda n=n, a=a: results.append(serve(district, a, f"K{n}")))
        for n, a in enumerate(accounts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipt.account for receipt in results) == sorted(accounts)


def test_a_database_that_cannot_be_used_says_why() -> None:
    with pytest.raises(EngineUnsupported):
        Bank.open("oracle://nowhere/bank")
    with pytest.raises(EngineUnsupported):
        Bank.open("not a url")
    with pytest.raises(EngineError):
        Bank.open("sqlite:////nowhere/at/all/bank.db")


def test_an_empty_database_has_no_bank(engine_url: str) -> None:
    with pytest.raises(UnknownBank):
        Bank.open(engine_url, bank="雁江", unsafe_settings="allow")


def test_an_engine_of_the_callers_with_unsafe_settings_is_refused(sqlite_url: str) -> None:
    District(sqlite_url).close()
    bare = sa.create_engine(sqlite_url)
    with pytest.raises(EngineSettingsUnsafe, match="foreign_keys"):
        Bank.open(bare)
    bare.dispose()


def test_a_driver_error_never_shows_what_was_written(sqlite_district: District) -> None:
    with sqlite_district.bank.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE gb_person")
    with pytest.raises(EngineError) as caught:
        sqlite_district.customer(name="王小明")
    assert "王小明" not in repr(caught.value) + str(caught.value)
