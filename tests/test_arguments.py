"""What the door asks of any argument: flags are flags, lists are lists, and nothing comes twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.arguments import require_each_once, require_flag, require_list
from gongyi_bank.errors import InvalidValue


@pytest.mark.parametrize("value", [1, 0, "no", None, "True", []])
def test_what_only_counts_as_true_or_false_is_refused(value: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        require_flag(value, field="names")
    assert caught.value.facts["field"] == "names"
    assert caught.value.facts["reason"] == "True or False"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("P01", "a list is needed, not a text"),
        (b"P01", "a list is needed, not a text"),
        (5, "a list is needed"),
        (None, "a list is needed"),
    ],
)
def test_what_is_no_list_is_refused_without_its_content(value: Any, reason: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        require_list(value, field="stores")
    assert caught.value.facts["reason"] == reason
    assert caught.value.facts["value"] == repr(type(value).__name__)


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_lists_are_handed_on_as_they_are(kind: Callable[[list[str]], Any]) -> None:
    given_list = kind(["P02", "P01"])
    assert require_list(given_list, field="stores") is given_list


@given(st.lists(st.integers(0, 9)))
def test_the_first_value_that_comes_again_is_named(values: list[int]) -> None:
    again = next((value for place, value in enumerate(values) if value in values[:place]), None)
    if again is None:
        assert require_each_once(iter(values), field="sku") == tuple(values)
        return
    with pytest.raises(InvalidValue) as caught:
        require_each_once(iter(values), field="sku")
    assert caught.value.facts["value"] == str(again)
    assert caught.value.facts["reason"] == "comes twice"
