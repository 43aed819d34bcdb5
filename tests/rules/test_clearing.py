"""Netting between branches: with one move each, every branch's books add up to zero."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.rules.clearing import branch_no, decide_moves, sum_by_branch
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.staff import OutletFacts

HEAD = 1000
BRANCHES = st.integers(min_value=1001, max_value=1006)
#: Often the least there is.
SUMS = st.one_of(st.integers(-2, 2), st.integers(-500, 500))


def outlet(number: int, parent_no: int | None) -> OutletFacts:
    tier = 1 if parent_no is None else 2 if parent_no == HEAD else 3
    return OutletFacts(number, f"N{number}", "网点", tier, parent_no, "open")


OUTLETS = {
    one.outlet_no: one
    for one in (outlet(HEAD, None), outlet(1001, HEAD), outlet(1002, HEAD), outlet(1003, 1002))
}


def test_a_savings_branch_is_in_the_books_of_its_branch_and_the_head_office_in_its_own() -> None:
    found = {number: branch_no(number, OUTLETS) for number in OUTLETS}
    assert found == {HEAD: HEAD, 1001: 1001, 1002: 1002, 1003: 1002}


def test_sums_are_credits_less_debits_of_all_outlets_of_a_branch() -> None:
    sums = [(1003, "customer", 30, 100), (1002, "store", 5, 25), (HEAD, "issued", 90, 0)]
    assert sum_by_branch(sums, OUTLETS) == {1002: 90, HEAD: -90}


@given(
    books=st.dictionaries(BRANCHES, SUMS),
    positions=st.dictionaries(BRANCHES, SUMS),
)
def test_after_the_moves_every_branch_adds_up_to_zero(
    books: dict[int, int], positions: dict[int, int]
) -> None:
    # All books of a bank, and all clearing accounts, add up to zero: the head office has the rest.
    books = books | {HEAD: -sum(books.values())}
    positions = positions | {HEAD: -sum(positions.values())}
    legs = decide_moves(books, positions, HEAD)
    after = Counter(books)
    after.update(positions)
    for source_no, target_no, amount, _ in legs:
        assert amount > 0
        assert internal_no("clearing", HEAD) in (source_no, target_no)
        after[source_no - internal_no("clearing", 0)] -= amount
        after[target_no - internal_no("clearing", 0)] += amount
    assert not any(after.values())
    # One move for each branch that was not in balance, in the order of their numbers.
    moved = [(set(leg[:2]) - {internal_no("clearing", HEAD)}).pop() for leg in legs]
    assert moved == sorted(set(moved))
    assert decide_moves(after, {}, HEAD) == []
