"""Power cuts on a loop device, in short: two under each safe setting, and weak ones seen losing.

python -m tests.faults.loop_power_cut      as many cuts as wished
"""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
import sys
from dataclasses import replace

import pytest

from gongyi_bank.bank import Bank
from tests import mariadb
from tests.district import District
from tests.faults.after_cut import aftermath, known_at
from tests.faults.books import voucher_ids
from tests.faults.errands import Wallet, set_up
from tests.faults.hands import Hand
from tests.faults.journal import Attempt, History, Look, Report
from tests.faults.loop_disk import NO_LOOP_DEVICE, may_cut
from tests.faults.loop_power_cut import NOT_RUN, SETTINGS, Cut, is_as_wished, main, summed
from tests.tidy.house import ROOT

#: A safe setting and a weak one of each; the program has more.
SHORT = {
    "sqlite": ("wal-full", "wal-normal"),
    "postgresql": ("commit-on", "commit-off"),
    "mariadb": ("flush-1", "flush-2"),
}
NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def loop_device() -> None:
    """Root, and all that is wanted; the test is skipped, by name, where it is missing."""
    if not may_cut():
        pytest.skip(NO_LOOP_DEVICE)


def run(*words: str) -> str:
    """What a program of this folder says; it must end well, or say that it cannot run."""
    said = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    is_skipped = said.stdout == f"SKIPPED: {mariadb.ABSENT}\n"
    assert said.returncode == (NOT_RUN if is_skipped else 0), said.stdout + said.stderr
    return said.stdout


# ---------------------------------------------------------------- on a loop device


@pytest.mark.slow
@pytest.mark.usefixtures("loop_device")
def test_a_disk_loses_what_was_not_synced_and_may_lose_what_it_was_not_told_to_keep() -> None:
    found = json.loads(run("tests.faults.loop_disk"))
    # Whether it is in what the disk was told, and in what it was told to keep.
    assert found == {"written": [False, False], "sent": [True, False], "synced": [True, True]}


@pytest.mark.slow
@pytest.mark.usefixtures("loop_device")
@pytest.mark.parametrize("engine", sorted(SHORT))
def test_a_power_cut_takes_acknowledged_acts_only_under_settings_that_are_refused(
    engine: str,
) -> None:
    """Every weak setting must be seen losing, so the program gives it some cuts for that."""
    wanted = [word for name in SHORT[engine] for word in ("--settings", name)]
    said = run("tests.faults.loop_power_cut", "--short", *wanted).splitlines()
    if said == [f"SKIPPED: {mariadb.ABSENT}"]:
        pytest.skip(mariadb.ABSENT)
    found = {line["settings"]: line for line in map(json.loads, said)}
    assert found.keys() == set(SHORT[engine])
    for name, line in found.items():
        assert line["acknowledged"] >= 10
        if SETTINGS[name].is_safe:
            assert (line["cuts"], line["lost"], line["unsound"]) == (2, 0, 0)
            assert line["opening"] == "yes"
        else:
            assert line["lost"] + line["unsound"] > 0
            assert line["opening"] == "refused"


# ---------------------------------------------------------------- the judgement itself


#: A bank, its customers, the acts before, and a history.
Worked = tuple[Bank, list[int], frozenset[str], History]


@pytest.fixture
def worked(sqlite_district: District) -> Worked:
    """Three gifts were acknowledged."""
    accounts = set_up(sqlite_district, 3, 100)
    bank = sqlite_district.bank
    before = voucher_ids(bank)
    attempts = tuple(submitted(bank, accounts, number) for number in range(3))
    return bank, accounts, before, History(attempts=attempts)


def submitted(bank: Bank, accounts: list[int], number: int) -> Attempt:
    """A gift that was submitted and acknowledged, as a worker writes it down."""
    wallet = Wallet(accounts, random.Random(number))
    errand = wallet.gift(f"gift-{number}", NOON)
    told: list[dict[str, object]] = []
    Hand(bank, accounts).submit(errand, lambda receipt: told.append(json.loads(receipt.to_json())))
    return Attempt(
        key=errand.key, act=errand.command.act, digest=errand.command.request_digest().hex(),
        lines=errand.lines, kind="fresh", place=number, started=float(number), staff=errand.staff,
        command=errand.command.model_dump_json(), ended=number + 0.5, outcome="ok",
        receipt=told[0],
    )  # fmt: skip


