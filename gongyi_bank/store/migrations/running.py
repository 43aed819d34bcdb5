"""Bringing a database up to date: one migration at a time, safe to run again.

There is no env.py, and revisions are handed their operations (`upgrade(op)`): Alembic's own
`context` and `op` are one for the whole process, so a host that migrates us inside its migration,
or from two threads, would lose its own.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gongyi_bank.errors import RetryTransaction, SchemaTooNew, SchemaUnknown
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.migrations import version

#: Where the revisions lie. Tests add a folder with one that nobody has released.
VERSIONS = (Path(__file__).parent / "versions",)
#: A migration that certainly did nothing is tried this often.
TRIES_MAX = 8


def upgrade(
    engine: sa.Engine, support: StoreEngine, versions: Sequence[Path] = VERSIONS
) -> list[str]:
    """Run what is missing, in order; the revisions that were run. Raises SchemaTooNew."""
    script = _script(versions)
    for tried in range(1, TRIES_MAX + 1):
        try:
            return _upgrade(engine, support, script)
        except RetryTransaction:
            if tried == TRIES_MAX:
                raise
            time.sleep(random.uniform(0, 0.01 * 2**tried))
    raise AssertionError("the loop returns or raises")


def write_script(
    engine: sa.Engine, support: StoreEngine, out: TextIO, versions: Sequence[Path] = VERSIONS
) -> list[str]:
    """Write the statements that `upgrade` would run, for somebody who runs them by hand."""
    script = _script(versions)
    with _told(support), engine.connect() as connection:
        found = version.load_revision(connection)
        missing = _missing(script, found)
        options = {"as_sql": True, "output_buffer": out, "starting_rev": found}
        context = _context(connection, script, options)
        if missing:
            with context.begin_transaction():
                context.run_migrations(op=Operations(context))
    return missing


def _upgrade(engine: sa.Engine, support: StoreEngine, script: ScriptDirectory) -> list[str]:
    with (
        _told(support),
        engine.connect() as connection,
        support.migrating_alone(connection),
        connection.begin(),
    ):
        version.create_version_table(connection)
        support.lock_schema(connection)
        missing = _missing(script, version.load_revision(connection))
        if missing:
            context = _context(connection, script, {})
            context.run_migrations(op=Operations(context))
            support.finish_schema(connection)
            support.require_sound_schema(connection)
    return missing


def _script(versions: Sequence[Path]) -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent), version_locations=[*map(str, versions)])


def _context(
    connection: sa.Connection, script: ScriptDirectory, options: dict[str, Any]
) -> MigrationContext:
    def steps(found: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("head", found)

    given = {"version_table": version.version.name, "script": script, "fn": steps}
    return MigrationContext.configure(connection, opts={**given, **options})


def _missing(script: ScriptDirectory, found: str | None) -> list[str]:
    """The revisions after the one that was found, in order."""
    known = [revision.revision for revision in script.walk_revisions()][::-1]
    if found is None:
        return known
    if found in known:
        return known[known.index(found) + 1 :]
    if found.isdecimal() and int(found) > int(known[-1]):
        raise SchemaTooNew(found=found, newest=known[-1])
    raise SchemaUnknown(found=found)


@contextmanager
def _told(support: StoreEngine) -> Iterator[None]:
    """Driver errors leave as ours."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise support.classify_wrapped(error) from None
