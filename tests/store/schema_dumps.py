"""Schemas as engines tell them, and the rows of a district: what a release leaves for later tests.

python -m tests.store.schema_dumps        (at a release, once)
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import connect, engine_for
from gongyi_bank.store.migrations.version import NEWEST
from gongyi_bank.store.tables import metadata
from tests import mariadb, postgresql
from tests.district import District
from tests.mysqld import engine_name
from tests.reports.history import EXPIRY, History

SCHEMAS = Path(__file__).parent / "schemas"
#: What each engine itself knows of our tables, as statements that return (kind, name, text).
_TELL: dict[str, tuple[str, ...]] = {
    "sqlite": (
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name LIKE 'gb\\_%' ESCAPE '\\'",
        "SELECT 'column', m.name || '.' || c.name, c.cid || c.type || c.\"notnull\" || c.pk"
        " FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.name LIKE 'gb\\_%'"
        " ESCAPE '\\'",
    ),
    "postgresql": (
        "SELECT 'column', c.relname || '.' || a.attname, concat_ws(' ', a.attnum,"
        " format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),"
        " a.attidentity, a.attcollation, a.attstorage)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped"
        " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
        " WHERE c.relname LIKE 'gb\\_%' AND c.relkind = 'r' AND a.attnum > 0",
        "SELECT 'constraint', conrelid::regclass || '.' || conname, concat_ws(' ',"
        " pg_get_constraintdef(oid), condeferrable, convalidated) FROM pg_constraint"
        " WHERE conrelid::regclass::text LIKE 'gb\\_%'",
        "SELECT 'index', indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'gb\\_%'",
        "SELECT 'trigger', tgname, concat(pg_get_triggerdef(oid), tgenabled) FROM pg_trigger"
        " WHERE NOT tgisinternal",
        "SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc"
        " WHERE proname LIKE 'gb\\_%'",
        "SELECT 'options', relname, concat_ws(' ', reloptions::text, relpersistence, relkind)"
        " FROM pg_class WHERE relname LIKE 'gb\\_%'",
    ),
    "mariadb": (
        "SELECT 'column', concat(table_name, '.', column_name), concat_ws(' ', ordinal_position,"
        " column_type, is_nullable, column_default, character_set_name, collation_name, extra)"
        " FROM information_schema.columns WHERE table_schema = database()",
        "SELECT 'trigger', trigger_name, concat_ws(' ', action_timing, event_manipulation,"
        " event_object_table, action_statement) FROM information_schema.triggers"
        " WHERE trigger_schema = database()",
        "SELECT 'options', table_name, concat_ws(' ', engine, row_format, table_collation)"
        " FROM information_schema.tables WHERE table_schema = database()",
        "SELECT 'constraint', concat(table_name, '.', constraint_name), constraint_type"
        " FROM information_schema.table_constraints WHERE table_schema = database()",
    ),
}


def told(connection: sa.Connection) -> list[str]:
    """The schema of our tables in the engine's own words, sorted."""
    dialect = engine_name(connection.engine.url)
    found = [
        tuple(map(str, row))
        for statement in _TELL[dialect]
        for row in connection.exec_driver_sql(statement.replace("%", "%%"))
    ]
    if dialect == "sqlite":
        found = [(kind, name, _by_line(text)) for kind, name, text in found]
        if sa.inspect(connection).has_table("sqlite_stat1"):
            figures = "SELECT 'figures', idx, tbl || ' ' || stat FROM sqlite_stat1"
            found += map(tuple, connection.exec_driver_sql(figures))
    if dialect == "mariadb":
        names = [name for kind, name, _ in found if kind == "options"]
        texts = [connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one() for name in names]
        found += [("table", *map(str, text)) for text in texts]
    return sorted(f"{kind} {name}: {text}" for kind, name, text in found)


def _by_line(text: str) -> str:
    """Lines in order of the alphabet: Alembic makes a table anew with its constraints in any."""
    lines = [line.strip().rstrip(",") for line in text.replace('"', "").splitlines()]
    return "\n".join([*lines[:1], *sorted(filter(None, lines[1:]))])


def _indexed(index: Any) -> dict[str, Any]:
    """An index that can be compared: conditions are objects that only have their text in common."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def reflected(connection: sa.Connection) -> dict[str, Any]:
    """The schema as SQLAlchemy reads it back."""
    inspector, schema = sa.inspect(connection), {}
    for name in sorted(inspector.get_table_names()):
        if name.startswith("gb_"):
            schema[name] = {
                "columns": [{**column, "type": repr(column["type"])}
                            for column in inspector.get_columns(name)],
                "key": inspector.get_pk_constraint(name),
                "references": sorted(inspector.get_foreign_keys(name), key=str),
                "unique": sorted(inspector.get_unique_constraints(name), key=str),
                "checks": sorted(inspector.get_check_constraints(name), key=str),
                "indexes": sorted(map(_indexed, inspector.get_indexes(name)), key=str),
                "options": inspector.get_table_options(name),
            }  # fmt: skip
    return schema


def dump_rows(connection: sa.Connection) -> str:
    """All rows of all tables, in an order in which they can be written again."""
    rows = {
        table.name: [
            {column: _packed(value) for column, value in row.items()}
            for row in connection.execute(sa.select(table)).mappings()
        ]
        for table in metadata.sorted_tables
    }
    return json.dumps(rows, ensure_ascii=False, indent=0, sort_keys=False)


def load_rows(connection: sa.Connection, dump: str) -> None:
    """Write the rows of a dump into tables of the revision that it was made of."""
    support = engine_for(connection.dialect.name)
    for name, rows in json.loads(dump).items():
        if rows:
            table = sa.Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)
            unpacked = [
                {column: support.adapt(_unpacked(value)) for column, value in row.items()}
                for row in rows
            ]
            connection.execute(sa.insert(table), _parents_first(unpacked))


def _parents_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outlets refer to outlets of the tier above."""
    return sorted(rows, key=lambda row: row["tier"]) if "parent_tier" in rows[0] else rows


def _packed(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dt.datetime):
        return {"instant": value.isoformat()}
    return {"day": value.isoformat()} if isinstance(value, dt.date) else value


def _unpacked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    readers = {
        "bytes": bytes.fromhex,
        "instant": dt.datetime.fromisoformat,
        "day": dt.date.fromisoformat,
    }
    ((kind, text),) = value.items()
    return readers[kind](text)


@contextmanager
def lived_in(url: str, *, acts: int = 60) -> Iterator[District]:
    """A district with a history."""
    district = District(url, policies=(EXPIRY,))
    History(district, 1).live(acts)
    try:
        yield district
    finally:
        district.close()


def main() -> None:
    """Write the rows and, for each engine, the schema of the newest revision."""
    with tempfile.TemporaryDirectory() as folder:
        _write(f"sqlite:///{folder}/bank.db", rows=True)
    for server in (postgresql, mariadb):
        with server.running_server() as running, running.fresh_database() as url:
            _write(url, rows=False)


def _write(url: str, *, rows: bool) -> None:
    with lived_in(url) as district, connect(url).connect() as connection:
        name = connection.dialect.name
        text = "\n".join(told(connection)) + "\n"
        (SCHEMAS / f"{NEWEST}.{name}.txt").write_text(text, "utf-8")
        if rows:
            assert not district.bank.verify().faults
            (SCHEMAS / f"{NEWEST}.json").write_text(dump_rows(connection), "utf-8")


if __name__ == "__main__":
    main()
