"""岗位与权限: every role, every act, every place; the expected table is written out here."""

from __future__ import annotations

import pytest

from gongyi_bank.errors import FourEyesRequired, GongyiBankError, NotPermitted, UnknownStaff
from gongyi_bank.rules.staff import (
    PERMISSIONS,
    ROLES,
    OutletFacts,
    RoleFacts,
    StaffFacts,
    handling_role,
    require_keeper_among,
    require_not_own,
    require_permission,
    require_second_person,
    require_stands_behind,
)

HEAD = OutletFacts(1000, "H", "总行", 1, None, True)
B1, B2 = (OutletFacts(no, f"B{no}", "分行", 2, 1000, True) for no in (1001, 1002))
S11, S12 = (OutletFacts(no, f"S{no}", "储蓄所", 3, 1001, True) for no in (1003, 1004))
S21 = OutletFacts(1005, "S1005", "储蓄所", 3, 1002, True)
PLACES = (HEAD, B1, B2, S11, S12, S21)
#: Where a role bound to an outlet reaches: itself and what lies below it, drawn by hand.
REACH = {
    HEAD: {HEAD, B1, B2, S11, S12, S21},
    B1: {B1, S11, S12},
    B2: {B2, S21},
    S11: {S11},
    S12: {S12},
    S21: {S21},
}
#: a administrator, k ledger keeper, t teller, c store clerk, s service account; nobody else.
LETTERS = {
    "a": "administrator", "k": "ledger_keeper", "t": "teller", "c": "store_clerk",
    "s": "service_account",
}  # fmt: skip
#: Who may do what, written down a second time so that no role is given an act by a slip.
WHO = {
    "aktsc": "holds.capture holds.capture_many holds.extend holds.place holds.release "
    "holds.release_many redemptions.capture redemptions.extend redemptions.redeem "
    "redemptions.redeem_many redemptions.release redemptions.reserve "
    "stores.publish_offers stores.restock stores.withdraw_offer",
    "akts": "accounts.close accounts.freeze accounts.wake customers.move customers.register "
    "hours.record hours.record_many passbooks.issue "
    "passbooks.lift_loss passbooks.reissue passbooks.renew passbooks.report_loss "
    "passbooks.spoil passbooks.update holds.lapse_overdue points.expire_due "
    "redemptions.refund stores.recruit "
    "transfers.donate transfers.gift transfers.send",
    "ak": "accounts.mark_dormant accounts.unfreeze hours.approve hours.correct hours.refuse "
    "hours.void passbooks.allot passbooks.destroy points.grant pools.close pools.open "
    "transfers.grant closings.announce closings.close closings.drain reversals.reverse_line "
    "reversals.reverse_voucher",
    "a": "outlets.close outlets.move outlets.open outlets.rename "
    "outlets.reopen passbooks.print_stock points.bring_forward policies.adopt staff.appoint "
    "staff.end stores.leave",
}
EXPECTED = {
    act: {LETTERS[letter] for letter in letters}
    for letters, acts in WHO.items()
    for act in acts.split()
}
_STORE_NO = 7
AROUND = "staff of the outlet or above"


def not_permitted(staff: str, act: str, outlet: OutletFacts, roles: str) -> NotPermitted:
    return NotPermitted(staff=staff, act=act, outlet=outlet.code, roles=roles)


def person(role: str, place: OutletFacts, no: int = 1, own: int | None = None) -> StaffFacts:
    store_no = _STORE_NO if role == "store_clerk" else None
    return StaffFacts(no, f"P{no}", own, (RoleFacts(role, place.outlet_no, place.tier, store_no),))


def test_no_act_is_without_an_expectation() -> None:
    assert set(PERMISSIONS) == set(EXPECTED)


@pytest.mark.parametrize("act", sorted(set(PERMISSIONS) & set(EXPECTED)))
def test_every_role_at_every_outlet_may_do_exactly_what_the_table_says(act: str) -> None:
    for role in ROLES:
        for own in PLACES:
            for handled_at in PLACES:
                expected = role in EXPECTED[act] and handled_at in REACH[own]
                found = person(role, own).may(act, handled_at, _STORE_NO)
                assert found is expected, (role, own.code, handled_at.code)


