"""Figures: what was measured, beside what it is measured against and what was aimed at."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

HEAD = (
    "| work | where | library | against | ratio (middle half of the rounds) | aim | |\n"
    "|---|---|--:|--:|--:|---|---|"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table. Without an aim it is there to explain another row."""

    work: str
    #: Engine, how many lines the bank had, and what else must be known.
    where: str
    ours: str
    against: str = ""
    ratio: str = ""
    aim: str = ""
    is_met: bool | None = None

    def to_row(self, *, is_judged: bool = True) -> str:
        """The figure as a row of Markdown."""
        verdict = {None: "", True: "met", False: "**missed**"}[self.is_met] if is_judged else ""
        cells = (self.work, self.where, self.ours, self.against, self.ratio, self.aim, verdict)
        return f"| {' | '.join(cells)} |"


def table(figures: Iterable[Figure], *, is_judged: bool = True) -> str:
    """Figures as a Markdown table."""
    return "\n".join([HEAD, *(figure.to_row(is_judged=is_judged) for figure in figures)])


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that take turns. What `make` gives is made outside the time taken."""

    act: Callable[[Any], Any]
    make: Callable[[], Any] = lambda: None
    #: Whether `act` returns the seconds itself: it runs in another process.
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds of the library and of what it is measured against, round by round."""

    ours: list[float]
    theirs: list[float]

    def speed(self) -> tuple[float, float, float]:
        """Of the library in terms of the other: median, and the middle half of the rounds."""
        return _spread([b / a for a, b in zip(self.ours, self.theirs, strict=True)])

    def slowness(self) -> tuple[float, float, float]:
        """How many times longer the library takes."""
        return _spread([a / b for a, b in zip(self.ours, self.theirs, strict=True)])

    def faster(self, work: str, where: str, against: str, at_least: float | None) -> Figure:
        """A figure whose aim is a speed."""
        ratio, low, high = self.speed()
        return Figure(
            work, where, shown(statistics.median(self.ours)),
            f"{shown(statistics.median(self.theirs))} {against}",
            f"{ratio:.2f} × ({low:.2f}–{high:.2f})",
            "" if at_least is None else f"≥ {at_least:g} × its speed",
            None if at_least is None else ratio >= at_least,
        )  # fmt: skip

    def slower(self, work: str, where: str, against: str, at_most: float | None) -> Figure:
        """A figure whose aim is a time."""
        ratio, low, high = self.slowness()
        return Figure(
            work, where, shown(statistics.median(self.ours)),
            f"{shown(statistics.median(self.theirs))} {against}",
            f"{ratio:.2f} × ({low:.2f}–{high:.2f})",
            "" if at_most is None else f"≤ {at_most:g} × its time",
            None if at_most is None else ratio <= at_most,
        )  # fmt: skip


def _spread(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 4:
        return statistics.median(values), min(values), max(values)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def shown(seconds: float) -> str:
    """Seconds for people."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


#: psycopg prepares a statement after it has run five times.
WARM_UP = 7


def take_turns(sides: Sequence[Side], rounds: int, warm_up: int = WARM_UP) -> list[list[float]]:
    """Seconds of each side, A B A B …, after a warm-up of all."""
    taken: list[list[float]] = [[] for _ in sides]
    for number in range(rounds + warm_up):
        for seconds, side in zip(taken, sides, strict=True):
            given = side.make()
            begin = time.perf_counter()
            answer = side.act(given)
            passed = time.perf_counter() - begin
            if number >= warm_up:
                seconds.append(answer if side.is_timed else passed)
    return taken


def compare(ours: Side, theirs: Side, rounds: int, warm_up: int = WARM_UP) -> Turns:
    """The library and another, in turns."""
    return Turns(*take_turns((ours, theirs), rounds, warm_up))
