"""冲正, to the letter: the lines and the parts that a reversal writes, and what a refusal says."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from gongyi_bank.errors import (
    InsufficientPoints,
    LineNotReversible,
    LineTakenBack,
    PeriodClosed,
    PoolShort,
)
from gongyi_bank.rules.ledger import LINE_SUMMARIES, Head, Mark, Posting, internal_no
from gongyi_bank.rules.past import Past
from gongyi_bank.rules.reversals import (
    INSTEAD,
    CitedLine,
    Movement,
    Reversible,
    Terms,
    give_back,
    movements_of,
    require_reversible,
    reverse,
    take_back,
)
from gongyi_bank.values import compose_account_no

ANNA, BELA, CILI = (compose_account_no(1003, serial) for serial in (1, 2, 3))
ISSUED, TAKEN = (internal_no(kind, 1003) for kind in ("issued", "store"))
TRANSIT, ELSEWHERE = (internal_no("transit", outlet_no) for outlet_no in (1003, 1004))
POOL = internal_no("pool", 1)
SERVED, ORIGIN, TODAY = dt.date(2022, 10, 1), dt.date(2022, 9, 30), dt.date(2022, 10, 15)
SOON, FRESH = dt.date(2022, 12, 31), dt.date(2023, 12, 31)
NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)
OLD, NEW = b"o" * 16, b"n" * 16


def as_cited(line: CitedLine) -> Mark:
    """A reversal that stays in the day, at the outlet and under the policy of its line."""
    return Mark("reversal", line.value_on, line.outlet_no, line.policy_id, None, line.origin_on)


TERMS = Terms("take_available", "cited", FRESH, as_cited)


def a_line(account_no: int, line_no: int, amount: int, contra_no: int, **said: Any) -> Reversible:
    """The newest line of an account that was credited 100."""
    given = {
        "kind": "grant" if amount > 0 else "capture",
        "debited_after": max(0, -amount),
    } | said
    return Reversible(
        CitedLine(
            account_no=account_no, line_no=line_no, amount=amount, contra_no=contra_no,
            credited_after=100, value_on=SERVED, outlet_no=1004, policy_id=9, voucher_id=OLD,
            origin_on=ORIGIN, **given,
        )
    )  # fmt: skip


def posting(*heads: Head) -> Posting:
    return Posting({head.account_no: head for head in heads}, NEW, TODAY, NOON)


def a_head(account_no: int, debited: int = 0, line_no: int = 1, credited: int = 100) -> Head:
    return Head(
        account_no, credited=credited, debited=debited, line_no=line_no, last_expires_on=SOON
    )


def row(account_no: int, line_no: int, amount: int, contra_no: int, *sums: object) -> Any:
    """A line as `Posting` writes it; `sums` are what was credited and debited, and the last day."""
    return (
        account_no, line_no, "reversal", amount, contra_no, *sums, SERVED, ORIGIN, NOON, TODAY,
        1004, NEW, 9,
    )  # fmt: skip


# --- rows ----------------------------------------------------------------------------------


def test_a_credit_that_is_taken_back_in_part() -> None:
    made = posting(a_head(ANNA))
    line = a_line(ANNA, 1, 100, ISSUED)
    reverse(made, [Movement([line])], 30, TERMS)
    assert made.lines == [row(ANNA, 2, -30, ISSUED, 100, 30, None)]
    assert made.parts == [(ANNA, 1, 1, "reversal", 30, 0, 2, NEW)]
    assert line.past == Past(taken=[(0, 30, 30)]), "what later parts of this act go by"


def test_a_debit_that_comes_back_in_part() -> None:
    made = posting(a_head(ANNA, debited=60, line_no=2))
    line = a_line(ANNA, 2, -60, TAKEN)
    reverse(made, [Movement([line])], 30, TERMS)
    assert made.lines == [row(ANNA, 3, 30, TAKEN, 130, 60, SOON)]
    assert made.parts == [(ANNA, 2, 1, "reversal", 30, 0, 3, NEW)]
    assert line.past == Past(taken=[(100, 130, 30)])


def test_a_gift_of_which_a_part_is_still_there() -> None:
    made = posting(a_head(ANNA, debited=80, line_no=2), a_head(BELA, debited=85))
    taken, given = a_line(BELA, 1, 80, ANNA), a_line(ANNA, 2, -80, BELA)
    reverse(made, [Movement([given, taken])], 40, TERMS)
    assert made.lines == [
        row(BELA, 2, -15, ANNA, 100, 100, None),
        row(ANNA, 3, 15, BELA, 115, 80, SOON),
    ]
    assert made.parts == [
        (BELA, 1, 1, "reversal", 40, 0, 2, NEW),
        (ANNA, 2, 1, "reversal", 40, 0, 3, NEW),
    ]


def test_many_legs_of_which_a_part_is_still_there() -> None:
    heads = a_head(ANNA, 60, 2), a_head(CILI, 30, 2), a_head(BELA, 70)
    made = posting(*heads)
    lines = [
        a_line(ANNA, 2, -60, TRANSIT), a_line(CILI, 2, -30, TRANSIT), a_line(BELA, 1, 90, TRANSIT),
    ]  # fmt: skip
    parts = reverse(made, [Movement(lines)], None, TERMS)
    assert [(part.moved, part.expired) for part in parts] == [(30, 0), (20, 0), (10, 0)]
    assert made.lines == [
        row(BELA, 2, -30, TRANSIT, 100, 100, None),
        row(ANNA, 3, 20, TRANSIT, 120, 60, SOON),
        row(CILI, 3, 10, TRANSIT, 110, 30, SOON),
    ]
    assert made.parts == [
        (BELA, 1, 1, "reversal", 90, 0, 2, NEW),
        (ANNA, 2, 1, "reversal", 60, 0, 3, NEW),
        (CILI, 2, 1, "reversal", 30, 0, 3, NEW),
    ]


@pytest.mark.parametrize(
    ("carry_out", "amount", "contra_no"), [(take_back, 60, ISSUED), (give_back, -60, TAKEN)]
)
def test_a_part_is_kept_under_the_name_of_the_act_that_took_it(
    carry_out: Any, amount: int, contra_no: int
) -> None:
    made = posting(a_head(ANNA, debited=max(0, -amount), line_no=2))
    part = a_line(ANNA, 2, amount, contra_no).cut(None, 2)
    carry_out(made, part, TERMS, "refund")
    assert made.parts == [(ANNA, 2, 1, "refund", 60, 0, 3, NEW)]


# --- refusals, in their order ---------------------------------------------------------------


def told(movements: list[Movement], *heads: Head, closed: int | None = None) -> tuple[str, Any]:
    """What is refused, and of whose account, where points that are spent may not be taken back."""

    def mark_of(line: CitedLine) -> Mark:
        if line.account_no == closed:
            raise PeriodClosed(outlet=line.account_no, day=SERVED, through=SERVED)
        return as_cited(line)

    with pytest.raises((PeriodClosed, InsufficientPoints)) as caught:
        reverse(posting(*heads), movements, None, replace(TERMS, spent="refuse", mark_of=mark_of))
    facts = caught.value.facts
    return caught.value.code, facts.get("account", facts.get("outlet"))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_closed_period_of_any_movement_is_told_before_points_that_are_spent(
    number: int,
) -> None:
    people = (ANNA, BELA, CILI)
    movements = [Movement([a_line(person, 1, 60, ISSUED)]) for person in people]
    heads = [a_head(person, debited=50) for person in people]
    assert told(movements, *heads, closed=people[number]) == ("period_closed", people[number])


def test_of_many_whose_points_are_spent_the_first_is_told() -> None:
    movements = [Movement([a_line(person, 1, 60, ISSUED)]) for person in (CILI, ANNA, BELA)]
    heads = [a_head(CILI), a_head(ANNA, debited=50), a_head(BELA, debited=50)]
    assert told(movements, *heads) == ("insufficient_points", ANNA)


@pytest.mark.parametrize("closed", [ANNA, BELA, CILI])
def test_the_closed_period_of_any_leg_is_told_before_points_that_are_spent(closed: int) -> None:
    lines = [
        a_line(ANNA, 2, -60, TRANSIT), a_line(CILI, 2, -30, TRANSIT), a_line(BELA, 1, 90, TRANSIT),
    ]  # fmt: skip
    heads = a_head(ANNA, 60, 2), a_head(CILI, 30, 2), a_head(BELA, 70)
    assert told([Movement(lines)], *heads) == ("insufficient_points", BELA)
    lines = [Reversible(line.line) for line in lines]
    assert told([Movement(lines)], *heads, closed=closed) == ("period_closed", closed)


def test_the_closed_period_of_a_gift_is_told_before_points_that_are_spent() -> None:
    for closed, refusal in ((None, "insufficient_points"), (BELA, "period_closed")):
        pair = [a_line(BELA, 1, 80, ANNA), a_line(ANNA, 2, -80, BELA)]
        heads = a_head(ANNA, debited=80, line_no=2), a_head(BELA, debited=85)
        assert told([Movement(pair)], *heads, closed=closed) == (refusal, BELA)


# --- one line, more than once --------------------------------------------------------------


def test_each_part_begins_where_the_one_before_it_ended() -> None:
    line = a_line(ANNA, 1, 60, ISSUED)
    parts = [line.cut(wanted, 2) for wanted in (1, 39, None)]
    assert [(p.part_no, p.low, p.high) for p in parts] == [(1, 40, 41), (2, 41, 80), (3, 80, 100)]
    assert line.left == 0


@pytest.mark.parametrize("line", [a_line(ANNA, 3, 60, ISSUED), a_line(ANNA, 3, -60, TAKEN)])
@pytest.mark.parametrize(
    ("before", "wanted", "left", "shown"),
    [(0, 61, "0.60", "0.61"), (40, 21, "0.20", "0.21"), (60, 1, "0.00", "0.01"),
     (60, None, "0.00", "0.60")],
)  # fmt: skip
def test_parts_that_add_up_to_more_than_the_line_are_refused_with_what_is_left(
    line: Reversible, before: int, wanted: int | None, left: str, shown: str
) -> None:
    again = Reversible(line.line, before, 1)
    with pytest.raises(LineTakenBack) as caught:
        reverse(posting(a_head(ANNA, 60)), [Movement([again])], wanted, TERMS)
    assert caught.value.facts == {"account": ANNA, "line_no": 3, "left": left, "wanted": shown}


def test_a_pool_that_has_given_on_what_should_come_back_is_named_by_its_code() -> None:
    pool = internal_no("pool", 3)
    line = a_line(pool, 1, 100, ANNA, kind="donation_in")
    terms = replace(TERMS, spent="refuse", pools={pool: "P03", ANNA: "other"})
    with pytest.raises(PoolShort) as caught:
        reverse(posting(a_head(pool, debited=40), a_head(ANNA)), [Movement([line])], None, terms)
    assert caught.value.facts == {
        "account": pool, "pool": "P03", "available": "0.60", "needed": "1.00",
    }  # fmt: skip


# --- which lines ---------------------------------------------------------------------------


def test_a_line_that_another_act_undoes_is_named_with_that_act() -> None:
    line = a_line(ANNA, 3, -60, TAKEN, kind="expiry").line
    with pytest.raises(LineNotReversible) as caught:
        require_reversible(line, by_voucher=True)
    assert caught.value.facts == {
        "account": ANNA, "line_no": 3, "kind": f"{LINE_SUMMARIES['expiry']} expiry",
        "instead": INSTEAD["expiry"],
    }  # fmt: skip


def test_a_line_of_a_kind_that_nobody_knows_is_not_reversed_either() -> None:
    """Somebody with the database wrote it; what helps is what helps after a reversal."""
    with pytest.raises(LineNotReversible) as caught:
        require_reversible(a_line(ANNA, 3, -60, TAKEN, kind="gone").line, by_voucher=False)
    assert caught.value.facts == {
        "account": ANNA, "line_no": 3, "kind": "gone gone", "instead": INSTEAD["reversal"],
    }  # fmt: skip


def test_legs_that_went_through_two_outlets_are_two_movements() -> None:
    lines = [
        a_line(ANNA, 2, -60, TRANSIT), a_line(BELA, 1, 60, TRANSIT),
        a_line(ANNA, 3, -60, ELSEWHERE), a_line(CILI, 1, 60, ELSEWHERE),
    ]  # fmt: skip
    keys = [[one.line.key for one in made.lines] for made in movements_of(lines)]
    assert keys == [[(ANNA, 2), (BELA, 1)], [(ANNA, 3), (CILI, 1)]]


def test_many_legs_are_taken_apart_by_purpose_and_what_was_given_on_comes_back_first() -> None:
    lines = [
        a_line(ANNA, 2, -60, TRANSIT, kind="gift_out"),
        a_line(BELA, 1, 60, TRANSIT, kind="gift_in"),
        a_line(BELA, 2, -40, TRANSIT, kind="donation_out"),
        a_line(POOL, 1, 40, TRANSIT, kind="donation_in"),
        a_line(POOL, 2, -30, TRANSIT, kind="pool_grant_out"),
        a_line(CILI, 1, 30, TRANSIT, kind="pool_grant_in"),
    ]
    keys = [[one.line.key for one in made.lines] for made in movements_of(lines)]
    assert keys == [[(CILI, 1), (POOL, 2)], [(BELA, 2), (POOL, 1)], [(ANNA, 2), (BELA, 1)]]


# --- what a debit cites -----------------------------------------------------------------------


def test_a_part_of_a_debit_cites_behind_what_earlier_parts_of_it_cited() -> None:
    as_taken = a_line(ANNA, 2, -20, TAKEN)
    first, rest = as_taken.cut(5, 2), as_taken.cut(None, 2)
    assert [(part.low, part.cites_from) for part in (first, rest)] == [(0, 0), (5, 5)]
    beside_a_hold = replace(a_line(ANNA, 2, -20, TAKEN), cites_from=30)
    first, rest = beside_a_hold.cut(5, 2), beside_a_hold.cut(None, 2)
    assert [(part.low, part.cites_from) for part in (first, rest)] == [(0, 30), (5, 35)]
