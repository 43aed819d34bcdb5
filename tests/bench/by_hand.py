"""The yardstick: DBAPI code written by hand that leaves the same rows and the same hashes.

It locks and reads the heads, looks for repeated references, and writes voucher, records,
lines and heads with the fastest means the driver has. It judges nothing: no overlaps, no
daily limits, no authority, no tariff versions, no receipts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import sqlite3
from typing import Any

import psycopg

from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    hour_record,
    redemption,
    stock_move,
    voucher,
)
from gongyi_bank.store.tables.columns import instant_text
from gongyi_bank.values import NEVER, canonical, new_uuid7

VOUCHER = [c.name for c in voucher.columns]
RECORD = [c.name for c in hour_record.columns]
LINE = [c.name for c in account_line.columns]
HEAD_CHANGES = ("credited", "line_no", "head_hash", "booked_at", "verified_minutes", "record_no",
                "last_expires_on")  # fmt: skip
assert set(HEAD_CHANGES) < {c.name for c in account_head.columns}
HEAD_READ = "account_no, credited, debited, line_no, head_hash, verified_minutes, record_no"

Prepared = tuple[list[Any], list[list[Any]], list[list[Any]], list[list[Any]]]


def prepare(
    rows: list[ServiceRow], heads: dict[int, list[Any]], places: dict[str, int],
    people: dict[str, int], now: dt.datetime, act: str, zone: dt.tzinfo,
) -> Prepared:  # fmt: skip
    """Voucher, records, lines and head changes for rows at one point an hour."""
    day = now.astimezone(zone).date()
    voucher_id = new_uuid7(now, os.urandom(10))
    digests = [row.digest() for row in rows]
    request = hashlib.sha256(b"".join(digests)).digest()
    voucher_row = [1, voucher_id, act, None, request, 1, 1, None, 1000, day, now, None, None,
                   json.dumps({})]  # fmt: skip
    voucher_hash = hashlib.sha256(canonical(*voucher_row)).digest()
    records, lines = [], []
    for row, row_digest in zip(rows, digests, strict=True):
        head = heads[row.account or 0]
        account_no, credited, debited, line_no, head_hash, minutes_so_far, record_no = head
        minutes = (row.ended_at - row.started_at) // dt.timedelta(minutes=1)
        points = minutes * 100 // 60
        place = places[row.outlet]
        content = (
            account_no, line_no + 1, "service", points, internal_no("issued", place),
            credited + points, debited, NEVER, row.started_at.date(), now, day, place,
            voucher_id, 8,
        )  # fmt: skip
        head_hash = hashlib.sha256(canonical(1, head_hash, voucher_hash, *content)).digest()
        lines.append([1, *content, head_hash])
        records.append([
            1, account_no, record_no + 1, "service", "credited", row.ref, row_digest, place,
            row.project, row.category, row.started_at, row.ended_at, row.started_at.date(),
            minutes, row.client_rating, people[row.recorded_by], people[row.checked_by], points,
            line_no + 1, 8, None, voucher_id, None,
        ])  # fmt: skip
        head[1:] = [
            credited + points, debited, line_no + 1, head_hash, minutes_so_far + minutes,
            record_no + 1,
        ]  # fmt: skip
    changes = [[h[1], h[3], h[4], now, h[5], h[6], NEVER, 1, h[0]] for h in heads.values()]
    return voucher_row, records, lines, changes


def prepare_redemption(
    head: list[Any], store_no: int, sku: str, points: int, now: dt.datetime, zone: dt.tzinfo
) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Voucher, line, redemption and stock move for one piece redeemed at once."""
    account_no, credited, debited, line_no, head_hash, *_ = head
    day = now.astimezone(zone).date()
    voucher_id, redemption_id = (new_uuid7(now, os.urandom(10)) for _ in range(2))
    ref = redemption_id.hex()
    row_digest = hashlib.sha256(canonical("redemption", account_no, sku, 1, ref)).digest()
    voucher_row = [1, voucher_id, "redemptions.redeem", None, row_digest, 1, 1, None, 1000, day,
                   now, None, None, json.dumps({})]  # fmt: skip
    voucher_hash = hashlib.sha256(canonical(*voucher_row)).digest()
    content = (
        account_no, line_no + 1, "redemption", -points, internal_no("store", store_no), credited,
        debited + points, None, day, now, day, 1000, voucher_id, None,
    )  # fmt: skip
    head_hash = hashlib.sha256(canonical(1, head_hash, voucher_hash, *content)).digest()
    redemption = [1, redemption_id, account_no, store_no, sku, 1, points, "redeemed", ref,
                  row_digest, day, line_no + 1, None, voucher_id, None]  # fmt: skip
    return voucher_row, [1, *content, head_hash], redemption, [1, store_no, sku, voucher_id, -1]


