"""复式账的规则: legs become numbered, hashed lines; points carry serial numbers.

Pure. The n-th point ever credited to an account is point n, debits take the lowest
numbers, and `credited` and `debited` never fall (design.md §3). An account with a floor
has a `Head` and gets lines; a leg between two internal accounts becomes a move.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final, NamedTuple

from gongyi_bank.errors import InsufficientPoints, InvalidAmount, PoolShort
from gongyi_bank.rules.canonical import COLUMNS_FROM, canonical_rows, canonical_start, encoded
from gongyi_bank.values import NEVER, Points, canonical

#: Version of the canonical form that a line's hash covers.
LINE_HASH_VERSION: Final = 1
_LINE_START: Final = canonical_start(LINE_HASH_VERSION)
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
    "transit": 6,  # many-legged transfers pass through it; zero after every voucher
    "clearing": 7,  # what a branch owes the others (`rules.clearing`); moves only, no lines
}
OUTLET_KINDS: Final = (
    "issued", "brought_forward", "expired", "returned", "transit", "clearing",
)  # fmt: skip
#: Internal accounts that may not overdraw have heads. They are locked after all customers, so
#: their numbers lie above any customer's twelve digits.
FLOORED_KINDS: Final = {"pool": 10_000_000_000_000}
#: What `internal_kind` says of accounts that have heads and lines: customers and pools.
_WITH_LINES: Final = (None, *FLOORED_KINDS)
_KIND_STEP: Final = 10_000_000
_KIND_OF: Final = {number: kind for kind, number in INTERNAL_KINDS.items()}
#: The account on the other side of each kind of line; None is another customer's.
CONTRA_KINDS: Final[dict[str, tuple[str | None, ...]]] = {
    "service": ("issued",),
    "opening": ("brought_forward",),
    "grant": ("issued",),
    "redemption": ("store",),
    "capture": ("store",),
    "reversal": ("issued", "store", "pool", "transit", None),
    "refund": ("store",),
    "expiry": ("expired",),
    "close": ("returned", None),
    "gift_out": (None, "transit"),
    "gift_in": (None, "transit"),
    "donation_out": (None, "pool", "transit"),
    "donation_in": (None, "transit"),
    "pool_grant_out": (None, "pool", "transit"),
    "pool_grant_in": ("pool", "transit"),
}
#: A movement between two accounts with lines has these kinds: the giver's, and the receiver's.
#: Of any other kind both lines bear the same name.
MIRROR_KINDS: Final = {
    "gift_out": "gift_in",
    "donation_out": "donation_in",
    "pool_grant_out": "pool_grant_in",
}
#: 摘要: what a line of each kind is called in a passbook and a statement.
LINE_SUMMARIES: Final = {
    "service": "服务入折",
    "opening": "期初",
    "grant": "人工入账",
    "redemption": "兑换",
    "capture": "预留支用",
    "reversal": "冲正",
    "refund": "退回",
    "expiry": "到期",
    "close": "销户",
    "gift_out": "转赠",
    "gift_in": "受赠",
    "donation_out": "捐赠",
    "donation_in": "受捐",
    "pool_grant_out": "积分池拨付",
    "pool_grant_in": "积分池拨入",
}


def internal_no(kind: str, owner_no: int) -> int:
    """The number of an internal account: below any customer's twelve digits, a pool's above.

    >>> internal_no("issued", 1002)
    10001002
    >>> internal_no("pool", 3)
    10000000000003
    """
    if kind in FLOORED_KINDS:
        return FLOORED_KINDS[kind] + owner_no
    return INTERNAL_KINDS[kind] * _KIND_STEP + owner_no


def internal_kind(account_no: int) -> str | None:
    """What kind of internal account a number is; None for a customer's.

    >>> internal_kind(internal_no("store", 7))
    'store'
    """
    if account_no >= FLOORED_KINDS["pool"]:
        return "pool"
    return _KIND_OF.get(account_no // _KIND_STEP)


def has_lines(account_no: int) -> bool:
    """Whether it is an account with a floor, which has a head and lines: a customer's or a pool's.

    >>> has_lines(internal_no("pool", 3)), has_lines(internal_no("store", 7))
    (True, False)
    """
    return internal_kind(account_no) in _WITH_LINES


#: The clock of an account without a line.
UNUSED: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(slots=True)
class Head:
    """The running state of an account with a floor, in the unit's smallest part."""

    account_no: int
    credited: int = 0
    debited: int = 0
    held: int = 0
    #: The highest point number past its date.
    dead_no: int = 0
    #: The first credit line with living points, or 0, and when to look at it again: on the day
    #: after its date, which is NEVER where no policy is known to set one (`rules.expiry`).
    next_expiry_on: dt.date = NEVER
    next_expiry_line_no: int = 0
    #: The date of the newest credit; no later credit may die earlier.
    last_expires_on: dt.date = EARLIEST
    line_no: int = 0
    head_hash: bytes = GENESIS_HASH
    overdraft_limit: int = 0
    debt: int = 0
    #: The account's clock: the moment of its newest line, or of the newest act that noted without
    #: one which points are past their date, or took a part of a line of which nothing was left.
    booked_at: dt.datetime = UNUSED
    #: The second book: lifetime verified minutes, and the newest record's number.
    verified_minutes: int = 0
    record_no: int = 0
    #: `line_no`, `record_no` and `held` as loaded: the guard of the write.
    seen_line_no: int = 0
    seen_record_no: int = 0
    seen_held: int = 0
    #: Set by whatever changes a head without writing a line: holds, hours.
    is_touched: bool = False
    #: `dead_no` and the next expiry as loaded, where they were brought up to today since.
    seen_expiry: tuple[int, dt.date, int] | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the act changed anything that must be written."""
        return (
            self.is_touched
            or self.line_no != self.seen_line_no
            or self.record_no != self.seen_record_no
        )

    def keep_dates(self, moment: dt.datetime) -> None:
        """What goes into the books of dates that have passed by the moment of an act.

        Dead points that no expiry line has taken are left to be found again: so what is past its
        date on a head in the books is always due by its next date. What else was found moves the
        account's clock, as a line does; a host that is behind would call points dead that live.
        """
        if self.seen_expiry is None:
            return
        if self.expirable:
            self.dead_no, self.next_expiry_on, self.next_expiry_line_no = self.seen_expiry
        elif self.is_changed and self.dates != self.seen_expiry:
            self.go_by(moment)

    def go_by(self, moment: dt.datetime) -> None:
        """Move the account's clock on without a line; it never goes back."""
        self.is_touched, self.booked_at = True, max(self.booked_at, moment)

    def note_dead_on_arrival(self, expires_on: dt.date) -> None:
        """What the newest line credits is past its date already, and so is all that is older.

        It came back with the date of points that were taken (`rules.reversals`); nothing can use
        it, the rest of this act included. In the books it is found again by its date.
        """
        if self.seen_expiry is None or not self.seen_expiry[2]:
            self.seen_expiry = self.dead_no, expires_on, self.line_no
        self.dead_no, self.next_expiry_on, self.next_expiry_line_no = self.credited, NEVER, 0

    @property
    def dates(self) -> tuple[int, dt.date, int]:
        """What is past its date, and when to look again: `dead_no` and the next expiry."""
        return self.dead_no, self.next_expiry_on, self.next_expiry_line_no

    def go_on(self, dates: tuple[int, dt.date, int]) -> None:
        """What an act made of it counts as loaded, for the next act that is written with it.

        `dates` are those before the act was booked, which may have forgotten passed ones.
        """
        self.seen_line_no, self.seen_record_no = self.line_no, self.record_no
        self.seen_held, self.is_touched = self.held, False
        if self.dates == dates:
            self.seen_expiry = dates
        else:
            self.dead_no, self.next_expiry_on, self.next_expiry_line_no = dates

    @property
    def balance(self) -> int:
        """What the passbook shows: credited less debited."""
        return self.credited - self.debited

    @property
    def expirable(self) -> int:
        """Points past their date that no expiry line has taken yet; held ones are honoured."""
        return max(0, self.dead_no - self.debited - self.held)

    @property
    def short(self) -> int:
        """By how much more was taken or is held than there was: what a debt is, exactly."""
        return max(0, self.debited + self.held - self.credited - self.overdraft_limit)

    @property
    def free_from(self) -> int:
        """The number below the first point that is neither taken nor held."""
        return self.debited + self.held

    @property
    def available(self) -> int:
        """What may be spent now."""
        free = self.credited - self.debited - self.held - self.expirable
        return max(0, free + self.overdraft_limit)


