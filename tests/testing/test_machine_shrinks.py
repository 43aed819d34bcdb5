"""A fault that the machine meets among many steps is told in few."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from gongyi_bank.service import holds
from gongyi_bank.testing import BankMachine

#: How many runs may find the fault under one seed, under how many seeds, and how many more may tell
#: it in few steps: under every second or third seed forty find it, and two hundred more tell it.
RUNS_MAX, SEEDS_MAX, SHRINKING_MAX = 40, 40, 250
STEPS, STEPS_TOLD_MAX = 20, 12


class Enough(BaseException):
    """As many runs were made as may be; Hypothesis lets it pass."""


class Counted(BankMachine):
    """Counts the runs since the first that failed, and the steps of those that do."""

    failed: ClassVar[list[int]] = []
    runs_since: ClassVar[list[int]] = []

    def __init__(self) -> None:
        if self.failed:
            self.runs_since.append(1)
            if min(self.failed) <= STEPS_TOLD_MAX or len(self.runs_since) > SHRINKING_MAX:
                raise Enough
        #: The books are compared before the first step, too.
        self.steps = 0
        super().__init__()

    def _held_against(self, *answer: Any) -> Any:
        try:
            return super()._held_against(*answer)
        except AssertionError:
            self.failed.append(self.steps)
            raise

    def _compare_rows(self, *only: str) -> None:
        super()._compare_rows(*only)
        self.steps += 1


def take_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bank, not the reference, takes one unit too little when a hold is captured again."""
    rules = holds.rules

    def decide_amount(hold: Any, *asked: Any) -> int:
        amount = rules.decide_amount(hold, *asked)
        return max(amount - 1, 1) if hold.captured else amount

    changed = SimpleNamespace(**{**vars(rules), "decide_amount": decide_amount})
    monkeypatch.setattr(holds, "rules", changed)


@pytest.mark.slow
def test_a_fault_that_takes_two_captures_is_told_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_too_little(monkeypatch)
    for number in range(SEEDS_MAX):
        Counted.failed.clear()
        Counted.runs_since.clear()
        chosen = settings(
            max_examples=RUNS_MAX, stateful_step_count=STEPS, deadline=None, database=None,
            phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        with contextlib.suppress(AssertionError, Enough, Flaky):
            run_state_machine_as_test(seed(number)(Counted), settings=chosen)
        if Counted.failed and Counted.failed[0] > STEPS_TOLD_MAX:
            break
    found, *shorter = Counted.failed
    assert found > STEPS_TOLD_MAX >= min(shorter)
