"""分行间清算: what branches owe each other, so that the books of each one balance by themselves.

Pure. A customer of one branch takes goods at a store of another; a pool grants points to customers
elsewhere; a customer moves and takes the balance along. Each time one branch's accounts change and
another's answer. A clearing account at each branch stands for what lies with the others: above
zero is what the branch owes them, below zero what they owe it. It is netted with each closed day of
the whole bank, against the head office's, as banks do it: one move for each branch, however many
branches it had to do with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gongyi_bank.rules.ledger import Leg, internal_no
from gongyi_bank.rules.staff import OutletFacts

#: The kind of the account in which a branch keeps what lies with the others.
CLEARING = "clearing"
#: (outlet, its account's kind, debits, credits), as sums over accounts come from the store.
Sum = tuple[int, str, int, int]


def branch_no(outlet_no: int, outlets: Mapping[int, OutletFacts]) -> int:
    """The branch in whose books an outlet's accounts are kept; the head office keeps its own."""
    place = outlets[outlet_no]
    while place.parent_no is not None:
        above = outlets[place.parent_no]
        if above.parent_no is None:
            break
        place = above
    return place.outlet_no


def sum_by_branch(sums: Iterable[Sum], outlets: Mapping[int, OutletFacts]) -> dict[int, int]:
    """Credits less debits of all accounts in the books of each branch."""
    found: dict[int, int] = {}
    for outlet_no, _, debits, credits_ in sums:
        number = branch_no(outlet_no, outlets)
        found[number] = found.get(number, 0) + credits_ - debits
    return found


def decide_moves(books: Mapping[int, int], positions: Mapping[int, int], head_no: int) -> list[Leg]:
    """The moves after which every branch's books add up to zero with its clearing account.

    `books` are the sums without clearing accounts, `positions` what these have. The head office's
    own books follow, since all books together add up to zero.

    >>> decide_moves({1001: 0, 1002: -500, 1003: 500}, {}, 1001)  # 1002's customers took in 1003
    ... # doctest: +NORMALIZE_WHITESPACE
    [Leg(source_no=70001001, target_no=70001002, amount=500, unit='points'),
     Leg(source_no=70001003, target_no=70001001, amount=500, unit='points')]
    """
    own, legs = internal_no(CLEARING, head_no), []
    for number in sorted((books.keys() | positions.keys()) - {head_no}):
        rest = books.get(number, 0) + positions.get(number, 0)
        its = internal_no(CLEARING, number)
        if rest:
            legs.append(Leg(its, own, rest) if rest > 0 else Leg(own, its, -rest))
    return legs