@pytest.mark.parametrize("role", ROLES)
def test_what_nobody_has_heard_of_nobody_may_do(role: str) -> None:
    assert not person(role, HEAD).may("accounts.erase", HEAD)
    with pytest.raises(NotPermitted) as caught:
        require_permission(person(role, HEAD), "accounts.erase", HEAD)
    assert caught.value == not_permitted("P1", "accounts.erase", HEAD, "nobody")


def test_a_role_that_allows_an_act_is_looked_for_among_known_acts_only() -> None:
    assert person("administrator", HEAD).roles_for("accounts.erase") == ()


def test_a_clerk_acts_for_the_own_store_alone() -> None:
    clerk = person("store_clerk", S11)
    act = "redemptions.redeem"
    assert [clerk.may(act, S11, no) for no in (_STORE_NO, 8, None)] == [True, False, False]
    require_permission(clerk, act, S11, _STORE_NO)
    with pytest.raises(NotPermitted) as caught:
        require_permission(clerk, act, S11, 8)
    roles = "administrator, ledger_keeper, service_account, store_clerk, teller"
    assert caught.value == not_permitted("P1", act, S11, roles)


def test_whoever_has_left_may_do_nothing() -> None:
    left = StaffFacts(1, "P1", None, ())
    assert not any(left.may(act, place) for act in PERMISSIONS for place in PLACES)
    assert not left.serves(S11)


def test_roles_add_up_but_each_only_in_its_own_place() -> None:
    both = StaffFacts(
        1, "P1", None, (RoleFacts("teller", 1003, 3), RoleFacts("ledger_keeper", 1002, 2))
    )
    assert both.may("hours.record", S11)
    assert both.may("hours.approve", S21)
    assert not both.may("hours.approve", S11)
    assert not both.may("hours.record", S12)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.code)
@pytest.mark.parametrize("own", PLACES, ids=lambda place: place.code)
def test_a_branch_covers_its_own_savings_branches_and_no_others(
    own: OutletFacts, place: OutletFacts
) -> None:
    assert place.lies_within(own.outlet_no, own.tier) is (place in REACH[own])


# --- four eyes -----------------------------------------------------------------------------

MAKER = person("ledger_keeper", B1)
UNKNOWN = UnknownStaff(staff="P2")
ALONE = FourEyesRequired(act="points.grant", staff="P1", outlet="S1003", roles="two people")
NOT_HERE = not_permitted("P2", "points.grant (复核)", S11, AROUND)


@pytest.mark.parametrize(
    ("checker", "error"),
    [
        (None, UNKNOWN),
        (StaffFacts(2, "P2", None, ()), UNKNOWN),
        (MAKER, ALONE),
        (person("administrator", HEAD, no=1), ALONE),
        (person("auditor", HEAD, no=2), NOT_HERE),
        (person("store_clerk", S11, no=2), NOT_HERE),
        (person("ledger_keeper", B2, no=2), NOT_HERE),
        (person("teller", S12, no=2), NOT_HERE),
    ],
)
def test_a_second_person_is_another_one_who_serves_there(
    checker: StaffFacts | None, error: GongyiBankError
) -> None:
    with pytest.raises(GongyiBankError) as caught:
        require_second_person("points.grant", MAKER, checker, "P2", S11)
    assert caught.value == error


@pytest.mark.parametrize(
    ("role", "place"),
    [("teller", S11), ("ledger_keeper", B1), ("administrator", HEAD), ("service_account", HEAD)],
)
def test_a_second_person_may_work_there_or_above(role: str, place: OutletFacts) -> None:
    second = person(role, place, no=2)
    assert require_second_person("points.grant", MAKER, second, "P2", S11) is second


