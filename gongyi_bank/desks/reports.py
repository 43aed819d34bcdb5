"""The desk about what the books say: read only, as frozen results that show themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from gongyi_bank.desks.base import Desk
from gongyi_bank.periods import Period
from gongyi_bank.reports import books, customers, explanations, statements
from gongyi_bank.reports.books import LedgerBook, TrialBalance
from gongyi_bank.reports.customers import CustomerSummary
from gongyi_bank.reports.explanations import Explanation
from gongyi_bank.reports.statements import Days, Statement
from gongyi_bank.values import Points


class ReportsDesk(Desk):
    """报表: statements, summaries, ledger books and trial balances."""

    def statement(
        self,
        account: int | str,
        *,
        newest: int = 50,
        before_line: int | None = None,
        between: Days | None = None,
        as_of: dt.date | dt.datetime | None = None,
    ) -> Statement:
        """账户明细: the newest lines of an account, page by page.

        `statement(no, before_line=page.next_before_line)` is the next page; `between` is a
        first and a last booking day, `as_of` a day (to its end) or an instant (inclusive).
        Raises UnknownCustomer, InvalidValue.
        """
        return self._house.read(
            lambda tx: statements.statement(
                tx, account, newest=newest, before_line=before_line, between=between, as_of=as_of
            )
        )

    def explain(self, account: int | str, line_no: int) -> Explanation:
        """为什么: the record, tariff and rounding, or the voucher and people, behind a line.

        Raises UnknownCustomer, UnknownLine.
        """
        return self._house.read(lambda tx: explanations.explain(tx, account, line_no))

    def balance(self, account: int | str) -> Points:
        """余额: what the passbook shows now. Raises UnknownCustomer."""
        return self._house.read(lambda tx: statements.balance(tx, account))

    def balances(self, accounts: Iterable[int | str]) -> dict[int, Points]:
        """余额 of many accounts, by account number, in one query. Raises UnknownCustomer."""
        return self._house.read(lambda tx: statements.balances(tx, accounts))

    def customer_summary(self, account: int | str) -> CustomerSummary:
        """客户概况: one customer at a glance. Raises UnknownCustomer."""
        return self._house.read(lambda tx: customers.customer_summary(tx, account))

    def ledger_book(
        self, outlet: str, period: Period | str | None = None, *, names: bool = False
    ) -> LedgerBook:
        """台账: every account registered at an outlet or below it, in a period or to date.

        Raises UnknownOutlet, InvalidValue.
        """
        return self._house.read(lambda tx: books.ledger_book(tx, outlet, period, names=names))

    def trial_balance(
        self, outlet: str | None = None, as_of: dt.date | None = None
    ) -> TrialBalance:
        """试算平衡: all accounts of the bank, or of an outlet and everything below it.

        Raises UnknownOutlet.
        """
        return self._house.read(lambda tx: books.trial_balance(tx, outlet, as_of))
