"""迁户: where an account was registered when, however clocks differ and callers meet."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import RetryTransaction
from gongyi_bank.store.tables import customer_stay
from tests.district import District, at
from tests.racing import at_once, held_open

TODAY, TOMORROW = dt.date(2022, 10, 15), dt.date(2022, 10, 16)
S01, S02, OTHER = 1003, 1004, 1005


def stays(district: District, account: int) -> list[tuple[int, dt.date, int]]:
    """(number, since when, outlet) of each stay, in order."""
    stay = customer_stay.c
    asked = sa.select(stay.stay_no, stay.since_on, stay.outlet_no).where(stay.account_no == account)
    with district.bank.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(asked.order_by(stay.stay_no))]  # type: ignore[misc]


def require_sound(district: District) -> None:
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_a_customer_moves_on_the_day_of_the_opening_and_back(district: District) -> None:
    account = district.customer(registered_on=TODAY)
    move = district.bank.customers.move
    move(account=account, outlet="B01S02")
    assert move(account=account, outlet="B01S01").source == "B01S02"
    assert stays(district, account) == [(1, TODAY, S01), (2, TODAY, S02), (3, TODAY, S01)]
    district.serve(account, "10-15 08:00")
    (booked,) = district.bank.reports.ledger_book("B01", "2022-10").rows
    assert booked.outlet == "B01S01"
    require_sound(district)


def test_a_move_is_never_before_the_newest_one_whatever_the_clock_says(district: District) -> None:
    """The second host's clock is behind midnight; the account was elsewhere on the next day."""
    account = district.customer()
    district.clock.now = at("10-16 00:01")
    district.bank.customers.move(account=account, outlet="B02S01")
    behind = district.bank.at(at("10-15 23:59"))
    told = behind.customers.move(account=account, outlet="B01S02")
    assert told.business_day == TODAY
    assert stays(district, account)[1:] == [(2, TOMORROW, OTHER), (3, TOMORROW, S02)]
    require_sound(district)


def test_two_moves_at_once_are_one_after_the_other(district: District) -> None:
    account = district.customer()
    bank = district.bank
    moves = [
        held_open(bank, lambda counter, o=outlet: counter.customers.move(account=account, outlet=o))  # type: ignore[misc]
        for outlet in ("B01S02", "B02S01")
    ]
    first, second = sorted(at_once(*moves), key=lambda told: told.source != "B01S01")
    assert (first.source, second.source) == ("B01S01", first.target)
    assert [number for number, _, _ in stays(district, account)] == [1, 2, 3]
    require_sound(district)


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_who_looked_before_a_move_does_not_post_as_if_there_had_been_none(
    postgresql_district_url: str, level: str
) -> None:
    """A caller's older snapshot still shows the old home, whose closed days are others."""
    district = District(postgresql_district_url, is_founded=True)
    account = district.customer()
    engine = district.bank.engine.execution_options(isolation_level=level)
    row = district.row(account, "10-15 08:00")

    def look_then_record() -> None:
        with engine.begin() as connection:
            connection.scalar(sa.select(sa.func.count()).select_from(customer_stay))
            district.bank.customers.move(account=account, outlet="B02S01")
            with district.bank.within(connection, staff="K1") as counter:
                counter.hours.record_many(rows=[row])

    if level == "READ COMMITTED":
        look_then_record()
    else:
        with pytest.raises(RetryTransaction):
            look_then_record()
    require_sound(district)
    district.close()
