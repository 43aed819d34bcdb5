"""Which points a debit cites: of lists that pay several accounts, of holds paid in parts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest

from gongyi_bank.commands.holds import HoldCapture
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.rules.past import Dead
from gongyi_bank.store import reversals
from gongyi_bank.store.tables import line_part
from gongyi_bank.values import Points
from tests.district import District, at
from tests.service.test_refunds import give_back
from tests.service.test_reversals import reverse
from tests.service.test_stores import a_shop
from tests.service.test_transfers import gift
from tests.store.test_reversal_facts import Asked
from tests.store.test_transfer_facts import told

#: Of points credited on 15 October the last day is 15 November.
BEFORE, AFTER = at("11-14 12:00"), at("11-16 12:00")


@dataclass
class Books(Asked):
    """The bank and its accounts."""

    one: int
    other: int
    giver: int
    taker: int
    least: int
    idle: int
    #: The voucher that took giver's gift back.
    undone: bytes


@pytest.fixture(scope="module")
def books(two_banks: tuple[District, District]) -> Books:
    """What each debit took, and what it cites, by the number below and the last:

    one, of 200: a hold of 1–30; 2 redemption took 0–50 and cites 150–200; of a hold of 30–150
    that was kept longer, 3 took 50–90 and cites 30–70, 4 90–110 and 70–90, 5 110–170 and 90–150.
    other, of 400: a hold of 0–80; 2 and 3 redemptions took 0–100 and cite 280–380; 4 took 100–150
    of a hold of 80–280. The lists paid both. Then all of these points died.
    giver: 2 gave 0–40 to taker, who spent ten of them and has earned others since. They all went
    back, and so did the first hundredth that taker gave to least. Idle had one, and it died.
    """
    district, _ = two_banks
    a_shop(district)
    one, other, giver, taker, least, idle = (district.customer() for _ in range(6))
    for account, minutes in ((one, 120), (other, 240), (giver, 120)):
        district.serve(account, "10-03 08:00", minutes)
    district.clock.now = BEFORE
    gift(district, giver, taker, points=Points("0.40"))
    gift(district, giver, idle, points=Points("0.01"))
    counter = district.acting("T1")

    def place(account: int, points: str) -> Any:
        placed = counter.holds.place(account=account, points=Points(points), store="P1", hours=72)
        return placed.hold_id

    place(one, "0.30")
    kept = place(one, "1.20")
    place(other, "0.80")
    also = place(other, "2")
    counter.holds.capture(hold=place(taker, "0.10"))
    counter.holds.extend(hold=kept, deadline_at=BEFORE + dt.timedelta(hours=100))
    rows = [RedemptionRow(account=account, store="P1", sku="A") for account in (one, other, other)]
    redeemed = counter.redemptions.redeem_many(rows=rows).outcomes
    captures = [(kept, "0.40"), (also, "0.50"), (kept, "0.20")]
    counter.holds.capture_many(
        captures=[HoldCapture(hold=hold, points=Points(points)) for hold, points in captures]
    )
    counter.holds.capture(hold=kept)
    district.clock.now = AFTER
    for account in (taker, idle):
        district.serve(account, "10-03 08:00")
    parts = [
        (one, 3, "0.30"),
        (one, 3, "0.10"),
        (one, 4, "0.20"),
        (other, 4, "0.05"),
        (other, 4, "0.01"),
    ]
    for account, line_no, points in parts:
        reverse(district, account, line_no, points=Points(points))
    undone = reverse(district, giver, 2).voucher_id.bytes
    for _ in range(2):
        gift(district, taker, least, points=Points("0.01"))
    reverse(district, least, 1)
    for outcome in redeemed:
        give_back(district, outcome.redemption_id)
    return Books(district, one, other, giver, taker, least, idle, undone)


# --- what a debit cites ------------------------------------------------------------------------


def test_a_capture_cites_its_own_hold_behind_what_was_captured_of_it_before(books: Books) -> None:
    cites = {3: 30, 4: 70, 5: 90}
    keys = [(books.one, line_no) for line_no in cites] + [(books.other, 4)]
    found = books.reversible(*keys)
    assert [one.cites_from for one in found] == [*cites.values(), 80]
    # A redemption says it itself, and of others the first point is their own.
    found = books.reversible((books.one, 2), (books.other, 2), (books.giver, 2))
    assert [one.cites_from for one in found] == [None] * 3


def test_what_is_dead_of_a_debit_is_known_by_what_each_line_cited(books: Books) -> None:
    """Of redemptions, and of captures, that one list wrote under the same number."""
    one, other = books.reversible((books.one, 4), (books.other, 4))
    assert one.past.dead == [Dead(150, 0, 50), Dead(30, 50, 30), Dead(60, 80, 10), Dead(70, 90, 20)]
    assert other.past.dead == [
        Dead(280, 0, 50), Dead(330, 50, 50), Dead(80, 100, 5), Dead(85, 105, 1),
    ]  # fmt: skip
    assert [(found.taken, found.parts, found.lost) for found in (one, other)] == [
        (20, 1, 20), (6, 2, 6),
    ]  # fmt: skip


def test_of_what_was_given_away_the_points_died_that_nobody_had_spent(books: Books) -> None:
    """Taker spent the first ten, and returned others for them."""
    (found,) = books.reversible((books.giver, 2))
    assert found.past.dead == [Dead(cited=10, took=10, amount=30)]
    assert found.past.taken == [(200, 210, 10)]


def test_the_smallest_lot_expires_also_where_nothing_was_taken_back(books: Books) -> None:
    (found,) = books.reversible((books.idle, 1))
    assert (found.past.expired, found.past.dead, found.past.taken) == ([(0, 1)], [], [])


def test_the_smallest_part_is_taken_back_like_any_other(books: Books) -> None:
    (found,) = books.reversible((books.least, 1))
    assert (found.taken, found.left, found.past.taken) == (1, 0, [(0, 1, 1)])


# --- the two sides of what was taken back ------------------------------------------------------


def test_the_sides_of_what_went_back_are_even(books: Books) -> None:
    assert books.read(reversals.list_uneven) == []


@pytest.mark.parametrize(
    ("side", "said", "uneven"),
    [
        ("giver", {"amount": 38}, (2, 0)),
        ("giver", {"expired": 27}, (0, 3)),
        ("taker", {"amount": 38, "expired": 27}, (-2, -3)),
    ],
)
def test_a_part_that_is_otherwise_on_one_side_is_named_with_the_difference(
    books: Books, side: str, said: dict[str, int], uneven: tuple[int, int]
) -> None:
    account, line_no = (books.giver, 2) if side == "giver" else (books.taker, 1)
    found = told(books.district, reversals.list_uneven, account, line_no, table=line_part, **said)
    assert found == [(books.undone, *uneven)]
