"""Simulate from the command line: one seed, so many, or one after the other until a time.

python -m tests.simulation --seed 7 --acts 2000
python -m tests.simulation --seed 1000 --seeds 90 --acts 500
python -m tests.simulation --minutes 30
python -m tests.simulation --until 06:30
python -m tests.simulation --seed 7 --acts 400 --planted lost-commit
"""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import sys
import time
from collections import Counter

from tests import memory
from tests.simulation.planted import Planted
from tests.simulation.world import Told, World


def told(seed: int, acts: int, clients: int, planted: Planted | None = None) -> Told:
    """One run in a folder of its own."""
    with memory.folder("gb-simulation-") as folder:
        return World(folder, seed, clients=clients, planted=planted).run(acts)


def command(seed: int, given: argparse.Namespace) -> str:
    """What repeats a run."""
    planted = f" --planted {given.planted}" if given.planted else ""
    return (
        f"python -m tests.simulation --seed {seed} --acts {given.acts}"
        f" --clients {given.clients}{planted}"
    )


def main(words: list[str]) -> int:
    """Run, print what happened, and end with 1 where something was wrong."""
    given = _parser().parse_args(words)
    # The pool writes down every ROLLBACK that we let fail.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    planted = Planted(given.planted) if given.planted else None
    give_up_at = _end_of(given)
    seed, totals = given.seed, Counter[str]()
    failures, done, lines = Counter[str](), Counter[str](), Counter[str]()
    while True:
        try:
            run = told(seed, given.acts, given.clients, planted)
        except BaseException:
            print(f"\nFAILED with seed {seed}; this repeats it:\n  {command(seed, given)}\n")
            raise
        failures.update(run.failures)
        done.update(run.committed)
        lines.update(run.lines)
        totals.update(
            runs=1, acts=run.acts, statements=run.statements, committed=sum(run.committed.values()),
            acknowledged=run.acknowledged, reads=run.reads, refused=sum(run.refused.values()),
            audits=run.audits, days=run.days,
        )  # fmt: skip
        print(f"seed {seed}: {run.acts} acts, {run.statements} statements, sound; {run.digest}")
        seed += 1
        if seed - given.seed >= given.seeds and (give_up_at is None or time.time() >= give_up_at):
            break
    print(", ".join(f"{name} {count}" for name, count in totals.items()))
    _show("committed", done)
    _show("lines written", lines)
    _show("failures injected", failures)
    return 0


def _show(title: str, counts: Counter[str]) -> None:
    print(f"{title}: {sum(counts.values())}")
    for name, count in sorted(counts.items()):
        print(f"  {name:28} {count}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="so many of them, one by one")
    parser.add_argument("--acts", type=int, default=2000, help="units of work in a run")
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--minutes", type=float, help="go on with the next seed so long")
    parser.add_argument("--until", help="go on until this time of the day, HH:MM")
    parser.add_argument("--planted", choices=[str(fault) for fault in Planted])
    return parser


def _end_of(given: argparse.Namespace) -> float | None:
    """When to begin no further seed; None for no more than were asked for."""
    if given.minutes is not None:
        return time.time() + 60 * given.minutes
    if given.until is None:
        return None
    now = dt.datetime.now().astimezone()
    hour, minute = map(int, given.until.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (end if end > now else end + dt.timedelta(days=1)).timestamp()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
