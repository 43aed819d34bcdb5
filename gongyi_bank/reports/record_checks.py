"""账证核对 of services and redemptions: what a record says of days, people's time and places.

Pure, over rows as they stand. Hashes tell that something was changed; these tell it also to an
auditor for whom everything was computed anew, since the rules would never have let it in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from gongyi_bank.periods import business_day
from gongyi_bank.reports.account_checks import AccountAudit
from gongyi_bank.rules.accrual import CREDITED, VOIDED, points_for
from gongyi_bank.rules.ledger import Head, internal_no
from gongyi_bank.store.audit_rows import AuditRecord, AuditRedemption, Stint

_MINUTE = dt.timedelta(minutes=1)


def check_records(
    audit: AccountAudit, head: Head, records: Iterable[AuditRecord], taken: Mapping[int, int]
) -> None:
    """Records are gap-free, add up to the verified minutes, and agree with their lines.

    `taken` is what was taken back, by line.
    """
    number = minutes = 0
    for number, record in enumerate(records, start=1):
        what = f"记录 {record.record_no}"
        audit.differ("record_number", what, record.record_no, number)
        _check_record(audit, record)
        _check_days(audit, record)
        _check_state(audit, record)
        audit.cite("record_line", record.line_no)
        minutes += record.minutes if record.state == CREDITED else 0
        if record.state == VOIDED and record.points:
            found = taken.get(record.line_no or 0, 0)
            audit.differ("record_reversal", what, found, record.points)
    audit.differ("head_record_no", "", head.record_no, number)
    audit.differ("head_verified_minutes", "", head.verified_minutes, minutes)
    audit.counts["records"] += number


def _check_record(audit: AccountAudit, record: AuditRecord) -> None:
    what = f"记录 {record.record_no}"
    if record.kind == "service":
        spanned = (record.ended_at - record.started_at) // _MINUTE
        audit.differ("record_minutes", what, record.minutes, spanned)
    if record.state not in (CREDITED, VOIDED):
        audit.differ("record_line", what, (record.points, record.line_no), (0, None))
        return
    if record.kind == "service":
        _check_tariff(audit, record, what)
    line = record.line
    found = (line.kind, line.amount) if line else None
    audit.differ("record_line", what, found, _line_of(record))
    if line is not None and record.state == CREDITED:
        cause = record.decided_voucher_id or record.voucher_id
        audit.differ("record_voucher", what, line.voucher_id.hex(), cause.hex())


def _line_of(record: AuditRecord) -> tuple[str, int] | None:
    return (record.kind, record.points) if record.points else None


def _check_tariff(audit: AccountAudit, record: AuditRecord, what: str) -> None:
    rate = audit.rules.rates.get((record.policy_id or 0, record.category or ""))
    if rate is None:
        audit.note("record_tariff", what, record.policy_id, "a tariff with its category")
        return
    worth = points_for(record.minutes, rate, audit.rules.scale)
    # A correction credits less where points of the record it replaces had expired.
    if record.replaces_record_no is None or record.points > worth:
        audit.differ("record_points", what, record.points, worth)


def _check_days(audit: AccountAudit, record: AuditRecord) -> None:
    """The day of service is that of its beginning, and its line counts where the record does."""
    what, line = f"记录 {record.record_no}", record.line
    day = business_day(record.started_at, audit.rules.zone)
    audit.differ("record_day", what, record.service_on, day)
    if record.value_on < record.service_on:
        audit.note("record_day", what, record.value_on, f">= {record.service_on}")
    if line is None:
        return
    origin_on = record.service_on if record.value_on != record.service_on else None
    found = (line.value_on, line.origin_on, line.outlet_no)
    audit.differ("record_day", what, found, (record.value_on, origin_on, record.outlet_no))
    if record.kind == "service":
        audit.differ("record_tariff", what, line.policy_id, record.policy_id)


def _check_state(audit: AccountAudit, record: AuditRecord) -> None:
    """A state follows from the first one and the decisions; a correction voids what it replaces."""
    what = f"记录 {record.record_no}"
    waited = record.first_state != CREDITED
    if record.state in (CREDITED, VOIDED):
        audit.differ("record_state", what, record.decided_voucher_id is not None, waited)
    elif not waited:
        audit.note("record_state", what, record.first_state, "one that waits")
    elif record.decided_voucher_id is None:
        audit.differ("record_state", what, record.state, record.first_state)
    if record.replaces_record_no is not None and record.replaced_by != record.voucher_id:
        audit.note("record_replaces", what, record.replaces_record_no, "what it voided")


def check_overlaps(audit: AccountAudit, stints: Iterable[Stint]) -> None:
    """Nobody serves twice at the same time; in the order of time."""
    newest: Stint | None = None
    for one in stints:
        if newest is not None and one.started_at < newest.ended_at:
            what = f"记录 {one.record_no}"
            audit.note("record_overlap", what, one.started_at, f">= {newest.ended_at}")
        if newest is None or one.ended_at > newest.ended_at:
            newest = one


def check_place(audit: AccountAudit, taken: AuditRedemption) -> None:
    """What was paid for goods went to the store that gave them, by the act that gave them."""
    what, line = f"兑换 {taken.redemption_id.hex()}", taken.line
    if line is None:
        return
    audit.differ("redemption_store", what, line.contra_no, internal_no("store", taken.store_no))
    audit.differ("redemption_day", what, taken.redeemed_on, line.value_on)
    cause = taken.voucher_id if taken.state == "redeemed" else taken.settled_voucher_id
    audit.differ("redemption_voucher", what, line.voucher_id, cause)
