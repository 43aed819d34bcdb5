"""What clients ask for: requests made by chance, and how each is submitted at a desk."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gongyi_bank.bank import Desks
from gongyi_bank.policies import (
    HoldRules,
    Policy,
    RedemptionRules,
    Tariff,
    TariffRate,
    TransferRules,
)
from gongyi_bank.values import Points
from tests.district import START

#: Every service lasts this long and pays this much; points are in the smallest part.
MINUTES, CREDIT = 10, 100
#: Services lie in this many slots before the clock's start.
SLOTS = 240
PRICE = 150
STORE, SKU, POOL, OUTLET = "P1", "rice", "POOL", "B01S01"
#: No hold ends by itself, and nobody may give too much: what is refused can be told in advance.
POLICIES: tuple[Policy, ...] = (
    Tariff(rates=(TariffRate(category="care", name="关爱", points_per_hour=Points(6)),)),
    TransferRules(gift_points_year_max=None),
    HoldRules(hours=8760, hours_max=8760),
    RedemptionRules(reservation_hours=2160),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One act under its key; the same key with other content is a mistake that is tried, too."""

    key: str
    kind: str
    account: int = 0
    target: int = 0
    #: Points in the smallest part, pieces, or the slot of a service.
    amount: int = 0
    #: The key under which the hold or reservation was made that this act is about.
    about: str = ""


def _points(request: Request) -> Points:
    return Points.of_units(request.amount, 2)


def _credit(desks: Desks, request: Request, _: UUID | None) -> Any:
    day, half_hour = divmod(request.amount, 48)
    started_at = START - dt.timedelta(days=30 - day, minutes=-30 * half_hour)
    return desks.hours.record(
        account=request.account, category="care", outlet=OUTLET, started_at=started_at,
        ended_at=started_at + dt.timedelta(minutes=MINUTES), recorded_by="T1", checked_by="K1",
        idempotency_key=request.key or None,
    )  # fmt: skip


def _gift(desks: Desks, request: Request, _: UUID | None) -> Any:
    return desks.transfers.gift(
        account=request.account, target=request.target, points=_points(request), outlet=OUTLET,
        idempotency_key=request.key or None,
    )  # fmt: skip


def _grant(desks: Desks, request: Request, _: UUID | None) -> Any:
    return desks.transfers.grant(
        pool=POOL, grants=[{"account": request.account, "points": _points(request)}],
        reason="慰问", second_person="ADM2", idempotency_key=request.key or None,
    )  # fmt: skip


def _donate(desks: Desks, request: Request, _: UUID | None) -> Any:
    return desks.transfers.donate(
        account=request.account, pool=POOL, points=_points(request), outlet=OUTLET,
        idempotency_key=request.key or None,
    )  # fmt: skip


def _redeem(desks: Desks, request: Request, _: UUID | None) -> Any:
    return desks.redemptions.redeem(
        account=request.account, store=STORE, sku=SKU, quantity=request.amount,
        idempotency_key=request.key or None,
    )  # fmt: skip


def _place(desks: Desks, request: Request, _: UUID | None) -> Any:
    return desks.holds.place(
        account=request.account, points=_points(request), store=STORE,
        idempotency_key=request.key or None,
    )  # fmt: skip


def _capture(desks: Desks, request: Request, about: UUID | None) -> Any:
    points = _points(request) if request.amount else None
    return desks.holds.capture(hold=about, points=points, idempotency_key=request.key or None)


def _release(desks: Desks, request: Request, about: UUID | None) -> Any:
    return desks.holds.release(hold=about, reason="改期", idempotency_key=request.key or None)


def _reserve(desks: Desks, request: Request, _: UUID | None) -> Any:
    return desks.redemptions.reserve(
        account=request.account, store=STORE, sku=SKU, quantity=request.amount,
        idempotency_key=request.key or None,
    )  # fmt: skip


