"""A made-up life of a small district: every kind of act, in an order that a seed decides."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any

from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import PointsExpiry, ReversalRules
from gongyi_bank.values import Points, compose_passbook_no
from tests.district import SHANGHAI, District

#: Short lives, so that a history of some months has expiries in it.
EXPIRY = PointsExpiry(mode="months", length=2)
TELLERS = {"B01S01": ("T1", "K1"), "B01S02": ("T2", "K1"), "B02S01": ("T3", "K2")}


class History:
    """Acts at random; what the rules refuse is part of it."""

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.chance = random.Random(seed)
        self.refused: list[str] = []
        self.reserved: list[Any] = []
        self.holds: list[Any] = []
        self.accounts = [
            district.customer(outlet, name="王小明", ref=f"C{number}")
            for number, outlet in enumerate([*TELLERS, "B01S01", "B02S02"])
        ]
        self._bring_forward()
        self._open_store()
        self._stock_up()
        self._open_pools()

    def _bring_forward(self) -> None:
        self.district.bank.points.bring_forward(
            rows=[
                OpeningRow(
                    account=self.accounts[0], minutes=6000, points=Points("40"),
                    as_of=dt.date(2022, 9, 30),
                ),
                OpeningRow(
                    account=self.accounts[1], minutes=30, points=Points(0),
                    as_of=dt.date(2022, 9, 30),
                ),
            ]
        )  # fmt: skip

    def _open_store(self) -> None:
        store = NewStore(code="ST1", name="幸福超市", kind="community_store", recruited_by="B01S01")
        self.district.bank.stores.recruit(stores=[store])
        rice = NewOffer(store="ST1", sku="rice", name="大米", points=Points("2.50"), stock=500)
        self.district.bank.stores.publish_offers(offers=[rice])

    def _stock_up(self) -> None:
        books = self.district.bank.passbooks
        first, last = (compose_passbook_no(number) for number in (1, 6))
        books.print_stock(count=6)
        books.allot(target="B01", first=first, last=last)
        books.allot(target="B01S01", first=first, last=last)
        books.issue(account=self.accounts[0], outlet="B01S01")

    def _open_pools(self) -> None:
        for code, outlet in (("POOL1", "B01"), ("POOL2", "B02")):
            self.district.bank.pools.open(code=code, name="爱心池", outlet=outlet)

    def live(self, acts: int) -> None:
        """Do so many acts."""
        does: list[Callable[[], object]] = [
            self._serve, self._serve, self._serve, self._serve_many, self._decide, self._void,
            self._correct, self._grant, self._redeem, self._redeem, self._reserve, self._capture,
            self._release, self._capture_part, self._extend, self._place_hold, self._end_hold,
            self._gift, self._donate, self._grant_from_pool, self._send,
            self._reverse, self._reverse, self._reverse_voucher, self._refund, self._refund,
            self._spent_points, self._update, self._tomorrow, self._close, self._lapse,
            self._expire,
        ]  # fmt: skip
        for _ in range(acts):
            try:
                self.chance.choice(does)()
            except GongyiBankError as refusal:
                self.refused.append(refusal.code)
            self.district.clock.advance(minutes=self.chance.randrange(90))

    def leave_things_open(self) -> None:
        """One service that was voided, one that waits, one reservation that stands."""
        self.district.clock.advance(days=20)
        account, now = self.accounts[0], self.district.clock.now
        day = {"account": account, "category": "sanitation", "outlet": "B01S01"}
        people = {"recorded_by": "T1", "checked_by": "K1"}
        hours = self.district.bank.hours
        for minutes, start in ((60, 40), (500, 20)):
            started_at = now - dt.timedelta(hours=start)
            ended_at = started_at + dt.timedelta(minutes=minutes)
            receipt = hours.record(**day, **people, started_at=started_at, ended_at=ended_at)
            if minutes == 60:
                hours.void(
                    account=account,
                    record_no=receipt.record_no,
                    reason="录错",
                    second_person="ADM2",
                )
        self.district.bank.redemptions.reserve(account=account, store="ST1", sku="rice")
        self._leave_holds_open(account)

    def _leave_holds_open(self, account: int) -> None:
        """A hold that was captured in part and extended, and one that is settled."""
        desk = self.district.bank.holds
        for points in ("0.30", "0.20"):
            wish = {"account": account, "points": Points(points), "store": "ST1", "hours": 9}
            placed = desk.place(**wish)
            desk.capture(hold=placed.hold_id, points=Points("0.10"))
            later = placed.deadline_at + dt.timedelta(hours=1)
            desk.extend(hold=placed.hold_id, deadline_at=later)
        desk.release(hold=placed.hold_id, reason="改期")

    def _some(self) -> Points:
        return Points.of_units(self.chance.randrange(1, 300), 2)

    def _pool(self) -> str:
        return self.chance.choice(["POOL1", "POOL2"])

    def _gift(self) -> object:
        return self.district.bank.transfers.gift(
            account=self._account(), target=self._account(), points=self._some(), outlet="B01S01"
        )

    def _donate(self) -> object:
        return self.district.bank.transfers.donate(
            account=self._account(), pool=self._pool(), points=self._some(), outlet="B01S02"
        )

    def _grant_from_pool(self) -> object:
        takers = self.chance.sample(self.accounts, k=2)
        return self.district.bank.transfers.grant(
            pool=self._pool(),
            grants=[{"account": account, "points": self._some()} for account in takers],
            reason="慰问",
            second_person="ADM2",
        )

    def _send(self) -> object:
        legs: list[dict[str, Any]] = [
            {"source": self._account(), "target": self._account(), "points": self._some()},
            {"source": self._account(), "target_pool": self._pool(), "points": self._some()},
            {"source_pool": self._pool(), "target": self._account(), "points": self._some()},
        ]
        return self.district.bank.transfers.send(
            legs=self.chance.sample(legs, k=2), outlet="B01", reason="调剂", second_person="ADM2"
        )

    def _account(self) -> int:
        return self.chance.choice(self.accounts)

    def _service(self) -> dict[str, Any]:
        outlet = self.chance.choice(list(TELLERS))
        recorder, checker = TELLERS[outlet]
        earliest = self.district.clock.now - dt.timedelta(days=10)
        started_at = earliest + dt.timedelta(minutes=self.chance.randrange(8 * 1440))
        length = self.chance.choice([1, 7, 60, 151, 151, 481, 721])
        return {
            "account": self._account(),
            "category": self.chance.choice(["elder_care", "sanitation", "culture"]),
            "started_at": started_at,
            "ended_at": started_at + dt.timedelta(minutes=length),
            "outlet": outlet,
            "project": "敬老月",
            "recorded_by": recorder,
            "checked_by": checker,
        }

    def _serve(self) -> object:
        return self.district.bank.hours.record(**self._service())

    def _serve_many(self) -> object:
        rows = [ServiceRow(**self._service()) for _ in range(self.chance.randrange(1, 6))]
        return self.district.bank.hours.record_many(rows=rows)

    def _record(self) -> dict[str, int]:
        return {"account": self._account(), "record_no": self.chance.randrange(1, 12)}

    def _decide(self) -> object:
        hours = self.district.bank.hours
        if self.chance.random() < 0.7:
            return hours.approve(**self._record())
        return hours.refuse(**self._record(), reason="无法核实")

    def _void(self) -> object:
        return self.district.bank.hours.void(**self._record(), reason="录错", second_person="ADM2")

    def _correct(self) -> object:
        service = self._service()
        service |= {"recorded_by": "admin", "checked_by": "ADM2", **self._record()}
        service.pop("outlet")
        return self.district.bank.hours.correct(**service, reason="时间录错")

    def _grant(self) -> object:
        points = Points.of_units(self.chance.randrange(1, 900), 2)
        return self.district.acting("K1").points.grant(
            account=self._account(), points=points, reason="防汛表彰", outlet="B01",
            second_person="K1b",
        )  # fmt: skip

    def _wish(self) -> dict[str, Any]:
        quantity = self.chance.randrange(1, 4)
        return {"account": self._account(), "store": "ST1", "sku": "rice", "quantity": quantity}

    def _redeem(self) -> object:
        return self.district.bank.redemptions.redeem(**self._wish())

    def _reserve(self) -> None:
        receipt = self.district.bank.redemptions.reserve(**self._wish())
        self.reserved.append(receipt.redemption_id)

    def _capture(self) -> object:
        if not self.reserved:
            return None
        wanted = self.chance.choice(self.reserved)
        return self.district.bank.redemptions.capture(redemption=wanted)

    def _release(self) -> object:
        if not self.reserved:
            return None
        wanted = self.chance.choice(self.reserved)
        return self.district.bank.redemptions.release(redemption=wanted, reason="改期")

    def _capture_part(self) -> object:
        if not self.reserved:
            return None
        wanted = self.chance.choice(self.reserved)
        return self.district.bank.redemptions.capture(redemption=wanted, quantity=1)

    def _extend(self) -> object:
        if not self.reserved:
            return None
        wanted = self.chance.choice(self.reserved)
        deadline_at = self.district.clock.now + dt.timedelta(hours=self.chance.randrange(1, 200))
        desk = self.district.bank.redemptions
        return desk.extend(redemption=wanted, deadline_at=deadline_at)

    def _place_hold(self) -> None:
        points = Points.of_units(self.chance.randrange(1, 400), 2)
        receipt = self.district.bank.holds.place(
            account=self._account(), points=points, store="ST1", hours=self.chance.randrange(1, 99)
        )
        self.holds.append(receipt.hold_id)

    def _end_hold(self) -> object:
        """Captured whole or in part, extended or released, whatever the chance says."""
        if not self.holds:
            return None
        wanted, desk = self.chance.choice(self.holds), self.district.bank.holds
        points = Points.of_units(self.chance.randrange(1, 200), 2)
        deadline_at = self.district.clock.now + dt.timedelta(hours=self.chance.randrange(1, 200))
        does: list[Callable[[], object]] = [
            lambda: desk.capture(hold=wanted),
            lambda: desk.capture(hold=wanted, points=points),
            lambda: desk.extend(hold=wanted, deadline_at=deadline_at),
            lambda: desk.release(hold=wanted, reason="改期"),
        ]
        return self.chance.choice(does)()

    def _expire(self) -> object:
        return self.district.bank.points.expire_due(count_max=2)

    def _lapse(self) -> object:
        return self.district.bank.holds.lapse_overdue()

    def _reverse(self) -> object:
        whole = self.chance.random() < 0.5
        points = None if whole else Points.of_units(self.chance.randrange(1, 90), 2)
        return self.district.bank.reversals.reverse_line(
            account=self._account(), line_no=self.chance.randrange(1, 20), points=points,
            value=self.chance.choice(["original", "today"]), reason="录错", second_person="ADM2",
        )  # fmt: skip

    def _reverse_voucher(self) -> object:
        lines = self.district.bank.reports.statement(self._account()).lines
        if not lines:
            return None
        return self.district.bank.reversals.reverse_voucher(
            voucher=self.chance.choice(lines).voucher_id, reason="录错", second_person="ADM2"
        )

    def _refund(self) -> object:
        taken = self.district.bank.redemptions.of(self._account())
        names = [row[0] for row in taken.rows]
        if not names:
            return None
        return self.district.bank.redemptions.refund(
            redemption=self.chance.choice(names), quantity=self.chance.choice([1, 1, 2, None]),
            restock=self.chance.random() < 0.5, reason="破损", second_person="ADM2",
        )  # fmt: skip

    def _spent_points(self) -> object:
        rules = ReversalRules(
            spent=self.chance.choice(["refuse", "take_available", "debt", "debt"]),
            refund_validity=self.chance.choice(["cited", "fresh"]),
        )
        today = self.district.clock.now.astimezone(SHANGHAI).date()
        return self.district.bank.policies.adopt(policy=rules, effective_on=today)

    def _update(self) -> object:
        return self.district.bank.passbooks.update(account=self.accounts[0], outlet="B01S01")

    def _tomorrow(self) -> None:
        self.district.clock.advance(days=self.chance.choice([1, 1, 2, 20]))

    def _close(self) -> object:
        """Now and then an account ends, and its balance goes to another one."""
        if self.chance.random() < 0.8:
            return None
        account, target = self.accounts[-1], self.accounts[0]
        return self.district.bank.accounts.close(
            account=account,
            balance_to="account",
            target=target,
            reason="迁出",
            second_person="ADM2",
        )
