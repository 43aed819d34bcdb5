"""Strategies for amounts: points, and texts that are none."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.errors import InvalidValue
from gongyi_bank.testing.arguments import require_whole
from gongyi_bank.values import POINTS_MAX, Points


def points(
    min_value: Points | str | int = 0,
    max_value: Points | str | int = 1000,
    *,
    scale: int = 2,
) -> SearchStrategy[Points]:
    """Amounts from `min_value` to `max_value`, both included, with `scale` decimals.

    Shrinks to the one nearest to zero. Raises InvalidAmount for a value with more decimals
    than the scale or beyond what a bank can hold, InvalidValue for bounds the wrong way round.
    """
    return between(min_value, max_value, scale, ("min_value", "max_value"))


def between(
    least: Points | str | int, most: Points | str | int, scale: int, names: tuple[str, str]
) -> SearchStrategy[Points]:
    """The same for arguments that have other names."""
    decimals = require_whole("scale", scale, 0, 4)
    low = Points(least, field=names[0]).to_units(decimals, field=names[0])
    high = Points(most, field=names[1]).to_units(decimals, field=names[1])
    if low > high:
        raise InvalidValue.of(names[1], most, f"less than {names[0]}={least}")
    return st.integers(low, high).map(lambda units: Points.of_units(units, decimals))


def bad_amounts() -> SearchStrategy[object]:
    """What somebody sends for points and no bank takes: floats, exponents, blanks, too much.

    `Points(...)` refuses every one of them (`invalid_amount`).
    """
    texts = st.sampled_from(("", " 1", "1e3", "１２", "1,5", "NaN", "1.00001", "0x1", "+1", "--1"))
    beyond = st.integers(POINTS_MAX + 1, 10**30)
    return st.one_of(texts, st.floats(), beyond, st.none(), st.booleans())
