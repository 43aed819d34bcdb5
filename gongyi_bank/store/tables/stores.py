"""爱心联盟: partner stores, what they offer, and what was redeemed there."""

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

partner_store = bank_table(
    "partner_store",
    needed("store_no", Big),
    needed("code", code(40)),
    needed("name", code(100)),
    needed("kind", code(20)),
    needed("recruited_by_no", Big),
    needed("joined_on", Day),
    optional("left_on", Day),
    needed("account_no", Big),
    needed("voucher_id", digest(16)),
    key=["store_no"],
    unique={"code": ["code"]},
    refers={
        "outlet": (["recruited_by_no"], "outlet", ["outlet_no"]),
        "account": (["account_no"], "account", ["account_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={"kind": "kind IN ('community_store', 'charity_shop', 'enterprise')"},
    indexes={"recruited": ["recruited_by_no", "joined_on"]},
)

#: What a store gives for points. `stock` is what is neither given out nor reserved.
offer = bank_table(
    "offer",
    needed("store_no", Big),
    needed("sku", code(40)),
    needed("name", code(100)),
    needed("points", Big),
    needed("stock", Big),
    needed("reserved", Big),
    needed("state", code(10)),
    needed("voucher_id", digest(16)),
    key=["store_no", "sku"],
    refers={
        "store": (["store_no"], "partner_store", ["store_no"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "stock": "stock >= 0 AND reserved >= 0 AND points > 0",
        "state": "state IN ('listed', 'withdrawn')",
    },
)

#: The goods book: by how much an act changed the pieces a store still owes nobody. For every
#: offer the moves sum up to `stock`, and its redemptions in state `reserved` to `reserved`.
stock_move = bank_table(
    "stock_move",
    needed("store_no", Big),
    needed("sku", code(40)),
    needed("voucher_id", digest(16)),
    needed("quantity", Big),
    key=["store_no", "sku", "voucher_id"],
    refers={
        "offer": (["store_no", "sku"], "offer", ["store_no", "sku"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={"quantity": "quantity <> 0"},
    indexes={"voucher": ["voucher_id"]},
)

#: `redeemed_on` is the day of the hand-over; while it is only reserved, the day of that.
#: `hold_id` of a reservation is its own id. A part that is captured becomes a row of its own
#: with the reservation's hold, and the reservation keeps the pieces and points that are left.
#: `voucher_id` is of the act that made the row.
redemption = bank_table(
    "redemption",
    needed("redemption_id", digest(16)),
    needed("account_no", Big),
    needed("store_no", Big),
    needed("sku", code(40)),
    needed("quantity", Big),
    needed("points", Big),
    needed("state", code(10)),
    optional("ref", code(100)),
    needed("row_digest", digest(32)),
    needed("redeemed_on", Day),
    optional("line_no", Big),
    optional("hold_id", digest(16)),
    optional("cites_from", Big),
    needed("voucher_id", digest(16)),
    optional("settled_voucher_id", digest(16)),
    key=["redemption_id"],
    unique={"ref": ["ref"]},
    refers={
        "head": (["account_no"], "account_head", ["account_no"]),
        "offer": (["store_no", "sku"], "offer", ["store_no", "sku"]),
        "hold": (["hold_id"], "hold", ["hold_id"]),
        "voucher": (["voucher_id"], "voucher", ["voucher_id"]),
        "settled": (["settled_voucher_id"], "voucher", ["voucher_id"]),
    },
    checks={
        "state": (
            "state IN ('redeemed', 'reserved', 'captured', 'released', 'lapsed')"
            " AND (state = 'redeemed') = (hold_id IS NULL)"
            " AND (hold_id IS NULL) = (cites_from IS NOT NULL)"
            " AND (state IN ('redeemed', 'reserved')) = (settled_voucher_id IS NULL)"
            " AND (state IN ('redeemed', 'captured')) = (line_no IS NOT NULL)"
        ),
        "part": "hold_id IS NULL OR hold_id = redemption_id OR state = 'captured'",
        "quantity": "quantity > 0 AND points > 0",
    },
    indexes={
        "account": ["account_no", "redeemed_on"],
        "store": ["store_no", "redeemed_on"],
        "voucher": ["voucher_id"],
    },
    partial_indexes={"settled": (["settled_voucher_id"], "settled_voucher_id IS NOT NULL")},
)
