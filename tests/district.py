"""A small district for tests: a head office, two branches, four savings branches, their staff.

H ─┬─ B01 ─┬─ B01S01     admin at H; K1, K1b at B01; K2 at B02;
   │       └─ B01S02     T1 at B01S01, T2 at B01S02, T3 at B02S01; AUD auditor at H
   └─ B02 ─┬─ B02S01
           └─ B02S02
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.policies import Policy, Tariff, TariffRate
from gongyi_bank.store.engines import connect, engine_for
from gongyi_bank.store.founding import create_schema
from gongyi_bank.values import Points

SHANGHAI = ZoneInfo("Asia/Shanghai")
#: Noon of 15 October 2022, when the tests' clock begins.
START = dt.datetime(2022, 10, 15, 12, tzinfo=SHANGHAI)
TARIFF = Tariff(
    rates=(
        TariffRate(category="elder_care", name="关爱老人", points_per_hour=Points("1.50")),
        TariffRate(category="sanitation", name="环境整治", points_per_hour=Points("1.00")),
        TariffRate(category="culture", name="文化活动", points_per_hour=Points("0.75")),
    )
)
OUTLETS = (
    NewOutlet(code="B01", name="莲花分行", parent="H"),
    NewOutlet(code="B02", name="丰裕分行", parent="H", setting="rural"),
    NewOutlet(code="B01S01", name="莲花团结社区储蓄所", parent="B01"),
    NewOutlet(code="B01S02", name="莲花胜利社区储蓄所", parent="B01"),
    NewOutlet(code="B02S01", name="丰裕龙潭村储蓄所", parent="B02", setting="rural"),
    NewOutlet(code="B02S02", name="丰裕石桥村储蓄所", parent="B02", setting="rural"),
)
STAFF = (
    Appointment(code="K1", role="ledger_keeper", outlet="B01"),
    Appointment(code="K1b", role="ledger_keeper", outlet="B01"),
    Appointment(code="K2", role="ledger_keeper", outlet="B02"),
    Appointment(code="T1", role="teller", outlet="B01S01"),
    Appointment(code="T1b", role="teller", outlet="B01S01"),
    Appointment(code="T2", role="teller", outlet="B01S02"),
    Appointment(code="T3", role="teller", outlet="B02S01"),
    Appointment(code="AUD", role="auditor", outlet="H"),
    Appointment(code="ADM2", role="administrator", outlet="H"),
)


class Clock:
    """A clock that stands still until it is told the time."""

    def __init__(self, now: dt.datetime = START) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now

    def advance(self, **amount: int) -> None:
        """Move on by e.g. `days=3`."""
        self.now += dt.timedelta(**amount)


class District:
    """A founded bank with its outlets and staff, and shorthands for what tests do often."""

    def __init__(
        self,
        url: str,
        policies: tuple[Policy, ...] = (),
        *,
        is_founded: bool = False,
        **founding: Any,
    ) -> None:
        """Found it; with `is_founded`, find it in the copy of a database where this was done."""
        self.url = url
        self.clock = Clock()
        if is_founded:
            self.bank = Bank.open(url, staff="admin", clock=self.clock, unsafe_settings="allow")
            return
        self.bank = Bank.found(
            url,
            policies=(TARIFF, *policies),
            clock=self.clock,
            unsafe_settings="allow",
            **{"bank": "雁江"} | founding,
        )
        self.bank.outlets.open(outlets=OUTLETS)
        self.bank.staff.appoint(appointments=STAFF)

    def acting(self, staff: str) -> Bank:
        """The bank for another staff member."""
        return self.bank.acting_as(staff)

    def customer(self, outlet: str = "B01S01", **fields: Any) -> int:
        """A new volunteer's account number, registered at the start of 2022."""
        fields = {"name": "张三", "registered_on": dt.date(2022, 1, 1)} | fields
        new = NewCustomer(outlet=outlet, **fields)
        return self.bank.customers.register(customers=[new]).accounts[0]

    def row(self, account: int, start: str, minutes: int = 60, **fields: Any) -> ServiceRow:
        """A service row beginning at "10-03 08:00" of 2022, Shanghai time."""
        started_at = at(start)
        fields = {
            "account": account,
            "category": "sanitation",
            "outlet": "B01S01",
            "recorded_by": "T1",
            "checked_by": "K1",
            "started_at": started_at,
            "ended_at": started_at + dt.timedelta(minutes=minutes),
        } | fields
        return ServiceRow(**fields)

    def serve(self, account: int, start: str, minutes: int = 60, **fields: Any) -> Any:
        """Record one service as T1 of B01S01, checked by K1; the receipt."""
        row = self.row(account, start, minutes, **fields)
        given = {name: getattr(row, name) for name in ServiceRow.__slots__}
        given.pop("customer_ref")
        return self.acting("T1").hours.record(**given)

    def close(self) -> None:
        """Give the connections back."""
        self.bank.close()


def create_tables(url: str) -> None:
    """Make our tables in an empty database, without a bank."""
    engine = connect(url)
    with engine.begin() as connection:
        create_schema(connection, engine_for(engine.dialect.name))
    engine.dispose()


def at(text: str) -> dt.datetime:
    """An instant of 2022 in Shanghai from "10-03 08:00"."""
    return dt.datetime.fromisoformat(f"2022-{text}").replace(tzinfo=SHANGHAI)
