"""Closing days, months, quarters and years: in order, to the end, and for good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.closings import AnnounceClosing, CloseBooks, DrainClosing
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    ClosingUnfinished,
    DayClosed,
    GongyiBankError,
    InvalidValue,
    NotPermitted,
    PeriodAlreadyClosed,
    PeriodClosed,
    PeriodNotOver,
    ShorterPeriodOpen,
    UnknownOutlet,
    WrongClosingState,
)
from gongyi_bank.policies import ClosingRules, PointsExpiry
from gongyi_bank.store import clearing, tables, totals
from gongyi_bank.store.transaction import Query, Transaction
from gongyi_bank.values import Points
from tests.books import counts, everything
from tests.district import District, at
from tests.service.test_statement_counts import statements

DAYS = "2022-10-31"
MONTH = "2022-10"


def end_october(district: District) -> None:
    """It is 5 November, and October's days and the month are closed."""
    district.clock.now = at("11-05 12:00")
    district.bank.closings.close(DAYS)
    district.bank.closings.close(MONTH)


def lines(district: District) -> list[dict[str, Any]]:
    with district.bank.engine.connect() as connection:
        found = connection.execute(
            sa.select(tables.account_line).order_by(tables.account_line.c.booked_at)
        )
        return [dict(row) for row in found.mappings()]


# --- order and end -------------------------------------------------------------------------


def test_days_months_quarters_and_years_close_in_their_order(district: District) -> None:
    district.serve(district.customer(), "10-15 08:00")
    district.clock.now = at("12-31 12:00") + dt.timedelta(days=2)
    close = district.bank.closings.close
    first = close("2022-10-20")
    assert (first.first_on, first.last_on) == (dt.date(2022, 10, 15), dt.date(2022, 10, 20))
    assert (first.kind, first.totals) == ("day", 1)
    with pytest.raises(ShorterPeriodOpen):
        close("2022-10")
    assert close("2022-12-31").first_on == dt.date(2022, 10, 21)
    for label in ("2022-10", "2022-11", "2022-12"):
        assert close(label).kind == "month"
    with pytest.raises(ShorterPeriodOpen):
        close("2022")
    assert close("2022Q4").kind == "quarter"
    assert close("2022").last_on == dt.date(2022, 12, 31)
    assert len(district.bank.closings.register().rows) == 7
    assert not district.bank.verify().faults


def test_a_day_without_work_is_closed_like_any_other(district: District) -> None:
    district.clock.advance(days=3)
    done = district.bank.closings.close("2022-10-17")
    assert (done.totals, done.first_on) == (0, dt.date(2022, 10, 15))
    assert not district.bank.verify().faults


def test_closing_again_gives_the_same_receipt_and_writes_nothing(district: District) -> None:
    district.clock.advance(days=1)
    done = district.bank.closings.close("2022-10-15")
    before = everything(district.bank)
    assert district.bank.closings.close("2022-10-15") == done
    assert district.acting("ADM2").closings.close("2022-10-15") == done
    assert everything(district.bank) == before
    with pytest.raises(PeriodAlreadyClosed):
        district.bank.closings.close("2022-10-15", idempotency_key="another")


@pytest.mark.parametrize(
    ("staff", "label", "outlet", "refusal"),
    [
        ("admin", "2022-10-16", None, PeriodNotOver),
        ("admin", "2022-10-14", None, InvalidValue),
        ("admin", "2022-13", None, InvalidValue),
        ("admin", "2022-10-15", "B99", UnknownOutlet),
        ("T1", "2022-10-15", "B01S01", NotPermitted),
        ("K1", "2022-10-15", None, NotPermitted),
        ("K1", "2022-10-15", "B02", NotPermitted),
        ("AUD", "2022-10-15", None, NotPermitted),
    ],
)
def test_what_is_refused_writes_nothing(
    sqlite_district: District,
    staff: str,
    label: str,
    outlet: str | None,
    refusal: type[GongyiBankError],
) -> None:
    sqlite_district.clock.advance(days=1)
    before = everything(sqlite_district.bank)
    with pytest.raises(refusal):
        sqlite_district.acting(staff).closings.close(label, outlet=outlet)
    assert everything(sqlite_district.bank) == before


def test_each_step_wants_the_one_before_it(sqlite_district: District) -> None:
    sqlite_district.clock.advance(days=2)
    desk = sqlite_district.bank.closings
    with pytest.raises(WrongClosingState):
        desk.drain(period="2022-10-15")
    desk.announce(period="2022-10-15")
    with pytest.raises(ClosingUnfinished):
        desk.announce(period="2022-10-15")
    with pytest.raises(ClosingUnfinished):
        desk.close("2022-10-16")
    desk.drain(period="2022-10-15")
    with pytest.raises(WrongClosingState):
        desk.drain(period="2022-10-15")
    assert desk.close("2022-10-15").closing_no == 1
    with pytest.raises(PeriodAlreadyClosed):
        desk.announce(period="2022-10-15")


