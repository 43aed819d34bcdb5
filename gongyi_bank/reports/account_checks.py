"""账证、账账核对 of one account: what its faults are collected in, its head, goods and passbooks.

Pure, over rows as they stand.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gongyi_bank.policies import RATE_SCALE, PolicyBook, Tariff
from gongyi_bank.reports.citations import Citations
from gongyi_bank.reports.cited_vouchers import CitedVouchers
from gongyi_bank.reports.closings import ClosedPeriods
from gongyi_bank.reports.faults import Fault
from gongyi_bank.rules.closings import Home
from gongyi_bank.rules.expiry import Introduction
from gongyi_bank.rules.ledger import Head, head_matches, internal_kind
from gongyi_bank.rules.reversals import REFUND, REVERSAL
from gongyi_bank.store.audit_rows import AuditBook, AuditLine, AuditRedemption
from gongyi_bank.values import format_account_no, format_passbook_no

_REDEMPTION_KIND = "redemption"
#: Each of these kinds of lines stands for exactly one thing, or something is wrong with this.
_CITED_AS: Final = {
    "service": "record_line", "opening": "record_line", _REDEMPTION_KIND: "redemption_line",
    "capture": "hold_line", REVERSAL: "part_by_line", REFUND: "part_by_line",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditRules:
    """What the bank as a whole brings to the checks of an account."""

    today: dt.date
    scale: int
    seal_key: bytes | None
    #: Points per hour, in ten-thousandths, by tariff and category.
    rates: Mapping[tuple[int, str], int]
    vouchers: CitedVouchers
    policies: PolicyBook
    #: Every time at which expiry was introduced.
    introductions: tuple[Introduction, ...]
    #: Which periods were closed where, and when.
    closed: ClosedPeriods
    #: By whose clock days begin.
    zone: dt.tzinfo


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
    #: How many of what was looked at.
    counts: Counter[str] = field(default_factory=Counter)
    #: What stands for which lines, by the kind of fault where it is not exactly one thing.
    cited: dict[str, Citations] = field(
        default_factory=lambda: {kind: Citations() for kind in sorted({*_CITED_AS.values()})}
    )

    def differ(self, kind: str, what: str, found: object, expected: object) -> None:
        """Note a fault unless the two agree."""
        if found != expected:
            self.note(kind, what, found, expected)

    def note(self, kind: str, what: str, found: object, expected: object) -> None:
        """Note a fault."""
        where = f"账户 {format_account_no(self.account_no)} {what}".rstrip()
        self.faults.append(Fault(kind, where, _shown(found), _shown(expected)))

    # --- what cites its lines ---

    def cite(self, kind: str, line_no: int | None) -> None:
        """Something stands for a line, as this kind of fault calls it."""
        if line_no is not None:
            self.cited[kind].add(line_no)

    def check_cited(self, line: AuditLine) -> None:
        """A line that is meant to be cited is; to be called when all has been read that cites."""
        kind = _CITED_AS.get(line.kind)
        if kind is not None and not self.cited[kind][line.line_no]:
            self._note_cited(kind, line.line_no, 0)

    def check_cited_once(self) -> None:
        """Nothing else stands for the same line."""
        for kind, citations in self.cited.items():
            for line_no, times in citations.repeated():
                self._note_cited(kind, line_no, times)

    def _note_cited(self, kind: str, line_no: int, times: int) -> None:
        self.note(kind, f"第 {line_no} 行", f"cited {times} times", "cited 1 times")

    # --- its head, its redemptions and its passbooks ---

    @property
    def introductions(self) -> tuple[Introduction, ...]:
        """What expiry was introduced for the account: nothing for a pool's."""
        return self.rules.introductions if internal_kind(self.account_no) is None else ()

    def check_head(self, head: Head, made: Head, held: int) -> None:
        """The head is what its lines and holds say, and keeps the floor."""
        for name in ("line_no", "credited", "debited", "head_hash"):
            self.differ(f"head_{name}", "", getattr(head, name), getattr(made, name))
        # Later, if dates were noted without a line; `store.agreements` looks for the act.
        if head.booked_at < made.booked_at or not made.line_no:
            self.differ("head_booked_at", "", head.booked_at, made.booked_at)
        self.differ("head_held", "", head.held, held)
        self.differ("head_overdraft_limit", "", head.overdraft_limit, 0)
        if not head_matches(head):
            self.note("head_floor", "", head.debited + head.held, f"<= {head.credited}")

    def check_redemption(self, taken: AuditRedemption) -> None:
        """What was handed out has its line; see `hold_checks` for what was reserved."""
        what, line = f"兑换 {taken.redemption_id.hex()}", taken.line
        is_paid = taken.state in ("redeemed", "captured")
        found = (line.kind, line.amount) if line else taken.line_no
        expected = (_REDEMPTION_KIND, -taken.points) if is_paid else None
        self.differ("redemption_line", what, found, expected)
        self.cite("redemption_line", taken.line_no)

    def check_books(self, books: Sequence[AuditBook], newest_line_no: int) -> None:
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
