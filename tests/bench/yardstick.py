"""Is the yardstick true? The code by hand must leave the same rows, in books without a fault.

The same services and redemptions, for some customers through the library and for others by
hand; then the rows of both are compared, and verify() audits all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store import tables
from tests.bench.figures import Figure
from tests.bench.stand import Stand
from tests.bench.workload import Workload, as_rows, service

TITLE = "The yardstick"
_CUSTOMERS = 20
#: What is different by its nature: who it is about, ids, and what is computed from those.
_OWN = {
    "account_no", "voucher_id", "redemption_id", "ref", "request_digest", "row_digest",
    "line_hash", "head_hash", "voucher_hash", "body",
}  # fmt: skip
_OF_ACCOUNT = (tables.hour_record, tables.account_line, tables.redemption, tables.account_head)


def measure(stand: Stand) -> Iterator[Figure]:
    """On both engines; a difference ends the run, for no ratio would mean anything."""
    for engine in ("PostgreSQL", "SQLite"):
        with stand.bank(engine, 2 * _CUSTOMERS) as load:
            ours, by_hand = load.accounts[:_CUSTOMERS], load.accounts[_CUSTOMERS:]
            _work(load, ours, by_hand)
            with load.bank.engine.connect() as connection:
                differences = list(_differences(connection, ours, by_hand))
            faults = load.bank.verify().faults
        assert not differences, differences
        assert not faults, faults
        yield Figure(
            "code by hand leaves the same rows", engine, "no difference",
            "no fault found by verify()", aim="none", is_met=True,
        )  # fmt: skip


def _work(load: Workload, ours: list[int], by_hand: list[int]) -> None:
    def services(accounts: list[int], turn: int) -> list[dict[str, Any]]:
        return [service(no, turn, f"Y{no}-{turn}") for no in accounts]

    load.bank.hours.record_many(rows=as_rows(services(ours, 0)))
    load.bank.hours.record(**services(ours, 1)[0])
    load.bank.redemptions.redeem(account=ours[0], store="P001", sku="S0")
    load.hand.credit(services(by_hand, 0), load.frame)
    load.hand.credit(services(by_hand, 1)[:1], load.frame, "hours.record")
    outlet_no = load.frame.places["B01S01"]
    load.hand.redeem(by_hand[0], 1, "S0", outlet_no, load.frame)


def _differences(
    connection: sa.Connection, ours: list[int], by_hand: list[int]
) -> Iterator[tuple[str, Any, Any]]:
    vouchers: list[list[bytes]] = []
    for accounts in (ours, by_hand):
        line = tables.account_line
        cited = sa.select(line.c.voucher_id).where(line.c.account_no.in_(accounts)).distinct()
        vouchers.append(list(connection.execute(cited.order_by(line.c.voucher_id)).scalars()))
    for table in _OF_ACCOUNT:
        pair = (_rows(connection, table, table.c.account_no.in_(each)) for each in (ours, by_hand))
        yield from _unequal(table.name, *pair)
    for table in (tables.voucher, tables.stock_move):
        pair = (_rows(connection, table, table.c.voucher_id.in_(each)) for each in vouchers)
        yield from _unequal(table.name, *pair)
    bodies = [
        [set(_receipt(body)) for body in connection.execute(
            sa.select(tables.voucher.c.body).where(tables.voucher.c.voucher_id.in_(each))
            .order_by(tables.voucher.c.act)
        ).scalars()]
        for each in vouchers
    ]  # fmt: skip
    yield from _unequal("what receipts tell", *bodies)


def _rows(connection: sa.Connection, table: sa.Table, mine: Any) -> list[dict[str, Any]]:
    found = connection.execute(sa.select(table).where(mine).order_by(*table.primary_key.columns))
    rows = [{n: v for n, v in row._mapping.items() if n not in _OWN} for row in found]
    return sorted(rows, key=repr) if table is tables.voucher else rows


def _receipt(body: str) -> dict[str, Any]:
    told = json.loads(body).get("receipt", "{}")
    receipt: dict[str, Any] = json.loads(told) if isinstance(told, str) else told
    return receipt


def _unequal(name: str, ours: list[Any], by_hand: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    if len(ours) != len(by_hand):
        yield name, len(ours), len(by_hand)
    for one, other in zip(ours, by_hand, strict=False):
        if one != other:
            yield name, one, other
