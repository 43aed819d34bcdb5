"""The yardstick: what somebody would write with the bare driver for just this purpose.

It leaves the same rows and the same hashes as the library: service record or redemption, line,
voucher with its receipt, head, stock. It judges nothing but enough points and stock: no
overlaps, no daily limits, no authority, no tariff versions. Here the rows are made, from plain
values; by_hand_sqlite.py and by_hand_postgresql.py write them.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.seals import SEAL_VERSION
from gongyi_bank.store import tables
from gongyi_bank.store.seals import SEALED
from gongyi_bank.values import NEVER, canonical, new_uuid7

Row = tuple[Any, ...]
Service = dict[str, Any]
#: A column that is empty in every row written here.
EMPTY = "decided_voucher_id"


class Shape:
    """The columns of a table that are written by hand, and a row of them from a row of all.

    `names` may name columns that the table does not have (yet); it may not leave out one that
    must be filled.
    """

    def __init__(self, table: sa.Table, names: str) -> None:
        given, known = names.split(), {column.name for column in table.columns}
        missing = {c.name for c in table.columns if not c.nullable} - set(given)
        assert not missing, f"{table.name}: the code by hand must also write {sorted(missing)}"
        self.table = table.name
        self.columns = [name for name in given if name in known]
        self.kinds = [table.c[name].type for name in self.columns]
        self.row: Callable[[Row], Row] = operator.itemgetter(*map(given.index, self.columns))
        self._part = table.name.removeprefix("gb_")
        self._given, self._all = given, [column.name for column in table.columns]

    @functools.cached_property
    def content(self) -> Callable[[Row], Row]:
        """What a hash covers, of a row of all names: the table's columns in their order."""
        hashed = (name for name in self._all if name != "line_hash")
        return operator.itemgetter(*map(self._given.index, hashed))

    @functools.cached_property
    def claimed(self) -> Callable[[Row], Row]:
        """What a voucher answers for, of a row of all names that is final from the start."""
        part = SEALED[self._part][0]
        names = (*part.columns, *(part.at_once[2] if part.at_once else ()))
        # A name that is not given stands for a column that stays empty.
        return operator.itemgetter(*(self._place(name) for name in names))

    def _place(self, name: str) -> int:
        return self._given.index(name) if name in self._given else self._given.index(EMPTY)

    def claim(self, row: Row) -> int:
        """The number that one row adds to its voucher's claim."""
        content = canonical(SEAL_VERSION, 1, self._part, *self.claimed(row))
        return int.from_bytes(hashlib.sha256(b"\0" + content).digest())

    def insert(self, mark: str) -> str:
        """INSERT of one row."""
        marks = ", ".join([mark] * len(self.columns))
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({marks})"

    def positions(self, kind: str) -> list[int]:
        """Where values of a kind ("Day", "Instant") stand in a row."""
        return [i for i, k in enumerate(self.kinds) if type(k).__name__ == kind]


VOUCHER = Shape(
    tables.voucher,
    "bank_id voucher_id act idempotency_key request_digest digest_version staff_no"
    " second_staff_no outlet_no business_day booked_at cites_voucher_id reason body voucher_hash",
)
RECORD = Shape(
    tables.hour_record,
    "bank_id account_no record_no kind state first_state ref row_digest outlet_no project category"
    " started_at ended_at service_on value_on voided_on minutes client_rating recorded_by_no"
    " checked_by_no points line_no policy_id replaces_record_no voucher_id decided_voucher_id",
)
LINE = Shape(
    tables.account_line,
    "bank_id account_no line_no kind amount contra_no credited_after debited_after expires_on"
    " value_on origin_on booked_at business_day outlet_no voucher_id policy_id line_hash",
)
REDEMPTION = Shape(
    tables.redemption,
    "bank_id redemption_id account_no store_no sku quantity points state ref row_digest"
    " redeemed_on line_no hold_id cites_from voucher_id decided_voucher_id",
)
STOCK_MOVE = Shape(tables.stock_move, "bank_id store_no sku voucher_id quantity")

#: A head as it is read, and what a credit and a redemption change of it.
HEAD_READ = (
    "account_no, credited, debited, line_no, head_hash, verified_minutes, record_no,"
    " next_expiry_line_no"
)
CREDIT_CHANGES = ("credited", "line_no", "head_hash", "booked_at", "verified_minutes", "record_no",
                  "last_expires_on", "next_expiry_line_no")  # fmt: skip
