"""A wild life of a district: whoever does whatever, so that every rule speaks, in its order.

Many wishes are refused; that is the point. What is granted adds up to a full ledger: points with
and without dates, holds that lapse, gifts, parts of lines taken back, closed periods.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

from gongyi_bank.commands import (
    closings,
    customers,
    holds,
    hours,
    passbooks,
    points,
    pools,
    redemptions,
    refunds,
    reversals,
    transfers,
)
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.outlets import AdoptPolicy, Appointment
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.periods import Period
from gongyi_bank.policies import (
    ClosingRules,
    HoldRules,
    PointsExpiry,
    Policy,
    RedemptionRules,
    ReversalRules,
    TransferRules,
)
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no
from tests.district import SHANGHAI, District

NOBODY = compose_account_no(1003, 9_999_999)
#: Neither bank makes such an id.
NO_ID = UUID(int=2**127)
OUTLETS = ("B01S01", "B01S02", "B02S01")
PEOPLE = {"B01S01": ("T1", "K1"), "B01S02": ("T2", "K1b"), "B02S01": ("T3", "K2")}
STAFF = ("admin", "ADM2", "K1", "K1b", "K2", "T1", "T1b", "T2", "T3", "AUD", "VOL", "NOBODY")
CATEGORIES = ("elder_care", "sanitation", "culture")
#: What is in force from some day on; the shipped ones among them.
POLICIES: tuple[Policy, ...] = (
    PointsExpiry(),
    PointsExpiry(mode="months", length=1),
    PointsExpiry(mode="months", length=0),
    PointsExpiry(mode="months", length=3),
    PointsExpiry(mode="calendar_years", length=0),
    TransferRules(),
    TransferRules(may_give_on=False, arrival="fresh"),
    TransferRules(gift_count_month_max=1, gift_points_year_max=Points("4")),
    TransferRules(donation_points_month_max=Points("2"), relations=("kin",), donors=("volunteer",)),
    ClosingRules(),
    ClosingRules(late_work="refuse"),
    HoldRules(hours=4, hours_max=30),
    RedemptionRules(reservation_hours=200, quantity_max=2),
    ReversalRules(),
    ReversalRules(spent="debt", refund_validity="fresh"),
    ReversalRules(spent="debt"),
    ReversalRules(spent="take_available"),
)
#: What banks begin with, in turn: what is rare where it must first be adopted.
FOUNDINGS: tuple[tuple[Policy, ...], ...] = (
    (),
    (PointsExpiry(mode="months", length=2),),
    (
        PointsExpiry(mode="months", length=1),
        HoldRules(hours=200, hours_max=2000),
        RedemptionRules(reservation_hours=1000),
        ReversalRules(spent="debt"),
    ),
    (ReversalRules(spent="debt", refund_validity="fresh"), HoldRules(hours=100, hours_max=1000)),
)
Wish = tuple[str, Command]


class Life:
    """Wishes at random, of the people whom they suit or of others."""

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.chance = random.Random(seed)
        self.done: list[str] = []
        self.refused: list[str] = []
        self.sent: list[Wish] = []
        #: What receipts have named.
        self.holds: list[UUID] = []
        self.redemptions: list[UUID] = []
        self.vouchers: list[UUID] = []
        self.records: list[tuple[int, int]] = []
        self.waiting: list[tuple[int, int]] = []
        self.lines: list[tuple[int, int]] = []
        kinds = ["volunteer"] * 4 + ["household", "organisation"]
        self.accounts = [
            district.customer(self.chance.choice(OUTLETS), kind=kind, ref=f"C{number}")
            for number, kind in enumerate(kinds)
        ]
        self._furnish()

    def _furnish(self) -> None:
        desks = self.district.bank
        desks.staff.appoint(
            appointments=[
                Appointment(
                    code="VOL", role="teller", outlet="B01S01", own_account=self.accounts[0]
                )
            ]
        )
        for number, outlet in enumerate(OUTLETS[:2]):
            store = NewStore(
                code=f"P{number}", name="超市", kind="community_store", recruited_by=outlet
            )
            desks.stores.recruit(stores=[store])
            offers = [
                NewOffer(store=f"P{number}", sku=sku, name="米", points=Points(price), stock=25)
                for sku, price in (("A", "0.50"), ("B", "1.01"))
            ]
            desks.stores.publish_offers(offers=offers)
        for code, outlet in (("POOL1", "B01"), ("POOL2", "B02S01")):
            desks.pools.open(code=code, name="爱心池", outlet=outlet)
        first, last = compose_passbook_no(1), compose_passbook_no(4)
        desks.passbooks.print_stock(count=4)
        desks.passbooks.allot(target="B01", first=first, last=last)
        desks.passbooks.allot(target="B01S01", first=first, last=last)
        for account in self.accounts[:3]:
            desks.passbooks.issue(account=account, outlet="B01S01")

    def live(self, acts: int) -> None:
        """Wish so many times."""
        wishes: list[tuple[int, Callable[[], Wish]]] = [
            (7, self._record), (3, self._record_many), (2, self._decide), (2, self._void),
            (2, self._correct), (2, self._bring_forward), (7, self._grant), (2, self._expire),
            (5, self._redeem), (2, self._redeem_many), (4, self._reserve), (5, self._settle),
            (4, self._refund), (5, self._place), (8, self._end_hold), (3, self._many_holds),
            (1, self._lapse), (5, self._gift), (4, self._donate), (4, self._grant_from_pool),
            (4, self._send), (9, self._reverse_line), (4, self._reverse_voucher),
            (1, self._pool), (1, self._close_books), (2, self._adopt), (3, self._again),
            (1, self._change_account), (1, self._lose),
        ]  # fmt: skip
        weights, moves = [weight for weight, _ in wishes], [wish for _, wish in wishes]
        for _ in range(acts):
            staff, command = self.chance.choices(moves, weights)[0]()
            if self.chance.random() < 0.08:
                staff = self.chance.choice(STAFF)
            if command.idempotency_key is None and self.chance.random() < 0.3:
                command = command.model_copy(update={"idempotency_key": f"key-{len(self.sent)}"})
            self.sent.append((staff, command))
            self._wish(staff, command)
            self._pass_time()

    def _wish(self, staff: str, command: Command) -> None:
        try:
            receipt = self.district.acting(staff).execute(command)
        except GongyiBankError as refusal:
            self.refused.append(refusal.code)
            return
        self.done.append(command.act)
        for said in (receipt, *getattr(receipt, "outcomes", ())):
            self._learn(said)

    def _learn(self, said: Any) -> None:
        """Remember what a receipt, or a row of one, has named."""
        for name, known in (
            ("hold_id", self.holds), ("redemption_id", self.redemptions),
            ("part_id", self.redemptions), ("voucher_id", self.vouchers),
        ):  # fmt: skip
            if getattr(said, name, None) is not None:
                known.append(getattr(said, name))
        if getattr(said, "line_no", None) is not None:
            self.lines.append((said.account, said.line_no))
        if getattr(said, "record_no", None) is not None:
            state = said.state if hasattr(said, "state") else said.outcome
            known_as = self.waiting if state.startswith("waiting") else self.records
            known_as.append((said.account, said.record_no))

    def _pass_time(self) -> None:
        clock, chance = self.district.clock, self.chance
        clock.advance(minutes=chance.randrange(1, 90))
        if chance.random() < 0.1:
            clock.advance(days=chance.choice([1, 1, 1, 2, 2, 7, 13, 33]))

    # --- what is wished for ---

    def _some(self) -> Points:
        return Points.of_units(self.chance.choice([1, 7, 50, 100, 151, 333]), 2)

    def _much(self) -> Points:
        return Points.of_units(self.chance.choice([7, 400, 901, 2000]), 2)

    def _account(self) -> int:
        return self.chance.choice([*self.accounts * 9, NOBODY])

    def _recent(self, known: list[UUID]) -> UUID:
        """One of those named last, or now and then one that nobody named."""
        return NO_ID if self.chance.random() < 0.04 or not known else self.chance.choice(known[-6:])

    def _pool_code(self) -> str:
        return self.chance.choice(["POOL1"] * 6 + ["POOL2"] * 3 + ["POOL3"])

    def _one_or_none(self, *values: Any) -> Any:
        return self.chance.choice([None, *values])

    def _day(self) -> dt.date:
        return self.district.clock.now.astimezone(SHANGHAI).date()

    def _service(self) -> dict[str, Any]:
        outlet = self.chance.choice([*OUTLETS * 9, "B02S02", "NO"])
        recorder, checker = PEOPLE.get(outlet, ("T1", "K1"))
        latest = self.district.clock.now - dt.timedelta(minutes=self.chance.randrange(-30, 9000))
        length = self.chance.choice([0, 1, 59, 60, 120, 240, 240, 481, 481, 721])
        return {
            "account": self._account(),
            "category": self.chance.choice(
                ["elder_care", "sanitation", "culture"] * 6 + ["singing"]
            ),
            "started_at": latest - dt.timedelta(minutes=length),
            "ended_at": latest,
            "outlet": outlet,
            "recorded_by": recorder,
            "checked_by": self.chance.choice([checker] * 9 + ["ADM2", recorder]),
            "ref": self._one_or_none(*(f"R{n}" for n in range(3))) if self._is_rare() else None,
        }

    def _is_rare(self) -> bool:
        return self.chance.random() < 0.25

    def _record(self) -> Wish:
        service = self._service()
        return service["recorded_by"], hours.RecordHours(**service)

    def _record_many(self) -> Wish:
        rows = [hours.ServiceRow(**self._service()) for _ in range(self.chance.randrange(1, 5))]
        return "ADM2", hours.RecordManyHours(rows=tuple(rows))

    def _of_record(self, known: list[tuple[int, int]]) -> dict[str, int]:
        account, record_no = self.chance.choice([*known[-5:], (self._account(), 1)])
        return {"account": account, "record_no": record_no}

    def _decide(self) -> Wish:
        staff = self.chance.choice(["admin", "ADM2", "K1b", "K2"])
        if self._is_rare():
            return staff, hours.RefuseHours(**self._of_record(self.waiting), reason="不实")
        return staff, hours.ApproveHours(**self._of_record(self.waiting))

    def _void(self) -> Wish:
        more = {"reason": "不实", "second_person": self.chance.choice(["ADM2", "K1", "admin"])}
        return "admin", hours.VoidHours(**self._of_record(self.records), **more)

    def _correct(self) -> Wish:
        service = self._service() | self._of_record(self.records)
        service |= {"recorded_by": "admin", "checked_by": "ADM2"}
        service = {name: value for name, value in service.items() if name not in ("outlet", "ref")}
        return "admin", hours.CorrectHours(**service, reason="有误")

    def _bring_forward(self) -> Wish:
        rows = [
            points.OpeningRow(
                account=self._account(),
                minutes=self.chance.choice([0, 60]),
                points=Points(self.chance.choice(["0", "5", "20"])),
                as_of=dt.date(2022, 9, 30),
            )
            for _ in range(2)
        ]
        return "admin", points.BringForward(rows=tuple(rows))

    def _grant(self) -> Wish:
        command = points.GrantPoints(
            account=self._account(), points=self._much(), reason="表彰", outlet="B01",
            second_person=self.chance.choice(["K1b", "K1b", "ADM2", "T1"]),
            value_on=self._one_or_none(self._day() - dt.timedelta(self.chance.randrange(-1, 60))),
        )  # fmt: skip
        return "K1", command

    def _expire(self) -> Wish:
        return "admin", points.ExpireDue(count_max=self.chance.choice([1, 3, 1000]))

    def _goods(self) -> dict[str, Any]:
        return {
            "account": self._account(),
            "store": self.chance.choice(["P0"] * 6 + ["P1"] * 4 + ["P9"]),
            "sku": self.chance.choice(["A"] * 6 + ["B"] * 3 + ["C"]),
            "quantity": self.chance.choice([1, 1, 2, 3]),
            "ref": f"G{self.chance.randrange(4)}" if self._is_rare() else None,
        }

    def _redeem(self) -> Wish:
        day = self._day() - dt.timedelta(days=self.chance.choice([-1, 0, 3, 40]))
        return "admin", redemptions.Redeem(**self._goods(), redeemed_on=self._one_or_none(day))

    def _redeem_many(self) -> Wish:
        rows = [redemptions.RedemptionRow(**self._goods()) for _ in range(3)]
        return self.chance.choice(["admin", "T1"]), redemptions.RedeemMany(rows=tuple(rows))

    def _reserve(self) -> Wish:
        return "admin", redemptions.Reserve(**self._goods())

    def _later(self) -> dt.datetime:
        return self.district.clock.now + dt.timedelta(hours=self.chance.randrange(1, 300))

    def _settle(self) -> Wish:
        name, quantity = self._recent(self.redemptions), self._one_or_none(1, 1, 2)
        commands = [
            redemptions.Capture(redemption=name, quantity=quantity),
            redemptions.Capture(redemption=name, quantity=1),
            redemptions.Extend(redemption=name, deadline_at=self._later()),
            redemptions.Release(redemption=name, reason="改期"),
        ]
        return "admin", self.chance.choice(commands)

    def _refund(self) -> Wish:
        command = refunds.RefundGoods(
            redemption=self._recent(self.redemptions), quantity=self._one_or_none(1, 1, 2),
            restock=self._is_rare(), reason="破损",
            second_person=self.chance.choice(["K1", "ADM2", "ADM2"]),
        )  # fmt: skip
        return "admin", command

    def _place(self) -> Wish:
        command = holds.PlaceHold(
            account=self._account(), points=self._some(),
            store=self.chance.choice(["P0"] * 6 + ["P1"] * 4 + ["P9"]),
            hours=self._one_or_none(1, 100, 720, 720, 8000),
            deadline_at=self._later() if self._is_rare() else None,
            ref=f"H{self.chance.randrange(4)}" if self._is_rare() else None,
        )  # fmt: skip
        return "K1", command

    def _end_hold(self) -> Wish:
        name = self._recent(self.holds if self.chance.random() < 0.9 else self.redemptions)
        commands = [
            holds.CaptureHold(hold=name),
            holds.CaptureHold(hold=name, points=self._some()),
            holds.ExtendHold(hold=name, deadline_at=self._later()),
            holds.ReleaseHold(hold=name, reason="改期"),
        ]
        return "K1", self.chance.choice(commands)

    def _many_holds(self) -> Wish:
        names = [self._recent(self.holds) for _ in range(2)]
        if self._is_rare():
            return "K1", holds.ReleaseHolds(holds=tuple(names), reason="改期")
        parts = [
            holds.HoldCapture(hold=name, points=self._one_or_none(self._some())) for name in names
        ]
        return "K1", holds.CaptureHolds(captures=tuple(parts))

    def _lapse(self) -> Wish:
        return "T1", holds.LapseOverdue(count_max=self.chance.choice([1, 1000]))

    def _gift(self) -> Wish:
        giver, taker = self.chance.sample([*self.accounts, NOBODY], k=2)
        command = transfers.GiftPoints(
            account=giver, target=taker, points=self._some(), outlet="B01S01",
            relation=self.chance.choice(["kin", "other"]),
        )  # fmt: skip
        return "T1", command

    def _donate(self) -> Wish:
        to_group = self._is_rare()
        command = transfers.DonatePoints(
            account=self.chance.choice(self.accounts[:-1]), points=self._some(), outlet="B01S02",
            pool=None if to_group else self._pool_code(),
            organisation=self.accounts[-1] if to_group else None,
        )  # fmt: skip
        return "T2", command

    def _grant_from_pool(self) -> Wish:
        takers = self.chance.sample(self.accounts, k=2)
        command = transfers.GrantFromPool(
            pool=self._pool_code(), reason="慰问", second_person="ADM2",
            grants=tuple(transfers.PoolGrant(account=no, points=self._some()) for no in takers),
        )  # fmt: skip
        return self.chance.choice(["K1", "admin"]), command

    def _send(self) -> Wish:
        one, two, three = self.chance.sample(self.accounts, k=3)
        pool = self._pool_code()
        legs = [
            transfers.TransferLeg(source=one, target=two, points=self._some()),
            transfers.TransferLeg(source=two, target=three, points=self._some()),
            transfers.TransferLeg(source=one, target_pool=pool, points=self._some()),
            transfers.TransferLeg(source_pool=pool, target=three, points=self._some()),
        ]
        chosen = self.chance.sample(legs, k=self.chance.randrange(1, 4))
        command = transfers.SendPoints(
            legs=tuple(chosen), outlet="B01", reason="调剂", second_person="ADM2"
        )
        return self.chance.choice(["K1", "admin"]), command

    def _reversing(self) -> dict[str, Any]:
        return {
            "value": self.chance.choice(["original", "today"]),
            "reason": "误记",
            "second_person": self.chance.choice(["ADM2", "ADM2", "K1b"]),
            "outlet": self._one_or_none("H") if self._is_rare() else None,
        }

    def _reverse_line(self) -> Wish:
        # What receipts have named, or one that may have been written on the way or for a mirror.
        anywhere = (self._account(), self.chance.randrange(1, 25))
        account, line_no = self.chance.choice([*self.lines[-8:], anywhere, anywhere])
        command = reversals.ReverseLine(
            account=account, line_no=line_no, points=self._one_or_none(self._some()),
            **self._reversing(),
        )  # fmt: skip
        return "admin", command

    def _reverse_voucher(self) -> Wish:
        voucher = self.chance.choice([NO_ID, *self.vouchers[-20:]])
        return "admin", reversals.ReverseVoucher(voucher=voucher, **self._reversing())

    def _pool(self) -> Wish:
        if self._is_rare():
            return "admin", pools.OpenPool(code=self._pool_code(), name="池", outlet="B01")
        # The first pool goes on, so that there is always one to give to.
        code = self.chance.choice(["POOL2", "POOL3", "NO"])
        return "admin", pools.ClosePool(pool=code, reason="撤并")

    def _close_books(self) -> Wish:
        day = self._day() - dt.timedelta(days=self.chance.choice([1, 1, 2, 10]))
        kind = self.chance.choice(["day", "day", "day", "month", "quarter"])
        label = Period.containing(day, kind).label
        outlet = self._one_or_none("B01", "B01S01", "B02S02", "NO")
        steps = [closings.CloseBooks] * 3 + [closings.AnnounceClosing, closings.DrainClosing]
        return "admin", self.chance.choice(steps)(period=label, outlet=outlet)

    def _adopt(self) -> Wish:
        later = dt.timedelta(days=self.chance.choice([0, 0, 1, 9]))
        policy = self.chance.choice(POLICIES)
        return "admin", AdoptPolicy(policy=policy, effective_on=self._day() + later)

    def _again(self) -> Wish:
        """What was sent before, with the same key, or the same key for another request."""
        if not self.sent:
            return self._record()
        staff, command = self.chance.choice(self.sent[-40:])
        if self._is_rare() and command.idempotency_key is not None:
            _, other = self._record()
            command = other.model_copy(update={"idempotency_key": command.idempotency_key})
        return staff, command

    def _change_account(self) -> Wish:
        account, target = self.chance.sample(self.accounts, k=2)
        commands: list[Command] = [
            customers.FreezeAccount(account=account, reason="核查"),
            *[customers.UnfreezeAccount(account=a, reason="核查") for a in self.accounts],
        ]
        if self.chance.random() < 0.05:
            commands = [
                customers.CloseAccount(
                    account=account, balance_to="account", target=target, reason="迁出",
                    second_person="ADM2",
                )
            ]  # fmt: skip
        return "K1" if commands[1:] else "admin", self.chance.choice(commands)

    def _lose(self) -> Wish:
        account = self.chance.choice(self.accounts[:3])
        commands: list[Command] = [
            passbooks.ReportLoss(account=account, kind="oral"),
            passbooks.LiftLoss(account=account, reason="找回"),
        ]
        return "T1", self.chance.choice(commands)