class Leg(NamedTuple):
    """A movement: `amount` > 0 of one unit from one account to another."""

    source_no: int
    target_no: int
    amount: int
    unit: str = POINTS


class Mark(NamedTuple):
    """What a line says besides its leg."""

    kind: str
    value_on: dt.date
    outlet_no: int
    policy_id: int | None = None
    #: The last day of the points: a credit must say it, a debit has none.
    expires_on: dt.date | None = None
    #: The day it belongs to, where that lies in a closed period (see `rules.closings`).
    origin_on: dt.date | None = None
    #: The kind of the receiving account's line, where the two have different names.
    target_kind: str | None = None


@dataclass(slots=True)
class Posting:
    """One act's postings: working copies of the locked heads, and the rows that result."""

    heads: dict[int, Head]
    voucher_id: bytes
    business_day: dt.date
    booked_at: dt.datetime
    #: Decimal places of a point, for the words of a refusal.
    scale: int = 2
    #: Until when points credited today are good by the policy in force; NEVER if it sets no date.
    fresh_until: dt.date = NEVER
    lines: list[tuple[Any, ...]] = field(default_factory=list)
    moves: list[tuple[Any, ...]] = field(default_factory=list)
    #: The parts of earlier lines that these lines take back (see `rules.reversals`).
    parts: list[tuple[Any, ...]] = field(default_factory=list)

    def post(self, leg: Leg, mark: Mark) -> None:
        """Turn one leg into rows: a line on each floored side, or else an internal move."""
        if leg.amount <= 0:
            raise InvalidAmount.of("points", self._shown(leg.amount), "it must be above zero")
        source, target = self.heads.get(leg.source_no), self.heads.get(leg.target_no)
        if target is not None and target.credited + leg.amount > CREDITED_MAX:
            reason = "more than an account can be credited in its life"
            raise InvalidAmount.of("points", self._shown(leg.amount), reason)
        self._require_head(source, leg.source_no)
        self._require_head(target, leg.target_no)
        if source is not None:
            self._debit(source, leg, mark)
        if target is not None:
            self._credit(target, leg, mark)
        if source is None and target is None:
            row = (self.voucher_id, len(self.moves) + 1, leg.source_no, leg.target_no, leg.unit)
            self.moves.append((*row, leg.amount, self.business_day, mark.outlet_no))

    def take_back(self, leg: Leg, mark: Mark) -> None:
        """Reverse a credit: what the source is short of becomes its debt.

        Only this makes a debt. Later credits settle it first, and no debit can use it.
        """
        source, target = self.heads[leg.source_no], self.heads.get(leg.target_no)
        self._require_head(target, leg.target_no)
        self.expire(source, mark.outlet_no)
        source.debited += leg.amount
        source.debt = source.short
        self._append(source, -leg.amount, leg.target_no, mark, None)
        if target is not None:
            self._credit(target, leg, mark)

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
            head.debited += amount
            mark = Mark("expiry", self.business_day, outlet_no)
            self._append(head, -amount, internal_no("expired", outlet_no), mark, None)
        # Points that a hold has just given free settle a debt as a credit does.
        head.debt = min(head.debt, head.short)
        return amount

    def outlet_nos(self) -> set[int]:
        """The outlets at which something of this posting is handled."""
        return {line[12] for line in self.lines} | {move[-1] for move in self.moves}

    @staticmethod
    def _require_head(head: Head | None, account_no: int) -> None:
        """Of an account with a floor the head must be here: else one side alone would be booked."""
        if head is None and has_lines(account_no):
            raise ValueError(f"account {account_no} has a floor: its locked head is needed")

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
        self.expire(head, mark.outlet_no)
        until = mark.expires_on
        if until == NEVER and internal_kind(head.account_no) is None:
            until = self.fresh_until  # A customer's points have a date where points have dates.
        expires_on = max(until, head.last_expires_on)
        head.credited += leg.amount
        head.last_expires_on = expires_on
        head.debt = min(head.debt, head.short)
        self._append(head, leg.amount, leg.source_no, mark, expires_on)
        if expires_on < self.business_day:
            head.note_dead_on_arrival(expires_on)
        elif not head.next_expiry_line_no:  # nothing older lives
            head.next_expiry_on, head.next_expiry_line_no = expires_on, head.line_no

    def _append(
        self, head: Head, amount: int, contra_no: int, mark: Mark, expires_on: dt.date | None
    ) -> None:
        head.line_no += 1
        head.booked_at = max(head.booked_at, self.booked_at)
        kind = mark.target_kind if amount > 0 and mark.target_kind else mark.kind
        self.lines.append((
            head.account_no, head.line_no, kind, amount, contra_no, head.credited,
            head.debited, expires_on, mark.value_on, mark.origin_on, head.booked_at,
            self.business_day, mark.outlet_no, self.voucher_id, mark.policy_id,
        ))  # fmt: skip

    def sealed_lines(self, voucher_hash: bytes, seal_key: bytes | None) -> list[tuple[Any, ...]]:
        """The lines with their hashes, each chained to the one before it in its account.

        Last, because a hash covers the voucher, whose receipt tells the lines' numbers.
        """
        sealed = []
        texts = _texts_of(self.lines, voucher_hash) if len(self.lines) >= COLUMNS_FROM else None
        for content in self.lines:
            head = self.heads[content[0]]
            previous = head.head_hash
            if texts is None:
                head.head_hash = line_hash(previous, content, voucher_hash, seal_key)
            else:
                message = f"{_LINE_START};b{len(previous)}:{previous.hex()};{next(texts)}"
                head.head_hash = keyed_hash(encoded(message), seal_key)
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


