"""The order in which acts that were under way at once may have been done.

Nobody outside sees in which order the transactions of several threads took effect. What can be
seen is when each act was asked for and when its answer was there; the books have their vouchers
in an order. So an order is looked for that agrees with both and explains every answer: that of
the vouchers first, and then others, as long as there are tries left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from gongyi_bank.testing.machine.watching import Heard

StateT = TypeVar("StateT")
#: How many acts are tried on the reference, beside one for each that was heard.
TRIES_MAX: Final = 3000


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
        self.tries = TRIES_MAX + len(self.heard)

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

    def find(self) -> Order:
        """Go on with one act after the other, and back where none can be the next."""
        best: list[Heard] = []
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

    def _put_those_that_change_nothing(self) -> None:
        """Refusals, and what was undone: right wherever they are right, and in nobody's way."""
        found = True
        while found:
            found = False
            for one in [one for one in self._ready() if not one.is_change]:
                state = self.scene.picture()
                found |= self._try(one)
                self.scene.go_back(state)

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
