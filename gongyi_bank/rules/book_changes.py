"""存折变更: what the vouchers of acts on passbooks tell of the books that they change.

Pure. Of every book two things are told apart: where and in what state it is, which also many
books at once may change, and its pages: how many, whose, and which lines are on them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from gongyi_bank.rules.changes import Change, Run, runs_of
from gongyi_bank.rules.passbooks import BLANK, IN_USE, Book, Holding

#: What is told of a book's pages, as the table names it.
PAGES: Final = (
    "pages", "rows_per_page", "account_no", "volume_no", "issued_on", "first_line_no",
    "printed_line_no",
)  # fmt: skip
_PLACE: Final = "passbook"
_PAGES: Final = "passbook_pages"


def _place(passbook_no: int, was: tuple[str, int], now: tuple[str, int]) -> Change:
    return Change(_PLACE, (passbook_no,), was, now)


def _pages(book: Book, *, changed: dict[str, object]) -> Change:
    was = tuple(getattr(book, name) for name in PAGES)
    now = tuple(changed.get(name, getattr(book, name)) for name in PAGES)
    return Change(_PAGES, (book.passbook_no,), was, now)


def printed(first: int, last: int, outlet_no: int, size: tuple[int, int]) -> list[Run]:
    """New books of (pages, rows per page), of which nothing was said before."""
    nothing = (None,) * len(PAGES)
    return [
        Run(_PLACE, first, last, (None, None), (BLANK, outlet_no)),
        Run(_PAGES, first, last, nothing, (*size, *nothing[len(size) :])),
    ]


def allotted(first: int, last: int, source_no: int, target_no: int) -> Run:
    """Blank books that went from one outlet to another."""
    return Run(_PLACE, first, last, (BLANK, source_no), (BLANK, target_no))


def put(books: Iterable[Book], state: str, outlet_no: int | None = None) -> list[Run]:
    """Books in another state, and in the hands of an outlet where one is given."""
    return runs_of(
        _place(
            book.passbook_no,
            (book.state, book.outlet_no),
            (state, book.outlet_no if outlet_no is None else outlet_no),
        )
        for book in books
    )


def issued(book: Book, holding: Holding, issued_on: dt.date) -> list[Change]:
    """A blank book in a customer's hand."""
    filled = {
        "account_no": holding.account_no,
        "volume_no": holding.next_volume_no,
        "issued_on": issued_on,
        "first_line_no": holding.next_line_no,
        "printed_line_no": holding.next_line_no - 1,
    }
    place = _place(book.passbook_no, (book.state, book.outlet_no), (IN_USE, book.outlet_no))
    return [place, _pages(book, changed=filled)]


def updated(book: Book, line_no: int, state: str) -> list[Change | Run]:
    """A book in which lines were printed, up to this one; in another state if it was the last."""
    moved = put([book], state) if state != book.state else []
    return [_pages(book, changed={"printed_line_no": line_no}), *moved]
