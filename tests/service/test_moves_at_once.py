"""A savings branch moves while its old branch, or its new one, closes the day: on PostgreSQL.

The mover and half of the tellers stand at a clock that is a minute behind, so they work on the
day that is being closed. Whatever comes first, a branch's closed day never changes.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import DayClosed, RetryTransaction
from tests.district import District, at
from tests.waiting import SECONDS_MAX, patiently, wait_for_lock

BEHIND = at("10-31 23:59")
AHEAD = at("11-01 00:01")
DAY, MONTH = "2022-10-31", "2022-10"
CLOSED_ON = dt.date(2022, 10, 31)


@pytest.fixture
def banks(postgresql_district_url: str) -> Iterator[tuple[District, Bank]]:
    """A district, and a handle on it with a connection for everybody."""
    district = District(postgresql_district_url, is_founded=True)
    options = {"options": "-c lock_timeout=10s"}
    engine = sa.create_engine(postgresql_district_url, pool_size=10, connect_args=options)
    bank = Bank.open(engine, staff="admin", clock=lambda: AHEAD, unsafe_settings="allow")
    yield district, bank
    bank.close()
    district.close()


def figures(bank: Bank, branch: str) -> list[Any]:
    """What is said of a branch about the day that is closed, and its month."""
    return [
        bank.reports.ledger_book(branch, MONTH).rows,
        bank.reports.trial_balance(branch, as_of=CLOSED_ON).rows,
    ]


def serve(bank: Bank, account: int, start: dt.datetime) -> None:
    bank.hours.record(
        account=account, category="sanitation", outlet="B01S01", recorded_by="T1",
        checked_by="ADM2", started_at=start, ended_at=start + dt.timedelta(minutes=1),
    )  # fmt: skip


# --- one after the other -------------------------------------------------------------------


def test_the_old_branch_waits_for_who_is_under_way_at_an_outlet_that_has_moved(
    banks: tuple[District, Bank],
) -> None:
    """A teller's clock says the 31st, when the outlet was still below the old branch."""
    district, bank = banks
    account, other = district.customer(), district.customer()
    bank.outlets.move(outlet="B01S01", branch="B02")
    with ThreadPoolExecutor(1) as pool:
        with bank.at(BEHIND).begin() as counter:
            serve(counter, account, at("10-01 08:00"))
            future = pool.submit(lambda: (bank.closings.close(DAY, outlet="B01"), None)[1])
            wait_for_lock(bank, future)
        future.result(SECONDS_MAX)
    closed = figures(bank, "B01")
    assert [row.outlet for row in closed[1]] == ["B01S01", "B01S01"]
    with pytest.raises(DayClosed):
        serve(bank.at(BEHIND), other, at("10-01 08:00"))
    assert figures(bank, "B01") == closed


@pytest.mark.parametrize("branch", ["B01", "B02"])
def test_whoever_closes_waits_for_a_move_and_closes_what_was_moved(
    banks: tuple[District, Bank], branch: str
) -> None:
    district, bank = banks
    account, other = district.customer(), district.customer()
    serve(bank.at(BEHIND), account, at("10-01 08:00"))
    with ThreadPoolExecutor(1) as pool:
        with bank.at(BEHIND).begin() as counter:
            counter.outlets.move(outlet="B01S01", branch="B02")
            future = pool.submit(lambda: (bank.closings.close(DAY, outlet=branch), None)[1])
            wait_for_lock(bank, future)
        future.result(SECONDS_MAX)
    assert len(bank.reports.ledger_book("B02", MONTH).rows) == 2
    closed = figures(bank, branch)
    if branch == "B02":  # Only the new branch has the day of the move.
        with pytest.raises(DayClosed):
            serve(bank.at(BEHIND), other, at("10-02 08:00"))
    else:
        serve(bank.at(BEHIND), other, at("10-02 08:00"))
    assert figures(bank, branch) == closed
    assert not bank.verify().faults


@pytest.mark.parametrize("branch", ["B01", "B02"])
def test_a_move_waits_for_whoever_closes_and_is_told(
    banks: tuple[District, Bank], branch: str
) -> None:
    _, bank = banks
    with ThreadPoolExecutor(1) as pool:
        with bank.begin() as counter:
            counter.closings.close(DAY, outlet=branch)
            move = bank.at(BEHIND).outlets.move
            future = pool.submit(lambda: (move(outlet="B01S01", branch="B02"), None)[1])
            wait_for_lock(bank, future)
        with pytest.raises(DayClosed):
            future.result(SECONDS_MAX)
    bank.outlets.move(outlet="B01S01", branch="B02")
    assert not bank.verify().faults


# --- all of them together ------------------------------------------------------------------


class Teller:
    """Serves one customer at the outlet that moves until told to stop."""

    def __init__(self, bank: Bank, account: int) -> None:
        self.bank, self.account = bank, account
        self.posted = self.refused = 0

    def work(self, stop: threading.Event) -> None:
        """Record one minute of service after the other."""
        start = at("10-01 08:00")
        while not stop.is_set():
            start += dt.timedelta(minutes=4)
            try:
                serve(self.bank, self.account, start)
                self.posted += 1
            except DayClosed:
                self.refused += 1
            except RetryTransaction:
                continue


def keep_moving(bank: Bank, stop: threading.Event) -> tuple[int, int]:
    """To and fro on the day that is being closed, and afterwards on the next: both counted."""
    moved = {BEHIND: 0, AHEAD: 0}
    branches = ["B02", "B01"]
    clock = BEHIND
    while not stop.is_set():
        try:
            bank.at(clock).outlets.move(outlet="B01S01", branch=branches[0])
        except DayClosed:
            clock = AHEAD
        except RetryTransaction:
            continue
        else:
            moved[clock] += 1
            branches.reverse()
    return moved[BEHIND], moved[AHEAD]


@pytest.mark.parametrize("order", [("B01", "B02"), ("B02", "B01")])
def test_a_closed_day_of_a_branch_never_changes_however_outlets_move(
    banks: tuple[District, Bank], order: tuple[str, str]
) -> None:
    district, bank = banks
    clocks = (BEHIND, AHEAD, BEHIND, AHEAD)
    tellers = [Teller(bank.at(clock), district.customer()) for clock in clocks]
    stop = threading.Event()
    closed: dict[str, list[Any]] = {}

    def wait(is_so: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + SECONDS_MAX
        while not is_so():
            assert time.monotonic() < give_up_at
            time.sleep(0.01)

    with ThreadPoolExecutor(len(tellers) + 1) as pool:
        futures = [pool.submit(teller.work, stop) for teller in tellers]
        mover = pool.submit(keep_moving, bank, stop)
        try:
            wait(lambda: all(teller.posted > 2 for teller in tellers))
            for branch in order:
                patiently(lambda code=branch: bank.closings.close(DAY, outlet=code))  # type: ignore[misc]
                patiently(lambda code=branch: bank.closings.close(MONTH, outlet=code))  # type: ignore[misc]
                closed[branch] = figures(bank, branch)
            posted = sum(teller.posted for teller in tellers[1::2])
            wait(lambda: sum(teller.posted for teller in tellers[1::2]) > posted + 5)
        finally:
            stop.set()
        for future in futures:
            future.result(SECONDS_MAX)
        _, later = mover.result(SECONDS_MAX)
    assert {branch: figures(bank, branch) for branch in order} == closed
    assert later > 0
    assert not bank.verify().faults