NEWEST = (
    "SELECT l.line_no, l.kind, l.amount, l.contra_no, l.credited_after, l.debited_after,"
    " l.expires_on, l.value_on, l.booked_at, l.business_day, o.code, o.name, l.voucher_id,"
    " l.policy_id FROM gb_account_line l JOIN gb_outlet o ON o.bank_id = l.bank_id"
    " AND o.outlet_no = l.outlet_no"
    " WHERE l.bank_id = 1 AND l.account_no = %s ORDER BY l.line_no DESC LIMIT %s"
)
TARIFF = "SELECT max(policy_id) FROM gb_policy WHERE bank_id = 1 AND kind = 'tariff'"
BALANCE = "SELECT credited - debited FROM gb_account_head WHERE bank_id = 1 AND account_no = %s"
AS_OF = (
    "SELECT credited_after - debited_after FROM gb_account_line WHERE bank_id = 1"
    " AND account_no = %s AND booked_at <= %s ORDER BY line_no DESC LIMIT 1"
)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What all rows of a call share: when, and what the codes of the house mean."""

    now: dt.datetime
    day: dt.date
    places: dict[str, int]
    people: dict[str, int]
    #: The tariff that pays one point an hour.
    policy_id: int


@dataclass(frozen=True)
class Credit:
    """Everything that one call of crediting writes."""

    voucher: Row
    records: list[Row]
    lines: list[Row]
    #: CREDIT_CHANGES, bank and account of every head.
    heads: list[Row]


def row_digest(row: Service) -> bytes:
    """SHA-256 over a row's fields: what "the same row" means."""
    return hashlib.sha256(canonical(
        "service", row["account"], None, row["category"], row["started_at"], row["ended_at"],
        row["outlet"], row["project"], row["client_rating"], row["recorded_by"],
        row["checked_by"], row["ref"],
    )).digest()  # fmt: skip


def voucher_of(
    act: str, voucher_id: bytes, request: bytes, second: int | None, outlet_no: int,
    frame: Frame, body: str,
) -> Row:  # fmt: skip
    """A voucher with its hash, all columns of VOUCHER's names."""
    fields = (1, voucher_id, act, None, request, 1, 1, second, outlet_no, frame.day, frame.now,
              None, None, body)  # fmt: skip
    return (*fields, hashlib.sha256(canonical(*fields)).digest())


def line_of(previous: bytes, voucher_hash: bytes, *fields: Any) -> Row:
    """A line with its hash: chained to the one before it."""
    content = LINE.content((*fields, b""))
    message = canonical(1, previous, voucher_hash, *content[1:])
    return (*fields, hashlib.sha256(message).digest())


def credit(rows: list[Service], heads: dict[int, list[Any]], frame: Frame, act: str) -> Credit:
    """The rows of services at one point an hour; `heads` are as read and become the new ones."""
    now, day = frame.now, frame.day
    voucher_id = new_uuid7(now, os.urandom(10))
    digests = [row_digest(row) for row in rows]
    request = hashlib.sha256(b"".join(digests)).digest()
    outlet_no = frame.places[rows[0]["outlet"]]
    places, people, policy_id = frame.places, frame.people, frame.policy_id
    records, unchained, claim = [], [], 0
    for row, digest in zip(rows, digests, strict=True):
        head = heads[row["account"]]
        account_no, credited, debited, line_no, head_hash, minutes_so_far, record_no, alive = head
        started_at, ended_at = row["started_at"], row["ended_at"]
        minutes = (ended_at - started_at) // dt.timedelta(minutes=1)
        points, place, on = minutes * 100 // 60, places[row["outlet"]], started_at.date()
        unchained.append((
            1, account_no, line_no + 1, "service", points, internal_no("issued", place),
            credited + points, debited, NEVER, on, None, now, day, place, voucher_id, policy_id,
        ))  # fmt: skip
        record = (
            1, account_no, record_no + 1, "service", "credited", "credited", row["ref"], digest,
            place, row["project"], row["category"], started_at, ended_at, on, on, None, minutes,
            row["client_rating"], people[row["recorded_by"]], people[row["checked_by"]], points,
            line_no + 1, policy_id, None, voucher_id, None,
        )  # fmt: skip
        claim += RECORD.claim(record)
        records.append(RECORD.row(record))
        head[1:] = [
            credited + points, debited, line_no + 1, head_hash, minutes_so_far + minutes,
            record_no + 1, alive or line_no + 1,
        ]  # fmt: skip
    told = None if len(rows) > 1 else _told_of_credit(records[0], heads[rows[0]["account"]])
    second = None if len(rows) > 1 else people[rows[0]["checked_by"]]
    body = _body(claim, frame, voucher_id, told)
    voucher = voucher_of(act, voucher_id, request, second, outlet_no, frame, body)
    lines = []
    for unhashed in unchained:
        head = heads[unhashed[1]]
        line = line_of(head[4], voucher[-1], *unhashed)
        head[4] = line[-1]
        lines.append(LINE.row(line))
    changes = [(h[1], h[3], h[4], now, h[5], h[6], NEVER, h[7], 1, h[0])
               for h in heads.values()]  # fmt: skip
    return Credit(VOUCHER.row(voucher), records, lines, changes)


