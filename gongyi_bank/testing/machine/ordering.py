"""The order in which acts that were under way at once may have been done.

Nobody outside sees in which order the transactions of several threads took effect. What can be
seen is when each act was asked for and when its answer was there; the books have their vouchers
in an order. So an order is looked for that agrees with both and explains every answer: that of
the vouchers first, and then others, as long as there are tries left.

A refusal changes nothing, so it may have its place wherever it is right. Of hundreds at once not
each is tried in every place: first only where it is likely, among the changes that were answered
about when it was, and where nothing else can be next. Only if that leads nowhere, every place is
tried, and other orders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from gongyi_bank.testing.machine.watching import Heard

StateT = TypeVar("StateT")
#: How many acts are tried on the reference, beside one for each that was heard.
TRIES_MAX: Final = 3000
#: How many changes before, and after, the place that its answer's moment tells a refusal is likely.
NEAR: Final = 8


@dataclass(frozen=True, slots=True)
class Scene(Generic[StateT]):
    """Where acts are tried: what can be done with the reference."""

    #: Do an act on it as it is now: whether it answers alike.
    do: Callable[[Heard], bool]
    #: A picture of it, …
    picture: Callable[[], StateT]
    #: … and going back to that.
    go_back: Callable[[StateT], None]


@dataclass(frozen=True, slots=True)
class Order:
    """The acts in the order found; without one, as far as it goes and then in that of the books."""

    acts: list[Heard]
    is_found: bool
    #: Whether every other order was tried, too.
    is_every_tried: bool = True


@dataclass(slots=True)
class _Step(Generic[StateT]):
    """A place in the order, and who may still be put there."""

    state: StateT
    placed: int
    may_be_next: Iterator[Heard]


def in_order(heard: Sequence[Heard], scene: Scene[StateT]) -> Order:
    """An order that explains what was heard; where there is only one, nothing is tried."""
    search = _Search(heard, scene)
    plain = search.only_order()
    if plain is None:
        plain = search.straight_order()
    return Order(plain, is_found=True) if plain is not None else search.find()


def _begun(one: Heard) -> tuple[int, int]:
    return one.began, one.ended


@dataclass(slots=True)
class _Search(Generic[StateT]):
    heard: Sequence[Heard]
    scene: Scene[StateT]
    #: Those in their places, first to last, and those that have none yet, as they were begun.
    placed: list[Heard] = field(init=False, default_factory=list)
    left: list[Heard] = field(init=False)
    tries: int = field(init=False)
    #: Sets of acts that were in their places once, and did not lead on.
    _seen: set[frozenset[int]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.left = sorted(self.heard, key=_begun)

    def only_order(self) -> list[Heard] | None:
        """The only order that there can be, if there is only one."""
        ready = self._ready()
        while len(ready) == 1:
            self._put(ready[0])
            ready = self._ready()
        if not self.left:
            return self.placed
        self._cut(0)
        return None

    def straight_order(self) -> list[Heard] | None:
        """One without any going back, each refusal where it is likely: a few tries for each act."""
        self.tries = TRIES_MAX + 2 * NEAR * len(self.heard)
        began, first_near = self.scene.picture(), dict[int, int]()
        while self.left and self.tries:
            self._put_those_that_change_nothing(self._is_likely(first_near))
            step = self._step()
            if self._go_on(step):
                continue
            self.scene.go_back(step.state)
            if not self._put_those_that_change_nothing():
                break
        if not self.left:
            return self.placed
        self.scene.go_back(began)
        self._cut(0)
        return None

    def _is_likely(self, first_near: dict[int, int]) -> Callable[[Heard], bool]:
        """Whether few changes answered before it are left, and not many were put since that."""
        left = sorted(one.ended for one in self.left if one.is_change)
        near = left[NEAR] if len(left) > NEAR else math.inf

        def is_likely(one: Heard) -> bool:
            if one.ended > near:
                return False
            return first_near.setdefault(id(one), len(left)) - len(left) <= 2 * NEAR

        return is_likely

    def find(self) -> Order:
        """Go on with one act after the other, and back where none can be the next."""
        best: list[Heard] = []
        self.tries = TRIES_MAX + len(self.heard)
        self._put_those_that_change_nothing()
        steps = [self._step()]
        while self.left and steps and self.tries:
            if not self._go_on(steps[-1]):
                steps.pop()
                continue
            self._put_those_that_change_nothing()
            if len(self.placed) > len(best):
                best = [*self.placed]
            known = frozenset(map(id, self.placed))
            if known not in self._seen:
                self._seen.add(known)
                steps.append(self._step())
        if not self.left:
            return Order(self.placed, is_found=True)
        rest = [one for one in self.heard if one not in best]
        rest.sort(key=lambda one: (one.place, one.ended))
        return Order([*best, *rest], is_found=False, is_every_tried=not steps)

    def _step(self) -> _Step[StateT]:
        ready = [one for one in self._ready() if one.is_change]
        ready.sort(key=lambda one: (one.place, one.ended))
        return _Step(self.scene.picture(), len(self.placed), iter(ready))

    def _go_on(self, step: _Step[StateT]) -> bool:
        """Put the next that fits in this place; False if none is left that does."""
        for one in step.may_be_next:
            self.scene.go_back(step.state)
            self._cut(step.placed)
            if self._try(one):
                return True
        return False

    def _put_those_that_change_nothing(
        self, is_likely: Callable[[Heard], bool] = lambda one: True
    ) -> bool:
        """Refusals, and what was undone: right wherever they are right, and in nobody's way.

        Each is tried once, for none of them makes another right. True if any is in its place.
        """
        found, asked = False, set[int]()
        while more := [
            one
            for one in self._ready()
            if not one.is_change and id(one) not in asked and is_likely(one)
        ]:
            state = self.scene.picture()
            for one in more:
                asked.add(id(one))
                found |= self._try(one)
                self.scene.go_back(state)
        return found

    def _try(self, one: Heard) -> bool:
        self.tries = max(0, self.tries - 1)
        is_right = self.scene.do(one)
        if is_right:
            self._put(one)
        return is_right

    def _put(self, one: Heard) -> None:
        self.left.remove(one)
        self.placed.append(one)

    def _cut(self, count: int) -> None:
        """Leave only the first so many in their places."""
        self.left = sorted([*self.left, *self.placed[count:]], key=_begun)
        del self.placed[count:]

    def _ready(self) -> list[Heard]:
        """Who may be next: nobody left was over before they began, nor before in their block."""
        first_over = min((one.is_seen_at for one in self.left), default=0)
        begun, ready = set(), []
        for one in self.left:
            if one.began > first_over:
                break
            if one.block.transaction not in begun:
                begun.add(one.block.transaction)
                ready.append(one)
        return ready
