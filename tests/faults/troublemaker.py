"""Who makes the trouble in the bank test: kills, pauses, jumping clocks, full disks, lost answers.

It runs beside the workers, one deed after another, and counts what it has done. Whatever it does
ends with the run: the paused go on, the disk is emptied, the server is up.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from tests.faults.proxy import Loss, Proxy
from tests.faults.servers import Server, is_running
from tests.faults.worker import NOWHERE, Order

ROOT = Path(__file__).parents[2]
#: A full disk is empty again after so many seconds, and a server that was killed is started.
FULL_SECONDS = 1.0
#: So often somebody looks whether enough has happened.
LOOK_SECONDS = 0.5


class Nursery:
    """The process that forks workers (`tests.faults.worker`); it may serve several runs."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip

    def fork(self, order: Order) -> int:
        """The process number of a new worker."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(order.to_json(), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it; the workers it has forked go on by themselves."""
        self._process.communicate()


class Crew:
    """The workers of a run, each replaced by a successor when killed."""

    def __init__(self, nursery: Nursery, orders: list[Order]) -> None:
        self._nursery = nursery
        self.orders = orders
        self.numbers = [0] * len(orders)
        # Everything is imported and compiled before the first of them comes.
        nursery.fork(replace(orders[0], place=NOWHERE))

    def begin(self, *, began: float, stop: float) -> None:
        """Everybody starts now."""
        for place, order in enumerate(self.orders):
            self.orders[place] = replace(order, began=began, stop=stop)
            self._fork(place)

    def kill(self, place: int) -> None:
        """SIGKILL to one of them; the successor takes over what it left."""
        with suppress(ProcessLookupError):
            os.kill(self.numbers[place], signal.SIGKILL)
        order = self.orders[place]
        self.orders[place] = replace(order, predecessors=order.predecessors + 1)
        self._fork(place)

    def journals(self) -> list[Path]:
        """The files of those who work just now."""
        return [order.journal() for order in self.orders]

    def wait(self, seconds_max: float) -> None:
        """Until everybody has come to an end; who does not is killed, and has not finished."""
        give_up = time.monotonic() + seconds_max
        for number in self.numbers:
            while is_running(number) and time.monotonic() < give_up:
                time.sleep(0.02)
        for number in self.numbers:
            if is_running(number):
                os.kill(number, signal.SIGKILL)

    def _fork(self, place: int) -> None:
        self.numbers[place] = self._nursery.fork(self.orders[place])


