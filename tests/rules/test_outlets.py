"""网点: three tiers, one root, and what may be opened, moved, closed and reopened."""

from __future__ import annotations

from typing import Any

import pytest

from gongyi_bank.errors import (
    CodeTaken,
    OutletClosed,
    OutletNotClosed,
    OutletNotEmpty,
    UnknownOutlet,
    WrongTier,
)
from gongyi_bank.rules import outlets as rules
from gongyi_bank.rules.staff import OutletFacts

HEAD = OutletFacts(1000, "H", "总行", 1, None, True)
BRANCH = OutletFacts(1001, "B", "分行", 2, 1000, True)
SHUT = OutletFacts(1002, "X", "分行", 2, 1000, False)
SAVINGS = OutletFacts(1003, "S", "储蓄所", 3, 1001, True)
KNOWN = {o.code: o for o in (HEAD, BRANCH, SHUT, SAVINGS)}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([("N", "H")], [2]),
        ([("N", "B")], [3]),
        ([("N", "S")], WrongTier),
        ([("N", "X")], OutletClosed),
        ([("N", "?")], UnknownOutlet),
        ([("N", "N")], UnknownOutlet),
        ([("B", "H")], CodeTaken),
        ([("X", "H")], CodeTaken),
        ([("N", "H"), ("N", "H")], CodeTaken),
        ([("N", "H"), ("M", "N")], [2, 3]),
        ([("M", "N"), ("N", "H")], UnknownOutlet),
        ([("N", "H"), ("M", "N"), ("L", "M")], WrongTier),
        ([], []),
    ],
)
def test_each_new_outlet_is_one_tier_below_its_parent(
    wanted: list[tuple[str, str]], expected: Any
) -> None:
    if isinstance(expected, list):
        assert rules.decide_openings(KNOWN, wanted) == expected
    else:
        with pytest.raises(expected):
            rules.decide_openings(KNOWN, wanted)


@pytest.mark.parametrize("moved", [HEAD, BRANCH, SAVINGS], ids=lambda o: o.code)
@pytest.mark.parametrize("target", [HEAD, BRANCH, SAVINGS], ids=lambda o: o.code)
def test_only_a_savings_branch_moves_and_only_to_a_branch(
    moved: OutletFacts, target: OutletFacts
) -> None:
    if (moved, target) == (SAVINGS, BRANCH):
        rules.require_movable(moved, target)
    else:
        with pytest.raises(WrongTier):
            rules.require_movable(moved, target)


@pytest.mark.parametrize(
    ("outlet", "left", "error"),
    [
        (BRANCH, {}, None),
        (SAVINGS, {}, None),
        (HEAD, {}, WrongTier),
        (SHUT, {}, OutletClosed),
        (SHUT, {"accounts": 1}, OutletClosed),
        (SAVINGS, {"accounts": 1}, OutletNotEmpty),
    ],
)
def test_an_open_outlet_below_the_head_office_closes_when_it_is_empty(
    outlet: OutletFacts, left: dict[str, int], error: type[Exception] | None
) -> None:
    if error is None:
        rules.require_closable(outlet, left)
    else:
        with pytest.raises(error):
            rules.require_closable(outlet, left)


def test_the_refusal_counts_what_is_left() -> None:
    with pytest.raises(OutletNotEmpty, match="2 accounts, 1 staff roles"):
        rules.require_closable(SAVINGS, {"accounts": 2, "staff roles": 1})


@pytest.mark.parametrize(
    ("outlet", "parent", "error"),
    [(SHUT, HEAD, None), (BRANCH, HEAD, OutletNotClosed), (SHUT, SHUT, OutletClosed)],
)
def test_a_closed_outlet_reopens_under_an_open_one(
    outlet: OutletFacts, parent: OutletFacts, error: type[Exception] | None
) -> None:
    if error is None:
        rules.require_reopenable(outlet, parent)
    else:
        with pytest.raises(error):
            rules.require_reopenable(outlet, parent)
