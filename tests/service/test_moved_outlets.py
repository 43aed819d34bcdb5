"""A savings branch moves: what was closed stays as it was, and belongs to whom it belonged."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.errors import DayClosed, PeriodAlreadyClosed
from gongyi_bank.store import tables
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District, at

OCTOBER_ENDS = dt.date(2022, 10, 31)
DAYS, MONTH = "2022-10-31", "2022-10"


def figures(bank: Bank, label: str, last_on: dt.date) -> list[Any]:
    """What is said of each branch about a period and its last day."""
    shown: list[Any] = []
    for code in ("B01", "B02"):
        shown += [
            bank.reports.ledger_book(code, label).to_table().rows,
            bank.ratings.indicators(label, [code]).to_table().rows,
            bank.reports.trial_balance(code, as_of=last_on).rows,
        ]
    return shown


def points_of(district: District, code: str, label: str | None = None) -> Points:
    """What the accounts of a branch have at the end of a period, or today."""
    return district.bank.reports.ledger_book(code, label).closing


def close_october(district: District, branch: str) -> None:
    district.bank.closings.close(DAYS, outlet=branch)
    district.bank.closings.close(MONTH, outlet=branch)


def serve(district: District, account: int, start: str) -> Any:
    """Record an hour at B01S01, wherever that belongs to; the newest line."""
    district.bank.hours.record(
        account=account, category="sanitation", outlet="B01S01", recorded_by="T1",
        checked_by="ADM2", started_at=at(start), ended_at=at(start) + dt.timedelta(hours=1),
    )  # fmt: skip
    line = tables.account_line
    with district.bank.engine.connect() as connection:
        newest = sa.select(line).where(line.c.account_no == account).order_by(line.c.line_no.desc())
        return connection.execute(newest).first()


def dates(line: Any) -> tuple[str, str | None]:
    """(value date, origin date) of a line, as text."""
    return f"{line.value_on:%m-%d}", f"{line.origin_on:%m-%d}" if line.origin_on else None


def move(district: District, branch: str = "B02") -> None:
    district.bank.outlets.move(outlet="B01S01", branch=branch)


# --- what is closed stays ------------------------------------------------------------------


def test_closed_figures_are_the_same_after_a_move(district: District) -> None:
    account = district.customer()
    serve(district, account, "10-14 08:00")
    district.clock.now = at("11-02 10:00")
    district.bank.closings.close(DAYS)
    district.bank.closings.close(MONTH)
    before = figures(district.bank, MONTH, OCTOBER_ENDS)
    move(district)
    serve(district, account, "10-14 12:00")
    assert figures(district.bank, MONTH, OCTOBER_ENDS) == before
    assert points_of(district, "B01", MONTH) == Points("1.00")
    assert not district.bank.verify().faults


def test_what_comes_after_the_move_is_the_new_branch_s(district: District) -> None:
    account = district.customer()
    serve(district, account, "10-14 08:00")
    district.clock.now = at("11-02 10:00")
    move(district)
    for label in (None, "2022-11"):
        assert points_of(district, "B01", label) == Points(0)
        assert points_of(district, "B02", label) == Points("1.00")
    reports = district.bank.reports
    for day, code in (("11-01", "B01"), ("11-02", "B02")):
        trial = reports.trial_balance(code, as_of=at(f"{day} 00:00").date())
        assert [row.outlet for row in trial.rows] == ["B01S01", "B01S01"]
    assert reports.trial_balance("B02").rows == trial.rows
    counted = district.bank.ratings.indicators
    assert "B01S01" in {row.outlet_code for row in counted("2022-10", ["B01"]).rows}
    assert "B01S01" in {row.outlet_code for row in counted("2022-11", ["B02"]).rows}


def test_late_work_for_a_month_that_the_old_branch_closed_counts_in_the_open_one(
    district: District,
) -> None:
    account, other = district.customer(), district.customer()
    district.clock.now = at("11-02 10:00")
    close_october(district, "B01")
    move(district)
    assert dates(serve(district, account, "10-14 08:00")) == ("11-01", "10-14")
    district.clock.now = at("10-20 12:00")
    with pytest.raises(DayClosed):
        serve(district, other, "10-14 08:00")
    assert not district.bank.verify().faults


def test_a_new_branch_that_has_closed_more_bars_nothing_of_the_time_before(
    district: District,
) -> None:
    """B02 closed October without this outlet, so its October must go on without it."""
    account, other = district.customer(), district.customer()
    district.clock.now = at("11-02 10:00")
    close_october(district, "B02")
    before = figures(district.bank, MONTH, OCTOBER_ENDS)[3:]
    move(district)
    assert dates(serve(district, account, "10-14 08:00")) == ("10-14", None)
    district.clock.now = at("10-20 12:00")
    assert serve(district, other, "10-14 08:00").business_day == dt.date(2022, 10, 20)
    assert figures(district.bank, MONTH, OCTOBER_ENDS)[3:] == before
    assert not district.bank.verify().faults


def test_what_the_new_branch_closes_later_closes_all_that_was_before(
    district: District,
) -> None:
    """Its quarter holds the outlet's October, whether or not the old branch ever closes that."""
    account = district.customer()
    serve(district, account, "10-14 08:00")
    district.clock.now = at("11-02 10:00")
    move(district)
    district.clock.now = at("12-01 10:00") + dt.timedelta(days=31)
    close = district.bank.closings.close
    for label in ("2022-12-31", "2022-10", "2022-11", "2022-12", "2022Q4"):
        close(label, outlet="B02")
    before = figures(district.bank, "2022Q4", dt.date(2022, 12, 31))
    late = serve(district, account, "10-14 12:00")
    assert (late.value_on, late.origin_on) == (dt.date(2023, 1, 1), dt.date(2022, 10, 14))
    after = figures(district.bank, "2022Q4", dt.date(2022, 12, 31))
    assert after == before
    assert Points("1.00") in before[3][-1]
    assert not district.bank.verify().faults


