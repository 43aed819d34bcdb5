"""Whether and when anybody sweeps makes no difference to anybody: two districts live the same.

In one of them what is past its date or deadline is swept after every step, in the other one
never. What is done or refused, and what each customer may spend, holds and owes, is the same.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gongyi_bank.errors import GongyiBankError
from gongyi_bank.periods import business_day
from gongyi_bank.policies import HoldRules, PointsExpiry, RedemptionRules, ReversalRules
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.store import ledger, policies
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_stores import a_shop, new_offer

#: (what, how much or how long, which of those that were made before).
Step = tuple[str, int, int]
EXPIRIES = (
    PointsExpiry(mode="months", length=1), PointsExpiry(), PointsExpiry(mode="months", length=0),
    PointsExpiry(mode="calendar_years"),
)  # fmt: skip
#: Whoever comes too late is told that a hold has lapsed, or that it was settled as lapsed.
OVER = ("hold_lapsed", "hold_settled", "reservation_lapsed", "redemption_settled")
LONG = (HoldRules(hours=24 * 20, hours_max=24 * 60), RedemptionRules(reservation_hours=24 * 20))


class Twin:
    """One of the two districts, and what its receipts have named, in the order of the steps."""

    def __init__(self, rules: ReversalRules, *, is_swept: bool) -> None:
        self.district = District("sqlite://", policies=(*LONG, rules, EXPIRIES[0]))
        self.is_swept = is_swept
        a_shop(self.district, new_offer(stock=1000, points=Points("0.10")))
        self.district.acting("K1").pools.open(code="POOL", name="爱心池", outlet="B01")
        self.accounts = [self.district.customer() for _ in range(2)]
        self.served = 0
        self.made: dict[str, list[Any]] = {
            "line": [], "record": [], "hold": [], "reservation": [], "redeemed": [],
        }  # fmt: skip

    def do(self, step: Step) -> str:
        """The code of the refusal, or what was done."""
        what, size, which = step
        try:
            receipt = getattr(self, what)(size, which)
        except GongyiBankError as refusal:
            return "over" if refusal.code in OVER else refusal.code
        finally:
            self.district.clock.advance(minutes=1)
            if self.is_swept:
                self.sweep()
        if getattr(receipt, "state", None) == "lapsed":
            return "over"
        return "moot" if receipt is None else what

    def sweep(self) -> None:
        """Everything that is past its deadline or its date."""
        self.district.bank.holds.lapse_overdue()
        self.district.bank.points.expire_due()

    def told(self) -> list[tuple[int, ...]]:
        """What each customer has, as an act would find it."""
        return self.district.bank.read(self._heads)

    def _heads(self, tx: Transaction) -> list[tuple[int, ...]]:
        terms = terms_of(policies.load_book(tx, 0), business_day(tx.clock(), tx.bank.zone))
        heads = ledger.load_heads(tx, self.accounts, terms, tx.clock())
        return [
            (head.available, head.held, head.debt, head.balance - head.expirable, head.credited)
            for head in (heads[number] for number in self.accounts)
        ]

    # --- the steps ---

    def _of(self, kind: str, which: int) -> Any:
        made = self.made[kind]
        return made[which % len(made)] if made else None

    def _account(self, which: int) -> int:
        return self.accounts[which % 2]

    def days(self, size: int, _: int) -> str:
        self.district.clock.advance(days=size)
        return "passed"

    def adopt(self, size: int, which: int) -> Any:
        day = self.district.clock().date() + dt.timedelta(days=size)
        policy = EXPIRIES[which % len(EXPIRIES)]
        return self.district.bank.policies.adopt(policy=policy, effective_on=day)

    def grant(self, size: int, which: int) -> Any:
        done = self.district.acting("K1").points.grant(
            account=self._account(which), points=Points.of_units(size, 2), reason="x",
            second_person="K1b", outlet="B01",
        )  # fmt: skip
        self.made["line"].append((done.account, done.line_no))
        return done

    def serve(self, size: int, which: int) -> Any:
        self.served += 1
        start = f"{1 + self.served // 28:02d}-{1 + self.served % 28:02d} 08:00"
        done = self.district.serve(self._account(which), start, size)
        self.made["record"].append((done.account, done.record_no))
        self.made["line"].append((done.account, done.line_no))
        return done

    def gift(self, size: int, which: int) -> Any:
        done = self.district.bank.transfers.gift(
            account=self._account(which), target=self._account(which + 1),
            points=Points.of_units(size, 2), outlet="B01S01",
        )  # fmt: skip
        self.made["line"].append((done.account, done.line_no))
        return done

    def donate(self, size: int, which: int) -> Any:
        done = self.district.bank.transfers.donate(
            account=self._account(which), pool="POOL", points=Points.of_units(size, 2),
            outlet="B01S01",
        )  # fmt: skip
        self.made["line"].append((done.account, done.line_no))
        return done

    def redeem(self, size: int, which: int) -> Any:
        done = self.district.bank.redemptions.redeem(
            account=self._account(which), store="P1", sku="A", quantity=1 + size // 20
        )
        self.made["redeemed"].append(done.redemption_id)
        return done

    def place(self, size: int, which: int) -> Any:
        done = self.district.bank.holds.place(
            account=self._account(which), points=Points.of_units(size, 2), store="P1",
            hours=24 * (1 + which * which),
        )  # fmt: skip
        self.made["hold"].append(done.hold_id)
        return done

    def reserve(self, size: int, which: int) -> Any:
        done = self.district.bank.redemptions.reserve(
            account=self._account(which), store="P1", sku="A", quantity=1 + size // 20
        )
        self.made["reservation"].append(done.redemption_id)
        return done

    def capture(self, size: int, which: int) -> Any:
        hold, points = self._of("hold", which), Points.of_units(size, 2)
        if hold is None:
            return None
        part = points if size % 2 else None
        done = self.district.bank.holds.capture(hold=hold, points=part)
        self.made["line"].append((done.account, done.line_no))
        return done

    def hand_over(self, size: int, which: int) -> Any:
        one = self._of("reservation", which)
        if one is None:
            return None
        part = 1 if size % 2 else None
        done = self.district.bank.redemptions.capture(redemption=one, quantity=part)
        self.made["redeemed"].append(done.part_id)
        return done

    def extend(self, size: int, which: int) -> Any:
        hold, later = self._of("hold", which), self.district.clock() + dt.timedelta(days=size)
        return hold and self.district.bank.holds.extend(hold=hold, deadline_at=later)

    def release(self, _: int, which: int) -> Any:
        hold = self._of("hold", which)
        return hold and self.district.bank.holds.release(hold=hold, reason="改期")

    def refund(self, size: int, which: int) -> Any:
        one = self._of("redeemed", which)
        return one and self.district.bank.redemptions.refund(
            redemption=one, quantity=1 if size % 2 else None, reason="x", second_person="ADM2"
        )

    def reverse(self, size: int, which: int) -> Any:
        line = self._of("line", which)
        if line is None:
            return None
        part = Points.of_units(size, 2) if size % 2 else None
        return self.district.bank.reversals.reverse_line(
            account=line[0], line_no=line[1], points=part, reason="x", second_person="ADM2"
        )

    def void(self, _: int, which: int) -> Any:
        record = self._of("record", which)
        return record and self.district.bank.hours.void(
            account=record[0], record_no=record[1], reason="x", second_person="ADM2"
        )


SIZES, WHICH = st.integers(1, 99), st.integers(0, 5)
EARNED = st.tuples(st.sampled_from(["grant", "serve"]), st.integers(60, 240), WHICH)
POSTED = st.tuples(
    st.sampled_from([
        "gift", "donate", "redeem", "place", "place", "reserve", "capture", "hand_over", "release",
        "refund", "reverse", "reverse", "void", "grant",
    ]),
    SIZES, WHICH,
)  # fmt: skip
PASSED = st.tuples(st.just("days"), st.sampled_from([1, 2, 5, 17, 31]), st.just(0))
RARE = st.tuples(st.sampled_from(["adopt", "extend"]), st.integers(0, 20), WHICH)
STEPS = st.builds(
    lambda first, steps: [*first, *steps],
    st.lists(EARNED, min_size=2, max_size=4),
    st.lists(st.one_of(POSTED, POSTED, POSTED, PASSED, PASSED, RARE), min_size=5, max_size=25),
)
RULES = st.builds(
    ReversalRules,
    spent=st.sampled_from(["refuse", "take_available", "debt"]),
    refund_validity=st.sampled_from(["cited", "fresh"]),
)


def live(steps: list[Step], rules: ReversalRules) -> tuple[Twin, Twin]:
    """The same steps in both, compared after each."""
    twins = Twin(rules, is_swept=True), Twin(rules, is_swept=False)
    for step in steps:
        said = [twin.do(step) for twin in twins]
        assert said[0] == said[1], step
        assert twins[0].told() == twins[1].told(), step
    twins[1].sweep()
    assert twins[0].told() == twins[1].told()
    return twins


#: A wrong record's points stayed with whoever had put them aside, if nobody had swept.
FOUND: list[Step] = [
    ("serve", 120, 0), ("place", 99, 0), ("days", 2, 0), ("void", 1, 0), ("place", 99, 0),
]  # fmt: skip


@given(steps=STEPS, rules=RULES)
@example(steps=FOUND, rules=ReversalRules(spent="take_available"))
@settings(max_examples=8)
def test_whether_anybody_sweeps_makes_no_difference(
    steps: list[Step], rules: ReversalRules
) -> None:
    for twin in live(steps, rules):
        twin.district.close()


@pytest.mark.slow
@given(steps=STEPS, rules=RULES)
@settings(max_examples=20)
def test_whether_anybody_sweeps_makes_no_difference_to_many(
    steps: list[Step], rules: ReversalRules
) -> None:
    for twin in live(steps, rules):
        assert twin.district.bank.verify().is_clean, str(twin.district.bank.verify())
        twin.district.close()
