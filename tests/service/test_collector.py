"""The garbage collector rests while a long list is booked, and only then."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from gongyi_bank.commands.hours import RecordManyHours
from gongyi_bank.errors import UnknownStaff
from gongyi_bank.service.collector import LONG
from tests.district import District


@pytest.fixture(autouse=True)
def as_found() -> Iterator[None]:
    yield
    gc.enable()


def collections_in(district: District, count: int) -> int:
    """How often the collector ran inside a list of so many services."""
    account = district.customer()
    times = (f"{day:02d} {hour:02d}:{half}" for day in range(1, 20) for hour in range(24)
             for half in ("00", "30"))  # fmt: skip
    rows = [district.row(account, f"10-{next(times)}", 30) for _ in range(count)]
    command = RecordManyHours(rows=rows)
    ran: list[str] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        ran.append(phase)

    gc.callbacks.append(note)
    try:
        district.bank.execute(command)
    finally:
        gc.callbacks.remove(note)
    return ran.count("start")


def test_it_rests_during_a_long_list_and_is_back_afterwards(sqlite_district: District) -> None:
    threshold = gc.get_threshold()
    gc.set_threshold(50)
    try:
        assert collections_in(sqlite_district, LONG - 1) > 20
        # What is done before and after the act itself is the caller's time.
        assert collections_in(sqlite_district, LONG) <= 5
    finally:
        gc.set_threshold(*threshold)
    assert gc.isenabled()


def test_it_is_back_after_a_refusal(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    rows = [sqlite_district.row(account, "10-03 08:00")] * LONG
    with pytest.raises(UnknownStaff):
        sqlite_district.acting("nobody").hours.record_many(rows=rows)
    assert gc.isenabled()


def test_a_caller_s_own_choice_stays(sqlite_district: District) -> None:
    gc.disable()
    collections_in(sqlite_district, LONG)
    assert not gc.isenabled()
