"""The 雁江 story through the bank: the expected figures, run again, interrupted, in any chunks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gongyi_bank.bank import Bank
from gongyi_bank.errors import GongyiBankError, InvalidValue
from gongyi_bank.periods import end_of
from gongyi_bank.takeover import (
    Office,
    TakeoverReport,
    bank_name,
    figures,
    open_story,
    redemptions,
    services,
    take_over_story,
    write_indicators,
)
from gongyi_bank.testing import story_folder
from tests.books import counts
from tests.conftest import BIG_STORY, NO_BIG_STORY
from tests.takeover.books import Books, books_of, copied_story, edit, founded


@pytest.fixture
def small(engine_url: str) -> Iterator[Bank]:
    bank = founded(engine_url, story_folder())
    yield bank
    bank.close()


def require_expected(bank: Bank, report: TakeoverReport, folder: Path, tmp_path: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert figures(bank, report) == expected
    write_indicators(bank, "2022Q4", tmp_path / "indicators.csv")
    wanted = (folder / "expected_indicators_2022Q4.csv").read_bytes()
    assert (tmp_path / "indicators.csv").read_bytes() == wanted


def test_the_small_story_gives_the_expected_figures_and_replays(
    small: Bank, tmp_path: Path
) -> None:
    report = take_over_story(small, story_folder())
    require_expected(small, report, story_folder(), tmp_path)
    assert not report.is_replay
    before = counts(small)
    again = take_over_story(small, story_folder(), rows_per_chunk=333)
    assert again.is_replay
    assert counts(small) == before
    for first, second in zip(report.all_steps, again.all_steps, strict=True):
        refused = sum(first.refused.values())
        assert (second.rows, second.taken, sum(second.refused.values())) == (first.rows, 0, refused)
    require_expected(small, again, story_folder(), tmp_path)


@pytest.mark.story
@pytest.mark.slow
def test_the_big_story_gives_the_expected_figures(engine_url: str, tmp_path: Path) -> None:
    if not BIG_STORY.is_dir():
        pytest.skip(NO_BIG_STORY)
    bank = founded(engine_url, BIG_STORY)
    report = take_over_story(bank, BIG_STORY)
    require_expected(bank, report, BIG_STORY, tmp_path)
    assert take_over_story(bank, BIG_STORY).is_replay
    bank.close()


def test_the_report_counts_what_the_expected_figures_count(sqlite_url: str) -> None:
    bank = founded(sqlite_url, story_folder())
    report = take_over_story(bank, story_folder())
    expected = json.loads((story_folder() / "expected.json").read_text("utf-8"))
    for month in report.months:
        told = expected["months"][month.month]
        assert month.services.not_taken == told["refused"]
        assert month.services.waiting == told["waiting"]
        assert str(month.services.points) == told["points_credited"]
        assert month.services.minutes == told["minutes_credited"]
        assert month.redemptions.not_taken == told["redemption_refused"]
        assert str(month.redemptions.points) == told["points_redeemed"]
    assert report.step("opening").minutes == expected["opening_minutes"]
    assert str(report.step("opening").points) == expected["opening_points"]
    assert "services 2022-11" in str(report)
    assert "<table" in report._repr_html_()


def test_problems_stand_in_the_order_of_the_file(sqlite_url: str) -> None:
    bank = founded(sqlite_url, story_folder())
    report = take_over_story(bank, story_folder(), rows_per_chunk=100)
    for step in report.all_steps:
        lines = [problem.line for problem in step.problems]
        assert lines == sorted(set(lines))
    first = report.months[0].services.problems[0]
    assert (first.file, first.line, first.column) == ("services_2022-10.csv", 30, "checked_by")
    assert (first.value, first.code) == ("'TB14S11-1'", "four_eyes")
    assert "services_2022-10.csv:30" in first.message("en")


# --- chunks, interruptions -----------------------------------------------------------------


@pytest.fixture(scope="module")
def mini_story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story with 40 rows in each monthly file, and whom they name."""
    return copied_story(tmp_path_factory.mktemp("mini") / "story", rows_max=40)


@pytest.fixture(scope="module")
def mini_books(mini_story: Path, tmp_path_factory: pytest.TempPathFactory) -> Books:
    bank = founded(f"sqlite:///{tmp_path_factory.mktemp('whole') / 'bank.db'}", mini_story)
    take_over_story(bank, mini_story, rows_per_chunk=10_000)
    return books_of(bank)


