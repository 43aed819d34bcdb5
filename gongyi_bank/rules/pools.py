"""积分池的规则: a pool is open or closed, belongs to an outlet, and never gives what it has not.

Pure. The first of these that applies refuses. Opening: unknown or closed outlet, not permitted,
a code that is taken. Closing: unknown pool, not permitted, closed already, not empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gongyi_bank.errors import CodeTaken, PoolClosed, PoolNotEmpty, UnknownPool
from gongyi_bank.rules.ledger import Head
from gongyi_bank.values import Points

OPEN: Final = "open"
CLOSED: Final = "closed"


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool as it stands. Only its state ever changes."""

    pool_no: int
    code: str
    name: str
    outlet_no: int
    outlet_code: str
    account_no: int
    state: str


def require_pool(pools: Mapping[str, PoolFacts], code: str) -> PoolFacts:
    """The pool with this code. Raises UnknownPool."""
    found = pools.get(code)
    if found is None:
        raise UnknownPool(pool=code)
    return found


def require_open_pool(pools: Mapping[str, PoolFacts], code: str) -> PoolFacts:
    """The open pool with this code. Raises UnknownPool or PoolClosed."""
    found = require_pool(pools, code)
    if found.state != OPEN:
        raise PoolClosed(pool=code)
    return found


def require_free_code(pools: Mapping[str, PoolFacts], code: str) -> None:
    """Raise CodeTaken for the code of a pool, closed ones included."""
    if code in pools:
        raise CodeTaken(what="积分池 pool", taken=code)


def require_empty(pool: PoolFacts, head: Head, scale: int) -> None:
    """Raise PoolNotEmpty while the pool has points or owes some."""
    if head.balance or head.held or head.debt:
        raise PoolNotEmpty(pool=pool.code, balance=str(Points.of_units(head.balance, scale)))
