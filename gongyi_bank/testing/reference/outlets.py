"""网点: opening, renaming, moving, closing and reopening the outlets of the tree."""

from __future__ import annotations

from dataclasses import replace

from gongyi_bank.commands.outlets import (
    CloseOutlet,
    MoveOutlet,
    OpenOutlets,
    RenameOutlet,
    ReopenOutlet,
)
from gongyi_bank.errors import UnknownOutlet
from gongyi_bank.receipts.outlets import OutletChanged, OutletsOpened
from gongyi_bank.rules import outlets as rules
from gongyi_bank.rules.passbooks import BLANK
from gongyi_bank.rules.staff import OutletFacts, require_permission
from gongyi_bank.testing.reference.books import WAITING, Books
from gongyi_bank.testing.reference.founding import HEAD_OFFICE_NO
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.rows import Stay


def open_outlets(visit: Visit, command: OpenOutlets) -> OutletsOpened:
    """Open outlets, each under a parent that exists or stands earlier in the list."""
    parts, books = command.outlets, visit.books
    parents = {part.parent for part in parts}
    visit.enter(command, outlets_at=[*(part.code for part in parts), *parents])
    known = [outlet for code, outlet in visit.outlets.items() if code in parents]
    handled_at = visit.outlet_over(command.act, known)
    for outlet in (*known, handled_at):
        require_permission(visit.staff, command.act, outlet)
    tiers = rules.decide_openings(visit.outlets, [(part.code, part.parent) for part in parts])
    for outlet in sorted(known, key=lambda one: one.code):
        visit.closed.require_open_day(outlet, visit.today)
    first_no = books.draw("outlet", count=len(parts), first=HEAD_OFFICE_NO)
    for number, (part, tier) in enumerate(zip(parts, tiers, strict=True), first_no):
        parent = books.outlet(part.parent)
        assert parent is not None
        books.outlets[number] = OutletFacts(
            number, part.code, part.name, tier, parent.outlet_no, is_open=True
        )
        books.settings[number] = part.setting
        books.stays += (Stay(number, parent.outlet_no, visit.today),)
    receipt = OutletsOpened(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        codes=tuple(part.code for part in parts),
        outlet_nos=tuple(range(first_no, first_no + len(parts))),
    )
    visit.book(command, receipt, handled_at)
    return receipt


def rename(visit: Visit, command: RenameOutlet) -> OutletChanged:
    """Give an outlet another name."""
    outlet = _enter(visit, command)
    return _changed(visit, command, replace(outlet, name=command.name))


def move(visit: Visit, command: MoveOutlet) -> OutletChanged:
    """Move a savings branch to another branch from today on; what is closed stays where it was."""
    outlet = _enter(visit, command, command.branch)
    require_permission(visit.staff, command.act, visit.books.head_office)
    branch = visit.outlet_for(command.act, command.branch)
    rules.require_movable(outlet, branch)
    for place in (outlet, branch):
        visit.closed.require_open_day(place, visit.today)
    receipt = _changed(visit, command, replace(outlet, parent_no=branch.outlet_no))
    _stay(visit, replace(outlet, parent_no=branch.outlet_no))
    return receipt


def _stay(visit: Visit, outlet: OutletFacts) -> None:
    """From today on it is there: never before it was where it is."""
    days = [one.since_on for one in visit.books.stays if one.outlet_no == outlet.outlet_no]
    since_on = max(visit.today, *days)
    visit.books.stays += (Stay(outlet.outlet_no, outlet.parent_no, since_on, outlet.is_open),)


def close(visit: Visit, command: CloseOutlet) -> OutletChanged:
    """Close an outlet where nothing is left open."""
    outlet = _enter(visit, command)
    visit.closed.require_open_day(outlet, visit.today)
    rules.require_closable(outlet, left_open(visit.books, outlet.outlet_no))
    receipt = _changed(visit, command, replace(outlet, is_open=False), command.reason)
    visit.books.outlets_closed_on[outlet.outlet_no] = visit.today
    _stay(visit, replace(outlet, is_open=False))
    return receipt


def left_open(books: Books, here: int) -> dict[str, int]:
    """What keeps an outlet from closing, counted, without what is zero."""
    records = (record for kept in books.records.values() for record in kept)
    roles = (role for person in books.people.values() for role in person.in_force)
    counts = {
        "outlets": [one.parent_no == here and one.is_open for one in books.outlets.values()],
        "accounts": [
            one.outlet_no == here and one.state != "closed" for one in books.customers.values()
        ],
        "blank passbooks": [
            one.outlet_no == here and one.state == BLANK for one in books.passbooks.values()
        ],
        "waiting records": [one.outlet_no == here and one.state in WAITING for one in records],
        "staff roles": [role.facts.outlet_no == here for role in roles],
        "partner stores": [
            one.outlet_no == here and one.left_on is None for one in books.stores.values()
        ],
        "pools": [one.outlet_no == here and one.state == "open" for one in books.pools.values()],
    }
    return {name: sum(found) for name, found in counts.items() if any(found)}


def reopen(visit: Visit, command: ReopenOutlet) -> OutletChanged:
    """Reopen a closed outlet whose parent is open."""
    outlet = _enter(visit, command)
    visit.closed.require_open_day(outlet, visit.today)
    rules.require_reopenable(outlet, visit.books.outlets.get(outlet.parent_no or 0))
    receipt = _changed(visit, command, replace(outlet, is_open=True))
    del visit.books.outlets_closed_on[outlet.outlet_no]
    _stay(visit, replace(outlet, is_open=True))
    return receipt


Changing = RenameOutlet | MoveOutlet | CloseOutlet | ReopenOutlet


def _enter(visit: Visit, command: Changing, *more: str) -> OutletFacts:
    """The outlet that is to change; the actor must be allowed there."""
    visit.enter(command, outlets_at=[command.outlet, *more])
    outlet = visit.outlets.get(command.outlet)
    if outlet is None:
        raise UnknownOutlet(outlet=command.outlet)
    require_permission(visit.staff, command.act, outlet)
    return outlet


def _changed(
    visit: Visit, command: Changing, now: OutletFacts, reason: str | None = None
) -> OutletChanged:
    was = visit.books.outlets[now.outlet_no]
    receipt = OutletChanged(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        code=now.code,
        name=now.name,
        parent=visit.parent_code(now),
        state="open" if now.is_open else "closed",
    )
    handled_at = visit.outlet_over(command.act, [was])
    visit.books.outlets[now.outlet_no] = now
    visit.book(command, receipt, handled_at, reason=reason)
    return receipt


ACTS: Acts = {
    OpenOutlets: open_outlets,
    RenameOutlet: rename,
    MoveOutlet: move,
    CloseOutlet: close,
    ReopenOutlet: reopen,
}
