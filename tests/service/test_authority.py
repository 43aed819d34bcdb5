"""Authority: who stands behind a row, who may move a balance, and where the house is ruled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    FourEyesRequired,
    GongyiBankError,
    IdempotencyConflict,
    InvalidValue,
    LastAdministrator,
    NotPermitted,
    StoreClosed,
    UnknownCustomer,
    UnknownStaff,
    WrongTier,
)
from gongyi_bank.policies import HourLimits
from gongyi_bank.rules.staff import ADMINISTRATOR, LEDGER_KEEPER, PERMISSIONS
from gongyi_bank.store.tables import outlet, staff, staff_role, voucher
from gongyi_bank.values import Points, compose_account_no
from tests.district import District, at


def appoint(district: District, code: str, role: str, outlet: str, **fields: Any) -> None:
    new = Appointment(code=code, role=role, outlet=outlet, **fields)
    district.bank.staff.appoint(appointments=[new])


def own_account(district: District, staff: str, role: str, outlet: str) -> int:
    """A new account that is the staff member's own."""
    account = district.customer()
    appoint(district, staff, role, outlet, own_account=account)
    return account


# --- who stands behind a row of hours -------------------------------------------------------


def error_of_row(district: District, staff: str, account: int, **fields: Any) -> Any:
    row = district.row(account, "10-03 08:00", **fields)
    return district.acting(staff).hours.record_many(rows=[row]).outcomes[0].error


def test_nobody_records_for_their_own_account_whoever_is_named(district: District) -> None:
    own = own_account(district, "T1", "teller", "B01S01")
    error = error_of_row(district, "T1", own, recorded_by="T1b", checked_by="K1")
    assert isinstance(error, FourEyesRequired)
    assert district.bank.reports.balance(own) == Points(0)


def test_not_even_an_importer_records_for_their_own_account(sqlite_district: District) -> None:
    own = own_account(sqlite_district, "admin", "administrator", "H")
    assert isinstance(error_of_row(sqlite_district, "admin", own), FourEyesRequired)


@pytest.mark.parametrize(
    ("sender", "recorded_by", "checked_by", "expected"),
    [
        ("T1", "T1", "K1", None),
        ("K1", "T1", "K1", None),
        ("T1b", "T1", "K1", NotPermitted),
        ("K1b", "T1", "K1", NotPermitted),
        ("admin", "T1", "K1", None),
        ("APP", "T1", "K1", None),
    ],
)
def test_a_row_is_sent_by_its_recorder_or_checker_or_by_an_importer(
    sqlite_district: District,
    sender: str,
    recorded_by: str,
    checked_by: str,
    expected: type[GongyiBankError] | None,
) -> None:
    appoint(sqlite_district, "APP", "service_account", "H")
    account = sqlite_district.customer()
    error = error_of_row(
        sqlite_district, sender, account, recorded_by=recorded_by, checked_by=checked_by
    )
    assert (error and type(error)) is expected


def test_an_importer_of_one_branch_sends_nothing_for_others_elsewhere(
    sqlite_district: District,
) -> None:
    """Their other role lets them act there, but not in the names of others."""
    appoint(sqlite_district, "BOTH", "service_account", "B02")
    appoint(sqlite_district, "BOTH", "teller", "B01S01")
    account = sqlite_district.customer()
    assert isinstance(error_of_row(sqlite_district, "BOTH", account), NotPermitted)


@pytest.mark.parametrize("verb", ["approve", "refuse"])
def test_whoever_sent_a_record_does_not_decide_on_it(district: District, verb: str) -> None:
    account = district.customer()
    row = district.row(account, "10-03 08:00", 700)
    assert district.bank.hours.record_many(rows=[row]).outcomes[0].outcome == "waiting_branch"
    reason = {"reason": "不实"} if verb == "refuse" else {}
    with pytest.raises(FourEyesRequired):
        getattr(district.bank.hours, verb)(account=account, record_no=1, **reason)
    decided = getattr(district.acting("ADM2").hours, verb)(account=account, record_no=1, **reason)
    assert decided.state == ("credited" if verb == "approve" else "refused")


