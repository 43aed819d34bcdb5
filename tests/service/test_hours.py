"""Recording service and deciding on it, on every engine."""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.errors import FourEyesRequired, IdempotencyConflict, ServiceOverlap
from gongyi_bank.values import Points
from tests.district import District


def test_a_service_is_credited_to_the_passbook(district: District) -> None:
    account = district.customer()
    receipt = district.serve(account, "10-03 08:00", 151, category="elder_care")
    assert (receipt.state, receipt.minutes, receipt.line_no) == ("credited", 151, 1)
    assert receipt.points == receipt.balance == Points("3.77")


def test_the_same_key_and_request_give_the_same_receipt(district: District) -> None:
    account = district.customer()
    row = {"account": account, "start": "10-03 08:00", "ref": "S1"}
    first = district.serve(**row)
    assert district.serve(**row) == first
    with pytest.raises(IdempotencyConflict):
        district.serve(**row | {"minutes": 61})


def test_times_that_touch_do_not_overlap_and_one_minute_more_does(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 60)
    district.serve(account, "10-03 09:00", 60)
    with pytest.raises(ServiceOverlap):
        district.serve(account, "10-03 09:59", 60)


def test_a_refusal_leaves_nothing_behind(district: District) -> None:
    account = district.customer()
    with pytest.raises(FourEyesRequired):
        district.serve(account, "10-03 08:00", checked_by="T1", ref="S1")
    assert district.serve(account, "10-03 08:00", ref="S1").record_no == 1


@pytest.mark.parametrize("is_longer_last", [True, False])
def test_a_day_of_25_hours_has_one_daily_limit(engine_url: str, is_longer_last: bool) -> None:
    district = District(engine_url, time_zone="Europe/Berlin")
    district.clock.now = dt.datetime(2022, 11, 15, 12, tzinfo=dt.UTC)
    account = district.customer()
    midnight = dt.datetime(2022, 10, 29, 22, tzinfo=dt.UTC)  # of 30 October, in summer time
    spans = [(midnight + dt.timedelta(minutes=10), 470), (midnight + dt.timedelta(hours=24.5), 20)]
    states = []
    for started_at, minutes in spans if is_longer_last else spans[::-1]:
        states.append(
            district.acting("T1").hours.record(
                account=account, category="sanitation", outlet="B01S01", recorded_by="T1",
                checked_by="K1", started_at=started_at,
                ended_at=started_at + dt.timedelta(minutes=minutes),
            ).state
        )  # fmt: skip
    assert states == ["credited", "waiting_branch"]  # 490 minutes, of which 480 are free
    district.close()
