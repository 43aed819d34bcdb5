"""Many tellers at once, as real processes: no hot account, and one customer who is.

Eight workers post for different customers, first all at one store and one issuing outlet, then
each at an outlet and a store of its own; the two take turns on one bank. Then all eight post
for one customer.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import GongyiBankError, RetryTransaction
from gongyi_bank.values import Points
from tests.bench.figures import Figure
from tests.bench.stand import Stand
from tests.bench.workload import NOW, WORKERS, Workload, service

TITLE = "Contention"
_CUSTOMERS_EACH = 100


@dataclass(frozen=True)
class Task:
    """What a worker does for a while."""

    #: Whether at an outlet and a store of its own.
    is_spread: bool
    accounts: tuple[int, ...]
    seconds: float
    #: How often the customers have been served before; their hours may not overlap.
    turn: int
    #: One of so many workers that serve the same customers.
    shares: int


@dataclass(frozen=True)
class Done:
    """What came of it."""

    acts: int
    turns: int
    #: Points credited less points redeemed, in the smallest part.
    units: int
    #: Transactions that were undone and tried again, and those that were given up.
    retries: int
    given_up: int
    refused: int


def measure(stand: Stand) -> Iterator[Figure]:
    """Different customers, then one."""
    workers = 2 if stand.is_quick else WORKERS
    customers = _CUSTOMERS_EACH * workers + 1
    with stand.bank("PostgreSQL", customers) as load, crew(load.url, workers) as busy:
        yield from different_customers(stand, load, busy)
        yield from one_customer(stand, load, busy)


class Crew:
    """Worker processes that begin together."""

    def __init__(self, pipes: list[Connection]) -> None:
        self.pipes = pipes

    def work(self, tasks: list[Task]) -> tuple[list[Done], float]:
        """What each did, and how many acts a second they did together."""
        for pipe, task in zip(self.pipes, tasks, strict=True):
            pipe.send(task)
        done: list[Done] = [pipe.recv() for pipe in self.pipes]
        return done, sum(each.acts for each in done) / tasks[0].seconds


@contextmanager
def crew(url: str, workers: int) -> Iterator[Crew]:
    """Processes with a connection each, warm."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(workers)
    pairs = [spawn.Pipe() for _ in range(workers)]
    processes = [
        spawn.Process(target=_worker, args=(url, number, theirs, barrier), daemon=True)
        for number, (_, theirs) in enumerate(pairs)
    ]
    for process in processes:
        process.start()
    try:
        yield Crew([mine for mine, _ in pairs])
    finally:
        for mine, _ in pairs:
            mine.send(None)
        for process in processes:
            process.join(timeout=10)


def different_customers(stand: Stand, load: Workload, busy: Crew) -> Iterator[Figure]:
    """One store and one outlet against a store and an outlet for each worker."""
    seconds = 0.5 if stand.is_quick else 3.0
    workers = len(busy.pipes)
    slices = [
        tuple(load.accounts[i * _CUSTOMERS_EACH : (i + 1) * _CUSTOMERS_EACH])
        for i in range(workers)
    ]
    turns = [0] * workers
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(stand.rounds(9) + 1):
        for is_spread in (False, True):
            tasks = [
                Task(is_spread, accounts, seconds, turn, 1)
                for accounts, turn in zip(slices, turns, strict=True)
            ]
            done, rate = busy.work(tasks)
            turns = [turn + each.turns for turn, each in zip(turns, done, strict=True)]
            if number:
                rates[is_spread].append(rate)
    ratio = statistics.median(a / b for a, b in zip(rates[False], rates[True], strict=True))
    low, high = (f(a / b for a, b in zip(rates[False], rates[True], strict=True))
                 for f in (min, max))  # fmt: skip
    yield Figure(
        f"{workers} workers, different customers and goods",
        f"PostgreSQL, credits and redemptions in turn, {os.cpu_count()} CPUs",
        f"{statistics.median(rates[False]):.0f} acts/s at one store and one outlet",
        f"{statistics.median(rates[True]):.0f} acts/s spread",
        f"{ratio:.2f} (all rounds {low:.2f}–{high:.2f})", "≥ 0.8 of the spread rate", ratio >= 0.8,
    )  # fmt: skip


