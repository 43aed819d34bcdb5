"""What a kind of act must be able to do to be judged in a group (service/grouping.py)."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from gongyi_bank.commands.base import Command
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.rules.ledger import Head
from gongyi_bank.service.gate import Visit
from gongyi_bank.store.transaction import Ask, Transaction

CommandT = TypeVar("CommandT", bound=Command)
DecisionT = TypeVar("DecisionT")


class Apart(Exception):
    """These acts must be done one by one; nothing of them is written."""


class Together(ABC, Generic[CommandT, DecisionT]):
    """Some commands of a group that go by the same facts; steps in the order of the methods."""

    #: The accounts whose heads are locked.
    numbers: set[int]
    #: The outlets whose days are kept open; known after `locks`.
    places: set[str]
    #: The staff named beside those who act.
    people: set[str]

    @abstractmethod
    def __init__(self, tx: Transaction, commands: Sequence[CommandT], came_at: dt.datetime) -> None:
        """Before anything is asked."""

    def asks_before(self) -> Sequence[Ask[Any]]:
        """What must be known before anything is locked."""
        return ()

    def locks(self) -> Sequence[Ask[Any]]:
        """What is locked after the heads."""
        return ()

    @abstractmethod
    def asks(self, visit: Visit) -> Sequence[Ask[Any]]:
        """The facts behind the locks, heads and outlets left out."""

    @abstractmethod
    def begin(self, visit: Visit, heads: dict[int, Head]) -> None:
        """Go by these facts: all has been answered. Raises Apart where they do not suffice."""

    @abstractmethod
    def judge(self, visit: Visit, command: CommandT) -> DecisionT | None:
        """The decision on one command, after those before it; a refusal is raised.

        None for what is answered by other facts: it is done alone, and writes nothing.
        """

    @abstractmethod
    def book(self, visit: Visit, command: CommandT, decision: DecisionT) -> AnyReceipt:
        """Carry a decision out."""
