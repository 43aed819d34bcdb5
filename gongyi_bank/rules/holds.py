"""预留的规则: points put aside for a payee, until they are captured, released, or lapse.

Pure. A hold keeps an amount, which at any moment is the lowest unspent numbers; what it keeps
is honoured also past its date (design.md §3). It ends exactly once. From its deadline on, by
the ledger's clock and that very moment included, it has lapsed, whether or not anybody swept.

The first rule that applies decides. Placing: the same reference (replay or conflict), not
permitted, unknown customer, closed or frozen account, passbook reported lost, unknown store,
store not in the alliance today, its outlet closed, both hours and a deadline, a deadline that
is past, one beyond the longest life, an amount too fine, insufficient points. Capturing:
unknown hold, not permitted, a reservation's hold, settled, lapsed, closed or frozen account,
passbook reported lost, more than is left. Extending: unknown, not permitted, a reservation's,
settled, lapsed, no later than the deadline there is, beyond the longest life. Releasing:
unknown, not permitted, a reservation's, settled. A list is refused by its first such hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gongyi_bank.errors import (
    HoldExceeded,
    HoldLapsed,
    HoldOfReservation,
    HoldSettled,
    HoldTooLong,
    IdempotencyConflict,
    InvalidInstant,
    InvalidValue,
    UnknownCustomer,
)
from gongyi_bank.policies import HoldRules
from gongyi_bank.rules.accrual import require_open_outlet
from gongyi_bank.rules.customers import require_payable
from gongyi_bank.rules.ledger import Head, internal_kind, internal_no, require_available
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.rules.stores import OfferKey, StoreFacts, require_member, require_store
from gongyi_bank.values import Points

HELD: Final = "held"
CAPTURED: Final = "captured"
RELEASED: Final = "released"
LAPSED: Final = "lapsed"
#: The steps of a hold that end nothing.
PLACED: Final = "placed"
EXTENDED: Final = "extended"


class HeldGoods(NamedTuple):
    """The pieces that a reservation's hold keeps beside the points."""

    store_no: int
    sku: str
    #: What is left of them.
    quantity: int

    @property
    def key(self) -> OfferKey:
        """The offer whose pieces they are."""
        return self.store_no, self.sku


class HoldStep(NamedTuple):
    """Something that happened to a hold: a row of its history."""

    event_no: int
    kind: str
    #: What was placed, captured or given free, in the smallest part.
    amount: int
    #: The deadline from then on.
    deadline_at: dt.datetime
    #: The line of a capture.
    line_no: int | None = None


@dataclass(slots=True)
class Hold:
    """A hold as it stands, and what this act does to it."""

    hold_id: bytes
    account_no: int
    #: The account that captures go to.
    payee_no: int
    #: In the smallest part, like `captured`.
    amount: int
    captured: int
    state: str
    placed_at: dt.datetime
    deadline_at: dt.datetime
    #: No extension reaches beyond this moment.
    latest_at: dt.datetime
    outlet_no: int
    #: The number below the first point that it was placed on: by what its captures are refunded.
    cites_from: int = 0
    event_no: int = 0
    #: `event_no` as loaded, the guard of the write; 0 for a new one.
    seen_event_no: int = 0
    outlet_code: str = ""
    #: What a reservation holds beside the points; None for a hold of points alone.
    goods: HeldGoods | None = None
    ref: str | None = None
    row_digest: bytes | None = None
    #: What this act did to it.
    steps: list[HoldStep] = field(default_factory=list)

    @property
    def left(self) -> int:
        """What it still keeps."""
        return self.amount - self.captured if self.state == HELD else 0

    @property
    def store_no(self) -> int | None:
        """The store that captures go to, if it is one."""
        if internal_kind(self.payee_no) != "store":
            return None
        return self.payee_no - internal_no("store", 0)

    def is_overdue(self, now: dt.datetime) -> bool:
        """Whether it has lapsed by the clock, swept or not."""
        return now >= self.deadline_at

    def place(self, head: Head) -> None:
        """Put the points aside; they must be available."""
        self.cites_from = head.free_from
        head.held += self.amount
        head.is_touched = True
        self._step(PLACED, self.amount)

    def extend(self, deadline_at: dt.datetime) -> None:
        """Keep them until a later moment."""
        self.deadline_at = deadline_at
        self._step(EXTENDED, 0)

    def capture(self, amount: int, line_no: int) -> None:
        """Note what a line has taken; the head no longer holds it."""
        if not 0 < amount <= self.left:
            raise ValueError("only what is held can be captured")
        self.captured += amount
        if self.captured == self.amount:
            self.state = CAPTURED
        self._step(CAPTURED, amount, line_no)

    def end(self, state: str, head: Head) -> int:
        """Give the rest free, released or lapsed; returns how much that is.

        Points past their date expire by it: `Posting.expire` comes after all that are freed.
        """
        freed = self.left
        if not freed:
            raise ValueError("a settled hold stays settled")
        head.held -= freed
        head.is_touched = True
        self.state = state
        self._step(state, freed)
        return freed

    def _step(self, kind: str, amount: int, line_no: int | None = None) -> None:
        self.event_no += 1
        self.steps.append(HoldStep(self.event_no, kind, amount, self.deadline_at, line_no))


