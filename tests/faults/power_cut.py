"""The power goes while a client posts: what was not synced is lost, in part or whole.

python -m tests.faults.power_cut --cuts 200
python -m tests.faults.power_cut --settings wal-normal --seed 3 --cut 17

`shim.c` is preloaded into a client, and writes down each write, sync, new file and removal, and
between them which acts were acknowledged. Each cut then builds the files anew as a disk may hold
them after a power cut at that moment: all that was synced, and of what came later nothing,
everything, or any part, writes torn at a sector. No root and no loop device are needed. It ends
with 1 if a safe setting lost anything, if a weak one was not seen losing, or if nothing had been
acknowledged that could be lost.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import itertools
import random
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.store.engines import connect
from gongyi_bank.values import Points
from tests.district import Clock, District, at
from tests.faults.io_points import compiled, preloaded
from tests.tidy.house import ROOT

#: By name: what a connection is told after the library has set it up as it wants it.
SETTINGS = {
    "wal-full": (),
    "wal-normal": ("synchronous=NORMAL",),
    "delete-extra": ("journal_mode=DELETE", "synchronous=EXTRA"),
    "delete-full": ("journal_mode=DELETE", "synchronous=FULL"),
    "delete-normal": ("journal_mode=DELETE", "synchronous=NORMAL"),
    "truncate-full": ("journal_mode=TRUNCATE", "synchronous=FULL"),
    "memory-full": ("journal_mode=MEMORY", "synchronous=FULL"),
    "wal-off": ("synchronous=OFF",),
}
#: Settings under which nothing that was acknowledged may ever be missing.
SAFE = ("wal-full", "delete-extra", "truncate-full")
ACTS = 60
#: Pages in the log after which SQLite copies them to the database: several times in a run.
CHECKPOINT_PAGES = 150
_NAMES = {1: "folder", 2: "bank.db", 3: "bank.db-wal", 4: "bank.db-journal"}
_HEAD = struct.Struct("<BBqI")


# ---------------------------------------------------------------- the client under the shim


def post(url: str, settings: str, account: int, log: str) -> None:
    """Post acts, and note each that was acknowledged, until the work is done."""
    shim = ctypes.CDLL(None)
    engine = connect(url)

    def set_up(connection: Any, _record: object) -> None:
        for pragma in (*SETTINGS[settings], f"wal_autocheckpoint={CHECKPOINT_PAGES}"):
            connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "connect", set_up)
    bank = Bank.open(engine, staff="admin", clock=Clock(at("10-17 12:00")), unsafe_settings="allow")
    bank.reports.balance(account)
    print("ready", flush=True)
    sys.stdin.readline()
    shim.shim_record(log.encode())
    for number in range(ACTS):
        key = f"act-{number}"
        bank.points.grant(
            account=account, points=Points("1.00"), reason="慰问", second_person="ADM2",
            outlet="B01S01", idempotency_key=key,
        )  # fmt: skip
        shim.shim_note(key.encode())


# ---------------------------------------------------------------- what a disk may hold


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One thing that the client asked of its files, or an acknowledgement ("N")."""

    what: str
    file: str
    offset: int
    body: bytes


def read_log(path: Path) -> list[Step]:
    """The shim's log, in order."""
    steps, raw, place = [], path.read_bytes(), 0
    while place < len(raw):
        what, kind, offset, size = _HEAD.unpack_from(raw, place)
        place += _HEAD.size
        steps.append(Step(chr(what), _NAMES.get(kind, ""), offset, raw[place : place + size]))
        place += size
    return steps


