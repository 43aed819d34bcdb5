"""Compare the library with hand-written DBAPI code in one run and print a table of ratios.

    python -m tests.bench              # 10⁴ and 10⁵ lines, some minutes
    python -m tests.bench --quick      # 10⁴ lines, fewer rounds
    python -m tests.bench --write docs/explanation/benchmarks.md

Both sides work on the same database in turn, so that each round is as warm as the other.
A ratio is the median time of the library over the median time of the code by hand.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.values import Points
from tests.bench.by_hand import PostgresqlByHand, SqliteByHand
from tests.district import SHANGHAI, District
from tests.postgresql import running_server

CUSTOMERS = 2000
ROWS_A_CALL = 1000
#: When the first benchmark service begins; the clock is moved with the services.
MORNING = dt.datetime(2022, 1, 3, 8, tzinfo=SHANGHAI)


@dataclass(frozen=True)
class Result:
    """One line of the table: seconds for one act, ours and by hand."""

    engine: str
    lines: int
    work: str
    ours: float
    by_hand: float

    @property
    def ratio(self) -> float:
        """How many times longer the library takes."""
        return self.ours / self.by_hand


class Workload:
    """A bank with customers, and an endless supply of services that collide with nothing."""

    def __init__(self, url: str) -> None:
        self.district = District(url)
        self.district.clock.now = MORNING + dt.timedelta(days=360)
        customers = [
            NewCustomer(outlet="B01S01", name="张三", registered_on=dt.date(2022, 1, 1))
            for _ in range(CUSTOMERS)
        ]
        self.accounts = self.district.bank.customers.register(customers=customers).accounts
        self._serial = itertools.count()
        store = NewStore(
            code="P001", name="幸福超市", kind="community_store", recruited_by="B01S01",
            joined_on=MORNING.date(),
        )  # fmt: skip
        self.district.bank.stores.recruit(stores=(store,))
        offer = NewOffer(store="P001", sku="S1", name="毛巾", points=Points("0.50"), stock=10**6)
        self.district.bank.stores.publish_offers(offers=(offer,))

    def rows(self, count: int) -> list[ServiceRow]:
        """Services of an hour each: every customer once before anyone comes again."""
        return [self._row(next(self._serial)) for _ in range(count)]

    def _row(self, number: int) -> ServiceRow:
        turn, who = divmod(number, CUSTOMERS)
        day, slot = divmod(turn, 6)
        started_at = MORNING + dt.timedelta(days=day, hours=slot)
        return ServiceRow(
            account=self.accounts[who], category="sanitation", started_at=started_at,
            ended_at=started_at + dt.timedelta(hours=1), outlet="B01S01", project="P1",
            client_rating=5, recorded_by="T1", checked_by="K1", ref=f"N{number}",
        )  # fmt: skip

    def fill(self, lines: int) -> None:
        """Credit services until the bank has this many lines."""
        written = next(self._serial)
        self._serial = itertools.count(written)
        while written < lines:
            count = min(5000, lines - written)
            self.district.bank.hours.record_many(rows=self.rows(count))
            written += count


def compare(
    ours: Callable[[], Any], by_hand: Callable[[], Any], rounds: int
) -> tuple[float, float]:
    """Median seconds of each, taken in turns after a warm-up of both."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 2):
        for side, act in zip(times, (ours, by_hand), strict=True):
            begin = time.perf_counter()
            act()
            if number >= 2:
                side.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])


def measure(engine: str, load: Workload, hand: Any, lines: int, quick: bool) -> Iterator[Result]:
    """All comparisons on a bank of this many lines."""
    load.fill(lines)
    bank = load.district.bank
    teller = load.district.acting("T1")
    places, people = hand.names("outlet", "outlet_no"), hand.names("staff", "staff_no")
    now, zone = load.district.clock(), SHANGHAI
    accounts = itertools.cycle(load.accounts)
    few, many = (5, 60) if quick else (9, 300)

    def one() -> None:
        fields = {n: getattr(load.rows(1)[0], n) for n in ServiceRow.__slots__ if n[0] != "_"}
        del fields["customer_ref"]
        teller.hours.record(**fields)

    cases: list[tuple[str, Callable[[], Any], Callable[[], Any], int]] = [
        (
            f"bulk credit, {ROWS_A_CALL} records a call",
            lambda: bank.hours.record_many(rows=load.rows(ROWS_A_CALL)),
            lambda: hand.credit(load.rows(ROWS_A_CALL), places, people, now, zone),
            few,
        ),
        (
            "single credit",
            one,
            lambda: hand.credit(load.rows(1), places, people, now, zone, "hours.record"),
            many,
        ),
        (
            "single redemption",
            lambda: bank.redemptions.redeem(account=next(accounts), store="P001", sku="S1"),
            lambda: hand.redeem(next(accounts), 1, "S1", now, zone),
            many,
        ),
        (
            "balance",
            lambda: bank.reports.balance(next(accounts)),
            lambda: hand.balance(next(accounts)),
            many,
        ),
        (
            "statement, newest 50 lines",
            lambda: bank.reports.statement(next(accounts)),
            lambda: hand.newest(next(accounts)),
            many,
        ),
    ]
    for work, ours, by_hand, rounds in cases:
        yield Result(engine, lines, work, *compare(ours, by_hand, rounds))


@contextmanager
def databases() -> Iterator[list[tuple[str, str]]]:
    """(engine, URL) of an empty database on each engine."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server() as server,
        server.fresh_database() as url,
    ):
        yield [("SQLite", f"sqlite:///{Path(folder) / 'bench.db'}"), ("PostgreSQL", url)]


def by_hand_for(url: str) -> Any:
    """The hand-written side of an engine."""
    if url.startswith("sqlite:///"):
        return SqliteByHand(url.removeprefix("sqlite:///"))
    return PostgresqlByHand(url.replace("+psycopg", ""))


def table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    head = "| engine | lines | work | library | by hand | ratio |\n|---|--:|---|--:|--:|--:|"
    rows = [
        f"| {r.engine} | {r.lines:,} | {r.work} | {r.ours * 1e3:.2f} ms | {r.by_hand * 1e3:.2f} ms"
        f" | {r.ratio:.2f} × |"
        for r in results
    ]
    return "\n".join([head, *rows])


def run(quick: bool) -> list[Result]:
    """Every comparison on every engine and size."""
    results = []
    with databases() as found:
        for engine, url in found:
            load = Workload(url)
            hand = by_hand_for(url)
            for lines in (10_000,) if quick else (10_000, 100_000):
                for result in measure(engine, load, hand, lines, quick):
                    print(table([result]).splitlines()[-1], flush=True)
                    results.append(result)
            hand.close()
            load.district.close()
    return results


def main() -> None:
    """Run, print, and write the page if asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10⁴ lines, fewer rounds")
    parser.add_argument("--write", type=Path, help="also write the page with the table here")
    options = parser.parse_args()
    results = run(options.quick)
    print("\n" + table(results))
    if options.write:
        day = dt.datetime.now(dt.UTC).date()
        machine = f"{platform.python_implementation()} {platform.python_version()}, {day}"
        template = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
        page = template.replace("{machine}", machine).replace("{table}", table(results))
        options.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
