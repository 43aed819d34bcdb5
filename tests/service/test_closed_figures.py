"""What is closed stays as it is, whatever is done to the house or booked elsewhere afterwards."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.commands.outlets import NewOutlet
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import DayClosed, PeriodClosed
from gongyi_bank.policies import ClosingRules
from gongyi_bank.rules.closings import ClosedDays
from gongyi_bank.values import Points, format_account_no
from tests.books import everything
from tests.district import District, at
from tests.service.test_closings import MONTH, end_october, figures
from tests.service.test_statement_counts import statements

NEW = NewOutlet(code="B01S03", name="莲花新村储蓄所", parent="B01")


def codes(district: District, label: str) -> set[str]:
    return {row.outlet_code for row in district.bank.ratings.indicators(label).rows}


# --- the house -----------------------------------------------------------------------------


def test_an_outlet_that_is_opened_later_is_in_no_closed_league(district: District) -> None:
    district.serve(district.customer(), "10-03 08:00")
    end_october(district)
    before = figures(district, MONTH)
    district.bank.outlets.open(outlets=[NEW])
    assert figures(district, MONTH) == before
    assert NEW.code in codes(district, "2022-11")
    assert NEW.code not in codes(district, MONTH)


def test_an_outlet_that_took_over_older_service_is_in_that_open_month_s_league(
    district: District,
) -> None:
    account = district.customer()
    district.clock.now = at("11-05 12:00")
    district.bank.outlets.open(outlets=[NEW])
    assert NEW.code not in codes(district, MONTH)
    service: dict[str, Any] = {"outlet": NEW.code, "recorded_by": "K1", "checked_by": "K1b"}
    row = district.row(account, "10-03 08:00", **service)
    district.bank.hours.record_many(rows=[row])
    assert NEW.code in codes(district, MONTH)
    end_october(district)
    before = figures(district, MONTH)
    district.bank.hours.record_many(rows=[district.row(account, "10-04 08:00", **service)])
    assert figures(district, MONTH) == before


def test_an_outlet_that_is_opened_again_is_in_no_month_for_which_it_was_closed(
    district: District,
) -> None:
    outlets, close = district.bank.outlets, district.bank.closings.close
    outlets.close(outlet="B02S02", reason="撤并")
    district.clock.now = at("12-05 12:00")
    close("2022-11-30")
    for month in (MONTH, "2022-11"):
        close(month)
    before = figures(district, MONTH), figures(district, "2022-11")
    assert "B02S02" in codes(district, MONTH)
    assert "B02S02" not in codes(district, "2022-11") | codes(district, "2022-12")
    outlets.reopen(outlet="B02S02")
    assert (figures(district, MONTH), figures(district, "2022-11")) == before
    assert "B02S02" in codes(district, "2022-12")
    district.bank.outlets.move(outlet="B02S02", branch="B01")
    outlets.close(outlet="B02S02", reason="撤并")
    assert (figures(district, MONTH), figures(district, "2022-11")) == before
    assert "B02S02" in codes(district, "2022-12")
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_a_store_joins_in_no_closed_month(district: District) -> None:
    end_october(district)
    before, books = figures(district, MONTH), everything(district.bank)
    new = NewStore(
        code="ST9", name="超市", kind="community_store", recruited_by="B01S01",
        joined_on=dt.date(2022, 10, 31),
    )  # fmt: skip
    with pytest.raises(PeriodClosed):
        district.bank.stores.recruit(stores=[new])
    assert everything(district.bank) == books
    district.bank.stores.recruit(
        stores=[NewStore(**vars(new) | {"joined_on": dt.date(2022, 11, 1)})]
    )
    assert figures(district, MONTH) == before


def test_an_outlet_opened_or_opened_again_by_a_clock_that_is_behind_is_in_no_closed_league(
    district: District,
) -> None:
    """The house's own outlet has closed nothing; what changes is below a branch that has."""
    close_b01(district)
    district.bank.outlets.close(outlet="B02S02", reason="撤并")
    before = figures_of(district, "B01"), figures_of(district, "B02")
    behind = district.bank.at(at("10-31 12:00"))
    with pytest.raises(DayClosed):
        behind.outlets.open(outlets=[NEW])
    district.acting("K2").closings.close("2022-11-04", outlet="B02")
    late = district.bank.at(at("11-04 12:00"))
    with pytest.raises(DayClosed):
        late.outlets.reopen(outlet="B02S02")
    with pytest.raises(DayClosed):
        late.outlets.close(outlet="B02S01", reason="撤并")
    assert (figures_of(district, "B01"), figures_of(district, "B02")) == before
    assert district.bank.verify().is_clean


