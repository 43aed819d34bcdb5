"""What a transaction does after something in it failed: nothing more."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import EngineError, RetryTransaction
from gongyi_bank.store import vouchers
from gongyi_bank.store.transaction import Transaction
from tests.district import District


def test_after_a_question_that_failed_nothing_more_is_done(sqlite_district: District) -> None:
    def ask(tx: Transaction) -> None:
        with pytest.raises(KeyError):
            vouchers._by_key(tx)
        with pytest.raises(RetryTransaction, match="KeyError"):
            tx.require_sound()

    sqlite_district.bank.read(ask)


def test_a_statement_that_failed_is_told_as_an_error_of_ours(sqlite_district: District) -> None:
    def execute(tx: Transaction) -> None:
        with pytest.raises(EngineError) as caught:
            tx.execute(sa.text("DELETE FROM nowhere"))
        with pytest.raises(RetryTransaction, match=caught.value.code):
            tx.require_sound()

    sqlite_district.bank.read(execute)
