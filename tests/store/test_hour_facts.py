"""What the book of hours answers, to the letter: of several customers, beside another bank."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.rules.accrual import CustomerFacts, RecordFacts
from gongyi_bank.store import hours, points
from gongyi_bank.store.hours import Window
from gongyi_bank.store.tables import outlet, staff, voucher
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points
from tests.district import District, at

THIRD, FOURTH = dt.date(2022, 10, 3), dt.date(2022, 10, 4)
NEW_YEAR = dt.date(2022, 1, 1)
NOBODY = 19


@dataclass
class Books:
    """The bank that is asked, its four customers, and its numbers of outlets and people."""

    district: District
    neighbour: District
    one: int
    other: int
    third: int
    opened: int
    outlets: dict[str, int]
    people: dict[str, int]

    def ask(self, ask: Any) -> Any:
        return self.district.bank.read(lambda tx: tx.look(ask))

    def read(self, read: Any, *asked: Any) -> Any:
        return self.district.bank.read(lambda tx: read(tx, *asked))


def numbers(district: District, table: sa.Table, number: str) -> dict[str, int]:
    """The numbers of a bank's outlets or people, by code."""

    def read(tx: Transaction) -> dict[str, int]:
        query = sa.select(table.c.code, table.c[number])
        rows = tx.connection.execute(query.where(table.c.bank_id == tx.bank.bank_id))
        return {row[0]: row[1] for row in rows}

    return district.bank.read(read)


def neighbours_books(district: District) -> list[int]:
    """The same numbers and references, the other way round; and everything else otherwise."""
    accounts = [
        district.customer(place, ref=ref, registered_on=dt.date(2021, 5, 5))
        for place, ref in (("B01S01", "C2"), ("B02S01", "C1"))
    ]
    for account, ref in zip(accounts, ("RC1", "R11:59"), strict=True):
        district.serve(account, "10-03 09:00", 120, ref=ref, category="culture")
        district.serve(account, "10-04 12:00", 721, category="culture")
        district.serve(account, "10-14 08:00", 45, category="culture")
    return accounts


def correct(district: District, account: int, record_no: int) -> None:
    """Half an hour on the fourth instead of what the record says."""
    district.acting("K1").hours.correct(
        account=account, record_no=record_no, reason="误记", category="sanitation",
        started_at=at("10-04 12:00"), ended_at=at("10-04 12:30"),
        recorded_by="K1", checked_by="T1",
    )  # fmt: skip


@pytest.fixture(scope="module")
def books(two_banks: tuple[District, District]) -> Books:
    """Records that touch a window, its days and their edges, from inside and from outside."""
    district, neighbour = two_banks
    theirs = neighbours_books(neighbour)
    one, other = district.customer(ref="C1"), district.customer("B02S01", ref="C2")
    assert theirs == [one, other]
    third, opened = district.customer(), district.customer()
    for start, minutes in (
        ("10-02 23:30", 30),
        ("10-03 00:00", 30),
        ("10-03 08:00", 60),
        ("10-03 09:00", 60),
        ("10-03 12:00", 60),
        ("10-04 08:00", 600),
        ("10-05 00:00", 20),
    ):
        district.serve(one, start, minutes, ref="RC1" if start == "10-03 09:00" else None)
    for start, minutes in (("08:00", 61), ("11:59", 31), ("18:00", 90)):
        district.serve(other, f"10-03 {start}", minutes, category="elder_care", ref=f"R{start}")
    for number in (1, 2):
        district.serve(other, f"10-04 1{number}:00", 60)
    district.bank.hours.void(account=other, record_no=4, reason="误记", second_person="ADM2")
    correct(district, other, 5)
    for start, minutes in (("10-03 07:59", 211), ("10-04 08:00", 500)):
        row = district.row(third, start, minutes, outlet="B01S02", recorded_by="T2")
        district.bank.hours.record_many(rows=[row])
    opening = OpeningRow(account=opened, minutes=60, points=Points(1), as_of=dt.date(2022, 10, 10))
    district.bank.points.bring_forward(rows=[opening])
    district.bank.accounts.freeze(account=other, reason="核查")
    return Books(
        district, neighbour, one, other, third, opened,
        numbers(district, outlet, "outlet_no"), numbers(district, staff, "staff_no"),
    )  # fmt: skip


# --- customers -------------------------------------------------------------------------------


def test_customers_are_found_by_number_each_once_and_no_others(books: Books) -> None:
    assert books.ask(hours.ask_customers([books.other, books.one, books.one, NOBODY])) == {
        books.one: CustomerFacts(books.one, "active", NEW_YEAR, books.outlets["B01S01"]),
        books.other: CustomerFacts(books.other, "frozen", NEW_YEAR, books.outlets["B02S01"]),
    }


