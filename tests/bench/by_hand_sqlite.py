"""The yardstick on SQLite: sqlite3, BEGIN IMMEDIATE, executemany."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gongyi_bank.store.tables.columns import instant_text
from tests.bench import by_hand
from tests.bench.by_hand import (
    AS_OF,
    BALANCE,
    CREDIT_CHANGES,
    HEAD_READ,
    LINE,
    NEWEST,
    RECORD,
    REDEMPTION,
    STOCK_MOVE,
    TARIFF,
    VOUCHER,
    Frame,
    Row,
    Service,
    Shape,
)

#: For a long account: halving on the key. The account goes along, since of a parameter SQLite would
#: first make a filter of all lines, which takes longer than the search.
_AS_OF_HALVING = (
    "WITH RECURSIVE part(bank, account, low, high) AS (SELECT bank_id, account_no, 0, line_no"
    " FROM gb_account_head WHERE bank_id = 1 AND account_no = ? UNION ALL SELECT bank, account,"
    " CASE WHEN l.booked_at <= ? THEN l.line_no ELSE low END,"
    " CASE WHEN l.booked_at <= ? THEN high ELSE l.line_no - 1 END FROM part"
    " JOIN gb_account_line l ON l.bank_id = bank AND l.account_no = account"
    " AND l.line_no = (low + high + 1) / 2 WHERE low < high)"
    " SELECT l.credited_after - l.debited_after FROM part JOIN gb_account_line l"
    " ON l.bank_id = bank AND l.account_no = account AND l.line_no = low WHERE low = high"
)


def _as_text(shape: Shape, rows: Iterable[Row]) -> Iterator[list[Any]]:
    """Rows with their days and instants as text."""
    days, instants = shape.positions("Day"), shape.positions("Instant")
    for row in rows:
        changed = list(row)
        for at in days:
            if changed[at] is not None:
                changed[at] = changed[at].isoformat()
        for at in instants:
            changed[at] = instant_text(changed[at])
        yield changed


class SqliteByHand:
    """One connection that works like the library's: durable, foreign keys and triggers on."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("foreign_keys=ON", "recursive_triggers=ON", "synchronous=FULL"):
            self.connection.execute("PRAGMA " + pragma)

    def names(self, table: str, number: str) -> dict[str, int]:
        """Codes to numbers of a small table."""
        return dict(self.connection.execute(f"SELECT code, {number} FROM gb_{table}").fetchall())

    def tariff(self) -> Any:
        """The policy by which services are paid."""
        return self.connection.execute(TARIFF).fetchone()[0]

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While a bank is filled: nobody asks whether what is referred to exists."""
        self.connection.execute("PRAGMA foreign_keys=OFF")
        yield
        self.connection.execute("PRAGMA foreign_keys=ON")

    def settle(self) -> None:
        """After filling: statistics for the planner."""
        self.connection.execute("ANALYZE")

    def credit(self, rows: list[Service], frame: Frame, act: str = "hours.record_many") -> None:
        """Credit rows in one transaction."""
        run, many = self.connection.execute, self.connection.executemany
        run("BEGIN IMMEDIATE")
        accounts = json.dumps(sorted({row["account"] for row in rows}))
        found = run(
            f"SELECT {HEAD_READ} FROM gb_account_head WHERE bank_id = 1 AND account_no IN"
            " (SELECT value FROM json_each(?))", (accounts,),
        )  # fmt: skip
        heads = {head[0]: list(head) for head in found}
        refs = json.dumps([row["ref"] for row in rows])
        known = run(
            "SELECT ref, row_digest FROM gb_hour_record WHERE bank_id = 1 AND ref IN"
            " (SELECT value FROM json_each(?))", (refs,),
        ).fetchall()  # fmt: skip
        assert not known
        made = by_hand.credit(rows, heads, frame, act)
        many(VOUCHER.insert("?"), _as_text(VOUCHER, [made.voucher]))
        many(RECORD.insert("?"), _as_text(RECORD, made.records))
        many(LINE.insert("?"), _as_text(LINE, made.lines))
        sets = ", ".join(f"{name} = ?" for name in CREDIT_CHANGES)
        heads_now = ((*h[:3], instant_text(h[3]), *h[4:6], h[6].isoformat(), *h[7:])
                     for h in made.heads)  # fmt: skip
        many(f"UPDATE gb_account_head SET {sets} WHERE bank_id = ? AND account_no = ?", heads_now)
        run("COMMIT")

    def redeem(self, account: int, store_no: int, sku: str, outlet_no: int, frame: Frame) -> None:
        """Redeem one piece in one transaction."""
        run, many = self.connection.execute, self.connection.executemany
        run("BEGIN IMMEDIATE")
        sql = f"SELECT {HEAD_READ} FROM gb_account_head WHERE bank_id = 1 AND account_no = ?"
        head = run(sql, (account,)).fetchone()
        points, stock = run(
            "SELECT points, stock FROM gb_offer WHERE bank_id = 1 AND store_no = ? AND sku = ?",
            (store_no, sku),
        ).fetchone()
        assert stock
        assert head[1] - head[2] >= points
        made = by_hand.redeem(head, store_no, sku, points, outlet_no, frame)
        many(VOUCHER.insert("?"), _as_text(VOUCHER, [made.voucher]))
        many(REDEMPTION.insert("?"), _as_text(REDEMPTION, [made.redemption]))
        run(STOCK_MOVE.insert("?"), made.move)
        many(LINE.insert("?"), _as_text(LINE, [made.line]))
        run(
            "UPDATE gb_account_head SET debited = ?, line_no = ?, head_hash = ?, booked_at = ?"
            " WHERE bank_id = 1 AND account_no = ?",
            (*made.head[:3], instant_text(made.head[3]), account),
        )
        run(
            "UPDATE gb_offer SET stock = stock - 1 WHERE bank_id = 1 AND store_no = ? AND sku = ?",
            (store_no, sku),
        )
        run("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One transaction around reads."""
        self.connection.execute("BEGIN")
        yield
        self.connection.execute("ROLLBACK")

    def balance(self, account: int) -> Any:
        """One seek."""
        return self.connection.execute(BALANCE.replace("%s", "?"), (account,)).fetchone()[0]

    def newest(self, account: int, count: int = 50) -> list[Any]:
        """The newest lines, with the outlets' names."""
        return self.connection.execute(NEWEST.replace("%s", "?"), (account, count)).fetchall()

    def balance_as_of(self, account: int, instant: dt.datetime) -> Any:
        """The balance after the newest line booked by then."""
        given = (account, instant_text(instant))
        return self.connection.execute(AS_OF.replace("%s", "?"), given).fetchone()[0]

    def halved_as_of(self, account: int, instant: dt.datetime) -> Any:
        """The same, in a time that hardly grows with the account."""
        at = instant_text(instant)
        return self.connection.execute(_AS_OF_HALVING, (account, at, at)).fetchone()[0]

    def close(self) -> None:
        """Close."""
        self.connection.close()
