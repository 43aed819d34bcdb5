"""A pytest plugin that runs mutants: the tests are collected once, each mutant is a forked child.

The child runs those tests that call the mutant's function, quick ones first, until one fails.
No test runs in the process that forks, so nothing that tests leave behind is handed on; what
queries were compiled before is forgotten.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from mutmut.mutation import trampoline

from gongyi_bank.store import transaction
from gongyi_bank.store.transaction import Query
from tests import sqlite
from tests.mutation.making import function_of

#: Names the file that says what is to be done.
JOB_VARIABLE = "GONGYI_BANK_MUTATION_JOB"
_SILENT_SECONDS = 20
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
    if "mutants" in job:
        _Run(session, job).go()
    else:
        _measure(session, Path(job["tests"]))
    return True


def _measure(session: pytest.Session, answer: Path) -> None:
    """Write down for each test how long it takes and which functions it calls."""
    calls: set[str] = set()
    trampoline.record_trampoline_hit = lambda name, caller=None: calls.add(name)
    trampoline.set_mutant_under_test("stats")
    found = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
    for item, then in _in_turn([item for item in session.items if item.nodeid not in found]):
        _forget_queries()
        calls.clear()
        begun = time.perf_counter()
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=then)
        found[item.nodeid] = {"seconds": time.perf_counter() - begun, "calls": sorted(calls)}
    answer.write_text(json.dumps(found), encoding="utf-8")


def _forget_queries() -> None:
    """Let every query be built anew: or only the first test would seem to call who builds it."""
    for thing in _queries():
        thing._compiled.clear()
    # Several that were asked at once were compiled into one statement, which is kept as well.
    transaction._made.clear()


@functools.cache
def _queries() -> list[Query]:
    return [thing for thing in gc.get_objects() if isinstance(thing, Query)]


def _in_turn(items: Sequence[pytest.Item]) -> list[tuple[pytest.Item, pytest.Item | None]]:
    """Each item with the one after it."""
    return list(zip(items, [*items[1:], None], strict=True))


@dataclass
class _Child:
    mutant: str
    items: list[pytest.Item]
    begun: float
    #: Where it says which test failed.
    answer: int


class _Run:
    """All mutants of a job, so many at a time."""

    def __init__(self, session: pytest.Session, job: dict[str, Any]) -> None:
        self._session, self._job = session, job
        self._tests = json.loads(Path(job["tests"]).read_text(encoding="utf-8"))
        self._items = {item.nodeid: item for item in session.items}
        self._children: dict[int, _Child] = {}
        #: How many mutants each test was run for, and how many it noticed.
        self._asked: Counter[str] = Counter()
        self._noticed_by: Counter[str] = Counter()

    def go(self) -> None:
        """Run them, and write down what became of each."""
        for prepare in (sqlite._found_district, sqlite.create_tables):
            sqlite._prepared(prepare)
        _forget_queries()
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
        so far, and to begin with those of the same noun and strong ones.
        """
        function = function_of(mutant)
        marks = (f"_{function.split('.')[2]}", *_STRONG)

        def worth(name: str) -> float:
            begins_with = 2.0 if any(mark in name for mark in marks) else 0.5
            likely = (self._noticed_by[name] + begins_with) / (self._asked[name] + 4)
            return likely / (self._tests[name]["seconds"] + 0.02)

        chosen, total = [], 0.0
        names = (
            name
            for name in self._items
            if name in self._tests and function in self._tests[name]["calls"]
        )
        for name in sorted(names, key=worth, reverse=True):
            seconds = self._tests[name]["seconds"]
            if total + seconds <= self._job["seconds"] or not chosen:
                chosen.append(self._items[name])
                total += seconds
        return chosen, total

    def _start(self, mutant: str, items: list[pytest.Item], seconds: float) -> None:
        reading, writing = os.pipe()
        process = os.fork()
        if process:
            os.close(writing)
            self._children[process] = _Child(mutant, items, time.monotonic(), reading)
            return
        os.close(reading)
        # Whoever waits for ever is ended by this signal.
        signal.setitimer(signal.ITIMER_REAL, _SILENT_SECONDS + 10 * seconds)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        trampoline.set_mutant_under_test(mutant)
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
        process, status = os.wait()
        child = self._children.pop(process)
        with os.fdopen(child.answer, "rb") as reading:
            noticed_by = reading.read().decode()
        self._learn(child, noticed_by)
        code = os.waitstatus_to_exitcode(status)
        became = {0: "survived", 1: "killed", -signal.SIGALRM: "too slow"}.get(code, "crashed")
        seconds = round(time.monotonic() - child.begun, 2)
        return {"mutant": child.mutant, "became": became, "by": noticed_by, "seconds": seconds}

    def _learn(self, child: _Child, noticed_by: str) -> None:
        """Remember which tests were run for it, and which of them noticed it."""
        for item in child.items:
            self._asked[item.nodeid] += 1
            if item.nodeid == noticed_by:
                self._noticed_by[noticed_by] += 1
                return
