"""Transfers at random: nothing is lost or made, and a list of legs is what one by one would be."""

from __future__ import annotations

import contextlib
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from gongyi_bank.errors import InsufficientPoints
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.store.tables import account_line
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_transfers import ANYBODY, a_pool, leg, saver, send

_PARTY = st.sampled_from([0, 1, 2, "P1", "P2"])
_LEGS = st.lists(
    st.tuples(_PARTY, _PARTY, st.integers(1, 500)).filter(lambda part: part[0] != part[1]),
    min_size=1, max_size=5,
)  # fmt: skip


@given(acts=st.lists(st.tuples(_LEGS, st.booleans(), st.integers(0, 40)), min_size=1, max_size=6))
def test_whatever_is_sent_nothing_is_lost_and_nothing_made(
    acts: list[tuple[list[tuple[Any, Any, int]], bool, int]],
) -> None:
    district = District("sqlite://", policies=(PointsExpiry(mode="months", length=2), ANYBODY))
    a_pool(district, points=2)
    a_pool(district, "P2")
    accounts = [saver(district, points) for points in (8, 3, 0)]

    def total() -> int:
        with district.bank.engine.connect() as connection:
            line = account_line.c
            moved = sa.select(sa.func.sum(line.amount)).where(line.kind != "expiry")
            found: int = connection.execute(moved).scalar_one()
            return found

    before = total()
    for legs, is_one_act, days in acts:
        parts = [
            leg(*(accounts[s] if isinstance(s, int) else s for s in (source, target)),
                Points.of_units(units, 2))
            for source, target, units in legs
        ]  # fmt: skip
        for some in [parts] if is_one_act else [[part] for part in parts]:
            with contextlib.suppress(InsufficientPoints):
                send(district, *some, reason="调剂", second_person="K1b")
        district.clock.advance(days=days)
    assert total() == before
    assert district.bank.verify().faults == ()
    assert district.bank.reports.trial_balance().is_balanced
    district.close()


@settings(max_examples=15)
@given(units=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 400)), min_size=1, max_size=6))
def test_a_list_of_legs_leaves_the_balances_that_one_by_one_would(
    units: list[tuple[int, int]],
) -> None:
    """From givers who receive nothing: all or nothing, and otherwise no difference."""
    seen = []
    for is_one_act in (True, False):
        district = District("sqlite://", policies=(ANYBODY,))
        givers = [saver(district, points) for points in (8, 5, 2)]
        takers = [saver(district, 0) for _ in range(3)]
        desk, refused = district.acting("T1").transfers, False
        legs = [leg(givers[i], takers[i], Points.of_units(n, 2)) for i, n in units]
        try:
            with district.bank.begin(staff="T1") as counter:
                desk = counter.transfers
                for some in [legs] if is_one_act else [[one] for one in legs]:
                    desk.send(legs=some, outlet="B01S01")
        except InsufficientPoints:
            refused = True
        balances = district.bank.reports.balances([*givers, *takers])
        seen.append((refused, list(balances.values())))
        district.close()
    assert seen[0] == seen[1]
