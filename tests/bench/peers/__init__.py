"""Peers: other ledgers for Python, from their published packages, doing what their users would.

Each has a virtual environment of its own, made here, and runs in a process of its own that
takes turns with the library on the same PostgreSQL server, in a database of its own. A peer
that cannot be installed is said to be missing; nothing is put in its place.

Neither peer does the same work: they write a transaction with two legs, without service
record, idempotency, authority or limits; django-hordak keeps no hash and no running balance,
python-accounting a hash of the entry before.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Side, compare
from tests.bench.stand import Stand, where
from tests.bench.workload import Workload, as_rows

TITLE = "Peers"
_LINES = 10_000


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A published package and how to get it."""

    package: str
    #: Our script in this folder that runs in the peer's environment.
    script: str
    #: The driver for PostgreSQL, where the package does not name one that comes as a wheel.
    driver: str
    #: What to install one by one if the package with all it asks for cannot be.
    instead: tuple[str, ...] = ()
    #: Said where `instead` was needed.
    instead_note: str = ""


HORDAK = Peer(package="django-hordak", script="hordak.py", driver="psycopg[binary]")
PYTHON_ACCOUNTING = Peer(
    package="python-accounting",
    script="python_accounting.py",
    driver="psycopg2-binary",
    instead=("sqlalchemy>=2.1.4,<2.2", "python-dateutil>=2.9,<3"),
    instead_note="without mysqlclient and with psycopg2-binary for psycopg2: the ones it asks"
    " for must be compiled against libraries that are not here",
)


def measure(stand: Stand) -> Iterator[Figure]:
    """Bulk and single against hordak, single against python-accounting."""
    if stand.peers is None:
        stand.notes.append("The peers were left out.")
        return
    with stand.bank("PostgreSQL", 2000, _LINES) as load:
        with _asked(stand, HORDAK) as hordak:
            if hordak is not None:
                yield from _bulk(stand, load, hordak)
                yield from _single(stand, load, hordak, "django-hordak", 3)
        with _asked(stand, PYTHON_ACCOUNTING) as accounting:
            if accounting is not None:
                yield from _single(stand, load, accounting, "python-accounting", 20)


class Running:
    """A peer's process, which acts when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.versions = self._answer()["versions"]

    def act(self, name: str, count: int = 1) -> float:
        """Let it act; the seconds that it took."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name} {count}\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the peer's process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def _asked(stand: Stand, peer: Peer) -> Iterator[Running | None]:
    """The peer, running; None and a note where it cannot be had."""
    assert stand.peers is not None
    try:
        python, remark = installed(peer, stand.peers)
    except (subprocess.CalledProcessError, OSError) as error:
        stand.notes.append(
            f"{peer.package} could not be installed, so it was not measured: {error}"
        )
        yield None
        return
    script = Path(__file__).parent / peer.script
    with stand.database() as url:
        # -P: the script's own folder must not hide the package whose name it has.
        command = [str(python), "-P", str(script), url]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            try:
                running = Running(process)
                versions = ", ".join(f"{name} {text}" for name, text in running.versions.items())
                stand.notes.append(f"{peer.package} ran as {versions}{remark}.")
                yield running
            finally:
                process.kill()


def installed(peer: Peer, folder: Path) -> tuple[Path, str]:
    """The Python of an environment with the peer in it, made if it is not there yet."""
    home = folder.absolute() / peer.package
    python = home / "bin" / "python"
    ready = home / "ready"
    if ready.exists():
        return python, ready.read_text(encoding="utf-8")
    venv.create(home, with_pip=True)
    remark = ""
    try:
        _pip(python, peer.package, peer.driver)
    except subprocess.CalledProcessError:
        if not peer.instead:
            raise
        _pip(python, "--no-deps", peer.package)
        _pip(python, peer.driver, *peer.instead)
        remark = f", {peer.instead_note}"
    ready.write_text(remark, encoding="utf-8")
    return python, remark


def _pip(python: Path, *wanted: str) -> None:
    print(f"installing {' '.join(wanted)} …", file=sys.stderr)
    command = [str(python), "-m", "pip", "install", "--quiet", *wanted]
    subprocess.run(command, check=True, capture_output=True)


def _bulk(stand: Stand, load: Workload, hordak: Running) -> Iterator[Figure]:
    """Against bulk_create of as many transactions, and of one transaction with as many legs."""
    rows = 1000
    ways = (
        ("bulk", "django-hordak, bulk_create of 1,000 transactions", 10.0, 9),
        ("journal", "django-hordak, one transaction of 1,001 legs", None, 5),
    )
    for act, against, at_least, rounds in ways:
        turns = compare(
            Side(lambda given: load.bank.hours.record_many(rows=as_rows(given)),
                 lambda: load.services(rows)),
            Side(lambda _: hordak.act(act, rows), is_timed=True),  # noqa: B023
            stand.rounds(rounds), warm_up=3,
        )  # fmt: skip
        work = f"bulk credit, {rows:,} records a call"
        yield turns.faster(work, where("PostgreSQL", _LINES), against, at_least)


def _single(
    stand: Stand, load: Workload, peer: Running, name: str, at_least: float
) -> Iterator[Figure]:
    accounts, place = itertools.cycle(load.accounts), where("PostgreSQL", _LINES)
    rounds = stand.rounds(100)
    credits_ = compare(
        Side(lambda given: load.teller.hours.record(**given), lambda: load.services(1)[0]),
        Side(lambda _: peer.act("single"), is_timed=True),
        rounds,
    )
    yield credits_.faster("single credit", place, name, at_least)
    redeemed = compare(
        Side(lambda no: load.bank.redemptions.redeem(account=no, store="P001", sku="S0"),
             lambda: next(accounts)),
        Side(lambda _: peer.act("single"), is_timed=True),
        rounds,
    )  # fmt: skip
    yield redeemed.faster("single redemption", place, name, at_least)
