"""Faults at the calls to SQLite's files, and power cuts: a sample of what the programs try in full.

python -m tests.faults.io_points      every call of every act, every fault
python -m tests.faults.power_cut      every setting, as many cuts as wished
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NO_SHIM
from tests.faults import power_cut
from tests.faults.io_points import ACTS, FAULTS, MIGRATION, may_preload
from tests.faults.power_cut import SAFE, Cut, cuts, recorded, summed
from tests.tidy.house import ROOT

needs_shim = pytest.mark.skipif(not may_preload(), reason=NO_SHIM)
#: Every so many calls of each act in the sample; the program tries each.
EVERY = {"credit": 29, "redeem": 37, "day close": 61, MIGRATION: 150}
#: Acts whose sample meets the calls of their COMMIT; after these nobody knows.
TELLS_UNKNOWN = ("credit", "redeem")
CUTS = 10


def swept(act: str, every: int) -> list[dict[str, object]]:
    """What the program says of one act, a line for each fault."""
    words = ["--json", "--act", act, "--every", str(every)]
    said = subprocess.run(
        [sys.executable, "-m", "tests.faults.io_points", *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


@needs_shim
@pytest.mark.slow
@pytest.mark.parametrize("act", [*ACTS, MIGRATION])
def test_an_act_that_fails_at_any_call_to_its_files_is_done_once_in_the_end(act: str) -> None:
    lines = swept(act, EVERY[act])
    assert [line["fault"] for line in lines] == list(FAULTS)
    told: dict[object, set[str]] = {}
    for line in lines:
        assert isinstance(line["calls"], int)
        assert line["calls"] >= 30
        told[line["fault"]] = set(line["told"])  # type: ignore[call-overload]
    assert set().union(*told.values()) >= {"failed", "killed"}
    if act in TELLS_UNKNOWN:
        assert "unknown" in told["error"] & told["no space"]


def lost(tmp_path: Path, settings: str, count: int = CUTS) -> dict[str, int]:
    return summed(list(cuts(recorded(tmp_path / settings, settings), 1, range(count))))


@needs_shim
@pytest.mark.slow
def test_a_power_cut_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """As the library sets its own connections up."""
    assert "wal-full" in SAFE
    assert power_cut.SETTINGS["wal-full"] == ()
    total = lost(tmp_path, "wal-full")
    assert total["acknowledged"] >= 100
    assert (total["lost"], total["unsound"]) == (0, 0)


@needs_shim
@pytest.mark.slow
@pytest.mark.parametrize("settings", ["wal-normal", "memory-full"])
def test_a_power_cut_under_weak_settings_is_seen_to_take_something(
    tmp_path: Path, settings: str
) -> None:
    total = lost(tmp_path, settings)
    assert total["lost"] + total["unsound"] > 0


def test_cuts_are_added_up() -> None:
    found = [Cut(0, 5, 0, "sound"), Cut(1, 7, 2, "another balance")]
    assert summed(found) == {"cuts": 2, "acknowledged": 12, "lost": 2, "unsound": 1}


def test_a_disk_holds_what_was_synced_and_what_arrived() -> None:
    """The model of a disk itself: a removal that was not synced may bring the file back."""
    steps = [
        power_cut.Step("C", "bank.db-journal", 0, b""),
        power_cut.Step("W", "bank.db-journal", 0, b"old"),
        power_cut.Step("S", "bank.db-journal", 0, b""),
        power_cut.Step("S", "folder", 0, b""),
        power_cut.Step("W", "bank.db", 1, b"XY"),
        power_cut.Step("U", "bank.db-journal", 0, b""),
    ]
    disk = power_cut.Disk({"bank.db": b"abc"})
    for step in steps:
        disk.do(step)
    nothing, everything = disk.after_cut(lambda: 0.0), disk.after_cut(lambda: 1.0)
    assert nothing == {"bank.db": b"abc", "bank.db-journal": b"old"}
    assert everything == {"bank.db": b"aXY"}
    disk.do(power_cut.Step("S", "bank.db", 0, b""))
    assert disk.after_cut(lambda: 0.0)["bank.db"] == b"aXY"
    disk.do(power_cut.Step("T", "bank.db", 1, b""))
    assert disk.after_cut(lambda: 1.0) == {"bank.db": b"a"}
