"""Odd moments, days, numbers and words: a bank and the reference answer and refuse alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from gongyi_bank import errors
from gongyi_bank.bank import Bank
from gongyi_bank.testing import FrozenClock, ReferenceBank, Story, small_district, small_reference
from gongyi_bank.testing.clock import SHANGHAI
from gongyi_bank.testing.machine.shown import Form
from gongyi_bank.testing.reference.looking import Look
from gongyi_bank.testing.reference.readings import READINGS
from gongyi_bank.values import compose_account_no
from tests.testing.test_reference_readings import readings

Ask = Callable[[Any], Any]
NOBODY = compose_account_no(1002, 9999)
MOMENTS: dict[str, Any] = {
    str(moment): moment
    for moment in (
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(1800, 1, 1, tzinfo=dt.UTC),
        dt.datetime(1900, 1, 1, tzinfo=dt.UTC),
        dt.datetime(1969, 12, 31, 23, 59, tzinfo=dt.UTC),
        dt.datetime(1970, 1, 1, tzinfo=SHANGHAI),
        dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9000, 12, 31, tzinfo=dt.UTC),
        dt.datetime(9001, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC),
    )
}
NO_MOMENTS = {"no zone": dt.datetime(2022, 10, 5), "no moment": None}  # noqa: DTZ001
DAYS = (
    dt.date.min, dt.date(1800, 1, 1), dt.date(1900, 1, 1), dt.date(2022, 10, 1),
    dt.date(9999, 12, 30), dt.date.max,
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**62, 2**62 + 1, 10**30, True, "1", None)
WORDS = (None, "", "H", "NO", "x y", 5, [])
PERIODS = ("0001", "1800", "2022Q4", "9999", "9999-12", "9999-12-31")


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Story, Story]]:
    """The small district twice, with a line of every kind that a reading may stumble over."""
    told = small_district("sqlite://"), small_reference()
    for story in told:
        story.records("zhang").redeems("zhang", "P01", "SOAP").donates("li", "POOL", 2)
        story.reserves("zhang", "P01", "RICE")
    yield told
    told[0].bank.close()


def answer(house: Any, ask: Ask) -> Any:
    """What is answered, ids left out, or how it is refused."""
    try:
        said = ask(house)
    except errors.GongyiBankError as refusal:
        said = refusal
    return Form({}, {}).of(said)


def differing(both: tuple[Any, Any], asked: dict[str, Ask]) -> list[str]:
    """What the two answer differently."""
    return [name for name, ask in asked.items() if len(_answers(both, ask)) > 1]


def _answers(both: tuple[Any, Any], ask: Ask) -> list[Any]:
    first, second = (answer(house, ask) for house in both)
    return [first] if first == second else [first, second]


@pytest.mark.parametrize("moment", (MOMENTS | NO_MOMENTS).values(), ids=MOMENTS | NO_MOMENTS)
def test_a_bank_is_founded_at_the_same_moments(moment: dt.datetime) -> None:
    def founded(found: Callable[..., Any]) -> Any:
        bank = found(clock=lambda: moment)
        bank.close()
        return bank.name

    def found(**settings: Any) -> Bank:
        return Bank.found("sqlite://", **settings)

    assert differing((found, ReferenceBank.found), {"found": founded}) == []


@pytest.mark.parametrize("moment", (MOMENTS | NO_MOMENTS).values(), ids=MOMENTS | NO_MOMENTS)
def test_acts_are_done_at_the_same_moments(both: tuple[Story, Story], moment: dt.datetime) -> None:
    account = both[0].account("zhang")
    acts: dict[str, Ask] = {
        "appoint": lambda bank: bank.staff.appoint(
            appointments=[{"code": "T9", "role": "teller", "outlet": "B01"}]
        ),
        "appoint nowhere": lambda bank: bank.staff.appoint(
            appointments=[{"code": "T8", "role": "teller", "outlet": "NO"}]
        ),
        "reserve": lambda bank: bank.redemptions.reserve(account=account, store="P01", sku="SOAP"),
        "redeem": lambda bank: bank.redemptions.redeem(account=account, store="P01", sku="SOAP"),
        "pool": lambda bank: bank.pools.open(code="NEW", name="池", outlet="B01"),
    }

    def undone(act: Ask) -> Ask:
        def run(bank: Any) -> Any:
            with bank.at(lambda: moment).simulate() as counter:
                act(counter)

        return run

    banks = both[0].bank, both[1].bank
    assert differing(banks, {name: undone(act) for name, act in acts.items()}) == []


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_the_books_are_read_at_the_same_moments(
    both: tuple[Story, Story], moment: dt.datetime
) -> None:
    banks = tuple(story.bank.at(lambda: moment) for story in both)
    accounts = [both[0].account("zhang"), both[0].account("wang")]
    asked = {
        f"{name}, way {number}": ask
        for name, ways in readings(accounts, ["POOL"]).items()
        for number, ask in enumerate(ways)
    }
    assert differing((banks[0], banks[1]), asked) == []


@pytest.mark.parametrize("moment", NO_MOMENTS.values(), ids=NO_MOMENTS)
def test_a_clock_that_tells_no_moment_is_named(both: tuple[Story, Story], moment: Any) -> None:
    """Where a reading goes by it; whether it looks at it though nothing is there is its own."""
    account = both[0].account("zhang")
    for story in both:
        bank = story.bank.at(lambda: moment)
        for ask in (bank.reports.customer_summary, bank.holds.of, bank.ratings.volunteer_stars):
            with pytest.raises(errors.InvalidInstant) as caught:
                ask(account)
            assert caught.value.facts["field"] == "clock"


#: How a reading is asked about what is odd, by what it may be.
ABOUT_DAYS = {
    "reports.balance": lambda ask, no, day: ask(no, as_of=day),
    "reports.balance_as_of": lambda ask, no, day: ask(no, day),
    "reports.clearing": lambda ask, _, day: ask(day),
    "reports.statement": lambda ask, no, day: ask(no, as_of=day),
    "reports.totals": lambda ask, no, day: ask(no, (day, day)),
    "reports.trial_balance": lambda ask, _, day: ask(as_of=day),
    "pools.statement": lambda ask, _, day: ask("POOL", as_of=day),
}
BETWEEN_DAYS = {
    "reports.statement": lambda ask, no, day: ask(no, between=(day, dt.date.max)),
    "reports.totals": lambda ask, no, day: ask(no, (dt.date.min, day)),
    "pools.statement": lambda ask, _, day: ask("POOL", between=(day, day)),
}
ABOUT_NUMBERS = {
    "closings.register": lambda ask, _, number: ask(newest=number),
    "holds.list": lambda ask, _, number: ask(count_max=number),
    "hours.of": lambda ask, no, number: ask(no, before=number),
    "passbooks.page": lambda ask, no, number: ask(no, page_no=number),
    "pools.statement": lambda ask, _, number: ask("POOL", before_line=number),
    "ratings.outlet_league": lambda ask, _, number: ask("2022", top=number),
    "reports.customer_summary": lambda ask, _, number: ask(number),
    "reports.explain": lambda ask, no, number: ask(no, number),
    "reports.statement": lambda ask, no, number: ask(no, before_line=number),
}
ABOUT_WORDS = {
    "closings.register": lambda ask, _, word: ask(word),
    "hours.waiting": lambda ask, _, word: ask(word),
    "outlets.tree": lambda ask, _, word: ask(word),
    "passbooks.stock": lambda ask, _, word: ask(word),
    "pools.balance": lambda ask, _, word: ask(word),
    "redemptions.reserved": lambda ask, _, word: ask(word),
    "reports.ledger_book": lambda ask, _, word: ask(word),
    "reports.trial_balance": lambda ask, _, word: ask(word),
    "stores.offers": lambda ask, _, word: ask(word),
}
ABOUT_PERIODS = {
    "ratings.explain": lambda ask, no, period: ask(no, period),
    "ratings.explain_outlet": lambda ask, _, period: ask("B01S01", period),
    "ratings.indicators": lambda ask, _, period: ask(period, "B01"),
    "ratings.outlet_league": lambda ask, _, period: ask(period),
    "ratings.volunteer_league": lambda ask, _, period: ask(period),
    "reports.ledger_book": lambda ask, _, period: ask("B01", period),
}
TABLE = (
    (ABOUT_DAYS, DAYS), (BETWEEN_DAYS, DAYS), (ABOUT_NUMBERS, NUMBERS), (ABOUT_WORDS, WORDS),
    (ABOUT_PERIODS, PERIODS),
)  # fmt: skip


def odd_questions(account: int) -> dict[str, Ask]:
    """Every reading of the table with every odd value, of somebody's account and of nobody's."""

    def question(name: str, way: Callable[..., Any], no: int, value: Any) -> Ask:
        desk, verb = name.split(".")
        return lambda bank: way(getattr(getattr(bank, desk), verb), no, value)

    return {
        f"{name}({no}, {value!r}) of {place}": question(name, way, no, value)
        for place, (ways, values) in enumerate(TABLE)
        for name, way in ways.items()
        for value in values
        for no in (account, NOBODY)
    }


def test_odd_arguments_are_answered_and_refused_alike(both: tuple[Story, Story]) -> None:
    banks = both[0].bank, both[1].bank
    assert differing(banks, odd_questions(both[0].account("zhang"))) == []


def test_an_odd_answer_of_the_reference_is_seen(
    both: tuple[Story, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = READINGS["hours.of"]

    def lenient(look: Look, account: int, *, before: Any) -> Any:
        return honest(look, account, before=2**62 if before == 10**30 else before)

    monkeypatch.setitem(READINGS, "hours.of", lenient)
    banks, account = (both[0].bank, both[1].bank), both[0].account("zhang")
    found = differing(banks, odd_questions(account))
    assert found == [f"hours.of({account}, {10**30}) of 2", f"hours.of({NOBODY}, {10**30}) of 2"]


# --- what a story says itself ---------------------------------------------------------------


@pytest.mark.parametrize(
    "begin",
    [
        small_reference,
        partial(small_district, "sqlite://"),
        partial(Story.found, "sqlite://", day="2022-10-01"),
    ],
)
def test_a_story_takes_no_clock_beside_its_own(begin: Callable[..., Story]) -> None:
    with pytest.raises(errors.InvalidValue, match="the story has its own clock") as caught:
        begin(clock=FrozenClock())
    assert caught.value.facts["field"] == "clock"


def test_a_record_of_a_story_says_which_argument_to_give() -> None:
    story = small_reference()
    for field, instead in (("outlet", "at="), ("account", "who="), ("ended_at", "minutes=")):
        with pytest.raises(errors.InvalidValue, match=f"give {instead} instead"):
            story.records("zhang", **{field: "nope"})