@pytest.mark.parametrize("points", ["1.00", "0"])
def test_an_opening_balance_for_a_refused_period_is_refused_by_itself(
    district: District, points: str
) -> None:
    late, timely = district.customer(), district.customer()
    rules = ClosingRules(late_work="refuse")
    district.bank.policies.adopt(policy=rules, effective_on=dt.date(2022, 10, 15))
    close_b01(district)
    rows = [
        OpeningRow(account=account, points=Points(points), minutes=10, as_of=day)
        for account, day in ((late, dt.date(2022, 10, 20)), (timely, dt.date(2022, 11, 2)))
    ]
    refused, taken = district.bank.points.bring_forward(rows=rows).outcomes
    assert isinstance(refused.error, PeriodClosed)
    assert taken.outcome == "credited"
    assert district.bank.verify().is_clean


def test_a_second_move_by_a_clock_that_is_behind_takes_nobody_out_of_a_closed_month(
    district: District,
) -> None:
    account = district.customer("B01S01")
    district.serve(account, "10-14 08:00")
    close_b01(district)
    district.bank.customers.move(account=account, outlet="B02S01")
    before = figures_of(district, "B01")
    with pytest.raises(DayClosed) as refused:
        district.bank.at(at("10-31 12:00")).customers.move(account=account, outlet="B02S02")
    assert refused.value.facts["outlet"] == "B01S01"
    assert figures_of(district, "B01") == before


# --- customers of a branch that closed by itself, served elsewhere -------------------------


def close_b01(district: District) -> None:
    """It is 5 November, and the branch B01 has closed October by itself."""
    district.clock.now = at("11-05 12:00")
    keeper = district.acting("K1")
    keeper.closings.close("2022-10-31", outlet="B01")
    keeper.closings.close(MONTH, outlet="B01")


def figures_of(district: District, outlet: str) -> str:
    """What is said of October about one branch."""
    ratings, reports = district.bank.ratings, district.bank.reports
    book = reports.ledger_book(outlet, MONTH)
    return ratings.indicators(MONTH, outlets=[outlet]).to_csv() + book.to_table().to_text()


def served_elsewhere(district: District, account: int, start: str, **fields: Any) -> Any:
    """A service at B02S01, which is open."""
    elsewhere = {"outlet": "B02S01", "recorded_by": "T3", "checked_by": "K2"}
    row = district.row(account, start, **elsewhere | fields)
    (outcome,) = district.bank.hours.record_many(rows=[row]).outcomes
    if outcome.error is not None:
        raise outcome.error
    return outcome


def newest(district: District, account: int) -> tuple[dt.date, dt.date | None]:
    """Value date and origin date of an account's newest line."""
    line = district.bank.reports.statement(account, newest=1).lines[-1]
    return line.value_on, line.origin_on


def a_store_at_b02(district: District) -> None:
    bank = district.bank
    bank.stores.recruit(
        stores=[NewStore(code="ST1", name="超市", kind="community_store", recruited_by="B02S01")]
    )
    offer = NewOffer(store="ST1", sku="rice", name="大米", points=Points("0.50"), stock=50)
    bank.stores.publish_offers(offers=[offer])


def test_what_its_customers_do_elsewhere_changes_no_closed_figure(district: District) -> None:
    account = district.customer()
    a_store_at_b02(district)
    district.serve(account, "10-03 08:00")
    served_elsewhere(district, account, "10-04 08:00")
    people = {"reason": "录错", "second_person": "ADM2"}
    district.bank.points.grant(account=account, points=Points(1), outlet="B02S01", **people)
    close_b01(district)
    before = figures_of(district, "B01")
    served_elsewhere(district, account, "10-20 08:00")
    assert newest(district, account) == (dt.date(2022, 11, 1), dt.date(2022, 10, 20))
    district.bank.hours.void(account=account, record_no=2, **people)
    district.bank.points.grant(
        account=account, points=Points(1), outlet="B02S01", value_on=dt.date(2022, 10, 9), **people
    )
    assert newest(district, account) == (dt.date(2022, 11, 1), dt.date(2022, 10, 9))
    district.bank.redemptions.redeem(
        account=account, store="ST1", sku="rice", redeemed_on=dt.date(2022, 10, 30)
    )
    district.bank.reversals.reverse_line(account=account, line_no=3, value="original", **people)
    assert newest(district, account) == (dt.date(2022, 11, 1), dt.date(2022, 10, 15))
    assert figures_of(district, "B01") == before
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_what_is_done_for_others_there_counts_in_its_own_month(district: District) -> None:
    other = district.customer("B02S01")
    close_b01(district)
    served_elsewhere(district, other, "10-20 08:00")
    assert newest(district, other) == (dt.date(2022, 10, 20), None)


def test_by_policy_it_is_refused_by_the_name_of_the_closed_outlet(engine_url: str) -> None:
    district = District(engine_url, policies=(ClosingRules(late_work="refuse"),))
    account = district.customer()
    close_b01(district)
    before = everything(district.bank)
    with pytest.raises(PeriodClosed) as caught:
        served_elsewhere(district, account, "10-20 08:00")
    assert caught.value.facts["outlet"] == "B01S01"
    assert everything(district.bank) == before
    served_elsewhere(district, account, "11-02 08:00")
    district.close()


