"""What columns of two tables say twice, or that no reference says: counted where they differ.

All of it in one statement. What the audit of each account tells is not asked here again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gongyi_bank.store import tables
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.transaction import Transaction, query

_ZERO: sa.ColumnElement[int] = sa.literal_column("0")
_ONE: sa.ColumnElement[int] = sa.literal_column("1")


def _rows(table: sa.FromClause, *conditions: Any) -> Any:
    """How many rows of a table meet these conditions."""
    mine = table.c.bank_id == sa.bindparam("bank")
    return sa.select(sa.func.count()).select_from(table).where(mine, *conditions).scalar_subquery()


def _missing(own: sa.Column[Any], theirs: sa.Column[Any]) -> Any:
    """How many rows name something that is not there, where no reference forbids it."""
    target = theirs.table.alias("target")
    found = sa.exists().where(target.c.bank_id == own.table.c.bank_id, target.c[theirs.name] == own)
    return _rows(own.table, own.is_not(None), ~found)


def _is_a_moment(own: sa.Column[Any]) -> Any:
    """Whether some act of the bank was booked then."""
    voucher = tables.voucher.c
    return sa.exists().where(voucher.bank_id == own.table.c.bank_id, voucher.booked_at == own)


def _unlike(table: sa.Table, named: str, other: sa.Table, *differ: Any) -> Any:
    """How many rows differ from the row of another table that they name."""
    key = [column.name for column in other.primary_key.columns if column.name != "bank_id"][-1]
    found = sa.exists().where(
        other.c.bank_id == table.c.bank_id, other.c[key] == table.c[named], sa.or_(*differ)
    )
    return _rows(table, found)


def _of_its_act(table: sa.Table, column: str, said: str) -> Any:
    """How many rows say another day or moment than the act that made them."""
    return _unlike(table, "voucher_id", tables.voucher, tables.voucher.c[said] != table.c[column])


def _policies_out_of_order() -> Any:
    """Of a kind each policy holds from a later day on than the one adopted before it."""
    policy, before = tables.policy, tables.policy.alias("before")
    found = sa.exists().where(
        before.c.bank_id == policy.c.bank_id,
        before.c.kind == policy.c.kind,
        before.c.policy_id < policy.c.policy_id,
        before.c.effective_on >= policy.c.effective_on,
    )
    return _rows(policy, found)


def _counts() -> dict[str, Any]:
    """Each disagreement by its name."""
    t = tables
    customer, voucher, store, role = t.customer.c, t.voucher.c, t.partner_store.c, t.staff_role.c
    head, record, closing = t.account_head.c, t.hour_record.c, t.closing.c
    return {
        "voucher_staff": _missing(voucher.staff_no, t.staff.c.staff_no),
        "voucher_second": _missing(voucher.second_staff_no, t.staff.c.staff_no),
        "voucher_outlet": _missing(voucher.outlet_no, t.outlet.c.outlet_no),
        "voucher_cites": _missing(voucher.cites_voucher_id, voucher.voucher_id),
        "record_decided": _missing(record.decided_voucher_id, voucher.voucher_id),
        "record_voided": _missing(record.voided_voucher_id, voucher.voucher_id),
        "head_moment": _rows(
            t.account_head, head.line_no > _ZERO, ~_is_a_moment(head.booked_at)
        ),
        "move_day": _of_its_act(t.internal_move, "business_day", "business_day"),
        "hold_placed": _of_its_act(t.hold, "placed_at", "booked_at"),
        "loss_reported": _of_its_act(t.loss_report, "reported_at", "booked_at"),
        "loss_passbook": _unlike(
            t.loss_report, "passbook_no", t.passbook,
            sa.func.coalesce(t.passbook.c.account_no, -_ONE) != t.loss_report.c.account_no,
        ),
        "outlet_opened": _of_its_act(t.outlet, "opened_on", "business_day"),
        "role_since": _of_its_act(t.staff_role, "since_on", "business_day"),
        "role_ended": _rows(t.staff_role, role.ended_on < role.since_on),
        "store_left": _rows(t.partner_store, store.left_on < store.joined_on),
        "customer_closed": _rows(t.customer, customer.closed_on != customer.state_since_on),
        "policy_order": _policies_out_of_order(),
        "seal_closing": _unlike(
            t.seal, "closing_no", t.closing,
            closing.last_on != t.seal.c.through_on,
            closing.closed_voucher_id != t.seal.c.voucher_id,
        ),
        "total_closed": _unlike(
            t.account_total, "voucher_id", t.voucher,
            voucher.act.not_in([sa.literal_column("'closings.close'")]),
        ),
    }  # fmt: skip


@query
def _disagreements(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(*(count.label(name) for name, count in _counts().items()))


def list_disagreements(tx: Transaction) -> list[tuple[str, int]]:
    """(what does not agree, in how many rows)."""
    counts = _disagreements(tx)[0]
    return [(name, count) for name, count in zip(_counts(), counts, strict=True) if count]
