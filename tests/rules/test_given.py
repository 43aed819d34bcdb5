"""Sums of what accounts gave: counted by act and month, and taken off where they were counted."""

from __future__ import annotations

import datetime as dt
from typing import Any

from gongyi_bank.rules.given import PURPOSES, Sum, after_giving, after_reversing, given_by, month_of
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.past import Past
from gongyi_bank.rules.reversals import CitedLine, Part
from gongyi_bank.rules.transfers import DONATION, GIFT, GRANT, GRANTEE, Given

ONE, OTHER, POOL = 100300000016, 100300000024, internal_no("pool", 1)
OCTOBER, NOVEMBER = dt.date(2022, 10, 1), dt.date(2022, 11, 1)
DAY = dt.date(2022, 10, 15)


def line(account_no: int, kind: str, amount: int, value_on: dt.date = DAY) -> tuple[Any, ...]:
    """A line as a posting has it."""
    rest = (None, dt.datetime(2022, 10, 15, tzinfo=dt.UTC), DAY, 1003, bytes(16), None)
    return (account_no, 1, kind, amount, OTHER, 0, 0, None, value_on, *rest)


def part(
    account_no: int, kind: str, amount: int, *, moved: int | None = None, line_no: int = 1
) -> Part:
    """A part of a line of 15 October, of which so much came back."""
    cited = CitedLine(account_no, line_no, kind, amount, OTHER, 0, 0, DAY, 1003, None, bytes(16))
    taken = Part(cited, 1, amount, 0, 0, Past())
    taken.moved = amount if moved is None else moved
    return taken


def test_what_is_given_and_granted_is_counted_and_nothing_else_is() -> None:
    assert PURPOSES == {
        "gift_out": GIFT, "donation_out": DONATION, "pool_grant_out": GRANT,
        "pool_grant_in": GRANTEE,
    }  # fmt: skip


def test_an_act_counts_once_for_an_account_with_all_its_lines() -> None:
    lines = [
        line(POOL, "pool_grant_out", -5), line(ONE, "pool_grant_in", 5),
        line(POOL, "pool_grant_out", -7), line(OTHER, "pool_grant_in", 7),
        line(ONE, "expiry", -3), line(OTHER, "gift_in", 9),
    ]  # fmt: skip
    before = {
        (POOL, OCTOBER, "pool_grant_out"): Sum(100, 4),
        (ONE, NOVEMBER, "pool_grant_in"): Sum(1, 1),
        (ONE, OCTOBER, "gift_out"): Sum(2, 1),
    }
    assert after_giving(before, lines) == {
        (POOL, OCTOBER, "pool_grant_out"): Sum(112, 5),
        (ONE, OCTOBER, "pool_grant_in"): Sum(5, 1),
        (OTHER, OCTOBER, "pool_grant_in"): Sum(7, 1),
    }
    assert after_giving(before, []) == {}


def test_a_line_counts_in_the_month_of_its_value_date() -> None:
    given = line(ONE, "gift_out", -3, dt.date(2022, 11, 30))
    assert after_giving({}, [given]) == {(ONE, NOVEMBER, "gift_out"): Sum(3, 1)}
    assert month_of(NOVEMBER) == NOVEMBER


def test_limits_are_held_against_the_month_and_the_whole_year() -> None:
    sums = {
        (ONE, dt.date(2022, 1, 1), "gift_out"): Sum(100, 1),
        (ONE, OCTOBER, "gift_out"): Sum(20, 2),
        (ONE, OCTOBER, "pool_grant_in"): Sum(3, 1),
        (OTHER, NOVEMBER, "gift_out"): Sum(4, 1),
    }
    assert given_by(sums, DAY) == {
        (ONE, GIFT): Given(20, 2, 120, 3),
        (ONE, GRANTEE): Given(3, 1, 3, 1),
        (OTHER, GIFT): Given(4, 1, 4, 1),
    }
    assert given_by(sums, NOVEMBER)[ONE, GIFT] == Given(0, 0, 120, 3)
    assert given_by({}, DAY) == {}


def test_what_came_back_is_taken_off_and_an_act_only_with_the_last_of_it() -> None:
    key = (ONE, OCTOBER, "gift_out")
    before = {key: Sum(100, 3), (ONE, NOVEMBER, "gift_out"): Sum(50, 1)}
    some = after_reversing(before, {(ONE, "gift_out"): 30}, [part(ONE, "gift_out", 10)])
    assert some == {key: Sum(90, 3)}
    rest = [part(ONE, "gift_out", 15), part(ONE, "gift_out", 5, line_no=2)]
    assert after_reversing(some, {(ONE, "gift_out"): 20}, rest) == {key: Sum(70, 2)}


def test_what_comes_back_of_a_month_without_a_sum_is_told_all_the_same() -> None:
    """Somebody has removed the sum: an audit finds it, and no reversal is kept from it."""
    found = after_reversing({}, {(ONE, "gift_out"): 5}, [part(ONE, "gift_out", 5)])
    assert found == {(ONE, OCTOBER, "gift_out"): Sum(-5, -1)}


def test_only_what_moved_came_back() -> None:
    key, kept = (POOL, OCTOBER, "pool_grant_out"), {(POOL, "pool_grant_out"): 20}
    before = {key: Sum(20, 1)}
    nothing = part(POOL, "pool_grant_out", 20, moved=0)
    assert after_reversing(before, kept, [nothing]) == {}
    most = part(POOL, "pool_grant_out", 20, moved=19)
    assert after_reversing(before, kept, [most]) == {key: Sum(1, 1)}


def test_each_account_of_a_voucher_loses_its_own_and_other_kinds_lose_nothing() -> None:
    before = {
        (POOL, OCTOBER, "pool_grant_out"): Sum(30, 2), (ONE, OCTOBER, "pool_grant_in"): Sum(9, 1),
    }  # fmt: skip
    kept = {(POOL, "pool_grant_out"): 21, (ONE, "pool_grant_in"): 9}
    parts = [
        part(POOL, "pool_grant_out", 9), part(ONE, "pool_grant_in", 9), part(OTHER, "service", 9),
    ]  # fmt: skip
    assert after_reversing(before, kept, parts) == {
        (POOL, OCTOBER, "pool_grant_out"): Sum(21, 2), (ONE, OCTOBER, "pool_grant_in"): Sum(0, 0),
    }  # fmt: skip
