"""岗位与权限: who may do which act where.

Default deny. Authority is judged by the outlet that handles, never by the account's home,
so a customer is served anywhere (通存通兑); an act outside one's subtree is refused.

The first of these that applies refuses. Every act: the key with another request, an actor who
is not in service, and then what its own rules say. Appointing: unknown or closed outlet, not
permitted, a role above the outlet's tier, an unknown account of their own, a store where none
belongs or an unknown one. Ending a role: not permitted, nobody in that role, the last
administrator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gongyi_bank.errors import FourEyesRequired, NotPermitted, UnknownStaff

ADMINISTRATOR: Final = "administrator"
LEDGER_KEEPER: Final = "ledger_keeper"
TELLER: Final = "teller"
STORE_CLERK: Final = "store_clerk"
AUDITOR: Final = "auditor"
SERVICE_ACCOUNT: Final = "service_account"
ROLES: Final = (ADMINISTRATOR, LEDGER_KEEPER, TELLER, STORE_CLERK, AUDITOR, SERVICE_ACCOUNT)

_COUNTER = frozenset({TELLER, LEDGER_KEEPER, ADMINISTRATOR, SERVICE_ACCOUNT})
_KEEPER = frozenset({LEDGER_KEEPER, ADMINISTRATOR})
_HEAD = frozenset({ADMINISTRATOR})
_STORE = _COUNTER | {STORE_CLERK}
#: Who takes over paper books, or forwards what an app collected, in the names of others.
_SENDERS = frozenset({ADMINISTRATOR, SERVICE_ACCOUNT})

#: The tiers of outlets end here: a role of any tier.
_ANY_TIER: Final = 3

#: The roles that may do each act, within the subtree of the outlet they are bound to.
PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "accounts.close": _COUNTER,
    "accounts.freeze": _COUNTER,
    "accounts.mark_dormant": _KEEPER,
    "accounts.unfreeze": _KEEPER,
    "accounts.wake": _COUNTER,
    "closings.announce": _KEEPER,
    "closings.close": _KEEPER,
    "closings.drain": _KEEPER,
    "customers.move": _COUNTER,
    "customers.register": _COUNTER,
    "holds.capture": _STORE,
    "holds.capture_many": _STORE,
    "holds.extend": _STORE,
    "holds.lapse_overdue": _COUNTER,
    "holds.place": _STORE,
    "holds.release": _STORE,
    "holds.release_many": _STORE,
    "hours.approve": _KEEPER,
    "hours.correct": _KEEPER,
    "hours.record": _COUNTER,
    "hours.record_many": _COUNTER,
    "hours.refuse": _KEEPER,
    "hours.void": _KEEPER,
    "outlets.close": _HEAD,
    "outlets.move": _HEAD,
    "outlets.open": _HEAD,
    "outlets.rename": _HEAD,
    "outlets.reopen": _HEAD,
    "passbooks.allot": _KEEPER,
    "passbooks.destroy": _KEEPER,
    "passbooks.issue": _COUNTER,
    "passbooks.lift_loss": _COUNTER,
    "passbooks.print_stock": _HEAD,
    "passbooks.reissue": _COUNTER,
    "passbooks.renew": _COUNTER,
    "passbooks.report_loss": _COUNTER,
    "passbooks.spoil": _COUNTER,
    "passbooks.update": _COUNTER,
    "pools.close": _KEEPER,
    "pools.open": _KEEPER,
    "points.bring_forward": _HEAD,
    "points.expire_due": _COUNTER,
    "points.grant": _KEEPER,
    "policies.adopt": _HEAD,
    "redemptions.capture": _STORE,
    "redemptions.extend": _STORE,
    "redemptions.redeem": _STORE,
    "redemptions.redeem_many": _STORE,
    "redemptions.refund": _COUNTER,
    "redemptions.release": _STORE,
    "redemptions.reserve": _STORE,
    "reversals.reverse_line": _KEEPER,
    "reversals.reverse_voucher": _KEEPER,
    "staff.appoint": _HEAD,
    "staff.end": _HEAD,
    "stores.leave": _HEAD,
    "stores.publish_offers": _STORE,
    "stores.recruit": _COUNTER,
    "stores.restock": _STORE,
    "stores.withdraw_offer": _STORE,
    "transfers.donate": _COUNTER,
    "transfers.gift": _COUNTER,
    "transfers.grant": _KEEPER,
    "transfers.send": _COUNTER,
}


@dataclass(frozen=True, slots=True)
class OutletFacts:
    """An outlet as authority sees it: its place in the tree."""

    outlet_no: int
    code: str
    name: str
    #: 1 head office, 2 branch, 3 savings branch.
    tier: int
    parent_no: int | None
    is_open: bool

    def lies_within(self, other_no: int, other_tier: int) -> bool:
        """Whether this outlet is that one or below it."""
        return other_tier == 1 or other_no in (self.outlet_no, self.parent_no)


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A role in force and the outlet (and store) it is bound to."""

    role: str
    outlet_no: int
    tier: int
    store_no: int | None = None


