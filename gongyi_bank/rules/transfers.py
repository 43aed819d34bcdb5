"""转赠、捐赠与拨付的规则: who may give points to whom, how much, and how long they are good.

Pure. A transfer is judged leg by leg and then giver by giver, in this order: the side that
gives (unknown, closed, frozen, passbook reported lost; of a pool unknown or closed), the side
that receives (unknown or closed), the kinds of holders and the relation, then for each giver
the limits of the month and the year and the points, for each customer to whom pools grant the
limits of the month and the year, and last whether gifted points may be given on.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gongyi_bank.errors import (
    GiftedPointsStay,
    GranteeLimitReached,
    PoolLimitReached,
    TransferLimitReached,
    TransferNotAllowed,
)
from gongyi_bank.policies import PointsExpiry, PolicyBook, TransferRules
from gongyi_bank.rules.customers import require_open, require_payable
from gongyi_bank.rules.expiry import ExpiryTerms
from gongyi_bank.rules.ledger import MIRROR_KINDS, Head, internal_kind, require_available
from gongyi_bank.rules.pools import PoolFacts, require_open_pool
from gongyi_bank.values import NEVER, Points

GIFT: Final = "gift"
DONATION: Final = "donation"
GRANT: Final = "grant"
#: A grant as the limits on who receives it count it; like purposes, the names of limits begin so.
GRANTEE: Final = "grantee"
#: The kinds of the giver's and the receiver's lines, by purpose.
LINE_KINDS: Final = dict(zip((GIFT, DONATION, GRANT), MIRROR_KINDS.items(), strict=True))
_GRANT: Final = "拨付 grant"
_CALLED: Final = {GIFT: "转赠 gift", DONATION: "捐赠 donation", GRANT: _GRANT, GRANTEE: _GRANT}
_ORGANISATION: Final = "organisation"


@dataclass(frozen=True, slots=True)
class Given:
    """What an account has given for one purpose, or was granted, from its own lines.

    Of both periods.
    """

    points_month: int = 0
    count_month: int = 0
    points_year: int = 0
    count_year: int = 0


@dataclass(frozen=True, slots=True)
class Lot:
    """The points low + 1 to high of an account, as one credit line brought them."""

    low: int
    high: int
    expires_on: dt.date
    is_gifted: bool


@dataclass(frozen=True, slots=True)
class Side:
    """A customer's account or a pool, as a leg names it."""

    account_no: int | None = None
    pool: str | None = None


@dataclass(slots=True)
class TransferFacts:
    """What the books say around a transfer, all of it read behind the locked heads."""

    today: dt.date
    scale: int
    policies: PolicyBook
    #: (kind, state) of each customer.
    customers: Mapping[int, tuple[str, str]]
    #: The lost passbook of accounts under a loss report.
    frozen: Mapping[int, int]
    pools: Mapping[str, PoolFacts]
    heads: Mapping[int, Head]
    #: By account and purpose, GRANTEE for what was granted.
    given: Mapping[tuple[int, str], Given]
    #: The unspent lots of those givers for whom they matter, oldest first.
    lots: Mapping[int, Sequence[Lot]]

    @property
    def rules(self) -> TransferRules:
        """The transfer rules of today."""
        return self.policies.in_force(TransferRules, self.today)[1]


@dataclass(frozen=True, slots=True)
class Flow:
    """So many points, in the smallest part, from one account to another."""

    source_no: int
    target_no: int
    amount: int
    purpose: str
    #: The last day on which what arrives may be spent.
    expires_on: dt.date = NEVER


# --- who gives what to whom ------------------------------------------------------------------


def judge_leg(
    facts: TransferFacts,
    source: Side,
    target: Side,
    amount: int,
    *,
    purpose: str | None = None,
    relation: str | None = None,
) -> Flow:
    """The flow of one leg, if both sides may take part in it.

    The purpose follows from who gives and who receives, unless the act says it itself.
    """
    source_no, source_kind = _giver(facts, source)
    target_no, target_kind = _receiver(facts, target)
    purpose = purpose or _purpose_of(source_kind, target_kind)
    _require_allowed(facts.rules, purpose, (source_no, source_kind), (target_no, target_kind))
    if purpose == GIFT and relation is not None and relation not in facts.rules.relations:
        # Not the relation itself: it is personal.
        _not_allowed(source_no, purpose, "this relation is not among those allowed")
    return Flow(source_no, target_no, amount, purpose)