REDEMPTION = [c.name for c in redemption.columns]
STOCK_MOVE = [c.name for c in stock_move.columns]
_TAKE_POINTS = (
    "UPDATE gb_account_head SET debited = %s, line_no = %s, head_hash = %s, booked_at = %s"
    " WHERE bank_id = 1 AND account_no = %s"
)
_TAKE_STOCK = (
    "UPDATE gb_offer SET stock = stock - 1 WHERE bank_id = 1 AND store_no = %s AND sku = %s"
)
_OFFER = "SELECT points, stock FROM gb_offer WHERE bank_id = 1 AND store_no = %s AND sku = %s"


class SqliteByHand:
    """sqlite3, executemany, BEGIN IMMEDIATE."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("foreign_keys=ON", "recursive_triggers=ON", "synchronous=FULL"):
            self.connection.execute("PRAGMA " + pragma)

    def names(self, table: str, number: str) -> dict[str, int]:
        """Codes to numbers of a small table."""
        return dict(self.connection.execute(f"SELECT code, {number} FROM gb_{table}").fetchall())

    def credit(
        self, rows: list[ServiceRow], places: dict[str, int], people: dict[str, int],
        now: dt.datetime, zone: dt.tzinfo, act: str = "hours.record_many",
    ) -> None:  # fmt: skip
        """Credit rows in one transaction."""
        run = self.connection.execute
        accounts = json.dumps(sorted({row.account for row in rows}))
        run("BEGIN IMMEDIATE")
        found = run(
            f"SELECT {HEAD_READ} FROM gb_account_head WHERE bank_id = 1 AND account_no IN"
            " (SELECT value FROM json_each(?))", (accounts,),
        )  # fmt: skip
        heads = {head[0]: list(head) for head in found}
        refs = json.dumps([row.ref for row in rows])
        known = run(
            "SELECT ref, row_digest FROM gb_hour_record WHERE bank_id = 1 AND ref IN"
            " (SELECT value FROM json_each(?))", (refs,),
        ).fetchall()  # fmt: skip
        assert not known
        voucher_row, records, lines, changes = prepare(rows, heads, places, people, now, act, zone)
        self._write(voucher_row, records, lines, changes)
        run("COMMIT")

    def _write(
        self, voucher_row: list[Any], records: list[Any], lines: list[Any], changes: list[Any]
    ) -> None:
        many = self.connection.executemany
        for row, at in ((voucher_row, (9, 10)),):
            row[at[0]], row[at[1]] = row[at[0]].isoformat(), instant_text(row[at[1]])
        for row in records:
            row[10], row[11] = instant_text(row[10]), instant_text(row[11])
            row[12] = row[12].isoformat()
        for row in lines:
            row[8], row[9], row[11] = (row[i].isoformat() for i in (8, 9, 11))
            row[10] = instant_text(row[10])
        for row in changes:
            row[3], row[6] = instant_text(row[3]), row[6].isoformat()
        self.connection.execute(_insert("voucher", VOUCHER, "?"), voucher_row)
        many(_insert("hour_record", RECORD, "?"), records)
        many(_insert("account_line", LINE, "?"), lines)
        sets = ", ".join(f"{name} = ?" for name in HEAD_CHANGES)
        many(f"UPDATE gb_account_head SET {sets} WHERE bank_id = ? AND account_no = ?", changes)

    def redeem(
        self, account: int, store_no: int, sku: str, now: dt.datetime, zone: dt.tzinfo
    ) -> None:
        """Redeem one piece in one transaction."""
        run = self.connection.execute
        run("BEGIN IMMEDIATE")
        sql = f"SELECT {HEAD_READ} FROM gb_account_head WHERE bank_id = 1 AND account_no = ?"
        head = list(run(sql, (account,)).fetchone())
        points, stock = run(_OFFER.replace("%s", "?"), (store_no, sku)).fetchone()
        assert stock
        assert head[1] - head[2] >= points
        rows = prepare_redemption(head, store_no, sku, points, now, zone)
        voucher_row, line, redeemed, move = rows
        voucher_row[9], voucher_row[10] = voucher_row[9].isoformat(), instant_text(now)
        line[9], line[10], line[11] = line[9].isoformat(), instant_text(now), line[11].isoformat()
        redeemed[10] = redeemed[10].isoformat()
        run(_insert("voucher", VOUCHER, "?"), voucher_row)
        run(_insert("redemption", REDEMPTION, "?"), redeemed)
        run(_insert("stock_move", STOCK_MOVE, "?"), move)
        run(_insert("account_line", LINE, "?"), line)
        new = (head[2] + points, head[3] + 1, line[-1], instant_text(now), account)
        run(_TAKE_POINTS.replace("%s", "?"), new)
        run(_TAKE_STOCK.replace("%s", "?"), (store_no, sku))
        run("COMMIT")

    def balance(self, account: int) -> int:
        """One seek."""
        sql = "SELECT credited - debited FROM gb_account_head WHERE bank_id = 1 AND account_no = ?"
        found: int = self.connection.execute(sql, (account,)).fetchone()[0]
        return found

    def newest(self, account: int, count: int = 50) -> list[Any]:
        """The newest lines."""
        return self.connection.execute(_NEWEST.replace("%s", "?"), (account, count)).fetchall()

    def close(self) -> None:
        """Close."""
        self.connection.close()


class PostgresqlByHand:
    """psycopg 3: COPY for many rows, plain INSERT for one, unnest for the heads."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn)

    def names(self, table: str, number: str) -> dict[str, int]:
        """Codes to numbers of a small table."""
        with self.connection.transaction():
            return dict(
                self.connection.execute(f"SELECT code, {number} FROM gb_{table}").fetchall()
            )

    def credit(
        self, rows: list[ServiceRow], places: dict[str, int], people: dict[str, int],
        now: dt.datetime, zone: dt.tzinfo, act: str = "hours.record_many",
    ) -> None:  # fmt: skip
        """Credit rows in one transaction."""
        run = self.connection.execute
        accounts = sorted({row.account for row in rows})
        with self.connection.transaction():
            found = run(
                f"SELECT {HEAD_READ} FROM gb_account_head WHERE bank_id = 1 AND account_no ="
                " ANY(%s) ORDER BY account_no FOR NO KEY UPDATE", (accounts,),
            ).fetchall()  # fmt: skip
            heads = {head[0]: list(head) for head in found}
            known = run(
                "SELECT ref, row_digest FROM gb_hour_record WHERE bank_id = 1 AND ref = ANY(%s)",
                ([row.ref for row in rows],),
            ).fetchall()
            assert not known
            self._write(*prepare(rows, heads, places, people, now, act, zone))

    def _write(
        self, voucher_row: list[Any], records: list[Any], lines: list[Any], changes: list[Any]
    ) -> None:
        cursor = self.connection.cursor()
        cursor.execute(_insert("voucher", VOUCHER, "%s"), voucher_row)
        for table, columns, rows in (
            ("hour_record", RECORD, records), ("account_line", LINE, lines),
        ):  # fmt: skip
            if len(rows) == 1:
                cursor.execute(_insert(table, columns, "%s"), rows[0])
                continue
            with cursor.copy(f"COPY gb_{table} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        sets = ", ".join(f"{name} = u.{name}" for name in HEAD_CHANGES)
        kinds = ("bigint", "bigint", "bytea", "timestamptz", "bigint", "bigint", "date",
                 "bigint", "bigint")  # fmt: skip
        arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
        names = ", ".join((*HEAD_CHANGES, "bank_id", "account_no"))
        cursor.execute(
            f"UPDATE gb_account_head h SET {sets} FROM unnest({arrays}) u({names})"
            " WHERE h.bank_id = u.bank_id AND h.account_no = u.account_no",
            [list(column) for column in zip(*changes, strict=True)],
        )

    def redeem(
        self, account: int, store_no: int, sku: str, now: dt.datetime, zone: dt.tzinfo
    ) -> None:
        """Redeem one piece in one transaction."""
        run = self.connection.execute
        with self.connection.transaction():
            sql = (
                f"SELECT {HEAD_READ} FROM gb_account_head WHERE bank_id = 1 AND account_no = %s"
                " FOR NO KEY UPDATE"
            )
            head = list(run(sql, (account,)).fetchone() or ())
            offer = run(_OFFER + " FOR NO KEY UPDATE", (store_no, sku)).fetchone()
            assert offer is not None
            assert offer[1]
            assert head[1] - head[2] >= offer[0]
            rows = prepare_redemption(head, store_no, sku, offer[0], now, zone)
            voucher_row, line, redeemed, move = rows
            run(_insert("voucher", VOUCHER, "%s"), voucher_row)
            run(_insert("redemption", REDEMPTION, "%s"), redeemed)
            run(_insert("stock_move", STOCK_MOVE, "%s"), move)
            run(_insert("account_line", LINE, "%s"), line)
            run(_TAKE_POINTS, (head[2] + offer[0], head[3] + 1, line[-1], now, account))
            run(_TAKE_STOCK, (store_no, sku))

    def balance(self, account: int) -> int:
        """One seek."""
        sql = "SELECT credited - debited FROM gb_account_head WHERE bank_id = 1 AND account_no = %s"
        with self.connection.transaction():
            row = self.connection.execute(sql, (account,)).fetchone()
        assert row is not None
        return int(row[0])

    def newest(self, account: int, count: int = 50) -> list[Any]:
        """The newest lines."""
        with self.connection.transaction():
            return self.connection.execute(_NEWEST, (account, count)).fetchall()

    def close(self) -> None:
        """Close."""
        self.connection.close()


_NEWEST = (
    "SELECT line_no, kind, amount, contra_no, credited_after, debited_after, expires_on,"
    " value_on, booked_at, business_day, outlet_no, voucher_id, policy_id FROM gb_account_line"
    " WHERE bank_id = 1 AND account_no = %s ORDER BY line_no DESC LIMIT %s"
)


def _insert(table: str, columns: list[str], mark: str) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO gb_{table} ({', '.join(columns)}) VALUES ({marks})"