def one_customer(stand: Stand, load: Workload, busy: Crew) -> Iterator[Figure]:
    """All workers on one customer, and then one of them alone."""
    seconds = 1.0 if stand.is_quick else 5.0
    workers, account = len(busy.pipes), load.accounts[-1]
    before = _server_counts(load)
    task = Task(False, (account,), seconds, 0, workers)
    done, together = busy.work([task] * workers)
    after = _server_counts(load)
    turn = max(each.turns for each in done)
    expected = sum(each.units for each in done)
    idle = Task(False, (), seconds, 0, workers)
    alone_done, alone = busy.work(
        [Task(False, (account,), seconds, turn, workers), *[idle] * (workers - 1)]
    )
    expected += sum(each.units for each in alone_done)
    total = load.bank.reports.balance(account).to_units(2)
    faults = len(load.bank.verify().faults)
    where = "PostgreSQL, credits and redemptions in turn"
    yield Figure(
        f"{workers} workers on one customer: correct", where,
        f"balance {Points.of_units(total, 2)} after {sum(each.acts for each in done)} acts at once",
        f"{Points.of_units(expected, 2)} by the receipts", f"{faults} faults found by verify()",
        "the same; none", total == expected and not faults,
    )  # fmt: skip
    deadlocks = after["deadlocks"] - before["deadlocks"]
    retries, given_up = (sum(getattr(d, n) for d in done) for n in ("retries", "given_up"))
    acts = sum(each.acts for each in done)
    yield Figure(
        f"{workers} workers on one customer: no deadlock, no retry storm", where,
        f"{deadlocks} deadlocks, {retries} retries, {given_up} given up in {acts} acts", "", "",
        "no deadlock; retries < 1 %", not deadlocks and not given_up and retries < acts / 100,
    )  # fmt: skip
    yield Figure(
        f"{workers} workers on one customer: rate", where, f"{together:.0f} acts/s",
        f"{alone:.0f} acts/s by one worker", f"{together / alone:.2f}",
    )  # fmt: skip


def _server_counts(load: Workload) -> dict[str, int]:
    with load.bank.engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
        row = connection.exec_driver_sql(
            "SELECT deadlocks, xact_rollback FROM pg_stat_database"
            " WHERE datname = current_database()"
        ).one()
    return dict(row._mapping)


# --- in the worker's process ---------------------------------------------------------------


def _worker(url: str, number: int, pipe: Connection, barrier: Barrier) -> None:
    bank = Bank.open(url, staff="admin", clock=lambda: NOW, unsafe_settings="allow")
    while (task := pipe.recv()) is not None:
        barrier.wait()
        pipe.send(_Shift(bank, number, task).run())
    bank.close()


class _Shift:
    """A worker's task while it lasts."""

    def __init__(self, bank: Bank, number: int, task: Task) -> None:
        self.number, self.task = number, task
        code = f"B01W{number}" if task.is_spread else "B01S01"
        self.outlet, self.teller = code, f"T{code}" if task.is_spread else "T1"
        self.store = f"PB01W{number}" if task.is_spread else "P001"
        self.bank = bank
        self.at_desk = bank.acting_as(self.teller)
        self.acts = self.turns = self.units = self.given_up = self.refused = 0
        self.undone = 0

    def run(self) -> Done:
        """Credit and redeem in turn until the time is over."""
        engine = self.bank.engine
        sa.event.listen(engine, "rollback", self._note_undone)
        end = time.perf_counter() + self.task.seconds
        try:
            while self.task.accounts and time.perf_counter() < end:
                for account in self.task.accounts:
                    self._try(self._credit, account)
                    self._try(self._redeem, account)
                    if time.perf_counter() >= end:
                        break
                self.turns += 1
        finally:
            sa.event.remove(engine, "rollback", self._note_undone)
        if not self.task.accounts:
            time.sleep(self.task.seconds)
        return Done(self.acts, self.turns, self.units, self.undone - self.refused - self.given_up,
                    self.given_up, self.refused)  # fmt: skip

    def _note_undone(self, _: Any) -> None:
        self.undone += 1

    def _try(self, act: Any, account: int) -> None:
        try:
            self.units += act(account)
            self.acts += 1
        except RetryTransaction:
            self.given_up += 1
        except GongyiBankError:
            self.refused += 1

    def _credit(self, account: int) -> int:
        task = self.task
        turn = (task.turn + self.turns) * task.shares + (self.number if task.shares > 1 else 0)
        ref = f"W{self.number}-{account}-{task.turn}-{self.turns}"
        fields = service(account, turn, ref, self.outlet, self.teller)
        return self.at_desk.hours.record(**fields).points.to_units(2)

    def _redeem(self, account: int) -> int:
        sku = f"S{self.number}"
        receipt = self.bank.redemptions.redeem(account=account, store=self.store, sku=sku)
        return -receipt.points.to_units(2)