def test_nobody_corrects_hours_of_their_own(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    appoint(district, "K1b", "ledger_keeper", "B01", own_account=account)
    with pytest.raises((FourEyesRequired, NotPermitted)):
        district.acting("K1b").hours.correct(
            account=account, record_no=1, reason="x", category="sanitation",
            started_at=at("10-03 08:00"), ended_at=at("10-03 12:00"),
            recorded_by="T1", checked_by="K1",
        )  # fmt: skip
    with pytest.raises(FourEyesRequired):
        district.acting("K1b").hours.correct(
            account=account, record_no=1, reason="x", category="sanitation",
            started_at=at("10-03 08:00"), ended_at=at("10-03 12:00"),
            recorded_by="K1b", checked_by="K1",
        )  # fmt: skip


def test_what_waits_for_the_branch_is_not_decided_by_a_savings_branch(district: District) -> None:
    """A keeper bound to a savings branch is in books that are older than the rule."""
    account = district.customer()
    assert district.serve(account, "10-03 08:00", 700).state == "waiting_branch"
    appoint(district, "KS", "teller", "B01S01")
    with district.bank.engine.begin() as connection:
        old = staff_role.update().where(staff_role.c.role == "teller")
        number = sa.select(staff.c.staff_no).where(staff.c.code == "KS").scalar_subquery()
        connection.execute(old.where(staff_role.c.staff_no == number).values(role="ledger_keeper"))
    for verb, more in (("approve", {}), ("refuse", {"reason": "x"})):
        with pytest.raises(NotPermitted):
            getattr(district.acting("KS").hours, verb)(account=account, record_no=1, **more)
    assert district.acting("K1b").hours.approve(account=account, record_no=1).state == "credited"


# --- who moves a balance at closing ---------------------------------------------------------


def test_nobody_closes_an_account_into_their_own(district: District) -> None:
    own = own_account(district, "T1", "teller", "B01S01")
    account = district.customer()
    district.serve(account, "10-03 08:00")
    closing = {"account": account, "balance_to": "account", "target": own, "reason": "x"}
    with pytest.raises(FourEyesRequired):
        district.acting("T1").accounts.close(**closing, second_person="K1")
    with pytest.raises(FourEyesRequired):
        district.acting("T1b").accounts.close(**closing, second_person="T1")
    assert district.bank.reports.balance(own) == Points(0)


def test_nobody_closes_their_own_account(district: District) -> None:
    own = own_account(district, "T1", "teller", "B01S01")
    with pytest.raises(FourEyesRequired):
        district.acting("T1").accounts.close(account=own, reason="x")


@pytest.mark.parametrize("balance_to", ["pool", "account"])
def test_a_balance_leaves_only_with_a_second_person(district: District, balance_to: str) -> None:
    account, other = district.customer(), district.customer()
    district.serve(account, "10-03 08:00")
    closing = {
        "account": account, "balance_to": balance_to, "reason": "x",
        "target": other if balance_to == "account" else None,
    }  # fmt: skip
    teller = district.acting("T1")
    with pytest.raises(InvalidValue) as caught:
        teller.accounts.close(**closing)
    assert caught.value.facts["field"] == "second_person"
    with pytest.raises(FourEyesRequired):
        teller.accounts.close(**closing, second_person="T1")
    with pytest.raises(NotPermitted):
        teller.accounts.close(**closing, second_person="K2")
    assert teller.accounts.close(**closing, second_person="K1").paid_out == Points(1)


def test_an_empty_account_is_closed_by_one_person(district: District) -> None:
    account = district.customer()
    assert district.acting("T1").accounts.close(account=account, reason="x").paid_out == Points(0)


# --- where the house is ruled ---------------------------------------------------------------

#: Acts on the house by K1 of B01, whose role the test makes an administrator's.
HOUSE: dict[str, Callable[[District, str], object]] = {
    "open": lambda d, at_: d.acting("K1").outlets.open(
        outlets=[NewOutlet(code="N1", name="新所", parent=at_)]
    ),
    "rename": lambda d, at_: d.acting("K1").outlets.rename(outlet=at_, name="新名"),
    "appoint": lambda d, at_: d.acting("K1").staff.appoint(
        appointments=[Appointment(code="N", role="teller", outlet=at_)]
    ),
}


@pytest.fixture
def branch_ruler(district: District, monkeypatch: pytest.MonkeyPatch) -> District:
    """K1 of B01 with an administrator's permissions: a role from books older than the rule."""
    for act, roles in PERMISSIONS.items():
        if roles == frozenset({ADMINISTRATOR}):
            monkeypatch.setitem(PERMISSIONS, act, roles | {LEDGER_KEEPER})
    return district


@pytest.mark.parametrize("verb", HOUSE)
def test_an_act_on_the_house_is_judged_at_the_outlet_it_concerns(
    branch_ruler: District, verb: str
) -> None:
    for elsewhere in ("H", "B02"):
        with pytest.raises(NotPermitted):
            HOUSE[verb](branch_ruler, elsewhere)
    HOUSE[verb](branch_ruler, "B01")


def test_an_outlet_is_closed_and_reopened_from_above_it_and_moved_by_the_head_office(
    branch_ruler: District,
) -> None:
    keeper = branch_ruler.acting("K1").outlets
    with pytest.raises(NotPermitted):
        keeper.close(outlet="B02S02", reason="x")
    branch_ruler.bank.outlets.close(outlet="B02S02", reason="x")
    with pytest.raises(NotPermitted):
        keeper.reopen(outlet="B02S02")
    for code, branch in (("B02S01", "B01"), ("B01S01", "B02")):
        with pytest.raises(NotPermitted):
            keeper.move(outlet=code, branch=branch)
    branch_ruler.bank.outlets.move(outlet="B02S01", branch="B01")


def test_the_rules_and_blank_books_of_the_bank_are_the_head_offices(branch_ruler: District) -> None:
    with pytest.raises(NotPermitted):
        branch_ruler.acting("K1").policies.adopt(
            policy=HourLimits(), effective_on=dt.date(2023, 1, 1)
        )
    with pytest.raises(NotPermitted):
        branch_ruler.acting("K1").passbooks.print_stock(count=1)


def test_a_branch_ends_no_role_of_another_outlet(branch_ruler: District) -> None:
    with pytest.raises(NotPermitted):
        branch_ruler.acting("K1").staff.end(
            code="ADM2", role="administrator", outlet="H", reason="x"
        )
    branch_ruler.acting("K1").staff.end(code="T2", role="teller", outlet="B01S02", reason="x")


def test_points_are_brought_forward_where_the_customer_is_at_home(branch_ruler: District) -> None:
    home, other = branch_ruler.customer("B01S02"), branch_ruler.customer("B02S01")
    rows = [
        OpeningRow(account=account, minutes=0, points=Points(5), as_of=dt.date(2022, 9, 30))
        for account in (other, home)
    ]
    refused, taken = branch_ruler.acting("K1").points.bring_forward(rows=rows).outcomes
    assert isinstance(refused.error, NotPermitted)
    assert taken.outcome == "credited"
    assert branch_ruler.bank.reports.balance(other) == Points(0)


def test_nobody_brings_points_forward_to_their_own_account(district: District) -> None:
    own = own_account(district, "admin", "administrator", "H")
    row = OpeningRow(account=own, minutes=0, points=Points(5), as_of=dt.date(2022, 9, 30))
    outcome = district.bank.points.bring_forward(rows=[row]).outcomes[0]
    assert isinstance(outcome.error, FourEyesRequired)


@pytest.mark.parametrize(
    ("role", "tiers"),
    [
        ("administrator", "H"),
        ("ledger_keeper", "H B01"),
        ("teller", "H B01 B01S01"),
        ("auditor", "H B01 B01S01"),
        ("service_account", "H B01 B01S01"),
    ],
)
def test_a_role_is_bound_to_an_outlet_of_its_tier(
    sqlite_district: District, role: str, tiers: str
) -> None:
    for code in ("H", "B01", "B01S01"):
        if code in tiers.split():
            appoint(sqlite_district, "N", role, code)
        else:
            with pytest.raises(WrongTier):
                appoint(sqlite_district, "N", role, code)


def test_the_last_administrator_stays(district: District) -> None:
    def end(code: str) -> None:
        district.acting("ADM2").staff.end(code=code, role="administrator", outlet="H", reason="x")

    end("admin")
    with pytest.raises(LastAdministrator):
        end("ADM2")
    district.acting("ADM2").staff.appoint(
        appointments=[Appointment(code="ADM3", role="administrator", outlet="H")]
    )
    end("ADM2")


def test_two_administrators_who_end_each_other_at_once_leave_one(district: District) -> None:
    def end(actor: str, code: str) -> type[object]:
        try:
            staff_desk = district.acting(actor).staff
            staff_desk.end(code=code, role="administrator", outlet="H", reason="x")
        except GongyiBankError as error:
            return type(error)
        return type(None)

    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(end, *pair) for pair in (("admin", "ADM2"), ("ADM2", "admin"))]
        results = {done.result() for done in ends}
    assert results == {type(None), UnknownStaff}


