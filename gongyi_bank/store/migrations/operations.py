"""What revisions do besides Alembic's own operations: each may be done again after a kill.

MariaDB and MySQL commit every change of the schema, so a revision that was killed there is run
again from its start. These steps look first; a revision's own statements must be such that a
second run does no harm (fill only what is empty). Where DDL can be undone the look costs little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic.operations import BatchOperations, Operations

from gongyi_bank.store.engines import StoreEngine, engine_for
from gongyi_bank.store.migrations.frozen import OPTIONS


def create_tables(op: Operations, *tables: sa.Table) -> None:
    """Tables with their indexes, those that are missing."""
    for table in tables:
        if not _has_table(op, table.name):
            op.execute(sa.schema.CreateTable(table))
        present = _names_of(op, table.name, "get_indexes")
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if index.name not in present:
                op.execute(sa.schema.CreateIndex(index))


def add_column(op: Operations, table: str, column: sa.Column[Any]) -> None:
    """A column that may be empty, if it is missing; `changing` makes it needed once filled."""
    if column.name not in _names_of(op, table, "get_columns"):
        op.add_column(table, column)


@contextmanager
def changing(op: Operations, table: sa.Table) -> Iterator[BatchOperations]:
    """Changes of columns and constraints; `table` says how it is before them.

    SQLite makes the table anew, which drops its triggers: `guard` it again afterwards.
    """
    with op.batch_alter_table(table.name, copy_from=table, table_kwargs=OPTIONS) as batch:
        yield batch


def allow_guards(op: Operations) -> None:
    """Whatever the engine's triggers need; once, in the first revision."""
    for statement in _support(op).guard_basis():
        _run(op, statement)


def guard(op: Operations, table: str, columns: Sequence[str] | None = None) -> None:
    """Keep a table's written rows from being changed: all columns, or those that are named.

    The list of columns is part of a trigger, and SQLite drops triggers with the table that it
    makes anew: a revision that changes a guarded table ends with this.
    """
    unguard(op, table)
    for statement in _support(op).guards_of(table, columns):
        _run(op, statement)


def unguard(op: Operations, table: str) -> None:
    """Let written rows be changed, until `guard`: only to fill what a revision has added."""
    for statement in _support(op).unguards_of(table):
        _run(op, statement)


def _support(op: Operations) -> StoreEngine:
    return engine_for(op.get_context().dialect.name)


def _run(op: Operations, statement: str) -> None:
    context = op.get_context()
    if context.as_sql:
        context.impl.static_output(_support(op).in_a_script(statement))
    else:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _has_table(op: Operations, table: str) -> bool:
    if op.get_context().as_sql:
        return False
    return sa.inspect(op.get_bind()).has_table(table)


def _names_of(op: Operations, table: str, what: str) -> set[str]:
    """The names of a table's columns or indexes; none in a script, which cannot look."""
    if op.get_context().as_sql:
        return set()
    return {found["name"] for found in getattr(sa.inspect(op.get_bind()), what)(table)}
