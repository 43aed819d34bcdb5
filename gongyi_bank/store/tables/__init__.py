"""All tables of the bank: `metadata` is the newest schema."""

from __future__ import annotations

from gongyi_bank.store.tables.closing import closing, seal
from gongyi_bank.store.tables.columns import metadata
from gongyi_bank.store.tables.customers import account, customer, customer_stay, person
from gongyi_bank.store.tables.founding import bank, policy, serial_counter, voucher
from gongyi_bank.store.tables.hours import hour_record
from gongyi_bank.store.tables.ledger import (
    account_head,
    account_line,
    account_total,
    given_sum,
    hold,
    hold_event,
    internal_move,
    line_part,
)
from gongyi_bank.store.tables.outbox import outbox_consumer
from gongyi_bank.store.tables.outlets import outlet, outlet_stay, staff, staff_role
from gongyi_bank.store.tables.passbooks import loss_report, passbook
from gongyi_bank.store.tables.pools import pool
from gongyi_bank.store.tables.refunds import refund
from gongyi_bank.store.tables.stores import offer, partner_store, redemption, stock_move

__all__ = [
    "account",
    "account_head",
    "account_line",
    "account_total",
    "bank",
    "closing",
    "customer",
    "customer_stay",
    "given_sum",
    "hold",
    "hold_event",
    "hour_record",
    "internal_move",
    "line_part",
    "loss_report",
    "metadata",
    "offer",
    "outbox_consumer",
    "outlet",
    "outlet_stay",
    "partner_store",
    "passbook",
    "person",
    "policy",
    "pool",
    "redemption",
    "refund",
    "seal",
    "serial_counter",
    "staff",
    "staff_role",
    "stock_move",
    "voucher",
]
