"""Rows made canonical column by column have the bytes that each has alone."""

from __future__ import annotations

import datetime as dt
import enum
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import InvalidText
from gongyi_bank.rules.canonical import canonical_rows, canonical_start, encoded
from gongyi_bank.values import canonical

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
MOMENTS = st.datetimes(timezones=st.sampled_from([dt.UTC, ZoneInfo("Asia/Shanghai")]))
CELLS = (st.integers(), TEXTS, st.binary(max_size=4), st.dates(), MOMENTS, st.none())


class Kind(enum.StrEnum):
    """A text with a name."""

    SERVICE = "service"


@given(st.data())
def test_each_row_has_the_bytes_that_it_has_alone(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(CELLS), min_size=1, max_size=4))
    cells = [
        data.draw(st.sampled_from([kind, kind | st.none(), st.one_of(*CELLS)])) for kind in kinds
    ]
    rows = data.draw(st.lists(st.tuples(*cells), min_size=1, max_size=6))
    columns = list(zip(*rows, strict=True))
    start, ends = canonical_start(1, "part"), [""] * len(rows)
    made = [encoded(f"{start};{text}") for text in canonical_rows(columns, ends)]
    assert made == [canonical(1, "part", *row) for row in rows]


def test_a_text_with_a_name_is_its_value_also_among_others() -> None:
    for column in (["service", Kind.SERVICE], [Kind.SERVICE, Kind.SERVICE]):
        assert list(canonical_rows([column])) == ["s7:service", "s7:service"]


def test_moments_that_python_calls_equal_an_hour_apart_are_different_bytes() -> None:
    moment = dt.datetime(2022, 10, 30, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    one, other = canonical_rows([[moment, moment.replace(fold=1)]])
    assert one != other


@pytest.mark.parametrize("wrong", [True, 1.5, object()])
def test_what_has_no_canonical_form_has_none_in_a_column(wrong: object) -> None:
    for column in ([wrong, wrong], [wrong, None], [wrong, "a"]):
        with pytest.raises(TypeError):
            list(canonical_rows([column]))


def test_columns_of_different_lengths_are_no_rows() -> None:
    with pytest.raises(AssertionError, match=r"^every row has every column"):
        canonical_rows([[1, 2], ["a"]])


def test_a_lone_surrogate_is_refused_as_it_is_alone() -> None:
    (text,) = canonical_rows([["\ud800"]])
    with pytest.raises(InvalidText):
        encoded(text)


def test_a_moment_without_a_zone_is_never_taken_for_one() -> None:
    with pytest.raises(TypeError):
        list(canonical_rows([[dt.datetime(2022, 10, 1)]]))  # noqa: DTZ001
