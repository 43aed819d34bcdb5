"""The book of hours: verified service minutes, never spent and never expiring."""

from __future__ import annotations

from gongyi_bank.store.tables.columns import (
    Big,
    Day,
    Instant,
    Small,
    bank_table,
    code,
    digest,
    needed,
    optional,
)

#: One record of service, numbered gap-free within its account. What was recorded is never
#: edited; only the decision (state, line, decided voucher) is filled in later, once.
hour_record = bank_table(
    "hour_record",
    needed("account_no", Big),
    needed("record_no", Big),
    needed("kind", code(10)),
    needed("state", code(20)),
    needed("first_state", code(20)),
    optional("ref", code(100)),
    needed("row_digest", digest(32)),
    needed("outlet_no", Big),
    optional("project", code(100)),
    optional("category", code(40)),
    needed("started_at", Instant),
    needed("ended_at", Instant),
    needed("service_on", Day),
    # The day in whose period it counts: a later one where the day of service is closed.
    needed("value_on", Day),
    # The day in whose period a voided record is taken off again.
    optional("voided_on", Day),
    needed("minutes", Big),
    optional("client_rating", Small),
    optional("recorded_by_no", Big),
    optional("checked_by_no", Big),
    needed("points", Big),
    optional("line_no", Big),
    optional("policy_id", Big),
    optional("replaces_record_no", Big),
    needed("voucher_id", digest(16)),
    optional("decided_voucher_id", digest(16)),
    optional("voided_voucher_id", digest(16)),
    key=["account_no", "record_no"],
    unique={"ref": ["ref"]},
    refers={
        "head": (["account_no"], "account_head", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "kind": "kind IN ('service', 'opening')",
        "state": (
            "state IN ('credited', 'waiting_branch', 'waiting_head_office', 'refused', 'voided')"
            " AND first_state IN ('credited', 'waiting_branch', 'waiting_head_office')"
            " AND (state = 'voided') = (voided_on IS NOT NULL)"
            " AND (state = 'voided') = (voided_voucher_id IS NOT NULL)"
        ),
        "minutes": (
            "minutes >= 0 AND (minutes > 0 OR kind = 'opening')"
            " AND ended_at >= started_at AND points >= 0"
        ),
        "rating": "client_rating BETWEEN 1 AND 5",
    },
    indexes={
        "time": ["account_no", "started_at"],
        "outlet": ["outlet_no", "value_on"],
        "voucher": ["voucher_id"],
    },
    # What waits is little; an index over every state would also tempt planners away from time.
    partial_indexes={
        "waiting": (["outlet_no"], "state IN ('waiting_branch', 'waiting_head_office')"),
        "voided": (["voided_on"], "state = 'voided'"),
        "decided_by": (["decided_voucher_id"], "decided_voucher_id IS NOT NULL"),
        "voided_by": (["voided_voucher_id"], "voided_voucher_id IS NOT NULL"),
    },
)
