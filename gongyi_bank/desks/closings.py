"""The desk about closing: days, months, quarters and years, for good."""

from __future__ import annotations

from gongyi_bank.commands.closings import AnnounceClosing, CloseBooks, DrainClosing
from gongyi_bank.commands.points import ExpireDue
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.display import Table
from gongyi_bank.periods import Period
from gongyi_bank.receipts.closings import BooksClosed
from gongyi_bank.receipts.points import PointsExpired
from gongyi_bank.reports import closings as reports
from gongyi_bank.rules.closings import CLOSING, DAY
from gongyi_bank.service import closings


class ClosingsDesk(Desk):
    """结账: days, months, quarters and years, of the bank or below an outlet."""

    announce = act(AnnounceClosing, closings.announce)
    drain = act(DrainClosing, closings.drain)
    close_at_once = act(CloseBooks, closings.close)

    def close(
        self,
        period: Period | str,
        *,
        outlet: str | None = None,
        idempotency_key: str | None = None,
    ) -> BooksClosed:
        """结账: close all open days (months, …) through a period, while others go on posting.

        `close("2022-10-31")` closes days, `close("2022-10")`, `close("2022Q4")` and
        `close("2022")` longer periods; of the whole bank, or of an `outlet` with everything
        below it. On a bank it takes three transactions and may be called again after a crash
        at any point; a period that is closed gives the same receipt again. On a counter it is
        one transaction, which holds up whoever posts there until it ends. Raises
        PeriodNotOver, PeriodAlreadyClosed, ClosingUnfinished, ShorterPeriodOpen.
        """
        label = period.label if isinstance(period, Period) else period
        command = CloseBooks(period=label, outlet=outlet, idempotency_key=idempotency_key)
        name = f"{command.outlet or '#'}:{command.period}"
        if idempotency_key is None:
            command = command.model_copy(update={"idempotency_key": f"closings.close:{name}"})
        if self._house.commits_each_act:
            self._prepare(command, name)
        receipt: BooksClosed = self._house.execute(command)
        return receipt

    def _prepare(self, command: CloseBooks, name: str) -> None:
        """Announce and drain, as far as that was not done before."""
        period, outlet = command.period, command.outlet
        state = self._house.glance(lambda tx: reports.state_of(tx, period, outlet))
        if state in (None, CLOSING) and outlet is None and Period.parse(period).kind == DAY:
            self._expire_due()
        if state is None:
            key = f"closings.announce:{name}"
            self.announce(period=period, outlet=outlet, idempotency_key=key)
        if state in (None, CLOSING):
            key = f"closings.drain:{name}"
            self.drain(period=period, outlet=outlet, idempotency_key=key)

    def _expire_due(self) -> None:
        """Take the points past their date, so that the day's books show them."""
        is_more = True
        while is_more:
            done: PointsExpired = self._house.execute(ExpireDue())
            is_more = done.may_be_more and done.accounts > 0

    def register(self, outlet: str | None = None, *, newest: int = 50) -> Table:
        """结账登记: the newest closings of the bank, or of an outlet and everything below it.

        Raises UnknownOutlet, InvalidValue.
        """
        return self._house.read(lambda tx: reports.register(tx, outlet, newest))
