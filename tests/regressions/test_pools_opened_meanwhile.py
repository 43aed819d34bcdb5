"""A pool that is opened while an act is on its way to it: the act looks again, and locks it.

Its code was not yet there when the act asked what to lock, and was there when it asked for the
facts. So a donation was booked against a pool whose head nobody had locked: the giver's line was
written and the pool's was not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gongyi_bank.errors import GongyiBankError, PoolShort
from gongyi_bank.store import pools
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_transfers import (
    ONE,
    a_pool,
    give,
    grant,
    leg,
    require_sound,
    saver,
    send,
)

#: What is asked of P1, and the points that it has then.
ACTS: dict[str, tuple[Callable[[District, int], Any], Points]] = {
    "donate": (lambda district, giver: give(district, giver, pool="P1"), ONE),
    "send": (lambda district, giver: send(district, leg(giver, "P1")), ONE),
    "close": (
        lambda district, _: district.acting("K1").pools.close(pool="P1", reason="撤并"),
        Points(0),
    ),
}


@pytest.fixture(params=["postgresql_district_url", "mariadb_district_url"])
def crowded(request: pytest.FixtureRequest) -> Any:
    """The engines on which somebody else can write between two statements of an act."""
    made = District(request.getfixturevalue(request.param), is_founded=True)
    yield made
    made.close()


def once_looked_up(monkeypatch: pytest.MonkeyPatch, then: Callable[[], Any]) -> None:
    """Do something else as soon as an act has looked up which pools there are."""
    look_up, waiting = pools.load_pools, [then]

    def looked_up(*args: Any) -> Any:
        found = look_up(*args)
        if waiting:
            waiting.pop()()
        return found

    monkeypatch.setattr(pools, "load_pools", looked_up)


@pytest.mark.parametrize("act", ACTS)
def test_an_act_meets_the_pool_that_was_opened_meanwhile_with_its_head_locked(
    crowded: District, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    giver = saver(crowded)
    wish, points = ACTS[act]
    once_looked_up(monkeypatch, lambda: a_pool(crowded))
    wish(crowded, giver)
    assert crowded.bank.pools.balance("P1") == points
    assert crowded.bank.reports.balance(giver) == Points(8) - points
    require_sound(crowded)


def test_a_pool_that_was_opened_meanwhile_has_nothing_to_grant(
    crowded: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker = saver(crowded, 0)
    once_looked_up(monkeypatch, lambda: a_pool(crowded))
    with pytest.raises(GongyiBankError) as refused:
        grant(crowded, (taker, ONE))
    assert type(refused.value) is PoolShort
    require_sound(crowded)
