"""What stays in the books of a decision on a record of hours: its voucher, its line, its row."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import ServiceOverlap
from gongyi_bank.policies import PointsExpiry, Tariff, TariffRate
from gongyi_bank.store.tables import account_line, hour_record, staff, voucher
from gongyi_bank.values import Points
from tests.district import District, at

MONTH = PointsExpiry(mode="months", length=1)
REASON = "不实"


@pytest.fixture
def district(sqlite_tables_url: str) -> Iterator[District]:
    """A district whose points live for a month."""
    made = District(sqlite_tables_url, policies=(MONTH,))
    yield made
    made.close()


def decide(district: District, act: str) -> Any:
    """Do this to the second record of a new account: the receipt."""
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.serve(account, "10-04 08:00", 481 if act in ("approve", "refuse") else 60)
    wish = {"account": account, "record_no": 2}
    more = {
        "approve": {},
        "refuse": {"reason": REASON},
        "void": {"reason": REASON, "second_person": "K1"},
        "correct": {
            "reason": REASON, "category": "sanitation", "started_at": at("10-04 08:00"),
            "ended_at": at("10-04 10:00"), "recorded_by": "T1", "checked_by": "K1b",
        },
    }  # fmt: skip
    return getattr(district.acting("K1b").hours, act)(**wish, **more[act])


@pytest.mark.parametrize("act", ["approve", "refuse", "void", "correct"])
def test_the_voucher_of_a_decision_names_the_record_that_it_is_about(
    district: District, act: str
) -> None:
    receipt = decide(district, act)
    query = sa.select(voucher.c.body, voucher.c.reason)
    with district.bank.engine.connect() as connection:
        body, reason = connection.execute(
            query.where(voucher.c.voucher_id == receipt.voucher_id.bytes)
        ).one()
    facts = json.loads(body)
    assert (facts["account"], facts["record_no"]) == (receipt.account, 2)
    assert reason == (None if act == "approve" else REASON)


def test_what_is_approved_is_worth_what_its_day_says_and_lives_from_today(
    district: District,
) -> None:
    receipt = decide(district, "approve")
    assert receipt.points == Points("8.01")
    query = sa.select(account_line.c.expires_on, account_line.c.policy_id, account_line.c.value_on)
    with district.bank.engine.connect() as connection:
        first, second = connection.execute(query.order_by(account_line.c.line_no)).all()
    assert second == (dt.date(2022, 11, 15), first.policy_id, dt.date(2022, 10, 4))


def test_a_record_names_its_tariff_when_it_is_credited_and_not_before(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 481)
    row = sa.select(hour_record.c.policy_id, hour_record.c.points, hour_record.c.line_no)

    def found() -> tuple[Any, ...]:
        with district.bank.engine.connect() as connection:
            return tuple(connection.execute(row).one())

    assert found() == (None, 0, None)
    district.acting("K1b").hours.approve(account=account, record_no=1)
    policy_id, points, line_no = found()
    assert policy_id is not None
    assert (points, line_no) == (801, 1)


def test_a_corrected_record_says_all_that_the_correction_does(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.acting("K1b").hours.correct(
        account=account, record_no=1, reason=REASON, category="elder_care", project="夕阳红",
        client_rating=4, started_at=at("10-03 09:00"), ended_at=at("10-03 11:00"),
        recorded_by="T1b", checked_by="K1b",
    )  # fmt: skip
    row = hour_record.c
    said = sa.select(
        row.category, row.project, row.client_rating, row.started_at, row.ended_at,
        row.recorded_by_no, row.checked_by_no, row.replaces_record_no,
    ).where(row.record_no == 2)  # fmt: skip
    with district.bank.engine.connect() as connection:
        people = connection.execute(sa.select(staff.c.code, staff.c.staff_no))
        numbers = {row.code: row.staff_no for row in people}
        found = tuple(connection.execute(said).one())
    times = (at("10-03 09:00"), at("10-03 11:00"))
    assert found == ("elder_care", "夕阳红", 4, *times, numbers["T1b"], numbers["K1b"], 1)


def correct(district: District, account: int, record_no: int, start: str, minutes: int) -> Any:
    """The receipt of a correction: the service began then and took so long."""
    return district.acting("K1").hours.correct(
        account=account, record_no=record_no, reason=REASON, category="sanitation",
        started_at=at(start), ended_at=at(start) + dt.timedelta(minutes=minutes),
        recorded_by="T1", checked_by="K1",
    )  # fmt: skip


def test_the_record_under_correction_counts_towards_the_daily_limit_once(
    district: District,
) -> None:
    """480 minutes a day are credited at once: 200 and 280 are, and so is what they become."""
    account = district.customer()
    for start, minutes in (("10-04 08:00", 200), ("10-04 13:00", 280)):
        assert district.serve(account, start, minutes).state == "credited"
    assert correct(district, account, 2, "10-04 13:00", 270).state == "credited"
    assert correct(district, account, 3, "10-04 13:10", 280).state == "credited"
    assert correct(district, account, 4, "10-04 13:00", 281).state == "waiting_branch"


@pytest.mark.parametrize("starts", [("03:00", "10:00"), ("10:00", "03:00")])
def test_a_day_begins_and_ends_at_the_bank_s_midnight(
    district: District, starts: tuple[str, str]
) -> None:
    """Before eight in the morning it is yesterday still where most servers' clocks are."""
    account = district.customer()
    said = [district.serve(account, f"10-04 {start}", 270).state for start in starts]
    assert said == ["credited", "waiting_branch"]


def test_what_was_worth_nothing_is_corrected_to_all_that_it_is_worth(district: District) -> None:
    rates = (
        TariffRate(category="culture", name="文化活动", points_per_hour=Points(0)),
        TariffRate(category="sanitation", name="环境整治", points_per_hour=Points(1)),
    )
    district.bank.policies.adopt(policy=Tariff(rates=rates), effective_on=dt.date(2022, 10, 16))
    district.clock.advance(days=2)
    account = district.customer()
    assert district.serve(account, "10-16 08:00", category="culture").points == Points(0)
    assert correct(district, account, 1, "10-16 08:00", 60).points == Points(1)


def test_a_correction_may_overlap_what_it_corrects_and_nothing_else(district: District) -> None:
    account = district.customer()
    for start in ("10-04 08:00", "10-04 10:00"):
        district.serve(account, start)
    with pytest.raises(ServiceOverlap):
        correct(district, account, 2, "10-04 08:59", 60)
    assert correct(district, account, 2, "10-04 09:30", 60).record_no == 3


@pytest.mark.parametrize("days", [20, 40])
def test_a_correction_does_not_bring_back_what_has_expired(district: District, days: int) -> None:
    """Two points of 15 October are taken back for three; after a month both are past their date."""
    account = district.customer()
    district.serve(account, "10-03 08:00", 120)
    district.clock.advance(days=days)
    correct(district, account, 1, "10-03 08:00", 180)
    assert district.bank.reports.balance(account) == Points(3 if days == 20 else 1)
    assert district.bank.verify().is_clean
