"""账证、账账核对 of one account: its lines, its head, and what its lines are for.

Pure, over rows as they stand. A line is checked against the stored hash of the line before
it, so that one change shows as the faults it made and not as everything after it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gongyi_bank.policies import RATE_SCALE, PolicyBook, Tariff
from gongyi_bank.reports import expiry_checks
from gongyi_bank.reports.closings import ClosedPeriods
from gongyi_bank.reports.faults import Fault
from gongyi_bank.rules.accrual import CREDITED, VOIDED, points_for
from gongyi_bank.rules.closings import Home
from gongyi_bank.rules.expiry import ExpiryTerms, Introduction
from gongyi_bank.rules.ledger import (
    CONTRA_KINDS,
    MIRROR_KINDS,
    Head,
    head_matches,
    internal_kind,
    line_hash,
)
from gongyi_bank.store.verification import AuditBook, AuditLine, AuditRecord, AuditRedemption
from gongyi_bank.values import NEVER, format_account_no, format_passbook_no

_MINUTE = dt.timedelta(minutes=1)
_UNUSED = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: Kinds of lines that stand for a record, and for a redemption.
_RECORD_KINDS = ("service", "opening")
_REDEMPTION_KIND = "redemption"
_GIVEN, _TAKEN = frozenset(MIRROR_KINDS), frozenset(MIRROR_KINDS.values())


@dataclass(frozen=True, slots=True)
class AuditRules:
    """What the bank as a whole brings to the checks of an account."""

    today: dt.date
    scale: int
    seal_key: bytes | None
    #: Points per hour, in ten-thousandths, by tariff and category.
    rates: Mapping[tuple[int, str], int]
    #: Digests of the vouchers cited; a voucher that does not exist is missing.
    digests: Mapping[bytes, bytes]
    #: Every time at which expiry was introduced.
    introductions: tuple[Introduction, ...]
    #: Which periods were closed where, and when.
    closed: ClosedPeriods
    #: By whose clock days begin.
    zone: dt.tzinfo
    #: (business day, moment) of the vouchers cited.
    moments: Mapping[bytes, tuple[dt.date, dt.datetime]]


def rates_of(book: PolicyBook) -> dict[tuple[int, str], int]:
    """The rates of every tariff ever adopted."""
    return {
        (policy_id, rate.category): rate.points_per_hour.to_units(RATE_SCALE)
        for policy_id, _, tariff in book.history(Tariff.kind)
        if isinstance(tariff, Tariff)
        for rate in tariff.rates
    }


@dataclass(slots=True)
class AccountAudit:
    """The faults of one account, collected step by step."""

    account_no: int
    rules: AuditRules
    #: Where it is and was registered, as far as it matters to what was closed.
    homes: tuple[Home, ...] = ()
    faults: list[Fault] = field(default_factory=list)

    def differ(self, kind: str, what: str, found: object, expected: object) -> None:
        """Note a fault unless the two agree."""
        if found != expected:
            self.note(kind, what, found, expected)

    def note(self, kind: str, what: str, found: object, expected: object) -> None:
        """Note a fault."""
        where = f"账户 {format_account_no(self.account_no)} {what}".rstrip()
        self.faults.append(Fault(kind, where, _shown(found), _shown(expected)))

    # --- lines, and the head that they add up to ---

    def check_lines(self, lines: list[AuditLine]) -> Head:
        """Check the chain of lines; the head that follows from them."""
        made = Head(self.account_no, booked_at=_UNUSED)
        credits_ = [line for line in lines if line.expires_on is not None]
        for line, earliest_on in expiry_checks.too_early(credits_, self._introductions):
            found, expected = line.expires_on, f">= {earliest_on}"
            self.note("line_expiry", f"第 {line.line_no} 行", found, expected)
        for line in lines:
            self._check_line(made, line)
            made.line_no, made.head_hash = line.line_no, line.line_hash
            made.credited, made.debited = line.credited_after, line.debited_after
            made.booked_at = line.booked_at
            made.last_expires_on = line.expires_on or made.last_expires_on
        return made

    def _check_line(self, before: Head, line: AuditLine) -> None:
        what = f"第 {line.line_no} 行"
        self.differ("line_number", what, line.line_no, before.line_no + 1)
        credit, debit = max(0, line.amount), max(0, -line.amount)
        totals = (before.credited + credit, before.debited + debit)
        self.differ("line_totals", what, (line.credited_after, line.debited_after), totals)
        if line.booked_at < before.booked_at:
            self.note("line_order", what, line.booked_at, f">= {before.booked_at}")
        if internal_kind(line.contra_no) not in CONTRA_KINDS.get(line.kind, ()):
            expected = " / ".join(k or "customer" for k in CONTRA_KINDS.get(line.kind, ()))
            self.note("line_contra", what, line.contra_no, f"{line.kind}: {expected}")
        if (line.kind in _GIVEN and line.amount > 0) or (line.kind in _TAKEN and line.amount < 0):
            self.note("line_sign", what, line.amount, f"{line.kind}: the other sign")
        closed, booked_at = self.rules.closed, line.booked_at
        closed_on = closed.value_through(line.outlet_no, booked_at)
        if self.homes:
            closed_on = max(closed_on, closed.value_through_of(self.homes, booked_at))
        if line.value_on <= closed_on:
            self.note("line_value_day", what, line.value_on, f"after {closed_on}, which was closed")
        digest = self.rules.digests.get(line.voucher_id)
        if digest is None:
            self.note("voucher_missing", what, line.voucher_id.hex(), "a voucher")
            return
        found = (line.business_day, line.booked_at)
        self.differ("line_day", what, found, self.rules.moments[line.voucher_id])
        made = line_hash(before.head_hash, line.content, digest, self.rules.seal_key)
        self.differ("line_hash", what, line.line_hash.hex(), made.hex())

    def check_head(self, head: Head, made: Head, lines: list[AuditLine], held: int) -> None:
        """The head is what its lines, holds and dates say, and keeps the floor."""
        for name in ("line_no", "credited", "debited", "booked_at", "head_hash"):
            self.differ(f"head_{name}", "", getattr(head, name), getattr(made, name))
        self.differ("head_held", "", head.held, held)
        self.differ("head_overdraft_limit", "", head.overdraft_limit, 0)
        if not head_matches(head):
            self.note("head_floor", "", head.debited + head.held, f"<= {head.credited}")
        # The auditor's clock may be behind the one by which the newest act was booked.
        today = max([self.rules.today, *(line.business_day for line in lines)])
        self._check_expiry(head, [line for line in lines if line.expires_on is not None], today)

    def _check_expiry(self, head: Head, credits_: list[AuditLine], today: dt.date) -> None:
        """What the head keeps of dates follows from its credits and the policies."""
        terms = ExpiryTerms(today, NEVER, self._introductions)
        for kind, found, expected in expiry_checks.check_head(head, credits_, terms):
            self.note(kind, "", found, expected)

    @property
    def _introductions(self) -> tuple[Introduction, ...]:
        """What expiry was introduced for the account: nothing for a pool's."""
        return self.rules.introductions if internal_kind(self.account_no) is None else ()

    # --- the book of hours ---

    def check_records(
        self, head: Head, records: list[AuditRecord], lines: Mapping[int, AuditLine]
    ) -> None:
        """Records are gap-free, add up to the verified minutes, and agree with their lines."""
        for number, record in enumerate(records, start=1):
            self.differ("record_number", f"记录 {record.record_no}", record.record_no, number)
            self._check_record(record, lines)
        self.differ("head_record_no", "", head.record_no, len(records))
        minutes = sum(record.minutes for record in records if record.state == CREDITED)
        self.differ("head_verified_minutes", "", head.verified_minutes, minutes)
        cited = [record.line_no for record in records if record.line_no is not None]
        self.check_cited(cited, lines, lambda line: line.kind in _RECORD_KINDS, "record_line")

    def _check_record(self, record: AuditRecord, lines: Mapping[int, AuditLine]) -> None:
        what = f"记录 {record.record_no}"
        if record.kind == "service":
            spanned = (record.ended_at - record.started_at) // _MINUTE
            self.differ("record_minutes", what, record.minutes, spanned)
        if record.state not in (CREDITED, VOIDED):
            self.differ("record_line", what, (record.points, record.line_no), (0, None))
            return
        if record.kind == "service":
            self._check_tariff(record, what)
        line = lines.get(record.line_no or 0)
        found = (line.kind, line.amount) if line else None
        self.differ("record_line", what, found, self._line_of(record))
        if line is not None and record.state == CREDITED:
            cause = record.decided_voucher_id or record.voucher_id
            self.differ("record_voucher", what, line.voucher_id.hex(), cause.hex())

    @staticmethod
    def _line_of(record: AuditRecord) -> tuple[str, int] | None:
        return (record.kind, record.points) if record.points else None

    def _check_tariff(self, record: AuditRecord, what: str) -> None:
        rate = self.rules.rates.get((record.policy_id or 0, record.category or ""))
        if rate is None:
            self.note("record_tariff", what, record.policy_id, "a tariff with its category")
            return
        worth = points_for(record.minutes, rate, self.rules.scale)
        # A correction credits less where points of the record it replaces had expired.
        if record.replaces_record_no is None or record.points > worth:
            self.differ("record_points", what, record.points, worth)

    # --- redemptions and passbooks ---

    def check_redemptions(
        self, redemptions: list[AuditRedemption], lines: Mapping[int, AuditLine]
    ) -> None:
        """What was handed out has its line; see `hold_checks` for what was reserved."""
        for taken in redemptions:
            what = f"兑换 {taken.redemption_id.hex()}"
            is_paid = taken.state in ("redeemed", "captured")
            line = lines.get(taken.line_no or 0)
            found = (line.kind, line.amount) if line else taken.line_no
            expected = (_REDEMPTION_KIND, -taken.points) if is_paid else None
            self.differ("redemption_line", what, found, expected)
        cited = [taken.line_no for taken in redemptions if taken.line_no is not None]
        self.check_cited(
            cited, lines, lambda line: line.kind == _REDEMPTION_KIND, "redemption_line"
        )

    def check_cited(
        self,
        cited: list[int],
        lines: Mapping[int, AuditLine],
        is_meant: Callable[[AuditLine], bool],
        kind: str,
    ) -> None:
        """Every line that is meant stands for exactly one of what cites it."""
        times = Counter(cited)
        for line_no in sorted(times | Counter(n for n, line in lines.items() if is_meant(line))):
            self.differ(kind, f"第 {line_no} 行", f"cited {times[line_no]} times", "cited 1 times")

    def check_books(self, books: list[AuditBook], newest_line_no: int) -> None:
        """Volumes follow each other line by line, none is ahead of the account, one is in use."""
        next_line_no = 1
        for volume_no, book in enumerate(books, start=1):
            what = f"存折 {format_passbook_no(book.passbook_no)}"
            found = (book.volume_no, book.first_line_no)
            self.differ("passbook_volume", what, found, (volume_no, next_line_no))
            if book.printed_line_no > newest_line_no:
                self.note("passbook_printed", what, book.printed_line_no, f"<= {newest_line_no}")
            next_line_no = book.printed_line_no + 1
        in_use = sum(book.state == "in_use" for book in books)
        if in_use > 1:
            self.note("passbook_in_use", "存折", in_use, "<= 1")


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
