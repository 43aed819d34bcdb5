"""Run mutants of the posting path: `python -m tests.mutation`, from the repository's root.

python -m tests.mutation                                   make them, and run them all
python -m tests.mutation "gongyi_bank.store.ledger.*"      those of a module
python -m tests.mutation --again                           those that survived
python -m tests.mutation --show                            the table, and the survivors
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
from collections import Counter

from tests.mutation.making import HOME, difference, make
from tests.mutation.running import JOB_VARIABLE

TESTS = (
    "tests/service",
    "tests/store",
    "tests/testing",
    "tests/security",
    "tests/regressions",
    "tests/reports",
    "tests/takeover",
    "tests/tidy/test_tenancy.py",
    "tests/test_group_commit.py",
)
_LEFT = ("survived", "no tests")
_MUTANTS, _MEASURED, _ANSWER = "mutants.json", "tests.json", "answer.jsonl"


def main() -> None:
    """Do what the command line asks."""
    asked = _parser().parse_args()
    if asked.make or not (HOME / _MUTANTS).exists():
        (HOME / _MUTANTS).write_text(json.dumps(make()), encoding="utf-8")
    if asked.measure or not (HOME / _MEASURED).exists():
        _pytest({}, asked.tests)
    if not asked.show:
        _pytest(
            {
                "mutants": _wanted(asked),
                "children": asked.children,
                "seconds": asked.seconds,
                "answer": _ANSWER,
            },
            asked.tests,
        )
    _show(asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("names", nargs="*", default=["*"], help="patterns of mutants' names")
    parser.add_argument("--make", action="store_true", help="make the workshop anew first")
    parser.add_argument("--measure", action="store_true", help="measure new tests first")
    parser.add_argument("--again", action="store_true", help="only those that survived")
    parser.add_argument("--show", action="store_true", help="run nothing, show what was found")
    parser.add_argument("--spread", action="store_true", help="a fair sample, that grows")
    parser.add_argument("--every", type=int, default=1, help="only every N-th mutant")
    parser.add_argument("--children", type=int, default=2, help="how many at a time")
    parser.add_argument("--seconds", type=float, default=20, help="of tests for each mutant")
    parser.add_argument(
        "--tests", default="not postgresql and not mariadb", help="which tests, as pytest's -k"
    )
    return parser


def _wanted(asked: argparse.Namespace) -> list[str]:
    """The mutants to be run: those not run before, or those that were not noticed.

    Those come first whose pattern does; spread out, every second one comes last, every fourth
    before those, and so on: whenever it is ended, what was run is a fair sample.
    """
    wanted = _LEFT if asked.again else (None,)
    became = _became()
    names = json.loads((HOME / _MUTANTS).read_text(encoding="utf-8"))[:: asked.every]
    left = [name for name in names if became.get(name, {}).get("became") in wanted]
    chosen = (name for pattern in asked.names for name in fnmatch.filter(left, pattern))
    listed = list(dict.fromkeys(chosen))
    if asked.spread:
        place = {name: i for i, name in enumerate(names)}
        listed.sort(key=lambda name: -(place[name] & -place[name]))
    return listed


def _became() -> dict[str, dict[str, str]]:
    """What became of each mutant that was run, the last time."""
    path = HOME / _ANSWER
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    answers = [json.loads(line) for line in lines]
    return {answer["mutant"]: answer for answer in answers}


def _pytest(job: dict[str, object], tests: str) -> None:
    """Run the plugin in the workshop."""
    (HOME / "job.json").write_text(json.dumps({"tests": _MEASURED} | job), encoding="utf-8")
    subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-s", "-n0", "--tb=native", "--assert=plain",
            "-p", "no:cacheprovider", "-p", "tests.mutation.running", "--hypothesis-seed=1",
            "-k", tests, *TESTS,
        ],
        cwd=HOME,
        env=os.environ | {JOB_VARIABLE: "job.json", "MUTANT_UNDER_TEST": ""},
        check=True,
    )  # fmt: skip


def _show(asked: argparse.Namespace) -> None:
    """Print how many of each module were run and noticed, and what was not."""
    became = _became()
    made = Counter(map(_module, json.loads((HOME / _MUTANTS).read_text(encoding="utf-8"))))
    modules: dict[str, Counter[str]] = {module: Counter() for module in made}
    for name, answer in became.items():
        modules[_module(name)][answer["became"]] += 1
    print("| module | mutants | run | killed | survivors |\n|---|---|---|---|---|")
    every = [("all", made.total(), sum(modules.values(), Counter()))]
    for module, count, found in [*((m, made[m], modules[m]) for m in modules), *every]:
        run, left = found.total(), sum(found[word] for word in _LEFT)
        print(f"| `{module}` | {count} | {run} | {run - left} | {left} |")
    for name, answer in became.items():
        is_left = answer["became"] in _LEFT
        if is_left and any(fnmatch.fnmatch(name, pattern) for pattern in asked.names):
            print(f"\n{name}: {answer['became']}\n{difference(name)}")


def _module(mutant: str) -> str:
    """The floor and the noun that a mutant is of."""
    return ".".join(mutant.split(".")[1:3])


if __name__ == "__main__":
    main()
