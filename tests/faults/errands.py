"""What the workers of the bank test ask the bank for: commands with the lines they must post.

The lines are worked out here, from the request alone, so that the checks need not believe the
library. Amounts are in units: hundredths of a point.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.closings import CloseBooks
from gongyi_bank.commands.holds import CaptureHold, PlaceHold, ReleaseHold
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.commands.refunds import RefundGoods
from gongyi_bank.commands.reversals import ReverseLine
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.commands.transfers import GiftPoints
from gongyi_bank.policies import TransferRules
from gongyi_bank.values import Points
from tests.district import District, at

ACCOUNTS = 8
#: What everybody begins with, and the most that a gift takes, in points.
BEGIN_WITH, GIFT_MAX = 100, 40
PRICE_UNITS = 40
#: Half an hour of 环境整治 at one point an hour.
SERVICE_UNITS = 50
OUTLET = "B01S01"
#: What can be sent again from a journal, by act.
COMMANDS: dict[str, type[Command]] = {
    command.act: command
    for command in (
        CaptureHold, CloseBooks, GiftPoints, PlaceHold, RecordHours, Redeem, RefundGoods,
        ReleaseHold, ReverseLine,
    )
}  # fmt: skip

Lines = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Errand:
    """A command with its key, who submits it, and the lines it asks for."""

    command: Command
    lines: Lines = ()
    staff: str = "T1"

    @property
    def key(self) -> str:
        """Its idempotency key."""
        assert self.command.idempotency_key is not None
        return self.command.idempotency_key


def set_up(district: District, customers: int, points: int) -> list[int]:
    """Customers with points, a store with goods, no yearly limit; the account numbers."""
    bank = district.bank
    unlimited = TransferRules(gift_points_year_max=None)
    bank.policies.adopt(policy=unlimited, effective_on=dt.date(2022, 10, 15))
    store = NewStore(
        code="P1", name="幸福超市", kind="community_store", recruited_by=OUTLET,
        joined_on=dt.date(2022, 1, 1),
    )  # fmt: skip
    bank.stores.recruit(stores=(store,))
    towel = NewOffer(
        store="P1", sku="S", name="毛巾", points=Points.of_units(PRICE_UNITS, 2), stock=10_000
    )
    bank.stores.publish_offers(offers=(towel,))
    accounts = [district.customer(name=f"客户{number}") for number in range(customers)]
    for account in accounts:
        district.acting("K1").points.grant(
            account=account, points=Points(points), reason="期初", second_person="K1b",
            outlet="B01",
        )  # fmt: skip
    return accounts


@dataclass
class Wallet:
    """What a worker remembers of its own acts, to do something with it later."""

    accounts: list[int]
    chance: random.Random
    #: (hold, account, units), (redemption, account), (account, line of a service).
    holds: list[tuple[str, int, int]] = field(default_factory=list)
    redemptions: list[tuple[str, int]] = field(default_factory=list)
    services: list[tuple[int, int]] = field(default_factory=list)

    def remember(self, errand: Errand, receipt: Mapping[str, Any]) -> None:
        """Note what an acknowledged act has made."""
        command = errand.command
        if isinstance(command, PlaceHold):
            units = command.points.to_units(2)
            self.holds.append((receipt["hold_id"], command.account, units))
        elif isinstance(command, Redeem):
            self.redemptions.append((receipt["redemption_id"], command.account))
        elif isinstance(command, RecordHours) and receipt["line_no"] is not None:
            self.services.append((command.account, receipt["line_no"]))

    def next(self, key: str, now: dt.datetime) -> Errand:
        """A fresh errand under this key."""
        makers = [maker for maker, weight in _MIX.items() for _ in range(weight)]
        return self.chance.choice(makers)(self, key, now)

    def gift(self, key: str, now: dt.datetime) -> Errand:
        """Points from one customer to another."""
        return gift(self.accounts, self.chance, key)

    def serve(self, key: str, now: dt.datetime) -> Errand:
        """Half an hour, at most twelve of them a day, so that none must wait for approval."""
        account = self.chance.choice(self.accounts)
        start = at(f"09-{self.chance.randrange(1, 31):02d} {self.chance.randrange(12):02d}:00")
        command = RecordHours(
            account=account, category="sanitation", outlet=OUTLET, started_at=start,
            ended_at=start + dt.timedelta(minutes=30), recorded_by="T1", checked_by="K1",
            idempotency_key=key,
        )  # fmt: skip
        return Errand(command, ((account, SERVICE_UNITS),))

    def redeem(self, key: str, now: dt.datetime) -> Errand:
        """A towel."""
        account = self.chance.choice(self.accounts)
        command = Redeem(account=account, store="P1", sku="S", idempotency_key=key)
        return Errand(command, ((account, -PRICE_UNITS),))

    def place(self, key: str, now: dt.datetime) -> Errand:
        """Points put aside, some of them so shortly that a jump of the clock is their end."""
        account = self.chance.choice(self.accounts)
        points = Points(self.chance.randrange(1, 6))
        command = PlaceHold(
            account=account, points=points, store="P1", hours=self.chance.randrange(1, 60),
            idempotency_key=key,
        )  # fmt: skip
        return Errand(command)

    def end_hold(self, key: str, now: dt.datetime) -> Errand:
        """Capture a hold of one's own, or give it free."""
        if not self.holds:
            return self.place(key, now)
        hold, account, units = self.holds.pop(self.chance.randrange(len(self.holds)))
        if self.chance.random() < 0.7:
            capture = CaptureHold(hold=UUID(hold), idempotency_key=key)
            return Errand(capture, ((account, -units),))
        return Errand(ReleaseHold(hold=UUID(hold), reason="改期", idempotency_key=key))

    def refund(self, key: str, now: dt.datetime) -> Errand:
        """Bring a towel back."""
        if not self.redemptions:
            return self.redeem(key, now)
        place = self.chance.randrange(len(self.redemptions))
        redemption, account = self.redemptions.pop(place)
        command = RefundGoods(
            redemption=UUID(redemption), reason="破损", second_person="K1", idempotency_key=key
        )
        return Errand(command, ((account, PRICE_UNITS),))

    def reverse(self, key: str, now: dt.datetime) -> Errand:
        """Take a service's points back."""
        if not self.services:
            return self.serve(key, now)
        account, line_no = self.services.pop(self.chance.randrange(len(self.services)))
        command = ReverseLine(
            account=account, line_no=line_no, reason="误记", second_person="K1b",
            idempotency_key=key,
        )  # fmt: skip
        return Errand(command, ((account, -SERVICE_UNITS),), staff="K1")

    def close(self, key: str, now: dt.datetime) -> Errand:
        """Close yesterday: everybody who does so uses the same key."""
        day = (now.astimezone(at("10-15 00:00").tzinfo) - dt.timedelta(days=1)).date()
        command = CloseBooks(period=str(day), idempotency_key=f"close-{day}")
        return Errand(command, staff="admin")


def gift(accounts: list[int], chance: random.Random, key: str) -> Errand:
    """A gift that the chance decides: the same for everybody with the same chance."""
    giver, taker = chance.sample(accounts, 2)
    points = Points(chance.randint(1, GIFT_MAX))
    units = points.to_units(2)
    command = GiftPoints(
        account=giver, target=taker, points=points, outlet=OUTLET, idempotency_key=key
    )
    return Errand(command, ((giver, -units), (taker, units)))


#: Fresh errands by weight.
_MIX: dict[Callable[[Wallet, str, dt.datetime], Errand], int] = {
    Wallet.gift: 50,
    Wallet.serve: 12,
    Wallet.redeem: 10,
    Wallet.place: 8,
    Wallet.end_hold: 8,
    Wallet.refund: 5,
    Wallet.reverse: 5,
    Wallet.close: 2,
}
