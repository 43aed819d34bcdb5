"""Looking at the kit's arguments where they are given, and not where they are first used.

A wrong argument is a mistake in the test; it is told where it was written, by its name. Needs
nothing but the bank itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar
from zoneinfo import ZoneInfo

from gongyi_bank.arguments import require_each_once, require_list
from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import require_day
from gongyi_bank.values import clean_code

T = TypeVar("T")


def require_whole(field: str, value: object, least: int, most: int) -> int:
    """A whole number within bounds. Raises InvalidValue that names the argument."""
    if type(value) is not int or not least <= value <= most:
        raise InvalidValue.of(field, value, f"a whole number from {least} to {most}")
    return value


def refuse_own(given: Mapping[str, object], reasons: Mapping[str, str]) -> None:
    """Nothing that the callee says itself. Raises InvalidValue that says what to do instead."""
    for field, reason in reasons.items():
        if field in given:
            raise InvalidValue.of(field, given[field], reason)


def require_range(
    name: str, least: object, most: object, *, floor: int, ceiling: int
) -> tuple[int, int]:
    """`<name>_min` and `<name>_max`, in order and within floor and ceiling.

    Raises InvalidValue that names the argument.
    """
    low = require_whole(f"{name}_min", least, floor, ceiling)
    high = require_whole(f"{name}_max", most, floor, ceiling)
    if low > high:
        raise InvalidValue.of(f"{name}_max", most, f"less than {name}_min={low}")
    return low, high


def require_kind(field: str, value: object, kind: type[T], reason: str) -> T:
    """A value of this class. Raises InvalidValue, which shows the class of what it is instead."""
    if not isinstance(value, kind):
        raise InvalidValue.of(field, type(value).__name__, reason)
    return value


def require_some(field: str, values: Iterable[T]) -> tuple[T, ...]:
    """At least one of something, in an order that stays. Raises InvalidValue."""
    found = tuple(require_list(values, field=field))
    if not found:
        raise InvalidValue.of(field, found, "at least one is needed")
    return found


def require_codes(field: str, values: Iterable[str], *, length_max: int = 40) -> tuple[str, ...]:
    """Some codes or references as the bank takes them, each once. Raises InvalidValue."""
    codes = require_some(field, values)
    return require_each_once(
        (clean_code(code, field=field, length_max=length_max) for code in codes), field=field
    )


def require_word(field: str, value: object, known: Collection[str]) -> str:
    """One of the known words. Raises InvalidValue."""
    if not isinstance(value, str) or value not in known:
        raise InvalidValue.of(field, value, f"one of {', '.join(known)}")
    return value


def require_words(field: str, values: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Some of the known words. Raises InvalidValue."""
    return tuple(require_word(field, word, known) for word in require_some(field, values))


def require_days(
    first: object, last: object, names: tuple[str, str] = ("first_on", "last_on")
) -> tuple[dt.date, dt.date]:
    """A first and a last day, in order. Raises InvalidValue that names the argument."""
    low, high = require_day(first, names[0]), require_day(last, names[1])
    if low > high:
        raise InvalidValue.of(names[1], high, f"before {names[0]}={low}")
    return low, high


def require_zone(zone: object) -> ZoneInfo:
    """A time zone. Raises InvalidValue."""
    reason = 'a ZoneInfo is needed: ZoneInfo("Asia/Shanghai")'
    return require_kind("zone", zone, ZoneInfo, reason)
