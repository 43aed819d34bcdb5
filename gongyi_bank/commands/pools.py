"""Commands about 积分池: pools that donations go to and grants come from."""

from __future__ import annotations

from typing import ClassVar

from gongyi_bank.commands.base import Code, Command, PublicName, Reason
from gongyi_bank.receipts.pools import PoolEnded, PoolOpened


class OpenPool(Command):
    """设立积分池: a new pool of an outlet, empty."""

    receipt: ClassVar = PoolOpened
    act: ClassVar[str] = "pools.open"

    code: Code
    """The code people use; unique in the bank, also among closed pools."""
    name: PublicName
    """What it is called in public."""
    outlet: Code
    """The outlet that it belongs to, and that grants from it."""


class ClosePool(Command):
    """关闭积分池: an empty pool neither gives nor receives any more."""

    receipt: ClassVar = PoolEnded
    act: ClassVar[str] = "pools.close"

    pool: Code
    """The pool."""
    reason: Reason
    """Why."""
