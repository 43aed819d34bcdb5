"""发件箱: how far each reader of the vouchers has come."""

from __future__ import annotations

from gongyi_bank.store.tables.columns import Big, bank_table, code, needed

#: A consumer has received everything up to `outbox_no`. No act changes these rows and no
#: voucher is written for them: they say nothing about the bank.
outbox_consumer = bank_table(
    "outbox_consumer",
    needed("name", code(100)),
    needed("outbox_no", Big),
    key=["name"],
    checks={"outbox_no": "outbox_no >= 0"},
)
