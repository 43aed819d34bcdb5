"""Transfers against the books: one row per refusal, per boundary, and their order."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import (
    AccountClosed,
    AccountFrozen,
    GiftedPointsStay,
    GongyiBankError,
    GranteeLimitReached,
    InsufficientPoints,
    PassbookFrozen,
    PoolClosed,
    PoolLimitReached,
    PoolShort,
    TransferLimitReached,
    TransferNotAllowed,
    UnknownCustomer,
    UnknownPool,
)
from gongyi_bank.policies import PointsExpiry, PolicyBook, TransferRules
from gongyi_bank.rules.expiry import ExpiryTerms, Introduction
from gongyi_bank.rules.ledger import Head, internal_no
from gongyi_bank.rules.pools import CLOSED as SHUT
from gongyi_bank.rules.pools import OPEN, PoolFacts
from gongyi_bank.rules.transfers import (
    DONATION,
    GIFT,
    GRANT,
    GRANTEE,
    Flow,
    Given,
    Lot,
    Side,
    TransferFacts,
    cut,
    decide_flows,
    judge_leg,
    needs_lots,
    net_flows,
)
from gongyi_bank.values import NEVER, Points, compose_account_no

TODAY = dt.date(2022, 10, 15)
SOON, LATER = dt.date(2022, 11, 30), dt.date(2022, 12, 31)
WITHOUT_DATES = ExpiryTerms(TODAY, NEVER)
DATES_HAVE_ENDED = ExpiryTerms(TODAY, NEVER, (Introduction(TODAY, TODAY, SOON),))
ACTIVE, OTHER, GROUP, HOME, FROZEN, CLOSED, LOST, UNKNOWN = (
    compose_account_no(1003, serial) for serial in range(1, 9)
)
KINDS = {
    ACTIVE: ("volunteer", "active"), OTHER: ("volunteer", "dormant"),
    GROUP: ("organisation", "active"), HOME: ("household", "active"),
    FROZEN: ("volunteer", "frozen"), CLOSED: ("volunteer", "closed"),
    LOST: ("volunteer", "active"),
}  # fmt: skip
POOLS = {
    "P1": PoolFacts(1, "P1", "爱心池", 1001, "B01", internal_no("pool", 1), OPEN),
    "P2": PoolFacts(2, "P2", "旧池", 1001, "B01", internal_no("pool", 2), SHUT),
    "P3": PoolFacts(3, "P3", "新池", 1001, "B01", internal_no("pool", 3), OPEN),
}
FREE = {"gift_points_year_max": None}
ONE = Points(1)


def facts(
    credited: int = 1000,
    lots: dict[int, list[Lot]] | None = None,
    given: dict[tuple[int, str], Given] | None = None,
    expiry: PointsExpiry | None = None,
    **rules: Any,
) -> TransferFacts:
    heads = [*KINDS, *(pool.account_no for pool in POOLS.values())]
    adopted = [
        (1, dt.date(2000, 1, 1), TransferRules(**rules)),
        (2, dt.date(2000, 1, 1), expiry or PointsExpiry()),
    ]
    return TransferFacts(
        today=TODAY,
        scale=2,
        policies=PolicyBook(adopted, 1),
        customers=KINDS,
        frozen={LOST: 123},
        pools=POOLS,
        heads={number: Head(number, credited=credited) for number in heads},
        given=given or {},
        lots=lots or {},
    )


def side(name: int | str) -> Side:
    return Side(pool=name) if isinstance(name, str) else Side(name)


@pytest.mark.parametrize(
    ("source", "target", "purpose"),
    [
        (ACTIVE, OTHER, GIFT),
        (ACTIVE, HOME, GIFT),
        (OTHER, ACTIVE, GIFT),
        (ACTIVE, FROZEN, GIFT),
        (ACTIVE, LOST, GIFT),
        (ACTIVE, GROUP, DONATION),
        (GROUP, "P1", DONATION),
        (HOME, "P1", DONATION),
        ("P1", ACTIVE, GRANT),
        ("P1", GROUP, GRANT),
        ("P1", HOME, GRANT),
        ("P1", FROZEN, GRANT),
        ("P1", "P3", GRANT),
    ],
)
def test_who_gives_and_who_receives_say_what_it_is(
    source: int | str, target: int | str, purpose: str
) -> None:
    flow = judge_leg(facts(), side(source), side(target), 7)
    source_no, target_no = (
        POOLS[n].account_no if isinstance(n, str) else n for n in (source, target)
    )
    assert flow == Flow(source_no, target_no, 7, purpose)


CALLED = {GIFT: "转赠 gift", DONATION: "捐赠 donation", GRANT: "拨付 grant"}
MAY_NOT_GIVE = "this kind of holder may not give"
MAY_NOT_RECEIVE = "this kind of holder may not receive"


def not_allowed(account_no: int, purpose: str, why: str) -> TransferNotAllowed:
    return TransferNotAllowed(account=account_no, purpose=CALLED[purpose], why=why)


@pytest.mark.parametrize(
    ("source", "target", "error"),
    # In the order of precedence: each row breaks what comes later as well.
    [
        (UNKNOWN, CLOSED, UnknownCustomer(account=UNKNOWN)),
        (CLOSED, UNKNOWN, AccountClosed(account=CLOSED)),
        (FROZEN, CLOSED, AccountFrozen(account=FROZEN)),
        (LOST, CLOSED, PassbookFrozen(account=LOST, serial="00000012 3")),
        ("P9", CLOSED, UnknownPool(pool="P9")),
        ("P2", CLOSED, PoolClosed(pool="P2")),
        (GROUP, UNKNOWN, UnknownCustomer(account=UNKNOWN)),
        (GROUP, CLOSED, AccountClosed(account=CLOSED)),
        (GROUP, "P9", UnknownPool(pool="P9")),
        (GROUP, "P2", PoolClosed(pool="P2")),
        (GROUP, ACTIVE, not_allowed(GROUP, GIFT, MAY_NOT_GIVE)),
    ],
)
def test_a_side_that_cannot_take_part_is_refused(
    source: int | str, target: int | str, error: GongyiBankError
) -> None:
    with pytest.raises(GongyiBankError) as caught:
        judge_leg(facts(), side(source), side(target), 7)
    assert caught.value == error


@pytest.mark.parametrize(
    ("rules", "source", "target", "purpose", "error"),
    [
        ({"givers": ("volunteer",)}, HOME, ACTIVE, None, not_allowed(HOME, GIFT, MAY_NOT_GIVE)),
        (
            {"receivers": ("volunteer",)},
            ACTIVE, HOME, None, not_allowed(HOME, GIFT, MAY_NOT_RECEIVE),
        ),
        (
            {"donors": ("organisation",)},
            ACTIVE, "P1", None, not_allowed(ACTIVE, DONATION, MAY_NOT_GIVE),
        ),
        ({}, ACTIVE, GROUP, GIFT, not_allowed(GROUP, GIFT, MAY_NOT_RECEIVE)),
        ({}, ACTIVE, OTHER, DONATION, not_allowed(OTHER, DONATION, MAY_NOT_RECEIVE)),
        ({}, ACTIVE, OTHER, GRANT, not_allowed(ACTIVE, GRANT, MAY_NOT_GIVE)),
        (
            {"grantees": ("volunteer", "household")},
            "P1", GROUP, None, not_allowed(GROUP, GRANT, MAY_NOT_RECEIVE),
        ),
        (
            {"grantees": ()},
            "P1", ACTIVE, None, not_allowed(ACTIVE, GRANT, MAY_NOT_RECEIVE),
        ),
        (
            {"relations": ("direct_kin",)},
            ACTIVE, OTHER, GIFT,
            not_allowed(ACTIVE, GIFT, "this relation is not among those allowed"),
        ),
    ],
)  # fmt: skip
def test_the_rules_say_who_may(
    rules: dict[str, Any], source: int | str, target: int | str, purpose: str | None,
    error: TransferNotAllowed,
) -> None:  # fmt: skip
    with pytest.raises(TransferNotAllowed) as refused:
        judge_leg(facts(**rules), side(source), side(target), 7, purpose=purpose, relation="friend")
    assert refused.value == error
    assert "friend" not in str(refused.value)  # what people are to each other is personal


def test_a_relation_that_is_allowed_and_groups_that_may_give_pass() -> None:
    only_kin = facts(relations=("direct_kin",))
    judge_leg(only_kin, side(ACTIVE), side(OTHER), 7, purpose=GIFT, relation="direct_kin")
    open_to_groups = facts(givers=("organisation",))
    assert judge_leg(open_to_groups, side(GROUP), side(ACTIVE), 7).purpose == GIFT


def test_pools_grant_to_each_other_whoever_else_may_receive() -> None:
    nobody = facts(grantees=())
    assert judge_leg(nobody, side("P1"), side("P3"), 7).purpose == GRANT
    assert judge_leg(facts(grantees=("household",)), side("P1"), side(HOME), 7).purpose == GRANT


# --- limits --------------------------------------------------------------------------------

BEFORE = Given(points_month=300, count_month=2, points_year=500, count_year=4)
P1_NO, P3_NO = POOLS["P1"].account_no, POOLS["P3"].account_no
each_limit = pytest.mark.parametrize(
    ("limit", "fits", "too_small", "said"),
    [
        (
            "points_month_max",
            Points("4"),
            Points("3.99"),
            ("本月积分 points this month", "3.99", "3.00", "1.00"),
        ),
        (
            "points_year_max",
            Points("6"),
            Points("5.99"),
            ("本年积分 points this year", "5.99", "5.00", "1.00"),
        ),
        ("count_month_max", 3, 2, ("本月次数 number this month", "2", 2, 1)),
        ("count_year_max", 5, 4, ("本年次数 number this year", "4", 4, 1)),
    ],
)


@each_limit
@pytest.mark.parametrize("purpose", [GIFT, DONATION])
def test_a_limit_is_reached_by_the_first_point_or_time_above_it(
    purpose: str, limit: str, fits: Any, too_small: Any, said: tuple[object, ...]
) -> None:
    flow = Flow(ACTIVE, OTHER if purpose == GIFT else GROUP, 100, purpose)
    name, given = f"{purpose}_{limit}", {(ACTIVE, purpose): BEFORE}
    assert decide_flows(facts(given=given, **FREE | {name: fits}), [flow]) == [flow]
    with pytest.raises(TransferLimitReached) as refused:
        decide_flows(facts(given=given, **FREE | {name: too_small}), [flow])
    period, most, used, wanted = said
    assert type(refused.value) is TransferLimitReached
    assert refused.value.facts == {
        "account": ACTIVE, "purpose": CALLED[purpose], "period": period,
        "limit": most, "used": used, "wanted": wanted,
    }  # fmt: skip


@each_limit
def test_what_a_pool_grants_has_limits(
    limit: str, fits: Any, too_small: Any, said: tuple[object, ...]
) -> None:
    flow, name, given = Flow(P1_NO, ACTIVE, 100, GRANT), f"grant_{limit}", {(P1_NO, GRANT): BEFORE}
    assert decide_flows(facts(given=given, **{name: fits}), [flow]) == [flow]
    with pytest.raises(TransferLimitReached) as refused:
        decide_flows(facts(given=given, **{name: too_small}), [flow])
    period, most, used, wanted = said
    assert refused.value == PoolLimitReached(
        pool="P1", account=P1_NO, purpose=CALLED[GRANT], period=period,
        limit=most, used=used, wanted=wanted,
    )  # fmt: skip


@each_limit
def test_what_a_customer_is_granted_has_limits(
    limit: str, fits: Any, too_small: Any, said: tuple[object, ...]
) -> None:
    flow, name = Flow(P1_NO, ACTIVE, 100, GRANT), f"grantee_{limit}"
    given = {(ACTIVE, GRANTEE): BEFORE}
    assert decide_flows(facts(given=given, **{name: fits}), [flow]) == [flow]
    with pytest.raises(TransferLimitReached) as refused:
        decide_flows(facts(given=given, **{name: too_small}), [flow])
    period, most, used, wanted = said
    assert refused.value == GranteeLimitReached(
        account=ACTIVE, purpose=CALLED[GRANT], period=period, limit=most, used=used, wanted=wanted
    )


def test_gifts_donations_and_grants_have_limits_of_their_own() -> None:
    given = {(ACTIVE, DONATION): BEFORE, (ACTIVE, GRANTEE): BEFORE}
    flow = Flow(ACTIVE, OTHER, 100, GIFT)
    books = facts(given=given, gift_count_month_max=1, gift_points_year_max=Points(1))
    assert decide_flows(books, [flow]) == [flow]
    given = {(P1_NO, GRANT): BEFORE, (ACTIVE, GIFT): BEFORE}
    flow = Flow(P1_NO, ACTIVE, 100, GRANT)
    assert decide_flows(facts(given=given, grantee_count_month_max=1), [flow]) == [flow]


def test_a_customer_is_granted_by_several_pools_together_and_by_each_act_once() -> None:
    flows = [Flow(P1_NO, ACTIVE, 100, GRANT), Flow(P3_NO, ACTIVE, 100, GRANT)]
    once = facts(grantee_count_month_max=1, grant_count_month_max=1, grant_points_year_max=ONE)
    assert decide_flows(once, flows) == flows
    assert decide_flows(facts(grantee_points_month_max=Points(2)), flows) == flows
    with pytest.raises(GranteeLimitReached) as refused:
        decide_flows(facts(grantee_points_month_max=Points("1.99")), flows)
    assert refused.value.facts["wanted"] == "2.00"


def test_what_a_pool_receives_from_another_has_no_limit_but_the_others() -> None:
    flow = Flow(P1_NO, P3_NO, 100, GRANT)
    none = {"grantee_points_month_max": Points("0.01"), "grantee_count_year_max": 1}
    assert decide_flows(facts(given={(P3_NO, GRANTEE): BEFORE}, **none), [flow]) == [flow]
    with pytest.raises(PoolLimitReached):
        decide_flows(facts(grant_points_month_max=Points("0.99")), [flow])


def test_one_act_counts_once_and_with_all_its_points() -> None:
    flows = [Flow(ACTIVE, OTHER, 100, GIFT), Flow(ACTIVE, HOME, 100, GIFT)]
    assert decide_flows(facts(gift_count_month_max=1), flows) == flows
    with pytest.raises(TransferLimitReached) as refused:
        decide_flows(facts(gift_points_month_max=Points("1.99")), flows)
    assert refused.value.facts["wanted"] == "2.00"


def test_as_shipped_a_pool_has_no_limit_but_what_it_has() -> None:
    flow = Flow(POOLS["P1"].account_no, ACTIVE, 1000, GRANT)
    assert decide_flows(facts(gift_points_year_max=Points(1)), [flow]) == [flow]
    with pytest.raises(InsufficientPoints):
        decide_flows(facts(credited=999), [flow])


GIFTED = {ACTIVE: [Lot(0, 500, NEVER, is_gifted=True), Lot(500, 1000, NEVER, is_gifted=False)]}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"gift_points_year_max": Points(1), "credited": 600}, TransferLimitReached),
        ({"credited": 600}, InsufficientPoints),
        ({}, GiftedPointsStay),
    ],
)
def test_limits_come_before_points_and_points_before_gifted_ones(
    changes: dict[str, Any], error: type[GongyiBankError]
) -> None:
    flow = Flow(ACTIVE, OTHER, 700, GIFT)
    with pytest.raises(error):
        decide_flows(facts(**{"lots": GIFTED, "may_give_on": False} | changes), [flow])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_points_month_max": Points("6.99"), "credited": 600}, PoolLimitReached),
        ({"credited": 600}, PoolShort),
        ({}, GranteeLimitReached),
        ({"grantee_points_month_max": None}, GiftedPointsStay),
    ],
)
def test_pools_are_judged_before_who_receives_and_gifted_points_come_last(
    changes: dict[str, Any], error: type[GongyiBankError]
) -> None:
    """Each row breaks what comes later as well."""
    flows = [Flow(P1_NO, OTHER, 700, GRANT), Flow(ACTIVE, HOME, 100, GIFT)]
    strict = {"grantee_points_month_max": Points("6.99"), "may_give_on": False, "lots": GIFTED}
    with pytest.raises(GongyiBankError) as refused:
        decide_flows(facts(**strict | changes), flows)
    assert type(refused.value) is error


@pytest.mark.parametrize(("spent", "is_allowed"), [(0, False), (499, False), (500, True)])
def test_gifted_points_are_given_on_only_where_the_rules_say_so(
    spent: int, is_allowed: bool
) -> None:
    flow = Flow(ACTIVE, OTHER, 100, GIFT)
    books = facts(lots=GIFTED, may_give_on=False)
    books.heads[ACTIVE].debited = spent
    if is_allowed:
        assert decide_flows(books, [flow]) == [flow]
    else:
        with pytest.raises(GiftedPointsStay) as refused:
            decide_flows(books, [flow])
        gifted = {0: "1.00", 499: "0.01"}[spent]
        assert refused.value.facts == {"account": ACTIVE, "gifted": gifted}
    donation = Flow(ACTIVE, GROUP, 100, DONATION)
    assert decide_flows(books, [donation]) == [donation]


# --- how long it is good -------------------------------------------------------------------

DATED = {
    ACTIVE: [
        Lot(0, 300, SOON, is_gifted=False), Lot(300, 400, SOON, is_gifted=False),
        Lot(400, 1000, LATER, is_gifted=False),
    ]
}  # fmt: skip


def test_points_keep_the_dates_of_those_that_were_given() -> None:
    found = decide_flows(facts(lots=DATED), [Flow(ACTIVE, OTHER, 700, GIFT)])
    assert [(flow.amount, flow.expires_on) for flow in found] == [(400, SOON), (300, LATER)]


def test_several_flows_take_one_after_the_other() -> None:
    flows = [Flow(ACTIVE, OTHER, 350, GIFT), Flow(ACTIVE, GROUP, 100, DONATION)]
    found = decide_flows(facts(lots=DATED), flows)
    assert [(flow.target_no, flow.amount, flow.expires_on) for flow in found] == [
        (OTHER, 350, SOON), (GROUP, 50, SOON), (GROUP, 50, LATER),
    ]  # fmt: skip


def test_nothing_arrives_that_is_past_its_date() -> None:
    """What is held may be dead already; it stays with whoever holds it."""
    books = facts(lots=DATED)
    head = books.heads[ACTIVE]
    head.dead_no, head.held = 400, 400
    (flow,) = decide_flows(books, [Flow(ACTIVE, OTHER, 600, GIFT)])
    assert flow.expires_on == LATER


@pytest.mark.parametrize(
    ("debited", "held", "dead_no", "dates"),
    [
        (0, 0, 0, {SOON: 400, LATER: 200}),
        (0, 300, 0, {SOON: 100, LATER: 500}),
        (300, 100, 0, {LATER: 600}),
        (0, 400, 300, {LATER: 600}),
        (100, 100, 300, {SOON: 100, LATER: 500}),
        (0, 100, 400, {LATER: 600}),
    ],
)
def test_what_is_given_lies_behind_all_that_is_taken_held_or_dead(
    debited: int, held: int, dead_no: int, dates: dict[dt.date, int]
) -> None:
    books = facts(lots=DATED)
    head = books.heads[ACTIVE]
    head.debited, head.held, head.dead_no = debited, held, dead_no
    found = decide_flows(books, [Flow(ACTIVE, OTHER, 600, GIFT)])
    assert {flow.expires_on: flow.amount for flow in found} == dates


def test_several_flows_beside_a_hold_take_one_after_the_other() -> None:
    books = facts(lots=DATED)
    books.heads[ACTIVE].held = 300
    flows = [Flow(ACTIVE, OTHER, 50, GIFT), Flow(ACTIVE, GROUP, 100, DONATION)]
    found = decide_flows(books, flows)
    assert [(flow.target_no, flow.amount, flow.expires_on) for flow in found] == [
        (OTHER, 50, SOON), (GROUP, 50, SOON), (GROUP, 50, LATER),
    ]  # fmt: skip


def test_which_gifted_points_are_meant_beside_a_hold() -> None:
    """The held ones do not count: what is free is given."""
    books = facts(lots=GIFTED, may_give_on=False)
    books.heads[ACTIVE].held = 450
    with pytest.raises(GiftedPointsStay) as refused:
        decide_flows(books, [Flow(ACTIVE, OTHER, 100, GIFT)])
    assert refused.value.facts["gifted"] == "0.50"
    books.heads[ACTIVE].held = 500
    assert decide_flows(books, [Flow(ACTIVE, OTHER, 100, GIFT)])


def test_a_pool_keeps_points_for_ever_and_grants_fresh_ones() -> None:
    books = facts(lots=DATED, expiry=PointsExpiry(mode="months", length=6))
    given = decide_flows(books, [Flow(ACTIVE, POOLS["P1"].account_no, 700, DONATION)])
    assert [(flow.amount, flow.expires_on) for flow in given] == [(700, NEVER)]
    (granted,) = decide_flows(books, [Flow(POOLS["P1"].account_no, ACTIVE, 7, GRANT)])
    assert granted.expires_on == dt.date(2023, 4, 15)


def test_by_rule_what_arrives_is_as_good_as_new() -> None:
    books = facts(lots=DATED, expiry=PointsExpiry(mode="months", length=6), arrival="fresh")
    (flow,) = decide_flows(books, [Flow(ACTIVE, OTHER, 700, GIFT)])
    assert (flow.amount, flow.expires_on) == (700, dt.date(2023, 4, 15))


@pytest.mark.parametrize(
    ("head", "rules", "terms", "is_needed"),
    [
        (Head(ACTIVE), {}, WITHOUT_DATES, False),
        (Head(ACTIVE), {}, DATES_HAVE_ENDED, True),
        (Head(ACTIVE), {"arrival": "fresh"}, DATES_HAVE_ENDED, False),
        (Head(ACTIVE, next_expiry_on=SOON), {}, WITHOUT_DATES, True),
        (Head(ACTIVE, next_expiry_on=SOON), {"arrival": "fresh"}, WITHOUT_DATES, False),
        (Head(ACTIVE), {"may_give_on": False, "arrival": "fresh"}, WITHOUT_DATES, True),
        (Head(POOLS["P1"].account_no), {"may_give_on": False}, DATES_HAVE_ENDED, False),
    ],
)
def test_lines_are_looked_at_only_where_they_matter(
    head: Head, rules: dict[str, Any], terms: ExpiryTerms, is_needed: bool
) -> None:
    assert needs_lots(head, TransferRules(**rules), terms) == is_needed


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    start=st.integers(0, 30),
    amount=st.integers(1, 30),
)
def test_a_cut_is_exactly_the_points_between_two_numbers(
    sizes: list[int], start: int, amount: int
) -> None:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    lots = [
        Lot(end - size, end, TODAY + dt.timedelta(i), is_gifted=bool(i % 2))
        for i, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]
    found = cut(lots, start, amount)
    numbers = [number for lot in found for number in range(lot.low + 1, lot.high + 1)]
    assert numbers == [n for n in range(start + 1, start + amount + 1) if n <= ends[-1]]
    for lot in found:
        (whole,) = [one for one in lots if one.low <= lot.low and lot.high <= one.high]
        assert (whole.expires_on, whole.is_gifted) == (lot.expires_on, lot.is_gifted)


# --- netting -------------------------------------------------------------------------------

_parties = st.sampled_from([ACTIVE, OTHER, HOME, GROUP])
_flows = st.builds(
    Flow, _parties, _parties, st.integers(1, 50), st.sampled_from([GIFT, DONATION, GRANT])
).filter(lambda flow: flow.source_no != flow.target_no)


@given(st.lists(_flows, max_size=8))
def test_netting_changes_no_sum_and_leaves_every_account_on_one_side(flows: list[Flow]) -> None:
    netted = net_flows(flows)

    def sums(some: list[Flow]) -> Counter[tuple[str, int]]:
        found: Counter[tuple[str, int]] = Counter()
        for flow in some:
            found[flow.purpose, flow.source_no] -= flow.amount
            found[flow.purpose, flow.target_no] += flow.amount
        return Counter({key: amount for key, amount in found.items() if amount})

    assert sums(netted) == sums(flows)
    assert all(flow.amount > 0 for flow in netted)
    givers = {(flow.purpose, flow.source_no) for flow in netted}
    assert givers.isdisjoint((flow.purpose, flow.target_no) for flow in netted)


def test_givers_and_receivers_are_matched_in_the_order_in_which_they_are_named() -> None:
    flows = [Flow(ACTIVE, taker, 2, GIFT) for taker in (OTHER, GROUP, HOME)]
    assert net_flows(flows) == flows
    assert net_flows([*flows, Flow(OTHER, HOME, 1, GIFT)]) == [
        Flow(ACTIVE, OTHER, 1, GIFT), Flow(ACTIVE, GROUP, 2, GIFT), Flow(ACTIVE, HOME, 3, GIFT),
    ]  # fmt: skip


def test_what_passes_through_an_account_leaves_it_alone() -> None:
    flows = [Flow(ACTIVE, OTHER, 5, GIFT), Flow(OTHER, HOME, 5, GIFT)]
    assert net_flows(flows) == [Flow(ACTIVE, HOME, 5, GIFT)]
    assert net_flows([*flows, Flow(HOME, ACTIVE, 5, GIFT)]) == []
