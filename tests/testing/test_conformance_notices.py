"""The conformance suite notices a bank in which a rule does nothing; it is run here with each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gongyi_bank.errors import GongyiBankError
from gongyi_bank.rules import accrual, holds, ledger, staff
from gongyi_bank.testing import EngineConformance, assert_sound, small_district
from gongyi_bank.testing.conformance.refusals import RefusalTests


def nothing(*_args: Any, **_fields: Any) -> None:
    """A rule that refuses nobody."""


def anybody(act: Any, maker: Any, checker: Any, code: Any, outlet: Any) -> Any:
    return checker or maker


def all_of_it(hold: Any, points: Any, scale: Any, name: Any) -> Any:
    return hold.amount if points is None else points.to_units(scale)


#: By name: the rule, what stands in its place, and the test that is for it.
FAULTS: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "permission": (
        staff.require_permission, nothing, "test_nobody_acts_without_a_role_that_allows_it",
    ),
    "own points": (
        staff.require_not_own, nothing, "test_nobody_decides_on_points_of_their_own",
    ),
    "second person": (
        staff.require_second_person, anybody,
        "test_the_second_person_is_another_one_who_serves_there",
    ),
    "overlap": (
        accrual._require_no_overlap, nothing, "test_nobody_serves_in_two_places_at_once",
    ),
    "overlap in a list": (
        accrual._require_no_overlap, nothing, "test_services_of_one_list_do_not_overlap_either",
    ),
    "available": (ledger.require_available, nothing, "test_nobody_spends_more_than_is_free"),
    "captured twice": (
        holds.decide_amount, all_of_it,
        "test_a_hold_gives_no_more_than_it_keeps_however_often_it_is_captured",
    ),
}  # fmt: skip


def run(name: str) -> None:
    """A test of the suite as a service derives it, once for each of its parameters."""
    test = getattr(EngineConformance(), name)
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    names, values = marks[0].args if marks else ((), [()])
    for given in values:
        story = small_district("sqlite://")
        test(story=story, **dict(zip(names, given, strict=True)))
        assert_sound(story.bank)
        story.bank.close()


@pytest.mark.parametrize("name", FAULTS)
def test_a_rule_that_does_nothing_makes_the_suite_red(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, fault, test = FAULTS[name]
    run(test)
    for part in ("__code__", "__defaults__", "__kwdefaults__"):  # Whoever imported it has it now.
        monkeypatch.setattr(rule, part, getattr(fault, part))
    with pytest.raises((AssertionError, ValueError, GongyiBankError, pytest.fail.Exception)):
        run(test)


def test_every_test_of_refusals_is_there_for_a_fault() -> None:
    tests = {name for name in vars(RefusalTests) if name.startswith("test_")}
    assert tests == {test for _, _, test in FAULTS.values()}
    assert all(hasattr(EngineConformance, name) for name in tests)
