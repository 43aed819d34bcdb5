"""账证核对 of services and redemptions: what a record says of days, people's time and places.

Pure, over rows as they stand. Hashes tell that something was changed; these tell it also to an
auditor for whom everything was computed anew, since the rules would never have let it in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gongyi_bank.periods import business_day
from gongyi_bank.reports.account_checks import AccountAudit
from gongyi_bank.rules.accrual import COUNTING, CREDITED, VOIDED
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.verification import AuditLine, AuditRecord, AuditRedemption

Lines = Mapping[int, AuditLine]


def check_record_days(audit: AccountAudit, records: Sequence[AuditRecord], lines: Lines) -> None:
    """The day of service is that of its beginning, and its line counts where the record does."""
    for record in records:
        what = f"记录 {record.record_no}"
        day = business_day(record.started_at, audit.rules.zone)
        audit.differ("record_day", what, record.service_on, day)
        if record.value_on < record.service_on:
            audit.note("record_day", what, record.value_on, f">= {record.service_on}")
        line = lines.get(record.line_no or 0)
        if line is None:
            continue
        origin_on = record.service_on if record.value_on != record.service_on else None
        found = (line.value_on, line.origin_on, line.outlet_no)
        audit.differ("record_day", what, found, (record.value_on, origin_on, record.outlet_no))
        if record.kind == "service":
            audit.differ("record_tariff", what, line.policy_id, record.policy_id)


def check_record_states(audit: AccountAudit, records: Sequence[AuditRecord]) -> None:
    """A state follows from the first one and the decisions; a correction voids what it replaces."""
    by_no = {record.record_no: record for record in records}
    for record in records:
        what = f"记录 {record.record_no}"
        waited = record.first_state != CREDITED
        if record.state in (CREDITED, VOIDED):
            audit.differ("record_state", what, record.decided_voucher_id is not None, waited)
        elif not waited:
            audit.note("record_state", what, record.first_state, "one that waits")
        elif record.decided_voucher_id is None:
            audit.differ("record_state", what, record.state, record.first_state)
        if record.replaces_record_no is not None:
            before = by_no.get(record.replaces_record_no)
            voided_by = before.voided_voucher_id if before else None
            if voided_by != record.voucher_id:
                audit.note("record_replaces", what, record.replaces_record_no, "what it voided")


def check_overlaps(audit: AccountAudit, records: Iterable[AuditRecord]) -> None:
    """Nobody serves twice at the same time."""
    counting = (one for one in records if one.kind == "service" and one.state in COUNTING)
    newest = None
    for record in sorted(counting, key=lambda one: (one.started_at, one.record_no)):
        if newest is not None and record.started_at < newest.ended_at:
            what = f"记录 {record.record_no}"
            audit.note("record_overlap", what, record.started_at, f">= {newest.ended_at}")
        if newest is None or record.ended_at > newest.ended_at:
            newest = record


def check_places(audit: AccountAudit, redemptions: Iterable[AuditRedemption], lines: Lines) -> None:
    """What was paid for goods went to the store that gave them, by the act that gave them."""
    for taken in redemptions:
        line = lines.get(taken.line_no or 0)
        if line is None:
            continue
        what = f"兑换 {taken.redemption_id.hex()}"
        audit.differ("redemption_store", what, line.contra_no, internal_no("store", taken.store_no))
        audit.differ("redemption_day", what, taken.redeemed_on, line.value_on)
        cause = taken.voucher_id if taken.state == "redeemed" else taken.settled_voucher_id
        audit.differ("redemption_voucher", what, line.voucher_id, cause)
