"""Write the first revision anew from the newest schema, while nothing has been released.

python -m tests.store.write_baseline

After a release it refuses: then a change of `store/tables/` comes with a revision of its own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines.guards import APPEND_ONLY, MUTABLE_COLUMNS
from gongyi_bank.store.migrations.running import VERSIONS
from gongyi_bank.store.tables import metadata
from gongyi_bank.store.tables.columns import Day, Instant
from tests.store.schema_dumps import SCHEMAS
from tests.tidy.house import ROOT

BASELINE = VERSIONS[0] / "0001_baseline.py"
_WIDTH = 100
_HEAD = '''"""The first schema, frozen by its release; `tests/store/write_baseline.py` wrote it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from gongyi_bank.store.migrations.frozen import (
    BIG,
    DAY,
    INSTANT,
    LONG_TEXT,
    SMALL,
    check,
    fk,
    index,
    key,
    may,
    need,
    raw,
    table,
    text,
    unique,
)
from gongyi_bank.store.migrations.operations import allow_guards, create_tables, guard

revision = "0001"
down_revision = None

SCHEMA = sa.MetaData()

# fmt: off
'''
_FOOT = '''# fmt: on


def upgrade(op: Operations) -> None:
    """Tables, indexes, and the triggers that guard written history."""
    create_tables(op, *SCHEMA.sorted_tables)
    allow_guards(op)
    for name in APPEND_ONLY:
        guard(op, name)
    for name, mutable in MUTABLE_COLUMNS.items():
        columns = [column.name for column in SCHEMA.tables[f"gb_{name}"].columns]
        guard(op, name, [column for column in columns if column not in mutable])
'''


class Released(Exception):
    """The baseline is what databases were founded with: nobody may write it anew."""


def baseline() -> str:
    """The text of the revision: the same for the same schema."""
    parts = [_table(table) for table in metadata.sorted_tables]
    append_only = _packed([*map(_quoted, APPEND_ONLY)])
    mutable = "".join(_entry(name, columns) for name, columns in MUTABLE_COLUMNS.items())
    parts.append(f"APPEND_ONLY = (\n{append_only}\n)\n")
    parts.append(f"MUTABLE_COLUMNS: dict[str, tuple[str, ...]] = {{\n{mutable}}}\n")
    return _HEAD + "".join(parts) + _FOOT


def _table(table: sa.Table) -> str:
    columns = [_column(column) for column in table.columns]
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    rest = [*(_constraint(rule) for rule in _in_order(table)), *map(_index, indexes)]
    return f"table(SCHEMA, {_quoted(table.name)},\n{_packed(columns)}\n{_packed(rest)}\n)\n"


def _in_order(table: sa.Table) -> Iterator[sa.Constraint]:
    """As CREATE TABLE has them: the order in which they were made."""
    yield table.primary_key
    others = table.constraints - {table.primary_key}
    yield from sorted(others, key=lambda rule: rule._creation_order)


def _column(column: sa.Column[Any]) -> str:
    word = "may" if column.nullable else "need"
    assert column.server_default is None, "the baseline knows no defaults"
    return f"{word}({_quoted(column.name)}, {_kind(column.type)})"


def _kind(kind: Any) -> str:
    if isinstance(kind, Instant | Day):
        return "INSTANT" if isinstance(kind, Instant) else "DAY"
    if isinstance(kind, sa.LargeBinary):
        return f"raw({kind.length})"
    if isinstance(kind, sa.Text):
        return "LONG_TEXT"
    if isinstance(kind, sa.String):
        return f"text({kind.length})"
    assert isinstance(kind, sa.Integer), f"a kind of column that is new to the baseline: {kind!r}"
    return "BIG" if isinstance(kind, sa.BigInteger) else "SMALL"


def _constraint(rule: sa.Constraint) -> str:
    name = str(rule.name)
    if isinstance(rule, sa.PrimaryKeyConstraint):
        return _call("key", name, _names(rule.columns))
    if isinstance(rule, sa.UniqueConstraint):
        return _call("unique", name, _names(rule.columns))
    if isinstance(rule, sa.ForeignKeyConstraint):
        own, theirs = " ".join(rule.column_keys), " ".join(e.column.name for e in rule.elements)
        return _call(
            "fk", name, own, rule.referred_table.name, *([] if own == theirs else [theirs])
        )
    assert isinstance(rule, sa.CheckConstraint)
    return _call("check", name, str(rule.sqltext))


def _index(index: sa.Index) -> str:
    where = index.dialect_options["postgresql"]["where"]
    more = [] if where is None else [str(where)]
    return _call("index", str(index.name), _names(index.columns), *more)


def _names(columns: Any) -> str:
    return " ".join(column.name for column in columns)


def _call(word: str, *texts: str) -> str:
    """On one line if that is long enough, or on one of its own, else several for each text."""
    inner = ", ".join(map(_quoted, texts))
    if len(f"    {word}({inner}),") <= _WIDTH:
        return f"{word}({inner})"
    if len(f"        {inner},") <= _WIDTH:
        return f"{word}(\n        {inner},\n    )"
    body = ""
    for text in texts:
        pieces = textwrap.wrap(text, _WIDTH - 11, drop_whitespace=False, break_long_words=False)
        body += "".join(f"\n        {_quoted(piece)}" for piece in pieces) + ","
    return f"{word}({body}\n    )"


def _entry(name: str, columns: tuple[str, ...]) -> str:
    inner = ", ".join(map(_quoted, columns)) + ("," if len(columns) == 1 else "")
    line = f"    {_quoted(name)}: ({inner}),\n"
    if len(line) <= _WIDTH + 1:
        return line
    return f"    {_quoted(name)}: (\n{_packed([*map(_quoted, columns)], 8)}\n    ),\n"


def _quoted(text: str) -> str:
    assert '"' not in text
    assert "\\" not in text
    return f'"{text}"'


def _packed(items: list[str], indent: int = 4) -> str:
    """Items on as few lines as they fit; one that has several lines stands alone."""
    lines = [""]
    for item in items:
        last = lines[-1].rpartition("\n")[2]
        if lines[-1] and ("\n" in item + lines[-1] or indent + len(f"{last} {item},") > _WIDTH):
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{item},"
    return "\n".join(f"{' ' * indent}{line}" for line in lines)


def require_unreleased(schemas: Path) -> None:
    """Refuse where there is a dump of a released revision."""
    if any(schemas.glob("*.json")):
        raise Released(f"{schemas} has released schemas: write a new revision")


def main() -> None:
    """Write it, unless it was released."""
    require_unreleased(SCHEMAS)
    BASELINE.write_text(baseline(), "utf-8")
    print(f"{BASELINE.relative_to(ROOT)}: {len(metadata.tables)} tables")


if __name__ == "__main__":
    main()