def _told_of_credit(record: Row, head: list[Any]) -> dict[str, Any]:
    """What the receipt of a single credit tells; `head` is as it is now."""
    told = dict(zip(RECORD.columns, record, strict=True))
    return {
        "account": head[0], "record_no": head[6], "state": "credited", "minutes": told["minutes"],
        "points": _shown(told["points"]), "line_no": head[3], "balance": _shown(head[1] - head[2]),
        "replaces_record_no": None,
    }  # fmt: skip


def _body(claim: int, frame: Frame, voucher_id: bytes, told: dict[str, Any] | None) -> str:
    """A voucher's body: what it says about its rows, and the answer to the act for a retry."""
    body = {"rows": f"{claim % 2**256:064x}"}
    if told is not None:
        common = {"business_day": frame.day.isoformat(), "booked_at": frame.now.isoformat(),
                  "voucher_id": str(UUID(bytes=voucher_id))}  # fmt: skip
        body["receipt"] = json.dumps(common | told)
    return json.dumps(body, separators=(",", ":"))


def _shown(units: int) -> str:
    return f"{units // 100}.{units % 100:02d}"


@dataclass(frozen=True)
class Redeemed:
    """Everything that one redemption writes."""

    voucher: Row
    line: Row
    redemption: Row
    move: Row
    #: debited, line_no, head_hash, booked_at of the head.
    head: Row


def redeem(
    head: Row, store_no: int, sku: str, points: int, outlet_no: int, frame: Frame
) -> Redeemed:
    """The rows of one piece redeemed at once."""
    account_no, credited, debited, line_no, head_hash, *_ = head
    now, day = frame.now, frame.day
    voucher_id, redemption_id = (new_uuid7(now, os.urandom(10)) for _ in range(2))
    digest = hashlib.sha256(canonical("redemption", account_no, store_no, sku, 1, None)).digest()
    redeemed = (1, redemption_id, account_no, store_no, sku, 1, points, "redeemed", None, digest,
                day, line_no + 1, None, debited, voucher_id, None)  # fmt: skip
    move = (1, store_no, sku, voucher_id, -1)
    body = _body(REDEMPTION.claim(redeemed) + STOCK_MOVE.claim(move), frame, voucher_id, {
        "account": account_no, "redemption_id": str(UUID(bytes=redemption_id)), "store": "P001",
        "sku": sku, "quantity": 1, "points": _shown(points), "line_no": line_no + 1,
        "balance": _shown(credited - debited - points),
    })  # fmt: skip
    voucher = voucher_of("redemptions.redeem", voucher_id, digest, None, outlet_no, frame, body)
    line = line_of(
        head_hash, voucher[-1], 1, account_no, line_no + 1, "redemption", -points,
        internal_no("store", store_no), credited, debited + points, None, day, None, now, day,
        outlet_no, voucher_id, None,
    )  # fmt: skip
    return Redeemed(
        VOUCHER.row(voucher), LINE.row(line), REDEMPTION.row(redeemed),
        STOCK_MOVE.row(move), (debited + points, line_no + 1, line[-1], now),
    )  # fmt: skip
