"""One account, from what hangs on it to its head: the order in which its checks are made.

Pure, over rows as they come. What cites lines is read before the lines, and what was taken back
of them is checked after, so that each kind of rows is gone through once.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from gongyi_bank.reports.account_checks import AccountAudit, AuditRules
from gongyi_bank.reports.hold_checks import check_hold, check_taken, cited_by_captures
from gongyi_bank.reports.line_checks import LineWalk
from gongyi_bank.reports.part_checks import check_debt, check_parts, check_refunds, taken_of
from gongyi_bank.reports.record_checks import check_overlaps, check_place, check_records
from gongyi_bank.rules.closings import Home
from gongyi_bank.rules.holds import HELD
from gongyi_bank.rules.ledger import Head
from gongyi_bank.store.audit_rows import AuditLine, AuditRedemption, HeldRows
from gongyi_bank.store.verification import AccountRows


def check_account(rules: AuditRules, rows: AccountRows, homes: tuple[Home, ...]) -> AccountAudit:
    """All faults of one account, and how much of it was looked at."""
    audit, head = AccountAudit(rows.account_no, rules, homes), rows.head
    kind, state = rows.customer
    if head is None or kind is None:
        audit.note("account", "", "no head" if head is None else "no customer", "both")
    held, cites = 0, dict[int, int]()
    of_parts = frozenset(part.line_no for part in rows.parts)
    if head is not None:
        held, is_any = _check_holds(audit, head, rows.holds, of_parts, cites)
        _check_redemptions(audit, rows.redemptions, of_parts, cites, has_holds=is_any)
        check_records(audit, head, rows.records, taken_of(rows.parts))
        check_overlaps(audit, rows.stints)
        for part in rows.parts:
            audit.cite("part_by_line", part.by_line_no)
    wanted = of_parts | {part.by_line_no or 0 for part in rows.parts}
    walk = LineWalk(audit, head, wanted=wanted)
    _check_lines(walk, rows.lines)
    if head is not None:
        audit.check_head(head, walk.made, held)
        walk.check_expiry()
        audit.check_cited_once()
        check_parts(audit, rows.parts, walk, cites)
        check_refunds(audit, rows.refunds, rows.parts)
        check_debt(audit, head)
        if state == "closed":
            audit.differ("account_closed", "", (head.balance, head.held), (0, 0))
    audit.check_books(rows.books, walk.made.line_no)
    audit.counts.update(accounts=1, books=len(rows.books))
    return audit


def _check_holds(
    audit: AccountAudit,
    head: Head,
    pages: Iterable[Iterable[HeldRows]],
    of_parts: Container[int],
    cites: dict[int, int],
) -> tuple[int, bool]:
    """What open holds add up to, and whether there is any; `cites` of captured lines is added."""
    held, is_any = 0, False
    for page in pages:
        audit.rules.vouchers.load(step.voucher_id for one in page for step in one.steps)
        for one in page:
            is_any = True
            check_hold(audit, head, one)
            cites |= cited_by_captures(one, of_parts)
            held += one.hold.amount - one.hold.captured if one.hold.state == HELD else 0
    return held, is_any


def _check_redemptions(
    audit: AccountAudit,
    redemptions: Iterable[AuditRedemption],
    of_parts: Container[int],
    cites: dict[int, int],
    *,
    has_holds: bool,
) -> None:
    for taken in redemptions:
        audit.counts["redemptions"] += 1
        audit.check_redemption(taken)
        check_place(audit, taken)
        check_taken(audit, taken, has_holds=has_holds)
        line_no, cites_from = taken.line_no, taken.cites_from
        if line_no is not None and cites_from is not None and line_no in of_parts:
            cites.setdefault(line_no, cites_from)


def _check_lines(walk: LineWalk, pages: Iterable[Iterable[AuditLine]]) -> None:
    for page in pages:
        walk.audit.rules.vouchers.load(line.voucher_id for line in page)
        for line in page:
            walk.audit.counts["lines"] += 1
            walk.take(line)