def test_customers_are_found_by_reference_in_their_own_bank(books: Books) -> None:
    found = books.read(hours.load_customers_by_ref, ["C2", "C1", "C2", "C9"])
    assert found == {
        "C1": CustomerFacts(books.one, "active", NEW_YEAR, books.outlets["B01S01"]),
        "C2": CustomerFacts(books.other, "frozen", NEW_YEAR, books.outlets["B02S01"]),
    }
    assert list(books.read(hours.load_customers_by_ref, ["C1"])) == ["C1"]
    assert books.read(hours.load_customers_by_ref, []) == {}
    theirs = books.neighbour.bank.read(lambda tx: hours.load_customers_by_ref(tx, ["C2", "C1"]))
    assert {ref: one.account_no for ref, one in theirs.items()} == {
        "C1": books.other, "C2": books.one,
    }  # fmt: skip


# --- records ---------------------------------------------------------------------------------


def test_records_are_found_by_reference_in_their_own_bank(books: Books) -> None:
    row = books.district.row
    first = row(books.one, "10-03 09:00", 60, ref="RC1")
    second = row(books.other, "10-03 11:59", 31, category="elder_care", ref="R11:59")
    assert books.ask(hours.ask_records_by_ref(["RC1", "R11:59", "RC2"])) == {
        "RC1": RecordFacts(books.one, 4, "credited", first.digest(), 60, 100, 4),
        "R11:59": RecordFacts(books.other, 2, "credited", second.digest(), 31, 77, 2),
    }
    assert list(books.ask(hours.ask_records_by_ref(["RC1"]))) == ["RC1"]


def test_an_opening_is_found_by_its_account_and_no_other_record_is(books: Books) -> None:
    found = books.read(points.load_openings, [books.one, books.opened])
    assert {number: (one.record_no, one.minutes, one.points) for number, one in found.items()} == {
        books.opened: (1, 60, 100),
    }  # fmt: skip
    assert books.read(points.load_openings, [books.one, books.other]) == {}


def test_a_window_is_touched_by_what_begins_in_time_and_reaches_into_it(books: Books) -> None:
    """At every edge there is a record that just counts and one that just does not."""
    window = Window(
        earliest=at("10-03 08:00"),
        begin=at("10-03 09:00"),
        latest=at("10-03 12:00"),
        first_at=at("10-03 00:00"),
        last_at=at("10-05 00:00"),
    )
    spans, daily = books.ask(hours.ask_spans([books.other, books.third, books.one], window))
    assert spans == {
        books.one: [(at("10-03 09:00"), at("10-03 10:00"), 4)],
        books.other: [
            (at("10-03 08:00"), at("10-03 09:01"), 1),
            (at("10-03 11:59"), at("10-03 12:30"), 2),
        ],
    }
    assert daily == {
        (books.one, THIRD): 210,
        (books.one, FOURTH): 600,
        (books.other, THIRD): 182,
        (books.other, FOURTH): 30,
        (books.third, THIRD): 211,
        (books.third, FOURTH): 500,
    }
    alone, its_days = books.ask(hours.ask_spans([books.one], window))
    assert (set(alone), {key[0] for key in its_days}) == ({books.one}, {books.one})


def test_the_newest_service_is_the_bank_s_own_and_no_opening(books: Books) -> None:
    assert books.read(hours.newest_service_on) == dt.date(2022, 10, 5)


def test_a_record_is_told_with_who_sent_it(books: Books) -> None:
    first = books.ask(hours.ask_record(books.third, 1))
    assert (first.account_no, first.record_no, first.kind) == (books.third, 1, "service")
    assert (first.state, first.category, first.minutes, first.points) == (
        "credited", "sanitation", 211, 351,
    )  # fmt: skip
    assert (first.started_at, first.ended_at) == (at("10-03 07:59"), at("10-03 11:30"))
    assert (first.service_on, first.value_on, first.line_no) == (THIRD, THIRD, 1)
    assert first.outlet_no == books.outlets["B01S02"]
    people = (first.recorded_by_no, first.checked_by_no, first.sent_by_no)
    assert people == tuple(books.people[code] for code in ("T2", "K1", "admin"))
    other = books.ask(hours.ask_record(books.other, 4))
    assert (other.account_no, other.record_no, other.state) == (books.other, 4, "voided")
    assert other.sent_by_no == books.people["T1"]
    assert books.ask(hours.ask_record(NOBODY, 1)) is None
    assert books.ask(hours.ask_record(books.third, 3)) is None


