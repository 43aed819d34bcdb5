"""What a gift passes on beside a hold, and what becomes of dates and limits when an account closes.

A gift noted the dates of the lowest numbers, which were those that the hold had been placed on: the
giver was told that the free points were good until the 30th, and the receiver got them until the
15th. And two tellers closed an account into another one: no rule on gifts was asked, and the points
arrived as good as new.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gongyi_bank.errors import GiftedPointsStay, NotPermitted, TransferLimitReached
from gongyi_bank.policies import PointsExpiry, Policy, TransferRules
from gongyi_bank.values import Points
from tests.district import District, at
from tests.service.test_stores import a_shop
from tests.service.test_transfers import gift, give, leg, saver, send
from tests.testing.mirrored import MirroredDistrict
from tests.testing.test_reference_ledger import require_equal_books

FIVE = Points(5)
OLD, YOUNG = dt.date(2022, 11, 15), dt.date(2022, 11, 30)


@contextlib.contextmanager
def mirrored(*policies: Policy) -> Iterator[District]:
    """A district beside a reference bank, which answers the same and has the same books."""
    made = MirroredDistrict("sqlite://", policies=policies)
    yield made
    require_equal_books(made)
    made.close()


@pytest.fixture
def books() -> Iterator[District]:
    """Where points are good for a month and gifts have no limit."""
    month = PointsExpiry(mode="months", length=1)
    with mirrored(month, TransferRules(gift_points_year_max=None)) as made:
        yield made


def two_lots(district: District) -> int:
    """5 points until 15 November and 5 until the 30th; it is the 14th, and the old 5 are held."""
    account = saver(district, 5)
    district.clock.now = at("10-30 12:00")
    district.serve(account, "10-20 08:00", 300)
    district.clock.now = at("11-14 12:00")
    return account


def hold(district: District, account: int) -> Any:
    return district.acting("T1").holds.place(account=account, points=FIVE, store="P1", hours=100)


def arrived(district: District, account: int) -> list[tuple[Points, dt.date | None]]:
    """The credits of an account, oldest first, with their last days."""
    lines = reversed(district.bank.reports.statement(account).lines)
    return [(line.amount, line.expires_on) for line in lines if line.amount > Points(0)]


GIFTS: list[Callable[[District, int, int], Any]] = [
    lambda d, giver, other: gift(d, giver, other, points=FIVE),
    lambda d, giver, other: send(d, leg(giver, other, FIVE)),
]


@pytest.mark.parametrize("pass_on", GIFTS, ids=["gift", "send"])
def test_what_is_given_beside_a_hold_is_as_good_as_the_giver_was_told(
    books: District, pass_on: Callable[[District, int, int], Any]
) -> None:
    a_shop(books)
    giver, receiver = two_lots(books), books.customer()
    placed = hold(books, giver)
    told = books.bank.reports.expiry_schedule(giver)
    assert [(part.expires_on, part.points) for part in told.dates] == [(YOUNG, FIVE)]
    pass_on(books, giver, receiver)
    assert arrived(books, receiver) == [(FIVE, YOUNG)]
    books.clock.now = at("11-16 12:00")
    books.acting("T1").holds.capture(hold=placed.hold_id)
    assert books.bank.reports.customer_summary(receiver).available == FIVE
    assert books.bank.verify().is_clean


def test_so_is_what_is_donated_to_an_organisation(books: District) -> None:
    a_shop(books)
    giver, team = two_lots(books), books.customer(kind="organisation")
    hold(books, giver)
    give(books, giver, organisation=team, points=FIVE)
    assert arrived(books, team) == [(FIVE, YOUNG)]


def test_a_gift_beside_a_hold_comes_back_whole_and_as_good_as_it_was(books: District) -> None:
    a_shop(books)
    giver, receiver = two_lots(books), books.customer()
    placed = hold(books, giver)
    given = gift(books, giver, receiver, points=FIVE)
    books.clock.now = at("11-16 12:00")
    books.acting("K1").reversals.reverse_line(
        account=giver, line_no=given.line_no, reason="误转", second_person="K1b"
    )
    assert books.bank.reports.balance(receiver) == 0
    assert arrived(books, giver)[-1] == (FIVE, YOUNG)
    books.acting("T1").holds.capture(hold=placed.hold_id)
    assert books.bank.reports.customer_summary(giver).available == FIVE
    assert books.bank.verify().is_clean


def test_once_the_hold_has_lapsed_the_oldest_points_are_given_again(books: District) -> None:
    a_shop(books)
    giver, receiver = two_lots(books), books.customer()
    books.acting("T1").holds.place(account=giver, points=FIVE, store="P1", hours=1)
    books.clock.now = at("11-14 14:00")
    gift(books, giver, receiver, points=FIVE)
    assert arrived(books, receiver) == [(FIVE, OLD)]


@pytest.mark.parametrize("is_gift_held", [True, False])
def test_points_of_ones_own_may_be_given_while_gifted_ones_are_held_and_not_the_other_way(
    is_gift_held: bool,
) -> None:
    with mirrored(TransferRules(may_give_on=False)) as district:
        a_shop(district)
        friend, account, other = saver(district, 5), district.customer(), district.customer()
        if not is_gift_held:
            district.serve(account, "10-03 08:00", 300)
        gift(district, friend, account, points=FIVE)
        if is_gift_held:
            district.serve(account, "10-03 08:00", 300)
        hold(district, account)
        if is_gift_held:
            assert gift(district, account, other, points=FIVE).balance == FIVE
        else:
            with pytest.raises(GiftedPointsStay):
                gift(district, account, other, points=FIVE)


def test_two_tellers_do_not_close_an_account_around_the_limits_and_dates_stay() -> None:
    month = PointsExpiry(mode="months", length=1)
    with mirrored(month, TransferRules(gift_points_year_max=Points(1))) as district:
        giver, receiver = two_lots(district), district.customer()
        with pytest.raises(TransferLimitReached):
            gift(district, giver, receiver, points=FIVE)
        closing = {"account": giver, "balance_to": "account", "target": receiver, "reason": "身故"}
        with pytest.raises(NotPermitted):
            district.acting("T1").accounts.close(**closing, second_person="T1b")
        closed = district.acting("T1").accounts.close(**closing, second_person="K1")
        assert closed.paid_out == Points(10)
        assert arrived(district, receiver) == [(FIVE, OLD), (FIVE, YOUNG)]
        assert district.bank.verify().is_clean
