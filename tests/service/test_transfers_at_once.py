"""Transfers from many threads: no deadlock, no point twice, no limit passed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gongyi_bank.errors import (
    AccountClosed,
    CodeTaken,
    InsufficientPoints,
    PoolClosed,
    PoolNotEmpty,
    PoolShort,
    TransferLimitReached,
)
from gongyi_bank.policies import TransferRules
from gongyi_bank.values import Points
from tests.district import District
from tests.racing import at_once
from tests.service.test_races import THREADS, kinds
from tests.service.test_transfers import (
    ONE,
    a_pool,
    gift,
    give,
    grant,
    leg,
    require_sound,
    saver,
    send,
)


@pytest.fixture
def crowded(postgresql_tables_url: str) -> Iterator[District]:
    """The engine that has many writers, with a monthly limit of ten points."""
    made = District(
        postgresql_tables_url, policies=(TransferRules(gift_points_month_max=Points(10)),)
    )
    yield made
    made.close()


def test_two_who_give_to_each_other_do_not_wait_for_ever(crowded: District) -> None:
    first, second = saver(crowded), saver(crowded)
    small = Points("0.50")
    for _ in range(20):
        results = at_once(
            lambda: gift(crowded, first, second, points=small),
            lambda: gift(crowded, second, first, points=small),
        )
        assert kinds(results) == {"PointsGifted": 2}
    assert set(crowded.bank.reports.balances([first, second]).values()) == {Points(8)}
    require_sound(crowded)


def test_rounds_that_cross_each_other_come_to_an_end(crowded: District) -> None:
    people = [saver(crowded) for _ in range(4)]
    a_pool(crowded, points=8)
    tiny = Points("0.10")
    for _ in range(5):
        results = at_once(
            *[
                lambda turn=turn: send(
                    crowded,
                    *(leg(people[i], people[i - 1], tiny) for i in [*range(turn, 4), *range(turn)]),
                    leg(people[turn], "P1", tiny),
                )
                for turn in range(4)
            ],
            lambda: grant(crowded, (people[3], tiny), (people[0], tiny)),
        )
        assert kinds(results) == {"PointsSent": 4, "PoolGranted": 1}
    require_sound(crowded)


def test_a_pool_is_drained_to_the_last_point_and_no_further(district: District) -> None:
    a_pool(district, points=5)
    takers = [saver(district, 0) for _ in range(THREADS)]
    results = at_once(*[lambda taker=taker: grant(district, (taker, ONE)) for taker in takers])
    assert kinds(results) == {"PoolGranted": 5, PoolShort.__name__: THREADS - 5}
    assert district.bank.pools.balance("P1") == Points(0)
    assert sum(district.bank.reports.balances(takers).values(), Points(0)) == Points(5)
    require_sound(district)


def test_gifts_at_once_do_not_pass_the_limit_of_the_month(crowded: District) -> None:
    """Twenty at once turned 100 points into 2 000 elsewhere."""
    giver, takers = saver(crowded, 8), [saver(crowded, 0) for _ in range(THREADS)]
    crowded.serve(giver, "10-04 08:00", 480)
    results = at_once(
        *[lambda taker=taker: gift(crowded, giver, taker, points=Points(2)) for taker in takers]
    )
    assert kinds(results) == {"PointsGifted": 5, TransferLimitReached.__name__: THREADS - 5}
    assert crowded.bank.reports.balance(giver) == Points(6)
    require_sound(crowded)


def test_the_same_points_are_given_once(district: District) -> None:
    giver, takers = saver(district, 1), [saver(district, 0) for _ in range(THREADS)]
    results = at_once(*[lambda taker=taker: gift(district, giver, taker) for taker in takers])
    assert kinds(results) == {"PointsGifted": 1, InsufficientPoints.__name__: THREADS - 1}
    require_sound(district)


def test_a_pool_is_not_closed_under_a_donation(crowded: District) -> None:
    giver = saver(crowded)
    for number in range(6):
        code = a_pool(crowded, f"P{number}")
        results = at_once(
            lambda code=code: give(crowded, giver, pool=code),
            lambda code=code: crowded.acting("K1").pools.close(pool=code, reason="撤并"),
        )
        assert sorted(kinds(results)) in (
            ["PointsDonated", PoolNotEmpty.__name__],
            [PoolClosed.__name__, "PoolEnded"],
        ), results
    require_sound(crowded)


def test_an_account_is_not_closed_under_a_gift(crowded: District) -> None:
    giver = saver(crowded)
    for _ in range(4):
        taker = saver(crowded, 0)
        results = at_once(
            lambda taker=taker: gift(crowded, giver, taker),
            lambda taker=taker: crowded.bank.accounts.close(account=taker, reason="迁出"),
        )
        assert sorted(kinds(results)) in (
            ["AccountNotEmpty", "PointsGifted"],
            [AccountClosed.__name__, "AccountClosedOut"],
        ), results
    require_sound(crowded)


def test_one_code_opened_at_once_is_one_pool(district: District) -> None:
    desk = district.acting("K1").pools
    results = at_once(*[lambda: desk.open(code="P1", name="爱心池", outlet="B01")] * THREADS)
    assert kinds(results) == {"PoolOpened": 1, CodeTaken.__name__: THREADS - 1}
    require_sound(district)
