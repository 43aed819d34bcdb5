"""A run that shows nothing has not passed: the edges of the programs' command lines and floors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import bank_test, power_cut
from tests.faults.bank_test import (
    NOT_RUN,
    NotHere,
    Result,
    Run,
    left_behind,
    missing,
    planted_run,
    told,
)
from tests.faults.checks import FLOORS
from tests.faults.journal import Journal
from tests.faults.planted import BY_HAND, PLANTED
from tests.faults.power_cut import Cut, complaint
from tests.faults.troublemaker import FAULTS

PLAIN = Run(engine="postgresql", faults=(), seconds=45.0, seed=1)
GREEN = Result(run=PLAIN, counts=FLOORS, injected=Counter(), found={"C1": [], "C8": []})
OFTEN = Counter(dict.fromkeys(("kill-clients", "kill-backends", "kill-server", "pause"), 99))


# ---------------------------------------------------------------- the bank test's program


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--engine sqlite --planted rowcount", "is no fault on sqlite, only on postgresql"),
        ("--engine sqlite --planted statement-retried", "only on postgresql, mariadb"),
        ("--engine mariadb --isolation serializable", "--isolation is for PostgreSQL"),
        ("--engine sqlite --isolation serializable", "--isolation is for PostgreSQL"),
        ("--engine all --isolation serializable", "--isolation is for PostgreSQL"),
        ("--planted no-key --fault pause", "--planted brings its own faults"),
        ("--seconds 0", "nothing happens in no time"),
        ("--enough 0", "nothing happens in no time"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused(
    words: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        bank_test.main(words.split())
    assert why in capsys.readouterr().err


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine can be had on this machine."""

    @contextmanager
    def stage(engine: str, *, small_disk: bool = False) -> Iterator[None]:
        raise NotHere("there is none here")
        yield

    monkeypatch.setattr(bank_test, "stage", stage)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("words", ["--fault full-disk", "--fault each", "--planted rowcount"])
