"""The power goes while six clients work, on a loop device: what was not synced is lost.

python -m tests.faults.loop_power_cut --engine all --cuts 10 --seed 1
python -m tests.faults.loop_power_cut --settings flush-2 --seed 1 --cut 3

The clients are those of the bank test. When chance says so the disk is copied as it would be after
a power cut (`tests.faults.loop_disk`): every other time what it was told until that moment, else
only what it was told to keep. Then all are killed, the copy is mounted, the server recovers on it,
and the books are held against the clients' journals (`tests.faults.after_cut`). It ends with 1 if
a safe setting lost anything, or a weak one was not seen losing. Where it cannot run, or not on
each of the engines, it says so and ends with 3.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineError, EngineSettingsUnsafe
from tests import mariadb
from tests.district import District
from tests.faults import power_cut
from tests.faults.after_cut import acknowledged, aftermath, known_at
from tests.faults.books import voucher_ids
from tests.faults.errands import ACCOUNTS, BEGIN_WITH, set_up
from tests.faults.journal import History, read_journals
from tests.faults.loop_disk import NO_LOOP_DEVICE, Disk, be_alone, copied, is_alone, may_cut, memory
from tests.faults.servers import DURABLE, SERVERS, Server, is_stopped, kill_all
from tests.faults.troublemaker import Nursery
from tests.faults.worker import NOWHERE, DrivenClock, Order, engine_told
from tests.mysqld import MariadbMissing

WORKERS = 6
#: The power goes when so many acts have been acknowledged.
ACKNOWLEDGED = (30, 200)
#: Nobody works as long as that; a run that has not come so far is given up.
SECONDS_MAX = 60.0
#: What the program ends with where something that was asked for cannot be run.
NOT_RUN = 3
#: In the short form a weak setting that has lost nothing after so many cuts is not seen losing.
WEAK_CUTS_MAX = 8


@dataclass(frozen=True, slots=True)
class Setting:
    """How a server, or SQLite's connections, are told to keep what they acknowledge."""

    engine: str
    is_safe: bool
    #: Told to the server besides `DURABLE`, and to SQLite's connections.
    told: tuple[str, ...] = ()
    pragmas: tuple[str, ...] = ()


