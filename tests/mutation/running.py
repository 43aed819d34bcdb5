"""A pytest plugin that runs mutants: the tests are collected once, each mutant is a forked child.

The child runs those tests that call the mutant's function, quick ones first, until one fails.
No test runs in the process that forks, so nothing that tests leave behind is handed on. Every act
was done there once, so that a child need not pay for what is made when it is first used; but a
mutant of the store forgets the queries that were compiled before.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from mutmut.mutation import trampoline

from gongyi_bank.store import transaction
from gongyi_bank.store.transaction import Query
from tests import conftest, postgresql, sqlite
from tests.acts import ACTS, keyed
from tests.district import District
from tests.mutation.making import function_of
from tests.postgresql import PostgresqlServer

#: Names the file that says what is to be done.
JOB_VARIABLE = "GONGYI_BANK_MUTATION_JOB"
_SILENT_SECONDS = 10
#: Only here are statements made, and they ask nothing of the service: what was made before an act
#: of the service is what would be made in it.
_MAKES_QUERIES = "gongyi_bank.store."
_BECAME = {
    0: "survived",
    1: "killed",
    -signal.SIGALRM: "too slow",
    -signal.SIGPROF: "too slow",
}
#: Files whose tests compare two banks, or all that an act leaves behind.
_STRONG = tuple(
    "_reference_ _audited_ _locked_before_ _exactly _given _living _facts _neighbours".split()
)


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """What fails need not be made smaller, nor kept for the next."""
    quiet = settings(phases=[Phase.explicit, Phase.generate], database=None)
    settings.register_profile("mutation", parent=quiet, max_examples=30, deadline=None)
    settings.load_profile("mutation")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Measure the tests, or run the mutants, instead of running the tests."""
    job = json.loads(Path(os.environ[JOB_VARIABLE]).read_text(encoding="utf-8"))
    with ExitStack() as stack:
        if any(_needs_server(item) for item in session.items):
            _share(stack.enter_context(postgresql.running_server(in_memory=True)))
        if "mutants" in job:
            _Run(session, job).go()
        else:
            _measure(session, Path(job["tests"]))
    return True


def _needs_server(item: pytest.Item) -> bool:
    """Whether a test runs on PostgreSQL, by its name or by what it asks for."""
    names = (item.nodeid, *getattr(item, "fixturenames", ()))
    return any("postgresql" in name for name in names)


def _share(server: PostgresqlServer) -> None:
    """Let every child use this server, with databases of its own."""
    for prepare in (postgresql._found_district, postgresql.create_tables):
        server._template(prepare)
    server._engine.dispose()
    conftest.running_server = lambda **_: nullcontext(server)


def _measure(session: pytest.Session, answer: Path) -> None:
    """Write down for each test how long it computes and which functions it calls."""
    calls: set[str] = set()
    trampoline.record_trampoline_hit = lambda name, caller=None: calls.add(name)
    trampoline.set_mutant_under_test("stats")
    found = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
    for item, then in _in_turn([item for item in session.items if item.nodeid not in found]):
        _forget()
        calls.clear()
        begun, failed = time.process_time(), session.testsfailed
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=then)
        # What fails without any mutant (it reads the code, where mutants stand now) judges none.
        judged = sorted(calls) if session.testsfailed == failed else []
        found[item.nodeid] = {"seconds": time.process_time() - begun, "calls": judged}
    answer.write_text(json.dumps(found), encoding="utf-8")
    session.testsfailed = 0  # told above, and no reason not to run the mutants


def _forget() -> None:
    """Let whatever is kept be made anew: or only the first test would seem to call who makes it."""
    queries, caches = _kept()
    for query in queries:
        query._compiled.clear()
    # Several that were asked at once were compiled into one statement, which is kept as well.
    transaction._made.clear()
    for cache in caches:
        cache.cache_clear()


@functools.cache
def _kept() -> tuple[list[Query], list[Any]]:
    """All queries, and all functions of the library that remember what they gave."""
    things = gc.get_objects()
    kinds = (thing for thing in things if isinstance(thing, functools._lru_cache_wrapper))
    caches = [kind for kind in kinds if (kind.__module__ or "").startswith("gongyi_bank.")]
    return [thing for thing in things if isinstance(thing, Query)], caches


def _run_every_act() -> None:
    """Whatever is made when it is first used is made: what all mutants share, they find."""
    for make_case in ACTS.values():
        with sqlite.SqliteFiles().database_with_district() as url:
            district = District(url, is_founded=True)
            by, command, _ = make_case(district)
            district.acting(by).execute(keyed(command))
            district.close()


def _in_turn(items: Sequence[pytest.Item]) -> list[tuple[pytest.Item, pytest.Item | None]]:
    """Each item with the one after it."""
    return list(zip(items, [*items[1:], None], strict=True))


@dataclass
class _Child:
    mutant: str
    items: list[pytest.Item]
    #: Where it says which test failed.
    answer: int


