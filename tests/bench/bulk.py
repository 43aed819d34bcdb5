"""Bulk credit: 1 000 and 8 000 records a call, with service record, line, hash and voucher."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figures import Figure, Side, compare
from tests.bench.stand import Stand, where
from tests.bench.workload import Workload, as_rows

TITLE = "Bulk credit"
AIMS = {"PostgreSQL": 0.7, "SQLite": 0.6}
AGAINST = {"PostgreSQL": "psycopg COPY + unnest", "SQLite": "sqlite3 executemany"}
#: Records a call, and rounds. The statements are the same, so the first case warms up both.
CALLS = ((1000, 15), (8000, 7))


def measure(stand: Stand) -> Iterator[Figure]:
    """On every engine and size."""
    for engine in AIMS:
        for lines in stand.sizes:
            with stand.bank(engine, stand.customers(8000), lines) as load:
                for rows, rounds in CALLS:
                    yield credit(stand, load, engine, 200 if stand.is_quick else rows, rounds)


def credit(stand: Stand, load: Workload, engine: str, rows: int, rounds: int) -> Figure:
    """One size of call."""

    def make() -> list[dict[str, object]]:
        return load.services(rows)

    turns = compare(
        Side(lambda given: load.bank.hours.record_many(rows=as_rows(given)), make),
        Side(lambda given: load.hand.credit(given, load.frame), make),
        stand.rounds(rounds),
        warm_up=2 if stand.is_quick else 6 if rows < 5000 else 2,
    )
    work = f"bulk credit, {rows:,} records a call"
    return turns.faster(work, where(engine, load.lines), AGAINST[engine], AIMS[engine])
