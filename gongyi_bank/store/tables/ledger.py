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
    indexes={
        "contra": ["contra_no", "business_day"],
        "value": ["account_no", "value_on"],
    },
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
hold = bank_table(
    "hold",
    needed("hold_id", digest(16)),
    needed("account_no", Big),
    needed("amount", Big),
    needed("captured", Big),
    needed("state", code(10)),
    needed("placed_at", Instant),
    needed("deadline_at", Instant),
    needed("voucher_id", digest(16)),
    optional("settled_voucher_id", digest(16)),
    key=["hold_id"],
    refers={
        "account": (["account_no"], "account_head", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
        "settled": (["settled_voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "amount": "amount > 0 AND captured >= 0 AND captured <= amount",
        "state": (
            "state IN ('held', 'captured', 'released', 'lapsed')"
            " AND (state = 'held') = (settled_voucher_id IS NULL)"
        ),
    },
    indexes={
        "account": ["account_no", "state"],
        "deadline": ["state", "deadline_at"],
    },
)
