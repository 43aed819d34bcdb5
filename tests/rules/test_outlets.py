"""网点: three tiers, one root, and what may be opened, moved, closed and reopened."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.errors import (
    CodeTaken,
    GongyiBankError,
    OutletClosed,
    OutletNotClosed,
    OutletNotEmpty,
    UnknownOutlet,
    WrongTier,
)
from gongyi_bank.rules import outlets as rules
from gongyi_bank.rules.outlets import Stay
from gongyi_bank.rules.staff import OutletFacts

HEAD = OutletFacts(1000, "H", "总行", 1, None, True)
BRANCH = OutletFacts(1001, "B", "分行", 2, 1000, True)
SHUT = OutletFacts(1002, "X", "分行", 2, 1000, False)
SAVINGS = OutletFacts(1003, "S", "储蓄所", 3, 1001, True)
KNOWN = {o.code: o for o in (HEAD, BRANCH, SHUT, SAVINGS)}
TIERS = {1: "总行 head office", 2: "分行 branch", 3: "储蓄所 savings branch"}


def wrong_tier(outlet: str, tier: int, wanted: int) -> WrongTier:
    return WrongTier(outlet=outlet, tier=TIERS[tier], wanted=TIERS[wanted])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([("N", "H")], [2]),
        ([("N", "B")], [3]),
        ([("N", "S")], wrong_tier("S", 3, 2)),
        ([("N", "X")], OutletClosed(outlet="X")),
        ([("N", "?")], UnknownOutlet(outlet="?")),
        ([("N", "N")], UnknownOutlet(outlet="N")),
        ([("B", "H")], CodeTaken(what="网点 outlet", taken="B")),
        ([("X", "H")], CodeTaken(what="网点 outlet", taken="X")),
        ([("N", "H"), ("N", "H")], CodeTaken(what="网点 outlet", taken="N")),
        ([("N", "H"), ("M", "N")], [2, 3]),
        ([("M", "N"), ("N", "H")], UnknownOutlet(outlet="N")),
        ([("N", "H"), ("M", "N"), ("L", "M")], wrong_tier("M", 3, 2)),
        ([], []),
    ],
)
def test_each_new_outlet_is_one_tier_below_its_parent(
    wanted: list[tuple[str, str]], expected: Any
) -> None:
    if isinstance(expected, list):
        assert rules.decide_openings(KNOWN, wanted) == expected
    else:
        with pytest.raises(GongyiBankError) as caught:
            rules.decide_openings(KNOWN, wanted)
        assert caught.value == expected


@pytest.mark.parametrize("moved", [HEAD, BRANCH, SAVINGS], ids=lambda o: o.code)
@pytest.mark.parametrize("target", [HEAD, BRANCH, SAVINGS], ids=lambda o: o.code)
def test_only_a_savings_branch_moves_and_only_to_a_branch(
    moved: OutletFacts, target: OutletFacts
) -> None:
    if (moved, target) == (SAVINGS, BRANCH):
        rules.require_movable(moved, target)
    else:
        with pytest.raises(WrongTier) as caught:
            rules.require_movable(moved, target)
        wrong, wanted = (target, 2) if moved is SAVINGS else (moved, 3)
        assert caught.value == wrong_tier(wrong.code, wrong.tier, wanted)


@pytest.mark.parametrize(
    ("role", "outlet", "wanted"),
    [
        ("administrator", HEAD, None),
        ("administrator", BRANCH, 1),
        ("administrator", SAVINGS, 1),
        ("ledger_keeper", HEAD, None),
        ("ledger_keeper", BRANCH, None),
        ("ledger_keeper", SAVINGS, 2),
        ("teller", HEAD, None),
        ("teller", SAVINGS, None),
        ("auditor", SAVINGS, None),
    ],
)
def test_a_role_is_bound_no_lower_than_what_it_decides(
    role: str, outlet: OutletFacts, wanted: int | None
) -> None:
    if wanted is None:
        rules.require_role_tier(role, outlet)
        return
    with pytest.raises(WrongTier) as caught:
        rules.require_role_tier(role, outlet)
    assert caught.value == wrong_tier(outlet.code, outlet.tier, wanted)


@pytest.mark.parametrize(
    ("outlet", "left", "error"),
    [
        (BRANCH, {}, None),
        (SAVINGS, {}, None),
        (HEAD, {}, wrong_tier("H", 1, 3)),
        (SHUT, {}, OutletClosed(outlet="X")),
        (SHUT, {"accounts": 1}, OutletClosed(outlet="X")),
        (
            SAVINGS,
            {"accounts": 2, "staff roles": 1},
            OutletNotEmpty(outlet="S", left="2 accounts, 1 staff roles"),
        ),
    ],
)
def test_an_open_outlet_below_the_head_office_closes_when_it_is_empty(
    outlet: OutletFacts, left: dict[str, int], error: GongyiBankError | None
) -> None:
    if error is None:
        rules.require_closable(outlet, left)
    else:
        with pytest.raises(GongyiBankError) as caught:
            rules.require_closable(outlet, left)
        assert caught.value == error


@pytest.mark.parametrize(
    ("outlet", "parent", "error"),
    [
        (SHUT, HEAD, None),
        (BRANCH, HEAD, OutletNotClosed(outlet="B")),
        (SHUT, SHUT, OutletClosed(outlet="X")),
    ],
)
def test_a_closed_outlet_reopens_under_an_open_one(
    outlet: OutletFacts, parent: OutletFacts, error: GongyiBankError | None
) -> None:
    if error is None:
        rules.require_reopenable(outlet, parent)
    else:
        with pytest.raises(GongyiBankError) as caught:
            rules.require_reopenable(outlet, parent)
        assert caught.value == error


# --- where outlets stood -------------------------------------------------------------------

DAY = dt.date(2022, 11, 2)
NEXT = dt.date(2022, 11, 3)


def test_a_stay_ends_on_the_day_before_the_next_one_and_the_first_has_no_beginning() -> None:
    rows = [(1000, None, DAY), (1003, 1001, DAY), (1003, 1002, NEXT)]
    assert rules.stays_of(rows) == {
        1000: (Stay(None),),
        1003: (Stay(1001, last_on=DAY), Stay(1002, NEXT)),
    }


def test_of_two_moves_on_one_day_the_first_has_no_day() -> None:
    _, between, last = rules.stays_of([(3, 1, DAY), (3, 2, NEXT), (3, 1, NEXT)])[3]
    assert between.last_on < between.first_on
    assert last == Stay(1, NEXT)


@pytest.mark.parametrize(
    ("newest_on", "today", "since_on"), [(DAY, NEXT, NEXT), (DAY, DAY, DAY), (NEXT, DAY, NEXT)]
)
def test_a_stay_begins_today_and_never_before_the_one_that_it_follows(
    newest_on: dt.date, today: dt.date, since_on: dt.date
) -> None:
    assert rules.decide_stay(4, newest_on, today) == (5, since_on)
