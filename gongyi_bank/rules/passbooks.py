"""存折: which books may be moved, issued, printed in, renewed, reported lost, destroyed.

Pure. A book is in exactly one state; the account's lines run through its books volume by
volume, each line on one row of one book. That a book is lost is not a state of the book
but a loss report that counts at a moment, so nothing has to be swept for it to lapse.

The first of these that applies refuses. Stock: not permitted; allotting an unknown or closed
outlet, the head office, then not permitted, a range that the giver does not hold; spoiling an
unknown book, not permitted, a book that is not blank; destroying not permitted, the second
person, a book that is unknown, one that is still of use. At the counter: unknown or closed
outlet, not permitted, the wrong tier (where a book is given), unknown or closed account
(printing and lifting a loss serve a closed one too), then issuing: a book in use; renewing: no
book, lost, not full; reissuing: no book, no written loss report, too early; printing: no book,
lost, full; reporting a loss: no book, reported before; lifting it: not reported. Last, where a
book is given, none in stock, or the one named unknown or not blank there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from gongyi_bank.errors import (
    InvalidValue,
    LossNotReported,
    NoPassbook,
    PassbookFrozen,
    PassbookFull,
    PassbookInUse,
    PassbookNotAvailable,
    PassbookNotFull,
    PassbookStockShort,
    ReissueTooEarly,
    UnknownCustomer,
    UnknownPassbook,
    WrongTier,
)
from gongyi_bank.policies import PassbookRules
from gongyi_bank.rules.ledger import LINE_SUMMARIES
from gongyi_bank.rules.outlets import SAVINGS_BRANCH, TIER_NAMES
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.values import compose_passbook_no, format_passbook_no

# Every book is in exactly one of these, so their counts add up to what was printed.
BLANK: Final = "blank"
IN_USE: Final = "in_use"
REPLACED: Final = "replaced"
VOID: Final = "void"
SPOILED: Final = "spoiled"
DESTROYED: Final = "destroyed"
#: What may be destroyed: books that nobody may use any more.
DESTROYABLE: Final = (REPLACED, VOID, SPOILED)

ORAL: Final = "oral"
WRITTEN: Final = "written"
_ANY_KIND: Final = "（口头或书面 oral or written）"
_WRITTEN: Final = "书面 (written)"


@dataclass(frozen=True, slots=True)
class Book:
    """A passbook as it stands; the last five fields are empty until it is issued."""

    passbook_no: int
    state: str
    outlet_no: int
    pages: int
    rows_per_page: int
    account_no: int | None = None
    volume_no: int | None = None
    issued_on: dt.date | None = None
    first_line_no: int | None = None
    printed_line_no: int | None = None

    @property
    def serial(self) -> str:
        """The number as printed on the cover."""
        return format_passbook_no(self.passbook_no)

    @property
    def rows_used(self) -> int:
        """Rows with a line on them."""
        if self.first_line_no is None or self.printed_line_no is None:
            return 0
        return self.printed_line_no - self.first_line_no + 1

    @property
    def rows_left(self) -> int:
        """Rows that are still empty."""
        return self.pages * self.rows_per_page - self.rows_used

    def place_of(self, line_no: int) -> tuple[int, int]:
        """The page and the row, both from 1, on which a line of this book stands."""
        assert self.first_line_no is not None
        page, row = divmod(line_no - self.first_line_no, self.rows_per_page)
        return page + 1, row + 1

    def lines_on(self, page_no: int) -> tuple[int, int]:
        """The first and the last line printed on a page; the last is lower if there is none."""
        assert self.first_line_no is not None
        assert self.printed_line_no is not None
        first = self.first_line_no + (page_no - 1) * self.rows_per_page
        return first, min(first + self.rows_per_page - 1, self.printed_line_no)

    @property
    def newest_page_no(self) -> int:
        """The page with the newest line; 1 in an empty book."""
        return max(1, -(-self.rows_used // self.rows_per_page))


@dataclass(frozen=True, slots=True)
class BookLine:
    """A line of the account as the book prints it; amounts in the smallest part."""

    line_no: int
    #: When it was booked, and for which day.
    day: dt.date
    value_on: dt.date
    kind: str
    amount: int
    balance: int
    #: The code of the outlet where it was handled.
    outlet: str


@dataclass(frozen=True, slots=True)
class Holding:
    """An account's books in the order in which it had them, and its newest line."""

    account_no: int
    books: tuple[Book, ...]
    newest_line_no: int

    @property
    def current(self) -> Book | None:
        """The book in use; an account has one at most."""
        return next((book for book in self.books if book.state == IN_USE), None)

    @property
    def next_volume_no(self) -> int:
        """The volume that the account's next book will be."""
        return max((book.volume_no or 0 for book in self.books), default=0) + 1

    @property
    def next_line_no(self) -> int:
        """The first line that stands in no book."""
        return max((book.printed_line_no or 0 for book in self.books), default=0) + 1


