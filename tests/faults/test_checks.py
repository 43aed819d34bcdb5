"""The checks of the bank test themselves: for each a sound run, and runs that turn it red."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.booked import Books, HeadTotals, Line, Voucher
from tests.faults.checks import (
    ACTS,
    CHECKS,
    CLOSING,
    FLOORS,
    NOT_BOOKED,
    OWN_STEPS,
    Counts,
    check_not_empty,
    check_settled,
    count,
)
from tests.faults.errands import COMMANDS
from tests.faults.journal import Attempt, History, Journal, Look, Report, read_journals
from tests.faults.reports import REPORTS
from tests.faults.shown import KINDS
from tests.faults.worker import unsettled

A, B, C, D = 11, 22, 33, 44
#: The day on which everything is booked, an earlier one, and one before that.
DAY, EARLY, EARLIER = dt.date(2022, 10, 15), dt.date(2022, 10, 1), dt.date(2022, 9, 30)


def line(
    account: int,
    number: int,
    amount: int,
    credited: int,
    debited: int,
    voucher: str,
    kind: str = "gift_in",
    value_on: dt.date = DAY,
    belongs_on: dt.date | None = None,
) -> Line:
    """A line that was booked at so many o'clock."""
    moment = dt.datetime(2022, 10, 15, number, tzinfo=dt.UTC)
    return Line(
        account, number, amount, credited, debited, voucher, kind, moment, DAY, value_on,
        belongs_on or value_on,
    )  # fmt: skip


RECEIPT = {"account": A, "line_no": 2, "balance": "70.00"}
GIFT = Attempt(
    key="k", act="transfers.gift", digest="d1", lines=((A, -3000), (B, 3000)), kind="fresh",
    place=0, started=1.0, ended=2.0, outcome="ok", receipt=RECEIPT, shows={A: 2},
    balances={A: 7000},
)  # fmt: skip
LATE = replace(GIFT, kind="late", place=1, started=3.0, ended=4.0)
OTHER = replace(
    GIFT, kind="other", digest="d2", started=5.0, ended=6.0, outcome="conflict", receipt=None,
    shows={}, balances={},
)  # fmt: skip
LOOK = Look(
    kind="statement", place=1, started=2.5, ended=2.6, balances={A: 7000, B: 13000},
    lines={A: 2, B: 2}, internal=-20000,
)  # fmt: skip


def report(kind: str, shown: dict[Any, Any], *asked: str) -> Report:
    """A report that was read when the gift had been acknowledged."""
    return Report(kind=kind, place=1, started=2.5, ended=2.6, asked=asked, shown=shown)


REPORTED = (
    report("balances", {A: 7000, B: 13000}),
    report("balance", {A: 10000, B: 10000}, "2022-10-15T09:30:00+08:00"),
    report("balance", {A: 7000, B: 13000}, "2022-10-15T10:00:00+08:00"),
    report("balance_as_of", {A: [0, 0, 10000, 10000, [1]], B: [0, 0, 0, 3000, [2]]}, f"{EARLY}"),
    report("balance_as_of", {A: [7000] * 4 + [[]], B: [13000] * 4 + [[]]}, f"{DAY}"),
    report(
        "totals",
        {A: [0, 7000, {"grant": [1, 10000, 0], "gift_out": [1, 0, 3000]}],
         B: [0, 13000, {"grant": [1, 10000, 0], "gift_in": [1, 3000, 0]}]},
        f"{EARLY}", f"{DAY}", "booking",
    ),
    report(
        "totals",
        {A: [10000, 7000, {"gift_out": [1, 0, 3000]}],
         B: [0, 13000, {"grant": [1, 10000, 0], "gift_in": [1, 3000, 0]}]},
        f"{DAY}", f"{DAY}", "value",
    ),
    report("totals", {A: [0, 0, {}], B: [0, 0, {}]}, f"{EARLIER}", f"{EARLY}", "booking"),
    report(
        "trial_balance", {"customer": [3000, 23000], "issued": [20000, 0], "total": [23000] * 2}
    ),
    report("trial_balance", {"total": [0, 0]}, f"{EARLY}"),
)  # fmt: skip
HISTORY = History(
    attempts=(GIFT, LATE, OTHER), looks=(LOOK,), reports=REPORTED, finished=frozenset({0, 1})
)
BOOKS = Books(
    heads={A: HeadTotals(10000, 3000, 0, 2), B: HeadTotals(13000, 0, 0, 2)},
    lines=(
        line(A, 1, 10000, 10000, 0, "v0", "grant", EARLY),
        line(A, 2, -3000, 10000, 3000, "v1", "gift_out"),
        line(B, 1, 10000, 10000, 0, "v0", "grant"),
        line(B, 2, 3000, 13000, 0, "v1", "gift_in", belongs_on=EARLY),
    ),
    vouchers={"v1": Voucher("k", "transfers.gift", "d1", RECEIPT)},
    internal=-20000, first_lines={A: 1, B: 1},
)  # fmt: skip


