"""Stars, indicators and leagues from the books, on every engine."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.errors import (
    InvalidValue,
    NotAVolunteer,
    UnknownCustomer,
    UnknownOutlet,
)
from gongyi_bank.periods import Period
from gongyi_bank.policies import OutletStars, PeriodVolunteerStars, VolunteerStars
from gongyi_bank.store import tables
from gongyi_bank.values import Points, format_account_no
from tests.district import START, District, at

DAY = dt.date


def insert(district: District, table: sa.Table, **values: Any) -> None:
    """Put a row into the books directly, under the voucher of the founding."""
    voucher_id = sa.select(tables.voucher.c.voucher_id).order_by("voucher_id").limit(1)
    with district.bank.engine.begin() as connection:
        founding = connection.execute(voucher_id).scalar_one()
        row = {"bank_id": bank_id(connection), "voucher_id": founding} | values
        if row.pop("is_settled", False):
            row["settled_voucher_id"] = founding
        connection.execute(table.insert().values(row))


def bank_id(connection: sa.Connection) -> int:
    found: int = connection.execute(sa.select(tables.bank.c.bank_id)).scalar_one()
    return found


def outlet_no(district: District, code: str) -> int:
    with district.bank.engine.begin() as connection:
        query = sa.select(tables.outlet.c.outlet_no).where(tables.outlet.c.code == code)
        found: int = connection.execute(query).scalar_one()
    return found


def a_store(
    district: District, no: int, recruited_by: str, joined_on: dt.date, **more: Any
) -> None:
    """A store with one offer, recruited by a savings branch."""
    home = outlet_no(district, recruited_by)
    insert(district, tables.account, account_no=no, kind="taken", unit="points", outlet_no=home)
    insert(
        district, tables.partner_store, store_no=no, code=f"P{no}", name="幸福超市",
        kind="community_store", recruited_by_no=home, joined_on=joined_on, account_no=no, **more,
    )  # fmt: skip
    insert(
        district, tables.offer, store_no=no, sku="米", name="大米", points=100, stock=9,
        reserved=0, state="listed",
    )  # fmt: skip


def redeem(district: District, account: int, units: int, day: dt.date, state: str) -> None:
    """A redemption row, with its hold; the ledger's side of it does not matter to ratings."""
    redemption_id = uuid.uuid4().bytes
    hold_id = None if state == "redeemed" else redemption_id
    is_settled = state in ("captured", "released", "lapsed")
    if hold_id:
        insert(
            district, tables.hold, hold_id=hold_id, account_no=account, payee_no=7, amount=units,
            captured=units if state == "captured" else 0, event_no=2 if is_settled else 1,
            state="held" if state == "reserved" else state, placed_at=START, deadline_at=START,
            latest_at=START, outlet_no=outlet_no(district, "B01S01"), cites_from=0,
            is_settled=is_settled,
        )  # fmt: skip
    insert(
        district, tables.redemption, redemption_id=redemption_id, account_no=account, store_no=7,
        sku="米", quantity=1, points=units, state=state, row_digest=bytes(32), redeemed_on=day,
        hold_id=hold_id, cites_from=None if hold_id else 0, is_settled=is_settled,
        line_no=1 if state in ("redeemed", "captured") else None,
    )  # fmt: skip


