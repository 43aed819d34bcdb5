"""账账核对 of the lines of one account, one after the other.

Pure. A line is checked against the stored hash of the line before it, so that one change shows
as the faults it made and not as everything after it. What is kept of the lines behind does not
grow with their number: a few facts for each day and date, and the lines that are asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container
from dataclasses import dataclass, field

from gongyi_bank.periods import business_day
from gongyi_bank.policies import PolicyBook, ReversalRules
from gongyi_bank.reports.account_checks import AccountAudit
from gongyi_bank.reports.expiry_checks import CreditWalk
from gongyi_bank.rules.expiry import ExpiryTerms
from gongyi_bank.rules.ledger import (
    CONTRA_KINDS,
    MIRROR_KINDS,
    Head,
    internal_kind,
    line_hash,
)
from gongyi_bank.rules.reversals import DEBT, REVERSAL
from gongyi_bank.store.audit_rows import AuditLine, CitedLine
from gongyi_bank.values import NEVER

_GIVEN, _TAKEN = frozenset(MIRROR_KINDS), frozenset(MIRROR_KINDS.values())


@dataclass(slots=True)
class LineWalk:
    """Where the check of an account's lines has come to, and what it keeps of them."""

    audit: AccountAudit
    #: The account's head as it stands, and the one that follows from the lines so far.
    head: Head | None
    made: Head = field(init=False)
    #: The lines to keep, by number, and those that were found.
    wanted: Container[int] = ()
    kept: dict[int, CitedLine] = field(default_factory=dict)
    #: The newest line of each day.
    newest_on: dict[dt.date, int] = field(default_factory=dict)
    #: The highest point number that dies after each day.
    dying_on: dict[dt.date, int] = field(default_factory=dict)
    #: (line, (below the first, the last)) of the point numbers that expiry lines took.
    expiries: list[tuple[int, tuple[int, int]]] = field(default_factory=list)
    credits_: CreditWalk = field(init=False)
    _terms: ExpiryTerms = field(init=False)

    def __post_init__(self) -> None:
        audit = self.audit
        self.made = Head(audit.account_no)
        self._terms = ExpiryTerms(audit.rules.today, NEVER, audit.introductions)
        self.credits_ = CreditWalk(self._terms, self.head.dead_no if self.head else 0)

    def take(self, line: AuditLine) -> None:
        """Check the next line, and go on from it."""
        made = self.made
        _check_line(self.audit, made, line)
        if self.head is not None:
            self.audit.check_cited(line)
            self._check_debt(line)
        self._keep(line)
        made.line_no, made.head_hash = line.line_no, line.line_hash
        made.credited, made.debited = line.credited_after, line.debited_after
        made.booked_at = line.booked_at
        made.last_expires_on = line.expires_on or made.last_expires_on

    def _keep(self, line: AuditLine) -> None:
        day, number = line.business_day, line.line_no
        self.newest_on[day] = max(number, self.newest_on.get(day, 0))
        if line.kind == "expiry":
            after = line.debited_after
            self.expiries.append((number, (after + line.amount, after)))
        if number in self.wanted:
            self.kept[number] = CitedLine.of_line(line)
        if line.expires_on is not None:
            earliest_on = self.credits_.take(line)
            if earliest_on is not None:
                found, expected = line.expires_on, f">= {earliest_on}"
                self.audit.note("line_expiry", f"第 {number} 行", found, expected)
            last_on = self._terms.last_day(line.expires_on, day)
            self.dying_on[last_on] = max(line.credited_after, self.dying_on.get(last_on, 0))

    def dead_no(self, day: dt.date) -> int:
        """The highest number whose date was past on a day."""
        return max((no for last_on, no in self.dying_on.items() if last_on < day), default=0)

    def places_on(self, day: dt.date) -> range:
        """The lines before which something of that day can have been done."""
        older = (number for on, number in self.newest_on.items() if on < day)
        until = (number for on, number in self.newest_on.items() if on <= day)
        return range(max(older, default=0) + 1, max(until, default=0) + 2)

    def check_expiry(self) -> None:
        """What the head keeps of dates follows from its credits and the policies."""
        if self.head is None:
            return
        # The auditor's clock may be behind the one by which the newest act was booked.
        noted_on = business_day(self.head.booked_at, self.audit.rules.zone)
        today = max(self.audit.rules.today, noted_on)
        for kind, found, expected in self.credits_.check_head(self.head, today):
            self.audit.note(kind, "", found, expected)

    def _check_debt(self, line: AuditLine) -> None:
        """Only a reversal can have begun a debt.

        More is debited than was ever credited only by a reversal under a policy of debts, or by
        capturing what was held before it.
        """
        short = line.debited_after - line.credited_after
        if line.amount > 0 or short <= 0 or self.audit.cited["hold_line"][line.line_no]:
            return
        rules = rules_on(self.audit.rules.policies, line.business_day)
        if line.kind != REVERSAL or not any(rule.spent == DEBT for rule in rules):
            self.audit.note("line_debt", f"第 {line.line_no} 行", short, "0")


def _check_line(audit: AccountAudit, before: Head, line: AuditLine) -> None:
    what = f"第 {line.line_no} 行"
    audit.differ("line_number", what, line.line_no, before.line_no + 1)
    credit, debit = max(0, line.amount), max(0, -line.amount)
    totals = (before.credited + credit, before.debited + debit)
    audit.differ("line_totals", what, (line.credited_after, line.debited_after), totals)
    if line.booked_at < before.booked_at:
        audit.note("line_order", what, line.booked_at, f">= {before.booked_at}")
    if internal_kind(line.contra_no) not in CONTRA_KINDS.get(line.kind, ()):
        expected = " / ".join(k or "customer" for k in CONTRA_KINDS.get(line.kind, ()))
        audit.note("line_contra", what, line.contra_no, f"{line.kind}: {expected}")
    if (line.kind in _GIVEN and line.amount > 0) or (line.kind in _TAKEN and line.amount < 0):
        audit.note("line_sign", what, line.amount, f"{line.kind}: the other sign")
    closed, booked_at = audit.rules.closed, line.booked_at
    closed_on = closed.value_through(line.outlet_no, booked_at)
    if audit.homes:
        closed_on = max(closed_on, closed.value_through_of(audit.homes, booked_at))
    if line.value_on <= closed_on:
        audit.note("line_value_day", what, line.value_on, f"after {closed_on}, which was closed")
    cited = audit.rules.vouchers.get(line.voucher_id)
    if cited is None:
        audit.note("voucher_missing", what, line.voucher_id.hex(), "a voucher")
        return
    found = (line.business_day, line.booked_at)
    audit.differ("line_day", what, found, (cited.business_day, cited.booked_at))
    made = line_hash(before.head_hash, line.content, cited.digest, audit.rules.seal_key)
    audit.differ("line_hash", what, line.line_hash.hex(), made.hex())


def rules_on(policies: PolicyBook, day: dt.date) -> list[ReversalRules]:
    """The rules under which an act of that day can have been done: what is adopted for a day on
    the day itself does not hold for what was done on it before."""
    found: list[ReversalRules] = []
    for _, effective_on, policy in policies.history(ReversalRules.kind):
        assert isinstance(policy, ReversalRules)
        if effective_on < day:
            found.clear()
        if effective_on <= day:
            found.append(policy)
    return found
