"""The bank test: real clients and a troublemaker, and then the books are held against the journals.

python -m tests.faults.bank_test --engine sqlite --fault kill-clients --seconds 45 --seed 1
python -m tests.faults.bank_test --engine postgresql --fault all --isolation serializable
python -m tests.faults.bank_test --engine sqlite --planted all
python -m tests.faults.bank_test --engine mariadb --enough 6

It ends with 1 if a check is red; with --planted, if a planted fault was not seen; with 3 if
something that was asked for could not be run here, for that shows nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineError
from tests import mariadb
from tests.district import START, District
from tests.faults.booked import Books
from tests.faults.books import load_books, voucher_ids
from tests.faults.checks import CHECKS, Counts, check_not_empty, check_settled, count
from tests.faults.errands import ACCOUNTS, BEGIN_WITH, set_up
from tests.faults.journal import History, read_journals
from tests.faults.planted import BY_HAND, PLANTED, USUALLY_ENOUGH
from tests.faults.proxy import running_proxy
from tests.faults.servers import SERVERS, Server, may_mount, running_server
from tests.faults.troublemaker import (
    FAULTS,
    Crew,
    Nursery,
    Troublemaker,
    seconds_between,
)
from tests.faults.worker import ENOUGH, Order
from tests.mysqld import MariadbMissing

WORKERS = 6
#: How long the clients may ask for what is open when the trouble is over, and how long after that
#: their last act may take, for the library retries for 20 seconds.
SETTLE_SECONDS, LAST_ACT_SECONDS = 30.0, 25.0
#: The same with a fault planted: what it has spoilt may never be settled.
SPOILT_SECONDS = 3.0
#: Long enough to see that next to nothing happens.
IDLE_SECONDS = 4.0
#: What the program ends with if something that was asked for could not be run.
NOT_RUN = 3
NO_SMALL_DISK = "full-disk on a server wants a small file system: root, and mount"
#: All holds are over by then, whatever the clock did.
LONG_AFTER = dt.timedelta(days=4000)
#: What only some faults bring about often enough to be counted on. A full disk meets SQLite at
#: COMMIT, of which nobody knows then what became; a server has undone the act before. Who kills a
#: server or its backends meets a COMMIT by chance only (two in 20 seconds): the proxy aims at it.
_BROUGHT_BY: dict[str, dict[str, frozenset[str]]] = {
    "unknown": dict.fromkeys(SERVERS, frozenset({"proxy"})) | {"sqlite": frozenset({"full-disk"})},
    "dangling": dict.fromkeys(SERVERS, frozenset({"kill-clients"})),
    "undone": dict.fromkeys(SERVERS, frozenset({"full-disk"})) | {"sqlite": frozenset()},
}


class NotHere(Exception):
    """This machine cannot do what a run needs; says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is to be done."""

    engine: str
    faults: tuple[str, ...]
    #: How long; with `enough`, at the longest.
    seconds: float
    seed: int
    #: End as soon as as much has happened as the floors want of so many seconds.
    enough: float | None = None
    planted: str | None = None
    isolation: str | None = None

    @property
    def is_spoilt(self) -> bool:
        """Whether a fault is planted."""
        return self.planted not in (None, BY_HAND)

    @property
    def floor_seconds(self) -> float:
        """The seconds by which the floors are measured."""
        return self.seconds if self.enough is None else self.enough

    @property
    def exempt(self) -> frozenset[str]:
        """The floors that cannot hold: its faults do not bring it about, or time is no matter."""
        found = {name for name, by in _BROUGHT_BY.items() if not by[self.engine] & set(self.faults)}
        if self.enough is not None:
            found.add("gap_seconds")
        if self.is_spoilt:  # which shows by a check; with two customers not every act is done
            found |= {"rarest_act", "closings", *PLANTED[str(self.planted)].prevents}
        return frozenset(found)

    @property
    def takes_small_disk(self) -> bool:
        """SQLite's clients can be limited one by one; a server cannot."""
        return "full-disk" in self.faults and self.engine != "sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a run: what happened, and what each check found."""

    run: Run
    counts: Counts
    injected: Counter[str]
    #: By check; `verify` is the library's own audit.
    found: dict[str, list[str]]

    @property
    def red(self) -> list[str]:
        """The checks that found something."""
        return [name for name, faults in self.found.items() if faults]

    @property
    def is_as_wished(self) -> bool:
        """Green; or with something planted, red where it must be."""
        planted = self.run.planted
        if planted is None:
            return not self.red
        if planted == BY_HAND:
            return set(self.red) <= {"verify"}  # it cannot make the library's hashes
        return PLANTED[planted].red <= set(self.red)


