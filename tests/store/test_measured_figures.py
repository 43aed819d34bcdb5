"""How SQLite plans statements of a bank whose tables it has measured (ANALYZE).

Where it believes that a search takes more steps than a table has rows, it first makes a Bloom
filter of the whole table. A search of seven steps then takes the longer the larger the bank is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.store.engines import sqlite
from tests.district import District
from tests.security.cases import EVERY, SIXTH
from tests.security.test_banks_apart import answers
from tests.testing.lives import Life

#: What SQLite is told of every table: more than a new bank has, fewer than it expects of a CTE.
ROWS = 50_000


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[District]:
    """A bank of which SQLite thinks that every table has so many rows."""
    monkeypatch.setattr(sqlite, "_ROWS", ROWS)
    district = District("sqlite://")
    yield district
    district.close()


@pytest.mark.parametrize("act", SIXTH)
def test_no_act_makes_a_filter_of_a_whole_table(measured: District, act: str) -> None:
    staff, command, _ = EVERY[act](measured)
    with statements(measured) as seen:
        measured.acting(staff).execute(command)
    assert len(seen) >= 3
    assert not filters(measured, seen)


def test_no_reading_makes_a_filter_of_a_whole_table(measured: District) -> None:
    Life(measured, seed=1).live(60)
    with statements(measured) as seen:
        answers(measured.bank)
    assert len(seen) > 60
    assert not filters(measured, seen)


@contextmanager
def statements(district: District) -> Iterator[dict[str, Any]]:
    """What is asked in the block, each statement once, with parameters that it was asked with."""
    seen: dict[str, Any] = {}

    def note(_: object, __: object, sql: str, params: Any, ___: object, many: bool) -> None:
        seen.setdefault(sql, params[0] if many else params)

    sa.event.listen(district.bank.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(district.bank.engine, "before_cursor_execute", note)


def filters(district: District, seen: dict[str, Any]) -> dict[str, str]:
    """The filters in the plans of these statements."""
    found = {}
    with district.bank.engine.connect() as connection:
        cursor = connection.connection.cursor()
        for sql, params in seen.items():
            if sql.startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
                plan = cursor.execute("EXPLAIN QUERY PLAN " + sql, params).fetchall()
                for step in (row[3] for row in plan if "BLOOM" in row[3]):
                    found[sql] = step
    return found
