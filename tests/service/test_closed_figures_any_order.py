"""Whatever is done in whatever order, no figure of a closed period changes.

A life of a district in which branches and the bank close days and months, customers and outlets
move, outlets close and open again, work comes late and is served anywhere, and clocks are behind.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.outlets import NewOutlet
from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.periods import Period
from gongyi_bank.values import Points
from tests.district import START, District

BRANCHES = ("B01", "B02")
SAVINGS = ("B01S01", "B01S02", "B02S01", "B02S02")
#: An outlet and a period that it has closed.
Closed = tuple[str, str]


class Life:
    """Wishes at random, and what was said of each closed period when it was closed."""

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.told: dict[Closed, list[Any]] = {}
        self.accounts = [district.customer(self.chance.choice(SAVINGS)) for _ in range(5)]
        self.redemptions: list[Any] = []
        self.outlets, self.stores = list(SAVINGS), 0
        self._recruit(district.bank)

    def live(self, acts: int) -> None:
        """So many wishes, each one judged by a clock that may be behind."""
        wishes: list[tuple[int, Callable[[Bank], object]]] = [
            (10, self._serve), (3, self._void), (5, self._redeem), (2, self._refund),
            (3, self._grant), (2, self._reverse), (1, self._bring_forward), (6, self._close),
            (3, self._move_customer), (1, self._move_outlet), (1, self._open_outlet),
            (2, self._shut_outlet), (1, self._recruit), (2, self._register), (1, self._sweep),
            (1, self._close_account),
        ]  # fmt: skip
        weights, makers = [weight for weight, _ in wishes], [maker for _, maker in wishes]
        for _ in range(acts):
            self.district.clock.advance(minutes=self.chance.randrange(1, 900))
            behind = dt.timedelta(hours=self.chance.choice([0, 0, 0, 0, 1, 30, 80]))
            bank = self.district.bank.at(max(START, self.district.clock.now - behind))
            wish = self.chance.choices(makers, weights)[0]
            try:
                wish(bank)
                self.counts[wish.__name__] += 1
            except GongyiBankError as refusal:
                self.counts[refusal.code] += 1

    def require_unchanged(self) -> None:
        """Of every closed period the same is said as when it was closed."""
        for (outlet, label), told in self.told.items():
            assert self._figures(outlet, label) == told, (outlet, label)

    def _figures(self, outlet: str, label: str) -> list[Any]:
        bank, period = self.district.bank, Period.parse(label)
        rows = bank.reports.ledger_book(outlet, label).rows
        found: list[Any] = [
            {r.account: (r.opening, r.credited, r.debited) for r in rows if r.closing or r.debited}
        ]
        if str(period.kind) != "day":  # a day bars bookings, not the dates that they are for
            found.append({r.account: r.minutes for r in rows})
            found.append(bank.ratings.indicators(label, outlets=[outlet]).to_csv())
        if outlet == "H":
            found.append(bank.reports.trial_balance(as_of=period.last_on).to_table().to_text())
        if outlet == "H" and str(period.kind) != "day":
            found.append(bank.ratings.volunteer_league(label).to_table().to_text())
            found.append(bank.ratings.outlet_league(label).to_table().to_text())
        return found

    # --- wishes ---

    def _past_day(self) -> dt.date:
        today = self.district.clock.now.date()
        return today - dt.timedelta(days=self.chance.choice([0, 0, 1, 3, 9, 20, 40]))

    def _account(self) -> int:
        return self.chance.choice(self.accounts)

    def _outlet(self) -> str:
        return self.chance.choice(self.outlets)

    def _serve(self, bank: Bank) -> object:
        start = dt.datetime.combine(self._past_day(), dt.time(), bank.zone)
        start += dt.timedelta(minutes=self.chance.randrange(1440))
        return bank.hours.record(
            account=self._account(), category="sanitation", outlet=self._outlet(),
            recorded_by="admin", checked_by="ADM2", started_at=start,
            ended_at=start + dt.timedelta(minutes=self.chance.randrange(1, 200)),
        )  # fmt: skip

    def _void(self, bank: Bank) -> object:
        return bank.hours.void(
            account=self._account(), record_no=self.chance.randrange(1, 8), reason="错",
            second_person="ADM2",
        )  # fmt: skip

    def _redeem(self, bank: Bank) -> object:
        store = f"P{self.chance.randrange(1, self.stores + 1)}"
        done = bank.redemptions.redeem(
            account=self._account(), store=store, sku="A", redeemed_on=self._past_day()
        )
        self.redemptions.append(done.redemption_id)
        return done

    def _refund(self, bank: Bank) -> object:
        taken = self.chance.choice(self.redemptions or [None])
        return bank.redemptions.refund(
            redemption=taken, quantity=1, reason="退", second_person="ADM2"
        )

    def _grant(self, bank: Bank) -> object:
        return bank.points.grant(
            account=self._account(), points=Points("0.50"), outlet=self._outlet(),
            value_on=self._past_day(), reason="补", second_person="ADM2",
        )  # fmt: skip

    def _reverse(self, bank: Bank) -> object:
        return bank.reversals.reverse_line(
            account=self._account(), line_no=self.chance.randrange(1, 9), reason="错",
            second_person="ADM2", value=self.chance.choice(["original", "today"]),
        )  # fmt: skip

    def _bring_forward(self, bank: Bank) -> object:
        account = self.district.customer(self._outlet())
        self.accounts.append(account)
        row = OpeningRow(account=account, minutes=50, points=Points(1), as_of=self._past_day())
        return bank.points.bring_forward(rows=[row])

    def _close(self, bank: Bank) -> object:
        outlet = self.chance.choice(["H", *BRANCHES, *BRANCHES, *SAVINGS])
        today = self.district.clock.now.date()
        day = today - dt.timedelta(days=self.chance.choice([1, 1, 2, 4]))
        month = Period.containing(today.replace(day=1) - dt.timedelta(days=1), "month")
        labels = [str(day)] if self.chance.random() < 0.5 else [str(month.last_on), month.label]
        done = None
        for label in labels:
            done = bank.closings.close(label, outlet=None if outlet == "H" else outlet)
            self.told.setdefault((outlet, label), self._figures(outlet, label))
        return done

    def _move_customer(self, bank: Bank) -> object:
        return bank.customers.move(account=self._account(), outlet=self._outlet())

    def _move_outlet(self, bank: Bank) -> object:
        branch = self.chance.choice(BRANCHES)
        return bank.outlets.move(outlet=self.chance.choice(SAVINGS), branch=branch)

    def _open_outlet(self, bank: Bank) -> object:
        code = f"N{len(self.outlets)}"
        new = NewOutlet(code=code, name=f"新{code}", parent=self.chance.choice(BRANCHES))
        done = bank.outlets.open(outlets=[new])
        self.outlets.append(code)
        return done

    def _shut_outlet(self, bank: Bank) -> object:
        outlet = self.chance.choice(self.outlets)
        if self.chance.random() < 0.5:
            return bank.outlets.close(outlet=outlet, reason="撤并")
        return bank.outlets.reopen(outlet=outlet)

    def _recruit(self, bank: Bank) -> object:
        code = f"P{self.stores + 1}"
        new = NewStore(
            code=code, name="超市", kind="community_store", recruited_by=self._outlet(),
            joined_on=self._past_day() if self.stores else None,
        )  # fmt: skip
        bank.stores.recruit(stores=[new])
        self.stores += 1
        offer = NewOffer(store=code, sku="A", name="米", points=Points("0.25"), stock=99)
        return bank.stores.publish_offers(offers=[offer])

    def _register(self, bank: Bank) -> object:
        new = NewCustomer(outlet=self._outlet(), name="李四", registered_on=self._past_day())
        done = bank.customers.register(customers=[new])
        self.accounts += done.accounts
        return done

    def _sweep(self, bank: Bank) -> object:
        return bank.points.expire_due()

    def _close_account(self, bank: Bank) -> object:
        return bank.accounts.close(account=self._account(), reason="销", second_person="ADM2")


def live(seed: int, acts: int) -> Life:
    district = District("sqlite://")
    life = Life(district, seed)
    life.live(acts)
    life.require_unchanged()
    assert district.bank.verify().is_clean, str(district.bank.verify())
    district.close()
    return life


@pytest.mark.parametrize("seed", range(2))
def test_no_closed_figure_changes_in_a_wild_life(seed: int) -> None:
    life = live(seed, 220)
    assert len(life.told) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 16))
def test_no_closed_figure_changes_in_many_wild_lives(seed: int) -> None:
    live(seed, 400)
