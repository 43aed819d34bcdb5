"""Simulate from the command line: one seed, so many, or one after the other until a time.

python -m tests.simulation --seed 7 --acts 2000
python -m tests.simulation --seed 1000 --seeds 90 --acts 500
python -m tests.simulation --minutes 30
python -m tests.simulation --until 06:30
python -m tests.simulation --seed 7 --acts 400 --planted lost-commit

A run in which next to nothing was booked, read or made to fail shows nothing: it is told as EMPTY,
and the program ends with 1. With --planted it ends with 1 unless the fault is seen.
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
from tests.simulation.wire import Broken
from tests.simulation.world import Told, World

#: Of so many acts at least one must have been acknowledged, one statement have failed, and somebody
#: have read: a fraction of what happens (some 2, 3 and 6). Never fewer than one.
ACTS_FOR_ONE = {"acknowledged": 10, "failures": 10, "reads": 50}


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
    empty: list[int] = []
    while True:
        try:
            run = told(seed, given.acts, given.clients, planted)
        except BaseException as found:
            if planted and isinstance(found, Broken):
                print(f"{planted} was seen; this repeats it:\n  {command(seed, given)}\n{found}")
                return 0
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
        lacks = lacking(run)
        verdict = f"EMPTY: {', '.join(lacks)}" if lacks else "sound"
        print(f"seed {seed}: {run.acts} acts, {run.statements} statements, {verdict}; {run.digest}")
        empty += [seed] if lacks else []
        seed += 1
        if seed - given.seed >= given.seeds and (give_up_at is None or time.time() >= give_up_at):
            break
    print(", ".join(f"{name} {count}" for name, count in totals.items()))
    _show("committed", done)
    _show("lines written", lines)
    _show("failures injected", failures)
    if planted:
        print(f"{planted} was NOT SEEN")
    if empty:
        print(f"of {totals['runs']} runs {len(empty)} were EMPTY and show nothing; take more acts")
    return 1 if planted or empty else 0


def lacking(run: Told) -> list[str]:
    """What happened too seldom for the run to mean something, in words."""
    happened = {
        "acknowledged": run.acknowledged,
        "failures": sum(run.failures.values()),
        "reads": run.reads,
    }
    least = {name: max(1, run.acts // acts) for name, acts in ACTS_FOR_ONE.items()}
    return [
        f"only {found} {name}, at least {least[name]} wanted"
        for name, found in happened.items()
        if found < least[name]
    ]


def _show(title: str, counts: Counter[str]) -> None:
    print(f"{title}: {sum(counts.values())}")
    for name, count in sorted(counts.items()):
        print(f"  {name:28} {count}")


def _some(word: str) -> int:
    """A number of things of which there must be one."""
    if int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} shows nothing; at least 1")
    return int(word)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=_some, default=1, help="so many of them, one by one")
    parser.add_argument("--acts", type=_some, default=2000, help="units of work in a run")
    parser.add_argument("--clients", type=_some, default=5)
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
