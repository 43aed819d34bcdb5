"""What is made on first use is made once and whole, also when threads come first together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from gongyi_bank.store import transaction
from gongyi_bank.store.engines import Fusion
from gongyi_bank.store.engines.postgresql import PostgresqlEngine
from tests.district import District


def test_a_thread_never_meets_a_fused_statement_half_made(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    district = District(postgresql_url)
    account = district.customer()
    monkeypatch.setattr(transaction, "_made", {})
    first_is_making, second_is_done = threading.Event(), threading.Event()
    fuse = PostgresqlEngine.fuse

    def slow(self: PostgresqlEngine, selects: Sequence[Any]) -> Fusion:
        if threading.current_thread().name == "first" and not second_is_done.is_set():
            first_is_making.set()
            second_is_done.wait(10)
        return fuse(self, selects)

    monkeypatch.setattr(PostgresqlEngine, "fuse", slow)
    failed: list[BaseException] = []

    def serve(start: str) -> None:
        try:
            district.serve(account, start)
        except BaseException as error:  # noqa: BLE001 - told to the test, whatever it is
            failed.append(error)

    # Two accounts' acts could share nothing but the statement; the first holds no lock here,
    # since its very first fused statement is the one that locks.
    first = threading.Thread(target=serve, args=("10-03 08:00",), name="first")
    first.start()
    assert first_is_making.wait(10)
    second = threading.Thread(target=serve, args=("10-04 08:00",), name="second")
    second.start()
    second.join(10)
    second_is_done.set()
    first.join(10)
    assert failed == []
    assert str(district.bank.reports.balance(account)) == "2.00"
    district.close()