@contextmanager
def statements(district: District) -> Iterator[list[str]]:
    """Every SQL statement that runs meanwhile."""
    seen: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(district.bank.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(district.bank.engine, "before_cursor_execute", note)


def figures(district: District, period: str, code: str) -> tuple[Any, ...]:
    """The five indicators of one savings branch."""
    (row,) = district.bank.ratings.indicators(period, outlets=[code]).rows
    return (
        row.registered_accounts, row.service_minutes, row.projects, str(row.points_redeemed),
        row.enterprises,
    )  # fmt: skip


# --- lifetime stars ------------------------------------------------------------------------


@pytest.fixture
def starred(engine_url: str) -> Iterator[District]:
    """A district where an hour is a star, two are two, and the best half has five."""
    made = District(
        engine_url,
        policies=(
            VolunteerStars(hours=(1, 2, 3)),
            PeriodVolunteerStars(month_hours=(1, 2), quarter_hours=(2, 4), year_hours=(3, 6)),
            OutletStars(
                five_star_permille=250, four_star_permille=500, three_star_permille=750,
                two_star_permille=1000,
            ),
        ),
    )  # fmt: skip
    yield made
    made.close()


def test_a_volunteer_has_the_star_whose_hours_they_reached(starred: District) -> None:
    account = starred.customer(ref="C1")
    starred.serve(account, "10-03 08:00", 59)
    assert starred.bank.ratings.volunteer_stars(account).stars == 0
    starred.serve(account, "10-03 10:00", 1)
    rating = starred.bank.ratings.volunteer_stars(account)
    assert (rating.stars, rating.minutes, rating.gap_minutes) == (1, 60, 60)
    assert rating == starred.bank.ratings.volunteer_stars(format_account_no(account))
    assert rating == starred.bank.ratings.explain(account)


def test_only_credited_minutes_count_and_the_others_are_named(starred: District) -> None:
    account = starred.customer()
    starred.serve(account, "10-03 08:00", 60)
    starred.serve(account, "10-04 08:00", 600)
    wrong = starred.serve(account, "10-05 08:00", 120)
    starred.acting("K1").hours.void(
        account=account, record_no=wrong.record_no, reason="重复登记", second_person="K1b"
    )
    for rating in (
        starred.bank.ratings.explain(account),
        starred.bank.ratings.explain(account, "2022-10"),
    ):
        assert (rating.minutes, rating.stars) == (60, 1)
        assert {(tally.state, tally.minutes) for tally in rating.excluded} == {
            ("waiting_branch", 600),
            ("voided", 120),
        }


def test_hours_of_the_paper_books_count_for_the_lifetime_and_for_no_period(
    starred: District,
) -> None:
    account = starred.customer()
    paper = OpeningRow(account=account, minutes=150, points=Points(0), as_of=DAY(2022, 9, 30))
    starred.bank.points.bring_forward(rows=[paper])
    starred.serve(account, "09-30 08:00", 60)
    ratings = starred.bank.ratings
    assert (ratings.volunteer_stars(account).minutes, ratings.volunteer_stars(account).stars) == (
        210,
        3,
    )
    assert ratings.explain(account, "2022Q3").minutes == 60
    assert ratings.volunteer_league("2022Q3").standings[0].minutes == 60
    assert figures(starred, "2022Q3", "B01S01")[1] == 60


def test_redeeming_never_changes_a_star(starred: District) -> None:
    account = starred.customer()
    starred.serve(account, "10-03 08:00", 120)
    a_store(starred, 7, "B01S01", DAY(2022, 1, 1))
    ratings = starred.bank.ratings
    before = [ratings.explain(account, p) for p in (None, "2022-10", "2022Q4", "2022")]
    league = ratings.volunteer_league("2022-10")
    redeem(starred, account, 200, DAY(2022, 10, 31), "redeemed")
    assert [ratings.explain(account, p) for p in (None, "2022-10", "2022Q4", "2022")] == before
    assert ratings.volunteer_league("2022-10") == league


def test_volunteers_are_counted_by_stars_and_others_are_not(starred: District) -> None:
    for minutes in (0, 59, 60, 150, 480):
        account = starred.customer()
        if minutes:
            starred.serve(account, "10-03 08:00", minutes)
    starred.serve(starred.customer(kind="organisation"), "10-03 08:00", 480)
    counts = starred.bank.ratings.volunteers_by_stars()
    assert counts == {0: 2, 1: 1, 2: 1, 3: 1, 4: 0, 5: 0}
    assert "★★★☆☆" in str(counts)


def test_an_organisation_and_an_unknown_account_have_no_star(starred: District) -> None:
    organisation = starred.customer(kind="organisation")
    with pytest.raises(NotAVolunteer):
        starred.bank.ratings.volunteer_stars(organisation)
    with pytest.raises(NotAVolunteer):
        starred.bank.ratings.explain(organisation, "2022-10")
    with starred.bank.simulate() as counter:
        new = NewCustomer(outlet="B01S01", name="李四")
        gone = counter.customers.register(customers=[new]).accounts[0]
    with pytest.raises(UnknownCustomer):
        starred.bank.ratings.volunteer_stars(gone)


# --- the league of volunteers --------------------------------------------------------------


def test_the_league_ranks_by_minutes_of_the_period_and_ties_share_a_rank(
    starred: District,
) -> None:
    first, second, third = (starred.customer(ref=ref) for ref in ("C3", "C2", "C1"))
    starred.serve(first, "10-01 08:00", 120)
    starred.serve(second, "10-14 08:00", 119)
    starred.serve(third, "10-03 08:00", 119)
    starred.serve(third, "09-30 08:00", 300)
    starred.serve(starred.customer(kind="organisation"), "10-03 08:00", 480)
    league = starred.bank.ratings.volunteer_league("2022-10")
    assert [(one.rank, one.ref, one.minutes, one.stars) for one in league.standings] == [
        (1, "C3", 120, 2),
        (2, "C1", 119, 1),
        (2, "C2", 119, 1),
    ]
    assert league.served == 3
    year = starred.bank.ratings.volunteer_league(Period.parse("2022"), top=1)
    assert [(one.ref, one.minutes, one.stars) for one in year.standings] == [("C1", 419, 2)]
    assert year.served == 3


def test_a_service_belongs_to_the_period_of_the_day_on_which_it_began(starred: District) -> None:
    account = starred.customer()
    starred.serve(account, "09-30 23:00", 120)
    assert starred.bank.ratings.volunteer_league("2022Q3").standings[0].minutes == 120
    assert starred.bank.ratings.volunteer_league("2022Q4").standings == ()


def test_organisations_are_ranked_where_they_are_asked_for(starred: District) -> None:
    starred.serve(starred.customer(kind="organisation"), "10-03 08:00", 480)
    league = starred.bank.ratings.volunteer_league("2022-10", kinds=("organisation", "volunteer"))
    assert [(one.kind, one.stars) for one in league.standings] == [("organisation", 0)]


def test_names_are_masked_and_only_there_when_asked_for(starred: District) -> None:
    account = starred.customer(name="欧阳小明", ref="C1")
    starred.serve(account, "10-03 08:00")
    plain = starred.bank.ratings.volunteer_league("2022-10")
    named = starred.bank.ratings.volunteer_league("2022-10", names=True)
    for shown in (str(plain), plain._repr_html_()):
        assert "欧" not in shown
        assert "C1" in shown
        assert format_account_no(account) in shown
    assert named.standings[0].name == "欧**明"
    assert "欧**明" in str(named)
    assert "欧阳" not in named._repr_html_()


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("volunteer_league", {"period": "2022-10-03"}),
        ("volunteer_league", {"period": "2022-13"}),
        ("volunteer_league", {"period": "2022-10", "top": 0}),
        ("volunteer_league", {"period": "2022-10", "top": True}),
        ("volunteer_league", {"period": "2022-10", "kinds": ("children",)}),
        ("outlet_league", {"period": "2022Q4", "top": -1}),
        ("indicators", {"period": 2022}),
        ("explain", {"account": "1001 0000001 0", "period": "Q4"}),
    ],
)
def test_what_makes_no_sense_is_refused(
    sqlite_district: District, call: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValue):
        getattr(sqlite_district.bank.ratings, call)(**fields)


