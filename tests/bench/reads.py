"""Reads: balance, newest 50 lines, and the balance as of a moment, in banks of any size.

Every customer has 100 lines, however large the bank is, so that only its size differs. Like is
compared with like: a call that is one statement with the query by itself, one that is a
transaction with the query in a transaction of its own, and a call at an open counter with the
query in an open transaction.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from gongyi_bank.bank import Desks
from tests.bench.figures import Figure, Side, Turns, compare, shown
from tests.bench.stand import Stand, where
from tests.bench.workload import NOW, Workload

TITLE = "Reads"
#: The issue's aim: at most so many times the hand-written query's time.
AIM = 1.5
#: "Flat": ten times the lines may cost so much more; the tree is a level deeper, the caches are
#: less often warm.
FLAT = 1.5
LINES_EACH = 100
_MOMENT = NOW.replace(month=6)


@dataclass(frozen=True)
class Read:
    """One question, as the library and the code by hand answer it."""

    work: str
    ours: Callable[[Desks, int], Any]
    by_hand: Callable[[Any, int], Any]
    #: Whether the library needs more than one statement, and so a transaction around them.
    is_transaction: bool = False


READS = (
    Read("balance", lambda desks, no: desks.reports.balance(no), lambda hand, no: hand.balance(no)),
    Read("newest 50 lines", lambda desks, no: desks.reports.statement(no),
         lambda hand, no: hand.newest(no), is_transaction=True),
    Read("balance as of a moment", lambda desks, no: desks.reports.balance(no, as_of=_MOMENT),
         lambda hand, no: hand.balance_as_of(no, _MOMENT)),
)  # fmt: skip


def measure(stand: Stand) -> Iterator[Figure]:
    """By engine and size; then how it grew."""
    for engine in ("PostgreSQL", "SQLite"):
        times: dict[str, list[float]] = {}
        for lines in stand.sizes:
            with stand.bank(engine, lines // LINES_EACH, lines) as load:
                for read in READS:
                    for figure, turns in _both_ways(stand, load, engine, read):
                        yield figure
                        times.setdefault(figure.work, []).append(statistics.median(turns.ours))
        for work, grown in times.items():
            if len(grown) > 1:
                yield _growth(f"{work}: flat?", engine, f"{stand.sizes[-1]:,} lines of the bank",
                              grown[-1], grown[0], f"{stand.sizes[0]:,}")  # fmt: skip
    yield from long_accounts(stand)


def _both_ways(
    stand: Stand, load: Workload, engine: str, read: Read
) -> Iterator[tuple[Figure, Turns]]:
    """By itself, and in an open transaction."""
    accounts = itertools.cycle(load.accounts)
    rounds, place = stand.rounds(300), where(engine, load.lines)

    def alone(no: int) -> None:
        with load.hand.reading() if read.is_transaction else nullcontext():
            read.by_hand(load.hand, no)

    turns = compare(
        Side(lambda no: read.ours(load.bank, no), lambda: next(accounts)),
        Side(alone, lambda: next(accounts)),
        rounds,
    )
    yield turns.slower(read.work, place, "query by hand", AIM), turns
    with ExitStack() as stack:
        counter = stack.enter_context(load.bank.begin())
        if engine == "PostgreSQL":
            stack.enter_context(load.hand.reading())
        turns = compare(
            Side(lambda no: read.ours(counter, no), lambda: next(accounts)),
            Side(lambda no: read.by_hand(load.hand, no), lambda: next(accounts)),
            rounds,
        )
    work = f"{read.work}, in an open transaction"
    yield turns.slower(work, place, "query by hand", AIM), turns


def _growth(work: str, engine: str, at: str, large: float, small: float, from_lines: str) -> Figure:
    ratio = large / small
    return Figure(work, f"{engine}, at {at}", shown(large), f"{shown(small)} at {from_lines}",
                  f"{ratio:.2f} ×", f"flat (≤ {FLAT:g} ×)", ratio <= FLAT)  # fmt: skip


def long_accounts(stand: Stand) -> Iterator[Figure]:
    """As of a moment in accounts of 100 and of 5 000 lines, in banks of the same size."""
    lengths = (20, 100) if stand.is_quick else (100, 5000)
    total = lengths[-1] * 10
    as_of = READS[-1]
    halved = replace(as_of, by_hand=lambda hand, no: hand.halved_as_of(no, _MOMENT))
    for engine in ("PostgreSQL", "SQLite"):
        taken: dict[str, list[float]] = {}
        for length in lengths:
            with stand.bank(engine, total // length, total) as load:
                for figure, turns in _both_ways(stand, load, engine, halved):
                    taken.setdefault(figure.work, []).append(statistics.median(turns.ours))
                    if length == lengths[-1]:
                        place = f"{figure.where}, {length:,} of them in the account"
                        yield replace(figure, where=place, against=f"{figure.against}, halving")
        for work, (short, long) in taken.items():
            yield _growth(f"{work}: flat in the account?", engine,
                          f"{lengths[-1]:,} lines of the account", long, short,
                          f"{lengths[0]:,}")  # fmt: skip
