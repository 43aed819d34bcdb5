"""Parameters of PostgreSQL as the server takes them: plain text, and arrays in binary.

The driver looks at every element of a list to find out what it is, which for a list of one
takes longer than the server needs for the row. Here the column says it once, when the SQL is
made. No parameter is sent with a type of its own (the SQL's casts tell it), so that a
statement is prepared once, whichever of its values are empty.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from gongyi_bank.store.tables.columns import Day, Instant

#: dimensions, whether any element is empty, element type, elements, number of the first.
_header = struct.Struct("!iiIii").pack
_length = struct.Struct("!i").pack
_day = partial(struct.Struct("!ii").pack, 4)
_number = partial(struct.Struct("!iq").pack, 8)
_EMPTY = _length(-1)
_FIRST_DAY = dt.date(2000, 1, 1).toordinal()
_FIRST_INSTANT = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def _date(value: dt.date) -> bytes:
    return _day(value.toordinal() - _FIRST_DAY)


def _instant(value: dt.datetime) -> bytes:
    return _number((value - _FIRST_INSTANT) // _MICROSECOND)


def _text(value: str) -> bytes:
    written = value.encode()
    return _length(len(written)) + written


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


class Kind(NamedTuple):
    """A type of the server: its name, its number there, and its elements as bytes."""

    name: str
    oid: int
    write: Callable[[Any], bytes]


_BIGINT = Kind("bigint", 20, _number)
_TEXT = Kind("text", 25, _text)
_BYTEA = Kind("bytea", 17, _bytes)
_DATE = Kind("date", 1082, _date)
_TIMESTAMPTZ = Kind("timestamptz", 1184, _instant)
#: What the lists that a select looks things up in are made of.
_KINDS: dict[type, Kind] = {int: _BIGINT, str: _TEXT, bytes: _BYTEA}
#: Values that are sent as text; text is sent as it is, and bytes as what they are in binary.
_AS_TEXT: dict[type, Callable[[Any], str]] = {
    int: str,
    dt.date: dt.date.isoformat,
    dt.datetime: dt.datetime.isoformat,
}


def kind_of(column: sa.Column[Any]) -> Kind:
    """The type in which a column's values are sent; the server narrows it to the column's."""
    if isinstance(column.type, Day):
        return _DATE
    if isinstance(column.type, Instant):
        return _TIMESTAMPTZ
    if isinstance(column.type, sa.LargeBinary):
        return _BYTEA
    return _TEXT if isinstance(column.type, sa.String) else _BIGINT


def scalar(value: Any) -> Any:
    """One value as a parameter."""
    write = _AS_TEXT.get(type(value))
    return value if write is None else write(value)


def looked_up(values: Sequence[Any]) -> bytes | str:
    """A list without empty elements as a parameter."""
    # An array of no elements has a type in binary, but none as text.
    return array(_KINDS[type(values[0])], values) if values else "{}"


def array(kind: Kind, values: Sequence[Any]) -> bytes:
    """A column of values (at least one) as a parameter."""
    size, first = len(values), values[0]
    head = _header(1, 1, kind.oid, size, 1)
    # Most columns of a long list say the same in every row: its voucher, its day, its kind.
    if first is values[-1] and values.count(first) == size:
        return head + (_EMPTY if first is None else kind.write(first)) * size
    if None in values:
        return head + b"".join([_EMPTY if v is None else kind.write(v) for v in values])
    return head + b"".join(map(kind.write, values))
