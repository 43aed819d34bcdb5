"""Several questions are one statement on every engine, and it answers them as each alone would.

On MariaDB and MySQL a statement that locks several rows locks them in the order given.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.store.engines import engine_for
from gongyi_bank.store.engines.union import united
from gongyi_bank.store.ledger import ask_heads
from gongyi_bank.store.outlets import ask_outlets
from gongyi_bank.store.transaction import Query, Rows, Transaction
from tests.acts import ACTS, keyed
from tests.district import District

Asked = Sequence[tuple[Query, dict[str, Any]]]
LOCKING = ("FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "LOCK IN SHARE MODE")


@pytest.mark.parametrize("act", ACTS)
def test_one_statement_answers_several_questions_as_each_alone(
    district: District, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff, command, _ = ACTS[act](district)
    together = Transaction._rows_of
    compared = []

    def both(tx: Transaction, asked: Asked) -> list[Rows]:
        found = together(tx, asked)
        for (query, params), rows in zip(asked, found, strict=True):
            compiled = query.compiled(tx)
            alone = compiled.run(tx, params)
            assert Counter(rows) == Counter(alone), compiled.sql
            if len(asked) > 1:
                compared.extend(rows)
                # What is asked with others may come in any order, but for what is only locked.
                assert "ORDER BY" not in compiled.sql or compiled.sql.endswith(LOCKING)
        return found

    monkeypatch.setattr(Transaction, "_rows_of", both)
    district.acting(staff).execute(keyed(command))
    assert compared
    assert not [row for row in compared for value in row if isinstance(value, Decimal)]


def test_values_of_different_kinds_share_no_column_of_the_statement() -> None:
    """Bytes are filled up to the longest of their column, and a text would swallow a number."""
    short, long = sa.LargeBinary(16), sa.LargeBinary(32)
    selects = [("A", 0, [short, sa.Integer()]), ("B", 0, [long, sa.BigInteger(), sa.String(3)])]
    sql = engine_for("mariadb").fuse(selects).sql
    assert sql == (
        "WITH q0(c0, c1) AS (A), q1(c0, c1, c2) AS (B)"
        " SELECT 0, c0, c1 DIV 1, NULL, NULL FROM q0"
        " UNION ALL SELECT 1, NULL, c1 DIV 1, c0, c2 FROM q1"
    )


def test_the_rows_of_a_union_fall_apart_by_their_first_value() -> None:
    fusion = united(
        [("A", 0, [sa.Integer()]), ("B", 0, [sa.Integer(), sa.Text()]), ("C", 0, [sa.Text()])],
        lambda types: [],
        kind_of=type,
    )
    rows: list[tuple[Any, ...]] = [(0, 7, None), (2, None, "x"), (1, 8, "y"), (2, None, None)]
    assert fusion.split(rows) == [[(7,)], [(8, "y")], [("x",), (None,)]]


# --- locks of MariaDB ------------------------------------------------------------------------


@pytest.fixture
def mariadb_district(mariadb_district_url: str) -> Iterator[District]:
    made = District(mariadb_district_url, is_founded=True)
    yield made
    made.close()


def wait_for(is_so: Callable[[], bool]) -> None:
    """Until it is so. The server looks anew only if nobody asked for a tenth of a second."""
    give_up_at = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.15)


def somebody_waits(connection: sa.Connection) -> bool:
    """Whether somebody waits for a row's lock."""
    asked = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    with connection.begin():
        return bool(connection.exec_driver_sql(asked).scalar())


def is_free(connection: sa.Connection, select: str) -> bool:
    """Whether a row can be locked at once."""
    with connection.begin():
        try:
            connection.exec_driver_sql(f"{select} FOR UPDATE NOWAIT")
        except sa.exc.OperationalError:
            return False
    return True


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_locked_in_one_statement_is_locked_in_the_order_given(
    mariadb_district: District, count: int
) -> None:
    """The server looks up a row of which it knows the whole key before it begins; not here."""
    district = mariadb_district
    *accounts, stranger = [district.customer() for _ in range(count + 1)]
    head, strange = (
        f"SELECT 1 FROM gb_account_head WHERE bank_id = 1 AND account_no = {number}"
        for number in (accounts[0], stranger)
    )
    outlet, elsewhere = (
        f"SELECT 1 FROM gb_outlet WHERE bank_id = 1 AND code = '{code}'"
        for code in ("B01S01", "B02S01")
    )
    bank = district.bank
    done = threading.Event()

    def lock() -> None:
        with bank.begin() as counter:
            places = ask_outlets(["B01S01", "B01S02"], accounts)
            counter.read(lambda tx: tx.lock(places, ask_heads(accounts)))
            assert {facts.code for facts in places.answer.values()} == {"B01S01", "B01S02"}
            done.wait(60)

    thread = threading.Thread(target=lock)
    with bank.engine.connect() as other, bank.engine.connect() as watching:
        try:
            with other.begin():
                other.exec_driver_sql(f"{outlet} FOR UPDATE")
                thread.start()
                wait_for(lambda: somebody_waits(watching))
                assert is_free(watching, head)
            wait_for(lambda: not is_free(watching, head))
            assert is_free(watching, strange)
            assert is_free(watching, elsewhere)
        finally:
            done.set()
            thread.join()
        assert is_free(watching, head)