class Disk:
    """Files and their names as a disk holds them: what was synced, and what happened to arrive.

    A name that was made or removed is safe when its folder was synced; such changes arrive in their
    order. What is written to a file is safe when the file was synced, and arrives in any order.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self._bodies = [bytearray(body) for body in files.values()]
        self._waiting: list[list[Step]] = [[] for _ in files]
        #: Which body a name stands for: as the program sees it, and as it was synced.
        self._names: dict[str, int] = {name: body for body, name in enumerate(files)}
        self._safe_names = dict(self._names)
        self._renamed: list[tuple[str, int | None]] = []

    def do(self, step: Step) -> None:
        """Take in one step."""
        if step.what == "C":
            self._rename(step.file, len(self._bodies))
            self._bodies.append(bytearray())
            self._waiting.append([])
        elif step.what == "U":
            self._rename(step.file, None)
        elif step.what in "WT":
            self._waiting[self._names[step.file]].append(step)
        elif step.file == "folder":
            _name(self._safe_names, self._renamed)
            self._renamed = []
        else:
            body = self._names[step.file]
            for waiting in self._waiting[body]:
                _apply(self._bodies[body], waiting)
            self._waiting[body] = []

    def _rename(self, name: str, body: int | None) -> None:
        self._renamed.append((name, body))
        _name(self._names, [(name, body)])

    def after_cut(self, arrives: Callable[[], float]) -> dict[str, bytes]:
        """The files after a power cut now; `arrives` is how much arrives of each step."""
        names = dict(self._safe_names)
        _name(names, itertools.takewhile(lambda _: arrives() > 0, self._renamed))
        files = {}
        for name, body in names.items():
            files[name] = bytearray(self._bodies[body])
            for step in self._waiting[body]:
                if (share := arrives()) > 0:
                    _apply(files[name], step if share >= 1 else _torn(step, share))
        return {name: bytes(body) for name, body in files.items()}


def _name(names: dict[str, int], changes: Iterable[tuple[str, int | None]]) -> None:
    for name, body in changes:
        if body is None:
            del names[name]
        else:
            names[name] = body


def _apply(body: bytearray, step: Step) -> None:
    if step.what == "T":
        del body[step.offset :]
        body.extend(bytes(step.offset - len(body)))
        return
    body.extend(bytes(max(0, step.offset - len(body))))
    body[step.offset : step.offset + len(step.body)] = step.body


def _torn(step: Step, share: float) -> Step:
    """A write of which only the first sectors arrived."""
    sectors = int(len(step.body) * share) // 512
    return dataclasses.replace(step, body=step.body[: sectors * 512]) if step.body else step


def arrivals(chance: random.Random, manner: str) -> Callable[[], float]:
    """How much of what was not synced arrives: nothing, everything, or any part, also torn."""
    if manner == "nothing":
        return lambda: 0.0
    if manner == "everything":
        return lambda: 1.0
    return lambda: chance.choice((0.0, 0.0, 1.0, 1.0, 1.0, chance.random()))


MANNERS = ("nothing", "everything", "part", "part", "part")

# ---------------------------------------------------------------- one setting, many cuts


@dataclasses.dataclass(slots=True)
class Recorded:
    """A client's work under one setting: the files before it, and every step of it."""

    folder: Path
    account: int
    before: dict[str, bytes]
    steps: list[Step]


