"""Faults planted into what the clients of the bank test read, by their SQL or by the reports."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from tests.faults.books import Totals, totals_at_once
from tests.faults.hands import Hand

#: Long enough for somebody else to come between.
MOMENT = 0.01


class TornRead(Hand):
    """Reads account after account, each at a moment of its own."""

    def one_by_one(self) -> Totals:
        seen = []
        for _ in self.accounts:
            seen.append(totals_at_once(self.bank))
            time.sleep(MOMENT / 2)
        balances = {no: at[0][no] for no, at in zip(self.accounts, seen, strict=True)}
        return balances, seen[-1][1], seen[-1][2]


class StaleRead(Hand):
    """Shows for a while what it has read before."""

    _kept: tuple[float, Totals] | None = None

    def at_once(self) -> Totals:
        if self._kept is None or self._kept[0] < time.monotonic() - 0.5:
            self._kept = time.monotonic(), super().at_once()
        return self._kept[1]


class SwappedRead(Hand):
    """Shows the balances of two customers each under the other's number."""

    def at_once(self) -> Totals:
        balances, lines, internal = super().at_once()
        one, other = self.accounts[:2]
        return {**balances, one: balances[other], other: balances[one]}, lines, internal


class HalfAnAct(Hand):
    """Shows half of the customers as they were a moment ago, and a bank that makes up for it."""

    def at_once(self) -> Totals:
        earlier = super().at_once()
        time.sleep(5 * MOMENT)
        balances, lines, _ = super().at_once()
        for no in self.accounts[::2]:
            balances[no], lines[no] = earlier[0][no], earlier[1][no]
        return balances, lines, -sum(balances.values())


class TornBalances(Hand):
    """Reads the balances of one half of the customers, and a moment later those of the other."""

    def report(self, kind: str, asked: tuple[str, ...]) -> dict[Any, Any]:
        found = super().report(kind, asked)
        if kind == "balances":
            time.sleep(20 * MOMENT)
            later = super().report(kind, asked)
            found |= {no: later[no] for no in self.accounts[::2]}
        return found


class TornTrial(Hand):
    """Adds up the customers at one moment, and the bank's own accounts a moment later."""

    def report(self, kind: str, asked: tuple[str, ...]) -> dict[Any, Any]:
        found = super().report(kind, asked)
        if kind == "trial_balance":
            time.sleep(20 * MOMENT)
            customers = found.pop("customer", [0, 0])
            found = super().report(kind, asked) | {"customer": customers}
            del found["total"]
            found["total"] = [sum(side) for side in zip(*found.values(), strict=True)]
        return found


class LeftOut(Hand):
    """Leaves the gifts that a customer got out of the totals, so that they still add up."""

    def report(self, kind: str, asked: tuple[str, ...]) -> dict[Any, Any]:
        found = super().report(kind, asked)
        if kind == "totals":
            for figures in found.values():
                _, credited, _ = figures[2].pop("gift_in", [0, 0, 0])
                figures[1] -= credited
        return found


class AsOfNow(Hand):
    """Shows what a passbook has now, whatever day or moment was asked for."""

    def report(self, kind: str, asked: tuple[str, ...]) -> dict[Any, Any]:
        late = {"balance": "2999-12-31T00:00:00+00:00", "balance_as_of": "2999-12-31"}
        return super().report(kind, (late[kind],) if kind in late else asked)


class JustBefore(Hand):
    """Shows of a moment what there was before it, and not what was booked at it."""

    def report(self, kind: str, asked: tuple[str, ...]) -> dict[Any, Any]:
        if kind == "balance":
            moment = dt.datetime.fromisoformat(asked[0]) - dt.timedelta(microseconds=1)
            asked = (moment.isoformat(),)
        return super().report(kind, asked)
