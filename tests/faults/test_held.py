"""The checks of holds: sound acts about holds are green, and each that is not turns one red."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.booked import Books, HeadTotals, Hold, HoldStep, Line, Voucher
from tests.faults.checks import CHECKS
from tests.faults.journal import Attempt, History

A = 11
DAY = dt.date(2022, 10, 15)
NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def attempt(key: str, act: str, command: str, *lines: tuple[int, int]) -> Attempt:
    """An acknowledged one."""
    return Attempt(
        key=key, act=f"holds.{act}", digest=f"d-{key}", lines=lines, kind="fresh", place=0,
        started=1.0, ended=2.0, outcome="ok", command=command,
    )  # fmt: skip


def placing(key: str, points: str) -> Attempt:
    return attempt(key, "place", f'{{"account": {A}, "points": "{points}", "hours": 3}}')


def placed(name: str, units: int) -> HoldStep:
    """By the voucher of the placing, whose key is the hold's name."""
    return HoldStep(1, "placed", units, f"v-{name}", 3 * HOUR)


def hold(name: str, units: int, captured: int, state: str, *steps: HoldStep) -> Hold:
    return Hold(name, A, units, captured, state, f"v-{name}", (placed(name, units), *steps))


ATTEMPTS = (
    placing("aa", "5"), placing("bb", "2.00"), placing("cc", "1"), placing("dd", "4"),
    placing("ee", "3"),
    attempt("c", "capture", '{"hold": "b-b", "points": null}', (A, -200)),
    attempt("r", "release", '{"hold": "cc"}'), attempt("l", "release", '{"hold": "d-d"}'),
)  # fmt: skip
HISTORY = History(attempts=ATTEMPTS)
OPEN = hold("aa", 500, 0, "held")
CAPTURED = hold("bb", 200, 200, "captured", HoldStep(2, "captured", 200, "v-c", HOUR))
RELEASED = hold("cc", 100, 0, "released", HoldStep(2, "released", 100, "v-r", HOUR))
#: Its deadline had passed when it was to be released; and another act came across that one.
LATE = hold("dd", 400, 0, "lapsed", HoldStep(2, "lapsed", 400, "v-l", -HOUR))
SWEPT = hold("ee", 300, 0, "lapsed", HoldStep(2, "lapsed", 300, "v-r", 0 * HOUR))
HOLDS = (OPEN, CAPTURED, RELEASED, LATE, SWEPT)


def line(number: int, amount: int, debited: int, voucher: str) -> Line:
    return Line(A, number, amount, 10000, debited, voucher, "kind", NOON, DAY, DAY, DAY)


BOOKS = Books(
    heads={A: HeadTotals(10000, 200, 500, 2)},
    lines=(line(1, 10000, 0, "v0"), line(2, -200, 200, "v-c")),
    vouchers={f"v-{a.key}": Voucher(a.key, a.act, a.digest) for a in ATTEMPTS},
    internal=-9800, holds=HOLDS, first_lines={A: 1},
)  # fmt: skip


def with_hold(old: Hold, *new: Hold, held: int = 500) -> Books:
    """The books with other holds for this one, and so much held by the head."""
    holds = tuple(each for one in HOLDS for each in (new if one is old else (one,)))
    return replace(BOOKS, holds=holds, heads={A: replace(BOOKS.heads[A], held=held)})


def with_step(old: Hold, **changes: Any) -> Books:
    return with_hold(old, replace(old, steps=(*old.steps[:-1], replace(old.steps[-1], **changes))))


def test_sound_acts_about_holds_are_green() -> None:
    for name, check in CHECKS.items():
        assert check(HISTORY, BOOKS) == [], name


def test_an_act_that_nobody_heard_of_may_be_there_or_not() -> None:
    """Of a killed client, asked for by its successor again."""
    unheard = replace(ATTEMPTS[0], outcome=None, ended=None)
    history = History(attempts=(unheard, replace(unheard, outcome="unknown"), *ATTEMPTS[1:]))
    without = {key: found for key, found in BOOKS.vouchers.items() if key != "v-aa"}
    for books in (BOOKS, replace(with_hold(OPEN, held=0), vouchers=without)):
        for name in ("C3", "C4", "C5"):
            assert CHECKS[name](history, books) == [], name


