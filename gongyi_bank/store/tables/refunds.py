"""退货: pieces of a redemption that came back, and the points that were given back for them."""

from __future__ import annotations

from gongyi_bank.store.tables.columns import (
    Big,
    Day,
    Small,
    bank_table,
    digest,
    needed,
    optional,
)

#: A refund of a redemption, whole or in part. `points` is what the pieces had cost;
#: `refund_line_no` the line that gave points back, if they were not past their date.
refund = bank_table(
    "refund",
    needed("redemption_id", digest(16)),
    needed("part_no", Small),
    needed("account_no", Big),
    needed("refunded_on", Day),
    needed("quantity", Big),
    needed("points", Big),
    optional("refund_line_no", Big),
    needed("restocked", Small),
    needed("voucher_id", digest(16)),
    key=["redemption_id", "part_no"],
    refers={
        "redemption": (["redemption_id"], "redemption", ["redemption_id"]),
        "head": (["account_no"], "account_head", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "quantity": "quantity > 0 AND points > 0 AND part_no > 0",
        "restocked": "restocked IN (0, 1)",
    },
    indexes={"account": ["account_no", "refunded_on"], "voucher": ["voucher_id"]},
)
