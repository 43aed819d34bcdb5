"""What is known of lines that are to be reversed: of several accounts, beside another bank."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest

from gongyi_bank.rules.past import Dead, numbers_of
from gongyi_bank.rules.reversals import CitedLine, Reversible
from gongyi_bank.store import reversals
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_refunds import give_back
from tests.service.test_reversals import reverse, spend
from tests.service.test_stores import a_shop
from tests.service.test_transfers import gift

#: (number below, last number) and, of what was taken, how many.
Expired, Taken = list[tuple[int, int]], list[tuple[int, int, int]]


@dataclass
class Asked:
    """A bank that is asked what is known of its lines."""

    district: District

    def read(self, read: Any, *asked: Any) -> Any:
        return self.district.bank.read(lambda tx: read(tx, *asked))

    def reversible(self, *keys: tuple[int, int]) -> list[Reversible]:
        """These lines with what was taken of them before."""
        cited = [line for key in keys for line in self.read(reversals.load_cited, *key)]
        lines = [next(line for line in cited if line.key == key) for key in keys]
        asked = reversals.asks_before(lines)
        self.district.bank.read(lambda tx: tx.gather(*asked))
        assert {row[1] for row in asked[2].answer} <= {line_no for _, line_no in keys}
        return reversals.reversibles(lines, asked)


@dataclass
class Books(Asked):
    """The bank that is asked, its two accounts, and vouchers: of it and of its neighbour."""

    one: int
    other: int
    of_both: bytes
    of_none: bytes
    neighbours: bytes


def neighbours_books(district: District) -> tuple[list[int], bytes]:
    """Two accounts with the same numbers, in which other parts were taken and expired."""
    accounts = [district.customer(), district.customer()]
    a_shop(district)
    for account in accounts:
        district.serve(account, "10-03 08:00", 240)
        reverse(district, account, 1, points=Points("0.10"))
    gift(district, *accounts, points=Points("1.10"))
    redeemed = spend(district, accounts[0], 2)
    give_back(district, redeemed.redemption_id, quantity=1)
    district.clock.advance(days=40)
    for account in accounts:
        district.serve(account, "11-20 08:00")
    return accounts, redeemed.voucher_id.bytes


@pytest.fixture(scope="module")
def books(two_banks: tuple[District, District]) -> Books:
    """The lines, with the numbers credited and debited after each:

    one: 1 service 200/0, 2 service 300/0, 3 and 4 parts of line 1: 300/50, 300/80, 5 gift 300/120,
    6 redemption 300/220, 7 half of it back 350/220, 8 expiry 350/350, 9 service 450/350;
    then the other half came back, which had expired. other: 1 service 100/0, 2 the gift 140/0,
    3 part of line 1 140/25, 4 expiry 140/140, 5 service 240/140.
    """
    district, neighbour = two_banks
    theirs, their_voucher = neighbours_books(neighbour)
    one, other = district.customer(), district.customer()
    assert theirs == [one, other]
    a_shop(district)
    rows = [district.row(one, "10-03 08:00", 120), district.row(other, "10-03 08:00", 60)]
    of_both = district.bank.hours.record_many(rows=rows[::-1])
    district.serve(one, "10-04 08:00", 60)
    reverse(district, one, 1, points=Points("0.50"))
    reverse(district, one, 1, points=Points("0.30"))
    gift(district, one, other, points=Points("0.40"))
    reverse(district, other, 1, points=Points("0.25"))
    redeemed = spend(district, one, 2)
    give_back(district, redeemed.redemption_id, quantity=1)
    district.clock.advance(days=40)
    district.serve(one, "11-20 08:00")
    district.serve(other, "11-20 08:00")
    give_back(district, redeemed.redemption_id, quantity=1)
    frozen = district.bank.accounts.freeze(account=other, reason="核查")
    return Books(
        district, one, other, of_both.voucher_id.bytes, frozen.voucher_id.bytes, their_voucher
    )


def told(line: CitedLine) -> tuple[Any, ...]:
    return (
        line.account_no, line.line_no, line.kind, line.amount, line.contra_no,
        line.credited_after, line.debited_after,
    )  # fmt: skip


# --- lines -----------------------------------------------------------------------------------


def test_a_line_is_cited_as_it_stands_in_its_own_account_and_bank(books: Books) -> None:
    (line,) = books.read(reversals.load_cited, books.one, 1)
    assert (told(line)[:4], line.credited_after, line.debited_after) == (
        (books.one, 1, "service", 200), 200, 0,
    )  # fmt: skip
    assert (line.value_on, line.origin_on) == (dt.date(2022, 10, 3), None)
    assert line.voucher_id == books.of_both
    (line,) = books.read(reversals.load_cited, books.other, 1)
    assert told(line)[:4] == (books.other, 1, "service", 100)
    assert books.read(reversals.load_cited, books.other, 6) == []


@pytest.mark.parametrize("side", ["out", "in"])
def test_a_gift_is_cited_with_its_other_side_whichever_is_asked_for(
    books: Books, side: str
) -> None:
    key = (books.one, 5) if side == "out" else (books.other, 2)
    assert [told(line) for line in books.read(reversals.load_cited, *key)] == [
        (books.one, 5, "gift_out", -40, books.other, 300, 120),
        (books.other, 2, "gift_in", 40, books.one, 140, 0),
    ]


def test_a_voucher_s_lines_are_all_of_them_by_account(books: Books) -> None:
    lines = books.read(reversals.load_of_voucher, books.of_both)
    assert [line.key for line in lines] == [(books.one, 1), (books.other, 1)]
    assert books.read(reversals.load_of_voucher, books.of_none) == []
    assert books.read(reversals.load_of_voucher, bytes(16)) is None
    assert books.read(reversals.load_of_voucher, books.neighbours) is None


# --- what was taken of them before -----------------------------------------------------------


def past(found: Reversible) -> tuple[int, int, int, Expired, Taken]:
    """Taken, in how many parts, what of it had expired; and the account's past."""
    expired = numbers_of(found.past.expired, found.past.dead)
    return found.taken, found.parts, found.lost, expired, found.past.taken


