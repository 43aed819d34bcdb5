"""What a takeover asks and books, beside a bank in the same database with the same references."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.store import takeover
from gongyi_bank.takeover import TakeoverReport, figures, take_over_story
from gongyi_bank.values import Points
from tests.district import START, District
from tests.neighbours import Neighbour, remove
from tests.takeover.books import books_of, copied_story, founded

DAYS = (dt.date(2022, 10, 1), dt.date(2022, 10, 31))
REFS = ["both", "ours", "theirs"]
#: By name, each function of `store.takeover` that reads the books, asked for all that there is.
QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "load_late_balances": lambda tx: takeover.load_late_balances(tx, REFS, START),
    "load_redeemed_refs": lambda tx: takeover.load_redeemed_refs(tx, REFS),
    "load_record_sums": lambda tx: takeover.load_record_sums(tx, DAYS),
    "load_redeemed_sums": lambda tx: takeover.load_redeemed_sums(tx, DAYS),
    "load_outstanding": lambda tx: takeover.load_outstanding(tx, DAYS[1]),
    "load_counts": takeover.load_counts,
    "list_waiting": takeover.list_waiting,
    "list_top_minutes": lambda tx: takeover.list_top_minutes(tx, DAYS, 9),
    "list_top_outlets": lambda tx: takeover.list_top_outlets(tx, DAYS, 9),
    "list_top_stores": lambda tx: takeover.list_top_stores(tx, DAYS, 9),
    "list_top_balances": lambda tx: takeover.list_top_balances(tx, 9),
}


def test_every_question_of_a_takeover_is_asked() -> None:
    reading = {
        name
        for name, one in vars(takeover).items()
        if inspect.isfunction(one)
        and one.__module__ == takeover.__name__
        and "tx" in inspect.signature(one).parameters
    }
    assert reading == QUESTIONS.keys()


def live(district: District, own: str, outlet: str, *, quantity: int) -> None:
    """Two customers, one of a reference that both banks have: hours, goods, and a day between."""
    bank = district.bank
    bank.stores.recruit(
        stores=[NewStore(code=code, name="超市", kind="community_store", recruited_by="B01S01")
                for code in ("P1", f"P-{own}")]
    )  # fmt: skip
    bank.stores.publish_offers(
        offers=[NewOffer(store=store, sku="A", name="大米", points=Points("0.50"), stock=99)
                for store in ("P1", f"P-{own}")]
    )  # fmt: skip
    for ref in ("both", own):
        district.customer(outlet, name=ref, ref=ref)
        account = bank.customers.account_of(ref)
        for day, length in ((1, 60 * quantity), (2, 60), (3, 480 + quantity)):
            bank.hours.record(
                account=account, category="sanitation", outlet=outlet, recorded_by="admin",
                checked_by="ADM2", started_at=START.replace(day=day, hour=8),
                ended_at=START.replace(day=day, hour=8) + dt.timedelta(minutes=length),
            )  # fmt: skip
        store = "P1" if ref == "both" else f"P-{own}"
        district.clock.advance(days=1)
        row = RedemptionRow(account=account, store=store, sku="A", quantity=quantity, ref=ref)
        done = bank.redemptions.redeem_many(rows=[row])
        assert [one.outcome for one in done.outcomes] == ["redeemed"]


@pytest.fixture
def both(sqlite_tables_url: str) -> Iterator[tuple[District, District]]:
    """Ours and theirs; the same account numbers belong to others there."""
    theirs, ours = Neighbour(sqlite_tables_url), District(sqlite_tables_url)
    theirs.customer("B02S01")
    live(theirs, "theirs", "B02S01", quantity=2)
    live(ours, "ours", "B01S01", quantity=1)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_every_question_of_a_takeover_is_answered_as_if_the_neighbour_were_not_there(
    both: tuple[District, District],
) -> None:
    ours, theirs = both
    beside = {name: ours.bank.read(ask) for name, ask in QUESTIONS.items()}
    there = {name: theirs.bank.read(ask) for name, ask in QUESTIONS.items()}
    assert all(beside.values())
    assert [name for name in QUESTIONS if beside[name] == there[name]] == []
    assert beside["load_redeemed_refs"] == {"both", "ours"}
    assert beside["load_late_balances"].keys() == {"both", "ours"}
    remove(theirs.bank)
    assert {name: ours.bank.read(ask) for name, ask in QUESTIONS.items()} == beside


def test_a_story_is_taken_over_beside_itself_as_it_is_alone(tmp_path: Path) -> None:
    """Every reference is in the database already, of the other bank, and none is taken for ours."""
    story = copied_story(tmp_path / "story", rows_max=40)
    alone = founded("sqlite://", story)
    expected = take_over_story(alone, story)
    url = f"sqlite:///{tmp_path / 'both.db'}"
    first, second = founded(url, story, bank="隔壁"), founded(url, story)
    take_over_story(first, story)
    report = take_over_story(second, story)
    assert not report.is_replay
    assert taken(report) == taken(expected)
    assert figures(second, report) == figures(alone, expected)
    assert books_of(second) == books_of(alone) == books_of(first)
    again = take_over_story(second, story)
    assert again.is_replay
    for bank in (alone, first, second):
        assert bank.verify().is_clean
        bank.close()


def taken(report: TakeoverReport) -> list[Any]:
    """Per file: how many rows, and how many were taken, waited or were refused."""
    return [(step.name, step.rows, step.taken, step.waiting, step.refused)
            for step in report.all_steps]  # fmt: skip