def test_books_that_have_everything_are_sound_and_go_on(worked: Worked) -> None:
    bank, accounts, before, history = worked
    found = aftermath(bank, history, accounts, before)
    assert (len(found.told), found.lost, found.faults) == (3, frozenset(), ())
    assert "after-the-cut" in {line["key"] for line in vouchers_of(bank)}


def vouchers_of(bank: Bank) -> list[dict[str, object]]:
    with bank.engine.connect() as connection:
        sql = "SELECT idempotency_key AS key FROM gb_voucher"
        return [dict(row) for row in connection.exec_driver_sql(sql).mappings()]


def test_an_acknowledged_act_that_is_not_in_the_books_is_lost_and_is_asked_for_again(
    worked: Worked,
) -> None:
    bank, accounts, before, history = worked
    missing = submitted_nowhere(history.attempts[0])
    history = replace(history, attempts=(*history.attempts, missing))
    found = aftermath(bank, history, accounts, before)
    assert (found.lost, found.faults) == ({"gift-0-lost"}, ())
    assert "gift-0-lost" in {line["key"] for line in vouchers_of(bank)}


def submitted_nowhere(attempt: Attempt) -> Attempt:
    key = f"{attempt.key}-lost"
    command = json.loads(attempt.command) | {"idempotency_key": key}
    return replace(attempt, key=key, command=json.dumps(command))


def test_another_receipt_than_the_client_was_told_is_a_fault(worked: Worked) -> None:
    bank, accounts, before, history = worked
    changed = replace(history.attempts[1], receipt={"voucher_id": "another"})
    history = replace(history, attempts=(history.attempts[0], changed, history.attempts[2]))
    found = aftermath(bank, history, accounts, before)
    assert not found.lost
    assert any("gift-1, asked again, is told" in fault for fault in found.faults)


def test_what_nobody_asked_for_is_a_fault(worked: Worked) -> None:
    bank, accounts, before, history = worked
    history = replace(history, attempts=history.attempts[:2])
    found = aftermath(bank, history, accounts, before)
    assert any("nobody asked for transfers.gift" in fault for fault in found.faults)


def test_an_answer_that_came_after_the_cut_was_never_given(worked: Worked) -> None:
    _, _, _, history = worked
    look = Look(
        kind="statement", place=0, started=1.0, ended=1.5, balances={}, lines={}, internal=0
    )
    late = replace(look, ended=1.7)
    report = Report(kind="balances", place=0, started=1.0, ended=1.5, asked=(), shown={})
    reports = (report, replace(report, ended=1.7))
    told = tuple(replace(each, balances={1: 2}) for each in history.attempts)
    known = known_at(1.6, replace(history, attempts=told, looks=(look, late), reports=reports))
    assert [attempt.outcome for attempt in known.attempts] == ["ok", "ok", None]
    assert [attempt.balances for attempt in known.attempts] == [{1: 2}, {1: 2}, {}]
    assert known.attempts[2].receipt is None
    assert (known.looks, known.reports) == ((look,), (report,))


def test_a_safe_setting_must_keep_everything_and_a_weak_one_be_seen_losing() -> None:
    whole = Cut(
        number=0, is_forgetful=False, acknowledged=9, lost=0, books="sound", opening="yes"
    )  # fmt: skip
    lost, unsound = replace(whole, lost=2), replace(whole, books="verify: a hash")
    assert is_as_wished("flush-1", [whole, whole])
    assert not is_as_wished("flush-1", [whole, lost])
    assert not is_as_wished("commit-on", [unsound])
    assert is_as_wished("flush-2", [whole, lost])
    assert is_as_wished("fsync-off", [unsound])
    assert not is_as_wished("wal-normal", [whole])
    for name in ("flush-1", "flush-2"):
        assert not is_as_wished(name, [])
        assert not is_as_wished(name, [replace(whole, acknowledged=0)])
    assert summed("flush-2", [whole, lost, unsound]) == {
        "engine": "mariadb", "settings": "flush-2", "cuts": 3, "acknowledged": 27, "lost": 2,
        "unsound": 1, "opening": "yes",
    }  # fmt: skip


@pytest.mark.parametrize(
    "words", [["--cuts", "0"], ["--engine", "sqlite", "--settings", "flush-2"]]
)
def test_power_cuts_of_nothing_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_where_no_disk_can_be_mounted_nothing_has_passed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.loop_power_cut.may_cut", lambda: False)
    assert main([]) == NOT_RUN
    assert capsys.readouterr().out == f"SKIPPED: {NO_LOOP_DEVICE}\n"
