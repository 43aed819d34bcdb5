"""The main job as people start it: exit status, output, files, and nothing half done."""

import contextlib
import csv
import json
import os
import pty
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gongyi_bank.testing import story_folder
from tests.takeover.books import copied_story, edit

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def mini_story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_story(tmp_path_factory.mktemp("main") / "story", rows_max=30)


def run(
    folder: Path, *arguments: object, stdout: Any = subprocess.PIPE, **options: Any
) -> subprocess.CompletedProcess[str]:
    """`python -m gongyi_bank …` in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "gongyi_bank", *map(str, arguments)],
        **options,
        cwd=folder,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )


def test_without_arguments_it_tells_the_packaged_story(tmp_path: Path) -> None:
    done = run(tmp_path, "--json", "figures.json")
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "雁江区公益银行", "3456.78", "时间重叠", "待审批", "存折号", "积分台账",
        "储蓄所排行 2022Q4", "志愿者排行 2022-12", "★★★★★", "账目相符", "存折 3",
        str(tmp_path / "gongyi_bank.db"),
    ):  # fmt: skip
        assert words in done.stdout
    assert "\x1b" not in done.stdout
    story = story_folder()
    written = (tmp_path / "figures.json").read_text("utf-8")
    assert json.loads(written) == json.loads((story / "expected.json").read_text("utf-8"))
    indicators = (tmp_path / "figures_indicators.csv").read_bytes()
    assert indicators == (story / "expected_indicators_2022Q4.csv").read_bytes()

    before = (tmp_path / "gongyi_bank.db").read_bytes()
    again = run(tmp_path)
    assert (again.returncode, again.stdout) == (1, "")
    for words in ("已有这些账目", "already holds these books", "add --show"):
        assert words in again.stderr
    shown = run(tmp_path, "--show")
    assert shown.returncode == 0
    # All but how many rows this run took over itself.
    assert shown.stdout.partition("入折与兑换")[2] == done.stdout.partition("入折与兑换")[2]
    figures = run(tmp_path, "--json", "later.json", "--problems", "problems.csv")
    assert (figures.returncode, figures.stdout) == (0, "")
    assert (tmp_path / "later.json").read_text("utf-8") == written
    with (tmp_path / "problems.csv").open(encoding="utf-8-sig", newline="") as handle:
        problems = list(csv.DictReader(handle))
    assert len(problems) == 334
    assert problems[0]["line"] == "30"
    assert "须由两人经办" in problems[0]["reason_zh"]
    assert "takes two people" in problems[0]["reason_en"]
    assert (tmp_path / "gongyi_bank.db").read_bytes() == before


def test_in_a_districts_own_books_nothing_is_made_up(tmp_path: Path, mini_story: Path) -> None:
    done = run(tmp_path, mini_story)
    assert "存折号" in done.stdout
    with contextlib.closing(sqlite3.connect(tmp_path / "gongyi_bank.db")) as books:
        assert books.execute("SELECT count(*) FROM gb_passbook").fetchone() == (0,)
        assert books.execute("SELECT count(*) FROM gb_hour_record").fetchone() != (0,)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, mini_story: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(tmp_path, mini_story, stdout=full)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "the books are complete" in done.stderr
    done = run(tmp_path, mini_story, "--json", "/dev/full")
    assert done.returncode == 2
    assert "the books are complete" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(
    tmp_path: Path, mini_story: Path
) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = run(tmp_path, mini_story, preexec_fn=little_room)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "gongyi_bank.db") in done.stderr
    assert "run it again" in done.stderr
    assert run(tmp_path, mini_story).returncode == 0


def test_a_month_without_files_is_noted(tmp_path: Path) -> None:
    folder = copied_story(tmp_path / "story", rows_max=5)
    for name in ("services", "redemptions"):
        (folder / f"{name}_2022-11.csv").unlink()
    done = run(tmp_path, folder)
    assert done.returncode == 0
    assert "no files for 2022-11" in done.stderr
    assert "2022-11 没有文件" in done.stdout


def test_books_in_memory_are_said_to_be_gone(tmp_path: Path, mini_story: Path) -> None:
    done = run(tmp_path, mini_story, "--database", "sqlite://", "--language", "en")
    assert "are gone" in done.stdout
    assert "the books are in:" not in done.stdout


def test_another_folder_database_and_language(tmp_path: Path, mini_story: Path) -> None:
    done = run(
        tmp_path, mini_story, "--database", "sqlite:///other.db", "--language", "en",
        "--json", "out.json",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("Waits for", "insufficient points", "Ledger book", "Total", "Verified:"):
        assert words in done.stdout
    for words in ("合计", "志愿者", "接管", "依据规则"):
        assert words not in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "other.db", "out.json", "out_indicators.csv",
    ]  # fmt: skip


def test_it_runs_on_postgresql(tmp_path: Path, mini_story: Path, postgresql_url: str) -> None:
    done = run(tmp_path, mini_story, "--database", postgresql_url)
    assert done.returncode == 0, done.stderr
    assert "postgresql" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path, mini_story, "--database", postgresql_url).returncode == 1


def test_a_password_is_shown_nowhere(tmp_path: Path, mini_story: Path) -> None:
    url = "postgresql://clerk:geheim@127.0.0.1:1/bank"
    done = run(tmp_path, mini_story, "--database", url)
    assert done.returncode == 2
    assert "geheim" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone"], "gone"),
        ([str(story_folder() / "outlets.csv")], "outlets.csv"),
        (["."], "opening_YYYY-MM-DD"),
        (["--database", "oracle://x"], "oracle"),
        (["--database", "nonsense"], "nonsense"),
        (["--json", "no/such/folder/out.json"], "out.json"),
        (["--database", "sqlite:///no/such/folder/bank.db"], "sqlite"),
    ],
)
def test_what_cannot_be_opened_is_one_clear_sentence(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr.lower() or words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_column_leaves_nothing_behind(tmp_path: Path, mini_story: Path) -> None:
    folder = copied_story(tmp_path / "story", rows_max=5)
    edit(folder / "redemptions_2022-12.csv", lambda lines: ["ref,who,what", *lines[1:]])
    place = tmp_path / "place"
    place.mkdir()
    done = run(place, folder)
    assert done.returncode == 2
    assert "缺少列" in done.stderr
    assert "lacks the column(s) customer_ref" in done.stderr
    assert list(place.iterdir()) == []


def test_arguments_that_nobody_knows_are_usage_errors(tmp_path: Path) -> None:
    assert run(tmp_path, "--colour").returncode == 2
    assert run(tmp_path, "--language", "fr").returncode == 2
    assert "FOLDER" in run(tmp_path, "--help").stdout


def test_a_terminal_sees_a_bar(tmp_path: Path, mini_story: Path) -> None:
    master, slave = pty.openpty()
    job = subprocess.Popen(
        [sys.executable, "-m", "gongyi_bank", str(mini_story)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    os.close(slave)
    seen = b""
    try:
        while block := os.read(master, 4096):
            seen += block
    except OSError:  # the other end is closed: Linux says EIO
        pass
    os.close(master)
    assert job.wait() == 0
    text = seen.decode("utf-8", errors="replace")
    assert "services 2022-10" in text
    assert "100%" in text
    assert "█" in text