def test_the_rule_is_the_one_in_force_on_the_last_day_of_the_period(starred: District) -> None:
    account = starred.customer()
    starred.serve(account, "10-03 08:00", 120)
    first = starred.bank.ratings.explain(account, "2022-10")
    stricter = PeriodVolunteerStars(month_hours=(2, 9), quarter_hours=(9,), year_hours=(9,))
    starred.bank.policies.adopt(policy=stricter, effective_on=DAY(2022, 10, 31))
    second = starred.bank.ratings.explain(account, "2022-10")
    assert (first.stars, second.stars) == (2, 1)
    assert second.policy.effective_on == DAY(2022, 10, 31)
    assert second.policy.policy_id != first.policy.policy_id
    assert starred.bank.ratings.explain(account, "2022-09").policy == first.policy
    assert starred.bank.ratings.volunteer_league("2022-10").policy == second.policy


# --- the five indicators -------------------------------------------------------------------


def test_accounts_count_that_are_open_at_the_end_of_the_period(district: District) -> None:
    district.customer(registered_on=DAY(2022, 9, 30))
    district.customer(registered_on=DAY(2022, 10, 1), kind="household")
    leaver = district.customer(registered_on=DAY(2022, 1, 1))
    moved = district.customer(registered_on=DAY(2022, 1, 1))
    district.bank.accounts.close(account=leaver, reason="迁居")  # on 15 October
    district.bank.customers.move(account=moved, outlet="B02S02")
    assert figures(district, "2022-09", "B01S01")[0] == 3
    assert figures(district, "2022-10", "B01S01")[0] == 2
    assert figures(district, "2022-10-14", "B01S01")[0] == 4
    assert figures(district, "2022-10-15", "B01S01")[0] == 2
    assert district.bank.ratings.indicators("2021", outlets=["B01S01"]).rows == ()
    assert figures(district, "2022-10", "B02S02")[0] == 1


