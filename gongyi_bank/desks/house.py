"""Desks about the house: outlets, staff, policies."""

from __future__ import annotations

from gongyi_bank.commands.outlets import (
    AdoptPolicy,
    AppointStaff,
    CloseOutlet,
    EndRole,
    MoveOutlet,
    OpenOutlets,
    RenameOutlet,
    ReopenOutlet,
)
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.policies import PolicyBook
from gongyi_bank.service import outlets, policies, staff
from gongyi_bank.store.policies import load_book, load_stamp


class OutletsDesk(Desk):
    """网点: the tree of head office, branches and savings branches."""

    open = act(OpenOutlets, outlets.open_outlets)
    rename = act(RenameOutlet, outlets.rename)
    move = act(MoveOutlet, outlets.move)
    close = act(CloseOutlet, outlets.close)
    reopen = act(ReopenOutlet, outlets.reopen)


class StaffDesk(Desk):
    """岗位: who works where, in which role."""

    appoint = act(AppointStaff, staff.appoint)
    end = act(EndRole, staff.end_role)


class PoliciesDesk(Desk):
    """规则: the numbers that the district sets, with their effective dates."""

    adopt = act(AdoptPolicy, policies.adopt)

    def book(self) -> PolicyBook:
        """Every policy ever adopted: `book().in_force(Tariff, day)`."""
        return self._house.read(lambda tx: load_book(tx, load_stamp(tx)))
