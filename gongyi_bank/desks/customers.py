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
from gongyi_bank.commands.points import BringForward, GrantPoints
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.service import customers, hours, points


class CustomersDesk(Desk):
    """客户: registering and moving customers."""

    register = act(RegisterCustomers, customers.register)
    move = act(MoveCustomer, customers.move)


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


class HoursDesk(Desk):
    """服务时长: recording service and deciding on what waits."""

    record = act(RecordHours, hours.record)
    record_many = act(RecordManyHours, hours.record_many)
    approve = act(ApproveHours, hours.approve)
    refuse = act(RefuseHours, hours.refuse)
    void = act(VoidHours, hours.void)
    correct = act(CorrectHours, hours.correct)