def test_who_was_its_customer_then_counts_there_wherever_they_are_now(district: District) -> None:
    account = district.customer()
    close_b01(district)
    before = figures_of(district, "B01")
    district.acting("T3").customers.move(account=account, outlet="B02S01")
    served_elsewhere(district, account, "10-20 08:00")
    assert newest(district, account) == (dt.date(2022, 11, 1), dt.date(2022, 10, 20))
    assert figures_of(district, "B01") == before
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_who_became_its_customer_later_was_not_its_customer_then(district: District) -> None:
    account = district.customer("B02S02")
    close_b01(district)
    before = figures_of(district, "B01")
    district.acting("T1").customers.move(account=account, outlet="B01S01")
    served_elsewhere(district, account, "10-20 08:00")
    assert newest(district, account) == (dt.date(2022, 10, 20), None)
    assert figures_of(district, "B01") == before
    assert district.bank.verify().is_clean, str(district.bank.verify())


def test_a_new_customer_of_a_closed_branch_was_nowhere_in_the_closed_month(
    district: District,
) -> None:
    close_b01(district)
    before = figures_of(district, "B01")
    account = district.customer()
    served_elsewhere(district, account, "10-20 08:00")
    assert newest(district, account) == (dt.date(2022, 10, 20), None)
    assert figures_of(district, "B01") == before


def test_opening_balances_that_come_late_count_in_the_open_month(district: District) -> None:
    account = district.customer()
    end_october(district)
    before = figures(district, MONTH)
    row = OpeningRow(account=account, minutes=90, points=Points(2), as_of=dt.date(2022, 10, 20))
    district.bank.points.bring_forward(rows=[row])
    assert newest(district, account) == (dt.date(2022, 11, 1), dt.date(2022, 10, 20))
    assert figures(district, MONTH) == before
    (booked,) = district.bank.reports.ledger_book("B01", "2022-11").rows
    assert booked.minutes == 90


def test_a_day_closed_at_home_takes_no_more_lines_elsewhere(district: District) -> None:
    account, other = district.customer(), district.customer("B02S01")
    close_b01(district)
    behind = district.bank.at(at("10-31 12:00"))
    row = {"outlet": "B02S01", "recorded_by": "T3", "checked_by": "K2"}
    with pytest.raises(DayClosed) as caught:
        behind.hours.record_many(rows=[district.row(account, "10-20 08:00", **row)])
    assert caught.value.facts["outlet"] == "B01S01"
    with pytest.raises(DayClosed):
        behind.customers.move(account=account, outlet="B02S01")
    behind.hours.record_many(rows=[district.row(other, "10-20 08:00", **row)])


def test_verify_finds_what_was_booked_into_a_month_that_its_home_had_closed(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, other = district.customer(), district.customer("B02S01")
    close_b01(district)
    district.clock.advance(minutes=10)
    with monkeypatch.context() as patch:
        patch.setattr(ClosedDays, "value_day", lambda _self, _outlet, day, *_: (day, None))
        for one in (account, other):
            served_elsewhere(district, one, "10-20 08:00")
    (fault,) = district.bank.verify().faults
    assert (fault.kind, fault.found) == ("line_value_day", "2022-10-20")
    assert format_account_no(account) in fault.where


def test_what_the_bank_has_closed_too_needs_no_look_at_homes(district: District) -> None:
    account = district.customer()
    close_b01(district)
    district.bank.closings.close("2022-10-31")
    district.bank.closings.close(MONTH)
    served_elsewhere(district, account, "10-20 08:00")
    with statements(district.bank) as seen:
        served_elsewhere(district, account, "10-21 08:00")
    assert not any("gb_customer_stay" in one and "gb_hour_record" in one for one in seen)
    assert newest(district, account) == (dt.date(2022, 11, 1), dt.date(2022, 10, 21))


def test_it_costs_no_further_statement_for_one_or_for_many(district: District) -> None:
    accounts = [district.customer() for _ in range(12)]
    rows = {"outlet": "B02S01", "recorded_by": "T3", "checked_by": "K2"}

    def cost(day: str, some: list[int]) -> int:
        sent = [district.row(account, f"{day} 08:00", **rows) for account in some]
        with statements(district.bank) as seen:
            assert district.bank.hours.record_many(rows=sent).count("credited") == len(some)
        return len(seen)

    usual = [cost("10-04", accounts[:1]), cost("10-05", accounts[:1])]
    close_b01(district)
    cost("10-06", accounts[:1])  # the handle learns what was closed
    assert [cost("10-07", accounts[:1]), cost("10-08", accounts)] == [usual[1]] * 2