def require_available(head: Head, amount: int, scale: int, *, pool: str | None = None) -> None:
    """Raise InsufficientPoints unless `amount` may be spent from this account now.

    PoolShort for the account of a pool whose code is known: nobody knows it by its number.
    """
    if amount <= head.available:
        return
    account_no = head.account_no
    available, needed = (str(Points.of_units(units, scale)) for units in (head.available, amount))
    if pool is not None:
        raise PoolShort(pool=pool, account=account_no, available=available, needed=needed)
    raise InsufficientPoints(account=account_no, available=available, needed=needed)


def line_hash(
    previous: bytes, content: tuple[Any, ...], voucher_hash: bytes, seal_key: bytes | None
) -> bytes:
    """The hash of a line: over the line before it, every field, and the voucher's hash.

    Keyed (HMAC-SHA-256) where the bank was opened with a seal key kept outside the database.
    """
    return keyed_hash(canonical(LINE_HASH_VERSION, previous, voucher_hash, *content), seal_key)


def _texts_of(lines: Sequence[tuple[Any, ...]], voucher_hash: bytes) -> Iterator[str]:
    """What `line_hash` covers of each of many lines besides the line before it."""
    return canonical_rows([[voucher_hash] * len(lines), *zip(*lines, strict=True)], repeat(""))


def keyed_hash(message: bytes, seal_key: bytes | None) -> bytes:
    """The hash of lines, vouchers and seals: HMAC-SHA-256 where the bank has a seal key."""
    if seal_key is not None:
        return hmac.digest(seal_key, message, "sha256")
    return hashlib.sha256(message).digest()


def voucher_hash(bank_id: int, fields: tuple[Any, ...], seal_key: bytes | None) -> bytes:
    """The hash over all of a voucher's fields, which each of its lines cites; keyed like theirs."""
    return keyed_hash(canonical(bank_id, *fields), seal_key)


def head_matches(head: Head) -> bool:
    """The floor that the database checks too: debited + held ≤ credited + overdraft + debt."""
    return head.debited + head.held <= head.credited + head.overdraft_limit + head.debt
