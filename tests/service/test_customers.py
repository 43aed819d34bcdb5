"""开户到销户 in the books: once per person, one number for life."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.errors import (
    AccountClosed,
    AccountFrozen,
    AccountNotDormant,
    AccountNotEmpty,
    AlreadyRegistered,
    FourEyesRequired,
    GongyiBankError,
    IdempotencyConflict,
    InvalidValue,
    NotPermitted,
    OutletClosed,
    TransferNotAllowed,
    UnknownCustomer,
    UnknownOutlet,
    WrongTier,
)
from gongyi_bank.policies import AccountRules, PointsExpiry, TransferRules
from gongyi_bank.store import tables
from gongyi_bank.values import NEVER, Points, compose_account_no
from tests.books import books, counts, everything
from tests.district import SHANGHAI, District

NOBODY = compose_account_no(1003, 9_999_999)


def new(outlet: str = "B01S01", name: str = "张三", **fields: Any) -> NewCustomer:
    return NewCustomer(outlet=outlet, name=name, **fields)


def register(district: District, *customers: NewCustomer) -> Any:
    return district.bank.customers.register(customers=list(customers))


def stored(district: District, account: int) -> Any:
    customer = tables.customer
    with district.bank.engine.connect() as connection:
        return connection.execute(sa.select(customer).where(customer.c.account_no == account)).one()


# --- registering ---------------------------------------------------------------------------


def test_numbers_are_drawn_in_order_and_in_the_order_of_the_call(district: District) -> None:
    accounts = register(district, new(), new("B02S01"), new(), new("B02S01")).accounts
    assert accounts == tuple(
        compose_account_no(no, serial)
        for no, serial in ((1003, 1), (1005, 1), (1003, 2), (1005, 2))
    )


@pytest.mark.parametrize(
    ("first", "second"), [("E12345678", "E12345678"), ("E12345678", " e12345678 ")]
)
def test_the_same_document_is_not_registered_twice(
    district: District, first: str, second: str
) -> None:
    account = register(district, new(document_kind="passport", document_no=first)).accounts[0]
    before = everything(district.bank)
    with pytest.raises(AlreadyRegistered) as caught:
        register(district, new(), new(name="李四", document_kind="passport", document_no=second))
    assert caught.value.facts["account"] == account
    assert first not in str(caught.value)
    assert everything(district.bank) == before
    register(district, new(document_kind="other", document_no=first))


def test_one_document_twice_in_one_call_registers_nobody(district: District) -> None:
    pair = [new(document_kind="passport", document_no="E12345678") for _ in range(2)]
    with pytest.raises(AlreadyRegistered):
        register(district, *pair)
    with pytest.raises(InvalidValue):
        register(district, new(ref="C1"), new(ref="C1"))
    assert counts(district.bank)["gb_customer"] == 0


def test_a_known_reference_is_a_replay_and_with_other_content_a_conflict(
    district: District,
) -> None:
    first = register(district, new(ref="C1")).accounts[0]
    again = register(district, new(ref="C1"), new(ref="C2"))
    assert (again.accounts[0], again.replayed) == (first, (first,))
    assert again.accounts[1] != first
    before = everything(district.bank)
    for other in (
        new(ref="C1", kind="organisation"),
        new("B01S02", ref="C1"),
        new(ref="C1", registered_on=dt.date(2022, 1, 1)),
    ):
        with pytest.raises(IdempotencyConflict):
            register(district, other)
    assert everything(district.bank) == before


def test_a_reference_is_still_a_replay_after_the_customer_moved_or_left(
    district: District,
) -> None:
    account = register(district, new(ref="C1")).accounts[0]
    district.bank.customers.move(account=account, outlet="B02S01")
    assert register(district, new(ref="C1")).accounts == (account,)
    district.bank.accounts.close(account=account, reason="x")
    assert register(district, new(ref="C1")).accounts == (account,)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"outlet": "H"}, WrongTier),
        ({"outlet": "B01"}, WrongTier),
        ({"outlet": "B99"}, UnknownOutlet),
        ({"registered_on": dt.date(2022, 10, 16)}, InvalidValue),
    ],
)
def test_who_cannot_be_registered(
    district: District, fields: dict[str, Any], error: type[GongyiBankError]
) -> None:
    with pytest.raises(error):
        register(district, new(), new(**fields))
    assert counts(district.bank)["gb_customer"] == 0
    assert register(district, new(registered_on=dt.date(2022, 10, 15)))


@pytest.mark.parametrize("staff", ["K2", "T3", "T2", "AUD"])
def test_a_customer_is_registered_by_whoever_works_there(district: District, staff: str) -> None:
    with pytest.raises(NotPermitted):
        district.acting(staff).customers.register(customers=[new()])


# --- moving --------------------------------------------------------------------------------


def test_a_move_keeps_number_lines_and_hours(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    before = books(district.bank)
    moved = district.acting("T3").customers.move(account=account, outlet="B02S01")
    assert (moved.source, moved.target, moved.account) == ("B01S01", "B02S01", account)
    assert books(district.bank) == before
    assert stored(district, account).outlet_no == 1005
    assert district.serve(account, "10-03 09:00").balance == Points(2)


def test_only_the_receiving_outlet_takes_a_customer_over(district: District) -> None:
    account = district.customer()
    with pytest.raises(NotPermitted):
        district.acting("T1").customers.move(account=account, outlet="B02S01")
    for outlet, error in (("B02", WrongTier), ("B99", UnknownOutlet)):
        with pytest.raises(error):
            district.bank.customers.move(account=account, outlet=outlet)
    with pytest.raises(UnknownCustomer):
        district.bank.customers.move(account=NOBODY, outlet="B02S01")
    district.bank.staff.end(code="T3", role="teller", outlet="B02S01", reason="x")
    district.bank.outlets.close(outlet="B02S01", reason="x")
    with pytest.raises(OutletClosed):
        district.bank.customers.move(account=account, outlet="B02S01")


# --- freezing and closing ------------------------------------------------------------------


def test_a_frozen_account_earns_but_gives_nothing(district: District) -> None:
    account = district.customer()
    district.bank.accounts.freeze(account=account, reason="核查")
    assert district.serve(account, "10-03 08:00").balance == Points(1)
    for attempt in (
        lambda: district.bank.accounts.freeze(account=account, reason="x"),
        lambda: district.bank.accounts.close(
            account=account, balance_to="pool", reason="x", second_person="ADM2"
        ),
    ):
        with pytest.raises(AccountFrozen):
            attempt()
    with pytest.raises(NotPermitted):
        district.acting("T1").accounts.unfreeze(account=account, reason="x")
    assert district.acting("K1").accounts.unfreeze(account=account, reason="x").state == "active"


@pytest.mark.parametrize("balance_to", ["pool", "account"])
def test_a_balance_goes_where_the_teller_says(district: District, balance_to: str) -> None:
    account, heir = district.customer(), district.customer()
    district.serve(account, "10-03 08:00", 90)
    with pytest.raises(AccountNotEmpty, match=r"balance 1\.50"):
        district.bank.accounts.close(account=account, reason="迁出")
    target = heir if balance_to == "account" else None
    closed = district.acting("T1").accounts.close(
        account=account, balance_to=balance_to, target=target, reason="迁出", second_person="K1"
    )
    assert (closed.paid_out, closed.target) == (Points("1.50"), target)
    heads = {head["account_no"]: head for head in books(district.bank)["gb_account_head"]}
    assert heads[account]["credited"] == heads[account]["debited"] == 150
    assert heads[heir]["credited"] == (150 if target else 0)
    row = stored(district, account)
    assert (row.state, row.closed_on) == ("closed", dt.date(2022, 10, 15))


# --- 过户: a balance that goes to another account ---------------------------------------------


def closing_into(district: District, account: int, heir: int, maker: str, second: str) -> Any:
    """The account closes and its balance goes to the heir."""
    return district.acting(maker).accounts.close(
        account=account, balance_to="account", target=heir, reason="身故", second_person=second
    )


def arrivals(district: District, account: int) -> list[tuple[str, Points, dt.date | None]]:
    """The credits of an account with their kinds and last days, oldest first."""
    lines = reversed(district.bank.reports.statement(account).lines)
    return [(line.kind, line.amount, line.expires_on) for line in lines if line.amount > 0]


@pytest.mark.parametrize(
    ("maker", "second", "is_allowed"),
    [
        ("T1", "T1b", False),
        ("T1", "K1", True),
        ("K1", "K1b", True),
        ("T1", "ADM2", True),
    ],
)
def test_two_tellers_do_not_let_a_balance_change_hands(
    district: District, maker: str, second: str, is_allowed: bool
) -> None:
    account, heir = district.customer(), district.customer()
    district.serve(account, "10-03 08:00")
    before = everything(district.bank)
    if is_allowed:
        assert closing_into(district, account, heir, maker, second).paid_out == Points(1)
        assert district.bank.reports.balance(heir) == Points(1)
        return
    with pytest.raises(NotPermitted):
        closing_into(district, account, heir, maker, second)
    assert everything(district.bank) == before


def test_what_goes_back_to_the_house_or_is_nothing_takes_no_keeper(
    sqlite_district: District,
) -> None:
    one, empty, heir = (sqlite_district.customer() for _ in range(3))
    sqlite_district.serve(one, "10-03 08:00")
    given_back = sqlite_district.acting("T1").accounts.close(
        account=one, balance_to="pool", reason="迁出", second_person="T1b"
    )
    assert given_back.paid_out == Points(1)
    assert closing_into(sqlite_district, empty, heir, "T1", "T1b").paid_out == 0


def test_a_house_may_leave_it_to_the_counter(sqlite_tables_url: str) -> None:
    district = District(sqlite_tables_url, policies=(TransferRules(title_by="counter"),))
    account, heir = district.customer(), district.customer()
    district.serve(account, "10-03 08:00")
    assert closing_into(district, account, heir, "T1", "T1b").paid_out == Points(1)
    district.close()


def test_who_inherits_is_not_refused_by_the_rules_on_gifts(sqlite_tables_url: str) -> None:
    """And what came by a gift goes with the rest."""
    nobody = TransferRules(gift_count_year_max=1, receivers=("household",), may_give_on=False)
    district = District(sqlite_tables_url, policies=(nobody,))
    giver, account = district.customer(), district.customer(kind="household")
    heir = district.customer()
    district.serve(giver, "10-03 08:00")
    district.acting("T1").transfers.gift(
        account=giver, target=account, points=Points(1), outlet="B01S01"
    )
    with pytest.raises(TransferNotAllowed):
        district.acting("T1").transfers.gift(
            account=account, target=heir, points=Points(1), outlet="B01S01"
        )
    assert closing_into(district, account, heir, "T1", "K1").paid_out == Points(1)
    assert arrivals(district, heir) == [("close", Points(1), NEVER)]
    district.close()


def test_every_point_keeps_its_date_when_it_changes_hands(engine_url: str) -> None:
    """A line for each date; what is past its date expires, and no point dies before an older one.

    Whatever the rules on gifts say: who inherits does not make points live longer.
    """
    rules = PointsExpiry(mode="months", length=1), TransferRules(arrival="fresh")
    district = District(engine_url, policies=rules)
    account, heir, young = (district.customer() for _ in range(3))
    for day, minutes in (("10-15", 60), ("10-20", 120), ("10-30", 180)):
        district.clock.now = dt.datetime.fromisoformat(f"2022-{day}T12:00").replace(tzinfo=SHANGHAI)
        district.serve(account, f"{day} 08:00", minutes)
    district.clock.advance(days=19)  # 18 November: the first point is past its date
    district.serve(young, "11-18 08:00")
    assert closing_into(district, account, heir, "T1", "K1").paid_out == Points(5)
    dates = [dt.date(2022, 11, day) for day in (20, 30)]
    assert arrivals(district, heir) == [
        ("close", Points(2), dates[0]), ("close", Points(3), dates[1]),
    ]  # fmt: skip
    closing_into(district, heir, young, "T1", "K1")
    assert [until for _, _, until in arrivals(district, young)] == [dt.date(2022, 12, 18)] * 3
    assert district.bank.verify().is_clean
    district.close()


def test_points_without_a_date_get_the_one_that_was_introduced_and_keep_it(
    sqlite_tables_url: str,
) -> None:
    district = District(sqlite_tables_url)
    account, heir = district.customer(), district.customer()
    district.serve(account, "10-03 08:00")
    district.bank.policies.adopt(
        policy=PointsExpiry(mode="months", length=1), effective_on=dt.date(2022, 10, 16)
    )
    district.clock.advance(days=10)
    district.serve(account, "10-20 08:00")
    closing_into(district, account, heir, "T1", "K1")
    dates = [dt.date(2022, 11, day) for day in (16, 25)]
    assert arrivals(district, heir) == [("close", Points(1), until) for until in dates]
    assert district.bank.verify().is_clean
    district.close()


# --- what is closed stays closed -----------------------------------------------------------


def test_a_closed_account_takes_part_in_nothing(district: District) -> None:
    account, other = district.customer(), district.customer()
    district.bank.accounts.close(account=account, reason="x")
    attempts = (
        lambda: district.serve(account, "10-03 08:00"),
        lambda: district.bank.accounts.close(account=account, reason="x"),
        lambda: district.bank.accounts.freeze(account=account, reason="x"),
        lambda: district.bank.accounts.mark_dormant(account=account),
        lambda: district.bank.accounts.wake(account=account),
        lambda: district.bank.customers.move(account=account, outlet="B02S01"),
        lambda: district.bank.accounts.close(
            account=other, balance_to="account", target=account, reason="x", second_person="ADM2"
        ),
        lambda: district.acting("K1").points.grant(
            account=account, points=1, reason="x", second_person="K1b", outlet="B01"
        ),
    )
    before = everything(district.bank)
    for attempt in attempts:
        with pytest.raises(AccountClosed):
            attempt()
    assert everything(district.bank) == before


def test_waiting_hours_keep_an_account_open(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 481)
    with pytest.raises(AccountNotEmpty, match="1 waiting records"):
        district.bank.accounts.close(account=account, reason="x")
    district.acting("K1b").hours.refuse(account=account, record_no=1, reason="x")
    assert district.bank.accounts.close(account=account, reason="x").paid_out == Points(0)


# --- dormant -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("served_on", "months", "today", "is_dormant"),
    [
        ("2024-02-29", 12, "2025-02-27", False),
        ("2024-02-29", 12, "2025-02-28", True),
        ("2024-02-29", 48, "2028-02-28", False),
        ("2024-02-29", 48, "2028-02-29", True),
    ],
)
def test_dormant_from_the_very_day_that_the_months_are_over(
    sqlite_district: District, served_on: str, months: int, today: str, is_dormant: bool
) -> None:
    district = sqlite_district
    account = district.customer()
    noon = dt.time(12, tzinfo=SHANGHAI)
    district.clock.now = dt.datetime.combine(dt.date.fromisoformat(served_on), noon)
    district.bank.policies.adopt(
        policy=AccountRules(dormant_months=months),
        effective_on=dt.date.fromisoformat(served_on),
    )
    start = district.clock.now - dt.timedelta(hours=2)
    end = start + dt.timedelta(hours=1)
    district.serve(account, "10-03 08:00", started_at=start, ended_at=end)
    district.clock.now = dt.datetime.combine(dt.date.fromisoformat(today), noon)
    keeper = district.acting("K1").accounts
    if is_dormant:
        assert keeper.mark_dormant(account=account).state == "dormant"
        assert district.acting("T1").accounts.wake(account=account).state == "active"
    else:
        with pytest.raises(AccountNotDormant):
            keeper.mark_dormant(account=account)


# --- staff who are volunteers too ----------------------------------------------------------


@pytest.mark.parametrize("known_before", [True, False])
def test_nobody_approves_their_own_hours_also_when_the_account_came_later(
    district: District, known_before: bool
) -> None:
    account = district.customer()
    code = "K1b" if known_before else "K9"
    district.bank.staff.appoint(
        appointments=[
            Appointment(code=code, role="ledger_keeper", outlet="B01", own_account=account),
            Appointment(code=code, role="teller", outlet="B01S01"),
        ]
    )
    district.serve(account, "10-03 08:00", 481)
    with pytest.raises(FourEyesRequired):
        district.acting(code).hours.approve(account=account, record_no=1)
    with pytest.raises(FourEyesRequired):
        district.serve(account, "10-04 08:00", checked_by=code)


def test_an_account_that_was_woken_is_not_dormant_again_at_once(district: District) -> None:
    account = district.customer(registered_on=dt.date(2020, 1, 1))
    keeper = district.acting("K1")
    keeper.accounts.mark_dormant(account=account)
    keeper.accounts.wake(account=account)
    with pytest.raises(AccountNotDormant):
        keeper.accounts.mark_dormant(account=account)
