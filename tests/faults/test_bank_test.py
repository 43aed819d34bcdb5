"""The bank test in its short form: some seconds on each engine, and the planted faults.

The floors (C8) say how much must happen in a given time, and time is no matter for tests: here
they are left to the program, and every run must only have done something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests import mariadb
from tests.faults import bank_test
from tests.faults.bank_test import Result, Run, Stage, planted_run, run_bank_test, stage, told
from tests.faults.checks import Counts
from tests.faults.planted import BY_HAND
from tests.faults.troublemaker import FAULTS
from tests.mysqld import MariadbMissing

pytestmark = pytest.mark.slow

SECONDS = 6.0
#: On a busy machine little happens in some seconds: then a run gets so many times more of them.
LONGER = (1, 2, 4, 8)
#: Filling a disk takes root and a while: that is left to the program.
SHORT = {name: tuple(f for f in faults if f != "full-disk") for name, faults in FAULTS.items()}
#: Long enough for each of these; the program runs all of them, on every engine.
PLANTED_SECONDS = {"sqlite": 2.5, "postgresql": 4.0}
PLANTED_HERE = {
    "sqlite": (
        "no-lock", "overdraft", "two-transactions", "early-answer", "no-key", "torn-read",
        "forgetful",
    ),
    "postgresql": ("check-then-insert", "rowcount", "statement-retried"),
}  # fmt: skip


@pytest.fixture(scope="module")
def stages() -> Iterator[Callable[[str], Stage]]:
    """A server of each engine for all tests of this file, started when one asks for it."""
    made: dict[str, Stage] = {}
    with ExitStack() as stack:

        def ready(engine: str) -> Stage:
            if engine not in made:
                try:
                    made[engine] = stack.enter_context(stage(engine))
                except MariadbMissing:
                    pytest.skip(mariadb.ABSENT)
            return made[engine]

        yield ready


def _red(result: Result) -> set[str]:
    return set(result.red) - {"C8"}


@pytest.mark.parametrize("engine", sorted(SHORT))
def test_disturbed_clients_leave_nothing_to_find(
    stages: Callable[[str], Stage], engine: str
) -> None:
    for longer in LONGER:
        run = Run(engine=engine, faults=SHORT[engine], seconds=SECONDS * longer, seed=19 + longer)
        result = run_bank_test(run, stages(engine))
        assert not _red(result), told(result)
        counts = result.counts
        if all((counts.acknowledged, counts.reads, counts.replays, result.injected.total())):
            return
    pytest.fail(told(result))


def test_the_same_by_hand_with_nothing_wrong_is_no_fault(stages: Callable[[str], Stage]) -> None:
    """Only `verify` tells, for gifts by hand have not the library's hashes."""
    plain = Run(engine="sqlite", faults=(), seconds=PLANTED_SECONDS["sqlite"], seed=1)
    result = run_bank_test(planted_run(plain, BY_HAND), stages("sqlite"))
    assert result.is_as_wished, told(result)


@pytest.mark.parametrize(
    ("engine", "name"),
    [(engine, name) for engine, names in PLANTED_HERE.items() for name in names],
)
def test_each_planted_fault_is_seen(stages: Callable[[str], Stage], engine: str, name: str) -> None:
    for longer in LONGER:
        seconds = PLANTED_SECONDS[engine] * longer
        plain = Run(engine=engine, faults=(), seconds=seconds, seed=longer)
        result = run_bank_test(planted_run(plain, name), stages(engine))
        if result.is_as_wished:
            return
    pytest.fail(told(result))


def test_a_table_names_every_planted_fault_with_who_saw_it() -> None:
    run = Run(engine="sqlite", faults=("kill-clients",), seconds=4, seed=1, planted="idle")
    counts = Counts(1, 0, 0, 0, 0, 0, 0, 0, 0.0)
    found = {"C1": [], "C8": ["only 1"], "verify": ["a hash"]}
    result = Result(run=run, counts=counts, injected=Counter(), found=found)
    assert bank_test.table([result]).splitlines()[2:] == ["| idle | sqlite | C8 | C8 |"]
    assert result.is_as_wished
    assert not replace(result, run=replace(run, planted="no-key")).is_as_wished
    assert not replace(result, run=replace(run, planted=None)).is_as_wished
    assert "NOT AS IT SHOULD BE" in told(replace(result, run=replace(run, planted=None)))
