"""The schema, and the row of a bank: what exists before any act."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from gongyi_bank.errors import UnknownBank
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import bank, metadata
from gongyi_bank.store.transaction import BankIdentity


def has_schema(connection: sa.Connection) -> bool:
    """Whether this database holds our tables."""
    return sa.inspect(connection).has_table(bank.name)


def create_schema(connection: sa.Connection, engine: StoreEngine) -> None:
    """Create all tables and the triggers that guard written history."""
    metadata.create_all(connection)
    for statement in engine.guard_statements():
        connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.finish_schema(connection, metadata)


def list_banks(connection: sa.Connection) -> list[str]:
    """The names of all banks in this database."""
    if not has_schema(connection):
        return []
    return list(connection.scalars(sa.select(bank.c.name).order_by(bank.c.bank_id)))


def load_identity(connection: sa.Connection, name: str | None) -> BankIdentity:
    """The bank of this name, or the only one there is; raises UnknownBank."""
    names = list_banks(connection)
    wanted = name if name is not None else names[0] if len(names) == 1 else None
    if wanted not in names:
        raise UnknownBank(bank=name or "（未指明）")
    row = connection.execute(sa.select(bank).where(bank.c.name == wanted)).one()
    return BankIdentity(
        bank_id=row.bank_id,
        name=row.name,
        scale=row.scale,
        zone=ZoneInfo(row.time_zone),
        founded_at=row.founded_at,
        key_marks=(row.seal_key_mark, row.index_key_mark),
    )


def write_bank(
    connection: sa.Connection,
    name: str,
    *,
    scale: int,
    time_zone: str,
    founded_at: dt.datetime,
    key_marks: tuple[str | None, str | None],
) -> BankIdentity:
    """The row of a new bank."""
    newest = connection.scalar(sa.select(sa.func.max(bank.c.bank_id)))
    bank_id = (newest or 0) + 1
    connection.execute(
        sa.insert(bank).values(
            bank_id=bank_id,
            name=name,
            scale=scale,
            time_zone=time_zone,
            policies_stamp=0,
            founded_at=founded_at,
            seal_key_mark=key_marks[0],
            index_key_mark=key_marks[1],
        )
    )
    return load_identity(connection, name)
