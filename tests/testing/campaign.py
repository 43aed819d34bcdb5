"""How often the machine gets each act done: a program that fails where an act never succeeds.

    python -m tests.testing.campaign --runs 300 --steps 50

Runs on SQLite in memory, the same ones every time; with `--database` on a database of yours, where
connections are lost too. With `--as expiry` points live for a month; with `--as various` each ten
runs have a zone, a beginning, a scale and policies of their own (`settings_of`). For each act it
tells how often it was booked (it wrote a voucher), answered without one (a replay, or nothing to
do), and refused, and with which codes. An act that is always refused is not tested by the machine,
however often it is tried. What the machine finds ends the program, and says under which settings.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
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
from gongyi_bank.policies import (
    AccountRules,
    ClosingRules,
    HoldRules,
    HourLimits,
    PassbookRules,
    PointsExpiry,
    Policy,
    RedemptionRules,
    ReversalRules,
    TransferRules,
)
from gongyi_bank.store.engines import connect
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import MAKERS
from gongyi_bank.values import Points

IN_MEMORY = "sqlite://"
NAMES = ("plain", "expiry", "various")
A_MONTH = PointsExpiry(mode="months", length=1)
#: Where clocks jump within weeks of these beginnings, or months and years end, or nothing does.
BEGINNINGS = (
    ("Asia/Shanghai", dt.datetime(2024, 1, 30, 15, tzinfo=dt.UTC)),
    ("Asia/Shanghai", dt.datetime(2023, 12, 30, 15, 59, tzinfo=dt.UTC)),
    ("America/Santiago", dt.datetime(2022, 9, 9, 12, tzinfo=dt.UTC)),
    ("America/Asuncion", dt.datetime(2022, 3, 25, 12, tzinfo=dt.UTC)),
    ("America/New_York", dt.datetime(2022, 11, 3, 12, tzinfo=dt.UTC)),
    ("Africa/Cairo", dt.datetime(2023, 4, 26, 12, tzinfo=dt.UTC)),
    ("Africa/Casablanca", dt.datetime(2022, 12, 30, 12, tzinfo=dt.UTC)),
    ("Australia/Lord_Howe", dt.datetime(2023, 3, 30, 12, tzinfo=dt.UTC)),
    ("Pacific/Kiritimati", dt.datetime(2024, 2, 27, 9, tzinfo=dt.UTC)),
)
#: Of each kind one is adopted, or the one that ships stays.
CHOICES: tuple[tuple[Policy, ...], ...] = (
    (
        PointsExpiry(mode="months", length=0), A_MONTH, PointsExpiry(mode="months", length=2),
        PointsExpiry(mode="calendar_years", length=0),
    ),
    (
        ReversalRules(spent="debt"), ReversalRules(spent="take_available"),
        ReversalRules(spent="debt", refund_validity="fresh"),
        ReversalRules(refund_validity="fresh"),
    ),
    (
        TransferRules(arrival="fresh"), TransferRules(may_give_on=False, arrival="fresh"),
        TransferRules(gift_count_month_max=2, donation_points_month_max=Points(5)),
        TransferRules(title_by="counter", grantee_count_year_max=2, gift_points_year_max=None),
    ),
    (HoldRules(hours=1, hours_max=2), HoldRules(hours=4, hours_max=2000)),
    (RedemptionRules(reservation_hours=1, quantity_max=3), RedemptionRules(reservation_hours=2000)),
    (
        HourLimits(daily_minutes_free=60, daily_minutes_branch=120),
        HourLimits(record_minutes_max=90),
    ),
    (ClosingRules(late_work="refuse"),),
    (PassbookRules(pages=1, rows_per_page=2, oral_loss_days=1, reissue_wait_days=0),),
    (AccountRules(dormant_months=1),),
)  # fmt: skip
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


def settings_of(name: str, number: int) -> tuple[Mapping[str, Any], dt.datetime]:
    """What banks are founded with, and when, for the runs under one seed."""
    if name != "various":
        return {"policies": (A_MONTH,) if name == "expiry" else ()}, BankMachine.begins_at
    chance = random.Random(number)
    zone, begins_at = chance.choice(BEGINNINGS)
    chosen = [chance.choice(kinds) for kinds in CHOICES if chance.random() < 0.5]
    return {"policies": chosen, "scale": chance.randint(2, 4), "time_zone": zone}, begins_at


def campaign(
    *, runs: int, steps: int, first_seed: int = 0, url: str = IN_MEMORY, name: str = "plain"
) -> Tally:
    """Runs of the machine, counted. Raises what the machine finds."""
    tally = Tally()
    engine = connect(url) if url != IN_MEMORY else None

    class Counted(BankMachine):
        may_lose: ClassVar[bool] = engine is not None

        def found(self, **given: Any) -> Bank:
            return Bank.found(engine or IN_MEMORY, unsafe_settings="allow", **given)

        def observe(self, staff: str, command: Command, said: Any) -> None:
            tally.add(command.act, said, self)

    for number, begun in enumerate(range(0, runs, RUNS_PER_SEED), first_seed):
        chosen = settings(
            max_examples=min(RUNS_PER_SEED, runs - begun), stateful_step_count=steps,
            deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        Counted.founding, Counted.begins_at = settings_of(name, number)
        try:
            run_state_machine_as_test(seed(number)(Counted), settings=chosen)
        except BaseException as found:
            found.add_note(f"seed {number}, from {Counted.begins_at}: {dict(Counted.founding)}")
            raise
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign, print its table, and tell by the exit code whether every act was booked."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.testing.campaign")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--database", default=IN_MEMORY, help="a URL; banks are founded there")
    parser.add_argument(
        "--as", dest="name", choices=NAMES, default="plain", help="what banks are founded with"
    )
    parser.add_argument("--least", type=int, default=1, help="how often each act must be booked")
    chosen = parser.parse_args(arguments)
    tally = campaign(
        runs=chosen.runs, steps=chosen.steps, first_seed=chosen.seed, url=chosen.database,
        name=chosen.name,
    )  # fmt: skip
    print(*tally.lines(), sep="\n")
    missing = tally.below(chosen.least)
    if missing:
        print(f"booked less than {chosen.least} times: {', '.join(missing)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
