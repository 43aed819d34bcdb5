"""The schema, and the row of a bank: what exists before any act."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from gongyi_bank.errors import EngineError, UnknownBank
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.migrations.version import create_version_table, is_newest, write_revision
from gongyi_bank.store.tables import bank, metadata
from gongyi_bank.store.transaction import BankIdentity


def ensure_schema(connection: sa.Connection, engine: StoreEngine) -> None:
    """Create the newest schema where there is none, or a founder got only half-way.

    Raises SchemaOutdated, SchemaTooNew and SchemaUnknown where there is another.
    """
    if is_newest(connection):
        return
    with engine.founding_alone(connection):
        if not is_newest(connection):
            create_schema(connection, engine)


def create_schema(connection: sa.Connection, engine: StoreEngine) -> None:
    """Create all tables and the triggers that guard written history; the version comes last."""
    engine.create_tables(connection, metadata)
    for statement in engine.guard_statements():
        connection.exec_driver_sql(statement.replace("%", "%%"))
    create_version_table(connection)
    engine.finish_schema(connection)
    write_revision(connection)


def list_grants(connection: sa.Connection, engine: StoreEngine, role: str) -> list[str]:
    """The SQL by which a role may run the banks here, and not change their history.

    Raises EngineError where our tables are not there, or the engine knows no grants;
    InvalidValue, SchemaOutdated, SchemaTooNew, SchemaUnknown.
    """
    if not is_newest(connection):
        raise EngineError(reason="no tables of ours yet: found a bank first")
    return engine.grants_for(connection, role)


def has_bank(connection: sa.Connection, name: str) -> bool:
    """Whether a bank of this name is in this database, which has our tables."""
    return connection.scalar(sa.select(bank.c.bank_id).where(bank.c.name == name)) is not None


def load_identity(connection: sa.Connection, name: str | None) -> BankIdentity:
    """The bank of this name, or the only one there is.

    Raises UnknownBank; SchemaOutdated, SchemaTooNew, SchemaUnknown.
    """
    select = sa.select(bank).limit(2)
    if name is not None:
        select = select.where(bank.c.name == name)
    try:
        rows = connection.execute(select).all() if is_newest(connection) else []
    except ValueError:
        raise EngineError(reason="gb_bank.founded_at is no instant") from None
    if len(rows) != 1:
        raise UnknownBank(bank=name or "（未指明）")
    row = rows[0]
    try:
        zone = ZoneInfo(row.time_zone)
    except (ValueError, LookupError):
        raise EngineError(reason=f"gb_bank.time_zone is no time zone: {row.time_zone}") from None
    return BankIdentity(
        bank_id=row.bank_id,
        name=row.name,
        scale=row.scale,
        zone=zone,
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