def test_a_program_that_could_run_nothing_has_not_passed(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bank_test.main(["--engine", "postgresql", *words.split()]) == NOT_RUN
    said = capsys.readouterr().out
    assert "SKIPPED postgresql" in said
    assert "NOT RUN: this shows nothing" in said


def test_one_run_that_is_skipped_is_enough_not_to_pass() -> None:
    red = replace(GREEN, found={"C1": ["a read is off by 1"]})
    assert bank_test.verdict([GREEN], 1) == 0
    assert bank_test.verdict([GREEN], 2) == NOT_RUN
    assert bank_test.verdict([], 0) == NOT_RUN
    assert bank_test.verdict([GREEN, red], 3) == 1


# ---------------------------------------------------------------- its floors


@pytest.mark.parametrize(
    ("engine", "faults", "wanted"),
    [
        ("postgresql", "kill-clients", {"dangling"}),
        ("postgresql", "proxy", {"unknown"}),
        ("mariadb", "kill-clients,proxy", {"dangling", "unknown"}),
        ("mariadb", "full-disk", {"undone"}),
        ("sqlite", "kill-clients", {"dangling"}),
        ("sqlite", "full-disk", {"unknown"}),
        # A COMMIT is met by chance only.
        ("postgresql", "kill-backends,kill-server,pause", set()),
    ],
)
def test_each_fault_must_bring_about_what_it_is_for(
    engine: str, faults: str, wanted: set[str]
) -> None:
    run = replace(PLAIN, engine=engine, faults=tuple(faults.split(",")))
    assert set(run.faults) <= set(FAULTS[engine])
    assert {"unknown", "dangling", "undone"} - run.exempt == wanted
    nothing = replace(FLOORS, **dict.fromkeys(("unknown", "dangling", "undone"), 0))
    assert len(missing(run, nothing, Counter(dict.fromkeys(run.faults, 999)))) == len(wanted)


def test_killed_clients_are_no_unknown_outcomes() -> None:
    """As it once was: 20 unknown outcomes, and nobody had been told of one."""
    run = replace(PLAIN, faults=("kill-clients", "proxy"))
    counts = replace(FLOORS, unknown=0, dangling=75)
    often = Counter({"kill-clients": 75, "proxy": 200})
    assert missing(run, counts, often) == ["only 0 unknown, at least 20 wanted"]
    shown = told(replace(GREEN, counts=counts))
    assert "0 unknown" in shown
    assert "75 dangling" in shown


def test_a_run_until_enough_happened_has_all_floors_but_that_of_time() -> None:
    run = replace(PLAIN, faults=("kill-clients",), enough=4.5)
    tenth = replace(
        FLOORS, acknowledged=60, replays=15, contended=10, refused=10, reads=40, rarest_report=1,
        rarest_act=1, closings=1, conflicts=4, unknown=0, dangling=2, undone=0, gap_seconds=90.0,
    )  # fmt: skip
    assert missing(run, tenth, Counter({"kill-clients": 1})) == []
    assert len(missing(run, tenth, Counter())) == 1
    for name in (
        "acknowledged",
        "replays",
        "contended",
        "refused",
        "reads",
        "rarest_report",
        "rarest_act",
        "closings",
        "conflicts",
        "dangling",
    ):
        less = replace(tenth, **{name: getattr(tenth, name) - 1})
        assert len(missing(run, less, Counter({"kill-clients": 1}))) == 1, name
    assert len(missing(replace(run, enough=None), tenth, OFTEN)) == 10


def test_only_what_the_killed_had_in_hand_is_left_behind(tmp_path: Path) -> None:
    """Whoever lives answers while somebody counts, and another begins."""
    wish = {"key": "k", "act": "gift", "digest": "d", "lines": [], "kind": "fresh"}
    dead, alive, young = (tmp_path / f"worker-{name}.jsonl" for name in ("0-0", "0-1", "1-0"))

    class Crew:
        def journals(self) -> list[Path]:
            journal.answered(number, "ok")
            with closing(Journal(young, 1)) as its:
                its.intend(**wish)
            return [alive]

    with closing(Journal(dead, 0)) as journal:
        journal.intend(**wish)
    with closing(Journal(alive, 0)) as journal:
        number = journal.intend(**wish)
        journal.intend(**wish)
        assert left_behind(tmp_path, Crew()) == 1  # type: ignore[arg-type]


def test_who_works_as_ever_by_hand_must_have_done_enough() -> None:
    by_hand = replace(GREEN, run=planted_run(PLAIN, BY_HAND), found={"verify": ["a hash"]})
    assert by_hand.is_as_wished
    assert not replace(by_hand, found={"C8": ["only 1 reads"]}).is_as_wished


def test_only_who_does_next_to_nothing_is_given_a_time() -> None:
    for name, planted in PLANTED.items():
        run = planted_run(PLAIN, name)
        assert run.enough == planted.enough
        assert (run.enough is None) == (name == "idle")
        assert run.exempt >= planted.prevents


def test_a_table_names_every_planted_fault_with_who_saw_it() -> None:
    run = Run(engine="sqlite", faults=("kill-clients",), seconds=4, seed=1, planted="idle")
    found = {"C1": [], "C8": ["only 1"], "verify": ["a hash"]}
    result = replace(GREEN, run=run, found=found)
    assert bank_test.table([result]).splitlines()[2:] == ["| idle | sqlite | C8 | C8 |"]
    assert result.is_as_wished
    assert not replace(result, run=replace(run, planted="no-key")).is_as_wished
    assert not replace(result, run=replace(run, planted=None)).is_as_wished
    assert "NOT AS IT SHOULD BE" in told(replace(result, run=replace(run, planted=None)))


# ---------------------------------------------------------------- power cuts


def test_power_cuts_that_show_nothing_have_not_passed() -> None:
    whole, early = Cut(0, 9, 0, "sound"), Cut(1, 0, 0, "sound")
    lost, unsound = Cut(2, 9, 1, "sound"), Cut(3, 9, 0, "another balance")
    assert complaint("wal-full", [whole, early]) is None
    assert complaint("wal-full", [whole, lost]) == "it is safe, and lost something"
    assert complaint("wal-full", [unsound]) == "it is safe, and lost something"
    assert complaint("wal-normal", [whole, lost]) is None
    assert complaint("memory-full", [unsound]) is None
    assert "not seen losing" in str(complaint("wal-normal", [whole, early]))
    for settings in ("wal-full", "wal-normal"):
        assert "too little" in str(complaint(settings, []))
        assert "too little" in str(complaint(settings, [early]))


def test_the_power_cuts_program_ends_with_1_where_a_weak_setting_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = power_cut.Recorded(Path("nowhere"), 1, {}, [])
    monkeypatch.setattr(power_cut, "recorded", lambda *_: work)
    monkeypatch.setattr(power_cut, "cuts", lambda *_: iter([Cut(0, 9, 0, "sound")]))
    assert power_cut.main(["--settings", "wal-full", "--cuts", "1"]) == 0
    assert power_cut.main(["--settings", "wal-normal", "--cuts", "1"]) == 1
    assert "NOT AS IT SHOULD BE: it is weak" in capsys.readouterr().out


def test_no_power_cut_at_all_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        power_cut.main(["--cuts", "0"])
    assert "0 shows nothing" in capsys.readouterr().err
