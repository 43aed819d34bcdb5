"""A history while it is drawn: wishes, which are a few small numbers, and what is there so far."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from gongyi_bank.testing.histories import Step
from gongyi_bank.testing.story_builder import Cast, ServicePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWish:
    """A step as it is drawn: small numbers that shrink, made into a command afterwards."""

    act: str
    #: Minutes since the step before.
    pause: int = 0
    who: int = 0
    what: int = 0
    #: At least 1.
    units: int = 1
    #: Which one of several earlier steps, counted from the newest.
    back: int = 0

    def choose(self, count: int) -> int:
        """A number from 0 to below `count` that follows from the units; 0 at their plainest."""
        return (self.units - 1) % count


@dataclass(slots=True)
class Draft:
    """A history while it is put together: the time that it has reached, and its steps."""

    cast: Cast
    now: dt.datetime
    steps: list[Step] = field(default_factory=list)
    #: What each of them is, for those that need one of a kind.
    acts: list[str] = field(default_factory=list)
    #: What the step that is being made is about.
    about: Step | None = None

    @property
    def seconder(self) -> str:
        """Who agrees where two people are needed."""
        return self.cast.administrators[1]

    def account(self, number: int) -> int:
        """One of the cast's accounts."""
        return self.cast.accounts[number % len(self.cast.accounts)]

    def other(self, account: int, number: int) -> int:
        """Another one of them."""
        others = [one for one in self.cast.accounts if one != account]
        return others[number % len(others)]

    def article(self, number: int) -> dict[str, Any]:
        """A store and what it has."""
        store, sku = self.cast.goods[number % len(self.cast.goods)]
        return {"store": store, "sku": sku}

    def pool(self, number: int) -> str:
        """One of its pools."""
        return self.cast.pools[number % len(self.cast.pools)]

    def point(self, number: int) -> ServicePoint:
        """Where service is recorded."""
        return self.cast.service_points[number % len(self.cast.service_points)]

    def newest(self, back: int, acts: tuple[str, ...]) -> int | None:
        """The number of an earlier step of these acts, counted back from the newest."""
        found = [number for number, act in enumerate(self.acts) if act in acts]
        return found[-1 - back % len(found)] if found else None

    def pass_minutes(self, minutes: int) -> None:
        """Time goes on."""
        later = self.now.astimezone(dt.UTC) + dt.timedelta(minutes=minutes)
        self.now = later.astimezone(self.now.tzinfo)