class _Run:
    """All mutants of a job, so many at a time."""

    def __init__(self, session: pytest.Session, job: dict[str, Any]) -> None:
        self._session, self._job = session, job
        self._tests = json.loads(Path(job["tests"]).read_text(encoding="utf-8"))
        self._items = {item.nodeid: item for item in session.items}
        #: The tests that call a function.
        self._callers: dict[str, list[str]] = {}
        for name in self._items.keys() & self._tests.keys():
            for function in self._tests[name]["calls"]:
                self._callers.setdefault(function, []).append(name)
        #: The same in the order in which they are tried, until something is learned of it.
        self._ordered: dict[str, list[str]] = {}
        self._children: dict[int, _Child] = {}
        #: How many mutants of what each test was run for, and how many it noticed.
        self._asked: Counter[tuple[str, str]] = Counter()
        self._noticed_by: Counter[tuple[str, str]] = Counter()
        self._remember(Path(job["answer"]))

    def go(self) -> None:
        """Run them, and write down what became of each."""
        for prepare in (sqlite._found_district, sqlite.create_tables):
            sqlite._prepared(prepare)
        _kept()
        _run_every_act()
        gc.collect()
        gc.freeze()
        with Path(self._job["answer"]).open("a", encoding="utf-8") as answer:
            for mutant in self._job["mutants"]:
                items, seconds = self._chosen(mutant)
                if not items:
                    print(json.dumps({"mutant": mutant, "became": "no tests"}), file=answer)
                    continue
                if len(self._children) == self._job["children"]:
                    print(json.dumps(self._next_ended()), file=answer, flush=True)
                self._start(mutant, items, seconds)
            while self._children:
                print(json.dumps(self._next_ended()), file=answer, flush=True)

    def _chosen(self, mutant: str) -> tuple[list[pytest.Item], float]:
        """The tests that call its function, as many as the time allows, and how long they take.

        Those come first that are likely to notice much in little time: by what they have noticed
        so far, of this function and its neighbours above all, and to begin with those of the same
        noun and strong ones.
        """
        function = function_of(mutant)
        if function not in self._ordered:
            self._ordered[function] = self._in_order(mutant, function)
        chosen, total = [], 0.0
        for name in self._ordered[function]:
            seconds = self._tests[name]["seconds"]
            if total + seconds <= self._job["seconds"] or not chosen:
                chosen.append(self._items[name])
                total += seconds
        return chosen, total

    def _in_order(self, mutant: str, function: str) -> list[str]:
        kin = _kin_of(mutant)
        _, floor, noun, *_ = function.split(".")
        marks = (f"_{noun}", *_STRONG, *(["tests/store/"] if floor == "store" else []))

        def worth(name: str) -> float:
            likely = 0.5 if any(mark in name for mark in marks) else 0.04
            for one in kin:
                noticed, asked = self._noticed_by[one, name], self._asked[one, name]
                likely = (noticed + 2 * likely) / (asked + 2)
            return likely / (self._tests[name]["seconds"] + 0.02)

        worths = {name: worth(name) for name in self._callers.get(function, ())}
        names = sorted(worths, key=worths.__getitem__, reverse=True)
        # Where one case of a test has noticed nothing, the next will hardly.
        cases: Counter[str] = Counter()
        for name in names:
            cases[name.partition("[")[0]] += 1
            worths[name] /= cases[name.partition("[")[0]]
        return sorted(names, key=worths.__getitem__, reverse=True)

    def _start(self, mutant: str, items: list[pytest.Item], seconds: float) -> None:
        reading, writing = os.pipe()
        process = os.fork()
        if process:
            os.close(writing)
            self._children[process] = _Child(mutant, items, reading)
            return
        os.close(reading)
        # Whoever waits for ever, or runs in a circle, is ended by one of these signals.
        signal.setitimer(signal.ITIMER_REAL, 12 * _SILENT_SECONDS + 60 * seconds)
        signal.setitimer(signal.ITIMER_PROF, _SILENT_SECONDS + 2 * seconds)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        trampoline.get_mutant_under_test = lambda: mutant
        if mutant.startswith(_MAKES_QUERIES):
            _forget()
        os._exit(self._noticed(items, writing))

    def _noticed(self, items: list[pytest.Item], writing: int) -> int:
        """Run the tests until one fails; 1 if one does."""
        for item, then in _in_turn(items):
            self._session.config.hook.pytest_runtest_protocol(item=item, nextitem=then)
            if self._session.testsfailed:
                os.write(writing, item.nodeid.encode())
                return 1
        return 0

    def _next_ended(self) -> dict[str, Any]:
        """Wait until a child has ended; what became of its mutant."""
        process, status, used = os.wait3(0)
        child = self._children.pop(process)
        with os.fdopen(child.answer, "rb") as reading:
            noticed_by = reading.read().decode()
        self._learn(child, noticed_by)
        became = _BECAME.get(os.waitstatus_to_exitcode(status), "crashed")
        seconds = round(used.ru_utime + used.ru_stime, 2)
        return {"mutant": child.mutant, "became": became, "by": noticed_by, "seconds": seconds}

    def _learn(self, child: _Child, noticed_by: str) -> None:
        """Remember which tests were run for it, and which of them noticed it."""
        if child.items[0].nodeid != noticed_by:
            self._ordered.pop(function_of(child.mutant), None)
        for item in child.items:
            for kin in _kin_of(child.mutant):
                self._asked[kin, item.nodeid] += 1
                self._noticed_by[kin, item.nodeid] += item.nodeid == noticed_by
            if item.nodeid == noticed_by:
                return

    def _remember(self, answer: Path) -> None:
        """Begin with what earlier runs have found."""
        lines = answer.read_text(encoding="utf-8").splitlines() if answer.exists() else []
        for found in map(json.loads, lines):
            if found.get("by"):
                for kin in _kin_of(found["mutant"]):
                    self._asked[kin, found["by"]] += 1
                    self._noticed_by[kin, found["by"]] += 1


def _kin_of(mutant: str) -> tuple[str, str, str]:
    """All mutants, those of its module, and those of its function."""
    return "", mutant.rpartition(".")[0], function_of(mutant)
