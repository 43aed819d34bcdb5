"""The simulation holds, repeats itself, and finds what is planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import main
from tests.simulation.planted import Planted
from tests.simulation.seeds import FOUND
from tests.simulation.wire import FAILURES, Broken
from tests.simulation.world import Told, World
from tests.tidy.house import ROOT

#: Seeds that every run of the suite lives, and how long.
SEED, ACTS = 20221015, 250
#: Tries of a planted fault until it shows, each with the next seed.
PLANTED_RUNS, PLANTED_ACTS = 6, 150


def lived(folder: Path, seed: int, acts: int, planted: Planted | None = None) -> Told:
    folder.mkdir()
    return World(folder, seed, planted=planted).run(acts)


def test_interleaved_clients_with_failures_at_every_statement_keep_the_books_sound(
    tmp_path: Path,
) -> None:
    told = lived(tmp_path / "a", SEED, ACTS)
    assert told.acknowledged >= 100
    assert told.reads >= 25
    assert told.statements >= 3000
    assert sum(told.failures.values()) >= 80
    assert {name.split()[0] for name in told.failures} >= {"COMMIT", "INSERT", "SELECT", "UPDATE"}
    assert len(told.refused) >= 4
    assert told.days >= 1


def test_a_failed_run_says_how_to_repeat_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Broken, match="seed 1"):
        main(["--seed", "1", "--acts", "60", "--planted", "lost-commit"])
    repeats = "python -m tests.simulation --seed 1 --acts 60 --clients 5 --planted lost-commit"
    assert repeats in capsys.readouterr().out


@pytest.mark.slow
def test_the_same_seed_gives_the_same_history_in_any_process() -> None:
    """Two processes whose sets have another order, and this one."""
    words = [sys.executable, "-m", "tests.simulation", "--seed", str(SEED), "--acts", "120"]
    said = [
        subprocess.run(
            words, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1]
    assert "sound" in said[0]


@pytest.mark.slow
def test_another_seed_gives_another_history(tmp_path: Path) -> None:
    first, again, other = (
        lived(tmp_path / name, seed, 60).digest for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert first == again != other


@pytest.mark.slow
@pytest.mark.parametrize("planted", list(Planted))
def test_a_planted_fault_is_found(tmp_path: Path, planted: Planted) -> None:
    for seed in range(1, PLANTED_RUNS + 1):
        try:
            lived(tmp_path / str(seed), seed, PLANTED_ACTS, planted)
        except Broken:
            return
    pytest.fail(f"{planted} was not found in {PLANTED_RUNS} runs")


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "acts"), sorted(FOUND))
def test_what_once_was_found_stays_mended(tmp_path: Path, seed: int, acts: int) -> None:
    assert lived(tmp_path / "again", seed, acts).acts == acts


@pytest.mark.slow
def test_a_longer_life_meets_every_kind_of_failure(tmp_path: Path) -> None:
    told = lived(tmp_path / "long", SEED + 1, 900)
    missed = {f"{word} {kind}" for word, kinds in FAILURES.items() for kind in kinds}
    missed -= set(told.failures)
    assert len(missed) <= 8, missed
    assert told.refused.keys() >= {
        "hold_exceeded", "hold_settled", "idempotency_conflict", "insufficient_points",
        "out_of_stock", "overlap", "redemption_settled",
    }  # fmt: skip