STRANGE = Voucher("x", "transfers.gift", "d1")


def with_look(**changes: Any) -> History:
    return replace(HISTORY, looks=(replace(LOOK, **changes),))


def with_attempt(**changes: Any) -> History:
    return replace(HISTORY, attempts=(*HISTORY.attempts, replace(LATE, **changes)))


def with_report(kind: str, shown: dict[Any, Any], *asked: str) -> History:
    return replace(HISTORY, reports=(*REPORTED, report(kind, shown, *asked)))


def with_trial(
    customer: list[int], issued: list[int], total: list[int], *asked: str
) -> tuple[History, Books]:
    shown = {"customer": customer, "issued": issued, "total": total}
    return with_report("trial_balance", shown, *asked), BOOKS


def with_pairs(lines: dict[int, int], kind: str = "statement") -> tuple[History, Books]:
    """Two equal gifts, A to B and C to D, and a look at so many lines of each account."""
    accounts = {A: ("v1", -3000), B: ("v1", 3000), C: ("v2", -3000), D: ("v2", 3000)}
    begun = [line(no, 1, 10000, 10000, 0, "v0", "grant") for no in accounts]
    given = [
        line(no, 2, units, 10000 + max(units, 0), -min(units, 0), voucher)
        for no, (voucher, units) in accounts.items()
    ]
    balances = {no: 10000 + (accounts[no][1] if lines[no] == 2 else 0) for no in accounts}
    books = replace(
        BOOKS,
        heads={
            each.account: HeadTotals(each.credited_after, each.debited_after, 0, 2)
            for each in given
        },
        lines=(*begun, *given), first_lines=dict.fromkeys(accounts, 1), internal=-40000,
    )  # fmt: skip
    look = replace(LOOK, kind=kind, lines=lines, balances=balances, internal=-40000)
    return replace(HISTORY, looks=(look,), reports=()), books


def denied(*attempts: Attempt) -> tuple[History, Books]:
    """The gift, seen at 2.6, asked for in these ways."""
    return replace(HISTORY, attempts=attempts), BOOKS


def with_line(position: int, line: Line) -> Books:
    lines = list(BOOKS.lines)
    lines[position] = line
    return replace(BOOKS, lines=tuple(lines))


def with_voucher(voucher_id: str, voucher: Voucher) -> Books:
    return replace(BOOKS, vouchers={**BOOKS.vouchers, voucher_id: voucher})


def below_zero() -> Books:
    return with_line(1, line(A, 2, -10001, 10000, 10001, "v1"))


