"""岗位: appointing people to roles at outlets, and ending roles."""

from __future__ import annotations

from gongyi_bank.commands.outlets import Appointment, AppointStaff, EndRole
from gongyi_bank.errors import (
    InvalidValue,
    LastAdministrator,
    UnknownCustomer,
    UnknownStaff,
    UnknownStore,
)
from gongyi_bank.receipts.outlets import RoleEnded, StaffAppointed
from gongyi_bank.rules.changes import Change, facts_of
from gongyi_bank.rules.outlets import HEAD_OFFICE, require_role_tier
from gongyi_bank.rules.staff import (
    ADMINISTRATOR,
    STORE_CLERK,
    OutletFacts,
    StaffFacts,
    require_permission,
)
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import serials
from gongyi_bank.store import staff as store
from gongyi_bank.store.closings import ask_newest_moment
from gongyi_bank.store.customers import load_stored
from gongyi_bank.store.outlets import ask_lock_house
from gongyi_bank.store.stores import load_store_numbers


def appoint(visit: Visit, command: AppointStaff) -> StaffAppointed:
    """Give people roles; what they hold already is left as it is."""
    parts = command.appointments
    visit.lock((), ask_lock_house())
    visit.enter(command, outlets_at=[p.outlet for p in parts], people=[part.code for part in parts])
    places = [visit.outlet_for(command.act, part.outlet) for part in parts]
    for part, place in zip(parts, places, strict=True):
        require_role_tier(part.role, place)
    _require_accounts(visit, [part.own_account for part in parts if part.own_account is not None])
    handled_at = visit.outlet_over(command.act, places)
    stores = load_store_numbers(visit.tx, [part.store for part in parts if part.store])
    wanted = [
        (part, place.outlet_no, _store_no(part, stores))
        for part, place in zip(parts, places, strict=True)
    ]
    fresh, changes = _add_people_and_roles(visit, wanted)
    receipt = StaffAppointed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        codes=tuple(dict.fromkeys(fresh)),
    )
    visit.book(command, receipt, handled_at, facts=facts_of(*changes))
    return receipt


def _require_accounts(visit: Visit, accounts: list[int]) -> None:
    """An own account that nobody has would keep no one from their own."""
    known = load_stored(visit.tx, accounts) if accounts else {}
    for account in accounts:
        if account not in known:
            raise UnknownCustomer(account=account)


Wanted = tuple[Appointment, int, int | None]


def _add_people_and_roles(visit: Visit, wanted: list[Wanted]) -> tuple[list[str], list[Change]]:
    """Number the new people and the new roles.

    The codes whose roles are new, and the own accounts that were noted.
    """
    numbers = {code: facts.staff_no for code, facts in visit.people.items()}
    newest = store.load_newest_role_nos(visit.tx, numbers.values()) if numbers else {}
    held = {
        (code, role.role, role.outlet_no, role.store_no)
        for code, facts in visit.people.items()
        for role in facts.roles
    }
    new_codes = list(dict.fromkeys(p.code for p, _, _ in wanted if p.code not in numbers))
    first_no = serials.draw(visit.tx, "staff", 0, len(new_codes)) if new_codes else 0
    numbers |= {code: first_no + i for i, code in enumerate(new_codes)}
    own = {part.code: part.own_account for part, _, _ in wanted if part.own_account is not None}
    people = [(numbers[code], code, own.get(code), visit.voucher_id) for code in new_codes]
    known = [
        (facts.staff_no, own[code])
        for code, facts in visit.people.items()
        if code in own and own[code] != facts.own_account_no
    ]
    store.write_own_accounts(visit.writes, known)
    before = {code: facts.own_account_no for code, facts in visit.people.items()}
    changes = [
        Change("staff", (numbers[code],), (before.get(code),), (account,))
        for code, account in own.items()
        if before.get(code) != account
    ]
    roles, fresh = [], []
    for part, outlet_no, store_no in wanted:
        key = (part.code, part.role, outlet_no, store_no)
        if key in held:
            continue
        held.add(key)
        staff_no = numbers[part.code]
        newest[staff_no] = newest.get(staff_no, 0) + 1
        role = (staff_no, newest[staff_no], part.role, outlet_no, store_no)
        roles.append((*role, visit.today, None, visit.voucher_id))
        fresh.append(part.code)
    store.write_staff(visit.writes, people, roles)
    return fresh, changes


def _store_no(part: Appointment, stores: dict[str, int]) -> int | None:
    if (part.role == STORE_CLERK) != (part.store is not None):
        raise InvalidValue.of("store", part.store, "a store clerk, and nobody else, has a store")
    if part.store is None:
        return None
    if part.store not in stores:
        raise UnknownStore(store=part.store)
    return stores[part.store]


def end_role(visit: Visit, command: EndRole) -> RoleEnded:
    """End a role; nothing that the person did changes."""
    visit.lock((), ask_lock_house())
    newest = ask_newest_moment()
    visit.enter(command, outlets_at=[command.outlet], people=[command.code], asks=[newest])
    visit.go_by(newest.answer)  # no role ends before it has begun, whatever this host's clock says
    for place in visit.outlets.values():
        require_permission(visit.staff, command.act, place)
    handled_at = visit.outlet_over(command.act, visit.outlets.values())
    require_permission(visit.staff, command.act, handled_at)
    person = visit.people.get(command.code)
    roles = store.list_roles_in_force(visit.tx, person.staff_no) if person else []
    ending = [no for no, role, at in roles if (role, at) == (command.role, command.outlet)]
    if person is None or not ending:
        raise UnknownStaff(staff=f"{command.code} ({command.role} @ {command.outlet})")
    if command.role == ADMINISTRATOR and visit.outlets[command.outlet].tier == HEAD_OFFICE:
        _require_successor(visit, person, visit.outlets[command.outlet])
    store.write_role_end(visit.writes, person.staff_no, ending[0], visit.today)
    receipt = RoleEnded(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        code=command.code,
        role=command.role,
    )
    change = Change("staff_role", (person.staff_no, ending[0]), (None,), (visit.today,))
    visit.book(command, receipt, handled_at, reason=command.reason, facts=facts_of(change))
    return receipt


def _require_successor(visit: Visit, person: StaffFacts, head_office: OutletFacts) -> None:
    """Acts on the house queue, so two administrators cannot end each other at once."""
    holders = store.list_holders(visit.tx, ADMINISTRATOR, head_office.outlet_no)
    if holders == [person.staff_no]:
        raise LastAdministrator(staff=person.code)