@settings(max_examples=6)
@given(size=st.integers(1, 60))
def test_chunks_of_any_size_give_the_same_books(
    mini_story: Path, mini_books: Books, size: int
) -> None:
    bank = founded("sqlite://", mini_story)
    take_over_story(bank, mini_story, rows_per_chunk=size)
    assert books_of(bank) == mini_books
    bank.close()


@settings(max_examples=6)
@given(stop_at=st.integers(1, 45))
def test_an_interrupted_takeover_goes_on_where_it_stopped(
    mini_story: Path, mini_books: Books, stop_at: int
) -> None:
    bank = founded("sqlite://", mini_story)
    calls = 0

    def interrupt(name: str, done: int, total: int | None) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_over_story(bank, mini_story, rows_per_chunk=40, progress=interrupt)
    report = take_over_story(bank, mini_story, rows_per_chunk=25)
    assert books_of(bank) == mini_books
    assert figures(bank, report)["months"]["2022-10"]["service_rows"] == 40
    bank.close()


def told(report: TakeoverReport) -> list[Any]:
    """Per file: how many rows, and every refusal with its line, column and reason."""
    return [
        (step.name, step.rows, [(p.line, p.column, p.value, p.code) for p in step.problems])
        for step in report.all_steps
    ]


@pytest.fixture(scope="module")
def with_one_run() -> Iterator[tuple[Bank, TakeoverReport]]:
    """The bank of the small story after an uninterrupted takeover, to compare others with."""
    bank = founded("sqlite://", story_folder())
    yield bank, take_over_story(bank, story_folder(), rows_per_chunk=50)
    bank.close()


@pytest.mark.parametrize(
    "stop_in", ["services 2022-11", pytest.param("redemptions 2022-12", marks=pytest.mark.slow)]
)
def test_a_resumed_and_a_repeated_run_tell_what_an_uninterrupted_one_tells(
    stop_in: str, engine_url: str, with_one_run: tuple[Bank, TakeoverReport]
) -> None:
    folder = story_folder()
    its_bank, whole = with_one_run
    # Judged again against what is in the books by now, some would be refused otherwise.
    assert {"insufficient_points", "overlap"} <= {p.code for p in whole.problems}
    bank = founded(engine_url, folder)

    def interrupt(name: str, done: int, total: int | None) -> None:
        if name == stop_in and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_over_story(bank, folder, rows_per_chunk=50, progress=interrupt)
    resumed = take_over_story(bank, folder, rows_per_chunk=50)
    repeated = take_over_story(bank, folder, rows_per_chunk=50)
    assert told(resumed) == told(whole)
    assert told(repeated) == told(whole)
    assert [p.error for p in repeated.problems] == [p.error for p in resumed.problems]
    assert repeated.is_replay
    assert figures(bank, repeated) == figures(bank, resumed) == figures(its_bank, whole)
    assert books_of(bank) == books_of(its_bank)
    bank.close()


def test_progress_tells_every_step_from_its_beginning_to_its_end(mini_story: Path) -> None:
    told: dict[str, list[tuple[int, int | None]]] = {}
    bank = founded("sqlite://", mini_story)
    report = take_over_story(
        bank,
        mini_story,
        rows_per_chunk=30,
        progress=lambda name, done, total: told.setdefault(name, []).append((done, total)),
    )
    assert list(told) == [step.name for step in report.all_steps]
    for step in report.all_steps:
        counts = [done for done, _ in told[step.name]]
        assert counts == sorted(counts)
        assert told[step.name][-1] == (step.rows, step.rows)


@pytest.mark.parametrize("size", [0, -1, 10_001, 2.5, True, "10"])
def test_a_chunk_has_a_size(mini_story: Path, size: Any) -> None:
    bank = founded("sqlite://", mini_story)
    with pytest.raises(InvalidValue, match="rows_per_chunk"):
        take_over_story(bank, mini_story, rows_per_chunk=size)


# --- who takes over ------------------------------------------------------------------------


@pytest.fixture
def mini(mini_story: Path, sqlite_url: str) -> Iterator[Bank]:
    bank = founded(sqlite_url, mini_story)
    take_over_story(bank, mini_story)
    yield bank
    bank.close()


