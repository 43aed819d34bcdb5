"""What clients ask for: acts of every desk, made by chance from what is committed at that moment.

The acts are those of the testing kit's state machine, which knows how a command of each is made.
Here they come with keys, and are wished for by several clients at once: for the same accounts,
holds, lines and goods, or word for word the same.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gongyi_bank.commands.base import Command
from gongyi_bank.policies import (
    HoldRules,
    PointsExpiry,
    Policy,
    RedemptionRules,
    ReversalRules,
)
from gongyi_bank.testing.machine import MAKERS, Wish
from gongyi_bank.testing.machine.choosing import Choice
from gongyi_bank.testing.machine.furnishing import ADMINISTRATOR
from gongyi_bank.testing.machine.needs import needed_first
from gongyi_bank.testing.machine.subjects import Subjects
from gongyi_bank.testing.machine.wishes import Twist
from gongyi_bank.testing.reference import Ids
from gongyi_bank.testing.reference.books import Books

#: Decimal places of a point.
SCALE: Final = 2
#: What banks are founded with, one seed after the other: points live to the end of this
#: month or for two more, spent points that are taken back are a debt or a refusal, holds end soon.
FOUNDINGS: Final[tuple[tuple[Policy, ...], ...]] = (
    (PointsExpiry(mode="months", length=1), ReversalRules(spent="debt")),
    (PointsExpiry(mode="months", length=0), HoldRules(hours=24, hours_max=100)),
    (
        PointsExpiry(mode="months", length=2),
        HoldRules(hours=200, hours_max=2000),
        RedemptionRules(reservation_hours=1000),
        ReversalRules(spent="take_available", refund_validity="fresh"),
    ),
)
#: How often an act is asked for beside the others; those not named, this often all together.
_WEIGHTS: Final[dict[str, int]] = {
    "hours.record": 10, "hours.record_many": 2, "hours.approve": 1, "hours.refuse": 1,
    "hours.void": 2, "hours.correct": 4, "points.grant": 10, "points.expire_due": 2,
    "holds.place": 8, "holds.capture": 7, "holds.capture_many": 2, "holds.extend": 3,
    "holds.release": 2, "holds.release_many": 1, "holds.lapse_overdue": 2,
    "redemptions.redeem": 7, "redemptions.redeem_many": 2, "redemptions.reserve": 6,
    "redemptions.capture": 5, "redemptions.extend": 2, "redemptions.release": 2,
    "redemptions.refund": 5, "transfers.gift": 5, "transfers.donate": 4, "transfers.grant": 4,
    "transfers.send": 5, "reversals.reverse_line": 5, "reversals.reverse_voucher": 2,
    "stores.restock": 4, "closings.announce": 1, "closings.drain": 1, "closings.close": 1,
}  # fmt: skip
_OTHERS_WEIGHT: Final = 8
#: Who may not do most of it.
_STRANGERS: Final = ("AUD", "T2", "K2", "C1", "VOL", "NOBODY")
#: How many of each of a wish's numbers there are.
_NUMBERS: Final = {"who": 12, "what": 10, "how": 10, "units": 100}
#: How often it is the newest thing, the one before, and so on: that is what others want, too.
_BACK: Final = (6, 4, 3, 2, 1, 1, 1)
#: Requests as new as this may still be on their way.
_NEWEST = 5


@dataclass(frozen=True, slots=True)
class Request:
    """A command, and who sends it."""

    staff: str
    command: Command

    @property
    def key(self) -> str:
        """The key under which it is done once; empty if it has none."""
        return self.command.idempotency_key or ""

    def under(self, key: str | None) -> Request:
        """The same request under another key, or under none."""
        changed = self.command.model_copy(update={"idempotency_key": key})
        return Request(self.staff, changed)

    def __str__(self) -> str:
        return f"{self.key} {self.command.act} by {self.staff}"


class Maker:
    """Makes requests from chance and what the reference knows."""

    def __init__(
        self,
        chance: random.Random,
        now: Callable[[], dt.datetime],
        wanted: Mapping[str, int] | None = None,
    ) -> None:
        """`wanted` are acts that are asked for more often than they would be, with weights."""
        self._chance = chance
        self._now = now
        self._made = 0
        others = MAKERS.keys() - _WEIGHTS.keys()
        weights = _WEIGHTS | dict.fromkeys(sorted(others), _OTHERS_WEIGHT / len(others))
        weights |= wanted or {}
        self._acts, self._weights = list(weights), list(weights.values())
        #: What was asked for so far, the newest last.
        self.sent: list[Request] = []

    def request(self, books: Books, ids: Ids) -> Request:
        """A fresh one, one that others are trying too, an old one, or one with a used key."""
        dice = self._chance.random()
        if dice < 0.12 and self.sent:
            made = self._chance.choice(self.sent[-_NEWEST:])
        elif dice < 0.18 and self.sent:
            made = self._chance.choice(self.sent[-60:])
        else:
            made = self._fresh(books, ids).under(f"own-{self._made}")
            if dice < 0.22 and self.sent:
                made = made.under(self._chance.choice(self.sent[-60:]).key)
        self._made += 1
        self.sent.append(made)
        return made

    def _fresh(self, books: Books, ids: Ids) -> Request:
        """One of all acts, or what must come before it has anything to be about."""
        (act,) = self._chance.choices(self._acts, self._weights)
        act, wish = self._sensible(act, self._wish(), books)
        command, make = MAKERS[act]
        own = {other: one for one, other in ids.pairs.items()}
        staff, fields = make(Choice(wish, books, ids=own, now=self._now(), scale=SCALE))
        if wish.twist == Twist.BY_ANOTHER:
            staff = self._chance.choice(_STRANGERS)
        elif not books.people[staff].in_force:
            staff = ADMINISTRATOR  # stands in for who has left
        return Request(staff, command(**fields))

    def _sensible(self, act: str, wish: Wish, books: Books) -> tuple[str, Wish]:
        subjects = Subjects(books, self._now(), SCALE)
        missing = next(needed_first(act, wish, lambda: subjects), (act, wish))
        return missing if missing[0] in MAKERS else (act, wish)  # time passes by itself

    def _wish(self) -> Wish:
        numbers = {name: self._chance.randrange(count) for name, count in _NUMBERS.items()}
        (twist,) = self._chance.choices((0, Twist.BY_ANOTHER, Twist.ABSENT), (93, 4, 3))
        (back,) = self._chance.choices(range(len(_BACK)), _BACK)
        return Wish(twist=twist, back=back, **numbers)


def by_administrator(requests: list[Request]) -> list[Request]:
    """The same requests by one person, as in one transaction; each key once."""
    distinct = {request.key: request for request in requests}
    return [Request(ADMINISTRATOR, request.command) for request in distinct.values()]
