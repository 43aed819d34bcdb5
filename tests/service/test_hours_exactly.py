"""Records of hours where it is easily overlooked: what a handle remembers, closed branches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import NotPermitted, ServiceOverlap
from gongyi_bank.policies import HourLimits
from gongyi_bank.store.tables import account_line
from gongyi_bank.values import Points
from tests.district import START, District, at

SHORT = HourLimits(daily_minutes_free=1440, daily_minutes_branch=1440, record_minutes_max=120)
LONG = HourLimits(daily_minutes_free=1440, daily_minutes_branch=1440, record_minutes_max=1440)


@pytest.fixture
def short(sqlite_tables_url: str) -> Iterator[District]:
    """A district in which no record can be longer than two hours."""
    made = District(sqlite_tables_url, policies=(SHORT,))
    yield made
    made.close()


def test_a_handle_that_knew_short_records_only_looks_as_far_back_as_long_ones_reach(
    short: District,
) -> None:
    """It has read the rules before somebody else changed them, and asks again behind its locks."""
    account = short.customer()
    short.serve(account, "10-01 08:00")
    other = Bank.open(short.url, staff="admin", clock=short.clock, unsafe_settings="allow")
    other.policies.adopt(policy=LONG, effective_on=START.date())
    short.clock.advance(days=5)
    # Ten hours that end on the next day, and so share no day with what comes then.
    row = short.row(account, "10-17 21:00", 600)
    assert other.hours.record_many(rows=[row]).outcomes[0].outcome == "credited"
    other.close()
    with pytest.raises(ServiceOverlap) as caught:
        short.serve(account, "10-18 06:59")
    assert caught.value.facts["other"] == 2
    assert short.serve(account, "10-18 07:00").points == Points(1)


def test_what_waits_for_the_head_office_waits_for_the_head_office(
    sqlite_district: District,
) -> None:
    account = sqlite_district.customer()
    waiting = sqlite_district.serve(account, "10-03 08:00", 721)
    assert waiting.state == "waiting_head_office"
    wish = {"account": account, "record_no": 1}
    for code in ("K1b", "AUD"):
        with pytest.raises(NotPermitted) as caught:
            sqlite_district.acting(code).hours.approve(**wish)
        facts = caught.value.facts
        assert (facts["staff"], facts["act"]) == (code, "hours.approve")
    assert sqlite_district.bank.hours.approve(**wish).state == "credited"


def test_what_is_taken_back_leaves_the_first_open_day_where_it_was_recorded(
    sqlite_district: District,
) -> None:
    """Only one branch has closed the month: of two records of a day one leaves November."""
    accounts = {"B01S01": sqlite_district.customer(), "B02S01": sqlite_district.customer("B02S01")}
    for place, account in accounts.items():
        row = sqlite_district.row(
            account, "10-20 08:00", outlet=place, recorded_by="admin", checked_by="ADM2"
        )
        sqlite_district.bank.at(at("10-21 12:00")).hours.record_many(rows=[row])
    sqlite_district.clock.now = at("11-05 12:00")
    for period in ("2022-10-31", "2022-10"):
        sqlite_district.acting("K1").closings.close(period, outlet="B01")
    for account in accounts.values():
        sqlite_district.bank.hours.void(
            account=account, record_no=1, reason="不实", second_person="ADM2"
        )
    query = sa.select(account_line.c.account_no, account_line.c.value_on, account_line.c.origin_on)
    with sqlite_district.bank.engine.connect() as connection:
        found = connection.execute(query.where(account_line.c.line_no == 2)).all()
    days = {
        account: [str(day) if day else None for day in found_days] for account, *found_days in found
    }
    assert days == {
        accounts["B01S01"]: ["2022-11-01", "2022-10-20"],
        accounts["B02S01"]: ["2022-10-20", None],
    }
