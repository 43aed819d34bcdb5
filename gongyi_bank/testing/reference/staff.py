"""岗位 and 规则: appointing people, ending roles, and adopting policies."""

from __future__ import annotations

from gongyi_bank.commands.outlets import AdoptPolicy, Appointment, AppointStaff, EndRole
from gongyi_bank.errors import (
    InvalidValue,
    LastAdministrator,
    PolicyNotLater,
    UnknownCustomer,
    UnknownStaff,
    UnknownStore,
)
from gongyi_bank.policies import HourLimits, Tariff
from gongyi_bank.receipts.outlets import PolicyAdopted, RoleEnded, StaffAppointed
from gongyi_bank.rules.outlets import HEAD_OFFICE, require_role_tier
from gongyi_bank.rules.policies import require_undecided
from gongyi_bank.rules.staff import (
    ADMINISTRATOR,
    STORE_CLERK,
    OutletFacts,
    RoleFacts,
    require_permission,
)
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.rows import Person, Role

#: Policies that are looked up by the day of service, which may lie in the past.
_BY_SERVICE_DAY = (Tariff.kind, HourLimits.kind)


def appoint(visit: Visit, command: AppointStaff) -> StaffAppointed:
    """Give people roles; what they hold already is left as it is."""
    parts = command.appointments
    visit.enter(command, outlets_at=[part.outlet for part in parts])
    places = [visit.outlet_for(command.act, part.outlet) for part in parts]
    for part, place in zip(parts, places, strict=True):
        require_role_tier(part.role, place)
    for part in parts:
        if part.own_account is not None and part.own_account not in visit.books.customers:
            raise UnknownCustomer(account=part.own_account)
    handled_at = visit.outlet_over(command.act, places)
    wanted = [
        (part, RoleFacts(part.role, place.outlet_no, place.tier, _store_no(visit, part)))
        for part, place in zip(parts, places, strict=True)
    ]
    own = {part.code: part.own_account for part in parts if part.own_account is not None}
    fresh = [part.code for part, role in wanted if _give(visit, part.code, role)]
    for code, account_no in own.items():
        known = visit.books.people[code]
        visit.books.people[code] = known._replace(own_account_no=account_no)
    receipt = StaffAppointed(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        codes=tuple(dict.fromkeys(fresh)),
    )
    visit.book(command, receipt, handled_at)
    return receipt


def _store_no(visit: Visit, part: Appointment) -> int | None:
    if (part.role == STORE_CLERK) != (part.store is not None):
        raise InvalidValue.of("store", part.store, "a store clerk, and nobody else, has a store")
    if part.store is None:
        return None
    if part.store not in visit.books.stores:
        raise UnknownStore(store=part.store)
    return visit.books.stores[part.store].store_no


def _give(visit: Visit, code: str, role: RoleFacts) -> bool:
    """Give somebody a role; False if they have it already."""
    people = visit.books.people
    if code not in people:
        people[code] = Person(visit.books.draw("staff"), code, None)
    person = people[code]
    if role in [held.facts for held in person.in_force]:
        return False
    given = Role(len(person.roles) + 1, role, visit.today)
    people[code] = person._replace(roles=(*person.roles, given))
    return True


def end_role(visit: Visit, command: EndRole) -> RoleEnded:
    """End a role; nothing that the person did changes."""
    visit.enter(command, outlets_at=[command.outlet])
    visit.go_by_newest()
    for place in visit.outlets.values():
        require_permission(visit.staff, command.act, place)
    handled_at = visit.outlet_over(command.act, visit.outlets.values())
    require_permission(visit.staff, command.act, handled_at)
    at, person = visit.outlets.get(command.outlet), visit.books.people.get(command.code)
    ending = [
        role
        for role in (person.in_force if person else ())
        if at is not None
        and (role.facts.role, role.facts.outlet_no) == (command.role, at.outlet_no)
    ]
    if person is None or at is None or not ending:
        raise UnknownStaff(staff=f"{command.code} ({command.role} @ {command.outlet})")
    if command.role == ADMINISTRATOR and at.tier == HEAD_OFFICE:
        _require_successor(visit, person, at)
    visit.books.people[command.code] = person._replace(
        roles=tuple(
            role._replace(ended_on=visit.today) if role is ending[0] else role
            for role in person.roles
        )
    )
    receipt = RoleEnded(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        code=command.code,
        role=command.role,
    )
    visit.book(command, receipt, handled_at, reason=command.reason)
    return receipt


def _require_successor(visit: Visit, person: Person, head_office: OutletFacts) -> None:
    holders = [
        other.staff_no
        for other in visit.books.people.values()
        for role in other.in_force
        if (role.facts.role, role.facts.outlet_no) == (ADMINISTRATOR, head_office.outlet_no)
    ]
    if holders == [person.staff_no]:
        raise LastAdministrator(staff=person.code)


def adopt(visit: Visit, command: AdoptPolicy) -> PolicyAdopted:
    """Adopt a policy; the newest of its kind must begin on an earlier day."""
    books = visit.books
    visit.enter(command)
    visit.go_by_newest()
    require_permission(visit.staff, command.act, books.head_office)
    kind = command.policy.kind
    newest_on = visit.policies.newest_on(kind)
    if newest_on is not None and command.effective_on <= newest_on:
        raise PolicyNotLater(kind=kind, effective_on=command.effective_on, newest_on=newest_on)
    records = (record for kept in books.records.values() for record in kept)
    served = [record.service_on for record in records if record.kind == "service"]
    decided_on = max(served, default=None) if kind in _BY_SERVICE_DAY else None
    require_undecided(kind, command.effective_on, visit.today, decided_on)
    policy_id = books.draw("policy")
    books.policies += ((policy_id, command.effective_on, command.policy),)
    receipt = PolicyAdopted(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        kind=kind,
        policy_id=policy_id,
        effective_on=command.effective_on,
    )
    visit.book(command, receipt, books.head_office)
    return receipt


ACTS: Acts = {AppointStaff: appoint, EndRole: end_role, AdoptPolicy: adopt}