def test_what_the_old_branch_closes_later_ends_with_the_day_before_the_move(
    district: District,
) -> None:
    account = district.customer()
    district.clock.now = at("11-02 10:00")
    move(district)
    district.clock.now = at("11-10 10:00")
    district.bank.closings.close("2022-11-09", outlet="B01")
    district.clock.now = at("11-02 12:00")
    assert serve(district, account, "11-01 08:00").business_day == dt.date(2022, 11, 2)
    other = district.customer()
    district.clock.now = at("11-01 12:00")
    with pytest.raises(DayClosed):
        serve(district, other, "10-31 08:00")


def test_a_customer_who_is_registered_late_is_in_no_closed_month(district: District) -> None:
    district.clock.now = at("11-02 10:00")
    close_october(district, "B01")
    before = figures(district.bank, MONTH, OCTOBER_ENDS)
    move(district)
    district.bank.customers.register(
        customers=[NewCustomer(outlet="B01S01", name="李四", registered_on=dt.date(2022, 10, 1))]
    )
    assert figures(district.bank, MONTH, OCTOBER_ENDS) == before


# --- the day of the move -------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["B01", "B02", "B01S01"])
def test_nobody_moves_on_a_day_that_is_closed_at_either_end(
    district: District, closed: str
) -> None:
    district.clock.now = at("11-02 10:00")
    district.bank.closings.close(DAYS, outlet=closed)
    district.clock.now = at("10-31 23:59")
    before = everything(district.bank)
    with pytest.raises(DayClosed):
        move(district)
    assert everything(district.bank) == before
    district.clock.now = at("11-01 00:00")
    move(district)


