"""A bank to measure on: its house, its customers, and services that collide with nothing."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.periods import business_day
from gongyi_bank.values import Points
from tests.bench.by_hand import Frame, Service
from tests.bench.by_hand_postgresql import PostgresqlByHand
from tests.bench.by_hand_sqlite import SqliteByHand
from tests.district import SHANGHAI, District

#: When the first service of a benchmark begins.
MORNING = dt.datetime(2022, 1, 3, 8, tzinfo=SHANGHAI)
#: The moment at which the library works here.
NOW = MORNING + dt.timedelta(days=360)
#: Half-hour services that a customer can give in a day without reaching a limit.
SLOTS = 12
#: Every worker of a contended bank has an outlet, a store and an article of its own.
WORKERS = 8
_ROWS_PER_LOAD = 8000


class Workload:
    """A bank with customers on some engine, its code by hand, and an endless supply of rows."""

    def __init__(self, url: str, customers: int) -> None:
        self.url = url
        self.district = District(url)
        self.district.clock.now = NOW
        self.bank: Bank = self.district.bank
        self.teller = self.district.acting("T1")
        self._open_house()
        self.accounts: list[int] = []
        for count in _parts(customers, 5000):
            new = [
                NewCustomer(outlet="B01S01", name="张三", registered_on=dt.date(2022, 1, 1))
                for _ in range(count)
            ]
            self.accounts += self.bank.customers.register(customers=tuple(new)).accounts
        self._serial = itertools.count()
        self.lines = 0
        self.hand = by_hand_of(url)
        self.frame = self.frame_at(NOW)

    def _open_house(self) -> None:
        codes = [f"B01W{number}" for number in range(WORKERS)]
        outlets = tuple(NewOutlet(code=c, name=f"工位{c}", parent="B01") for c in codes)
        self.bank.outlets.open(outlets=outlets)
        tellers = (Appointment(code=f"T{c}", role="teller", outlet=c) for c in codes)
        self.bank.staff.appoint(appointments=tuple(tellers))
        stores = [("P001", "B01S01"), *((f"P{code}", code) for code in codes)]
        self.bank.stores.recruit(
            stores=tuple(
                NewStore(
                    code=code, name=f"幸福超市{code}", kind="community_store",
                    recruited_by=outlet, joined_on=MORNING.date(),
                )
                for code, outlet in stores
            )
        )  # fmt: skip
        self.bank.stores.publish_offers(
            offers=tuple(
                NewOffer(
                    store=code, sku=f"S{number}", name="毛巾", points=Points("0.25"),
                    stock=10**6,
                )
                for code, _ in stores
                for number in range(WORKERS)
            )
        )  # fmt: skip

    def frame_at(self, now: dt.datetime) -> Frame:
        """What the code by hand must know of the house, at a moment."""
        hand = self.hand
        return Frame(
            now=now.astimezone(dt.UTC),
            day=business_day(now, SHANGHAI),
            places=hand.names("outlet", "outlet_no"),
            people=hand.names("staff", "staff_no"),
            policy_id=hand.tariff(),
        )

    def services(self, count: int) -> list[Service]:
        """Services of half an hour, as plain values: every customer once before anyone again."""
        return [self._service(next(self._serial)) for _ in range(count)]

    def _service(self, number: int) -> Service:
        turn, who = divmod(number, len(self.accounts))
        return service(self.accounts[who], turn, f"N{number}")

    def load(self, lines: int) -> None:
        """Fill the bank by hand up to so many lines, booked over the year before now."""
        missing = lines - self.lines
        if missing <= 0:
            return
        parts = list(_parts(missing, min(_ROWS_PER_LOAD, max(missing // 50, 100))))
        with self.hand.loading():
            for number, count in enumerate(parts):
                before = dt.timedelta(days=300) * (1 - number / len(parts))
                self.hand.credit(self.services(count), self.frame_at(NOW - before))
        self.hand.settle()
        self.lines = lines

    def close(self) -> None:
        """Give the connections back."""
        self.hand.close()
        self.district.close()


def service(account: int, turn: int, ref: str, outlet: str = "B01S01", by: str = "T1") -> Service:
    """The `turn`-th service of a customer."""
    day, slot = divmod(turn, SLOTS)
    started_at = MORNING + dt.timedelta(days=day, minutes=30 * slot)
    return {
        "account": account, "category": "sanitation", "started_at": started_at,
        "ended_at": started_at + dt.timedelta(minutes=30), "outlet": outlet, "project": "P1",
        "client_rating": 5, "recorded_by": by, "checked_by": "K1", "ref": ref,
    }  # fmt: skip


def as_rows(services: list[Service]) -> tuple[ServiceRow, ...]:
    """Plain values as the library takes them, checked: part of its work."""
    return tuple(ServiceRow(**fields) for fields in services)


def by_hand_of(url: str) -> Any:
    """The code by hand for an engine."""
    if url.startswith("sqlite:///"):
        return SqliteByHand(url.removeprefix("sqlite:///"))
    return PostgresqlByHand(url.replace("+psycopg", ""))


def _parts(total: int, size: int) -> list[int]:
    return [min(size, total - done) for done in range(0, total, size)]
