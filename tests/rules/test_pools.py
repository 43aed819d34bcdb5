"""A pool is open or closed, has a code of its own, and is closed only when it is empty."""

from __future__ import annotations

import pytest

from gongyi_bank.errors import CodeTaken, PoolClosed, PoolNotEmpty, UnknownPool
from gongyi_bank.rules.ledger import Head, internal_no
from gongyi_bank.rules.pools import (
    CLOSED,
    OPEN,
    PoolFacts,
    require_empty,
    require_free_code,
    require_open_pool,
    require_pool,
)

POOL = PoolFacts(1, "P1", "爱心池", 1001, "B01", internal_no("pool", 1), OPEN)
SHUT = PoolFacts(2, "P2", "旧池", 1001, "B01", internal_no("pool", 2), CLOSED)
POOLS = {pool.code: pool for pool in (POOL, SHUT)}


def test_a_pool_is_found_by_its_code_open_or_closed() -> None:
    assert require_pool(POOLS, "P1") is POOL
    assert require_pool(POOLS, "P2") is SHUT
    with pytest.raises(UnknownPool) as caught:
        require_pool(POOLS, "P3")
    assert caught.value.facts == {"pool": "P3"}


def test_only_an_open_pool_takes_part() -> None:
    assert require_open_pool(POOLS, "P1") is POOL
    with pytest.raises(PoolClosed) as caught:
        require_open_pool(POOLS, "P2")
    assert caught.value.facts == {"pool": "P2"}
    with pytest.raises(UnknownPool):
        require_open_pool(POOLS, "P3")


@pytest.mark.parametrize(("code", "is_taken"), [("P1", True), ("P2", True), ("P3", False)])
def test_a_code_is_used_once(code: str, is_taken: bool) -> None:
    if not is_taken:
        require_free_code(POOLS, code)
        return
    with pytest.raises(CodeTaken) as caught:
        require_free_code(POOLS, code)
    assert caught.value.facts == {"what": "积分池 pool", "taken": code}


@pytest.mark.parametrize(
    ("head", "is_empty"),
    [
        (Head(POOL.account_no), True),
        (Head(POOL.account_no, credited=5, debited=5), True),
        (Head(POOL.account_no, credited=5, debited=4), False),
        (Head(POOL.account_no, credited=5, debited=5, held=1), False),
        (Head(POOL.account_no, credited=5, debited=5, debt=1), False),
    ],
)
def test_only_an_empty_pool_is_closed(head: Head, is_empty: bool) -> None:
    if is_empty:
        require_empty(POOL, head, 2)
    else:
        with pytest.raises(PoolNotEmpty) as caught:
            require_empty(POOL, head, 2)
        balance = f"0.0{head.credited - head.debited}"
        assert caught.value.facts == {"pool": "P1", "balance": balance}
