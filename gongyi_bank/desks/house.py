"""Desks about the house: outlets, staff, policies."""

from __future__ import annotations

from gongyi_bank.arguments import require_flag
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
from gongyi_bank.display import Table
from gongyi_bank.policies import PolicyBook
from gongyi_bank.reports import registers
from gongyi_bank.service import outlets, policies, staff
from gongyi_bank.store.policies import load_book, load_stamp


class OutletsDesk(Desk):
    """网点: the tree of head office, branches and savings branches."""

    open = act(OpenOutlets, outlets.open_outlets)
    rename = act(RenameOutlet, outlets.rename)
    move = act(MoveOutlet, outlets.move)
    close = act(CloseOutlet, outlets.close)
    reopen = act(ReopenOutlet, outlets.reopen)

    def tree(self, outlet: str | None = None) -> Table:
        """An outlet with everything below it, the whole bank by default; one query.

        Raises UnknownOutlet.
        """
        return self._house.read(lambda tx: registers.outlet_tree(tx, outlet))


class StaffDesk(Desk):
    """岗位: who works where, in which role."""

    appoint = act(AppointStaff, staff.appoint)
    end = act(EndRole, staff.end_role)

    def roles(self, *, ended: bool = False) -> Table:
        """Who has which role where; those that have ended too if asked for."""
        require_flag(ended, field="ended")
        return self._house.read(lambda tx: registers.staff_roles(tx, ended=ended))


class PoliciesDesk(Desk):
    """规则: the numbers that the district sets, with their effective dates."""

    adopt = act(AdoptPolicy, policies.adopt)

    def book(self) -> PolicyBook:
        """Every policy ever adopted: `book().in_force(Tariff, day)`."""
        return self._house.read(lambda tx: load_book(tx, load_stamp(tx)))
