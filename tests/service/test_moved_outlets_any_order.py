"""Outlets move, branches close and tellers book late, in any order: closed figures never change.

Lives come from a seed. Some acts stand at a clock that is behind; closings never do, because an
audit tells what was booked before them by the clock.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import Any

import pytest

from gongyi_bank.errors import (
    DayClosed,
    InvalidValue,
    PeriodAlreadyClosed,
    ShorterPeriodOpen,
)
from tests.district import START, District

PLACES = ("H", "B01", "B02", "B01S01", "B01S02", "B02S01", "B02S02")
SAVINGS = PLACES[3:]
_ONE_DAY = dt.timedelta(days=1)
#: Refusals that any of these acts may meet.
_REFUSED = (DayClosed, InvalidValue, PeriodAlreadyClosed, ShorterPeriodOpen)


class Life:
    """A district in which outlets move, and what was said of each closed period when it closed."""

    def __init__(self, url: str, seed: int) -> None:
        self.district = District(url)
        self.bank = self.district.bank
        self.chance = random.Random(seed)
        self.now = START
        self.customers: dict[str, list[int]] = {code: [] for code in SAVINGS}
        #: How often each account was served, so that its services never overlap.
        self.served: Counter[int] = Counter()
        self.said: dict[tuple[str, str], Any] = {}
        self.counts: Counter[str] = Counter()

    def live(self, steps: int) -> None:
        """So many acts; then, and now and then before, what was closed is as it was."""
        for step in range(1, steps + 1):
            self.now += dt.timedelta(hours=self.chance.choice((1, 5, 24, 48, 96)))
            act = self.chance.choices((self.serve, self.move, self.close), (5, 2, 3))[0]
            behind = self.chance.choice((0, 0, 0, 1, 5, 20)) if act != self.close else 0
            self.district.clock.now = max(START, self.now - behind * _ONE_DAY)
            try:
                act()
            except _REFUSED as refusal:
                self.counts[type(refusal).__name__] += 1
            if step % 15 == 0 or step == steps:
                for place, label in self.said:
                    assert self.figures(place, label) == self.said[place, label], (place, label)

    def figures(self, place: str, label: str) -> Any:
        """What is said of a place about a closed day, or about a month or quarter."""
        if len(label) == len("2022-10-31"):
            day = dt.date.fromisoformat(label)
            return self.bank.reports.trial_balance(place, as_of=day).rows
        book = self.bank.reports.ledger_book(place, label)
        return book.rows, self.bank.ratings.indicators(label, [place]).rows

    # --- the acts ---

    def serve(self) -> None:
        """A quarter of an hour of service, up to two months old, at the customer's own outlet."""
        outlet = self.chance.choice(SAVINGS)
        known = self.customers[outlet]
        if not known or self.chance.random() < 0.5:
            known.append(self.district.customer(outlet))
        account = self.chance.choice(known)
        day = self.district.clock.now - self.chance.randrange(1, 60) * _ONE_DAY
        midnight = day.replace(hour=0, minute=0)
        start = midnight + self.served[account] * dt.timedelta(minutes=20)
        self.served[account] += 1
        self.bank.hours.record(
            account=account, category="sanitation", outlet=outlet, recorded_by="admin",
            checked_by="ADM2", started_at=start, ended_at=start + dt.timedelta(minutes=15),
        )  # fmt: skip
        self.counts["served"] += 1

    def move(self) -> None:
        """Some savings branch moves to some branch, be it its own."""
        branch = self.chance.choice(PLACES[1:3])
        self.bank.outlets.move(outlet=self.chance.choice(SAVINGS), branch=branch)
        self.counts["moved"] += 1

    def close(self) -> None:
        """A day, or the last month or quarter with all that is in it, of any place."""
        place = self.chance.choice((*PLACES, "B01", "B02"))
        today = self.now.date()
        labels = [str(today - self.chance.randrange(1, 12) * _ONE_DAY)]
        last = today.replace(day=1) - _ONE_DAY
        what = self.chance.random()
        if what < 0.4:
            labels = [str(last), f"{last:%Y-%m}"]
        elif what < 0.6:
            while last.month % 3:
                last = last.replace(day=1) - _ONE_DAY
            labels = [str(last), f"{last:%Y-%m}", f"{last.year}Q{last.month // 3}"]
        for number, label in enumerate(labels, start=1):
            try:
                self.bank.closings.close(label, outlet=place)
            except PeriodAlreadyClosed:
                if number == len(labels):
                    raise
                continue
            for below in PLACES if place == "H" else (place,):
                self.said.setdefault((below, label), self.figures(below, label))
            self.counts[f"closed {len(label)}"] += 1


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 14))]
)
def test_what_is_closed_stays_as_it_was(sqlite_tables_url: str, seed: int) -> None:
    life = Life(sqlite_tables_url, seed)
    life.live(120)
    assert not life.bank.verify().faults
    assert min(life.counts[what] for what in ("served", "moved", "closed 10", "closed 7")) > 3
    life.district.close()
