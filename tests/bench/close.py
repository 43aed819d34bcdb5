"""Closing a day while forty tellers post: how long it takes, and what the tellers lose.

Forty threads in four processes record services on PostgreSQL, each for customers of its own.
A process of its own closes the day before among them, and when nobody posts; the two take turns.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import RetryTransaction
from tests.bench.figures import Figure
from tests.bench.stand import Stand
from tests.bench.workload import NOW, Workload, service

TITLE = "Closing a day"
PROCESSES, THREADS = 4, 10
TELLERS = PROCESSES * THREADS
_WHERE = f"PostgreSQL, {TELLERS} threads in {PROCESSES} processes, {os.cpu_count()} CPUs"
_CONTEXT = multiprocessing.get_context("spawn")


class _Counter:
    """What the tellers have done so far; one number for each, so that none waits for another."""

    def __init__(self) -> None:
        self.done = _CONTEXT.RawArray(ctypes.c_long, TELLERS)
        self.undone = _CONTEXT.RawArray(ctypes.c_long, TELLERS)
        #: The day of the run, in days since NOW.
        self.day = _CONTEXT.RawValue(ctypes.c_long, 0)

    def now(self) -> dt.datetime:
        """The clock of everybody in the run."""
        return NOW + dt.timedelta(days=self.day.value)

    def rate(self, seconds: float) -> float:
        """Acts a second from now on, for so long."""
        before, begin = sum(self.done), time.perf_counter()
        time.sleep(seconds)
        return (sum(self.done) - before) / (time.perf_counter() - begin)


def measure(stand: Stand) -> Iterator[Figure]:
    """Close with and without tellers, on days that follow each other."""
    with stand.bank("PostgreSQL", stand.customers(4000), 0) as load:
        yield from _figures(stand, load)


def _figures(stand: Stand, load: Workload) -> Iterator[Figure]:
    window = 0.5 if stand.is_quick else 5.0
    counter = _Counter()
    idle, busy, usual, closing = [], [], [], []
    _close(load, counter)  # everything before the first round
    for _ in range(stand.rounds(7)):
        with _posting(load, counter):
            time.sleep(window)
        idle.append(_close(load, counter))  # a day as full as the other
        with _posting(load, counter):
            usual.append(counter.rate(window))
            before, begin = sum(counter.done), time.perf_counter()
            busy.append(_close(load, counter))
            time.sleep(max(0.0, 1.0 - (time.perf_counter() - begin)))
            closing.append((sum(counter.done) - before) / (time.perf_counter() - begin))
    more = statistics.median(b - i for b, i in zip(busy, idle, strict=True))
    yield Figure(
        "close a day while 40 tellers post", _WHERE,
        f"{statistics.median(busy):.2f} s (slowest {max(busy):.2f})",
        f"{statistics.median(idle):.2f} s idle", f"{more:+.2f} s", "< 1 s more", more < 1,
    )  # fmt: skip
    loss = 1 - statistics.median(c / u for c, u in zip(closing, usual, strict=True))
    yield Figure(
        "what the tellers lose meanwhile", f"{_WHERE}; the second in which it is closed, or longer",
        f"{statistics.median(closing):.0f} acts/s", f"{statistics.median(usual):.0f} acts/s before",
        f"{loss:.0%} less; {sum(counter.undone)} told to retry", "< 20 %", loss < 0.2,
    )  # fmt: skip


def _close(load: Workload, counter: _Counter) -> float:
    """Close the day that was today until now; the seconds that it took."""
    day = counter.now().date().isoformat()
    counter.day.value += 1
    begin = time.perf_counter()
    load.bank.at(counter.now).closings.close(day)
    return time.perf_counter() - begin


@contextmanager
def _posting(load: Workload, counter: _Counter) -> Iterator[None]:
    """The tellers work while the block lasts."""
    stop, barrier = _CONTEXT.Event(), _CONTEXT.Barrier(PROCESSES + 1)
    processes = [
        _CONTEXT.Process(target=_office, args=(load.url, load.accounts, n, counter, stop, barrier))
        for n in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    time.sleep(0.5)
    try:
        yield
    finally:
        stop.set()
        for process in processes:
            process.join()


# --- in the tellers' processes -------------------------------------------------------------


def _office(
    url: str, accounts: list[int], office: int, counter: _Counter, stop: Any, barrier: Any
) -> None:
    options = {"options": "-c lock_timeout=10s -c plan_cache_mode=force_generic_plan"}
    engine = sa.create_engine(url, pool_size=THREADS, connect_args=options)
    bank = Bank.open(engine, staff="admin", clock=counter.now, unsafe_settings="allow")
    share = len(accounts) // TELLERS

    def work(number: int) -> None:
        own = accounts[number * share : (number + 1) * share]
        outlet = f"B01W{number % 8}"
        desk = bank.acting_as(f"T{outlet}").hours
        while not stop.is_set():
            turn, who = divmod(counter.done[number], share)
            ref = f"C{number}-{counter.done[number]}"
            try:
                desk.record(**service(own[who], turn, ref, outlet, f"T{outlet}"))
                counter.done[number] += 1
            except RetryTransaction:
                counter.undone[number] += 1

    numbers = range(office * THREADS, (office + 1) * THREADS)
    threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
    barrier.wait()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bank.close()
