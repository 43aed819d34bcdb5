"""Which holds come next: of several with the same deadline, page by page."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest

from gongyi_bank.rules.holds import HeldGoods, Hold
from gongyi_bank.store import holds
from gongyi_bank.values import Points
from tests.district import START, District
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop

HOUR = dt.timedelta(hours=1)
SOON, LATE = START + 5 * HOUR, START + 9 * HOUR
#: Behind no id.
FIRST = bytes(16)
EVERYTHING = ["third", "first", "second", "fifth"]


@dataclass
class Books:
    """The bank, its two accounts, and its holds in the order in which they were placed."""

    district: District
    accounts: list[int]
    ids: dict[str, bytes]

    def named(self, ids: list[bytes]) -> list[str]:
        names = {hold_id: name for name, hold_id in self.ids.items()}
        return [names[hold_id] for hold_id in ids]


@pytest.fixture(scope="module")
def books(two_banks: tuple[District, District]) -> Books:
    """All but the third have the later deadline, and the fourth keeps nothing."""
    district, _ = two_banks
    a_shop(district)
    accounts = [saver(district) for _ in range(2)]
    made = {
        name: district.bank.holds.place(
            account=accounts[number % 2], points=Points("0.10"), store="P1",
            deadline_at=SOON if name == "third" else LATE,
        ).hold_id
        for number, name in enumerate(("first", "second", "third", "fourth", "fifth"))
    }  # fmt: skip
    district.bank.holds.release(hold=made["fourth"], reason="改期")
    return Books(district, accounts, {name: hold_id.bytes for name, hold_id in made.items()})


def test_a_reservation_of_which_a_part_was_handed_over_is_one_hold_with_the_rest(
    sqlite_district: District,
) -> None:
    a_shop(sqlite_district)
    desk, account = sqlite_district.bank.redemptions, saver(sqlite_district, 300)
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=4).redemption_id
    for _ in range(2):
        desk.capture(redemption=reserved, quantity=1)
    (asked,) = holds.asks_by_ids([reserved.bytes])
    (found,) = sqlite_district.bank.read(lambda tx: tx.look(asked))
    assert (found.hold_id, found.amount, found.captured) == (reserved.bytes, 200, 100)
    assert found.goods == HeldGoods(1, "A", 2)


def test_an_account_has_its_own_holds_newest_first(books: Books) -> None:
    def listed(number: int, count_max: int) -> list[str]:
        rows = books.district.bank.read(
            lambda tx: holds.list_of_account(tx, books.accounts[number], count_max)
        )
        return books.named([row[0] for row in rows])

    assert listed(0, 9) == ["fifth", "third", "first"]
    assert listed(1, 9) == ["fourth", "second"]
    assert listed(0, 2) == ["fifth", "third"]


def test_open_holds_are_listed_by_deadline_and_id_behind_the_last_one_seen(books: Books) -> None:
    def listed(after_at: dt.datetime, after_id: bytes, count_max: int = 9) -> list[str]:
        rows = books.district.bank.read(
            lambda tx: holds.list_open(tx, after_at, after_id, count_max)
        )
        return books.named([row[0] for row in rows])

    assert listed(START, FIRST) == EVERYTHING
    assert listed(START, FIRST, 2) == EVERYTHING[:2]
    assert listed(SOON, books.ids["third"]) == EVERYTHING[1:]
    assert listed(LATE, FIRST) == EVERYTHING[1:]
    assert listed(LATE, books.ids["first"]) == EVERYTHING[2:]
    assert listed(LATE, books.ids["first"], 1) == EVERYTHING[2:3]
    assert listed(LATE, books.ids["fifth"]) == []


def test_overdue_holds_come_longest_overdue_first_behind_the_last_one_seen(books: Books) -> None:
    def overdue(
        now: dt.datetime, after: Hold | None = None, count_max: int = 9
    ) -> tuple[list[str], list[Hold]]:
        found = books.district.bank.read(lambda tx: holds.load_overdue(tx, now, after, count_max))
        return books.named([one.hold_id for one in found]), found

    names, found = overdue(LATE)
    assert names == EVERYTHING
    for place, one in enumerate(found, 1):
        assert overdue(LATE, one)[0] == EVERYTHING[place:]
        assert overdue(LATE, one, 1)[0] == EVERYTHING[place : place + 1]
    assert overdue(LATE, count_max=3)[0] == EVERYTHING[:3]
    assert overdue(LATE - HOUR)[0] == ["third"]
    assert overdue(SOON - HOUR)[0] == []
