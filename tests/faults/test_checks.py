"""The checks of the bank test themselves: for each a sound run, and runs that turn it red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.checks import (
    CHECKS,
    FLOORS,
    Books,
    Counts,
    HeadTotals,
    Line,
    Voucher,
    check_not_empty,
    check_settled,
    count,
)
from tests.faults.journal import Attempt, History, Journal, Look, read_journals
from tests.faults.worker import unsettled

A, B = 11, 22
RECEIPT = {"account": A, "line_no": 2, "balance": "70.00"}
GIFT = Attempt(
    key="k", act="transfers.gift", digest="d1", lines=((A, -3000), (B, 3000)), kind="fresh",
    place=0, started=1.0, ended=2.0, outcome="ok", receipt=RECEIPT, shows={A: 2},
)  # fmt: skip
LATE = replace(GIFT, kind="late", place=1, started=3.0, ended=4.0)
OTHER = replace(
    GIFT, kind="other", digest="d2", started=5.0, ended=6.0, outcome="conflict", receipt=None,
    shows={},
)  # fmt: skip
LOOK = Look(
    kind="statement", place=1, started=2.5, ended=2.6, balances={A: 7000, B: 13000},
    lines={A: 2, B: 2}, internal=-20000,
)  # fmt: skip
HISTORY = History(attempts=(GIFT, LATE, OTHER), looks=(LOOK,), finished=frozenset({0, 1}))
BOOKS = Books(
    heads={A: HeadTotals(10000, 3000, 0, 2), B: HeadTotals(13000, 0, 0, 2)},
    lines=(
        Line(A, 1, 10000, 10000, 0, "v0"), Line(A, 2, -3000, 10000, 3000, "v1"),
        Line(B, 1, 10000, 10000, 0, "v0"), Line(B, 2, 3000, 13000, 0, "v1"),
    ),
    vouchers={"v1": Voucher("k", "transfers.gift", "d1", RECEIPT)},
    internal=-20000, first_lines={A: 1, B: 1},
)  # fmt: skip


STRANGE = Voucher("x", "transfers.gift", "d1")


def with_look(**changes: Any) -> History:
    return replace(HISTORY, looks=(replace(LOOK, **changes),))


def with_attempt(**changes: Any) -> History:
    return replace(HISTORY, attempts=(*HISTORY.attempts, replace(LATE, **changes)))


def with_line(position: int, line: Line) -> Books:
    lines = list(BOOKS.lines)
    lines[position] = line
    return replace(BOOKS, lines=tuple(lines))


def with_voucher(voucher_id: str, voucher: Voucher) -> Books:
    return replace(BOOKS, vouchers={**BOOKS.vouchers, voucher_id: voucher})


def below_zero() -> Books:
    return with_line(1, Line(A, 2, -10001, 10000, 10001, "v1"))


def posted_twice() -> Books:
    again = (Line(A, 3, -3000, 10000, 6000, "v1"), Line(B, 3, 3000, 16000, 0, "v1"))
    return replace(BOOKS, lines=BOOKS.lines + again)


def test_a_sound_run_is_green() -> None:
    for name, check in CHECKS.items():
        assert check(HISTORY, BOOKS) == [], name
    assert check_settled(HISTORY, BOOKS, range(2)) == []


#: The check, what it must say, and what makes it red.
RED: list[tuple[str, str, Callable[[], tuple[History, Books]]]] = [
    ("C1", "1 of 2 accounts", lambda: (with_look(balances={A: 7000}), BOOKS)),
    ("C1", "off by -1", lambda: (with_look(balances={A: 6999, B: 13000}), BOOKS)),
    ("C1", f"{A} at -1", lambda: (with_look(balances={A: -1, B: 20001}), BOOKS)),
    (
        "C1", f"13000 of {A} at line 2, which left",
        lambda: (with_look(balances={A: 13000, B: 7000}), BOOKS),
    ),
    ("C1", f"of {A} at line 9", lambda: (with_look(lines={A: 9, B: 2}), BOOKS)),
    ("C2", "off by 5", lambda: (HISTORY, replace(BOOKS, internal=-19995))),
    (
        "C2", f"{A} at -1",
        lambda: (HISTORY, replace(BOOKS, heads={**BOOKS.heads, A: HeadTotals(0, 1, 0, 2)})),
    ),
    ("C3", "line 3 where 2", lambda: (HISTORY, with_line(1, replace(BOOKS.lines[1], number=3)))),
    (
        "C3", "after line 2",
        lambda: (HISTORY, with_line(1, replace(BOOKS.lines[1], debited_after=2999))),
    ),
    ("C3", "below zero at line 2", lambda: (HISTORY, below_zero())),
    (
        "C3", "the head is not",
        lambda: (HISTORY, replace(BOOKS, heads={**BOOKS.heads, A: HeadTotals(10000, 2999, 0, 2)})),
    ),
    ("C3", "the head is not", lambda: (HISTORY, replace(BOOKS, lines=BOOKS.lines[:3]))),
    ("C4", "0 times", lambda: (HISTORY, replace(BOOKS, vouchers={}))),
    ("C4", "2 times", lambda: (HISTORY, with_voucher("v2", BOOKS.vouchers["v1"]))),
    ("C4", "has the lines", lambda: (HISTORY, posted_twice())),
    ("C5", "nobody asked", lambda: (HISTORY, with_voucher("v2", STRANGE))),
    ("C5", "nobody asked", lambda: (HISTORY, with_voucher("v2", replace(STRANGE, key=None)))),
    (
        "C5", "was to post",
        lambda: (HISTORY, with_line(3, Line(33, 1, 3000, 3000, 0, "v1"))),
    ),
    (
        "C5", "was refused each time",
        lambda: (replace(HISTORY, attempts=(replace(GIFT, outcome="refused"),)), BOOKS),
    ),
    (
        "C5", "was refused each time",
        lambda: (replace(HISTORY, attempts=(replace(GIFT, outcome="retry"), OTHER)), BOOKS),
    ),
    ("C5", "no voucher", lambda: (HISTORY, with_line(3, Line(B, 2, 3000, 13000, 0, "v9")))),
    ("C6", "in two ways", lambda: (with_attempt(receipt={**RECEIPT, "line_no": 3}), BOOKS)),
    ("C6", "nobody has used it", lambda: (HISTORY, replace(BOOKS, vouchers={}))),
    ("C6", "it is the same", lambda: (with_attempt(outcome="conflict"), BOOKS)),
    ("C6", "for another request", lambda: (with_attempt(digest="d2"), BOOKS)),
    ("C6", "after it had been", lambda: (with_attempt(outcome="refused"), BOOKS)),
    ("C7", f"line 2 of {A}", lambda: (with_look(lines={A: 1, B: 2}), BOOKS)),
    ("C7", f"line 2 of {A}", lambda: (with_look(lines={B: 2}), BOOKS)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "said", "make"), RED)
def test_each_check_turns_red(
    name: str, said: str, make: Callable[[], tuple[History, Books]]
) -> None:
    found = CHECKS[name](*make())
    assert any(said in fault for fault in found), found


def test_a_read_begun_before_the_answer_need_not_show_it() -> None:
    early = with_look(started=1.5, lines={A: 1, B: 1})
    assert CHECKS["C7"](early, BOOKS) == []


def test_own_steps_of_a_closing_need_nobody_who_asks_for_them() -> None:
    books = with_voucher("v2", Voucher("closings.announce:#", "closings.announce", "d"))
    assert CHECKS["C5"](HISTORY, books) == []


def test_c9_wants_everybody_to_end_and_every_answer_to_be_found_out() -> None:
    lost = with_attempt(outcome="unknown", started=7.0)
    assert "nobody asked again" in check_settled(lost, BOOKS, range(2))[0]
    asked_again = replace(lost, attempts=(*lost.attempts, replace(LATE, started=8.0)))
    assert check_settled(asked_again, BOOKS, range(2)) == []
    killed = with_attempt(outcome=None, ended=None, started=7.0)
    assert "nobody asked again" in check_settled(killed, BOOKS, range(2))[0]
    assert check_settled(HISTORY, BOOKS, range(3)) == ["worker 2 never ended"]
    stuck = replace(BOOKS, held_after_sweep=500)
    assert check_settled(HISTORY, stuck, range(2)) == ["500 units stay held for ever"]


def test_what_happened_is_counted() -> None:
    history = with_attempt(key="r", outcome="refused")
    told = ("unknown", None, None, "failed")
    more = tuple(replace(GIFT, key=f"n{no}", outcome=each) for no, each in enumerate(told))
    history = replace(history, attempts=history.attempts + more)
    assert count(history, began=0.0, ended=10.0) == Counts(
        acknowledged=1, replays=1, contended=1, refused=1, reads=1, conflicts=1, unknown=1,
        dangling=2, undone=1, gap_seconds=6.0,
    )  # fmt: skip


def test_c8_wants_enough_of_everything() -> None:
    assert check_not_empty(FLOORS, 45.0) == []
    for name in Counts.__slots__:
        worse = 10.1 if name == "gap_seconds" else getattr(FLOORS, name) - 1
        less = replace(FLOORS, **{name: worse})
        assert len(check_not_empty(less, 45.0)) == 1, name
        assert check_not_empty(less, 45.0, exempt=frozenset({name})) == []
    half = Counts(300, 75, 50, 50, 200, 20, 10, 10, 1, 0.0)
    assert check_not_empty(half, 22.5) == []
    assert len(check_not_empty(half, 31.0)) == 9


def test_what_a_killed_client_left_behind_is_no_unknown_outcome() -> None:
    """Else a run in which nobody was ever told "unknown" would pass for one that tried it."""
    killed = replace(FLOORS, unknown=0, dangling=500)
    assert check_not_empty(killed, 45.0) == ["only 0 unknown, at least 20 wanted"]


def test_a_journal_that_was_cut_off_gives_what_was_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "worker-3-0.jsonl"
    journal = Journal(path, place=3)
    wish = {"act": "transfers.gift", "digest": "d", "lines": [(A, -5), (B, 5)], "kind": "fresh"}
    first = journal.intend(key="one", **wish)
    journal.answered(first, "ok", receipt=RECEIPT, shows={A: 2})
    journal.intend(key="two", **wish)
    journal.looked(kind="each", started=1.0, balances={A: 1}, lines={A: 2}, internal=-1)
    journal.close()
    path.write_text(path.read_text() + '{"entry": "answer", "n": 2, "outco')
    history = read_journals([path])
    assert [(a.key, a.outcome, a.place) for a in history.attempts] == [
        ("one", "ok", 3),
        ("two", None, 3),
    ]
    assert history.attempts[0].shows == {A: 2}
    assert history.attempts[0].lines == ((A, -5), (B, 5))
    assert [look.balances for look in history.looks] == [{A: 1}]
    assert history.finished == frozenset()
    assert [a.key for a in unsettled(history.attempts)] == ["two"]


def test_a_worker_that_ended_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", place=4)
    journal.end()
    assert read_journals([tmp_path / "j"]).finished == {4}