def test_the_day_of_the_move_is_wholly_the_new_branch_s(district: District) -> None:
    account = district.customer()
    serve(district, account, "10-14 08:00")
    move(district)
    serve(district, account, "10-14 12:00")
    today = dt.date(2022, 10, 15)
    before, trial = points_of(district, "B02", MONTH), district.bank.reports.trial_balance
    assert before == Points("2.00")
    assert not trial("B01", as_of=today).rows
    district.clock.advance(days=1)
    district.bank.closings.close("2022-10-15", outlet="B01")
    district.clock.advance(days=-1)
    assert serve(district, account, "10-13 12:00").business_day == today
    district.clock.advance(days=1)
    district.bank.closings.close("2022-10-15", outlet="B02")
    other = district.customer()
    district.clock.advance(days=-1)
    with pytest.raises(DayClosed):
        serve(district, other, "10-13 12:00")
    assert not district.bank.verify().faults


def test_there_and_back(district: District) -> None:
    account = district.customer()
    serve(district, account, "10-14 08:00")
    for day, branch in (("10-20", "B02"), ("10-25", "B01"), ("11-03", "B02"), ("11-03", "B01")):
        district.clock.now = at(f"{day} 10:00")
        move(district, branch)
    trial = district.bank.reports.trial_balance
    for day, count in (("10-19", 2), ("10-20", 0), ("10-24", 0), ("10-25", 2), ("11-03", 2)):
        assert len(trial("B01", as_of=at(f"{day} 00:00").date()).rows) == count, day
    district.clock.now = at("11-05 10:00")
    district.bank.closings.close("2022-10-22", outlet="B02")
    other, third = district.customer(), district.customer()
    district.clock.now = at("10-22 10:00")
    with pytest.raises(DayClosed):
        serve(district, other, "10-14 08:00")
    district.clock.now = at("10-23 10:00")
    serve(district, third, "10-14 08:00")
    assert not district.bank.verify().faults


def test_with_a_clock_that_is_behind_a_stay_begins_with_the_one_before(
    sqlite_district: District,
) -> None:
    sqlite_district.clock.now = at("11-02 10:00")
    move(sqlite_district)
    sqlite_district.clock.now = at("11-01 10:00")
    move(sqlite_district, "B01")
    stay = tables.outlet_stay
    with sqlite_district.bank.engine.connect() as connection:
        found = connection.execute(
            sa.select(stay.c.stay_no, stay.c.since_on, stay.c.parent_no)
            .where(stay.c.outlet_no == 1003)
            .order_by(stay.c.stay_no)
        ).all()
    assert [tuple(row) for row in found] == [
        (1, dt.date(2022, 10, 15), 1001),
        (2, dt.date(2022, 11, 2), 1002),
        (3, dt.date(2022, 11, 2), 1001),
    ]
    assert not sqlite_district.bank.verify().faults


# --- its own closings ----------------------------------------------------------------------


def test_its_own_closings_go_on_from_where_it_is_closed(district: District) -> None:
    """Not from where the new branch is, further or less far."""
    district.clock.now = at("11-02 10:00")
    close = district.bank.closings.close
    close(DAYS, outlet="B01")
    close("2022-10-20", outlet="B02")
    move(district)
    with pytest.raises(PeriodAlreadyClosed):
        close("2022-10-30", outlet="B01S01")
    district.clock.now = at("11-06 10:00")
    assert close("2022-11-05", outlet="B01S01").first_on == dt.date(2022, 11, 1)
    assert close(MONTH, outlet="B01S01").first_on == dt.date(2022, 10, 15)
    assert close("2022-11-05", outlet="B02").first_on == dt.date(2022, 10, 21)
    assert not district.bank.verify().faults


def test_days_that_only_the_new_branch_has_closed_are_its_own_to_close(
    district: District,
) -> None:
    district.clock.now = at("11-02 10:00")
    district.bank.closings.close(DAYS, outlet="B02")
    move(district)
    done = district.bank.closings.close(DAYS, outlet="B01S01")
    assert (done.first_on, done.last_on) == (dt.date(2022, 10, 15), OCTOBER_ENDS)
    assert not district.bank.verify().faults
