"""Looking at arguments at the door: whether something is a flag or a list, and comes once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from gongyi_bank.errors import InvalidValue

__all__ = ["require_each_once", "require_flag", "require_list"]

T = TypeVar("T")


def require_flag(value: object, *, field: str) -> bool:
    """True or False, and nothing that only counts as one: `names="no"` would show everybody's.

    >>> require_flag(False, field="names")
    False
    """
    if type(value) is not bool:
        raise InvalidValue.of(field, value, "True or False")
    return value


def require_list(values: Iterable[T], *, field: str) -> Iterable[T]:
    """These values; raises InvalidValue, without them, for what is no list.

    A text is none: it would be read letter by letter, `stores="P01"` as three stores.

    >>> require_list(["P01"], field="stores")
    ['P01']
    """
    kind = type(values).__name__
    if isinstance(values, str | bytes):
        raise InvalidValue.of(field, kind, "a list is needed, not a text")
    if not isinstance(values, Iterable):
        raise InvalidValue.of(field, kind, "a list is needed")
    return values


def require_each_once(values: Iterable[T], *, field: str) -> tuple[T, ...]:
    """These values in their order; raises InvalidValue for the first that comes twice.

    >>> require_each_once(["P02", "P01"], field="stores")
    ('P02', 'P01')
    """
    found: dict[T, None] = {}
    for value in values:
        if value in found:
            raise InvalidValue.of(field, value, "comes twice")
        found[value] = None
    return tuple(found)
