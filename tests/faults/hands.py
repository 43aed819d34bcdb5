"""How a worker of the bank test deals with the bank: by the library's own acts and reports.

Beside these it reads the books by SQL of its own, so that neither reading has to be believed.

The planted faults (`tests.faults.planted`) put another hand in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gongyi_bank.bank import Bank
from gongyi_bank.commands.closings import CloseBooks
from tests.faults.books import Totals, totals_at_once, totals_one_by_one
from tests.faults.errands import Errand
from tests.faults.reports import REPORTS

Tell = Callable[[Any], None]


class Hand:
    """The library as a service would use it."""

    #: Whether what is unresolved is submitted again.
    resubmits = True
    #: A rest after every step.
    rest_seconds = 0.0
    #: How often, beyond the usual mix, all go for the same key.
    race_share = 0.0

    def __init__(self, bank: Bank, accounts: list[int]) -> None:
        self.bank = bank
        self.accounts = accounts

    def submit(self, errand: Errand, tell: Tell) -> None:
        """Do what the errand asks for, and tell the receipt as soon as there is one."""
        bank = self.bank.acting_as(errand.staff)
        command = errand.command
        if isinstance(command, CloseBooks):
            # The desk's way takes three transactions and lets others go on posting.
            tell(bank.closings.close(command.period, idempotency_key=errand.key))
        else:
            tell(bank.execute(command))

    def at_once(self) -> Totals:
        """All accounts, read in one statement."""
        return totals_at_once(self.bank)

    def one_by_one(self) -> Totals:
        """All accounts, each read by itself, in one transaction."""
        return totals_one_by_one(self.bank, self.accounts)

    def report(self, kind: str, asked: tuple[str, ...]) -> dict[Any, Any]:
        """One of the library's own reports, of all accounts."""
        return REPORTS[kind](self.bank, self.accounts, *asked)