UNRELEASED = with_hold(RELEASED, hold("cc", 100, 0, "held"), held=600)
#: The check, what it must say, and the books that make it red.
RED: list[tuple[str, str, Callable[[], Books]]] = [
    ("C3", "the head holds 501, and its open holds 500", lambda: with_hold(OPEN, OPEN, held=501)),
    ("C3", "the head holds 499, and its open holds 500", lambda: with_hold(OPEN, OPEN, held=499)),
    ("C3", "the head holds 500, and its open holds 0", lambda: with_hold(OPEN)),
    # The release that releases nothing, and one that ends its hold and notes no step.
    ("C4", "r did nothing to any hold, not ended hold cc", lambda: UNRELEASED),
    ("C5", "holds.release under r did nothing to any hold", lambda: UNRELEASED),
    (
        "C3", "says (100, 0, 'released', 'v-cc'), and its steps (100, 0, 'held', 'v-cc')",
        lambda: with_hold(RELEASED, hold("cc", 100, 0, "released")),
    ),
    # One that notes the step and goes on holding the points.
    (
        "C3", "says (100, 0, 'held', 'v-cc'), and its steps (100, 0, 'released', 'v-cc')",
        lambda: with_hold(RELEASED, replace(RELEASED, state="held"), held=600),
    ),
    ("C3", "is released, and 1 of it are left", lambda: with_step(RELEASED, units=99)),
    ("C4", "r released hold cc 0.0 hours before", lambda: with_step(RELEASED, time_left=0 * HOUR)),
    ("C4", "r lapsed hold cc 1.0 hours before", lambda: with_step(RELEASED, kind="lapsed")),
    ("C4", "r did nothing to any hold", lambda: with_step(RELEASED, voucher="v-c")),
    ("C4", f"of {A}, hold bb, ended hold cc, not", lambda: with_step(RELEASED, voucher="v-c")),
    # Ten points where five were asked for, as if nothing had been, twice, and too long.
    (
        "C4", f"aa placed 1000 of {A} for 3.0 hours, not placed 500 of {A} for 3.0 hours",
        lambda: with_hold(OPEN, hold("aa", 1000, 0, "held"), held=1000),
    ),
    (
        "C5", "holds.place under aa placed 1000",
        lambda: with_hold(OPEN, hold("aa", 1000, 0, "held"), held=1000),
    ),
    ("C4", "aa did nothing to any hold, not placed 500", lambda: with_hold(OPEN, held=0)),
    (
        "C4", f"aa placed 500 of {A} for 3.0 hours, placed 500 of {A} for 3.0 hours, not",
        lambda: with_hold(OPEN, OPEN, replace(OPEN, name="ab"), held=1000),
    ),
    ("C4", f"aa placed 500 of {A} for 4.0 hours, not", lambda: with_step(OPEN, time_left=4 * HOUR)),
    ("C4", "aa placed 500 of 22", lambda: with_hold(OPEN, replace(OPEN, account=22), held=0)),
    ("C3", "says (1000, 0, 'held'", lambda: with_hold(OPEN, replace(OPEN, units=1000), held=1000)),
    ("C3", "'v-r'), and its", lambda: with_hold(OPEN, replace(OPEN, voucher="v-r"))),
    ("C3", "its steps (0, 0, '', '')", lambda: with_hold(OPEN, replace(OPEN, steps=()))),
    # Captures.
    ("C4", f"c captured 100 of {A}, hold bb, not", lambda: with_step(CAPTURED, units=100)),
    ("C4", "c captured 200 of 22, h", lambda: with_hold(CAPTURED, replace(CAPTURED, account=22))),
    ("C3", "says (200, 200, 'captured'", lambda: with_step(CAPTURED, units=100)),
    ("C3", "is held, and -1 of it are left", lambda: with_step(CAPTURED, units=201)),
    ("C4", "c captured hold bb -1.0 hours before", lambda: with_step(CAPTURED, time_left=-HOUR)),
    # Steps that nobody asked for, or that come where none can.
    ("C5", "under r ended hold cc, lapsed hold ee 1.0", lambda: with_step(SWEPT, time_left=HOUR)),
    ("C5", "hold cc was released by no voucher", lambda: with_step(RELEASED, voucher="v-x")),
    ("C3", "step 3, released, is out of turn", lambda: with_step(RELEASED, number=3)),
    ("C3", "step 2, placed, is out of turn", lambda: with_step(RELEASED, kind="placed")),
    (
        "C3", "step 3, released, is out of turn",
        lambda: with_hold(
            RELEASED,
            replace(RELEASED, steps=(*RELEASED.steps, replace(RELEASED.steps[1], number=3))),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "said", "make"), RED)
def test_each_check_of_holds_turns_red(name: str, said: str, make: Callable[[], Books]) -> None:
    found = CHECKS[name](HISTORY, make())
    assert any(said in fault for fault in found), found


def test_steps_of_the_banks_own_give_no_hold_free_before_its_deadline() -> None:
    step = Voucher(None, "points.expire_due", "d")
    books = with_step(SWEPT, voucher="v-s")
    books = replace(books, vouchers={**books.vouchers, "v-s": step})
    assert CHECKS["C5"](HISTORY, books) == []
    books = with_step(SWEPT, voucher="v-s", time_left=HOUR)
    books = replace(books, vouchers={**books.vouchers, "v-s": step})
    assert "points.expire_due under None lapsed hold ee" in CHECKS["C5"](HISTORY, books)[0]
