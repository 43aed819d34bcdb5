"""psycopg's cursor that passes on SQL as it is; the only file that needs the driver itself."""

from __future__ import annotations

from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.string import BytesBinaryDumper, StrDumperUnknown


class _AsTheyAre(BytesBinaryDumper):
    """Bytes without a type of their own: the SQL says whether they are bytes or an array."""

    oid = 0


def raw_cursor(connection: sa.Connection) -> Any:
    """A cursor for $1, $2 …, whose parameters `arrays` has made."""
    pooled = connection.connection
    cursor: Any
    if isinstance(pooled.driver_connection, psycopg.AsyncConnection):
        # SQLAlchemy's cursor awaits for the driver's, which it keeps under this name.
        cursor = pooled.cursor()
        driver_cursor: Any = psycopg.AsyncRawCursor(pooled.driver_connection)
        cursor._cursor = driver_cursor
    else:
        cursor = driver_cursor = psycopg.RawCursor(pooled.driver_connection)  # type: ignore[arg-type]
    register = driver_cursor.adapters.register_dumper
    register(str, StrDumperUnknown)
    register(bytes, _AsTheyAre)
    return cursor