def _giver(facts: TransferFacts, side: Side) -> tuple[int, str]:
    if side.pool is not None:
        return require_open_pool(facts.pools, side.pool).account_no, "pool"
    assert side.account_no is not None
    kind, state = facts.customers.get(side.account_no, ("", None))
    require_payable(side.account_no, state, facts.frozen)
    return side.account_no, kind


def _receiver(facts: TransferFacts, side: Side) -> tuple[int, str]:
    if side.pool is not None:
        return require_open_pool(facts.pools, side.pool).account_no, "pool"
    assert side.account_no is not None
    kind, state = facts.customers.get(side.account_no, ("", None))
    require_open(side.account_no, state)
    return side.account_no, kind


def _purpose_of(source_kind: str, target_kind: str) -> str:
    if source_kind == "pool":
        return GRANT
    return DONATION if target_kind in ("pool", _ORGANISATION) else GIFT


def _require_allowed(
    rules: TransferRules, purpose: str, source: tuple[int, str], target: tuple[int, str]
) -> None:
    givers: tuple[str, ...] = ("pool",)
    receivers: tuple[str, ...] = ("pool", *rules.grantees)
    if purpose == GIFT:
        givers, receivers = rules.givers, rules.receivers
    elif purpose == DONATION:
        givers, receivers = rules.donors, ("pool", _ORGANISATION)
    if source[1] not in givers:
        _not_allowed(source[0], purpose, "this kind of holder may not give")
    if target[1] not in receivers:
        _not_allowed(target[0], purpose, "this kind of holder may not receive")


def _not_allowed(account_no: int, purpose: str, why: str) -> None:
    raise TransferNotAllowed(account=account_no, purpose=_CALLED[purpose], why=why)


# --- sides that net --------------------------------------------------------------------------


def net_flows(flows: Iterable[Flow]) -> list[Flow]:
    """The flows that are left when each account's giving and receiving is netted, by purpose.

    Givers and receivers are matched in the order in which the legs name them.
    """
    sums: dict[str, dict[int, int]] = {purpose: {} for purpose in LINE_KINDS}
    for flow in flows:
        of_purpose = sums[flow.purpose]
        of_purpose[flow.source_no] = of_purpose.get(flow.source_no, 0) - flow.amount
        of_purpose[flow.target_no] = of_purpose.get(flow.target_no, 0) + flow.amount
    return [flow for purpose in sums for flow in _matched(purpose, sums[purpose])]


def _matched(purpose: str, sums: Mapping[int, int]) -> list[Flow]:
    receivers = [[number, amount] for number, amount in sums.items() if amount > 0]
    flows, position = [], 0
    for source_no, amount in sums.items():
        left = -amount
        while left > 0:
            taker = receivers[position]
            moved = min(left, taker[1])
            flows.append(Flow(source_no, taker[0], moved, purpose))
            left -= moved
            taker[1] -= moved
            position += not taker[1]
    return flows


# --- how much, and how long it is good -------------------------------------------------------


def needs_lots(head: Head, rules: TransferRules, terms: ExpiryTerms) -> bool:
    """Whether it matters which of the account's points are given."""
    if internal_kind(head.account_no) is not None:
        return False
    return not rules.may_give_on or (rules.arrival == "source" and has_dates(head, terms))


def has_dates(head: Head, terms: ExpiryTerms) -> bool:
    """Whether living points of a customer's account may have a last day.

    Dates never fall with the number, so where the next one is NEVER no living point has one,
    unless expiry has ended: what it promised for points without a date then stands in no head.
    """
    return head.next_expiry_on != NEVER or bool(terms.introductions)


def decide_flows(facts: TransferFacts, flows: Sequence[Flow]) -> list[Flow]:
    """The flows by date: one for each distinct last day of the points that arrive.

    Raises TransferLimitReached (PoolLimitReached for a pool) or InsufficientPoints (PoolShort)
    for the first giver who would give too much, GranteeLimitReached for the first customer who
    would be granted too much, or GiftedPointsStay.
    """
    by_giver: dict[int, Counter[str]] = {}
    granted: Counter[int] = Counter()
    for flow in flows:
        by_giver.setdefault(flow.source_no, Counter())[flow.purpose] += flow.amount
        if flow.purpose == GRANT and internal_kind(flow.target_no) is None:
            granted[flow.target_no] += flow.amount
    codes = {pool.account_no: pool.code for pool in facts.pools.values()}
    for account_no, giving in by_giver.items():
        pool = codes.get(account_no)
        for purpose, amount in giving.items():
            _require_within_limits(facts, account_no, purpose, amount, pool)
        require_available(facts.heads[account_no], giving.total(), facts.scale, pool=pool)
    for account_no, amount in granted.items():
        _require_within_limits(facts, account_no, GRANTEE, amount)
    cursors = {number: oldest_free(facts.heads[number]) for number in by_giver}
    dated = []
    for flow in flows:
        start = cursors[flow.source_no]
        cursors[flow.source_no] = start + flow.amount
        dated += _dated(facts, flow, start)
    return dated


