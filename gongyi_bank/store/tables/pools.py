"""积分池: points that belong to nobody yet, given by donations and handed on by grants."""

from __future__ import annotations

from gongyi_bank.store.tables.columns import Big, bank_table, code, digest, needed

#: A pool of an outlet. Its account has a head, so that it can never give more than it has.
pool = bank_table(
    "pool",
    needed("pool_no", Big),
    needed("code", code(40)),
    needed("name", code(100)),
    needed("outlet_no", Big),
    needed("account_no", Big),
    needed("state", code(10)),
    needed("voucher_id", digest(16)),
    key=["pool_no"],
    unique={"code": ["code"], "account": ["account_no"]},
    refers={
        "outlet": (["outlet_no"], "outlet", ["outlet_no"]),
        "account": (["account_no"], "account", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={"state": "state IN ('open', 'closed')"},
)
