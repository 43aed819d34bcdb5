"""复式账的规则: legs become numbered, hashed lines; points carry serial numbers.

Pure. The n-th point ever credited to an account is point n, debits take the lowest
numbers, and `credited` and `debited` never fall (design.md §3). An account with a floor
has a `Head` and gets lines; a leg between two internal accounts becomes a move.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from gongyi_bank.errors import InsufficientPoints, InvalidAmount
from gongyi_bank.values import NEVER, Points, canonical

#: Version of the canonical form that a line's hash covers.
LINE_HASH_VERSION: Final = 1
GENESIS_HASH: Final = bytes(32)
POINTS: Final = "points"
#: Before any date that the books can hold; every engine can store it.
EARLIEST: Final = dt.date(1900, 1, 1)

#: All that an account is ever credited, in the smallest part: the columns end at 2⁶³.
CREDITED_MAX: Final = 2**62

#: Internal accounts: one of each kind per outlet, and one per store.
INTERNAL_KINDS: Final = {
    "issued": 1,  # points credited for service and grants given at the outlet
    "brought_forward": 2,  # opening balances from the paper books
    "expired": 3,  # points past their date
    "returned": 4,  # balances given up when an account closes
    "store": 5,  # points a partner store has taken
}
OUTLET_KINDS: Final = ("issued", "brought_forward", "expired", "returned")
_KIND_STEP: Final = 10_000_000
_KIND_OF: Final = {number: kind for kind, number in INTERNAL_KINDS.items()}
#: The account on the other side of each kind of line; None is another customer's.
CONTRA_KINDS: Final[dict[str, tuple[str | None, ...]]] = {
    "service": ("issued",),
    "opening": ("brought_forward",),
    "grant": ("issued",),
    "redemption": ("store",),
    "reversal": ("issued",),
    "expiry": ("expired",),
    "close": ("returned", None),
}
#: 摘要: what a line of each kind is called in a passbook and a statement.
LINE_SUMMARIES: Final = {
    "service": "服务入折",
    "opening": "期初",
    "grant": "人工入账",
    "redemption": "兑换",
    "reversal": "冲正",
    "expiry": "到期",
    "close": "销户",
}


def internal_no(kind: str, owner_no: int) -> int:
    """The number of an internal account: always below any customer's twelve digits.

    >>> internal_no("issued", 1002)
    10001002
    """
    return INTERNAL_KINDS[kind] * _KIND_STEP + owner_no


def internal_kind(account_no: int) -> str | None:
    """What kind of internal account a number is; None for a customer's.

    >>> internal_kind(internal_no("store", 7))
    'store'
    """
    return _KIND_OF.get(account_no // _KIND_STEP)


@dataclass(slots=True)
class Head:
    """The running state of an account with a floor, in the unit's smallest part."""

    account_no: int
    credited: int = 0
    debited: int = 0
    held: int = 0
    #: The highest point number past its date.
    dead_no: int = 0
    #: The first credit line whose date has not been looked at, and that date.
    next_expiry_on: dt.date = NEVER
    next_expiry_line_no: int = 0
    #: The date of the newest credit; no later credit may die earlier.
    last_expires_on: dt.date = EARLIEST
    line_no: int = 0
    head_hash: bytes = GENESIS_HASH
    overdraft_limit: int = 0
    debt: int = 0
    booked_at: dt.datetime = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    #: The second book: lifetime verified minutes, and the newest record's number.
    verified_minutes: int = 0
    record_no: int = 0
    #: `line_no`, `record_no` and `held` as loaded: the guard of the write.
    seen_line_no: int = 0
    seen_record_no: int = 0
    seen_held: int = 0
    #: Set by whatever changes a head without writing a line: holds, hours.
    is_touched: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether the act changed anything that must be written."""
        return (
            self.is_touched
            or self.line_no != self.seen_line_no
            or self.record_no != self.seen_record_no
        )

    @property
    def balance(self) -> int:
        """What the passbook shows: credited less debited."""
        return self.credited - self.debited

    @property
    def expirable(self) -> int:
        """Points past their date that no expiry line has taken yet; held ones are honoured."""
        return max(0, self.dead_no - self.debited - self.held)

    @property
    def available(self) -> int:
        """What may be spent now."""
        free = self.credited - self.debited - self.held - self.expirable
        return max(0, free + self.overdraft_limit)


@dataclass(slots=True, frozen=True)
class Leg:
    """A movement: `amount` > 0 of one unit from one account to another."""

    source_no: int
    target_no: int
    amount: int
    unit: str = POINTS


@dataclass(slots=True, frozen=True)
class Mark:
    """What a line says besides its leg."""

    kind: str
    value_on: dt.date
    outlet_no: int
    policy_id: int | None = None
    #: The last day of the points: a credit must say it, a debit has none.
    expires_on: dt.date | None = None


@dataclass(slots=True)
class Posting:
    """One act's postings: working copies of the locked heads, and the rows that result."""

    heads: dict[int, Head]
    voucher_id: bytes
    business_day: dt.date
    booked_at: dt.datetime
    #: Decimal places of a point, for the words of a refusal.
    scale: int = 2
    lines: list[tuple[Any, ...]] = field(default_factory=list)
    moves: list[tuple[Any, ...]] = field(default_factory=list)

    def post(self, leg: Leg, mark: Mark) -> None:
        """Turn one leg into rows: a line on each floored side, or else an internal move."""
        if leg.amount <= 0:
            raise InvalidAmount.of("points", self._shown(leg.amount), "it must be above zero")
        source, target = self.heads.get(leg.source_no), self.heads.get(leg.target_no)
        if target is not None and target.credited + leg.amount > CREDITED_MAX:
            reason = "more than an account can be credited in its life"
            raise InvalidAmount.of("points", self._shown(leg.amount), reason)
        if source is not None:
            self._debit(source, leg, mark)
        if target is not None:
            self._credit(target, leg, mark)
        if source is None and target is None:
            row = (self.voucher_id, len(self.moves) + 1, leg.source_no, leg.target_no, leg.unit)
            self.moves.append((*row, leg.amount, self.business_day, mark.outlet_no))

    def capture(self, head: Head, leg: Leg, mark: Mark) -> None:
        """Debit points that were held: honoured also when they are past their date by now."""
        if not 0 < leg.amount <= head.held:
            raise ValueError("only what is held can be captured")
        self.expire(head, mark.outlet_no)
        head.held -= leg.amount
        head.debited += leg.amount
        self._append(head, -leg.amount, leg.target_no, mark, None)

    def expire(self, head: Head, outlet_no: int) -> int:
        """Write the expiry line for what is past its date; returns how much it was."""
        amount = head.expirable
        if amount:
            leg = Leg(head.account_no, internal_no("expired", outlet_no), amount)
            head.debited += amount
            mark = Mark("expiry", self.business_day, outlet_no)
            self._append(head, -amount, leg.target_no, mark, None)
        return amount

    def _shown(self, amount: int) -> str:
        return str(Points.of_units(amount, self.scale))

    def _debit(self, head: Head, leg: Leg, mark: Mark) -> None:
        # First of all, since a refused row of a list must leave no expiry line either.
        require_available(head, leg.amount, self.scale)
        self.expire(head, mark.outlet_no)
        head.debited += leg.amount
        self._append(head, -leg.amount, leg.target_no, mark, None)

    def _credit(self, head: Head, leg: Leg, mark: Mark) -> None:
        if mark.expires_on is None:
            raise ValueError("a credit needs the date until which its points are good")
        expires_on = max(mark.expires_on, head.last_expires_on)
        head.credited += leg.amount
        head.last_expires_on = expires_on
        if head.debt:
            head.debt = min(head.debt, max(0, head.debited + head.held - head.credited))
        self._append(head, leg.amount, leg.source_no, mark, expires_on)
        if expires_on < head.next_expiry_on:
            head.next_expiry_on, head.next_expiry_line_no = expires_on, head.line_no

    def _append(
        self, head: Head, amount: int, contra_no: int, mark: Mark, expires_on: dt.date | None
    ) -> None:
        head.line_no += 1
        head.booked_at = max(head.booked_at, self.booked_at)
        self.lines.append((
            head.account_no, head.line_no, mark.kind, amount, contra_no, head.credited,
            head.debited, expires_on, mark.value_on, head.booked_at, self.business_day,
            mark.outlet_no, self.voucher_id, mark.policy_id,
        ))  # fmt: skip

    def sealed_lines(self, voucher_digest: bytes, seal_key: bytes | None) -> list[tuple[Any, ...]]:
        """The lines with their hashes, each chained to the one before it in its account.

        Last, because a hash covers the voucher, whose receipt tells the lines' numbers.
        """
        sealed = []
        for content in self.lines:
            head = self.heads[content[0]]
            head.head_hash = line_hash(head.head_hash, content, voucher_digest, seal_key)
            sealed.append((*content, head.head_hash))
        return sealed


