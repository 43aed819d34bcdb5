"""Stars and ranks as pure decisions: boundaries, ties, zeros, and what can never happen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import PeriodKind
from gongyi_bank.policies import OutletStars, PeriodVolunteerStars, VolunteerStars
from gongyi_bank.rules.ratings import (
    OutletIndicators,
    OutletStanding,
    ServedMinutes,
    count_stars,
    distribute_stars,
    gap_minutes,
    rank_outlets,
    rank_volunteers,
    relative_score,
    score_needed,
    star_quota,
)
from gongyi_bank.values import Points

HOURS = VolunteerStars().hours
FIFTHS = OutletStars(
    five_star_permille=200, four_star_permille=400, three_star_permille=600, two_star_permille=800
)


def served(minutes: int, account: int = 1, **fields: Any) -> ServedMinutes:
    return ServedMinutes(**{"account": account, "ref": None, "kind": "volunteer"} | fields,
                         minutes=minutes)  # fmt: skip


def branch(code: str, measures: tuple[int, int, int, int, int]) -> OutletIndicators:
    accounts, minutes, projects, redeemed, enterprises = measures
    return OutletIndicators(
        outlet_code=code,
        outlet_name=f"{code}储蓄所",
        registered_accounts=accounts,
        service_minutes=minutes,
        projects=projects,
        points_redeemed=Points.of_units(redeemed, 2),
        enterprises=enterprises,
    )


def by_minutes(*minutes: int) -> list[OutletIndicators]:
    """Branches A, B, C … that differ in nothing but their minutes."""
    return [branch(chr(65 + i), (0, m, 0, 0, 0)) for i, m in enumerate(minutes)]


def stars_of(league: tuple[OutletStanding, ...]) -> dict[str, int]:
    return {one.indicators.outlet_code: one.stars for one in league}


# --- volunteers ----------------------------------------------------------------------------


@pytest.mark.parametrize(("star", "hours"), list(enumerate(HOURS, start=1)))
def test_a_star_is_reached_with_the_last_minute_and_not_before(star: int, hours: int) -> None:
    assert count_stars(hours * 60 - 1, HOURS) == star - 1
    assert count_stars(hours * 60, HOURS) == count_stars(hours * 60 + 1, HOURS) == star


@pytest.mark.parametrize(
    ("minutes", "gap"),
    [(0, 6000), (5999, 1), (6000, 12000), (89999, 1), (90000, None), (99999, None)],
)
def test_the_gap_is_what_is_missing_to_the_next_star(minutes: int, gap: int | None) -> None:
    assert gap_minutes(minutes, HOURS) == gap


def test_a_scheme_may_have_fewer_stars_than_five() -> None:
    assert count_stars(10**6, (1, 2)) == 2
    assert distribute_stars(10, [4, 1]) == (6, 3, 1, 0, 0, 0)
    assert distribute_stars(10, [4, 1, 1, 0, 0]) == (6, 3, 0, 1, 0, 0)


def test_equal_minutes_share_a_rank_and_the_next_is_skipped() -> None:
    league = rank_volunteers(
        [served(60, 4), served(90, 3, ref="C1"), served(90, 2, ref="C2"), served(90, 1)], (1, 2)
    )
    told = [(one.rank, one.account, one.ref, one.kind, one.minutes) for one in league]
    assert told == [
        (1, 3, "C1", "volunteer", 90), (1, 2, "C2", "volunteer", 90),
        (1, 1, None, "volunteer", 90), (4, 4, None, "volunteer", 60),
    ]  # fmt: skip


def test_organisations_are_ranked_but_have_no_stars() -> None:
    league = rank_volunteers([served(600, kind="organisation"), served(60, 2)], (1,))
    assert [(one.rank, one.stars) for one in league] == [(1, 0), (2, 1)]


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=20), st.data())
def test_more_minutes_never_mean_fewer_stars_or_a_worse_rank(
    minutes: list[int], data: st.DataObject
) -> None:
    who = data.draw(st.integers(0, len(minutes) - 1))
    more = list(minutes)
    more[who] += data.draw(st.integers(1, 5000))
    before, after = (
        {one.account: one for one in rank_volunteers(map(served, case, range(99)), HOURS)}[who]
        for case in (minutes, more)
    )
    assert after.stars >= before.stars
    assert after.rank <= before.rank


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=12), st.randoms())
def test_the_league_does_not_depend_on_the_order_of_its_input(
    people: list[tuple[int, str]], random: Any
) -> None:
    rows = [served(minutes, i, ref=ref) for i, (minutes, ref) in enumerate(people)]
    expected = rank_volunteers(rows, HOURS)
    random.shuffle(rows)
    assert rank_volunteers(rows, HOURS) == expected


# --- savings branches ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "best", "score"),
    [
        (0, 0, 0), (0, 7, 0), (7, 7, 1000), (1, 3, 333), (2, 3, 666),
        (-5, 7, 0), (-5, -1, 0), (-1, -1, 0), (-1, 0, 0),
    ],
)  # fmt: skip
def test_a_score_is_thousandths_of_the_best_rounded_down(
    measure: int, best: int, score: int
) -> None:
    assert relative_score(measure, best) == score


def test_the_score_is_the_weighted_sum_of_five() -> None:
    policy = OutletStars(accounts_weight=50, minutes_weight=0, projects_weight=10)
    league = rank_outlets(
        [branch("A", (10, 1, 4, 300, 0)), branch("B", (5, 99, 2, 100, 0))], policy
    )
    assert [one.scores for one in league] == [(1000, 10, 1000, 1000, 0), (500, 1000, 500, 333, 0)]
    assert [one.score for one in league] == [50_000 + 10_000 + 20_000, 25_000 + 5_000 + 6_660]


def test_the_shipped_shares_give_the_stars_of_the_seed() -> None:
    league = rank_outlets(
        [branch(f"{i:03}", (i, 0, 0, 0, 0)) for i in range(1, 315)], OutletStars()
    )
    given_out = [one.stars for one in league]
    assert (given_out.count(5), given_out.count(4)) == (3, 9)
    assert min(given_out) == 1


def test_a_tie_is_never_split_and_the_share_never_exceeded() -> None:
    assert stars_of(rank_outlets(by_minutes(5, 4, 3, 2, 1), FIFTHS)) == {
        "A": 5, "B": 4, "C": 3, "D": 2, "E": 1,
    }  # fmt: skip
    tied = rank_outlets(by_minutes(5, 5, 3, 2, 1), FIFTHS)
    assert stars_of(tied) == {"A": 4, "B": 4, "C": 3, "D": 2, "E": 1}
    assert [(one.rank, one.last_place) for one in tied] == [(1, 2), (1, 2), (3, 3), (4, 4), (5, 5)]
    assert set(stars_of(rank_outlets(by_minutes(1, 1, 1), FIFTHS)).values()) == {1}


def test_a_branch_that_has_nothing_has_no_star() -> None:
    assert stars_of(rank_outlets(by_minutes(1, 0), FIFTHS)) == {"A": 3, "B": 0}
    assert stars_of(rank_outlets(by_minutes(0, 0), FIFTHS)) == {"A": 0, "B": 0}


def test_a_bank_without_savings_branches_has_an_empty_league() -> None:
    assert rank_outlets([], OutletStars()) == ()


@pytest.mark.parametrize(
    ("permille", "outlets", "quota"), [(10, 314, 3), (39, 314, 12), (10, 99, 0), (1000, 7, 7)]
)
def test_a_share_is_rounded_down(permille: int, outlets: int, quota: int) -> None:
    assert star_quota(permille, outlets) == quota


MEASURES = st.tuples(*[st.integers(0, 6)] * 5)
WEIGHTS = st.integers(0, 3)


@st.composite
def schemes(draw: st.DrawFn) -> OutletStars:
    shares = sorted(draw(st.lists(st.integers(0, 1000), min_size=4, max_size=4)))
    names = ("five_star_permille", "four_star_permille", "three_star_permille", "two_star_permille")
    weights = ("accounts_weight", "projects_weight", "redeemed_weight", "enterprises_weight")
    return OutletStars(
        minutes_weight=draw(st.integers(1, 3)),
        **{name: draw(WEIGHTS) for name in weights},
        **dict(zip(names, shares, strict=True)),
    )


@given(st.lists(MEASURES, min_size=1, max_size=9), schemes(), st.data())
def test_more_of_anything_never_costs_a_branch_its_star_or_rank(
    rows: list[tuple[int, int, int, int, int]], scheme: OutletStars, data: st.DataObject
) -> None:
    who, what = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 4))
    better = [list(row) for row in rows]
    better[who][what] += data.draw(st.integers(1, 9))

    def standing(case: list[Any]) -> OutletStanding:
        league = rank_outlets([branch(str(i), tuple(m)) for i, m in enumerate(case)], scheme)
        return next(one for one in league if one.indicators.outlet_code == str(who))

    before, after = standing(rows), standing(better)
    assert after.stars >= before.stars
    assert after.rank <= before.rank


@given(st.lists(MEASURES, min_size=1, max_size=9), schemes())
def test_equal_scores_have_equal_stars_and_no_share_is_exceeded(
    rows: list[tuple[int, int, int, int, int]], scheme: OutletStars
) -> None:
    league = rank_outlets([branch(str(i), m) for i, m in enumerate(rows)], scheme)
    assert len({(one.score, one.stars, one.rank) for one in league}) == len(
        {one.score for one in league}
    )
    for stars, permille in scheme.permilles:
        assert sum(one.stars >= stars for one in league) <= permille * len(rows) / 1000


@given(st.lists(st.integers(0, 30), min_size=2, max_size=9), schemes(), st.data())
def test_the_score_needed_is_the_least_that_gives_the_next_star(
    minutes: list[int], scheme: OutletStars, data: st.DataObject
) -> None:
    """With the others' scores as they are: the star follows from places, so recount them."""
    league = rank_outlets(by_minutes(*minutes), scheme)
    one = data.draw(st.sampled_from(league))
    needed = score_needed(one, league, scheme)
    others = [other.score for other in league if other is not one]

    def stars_with(score: int) -> int:
        last_place = 1 + sum(other >= score for other in others)
        fitting = [s for s, p in scheme.permilles if last_place <= star_quota(p, len(league))]
        return max(fitting, default=1) if score else 0

    assert stars_with(one.score) == one.stars
    if needed is None:
        assert stars_with(10**9) == one.stars
    else:
        assert stars_with(needed) > one.stars
        assert stars_with(needed - 1) == one.stars


