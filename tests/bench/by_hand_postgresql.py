"""The yardstick on PostgreSQL: psycopg 3, COPY and unnest for many, three round trips for one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg.types.array import ListBinaryDumper

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
    Service,
)

#: For a long account: halving on the key, as `booked_at` never falls in an account.
_AS_OF_HALVING = (
    "WITH RECURSIVE part(low, high) AS (SELECT 0 * line_no, line_no FROM gb_account_head"
    " WHERE bank_id = 1 AND account_no = %s UNION ALL"
    " SELECT CASE WHEN l.booked_at <= %s THEN l.line_no ELSE low END,"
    " CASE WHEN l.booked_at <= %s THEN high ELSE l.line_no - 1 END FROM part"
    " JOIN gb_account_line l ON l.bank_id = 1 AND l.account_no = %s"
    " AND l.line_no = (low + high + 1) / 2 WHERE low < high)"
    " SELECT l.credited_after - l.debited_after FROM part JOIN gb_account_line l"
    " ON l.bank_id = 1 AND l.account_no = %s AND l.line_no = low WHERE low = high"
)
_SETS = ", ".join(f"{name} = u.{name}" for name in CREDIT_CHANGES)
_KINDS = ("bigint", "bigint", "bytea", "timestamptz", "bigint", "bigint", "date", "bigint",
          "bigint", "bigint")  # fmt: skip
_UPDATE_HEADS = (
    f"UPDATE gb_account_head h SET {_SETS}"
    f" FROM unnest({', '.join(f'%s::{kind}[]' for kind in _KINDS)})"
    f" u({', '.join((*CREDIT_CHANGES, 'bank_id', 'account_no'))})"
    " WHERE h.bank_id = u.bank_id AND h.account_no = u.account_no"
)
_LOCK = (
    "SELECT account_no FROM gb_account_head WHERE bank_id = 1 AND account_no = ANY(%s)"
    " ORDER BY account_no FOR NO KEY UPDATE"
)
_HEADS = f"SELECT {HEAD_READ} FROM gb_account_head WHERE bank_id = 1 AND account_no = ANY(%s)"
_KNOWN = "SELECT ref, row_digest FROM gb_hour_record WHERE bank_id = 1 AND ref = ANY(%s)"
#: Facts of a single credit: the head, and whether the reference is in the books.
_CREDIT_FACTS = (
    f"SELECT {HEAD_READ},"
    " EXISTS (SELECT 1 FROM gb_hour_record r WHERE r.bank_id = 1 AND r.ref = %s)"
    " FROM gb_account_head WHERE bank_id = 1 AND account_no = %s"
)
_CREDIT_ONE = (
    f"WITH v AS ({VOUCHER.insert('%s')}), r AS ({RECORD.insert('%s')}),"
    f" l AS ({LINE.insert('%s')}) UPDATE gb_account_head"
    f" SET {', '.join(f'{name} = %s' for name in CREDIT_CHANGES)}"
    " WHERE bank_id = %s AND account_no = %s"
)
_LOCK_BOTH = (
    "WITH h AS (SELECT account_no FROM gb_account_head WHERE bank_id = 1 AND account_no = %s"
    " FOR NO KEY UPDATE), o AS (SELECT sku FROM gb_offer WHERE bank_id = 1 AND store_no = %s"
    " AND sku = %s FOR NO KEY UPDATE) SELECT 1 FROM h, o"
)
_REDEMPTION_FACTS = (
    f"SELECT {', '.join('h.' + name.strip() for name in HEAD_READ.split(','))}, o.points, o.stock"
    " FROM gb_account_head h, gb_offer o WHERE h.bank_id = 1 AND h.account_no = %s"
    " AND o.bank_id = 1 AND o.store_no = %s AND o.sku = %s"
)
_REDEEM_ONE = (
    f"WITH v AS ({VOUCHER.insert('%s')}), r AS ({REDEMPTION.insert('%s')}),"
    f" m AS ({STOCK_MOVE.insert('%s')}), l AS ({LINE.insert('%s')}),"
    " h AS (UPDATE gb_account_head SET debited = %s, line_no = %s, head_hash = %s,"
    " booked_at = %s WHERE bank_id = 1 AND account_no = %s)"
    " UPDATE gb_offer SET stock = stock - 1 WHERE bank_id = 1 AND store_no = %s AND sku = %s"
)


class PostgresqlByHand:
    """One open connection; plans are made once, as in the library."""

    def __init__(self, dsn: str) -> None:
        options = "-c plan_cache_mode=force_generic_plan"
        self.connection = psycopg.connect(dsn, autocommit=True, options=options)
        # The text form of an array is escaped element by element.
        self.connection.adapters.register_dumper(list, ListBinaryDumper)

    def names(self, table: str, number: str) -> dict[str, int]:
        """Codes to numbers of a small table."""
        return dict(self.connection.execute(f"SELECT code, {number} FROM gb_{table}").fetchall())

    def tariff(self) -> Any:
        """The policy by which services are paid."""
        return (self.connection.execute(TARIFF).fetchone() or ())[0]

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While a bank is filled: nobody asks whether what is referred to exists."""
        self.connection.execute("SET session_replication_role = replica")
        yield
        self.connection.execute("RESET session_replication_role")

    def settle(self) -> None:
        """After filling: statistics for the planner, and no dead heads in the way."""
        self.connection.execute("VACUUM ANALYZE")

    def credit(self, rows: list[Service], frame: Frame, act: str = "hours.record_many") -> None:
        """Credit rows in one transaction: many by COPY, one by three statements."""
        with self.connection.transaction():
            if len(rows) == 1:
                self._credit_one(rows[0], frame, act)
            else:
                self._credit_many(rows, frame, act)

    def _credit_one(self, row: Service, frame: Frame, act: str) -> None:
        run, account = self.connection.execute, row["account"]
        run(_LOCK, ([account],))
        *head, is_known = run(_CREDIT_FACTS, (row["ref"], account)).fetchone() or ()
        assert not is_known
        made = by_hand.credit([row], {account: head}, frame, act)
        run(_CREDIT_ONE, [*made.voucher, *made.records[0], *made.lines[0], *made.heads[0]])

    def _credit_many(self, rows: list[Service], frame: Frame, act: str) -> None:
        cursor = self.connection.cursor()
        accounts = sorted({row["account"] for row in rows})
        cursor.execute(_LOCK, (accounts,))
        found = cursor.execute(_HEADS, (accounts,)).fetchall()
        heads = {head[0]: list(head) for head in found}
        known = cursor.execute(_KNOWN, ([row["ref"] for row in rows],)).fetchall()
        assert not known
        made = by_hand.credit(rows, heads, frame, act)
        cursor.execute(VOUCHER.insert("%s"), made.voucher)
        for shape, new in ((RECORD, made.records), (LINE, made.lines)):
            columns = ", ".join(shape.columns)
            with cursor.copy(f"COPY {shape.table} ({columns}) FROM STDIN") as copy:
                for line in new:
                    copy.write_row(line)
        cursor.execute(_UPDATE_HEADS, [list(column) for column in zip(*made.heads, strict=True)])

    def redeem(self, account: int, store_no: int, sku: str, outlet_no: int, frame: Frame) -> None:
        """Redeem one piece in one transaction: lock, facts, write."""
        run = self.connection.execute
        with self.connection.transaction():
            run(_LOCK_BOTH, (account, store_no, sku))
            found = run(_REDEMPTION_FACTS, (account, store_no, sku)).fetchone() or ()
            *head, points, stock = found
            assert stock
            assert head[1] - head[2] >= points
            made = by_hand.redeem(tuple(head), store_no, sku, points, outlet_no, frame)
            run(_REDEEM_ONE, [*made.voucher, *made.redemption, *made.move, *made.line, *made.head,
                              account, store_no, sku])  # fmt: skip

    def reading(self) -> AbstractContextManager[Any]:
        """One transaction around reads."""
        return self.connection.transaction()

    def balance(self, account: int) -> Any:
        """One seek."""
        return (self.connection.execute(BALANCE, (account,)).fetchone() or ())[0]

    def newest(self, account: int, count: int = 50) -> list[Any]:
        """The newest lines, with the outlets' names."""
        return self.connection.execute(NEWEST, (account, count)).fetchall()

    def balance_as_of(self, account: int, instant: dt.datetime) -> Any:
        """The balance after the newest line booked by then."""
        return (self.connection.execute(AS_OF, (account, instant)).fetchone() or ())[0]

    def halved_as_of(self, account: int, instant: dt.datetime) -> Any:
        """The same, in a time that hardly grows with the account."""
        given = (account, instant, instant, account, account)
        return (self.connection.execute(_AS_OF_HALVING, given).fetchone() or ())[0]

    def close(self) -> None:
        """Close."""
        self.connection.close()
