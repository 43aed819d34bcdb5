"""The column types and the table maker of the store: `bank_id` leads every key by construction.

SQLite tables are STRICT and WITHOUT ROWID, so only integers, text and blobs exist
there; dates and instants are ISO text on SQLite and native types elsewhere. MySQL and
MariaDB know no zones: an instant there is a DATETIME(6) in UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData()

#: The two names under which SQLAlchemy knows one family of servers.
_MYSQL = ("mysql", "mariadb")
_INNODB = {"engine": "InnoDB", "row_format": "DYNAMIC", "default_charset": "utf8mb4"}


#: What every table is made with, by engine. InnoDB has row locks and undoes what failed.
TABLE_OPTIONS: dict[str, Any] = {
    "sqlite_strict": True,
    "sqlite_with_rowid": False,
    **{f"{name}_{option}": value for name in _MYSQL for option, value in _INNODB.items()},
}


class ExactText(sa.String):
    """Text of MySQL and MariaDB in which only equal bytes are equal, trailing blanks included.

    Their usual collations take 'a' for 'A', 'é' for 'e' and 'x ' for 'x'.
    """


@compiles(ExactText, *_MYSQL)
def _exact_text(kind: ExactText, compiler: Any, **_: Any) -> str:
    name = f"VARCHAR({kind.length})" if kind.length else "LONGTEXT"
    return f"{name} CHARACTER SET utf8mb4 COLLATE {exact_collation(compiler.dialect)}"


def exact_collation(dialect: Dialect) -> str:
    """The binary collation without padding: each of the two has one, under its own name."""
    is_mariadb = getattr(dialect, "is_mariadb", False)
    return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"


#: 64-bit whole numbers: amounts, account numbers, line numbers.
Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Small = sa.Integer()
#: Free text of any length, kept as it is.
LongText = sa.Text().with_variant(ExactText(), *_MYSQL)


def code(length_max: int) -> sa.types.TypeEngine[str]:
    """Short text compared byte for byte; VARCHAR where the engine has lengths."""
    kind = sa.String(length_max).with_variant(sa.Text(), "sqlite")
    return kind.with_variant(ExactText(length_max), *_MYSQL)


def digest(size: int) -> sa.types.TypeEngine[bytes]:
    """Raw bytes: hashes (32) and ids (16)."""
    # A BLOB, which it would be there, can be no key.
    return sa.LargeBinary(size).with_variant(sa.BINARY(size), *_MYSQL)


def instant_text(value: dt.datetime) -> str:
    """UTC with microseconds and a fixed width, so that text order is time order."""
    return value.astimezone(dt.UTC).isoformat(timespec="microseconds")


def without_zone(value: dt.datetime) -> dt.datetime:
    """The UTC reading of an instant, for engines that know no zones."""
    return value.astimezone(dt.UTC).replace(tzinfo=None)


def with_zone(value: dt.datetime) -> dt.datetime:
    """The instant that was stored by `without_zone`."""
    return value.replace(tzinfo=dt.UTC)


class Day(TypeDecorator[dt.date]):
    """A calendar day: DATE, or ISO text on SQLite."""

    impl = sa.Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return sa.Text() if dialect.name == "sqlite" else sa.Date()

    def process_bind_param(self, value: dt.date | None, dialect: Dialect) -> Any:
        return value.isoformat() if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.date | None:
        return dt.date.fromisoformat(value) if isinstance(value, str) else value


class Instant(TypeDecorator[dt.datetime]):
    """An aware moment, kept in UTC: TIMESTAMP WITH TIME ZONE where the engine has one."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name in _MYSQL:
            return mysql.DATETIME(fsp=6)
        return sa.Text() if dialect.name == "sqlite" else sa.DateTime(timezone=True)

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        if value is not None and dialect.name in _MYSQL:
            return without_zone(value)
        return instant_text(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        if value is not None and dialect.name in _MYSQL:
            return with_zone(value)
        return dt.datetime.fromisoformat(value) if isinstance(value, str) else value


def bank_table(
    name: str,
    *columns: sa.Column[Any],
    key: Sequence[str],
    unique: dict[str, Sequence[str]] | None = None,
    refers: dict[str, tuple[Sequence[str], str, Sequence[str]]] | None = None,
    checks: dict[str, str] | None = None,
    indexes: dict[str, Sequence[str]] | None = None,
    partial_indexes: dict[str, tuple[Sequence[str], str]] | None = None,
) -> sa.Table:
    """One table of the bank; `bank_id` is put first in its key, uniques, references and indexes.

    `refers` maps a short name to (columns, target table, target columns), all without `bank_id`;
    `partial_indexes` maps one to (columns, condition), for rows that are few among many.
    """
    table = sa.Table(
        f"gb_{name}",
        metadata,
        sa.Column("bank_id", Big, nullable=False, autoincrement=False),
        *columns,
        sa.PrimaryKeyConstraint("bank_id", *key, name=f"gb_{name}_pk"),
        **TABLE_OPTIONS,
    )
    _refer(table, f"gb_{name}_bank_fk", ["bank_id"], "bank", ["bank_id"])
    for short, (own, target, theirs) in (refers or {}).items():
        _refer(table, f"gb_{name}_{short}_fk", ["bank_id", *own], target, ["bank_id", *theirs])
    for short, own in (unique or {}).items():
        table.append_constraint(sa.UniqueConstraint("bank_id", *own, name=f"gb_{name}_{short}_uq"))
    for short, rule in (checks or {}).items():
        table.append_constraint(sa.CheckConstraint(rule, name=f"gb_{name}_{short}_ck"))
    for short, own in (indexes or {}).items():
        _index(table, f"gb_{name}_{short}_ix", own)
    for short, (own, where) in (partial_indexes or {}).items():
        only = sa.text(where)
        _index(table, f"gb_{name}_{short}_ix", own, sqlite_where=only, postgresql_where=only)
    return table


def _index(table: sa.Table, name: str, own: Sequence[str], **options: Any) -> None:
    sa.Index(name, table.c.bank_id, *(table.c[column] for column in own), **options)


def _refer(
    table: sa.Table, name: str, own: Sequence[str], target: str, theirs: Sequence[str]
) -> None:
    paths = [f"gb_{target}.{column}" for column in theirs]
    table.append_constraint(sa.ForeignKeyConstraint(own, paths, name=name))


def needed(name: str, kind: Any) -> sa.Column[Any]:
    """A column that always holds a value."""
    return sa.Column(name, kind, nullable=False, autoincrement=False)


def optional(name: str, kind: Any) -> sa.Column[Any]:
    """A column that may be empty."""
    return sa.Column(name, kind, nullable=True)