# --- the schemes themselves ----------------------------------------------------------------


@pytest.mark.parametrize("hours", [(), (100, 100), (300, 100), (0, 1), (1, 2, 3, 4, 5, 6)])
def test_thresholds_that_do_not_rise_are_no_scheme(hours: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValue):
        VolunteerStars(hours=hours)
    for field in ("month_hours", "quarter_hours", "year_hours"):
        with pytest.raises(InvalidValue):
            PeriodVolunteerStars(**{field: hours})


@pytest.mark.parametrize(
    "fields",
    [
        dict.fromkeys(
            ("accounts_weight", "minutes_weight", "projects_weight", "redeemed_weight",
             "enterprises_weight"), 0,
        ),
        {"five_star_permille": 40},
        {"two_star_permille": 149},
        {"two_star_permille": 1001},
    ],
)  # fmt: skip
def test_shares_that_are_not_nested_and_weights_of_nothing_are_no_scheme(
    fields: dict[str, int],
) -> None:
    with pytest.raises(InvalidValue):
        OutletStars(**fields)


def test_a_scheme_survives_its_own_json() -> None:
    for policy in (VolunteerStars(hours=(1, 2)), PeriodVolunteerStars(), OutletStars()):
        assert type(policy).model_validate_json(policy.model_dump_json()) == policy


def test_periods_have_their_own_thresholds_and_a_day_has_none() -> None:
    scheme = PeriodVolunteerStars(month_hours=(1,), quarter_hours=(2,), year_hours=(3,))
    kinds = (PeriodKind.MONTH, PeriodKind.QUARTER, PeriodKind.YEAR)
    assert [scheme.hours_for(kind) for kind in kinds] == [(1,), (2,), (3,)]
    with pytest.raises(InvalidValue):
        scheme.hours_for(PeriodKind.DAY)


def test_for_each_star_more_it_takes_one_point_more_than_who_has_the_last_place_for_it() -> None:
    league = rank_outlets(by_minutes(100, 200, 300, 400, 500), FIFTHS)
    assert [(one.score, one.stars) for one in league] == [
        (20_000, 5), (16_000, 4), (12_000, 3), (8_000, 2), (4_000, 1),
    ]  # fmt: skip
    needed = [score_needed(one, league, FIFTHS) for one in league]
    assert needed == [None, 20_001, 16_001, 12_001, 8_001]
