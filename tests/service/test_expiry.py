"""Points past their date, through the books: never spendable, whether or not a sweep has run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gongyi_bank.policies import PointsExpiry
from gongyi_bank.receipts.hours import HoursDecided
from gongyi_bank.store import tables
from gongyi_bank.values import Points
from tests.district import District, at
from tests.service.test_stores import a_shop


@pytest.fixture
def expiring(engine_url: str) -> Iterator[District]:
    """A district whose points last one month from the day of booking."""
    made = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    yield made
    made.close()


def lines(district: District, account: int) -> list[tuple[str, int]]:
    line = tables.account_line.c
    query = sa.select(line.kind, line.amount).where(line.account_no == account)
    with district.bank.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(line.line_no))]


def close_to_pool(district: District, account: int) -> Points:
    return district.bank.accounts.close(
        account=account, balance_to="pool", reason="x", second_person="ADM2"
    ).paid_out


@pytest.mark.parametrize(
    ("day", "paid_out"),
    [
        (dt.date(2022, 11, 14), "1.00"),
        (dt.date(2022, 11, 15), "1.00"),
        (dt.date(2022, 11, 16), "0.00"),
    ],
)
def test_the_last_day_still_counts_and_the_day_after_does_not(
    expiring: District, day: dt.date, paid_out: str
) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00")  # booked on 15 October, good until 15 November
    expiring.clock.now = expiring.clock.now.replace(month=day.month, day=day.day)
    assert close_to_pool(expiring, account) == Points(paid_out)
    gone = [("expiry", -100)] if paid_out == "0.00" else [("close", -100)]
    assert lines(expiring, account) == [("service", 100), *gone]


def test_older_points_die_first_and_younger_ones_can_be_spent(expiring: District) -> None:
    account = expiring.customer()
    for days, start in ((10, "10-03 08:00"), (10, "10-03 09:00"), (15, "10-03 10:00")):
        expiring.serve(account, start)
        expiring.clock.advance(days=days)
    # 19 November: the first credit is past its date (15th), the second (25th) is not.
    assert close_to_pool(expiring, account) == Points(2)
    assert lines(expiring, account)[3:] == [("expiry", -100), ("close", -200)]


def test_points_on_their_last_day_live_while_those_of_the_day_before_are_dead(
    expiring: District,
) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00", 60)
    expiring.clock.advance(days=1)
    expiring.serve(account, "10-03 09:00", 30)
    expiring.clock.advance(days=31)  # 16 November: the last day of the second credit
    assert close_to_pool(expiring, account) == Points("0.50")
    assert lines(expiring, account)[2:] == [("expiry", -100), ("close", -50)]


@pytest.mark.parametrize("act", ["holds.place", "redemptions.reserve"])
def test_whoever_puts_points_aside_writes_off_what_has_passed_its_date(
    expiring: District, act: str
) -> None:
    account = expiring.customer()
    for days, start in ((20, "10-03 08:00"), (20, "10-03 09:00")):
        expiring.serve(account, start)
        expiring.clock.advance(days=days)
    a_shop(expiring)
    about = {"sku": "A"} if act == "redemptions.reserve" else {"points": Points(1), "hours": 1}
    desk, verb = act.split(".")
    getattr(getattr(expiring.bank, desk), verb)(account=account, store="P1", **about)
    assert lines(expiring, account)[2:] == [("expiry", -100)]
    places = sa.select(tables.outlet.c.code).join_from(
        tables.account_line, tables.outlet,
        tables.account_line.c.outlet_no == tables.outlet.c.outlet_no,
    ).where(tables.account_line.c.kind == "expiry")  # fmt: skip
    with expiring.bank.engine.connect() as connection:
        assert set(connection.scalars(places)) == {"B01S01"}


def test_a_later_policy_never_shortens_what_was_promised(expiring: District) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00")
    expiring.bank.policies.adopt(
        policy=PointsExpiry(mode="months", length=0), effective_on=dt.date(2022, 10, 16)
    )
    expiring.clock.advance(days=1)
    expiring.serve(account, "10-03 09:00")  # would be good for the 16th alone
    expiring.clock.advance(days=10)
    assert close_to_pool(expiring, account) == Points(2)


def void(district: District, account: int, record_no: int) -> HoursDecided:
    hours = district.acting("K1").hours
    return hours.void(account=account, record_no=record_no, reason="误记", second_person="K1b")


def test_a_void_takes_no_points_for_those_that_have_expired(expiring: District) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00")  # good until 15 November
    expiring.clock.advance(days=20)
    expiring.serve(account, "11-01 08:00")  # good until 4 December
    expiring.clock.advance(days=15)
    receipt = void(expiring, account, 1)
    assert (receipt.points, receipt.line_no, receipt.balance) == (0, None, 1)
    assert lines(expiring, account) == [("service", 100), ("service", 100), ("expiry", -100)]
    assert expiring.bank.verify().is_clean
    # An expiry line that is in the books already tells the same.
    expiring.serve(account, "10-04 08:00")
    assert void(expiring, account, 2).points == 1
    assert expiring.bank.reports.balance(account) == 1
    assert expiring.bank.verify().is_clean


def test_a_void_takes_what_was_spent_of_a_record_in_part_expired(expiring: District) -> None:
    a_shop(expiring)
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00", 60)
    expiring.bank.redemptions.redeem(account=account, store="P1", sku="A")
    expiring.clock.advance(days=20)
    expiring.serve(account, "11-01 08:00", 60)
    expiring.clock.advance(days=15)
    receipt = void(expiring, account, 1)  # of its 100 points 50 were spent, and 50 have expired
    assert (receipt.points, receipt.balance) == (Points("0.50"), Points("0.50"))
    assert lines(expiring, account)[1:] == [
        ("redemption", -50), ("service", 100), ("expiry", -50), ("reversal", -50),
    ]  # fmt: skip
    assert expiring.bank.verify().is_clean


def test_a_void_takes_nothing_of_a_record_that_expired_under_a_voided_ones_numbers(
    expiring: District,
) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00", 60)
    expiring.serve(account, "10-03 10:00", 30)
    void(expiring, account, 2)  # takes points 1 to 50, the oldest, and leaves 101 to 150
    expiring.clock.advance(days=20)
    expiring.serve(account, "11-01 08:00", 60)
    expiring.clock.advance(days=15)
    # Points 51 to 150 have expired: all 100 of the first record, of which nothing was spent.
    # To take 50 of the third for it would be to void what nobody called wrong (decision 0018).
    receipt = void(expiring, account, 1)
    assert (receipt.points, receipt.line_no, receipt.balance) == (0, None, 1)
    assert lines(expiring, account)[2:] == [
        ("reversal", -50), ("service", 100), ("expiry", -100),
    ]  # fmt: skip
    assert expiring.bank.verify().is_clean


def test_a_correction_neither_takes_back_nor_revives_what_has_expired(expiring: District) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00")
    expiring.clock.advance(days=20)
    expiring.serve(account, "11-01 08:00")
    expiring.clock.advance(days=15)
    receipt = expiring.acting("K1").hours.correct(
        account=account, record_no=1, reason="时间有误", category="sanitation",
        started_at=at("10-03 08:00"), ended_at=at("10-03 08:30"), recorded_by="T1",
        checked_by="K1",
    )  # fmt: skip
    # What had expired of the wrong record stays expired: to correct is not to revive.
    assert receipt.balance == Points("1.00")
    assert lines(expiring, account)[2:] == [("expiry", -100)]
    assert expiring.bank.verify().is_clean


def test_nothing_taken_back_though_nothing_had_expired_is_a_fault(expiring: District) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00")
    expiring.serve(account, "10-03 10:00")
    void(expiring, account, 1)
    record = tables.hour_record
    with expiring.bank.engine.begin() as connection:
        connection.execute(
            record.update()
            .where(record.c.account_no == account, record.c.record_no == 2)
            .values(
                state="voided",
                voided_on=record.c.value_on,
                voided_voucher_id=record.c.voucher_id,
            )
        )
    assert "record_reversal" in {fault.kind for fault in expiring.bank.verify().faults}


def test_points_of_a_closed_account_have_a_date_where_they_go(expiring: District) -> None:
    account, target = expiring.customer(), expiring.customer()
    expiring.serve(account, "10-03 08:00")
    expiring.bank.accounts.close(
        account=account, balance_to="account", target=target, reason="x", second_person="ADM2"
    )
    expiring.serve(target, "10-03 08:00", 30)
    expiring.clock.advance(days=31)
    assert expiring.bank.reports.customer_summary(target).available == Points("1.50")
    expiring.clock.advance(days=1)  # 16 November
    assert expiring.bank.reports.customer_summary(target).available == 0
    assert close_to_pool(expiring, target) == 0
    assert expiring.bank.verify().is_clean


def test_a_clock_that_is_set_back_makes_no_fault_of_what_had_expired(expiring: District) -> None:
    account = expiring.customer()
    expiring.serve(account, "10-03 08:00")
    expiring.clock.advance(days=60)
    expiring.serve(account, "11-30 08:00")
    expiring.clock.advance(days=-40)
    assert expiring.bank.verify().is_clean


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], District]]:
    """Makes districts on SQLite, each of its own."""
    made: list[District] = []

    def build() -> District:
        path = tmp_path_factory.mktemp("bank") / "bank.db"
        policies = (PointsExpiry(mode="months", length=1),)
        made.append(District(f"sqlite:///{path}", policies=policies))
        return made[-1]

    yield build
    for district in made:
        district.close()


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(30, 60)), min_size=1, max_size=8))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_pauses_the_living_points_are_those_whose_day_has_not_passed(
    houses: Callable[[], District], steps: list[tuple[int, int]]
) -> None:
    district = houses()
    account = district.customer()
    lots: list[tuple[dt.date, int]] = []
    for number, (pause, minutes) in enumerate(steps):
        start = f"10-{1 + number // 8:02d} {2 * (number % 8):02d}:00"
        district.serve(account, start, minutes)
        lots.append((district.clock().date(), minutes * 100 // 60))
        district.clock.advance(days=pause)
    today = district.clock().date()
    living = sum(units for booked, units in lots if _good_until(booked) >= today)
    assert close_to_pool(district, account).to_units(2) == living


def _good_until(booked: dt.date) -> dt.date:
    months = booked.month  # next month, in the following year after December
    first = dt.date(booked.year + months // 12, months % 12 + 1, 1)
    last = (first.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    return first.replace(day=min(booked.day, last.day))