def posted_twice() -> Books:
    again = (line(A, 3, -3000, 10000, 6000, "v1"), line(B, 3, 3000, 16000, 0, "v1"))
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
    (
        "C1", "at line 9, which is not there",
        lambda: (with_look(balances={A: 0, B: 0}, lines={A: 9, B: 9}, internal=0), BOOKS),
    ),
    # Before anybody was acknowledged anything.
    (
        "C1", "at line 0, and it began with more",
        lambda: (
            with_look(started=0.1, ended=0.2, balances={A: 0, B: 0}, lines={}, internal=0), BOOKS,
        ),
    ),
    *(
        (
            "C1", said,
            lambda kind=kind, shown=shown, asked=asked: (
                replace(
                    HISTORY, looks=(),
                    reports=(replace(report(kind, shown, *asked), started=0.1, ended=0.2),),
                ),
                BOOKS,
            ),
        )
        for kind, said, shown, asked in (
            ("balances", "of no one moment", {A: 0, B: 0}, ()),
            ("balance", f"0 of {A}", {A: 0, B: 10000}, ("2022-10-15T10:00:00+08:00",)),
            ("trial_balance", "who began with [0, 20000]", {"total": [0, 0]}, ()),
        )
    ),
    ("C1", f"and not line 2 of {B}", lambda: with_pairs({A: 2, B: 1, C: 1, D: 2})),
    ("C1", f"and not line 2 of {A}", lambda: with_pairs({A: 1, B: 2, C: 2, D: 1}, "each")),
    ("C1", "1 of 2 accounts", lambda: (with_report("balances", {A: 7000}), BOOKS)),
    ("C1", "of no one moment", lambda: (with_report("balances", {A: 7000, B: 10000}), BOOKS)),
    ("C1", "of no one moment", lambda: (with_report("balances", {A: 10000, B: 13000}), BOOKS)),
    ("C1", "of no one moment", lambda: (with_report("balances", {A: -1, B: 13000}), BOOKS)),
    (
        "C1", f"7000 of {A}, which its lines never did",
        lambda: (with_report("balance", {A: 7000, B: 10000}, "2022-10-15T09:30:00+08:00"), BOOKS),
    ),
    *(
        (
            "C1", f"of {A}, which its lines never did",
            lambda wrong=wrong: (
                with_report("balance_as_of", {A: wrong, B: [0, 0, 0, 3000, [2]]}, f"{EARLY}"),
                BOOKS,
            ),
        )
        for wrong in (
            [10000, 0, 10000, 10000, [1]], [0, 10000, 10000, 10000, [1]], [0, 0, 0, 10000, [1]],
            [0, 0, 10000, 7000, [1]], [0, 0, 10000, 10000, []], [0, 0, 10000, 10000, [1, 2]],
        )
    ),
    *(
        (
            "C1", f"of {B}, which its lines never did",
            lambda wrong=wrong: (
                with_report(
                    "totals", {A: [10000, 7000, {"gift_out": [1, 0, 3000]}], B: wrong},
                    f"{DAY}", f"{DAY}", "value",
                ),
                BOOKS,
            ),
        )
        for wrong in (
            [1, 13001, {"grant": [1, 10000, 0], "gift_in": [1, 3000, 0]}],
            [0, 13001, {"grant": [1, 10000, 0], "gift_in": [1, 3001, 0]}],
            [0, 13000, {"grant": [1, 10000, 0], "gift_in": [2, 3000, 0]}],
            [0, 10000, {"grant": [1, 10000, 0], "gift_in": [1, 3000, 0]}],
            [0, 3000, {"gift_in": [1, 3000, 0]}],
        )
    ),
    ("C1", "off by 1", lambda: with_trial([3000, 23000], [19999, 0], [22999, 23000])),
    ("C1", "its rows", lambda: with_trial([3000, 23000], [19999, 0], [23000, 23000])),
    ("C1", "customers at -1", lambda: with_trial([3001, 3000], [0, 1], [3001, 3001])),
    ("C1", "more than [3000, 23000]", lambda: with_trial([3001, 23001], [20000, 0], [23001] * 2)),
    ("C1", "more than [0, 0]", lambda: with_trial([0, 9], [9, 0], [9, 9], f"{EARLY}")),
    (
        "C1", "more than [0, 20000]",
        lambda: (
            replace(
                HISTORY,
                attempts=tuple(replace(a, started=a.started + 9) for a in HISTORY.attempts),
            ),
            BOOKS,
        ),
    ),
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
        lambda: (
            HISTORY,
            replace(BOOKS, heads={**BOOKS.heads, A: HeadTotals(10000, 2999, 0, 2)}),
        ),
    ),
    ("C3", "the head is not", lambda: (HISTORY, replace(BOOKS, lines=BOOKS.lines[:3]))),
    ("C4", "0 times", lambda: (HISTORY, replace(BOOKS, vouchers={}))),
    ("C4", "2 times", lambda: (HISTORY, with_voucher("v2", BOOKS.vouchers["v1"]))),
    ("C4", "has the lines", lambda: (HISTORY, posted_twice())),
    ("C5", "nobody asked", lambda: (HISTORY, with_voucher("v2", STRANGE))),
    ("C5", "nobody asked", lambda: (HISTORY, with_voucher("v2", replace(STRANGE, key=None)))),
    (
        "C5", "was to post",
        lambda: (HISTORY, with_line(3, line(33, 1, 3000, 3000, 0, "v1"))),
    ),
    (
        "C5", "was refused each time",
        lambda: (replace(HISTORY, attempts=(replace(GIFT, outcome="refused"),)), BOOKS),
    ),
    (
        "C5", "was refused each time",
        lambda: (replace(HISTORY, attempts=(replace(GIFT, outcome="retry"), OTHER)), BOOKS),
    ),
    *(
        (
            "C5", f"nobody asked {step} to post ({B}: +1)",
            lambda step=step: (
                HISTORY,
                replace(
                    with_voucher("v2", Voucher(None, step, "d")),
                    lines=(*BOOKS.lines, line(B, 3, 1, 13001, 0, "v2")),
                ),
            ),
        )
        for step in sorted(OWN_STEPS)
    ),
    *(
        (
            "C5", "k was there when all answers",
            lambda outcome=outcome: denied(
                replace(GIFT, outcome=outcome, receipt=None, shows={}, balances={}), LATE
            ),
        )
        for outcome in sorted(NOT_BOOKED)
    ),
    ("C5", "k was there when all answers", lambda: denied(LATE)),
    ("C5", "no voucher", lambda: (HISTORY, with_line(3, line(B, 2, 3000, 13000, 0, "v9")))),
    ("C6", "in two ways", lambda: (with_attempt(receipt={**RECEIPT, "line_no": 3}), BOOKS)),
    (
        "C6", f"told of 7100 on {A} after line 2, which left another",
        lambda: (with_attempt(balances={A: 7100}), BOOKS),
    ),
    (
        "C6", f"told of 7000 on {A} after line 3, which left another",
        lambda: (with_attempt(shows={A: 3}), BOOKS),
    ),
    (
        "C6", f"told of 10000 on {A} after line 1, which is of another act",
        lambda: (with_attempt(shows={A: 1}, balances={A: 10000}), BOOKS),
    ),
    (
        "C6", f"told of 7100 on {A}, which it never had",
        lambda: (with_attempt(shows={}, balances={A: 7100}), BOOKS),
    ),
    ("C6", "nobody has used it", lambda: (HISTORY, replace(BOOKS, vouchers={}))),
    ("C6", "it is the same", lambda: (with_attempt(outcome="conflict"), BOOKS)),
    ("C6", "for another request", lambda: (with_attempt(digest="d2"), BOOKS)),
    ("C6", "after it had been", lambda: (with_attempt(outcome="refused"), BOOKS)),
    ("C7", f"line 2 of {A}", lambda: (with_look(lines={A: 1, B: 2}), BOOKS)),
    ("C7", f"line 2 of {A}", lambda: (with_look(lines={B: 2}), BOOKS)),
    (
        "C7", "does not show the lines",
        lambda: (with_report("balances", {A: 10000, B: 10000}), BOOKS),
    ),
    (
        "C7", f"does not show line 2 of {A}",
        lambda: (with_report("balance", {A: 10000, B: 10000}, "2022-10-15T10:00:00+08:00"), BOOKS),
    ),
    (
        "C7", f"does not show line 2 of {A}",
        lambda: (
            with_report(
                "balance_as_of", {A: [10000] * 4 + [[]], B: [13000] * 4 + [[]]}, f"{DAY}"
            ),
            BOOKS,
        ),
    ),
    (
        "C7", f"does not show line 2 of {A}",
        lambda: (
            with_report(
                "totals",
                {A: [10000, 10000, {}], B: [0, 10000, {"grant": [1, 10000, 0]}]},
                f"{DAY}", f"{DAY}", "value",
            ),
            BOOKS,
        ),
    ),
    ("C7", "not [3000, 10000]", lambda: with_trial([2999, 22999], [20000, 0], [22999] * 2)),
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


