"""The bank itself, its vouchers, its policies and its serial counters."""

from __future__ import annotations

import sqlalchemy as sa

from gongyi_bank.store.tables.columns import (
    TABLE_OPTIONS,
    Big,
    Day,
    Instant,
    LongText,
    Small,
    bank_table,
    code,
    digest,
    metadata,
    needed,
    optional,
)

#: One row per bank. `policies_stamp` changes with every adoption, so that an open handle
#: sees that its copy of the rules is old.
bank = sa.Table(
    "gb_bank",
    metadata,
    sa.Column("bank_id", Big, nullable=False, autoincrement=False),
    needed("name", code(100)),
    needed("scale", Small),
    needed("time_zone", code(60)),
    needed("policies_stamp", Big),
    needed("founded_at", Instant),
    # What tells the right keys from wrong ones; the keys themselves are kept elsewhere.
    optional("seal_key_mark", code(64)),
    optional("index_key_mark", code(64)),
    sa.PrimaryKeyConstraint("bank_id", name="gb_bank_pk"),
    sa.UniqueConstraint("name", name="gb_bank_name_uq"),
    sa.CheckConstraint("scale BETWEEN 0 AND 4", name="gb_bank_scale_ck"),
    **TABLE_OPTIONS,
)

#: 凭证: one row per act. Audit trail, idempotency record and outbox at once; append-only, but
#: for its place in the outbox.
voucher = bank_table(
    "voucher",
    needed("voucher_id", digest(16)),
    needed("act", code(40)),
    optional("idempotency_key", code(200)),
    needed("request_digest", digest(32)),
    needed("digest_version", Small),
    needed("staff_no", Big),
    optional("second_staff_no", Big),
    needed("outlet_no", Big),
    needed("business_day", Day),
    needed("booked_at", Instant),
    optional("cites_voucher_id", digest(16)),
    optional("reason", code(400)),
    needed("body", LongText),
    # Over all of the above; keyed where the bank has a seal key.
    needed("voucher_hash", digest(32)),
    # Its place in the outbox, given after it was committed, when somebody reads the outbox.
    optional("outbox_no", Big),
    key=["voucher_id"],
    unique={"key": ["idempotency_key"]},
    # The outbox finds what has no place yet, oldest first, and reads on from a place.
    indexes={"booked": ["booked_at"], "outbox": ["outbox_no", "voucher_id"]},
)

#: A rule set with its effective date; append-only. `body` is the policy model as JSON.
policy = bank_table(
    "policy",
    needed("policy_id", Big),
    needed("kind", code(40)),
    needed("effective_on", Day),
    needed("body", LongText),
    needed("voucher_id", digest(16)),
    key=["policy_id"],
    unique={"effective": ["kind", "effective_on"]},
    refers={"voucher": (["voucher_id"], "voucher", ["voucher_id"])},
)

#: The last number drawn of each series; the last lock of an act.
serial_counter = bank_table(
    "serial_counter",
    needed("series", code(30)),
    needed("owner_no", Big),
    needed("last_no", Big),
    key=["series", "owner_no"],
)
