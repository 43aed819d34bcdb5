"""Wishes: what a rule of the machine draws, a few small numbers that shrink to nothing.

What a number stands for is decided when the rule runs, by what the books hold then: the second
account, the newest hold. So a step that shrinks away does not take those after it along.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.testing.arguments import require_whole


class Twist:
    """What may be odd about a request besides what it asks for; below `KEYED` nothing is."""

    #: With a key of its own.
    KEYED = (4, 5, 6)
    #: Sent by whoever `back` and `who` point at, who mostly may not do it.
    BY_ANOTHER = 7
    #: Under the key of an earlier request.
    KEY_OF_ANOTHER = 8
    #: About an account, an outlet, a hold or a book that is not there.
    ABSENT = 9


#: Beyond it numbers choose nothing new.
_NUMBER_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Wish:
    """One act as it is drawn; every field is a number to choose with. Raises InvalidValue."""

    #: Which account.
    who: int = 0
    #: Which outlet, store, article, pool or outlet's book.
    what: int = 0
    #: In which form.
    how: int = 0
    #: How much.
    units: int = 0
    #: Which one of several earlier things, counted from the newest; or how long ago.
    back: int = 0
    #: See `Twist`.
    twist: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            most = Twist.ABSENT if field.name == "twist" else _NUMBER_MAX
            require_whole(field.name, getattr(self, field.name), 0, most)

    def __repr__(self) -> str:
        told = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name)]
        return f"Wish({', '.join(told)})"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """As Hypothesis prints a step: without the zeros."""
        printer.text(repr(self))


#: How many of each field there are, the one that shrinks first at the end.
_COUNTS = {"units": 100, "who": 12, "what": 10, "how": 10, "back": 7, "twist": Twist.ABSENT + 1}


def wishes() -> SearchStrategy[Wish]:
    """Wishes; they shrink to `Wish()`: the first account, one point, the newest hold.

    >>> @rule(wish=wishes())
    """
    # One number for all of it: a shrinker leaves out short stretches, and steps are long enough.
    # Not mapped: a failure then shows the wish, and not how it was drawn.
    numbers = st.integers(0, math.prod(_COUNTS.values()) - 1)
    return numbers.flatmap(lambda number: st.just(_wish(number)))


def _wish(number: int) -> Wish:
    chosen = {}
    for name, count in _COUNTS.items():
        number, chosen[name] = divmod(number, count)
    return Wish(**chosen)
