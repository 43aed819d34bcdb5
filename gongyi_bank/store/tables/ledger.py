"""The ledger: heads, lines, internal moves and holds."""

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

#: The narrow hot row of an account with a floor, locked for every posting.
#: `verified_minutes` and `record_no` belong to the second book, the hours.
account_head = bank_table(
    "account_head",
    needed("account_no", Big),
    needed("credited", Big),
    needed("debited", Big),
    needed("held", Big),
    needed("dead_no", Big),
    needed("next_expiry_on", Day),
    needed("next_expiry_line_no", Big),
    needed("last_expires_on", Day),
    needed("line_no", Big),
    needed("head_hash", digest(32)),
    needed("overdraft_limit", Big),
    needed("debt", Big),
    needed("booked_at", Instant),
    needed("verified_minutes", Big),
    needed("record_no", Big),
    key=["account_no"],
    refers={"account": (["account_no"], "account", ["account_no"])},
    checks={
        "floor": "debited + held <= credited + overdraft_limit + debt",
        "signs": (
            "credited >= 0 AND debited >= 0 AND held >= 0 AND dead_no >= 0 AND line_no >= 0"
            " AND overdraft_limit >= 0 AND debt >= 0 AND verified_minutes >= 0"
            " AND record_no >= 0"
        ),
    },
    # Accounts with living points, by the day after which to look at them. The condition and the
    # column change when a date has passed, not when points move: PostgreSQL's updates stay HOT.
    partial_indexes={"expiry": (["next_expiry_on", "account_no"], "next_expiry_line_no > 0")},
)