@dataclass(frozen=True, slots=True)
class StaffFacts:
    """A staff member with the roles in force."""

    staff_no: int
    code: str
    own_account_no: int | None
    roles: tuple[RoleFacts, ...] = field(default=())

    def may(
        self,
        act: str,
        outlet: OutletFacts,
        store_no: int | None = None,
        tier_max: int = _ANY_TIER,
    ) -> bool:
        """Whether one of the roles allows the act at this outlet (and store).

        `tier_max`: 2 leaves out the roles bound to a savings branch.
        """
        allowed = PERMISSIONS.get(act, frozenset())
        return any(
            role.role in allowed
            and role.tier <= tier_max
            and outlet.lies_within(role.outlet_no, role.tier)
            and (role.store_no is None or role.store_no == store_no)
            for role in self.roles
        )

    def roles_for(self, act: str) -> tuple[RoleFacts, ...]:
        """The roles that allow the act somewhere, in the order in which they were given."""
        allowed = PERMISSIONS.get(act, frozenset())
        return tuple(role for role in self.roles if role.role in allowed)

    def sends_for_others(self, outlet: OutletFacts) -> bool:
        """Whether they bring in what others did there: by administration or by a service."""
        return any(
            role.role in _SENDERS and outlet.lies_within(role.outlet_no, role.tier)
            for role in self.roles
        )

    def serves(self, outlet: OutletFacts) -> bool:
        """Whether they work at this outlet or above it, in any role that handles service."""
        return any(
            role.role in _COUNTER and outlet.lies_within(role.outlet_no, role.tier)
            for role in self.roles
        )

    def keeps_books(self, outlet: OutletFacts) -> bool:
        """Whether they answer for the books there: a ledger keeper over it, or an administrator."""
        return any(
            role.role in _KEEPER and outlet.lies_within(role.outlet_no, role.tier)
            for role in self.roles
        )


def require_permission(
    staff: StaffFacts,
    act: str,
    outlet: OutletFacts,
    store_no: int | None = None,
    tier_max: int = _ANY_TIER,
) -> None:
    """Raise NotPermitted unless the act is allowed there, by a role of this tier or above."""
    if not staff.may(act, outlet, store_no, tier_max):
        roles = ", ".join(sorted(PERMISSIONS.get(act, frozenset()))) or "nobody"
        raise NotPermitted(staff=staff.code, act=act, outlet=outlet.code, roles=roles)


def require_second_person(
    act: str, maker: StaffFacts, checker: StaffFacts | None, code: str, outlet: OutletFacts
) -> StaffFacts:
    """The checker: another person, known, with a role that covers the outlet."""
    if checker is None or not checker.roles:
        raise UnknownStaff(staff=code)
    if checker.staff_no == maker.staff_no:
        raise FourEyesRequired(act=act, staff=maker.code, outlet=outlet.code, roles="two people")
    if not checker.serves(outlet):
        raise NotPermitted(
            staff=code,
            act=f"{act} (复核)",
            outlet=outlet.code,
            roles="staff of the outlet or above",
        )
    return checker


def require_keeper_among(act: str, people: Sequence[StaffFacts], outlet: OutletFacts) -> None:
    """Raise NotPermitted, for the first of these people, unless one of them keeps the books."""
    if not any(person.keeps_books(outlet) for person in people):
        roles = ", ".join(sorted(_KEEPER))
        raise NotPermitted(staff=people[0].code, act=act, outlet=outlet.code, roles=roles)


def require_stands_behind(
    act: str, staff: StaffFacts, outlet: OutletFacts, named: Iterable[str]
) -> None:
    """Raise NotPermitted unless the staff member is one of those named, or sends for others."""
    if staff.code not in named and not staff.sends_for_others(outlet):
        roles = "the row's own recorder or checker, administrator, service_account"
        raise NotPermitted(staff=staff.code, act=act, outlet=outlet.code, roles=roles)


def handling_role(staff: StaffFacts, act: str, outlets: Iterable[OutletFacts]) -> RoleFacts | None:
    """The role by which one person acts at several outlets: the lowest that covers them all.

    Where each is covered by another role, the first that allows the act; None without any.
    """
    places = tuple(outlets)
    roles = staff.roles_for(act)
    covering = [
        role
        for role in roles
        if all(place.lies_within(role.outlet_no, role.tier) for place in places)
    ]
    if covering:
        return max(covering, key=lambda role: role.tier)
    return roles[0] if roles else None


def require_not_own(act: str, staff: StaffFacts, account_no: int) -> None:
    """Nobody decides on their own hours or points."""
    if staff.own_account_no == account_no:
        raise FourEyesRequired(act=act, staff=staff.code)
