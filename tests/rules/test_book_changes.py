"""What vouchers tell of passbooks: act by act it leads from nothing to what the book says."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.rules import book_changes
from gongyi_bank.rules.changes import Change, Run
from gongyi_bank.rules.passbooks import Book, Holding
from gongyi_bank.values import compose_passbook_no

FIRST, LAST = compose_passbook_no(1), compose_passbook_no(3)
DAY = dt.date(2022, 10, 15)
BLANK = Book(FIRST, "blank", 1003, 8, 18)
IN_USE = Book(FIRST, "in_use", 1003, 8, 18, 7, 1, DAY, 5, 6)
HOLDING = Holding(7, (Book(LAST, "replaced", 1003, 8, 18, 7, 1, DAY, 1, 4),), 9)


def test_new_books_say_where_they_lie_and_how_large_they_are() -> None:
    assert book_changes.printed(FIRST, LAST, 1000, (8, 18)) == [
        Run("passbook", FIRST, LAST, (None, None), ("blank", 1000)),
        Run("passbook_pages", FIRST, LAST, (None,) * 7, (8, 18, None, None, None, None, None)),
    ]


def test_a_range_is_told_once_when_it_goes_to_another_outlet() -> None:
    told = book_changes.allotted(FIRST, LAST, 1000, 1001)
    assert told == Run("passbook", FIRST, LAST, ("blank", 1000), ("blank", 1001))


def test_books_keep_their_outlet_unless_one_takes_them() -> None:
    stay, go = (book_changes.put([IN_USE], "replaced", outlet_no) for outlet_no in (None, 1004))
    was = ("in_use", 1003)
    assert stay == [Run("passbook", FIRST, FIRST, was, ("replaced", 1003))]
    assert go == [Run("passbook", FIRST, FIRST, was, ("replaced", 1004))]


def test_an_issued_book_goes_on_where_the_one_before_it_ended() -> None:
    assert book_changes.issued(BLANK, HOLDING, DAY) == [
        Change("passbook", (FIRST,), ("blank", 1003), ("in_use", 1003)),
        Change(
            "passbook_pages", (FIRST,),
            (8, 18, None, None, None, None, None), (8, 18, 7, 2, DAY, 5, 4),
        ),
    ]  # fmt: skip


def test_printing_lines_changes_the_state_only_of_a_book_that_they_end() -> None:
    pages = Change("passbook_pages", (FIRST,), (8, 18, 7, 1, DAY, 5, 6), (8, 18, 7, 1, DAY, 5, 9))
    assert book_changes.updated(IN_USE, 9, "in_use") == [pages]
    void = Run("passbook", FIRST, FIRST, ("in_use", 1003), ("void", 1003))
    assert book_changes.updated(IN_USE, 9, "void") == [pages, void]
