"""What is known of redemptions and reservations: of several accounts and stores, in their bank."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from gongyi_bank.rules.holds import HeldGoods
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.redemptions import EarlierRedemption, Reservation
from gongyi_bank.store import redemptions, refunds
from gongyi_bank.values import Points
from tests.district import START, District
from tests.service.test_redemptions import saver
from tests.service.test_stores import new_offer, new_store

TODAY = START.date()
HOUR = dt.timedelta(hours=1)


@dataclass
class Books:
    """The bank that is asked, its two accounts, and the receipts of what they took and kept."""

    district: District
    one: int
    other: int
    receipts: dict[str, Any]

    def ask(self, ask: Any) -> Any:
        return self.district.bank.read(lambda tx: tx.look(ask))

    def read(self, read: Any, *asked: Any) -> Any:
        return self.district.bank.read(lambda tx: read(tx, *asked))

    def id_of(self, name: str) -> bytes:
        """The redemption that this receipt is about."""
        return bytes(self.receipts[name].redemption_id.bytes)


def shops(district: District, rice: str, towel: str) -> None:
    """Two stores, recruited by two outlets, both with an article called A."""
    joined = dt.date(2022, 1, 1)
    stores = [
        new_store("P1", joined_on=joined),
        new_store("P2", name="胜利商店", recruited_by="B01S02", joined_on=joined),
    ]
    offers = [
        new_offer("P1", "A", points=Points(rice)),
        new_offer("P2", "A", name="毛巾", points=Points(towel), stock=9),
        new_offer("P2", "B", name="肥皂", points=Points("0.40"), stock=9),
    ]
    district.bank.stores.recruit(stores=stores)
    district.bank.stores.publish_offers(offers=offers)


@pytest.fixture(scope="module")
def books(two_banks: tuple[District, District]) -> Books:
    """What was taken at once, kept, kept longer, handed over and given up, in this order."""
    district, neighbour = two_banks
    shops(neighbour, "1", "0.25")
    theirs = [saver(neighbour, 480) for _ in range(2)]
    for account, ref in zip(theirs, ("R3", "R1"), strict=True):
        neighbour.bank.redemptions.redeem(account=account, store="P1", sku="A", ref=ref)
        neighbour.bank.redemptions.reserve(account=account, store="P2", sku="A")
    shops(district, "0.50", "0.30")
    one, other = saver(district, 300), saver(district, 240)
    assert theirs == [one, other]
    desk, done = district.bank.redemptions, {}

    def day(number: int) -> dt.date:
        return dt.date(2022, 10, number)

    done["R1"] = desk.redeem(
        account=one, store="P1", sku="A", quantity=2, ref="R1", redeemed_on=day(14)
    )
    done["R2"] = desk.redeem(account=one, store="P2", sku="A", redeemed_on=day(13))
    done["R3"] = desk.redeem(
        account=other, store="P2", sku="A", quantity=3, ref="R3", redeemed_on=day(14)
    )
    for name, account, store, sku, quantity in (
        ("kept", one, "P1", "A", 1),
        ("longer", other, "P2", "B", 2),
        ("handed", other, "P2", "A", 1),
        ("given", one, "P2", "B", 1),
    ):
        done[name] = desk.reserve(
            account=account, store=store, sku=sku, quantity=quantity, ref=name
        )
        district.clock.now += HOUR
    first = done["longer"].deadline_at
    desk.extend(redemption=done["longer"].redemption_id, deadline_at=first + 30 * HOUR)
    done["captured"] = desk.capture(redemption=done["handed"].redemption_id)
    desk.release(redemption=done["given"].redemption_id, reason="不要了")
    return Books(district, one, other, done)


# --- one by one ------------------------------------------------------------------------------


def test_they_are_found_by_reference_each_with_its_own_figures(books: Books) -> None:
    found = books.ask(redemptions.ask_by_ref(["R3", "R1", "R1", "kept", "R9"]))
    told = {ref: (one.account_no, one.state, one.points, one.line_no) for ref, one in found.items()}
    assert told == {
        "R1": (books.one, "redeemed", 100, 2),
        "R3": (books.other, "redeemed", 90, 2),
        "kept": (books.one, "reserved", 50, None),
    }
    assert {ref: one.redemption_id for ref, one in found.items()} == {
        "R1": books.id_of("R1"), "R3": books.id_of("R3"), "kept": books.id_of("kept"),
    }  # fmt: skip
    assert all(isinstance(one, EarlierRedemption) for one in found.values())
    assert len({one.row_digest for one in found.values()}) == 3
    assert list(books.ask(redemptions.ask_by_ref(["R3"]))) == ["R3"]


def told(one: Reservation) -> tuple[Any, ...]:
    return (
        one.redemption_id, one.account_no, one.outlet_code, one.sku, one.quantity, one.points,
        one.state, one.redeemed_on,
    )  # fmt: skip


def test_what_was_taken_at_once_has_no_hold(books: Books) -> None:
    found = books.ask(redemptions.ask_reservation(books.id_of("R3")))
    assert told(found) == (
        books.id_of("R3"), books.other, "B01S02", "A", 3, 90, "redeemed", dt.date(2022, 10, 14),
    )  # fmt: skip
    assert found.hold is None
    assert books.ask(redemptions.ask_reservation(bytes(16))) is None


@pytest.mark.parametrize(
    ("name", "place", "sku", "quantity", "points", "events"),
    [("kept", "B01S01", "A", 1, 50, 1), ("longer", "B01S02", "B", 2, 80, 2)],
)
def test_what_is_kept_has_its_own_hold(
    books: Books, name: str, place: str, sku: str, quantity: int, points: int, events: int
) -> None:
    receipt, account = books.receipts[name], books.one if name == "kept" else books.other
    found = books.ask(redemptions.ask_reservation(books.id_of(name)))
    assert told(found) == (
        books.id_of(name), account, place, sku, quantity, points, "reserved", TODAY,
    )  # fmt: skip
    hold = found.hold
    assert hold is not None
    assert (hold.hold_id, hold.account_no, hold.amount, hold.captured, hold.state) == (
        found.redemption_id, account, points, 0, "held",
    )  # fmt: skip
    longer = 30 * HOUR if name == "longer" else 0 * HOUR
    assert (hold.deadline_at, hold.latest_at) == (receipt.deadline_at + longer, receipt.latest_at)
    assert (hold.event_no, hold.seen_event_no) == (events, events)
    assert (hold.outlet_no, hold.outlet_code) == (found.outlet_no, place)
    assert hold.payee_no == internal_no("store", found.store_no)
    assert hold.goods == HeldGoods(found.store_no, sku, quantity)


def test_a_booked_one_has_its_own_voucher_line_and_first_deadline(books: Books) -> None:
    def booked(name: str) -> tuple[Any, ...]:
        found = books.read(redemptions.load_booked, books.id_of(name))
        receipt = books.receipts[name]
        # However often it was kept longer, there is one.
        rows = books.district.bank.read(
            lambda tx: redemptions._booked(tx, redemption=books.id_of(name))
        )
        assert len(rows) == 1
        assert found.voucher_id == receipt.voucher_id.bytes
        assert (found.business_day, found.booked_at) == (TODAY, receipt.booked_at)
        promised = (getattr(receipt, "deadline_at", None), getattr(receipt, "latest_at", None))
        assert (found.deadline_at, found.latest_at) == promised
        return found.line_no, found.credited_after, found.debited_after, found.held

    assert booked("R1") == (2, 500, 100, None)
    assert booked("R2") == (3, 500, 130, None)
    assert booked("R3") == (2, 400, 90, None)
    assert booked("kept") == (None, None, None, 50)
    assert booked("longer") == (None, None, None, 80)
    assert booked("handed") == (3, 400, 120, 30)
    assert booked("given") == (None, None, None, 40)


# --- lists -----------------------------------------------------------------------------------


def test_an_account_s_redemptions_are_listed_newest_day_first(books: Books) -> None:
    def listed(account: int, count_max: int = 9) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in books.read(redemptions.list_of_account, account, count_max)]

    thirteenth, fourteenth = dt.date(2022, 10, 13), dt.date(2022, 10, 14)
    mine = [
        (books.id_of("given"), TODAY, "P2", "B", "肥皂", 1, 40, "released", None),
        (books.id_of("kept"), TODAY, "P1", "A", "大米5kg", 1, 50, "reserved", None),
        (books.id_of("R1"), fourteenth, "P1", "A", "大米5kg", 2, 100, "redeemed", 2),
        (books.id_of("R2"), thirteenth, "P2", "A", "毛巾", 1, 30, "redeemed", 3),
    ]
    assert listed(books.one) == mine
    assert listed(books.one, 2) == mine[:2]
    assert listed(books.other) == [
        (books.id_of("handed"), TODAY, "P2", "A", "毛巾", 1, 30, "captured", 3),
        (books.id_of("longer"), TODAY, "P2", "B", "肥皂", 2, 80, "reserved", None),
        (books.id_of("R3"), fourteenth, "P2", "A", "毛巾", 3, 90, "redeemed", 2),
    ]


def test_what_is_kept_is_listed_by_its_deadline(books: Books) -> None:
    kept, longer = books.receipts["kept"], books.receipts["longer"]
    assert [tuple(row) for row in books.read(redemptions.list_reserved)] == [
        (books.id_of("kept"), kept.deadline_at, books.one, "P1", "A", "大米5kg", 1, 50),
        (
            books.id_of("longer"), longer.deadline_at + 30 * HOUR, books.other, "P2", "B", "肥皂",
            2, 80,
        ),
    ]  # fmt: skip


def test_what_is_kept_longer_is_listed_behind_what_was_kept_later(
    sqlite_district: District,
) -> None:
    shops(sqlite_district, "0.50", "0.30")
    desk, account = sqlite_district.bank.redemptions, saver(sqlite_district, 120)
    first, second = (
        desk.reserve(account=account, store="P1", sku="A").redemption_id.bytes for _ in range(2)
    )
    desk.extend(redemption=UUID(bytes=first), deadline_at=START + 100 * HOUR)
    rows = sqlite_district.bank.read(redemptions.list_reserved)
    assert [row[0] for row in rows] == [second, first]


# --- what was handed over of them ------------------------------------------------------------


def test_a_part_that_was_handed_over_has_no_hold_any_more(sqlite_district: District) -> None:
    shops(sqlite_district, "0.50", "0.30")
    desk, account = sqlite_district.bank.redemptions, saver(sqlite_district, 120)
    reserved = desk.reserve(account=account, store="P1", sku="A", quantity=3)
    part_id = desk.capture(redemption=reserved.redemption_id, quantity=1).part_id
    ask = redemptions.ask_reservation
    found, rest = (
        sqlite_district.bank.read(lambda tx, asked=asked: tx.look(ask(asked.bytes)))
        for asked in (part_id, reserved.redemption_id)
    )
    assert (told(found)[4:7], found.hold) == ((1, 50, "captured"), None)
    assert told(rest)[4:7] == (2, 100, "reserved")
    assert (rest.hold.amount, rest.hold.captured) == (150, 50)


def test_goods_go_back_to_the_store_that_gave_them(books: Books) -> None:
    def told(name: str) -> tuple[Any, ...]:
        found = books.ask(refunds.ask_refundable(books.id_of(name)))
        assert found.redemption_id == books.id_of(name)
        return (
            found.account_no, found.outlet_code, found.sku, found.quantity, found.points,
            found.state, found.line_no, found.parts, found.returned, found.cites_from,
        )  # fmt: skip

    assert told("R1") == (books.one, "B01S01", "A", 2, 100, "redeemed", 2, 0, 0, 0)
    assert told("R2") == (books.one, "B01S02", "A", 1, 30, "redeemed", 3, 0, 0, 100)
    assert told("handed") == (books.other, "B01S02", "A", 1, 30, "captured", 3, 0, 0, None)
    assert books.ask(refunds.ask_refundable(bytes(16))) is None
