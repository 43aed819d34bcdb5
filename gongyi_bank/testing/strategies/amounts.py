"""Strategies for amounts: points, and texts that are none."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.errors import InvalidValue
from gongyi_bank.testing.strategies.arguments import require_whole
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
    decimals = require_whole("scale", scale, 0, 4)
    low = Points(min_value, field="min_value").to_units(decimals, field="min_value")
    high = Points(max_value, field="max_value").to_units(decimals, field="max_value")
    if low > high:
        raise InvalidValue.of("max_value", max_value, f"less than min_value={min_value}")
    return st.integers(low, high).map(lambda units: Points.of_units(units, decimals))


def bad_amounts() -> SearchStrategy[object]:
    """What somebody sends for points and no bank takes: floats, exponents, blanks, too much.

    `Points(...)` refuses every one of them (`invalid_amount`).
    """
    texts = st.sampled_from(("", " 1", "1e3", "１２", "1,5", "NaN", "1.00001", "0x1", "+1", "--1"))
    beyond = st.integers(POINTS_MAX + 1, 10**30)
    return st.one_of(texts, st.floats(), beyond, st.none(), st.booleans())
