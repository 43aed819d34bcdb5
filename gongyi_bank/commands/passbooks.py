"""Commands about passbooks: 印制、调拨、发放、补登、换折、挂失、补发、作废、销毁."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from gongyi_bank.commands.base import AccountNo, AsTuple, Code, Command, Reason
from gongyi_bank.receipts.passbooks import (
    LossLifted,
    LossReported,
    PassbookIssued,
    PassbookReissued,
    PassbookRenewed,
    PassbooksDestroyed,
    PassbookSpoiled,
    PassbookUpdated,
    StockAllotted,
    StockPrinted,
)
from gongyi_bank.values import parse_passbook_no

#: Books that one act may print or allot, and that one act may destroy.
BOOKS_MAX = 100_000
DESTROYED_MAX = 10_000
#: Lines that one passbook update prints.
LINES_MAX = 500


def _as_passbook_no(value: Any, info: ValidationInfo) -> int:
    return parse_passbook_no(value, field=info.field_name or "passbook")


#: A passbook's number, as an integer or as printed ("00000123 3").
PassbookNo = Annotated[int, BeforeValidator(_as_passbook_no)]


class PrintStock(Command):
    """印制: the head office prints serial-numbered blank books of the size now in force."""

    receipt: ClassVar = StockPrinted
    act: ClassVar[str] = "passbooks.print_stock"

    count: Annotated[int, Field(ge=1, le=BOOKS_MAX)]
    """How many books."""


class AllotPassbooks(Command):
    """调拨: hand a range of blank books from an outlet to one directly below it."""

    receipt: ClassVar = StockAllotted
    act: ClassVar[str] = "passbooks.allot"

    target: Code
    """The branch or savings branch that gets them; the outlet above it gives them."""
    first: PassbookNo
    """The first book of the range."""
    last: PassbookNo
    """The last one; all from first to last must be blank and at the giving outlet."""


class IssuePassbook(Command):
    """发放: give a blank book from the savings branch's stock to an account that has none."""

    receipt: ClassVar = PassbookIssued
    act: ClassVar[str] = "passbooks.issue"

    account: AccountNo
    """The account."""
    outlet: Code | None = None
    """The savings branch that handles it; the actor's own if left out."""
    passbook: PassbookNo | None = None
    """The blank book; the lowest number there if left out."""


class UpdatePassbook(Command):
    """补登: print exactly the lines that are not printed yet, as far as the book has room."""

    receipt: ClassVar = PassbookUpdated
    act: ClassVar[str] = "passbooks.update"

    account: AccountNo
    """The account."""
    outlet: Code | None = None
    """Where it is printed; the actor's own outlet if left out."""
    lines_max: Annotated[int, Field(ge=1, le=LINES_MAX)] = LINES_MAX
    """Print no more than this many lines now; the receipt says how many are left."""


class RenewPassbook(Command):
    """换折: a new book in place of a full or damaged one, continuing after its last line."""

    receipt: ClassVar = PassbookRenewed
    act: ClassVar[str] = "passbooks.renew"

    account: AccountNo
    """The account."""
    outlet: Code | None = None
    """The savings branch that handles it; the actor's own if left out."""
    passbook: PassbookNo | None = None
    """The blank book; the lowest number there if left out."""
    damaged: bool = False
    """The old book cannot be printed in any more, though it has room."""


class ReportLoss(Command):
    """挂失: freeze an account's book at once (储蓄管理条例 31).

    An oral report lapses after the policy's days unless it is put in writing.
    """

    receipt: ClassVar = LossReported
    act: ClassVar[str] = "passbooks.report_loss"

    account: AccountNo
    """The account."""
    kind: Literal["oral", "written"]
    """口头 or 书面; a written report takes the place of an oral one."""
    outlet: Code | None = None
    """Where it was reported; the actor's own outlet if left out."""


class LiftLoss(Command):
    """解挂: the book was found again."""

    receipt: ClassVar = LossLifted
    act: ClassVar[str] = "passbooks.lift_loss"

    account: AccountNo
    """The account."""
    reason: Reason
    """How it came back."""
    outlet: Code | None = None
    """Where it was shown; the actor's own outlet if left out."""


class ReissuePassbook(Command):
    """补发: a new book for a lost one, after the waiting time of a written report."""

    receipt: ClassVar = PassbookReissued
    act: ClassVar[str] = "passbooks.reissue"

    account: AccountNo
    """The account."""
    outlet: Code | None = None
    """The savings branch that handles it; the actor's own if left out."""
    passbook: PassbookNo | None = None
    """The blank book; the lowest number there if left out."""


class SpoilPassbook(Command):
    """作废: a blank book was spoiled before it reached a customer."""

    receipt: ClassVar = PassbookSpoiled
    act: ClassVar[str] = "passbooks.spoil"

    passbook: PassbookNo
    """The blank book."""
    reason: Reason
    """What happened to it."""


class DestroyPassbooks(Command):
    """销毁: destroy spoiled, replaced and void books before a second person.

    Give either a range (`first` and `last`) or a list (`passbooks`).
    """

    receipt: ClassVar = PassbooksDestroyed
    act: ClassVar[str] = "passbooks.destroy"

    passbooks: (
        Annotated[tuple[PassbookNo, ...], AsTuple, Field(min_length=1, max_length=DESTROYED_MAX)]
        | None
    ) = None
    """The books, one by one."""
    first: PassbookNo | None = None
    """The first book of a range."""
    last: PassbookNo | None = None
    """The last one; all from first to last must be out of use."""
    second_person: Code
    """The second person, who watched it."""
    reason: Reason
    """Why, and how."""