class Troublemaker:
    """Does what it is told to, each at intervals of its own."""

    def __init__(
        self, crew: Crew, server: Server, folder: Path, chance: random.Random, proxy: Proxy | None
    ) -> None:
        self._crew, self._server, self._folder = crew, server, folder
        self._chance, self._proxy = chance, proxy
        self._jump = 0.0
        self._is_full = False
        self.done: Counter[str] = Counter()
        #: What must be undone, and when.
        self._later: list[tuple[float, Callable[[], None]]] = []

    def work(self, faults: list[str], until: float, is_enough: Callable[[], bool]) -> None:
        """Make trouble until then, or until it is enough, and undo whatever is under way."""
        due = {fault: time.monotonic() + self._pause(fault) for fault in faults}
        looked = time.monotonic()
        while (now := time.monotonic()) < until:
            if now >= looked + LOOK_SECONDS:
                if is_enough():
                    break
                looked = time.monotonic()
            self._undo(now)
            for fault in faults:
                if now >= due[fault] and getattr(self, _DEEDS[fault][0])():
                    self.done[fault] += 1
                if now >= due[fault]:
                    due[fault] = time.monotonic() + self._pause(fault)
            time.sleep(0.01)
        self._undo(float("inf"))
        if self._proxy is not None:
            self._proxy.disarm()
            self._proxy.delay_seconds = self._proxy.silence_seconds = 0.0

    def _pause(self, fault: str) -> float:
        mean = _DEEDS[fault][1]
        return self._chance.uniform(0.5 * mean, 1.5 * mean)

    def _undo(self, now: float) -> None:
        due = [entry for entry in self._later if entry[0] <= now]
        self._later = [entry for entry in self._later if entry[0] > now]
        for _, work in due:
            work()

    def _in(self, seconds: float, work: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, work))

    # --- deeds: each says whether anything was done ---

    def kill_client(self) -> bool:
        self._crew.kill(self._chance.randrange(len(self._crew.numbers)))
        return True

    def kill_backend(self) -> bool:
        """PostgreSQL's are processes: asked to end or killed. MariaDB's are threads."""
        if self._server.engine == "mariadb":
            return self._kill_thread()
        found = self._server.backends()
        if not found:
            return False
        deadly = self._chance.random() < 0.4
        with suppress(ProcessLookupError):
            number = self._chance.choice(found)
            os.kill(number, signal.SIGKILL if deadly else signal.SIGTERM)
        return True

    def _kill_thread(self) -> bool:
        engine = sa.create_engine(self._server.url(), poolclass=sa.NullPool)
        find = (
            "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()"
        )
        try:
            with engine.connect() as connection:
                found = connection.exec_driver_sql(find, (self._server.database,)).scalars().all()
                if found:
                    connection.exec_driver_sql(f"KILL {self._chance.choice(found)}")
        except sa.exc.DBAPIError:  # it went by itself, or the server is down
            return False
        return bool(found)

    def kill_server(self) -> bool:
        if self._is_full or self._server.is_down():
            return False  # it could not start again
        self._server.kill()
        time.sleep(self._chance.uniform(0.0, 0.3))
        self._server.start()
        return True

    def pause(self) -> bool:
        """SIGSTOP to a client, or to who serves it."""
        everybody = [*self._crew.numbers, *self._backends()]
        number = self._chance.choice(everybody)
        if not _signal(number, signal.SIGSTOP):
            return False
        self._in(self._chance.uniform(0.1, 1.5), lambda: _signal(number, signal.SIGCONT))
        return True

    def _backends(self) -> list[int]:
        try:
            return self._server.backends()
        except OSError:
            return []

    def jump(self) -> bool:
        """The bank's clock: some hours on, or up to an hour back."""
        back = self._chance.random() < 0.3
        hours = -self._chance.random() if back else self._chance.uniform(0.1, 12)
        self._jump = max(0.0, self._jump + 3600 * hours)
        new = self._folder / "clock.new"
        new.write_text(f"{self._jump}")
        new.rename(self._folder / "clock")
        return True

    def checkpoint(self) -> bool:
        path = sa.make_url(self._server.url()).database
        assert path is not None
        with closing(sqlite3.connect(path, timeout=1.0)) as connection:
            # (whether it was held up by readers or writers, frames, frames written back)
            is_held_up, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_held_up

    def fill_disk(self) -> bool:
        """On a small disk everything; else no file of a client's may grow."""
        if self._server.home.is_mount():
            self._is_full = True
            self._in(FULL_SECONDS, _fill(self._server.home / "ballast"))
            self._in(FULL_SECONDS + 0.1, self._start_again)
            return True
        # The log begins anew, and must then grow to be written; the journals keep enough room.
        self.checkpoint()
        room = 2 * max(found.stat().st_size for found in self._folder.iterdir())
        for number in self._crew.numbers:
            _limit(number, room)
        self._in(FULL_SECONDS, lambda: [_limit(n, -1) for n in self._crew.numbers] and None)
        return True

    def _start_again(self) -> None:
        """A server that could not write may have given up."""
        self._is_full = False
        if self._server.is_down():
            self._server.start()

    def lose(self) -> bool:
        """The next COMMIT or message through the proxy meets its fate."""
        assert self._proxy is not None
        self._proxy.delay_seconds = self._chance.choice((0.0, 0.0, 0.0, 0.02))
        self._proxy.silence_seconds = self._chance.choice((0.0, 0.0, 0.3, 1.0))
        before = self._proxy.losses
        loss = self._chance.choice(list(Loss))
        self._proxy.arm(loss, skip=self._chance.randrange(3))
        give_up = time.monotonic() + 1.0
        while self._proxy.losses == before and time.monotonic() < give_up:
            time.sleep(0.002)
        return self._proxy.losses > before


#: Each fault: the deed, and how many seconds lie between two of them, on the average.
_DEEDS: dict[str, tuple[str, float]] = {
    "kill-clients": ("kill_client", 0.6),
    "kill-backends": ("kill_backend", 2.0),
    "kill-server": ("kill_server", 8.0),
    "pause": ("pause", 1.0),
    "clock": ("jump", 0.5),
    "checkpoint": ("checkpoint", 0.5),
    "full-disk": ("fill_disk", 3.0),
    "proxy": ("lose", 0.1),
}
#: Which of them can be done to an engine.
FAULTS: dict[str, tuple[str, ...]] = {
    "sqlite": ("kill-clients", "pause", "clock", "checkpoint", "full-disk"),
    "postgresql": (
        "kill-clients", "kill-backends", "kill-server", "pause", "clock", "full-disk", "proxy",
    ),
    "mariadb": (
        "kill-clients", "kill-backends", "kill-server", "pause", "clock", "full-disk", "proxy",
    ),
}  # fmt: skip


def seconds_between(fault: str) -> float:
    """The average time between two deeds of a fault."""
    return _DEEDS[fault][1]


def _signal(number: int, what: signal.Signals) -> bool:
    try:
        os.kill(number, what)
    except ProcessLookupError:
        return False
    return True


def _fill(ballast: Path) -> Callable[[], None]:
    """Write until nothing more fits; returns how to take it away again."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**12):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    continue
    return lambda: ballast.unlink(missing_ok=True)


def _limit(number: int, size: int) -> None:
    """How large a file of this process may become; -1 is as large as it likes."""
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(number, resource.RLIMIT_FSIZE)
        resource.prlimit(number, resource.RLIMIT_FSIZE, (size, hard))
