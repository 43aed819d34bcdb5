"""What the simulation and the I/O points found, as the smallest examples."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineError, InvalidValue, RetryTransaction
from gongyi_bank.store.engines import connect
from gongyi_bank.values import Points
from tests.district import District


def test_a_block_after_the_callers_transaction_was_lost_is_told_to_try_again(
    sqlite_district: District,
) -> None:
    """Found by seed 1: the savepoint could not be undone, so the connection was given up."""
    account = sqlite_district.customer()
    bank = sqlite_district.acting("T1")
    with bank.engine.connect() as connection:
        connection.begin()
        with suppress(InvalidValue), bank.within(connection) as counter:
            counter.accounts.freeze(account=account, reason="挂失", idempotency_key="F1")
            connection.connection.rollback()  # as a full disk does: the savepoint went with it
            counter.accounts.freeze(account=account, reason="")  # refused, so the block is undone
        with pytest.raises(RetryTransaction, match="lost"), bank.within(connection) as counter:
            counter.accounts.freeze(account=account, reason="挂失", idempotency_key="F2")
        connection.rollback()
        with bank.within(connection) as counter:
            counter.accounts.freeze(account=account, reason="挂失", idempotency_key="F2")
        connection.commit()
    assert bank.verify().is_clean


class FailsWhileFetching(sqlite3.Connection):
    """A connection whose selects begin well and then cannot read on."""

    def cursor(self, *_: Any) -> sqlite3.Cursor:
        return super().cursor(_FailingCursor)


class _FailingCursor(sqlite3.Cursor):
    is_failing = False

    def fetchall(self) -> list[Any]:
        if _FailingCursor.is_failing:
            raise sqlite3.OperationalError("disk I/O error")
        return super().fetchall()


def test_an_error_while_rows_are_fetched_is_told_as_ours(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by an I/O error in a day close: SQLite reads on while rows are fetched."""
    account = sqlite_district.customer()
    engine = connect(sqlite_district.url)

    def made(_dialect: Any, _record: Any, given: Any, named: Any) -> sqlite3.Connection:
        return sqlite3.connect(*given, factory=FailsWhileFetching, **named)

    sa.event.listen(engine, "do_connect", made)
    bank = Bank.open(engine, staff="T1", clock=sqlite_district.clock)
    freeze = {"account": account, "reason": "挂失", "idempotency_key": "F1"}
    with monkeypatch.context() as patch:
        patch.setattr(_FailingCursor, "is_failing", True)
        with pytest.raises(EngineError) as caught:
            bank.accounts.freeze(**freeze)
    assert not caught.value.retryable
    assert bank.accounts.freeze(**freeze) == bank.accounts.freeze(**freeze)
    assert bank.verify().is_clean
    bank.close()


def test_a_closing_that_is_only_announced_means_the_same_to_every_handle(
    sqlite_district: District,
) -> None:
    """Found by seed 42: who looked at the closings since then took the month for closed."""
    account, october = sqlite_district.customer(), dt.date(2022, 10, 20)
    sqlite_district.clock.advance(days=20)
    sqlite_district.bank.closings.close("2022-10-31")
    knew_before = sqlite_district.acting("K1")
    knew_before.accounts.freeze(account=account, reason="挂失")
    knew_before.accounts.unfreeze(account=account, reason="找回")
    sqlite_district.bank.closings.announce(period="2022-10")
    looks_now = Bank.open(sqlite_district.url, staff="K1", clock=sqlite_district.clock)
    for bank in (knew_before, looks_now):
        bank.points.grant(
            account=account, points=Points(1), reason="表彰", outlet="B01",
            second_person="K1b", value_on=october,
        )  # fmt: skip
    looks_now.close()
    between = (october, october)
    totals = sqlite_district.bank.reports.totals(account, between, dating="value")
    assert totals.credited == Points(2)
