"""Recording service and deciding on it, on every engine."""

from __future__ import annotations

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
