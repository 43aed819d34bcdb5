"""The story builder: a district in a few lines, through the bank's public desks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import (
    IdempotencyConflict,
    InsufficientPoints,
    InvalidInstant,
    InvalidValue,
    UnknownCustomer,
)
from gongyi_bank.policies import Tariff, TariffRate
from gongyi_bank.testing import (
    SMALL_CAST,
    FrozenClock,
    Story,
    assert_sound,
    small_district,
    small_reference,
    story_folder,
)
from gongyi_bank.testing.clock import SHANGHAI
from gongyi_bank.values import Points


@pytest.fixture
def story() -> Iterator[Story]:
    """A district of one savings branch with one customer, in memory."""
    made = Story.found("sqlite://", day="2022-10-01").branch("B01").savings_branch("S1", "B01")
    yield made.customer("zhang")
    made.bank.close()


def balance(story: Story, who: str) -> Points:
    return story.bank.reports.balance(story.account(who))


def test_days_pass_and_service_is_recorded_at_its_end(story: Story) -> None:
    story.day("2022-10-03").records("zhang", start="08:00", minutes=90)
    assert story.now.isoformat() == "2022-10-03T09:30:00+08:00"
    assert story.last.booked_at == story.now
    assert (story.last.state, balance(story, "zhang")) == ("credited", Points("1.5"))
    story.time("18:00").records("zhang", start="10:00", project="敬老月", ref="V1")
    assert story.now.hour == 18
    assert balance(story, "zhang") == Points("2.5")
    assert_sound(story.bank)


def test_time_never_runs_backwards(story: Story) -> None:
    story.day("2022-10-03")
    for wrong in ("2022-10-02", "2022-9-3", "yesterday"):
        with pytest.raises(InvalidInstant):
            story.day(wrong)
    story.time("12:00").day("2022-10-03")
    assert story.now.hour == 12
    for wrong in ("11:59", "noon"):
        with pytest.raises(InvalidInstant):
            story.time(wrong)


def test_a_record_lasts_as_long_as_is_said_when_the_clocks_are_set_back() -> None:
    story = Story.found("sqlite://", day="1991-09-14")
    story.branch("B01").savings_branch("B01S01", "B01").customer("mei", "B01S01")
    morning = dt.datetime(1991, 9, 15, 1, 30, tzinfo=SHANGHAI)
    early = Story(story.bank, clock=FrozenClock(morning))
    early.savings_branch("B01S02", "B01").records("mei", start="01:30", minutes=60, at="B01S02")
    assert early.clock.now == morning.replace(fold=1)
    assert early.clock.now.utcoffset() == dt.timedelta(hours=8)
    (record,) = early.bank.hours.of(early.account("mei"))
    assert record["minutes"] == 60
    early.bank.close()


def test_a_district_with_everything_is_told_and_sound(story: Story) -> None:
    story.customer("li", "S1", name="𠮷田", kind="household").pool("POOL", "B01")
    story.staff("admin2", "administrator", "H")
    story.store("P01", "S1").offer("P01", "SOAP", "0.50", stock=3)
    story.brings_forward("zhang", 10, minutes=600).is_granted("li", 5, outlet="B01")
    story.redeems("zhang", "P01", "SOAP", quantity=2).reserves("li", "P01", "SOAP")
    story.gives("zhang", "li", 1).donates("li", "POOL", "2.50")
    story.day("2022-10-02").closes("2022-10-01")
    assert (balance(story, "zhang"), balance(story, "li")) == (Points(8), Points("3.5"))
    assert len(story.receipts) == 18
    assert assert_sound(story.bank).counts["seals"] == 1
    cast = story.cast
    assert cast.accounts == (story.account("zhang"), story.account("li"))
    assert (cast.goods, cast.pools) == ((("P01", "SOAP"),), ("POOL",))
    assert cast.service_points[0].checked_by == "K-B01"


def test_a_refusal_rises_as_it_is(story: Story) -> None:
    story.store("P01", "S1").offer("P01", "SOAP", 1)
    with pytest.raises(InsufficientPoints):
        story.redeems("zhang", "P01", "SOAP")
    with pytest.raises(UnknownCustomer):
        story.account("nobody")
    story.brings_forward("zhang", 1)
    with pytest.raises(IdempotencyConflict):
        story.brings_forward("zhang", 2)


def test_what_the_story_does_not_know_is_named() -> None:
    bank = Bank.found("sqlite://")
    with pytest.raises(InvalidValue, match="outlet"):
        Story(bank).customer("zhang")
    with pytest.raises(InvalidValue, match="day"):
        Story(bank).clock  # noqa: B018
    story = Story(bank).day("2022-10-01").branch("B01").savings_branch("S1", "B01")
    story.customer("zhang")
    with pytest.raises(InvalidValue, match="no savings branch of this story"):
        story.records("zhang", at="S2")
    bank.close()


def test_a_story_goes_on_with_a_bank_that_was_there(story: Story) -> None:
    told = Story(story.bank, clock=story.clock)
    told.savings_branch("S2", "B01").day("2022-10-03").records("zhang", at="S2")
    assert balance(told, "zhang") == balance(story, "zhang") == Points(1)
    assert story.now == told.now


def test_a_bank_of_another_zone_begins_on_its_own_morning() -> None:
    story = Story.found("sqlite://", day="2022-10-01", time_zone="America/Lima")
    assert story.now.isoformat() == "2022-10-01T08:00:00-05:00"
    story.bank.close()


def test_the_cast_names_the_administrators_that_there_are() -> None:
    founded = Story.found("sqlite://", day="2022-10-01", administrator="boss")
    with pytest.raises(InvalidValue, match="two people are needed"):
        founded.cast  # noqa: B018
    founded.staff("deputy", "administrator", "H")
    assert founded.cast.administrators == ("boss", "deputy")
    for story in (
        small_district("sqlite://", administrator="boss"),
        small_reference(administrator="boss"),
    ):
        assert story.cast.administrators == ("boss", "admin2")


def test_the_cast_names_the_tariff_that_is_in_force() -> None:
    rates = (TariffRate(category="elder_care", name="关爱老人", points_per_hour=Points("1.5")),)
    story = Story.found("sqlite://", day="2022-10-01", policies=[Tariff(rates=rates)])
    story.staff("admin2", "administrator", "H")
    assert story.cast.categories == ("elder_care",)
    story.bank.close()


@pytest.mark.parametrize("scale", [0, 5, "2", True])
def test_the_small_district_has_tenths_of_points_at_least(scale: object) -> None:
    """Its soap costs half a point."""
    with pytest.raises(InvalidValue, match="scale"):
        small_district("sqlite://", scale=scale)
    with pytest.raises(InvalidValue, match="scale"):
        small_reference(scale=scale)
    story = small_reference(scale=1)
    assert str(story.bank.reports.balance(story.account("li"))) == "20.0"


def test_the_small_district_is_always_the_same(tmp_path: Path) -> None:
    for database in ("sqlite://", f"sqlite:///{tmp_path / 'bank.db'}"):
        story = small_district(database, head_office="HQ")
        assert story.cast == SMALL_CAST
        balances = story.bank.reports.balances(SMALL_CAST.accounts)
        assert list(balances.values()) == [Points(50), Points(20), Points(0)]
        assert story.now == SMALL_CAST.begins_at
        assert_sound(story.bank, swept=True)
        story.bank.close()


def test_the_story_folder_is_there() -> None:
    assert (story_folder() / "expected.json").is_file()
    assert dt.date(2022, 9, 30).isoformat() in {
        path.stem.removeprefix("opening_") for path in story_folder().iterdir()
    }
