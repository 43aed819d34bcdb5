"""总行, 分行, 储蓄所, and the people who work there."""

from __future__ import annotations

from gongyi_bank.store.tables.columns import (
    Big,
    Day,
    Small,
    bank_table,
    code,
    digest,
    needed,
    optional,
)

#: The database itself refuses a fourth tier, a second head office, and a savings branch
#: without a branch: the parent is referred to together with its tier.
outlet = bank_table(
    "outlet",
    needed("outlet_no", Big),
    needed("code", code(40)),
    needed("name", code(100)),
    needed("tier", Small),
    optional("parent_no", Big),
    optional("parent_tier", Small),
    optional("head_mark", Small),
    needed("setting", code(10)),
    needed("state", code(10)),
    needed("opened_on", Day),
    optional("closed_on", Day),
    needed("voucher_id", digest(16)),
    key=["outlet_no"],
    unique={"code": ["code"], "head": ["head_mark"], "tier": ["outlet_no", "tier"]},
    refers={
        "parent": (["parent_no", "parent_tier"], "outlet", ["outlet_no", "tier"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "tier": (
            "(tier = 1 AND parent_no IS NULL AND parent_tier IS NULL"
            " AND head_mark IS NOT NULL AND head_mark = 1)"
            " OR (tier IN (2, 3) AND parent_no IS NOT NULL AND parent_tier IS NOT NULL"
            " AND parent_tier = tier - 1 AND head_mark IS NULL)"
        ),
        "state": "state IN ('open', 'closed') AND (state = 'closed') = (closed_on IS NOT NULL)",
        "setting": "setting IN ('urban', 'rural')",
    },
    indexes={"parent": ["parent_no"]},
)

#: Which outlet has been above each one, and since when; append-only. A savings branch that moves
#: leaves what was closed with its old branch there. None is above the head office. Whether it is
#: open since then is said with it: figures of a period show the outlets that there were.
outlet_stay = bank_table(
    "outlet_stay",
    needed("outlet_no", Big),
    needed("stay_no", Big),
    needed("since_on", Day),
    optional("parent_no", Big),
    needed("state", code(10)),
    needed("voucher_id", digest(16)),
    key=["outlet_no", "stay_no"],
    checks={"state": "state IN ('open', 'closed')"},
    refers={
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "parent": (["parent_no"], "outlet", ["outlet_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
)

#: A person who acts for the bank. `own_account_no`: nobody approves their own hours.
staff = bank_table(
    "staff",
    needed("staff_no", Big),
    needed("code", code(60)),
    optional("own_account_no", Big),
    needed("voucher_id", digest(16)),
    key=["staff_no"],
    unique={"code": ["code"]},
    refers={"voucher": (["voucher_id"], "voucher", ["voucher_id"])},
)

#: A role bound to an outlet, and for a store clerk to a store, until it ends.
staff_role = bank_table(
    "staff_role",
    needed("staff_no", Big),
    needed("role_no", Big),
    needed("role", code(20)),
    needed("outlet_no", Big),
    optional("store_no", Big),
    needed("since_on", Day),
    optional("ended_on", Day),
    needed("voucher_id", digest(16)),
    key=["staff_no", "role_no"],
    refers={
        "staff": (["staff_no"], "staff", ["staff_no"]),
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "store": (["store_no"], "partner_store", ["store_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "role": (
            "role IN ('administrator', 'ledger_keeper', 'teller', 'store_clerk',"
            " 'auditor', 'service_account')"
        ),
        "clerk": "(role = 'store_clerk') = (store_no IS NOT NULL)",
    },
    indexes={"outlet": ["outlet_no"]},
)