@dataclass(frozen=True, slots=True)
class LossReport:
    """A loss report as it stands."""

    account_no: int
    report_no: int
    passbook_no: int
    kind: str
    state: str
    lapses_at: dt.datetime | None
    reissue_from_on: dt.date | None

    def is_in_force(self, now: dt.datetime) -> bool:
        """Whether it freezes the book at this moment: unsettled, and not past its time."""
        return self.state == "in_force" and (self.lapses_at is None or self.lapses_at > now)


# --- stock ---------------------------------------------------------------------------------


def numbers_between(first: int, last: int, *, count_max: int) -> list[int]:
    """The passbook numbers from `first` to `last`; raises InvalidValue."""
    indexes = range(first // 10, last // 10 + 1)
    if not 1 <= len(indexes) <= count_max:
        raise InvalidValue.of("last", last, f"it takes 1 to {count_max} books from first to last")
    return [compose_passbook_no(index) for index in indexes]


def require_allottable(
    source: OutletFacts, numbers: Sequence[int], found: Mapping[tuple[str, int], int]
) -> None:
    """Raise PassbookStockShort unless all books of the range are blank and at the source.

    `found` counts the range's books by state and outlet number.
    """
    if found != {(BLANK, source.outlet_no): len(numbers)}:
        first, last = (format_passbook_no(numbers[i]) for i in (0, -1))
        raise PassbookStockShort(outlet=source.code, first=first, last=last)


def require_below(target: OutletFacts) -> int:
    """The number of the outlet directly above the target; raises WrongTier for the head office."""
    if target.parent_no is None:
        raise WrongTier(
            outlet=target.code, tier=TIER_NAMES[target.tier], wanted=TIER_NAMES[SAVINGS_BRANCH]
        )
    return target.parent_no


def require_blank_at(outlet: OutletFacts, book: Book | None, passbook_no: int | None) -> Book:
    """The blank book to hand out, lying at this outlet; its number, if one was asked for.

    Raises UnknownPassbook, PassbookNotAvailable, or PassbookStockShort when none is left.
    """
    if passbook_no is None:
        if book is None:
            raise PassbookStockShort(outlet=outlet.code, first="（任一 any）", last="（任一 any）")
        return book
    if book is None or (book.state == BLANK and book.outlet_no != outlet.outlet_no):
        raise UnknownPassbook(serial=f"{format_passbook_no(passbook_no)} @ {outlet.code}")
    return require_state(book, (BLANK,), "issue")


def require_state(book: Book, states: Sequence[str], act: str) -> Book:
    """Raise PassbookNotAvailable unless the book is in one of these states."""
    if book.state not in states:
        raise PassbookNotAvailable(serial=book.serial, state=book.state, act=act)
    return book


def require_destroyable(books: Iterable[Book], wanted: Iterable[int]) -> None:
    """All wanted books exist and are out of use.

    Raises UnknownPassbook or PassbookNotAvailable, for the first one that is not.
    """
    found = {book.passbook_no: book for book in books}
    for passbook_no in wanted:
        if passbook_no not in found:
            raise UnknownPassbook(serial=format_passbook_no(passbook_no))
        require_state(found[passbook_no], DESTROYABLE, "destroy")


# --- the customer's book -------------------------------------------------------------------


def require_known(account_no: int, state: str | None) -> None:
    """Raise UnknownCustomer unless there is, or was, such an account."""
    if state is None:
        raise UnknownCustomer(account=account_no)


def require_current(holding: Holding) -> Book:
    """The account's book in use; raises NoPassbook."""
    if holding.current is None:
        raise NoPassbook(account=holding.account_no)
    return holding.current


def require_none_in_use(holding: Holding) -> None:
    """Raise PassbookInUse when the account has a book already."""
    if holding.current is not None:
        raise PassbookInUse(account=holding.account_no, serial=holding.current.serial)


def require_not_lost(book: Book, report: LossReport | None, now: dt.datetime) -> None:
    """Raise PassbookFrozen while a loss report on the book is in force."""
    if report is not None and report.is_in_force(now):
        raise PassbookFrozen(account=book.account_no, serial=book.serial)


def decide_printing(book: Book, newest_line_no: int, lines_max: int) -> int:
    """How many lines to print now: those not printed, as far as book and call have room.

    Zero when nothing is new. Raises PassbookFull when something is, and no row is left.
    """
    assert book.printed_line_no is not None
    waiting = newest_line_no - book.printed_line_no
    if waiting and not book.rows_left:
        raise PassbookFull(serial=book.serial)
    return min(waiting, book.rows_left, lines_max)


def require_renewable(book: Book, *, damaged: bool) -> None:
    """Raise PassbookNotFull unless the book is full or damaged."""
    if book.rows_left and not damaged:
        raise PassbookNotFull(serial=book.serial, rows_left=book.rows_left)


# --- loss ----------------------------------------------------------------------------------


def decide_earlier_report(
    book: Book, report: LossReport | None, kind: str, now: dt.datetime
) -> str | None:
    """What becomes of the report before this one: `superseded`, `lapsed`, or None for none.

    A written report takes the place of an oral one. An oral report in force cannot be
    repeated, which would stretch its days. Raises PassbookFrozen.
    """
    if report is None or report.state != "in_force":
        return None
    if not report.is_in_force(now):
        return "lapsed"
    if kind == WRITTEN and report.kind == ORAL:
        return "superseded"
    raise PassbookFrozen(account=book.account_no, serial=book.serial)


def report_terms(
    kind: str, today: dt.date, zone: ZoneInfo, rules: PassbookRules
) -> tuple[dt.datetime | None, dt.date | None]:
    """When an oral report lapses, and from which day a written one allows a new book.

    储蓄管理条例 31: five days to put it in writing. The day of the report is not counted,
    and the last day counts to its end (民法典 201, 203).
    """
    if kind == WRITTEN:
        return None, today + dt.timedelta(days=rules.reissue_wait_days)
    after = today + dt.timedelta(days=rules.oral_loss_days + 1)
    return dt.datetime.combine(after, dt.time(), zone).astimezone(dt.UTC), None


def require_liftable(account_no: int, report: LossReport | None, now: dt.datetime) -> LossReport:
    """The report in force; raises LossNotReported."""
    if report is None or not report.is_in_force(now):
        raise LossNotReported(account=account_no, kind=_ANY_KIND)
    return report


def require_reissuable(
    account_no: int, report: LossReport | None, now: dt.datetime, today: dt.date
) -> LossReport:
    """The written report whose waiting time is over.

    Raises LossNotReported, or ReissueTooEarly before the waiting time is over.
    """
    if report is None or report.kind != WRITTEN or not report.is_in_force(now):
        raise LossNotReported(account=account_no, kind=_WRITTEN)
    assert report.reissue_from_on is not None
    if today < report.reissue_from_on:
        raise ReissueTooEarly(account=account_no, earliest_on=report.reissue_from_on)
    return report


# --- words on the page ---------------------------------------------------------------------


def summary_of(kind: str, value_on: dt.date, day: dt.date) -> str:
    """摘要: what a line was for, and of which day where it was booked on another."""
    summary = LINE_SUMMARIES.get(kind, kind)
    return summary if value_on == day else f"{summary} {value_on.month}月{value_on.day}日"
