"""How often the machine gets each act done: a program that fails where an act never succeeds.

    python -m tests.testing.campaign --runs 300 --steps 50

Runs on SQLite in memory, the same ones every time; with `--database` on a database of yours, where
connections are lost too, and with `--expiry` where points live for a month. For each act it tells
how often it was booked (it wrote a voucher), answered without one (a replay, or nothing to do), and
refused, and with which codes. An act that is always refused is not tested by the machine, however
often it is tried.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from gongyi_bank.bank import Bank
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.store.engines import connect
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import MAKERS

IN_MEMORY = "sqlite://"
A_MONTH = PointsExpiry(mode="months", length=1)
#: Hypothesis varies what it has drawn before, so runs under one seed resemble each other.
RUNS_PER_SEED = 10


class Tally:
    """What became of the acts of a campaign."""

    def __init__(self) -> None:
        self.booked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        #: By act, and the code of the refusal.
        self.refused: dict[str, Counter[str]] = {act: Counter() for act in MAKERS}
        #: How often it was booked by a clock that was behind, and how often at a later moment.
        self.booked_behind: Counter[str] = Counter()
        self.booked_later = 0
        self._vouchers: set[UUID] = set()

    def add(self, act: str, said: Any, machine: BankMachine) -> None:
        """One more answer: a refusal, or a receipt whose voucher is new if something was booked."""
        now, latest = machine.clock.now, machine.latest
        if isinstance(said, GongyiBankError):
            self.refused[act][said.code] += 1
        elif said.voucher_id is None or said.voucher_id in self._vouchers:
            self.answered[act] += 1
        else:
            self.booked[act] += 1
            self.booked_behind[act] += now < latest
            self.booked_later += said.booked_at > now
            self._vouchers.add(said.voucher_id)

    def below(self, least: int) -> list[str]:
        """Acts that were booked less often."""
        return sorted(act for act in MAKERS if self.booked[act] < least)

    def lines(self) -> Iterator[str]:
        """A table, the rarest act first."""
        yield f"{'act':26}{'booked':>8}{'answered':>10}{'refused':>9}  codes"
        for act in sorted(MAKERS, key=lambda act: (self.booked[act], act)):
            codes = self.refused[act]
            shown = ", ".join(f"{code} {count}" for code, count in codes.most_common(3))
            more = f", and {len(codes) - 3} more" if len(codes) > 3 else ""
            yield (
                f"{act:26}{self.booked[act]:8}{self.answered[act]:10}{codes.total():9}"
                f"  {shown}{more}"
            )
        pairs = sum(len(codes) for codes in self.refused.values())
        yield (
            f"{len(MAKERS)} acts: {self.booked.total()} booked, {self.answered.total()} answered,"
            f" {sum(codes.total() for codes in self.refused.values())} refused in {pairs} ways;"
            f" {self.booked_behind.total()} booked by clocks that were behind, of"
            f" {len(+self.booked_behind)} acts, {self.booked_later} at a later moment than theirs"
        )


def campaign(
    *, runs: int, steps: int, first_seed: int = 0, url: str = IN_MEMORY, expiry: bool = False
) -> Tally:
    """Runs of the machine, counted. Raises what the machine finds."""
    tally = Tally()
    engine = connect(url) if url != IN_MEMORY else None

    class Counted(BankMachine):
        may_lose: ClassVar[bool] = engine is not None
        founding: ClassVar[Mapping[str, Any]] = {"policies": (A_MONTH,)} if expiry else {}

        def found(self, **given: Any) -> Bank:
            return Bank.found(engine or IN_MEMORY, unsafe_settings="allow", **given)

        def observe(self, staff: str, command: Command, said: Any) -> None:
            tally.add(command.act, said, self)

    for number, begun in enumerate(range(0, runs, RUNS_PER_SEED)):
        chosen = settings(
            max_examples=min(RUNS_PER_SEED, runs - begun), stateful_step_count=steps,
            deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        run_state_machine_as_test(seed(first_seed + number)(Counted), settings=chosen)
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign, print its table, and tell by the exit code whether every act was booked."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.testing.campaign")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--database", default=IN_MEMORY, help="a URL; banks are founded there")
    parser.add_argument("--expiry", action="store_true", help="points live for a month")
    parser.add_argument("--least", type=int, default=1, help="how often each act must be booked")
    chosen = parser.parse_args(arguments)
    tally = campaign(
        runs=chosen.runs, steps=chosen.steps, first_seed=chosen.seed, url=chosen.database,
        expiry=chosen.expiry,
    )  # fmt: skip
    print(*tally.lines(), sep="\n")
    missing = tally.below(chosen.least)
    if missing:
        print(f"booked less than {chosen.least} times: {', '.join(missing)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
