"""Unspent points and transfers without their other side: of several accounts, in their own bank."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from gongyi_bank.policies import PointsExpiry
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.transfers import Lot
from gongyi_bank.store import policies
from gongyi_bank.store.ledger import load_heads
from gongyi_bank.store.tables import account_line
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.transfers import list_in_transit, list_unpaired, load_lots
from gongyi_bank.values import Points
from tests.district import SHANGHAI, District, at
from tests.service.test_transfers import gift, grant, leg
from tests.store.conftest import MONTH

#: Of points credited on 15 October and on 5 November 2022.
FIRST, SECOND = dt.date(2022, 11, 15), dt.date(2022, 12, 5)
LATER = dt.datetime(2022, 11, 5, 12, tzinfo=SHANGHAI)
Told = TypeVar("Told")


@dataclass
class Books:
    """The bank that is asked, its accounts, the transfer of many legs, and where it was."""

    district: District
    one: int
    other: int
    third: int
    granted: list[int]
    sent: bytes
    outlet_no: int

    def unpaired(self) -> list[tuple[int, int, int]]:
        return self.district.bank.read(list_unpaired)

    def in_transit(self) -> list[tuple[int, bytes, int]]:
        return self.district.bank.read(list_in_transit)


def lived(district: District, hours: int) -> Books:
    """Two dates of points, gifts one by one, and a transfer in which everybody is paid at once."""
    one, other, third = (district.customer() for _ in range(3))
    district.acting("K1").pools.open(code="P1", name="爱心池", outlet="B01")
    for day in (3, 4):
        district.serve(one, f"10-0{day} 08:00", 60 * hours)
    district.serve(other, "10-03 08:00", 60 * hours)
    gift(district, one, other, points=Points(hours))
    district.clock.now = LATER
    district.serve(one, "11-01 08:00", 60 * hours)
    gift(district, other, third, points=Points("0.50"))
    legs = [leg(one, third, Points("0.30")), leg(one, "P1", Points("0.20")), leg(other, "P1")]
    sent = district.acting("T1").transfers.send(legs=legs, outlet="B01S01")
    granted = [district.customer() for _ in range(2)]
    grant(district, *((account, Points("0.10")) for account in granted))
    assert district.bank.verify().is_clean
    outlet_no = one // 10**8
    return Books(district, one, other, third, granted, sent.voucher_id.bytes, outlet_no)


@pytest.fixture(scope="module")
def both(two_banks: tuple[District, District]) -> tuple[Books, Books]:
    """The books that are asked, and those of the neighbour."""
    district, neighbour = two_banks
    theirs, mine = lived(neighbour, 4), lived(district, 2)
    assert (theirs.one, theirs.other, theirs.third) == (mine.one, mine.other, mine.third)
    return mine, theirs


@pytest.fixture(scope="module")
def books(both: tuple[Books, Books]) -> Books:
    return both[0]


# --- unspent points --------------------------------------------------------------------------


def lots(
    books: Books, *accounts: int, amounts: dict[int, int] | None = None
) -> dict[int, list[Lot]]:
    """The unspent points of these accounts, of so many of them or of all."""
    now = books.district.clock.now

    def read(tx: Transaction) -> dict[int, list[Lot]]:
        terms = terms_of(policies.load_book(tx, 0), now.date())
        return load_lots(tx, load_heads(tx, accounts, terms, now).values(), terms, amounts)

    return books.district.bank.read(read)


def test_each_account_has_its_own_lots_oldest_first_and_none_that_is_spent(books: Books) -> None:
    """One's first line is spent to its last point; of the next fifty points are gone."""
    assert lots(books, books.third, books.one, books.other) == {
        books.one: [Lot(200, 400, FIRST, False), Lot(400, 600, SECOND, False)],
        books.other: [Lot(0, 200, FIRST, False), Lot(200, 400, FIRST, True)],
        books.third: [Lot(0, 50, FIRST, True), Lot(50, 80, FIRST, True)],
    }
    assert set(lots(books, books.other)) == {books.other}
    assert lots(books) == {}


def test_no_more_lots_are_read_than_so_many_points_are_of(books: Books) -> None:
    """Of the first line one has 150 left, and other fifty."""
    first, second = Lot(200, 400, FIRST, False), Lot(400, 600, SECOND, False)
    own, given = Lot(0, 200, FIRST, False), Lot(200, 400, FIRST, True)
    accounts = (books.one, books.other)
    assert lots(books, *accounts, amounts={books.one: 1}) == {books.one: [first]}
    assert lots(books, *accounts, amounts={books.one: 150, books.other: 50}) == {
        books.one: [first], books.other: [own],
    }  # fmt: skip
    assert lots(books, *accounts, amounts={books.one: 151, books.other: 999}) == {
        books.one: [first, second], books.other: [own, given],
    }  # fmt: skip