def _require_within_limits(
    facts: TransferFacts, account_no: int, purpose: str, amount: int, pool: str | None = None
) -> None:
    """What was given or granted before and this act's part: points, and the act as one more."""
    before = facts.given.get((account_no, purpose), Given())
    for period, points, count in (
        ("month", before.points_month, before.count_month),
        ("year", before.points_year, before.count_year),
    ):
        count_max = getattr(facts.rules, f"{purpose}_count_{period}_max")
        if count_max is not None and count + 1 > count_max:
            called = _PERIODS[f"{period} count"]
            raise _limit_reached(account_no, purpose, pool, called, str(count_max), count, 1)
        points_max = getattr(facts.rules, f"{purpose}_points_{period}_max")
        if points_max is not None and Points.of_units(points + amount, facts.scale) > points_max:
            used, wanted = (str(Points.of_units(n, facts.scale)) for n in (points, amount))
            called = _PERIODS[f"{period} points"]
            raise _limit_reached(account_no, purpose, pool, called, str(points_max), used, wanted)


_PERIODS: Final = {
    "month count": "本月次数 number this month",
    "month points": "本月积分 points this month",
    "year count": "本年次数 number this year",
    "year points": "本年积分 points this year",
}


def _limit_reached(
    account_no: int, purpose: str, pool: str | None, *told: object
) -> TransferLimitReached:
    """Told are the period, the limit, what was used of it, and what is wanted."""
    facts: dict[str, Any] = {"account": account_no, "purpose": _CALLED[purpose]}
    facts |= zip(("period", "limit", "used", "wanted"), told, strict=True)
    if pool is not None:
        return PoolLimitReached(pool=pool, **facts)
    kind = GranteeLimitReached if purpose == GRANTEE else TransferLimitReached
    return kind(**facts)


def oldest_free(head: Head) -> int:
    """The number below the oldest point that can be given: none past its date is, none held.

    A debit takes the lowest numbers, those of a hold too; but what it passes on are the dates
    of points that were free, as the giver was told (decision 0026).

    >>> oldest_free(Head(1, credited=20, debited=4, held=5, dead_no=6))
    9
    """
    return max(head.free_from, head.dead_no)


def _dated(facts: TransferFacts, flow: Flow, start: int) -> list[Flow]:
    if internal_kind(flow.target_no) == "pool":
        return [flow]  # A pool keeps what it gets until it gives it on.
    taken = cut(facts.lots.get(flow.source_no, ()), start, flow.amount)
    gifted = sum(lot.high - lot.low for lot in taken if lot.is_gifted)
    if flow.purpose == GIFT and gifted and not facts.rules.may_give_on:
        raise GiftedPointsStay(
            account=flow.source_no, gifted=str(Points.of_units(gifted, facts.scale))
        )
    if flow.purpose == GRANT or facts.rules.arrival == "fresh":
        expiry = facts.policies.in_force(PointsExpiry, facts.today)[1]
        return [replace(flow, expires_on=expiry.expires_on(facts.today))]
    dates = by_last_day(taken)
    return [replace(flow, amount=n, expires_on=day) for day, n in dates.items()] or [flow]


def by_last_day(lots: Iterable[Lot]) -> dict[dt.date, int]:
    """How many points of these lots are good until when, in the order of the lots."""
    amounts: dict[dt.date, int] = {}
    for lot in lots:
        amounts[lot.expires_on] = amounts.get(lot.expires_on, 0) + lot.high - lot.low
    return amounts


def cut(lots: Iterable[Lot], start: int, amount: int) -> list[Lot]:
    """The points start + 1 to start + amount, as the lots brought them.

    >>> never = dt.date(9999, 12, 31)
    >>> [lot.high - lot.low for lot in cut([Lot(0, 5, never, False), Lot(5, 9, never, True)], 3, 4)]
    [2, 2]
    """
    end = start + amount
    return [
        replace(lot, low=max(lot.low, start), high=min(lot.high, end))
        for lot in lots
        if max(lot.low, start) < min(lot.high, end)
    ]
