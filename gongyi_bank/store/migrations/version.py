"""Which schema a database has: one row, written by whoever founds or migrates it.

The only table that belongs to no bank. Its form is Alembic's, its name our own, so a host that
uses Alembic too keeps its versions elsewhere.
"""

from __future__ import annotations

import sqlalchemy as sa

from gongyi_bank.errors import SchemaOutdated, SchemaTooNew, SchemaUnknown
from gongyi_bank.store.tables import bank
from gongyi_bank.store.tables.columns import TABLE_OPTIONS

#: The newest revision, which `store/tables/` describes. A test compares it with the files.
NEWEST = "0001"

_SERVER_OPTIONS = {k: v for k, v in TABLE_OPTIONS.items() if not k.startswith("sqlite")}
version = sa.Table(
    "gb_schema_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="gb_schema_version_pkc"),
    **_SERVER_OPTIONS,
)

_COUNT_BANKS = sa.select(sa.func.count()).select_from(bank)


def load_revision(connection: sa.Connection) -> str | None:
    """The revision of this database's schema; None where there is none, or one half made.

    Raises SchemaUnknown where banks were founded, but nothing says under which schema.
    """
    if sa.inspect(connection).has_table(version.name):
        found: list[str] = list(connection.scalars(sa.select(version.c.version_num)))
        if len(found) > 1:
            raise SchemaUnknown(found=", ".join(sorted(found)))
        if found:
            return found[0]
    if sa.inspect(connection).has_table(bank.name) and connection.scalar(_COUNT_BANKS):
        raise SchemaUnknown(found="（无 none）")
    return None


def is_newest(connection: sa.Connection) -> bool:
    """Whether there is a schema, and it is the one that this library was written for.

    False where there is none. Raises SchemaOutdated, SchemaTooNew, SchemaUnknown.
    """
    found = load_revision(connection)
    if found is None or found == NEWEST:
        return found is not None
    if not found.isdecimal():
        raise SchemaUnknown(found=found)
    if int(found) > int(NEWEST):
        raise SchemaTooNew(found=found, newest=NEWEST)
    raise SchemaOutdated(found=found, newest=NEWEST)


def create_version_table(connection: sa.Connection) -> None:
    """The table, if it is missing."""
    version.create(connection, checkfirst=True)


def write_revision(connection: sa.Connection) -> None:
    """Say that this database has the newest schema: the last step of making it."""
    create_version_table(connection)
    connection.execute(sa.insert(version).values(version_num=NEWEST))
