"""An act on SQLite fails at each single call to its files, and is then asked for again.

python -m tests.faults.io_points
python -m tests.faults.io_points --act redeem --fault kill --at 17

`shim.c` is preloaded into this very program, which then lives each case in a fork of its own: copy
the books, open the bank, let the n-th call fail, do the act. A second fork audits what is left.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import datetime as dt
import gc
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gongyi_bank.bank import Bank
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import EngineError, GongyiBankError, OutcomeUnknown
from gongyi_bank.store.engines import connect, engine_for
from gongyi_bank.store.migrations import running
from gongyi_bank.store.tables import metadata
from gongyi_bank.values import Points
from tests.books import books
from tests.district import Clock, District, at
from tests.store import schema_dumps, write_baseline
from tests.store.test_migrations import NEXT
from tests.tidy.house import ROOT

SHIM = Path(__file__).with_name("shim.c")
#: As the shim numbers them: an error once, a disk that stays full, half a write that goes on, half
#: a write and an error, the process killed before the call, or after half of it.
FAULTS = {"error": 1, "no space": 2, "short write": 3, "torn write": 4, "kill": 5, "torn kill": 6}
KEY = "the-act"
#: What was acknowledged before, and must never be missing.
BEFORE = "acknowledged-before"
#: The bank's file, and what SQLite puts beside it.
SUFFIXES = ("", "-wal", "-shm", "-journal")


def may_preload() -> bool:
    """Whether there is a C compiler, and a loader that takes what it makes."""
    return sys.platform == "linux" and shutil.which("cc") is not None


def compiled(folder: Path) -> Path:
    """The shim as a library that can be preloaded."""
    library = folder / "shim.so"
    words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(words, check=True, capture_output=True, text=True)
    return library


def preloaded(folder: Path, library: Path) -> dict[str, str]:
    """The environment of a process whose bank.db in this folder is under the shim."""
    return os.environ | {"LD_PRELOAD": str(library), "GB_SHIM_PREFIX": str(folder / "bank.db")}


# ---------------------------------------------------------------- the acts


@dataclasses.dataclass(frozen=True, slots=True)
class Town:
    """The copied books of one case, and who is in them."""

    folder: Path
    account: int

    @property
    def url(self) -> str:
        """Where the books are."""
        return f"sqlite:///{self.folder / 'bank.db'}"

    def opened(self) -> Bank:
        """The bank, two days after it was founded."""
        clock = Clock(at("10-17 12:00"))
        return Bank.open(self.url, staff="admin", clock=clock)


def _credit(bank: Bank, town: Town) -> Any:
    return bank.hours.record(
        account=town.account, category="sanitation", outlet="B01S01", started_at=at("10-05 08:00"),
        ended_at=at("10-05 10:00"), recorded_by="T1", checked_by="K1", idempotency_key=KEY,
    )  # fmt: skip


def _redeem(bank: Bank, town: Town) -> Any:
    return bank.redemptions.redeem(
        account=town.account, store="P1", sku="S", quantity=2, idempotency_key=KEY
    )


def _close(bank: Bank, _: Town) -> Any:
    return bank.closings.close("2022-10-15")


#: What is done with an open bank; a migration is done without.
ACTS: dict[str, Callable[[Bank, Town], Any]] = {
    "credit": _credit, "redeem": _redeem, "day close": _close,
}  # fmt: skip
MIGRATION = "migration"


def _migrated(town: Town) -> list[str]:
    """Run a revision that nobody has released: a new table with rows, an old one made anew."""
    engine = connect(town.url)
    try:
        return running.upgrade(engine, engine_for("sqlite"), _versions(town.folder.parent))
    finally:
        engine.dispose()


def _versions(folder: Path) -> tuple[Path, ...]:
    return (*running.VERSIONS, folder / "versions")


def _write_versions(folder: Path) -> None:
    stay = write_baseline._table(metadata.tables["gb_customer_stay"])
    stay = f"stay = {stay}".replace("    key(", '    may("weight", BIG),\n    key(', 1)
    (folder / "versions").mkdir()
    (folder / "versions" / "0002_next.py").write_text(NEXT.replace("@STAY@", stay), "utf-8")


def _found_town(folder: Path) -> Town:
    """The books that every case begins with."""
    folder.mkdir()
    district = District(f"sqlite:///{folder / 'bank.db'}")
    account = district.customer()
    for day in (3, 4):
        district.serve(account, f"10-{day:02d} 08:00", 240)
    store = NewStore(
        code="P1", name="超市", kind="community_store", recruited_by="B01S01",
        joined_on=dt.date(2022, 1, 1),
    )  # fmt: skip
    district.bank.stores.recruit(stores=(store,))
    towel = NewOffer(store="P1", sku="S", name="毛巾", points=Points("0.40"), stock=9)
    district.bank.stores.publish_offers(offers=(towel,))
    district.bank.redemptions.redeem(account=account, store="P1", sku="S", idempotency_key=BEFORE)
    district.close()
    return Town(folder, account)


# ---------------------------------------------------------------- one case, in forks


def in_fork(work: Callable[[Callable[[Any], None]], None]) -> tuple[list[Any], bool]:
    """Run in a fork; what it told, line by line, and whether it was killed on the way."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        code = 1
        try:
            work(lambda said: os.write(writing, (json.dumps(said) + "\n").encode()) and None)
            code = 0
        except BaseException:  # noqa: BLE001 - it must be seen before the fork is gone
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, encoding="utf-8") as lines:
        said = [json.loads(line) for line in lines]
    status = os.waitpid(child, 0)[1]
    if status and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        raise AssertionError(f"the fork ended with {status}, after {said}")
    return said, bool(status)


