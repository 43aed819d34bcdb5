"""Tellers posting into what is being closed: nothing slips in afterwards, nobody starves.

Half of the tellers stand at a clock that is a minute behind, so they book on the day that is
being closed; the others serve the month that is being closed.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.errors import DayClosed, RetryTransaction
from gongyi_bank.store import tables
from tests.books import books
from tests.district import District, at
from tests.waiting import wait_for_lock

TELLERS = 40
BEHIND = at("10-31 23:59")
AHEAD = at("11-01 00:01")
#: More than any closing here takes on a busy machine; a starved closer gives up later than that.
SECONDS_MAX = 10.0
#: Outlet, recorder and checker.
PLACES = (("B01S01", "T1", "K1"), ("B01S02", "T2", "K1"), ("B02S01", "T3", "K2"))


class Teller:
    """Posts for one customer until told to stop, and counts what happened."""

    def __init__(self, bank: Bank, account: int, number: int, level: str | None) -> None:
        self.account, self.number = account, number
        is_behind = number % 2 == 0
        self.bank = bank.at(BEHIND if is_behind else AHEAD)
        self.level = level
        self.counts: Counter[str] = Counter()
        self.start = at("10-01 08:00")
        self.failure: Exception | None = None

    def work(self, stop: threading.Event | SimpleNamespace) -> None:
        """Record one minute of service after the other."""
        outlet, recorder, checker = PLACES[self.number // 2 % 3]
        while not stop.is_set():
            self.start += dt.timedelta(minutes=4)
            service = {
                "account": self.account, "category": "sanitation",
                "outlet": outlet, "recorded_by": recorder, "checked_by": checker,
                "started_at": self.start, "ended_at": self.start + dt.timedelta(minutes=1),
            }  # fmt: skip
            try:
                self._post(service)
                self.counts["posted"] += 1
            except DayClosed:
                self.counts["day_closed"] += 1
            except RetryTransaction:
                self.counts["retry"] += 1
            except Exception as error:
                self.failure = error
                raise

    def _post(self, service: dict[str, Any]) -> None:
        if self.level is None:
            self.bank.hours.record(**service)
            return
        try:
            connection = self.bank.engine.connect().execution_options(isolation_level=self.level)
            with connection, connection.begin(), self.bank.within(connection) as counter:
                counter.hours.record(**service)
        except sa.exc.OperationalError as error:
            raise RetryTransaction(reason=str(error.orig)) from None


@contextmanager
def posting(tellers: list[Teller]) -> Iterator[None]:
    """The tellers work while the block lasts."""
    stop = threading.Event()
    threads = [threading.Thread(target=teller.work, args=(stop,)) for teller in tellers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def until(tellers: list[Teller], what: str, count: int) -> None:
    """Wait until the tellers together have had so many of something."""
    give_up_at = time.monotonic() + 60
    while sum(teller.counts[what] for teller in tellers) < count:
        assert not [teller.failure for teller in tellers if teller.failure]
        assert time.monotonic() < give_up_at, [teller.counts for teller in tellers]
        time.sleep(0.01)


def everything_of(bank: Bank, day: dt.date) -> dict[str, list[Any]]:
    """All rows that belong to days up to this one, by booking and by value."""
    voucher, line, record = tables.voucher, tables.account_line, tables.hour_record
    wanted = {
        "vouchers": sa.select(voucher.c.voucher_id).where(voucher.c.business_day <= day),
        "lines": sa.select(line).where(line.c.business_day <= day),
        "values": sa.select(line).where(line.c.value_on <= day),
        "records": sa.select(record).where(record.c.value_on <= day),
    }
    with bank.engine.connect() as connection:
        return {
            name: sorted(connection.execute(select), key=repr) for name, select in wanted.items()
        }


def timed(close: Callable[[], object]) -> float:
    begin = time.monotonic()
    close()
    return time.monotonic() - begin


@pytest.fixture
def busy_district(postgresql_tables_url: str) -> Iterator[tuple[District, Bank, list[int]]]:
    """A district and a handle on it with a connection for each teller."""
    district = District(postgresql_tables_url)
    new = [NewCustomer(outlet="B01S01", name="张三", ref=f"C{i}",
                       registered_on=dt.date(2022, 1, 1)) for i in range(TELLERS)]  # fmt: skip
    accounts = list(district.bank.customers.register(customers=new).accounts)
    options = {"options": "-c lock_timeout=10s -c plan_cache_mode=force_generic_plan"}
    engine = sa.create_engine(postgresql_tables_url, pool_size=TELLERS + 5, connect_args=options)
    bank = Bank.open(engine, staff="admin", clock=lambda: AHEAD, unsafe_settings="allow")
    yield district, bank, accounts
    bank.close()
    district.close()


@pytest.mark.parametrize("level", [None, "REPEATABLE READ", "SERIALIZABLE"])
def test_nothing_is_booked_in_a_closed_day_or_month_however_many_are_posting(
    busy_district: tuple[District, Bank, list[int]], level: str | None
) -> None:
    _, bank, accounts = busy_district
    day = dt.date(2022, 10, 31)
    tellers = [Teller(bank, account, n, level) for n, account in enumerate(accounts)]
    behind, ahead = tellers[::2], tellers[1::2]
    with posting(tellers):
        until(tellers, "posted", 2 * TELLERS)
        day_seconds = timed(lambda: bank.closings.close("2022-10-31"))
        of_day = everything_of(bank, day)
        month_seconds = timed(lambda: bank.closings.close("2022-10"))
        closed = everything_of(bank, day)
        posted = sum(teller.counts["posted"] for teller in ahead)
        until(behind, "day_closed", TELLERS)
        until(ahead, "posted", posted + TELLERS)
    later = everything_of(bank, day)
    assert later == closed
    assert of_day["lines"] == closed["lines"]
    assert of_day["vouchers"] == closed["vouchers"]
    lines = books(bank)["gb_account_line"]
    late = [line for line in lines if line["value_on"] > day]
    assert late
    assert all(line["origin_on"] <= day for line in late)
    posted = sum(teller.counts["posted"] for teller in tellers)
    assert len(lines) == posted
    assert max(day_seconds, month_seconds) < SECONDS_MAX
    assert not bank.verify().faults


def test_who_queued_at_the_gate_does_not_hold_up_the_rest_of_the_closing(
    busy_district: tuple[District, Bank, list[int]],
) -> None:
    """They hold what they queued for until they commit: closing must not want it again."""
    _, bank, accounts = busy_district
    posted, may_go = threading.Event(), threading.Event()

    def post_slowly() -> None:
        with bank.begin() as counter:
            counter.hours.record(**_service(accounts[1]))
            posted.set()
            assert may_go.wait(60)

    bank.closings.announce(period="2022-10-31")
    with ThreadPoolExecutor(3) as pool:
        try:
            with bank.begin() as under_way:
                under_way.hours.record(**_service(accounts[0]))
                draining = pool.submit(bank.closings.drain, period="2022-10-31")
                wait_for_lock(bank, draining)
                queued = pool.submit(post_slowly)
                wait_for_lock(bank, queued, count=2)
            draining.result(60)
            assert posted.wait(60)
            assert pool.submit(bank.closings.close, "2022-10-31").result(60).root
            assert not queued.done()
        finally:
            may_go.set()
        queued.result(60)
    assert not bank.verify().faults


def _service(account: int) -> dict[str, Any]:
    outlet, recorder, checker = PLACES[0]
    return {
        "account": account, "category": "sanitation",
        "outlet": outlet, "recorded_by": recorder, "checked_by": checker,
        "started_at": at("10-01 08:00"), "ended_at": at("10-01 08:01"),
    }  # fmt: skip


# --- two processes on SQLite ---------------------------------------------------------------


def _post_until_refused(url: str, account: int, counts: Any) -> None:
    """In a process of its own: a teller with a clock that is behind, until the day is closed."""
    teller = Teller(Bank.open(url, staff="admin", unsafe_settings="allow"), account, 0, None)
    teller.work(SimpleNamespace(is_set=lambda: teller.counts["day_closed"] == 20))
    counts.put(dict(teller.counts))


def test_two_processes_on_one_sqlite_file(sqlite_tables_url: str) -> None:
    district = District(sqlite_tables_url)
    account, day = district.customer(), dt.date(2022, 10, 31)
    context = multiprocessing.get_context("spawn")
    counts = context.Queue()
    process = context.Process(
        target=_post_until_refused, args=(sqlite_tables_url, account, counts), daemon=True
    )
    process.start()
    give_up_at = time.monotonic() + 60
    while not everything_of(district.bank, day)["lines"]:
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    district.clock.now = AHEAD
    district.bank.closings.close("2022-10-31")
    closed = everything_of(district.bank, day)
    found = counts.get(timeout=60)
    process.join()
    assert everything_of(district.bank, day) == closed
    assert found["posted"] == len(closed["lines"])
    assert not district.bank.verify().faults
    district.close()
