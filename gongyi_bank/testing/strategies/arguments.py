"""Looking at a strategy's arguments when it is made, not when the first example is drawn.

A wrong argument is a mistake in the test; it is told where it was written, by its name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import TypeVar
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, currently_in_test_context, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample, Unsatisfiable
from hypothesis.strategies import SearchStrategy

from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import require_day, require_moment
from gongyi_bank.testing.story_builder import Cast
from gongyi_bank.values import clean_code

T = TypeVar("T")


def require_whole(field: str, value: object, least: int, most: int) -> int:
    """A whole number within bounds. Raises InvalidValue that names the argument."""
    if type(value) is not int or not least <= value <= most:
        raise InvalidValue.of(field, value, f"a whole number from {least} to {most}")
    return value


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


def require_some(field: str, values: Iterable[T]) -> tuple[T, ...]:
    """At least one of something, in an order that stays. Raises InvalidValue."""
    if isinstance(values, str | bytes):
        raise InvalidValue.of(field, values, "a list is needed, not a text")
    try:
        found = tuple(values)
    except TypeError:
        raise InvalidValue.of(field, values, "a list is needed") from None
    if not found:
        raise InvalidValue.of(field, found, "at least one is needed")
    return found


def require_codes(field: str, values: Iterable[str], *, length_max: int = 40) -> tuple[str, ...]:
    """Some codes or references as the bank takes them, each once. Raises InvalidValue."""
    codes = require_some(field, values)
    found = tuple(clean_code(code, field=field, length_max=length_max) for code in codes)
    for code in found:
        if found.count(code) > 1:
            raise InvalidValue.of(field, code, "comes twice")
    return found


def require_cast(cast: object) -> Cast:
    """A cast with somebody in it, and somewhere to be served. Raises InvalidValue."""
    if not isinstance(cast, Cast):
        raise InvalidValue.of("cast", cast, "a Cast is needed: story.cast, or SMALL_CAST")
    require_some("cast.accounts", cast.accounts)
    require_some("cast.service_points", cast.service_points)
    require_some("cast.categories", cast.categories)
    require_moment(cast.begins_at, "cast.begins_at")
    return cast


def require_zone(zone: object) -> ZoneInfo:
    """A time zone. Raises InvalidValue."""
    if not isinstance(zone, ZoneInfo):
        raise InvalidValue.of("zone", zone, 'a ZoneInfo is needed: ZoneInfo("Asia/Shanghai")')
    return zone


#: For one look at the plainest value of a strategy.
_PLAINEST = settings(
    max_examples=1, database=None, deadline=None, phases=[Phase.generate], derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def refs_of(field: str, given: SearchStrategy[str] | None) -> SearchStrategy[str | None]:
    """A strategy for references that may be left out; None always, if none is given.

    What it draws must be what the bank takes for one; its plainest value is looked at now, the
    others as they are drawn. Raises InvalidValue that names the argument.
    """
    if given is None:
        return st.none()
    if not isinstance(given, SearchStrategy):
        raise InvalidValue.of(field, given, "a strategy is needed, for example codes()")
    _look_at_plainest(field, given)
    return given.map(lambda value: _require_ref(field, value))


def _look_at_plainest(field: str, given: SearchStrategy[str]) -> None:
    is_empty = given.is_empty
    if not is_empty and not currently_in_test_context():  # Hypothesis does not like to be nested.
        try:
            _require_ref(field, find(given, lambda _: True, settings=_PLAINEST))
        except (NoSuchExample, Unsatisfiable):
            is_empty = True
    if is_empty:
        raise InvalidValue.of(field, given, "it draws nothing; take for example codes()")


def _require_ref(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue.of(field, value, "it must draw texts, as codes() does")
    return clean_code(value, field=field, length_max=100)


def require_words(field: str, values: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Some of the known words. Raises InvalidValue."""
    found = require_some(field, values)
    for word in found:
        if word not in known:
            raise InvalidValue.of(field, word, f"one of {', '.join(known)}")
    return found


def require_days(
    first: object, last: object, names: tuple[str, str] = ("first_on", "last_on")
) -> tuple[dt.date, dt.date]:
    """A first and a last day, in order. Raises InvalidValue that names the argument."""
    low, high = require_day(first, names[0]), require_day(last, names[1])
    if low > high:
        raise InvalidValue.of(names[1], high, f"before {names[0]}={low}")
    return low, high
