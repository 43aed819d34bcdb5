"""Triggers that keep written history from being changed: the last line of defence.

They look at OLD and NEW only. On PostgreSQL a statement trigger also stops TRUNCATE.
A superuser can drop them; the hash chain of the lines is what shows that afterwards.
"""

from __future__ import annotations

from gongyi_bank.store import tables

#: Tables whose rows are never changed at all.
APPEND_ONLY = (
    "account_line", "customer_stay", "internal_move", "policy", "stock_move", "voucher",
)  # fmt: skip
#: Tables whose rows are never deleted, and the only columns that may change later.
MUTABLE_COLUMNS: dict[str, tuple[str, ...]] = {
    "account": (),
    "hold": ("captured", "state", "settled_voucher_id"),
    "hour_record": ("state", "points", "line_no", "policy_id", "decided_voucher_id"),
    "redemption": ("state", "line_no", "redeemed_on", "settled_voucher_id"),
}
_REFUSAL = "gongyi_bank: written history is never changed"


def _frozen_columns(table: str) -> list[str]:
    mutable = MUTABLE_COLUMNS[table]
    columns = tables.metadata.tables[f"gb_{table}"].columns
    return [column.name for column in columns if column.name not in mutable]


def sqlite_guards() -> list[str]:
    """CREATE TRIGGER statements for SQLite (INSERT OR REPLACE needs recursive_triggers)."""
    statements = []
    for table in (*APPEND_ONLY, *MUTABLE_COLUMNS):
        when = ""
        if table in MUTABLE_COLUMNS:
            changed = " OR ".join(f"OLD.{c} IS NOT NEW.{c}" for c in _frozen_columns(table))
            when = f" WHEN {changed}"
        statements += [
            f"CREATE TRIGGER gb_{table}_no_update BEFORE UPDATE ON gb_{table}{when}"
            f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
            f"CREATE TRIGGER gb_{table}_no_delete BEFORE DELETE ON gb_{table}"
            f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        ]
    return statements


def postgresql_guards() -> list[str]:
    """One function and three triggers a table for PostgreSQL."""
    statements = [
        "CREATE FUNCTION gb_refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'GB001'; END $$"
    ]
    for table in (*APPEND_ONLY, *MUTABLE_COLUMNS):
        when = ""
        if table in MUTABLE_COLUMNS:
            columns = _frozen_columns(table)
            old, new = (", ".join(f"{side}.{c}" for c in columns) for side in ("OLD", "NEW"))
            when = f" WHEN (({old}) IS DISTINCT FROM ({new}))"
        run = "EXECUTE FUNCTION gb_refuse_change()"
        statements += [
            f"CREATE TRIGGER gb_{table}_no_update BEFORE UPDATE ON gb_{table}"
            f" FOR EACH ROW{when} {run}",
            f"CREATE TRIGGER gb_{table}_no_delete BEFORE DELETE ON gb_{table} FOR EACH ROW {run}",
            f"CREATE TRIGGER gb_{table}_no_truncate BEFORE TRUNCATE ON gb_{table}"
            f" FOR EACH STATEMENT {run}",
        ]
    return statements