def test_a_booked_record_has_its_own_voucher_and_its_own_line(books: Books) -> None:
    def vouchers(tx: Transaction) -> list[bytes]:
        wanted = voucher.c.bank_id == tx.bank.bank_id, voucher.c.act.like("hours.%")
        return list(tx.connection.scalars(sa.select(voucher.c.voucher_id).where(*wanted)))

    def booked(account: int, record_no: int) -> tuple[Any, ...]:
        found = books.read(hours.load_booked_record, account, record_no)
        assert found.business_day == dt.date(2022, 10, 15)
        assert found.booked_at == books.district.clock.now
        seen.append(found.voucher_id)
        return (
            found.state, found.replaces_record_no, found.minutes, found.points, found.line_no,
            found.credited_after, found.debited_after,
        )  # fmt: skip

    seen: list[bytes] = []
    assert booked(books.one, 2) == ("credited", None, 30, 50, 2, 100, 0)
    assert booked(books.one, 6) == ("waiting_branch", None, 600, 0, None, None, None)
    assert booked(books.other, 2) == ("credited", None, 31, 77, 2, 229, 0)
    assert booked(books.other, 4) == ("voided", None, 60, 100, 4, 554, 0)
    assert booked(books.other, 6) == ("credited", 5, 30, 50, 7, 704, 100)
    assert booked(books.third, 1) == ("credited", None, 211, 351, 1, 351, 0)
    assert len(set(seen)) == 6
    assert set(seen) < set(books.district.bank.read(vouchers))


def test_of_one_list_each_booked_record_has_its_own_line(sqlite_district: District) -> None:
    first, second = sqlite_district.customer(), sqlite_district.customer()
    sqlite_district.serve(second, "10-03 08:00")
    rows = [
        sqlite_district.row(second, "10-04 08:00", 120),
        sqlite_district.row(first, "10-04 08:00"),
        sqlite_district.row(first, "10-04 10:00", 600),
    ]
    sqlite_district.clock.advance(days=1)
    sent = sqlite_district.bank.hours.record_many(rows=rows)
    assert sent.voucher_id is not None
    its_voucher = (sent.voucher_id.bytes, sent.business_day, sent.booked_at)

    def booked(account: int, record_no: int) -> tuple[Any, ...]:
        found = sqlite_district.bank.read(
            lambda tx: hours.load_booked_record(tx, account, record_no)
        )
        assert (found.voucher_id, found.business_day, found.booked_at) == its_voucher
        return found.state, found.line_no, found.credited_after, found.debited_after

    assert booked(first, 1) == ("credited", 1, 100, 0)
    assert booked(first, 2) == ("waiting_branch", None, None, None)
    assert booked(second, 2) == ("credited", 2, 300, 0)


# --- lists -----------------------------------------------------------------------------------


def test_what_waits_is_listed_by_outlet_oldest_service_first(books: Books) -> None:
    def waiting(*codes: str) -> list[tuple[Any, ...]]:
        rows = books.read(hours.list_waiting, [books.outlets[code] for code in codes])
        return [tuple(row) for row in rows]

    start = at("10-04 08:00")
    mine = (
        books.one, 6, None, "waiting_branch", "B01S01", "sanitation", None, start,
        at("10-04 18:00"), 600, 0, None,
    )  # fmt: skip
    theirs = (
        books.third, 2, None, "waiting_branch", "B01S02", "sanitation", None, start,
        at("10-04 16:20"), 500, 0, None,
    )  # fmt: skip
    assert waiting("B01S02", "B01S01", "B01S01") == [mine, theirs]
    assert waiting("B01S02") == [theirs]
    assert waiting("B02S01") == []


def test_what_waits_for_the_head_office_is_listed_as_well(sqlite_district: District) -> None:
    first, second = sqlite_district.customer(), sqlite_district.customer()
    sqlite_district.serve(first, "10-04 08:00", 600)
    sqlite_district.serve(second, "10-03 08:00", 721)
    place = numbers(sqlite_district, outlet, "outlet_no")["B01S01"]
    rows = sqlite_district.bank.read(lambda tx: hours.list_waiting(tx, [place]))
    assert [(row[0], row[3]) for row in rows] == [
        (second, "waiting_head_office"), (first, "waiting_branch"),
    ]  # fmt: skip


def test_an_account_s_records_are_listed_newest_first_by_pages(books: Books) -> None:
    def listed(account: int, before: int, size: int) -> list[tuple[Any, ...]]:
        rows = books.read(hours.list_records, account, before, size)
        assert {row[0] for row in rows} <= {account}
        return [(row[1], row[2], row[3], row[4], row[9], row[10]) for row in rows]

    assert listed(books.one, 5, 3) == [
        (4, "RC1", "credited", "B01S01", 60, 100),
        (3, None, "credited", "B01S01", 60, 100),
        (2, None, "credited", "B01S01", 30, 50),
    ]
    assert [row[0] for row in listed(books.one, 99, 99)] == [7, 6, 5, 4, 3, 2, 1]
    assert listed(books.other, 2, 9) == [(1, "R08:00", "credited", "B01S01", 61, 152)]
    assert listed(NOBODY, 99, 99) == []
