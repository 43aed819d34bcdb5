"""What every measurement stands on: the options of the run, its databases, and the machine."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.bench.workload import Workload
from tests.postgresql import PostgresqlServer, running_server

Length = Literal["quick", "usual", "full"]


@dataclass(kw_only=True)
class Stand:
    """One run of the programme."""

    length: Length
    #: Where the peers' environments lie; None leaves the peers out.
    peers: Path | None
    folder: Path
    server: PostgresqlServer
    #: What a reader of the table must be told.
    notes: list[str] = field(default_factory=list)

    @property
    def is_quick(self) -> bool:
        """Whether only to show that the programme runs."""
        return self.length == "quick"

    @property
    def is_full(self) -> bool:
        """Whether to measure what takes half an hour, too."""
        return self.length == "full"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Lines of the banks."""
        sizes = {"quick": (1000,), "usual": (10_000, 100_000), "full": (10_000, 100_000, 1_000_000)}
        return sizes[self.length]

    def rounds(self, usual: int) -> int:
        """How often something is measured."""
        return min(usual, 2) if self.is_quick else usual

    def customers(self, usual: int) -> int:
        """How many customers a bank has."""
        return min(usual, 500) if self.is_quick else usual

    @contextmanager
    def database(self, engine: str = "PostgreSQL") -> Iterator[str]:
        """The URL of an empty database, which is gone afterwards."""
        if engine == "PostgreSQL":
            with self.server.fresh_database() as url:
                yield url
        else:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                yield f"sqlite:///{Path(folder) / 'bank.db'}"

    @contextmanager
    def bank(self, engine: str, customers: int, lines: int = 0) -> Iterator[Workload]:
        """A bank with so many customers and lines."""
        with self.database(engine) as url:
            load = Workload(url, customers)
            load.load(lines)
            try:
                yield load
            finally:
                load.close()


@contextmanager
def standing(length: Length, peers: Path | None) -> Iterator[Stand]:
    """A stand with a folder and a PostgreSQL server of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gb-bench-")))
        server = stack.enter_context(running_server())
        yield Stand(length=length, peers=peers, folder=folder, server=server)


def where(engine: str, lines: int) -> str:
    """An engine and how many lines the bank had."""
    return f"{engine}, {lines:,} lines"


def noise() -> float:
    """How much longer than usual a fixed piece of work takes in the slowest tenth of its runs."""
    taken = []
    for _ in range(200):
        begin = time.perf_counter()
        sum(range(50_000))
        taken.append(time.perf_counter() - begin)
    return statistics.quantiles(taken, n=10)[-1] / statistics.median(taken) - 1


def machine() -> str:
    """What this runs on, and how quiet it is."""
    load = os.getloadavg()[0]
    return (
        f"{platform.python_implementation()} {platform.python_version()},"
        f" {os.cpu_count()} CPUs, load {load:.1f}; a fixed loop takes"
        f" {noise():.0%} longer than its median in the slowest tenth of its runs"
    )