def test_a_report_begun_before_the_answer_need_not_show_it() -> None:
    before = (
        report("balances", {A: 10000, B: 10000}),
        report(
            "trial_balance", {"customer": [0, 20000], "issued": [20000, 0], "total": [20000] * 2}
        ),
    )
    early = tuple(replace(each, started=1.5) for each in before)
    for name in ("C1", "C7"):
        assert CHECKS[name](replace(HISTORY, reports=early), BOOKS) == []


@pytest.mark.parametrize(
    "attempts",
    [
        # Somebody raced for it, was never answered or had no answer that says anything.
        (replace(GIFT, outcome="refused"), replace(LATE, started=1.5)),
        (replace(GIFT, outcome="retry"), replace(GIFT, outcome="unknown"), LATE),
        (replace(GIFT, outcome=None, ended=None), replace(GIFT, outcome="failed"), LATE),
        # It was done after all the answers, and before anybody saw it.
        (replace(GIFT, outcome="retry", ended=1.1), replace(LATE, started=1.2, ended=2.7)),
    ],
)
def test_who_may_have_booked_it_is_not_taken_for_a_liar(attempts: tuple[Attempt, ...]) -> None:
    assert not [f for f in CHECKS["C5"](*denied(*attempts)) if "was there when" in f]


def test_an_answer_about_a_later_line_shows_that_it_was_there() -> None:
    """Nobody has read the books, but another act was told of a line after it."""
    refused = replace(GIFT, outcome="retry", receipt=None, shows={}, balances={})
    later = replace(GIFT, key="k2", digest="d9", started=1.0, ended=2.0, shows={A: 3})
    history = replace(HISTORY, attempts=(refused, later, LATE), looks=(), reports=())
    found = CHECKS["C5"](history, BOOKS)
    assert found == ["k was there when all answers had been that it is not"]


