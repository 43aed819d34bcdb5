"""A branch closes its month while its customers are served elsewhere, on both servers.

Whoever closes waits for who is under way with a customer of the branch, wherever that is; and
whoever comes later finds the month closed.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from gongyi_bank.bank import Bank
from tests.district import District, at
from tests.waiting import SECONDS_MAX, patiently, wait_for_lock

NOW = at("11-05 12:00")
MONTH, DAYS = "2022-10", "2022-10-31"
TELLERS = 6


@pytest.fixture(params=["postgresql", "mariadb"])
def banks(request: pytest.FixtureRequest) -> Iterator[tuple[District, Bank]]:
    """A district, and a handle on it with a connection for everybody."""
    url = request.getfixturevalue(f"{request.param}_district_url")
    district = District(url, is_founded=True)
    bank = Bank.open(url, staff="admin", clock=lambda: NOW, unsafe_settings="allow")
    yield district, bank
    bank.close()
    district.close()


def serve(bank: Bank, account: int, start: dt.datetime, minutes: int = 1) -> object:
    """A service at B02S01."""
    return bank.hours.record(
        account=account, category="sanitation", outlet="B02S01", recorded_by="T3",
        checked_by="ADM2", started_at=start, ended_at=start + dt.timedelta(minutes=minutes),
    )  # fmt: skip


def figures(bank: Bank) -> tuple[object, ...]:
    """What is said of October about B01."""
    book = bank.reports.ledger_book("B01", MONTH)
    return bank.ratings.indicators(MONTH, outlets=["B01"]).to_csv(), book.minutes, book.credited


@pytest.mark.parametrize("is_first", [True, False])
def test_whoever_closes_waits_for_who_serves_a_customer_of_theirs_elsewhere(
    banks: tuple[District, Bank], is_first: bool
) -> None:
    """Also the first branch that ever closes, when no teller looks at homes yet."""
    district, bank = banks
    account = district.customer()
    keeper = bank.acting_as("K1")

    def close() -> None:
        keeper.closings.close(DAYS, outlet="B01")
        keeper.closings.close(MONTH, outlet="B01")

    if not is_first:
        keeper.closings.close(DAYS, outlet="B01")
    with ThreadPoolExecutor(1) as pool:
        with bank.begin() as counter:
            serve(counter, account, at("10-20 08:00"))
            closing = pool.submit(close)
            wait_for_lock(bank, closing)
        closing.result(SECONDS_MAX)
    closed = figures(bank)
    assert closed[1] == 1
    serve(bank, account, at("10-21 08:00"))
    assert figures(bank) == closed
    assert bank.verify().is_clean, str(bank.verify())


def test_who_moves_to_a_branch_while_they_are_served_elsewhere_is_its_customer(
    banks: tuple[District, Bank],
) -> None:
    """The teller has kept the old home open, and finds another one behind the account's lock."""
    district, bank = banks
    account = district.customer("B02S02")
    bank.acting_as("K1").closings.close("2022-10-15", outlet="B01")
    serve(bank, district.customer("B02S02"), at("10-20 08:00"))  # the handle learns of it
    with ThreadPoolExecutor(1) as pool:
        with bank.begin() as counter:
            counter.customers.move(account=account, outlet="B01S01")
            served = pool.submit(lambda: (serve(bank, account, at("10-20 08:00")), None)[1])
            wait_for_lock(bank, served)
        served.result(SECONDS_MAX)
    assert bank.reports.balance(account) > 0
    assert bank.verify().is_clean, str(bank.verify())


def test_no_figure_of_a_closed_month_changes_however_many_serve_elsewhere(
    banks: tuple[District, Bank],
) -> None:
    district, bank = banks
    accounts = [district.customer() for _ in range(TELLERS)]
    stop, served = threading.Event(), [0] * TELLERS

    def work(number: int) -> None:
        start = at("10-01 00:00")
        while not stop.is_set():
            start += dt.timedelta(minutes=1)
            patiently(partial(serve, bank, accounts[number], start))
            served[number] += 1

    def until(count: int) -> None:
        give_up_at = time.monotonic() + SECONDS_MAX
        while min(served) < count:
            assert time.monotonic() < give_up_at
            assert not any(future.done() for future in working)
            time.sleep(0.01)

    with ThreadPoolExecutor(TELLERS) as pool:
        working = [pool.submit(work, number) for number in range(TELLERS)]
        try:
            until(2)
            keeper = bank.acting_as("K1")
            patiently(lambda: keeper.closings.close(DAYS, outlet="B01"))
            patiently(lambda: keeper.closings.close(MONTH, outlet="B01"))
            closed = figures(bank)
            until(max(served) + 2)
        finally:
            stop.set()
        for future in working:
            future.result(SECONDS_MAX)
    assert figures(bank) == closed
    assert bank.verify().is_clean, str(bank.verify())
