"""Customers and their accounts; what is personal lives in a table of its own."""

from __future__ import annotations

from gongyi_bank.store.tables.columns import (
    Big,
    Day,
    bank_table,
    code,
    digest,
    needed,
    optional,
)

#: Every account of the ledger, a customer's or the bank's own. Lines refer to this table.
account = bank_table(
    "account",
    needed("account_no", Big),
    needed("kind", code(20)),
    needed("unit", code(10)),
    needed("outlet_no", Big),
    needed("voucher_id", digest(16)),
    key=["account_no"],
    refers={
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={"unit": "unit IN ('points')"},
    indexes={"kind": ["kind", "outlet_no"]},
)

#: 客户: who holds an account, and in what state it is. Nothing personal.
customer = bank_table(
    "customer",
    needed("account_no", Big),
    needed("kind", code(20)),
    needed("outlet_no", Big),
    needed("stay_no", Big),
    optional("ref", code(100)),
    needed("registered_on", Day),
    needed("state", code(10)),
    needed("state_since_on", Day),
    optional("closed_on", Day),
    needed("voucher_id", digest(16)),
    key=["account_no"],
    unique={"ref": ["ref"]},
    refers={
        "account": (["account_no"], "account", ["account_no"]),
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "kind": "kind IN ('volunteer', 'organisation', 'household')",
        "state": (
            "state IN ('active', 'frozen', 'dormant', 'closed')"
            " AND (state = 'closed') = (closed_on IS NOT NULL)"
        ),
    },
    indexes={"outlet": ["outlet_no", "kind"]},
)

#: Where an account has been registered, and since when; append-only. A move leaves the
#: figures of the periods before it where they were.
customer_stay = bank_table(
    "customer_stay",
    needed("account_no", Big),
    needed("stay_no", Big),
    needed("since_on", Day),
    needed("outlet_no", Big),
    needed("voucher_id", digest(16)),
    key=["account_no", "stay_no"],
    refers={
        "customer": (["account_no"], "customer", ["account_no"]),
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
)

#: Personal data (个人信息). Nothing refers to it; erasing a row changes no book.
#: `document_index` is an HMAC of the document, so that nobody is registered twice.
person = bank_table(
    "person",
    needed("account_no", Big),
    needed("name", code(100)),
    optional("document_kind", code(40)),
    optional("document_no", code(60)),
    optional("document_index", code(64)),
    optional("birth_on", Day),
    optional("phone", code(40)),
    key=["account_no"],
    unique={"document": ["document_index"]},
    refers={"customer": (["account_no"], "customer", ["account_no"])},
)
