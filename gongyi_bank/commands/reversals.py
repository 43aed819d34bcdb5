"""Commands about 冲正: taking lines back by new lines, never by an edit."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from gongyi_bank.commands.base import AccountNo, Code, Command, Reason
from gongyi_bank.receipts.reversals import LineReversed, VoucherReversed
from gongyi_bank.values import PositivePoints


class ReverseLine(Command):
    """冲正一行: take a line back, whole or in part; a mirror in another account goes with it.

    Minutes of service stay as they are: to take back a record with its minutes, void it
    (`hours.void`).
    """

    receipt: ClassVar = LineReversed
    act: ClassVar[str] = "reversals.reverse_line"

    account: AccountNo
    """The account."""
    line_no: Annotated[int, Field(ge=1, le=2**31)]
    """The line in its passbook."""
    points: PositivePoints | None = None
    """How much of it; all that is left if it is not given."""
    value: Literal["original", "today"] = "original"
    """Which day's figures it corrects: those of the line (or the first open day after them)."""
    reason: Reason
    """Why, in words that may stand in the books."""
    second_person: Code
    """复核: the staff code of who agreed, another person."""
    outlet: Code | None = None
    """The outlet that handles it; the line's own if it is not given."""


class ReverseVoucher(Command):
    """冲正凭证: take back all that is left of every line of a voucher, or nothing of it."""

    receipt: ClassVar = VoucherReversed
    act: ClassVar[str] = "reversals.reverse_voucher"

    voucher: UUID
    """The voucher, as receipts and statements name it."""
    value: Literal["original", "today"] = "original"
    """Which day's figures it corrects: those of the lines (or the first open day after them)."""
    reason: Reason
    """Why, in words that may stand in the books."""
    second_person: Code
    """复核: the staff code of who agreed, another person."""
    outlet: Code | None = None
    """The outlet that handles it; the lines' own if it is not given."""
