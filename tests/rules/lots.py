"""Two models of points that expire, which keep lots instead of numbers; and a ledger to compare.

`NaiveLots` follows the rules of design.md §3 day by day, by walking over all lots. `ExactLots`
follows what a shop would do: a hold binds particular lots, and a refund returns to its lots.
`NumberedBook` is one account by the real rules, with the store's part done in plain Python. In each
of them points may be given to another account of its kind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gongyi_bank.policies import PointsExpiry, PolicyBook, TransferRules
from gongyi_bank.rules import transfers
from gongyi_bank.rules.expiry import (
    ExpiryTerms,
    Lot,
    dated_lots,
    note_introduction,
    schedule,
    terms_of,
)
from gongyi_bank.rules.ledger import Head, Leg, Mark, Posting, internal_no
from gongyi_bank.values import NEVER, compose_account_no

ACCOUNT, OTHER = (compose_account_no(1003, serial) for serial in (1, 2))
ISSUED, TAKEN = (internal_no(kind, 1003) for kind in ("issued", "store"))
BEGIN = dt.date(2022, 1, 1)
_DAY = dt.timedelta(days=1)
_FOUNDED = dt.date(1900, 1, 1)
#: Gifts without limits, which keep their dates.
_GIFTS = PolicyBook([(0, _FOUNDED, TransferRules(gift_points_year_max=None))], 1)


def book_of(adopted: Iterable[tuple[dt.date, PointsExpiry]]) -> PolicyBook:
    """The policies of a bank that was founded without expiry."""
    history = [(_FOUNDED, PointsExpiry()), *adopted]
    return PolicyBook([(n, day, policy) for n, (day, policy) in enumerate(history)], len(history))


# --- the rules of design.md, lot by lot ------------------------------------------------------


@dataclass(slots=True)
class OneLot:
    """What one credit brought: how much is left of it, and its last day as known by now."""

    left: int
    until: dt.date
    #: In `ExactLots`, how much of what is left holds have bound.
    bound: int = 0
    #: In `ExactLots`, what it began with.
    credited: int = 0


@dataclass(slots=True)
class NaiveLots:
    """Lots in the order of their credits; every policy that begins walks over all of them."""

    today: dt.date = BEGIN
    policy: PointsExpiry = field(default_factory=PointsExpiry)
    lots: list[OneLot] = field(default_factory=list)
    held: int = 0
    #: The newest date that an introduction gave.
    introduced: dt.date = dt.date.min
    expired: list[int] = field(default_factory=list)

    def wake(self, book: PolicyBook) -> None:
        """A new day, or a policy from today on: an introduction gives every lot a date."""
        policy = book.in_force(PointsExpiry, self.today)[1]
        if policy.mode != "none" and self.policy.mode == "none":
            self.introduced = max(self.introduced, policy.expires_on(self.today))
            older = dt.date.min
            for lot in self.lots:
                if lot.until == NEVER:
                    lot.until = max(self.introduced, older)
                older = max(older, lot.until)
        self.policy = policy

    def pass_days(self, days: int, book: PolicyBook) -> None:
        """Live through each day, since each may begin a policy."""
        for _ in range(days):
            self.today += _DAY
            self.wake(book)

    @property
    def balance(self) -> int:
        """All that is left."""
        return sum(lot.left for lot in self.lots)

    @property
    def expirable(self) -> int:
        """What is past its date; what is held is honoured, oldest points first."""
        return max(0, sum(lot.left for lot in self.lots if lot.until < self.today) - self.held)

    @property
    def available(self) -> int:
        """What may be spent now."""
        return self.balance - self.held - self.expirable

    def dates(self) -> dict[dt.date, int]:
        """What is neither held nor past its date, by its last day."""
        passing = self.held + self.expirable
        found: dict[dt.date, int] = {}
        for lot in self.lots:
            free = max(0, lot.left - passing)
            passing -= lot.left - free
            if free:
                found[lot.until] = found.get(lot.until, 0) + free
        return found

    def credit(self, amount: int, until: dt.date | None = None) -> None:
        """A credit of today, or until a day; no point dies before an older one."""
        self.expire()
        until = until or self.policy.expires_on(self.today)
        self.lots.append(OneLot(amount, max([until, *(lot.until for lot in self.lots)])))

    def gift(self, other: NaiveLots, amount: int) -> None:
        """The receiver gets the dates of what is free here, the oldest first."""
        dates = self.dates()
        self.debit(amount)
        for until, free in dates.items():
            part = min(free, amount)
            amount -= part
            if part:
                other.credit(part, until)

    def debit(self, amount: int) -> None:
        """Take the oldest points that live."""
        self.expire()
        self.take(amount)

    def take(self, amount: int) -> None:
        """Take the oldest points, whatever their date."""
        for lot in self.lots:
            part = min(lot.left, amount)
            lot.left -= part
            amount -= part

    def expire(self) -> None:
        """The expiry line, if something is past its date."""
        if amount := self.expirable:
            self.expired.append(amount)
            self.take(amount)

    def hold(self, amount: int) -> None:
        """Put an amount aside."""
        self.expire()
        self.held += amount

    def release(self, amount: int) -> None:
        """Give a held amount free; what the hold kept alive is past its date now."""
        self.held -= amount
        self.expire()

    def capture(self, amount: int) -> None:
        """Take what was held, dead or not."""
        self.expire()
        self.held -= amount
        self.take(amount)
        self.expire()


# --- particular lots ---------------------------------------------------------------------------


@dataclass(slots=True)
class ExactLots:
    """The same with holds that bind lots and refunds that return to them."""

    today: dt.date = BEGIN
    lots: list[OneLot] = field(default_factory=list)
    debt: int = 0

    @property
    def available(self) -> int:
        """What lives and is bound by no hold."""
        return sum(lot.left - lot.bound for lot in self.lots if lot.until >= self.today)

    def dates(self) -> dict[dt.date, int]:
        """What lives and is bound by no hold, by its last day."""
        found: dict[dt.date, int] = {}
        for lot in self.lots:
            if lot.until >= self.today and lot.left > lot.bound:
                found[lot.until] = found.get(lot.until, 0) + lot.left - lot.bound
        return found

    @property
    def held(self) -> int:
        """What holds have bound."""
        return sum(lot.bound for lot in self.lots)

    def credit(self, amount: int, until: dt.date) -> None:
        """A new lot; what is owed is settled first."""
        paid = min(amount, self.debt)
        self.debt -= paid
        self.lots.append(OneLot(amount - paid, until, credited=amount))

    def hold(self, amount: int) -> list[tuple[OneLot, int]]:
        """Bind the oldest free living lots; returns which."""
        found = []
        for lot in self.lots:
            part = min(lot.left - lot.bound, amount) if lot.until >= self.today else 0
            if part:
                lot.bound += part
                amount -= part
                found.append((lot, part))
        return found

    def debit(self, amount: int) -> list[tuple[OneLot, int]]:
        """Take the oldest free living lots; returns which."""
        taken = self.hold(amount)
        self.capture(taken)
        return taken

    def capture(self, bound: list[tuple[OneLot, int]]) -> None:
        """Take what a hold has bound."""
        for lot, part in bound:
            lot.bound -= part
            lot.left -= part

    def release(self, bound: list[tuple[OneLot, int]]) -> None:
        """Give free what a hold has bound; what is past its date by now is lost."""
        for lot, part in bound:
            lot.bound -= part

    def reverse(self, lot: OneLot) -> None:
        """Undo a lot: what is left of it goes, and what was spent of it is paid or owed."""
        due = lot.credited - lot.left
        if lot.until >= self.today:
            lot.left = 0
        free = min(due, self.available)
        self.debit(free)
        self.debt += due - free

    def gift(self, other: ExactLots, amount: int) -> None:
        """The oldest free living lots change hands; there, too, no lot dies before an older one."""
        for lot, part in self.debit(amount):
            other.credit(part, max([lot.until, *(had.until for had in other.lots)]))

    def refund(self, taken: list[tuple[OneLot, int]]) -> None:
        """Give points back to the lots that they came from."""
        for lot, part in taken:
            lot.left += part


# --- one account by the real rules -------------------------------------------------------------


class NumberedBook:
    """One account, posted to by `rules.ledger` and brought up as `store.ledger` does it."""

    def __init__(self, account_no: int = ACCOUNT) -> None:
        self.account_no = account_no
        self.adopted: list[tuple[dt.date, PointsExpiry]] = []
        self.today = BEGIN
        self.head = Head(account_no)
        self.lines: list[tuple[Any, ...]] = []

    @property
    def policies(self) -> PolicyBook:
        """What was adopted by now."""
        return book_of(self.adopted)

    @property
    def terms(self) -> ExpiryTerms:
        """What the policies say about dates today."""
        return terms_of(self.policies, self.today)

    def bring_up(self) -> None:
        """What the store does when it loads a head."""
        terms, head = self.terms, self.head
        note_introduction(head, terms, head.booked_at.date())
        if head.next_expiry_on >= terms.today:
            return
        for lot, line_no in self.credits():
            if line_no >= head.next_expiry_line_no and self._lives(lot, terms):
                head.dead_no, head.next_expiry_line_no = lot.low, line_no
                head.next_expiry_on = terms.last_day(lot.expires_on, lot.business_day)
                return
        head.dead_no, head.next_expiry_on, head.next_expiry_line_no = head.credited, NEVER, 0

    @staticmethod
    def _lives(lot: Lot, terms: ExpiryTerms) -> bool:
        if lot.expires_on == NEVER:
            return lot.business_day >= terms.unlimited_from
        return lot.expires_on >= terms.today

    def credits(self) -> list[tuple[Lot, int]]:
        """The credit lines, with their numbers."""
        return [
            (Lot(line[5] - line[3], line[5], line[7], line[11]), line[1])
            for line in self.lines
            if line[3] > 0
        ]

    def posting(self) -> Posting:
        """A posting of today; `book` keeps its lines."""
        self.bring_up()
        return Posting(
            heads={self.account_no: self.head},
            voucher_id=bytes(16),
            business_day=self.today,
            booked_at=dt.datetime.combine(self.today, dt.time(4), dt.UTC),
            fresh_until=self.terms.fresh_until,
        )

    def book(self, made: Posting) -> None:
        """Keep the lines."""
        self.lines += [line for line in made.lines if line[0] == self.account_no]

    def credit(self, amount: int, until: dt.date | None = None) -> None:
        """A credit that lasts as the policy says, or until a day."""
        made = self.posting()
        mark = Mark("service", self.today, 1003, expires_on=until or self.terms.fresh_until)
        made.post(Leg(ISSUED, self.account_no, amount), mark)
        self.book(made)

    def debit(self, amount: int) -> int:
        """A debit at a store; returns the number below the first point that it cites."""
        made = self.posting()
        made.post(Leg(self.account_no, TAKEN, amount), Mark("redemption", self.today, 1003))
        self.book(made)
        return self.head.free_from - amount

    def gift(self, other: NumberedBook, amount: int) -> None:
        """Points to another account, with the dates that `rules.transfers` finds for them."""
        made = self.posting()
        other.bring_up()
        made.heads[other.account_no] = other.head
        dated = dated_lots((lot for lot, _ in self.credits()), self.terms)
        facts = transfers.TransferFacts(
            today=self.today, scale=2, policies=_GIFTS, customers={}, frozen={}, pools={},
            heads=made.heads, given={},
            lots={self.account_no: [
                transfers.Lot(lot.low, lot.high, until, is_gifted=False) for lot, until in dated
            ]},
        )  # fmt: skip
        wish = transfers.Flow(self.account_no, other.account_no, amount, transfers.GIFT)
        for flow in transfers.decide_flows(facts, [wish]):
            leg = Leg(flow.source_no, flow.target_no, flow.amount)
            made.post(leg, Mark("gift_out", self.today, 1003, expires_on=flow.expires_on))
        self.book(made)
        other.book(made)

    def hold(self, amount: int) -> int:
        """Put an amount aside; returns the number below the first point that it is placed on."""
        made = self.posting()
        made.expire(self.head, 1003)
        placed_on = self.head.free_from
        self.head.held += amount
        self.book(made)
        return placed_on

    def release(self, amount: int) -> None:
        """Give a held amount free."""
        made = self.posting()
        self.head.held -= amount
        made.expire(self.head, 1003)
        self.book(made)

    def capture(self, amount: int) -> None:
        """Take a held amount; what the rest of the hold no longer honours expires."""
        made = self.posting()
        leg = Leg(self.account_no, TAKEN, amount)
        made.capture(self.head, leg, Mark("capture", self.today, 1003))
        made.expire(self.head, 1003)
        self.book(made)

    def dates(self) -> dict[dt.date, int]:
        """What expires when, of what is neither held nor past its date."""
        self.bring_up()
        free_from = self.head.debited + self.head.held + self.head.expirable
        return schedule((lot for lot, _ in self.credits()), self.terms, free_from)

    @property
    def expired(self) -> list[int]:
        """The amounts of the expiry lines."""
        return [-line[3] for line in self.lines if line[2] == "expiry"]
