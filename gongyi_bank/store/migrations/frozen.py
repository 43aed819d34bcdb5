"""What revisions write tables with: column types and constraints that never change again.

A copy of the types of `store/tables/columns.py` as they were at the first release, so that a later
change there cannot change an old revision. Nothing here may be edited after a release (a test
compares the DDL that it makes): a new type gets a new name.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

_MYSQL = ("mysql", "mariadb")
_INNODB = {"engine": "InnoDB", "row_format": "DYNAMIC", "default_charset": "utf8mb4"}
#: What every table is made with; `op.batch_alter_table(…, table_kwargs=OPTIONS)` wants it too.
OPTIONS: dict[str, Any] = {
    "sqlite_strict": True,
    "sqlite_with_rowid": False,
    **{f"{name}_{option}": value for name in _MYSQL for option, value in _INNODB.items()},
}


class _Text(TypeDecorator[str]):
    """Text in which only equal bytes are equal, trailing blanks included."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length_max: int | None = None) -> None:
        super().__init__()
        self.length_max = length_max

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        length = self.length_max
        if dialect.name in _MYSQL:
            is_mariadb = getattr(dialect, "is_mariadb", False)
            collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
            exact = {"charset": "utf8mb4", "collation": collation}
            return mysql.VARCHAR(length, **exact) if length else mysql.LONGTEXT(**exact)
        return sa.String(length) if length and dialect.name != "sqlite" else sa.Text()


BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SMALL = sa.Integer()
DAY = sa.Date().with_variant(sa.Text(), "sqlite")
INSTANT = (
    sa.DateTime(timezone=True)
    .with_variant(sa.Text(), "sqlite")
    .with_variant(mysql.DATETIME(fsp=6), *_MYSQL)
)
LONG_TEXT = _Text()


def text(length_max: int) -> _Text:
    """Short text compared byte for byte."""
    return _Text(length_max)


def raw(size: int) -> TypeEngine[bytes]:
    """Raw bytes of a fixed size."""
    return sa.LargeBinary(size).with_variant(sa.BINARY(size), *_MYSQL)


def need(name: str, kind: Any) -> sa.Column[Any]:
    """A column that always holds a value."""
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def may(name: str, kind: Any) -> sa.Column[Any]:
    """A column that may be empty."""
    return sa.Column(name, kind, nullable=True)


def table(schema: sa.MetaData, name: str, *parts: Any) -> sa.Table:
    """A table with its columns, constraints and indexes."""
    return sa.Table(name, schema, *parts, **OPTIONS)


def key(name: str, columns: str) -> sa.PrimaryKeyConstraint:
    """The primary key; column names are separated by blanks, here and below."""
    return sa.PrimaryKeyConstraint(*columns.split(), name=name)


def fk(name: str, columns: str, target: str, theirs: str | None = None) -> sa.ForeignKeyConstraint:
    """A reference to a table, to columns of the same names unless others are given."""
    paths = [f"{target}.{column}" for column in (theirs or columns).split()]
    return sa.ForeignKeyConstraint(columns.split(), paths, name=name)


def unique(name: str, columns: str) -> sa.UniqueConstraint:
    """A key besides the primary one."""
    return sa.UniqueConstraint(*columns.split(), name=name)


def check(name: str, rule: str) -> sa.CheckConstraint:
    """A rule that every row obeys."""
    return sa.CheckConstraint(rule, name=name)


def index(name: str, columns: str, where: str | None = None) -> sa.Index:
    """An index; with `where`, of few rows among many on the engines that can."""
    only = None if where is None else sa.text(where)
    return sa.Index(name, *columns.split(), sqlite_where=only, postgresql_where=only)
