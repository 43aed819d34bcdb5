"""The desk about what the books say: read only, as frozen results that show themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from gongyi_bank.desks.base import Desk
from gongyi_bank.periods import Period
from gongyi_bank.reports import (
    as_of,
    books,
    clearing,
    customers,
    expiry,
    explanations,
    seals,
    statements,
)
from gongyi_bank.reports import provenance as origins
from gongyi_bank.reports.as_of import AccountTotals, BalanceAsOf, Dating
from gongyi_bank.reports.books import LedgerBook, TrialBalance
from gongyi_bank.reports.clearing import Clearing
from gongyi_bank.reports.customers import CustomerSummary
from gongyi_bank.reports.expiry import ExpirySchedule
from gongyi_bank.reports.explanations import Explanation
from gongyi_bank.reports.provenance import PointsSpent, Provenance
from gongyi_bank.reports.seals import LineProof
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
        # A page of lines is one statement; with days there is another one to find them.
        house = self._house
        run = house.glance if between is None and as_of is None else house.read
        return run(
            lambda tx: statements.statement(
                tx, account, newest=newest, before_line=before_line, between=between, as_of=as_of
            )
        )

    def proof(self, account: int | str, line_no: int) -> LineProof:
        """凭据: what a volunteer needs to check, without the bank, that a line is in its day.

        Takes as long as sealing the day did. Raises UnknownCustomer, UnknownLine,
        LineNotSealed.
        """
        return self._house.read(lambda tx: seals.proof(tx, account, line_no))

    def explain(self, account: int | str, line_no: int) -> Explanation:
        """为什么: the record, tariff and rounding, or the voucher and people, behind a line.

        Raises UnknownCustomer, UnknownLine.
        """
        return self._house.read(lambda tx: explanations.explain(tx, account, line_no))

    def balance(self, account: int | str, *, as_of: dt.date | dt.datetime | None = None) -> Points:
        """余额: what the passbook shows now, or showed at a day's end or at an instant (inclusive).

        By the time of booking: what was booked later for an earlier day is not in it; see
        `balance_as_of`. Raises UnknownCustomer, InvalidValue.
        """
        return self._house.glance(lambda tx: statements.balance(tx, account, as_of))

    def balances(self, accounts: Iterable[int | str]) -> dict[int, Points]:
        """余额 of many accounts, by account number, in one query. Raises UnknownCustomer."""
        return self._house.glance(lambda tx: statements.balances(tx, accounts))

    def balance_as_of(self, account: int | str, day: dt.date) -> BalanceAsOf:
        """截至余额: an account at the end of a day, by booking and by value, then and now.

        Raises UnknownCustomer.
        """
        return self._house.read(lambda tx: as_of.balance_as_of(tx, account, day))

    def totals(
        self, account: int | str, between: Days, *, dating: Dating = "booking"
    ) -> AccountTotals:
        """期间合计: what an account was credited and debited between two days, by kind.

        `dating` says whether the business day or the value date must lie in the days, both
        included. Raises UnknownCustomer, InvalidValue.
        """
        return self._house.read(lambda tx: as_of.account_totals(tx, account, between, dating))

    def expiry_schedule(self, account: int | str) -> ExpirySchedule:
        """到期计划: which points are good until when. Raises UnknownCustomer."""
        return self._house.read(lambda tx: expiry.expiry_schedule(tx, account))

    def provenance(self, account: int | str, line_no: int) -> Provenance:
        """来源: the services, grants and gifts that paid for a debit line.

        However many refunds and gifts lie between; `unfollowed` says what lies beyond the bounds.
        Raises UnknownCustomer, UnknownLine, and InvalidValue for a credit.
        """
        return self._house.read(lambda tx: origins.provenance(tx, account, line_no))

    def spent_on(self, account: int | str, line_no: int) -> PointsSpent:
        """去向: what a credit line paid for.

        Raises UnknownCustomer, UnknownLine, and InvalidValue for a debit.
        """
        return self._house.read(lambda tx: origins.spent_on(tx, account, line_no))

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

    def clearing(self, day: dt.date | None = None) -> Clearing:
        """清算表: what each branch owes the others since the bank's books were closed on a day.

        Without a day by the newest closing. Raises InvalidValue for any other day.
        """
        return self._house.read(lambda tx: clearing.clearing(tx, day))
