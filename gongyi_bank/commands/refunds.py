"""Commands about 退货: goods that come back, and the points for them."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from gongyi_bank.commands.base import Code, Command, Quantity, Reason
from gongyi_bank.receipts.refunds import GoodsRefunded


class RefundGoods(Command):
    """退货: give points back for goods that were handed over, whole or some of the pieces."""

    receipt: ClassVar = GoodsRefunded
    act: ClassVar[str] = "redemptions.refund"

    redemption: UUID
    """The redemption, or the reservation that was captured."""
    quantity: Quantity | None = None
    """Pieces; all that are left if it is not given."""
    restock: bool = True
    """Whether the pieces can be given out again; False where they are broken."""
    reason: Reason
    """Why, in words that may stand in the books."""
    second_person: Code
    """复核: the staff code of who agreed, another person."""