def recorded(folder: Path, settings: str) -> Recorded:
    """Let a client post under the shim, and read what it asked of its files."""
    folder.mkdir()
    path, log = folder / "bank.db", folder / "steps.log"
    district = District(f"sqlite:///{path}")
    account = district.customer()
    district.close()
    words = ["--client", settings, f"sqlite:///{path}", str(account), str(log)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.power_cut", *words],
        env=preloaded(folder, compiled(folder)), cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as client:  # fmt: skip
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        names = [name for name in _NAMES.values() if (folder / name).is_file()]
        before = {name: (folder / name).read_bytes() for name in names}
        client.communicate("go\n")
    assert client.returncode == 0
    return Recorded(folder, account, before, read_log(log))


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """What became of the books when the power went at one moment."""

    number: int
    acknowledged: int
    lost: int
    #: "sound", or what is wrong with what is left.
    books: str


def cuts(work: Recorded, seed: int, numbers: range) -> Iterator[Cut]:
    """Cut the power at moments that chance chooses, each time in another way."""
    for number in numbers:
        chance = random.Random(f"{seed}:{number}")
        moment = chance.randrange(1, len(work.steps) + 1)
        disk, told = Disk(work.before), []
        for step in work.steps[:moment]:
            if step.what == "N":
                told.append(step.body.decode())
            else:
                disk.do(step)
        files = disk.after_cut(arrivals(chance, chance.choice(MANNERS)))
        yield _audited(work, number, told, files)


def _audited(work: Recorded, number: int, told: list[str], files: dict[str, bytes]) -> Cut:
    """Open what is left as anybody would after a power cut."""
    with tempfile.TemporaryDirectory(dir=work.folder) as name:
        for file, body in files.items():
            (Path(name) / file).write_bytes(body)
        try:
            found, books = _read(f"sqlite:///{Path(name) / 'bank.db'}", work.account)
        except (GongyiBankError, sa.exc.DBAPIError) as error:
            return Cut(number, len(told), len(told), f"unusable: {type(error).__name__}")
    return Cut(number, len(told), len(set(told) - found), books)


def _read(url: str, account: int) -> tuple[set[str], str]:
    bank = Bank.open(url, staff="admin", clock=Clock(at("10-17 12:00")))
    try:
        with bank.engine.connect() as connection:
            sql = "SELECT idempotency_key FROM gb_voucher WHERE idempotency_key LIKE 'act-%'"
            keys = list(connection.exec_driver_sql(sql).scalars())
        books = "sound" if bank.verify().is_clean else "verify() finds faults"
        if bank.reports.balance(account) != Points(len(keys)):
            books = "another balance"
        # Whatever was lost, the client asks for it again, and gets it once.
        again = bank.points.grant(
            account=account, points=Points("1.00"), reason="慰问", second_person="ADM2",
            outlet="B01S01", idempotency_key="act-0",
        )  # fmt: skip
        expected = len(set(keys) | {"act-0"})
        if books == "sound" and bank.reports.balance(account) != Points(expected):
            books = f"asked again: {again.balance}"
        return set(keys), books
    finally:
        bank.close()


# ---------------------------------------------------------------- the program


def summed(found: list[Cut]) -> dict[str, int]:
    """Cuts, acknowledged acts at them, how many of those were lost, and unsound books."""
    total = Counter(cuts=len(found), acknowledged=0, lost=0, unsound=0)
    for cut in found:
        total.update(acknowledged=cut.acknowledged, lost=cut.lost, unsound=cut.books != "sound")
    return dict(total)


def complaint(settings: str, found: list[Cut]) -> str | None:
    """Why these cuts are not what they should be, or do not show anything."""
    bad = [cut for cut in found if cut.lost or cut.books != "sound"]
    if settings in SAFE and bad:
        return "it is safe, and lost something"
    if sum(cut.acknowledged for cut in found) < len(found) or not found:
        return "too little was acknowledged to be lost"
    if settings not in SAFE and not bad:
        return "it is weak, and was not seen losing: this shows nothing, cut oftener"
    return None


def main(words: list[str]) -> int:
    """A line for each setting; 1 where one is not as it should be."""
    if words[:1] == ["--client"]:
        settings, url, account, log = words[1:]
        post(url, settings, int(account), log)
        return 0
    given = _parser().parse_args(words)
    is_as_wished = True
    numbers = range(given.cuts) if given.cut is None else range(given.cut, given.cut + 1)
    for settings in given.settings or SETTINGS:
        with tempfile.TemporaryDirectory() as name:
            work = recorded(Path(name).resolve() / settings, settings)
            found = list(cuts(work, given.seed, numbers))
        total = summed(found)
        print(f"{settings:14} {total}", flush=True)
        bad = [cut for cut in found if cut.lost or cut.books != "sound"]
        for cut in bad[:3]:
            print(f"    --settings {settings} --seed {given.seed} --cut {cut.number}: {cut}")
        if why := complaint(settings, found):
            print(f"    NOT AS IT SHOULD BE: {why}", flush=True)
            is_as_wished = False
    return 0 if is_as_wished else 1


def some(word: str) -> int:
    """A number of things of which there must be one."""
    if int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} shows nothing; at least 1")
    return int(word)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.power_cut")
    parser.add_argument("--settings", action="append", choices=list(SETTINGS))
    parser.add_argument("--cuts", type=some, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cut", type=int, help="only this one")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
