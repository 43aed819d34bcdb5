"""A life in which every table of the schema gets rows, on sealed days and on an open one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.commands.transfers import PoolGrant
from gongyi_bank.policies import HourLimits
from gongyi_bank.values import Points, compose_passbook_no
from tests.district import District


class SealedLife:
    """Three days of a district: two that are sealed in the end, and one that is open."""

    def __init__(self, url: str, seal_key: bytes | None = None) -> None:
        self.district = District(url, seal_key=seal_key)
        self.bank = self.district.bank
        #: The receipts of the closings.
        self.closed: list[Any] = []
        self.accounts: list[int] = []
        first, last = (compose_passbook_no(number) for number in (1, 24))
        self.bank.passbooks.print_stock(count=24)
        self.bank.passbooks.allot(target="B01", first=first, last=last)
        self.bank.passbooks.allot(target="B01S01", first=first, last=last)
        for day in range(3):
            self._live(day)
            if day < 2:
                self.district.clock.advance(days=1)
                self.closed.append(self.bank.closings.close(str(self._today() - dt.timedelta(1))))

    def _today(self) -> dt.date:
        return self.district.clock.now.date()

    def _live(self, day: int) -> None:
        self._house(day)
        account, other = self._customers(day)
        self._serve(day, account, other)
        self.district.clock.advance(minutes=7)
        self._spend(day, account)
        self.district.clock.advance(minutes=7)
        self._give(day, account, other)
        self._look_after_books(day, account)
        self._change_standings(day, account, other)
        for voucher in self.bank.outbox.read(f"district-{day}"):
            self.bank.outbox.acknowledge(f"district-{day}", voucher.outbox_no)

    def _house(self, day: int) -> None:
        self.bank.outlets.open(outlets=[NewOutlet(code=f"B01S1{day}", name="新所", parent="B01")])
        self.bank.outlets.move(outlet=f"B01S1{day}", branch="B02")
        new = Appointment(code=f"T8{day}", role="teller", outlet="B01S01")
        self.bank.staff.appoint(appointments=[new])
        effective_on = self._today() + dt.timedelta(days=200 + day)
        self.bank.policies.adopt(policy=HourLimits(), effective_on=effective_on)
        store = NewStore(
            code=f"ST{day}", name="幸福超市", kind="community_store", recruited_by="B01S01"
        )
        self.bank.stores.recruit(stores=[store])
        rice = NewOffer(store=f"ST{day}", sku="rice", name="大米", points=Points("0.50"), stock=500)
        self.bank.stores.publish_offers(offers=[rice])
        self.bank.stores.restock(store=f"ST{day}", sku="rice", quantity=day + 1, reason="到货")

    def _customers(self, day: int) -> tuple[int, int]:
        new = [
            self.district.customer(
                "B01S01", name="王小明", ref=f"C{day}{n}", phone=f"1380000{day}{n}11"
            )
            for n in range(2)
        ]
        self.bank.customers.move(account=new[1], outlet="B01S02")
        rows = [
            OpeningRow(account=no, minutes=600, points=Points("20"), as_of=dt.date(2022, 9, 30))
            for no in new
        ]
        self.bank.points.bring_forward(rows=rows)
        self.accounts += new
        return new[0], new[1]

    def _serve(self, day: int, account: int, other: int) -> None:
        hours = self.district.bank.hours
        serve = self.district.serve
        for n, minutes in enumerate((60, 61, 500, 501)):
            extra = {"ref": f"R{day}{n}", "project": "敬老月", "client_rating": 5}
            serve(account, f"10-0{n + 1} 08:00", minutes, **extra)
        hours.void(account=account, record_no=2, reason="录错", second_person="ADM2")
        hours.approve(account=account, record_no=4)
        hours.refuse(account=account, record_no=5, reason="不实")
        serve(other, "10-03 08:00", 482)
        if day:  # decided, or taken back, on a later day than it was recorded
            before = self.accounts[2 * day - 2], self.accounts[2 * day - 1]
            hours.approve(account=before[1], record_no=2)
            hours.void(account=before[0], record_no=4, reason="录错", second_person="ADM2")

    def _spend(self, day: int, account: int) -> None:
        shop, holds = self.bank.redemptions, self.bank.holds
        wish = {"account": account, "store": f"ST{day}", "sku": "rice"}
        taken = shop.redeem(**wish, quantity=2, ref=f"D{day}")
        shop.redeem(**wish, quantity=3)
        shop.refund(redemption=taken.redemption_id, quantity=1, reason="破损", second_person="ADM2")
        captured, released = shop.reserve(**wish, quantity=2), shop.reserve(**wish)
        shop.capture(redemption=captured.redemption_id)
        shop.release(redemption=released.redemption_id, reason="改期")
        shop.reserve(**wish)
        held = holds.place(account=account, points=Points("1"), store=f"ST{day}")
        holds.capture(hold=held.hold_id, points=Points("0.40"))
        holds.place(account=account, points=Points("0.10"), store=f"ST{day}")

    def _give(self, day: int, account: int, other: int) -> None:
        bank = self.bank
        bank.pools.open(code=f"P{day}", name="爱心池", outlet="H")
        bank.transfers.gift(account=account, target=other, points=Points("1"), outlet="B01S01")
        bank.transfers.donate(account=account, points=Points("2"), outlet="B01S01", pool=f"P{day}")
        bank.transfers.grant(
            pool=f"P{day}", grants=[PoolGrant(account=other, points=Points("1"))],
            reason="慰问", second_person="ADM2",
        )  # fmt: skip
        granted = self.district.acting("K1").points.grant(
            account=other, points=Points("3"), reason="表彰", outlet="B01", second_person="K1b"
        )
        # By another branch: the day's closing nets it.
        bank.points.grant(
            account=other, points=Points("2"), reason="表彰", outlet="B02", second_person="ADM2"
        )
        bank.reversals.reverse_line(
            account=other, line_no=granted.line_no, points=Points("1"), reason="录错",
            second_person="ADM2",
        )  # fmt: skip

    def _look_after_books(self, day: int, account: int) -> None:
        books = self.bank.passbooks
        books.issue(account=account, outlet="B01S01")
        books.update(account=account, outlet="B01S01")
        books.report_loss(account=account, outlet="B01S01", kind="oral")
        books.lift_loss(account=account, outlet="B01S01", reason="找回")
        self._use_books_up(day)

    def _use_books_up(self, day: int) -> None:
        """Books that are spoiled, replaced, void and destroyed, and stay so, sealed and open."""
        books = self.bank.passbooks
        spoiled = compose_passbook_no(24 - day)
        books.spoil(passbook=spoiled, reason="水渍")
        worn, leaving = (self.district.customer("B01S01", ref=f"U{day}{n}") for n in range(2))
        full, last = (books.issue(account=no, outlet="B01S01").passbook for no in (worn, leaving))
        books.renew(account=worn, outlet="B01S01", damaged=True)
        self.bank.accounts.close(account=leaving, reason="迁出")
        books.update(account=leaving, outlet="B01S01")
        if day:
            gone = [full, last] if day == 1 else [spoiled]
            books.destroy(passbooks=gone, reason="销毁", second_person="ADM2")

    def _change_standings(self, day: int, account: int, other: int) -> None:
        """What shows only how things stand now is changed, and changed back, by acts."""
        bank = self.bank
        self._close_outlets(day)
        asleep, gone = (self.district.customer("B01S02", ref=f"S{day}{n}") for n in range(2))
        for customer in (asleep, other):
            bank.accounts.freeze(account=customer, reason="争议")
        bank.accounts.unfreeze(account=other, reason="已了结")
        bank.accounts.close(account=gone, reason="迁出")
        for own in (account, other):
            new = Appointment(code=f"T9{day}", role="teller", outlet="B01S01", own_account=own)
            bank.staff.appoint(appointments=[new])
        bank.staff.end(code=f"T9{day}", role="teller", outlet="B01S01", reason="调岗")
        store = NewStore(
            code=f"SX{day}", name="幸福超市", kind="community_store", recruited_by="B01S01"
        )
        bank.stores.recruit(stores=[store])
        old = NewOffer(store=f"SX{day}", sku="rice", name="大米", points=Points("0.50"), stock=5)
        bank.stores.publish_offers(offers=[old])
        bank.stores.withdraw_offer(store=f"SX{day}", sku="rice", reason="停供")
        bank.stores.leave(store=f"SX{day}", reason="歇业")
        bank.pools.open(code=f"PX{day}", name="爱心池", outlet="H")
        bank.pools.close(pool=f"PX{day}", reason="结束")

    def _close_outlets(self, day: int) -> None:
        """One stays closed, and moves on; one is closed and open again."""
        outlets, codes = self.bank.outlets, [f"B01S2{day}", f"B01S3{day}"]
        new = [NewOutlet(code=code, name="新所", parent="B01") for code in codes]
        outlets.open(outlets=new)
        for code in codes:
            outlets.close(outlet=code, reason="撤并")
        outlets.move(outlet=codes[0], branch="B02")
        outlets.reopen(outlet=codes[1])
