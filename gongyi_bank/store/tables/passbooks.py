"""存折: serial-numbered books from the printing press to the customer's hand."""

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

#: One row per book ever printed. `first_line_no` is the account line on its first row,
#: `printed_line_no` the newest line printed in it; page and row follow from the two.
passbook = bank_table(
    "passbook",
    needed("passbook_no", Big),
    needed("state", code(10)),
    needed("outlet_no", Big),
    needed("pages", Small),
    needed("rows_per_page", Small),
    optional("account_no", Big),
    optional("issued_on", Day),
    optional("first_line_no", Big),
    optional("printed_line_no", Big),
    optional("active_mark", Small),
    needed("voucher_id", digest(16)),
    key=["passbook_no"],
    unique={"active": ["account_no", "active_mark"]},
    refers={
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "account": (["account_no"], "account_head", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "state": (
            "state IN ('blank', 'in_use', 'lost', 'replaced', 'void', 'spoiled', 'destroyed')"
        ),
        "holder": (
            "(state IN ('blank', 'spoiled', 'destroyed') OR account_no IS NOT NULL)"
            " AND (active_mark IS NOT NULL) = (state IN ('in_use', 'lost'))"
        ),
        "size": "pages > 0 AND rows_per_page > 0",
    },
    indexes={"stock": ["outlet_no", "state"]},
)

#: 挂失: an oral report freezes at once and counts for some days, a written one stands.
loss_report = bank_table(
    "loss_report",
    needed("account_no", Big),
    needed("report_no", Big),
    needed("passbook_no", Big),
    needed("kind", code(10)),
    needed("state", code(10)),
    needed("reported_at", Instant),
    optional("lapses_at", Instant),
    optional("reissue_from_on", Day),
    needed("voucher_id", digest(16)),
    optional("settled_voucher_id", digest(16)),
    key=["account_no", "report_no"],
    refers={
        "passbook": (["passbook_no"], "passbook", ["passbook_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "kind": "kind IN ('oral', 'written')",
        "state": "state IN ('in_force', 'lifted', 'reissued', 'superseded', 'lapsed')",
    },
    indexes={"passbook": ["passbook_no"]},
)
