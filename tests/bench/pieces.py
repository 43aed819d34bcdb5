"""Where the time of a read goes: each piece by itself, in turns, on one bank.

Every row holds what the row above it does and something more, but for the last, so that the
differences are the pieces.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from typing import Any

from gongyi_bank.bank import Bank
from gongyi_bank.reports import statements
from gongyi_bank.store import statements as store
from gongyi_bank.store.connections import own_transaction
from gongyi_bank.store.engines import engine_for
from gongyi_bank.store.transaction import Transaction
from tests.bench.by_hand import BALANCE
from tests.bench.figures import Figure, Side, shown, take_turns
from tests.bench.stand import Stand, where
from tests.bench.workload import Workload

TITLE = "Where the time of a read goes"
Piece = tuple[str, Callable[[int], Any]]


def measure(stand: Stand) -> Iterator[Figure]:
    """A balance and a page, on both engines."""
    lines = stand.sizes[0]
    for engine in ("PostgreSQL", "SQLite"):
        with stand.bank(engine, lines // 100, lines) as load:
            with load.bank.begin() as counter, load.hand.reading():
                pieces = _within(load.bank, counter.read(lambda tx: tx), load.hand)
                yield from _taken(stand, load, engine, "within an open transaction", pieces)
            yield from _taken(stand, load, engine, "as a transaction of its own", _alone(load))


def _taken(
    stand: Stand, load: Workload, engine: str, title: str, pieces: list[Piece]
) -> Iterator[Figure]:
    accounts = itertools.cycle(load.accounts)
    sides = [Side(act, lambda: next(accounts)) for _, act in pieces]
    times = [statistics.median(each) for each in take_turns(sides, stand.rounds(400))]
    for (name, _), seconds in zip(pieces, times, strict=True):
        first = f"{seconds / times[0]:.1f} ×"
        yield Figure(f"{title}: {name}", where(engine, load.lines), shown(seconds), ratio=first)


def _within(bank: Bank, tx: Transaction, hand: Any) -> list[Piece]:
    """From the query by hand to the answer, in transactions that are open."""
    is_postgresql = bank.engine.dialect.name == "postgresql"
    own = BALANCE.replace("%s", "$1" if is_postgresql else "?")
    return [
        ("the query by hand", hand.balance),
        ("the same query on the library's cursor",
         lambda no: tx.wire.fetch(own, (tx.engine.adapt(no),))),
        ("the library's totals query, run and parsed", lambda no: store.load_totals(tx, [no])),
        ("balance", lambda no: statements.balance(tx, no)),
        ("50 lines by hand", hand.newest),
        ("the library's page query, run and parsed",
         lambda no: store.list_lines(tx, no, above=0, newest=10**9, size=50)),
        ("newest 50 lines (totals, page, models)", lambda no: statements.statement(tx, no)),
    ]  # fmt: skip


def _alone(load: Workload) -> list[Piece]:
    """From the query by hand to a desk's call, each with its own transaction."""
    bank, engine = load.bank, load.bank.engine
    support = engine_for(engine.dialect.name)

    def by_hand(no: int) -> None:
        with load.hand.reading():
            load.hand.balance(no)

    def checkout(_: int) -> None:
        engine.connect().close()

    def for_reading(_: int) -> None:
        with engine.connect() as connection:
            support.for_reading(connection)

    def begun(_: int) -> None:
        with own_transaction(engine, support, read_only=True):
            pass

    def asked(_: int) -> None:
        with own_transaction(engine, support, read_only=True) as connection:
            connection.connection.cursor().execute("SELECT 1")

    return [
        ("the query by hand, BEGIN and COMMIT", by_hand),
        ("a connection from the pool and back", checkout),
        ("the same, set up for reading", for_reading),
        ("the same, begun and rolled back", begun),
        ("the same, with SELECT 1", asked),
        ("balance", bank.reports.balance),
        ("newest 50 lines", bank.reports.statement),
    ]
