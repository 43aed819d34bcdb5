"""The bank test in its short form: on each engine until enough has happened, and planted faults.

The floors (C8) say how much must happen in 45 seconds. Time is no matter for tests: here a run
goes on until the floors of some seconds are met, however long that takes, and is red if they are
not met in a long time. All of them hold but one: how long nobody was answered. A planted fault has
one try, for it must be seen whenever so much has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.faults.bank_test import (
    NotHere,
    Run,
    Stage,
    planted_run,
    run_bank_test,
    stage,
    told,
)
from tests.faults.planted import BY_HAND, PLANTED
from tests.faults.troublemaker import FAULTS

pytestmark = pytest.mark.slow

#: The floors of so many seconds must be met, in so many at the most: here it takes about six.
ENOUGH, SECONDS_MAX = 6.0, 120.0
#: Filling a server's disk takes root and a while: that is left to the program.
SHORT = {
    engine: tuple(fault for fault in faults if fault != "full-disk" or engine == "sqlite")
    for engine, faults in FAULTS.items()
}
#: Every planted fault once, and twice those about locks and keys, where servers differ. The
#: program runs all of them on every engine.
PLANTED_HERE = {
    "sqlite": (
        "no-lock", "overdraft", "two-transactions", "no-key", "torn-read", "idle", "forgetful",
        "swapped-read", "false-conflict", "torn-balances", "as-of-now", "held-too-much",
        "greedy-step", "half-an-act",
    ),
    "postgresql": (
        "early-answer", "check-then-insert", "rowcount", "statement-retried", "stale-read",
        "left-out", "just-before", "booked-denial", "empty-hold",
    ),
    "mariadb": (
        "no-lock", "check-then-insert", "statement-retried", "misdirected", "fresh-answer",
        "torn-trial", "wrong-balance",
    ),
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
                except NotHere as reason:
                    pytest.skip(str(reason))
            return made[engine]

        yield ready


@pytest.mark.parametrize("engine", sorted(SHORT))
def test_disturbed_clients_leave_nothing_to_find(
    stages: Callable[[str], Stage], engine: str
) -> None:
    run = Run(
        engine=engine, faults=SHORT[engine], seconds=SECONDS_MAX, seed=20, enough=ENOUGH
    )  # fmt: skip
    result = run_bank_test(run, stages(engine))
    assert result.is_as_wished, told(result)
    assert result.injected.keys() == set(SHORT[engine])
    assert min(result.counts.unknown, result.counts.dangling) >= 2


def test_the_same_by_hand_with_nothing_wrong_is_no_fault(stages: Callable[[str], Stage]) -> None:
    """Only `verify` tells, for gifts by hand have not the library's hashes."""
    plain = Run(engine="sqlite", faults=(), seconds=SECONDS_MAX, seed=1)
    result = run_bank_test(planted_run(plain, BY_HAND), stages("sqlite"))
    assert result.is_as_wished, told(result)


@pytest.mark.parametrize(
    ("engine", "name"),
    [(engine, name) for engine, names in PLANTED_HERE.items() for name in names],
)
def test_each_planted_fault_is_seen(stages: Callable[[str], Stage], engine: str, name: str) -> None:
    plain = Run(engine=engine, faults=(), seconds=SECONDS_MAX, seed=1)
    result = run_bank_test(planted_run(plain, name), stages(engine))
    assert result.is_as_wished, told(result)


def test_no_planted_fault_is_left_out() -> None:
    assert {name for names in PLANTED_HERE.values() for name in names} == PLANTED.keys()