def one_more_service(folder: Path, **changes: str) -> None:
    """Leave one row in October's services, under a new reference, with these changes."""

    def change(lines: list[str]) -> list[str]:
        names = lines[0].split(",")
        row = dict(zip(names, lines[1].split(","), strict=True)) | {"ref": "NEW1"}
        row |= {"started_at": "2022-10-30T04:00", "ended_at": "2022-10-30T05:00"} | changes
        return [lines[0], ",".join(row[name] for name in names)]

    edit(folder / "services_2022-10.csv", change)


def record_october(bank: Bank, folder: Path) -> Any:
    told = open_story(folder).months[0]
    as_at = end_of(told.period, bank.zone)
    return services(Office(bank=bank), told.services, as_at, name="services 2022-10")


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"recorded_by": "TB77S01-9"}, "recorded_by"),
        ({"checked_by": "KB77-9"}, "checked_by"),
        ({"recorded_by": "nobody"}, "recorded_by"),
    ],
)
def test_whose_code_names_no_outlet_is_not_appointed(
    mini: Bank, tmp_path: Path, changes: dict[str, str], column: str
) -> None:
    folder = copied_story(tmp_path / "more", rows_max=1)
    one_more_service(folder, **changes)
    problems = record_october(mini, folder).problems
    assert [(p.line, p.column, p.code) for p in problems] == [(2, column, "unknown_staff")]


def test_only_an_administrator_appoints_recorders(mini: Bank, tmp_path: Path) -> None:
    folder = copied_story(tmp_path / "more", rows_max=1)
    one_more_service(folder, recorded_by="TB09S08-77")
    keeper = mini.acting_as("KB09-1")
    assert record_october(keeper, folder).refused == {"unknown_staff": 1}
    assert record_october(mini, folder).taken == 1
    assert record_october(mini, folder).replayed == 1


def test_rows_outside_ones_own_outlets_are_refused_one_by_one(mini: Bank, tmp_path: Path) -> None:
    folder = copied_story(tmp_path / "more", rows_max=40)
    edit(
        folder / "services_2022-10.csv",
        lambda lines: [lines[0], *(f"X{line}" for line in lines[1:])],
    )
    report = record_october(mini.acting_as("KB09-1"), folder)
    assert report.rows == 40
    assert report.refused["not_permitted"] > 30
    assert report.refused["overlap"] > 0


# --- redemptions that come late ------------------------------------------------------------


def test_points_of_a_later_month_do_not_pay_an_earlier_redemption(
    mini_story: Path, sqlite_url: str, tmp_path: Path
) -> None:
    folder = copied_story(tmp_path / "late", rows_max=40)
    bank = founded(sqlite_url, folder)
    report = take_over_story(bank, folder)
    story = open_story(folder)
    short = {p.line for p in report.months[0].redemptions.problems}
    assert short
    # Everybody becomes rich in January; October's rows come again.
    with bank.begin() as counter:
        accounts = [
            standing.account for standing in counter.ratings.volunteer_league("2022Q4").standings
        ]
    january = bank.at(end_of(story.months[-1].period, bank.zone))
    january.staff.appoint(
        appointments=({"code": "K9", "role": "ledger_keeper", "outlet": "H"},)  # type: ignore[arg-type]
    )
    for account in accounts:
        january.points.grant(
            account=account, points=1000, reason="年终奖励", second_person="K9", outlet="H"
        )
    told = story.months[0]
    as_at = end_of(told.period, bank.zone)
    # Told again from the books, and judged again in chunks that the books do not know.
    for size in (1000, 7):
        office = Office(bank=bank, rows_per_chunk=size)
        again = redemptions(office, told.redemptions, as_at, name="again")
        assert again.taken == 0
        assert {p.line for p in again.problems} == short


def test_the_bank_is_named_after_its_head_office(mini_story: Path) -> None:
    assert bank_name(open_story(mini_story)) == "雁江区公益银行"


def test_problems_are_errors_of_ours(mini: Bank, mini_story: Path) -> None:
    report = take_over_story(mini, mini_story)
    assert report.problems
    assert all(isinstance(problem.error, GongyiBankError) for problem in report.problems)