def test_service_counts_where_it_was_given_and_projects_once(district: District) -> None:
    at_home = district.customer("B02S01")
    for day, project in (("01", "P1"), ("02", "P1"), ("03", "P2"), ("04", None)):
        district.serve(at_home, f"10-{day} 08:00", 60, project=project)
    district.serve(at_home, "10-05 08:00", 500, project="P3")
    district.serve(at_home, "09-30 08:00", 60, project="P4")
    assert figures(district, "2022-10", "B01S01")[1:3] == (240, 2)
    assert figures(district, "2022Q3", "B01S01")[1:3] == (60, 1)
    assert figures(district, "2022-10", "B02S01")[1:3] == (0, 0)


def test_points_count_where_the_customer_is_registered(district: District) -> None:
    customer = district.customer("B01S01")
    a_store(district, 7, "B02S01", DAY(2022, 1, 1))
    redeem(district, customer, 150, DAY(2022, 10, 1), "redeemed")
    redeem(district, customer, 75, DAY(2022, 12, 31), "captured")
    for state in ("reserved", "released", "lapsed"):
        redeem(district, customer, 1000, DAY(2022, 11, 1), state)
    redeem(district, customer, 1000, DAY(2023, 1, 1), "redeemed")
    assert figures(district, "2022Q4", "B01S01")[3] == "2.25"
    assert figures(district, "2022Q4", "B02S01")[3] == "0.00"


def test_stores_count_for_who_recruited_them_while_they_are_in_the_alliance(
    district: District,
) -> None:
    a_store(district, 7, "B01S02", DAY(2021, 5, 1))
    a_store(district, 8, "B01S02", DAY(2022, 12, 31))
    a_store(district, 9, "B01S02", DAY(2023, 1, 1))
    a_store(district, 10, "B01S02", DAY(2021, 1, 1), left_on=DAY(2022, 12, 31))
    assert figures(district, "2022Q4", "B01S02")[4] == 2
    assert figures(district, "2022Q3", "B01S02")[4] == 2
    assert figures(district, "2023", "B01S02")[4] == 3


def test_indicators_are_of_all_savings_branches_or_of_a_subtree(district: District) -> None:
    def codes(outlets: Any) -> list[str]:
        return [r.outlet_code for r in district.bank.ratings.indicators("2022Q4", outlets).rows]

    assert codes(None) == codes(["H"]) == ["B01S01", "B01S02", "B02S01", "B02S02"]
    assert codes(["B01", "B02S02"]) == ["B01S01", "B01S02", "B02S02"]
    assert codes([]) == []
    with pytest.raises(UnknownOutlet):
        codes(["B01", "B99"])


def test_a_branch_that_closed_before_the_period_is_not_in_it(district: District) -> None:
    district.bank.outlets.close(outlet="B02S02", reason="撤并")
    codes = {r.outlet_code for r in district.bank.ratings.indicators("2022-11").rows}
    assert codes == {"B01S01", "B01S02", "B02S01"}
    assert len(district.bank.ratings.indicators("2022-10").rows) == 4


def test_indicators_as_csv_have_a_line_for_every_branch(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 90, project="P1")
    lines = district.bank.ratings.indicators("2022Q4").to_csv().splitlines()
    assert lines[:3] == [
        "outlet_code,registered_accounts,service_minutes,projects,points_redeemed,enterprises",
        "B01S01,1,90,1,0.00,0",
        "B01S02,0,0,0,0.00,0",
    ]
    assert len(lines) == 5


def test_the_number_of_statements_does_not_depend_on_the_number_of_anything(
    district: District,
) -> None:
    ratings = district.bank.ratings
    calls = (
        lambda: ratings.indicators("2022Q4"),
        lambda: ratings.outlet_league("2022Q4"),
        lambda: ratings.volunteer_league("2022Q4", names=True),
        lambda: ratings.volunteers_by_stars(),
    )

    def counts() -> list[int]:
        found = []
        for call in calls:
            call()  # The first call on an engine may prepare something.
            with statements(district) as seen:
                call()
            found.append(sum("gb_" in statement for statement in seen))
        return found

    district.serve(district.customer(), "10-03 08:00")
    few = counts()
    for outlet in ("B01S01", "B02S01", "B02S02"):
        for _ in range(3):
            district.serve(district.customer(outlet), "10-03 08:00", project=outlet)
    assert counts() == few
    assert few == [5, 7, 4, 3]


