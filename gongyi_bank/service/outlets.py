"""网点: opening, renaming, moving, closing and reopening the outlets of the tree."""

from __future__ import annotations

from gongyi_bank.commands.outlets import (
    CloseOutlet,
    MoveOutlet,
    NewOutlet,
    OpenOutlets,
    RenameOutlet,
    ReopenOutlet,
)
from gongyi_bank.errors import UnknownOutlet
from gongyi_bank.receipts.outlets import OutletChanged, OutletsOpened
from gongyi_bank.rules import outlets as rules
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.service.founding import write_outlet_accounts
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import closings, serials
from gongyi_bank.store import outlets as store


def open_outlets(visit: Visit, command: OpenOutlets) -> OutletsOpened:
    """Open outlets, each under a parent that exists or stands earlier in the list."""
    codes = [part.code for part in command.outlets] + [part.parent for part in command.outlets]
    visit.lock((), store.ask_lock_house())
    visit.enter(command, outlets_at=codes)
    head_office = store.load_head_office(visit.tx)
    # One that is opened in this call lies below a parent that was there before.
    named = {part.parent for part in command.outlets}
    parents = [outlet for code, outlet in sorted(visit.outlets.items()) if code in named]
    handled_at = visit.outlet_over(command.act, parents)
    for outlet in (*parents, handled_at):
        require_permission(visit.staff, command.act, outlet)
    planned = rules.decide_openings(visit.outlets, [(p.code, p.parent) for p in command.outlets])
    for outlet in parents:
        visit.closed.require_open_day(outlet, visit.today)
    first_no = serials.draw(visit.tx, "outlet", 0, len(planned))
    numbers = {head_office.code: head_office.outlet_no}
    numbers |= {code: facts.outlet_no for code, facts in visit.outlets.items()}
    rows = []
    for number, (part, tier) in enumerate(zip(command.outlets, planned, strict=True), first_no):
        numbers[part.code] = number
        rows.append(_row(visit, part, tier, number, numbers[part.parent]))
    store.write_new_outlets(visit.writes, sorted(rows, key=lambda row: row[3]))
    new_nos = tuple(range(first_no, first_no + len(planned)))
    write_outlet_accounts(visit.writes, new_nos, visit.voucher_id)
    receipt = OutletsOpened(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        codes=tuple(part.code for part in command.outlets),
        outlet_nos=new_nos,
    )
    visit.book(command, receipt, handled_at)
    return receipt


def _row(
    visit: Visit, part: NewOutlet, tier: int, number: int, parent_no: int
) -> tuple[object, ...]:
    return (
        number, part.code, part.name, tier, parent_no, tier - 1, None, part.setting, "open",
        visit.today, None, visit.voucher_id,
    )  # fmt: skip


def rename(visit: Visit, command: RenameOutlet) -> OutletChanged:
    """Give an outlet another name."""
    outlet = _enter(visit, command)
    store.write_outlet_change(visit.writes, outlet.outlet_no, name=command.name)
    return _changed(visit, command, outlet, name=command.name, was=outlet.name)


def move(visit: Visit, command: MoveOutlet) -> OutletChanged:
    """Move a savings branch to another branch from today on; its accounts go with it.

    What was closed with the old branch stays there, so today must be open at both.
    """
    codes = [command.outlet, command.branch]
    visit.lock_to_close(*closings.steps_to_move(codes))
    outlet = _found(visit, command, codes)
    require_permission(visit.staff, command.act, store.load_head_office(visit.tx))
    branch = visit.outlet_for(command.act, command.branch)
    rules.require_movable(outlet, branch)
    for place in (outlet, branch):
        visit.closed.require_open_day(place, visit.today)
    _stay(visit, outlet, branch.outlet_no, "open" if outlet.is_open else "closed")
    was = visit.parent_code(outlet)
    store.write_outlet_change(visit.writes, outlet.outlet_no, parent_no=branch.outlet_no)
    return _changed(visit, command, outlet, parent=branch.code, was=was)


def _stay(visit: Visit, outlet: OutletFacts, parent_no: int | None, state: str) -> None:
    """Note where the outlet is from today on, and whether it is open: figures go by it."""
    newest = store.list_stays(visit.tx, outlet.outlet_no)[-1]
    stay_no, since_on = rules.decide_stay(newest.stay_no, newest.since_on, visit.today)
    stay = (outlet.outlet_no, stay_no, since_on, parent_no, state, visit.voucher_id)
    store.write_stays(visit.writes, [stay])


def close(visit: Visit, command: CloseOutlet) -> OutletChanged:
    """Close an outlet where nothing is left open."""
    visit.require_newest_rows()
    outlet = _enter(visit, command)
    visit.closed.require_open_day(outlet, visit.today)
    left = store.load_left_open(visit.tx, outlet.outlet_no)
    rules.require_closable(outlet, left)
    _stay(visit, outlet, outlet.parent_no, "closed")
    changes = {"state": "closed", "closed_on": visit.today}
    store.write_outlet_change(visit.writes, outlet.outlet_no, **changes)
    return _changed(visit, command, outlet, state="closed", reason=command.reason)


def reopen(visit: Visit, command: ReopenOutlet) -> OutletChanged:
    """Reopen a closed outlet whose parent is open."""
    outlet = _enter(visit, command)
    visit.closed.require_open_day(outlet, visit.today)
    parent_no = outlet.parent_no
    parents = store.load_outlets_by_no(visit.tx, [parent_no]) if parent_no else {}
    rules.require_reopenable(outlet, parents.get(parent_no or 0))
    _stay(visit, outlet, parent_no, "open")
    store.write_outlet_change(visit.writes, outlet.outlet_no, state="open", closed_on=None)
    return _changed(visit, command, outlet, state="open")


Changing = RenameOutlet | MoveOutlet | CloseOutlet | ReopenOutlet


def _enter(visit: Visit, command: Changing) -> OutletFacts:
    """Lock the outlet, then read it; the actor must be allowed there."""
    visit.lock((), store.ask_lock_house(), store.ask_lock_outlets([command.outlet]))
    return _found(visit, command, [command.outlet])


def _found(visit: Visit, command: Changing, codes: list[str]) -> OutletFacts:
    """The outlet that changes, once it is locked; the actor must be allowed there."""
    visit.enter(command, outlets_at=codes)
    outlet = visit.outlets.get(command.outlet)
    if outlet is None:
        raise UnknownOutlet(outlet=command.outlet)
    require_permission(visit.staff, command.act, outlet)
    return outlet


def _changed(
    visit: Visit,
    command: Changing,
    outlet: OutletFacts,
    *,
    name: str | None = None,
    parent: str | None = None,
    state: str | None = None,
    was: str | None = None,
    reason: str | None = None,
) -> OutletChanged:
    receipt = OutletChanged(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        code=outlet.code,
        name=name or outlet.name,
        parent=parent or visit.parent_code(outlet),
        state=state or ("open" if outlet.is_open else "closed"),
    )
    handled_at = visit.outlet_over(command.act, [outlet])
    visit.book(command, receipt, handled_at, reason=reason, facts={"was": was})
    return receipt