@dataclasses.dataclass(slots=True)
class Case:
    """One fault at one call of one act."""

    act: str
    fault: str
    at: int

    def __str__(self) -> str:
        return f"--act '{self.act}' --fault '{self.fault}' --at {self.at}"


class Sweep:
    """All cases over the same books; what each came to."""

    def __init__(self, folder: Path) -> None:
        self.shim = ctypes.CDLL(None)
        self.folder = folder
        self.origin = _found_town(folder / "origin")
        self.town = Town(folder / "case", self.origin.account)
        _write_versions(folder)
        (folder / "case").mkdir()
        #: Where the files lie as the act left them, before anything was asked for again.
        self.left = Town(folder / "left", self.origin.account)
        self.left.folder.mkdir()
        self._sound: dict[str, Any] = {}

    def points(self, act: str) -> int:
        """How many calls the act makes, and how the books look when none fails.

        Lived in this process, so that all forks find their statements compiled.
        """
        said: list[Any] = []
        self._copy()
        self._live(Case(act, "", 0), said.append)
        assert said[0]["told"] == "done", said
        self._sound[act] = self._books(act)
        assert self._audited(Case(act, "", 0), said[0]) == "sound"
        gc.freeze()
        return int(said[-1]["calls"])

    def run(self, case: Case) -> str:
        """Live one case; what the caller was told. Raises AssertionError where the books suffer."""
        self._copy()
        said, is_killed = in_fork(lambda tell: self._live(case, tell))
        told = said[0] if said else {"told": "killed", "receipt": None}
        fired = is_killed or (len(said) > 1 and said[-1]["fired"])
        ((found,), _) = in_fork(lambda tell: tell(self._audited(case, told)))
        assert found == "sound", f"{case}: told {told['told']}, then {found}"
        return told["told"] if fired else "not reached"

    def _copy(self) -> None:
        for suffix in SUFFIXES:
            (self.town.folder / f"bank.db{suffix}").unlink(missing_ok=True)
        shutil.copyfile(self.origin.folder / "bank.db", self.town.folder / "bank.db")

    def _live(self, case: Case, tell: Callable[[Any], None]) -> None:
        """Do the act under fire, tell what came of it, and go on with what is left of the bank."""
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        bank = None if case.act == MIGRATION else self.town.opened()
        self.shim.shim_arm(ctypes.c_long(case.at), FAULTS.get(case.fault, 0))
        told = self._told(case.act, bank)
        tell(told)
        if bank is not None:
            if told["told"] == "failed":
                in_fork(lambda _: self._keep_left())
            if told["told"] in ("failed", "unknown") and case.at % 2:
                self.shim.shim_disarm()
                tell(self._told(case.act, bank))
            bank.close()
        tell({"fired": bool(self.shim.shim_fired()), "calls": self.shim.shim_disarm()})

    def _keep_left(self) -> None:
        """Copy the files as they are; in a fork, since to close one gives its locks away."""
        self.shim.shim_disarm()
        for suffix in ("", "-wal", "-journal"):
            name = f"bank.db{suffix}"
            (self.left.folder / name).unlink(missing_ok=True)
            if (self.town.folder / name).exists():
                shutil.copyfile(self.town.folder / name, self.left.folder / name)

    def _told(self, act: str, bank: Bank | None) -> dict[str, Any]:
        try:
            receipt = _migrated(self.town) if bank is None else ACTS[act](bank, self.town)
        except OutcomeUnknown:
            return {"told": "unknown", "receipt": None}
        except EngineError as error:
            return {"told": "failed", "receipt": None, "why": str(error)}
        return {"told": "done", "receipt": _as_text(receipt)}

    # --- the audit ---

    def _books(self, act: str) -> Any:
        """What two banks have in common to which the same happened."""
        if act == MIGRATION:
            return _rows(self.town)
        bank = self.town.opened()
        found = json.loads(json.dumps(books(bank), default=str))
        bank.close()
        return found

    def _audited(self, case: Case, told: dict[str, Any]) -> str:
        """Ask again under the same key: one effect, and nothing from before is missing."""
        try:
            if case.act == MIGRATION:
                _migrated(self.town)
            else:
                self._ask_again(case, told)
        except GongyiBankError as error:
            return f"the books cannot be used: {error!r} {error}"
        return "sound" if self._books(case.act) == self._sound[case.act] else "other books"

    def _ask_again(self, case: Case, told: dict[str, Any]) -> None:
        bank = self.town.opened()
        was_there = _vouchers(bank)
        assert was_there[BEFORE] == 1, "an acknowledged act is missing"
        own = KEY if case.act != "day close" else "closings.close:#:2022-10-15"
        assert told["told"] != "done" or was_there[own] == 1, "acknowledged, and not there"
        if told["told"] == "failed":
            # Also where only whoever opens the files anew would find it.
            assert own not in _vouchers_left(self.left), "told to have failed, and there"
            assert case.at % 2 or own not in was_there, "told to have failed, and there later"
        receipt = ACTS[case.act](bank, self.town)
        assert told["receipt"] in (None, _as_text(receipt)), "another receipt"
        assert set(_vouchers(bank).values()) == {1}, "a key twice"
        found = bank.verify()
        assert found.is_clean, found
        bank.close()