def expired_within(low: int, high: int, expired: Iterable[tuple[int, int]]) -> int:
    """How many of the points low + 1 to high have expired.

    `expired` are the numbers that expiry lines took, each as (number below, last number):
    `debited_after` of the line less its amount, and `debited_after`.

    >>> expired_within(0, 100, [(0, 30), (90, 200)])
    40
    """
    return sum(max(0, min(high, last) - max(low, below)) for below, last in expired)


def require_available(head: Head, amount: int, scale: int) -> None:
    """Raise InsufficientPoints unless `amount` may be spent from this account now."""
    if amount > head.available:
        raise InsufficientPoints(
            account=head.account_no,
            available=str(Points.of_units(head.available, scale)),
            needed=str(Points.of_units(amount, scale)),
        )


def line_hash(
    previous: bytes, content: tuple[Any, ...], voucher_digest: bytes, seal_key: bytes | None
) -> bytes:
    """The hash of a line: over the line before it, every field, and the voucher's digest.

    Keyed (HMAC-SHA-256) where the bank was opened with a seal key kept outside the database.
    """
    message = canonical(LINE_HASH_VERSION, previous, voucher_digest, *content)
    if seal_key is not None:
        return hmac.digest(seal_key, message, "sha256")
    return hashlib.sha256(message).digest()


def voucher_digest(bank_id: int, fields: tuple[Any, ...]) -> bytes:
    """The digest of all of a voucher's fields, which each of its lines cites."""
    return hashlib.sha256(canonical(bank_id, *fields)).digest()


def head_matches(head: Head) -> bool:
    """The floor that the database checks too: debited + held ≤ credited + overdraft + debt."""
    return head.debited + head.held <= head.credited + head.overdraft_limit + head.debt