# --- a repeated registration ----------------------------------------------------------------


def person(document_no: str | None, **fields: Any) -> NewCustomer:
    shown = {"document_kind": "passport", "document_no": document_no} if document_no else {}
    return NewCustomer(outlet="B01S01", name="张三", **shown, **fields)


@pytest.mark.parametrize("first", ["E12345678", None])
@pytest.mark.parametrize("second", ["E99999999", None])
@pytest.mark.parametrize("by", ["key", "ref"])
def test_a_repeated_registration_answers_only_for_the_same_document(
    district: District, by: str, first: str | None, second: str | None
) -> None:
    key = {"idempotency_key": "k"} if by == "key" else {}
    ref = {"ref": "C1"} if by == "ref" else {}
    register = district.acting("T1").customers.register
    accounts = register(customers=[person(first, **ref)], **key).accounts
    assert register(customers=[person(first, **ref)], **key).accounts == accounts
    if first == second:
        return
    with pytest.raises(IdempotencyConflict):
        register(customers=[person(second, **ref)], **key)


def test_documents_that_change_places_are_another_request(sqlite_district: District) -> None:
    one, two = person("E12345678"), person("E99999999")
    register = sqlite_district.acting("T1").customers.register
    register(customers=[one, two], idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        register(customers=[two, one], idempotency_key="k")


# --- a store that left ----------------------------------------------------------------------


def test_nobody_backdates_a_redemption_at_a_store_that_left(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 300)
    store = NewStore(code="P1", name="超市", kind="community_store", recruited_by="B01S01")
    offer = NewOffer(store="P1", sku="S", name="米", points=Points(1), stock=9)
    district.bank.stores.recruit(stores=[store])
    district.bank.stores.publish_offers(offers=[offer])
    appoint(district, "C", "store_clerk", "B01S01", store="P1")
    day = district.clock.now.date()
    district.clock.advance(days=5)
    given = {"account": account, "store": "P1", "sku": "S", "redeemed_on": day}
    district.acting("C").redemptions.redeem(**given)
    district.bank.stores.leave(store="P1", reason="x")
    for code in ("C", "T1", "K1"):
        with pytest.raises(StoreClosed):
            district.acting(code).redemptions.redeem(**given)
    district.bank.redemptions.redeem(**given)  # an importer sends what was redeemed before


# --- registering and appointing -------------------------------------------------------------


def test_only_who_takes_books_over_registers_in_the_past(sqlite_district: District) -> None:
    district = sqlite_district
    appoint(district, "APP", "service_account", "B01")
    today = district.clock.now.date()
    late = person(None, registered_on=today - dt.timedelta(days=1))
    for code in ("T1", "K1"):
        with pytest.raises(InvalidValue) as caught:
            district.acting(code).customers.register(customers=[late])
        assert caught.value.facts["field"] == "registered_on"
    district.acting("T1").customers.register(customers=[person(None, registered_on=today)])
    for code in ("admin", "APP"):
        district.acting(code).customers.register(customers=[late])


def test_an_own_account_is_one_in_the_books(district: District) -> None:
    with pytest.raises(UnknownCustomer):
        appoint(district, "Z", "teller", "B01S01", own_account=compose_account_no(9999, 5))


# --- where a bulk act is booked -------------------------------------------------------------


def booked_at(district: District, voucher_id: UUID | None) -> str:
    """The code of the outlet on a voucher."""
    assert voucher_id is not None
    columns = voucher.join(
        outlet,
        sa.and_(outlet.c.bank_id == voucher.c.bank_id, outlet.c.outlet_no == voucher.c.outlet_no),
    )
    wanted = sa.select(outlet.c.code).select_from(columns)
    with district.bank.engine.connect() as connection:
        code: str = connection.scalar(wanted.where(voucher.c.voucher_id == voucher_id.bytes))
    return code


@pytest.fixture
def auditing_teller(district: District) -> District:
    """M audits the head office and serves at the counters of B01S01 and, as a keeper, B01."""
    appoint(district, "M", "auditor", "H")
    appoint(district, "M", "teller", "B01S01")
    appoint(district, "M", "ledger_keeper", "B01")
    return district


@pytest.mark.parametrize(
    ("outlets", "expected"),
    [(["B01S01"], "B01S01"), (["B01S02"], "B01S02"), (["B01S01", "B01S02"], "B01")],
)
def test_bulk_rows_are_booked_at_their_outlet_or_at_the_one_over_them(
    auditing_teller: District, outlets: list[str], expected: str
) -> None:
    district = auditing_teller
    account = district.customer()
    rows = [
        district.row(account, f"10-0{day} 08:00", outlet=code, recorded_by="M")
        for day, code in enumerate(outlets, 3)
    ]
    receipt = district.acting("M").hours.record_many(rows=rows)
    assert [outcome.error for outcome in receipt.outcomes] == [None] * len(rows)
    assert booked_at(district, receipt.voucher_id) == expected


def test_refused_rows_have_no_say_in_where_a_list_is_booked(district: District) -> None:
    account = district.customer()
    rows = [
        district.row(account, "10-03 08:00", outlet="B01S02", recorded_by="K1b"),
        district.row(account, "10-03 08:00", outlet="B01S01", recorded_by="K1b"),
    ]
    receipt = district.acting("K1b").hours.record_many(rows=rows)
    assert [outcome.outcome for outcome in receipt.outcomes] == ["credited", "refused"]
    assert booked_at(district, receipt.voucher_id) == "B01S02"


def test_two_counters_under_no_common_role_are_booked_at_the_first(district: District) -> None:
    appoint(district, "N", "teller", "B01S01")
    appoint(district, "N", "teller", "B02S01")
    receipt = district.acting("N").customers.register(
        customers=[NewCustomer(outlet=code, name="张三") for code in ("B01S01", "B02S01")]
    )
    assert booked_at(district, receipt.voucher_id) == "B01S01"


def test_other_lists_are_booked_likewise(auditing_teller: District) -> None:
    district, codes = auditing_teller, ("B01S01", "B01S02")
    m = district.acting("M")
    accounts = m.customers.register(
        customers=[NewCustomer(outlet=code, name="张三") for code in codes]
    )
    stores = m.stores.recruit(
        stores=[
            NewStore(code=f"P{code}", name="店", kind="community_store", recruited_by=code)
            for code in codes
        ]
    )
    m.stores.publish_offers(
        offers=[
            NewOffer(store=f"P{code}", sku="S", name="米", points=Points(1), stock=9)
            for code in codes
        ]
    )
    brought = district.bank.points.bring_forward(
        rows=[
            OpeningRow(account=account, minutes=0, points=Points(5), as_of=dt.date(2022, 9, 30))
            for account in accounts.accounts[1:]
        ]
    )
    redeemed = m.redemptions.redeem_many(
        rows=[
            RedemptionRow(account=accounts.accounts[1], store=f"P{code}", sku="S") for code in codes
        ]
    )
    receipts = (accounts, stores, brought, redeemed)
    booked = [booked_at(district, receipt.voucher_id) for receipt in receipts]
    assert booked == ["B01", "B01", "B01S02", "B01"]


def test_an_act_without_a_place_is_done_where_the_role_for_it_is(district: District) -> None:
    appoint(district, "N", "auditor", "H")
    appoint(district, "N", "teller", "B01S01")
    account = district.customer()
    assert district.acting("N").accounts.freeze(account=account, reason="x").state == "frozen"


def test_in_a_list_a_row_of_a_foreign_outlet_is_refused_by_itself(district: District) -> None:
    account = district.customer()
    rows = [
        district.row(account, "10-03 08:00"),
        district.row(account, "10-04 08:00", outlet="B02S01", recorded_by="T3", checked_by="K2"),
    ]
    own, foreign = district.acting("T1").hours.record_many(rows=rows).outcomes
    assert own.outcome == "credited"
    assert isinstance(foreign.error, NotPermitted)