def test_every_report_that_is_read_is_judged() -> None:
    assert sorted(KINDS) == sorted(REPORTS)
    assert {each.kind for each in REPORTED} == set(REPORTS)


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
        acknowledged=1, replays=1, contended=1, refused=1, reads=11, rarest_report=1, rarest_act=0,
        closings=0, conflicts=1, unknown=1, dangling=2, undone=1, gap_seconds=6.0,
    )  # fmt: skip
    fewer = replace(history, reports=REPORTED[1:])
    assert count(fewer, began=0.0, ended=10.0).rarest_report == 0


def test_c8_wants_enough_of_everything() -> None:
    assert check_not_empty(FLOORS, 45.0) == []
    for name in Counts.__slots__:
        worse = 10.1 if name == "gap_seconds" else getattr(FLOORS, name) - 1
        less = replace(FLOORS, **{name: worse})
        assert len(check_not_empty(less, 45.0)) == 1, name
        assert check_not_empty(less, 45.0, exempt=frozenset({name})) == []
    half = Counts(300, 75, 50, 50, 200, 7, 5, 1, 20, 10, 10, 1, 0.0)
    assert check_not_empty(half, 22.5) == []
    assert len(check_not_empty(half, 31.0)) == 11


def test_every_act_must_be_acknowledged_and_not_only_some() -> None:
    """A library that refused every refund was green: what is refused is believed."""
    assert {*ACTS, CLOSING} == set(COMMANDS)
    of_each = tuple(replace(GIFT, key=act, act=act) for act in (*ACTS, CLOSING))
    found = count(replace(HISTORY, attempts=of_each), began=0.0, ended=10.0)
    assert (found.rarest_act, found.closings) == (1, 1)
    twice = replace(HISTORY, attempts=(*of_each, *of_each))  # the same keys
    assert count(twice, began=0.0, ended=10.0).rarest_act == 1
    for attempt in of_each:
        refused = replace(attempt, outcome="refused")
        others = tuple(refused if one is attempt else one for one in of_each)
        found = count(replace(HISTORY, attempts=others), began=0.0, ended=10.0)
        assert (found.rarest_act, found.closings).count(0) == 1, attempt.act


def test_what_a_killed_client_left_behind_is_no_unknown_outcome() -> None:
    """Else a run in which nobody was ever told "unknown" would pass for one that tried it."""
    killed = replace(FLOORS, unknown=0, dangling=500)
    assert check_not_empty(killed, 45.0) == ["only 0 unknown, at least 20 wanted"]


def test_a_journal_that_was_cut_off_gives_what_was_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "worker-3-0.jsonl"
    journal = Journal(path, place=3)
    wish = {"act": "transfers.gift", "digest": "d", "lines": [(A, -5), (B, 5)], "kind": "fresh"}
    first = journal.intend(key="one", **wish)
    journal.answered(first, "ok", receipt=RECEIPT, shows={A: 2}, balances={A: 7000})
    journal.intend(key="two", **wish)
    journal.looked(kind="each", started=1.0, balances={A: 1}, lines={A: 2}, internal=-1)
    for each in REPORTED:
        journal.reported(kind=each.kind, started=each.started, asked=each.asked, shown=each.shown)
    journal.close()
    path.write_text(path.read_text() + '{"entry": "answer", "n": 2, "outco')
    history = read_journals([path])
    assert [(a.key, a.outcome, a.place) for a in history.attempts] == [
        ("one", "ok", 3),
        ("two", None, 3),
    ]
    assert (history.attempts[0].shows, history.attempts[0].balances) == ({A: 2}, {A: 7000})
    assert [replace(r, place=1, ended=2.6) for r in history.reports] == list(REPORTED)
    assert history.attempts[0].lines == ((A, -5), (B, 5))
    assert [look.balances for look in history.looks] == [{A: 1}]
    assert history.finished == frozenset()
    assert [a.key for a in unsettled(history.attempts)] == ["two"]


def test_a_worker_that_ended_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", place=4)
    journal.end()
    assert read_journals([tmp_path / "j"]).finished == {4}
