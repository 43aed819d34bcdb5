"""结账: closings of days, months, quarters and years, and the seals of closed days."""

from __future__ import annotations

from gongyi_bank.store.tables.columns import (
    Big,
    Day,
    LongText,
    bank_table,
    code,
    digest,
    needed,
    optional,
)

#: A period of an outlet and everything below it. A day bars its business day, the longer ones
#: bar value dates. From `closing` on nothing new enters; `drained` says that everybody who was
#: under way has finished; then it is summed and `closed`.
closing = bank_table(
    "closing",
    needed("closing_no", Big),
    needed("outlet_no", Big),
    needed("kind", code(10)),
    needed("first_on", Day),
    needed("last_on", Day),
    needed("state", code(10)),
    needed("voucher_id", digest(16)),
    optional("closed_voucher_id", digest(16)),
    key=["closing_no"],
    unique={"period": ["outlet_no", "kind", "last_on"]},
    refers={
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
        "closed": (["closed_voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "kind": "kind IN ('day', 'month', 'quarter', 'year') AND first_on <= last_on",
        "state": (
            "state IN ('closing', 'drained', 'closed')"
            " AND (state = 'closed') = (closed_voucher_id IS NOT NULL)"
        ),
    },
    partial_indexes={"open": (["outlet_no"], "state <> 'closed'")},
)

#: 封账: what a closed day of the whole bank contained, as one number that can be published.
#: `root` is the Merkle root over its rows, `counts` (JSON) how many of each table, and
#: `seal_hash` covers both and the seal before it; keyed where the bank has a seal key.
seal = bank_table(
    "seal",
    needed("seal_no", Big),
    needed("closing_no", Big),
    needed("through_on", Day),
    needed("root", digest(32)),
    needed("counts", LongText),
    needed("seal_hash", digest(32)),
    needed("voucher_id", digest(16)),
    key=["seal_no"],
    unique={"through": ["through_on"]},
    refers={
        "closing": (["closing_no"], "closing", ["closing_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
)
