"""The byte form that is hashed: injective, versioned, and the same everywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank import values
from gongyi_bank.errors import InvalidInstant, InvalidText
from gongyi_bank.values import Points

# --- bytes

#: Hypothesis adds the zone.
INSTANTS = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001
    datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC) | st.timezones(),
)


@given(INSTANTS, st.binary(min_size=10, max_size=10))
def test_uuid7_has_its_time_version_and_variant(now, chance):
    made = values.new_uuid7(now, chance)
    assert len(made) == 16
    milliseconds = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert int.from_bytes(made[:6]) == milliseconds
    assert made[6] >> 4 == 7
    assert made[8] >> 6 == 0b10


def test_uuid7_is_that_of_rfc_9562():
    now = datetime(2022, 2, 22, 14, 22, 22, tzinfo=timezone(timedelta(hours=-5)))
    chance = (0xCC3 << 68 | 0x18C4DC0C0C07398F).to_bytes(10)
    assert values.new_uuid7(now, chance).hex() == "017f22e279b07cc398c4dc0c0c07398f"


def test_uuid7_needs_an_aware_time_and_ten_bytes():
    with pytest.raises(InvalidInstant):
        values.new_uuid7(datetime(2022, 1, 1), bytes(10))  # noqa: DTZ001
    with pytest.raises(InvalidInstant):
        values.new_uuid7(datetime(1969, 1, 1, tzinfo=UTC), bytes(10))
    with pytest.raises(ValueError, match="10 random bytes"):
        values.new_uuid7(datetime(2022, 1, 1, tzinfo=UTC), bytes(9))


class Colour(StrEnum):
    RED = "red"


class Grade(IntEnum):
    ONE = 1


FIELDS = (
    st.none()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(";:0123ins"))
    | st.binary()
    | st.dates()
    | INSTANTS
)
ROWS = st.lists(FIELDS, max_size=6)


def meaning(row: list[object]) -> list[tuple[str, object]]:
    return [(type(field).__name__, field) for field in row]


@given(ROWS, ROWS)
def test_other_fields_give_other_bytes(one, other):
    assert (values.canonical(*one) == values.canonical(*other)) == (meaning(one) == meaning(other))


@given(ROWS, st.data())
def test_moving_a_border_between_fields_changes_the_bytes(row, data):
    merged = "".join(map(str, row))
    cut = data.draw(st.integers(0, len(merged)))
    made = {values.canonical(merged[:at], merged[at:]) for at in {cut, 0, len(merged)}}
    assert len(made) == len({cut, 0, len(merged)})
    for one, other in pairwise([row[:at] for at in range(len(row) + 1)]):
        assert values.canonical(*one) != values.canonical(*other)


def test_the_canonical_form_never_changes():
    shanghai = timezone(timedelta(hours=8))
    assert (
        values.canonical(
            None,
            -17,
            "积;分",
            b"\x00\xff",
            date(2022, 10, 31),
            datetime(2022, 10, 31, 23, 59, 0, 5, tzinfo=shanghai),
        )
        == "gb1;n;i-17;s3:积;分;b2:00ff;d2022-10-31;t1667231940000005;".encode()
    )
    assert values.canonical() == b"gb1;"


def test_one_moment_has_one_form_in_every_zone():
    moment = datetime(2022, 10, 31, 23, 59, tzinfo=UTC)
    there = moment.astimezone(timezone(timedelta(hours=8)))
    assert values.canonical(moment) == values.canonical(there)


def test_enums_are_encoded_as_their_values():
    assert values.canonical(Colour.RED, Grade.ONE) == values.canonical("red", 1)


def test_what_has_no_canonical_form_is_refused():
    with pytest.raises(InvalidInstant):
        values.canonical(datetime(2022, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidText):
        values.canonical("\ud800")
    for value in (True, 1.0, Decimal(1), Points(1), [1]):
        with pytest.raises(TypeError):
            values.canonical(value)


def test_the_public_list_is_sorted_and_true():
    assert all(hasattr(values, name) for name in values.__all__)
    assert len(set(values.__all__)) == len(values.__all__)