# --- the league of savings branches --------------------------------------------------------


def test_savings_branches_are_ranked_by_their_score(starred: District) -> None:
    here, there = starred.customer("B01S01"), starred.customer("B02S01")
    starred.customer("B02S01")
    starred.serve(here, "10-03 08:00", 60, project="P1")
    starred.serve(there, "10-03 08:00", 90, project="P2")
    league = starred.bank.ratings.outlet_league("2022Q4")
    assert [
        (one.rank, one.indicators.outlet_code, one.scores, one.score, one.stars)
        for one in league.standings
    ] == [
        (1, "B01S01", (500, 1000, 1000, 0, 0), 50_000, 5),
        (2, "B02S01", (1000, 0, 0, 0, 0), 20_000, 4),
        (3, "B01S02", (0, 0, 0, 0, 0), 0, 0),
        (3, "B02S02", (0, 0, 0, 0, 0), 0, 0),
    ]
    assert (league.outlets, league.score_max) == (4, 100_000)
    assert len(starred.bank.ratings.outlet_league("2022Q4", top=1).standings) == 1
    assert "★★★★★" in str(league)


def test_a_branch_is_told_why_it_has_its_stars(starred: District) -> None:
    starred.serve(starred.customer("B01S01"), "10-03 08:00", 60, project="P1")
    starred.customer("B02S01")
    rating = starred.bank.ratings.explain_outlet("B02S01", "2022Q4")
    assert (rating.standing.stars, rating.standing.score, rating.gap) == (4, 20_000, 40_001)
    assert rating.quotas == ((5, 1), (4, 2), (3, 3), (2, 4))
    assert rating.best == (1, 60, 1, Points("0.00"), 0)
    assert rating.weights == (20, 20, 20, 20, 20)
    assert "40.001" in str(rating)
    assert starred.bank.ratings.explain_outlet("B01S01", "2022Q4").gap is None
    assert starred.bank.ratings.explain_outlet("B01S02", "2022Q4").gap == 1
    for code in ("B01", "B99"):
        with pytest.raises(UnknownOutlet):
            starred.bank.ratings.explain_outlet(code, "2022Q4")


def test_results_show_themselves_and_become_data_frames(starred: District) -> None:
    pytest.importorskip("pandas")
    account = starred.customer(ref="C1")
    starred.serve(account, "10-03 08:00", 60)
    ratings = starred.bank.ratings
    for result in (
        ratings.volunteer_stars(account),
        ratings.volunteers_by_stars(),
        ratings.indicators("2022Q4"),
        ratings.volunteer_league("2022-10", names=True),
        ratings.outlet_league("2022Q4"),
        ratings.explain_outlet("B01S01", "2022Q4"),
    ):
        assert str(result) == result.to_table().to_text()
        assert result._repr_html_() == result.to_table().to_html()
        assert len(result.to_pandas()) == len(result.to_table())
    assert ratings.volunteer_league("2022-10").to_pandas()["stars"].tolist() == [1]
    assert ratings.volunteers_by_stars().to_pandas()["volunteers"].tolist() == [0, 1, 0, 0, 0, 0]


def test_a_counter_sees_what_it_has_just_written(starred: District) -> None:
    account = starred.customer()
    row = starred.row(account, "10-03 08:00", 60)
    with starred.bank.simulate(staff="T1") as counter:
        counter.hours.record_many(rows=[row])
        assert counter.ratings.volunteer_stars(account).stars == 1
    assert starred.bank.ratings.volunteer_stars(account).stars == 0


def test_a_move_leaves_the_figures_of_the_periods_before_it(district: District) -> None:
    account = district.customer(outlet="B01S01")
    district.clock.now = at("11-05 09:00")
    district.bank.customers.move(account=account, outlet="B02S01")
    district.bank.customers.move(account=account, outlet="B01S02")

    def registered(period: str) -> dict[str, int]:
        rows = district.bank.ratings.indicators(period).rows
        return {row.outlet_code: row.registered_accounts for row in rows if row.registered_accounts}

    assert registered("2022-10") == {"B01S01": 1}
    assert registered("2022-11") == {"B01S02": 1}