_BINLOG = ("--log-bin=binlog", "--server-id=1")
SETTINGS = {
    "wal-full": Setting("sqlite", True, pragmas=power_cut.SETTINGS["wal-full"]),
    "wal-normal": Setting("sqlite", False, pragmas=power_cut.SETTINGS["wal-normal"]),
    "commit-on": Setting("postgresql", True),
    "commit-off": Setting("postgresql", False, ("synchronous_commit=off",)),
    "fsync-off": Setting("postgresql", False, ("fsync=off",)),
    "flush-1": Setting("mariadb", True),
    "flush-2": Setting("mariadb", False, ("--innodb-flush-log-at-trx-commit=2",)),
    "nosync": Setting("mariadb", False, ("--innodb-flush-method=nosync",)),
    "binlog-1": Setting("mariadb", True, (*_BINLOG, "--sync-binlog=1")),
    "binlog-0": Setting("mariadb", False, (*_BINLOG, "--sync-binlog=0")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What became of the books when the power went at one moment."""

    number: int
    #: Whether the disk forgot what it was not told to keep.
    is_forgetful: bool
    acknowledged: int
    lost: int
    #: "sound", or what is wrong with what is left.
    books: str
    #: Whether a bank is opened under this setting, where nobody says that it may be unsafe.
    opening: str

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost and nothing wrong."""
        return not self.lost and self.books == "sound"


# ---------------------------------------------------------------- before the cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A founded bank on an image of which every cut takes a copy."""

    engine: str
    home: Path
    disk: Disk
    image: Path
    nursery: Nursery
    database: str
    accounts: tuple[int, ...]
    #: The acts of the time before the clients came.
    before: frozenset[str]

    @contextmanager
    def server(self, setting: Setting) -> Iterator[Server]:
        """The server of this bank on what is mounted; killed in the end."""
        server = _server(self.engine, self.home, self.disk, setting.told)
        server.database = self.database
        try:
            server.start()
            yield server
        finally:
            if not server.is_down():
                server.kill()
            server.stop()


def _server(engine: str, home: Path, disk: Disk, told: tuple[str, ...] = ()) -> Server:
    return SERVERS[engine](home, data=disk.place / "data", settings=DURABLE[engine] + told)


def prepared(engine: str, home: Path, nursery: Nursery) -> Ground:
    """A district with customers and a store, on a disk that was unmounted in order."""
    home.mkdir()
    disk, image = Disk(home), home / "image"
    disk.format(image)
    with disk.mounted(image):
        server = _server(engine, home, disk)
        try:
            server.start()
            server.make_database()
            district = District(server.url())
            accounts = tuple(set_up(district, ACCOUNTS, BEGIN_WITH))
            ground = Ground(
                engine=engine, home=home, disk=disk, image=image, nursery=nursery,
                database=server.database, accounts=accounts, before=voucher_ids(district.bank),
            )  # fmt: skip
            district.close()
            nursery.fork(_order(ground, server.url()))
            server.shut_down()
        finally:
            server.stop()
    return ground


def _order(ground: Ground, url: str) -> Order:
    """What everybody is told, who only rehearses too."""
    began = time.monotonic()
    return Order(
        url=url, accounts=ground.accounts, seed=0, place=NOWHERE, predecessors=0,
        folder=str(ground.home / "journals"), began=began, stop=began + SECONDS_MAX,
        settle_seconds=0.0,
    )  # fmt: skip


# ---------------------------------------------------------------- the cut


def cut(ground: Ground, name: str, seed: int, number: int) -> Cut:
    """Let the clients work, cut the power, and see what the books are when it is back."""
    setting, is_forgetful = SETTINGS[name], number % 2 == 1
    running, left = ground.home / "running", ground.home / "left"
    copied(ground.image, running)
    with ground.disk.mounted(running), ground.server(setting) as server:
        order, chance = _begun(ground, server), random.Random(f"{seed}:{name}:{number}")
        order = replace(order, seed=chance.getrandbits(32), pragmas=setting.pragmas)
        with _clients(ground.nursery, order) as clients:
            _wait_until_told(Path(order.folder), chance.randint(*ACKNOWLEDGED))
            time.sleep(chance.uniform(0.0, 0.02))
            if is_forgetful:
                _stop_all(clients, server)
            moment = time.monotonic()
            if is_forgetful:
                ground.disk.copy_what_was_kept(running, left)
            else:
                ground.disk.copy_what_was_told(left)
    history = known_at(moment, read_journals(sorted(Path(order.folder).glob("*.jsonl"))))
    mounting = ground.disk.mounted if is_forgetful else ground.disk.mounted_inner
    with mounting(left):
        lost, books, opening = _looked_into(ground, setting, history, order)
    return Cut(
        number=number, is_forgetful=is_forgetful, acknowledged=len(acknowledged(history)),
        lost=lost, books=books, opening=opening,
    )  # fmt: skip


def _begun(ground: Ground, server: Server) -> Order:
    """An order for clients, with an empty folder for their journals and a clock that goes."""
    order = _order(ground, server.url())
    shutil.rmtree(order.folder, ignore_errors=True)
    Path(order.folder).mkdir()
    (Path(order.folder) / "clock").write_text("0")
    return order


@contextmanager
def _clients(nursery: Nursery, order: Order) -> Iterator[list[int]]:
    """The numbers of six of them, at work; killed in the end."""
    numbers: list[int] = []
    try:
        for place in range(WORKERS):
            numbers.append(nursery.fork(replace(order, place=place)))
        yield numbers
    finally:
        kill_all(numbers)


def _wait_until_told(folder: Path, wanted: int) -> None:
    give_up = time.monotonic() + SECONDS_MAX
    while (found := _told_in(folder)) < wanted:
        if time.monotonic() > give_up:
            complaints = [complaint.read_text() for complaint in folder.glob("*.err")]
            raise TimeoutError(f"{found} of {wanted} acts in {SECONDS_MAX} s: {complaints}")
        time.sleep(0.005)


def _told_in(folder: Path) -> int:
    return sum(found.read_text().count('"outcome": "ok"') for found in folder.glob("*.jsonl"))


def _stop_all(clients: list[int], server: Server) -> None:
    """SIGSTOP to everybody; returns when all of them stand still, syncs under way done."""
    give_up = time.monotonic() + SECONDS_MAX
    while True:  # who was stopped begins no new process, but may have begun one before
        everybody = [*clients, *server.processes()]
        for each in everybody:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)
        if all(map(is_stopped, everybody)) and everybody == [*clients, *server.processes()]:
            return
        if time.monotonic() > give_up:
            raise TimeoutError("somebody does not stop")
        time.sleep(0.002)


# ---------------------------------------------------------------- after it


def _looked_into(
    ground: Ground, setting: Setting, history: History, order: Order
) -> tuple[int, str, str]:
    """How many acknowledged acts are lost, how the books are, and how opening went."""
    clock = DrivenClock(Path(order.folder), order.began)
    try:
        with ground.server(setting) as server:
            engine = engine_told(server.url(), setting.pragmas)
            try:
                opening = _opening(engine)
                bank = Bank.open(engine, staff="admin", clock=clock, unsafe_settings="allow")
                found = aftermath(bank, history, ground.accounts, ground.before)
            finally:
                engine.dispose()
    except (EngineError, sa.exc.DBAPIError, OSError, subprocess.SubprocessError) as error:
        return len(acknowledged(history)), f"unusable: {type(error).__name__}: {error}", "failed"
    return len(found.lost), "; ".join(found.faults[:3]) or "sound", opening


def _opening(engine: sa.Engine) -> str:
    try:
        Bank.open(engine)
    except EngineSettingsUnsafe:
        return "refused"
    return "yes"


# ---------------------------------------------------------------- the program


def summed(name: str, found: list[Cut]) -> dict[str, object]:
    """What became of one setting."""
    total = Counter(acknowledged=0, lost=0, unsound=0)
    for each in found:
        unsound = int(each.books != "sound")
        total.update(acknowledged=each.acknowledged, lost=each.lost, unsound=unsound)
    opening = ", ".join(sorted({each.opening for each in found}))
    of = {"engine": SETTINGS[name].engine, "settings": name, "cuts": len(found)}
    return {**of, **total, "opening": opening}


def is_as_wished(name: str, found: list[Cut]) -> bool:
    """A safe setting keeps everything that clients were told; a weak one must be seen losing."""
    if sum(each.acknowledged for each in found) < max(1, len(found)):
        return False  # there was nothing to lose
    return all(each.is_whole for each in found) == SETTINGS[name].is_safe


def main(words: list[str]) -> int:
    """A line for each setting."""
    parser = _parser()
    given = parser.parse_args(words)
    if not (wanted := asked_for(given)):
        parser.error(f"{', '.join(given.settings)} is no setting of {given.engine}")
    if not is_alone():
        if may_cut():
            be_alone("tests.faults.loop_power_cut", words)
        print(f"SKIPPED: {NO_LOOP_DEVICE}")
        return NOT_RUN
    nursery = Nursery()
    try:
        with memory() as home:
            ends = [_run(engine, names, given, home, nursery) for engine, names in wanted.items()]
    finally:
        nursery.close()
    return next((end for end in (1, NOT_RUN) if end in ends), 0)


def asked_for(given: argparse.Namespace) -> dict[str, list[str]]:
    """The settings that are wished, by engine."""
    wanted: dict[str, list[str]] = {}
    for name, setting in SETTINGS.items():
        if given.engine in ("all", setting.engine) and name in (given.settings or SETTINGS):
            wanted.setdefault(setting.engine, []).append(name)
    return wanted


def _run(
    engine: str, names: list[str], given: argparse.Namespace, home: Path, nursery: Nursery
) -> int:
    """All settings of an engine that are wished, on one ground; how the program should end."""
    try:
        ground = prepared(engine, home / engine, nursery)
    except MariadbMissing:
        print(f"SKIPPED: {mariadb.ABSENT}")
        return NOT_RUN
    found = {name: _cuts(ground, name, given) for name in names}
    shutil.rmtree(ground.home)
    return 0 if all(is_as_wished(name, cuts) for name, cuts in found.items()) else 1


def _cuts(ground: Ground, name: str, given: argparse.Namespace) -> list[Cut]:
    numbers = range(given.cuts) if given.cut is None else range(given.cut, given.cut + 1)
    if given.short:
        numbers = range(2 if SETTINGS[name].is_safe else WEAK_CUTS_MAX)
    found: list[Cut] = []
    for number in numbers:
        found.append(cut(ground, name, given.seed, number))
        if given.short and not SETTINGS[name].is_safe and is_as_wished(name, found):
            break
    print(json.dumps(summed(name, found)), flush=True)
    for bad in [each for each in found if not each.is_whole][:3]:
        told = f"--settings {name} --seed {given.seed} --cut {bad.number}: {asdict(bad)}"
        print(f"    {told}", file=sys.stderr, flush=True)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.loop_power_cut")
    parser.add_argument("--engine", choices=[*SERVERS, "all"], default="all")
    parser.add_argument("--settings", action="append", choices=list(SETTINGS))
    parser.add_argument("--cuts", type=power_cut.some, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cut", type=int, help="only this one")
    parser.add_argument(
        "--short",
        action="store_true",
        help="two cuts for a safe setting; for a weak one, until it was seen losing",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
