"""psycopg's cursor that passes on SQL as it is; the only file that needs the driver itself."""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.rows import tuple_row
from psycopg.types.string import BytesBinaryDumper, StrDumperUnknown


class _AsTheyAre(BytesBinaryDumper):
    """Bytes without a type of their own: the SQL says whether they are bytes or an array."""

    oid = 0


#: Where a pooled connection keeps its cursor.
_KEPT = "gongyi_bank.cursor"


def raw_cursor(connection: sa.Connection) -> Any:
    """A cursor for $1, $2 …, whose parameters `arrays` has made; rows are plain tuples.

    The connection keeps it in the pool: a new one looks up anew how each type is read, which
    costs as much as a small question does.
    """
    pooled = connection.connection
    if isinstance(pooled.driver_connection, psycopg.AsyncConnection):
        # SQLAlchemy's cursor awaits for the driver's, which it keeps under this name.
        cursor: Any = pooled.cursor()
        cursor._cursor = _adapted(
            psycopg.AsyncRawCursor(pooled.driver_connection, row_factory=tuple_row)
        )
        return cursor
    kept = connection.info.get(_KEPT)
    if kept is None or kept.closed:
        driver_connection: Any = pooled.driver_connection
        kept = _adapted(psycopg.RawCursor(driver_connection, row_factory=tuple_row))
        connection.info[_KEPT] = kept
    return kept


def _adapted(cursor: Any) -> Any:
    cursor.adapters.register_dumper(str, StrDumperUnknown)
    cursor.adapters.register_dumper(bytes, _AsTheyAre)
    return cursor