def test_a_closing_is_taken_up_wherever_it_was_broken_off(district: District) -> None:
    """The closer dies after announcing, after draining, after closing."""
    steps: tuple[type[Any], ...] = (AnnounceClosing, DrainClosing, CloseBooks)
    for number in range(len(steps) + 1):
        district.clock.advance(days=1)
        day = (district.clock.now - dt.timedelta(days=1)).date().isoformat()
        desk = district.bank.closings
        for step in steps[:number]:
            district.bank.execute(step(period=day, idempotency_key=f"{step.act}:#:{day}"))
        done = desk.close(day)
        assert (done.closing_no, done.last_on.isoformat()) == (number + 1, day)
        assert desk.close(day) == done
    assert [row[-1] for row in district.bank.closings.register().rows] == ["closed"] * 4
    assert not district.bank.verify().faults


def test_on_a_counter_it_is_one_transaction(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-15 08:00")
    district.clock.advance(days=1)
    before = everything(district.bank)
    with district.bank.simulate() as counter:
        counter.closings.close("2022-10-15")
    assert everything(district.bank) == before
    with district.bank.begin() as counter:
        done = counter.closings.close("2022-10-15")
        district.clock.advance(minutes=1)
        counter.hours.record(
            account=account, category="sanitation", outlet="B01S01", recorded_by="T1",
            checked_by="K1", started_at=at("10-16 08:00"), ended_at=at("10-16 09:00"),
        )  # fmt: skip
    assert counts(district.bank)["gb_closing"] == 1
    assert district.bank.closings.close("2022-10-15") == done
    assert not district.bank.verify().faults


def test_a_branch_closes_its_own_subtree_and_the_bank_goes_on_from_its_own(
    district: District,
) -> None:
    account = district.customer()
    district.clock.advance(days=3)
    branch = district.acting("K1").closings.close("2022-10-16", outlet="B01")
    assert (branch.outlet, branch.totals, branch.root) == ("B01", 0, None)
    district.bank.closings.close("2022-10-15")
    behind = district.bank.at(at("10-16 12:00"))
    service = {
        "account": account, "category": "sanitation", "recorded_by": "admin",
        "checked_by": "ADM2", "started_at": at("10-16 08:00"), "ended_at": at("10-16 09:00"),
    }  # fmt: skip
    for outlet in ("B01", "B01S01", "B01S02", "B02S01"):
        with pytest.raises(DayClosed):
            behind.hours.record(**service, outlet=outlet)
    other = district.customer("B02S01")
    behind.hours.record(**service | {"account": other}, outlet="B02S01")
    district.bank.closings.close("2022-10-17")
    again = district.acting("K1").closings
    with pytest.raises(PeriodAlreadyClosed):
        again.close("2022-10-17", outlet="B01S01")
    district.clock.advance(days=1)
    assert again.close("2022-10-18", outlet="B01").first_on == dt.date(2022, 10, 18)
    assert not district.bank.verify().faults


# --- late work -----------------------------------------------------------------------------


def figures(district: District, label: str) -> str:
    """Everything that is said about a period, as one text."""
    ratings, reports = district.bank.ratings, district.bank.reports
    shown = [
        ratings.volunteer_league(label).to_table().to_text(),
        ratings.outlet_league(label).to_table().to_text(),
        ratings.indicators(label).to_csv(),
        *(reports.ledger_book(outlet, label).to_table().to_text() for outlet in ("B01", "B02")),
        reports.trial_balance(as_of=dt.date(2022, 10, 31)).to_table().to_text(),
    ]
    return "\n".join(shown)


def _october(district: District) -> tuple[int, int]:
    bank, account, other = district.bank, district.customer(), district.customer("B02S01")
    bank.stores.recruit(
        stores=[NewStore(code="ST1", name="超市", kind="community_store", recruited_by="B01S01")]
    )
    offer = NewOffer(store="ST1", sku="rice", name="大米", points=Points("0.50"), stock=50)
    bank.stores.publish_offers(offers=[offer])
    for day in ("10-03", "10-04", "10-05"):
        district.serve(account, f"{day} 08:00", project=f"项目{day}")
    district.serve(other, "10-06 08:00", 600)
    bank.redemptions.redeem(account=account, store="ST1", sku="rice")
    return account, other


def test_a_closed_month_never_changes_and_the_open_one_shows_what_came_late(
    district: District,
) -> None:
    account, other = _october(district)
    end_october(district)
    before, november = figures(district, MONTH), figures(district, "2022-11")
    hours, people = district.acting("K1").hours, {"reason": "录错", "second_person": "K1b"}
    district.serve(account, "10-07 08:00", 100, project="迟到")
    hours.void(account=account, record_no=1, **people)
    hours.correct(
        account=account, record_no=2, category="sanitation", started_at=at("10-04 08:00"),
        ended_at=at("10-04 08:30"), recorded_by="K1", checked_by="K1b", reason="时间录错",
    )  # fmt: skip
    district.bank.hours.approve(account=other, record_no=1)
    district.bank.redemptions.redeem(
        account=account, store="ST1", sku="rice", redeemed_on=dt.date(2022, 10, 30)
    )
    late = district.bank.customers.register(
        customers=[NewCustomer(outlet="B01S01", name="李四", registered_on=dt.date(2022, 10, 1))]
    )
    district.serve(late.accounts[0], "10-20 08:00", 45)
    district.acting("T3").customers.move(account=account, outlet="B02S01")
    assert figures(district, MONTH) == before
    assert figures(district, "2022-11") != november
    league = {one.account: one.minutes for one in
              district.bank.ratings.volunteer_league("2022-11").standings}  # fmt: skip
    assert league == {other: 600, late.accounts[0]: 45} | {account: 100 - 60 - 60 + 30}
    told = district.bank.ratings.explain(account, "2022-11")
    assert told.minutes == 10
    assert [(t.state, t.records, t.minutes) for t in told.tallies] == [
        ("credited", 2, 130), ("taken_back", 2, -120),
    ]  # fmt: skip
    assert not district.bank.verify().faults


def test_late_work_keeps_both_dates(district: District) -> None:
    account, _ = _october(district)
    end_october(district)
    seen = len(lines(district))
    district.serve(account, "10-07 08:00")
    district.serve(account, "11-02 08:00")
    late, usual = lines(district)[seen:]
    assert (late["value_on"], late["origin_on"]) == (dt.date(2022, 11, 1), dt.date(2022, 10, 7))
    assert (usual["value_on"], usual["origin_on"]) == (dt.date(2022, 11, 2), None)
    assert late["business_day"] == usual["business_day"] == dt.date(2022, 11, 5)


def test_a_policy_refuses_late_work(engine_url: str) -> None:
    district = District(engine_url, policies=(ClosingRules(late_work="refuse"),))
    account, _ = _october(district)
    end_october(district)
    before = everything(district.bank)
    with pytest.raises(PeriodClosed):
        district.serve(account, "10-07 08:00")
    with pytest.raises(PeriodClosed):
        district.bank.hours.void(account=account, record_no=1, reason="录错", second_person="K1")
    assert everything(district.bank) == before
    district.serve(account, "11-02 08:00")
    district.close()


def test_a_void_in_an_open_month_leaves_no_trace_in_its_figures(district: District) -> None:
    account, _ = _october(district)
    hours = district.bank.ratings.volunteer_league(MONTH).standings
    district.serve(account, "10-08 08:00", 120, project="错")
    district.bank.hours.void(account=account, record_no=4, reason="录错", second_person="K1")
    assert district.bank.ratings.volunteer_league(MONTH).standings == hours
    projects = {row.outlet_code: row.projects for row in
                district.bank.ratings.indicators(MONTH).rows}  # fmt: skip
    assert projects["B01S01"] == 3


# --- what the day's close does besides -----------------------------------------------------


def test_points_past_their_date_are_taken_before_the_day_is_closed(engine_url: str) -> None:
    district = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    account = district.customer()
    district.serve(account, "10-15 08:00")
    district.clock.now = at("11-20 12:00")
    district.bank.closings.close("2022-11-19")
    assert district.bank.reports.balance(account) == Points(0)
    assert [line["kind"] for line in lines(district)] == ["service", "expiry"]
    assert not district.bank.verify().faults
    district.close()


def test_overdue_holds_are_counted(district: District) -> None:
    account, _ = _october(district)
    district.bank.redemptions.reserve(account=account, store="ST1", sku="rice")
    district.clock.advance(days=1)
    assert district.bank.closings.close("2022-10-15").overdue_holds == 0
    district.clock.advance(days=60)
    assert district.bank.closings.close("2022-11-30").overdue_holds == 1


# --- roll-ups ------------------------------------------------------------------------------


def _read(district: District, read: Callable[[], Any]) -> list[str]:
    with statements(district.bank) as seen:
        read()
    return seen


def test_the_trial_balance_is_the_same_whatever_was_closed(district: District) -> None:
    account, _ = _october(district)
    reports = district.bank.reports
    wanted: dict[dt.date, tuple[Any, ...]] = {}
    for day in range(15, 24):
        district.clock.now = at(f"10-{day} 12:00")
        district.serve(account, f"10-{day} 06:00", 30)
        if day % 2:
            district.bank.redemptions.redeem(account=account, store="ST1", sku="rice")
        wanted[dt.date(2022, 10, day)] = reports.trial_balance().to_table().rows
    for label in ("2022-10-17", "2022-10-18", "2022-10-22"):
        district.bank.closings.close(label)
        for day, table in wanted.items():
            assert reports.trial_balance(as_of=day).to_table().rows == table, (label, day)
        assert reports.trial_balance().to_table().rows == wanted[dt.date(2022, 10, 23)]
    assert reports.trial_balance().is_balanced
    assert not district.bank.verify().faults


def test_the_trial_balance_reads_the_newest_totals_and_only_the_open_tail(
    postgresql_tables_url: str,
) -> None:
    district = District(postgresql_tables_url)
    account = district.customer()
    for day in range(15, 20):
        district.clock.now = at(f"10-{day} 12:00")
        for hour in range(8):
            district.serve(account, f"10-{day} {hour:02d}:00", 30)
    rows = [_rows_read(district)]
    district.bank.closings.close("2022-10-18")
    rows.append(_rows_read(district))
    assert rows[0] == 40
    assert rows[1] == 8
    district.close()


def _rows_read(district: District) -> int:
    """Lines that the internal side of the trial balance reads, as the server counted them."""

    def asked(tx: Transaction) -> dict[str, Any]:
        since = totals._rolled_up_through(tx, day=dt.date.max)[0][0]
        return {"since": since or dt.date(1900, 1, 1), "day": dt.date.max}

    return sum(
        int(node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0))
        for node in _explained(district.bank, totals._internal_moved, asked)
        if node.get("Relation Name") == "gb_account_line"
    )


