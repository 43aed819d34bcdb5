"""The reference's ledger: lots of points with their dates, told anew from the lines each time.

No running total, no number of dead points and no next date is used here (design.md §3): whoever
wants to know what an account has walks over all its lines. `Entry` has the shape of the bank's
`Posting`, so that pure rules may post on it; what it posts, it works out by itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gongyi_bank.errors import InvalidAmount
from gongyi_bank.policies import PointsExpiry, PolicyBook
from gongyi_bank.rules.accrual import CREDITED
from gongyi_bank.rules.holds import Hold
from gongyi_bank.rules.ledger import (
    CREDITED_MAX,
    EARLIEST,
    Head,
    Leg,
    Mark,
    Posting,
    internal_kind,
    internal_no,
    require_available,
)
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import Visit
from gongyi_bank.testing.reference.rows import Line
from gongyi_bank.values import NEVER, Points


@dataclass(slots=True)
class OpenLot:
    """What is left of the points that one credit brought, and the last day of them."""

    line: Line
    left: int
    until: dt.date


class Promise(NamedTuple):
    """A time in which points expire, between times in which they do not (decision 0011)."""

    begins_on: dt.date
    #: The first day on which they do not any more, or NEVER.
    ends_on: dt.date
    #: Until when all points are good that had no date when it began.
    good_until: dt.date


def promises(policies: PolicyBook) -> list[Promise]:
    """Every time in which points expire; a later one promises no less than an earlier one."""
    history = [
        (day, policy)
        for _, day, policy in policies.history(PointsExpiry.kind)
        if isinstance(policy, PointsExpiry)
    ]
    found: list[Promise] = []
    expired_before = False
    for position, (begins_on, policy) in enumerate(history):
        expires = policy.mode != "none"
        if expires and not expired_before:
            ends = [day for day, later in history[position:] if later.mode == "none"]
            until = max([policy.expires_on(begins_on), *(one.good_until for one in found)])
            found.append(Promise(begins_on, ends[0] if ends else NEVER, until))
        expired_before = expires
    return found


def last_day(line: Line, policies: PolicyBook) -> dt.date:
    """Until when the points of a credit are good, were there none before them.

    Points without a date get that of the next time in which points expire; a pool's never get
    one.
    """
    assert line.expires_on is not None
    if line.expires_on != NEVER or internal_kind(line.account_no) is not None:
        return line.expires_on
    later = (one.good_until for one in promises(policies) if line.business_day < one.ends_on)
    return next(later, NEVER)


def newest_date(lines: Iterable[Line], policies: PolicyBook, today: dt.date) -> dt.date:
    """The date that a new credit must not say less than: that of the newest one in the books.

    Where that one has none, it is what it was promised since, by a time that has begun.
    """
    credits_ = [line for line in lines if line.expires_on is not None]
    if not credits_:
        return EARLIEST
    newest = credits_[-1]
    assert newest.expires_on is not None
    if newest.expires_on != NEVER or internal_kind(newest.account_no) is not None:
        return newest.expires_on
    begun = (one for one in promises(policies) if one.begins_on <= today)
    return next((one.good_until for one in begun if newest.business_day < one.ends_on), NEVER)


def lots_of(lines: Iterable[Line], policies: PolicyBook) -> list[OpenLot]:
    """The lots of an account, spent ones with nothing left: debits take the oldest points first.

    What was taken beyond all points is owed, and the next credits pay it. No point dies before
    an older one.
    """
    lots: list[OpenLot] = []
    owed, newest = 0, EARLIEST
    for line in lines:
        if line.amount > 0:
            newest = max(newest, last_day(line, policies))
            paid = min(owed, line.amount)
            owed -= paid
            lots.append(OpenLot(line, line.amount - paid, newest))
            continue
        wanted = -line.amount
        for lot in lots:
            part = min(lot.left, wanted)
            lot.left -= part
            wanted -= part
        owed += wanted
    return lots


def past_date(lots: Iterable[OpenLot], held: int, today: dt.date) -> int:
    """Points that are past their date; a hold keeps the oldest, and keeps them alive."""
    dead = 0
    for lot in lots:
        kept = min(held, lot.left)
        held -= kept
        if lot.until < today:
            dead += lot.left - kept
    return dead


def tell(
    head: Head, lines: Sequence[Line], held: int, policies: PolicyBook, today: dt.date
) -> None:
    """Let a head say what the lines say, in the numbers that rules go by.

    The numbers and the lots are two ways to count; where they differ, one of them is wrong.
    """
    lots = lots_of(lines, policies)
    head.credited = sum(line.amount for line in lines if line.amount > 0)
    head.debited = -sum(line.amount for line in lines if line.amount < 0)
    head.held, head.line_no = held, len(lines)
    head.debt = max(0, head.debited + held - head.credited)
    head.dead_no = sum(lot.line.amount for lot in lots if lot.until < today)
    head.last_expires_on = newest_date(lines, policies, today)
    dead = past_date(lots, held, today)
    free = max(0, sum(lot.left for lot in lots) - held - dead)
    said = (head.available, head.expirable)
    assert said == (free, dead), f"{head.account_no}: lots say {(free, dead)}, numbers say {said}"


@dataclass(slots=True, kw_only=True)
class Entry(Posting):
    """What one act posts. Its heads are told anew from all lines after each step."""

    books: Books
    policies: PolicyBook

    # --- what an account has now ---

    def look(self, account_no: int) -> Head | None:
        """An account that this act may post on, as it is now; None for any other."""
        head = self.heads.get(account_no)
        if head is not None:
            held = self.books.held(account_no)
            tell(head, self._lines(account_no), held, self.policies, self.business_day)
            records = self.books.records.get(account_no, ())
            head.record_no = len(records)
            head.verified_minutes = sum(one.minutes for one in records if one.state == CREDITED)
        return head

    def _lines(self, account_no: int) -> list[Line]:
        mine = (Line(*row) for row in self.lines if row[0] == account_no)
        return [*self.books.lines[account_no], *mine]

    def _lots(self, account_no: int) -> list[OpenLot]:
        return lots_of(self._lines(account_no), self.policies)

    # --- what acts post ---

    def post(self, leg: Leg, mark: Mark) -> None:
        """A line on each side that is a customer's or a pool's; only what is free is taken."""
        if leg.amount <= 0:
            raise InvalidAmount.of("points", self._words(leg.amount), "it must be above zero")
        source, target = self.look(leg.source_no), self.look(leg.target_no)
        self._require_sides(leg)
        if target is not None and target.credited + leg.amount > CREDITED_MAX:
            reason = "more than an account can be credited in its life"
            raise InvalidAmount.of("points", self._words(leg.amount), reason)
        if source is not None:
            require_available(source, leg.amount, self.scale)
            self.expire(source, mark.outlet_no)
            self._write(source, -leg.amount, leg.target_no, mark, None)
        if target is not None:
            self._receive(target, leg, mark)

    def take_back(self, leg: Leg, mark: Mark) -> None:
        """Reverse a credit; what is not there any more is owed from now on."""
        self._require_sides(leg)
        source, target = self.heads[leg.source_no], self.look(leg.target_no)
        self.expire(source, mark.outlet_no)
        self._write(source, -leg.amount, leg.target_no, mark, None)
        if target is not None:
            self._receive(target, leg, mark)

    def pay(self, hold: Hold, amount: int, mark: Mark) -> Head:
        """Debit points that a hold has kept, honoured also past their date."""
        head = self.heads[hold.account_no]
        self.expire(head, mark.outlet_no)
        hold.capture(amount, head.line_no + 1)
        self.books.keep_hold(hold, self.voucher_id)
        self._write(head, -amount, hold.payee_no, mark, None)
        return head

    def expire(self, head: Head, outlet_no: int) -> int:
        """The expiry line for what is past its date and kept by no hold; how much it was."""
        self.look(head.account_no)
        amount = past_date(self._lots(head.account_no), head.held, self.business_day)
        if amount:
            mark = Mark("expiry", self.business_day, outlet_no)
            self._write(head, -amount, internal_no("expired", outlet_no), mark, None)
        return amount

    def _require_sides(self, leg: Leg) -> None:
        """Whoever has lines is named to the entry: a side must not be forgotten."""
        sides = {leg.source_no, leg.target_no}
        assert sides & self.books.lines.keys(), "no act moves points between internal accounts"
        assert sides & self.books.lines.keys() <= self.heads.keys(), f"{sides} are not all named"

    def _receive(self, head: Head, leg: Leg, mark: Mark) -> None:
        """A credit; a customer's points have a date where points have dates."""
        assert mark.expires_on is not None
        self.expire(head, mark.outlet_no)
        until = mark.expires_on
        if until == NEVER and internal_kind(head.account_no) is None:
            until = self.fresh_until
        until = max(until, head.last_expires_on)
        dead_no = head.dead_no
        self._write(head, leg.amount, leg.source_no, mark, until)
        if until < self.business_day:  # points that came back past their date: for the sweep
            if head.seen_expiry is None or not head.seen_expiry[2]:
                head.seen_expiry = dead_no, until, head.line_no
            head.next_expiry_on, head.next_expiry_line_no = NEVER, 0
        elif not head.next_expiry_line_no:
            head.next_expiry_on, head.next_expiry_line_no = until, head.line_no

    def _write(
        self, head: Head, amount: int, contra_no: int, mark: Mark, until: dt.date | None
    ) -> None:
        lines = self._lines(head.account_no)
        line = Line(
            account_no=head.account_no,
            line_no=len(lines) + 1,
            kind=mark.target_kind if amount > 0 and mark.target_kind else mark.kind,
            amount=amount,
            contra_no=contra_no,
            credited_after=head.credited + max(0, amount),
            debited_after=head.debited + max(0, -amount),
            expires_on=until,
            value_on=mark.value_on,
            origin_on=mark.origin_on,
            booked_at=max([self.booked_at, *(line.booked_at for line in lines)]),
            business_day=self.business_day,
            outlet_no=mark.outlet_no,
            voucher_id=self.voucher_id,
            policy_id=mark.policy_id,
        )
        self.lines.append(line)
        self.look(head.account_no)

    def _words(self, amount: int) -> str:
        return str(Points.of_units(amount, self.scale))


def entry_of(visit: Visit, accounts: Iterable[int]) -> Entry:
    """An entry of this act that may post on these accounts, as far as they exist."""
    entry = Entry(
        heads=visit.heads(accounts),
        voucher_id=visit.voucher_id,
        business_day=visit.today,
        booked_at=visit.now,
        scale=visit.bank.scale,
        fresh_until=visit.policies.in_force(PointsExpiry, visit.today)[1].expires_on(visit.today),
        books=visit.books,
        policies=visit.policies,
    )
    for number in entry.heads:
        entry.look(number)
    return entry