@dataclass(frozen=True, slots=True)
class Stage:
    """What several runs may share: a server, and the nursery of the workers."""

    server: Server
    nursery: Nursery


@contextmanager
def stage(engine: str, *, small_disk: bool = False) -> Iterator[Stage]:
    """Yield a server of this engine and a nursery. Raises NotHere."""
    if small_disk and not may_mount():
        raise NotHere(NO_SMALL_DISK)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_server(engine, small_disk=small_disk))
        except MariadbMissing:
            raise NotHere(mariadb.ABSENT) from None
        nursery = Nursery()
        stack.callback(nursery.close)
        yield Stage(server, nursery)


def run_bank_test(run: Run, on: Stage) -> Result:
    """Found a bank, let six clients and the troublemaker at it, and judge."""
    on.server.make_database()
    folder = Path(tempfile.mkdtemp(prefix="gb-journals-"))
    try:
        return _run_in(run, on, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_in(run: Run, on: Stage, folder: Path) -> Result:
    url = on.server.url()
    if run.isolation:
        _set_isolation(url, run.isolation)
    district = District(url)
    planted = PLANTED.get(run.planted or "")
    people = (planted.customers, planted.points) if planted else (ACCOUNTS, BEGIN_WITH)
    accounts = set_up(district, *people)
    before = voucher_ids(district.bank)
    district.close()
    (folder / "clock").write_text("0")
    injected, began, ended = _disturb(run, on, accounts, folder)
    history = read_journals(sorted(folder.glob("*.jsonl")))
    with _opened(url) as bank:
        first_lines = dict.fromkeys(accounts, 1)
        books = load_books(bank, before=before, first_lines=first_lines)
        books = replace(books, held_after_sweep=_sweep(bank))
        audit = [str(fault) for fault in bank.verify().faults]
    counts = count(history, began=began, ended=ended)
    found = _judge(run, history, books, counts, injected) | {"verify": audit}
    if found["C9"]:  # else they are the drivers' words about connections that were lost
        for complaint in sorted(folder.glob("*.err")):
            sys.stderr.write(complaint.read_text())
    return Result(run=run, counts=counts, injected=injected, found=found)


def _disturb(
    run: Run, on: Stage, accounts: list[int], folder: Path
) -> tuple[Counter[str], float, float]:
    """The run itself: what was done to the bank how often, when it began, and when it ended."""
    with ExitStack() as stack:
        proxy, url = None, on.server.url()
        if "proxy" in run.faults:
            proxy = stack.enter_context(running_proxy(url))
            url = proxy.client_url()
        crew = Crew(on.nursery, _orders(run, url, accounts, folder))
        trouble = Troublemaker(crew, on.server, folder, random.Random(run.seed), proxy)
        began = time.monotonic()
        crew.begin(began=began, stop=began + run.seconds)
        trouble.work(
            list(run.faults),
            began + run.seconds,
            lambda: _is_enough(run, trouble.done, crew, folder),
        )
        ended = min(time.monotonic(), began + run.seconds)
        (folder / ENOUGH).touch()
        crew.wait(SPOILT_SECONDS + 1 if run.is_spoilt else SETTLE_SECONDS + LAST_ACT_SECONDS)
    return trouble.done, began, ended


def _is_enough(run: Run, injected: Counter[str], crew: Crew, folder: Path) -> bool:
    """Whether the run may end before its time."""
    if run.enough is None:
        return False
    counts = count(read_journals(sorted(folder.glob("*.jsonl"))), began=0.0, ended=0.0)
    return not missing(run, replace(counts, dangling=left_behind(folder, crew)), injected)


def left_behind(folder: Path, crew: Crew) -> int:
    """What those who were killed had in hand: of who is alive it is not left behind.

    Their files change no more. So whoever begins or is killed meanwhile is left out.
    """
    paths = sorted(folder.glob("*.jsonl"))
    alive = set(crew.journals())
    gone = read_journals(path for path in paths if path not in alive)
    return sum(attempt.outcome is None for attempt in gone.attempts)


def missing(run: Run, counts: Counts, injected: Counter[str]) -> list[str]:
    """C8: what happened too seldom, or was done to the bank too seldom, in words."""
    found = check_not_empty(counts, run.floor_seconds, exempt=run.exempt)
    for fault in run.faults:
        least = max(1, int(run.floor_seconds / seconds_between(fault) / 4))
        if injected[fault] < least:
            found.append(f"{fault} came {injected[fault]} times, at least {least} wanted")
    return found


def _judge(
    run: Run, history: History, books: Books, counts: Counts, injected: Counter[str]
) -> dict[str, list[str]]:
    found = {name: check(history, books) for name, check in CHECKS.items()}
    found["C8"] = missing(run, counts, injected)
    found["C9"] = check_settled(history, books, range(WORKERS))
    return found


def _orders(run: Run, url: str, accounts: list[int], folder: Path) -> list[Order]:
    return [
        Order(
            url=url, accounts=tuple(accounts), seed=run.seed, place=place, predecessors=0,
            folder=str(folder), began=0.0, stop=0.0, planted=run.planted,
            settle_seconds=SPOILT_SECONDS if run.is_spoilt else SETTLE_SECONDS,
        )
        for place in range(WORKERS)
    ]  # fmt: skip


@contextmanager
def _opened(url: str) -> Iterator[Bank]:
    bank = Bank.open(url, staff="admin", clock=lambda: START + LONG_AFTER, unsafe_settings="allow")
    try:
        yield bank
    finally:
        bank.close()


def _sweep(bank: Bank) -> int:
    """Lapse every hold, long after all of them are over; what is held even then is stuck."""
    try:
        while bank.holds.lapse_overdue().hold_ids:
            continue
    except EngineError as error:  # what cannot be swept stays held, and is seen
        print(f"the sweep failed: {error.code} {error.facts}", file=sys.stderr)
    with bank.engine.connect() as connection:
        held = "SELECT coalesce(sum(held), 0) FROM gb_account_head"
        return int(connection.exec_driver_sql(held).scalar_one())


def _set_isolation(url: str, level: str) -> None:
    """Every new session of this database runs at this level."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            f"ALTER DATABASE {engine.url.database} SET default_transaction_isolation = '{level}'"
        )
    engine.dispose()


# --- the program ---


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for, show a table, and say whether all is as it should be."""
    parser = _parser()
    given = parser.parse_args(arguments)
    engines = list(SERVERS) if given.engine == "all" else [given.engine]
    if why := _refused(given, engines):
        parser.error(why)
    runs = {engine: _runs(given, engine) for engine in engines}
    results = [result for each in runs.values() for result in _results(each)]
    if given.planted:
        print(table(results))
    return verdict(results, sum(map(len, runs.values())))


def verdict(results: list[Result], asked: int) -> int:
    """What the program ends with; whatever was not run is nothing that has passed."""
    if not all(result.is_as_wished for result in results):
        return 1
    if not results or len(results) < asked:
        print(f"of {asked} runs {asked - len(results)} were NOT RUN: this shows nothing of them")
        return NOT_RUN
    return 0


def _refused(given: argparse.Namespace, engines: list[str]) -> str | None:
    """Why there is nothing to be run."""
    if given.isolation and engines != ["postgresql"]:
        return (
            "--isolation is for PostgreSQL: SQLite has one level, and on MariaDB the library asks"
            " for READ COMMITTED itself, whatever the server is set to"
        )
    if given.planted and given.fault:
        return "--planted brings its own faults"
    if given.planted and not any(_runs(given, engine) for engine in engines):
        where = ", ".join(PLANTED[given.planted].engines)
        return f"{given.planted} is no fault on {given.engine}, only on {where}"
    if given.seconds <= 0 or (given.enough is not None and given.enough <= 0):
        return "nothing happens in no time"
    return None


def _results(runs: list[Run]) -> Iterator[Result]:
    """One after another on one stage, but for those that want a small disk."""
    with ExitStack() as stack:
        shared = None
        for run in runs:
            try:
                if run.takes_small_disk:
                    with stage(run.engine, small_disk=True) as own:
                        result = run_bank_test(run, own)
                else:
                    shared = shared or stack.enter_context(stage(run.engine))
                    result = run_bank_test(run, shared)
            except NotHere as reason:
                print(f"SKIPPED {run.engine} {_what(run)}: {reason}", flush=True)
                continue
            print(told(result), flush=True)
            yield result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--engine", choices=[*SERVERS, "all"], default="sqlite")
    parser.add_argument("--fault", default=None, help="names with commas, none, each or all")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each run")
    parser.add_argument(
        "--enough", type=float, default=None,
        help="end a run as soon as the floors of so many seconds are met, at the latest after"
        " --seconds; a planted fault has its own",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--planted", choices=[*PLANTED, BY_HAND, "all"], default=None)
    parser.add_argument("--isolation", choices=["read committed", "serializable"], default=None)
    return parser


def _runs(given: argparse.Namespace, engine: str) -> list[Run]:
    """The runs that are meant; `each` is one for each fault, `all` one with all of them."""
    plain = Run(
        engine=engine, faults=(), seconds=given.seconds, seed=given.seed, enough=given.enough,
        isolation=given.isolation,
    )  # fmt: skip
    if given.planted is not None:
        return [planted_run(plain, name) for name in _planted(given) if _is_fault(name, engine)]
    wanted = given.fault or "all"
    possible = FAULTS[engine]
    if wanted == "each":
        return [replace(plain, faults=(fault,)) for fault in possible]
    if wanted == "all":
        return [replace(plain, faults=possible)]
    faults = tuple(name for name in wanted.split(",") if name != "none")
    unknown = set(faults) - set(possible)
    if unknown:
        sys.exit(f"{engine} cannot be disturbed by {', '.join(sorted(unknown))}: {possible}")
    return [replace(plain, faults=faults)]


def _planted(given: argparse.Namespace) -> list[str]:
    return [BY_HAND, *PLANTED] if given.planted == "all" else [given.planted]


def _is_fault(name: str, engine: str) -> bool:
    return name == BY_HAND or engine in PLANTED[name].engines


def planted_run(plain: Run, name: str) -> Run:
    """A run with something planted. Clients are killed, so that something is left dangling."""
    run = replace(plain, planted=name, faults=("kill-clients",))
    enough = USUALLY_ENOUGH if name == BY_HAND else PLANTED[name].enough
    if enough is None:
        return replace(run, seconds=IDLE_SECONDS, enough=None)
    return replace(run, enough=plain.enough or enough)


def _what(run: Run) -> str:
    return f"planted: {run.planted}" if run.planted else "+".join(run.faults) or "no fault"


def told(result: Result) -> str:
    """A result in a few lines."""
    run, counts = result.run, result.counts
    said = "as it should be" if result.is_as_wished else "NOT AS IT SHOULD BE"
    level = f" at {run.isolation}" if run.isolation else ""
    long = f"{run.seconds:g} s" if run.enough is None else f"enough for {run.enough:g} s"
    lines = [
        f"{run.engine}{level}, {_what(run)}, {long}, seed {run.seed}: {said}",
        "  happened: " + ", ".join(f"{getattr(counts, n):g} {n}" for n in Counts.__slots__),
        "  injected: " + (", ".join(f"{n} {m}" for n, m in result.injected.items()) or "nothing"),
        "  red: " + (", ".join(result.red) or "none"),
    ]
    for name in result.red:
        faults = result.found[name]
        lines += [f"    {name}: {fault}" for fault in faults[:3]]
        lines += [f"    {name}: … {len(faults)} in all"] if len(faults) > 3 else []
    return "\n".join(lines)


def table(results: list[Result]) -> str:
    """The planted faults and who saw them, as the documentation shows it."""
    lines = ["| planted | engine | must be red | was red |", "|---|---|---|---|"]
    for result in results:
        name = str(result.run.planted)
        must = "none" if name == BY_HAND else " ".join(sorted(PLANTED[name].red))
        was = " ".join(name for name in result.red if name not in ("C8", "verify") or name == must)
        lines.append(f"| {name} | {result.run.engine} | {must} | {was or 'none'} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