@dataclass(frozen=True, slots=True)
class EarlierHold:
    """A hold that carries a reference already, with the receipt of its placing."""

    row_digest: bytes
    body: str


@dataclass(frozen=True, slots=True)
class PlacingFacts:
    """What the books say around a hold that is to be placed."""

    now: dt.datetime
    today: dt.date
    scale: int
    rules: HoldRules
    #: The state of each customer's account.
    customers: Mapping[int, str]
    #: The lost passbook of accounts under a loss report.
    frozen: Mapping[int, int]
    stores: Mapping[str, StoreFacts]
    outlets: dict[str, OutletFacts]
    heads: Mapping[int, Head]


@dataclass(frozen=True, slots=True)
class Placing:
    """What may be placed."""

    store: StoreFacts
    outlet: OutletFacts
    #: In the smallest part.
    amount: int
    deadline_at: dt.datetime
    latest_at: dt.datetime


def is_replay(earlier: EarlierHold | None, row_digest: bytes, ref: str | None) -> bool:
    """Whether this very hold was placed before; raises IdempotencyConflict for another one."""
    if earlier is None:
        return False
    if earlier.row_digest != row_digest:
        raise IdempotencyConflict(key=ref)
    return True


def decide_placing(
    facts: PlacingFacts,
    *,
    account_no: int,
    points: Points,
    store: str,
    hours: int | None,
    deadline_at: dt.datetime | None,
) -> Placing:
    """What is held for how long. Raises by the first rule that applies; see the module."""
    state = facts.customers.get(account_no)
    if state is None:
        raise UnknownCustomer(account=account_no)
    require_payable(account_no, state, facts.frozen)
    payee = require_store(facts.stores, store)
    require_member(payee, facts.today)
    outlet = require_open_outlet(facts.outlets, payee.outlet_code)
    deadline_at, latest_at = decide_deadline(facts.now, facts.rules, hours, deadline_at)
    amount = points.to_units(facts.scale)
    require_available(facts.heads[account_no], amount, facts.scale)
    return Placing(payee, outlet, amount, deadline_at, latest_at)


def latest_of(placed_at: dt.datetime, deadline_at: dt.datetime, rules: HoldRules) -> dt.datetime:
    """Beyond which moment no extension reaches."""
    return max(deadline_at, placed_at + dt.timedelta(hours=rules.hours_max))


def decide_deadline(
    now: dt.datetime, rules: HoldRules, hours: int | None, deadline_at: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime]:
    """(deadline, the latest it can ever be). Raises InvalidValue, InvalidInstant, HoldTooLong."""
    if hours is not None and deadline_at is not None:
        raise InvalidValue.of("hours", hours, "give hours or deadline_at, not both")
    latest_at = now + dt.timedelta(hours=rules.hours_max)
    if deadline_at is None:
        deadline_at = now + dt.timedelta(hours=rules.hours if hours is None else hours)
    if deadline_at <= now:
        raise InvalidInstant.of("deadline_at", str(deadline_at), "it is past")
    _require_within(deadline_at, latest_at)
    return deadline_at.astimezone(dt.UTC), latest_at


def decide_extension(hold: Hold, deadline_at: dt.datetime) -> dt.datetime:
    """The new deadline of an open hold. Raises InvalidInstant, HoldTooLong."""
    if deadline_at <= hold.deadline_at:
        reason = "it is no later than the deadline there is"
        raise InvalidInstant.of("deadline_at", str(deadline_at), reason)
    _require_within(deadline_at, hold.latest_at)
    return deadline_at.astimezone(dt.UTC)


def _require_within(deadline_at: dt.datetime, latest_at: dt.datetime) -> None:
    if deadline_at > latest_at:
        raise HoldTooLong(deadline_at=deadline_at, latest_at=latest_at)


def require_held(hold: Hold, name: object) -> None:
    """Raise HoldOfReservation, or HoldSettled unless it still keeps something."""
    if hold.goods is not None:
        raise HoldOfReservation(hold=name)
    if hold.state != HELD:
        raise HoldSettled(hold=name, state=hold.state)


def require_alive(hold: Hold, now: dt.datetime, name: object) -> None:
    """Raise as `require_held`, or HoldLapsed from the deadline on."""
    require_held(hold, name)
    if hold.is_overdue(now):
        raise HoldLapsed(hold=name, deadline_at=hold.deadline_at)


def decide_amount(hold: Hold, points: Points | None, scale: int, name: object) -> int:
    """How much is captured: all that is left, or a part. Raises HoldExceeded."""
    if points is None:
        return hold.left
    wanted = points.to_units(scale)
    if wanted > hold.left:
        left = str(Points.of_units(hold.left, scale))
        raise HoldExceeded(hold=name, left=left, wanted=str(points))
    return wanted


def decide_release(hold: Hold, now: dt.datetime, name: object) -> str:
    """The state that a release leaves behind: one past its deadline had lapsed already."""
    require_held(hold, name)
    return LAPSED if hold.is_overdue(now) else RELEASED