def test_where_accounts_were_kept_is_looked_up_in_steps_that_grow_as_their_number(
    postgresql_tables_url: str,
) -> None:
    """A join of each with each was a second for 4 000 customers without figures about them."""
    district = District(postgresql_tables_url)
    few, many = (_steps_to_places(district, more=count) for count in (50, 150))
    assert all(steps > 50 for steps in few)
    assert all(after < 6 * before for before, after in zip(few, many, strict=True)), (few, many)
    district.close()


def _steps_to_places(district: District, more: int) -> list[int]:
    """Rows that pass any part of the two plans that ask where accounts were, with so many more."""
    for _ in range(more):
        district.serve(district.customer("B02S01"), "10-14 08:00", 30)
    given = {"first_on": dt.date(2022, 10, 1), "last_on": dt.date(2022, 10, 31)}
    return [
        sum(
            int(
                (node["Actual Rows"] + node.get("Rows Removed by Join Filter", 0))
                * node["Actual Loops"]
            )
            for node in _explained(district.bank, query, lambda _: given)
        )
        for query in (totals._floored_then, clearing._crossings)
    ]


def _explained(
    bank: Bank, query: Query, asked: Callable[[Transaction], dict[str, Any]]
) -> list[dict[str, Any]]:
    """The parts of a query's plan, as the server counted them."""

    def explained(tx: Transaction) -> Any:
        params, compiled = asked(tx), query.compiled(tx)
        tx.wire.execute("SET LOCAL enable_seqscan = off", ())
        explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + compiled.sql
        return tx.wire.fetch(explain, compiled.given(tx, params))[0][0]

    return _nodes(bank.read(explained)[0]["Plan"])


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in _nodes(part))]


def test_closing_costs_the_same_for_few_and_for_many_accounts_and_days(
    district: District,
) -> None:
    # All are served at B01S01, the first one too as a customer of another branch: each day has
    # something to net.
    accounts = [district.customer(outlet) for outlet in ("B02S01", "B01S02", "B02S02")]
    found = []
    # The first day's seal covers the founding, too, whose tables later days do not fill; and what
    # was netted with it is sealed with the second.
    for number, some in enumerate((accounts[:1], accounts[:1], accounts[:1], accounts), start=16):
        for account in some:
            district.serve(account, f"10-{number - 1} 08:00")
        district.clock.advance(days=1)
        district.bank.closings.announce(period=f"2022-10-{number - 1}")
        district.bank.closings.drain(period=f"2022-10-{number - 1}")
        close = CloseBooks(period=f"2022-10-{number - 1}")
        found.append(len(_read(district, lambda c=close: district.bank.execute(c))))
    assert found[2] == found[3]
    assert found[0] > found[2]
