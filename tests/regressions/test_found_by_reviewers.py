"""Found by a reviewer who tried to refute that the ledger was done, by hand-written scripts."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    DatabaseUnreachable,
    DayClosed,
    EngineSettingsUnsafe,
    HoldLapsed,
    TransactionEnded,
)
from gongyi_bank.values import Points
from tests.district import SHANGHAI, District

DAY = dt.date(2022, 10, 14)


def a_store(district: District) -> None:
    store = NewStore(
        code="P01", name="店", kind="community_store", recruited_by="B01S01",
        joined_on=dt.date(2022, 1, 1),
    )  # fmt: skip
    district.bank.stores.recruit(stores=[store])
    offer = NewOffer(store="P01", sku="SOAP", name="皂", points=Points(1), stock=10)
    district.bank.stores.publish_offers(offers=[offer])


@pytest.fixture
def account(district: District) -> int:
    """A customer with twenty points, and a store."""
    number = district.customer()
    a_store(district)
    grant(district.acting("K1"), number, 20)
    return number


def grant(bank: Bank, account: int, points: int) -> None:
    bank.points.grant(
        account=account, points=Points(points), reason="补记", second_person="K1b", outlet="B01"
    )


# --- holds -----------------------------------------------------------------------------------


def test_a_hold_frees_the_pieces_of_a_reservation_that_has_lapsed(
    district: District, account: int
) -> None:
    district.bank.redemptions.reserve(account=account, store="P01", sku="SOAP", quantity=3)
    district.clock.advance(days=4)
    district.bank.holds.place(account=account, points=Points(1), store="P01")
    offer = next(iter(district.bank.stores.offers()))
    assert (offer["stock"], offer["reserved"]) == (10, 0)
    assert district.bank.verify().is_clean


def test_a_hold_that_has_lapsed_on_the_account_s_clock_is_not_captured_by_a_host_behind_it(
    district: District, account: int
) -> None:
    hold = district.bank.holds.place(account=account, points=Points(4), store="P01", hours=1)
    ahead = district.bank.at(district.clock() + dt.timedelta(hours=2))
    grant(ahead.acting_as("K1"), account, 1)
    with pytest.raises(HoldLapsed):
        district.bank.holds.capture(hold=hold.hold_id)
    assert district.bank.verify().is_clean


def test_reports_count_what_a_lapsed_hold_keeps_as_free(district: District, account: int) -> None:
    district.bank.holds.place(account=account, points=Points(15), store="P01", hours=1)
    reports = district.bank.reports
    assert reports.expiry_schedule(account).available == Points(5)
    district.clock.advance(hours=1)
    found, summary = reports.expiry_schedule(account), reports.customer_summary(account)
    assert (found.held, found.available) == (Points(0), Points(20))
    assert (summary.held, summary.available) == (Points(0), Points(20))


# --- clocks ----------------------------------------------------------------------------------


def test_a_line_s_day_and_moment_agree_when_two_hosts_clocks_differ_at_midnight(
    district: District, account: int
) -> None:
    midnight = dt.datetime(2022, 10, 16, tzinfo=SHANGHAI)
    for seconds in (60, -60):
        bank = district.bank.at(midnight + dt.timedelta(seconds=seconds))
        receipt = bank.redemptions.redeem(account=account, store="P01", sku="SOAP")
    assert receipt.business_day == dt.date(2022, 10, 16)
    assert receipt.booked_at == midnight + dt.timedelta(seconds=60)
    reports, days = district.bank.reports, (dt.date(2022, 10, 15),) * 2
    assert reports.statement(account, between=days).closing == reports.totals(account, days).closing
    for line in reports.statement(account).lines:
        assert line.day == line.booked_at.date()
    assert district.bank.verify().is_clean


def test_a_host_behind_may_post_where_the_account_s_own_day_is_open(
    district: District, account: int
) -> None:
    district.clock.now = dt.datetime(2022, 11, 2, 10, tzinfo=SHANGHAI)
    grant(district.acting("K1"), account, 1)
    district.bank.closings.close("2022-10-31")
    behind = district.bank.at(dt.datetime(2022, 10, 31, 23, 59, tzinfo=SHANGHAI))
    # Nobody else's account: its clock says November.
    assert behind.redemptions.redeem(account=account, store="P01", sku="SOAP").business_day == (
        dt.date(2022, 11, 2)
    )
    with pytest.raises(DayClosed):
        grant(behind.acting_as("K1"), district.customer(), 1)


# --- late work that is taken back --------------------------------------------------------------


@pytest.mark.parametrize("way", ["void", "reverse_line", "reverse_voucher"])
def test_late_work_that_is_taken_back_leaves_the_day_that_it_was_for(
    district: District, account: int, way: str
) -> None:
    district.clock.now = dt.datetime(2022, 11, 2, 10, tzinfo=SHANGHAI)
    district.bank.closings.close("2022-10-31")
    district.bank.closings.close("2022-10")
    late = district.serve(account, "10-14 11:00")
    (line,) = district.bank.reports.statement(account, newest=1).lines
    assert line.origin_on == DAY
    reports = district.bank.reports
    assert reports.balance_as_of(account, DAY).corrected == late.points
    keeper = district.acting("K1")
    if way == "void":
        keeper.hours.void(
            account=account, record_no=late.record_no, reason="误记", second_person="K1b"
        )
    elif way == "reverse_line":
        keeper.reversals.reverse_line(
            account=account, line_no=late.line_no, reason="误记", second_person="K1b"
        )
    else:
        keeper.reversals.reverse_voucher(
            voucher=late.voucher_id, reason="误记", second_person="K1b"
        )
    assert reports.balance_as_of(account, DAY).corrected == Points(0)
    assert district.bank.verify().is_clean


# --- the caller's transaction ------------------------------------------------------------------


def test_within_refuses_a_connection_that_commits_every_statement(
    sqlite_district: District,
) -> None:
    bank = sqlite_district.bank
    with bank.engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(EngineSettingsUnsafe), bank.within(connection, staff="T1") as counter:
            counter.outlets.tree()


@pytest.mark.parametrize("end", ["rollback", "commit"])
def test_a_counter_ends_with_the_caller_s_transaction(
    district: District, account: int, end: str
) -> None:
    bank = district.bank
    with bank.engine.connect() as connection:
        with pytest.raises(TransactionEnded):  # noqa: PT012, SIM117 - the whole block is refused
            with bank.within(connection, staff="T1") as counter:
                counter.redemptions.redeem(account=account, store="P01", sku="SOAP")
                getattr(connection, end)()
                counter.redemptions.redeem(account=account, store="P01", sku="SOAP")
        connection.rollback()
    assert bank.reports.balance(account) == Points(19 if end == "commit" else 20)


def test_a_block_whose_transaction_the_caller_has_ended_says_so(
    district: District, account: int
) -> None:
    bank = district.bank
    with bank.engine.connect() as connection:
        with pytest.raises(TransactionEnded):  # noqa: PT012, SIM117 - leaving the block is refused
            with bank.within(connection, staff="T1") as counter:
                counter.redemptions.redeem(account=account, store="P01", sku="SOAP")
                connection.rollback()
        connection.rollback()
    assert bank.reports.balance(account) == Points(20)


# --- opening ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["postgresql://a:secret@127.0.0.1:1/x", "mysql+pymysql://a:secret@127.0.0.1:1/x"]
)
def test_a_server_that_is_not_there_is_named_and_not_to_be_tried_for_ever(url: str) -> None:
    with pytest.raises(DatabaseUnreachable) as caught:
        Bank.open(url)
    assert not caught.value.retryable
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there_is_named(district: District) -> None:
    if district.bank.engine.dialect.name == "sqlite":
        url = sa.make_url("sqlite:////nowhere/at/all.db")
    else:
        url = district.bank.engine.url.set(database="no_such_bank")
    with pytest.raises(DatabaseUnreachable, match=r"no_such_bank|at/all"):
        Bank.open(url)


# --- verify -------------------------------------------------------------------------------------


def tampered(district: District, *statements: str) -> Bank:
    with district.bank.engine.begin() as connection:
        run = connection.exec_driver_sql
        for (name,) in run("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
            run(f"DROP TRIGGER {name}")
        run("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            run(statement)
        run("PRAGMA ignore_check_constraints = OFF")
    return district.bank


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE gb_hold SET event_no = {10**18}",
        "UPDATE gb_redemption SET quantity = 0",
        "UPDATE gb_account_line SET booked_at = '2022-10-14 09:00:00'",
        "UPDATE gb_hour_record SET started_at = '2022-10-14 09:00:00'",
        "UPDATE gb_hour_record SET ended_at = '2022-10-14 09:00:00'",
        "UPDATE gb_hold SET placed_at = '2022-10-14 09:00:00'",
        "UPDATE gb_hold SET deadline_at = '2022-10-14 09:00:00'",
        "UPDATE gb_hold SET latest_at = '2022-10-14 09:00:00'",
        "UPDATE gb_hold_event SET deadline_at = '2022-10-14 09:00:00'",
    ],
)
def test_verify_returns_what_cannot_be_read_as_faults(
    sqlite_district: District, statement: str
) -> None:
    account = sqlite_district.customer()
    a_store(sqlite_district)
    sqlite_district.serve(account, "10-03 08:00", 300)
    teller = sqlite_district.acting("T1")
    teller.holds.place(account=account, points=Points(1), store="P01")
    bought = teller.redemptions.redeem(account=account, store="P01", sku="SOAP", quantity=2)
    teller.redemptions.refund(
        redemption=bought.redemption_id, quantity=1, reason="退", second_person="K1"
    )
    bank = tampered(sqlite_district, statement)
    assert not bank.verify().is_clean


def test_one_account_that_cannot_be_read_hides_no_other_s_faults(
    sqlite_district: District,
) -> None:
    first, second = sqlite_district.customer(), sqlite_district.customer()
    for account in (first, second):
        sqlite_district.serve(account, "10-03 08:00", 300)
    bank = tampered(
        sqlite_district,
        f"UPDATE gb_hour_record SET started_at = '2022-10-14 09:00:00' WHERE account_no = {first}",
        f"UPDATE gb_account_head SET debited = 1 WHERE account_no = {second}",
    )
    wheres = " ".join(fault.where for fault in bank.verify().faults)
    assert str(first) in wheres.replace(" ", "")
    assert str(second) in wheres.replace(" ", "")


def test_a_bank_s_own_row_that_cannot_be_read_is_told_when_it_is_opened(
    sqlite_district: District,
) -> None:
    tampered(sqlite_district, "UPDATE gb_bank SET time_zone = 'Asia/Nowhere'")
    with pytest.raises(Exception, match="time_zone") as caught:
        Bank.open(sqlite_district.url)
    assert type(caught.value).__name__ == "EngineError"
