"""A random life of a house: outlets, staff, rules, customers, stores and passbooks, well and badly.

Everything comes from a seed. Codes are few, so that acts meet: the same outlet is closed and
opened, the same book lost and found, the same key used for two requests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from gongyi_bank.commands import customers, outlets, passbooks, stores
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import AccountRules, HourLimits, PassbookRules, PointsExpiry
from gongyi_bank.values import Points, compose_passbook_no
from tests.refusals import NOBODY
from tests.testing.mirrored import MirroredDistrict

_DAY = dt.timedelta(days=1)
_IDENTITIES = ("11010519491231002X", "110105194912310038", "440524188001010014")


class Walk:
    """Steps on a mirrored district: each is one act, in one of a hundred forms."""

    def __init__(self, district: MirroredDistrict, seed: int) -> None:
        self.district = district
        self.chance = Random(seed)
        self.accounts = [district.customer(), district.customer("B01S02"), district.customer()]
        self.furnish()
        self.steps: list[Callable[[], Command]] = [
            self.open, self.rename, self.move_outlet, self.close_outlet, self.reopen,
            self.appoint, self.end, self.adopt,
            self.register, self.register, self.move, self.freeze, self.unfreeze, self.dormant,
            self.wake, self.close,
            self.recruit, self.leave, self.publish, self.restock, self.withdraw,
            self.print_stock, self.allot, self.allot, self.issue, self.issue, self.update,
            self.renew, self.report, self.lift, self.reissue, self.spoil, self.destroy,
        ]  # fmt: skip

    def furnish(self) -> None:
        """Stores with something to give, and blank books where they are given out."""
        for n in range(2):
            shop = {"code": f"P{n}", "name": "超市", "kind": "enterprise", "recruited_by": "B01S01"}
            self.district.bank.stores.recruit(stores=[stores.NewStore(**shop)])
            towel = {"sku": "A0", "name": "毛巾", "points": Points(1), "stock": 2}
            self.district.bank.stores.publish_offers(
                offers=[stores.NewOffer(store=f"P{n}", **towel)]
            )
        self.district.bank.passbooks.print_stock(count=20)
        for target, last in (("B01", 14), ("B01S01", 9)):
            numbers = {"first": compose_passbook_no(1), "last": compose_passbook_no(last)}
            self.district.bank.passbooks.allot(target=target, **numbers)

    def go(self, steps: int) -> None:
        """So many acts, now and then a day or a year passing, or a service given."""
        for _ in range(steps):
            if self.chance.random() < 0.15:
                self.district.clock.advance(days=self.chance.choice((1, 1, 1, 6, 8, 15, 40, 300)))
            if self.chance.random() < 0.15:
                self.serve()
            command = self.chance.choice(self.steps)()
            if self.chance.random() < 0.2:
                key = f"K{self.chance.randrange(30)}"
                command = command.model_copy(update={"idempotency_key": key})
            staff = self.chance.choice("admin admin admin admin admin T1 T1 K1 T2 AUD N1".split())
            with suppress(GongyiBankError):
                self.note(self.district.acting(staff).execute(command))

    def serve(self) -> None:
        """A service, so that lines stand in the books and records keep an outlet open."""
        start = self.district.clock.now.replace(hour=0) + self.chance.randrange(8) * _DAY / 24
        row = self.district.row(self.saver(), "10-03 08:00")
        times = {"started_at": start, "ended_at": start + _DAY / 24 * self.chance.randrange(1, 10)}
        fields = {name: getattr(row, name) for name in row.__slots__ if name != "customer_ref"}
        self.district.clock.advance(hours=12)
        with suppress(GongyiBankError):
            self.district.acting("T1").hours.record(**(fields | times))

    def note(self, receipt: Any) -> None:
        """Accounts that were opened are met again."""
        self.accounts += getattr(receipt, "accounts", ())

    # --- what is chosen from ---

    def account(self) -> int:
        return self.chance.choice([*self.accounts[-8:], *self.accounts[-3:], NOBODY])

    def saver(self) -> int:
        """One of those who come more often than others."""
        return self.chance.choice([*self.accounts[:3], self.account()])

    def outlet(self) -> str:
        codes = "B01S01 B01S01 B01S01 B01S02 B01S02 B01 B01 B02 B02S01 N01 N02 H NONE".split()
        return self.chance.choice(codes)

    def book(self) -> int:
        return compose_passbook_no(self.chance.randrange(1, 30))

    def store(self) -> str:
        return self.chance.choice(("P0", "P0", "P1", "P1", "P2"))

    def day(self) -> dt.date:
        today = self.district.clock.now.date()
        return today + self.chance.randrange(-400, 60) * _DAY

    def maybe(self, value: Any) -> Any:
        return value if self.chance.random() < 0.5 else None

    # --- the acts ---

    def open(self) -> Command:
        parts = [
            outlets.NewOutlet(code=f"N0{n}", name=f"新所{n}", parent=self.outlet())
            for n in self.chance.sample(range(1, 6), self.chance.randrange(1, 3))
        ]
        return outlets.OpenOutlets(outlets=tuple(parts))

    def rename(self) -> Command:
        name = self.chance.choice(("东城", "西城"))
        return outlets.RenameOutlet(outlet=self.outlet(), name=name)

    def move_outlet(self) -> Command:
        return outlets.MoveOutlet(outlet=self.outlet(), branch=self.outlet())

    def close_outlet(self) -> Command:
        outlet = self.chance.choice((self.outlet(), "N01", "N02", "N03"))
        return outlets.CloseOutlet(outlet=outlet, reason="撤并")

    def reopen(self) -> Command:
        return outlets.ReopenOutlet(outlet=self.outlet())

    def appoint(self) -> Command:
        def one() -> outlets.Appointment:
            role = self.chance.choice(
                ("administrator", "ledger_keeper", "teller", "store_clerk", "service_account")
            )
            return outlets.Appointment(
                code=f"N{self.chance.randrange(3)}", role=role, outlet=self.outlet(),
                store=self.store() if role == "store_clerk" or self.chance.random() < 0.1 else None,
                own_account=self.maybe(self.account()),
            )  # fmt: skip

        return outlets.AppointStaff(appointments=tuple(one() for _ in range(2)))

    def end(self) -> Command:
        code, role, outlet = self.chance.choice(
            [
                ("N1", "teller", self.outlet()),
                ("T3", "teller", "B02S01"),
                ("", "administrator", "H"),
            ]
        )
        if not code:  # Somebody must be left who may do all this.
            others = [name for name in self._administrators() if name != "admin"]
            code = self.chance.choice(others or ["admin"])
        return outlets.EndRole(code=code, role=role, outlet=outlet, reason="离任")

    def _administrators(self) -> list[str]:
        people = self.district.mirror.reference.books.people.values()
        return [
            one.code for one in people for role in one.in_force
            if role.facts.role == "administrator"
        ]  # fmt: skip

    def adopt(self) -> Command:
        policy = self.chance.choice((
            AccountRules(dormant_months=self.chance.randrange(1, 30)),
            PassbookRules(pages=1, rows_per_page=self.chance.randrange(1, 4)),
            PointsExpiry(mode="months", length=self.chance.randrange(1, 30)),
            PointsExpiry(mode="none"),
            HourLimits(),
        ))  # fmt: skip
        return outlets.AdoptPolicy(policy=policy, effective_on=self.day() + 300 * _DAY)

    def register(self) -> Command:
        def one() -> customers.NewCustomer:
            shown: dict[str, Any] = {}
            if self.chance.random() < 0.4:
                number = self.chance.choice(_IDENTITIES)
                shown = {"document_kind": "resident_id", "document_no": number}
            return customers.NewCustomer(
                outlet=self.outlet(), name="张三", ref=self.maybe(f"C{self.chance.randrange(12)}"),
                registered_on=self.maybe(self.day()), **shown,
            )  # fmt: skip

        count = self.chance.randrange(1, 4)
        return customers.RegisterCustomers(customers=tuple(one() for _ in range(count)))

    def move(self) -> Command:
        return customers.MoveCustomer(account=self.account(), outlet=self.outlet())

    def freeze(self) -> Command:
        return customers.FreezeAccount(account=self.account(), reason="核查")

    def unfreeze(self) -> Command:
        return customers.UnfreezeAccount(account=self.account(), reason="核查")

    def dormant(self) -> Command:
        return customers.MarkDormant(account=self.account())

    def wake(self) -> Command:
        return customers.WakeAccount(account=self.account())

    def close(self) -> Command:
        return customers.CloseAccount(
            account=self.account(),
            balance_to=self.chance.choice(("nowhere", "pool", "account")),
            target=self.maybe(self.account()),
            second_person=self.maybe(self.chance.choice(("K1", "T1", "ADM2", "NO"))),
            reason="迁出",
        )

    def recruit(self) -> Command:
        part = stores.NewStore(
            code=self.store(), name=self.chance.choice(("超市", "便利店")), kind="enterprise",
            recruited_by=self.outlet(), joined_on=self.maybe(self.day()),
        )  # fmt: skip
        return stores.RecruitStores(stores=(part,))

    def leave(self) -> Command:
        return stores.LeaveAlliance(store=self.store(), reason="停业")

    def publish(self) -> Command:
        parts = [
            stores.NewOffer(
                store=self.store(),
                sku=f"A{self.chance.randrange(2)}",
                name="毛巾",
                points=Points(self.chance.randrange(1, 3)),
                stock=self.chance.randrange(3),
            )
            for _ in range(self.chance.randrange(1, 3))
        ]
        return stores.PublishOffers(offers=tuple(parts))

    def restock(self) -> Command:
        sku, quantity = f"A{self.chance.randrange(3)}", self.chance.randrange(-2, 4)
        return stores.Restock(store=self.store(), sku=sku, quantity=quantity, reason="x")

    def withdraw(self) -> Command:
        sku = f"A{self.chance.randrange(3)}"
        return stores.WithdrawOffer(store=self.store(), sku=sku, reason="x")

    def print_stock(self) -> Command:
        return passbooks.PrintStock(count=self.chance.randrange(1, 8))

    def allot(self) -> Command:
        first = self.chance.randrange(1, 25)
        last = first + self.chance.randrange(4)
        target = self.chance.choice(("B01", "B01", "B01S01", "B01S01", "B01S02", "B02", "H"))
        numbers = {"first": compose_passbook_no(first), "last": compose_passbook_no(last)}
        return passbooks.AllotPassbooks(target=target, **numbers)

    def issue(self) -> Command:
        wanted = self.book() if self.chance.random() < 0.2 else None
        outlet = self.chance.choice((None, "B01S01", "B01S01", self.outlet()))
        return passbooks.IssuePassbook(account=self.saver(), outlet=outlet, passbook=wanted)

    def update(self) -> Command:
        count = self.chance.choice((1, 2, 500))
        return passbooks.UpdatePassbook(account=self.saver(), lines_max=count)

    def renew(self) -> Command:
        damaged = self.chance.random() < 0.7
        return passbooks.RenewPassbook(account=self.saver(), outlet="B01S01", damaged=damaged)

    def report(self) -> Command:
        kind = self.chance.choice(("oral", "written"))
        return passbooks.ReportLoss(account=self.saver(), kind=kind)

    def lift(self) -> Command:
        return passbooks.LiftLoss(account=self.saver(), reason="找回")

    def reissue(self) -> Command:
        return passbooks.ReissuePassbook(account=self.saver(), outlet="B01S01")

    def spoil(self) -> Command:
        return passbooks.SpoilPassbook(passbook=self.book(), reason="x")

    def destroy(self) -> Command:
        first = self.book()
        listed = tuple(self.book() for _ in range(self.chance.randrange(1, 3)))
        form: dict[str, Any] = {"passbooks": listed}
        if self.chance.random() < 0.3:
            form = {"first": first, "last": self.maybe(first)}
        second = self.chance.choice(("ADM2", "K1", "T1"))
        return passbooks.DestroyPassbooks(second_person=second, reason="销毁", **form)
