"""网点: one head office, its branches, their savings branches; nothing else.

Pure. The first of these that applies refuses. Opening: not permitted, then outlet by outlet a
code that is taken, an unknown parent, a closed one, one of the wrong tier; then a day that is
closed at a parent. Changing: unknown outlet, not permitted; moving besides an unknown or closed
branch, the wrong tier of either, a day that is closed at either; closing and reopening on a day
that is closed there; closing one that is closed, the head office, one where something is left;
reopening one that is open, one whose parent is closed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gongyi_bank.errors import (
    CodeTaken,
    OutletClosed,
    OutletNotClosed,
    OutletNotEmpty,
    UnknownOutlet,
    WrongTier,
)
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.staff import ADMINISTRATOR, LEDGER_KEEPER, OutletFacts

HEAD_OFFICE: Final = 1
BRANCH: Final = 2
SAVINGS_BRANCH: Final = 3
TIER_NAMES: Final = {1: "总行 head office", 2: "分行 branch", 3: "储蓄所 savings branch"}
#: The lowest tier that a role is bound to; the others may be bound anywhere.
_LOWEST_TIERS: Final = {ADMINISTRATOR: HEAD_OFFICE, LEDGER_KEEPER: BRANCH}


def decide_openings(known: dict[str, OutletFacts], wanted: Sequence[tuple[str, str]]) -> list[int]:
    """The tiers of new outlets (code, parent's code), each one below its parent.

    A parent is an open outlet in the books or one earlier in the list. Raises CodeTaken,
    UnknownOutlet, OutletClosed, or WrongTier for a fourth tier.
    """
    tiers = {code: facts.tier for code, facts in known.items()}
    planned = []
    for code, parent in wanted:
        if code in tiers:
            raise CodeTaken(what="网点 outlet", taken=code)
        if parent not in tiers:
            raise UnknownOutlet(outlet=parent)
        if parent in known and not known[parent].is_open:
            raise OutletClosed(outlet=parent)
        if tiers[parent] == SAVINGS_BRANCH:
            raise WrongTier(outlet=parent, tier=TIER_NAMES[3], wanted=TIER_NAMES[2])
        tiers[code] = tiers[parent] + 1
        planned.append(tiers[code])
    return planned


def require_tier(outlet: OutletFacts, tier: int) -> None:
    """Raise WrongTier unless the outlet is of this tier."""
    if outlet.tier != tier:
        raise WrongTier(outlet=outlet.code, tier=TIER_NAMES[outlet.tier], wanted=TIER_NAMES[tier])


def require_role_tier(role: str, outlet: OutletFacts) -> None:
    """Raise WrongTier where the role decides more than an outlet of this tier is there for."""
    lowest = _LOWEST_TIERS.get(role, SAVINGS_BRANCH)
    if outlet.tier > lowest:
        raise WrongTier(outlet=outlet.code, tier=TIER_NAMES[outlet.tier], wanted=TIER_NAMES[lowest])


def require_movable(outlet: OutletFacts, branch: OutletFacts) -> None:
    """A savings branch moves to a branch, and nothing else moves."""
    require_tier(outlet, SAVINGS_BRANCH)
    require_tier(branch, BRANCH)


def require_closable(outlet: OutletFacts, left: dict[str, int]) -> None:
    """An open outlet below the head office, with nothing left open."""
    if not outlet.is_open:
        raise OutletClosed(outlet=outlet.code)
    if outlet.tier == HEAD_OFFICE:
        raise WrongTier(outlet=outlet.code, tier=TIER_NAMES[1], wanted=TIER_NAMES[3])
    if left:
        shown = ", ".join(f"{count} {name}" for name, count in left.items())
        raise OutletNotEmpty(outlet=outlet.code, left=shown)


def require_reopenable(outlet: OutletFacts, parent: OutletFacts | None) -> None:
    """A closed outlet under an open one."""
    if outlet.is_open:
        raise OutletNotClosed(outlet=outlet.code)
    if parent is not None and not parent.is_open:
        raise OutletClosed(outlet=parent.code)


# --- where outlets stood -------------------------------------------------------------------

_ONE_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stay:
    """The days for which an outlet was below another one."""

    #: None is above the head office.
    parent_no: int | None
    first_on: dt.date = EARLIEST
    #: Before `first_on` where the outlet moved on within the day: then it has no day at all.
    last_on: dt.date = dt.date.max


#: The stays of each outlet, in order.
Stays = dict[int, tuple[Stay, ...]]


def stays_of(rows: Iterable[tuple[int, int | None, dt.date]]) -> Stays:
    """Stays from (outlet, its parent, since when), in order.

    The first one has no beginning: services may be older than the outlet that records them.
    """
    stays: Stays = {}
    for outlet_no, parent_no, since_on in rows:
        earlier = stays.get(outlet_no)
        if not earlier:
            stays[outlet_no] = (Stay(parent_no),)
            continue
        last = earlier[-1]
        ended = Stay(last.parent_no, last.first_on, since_on - _ONE_DAY)
        stays[outlet_no] = (*earlier[:-1], ended, Stay(parent_no, since_on))
    return stays


def decide_stay(newest_no: int, newest_on: dt.date, today: dt.date) -> tuple[int, dt.date]:
    """Number and first day of a further stay: never before the one that it follows."""
    return newest_no + 1, max(newest_on, today)
