"""What became of points, by their numbers: which of them are gone, each counted once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.past import Dead, PartTaken, Past, may_spend, numbers_of
from gongyi_bank.values import compose_account_no


@pytest.mark.parametrize(
    ("part", "dead", "taken"),
    [
        # What was taken back of a credit leaves its numbers; what had expired is known already.
        (PartTaken(True, 10, 30, 5, 15, 100), [], [(10, 30, 15)]),
        # Of a debit the oldest have expired, and the youngest came back under new numbers.
        (PartTaken(False, 10, 30, 5, 15, 100), [(10, 10, 5)], [(85, 100, 15)]),
        (PartTaken(False, 10, 30, 0, 20, 100), [], [(80, 100, 20)]),
        (PartTaken(False, 10, 30, 20, 0, 100), [(10, 10, 20)], []),
        # They died where it cites them.
        (PartTaken(False, 10, 30, 20, 0, 100, 40), [(40, 10, 20)], []),
        (PartTaken(False, 10, 30, 19, 1, 100, 0), [(0, 10, 19)], [(99, 100, 1)]),
        # A gift of 20: the receiver spent the older 15, of which 7 came back, and 5 have expired.
        (PartTaken(False, 10, 30, 5, 7, 100, None, True), [(25, 25, 5)], [(93, 100, 7)]),
        # All of it was spent there: nothing has expired, and nothing is gone.
        (PartTaken(False, 10, 30, 0, 0, 100, None, True), [], []),
    ],
)
def test_a_part_is_noted_by_the_numbers_that_it_left_or_that_died(
    part: PartTaken, dead: list[Any], taken: list[Any]
) -> None:
    past = Past()
    past.note(part)
    assert (past.expired, past.dead, past.taken) == ([], dead, taken)


@pytest.mark.parametrize(
    ("expired", "dead", "gone"),
    [
        ([(0, 4)], [], {1, 2, 3, 4}),
        # A capture beside a redemption: it took 5 to 8, and cites 1 to 4.
        ([], [Dead(0, 4, 4)], {1, 2, 3, 4}),
        # The expiry beside the hold has taken what the capture cites.
        ([(0, 4)], [Dead(0, 4, 4)], {1, 2, 3, 4, 5, 6, 7, 8}),
        ([(0, 2)], [Dead(0, 4, 4)], {1, 2, 3, 4, 5, 6}),
        # Two debits cite the same, since a hold between them was let go.
        ([], [Dead(4, 0, 4), Dead(4, 4, 4)], {1, 2, 3, 4, 5, 6, 7, 8}),
        # One that stood where it cites makes room, and the next one for it.
        ([(8, 10)], [Dead(4, 0, 2), Dead(8, 4, 2)], {1, 2, 5, 6, 9, 10}),
        # The debit that took first stands where it cites, whatever it cites.
        ([], [Dead(5, 20, 5), Dead(8, 9, 1)], {6, 7, 8, 9, 10, 24}),
        # A debit whose citation begins within what it took.
        ([(4, 6)], [Dead(2, 0, 4)], {1, 2, 3, 4, 5, 6}),
    ],
)
def test_what_is_gone_counts_where_it_is_cited_or_else_where_it_was_taken(
    expired: list[tuple[int, int]], dead: list[Dead], gone: set[int]
) -> None:
    assert _single(numbers_of(expired, dead)) == sorted(gone)


def _single(ranges: list[tuple[int, int]]) -> list[int]:
    return sorted(number for below, last in ranges for number in range(below + 1, last + 1))


@pytest.mark.parametrize(
    ("contra_no", "may"),
    [
        (compose_account_no(1003, 1), True),
        (internal_no("pool", 3), True),
        (internal_no("transit", 1003), True),  # on its way to a customer or a pool
        (internal_no("store", 1003), False),
        (internal_no("expired", 1003), False),
    ],
)
def test_points_can_be_spent_on_by_whoever_has_an_account_of_their_own(
    contra_no: int, may: bool
) -> None:
    assert may_spend(contra_no) is may


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20), st.booleans()), max_size=7),
    st.integers(0, 6),
)
def test_every_point_that_is_gone_counts_once_under_a_number_of_its_own(
    made: list[tuple[int, int, bool]], turned: int
) -> None:
    """Whatever the debits cite: none took another's numbers."""
    expired, dead, below = [], [], 0
    for amount, cited, is_expiry in made:
        if is_expiry:
            expired.append((below, below + amount))
        else:
            dead.append(Dead(cited, below, amount))
        below += amount
    numbers = _single(numbers_of(expired, dead))
    assert len(numbers) == len(set(numbers)) == below
    cited_or_taken = {*range(1, below + 1)}.union(
        *(range(one.cited + 1, one.cited + one.amount + 1) for one in dead)
    )
    assert set(numbers) <= cited_or_taken
    assert numbers == _single(numbers_of(expired, dead[turned:] + dead[:turned]))


def test_what_younger_lines_took_from_here_is_due_here_only_as_far_as_their_points_live() -> None:
    """Two lines of 10; the second was taken back in halves, and 7 of its own numbers died."""
    past = Past(expired=[(10, 17)], taken=[(10, 15, 5), (15, 20, 5)])
    assert past.due(0, 10) == 3


def test_what_died_is_due_from_no_line_and_what_lives_from_its_own() -> None:
    """Lots of 4; a hold on the first was captured and given back dead, the second came back."""
    past = Past(taken=[(8, 12, 4)], dead=[Dead(0, 4, 4)])
    assert (past.due(0, 4), past.due(4, 8)) == (0, 4)
