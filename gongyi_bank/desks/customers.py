"""Desks about customers, their accounts and their hours."""

from __future__ import annotations

from gongyi_bank.commands.customers import (
    CloseAccount,
    FreezeAccount,
    MarkDormant,
    MoveCustomer,
    RegisterCustomers,
    UnfreezeAccount,
    WakeAccount,
)
from gongyi_bank.commands.hours import (
    ApproveHours,
    CorrectHours,
    RecordHours,
    RecordManyHours,
    RefuseHours,
    VoidHours,
)
from gongyi_bank.commands.points import BringForward, ExpireDue, GrantPoints
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.display import Table
from gongyi_bank.reports import registers
from gongyi_bank.service import customers, hours, points


class CustomersDesk(Desk):
    """客户: registering and moving customers."""

    register = act(RegisterCustomers, customers.register)
    move = act(MoveCustomer, customers.move)

    def account_of(self, ref: str) -> int:
        """The account registered under an external reference. Raises UnknownCustomer."""
        return self._house.read(lambda tx: registers.account_of(tx, ref))


class AccountsDesk(Desk):
    """账户: an account's state."""

    freeze = act(FreezeAccount, customers.freeze)
    unfreeze = act(UnfreezeAccount, customers.unfreeze)
    mark_dormant = act(MarkDormant, customers.mark_dormant)
    wake = act(WakeAccount, customers.wake)
    close = act(CloseAccount, customers.close)


class PointsDesk(Desk):
    """积分: opening balances and grants by hand."""

    bring_forward = act(BringForward, points.bring_forward)
    grant = act(GrantPoints, points.grant)
    expire_due = act(ExpireDue, points.expire_due)


class HoursDesk(Desk):
    """服务时长: recording service and deciding on what waits."""

    record = act(RecordHours, hours.record)
    record_many = act(RecordManyHours, hours.record_many)
    approve = act(ApproveHours, hours.approve)
    refuse = act(RefuseHours, hours.refuse)
    void = act(VoidHours, hours.void)
    correct = act(CorrectHours, hours.correct)

    def waiting(self, outlet: str | None = None) -> Table:
        """待批: what waits for an approval in an outlet's subtree, oldest service first.

        Raises UnknownOutlet.
        """
        return self._house.read(lambda tx: registers.waiting_records(tx, outlet))

    def of(self, account: int | str, *, before: int | None = None, newest: int = 50) -> Table:
        """An account's records, newest first, those below number `before` if it is given.

        Raises UnknownCustomer.
        """
        return self._house.read(lambda tx: registers.records_of(tx, account, before, newest))
