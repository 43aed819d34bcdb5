"""What the books must hold: every act that was committed, once, as the rules have it.

Written from the rules' words and independent of the library's code: amounts by name, and for each
request either the changes that it makes or the refusals that fit. Writers of a SQLite file come one
after the other, so that each act is decided on exactly what was committed before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.requests import CREDIT, PRICE, Request

#: An amount's name: ("balance", 100100000015), ("stock",), ("hold", "own-3") …
Name = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What an act changes, and whose balance its receipt tells."""

    changes: dict[Name, int]
    account: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """The key was committed with this very request: the first receipt, and no effect."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The codes of the refusals that fit; nothing is written."""

    codes: frozenset[str]


Outcome = Effect | Replay | Refused


@dataclass(slots=True)
class Draft:
    """What a transaction that is not committed has done so far."""

    changes: Counter[Name] = field(default_factory=Counter)
    done: dict[str, Request] = field(default_factory=dict)

    def copy(self) -> Draft:
        """As it is now, to come back to when a savepoint is undone."""
        return Draft(Counter(self.changes), dict(self.done))

    def add(self, request: Request, effect: Effect) -> None:
        """Count an act in."""
        self.changes.update(effect.changes)
        self.done[request.key] = request


class Expected:
    """The committed acts and what they come to."""

    def __init__(self, accounts: Iterable[int], each: int, stock: int) -> None:
        self.amounts: Counter[Name] = Counter()
        self.accounts = tuple(accounts)
        for account in self.accounts:
            self.amounts["balance", account] = each
        self.amounts["stock",] = stock
        self.done: dict[str, Request] = {}
        #: Whose hold or reservation it is; set when it is decided on, and never changed.
        self.owners: dict[str, int] = {}

    def commit(self, draft: Draft) -> None:
        """Take a transaction's work as done."""
        self.amounts.update(draft.changes)
        self.done.update(draft.done)

    def decide(self, request: Request, draft: Draft) -> Outcome:
        """What must become of a request after what is committed and what is in the draft."""
        earlier = draft.done.get(request.key) or self.done.get(request.key)
        if earlier is not None:
            return Replay() if earlier == request else Refused(frozenset(["idempotency_conflict"]))
        outcome: Outcome = getattr(self, f"_{request.kind}")(request, draft)
        return outcome

    def _value(self, draft: Draft, *name: Any) -> int:
        return self.amounts[name] + draft.changes[name]

    def _available(self, draft: Draft, account: int) -> int:
        return self._value(draft, "balance", account) - self._value(draft, "held", account)

    def _unless(self, effect: Effect, *refusals: tuple[bool, str]) -> Outcome:
        codes = frozenset(code for applies, code in refusals if applies)
        return Refused(codes) if codes else effect

    def _short(self, draft: Draft, account: int, amount: int) -> tuple[bool, str]:
        return self._available(draft, account) < amount, "insufficient_points"

    def _credit(self, request: Request, draft: Draft) -> Outcome:
        account, slot = request.account, ("slot", request.account, request.amount)
        effect = Effect({("balance", account): CREDIT, slot: 1}, account)
        return self._unless(effect, (bool(self._value(draft, *slot)), "overlap"))

    def _moved(self, draft: Draft, account: int, amount: int, to: Name) -> Outcome:
        effect = Effect({("balance", account): -amount, to: amount}, account)
        return self._unless(effect, self._short(draft, account, amount))

    def _gift(self, request: Request, draft: Draft) -> Outcome:
        return self._moved(draft, request.account, request.amount, ("balance", request.target))

    def _donate(self, request: Request, draft: Draft) -> Outcome:
        return self._moved(draft, request.account, request.amount, ("pool",))

    def _grant(self, request: Request, draft: Draft) -> Outcome:
        account, amount = request.account, request.amount
        effect = Effect({("pool",): -amount, ("balance", account): amount}, account)
        is_short = self._value(draft, "pool") < amount
        return self._unless(effect, (is_short, "insufficient_points"))

    def _redeem(self, request: Request, draft: Draft) -> Outcome:
        account, points = request.account, PRICE * request.amount
        effect = Effect({("balance", account): -points, ("stock",): -request.amount}, account)
        is_out = self._value(draft, "stock") < request.amount
        return self._unless(effect, (is_out, "out_of_stock"), self._short(draft, account, points))

    def _place(self, request: Request, draft: Draft) -> Outcome:
        account, amount = request.account, request.amount
        self.owners.setdefault(request.key, account)
        effect = Effect({("held", account): amount, ("hold", request.key): amount}, account)
        return self._unless(effect, self._short(draft, account, amount))

    def _capture(self, request: Request, draft: Draft) -> Outcome:
        account, hold = self.owners[request.about], ("hold", request.about)
        left = self._value(draft, *hold)
        amount = request.amount or left
        changes = {("balance", account): -amount, ("held", account): -amount, hold: -amount}
        settled, exceeded = not left, bool(left) and amount > left
        effect = Effect(changes, account)
        return self._unless(effect, (settled, "hold_settled"), (exceeded, "hold_exceeded"))

    def _release(self, request: Request, draft: Draft) -> Outcome:
        account, hold = self.owners[request.about], ("hold", request.about)
        left = self._value(draft, *hold)
        effect = Effect({("held", account): -left, hold: -left}, account)
        return self._unless(effect, (not left, "hold_settled"))

    def _reserve(self, request: Request, draft: Draft) -> Outcome:
        account, pieces = request.account, request.amount
        self.owners.setdefault(request.key, account)
        changes: dict[Name, int] = {
            ("held", account): PRICE * pieces,
            ("stock",): -pieces,
            ("reserved", request.key): pieces,
        }
        is_out = self._value(draft, "stock") < pieces
        short = self._short(draft, account, PRICE * pieces)
        return self._unless(Effect(changes), (is_out, "out_of_stock"), short)

    def _hand_over(self, request: Request, draft: Draft) -> Outcome:
        account, pieces = self.owners[request.about], self._reserved(request, draft)
        points = PRICE * pieces
        changes = {("balance", account): -points, ("held", account): -points}
        changes["reserved", request.about] = -pieces
        return self._unless(Effect(changes, account), (not pieces, "redemption_settled"))

    def _give_up(self, request: Request, draft: Draft) -> Outcome:
        account, pieces = self.owners[request.about], self._reserved(request, draft)
        changes: dict[Name, int] = {("held", account): -PRICE * pieces, ("stock",): pieces}
        changes["reserved", request.about] = -pieces
        return self._unless(Effect(changes, account), (not pieces, "redemption_settled"))

    def _reserved(self, request: Request, draft: Draft) -> int:
        return self._value(draft, "reserved", request.about)

    def _restock(self, request: Request, draft: Draft) -> Outcome:
        return Effect({("stock",): request.amount})
