"""Receipts about passbooks."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict

from gongyi_bank.receipts.base import Receipt
from gongyi_bank.values import PointsSum


class StockPrinted(Receipt):
    """Blank books were printed."""

    first: int
    """The first number."""
    last: int
    """The last number; all serials between belong to them."""
    count: int
    """How many books."""
    pages: int
    """Pages of each."""
    rows_per_page: int
    """Rows on each page."""


class StockAllotted(Receipt):
    """Blank books went to the outlet below."""

    source: str
    """The outlet that gave them."""
    target: str
    """The outlet that has them now."""
    first: int
    """The first number."""
    last: int
    """The last number."""
    count: int
    """How many books."""


class _BookGiven(Receipt):
    """What is said of every book that comes into a customer's hand."""

    account: int
    """The account."""
    passbook: int
    """The new book's number."""
    volume_no: int
    """The how-manieth book of the account it is."""
    first_line_no: int
    """The account's line that its first row is for."""
    outlet: str
    """The savings branch from whose stock it came."""


class PassbookIssued(_BookGiven):
    """An account got its first book."""


class PassbookRenewed(_BookGiven):
    """A full or damaged book was replaced."""

    replaced: int
    """The old book's number."""


class PassbookReissued(_BookGiven):
    """A lost book was made void and replaced."""

    voided: int
    """The lost book's number."""


class PrintedLine(BaseModel):
    """One line as it was printed, and where."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    page: int
    """The page, from 1."""
    row: int
    """The row on the page, from 1."""
    line_no: int
    """The account's line."""
    day: dt.date
    """The business day on which it was booked."""
    kind: str
    """What it was for, e.g. `service`."""
    amount: PointsSum
    """Credited, or negative for debited."""
    balance: PointsSum
    """The balance after it."""


class PassbookUpdated(Receipt):
    """The lines not yet printed were printed."""

    account: int
    """The account."""
    passbook: int
    """Its book in use."""
    lines: tuple[PrintedLine, ...]
    """What was printed, in order; nothing where nothing was new."""
    rows_left: int
    """Empty rows that the book still has."""
    lines_left: int
    """Lines of the account that are still not printed."""

    @property
    def is_full(self) -> bool:
        """Whether the book has no empty row left and must be renewed."""
        return self.rows_left == 0


class LossReported(Receipt):
    """A book is reported lost; its account's points are frozen."""

    account: int
    """The account."""
    passbook: int
    """The lost book's number."""
    report_no: int
    """The report's number within the account."""
    kind: str
    """`oral` or `written`."""
    lapses_at: dt.datetime | None
    """When an oral report stops counting unless it is put in writing."""
    reissue_from_on: dt.date | None
    """The first day on which a written report allows a new book."""


class LossLifted(Receipt):
    """A lost book was found again and is in use."""

    account: int
    """The account."""
    passbook: int
    """The book's number."""
    report_no: int
    """The report that was lifted."""


class PassbookSpoiled(Receipt):
    """A blank book is out of use."""

    passbook: int
    """Its number."""
    outlet: str
    """The outlet that keeps it until it is destroyed."""


class PassbooksDestroyed(Receipt):
    """Books out of use were destroyed."""

    count: int
    """How many."""
    passbooks: tuple[int, ...]
    """Their numbers, ascending."""
