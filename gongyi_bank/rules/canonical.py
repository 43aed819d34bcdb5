"""The canonical bytes of many rows at once, a column at a time: as `values.canonical`, sooner.

A column has few types, so a type is looked at once for all its values; a row costs a third.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from gongyi_bank.values import canonical

#: From this many rows on it is worth making columns of them.
COLUMNS_FROM: Final = 8
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def canonical_start(*fields: Any) -> str:
    """The text of the fields that all the rows begin with, without the last semicolon."""
    return canonical(*fields)[:-1].decode()


def canonical_rows(columns: Iterable[Sequence[Any]], *more: Iterable[str]) -> Iterator[str]:
    """The text of each row of these columns and `more` finished ones, without its beginning.

    >>> list(canonical_rows([[1, 2], ["a", None]], ["", ""]))
    ['i1;s1:a;', 'i2;n;']
    """
    texts = [canonical_column(column) for column in columns]
    assert len(set(map(len, texts))) == 1, "every row has every column"
    return map(";".join, zip(*texts, *more, strict=False))


def encoded(text: str) -> bytes:
    """The bytes of a row's text. Raises InvalidText as `canonical` does for a lone surrogate."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        canonical(text)
        raise


def canonical_column(values: Sequence[Any]) -> list[str]:
    """What each of these values becomes within `canonical`."""
    kinds = set(map(type, values))
    if len(kinds) == 1:
        return _COLUMNS.get(kinds.pop(), _one_by_one)(values)
    if type(None) in kinds:
        texts = iter(canonical_column([value for value in values if value is not None]))
        return ["n" if value is None else next(texts) for value in values]
    return _one_by_one(values)


def _one_by_one(values: Sequence[Any]) -> list[str]:
    return [canonical(value)[len("gb1;") : -1].decode() for value in values]


def _days(values: Sequence[dt.date]) -> list[str]:
    """Days come again and again, and are slow to write."""
    known = {day: f"d{day.isoformat()}" for day in set(values)}
    return [known[day] for day in values]


#: By the type of all values. Moments are too many to remember, and two that are equal in
#: Python may be an hour apart.
_COLUMNS: Final[Mapping[type, Callable[[Sequence[Any]], list[str]]]] = {
    int: lambda values: [f"i{value}" for value in values],
    str: lambda values: [f"s{len(value)}:{value}" for value in values],
    bytes: lambda values: [f"b{len(value)}:{value.hex()}" for value in values],
    dt.date: _days,
    dt.datetime: lambda values: [f"t{(moment - _EPOCH) // _MICROSECOND}" for moment in values],
    type(None): lambda values: ["n"] * len(values),
}
