"""Sixty-four threads of one service on a hot household or stock lot, committed in groups.

One worker redeems as fast as it can; then sixty-four threads do the same through a
`GroupCommit`; then sixty-four threads without it. They take turns on one bank.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.group_commit import GroupCommit
from gongyi_bank.values import Points
from tests.bench.figures import Figure
from tests.bench.stand import Stand
from tests.bench.workload import MORNING, Workload

TITLE = "Hot rows"
THREADS = 64
#: By one worker, by all threads in groups, and by all threads without.
Rates = tuple[float, float, float]


def measure(stand: Stand) -> Iterator[Figure]:
    """First one household, then one lot that sixty-four households want."""
    with stand.bank("PostgreSQL", THREADS) as load:
        _give_everybody_points(load)
        for work, accounts in (
            ("one household", load.accounts[:1] * THREADS),
            ("one stock lot, 64 households", load.accounts),
        ):
            rates = _rates(stand, load, accounts)
            yield _figure(work, rates)
            yield _without(work, rates)
        assert not load.bank.verify().faults


def _figure(work: str, rates: list[Rates]) -> Figure:
    ratios = sorted(together / alone for alone, together, _ in rates)
    ratio = statistics.median(ratios)
    return Figure(
        f"{THREADS} threads on {work}, in groups",
        f"PostgreSQL, single redemptions, {os.cpu_count()} CPUs",
        f"{statistics.median(rate[1] for rate in rates):.0f} acts/s",
        f"{statistics.median(rate[0] for rate in rates):.0f} acts/s by one worker",
        f"{ratio:.2f} × (all rounds {ratios[0]:.2f}–{ratios[-1]:.2f})",
        "≥ 2.5 × one worker", ratio >= 2.5,
    )  # fmt: skip


def _without(work: str, rates: list[Rates]) -> Figure:
    ratio = statistics.median(plain / alone for alone, _, plain in rates)
    return Figure(
        f"{THREADS} threads on {work}, each act by itself", "the same",
        f"{statistics.median(rate[2] for rate in rates):.0f} acts/s", "", f"{ratio:.2f} ×",
    )  # fmt: skip


def _rates(stand: Stand, load: Workload, accounts: list[int]) -> list[Rates]:
    seconds = 0.5 if stand.is_quick else 3.0
    rates = []
    with GroupCommit(load.bank) as queue:
        for number in range(stand.rounds(7) + 1):
            found = (
                _rate(load.bank, accounts[:1], seconds),
                _rate(queue, accounts, seconds),
                _rate(load.bank, accounts, seconds),
            )
            if number:
                rates.append(found)
    return rates


def _rate(house: Any, accounts: list[int], seconds: float) -> float:
    """Redemptions a second by as many threads as there are accounts."""
    done = [0] * len(accounts)
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        while time.perf_counter() < end:
            house.redemptions.redeem(account=accounts[number], store="P001", sku="S0")
            done[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(accounts))]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begin)


def _give_everybody_points(load: Workload) -> None:
    opening = {"minutes": 0, "points": Points("100000"), "as_of": MORNING.date()}
    rows = [OpeningRow(account=account, **opening) for account in load.accounts]
    load.bank.points.bring_forward(rows=rows)