def _as_text(receipt: Any) -> str:
    return str(receipt if isinstance(receipt, list) else receipt.model_dump_json())


def _vouchers(bank: Bank) -> Counter[str]:
    """How many vouchers there are under each key."""
    sql = "SELECT idempotency_key FROM gb_voucher WHERE idempotency_key IS NOT NULL"
    with bank.engine.connect() as connection:
        return Counter(connection.exec_driver_sql(sql).scalars())


def _vouchers_left(left: Town) -> Counter[str]:
    """The same of files that nobody has open."""
    bank = left.opened()
    try:
        return _vouchers(bank)
    finally:
        bank.close()


def _rows(town: Town) -> list[str]:
    """The schema in SQLite's own words, and every row, sorted."""
    engine = connect(town.url)
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        found = driver.execute("PRAGMA integrity_check").fetchall()
        assert found == [("ok",)], found
        rows = sorted(line for line in driver.iterdump() if line.startswith("INSERT"))
        lines = [*schema_dumps.told(connection), *rows]
    engine.dispose()
    return lines


# ---------------------------------------------------------------- the program


def sweep(folder: Path, acts: list[str], faults: list[str], every: int) -> Iterator[dict[str, Any]]:
    """Every `every`-th call of these acts with these faults, in this process under the shim."""
    swept = Sweep(folder)
    for act in acts:
        calls = swept.points(act)
        for fault in faults:
            told: Counter[str] = Counter()
            for number in range(1, calls + 1, every):
                told[swept.run(Case(act, fault, number))] += 1
            yield {"act": act, "fault": fault, "calls": calls, "told": dict(sorted(told.items()))}


def main(words: list[str]) -> int:
    """Print a line for each act and fault; 1 where the books suffered."""
    given = _parser().parse_args(words)
    acts = given.act or [*ACTS, MIGRATION]
    faults = given.fault or list(FAULTS)
    if "GB_SHIM_PREFIX" not in os.environ:
        return _again_preloaded(words)
    folder = Path(os.environ["GB_SHIM_PREFIX"]).parents[1]
    if given.at is not None:
        swept = Sweep(folder)
        swept.points(acts[0])
        print(swept.run(Case(acts[0], faults[0], given.at)))
        return 0
    for line in sweep(folder, acts, faults, given.every):
        print(json.dumps(line, ensure_ascii=False) if given.json else _shown(line), flush=True)
    return 0


def _again_preloaded(words: list[str]) -> int:
    """Run this program with the shim beneath it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        environment = preloaded(folder / "case", compiled(folder))
        run = [sys.executable, "-m", "tests.faults.io_points", *words]
        return subprocess.run(run, env=environment, cwd=ROOT, check=False).returncode


def _shown(line: dict[str, Any]) -> str:
    told = ", ".join(f"{count} {what}" for what, count in line["told"].items())
    return f"{line['act']:10} {line['fault']:12} {sum(line['told'].values()):4} cases: {told}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.io_points")
    parser.add_argument("--act", action="append", choices=[*ACTS, MIGRATION])
    parser.add_argument("--fault", action="append", choices=list(FAULTS))
    parser.add_argument("--every", type=int, default=1, help="only every so many calls")
    parser.add_argument("--at", type=int, help="only this call of the first act and fault")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