def _hand_over(desks: Desks, request: Request, about: UUID | None) -> Any:
    return desks.redemptions.capture(redemption=about, idempotency_key=request.key or None)


def _give_up(desks: Desks, request: Request, about: UUID | None) -> Any:
    return desks.redemptions.release(
        redemption=about, reason="改期", idempotency_key=request.key or None
    )


def _restock(desks: Desks, request: Request, _: UUID | None) -> Any:
    return desks.stores.restock(
        store=STORE, sku=SKU, quantity=request.amount, reason="补货",
        idempotency_key=request.key or None,
    )  # fmt: skip


_SUBMIT: dict[str, Callable[[Desks, Request, UUID | None], Any]] = {
    "credit": _credit, "gift": _gift, "grant": _grant, "donate": _donate, "redeem": _redeem,
    "place": _place, "capture": _capture, "release": _release, "reserve": _reserve,
    "hand_over": _hand_over, "give_up": _give_up, "restock": _restock,
}  # fmt: skip


def submit(desks: Desks, request: Request, about: UUID | None) -> Any:
    """Do a request at these desks; the receipt."""
    return _SUBMIT[request.kind](desks, request, about)


_KINDS = (
    "credit credit credit credit credit gift gift gift donate donate grant redeem redeem redeem"
    " place place capture capture release reserve hand_over give_up restock"
).split()
#: Kinds that say by themselves what they are about, so that any client may try the same key.
_SHARED = ("credit", "gift", "donate", "redeem")


class Maker:
    """Makes requests from chance alone."""

    def __init__(self, chance: random.Random, seed: int, accounts: Sequence[int]) -> None:
        self.chance = chance
        self._seed = seed
        self._accounts = accounts
        self._made = 0
        #: Keys of holds and reservations that may still be open, for all clients to fight over.
        self.open: dict[str, list[str]] = {"place": [], "reserve": []}
        self.sent: list[Request] = []

    def request(self) -> Request:
        """A fresh one, one that others try too, one sent again, or one with a key misused."""
        dice = self.chance.random()
        if dice < 0.15:
            made = self._shared(f"shared-{self._made // 40}-{self.chance.randrange(8)}")
        elif dice < 0.23 and self.sent:
            made = self.chance.choice(self.sent[-60:])
        elif dice < 0.27 and self.sent:
            key = self.chance.choice(self.sent[-60:]).key
            made = self._of_kind("gift", self.chance, key)
        else:
            made = self._of_kind(self.chance.choice(_KINDS), self.chance, f"own-{self._made}")
        self._made += 1
        self.sent.append(made)
        return made

    def _shared(self, key: str) -> Request:
        chance = random.Random(f"{self._seed}:{key}")
        return self._of_kind(chance.choice(_SHARED), chance, key)

    def _of_kind(self, kind: str, chance: random.Random, key: str) -> Request:
        account, target = chance.sample(list(self._accounts), 2)
        if kind == "credit":
            return Request(key=key, kind=kind, account=account, amount=chance.randrange(SLOTS))
        if kind in ("redeem", "reserve"):
            return Request(key=key, kind=kind, account=account, amount=chance.randrange(1, 3))
        if kind == "restock":
            return Request(key=key, kind=kind, amount=chance.randrange(1, 9))
        if kind in ("capture", "release", "hand_over", "give_up"):
            return self._ending(kind, chance, key) or self._of_kind("credit", chance, key)
        amount = chance.randrange(1, 400)
        return Request(key=key, kind=kind, account=account, target=target, amount=amount)

    def _ending(self, kind: str, chance: random.Random, key: str) -> Request | None:
        waiting = self.open["place" if kind in ("capture", "release") else "reserve"]
        if not waiting:
            return None
        amount = chance.choice((0, 30, 300)) if kind == "capture" else 0
        return Request(key=key, kind=kind, about=chance.choice(waiting[-6:]), amount=amount)