#: 明细: a gap-free sequence of numbered lines per account, exactly what the passbook prints.
account_line = bank_table(
    "account_line",
    needed("account_no", Big),
    needed("line_no", Big),
    needed("kind", code(20)),
    needed("amount", Big),
    needed("contra_no", Big),
    needed("credited_after", Big),
    needed("debited_after", Big),
    optional("expires_on", Day),
    needed("value_on", Day),
    # The day it belongs to, where that lies in a closed period: then `value_on` is an open day.
    optional("origin_on", Day),
    needed("booked_at", Instant),
    needed("business_day", Day),
    needed("outlet_no", Big),
    needed("voucher_id", digest(16)),
    optional("policy_id", Big),
    needed("line_hash", digest(32)),
    key=["account_no", "line_no"],
    refers={
        "account": (["account_no"], "account", ["account_no"]),
        "contra": (["contra_no"], "account", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "amount": "amount <> 0 AND (amount > 0) = (expires_on IS NOT NULL)",
        "totals": "line_no > 0 AND credited_after >= 0 AND debited_after >= 0",
    },
    # A voucher's lines, and those of a day of vouchers: ids grow with time, so the index grows
    # at its end. Sums by value date scan the account's own lines (decision 0019).
    indexes={"contra": ["contra_no", "business_day"], "voucher": ["voucher_id"]},
)

#: A leg between two internal accounts, which have no lines of their own.
internal_move = bank_table(
    "internal_move",
    needed("voucher_id", digest(16)),
    needed("leg_no", Small),
    needed("source_no", Big),
    needed("target_no", Big),
    needed("unit", code(10)),
    needed("amount", Big),
    needed("business_day", Day),
    needed("outlet_no", Big),
    key=["voucher_id", "leg_no"],
    refers={
        "source": (["source_no"], "account", ["account_no"]),
        "target": (["target_no"], "account", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={"amount": "amount > 0 AND source_no <> target_no"},
    indexes={
        "source": ["source_no", "business_day"],
        "target": ["target_no", "business_day"],
    },
)

#: A reservation of points: the lowest unspent numbers, until captured, released or lapsed.
#: `payee_no` is the account that captures go to; no extension reaches beyond `latest_at`.
#: `cites_from` is the number below the first point that it was placed on (decision 0026).
#: `ref` is the sender's own; the hold of a reservation has none, since its redemption has it.
hold = bank_table(
    "hold",
    needed("hold_id", digest(16)),
    needed("account_no", Big),
    needed("payee_no", Big),
    needed("amount", Big),
    needed("captured", Big),
    needed("state", code(10)),
    needed("placed_at", Instant),
    needed("deadline_at", Instant),
    needed("latest_at", Instant),
    needed("outlet_no", Big),
    needed("cites_from", Big),
    needed("event_no", Small),
    optional("ref", code(100)),
    optional("row_digest", digest(32)),
    needed("voucher_id", digest(16)),
    optional("settled_voucher_id", digest(16)),
    key=["hold_id"],
    unique={"ref": ["ref"]},
    refers={
        "account": (["account_no"], "account_head", ["account_no"]),
        "payee": (["payee_no"], "account", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
        "settled": (["settled_voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "amount": (
            "amount > 0 AND captured >= 0 AND captured <= amount AND event_no > 0"
            " AND cites_from >= 0"
        ),
        "state": (
            "state IN ('held', 'captured', 'released', 'lapsed')"
            " AND (state = 'held') = (settled_voucher_id IS NULL)"
            " AND (state = 'captured') = (captured = amount)"
        ),
        "deadline": "deadline_at <= latest_at",
    },
    indexes={
        "account": ["account_no", "state"],
        "deadline": ["state", "deadline_at"],
        "voucher": ["voucher_id"],
    },
    partial_indexes={"settled": (["settled_voucher_id"], "settled_voucher_id IS NOT NULL")},
)

#: What happened to a hold, in order: placed, extended, captured (in parts), released, lapsed.
#: `amount` is what was placed, captured, or given free; `deadline_at` the deadline from then on.
hold_event = bank_table(
    "hold_event",
    needed("hold_id", digest(16)),
    needed("event_no", Small),
    needed("kind", code(10)),
    needed("amount", Big),
    needed("deadline_at", Instant),
    optional("line_no", Big),
    needed("voucher_id", digest(16)),
    key=["hold_id", "event_no"],
    refers={
        "hold": (["hold_id"], "hold", ["hold_id"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "kind": "kind IN ('placed', 'extended', 'captured', 'released', 'lapsed')",
        "amount": "amount >= 0 AND (kind = 'captured') = (line_no IS NOT NULL)",
    },
    indexes={"voucher": ["voucher_id"]},
)

#: A part of a line that was taken back: reversed (冲正) or refunded (退回). The parts of a line
#: never add up to more than it; `by_line_no` is the line of the same account that did it, and
#: `expired` is what of the part had expired, for which no line was written.
line_part = bank_table(
    "line_part",
    needed("account_no", Big),
    needed("line_no", Big),
    needed("part_no", Small),
    needed("kind", code(10)),
    needed("amount", Big),
    needed("expired", Big),
    optional("by_line_no", Big),
    needed("voucher_id", digest(16)),
    key=["account_no", "line_no", "part_no"],
    refers={
        "line": (["account_no", "line_no"], "account_line", ["account_no", "line_no"]),
        "by": (["account_no", "by_line_no"], "account_line", ["account_no", "line_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "kind": "kind IN ('reversal', 'refund')",
        "amount": "amount > 0 AND expired >= 0 AND expired <= amount AND part_no > 0",
    },
    indexes={"by": ["account_no", "by_line_no"], "voucher": ["voucher_id"]},
)

#: What an account gave, or was granted, in a calendar month, less what came back, by the kind of
#: its lines; and by how many acts. Limits on transfers go by it, and so read no lines.
given_sum = bank_table(
    "given_sum",
    needed("account_no", Big),
    needed("month_on", Day),
    needed("kind", code(20)),
    needed("points", Big),
    needed("acts", Big),
    key=["account_no", "month_on", "kind"],
    refers={"account": (["account_no"], "account", ["account_no"])},
    checks={
        "kind": "kind IN ('gift_out', 'donation_out', 'pool_grant_out', 'pool_grant_in')",
        "sums": "points >= 0 AND acts >= 0",
    },
)

#: An internal account's totals through a closed day: its balance is the newest of these and
#: what came since, so it does not grow slower with the history.
account_total = bank_table(
    "account_total",
    needed("account_no", Big),
    needed("through_on", Day),
    needed("debits", Big),
    needed("credits", Big),
    needed("voucher_id", digest(16)),
    key=["account_no", "through_on"],
    refers={
        "account": (["account_no"], "account", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={"totals": "debits >= 0 AND credits >= 0"},
)
