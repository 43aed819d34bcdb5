"""Commands about points that do not come from a service: opening balances and grants."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from gongyi_bank.commands.base import AccountNo, AsTuple, Code, Command, Reason
from gongyi_bank.commands.hours import ROWS_MAX
from gongyi_bank.errors import InvalidAmount, InvalidInstant, InvalidValue
from gongyi_bank.receipts.hours import ManyRecorded
from gongyi_bank.receipts.points import PointsExpired, PointsGranted
from gongyi_bank.values import (
    SCALE_MAX,
    Points,
    PositivePoints,
    canonical,
    clean_code,
    parse_account_no,
)

#: More verified minutes than a lifetime holds.
MINUTES_MAX = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningRow:
    """期初: what a customer brings forward from the paper books. Raises InvalidValue.

    One per account and the first entry in it; sent again alike it is a replay.
    """

    #: The account number; or leave it out and give `customer_ref`.
    account: int | None = None
    #: The customer's external reference, as it was registered.
    customer_ref: str | None = None
    #: Verified minutes of service brought forward, 0 or more.
    minutes: int
    #: Points brought forward, 0 or more.
    points: Points
    #: The last day of the paper books.
    as_of: dt.date

    def __post_init__(self) -> None:
        if (self.account is None) == (self.customer_ref is None):
            raise InvalidValue.of("account", self.account, "give account or customer_ref")
        if self.account is not None:
            object.__setattr__(self, "account", parse_account_no(self.account))
        if self.customer_ref is not None:
            clean_code(self.customer_ref, field="customer_ref", length_max=100)
        if type(self.minutes) is not int or not 0 <= self.minutes <= MINUTES_MAX:
            raise InvalidValue.of("minutes", self.minutes, f"a whole number up to {MINUTES_MAX}")
        object.__setattr__(self, "points", Points(self.points))
        if self.points < Points(0):
            raise InvalidAmount.of("points", self.points, "it must not be negative")
        if type(self.as_of) is not dt.date:
            raise InvalidInstant.of("as_of", self.as_of, "it must be a date")

    def digest(self) -> bytes:
        """SHA-256 over all fields: what "the same row" means."""
        content = canonical(
            "opening", self.account, self.customer_ref, self.minutes,
            self.points.to_units(SCALE_MAX), self.as_of,
        )  # fmt: skip
        return hashlib.sha256(content).digest()


class BringForward(Command):
    """期初登记: take over hours and points from the paper books, before anything else."""

    receipt: ClassVar = ManyRecorded
    act: ClassVar[str] = "points.bring_forward"

    rows: Annotated[tuple[OpeningRow, ...], AsTuple, Field(min_length=1, max_length=ROWS_MAX)]
    """The rows, judged in order; each is credited, is a replay, or is refused by itself."""

    def request_digest(self) -> bytes:
        """SHA-256 over the rows' own digests."""
        return hashlib.sha256(b"".join(row.digest() for row in self.rows)).digest()


class GrantPoints(Command):
    """人工入账: credit points by hand, with a reason and a second person."""

    receipt: ClassVar = PointsGranted
    act: ClassVar[str] = "points.grant"

    account: AccountNo
    """The account that receives them."""
    points: PositivePoints
    """How many."""
    reason: Reason
    """Why, in words that may stand in the books."""
    second_person: Code
    """复核: the staff code of who agreed, another person."""
    outlet: Code
    """The outlet that gives and handles them."""
    value_on: dt.date | None = None
    """The day the points are for, if it is not today; never in the future."""


class ExpireDue(Command):
    """到期扣减: write the expiry lines of points past their date; day close does it, too.

    Points past their date can be spent by nobody whether or not this has run. Call it again
    while the receipt says that there may be more.
    """

    receipt: ClassVar = PointsExpired
    act: ClassVar[str] = "points.expire_due"

    count_max: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 1000
    """How many accounts at the most, those whose date came first before others."""
