"""Why a line is there, where one voucher wrote about more than the line.

Both were found by the state machine as soon as it asked for `reports.explain`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from tests.district import District
from tests.refusals import saver, shop


@pytest.fixture
def district(engine_url: str) -> Iterator[District]:
    made = District(engine_url)
    yield made
    made.close()


def test_a_corrected_service_is_explained_by_its_own_record(district: District) -> None:
    """The correction's voucher took another record back; that one was shown."""
    account, bank, now = district.customer(), district.bank.acting_as("T1"), district.clock()
    service = {"account": account, "category": "culture", "recorded_by": "T1", "checked_by": "K1",
               "started_at": now - dt.timedelta(hours=3)}  # fmt: skip
    bank.hours.record(
        **service, outlet="B01S01", project="旧", ended_at=now - dt.timedelta(hours=2)
    )
    district.bank.acting_as("K1").hours.correct(
        **service, record_no=1, project="新", ended_at=now - dt.timedelta(hours=1), reason="写错"
    )
    explained = {
        line.kind: bank.reports.explain(account, line.line_no)
        for line in bank.reports.statement(account, newest=2).lines
    }
    assert [explained[kind].record_no for kind in ("reversal", "service")] == [1, 2]
    assert [explained[kind].project for kind in ("reversal", "service")] == ["旧", "新"]
    assert explained["service"].minutes == 120


@pytest.mark.parametrize("quantity", [2, 1])
def test_a_captured_reservation_is_explained_by_its_goods(
    district: District, quantity: int
) -> None:
    """Captured whole, its row is that of the reservation, which another voucher wrote."""
    shop(district)
    account, bank = saver(district), district.bank.acting_as("T1")
    reserved = bank.redemptions.reserve(account=account, store="P1", sku="A", quantity=2)
    bank.redemptions.capture(redemption=reserved.redemption_id, quantity=quantity)
    newest = bank.reports.statement(account, newest=1).lines[0]
    why = bank.reports.explain(account, newest.line_no)
    assert why.store is not None
    assert why.store.startswith("P1 ")
    assert (why.act, why.sku, why.quantity) == ("redemptions.capture", "A", quantity)
