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

#: One row per book ever printed, citing the voucher of the newest act on it. A book that
#: was ever issued keeps its account: `volume_no` counts the account's books from 1,
#: `first_line_no` is the account line on its first row, `printed_line_no` the newest line
#: printed in it (one less than the first while nothing is); page and row follow from them.
#: That a book is lost is said by `loss_report` alone, so that a report can lapse unswept.
passbook = bank_table(
    "passbook",
    needed("passbook_no", Big),
    needed("state", code(10)),
    needed("outlet_no", Big),
    needed("pages", Small),
    needed("rows_per_page", Small),
    optional("account_no", Big),
    optional("volume_no", Big),
    optional("issued_on", Day),
    optional("first_line_no", Big),
    optional("printed_line_no", Big),
    needed("voucher_id", digest(16)),
    key=["passbook_no"],
    # Two books issued to one account at once would be the same volume.
    unique={"volume": ["account_no", "volume_no"]},
    refers={
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "account": (["account_no"], "account_head", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "state": "state IN ('blank', 'in_use', 'replaced', 'void', 'spoiled', 'destroyed')",
        "life": (
            "state = 'destroyed' OR (account_no IS NULL) = (state = 'blank' OR state = 'spoiled')"
        ),
        "holder": (
            "(account_no IS NULL) = (volume_no IS NULL)"
            " AND (account_no IS NULL) = (issued_on IS NULL)"
            " AND (account_no IS NULL) = (first_line_no IS NULL)"
            " AND (account_no IS NULL) = (printed_line_no IS NULL)"
        ),
        "size": "pages > 0 AND rows_per_page > 0",
        "room": (
            "account_no IS NULL OR (volume_no > 0 AND first_line_no > 0"
            " AND printed_line_no >= first_line_no - 1"
            " AND printed_line_no < first_line_no + pages * rows_per_page)"
        ),
    },
    indexes={"stock": ["outlet_no", "state", "passbook_no"]},
)

#: 挂失: an oral report freezes at once and lapses unless put in writing; a written one stands.
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
        "account": (["account_no"], "account_head", ["account_no"]),
        "passbook": (["passbook_no"], "passbook", ["passbook_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
        "settled": (["settled_voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "kind": "kind IN ('oral', 'written')",
        "state": "state IN ('in_force', 'lifted', 'reissued', 'superseded', 'lapsed')",
        "settled": "(state = 'in_force') = (settled_voucher_id IS NULL)",
        "terms": (
            "(kind = 'oral') = (lapses_at IS NOT NULL)"
            " AND (kind = 'written') = (reissue_from_on IS NOT NULL)"
        ),
    },
    indexes={"passbook": ["passbook_no"], "state": ["state"]},
)
