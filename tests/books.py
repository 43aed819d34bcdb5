"""What the tables hold, read with plain SQLAlchemy beside the library."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.store import tables

#: What differs between two runs that say the same.
CHANGING = frozenset({
    "voucher_id", "decided_voucher_id", "voided_voucher_id", "line_hash", "head_hash", "booked_at",
})  # fmt: skip

_COUNTS = " UNION ALL ".join(
    f"SELECT '{name}', count(*) FROM {name}" for name in tables.metadata.tables
)

#: As text: compiling 31 statements for every test's own engine costs more than reading.
_EVERYTHING = {
    name: sa.text(f"SELECT {', '.join(map(str, table.columns))} FROM {name}").columns(
        *table.columns
    )
    for name, table in tables.metadata.tables.items()
}


def counts(reader: Bank | sa.Connection) -> dict[str, int]:
    """The number of rows of every table."""
    if isinstance(reader, Bank):
        with reader.engine.connect() as connection:
            return counts(connection)
    found = reader.exec_driver_sql(_COUNTS).all()
    return dict(map(tuple, found))


def rows(connection: sa.Connection, table: sa.Table) -> list[dict[str, Any]]:
    """All rows in key order, without ids, hashes and timestamps."""
    columns = [column for column in table.columns if column.name not in CHANGING]
    order = [column for column in table.primary_key.columns if column.name not in CHANGING]
    found = connection.execute(sa.select(*columns).order_by(*order))
    return [dict(row) for row in found.mappings()]


def books(reader: Bank | sa.Connection) -> dict[str, list[dict[str, Any]]]:
    """The hours, the lines and the heads, as two equal banks would have them."""
    if isinstance(reader, Bank):
        with reader.engine.connect() as connection:
            return books(connection)
    kept = (tables.hour_record, tables.account_line, tables.account_head, tables.internal_move)
    return {table.name: rows(reader, table) for table in kept}


def everything(bank: Bank) -> dict[str, list[tuple[Any, ...]]]:
    """Every value of every table, for proving that nothing changed."""
    with bank.engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select)), key=repr)
            for name, select in _EVERYTHING.items()
        }