@pytest.mark.parametrize(("own", "is_refused"), [(None, False), (5, True), (6, False)])
def test_nobody_decides_on_their_own_account(own: int | None, is_refused: bool) -> None:
    staff = person("ledger_keeper", B1, own=own)
    if is_refused:
        with pytest.raises(FourEyesRequired) as caught:
            require_not_own("hours.approve", staff, 5)
        assert caught.value.facts == {"act": "hours.approve", "staff": "P1"}
    else:
        require_not_own("hours.approve", staff, 5)


@pytest.mark.parametrize(
    ("place", "is_allowed"), [(HEAD, True), (B1, True), (B2, False), (S11, False)]
)
def test_what_a_branch_decides_takes_a_role_of_its_tier_or_above(
    place: OutletFacts, is_allowed: bool
) -> None:
    keeper = person("ledger_keeper", place)
    assert keeper.may("hours.approve", S11, tier_max=2) is is_allowed
    if not is_allowed:
        with pytest.raises(NotPermitted) as caught:
            require_permission(keeper, "hours.approve", S11, tier_max=2)
        roles = "administrator, ledger_keeper"
        assert caught.value == not_permitted("P1", "hours.approve", S11, roles)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.code)
def test_who_is_not_named_sends_for_others_only_by_office_and_only_in_its_place(
    role: str, place: OutletFacts
) -> None:
    sender = person(role, place)
    is_importer = role in ("administrator", "service_account") and S11 in REACH[place]
    assert sender.sends_for_others(S11) is is_importer
    require_stands_behind("hours.record", sender, S11, ("P1", "P2"))
    if is_importer:
        require_stands_behind("hours.record", sender, S11, ("P2", "P3"))
    else:
        with pytest.raises(NotPermitted) as caught:
            require_stands_behind("hours.record", sender, S11, ("P2", "P3"))
        roles = "the row's own recorder or checker, administrator, service_account"
        assert caught.value == not_permitted("P1", "hours.record", S11, roles)


AUDITS = RoleFacts("auditor", 1000, 1)
TELLS = RoleFacts("teller", 1003, 3)
KEEPS = RoleFacts("ledger_keeper", 1001, 2)
ELSEWHERE = RoleFacts("teller", 1005, 3)
RULES = RoleFacts("administrator", 1000, 1)


@pytest.mark.parametrize(
    ("roles", "places", "expected"),
    [
        ((AUDITS, TELLS), (), TELLS),
        ((AUDITS, TELLS), (S11,), TELLS),
        ((KEEPS, TELLS), (S11,), TELLS),
        ((TELLS, KEEPS), (S11, S12), KEEPS),
        ((TELLS, RULES), (S11, S21), RULES),
        ((TELLS, ELSEWHERE), (S11, S21), TELLS),
        ((ELSEWHERE, TELLS), (S11, S21), ELSEWHERE),
        ((AUDITS,), (S11,), None),
        ((), (), None),
    ],
)
def test_an_act_at_several_places_is_done_by_the_lowest_role_over_them_all(
    roles: tuple[RoleFacts, ...], places: tuple[OutletFacts, ...], expected: RoleFacts | None
) -> None:
    staff = StaffFacts(1, "P1", None, roles)
    assert handling_role(staff, "hours.record_many", places) is expected


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.code)
@pytest.mark.parametrize("role", ROLES)
def test_the_books_of_a_place_are_kept_by_keepers_and_administrators_over_it(
    role: str, place: OutletFacts
) -> None:
    one = StaffFacts(1, "X", None, (RoleFacts(role, place.outlet_no, place.tier),))
    nobody = StaffFacts(2, "Y", None, ())
    for outlet in PLACES:
        keeps = role in ("administrator", "ledger_keeper") and outlet in REACH[place]
        assert one.keeps_books(outlet) is keeps
        if keeps:
            require_keeper_among("accounts.close", (nobody, one), outlet)
        else:
            with pytest.raises(NotPermitted):
                require_keeper_among("accounts.close", (nobody, one), outlet)