def test_no_lot_dies_before_an_older_one_that_is_spent_by_now(sqlite_district: District) -> None:
    """Points without a date have that of the day on which expiry first began, and live on."""
    district, day = sqlite_district, dt.date(2022, 10, 15)
    policies_from = {0: PointsExpiry(mode="months", length=12), 6: PointsExpiry(), 10: MONTH}
    for days, policy in policies_from.items():
        district.bank.policies.adopt(policy=policy, effective_on=day + dt.timedelta(days=days))
    one, other = district.customer(), district.customer()
    for number in (20, 22):
        district.clock.now = at(f"10-{number} 12:00")
        district.serve(one, f"10-0{number - 18} 08:00")
    gift(district, one, other)

    def read(tx: Transaction) -> dict[int, list[Lot]]:
        now = at("10-26 12:00")
        terms = terms_of(policies.load_book(tx, 0), now.date())
        return load_lots(tx, load_heads(tx, [one], terms, now).values(), terms)

    assert district.bank.read(read) == {one: [Lot(100, 200, dt.date(2023, 10, 20), False)]}


def test_heads_that_say_more_than_their_lines_are_not_searched_for_ever(books: Books) -> None:
    district, nobody = books.district, books.district.customer()

    def read(tx: Transaction) -> None:
        terms, now = terms_of(policies.load_book(tx, 0), LATER.date()), LATER
        for account in (books.other, nobody):
            heads = load_heads(tx, [account], terms, now)
            heads[account].credited += 1
            with pytest.raises(ValueError, match="fewer credits"):
                load_lots(tx, heads.values(), terms)

    district.bank.read(read)


# --- what does not agree ---------------------------------------------------------------------


def test_where_all_agrees_nothing_is_named(both: tuple[Books, Books]) -> None:
    for books in both:
        assert books.unpaired() == []
        assert books.in_transit() == []


def told(
    district: District,
    read: Callable[[Transaction], Told],
    account: int,
    line_no: int,
    *,
    table: sa.Table = account_line,
    **said: Any,
) -> Told:
    """What is read where a line of an account says something else; nothing of it stays."""
    found: Told
    with district.bank.engine.connect() as connection, district.bank.within(connection) as counter:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        query = sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for name in connection.scalars(query).all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")

        def change(tx: Transaction) -> Told:
            its_line = sa.and_(
                table.c.bank_id == tx.bank.bank_id,
                table.c.account_no == account,
                table.c.line_no == line_no,
            )
            changed = tx.connection.execute(sa.update(table).where(its_line).values(**said))
            assert changed.rowcount == 1
            return read(tx)

        found = counter.read(change)
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")
    return found


OTHERWISE = {
    "amount": 201,
    "kind": "close",
    "value_on": dt.date(2022, 1, 1),
    "business_day": dt.date(2022, 1, 1),
    "origin_on": dt.date(2022, 1, 1),
    "outlet_no": 1000,
    "voucher_id": bytes(16),
}


@pytest.mark.parametrize("field", OTHERWISE)
def test_a_gift_that_is_otherwise_on_one_side_is_named_with_both_and_no_other_is(
    books: Books, field: str
) -> None:
    found = told(books.district, list_unpaired, books.other, 2, **{field: OTHERWISE[field]})
    assert found == [(books.one, 3, books.other), (books.other, 2, books.one)]


def test_two_sides_of_the_same_sign_are_no_pair(books: Books) -> None:
    found = told(books.district, list_unpaired, books.one, 3, amount=200)
    assert found == [(books.one, 3, books.other), (books.other, 2, books.one)]


def test_a_gift_that_names_another_account_is_no_pair(books: Books) -> None:
    found = told(books.district, list_unpaired, books.one, 3, contra_no=books.third)
    assert found == [(books.one, 3, books.third), (books.other, 2, books.one)]


def test_of_what_one_voucher_gave_to_several_each_side_has_its_own(books: Books) -> None:
    """The pool's lines say that one was given twice and the other nothing: the sums agree."""
    pool, (first, second) = internal_no("pool", 1), books.granted
    found = told(books.district, list_unpaired, pool, 2, contra_no=second)
    assert found == [(first, 1, pool), (second, 1, pool), (pool, 2, second), (pool, 3, second)]


def test_what_stays_between_the_legs_of_a_voucher_is_named_with_its_sign(books: Books) -> None:
    transit = internal_no("transit", books.outlet_no)
    for amount, left in ((-29, -1), (-31, 1)):
        found = told(books.district, list_in_transit, books.one, 5, amount=amount)
        assert found == [(transit, books.sent, left)]


def test_what_stays_is_told_for_each_voucher(books: Books) -> None:
    """Two vouchers of which one left what the other took are two that do not agree."""
    transit, other = internal_no("transit", books.outlet_no), bytes(16)
    found = told(books.district, list_in_transit, books.one, 5, voucher_id=other)
    assert found == [(transit, other, 30), (transit, books.sent, -30)]
    assert told(books.district, list_unpaired, books.one, 5, voucher_id=other) == []


def test_what_does_not_agree_in_another_bank_is_named_there(both: tuple[Books, Books]) -> None:
    books, theirs = both

    def read(tx: Transaction) -> tuple[int, int]:
        return len(list_unpaired(tx)), len(list_in_transit(tx))

    def of_both(tx: Transaction) -> list[tuple[int, int]]:
        own = read(tx)
        tx.bank, kept = books.district.bank.read(lambda other: other.bank), tx.bank
        beside = read(tx)
        tx.bank = kept
        return [own, beside]

    assert told(theirs.district, of_both, theirs.other, 2, amount=1) == [(2, 0), (0, 0)]
    assert told(theirs.district, of_both, theirs.one, 5, amount=-1) == [(0, 1), (0, 0)]
