"""What vouchers tell of changes: kept as JSON, added up in any order, worth nothing in a circle."""

from __future__ import annotations

import datetime as dt
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.commands.passbooks import BOOKS_MAX
from gongyi_bank.rules import book_changes
from gongyi_bank.rules.changes import (
    Change,
    Run,
    changes_in,
    facts_of,
    number_of,
    plain,
    runs_of,
)
from gongyi_bank.values import compose_passbook_no

SALT = b"of this audit only"
DAY = dt.date(2022, 10, 15)
FREEZE = Change("customer", (7,), ("active", dt.date(2022, 1, 1)), ("frozen", DAY))


def test_a_voucher_gives_back_the_changes_that_it_was_told() -> None:
    end = Change("staff_role", (5, 1), (None,), (DAY,))
    body = json.dumps({"was": "active", **facts_of(FREEZE, end)})
    again = changes_in(body)
    assert [(one.what, one.key) for one in again] == [("customer", (7,)), ("staff_role", (5, 1))]
    assert [plain(tuple(one)) for one in again] == [plain(FREEZE), plain(end)]
    for told, one in zip(again, (FREEZE, end), strict=True):
        for values, said in ((told.was, one.was), (told.now, one.now)):
            assert number_of(SALT, told.what, told.key, values) == number_of(
                SALT, one.what, one.key, said
            )


def test_what_changes_nothing_adds_nothing_to_the_voucher() -> None:
    assert facts_of() == {}
    assert changes_in("{}") == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "7",
        "[]",
        '{"changes": 7}',
        '{"changes": [[1]]}',
        '{"changes": [[]]}',
        '{"changes": [["passbook", "a", 2, [], []]]}',
        '{"changes": [["passbook", 1, 2, 3, [], []]]}',
    ],
)
def test_a_body_that_nobody_of_the_library_wrote_tells_nothing(body: str) -> None:
    assert changes_in(body) == []


@given(states=st.lists(st.text(), min_size=1), key=st.integers(), order=st.randoms())
def test_changes_lead_from_the_first_state_to_the_last_in_whatever_order_they_are_told(
    states: list[str], key: int, order: object
) -> None:
    def worth(state: str) -> int:
        return number_of(SALT, "offer", (key,), (state,))

    steps = list(itertools.pairwise(states))
    order.shuffle(steps)  # type: ignore[attr-defined]
    assert sum(worth(now) - worth(was) for was, now in steps) == worth(states[-1]) - worth(
        states[0]
    )


def test_a_number_has_as_many_bits_as_a_claim() -> None:
    numbers = [number_of(SALT, "pool", (key,)) for key in range(50)]
    assert 255 <= max(number.bit_length() for number in numbers) <= 256


def test_another_subject_state_or_audit_has_another_number() -> None:
    numbers = {
        number_of(salt, what, key, values)
        for salt in (SALT, b"of the next one")
        for what in ("pool", "offer")
        for key in ((1,), (2,), (1, 2))
        for values in (("open",), ("closed",), (None,))
    }
    assert len(numbers) == 2 * 2 * 3 * 3


def book(number: int, was: str = "spoiled") -> Change:
    return Change("passbook", (compose_passbook_no(number),), (was, 1), ("destroyed", 1))


def test_passbooks_of_which_the_same_is_told_are_told_at_once() -> None:
    books = [book(7, "void"), book(1), book(3), book(2), book(6), book(9), book(8, "void")]
    runs = runs_of(books)
    spans = [(run.first // 10, run.last // 10, run.was[0]) for run in runs]
    assert spans == [
        (1, 3, "spoiled"), (6, 6, "spoiled"), (7, 8, "void"), (9, 9, "spoiled"),
    ]  # fmt: skip
    again = changes_in(json.dumps(facts_of(*runs)))
    told = [one for run in again for one in (run.each() if isinstance(run, Run) else [run])]
    assert sorted(told) == sorted(books)


def test_a_voucher_that_tells_of_more_books_than_an_act_can_change_tells_nothing() -> None:
    first, last = compose_passbook_no(1), compose_passbook_no(BOOKS_MAX)
    runs = book_changes.printed(first, last, 1000, (8, 18))
    again = changes_in(json.dumps(facts_of(*runs)))
    assert [plain(one) for one in again] == [plain(run) for run in runs]
    one_more = runs[0]._replace(last=first)
    forged = [runs[0]._replace(last=10**number) for number in (10, 40)]
    for more in ([*runs, one_more], *([run] for run in forged)):
        assert changes_in(json.dumps(facts_of(*more))) == []