def test_each_line_has_its_own_parts_and_its_account_s_past(books: Books) -> None:
    expired: Expired = [(170, 220), (220, 350)]
    taken: Taken = [(0, 50, 50), (50, 80, 30), (300, 350, 50)]
    keys = [(books.other, 2), (books.one, 6), (books.one, 2), (books.one, 1), (books.other, 1)]
    found = books.reversible(*keys)
    assert [one.line.key for one in found] == keys
    assert [past(one) for one in found] == [
        (0, 0, 0, [(25, 140)], [(0, 25, 25)]),
        (100, 2, 50, expired, taken),
        (0, 0, 0, expired, taken),
        (80, 2, 0, expired, taken),
        (25, 1, 0, [(25, 140)], [(0, 25, 25)]),
    ]
    # Of the 120 that are left of line 1 forty were given away; the others came back and expired.
    assert (found[3].left, found[3].due, found[3].gone) == (120, 40, 80)


def test_nothing_expired_after_the_newest_line_and_nothing_of_a_debit(books: Books) -> None:
    """An expiry before a line took none of its numbers; what a debit took is gone otherwise."""
    (newest,) = books.reversible((books.one, 9))
    (debit,) = books.reversible((books.one, 5))
    assert newest.past.expired == debit.past.expired == []
    assert newest.past.dead == debit.past.dead == [Dead(cited=170, took=170, amount=50)]
    assert (newest.due, newest.taken) == (100, 0)


def test_one_line_is_asked_for_with_all_that_is_known_of_it(books: Books) -> None:
    asked = reversals.asks_reversible(books.other, 1)
    books.district.bank.read(lambda tx: tx.gather(*asked))
    found = reversals.reversible(asked)
    assert (found.line.key, past(found)) == (
        (books.other, 1), (25, 1, 0, [(25, 140)], [(0, 25, 25)]),
    )  # fmt: skip
    assert {row[0] for ask in asked for row in ask.answer} == {books.other}
    assert {row[1] for row in asked[2].answer} == {1}
