"""Several acts' vouchers in one write: all are claimed, or nothing is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.service.founding import HEAD_OFFICE_NO
from gongyi_bank.store.engines import KeyTaken, engine_for
from gongyi_bank.store.engines.wire import Wire
from gongyi_bank.store.tables import account, voucher
from gongyi_bank.store.writing import Row, Writes, columns_of
from tests.district import District
from tests.racing import at_once

_COLUMNS = columns_of(voucher)


@contextmanager
def _connected(district: District) -> Iterator[sa.Connection]:
    engine = district.bank.engine
    with engine.connect() as connection, connection.begin():
        yield connection


def _copied(connection: sa.Connection, key: str | None) -> Row:
    """The row of a voucher like an old one, under a new id and this key."""
    old = connection.execute(sa.select(voucher).limit(1)).one()._mapping
    copy = dict(old) | {"voucher_id": os.urandom(16), "idempotency_key": key, "outbox_no": None}
    return tuple(copy[name] for name in _COLUMNS)


def _write(connection: sa.Connection, *vouchers: Row) -> None:
    """Write these vouchers, and an account that cites the first of them."""
    writes = Writes(vouchers=list(vouchers))
    number = int.from_bytes(os.urandom(4), "big") + 10**9
    writes.insert(
        account,
        ("account_no", "kind", "unit", "outlet_no", "voucher_id"),
        [(number, "expired", "points", HEAD_OFFICE_NO, vouchers[0][_COLUMNS.index("voucher_id")])],
    )
    support = engine_for(connection.dialect.name)
    support.write(Wire(connection, support), 1, writes)


def _count(connection: sa.Connection) -> tuple[Any, ...]:
    return tuple(
        connection.scalar(sa.select(sa.func.count()).select_from(table))
        for table in (voucher, account)
    )


def test_several_vouchers_are_written_with_their_rows(district: District) -> None:
    with _connected(district) as connection:
        before = _count(connection)
        _write(connection, *(_copied(connection, key) for key in ("b", None, "a", None)))
        assert _count(connection) == (before[0] + 4, before[1] + 1)


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_one_taken_key_among_several_writes_nothing(district: District, taken: int) -> None:
    with _connected(district) as connection:
        _write(connection, _copied(connection, f"key {taken}"))
    with _connected(district) as connection:
        before = _count(connection)
        with pytest.raises(KeyTaken):
            _write(connection, *(_copied(connection, f"key {i}") for i in range(3)))
        assert _count(connection) == before
        # The transaction is still good, and what was free is free.
        _write(connection, *(_copied(connection, f"key {i}") for i in range(3) if i != taken))
        assert _count(connection) == (before[0] + 2, before[1] + 1)


def test_two_writers_of_the_same_keys_never_wait_in_a_circle(district: District) -> None:
    def write(keys: list[str]) -> str:
        with _connected(district) as connection:
            try:
                _write(connection, *(_copied(connection, key) for key in keys))
            except KeyTaken:
                return "taken"
            return "written"

    for attempt in range(5):
        keys = [f"{attempt} {i}" for i in range(40)]
        results = at_once(lambda k=keys: write(k), lambda k=keys[::-1]: write(k))
        assert sorted(results) == ["taken", "written"]
