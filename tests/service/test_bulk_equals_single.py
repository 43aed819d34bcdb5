"""A list in bulk gives the same books as one by one: the promise behind "bulk first"."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gongyi_bank.bank import Counter
from gongyi_bank.commands.hours import RecordHours, ServiceRow
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.receipts.hours import HoursRecorded, RowOutcome
from gongyi_bank.values import Points, compose_account_no
from tests.books import books, counts
from tests.district import District

NOBODY = compose_account_no(1003, 9_999_999)
_FIELDS = sorted(set(RecordHours.model_fields) - {"idempotency_key"})


def undone(district: District, run: Callable[[Counter], Any]) -> tuple[Any, Any]:
    """What the run returned and the books that it made, all of it rolled back again."""
    with district.bank.engine.connect() as connection, connection.begin() as attempt:
        with district.bank.within(connection) as counter:
            result = run(counter)
        made = books(connection)
        attempt.rollback()
    return result, made


def rows_of(district: District, accounts: list[int]) -> st.SearchStrategy[ServiceRow]:
    return st.builds(
        district.row,
        account=st.sampled_from([*accounts, *accounts, NOBODY]),
        start=st.sampled_from(
            [
                "10-02 20:00",
                "10-03 00:00",
                "10-03 08:00",
                "10-03 08:30",
                "10-03 15:59",
                "10-15 11:30",
            ]
        ),
        minutes=st.sampled_from([0, 1, 30, 60, 240, 480, 481, 721]),
        category=st.sampled_from(["sanitation", "elder_care", "culture", "nothing"]),
        outlet=st.sampled_from(["B01S01", "B01S01", "B01S02", "B02S01", "B99"]),
        recorded_by=st.sampled_from(["T1", "K1", "ADM2"]),
        checked_by=st.sampled_from(["K1", "ADM2", "ADM2", "T3"]),
        ref=st.sampled_from([None, None, "R", "S"]),
        project=st.sampled_from([None, "P"]),
        client_rating=st.sampled_from([None, 5]),
    )


def single(counter: Counter, row: ServiceRow) -> HoursRecorded | GongyiBankError:
    try:
        return counter.hours.record(**{name: getattr(row, name) for name in _FIELDS})
    except GongyiBankError as error:
        return error


def says_the_same(outcome: RowOutcome, one: HoursRecorded | GongyiBankError) -> bool:
    """Whether a row of the bulk receipt and a receipt of its own tell the same."""
    if isinstance(one, GongyiBankError):
        return outcome.error == one
    told = (outcome.account, outcome.record_no, outcome.line_no, outcome.minutes, outcome.points)
    mine = (one.account, one.record_no, one.line_no, one.minutes, one.points)
    if outcome.outcome == "replayed":
        return told == mine
    return (outcome.outcome, outcome.balance, *told) == (one.state, one.balance, *mine)


def compare(district: District, rows: list[ServiceRow]) -> None:
    done, in_bulk = undone(district, lambda counter: counter.hours.record_many(rows=rows))
    results, one_by_one = undone(district, lambda counter: [single(counter, row) for row in rows])
    assert in_bulk == one_by_one
    for outcome, one in zip(done.outcomes, results, strict=True):
        assert says_the_same(outcome, one), (outcome, one)


def test_service_rows_in_bulk_are_the_same_as_one_by_one(district: District) -> None:
    accounts = [district.customer() for _ in range(2)]
    district.serve(accounts[0], "10-03 12:00", 60, ref="OLD")

    @given(st.lists(rows_of(district, accounts), min_size=1, max_size=10))
    @settings(max_examples=60)
    def check(rows: list[ServiceRow]) -> None:
        compare(district, rows)

    check()


def test_the_same_holds_while_points_expire(engine_url: str) -> None:
    district = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    accounts = [district.customer() for _ in range(2)]
    for account in accounts:
        district.serve(account, "10-01 08:00")
    district.clock.advance(days=40)

    @given(st.lists(rows_of(district, accounts), min_size=1, max_size=6))
    @settings(max_examples=20)
    def check(rows: list[ServiceRow]) -> None:
        compare(district, rows)

    check()
    district.close()


def test_a_list_cut_anywhere_gives_the_same_books(district: District) -> None:
    accounts = [district.customer() for _ in range(2)]

    @given(st.lists(rows_of(district, accounts), min_size=2, max_size=10), st.data())
    @settings(max_examples=30)
    def check(rows: list[ServiceRow], data: st.DataObject) -> None:
        cut = data.draw(st.integers(1, len(rows) - 1))
        _, whole = undone(district, lambda counter: counter.hours.record_many(rows=rows))

        def in_two(counter: Counter) -> None:
            counter.hours.record_many(rows=rows[:cut])
            counter.hours.record_many(rows=rows[cut:])

        assert undone(district, in_two)[1] == whole

    check()


def test_a_list_sent_again_changes_nothing(district: District) -> None:
    accounts = [district.customer() for _ in range(2)]

    @given(st.lists(rows_of(district, accounts), min_size=1, max_size=8, unique_by=lambda r: r.ref))
    @settings(max_examples=20)
    def check(rows: list[ServiceRow]) -> None:
        named = [row for row in rows if row.ref is not None]
        if not named:
            return

        def twice(counter: Counter) -> tuple[Any, Any]:
            return counter.hours.record_many(rows=named), counter.hours.record_many(rows=named)

        _, once = undone(district, lambda counter: counter.hours.record_many(rows=named))
        (first, again), made = undone(district, twice)
        assert made == once
        assert again.voucher_id is None
        for one, other in zip(first.outcomes, again.outcomes, strict=True):
            assert other.outcome == ("refused" if one.error else "replayed")
            assert (other.record_no, other.line_no, other.points) == (
                one.record_no, one.line_no, one.points,
            )  # fmt: skip

    check()


def test_opening_rows_in_bulk_are_the_same_as_one_by_one(district: District) -> None:
    accounts = [district.customer() for _ in range(3)]
    district.serve(accounts[2], "10-03 08:00")
    openings = st.builds(
        OpeningRow,
        account=st.sampled_from([*accounts, NOBODY]),
        minutes=st.sampled_from([0, 90]),
        points=st.sampled_from([Points(0), Points("1.5"), Points("1.50"), Points("0.001")]),
        as_of=st.sampled_from([dt.date(2022, 9, 30), dt.date(2022, 10, 16)]),
    )

    @given(st.lists(openings, min_size=1, max_size=8))
    @settings(max_examples=30)
    def check(rows: list[OpeningRow]) -> None:
        done, in_bulk = undone(district, lambda c: c.points.bring_forward(rows=rows))
        parts, one_by_one = undone(
            district, lambda c: [c.points.bring_forward(rows=[row]).outcomes[0] for row in rows]
        )
        assert in_bulk == one_by_one
        for together, alone in zip(done.outcomes, parts, strict=True):
            assert together.to_list()[1:] == alone.to_list()[1:]

    check()


def test_what_was_only_tried_left_nothing(district: District) -> None:
    account = district.customer()
    before = counts(district.bank)
    undone(district, lambda c: c.hours.record_many(rows=[district.row(account, "10-03 08:00")]))
    assert counts(district.bank) == before
