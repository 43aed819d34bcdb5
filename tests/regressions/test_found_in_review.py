"""Found by a reviewer of a day's changes, each by a script of a few lines."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import StoreClosed
from gongyi_bank.values import Points
from tests.district import District, at


def a_store(bank: Bank, code: str = "S1") -> None:
    store = NewStore(code=code, name="店", kind="enterprise", recruited_by="B01")
    bank.stores.recruit(stores=[store])
    rice = NewOffer(store=code, sku="A", name="米", points=Points(1), stock=50)
    bank.stores.publish_offers(offers=[rice])


def with_points(district: District) -> int:
    account = district.customer()
    district.bank.points.grant(
        account=account, points=Points(5), reason="x", second_person="ADM2", outlet="B01S01"
    )
    return account


def test_an_announced_closing_and_a_caller_with_an_older_snapshot_stop_nobody_else(
    postgresql_district_url: str,
) -> None:
    """The gate was the bank's own row, which such a caller shares until they commit."""
    district = District(postgresql_district_url, is_founded=True)
    account = district.customer()
    district.clock.advance(days=1)
    caller = sa.create_engine(postgresql_district_url, isolation_level="REPEATABLE READ")
    told = sa.create_engine(
        postgresql_district_url, connect_args={"options": "-c lock_timeout=1500ms"}
    )
    with caller.connect() as connection, told.connect() as impatient:
        with district.bank.within(connection) as counter:
            counter.customers.register(customers=[NewCustomer(outlet="B02S01", name="李四")])
        district.bank.closings.announce(period="2022-10-15")
        with district.bank.within(impatient) as counter:
            row = district.row(account, "10-15 08:00")
            assert counter.hours.record_many(rows=[row]).count("credited") == 1
        connection.rollback()
    caller.dispose()
    told.dispose()
    district.close()


def test_a_store_leaves_once_whatever_the_clock_of_the_second_host_says(
    sqlite_district: District,
) -> None:
    bank = sqlite_district.bank
    a_store(bank)
    bank.at(at("10-16 00:01")).stores.leave(store="S1", reason="歇业")
    with pytest.raises(StoreClosed):
        bank.at(at("10-15 23:59")).stores.leave(store="S1", reason="歇业")
    assert bank.at(at("10-17 12:00")).verify().is_clean


def test_a_role_does_not_end_before_it_began(sqlite_district: District) -> None:
    bank = sqlite_district.bank
    new = Appointment(code="T7", role="teller", outlet="B01S01")
    bank.at(at("10-16 00:01")).staff.appoint(appointments=[new])
    bank.at(at("10-15 23:59")).staff.end(code="T7", role="teller", outlet="B01S01", reason="调岗")
    assert bank.at(at("10-17 12:00")).verify().is_clean


@pytest.mark.parametrize("closed", [None, "B01"])
def test_a_sweep_of_a_day_that_is_closed_comes_to_an_end(
    sqlite_district: District, closed: str | None
) -> None:
    """`while may_be_more` went on until midnight where the whole bank had closed the day."""
    bank = sqlite_district.bank
    a_store(bank)
    for _ in range(3):
        account = with_points(sqlite_district)
        bank.holds.place(account=account, points=Points(1), store="S1", hours=1)
    bank.at(at("10-16 00:01")).closings.close("2022-10-15", outlet=closed)
    swept = bank.at(at("10-15 23:59")).holds.lapse_overdue(count_max=2)
    assert (swept.hold_ids, swept.may_be_more, swept.left_out) == ((), False, 3)


def test_whoever_locks_ahead_may_reverse_where_a_reservation_has_lapsed(
    sqlite_tables_url: str,
) -> None:
    """Its goods go back to a store that the caller cannot know of."""
    district = District(sqlite_tables_url)
    for code in ("S1", "S2"):
        a_store(district.bank, code)
    account, other = with_points(district), with_points(district)
    district.bank.redemptions.reserve(account=account, store="S1", sku="A")
    district.clock.advance(days=30)
    bank = Bank.open(
        sqlite_tables_url, staff="admin", clock=district.clock, unsafe_settings="allow",
        lock_order="refuse",
    )  # fmt: skip
    with bank.begin() as counter:
        counter.lock(accounts=[account, other], stores=["S2"])
        counter.redemptions.redeem(account=other, store="S2", sku="A")
        counter.reversals.reverse_line(
            account=account, line_no=1, reason="x", second_person="ADM2", outlet="B01"
        )
    assert bank.reports.balance(account) == Points(0)
    assert bank.verify().is_clean
    bank.close()
    district.close()
