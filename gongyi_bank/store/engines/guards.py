"""Triggers that keep written history from being changed: the last line of defence.

They look at OLD and NEW only. On PostgreSQL a statement trigger also stops TRUNCATE; SQLite
has none, and on MySQL and MariaDB nothing does (Capability.GUARDED_TRUNCATE).
A superuser can drop them; the hash chain of the lines is what shows that afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from gongyi_bank.store import tables

#: Tables whose rows are never changed at all.
APPEND_ONLY = (
    "account_line", "account_total", "customer_stay", "hold_event", "internal_move", "line_part",
    "outlet_stay", "policy", "refund", "seal", "stock_move",
)  # fmt: skip
#: Tables whose rows are never deleted, and the only columns that may change later.
MUTABLE_COLUMNS: dict[str, tuple[str, ...]] = {
    "account": (),
    "closing": ("state", "closed_voucher_id"),
    "hold": ("captured", "deadline_at", "event_no", "state", "settled_voucher_id"),
    "hour_record": (
        "state", "value_on", "voided_on", "points", "line_no", "policy_id", "decided_voucher_id",
        "voided_voucher_id",
    ),
    "redemption": (
        "quantity", "points", "state", "line_no", "redeemed_on", "settled_voucher_id",
    ),
    "voucher": ("outbox_no",),
}  # fmt: skip
_REFUSAL = "gongyi_bank: written history is never changed"


#: The verbs that a table's triggers stop.
_VERBS = ("update", "delete")


def guarded_tables() -> dict[str, list[str] | None]:
    """Every guarded table of the newest schema with the columns that never change; None: all."""
    all_columns: dict[str, list[str] | None] = dict.fromkeys(APPEND_ONLY)
    return all_columns | {table: _frozen_columns(table) for table in MUTABLE_COLUMNS}


def _frozen_columns(table: str) -> list[str]:
    mutable = MUTABLE_COLUMNS[table]
    columns = tables.metadata.tables[f"gb_{table}"].columns
    return [column.name for column in columns if column.name not in mutable]


def sqlite_guards(table: str, columns: Sequence[str] | None) -> list[str]:
    """CREATE TRIGGER statements for SQLite (INSERT OR REPLACE needs recursive_triggers)."""
    changed = " OR ".join(f"OLD.{c} IS NOT NEW.{c}" for c in columns or ())
    when = f" WHEN {changed}" if changed else ""
    return [
        f"CREATE TRIGGER gb_{table}_no_update BEFORE UPDATE ON gb_{table}{when}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER gb_{table}_no_delete BEFORE DELETE ON gb_{table}"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    ]


#: What PostgreSQL's triggers run.
POSTGRESQL_FUNCTION = (
    "CREATE FUNCTION gb_refuse_change() RETURNS trigger LANGUAGE plpgsql AS"
    f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'GB001'; END $$"
)


def postgresql_guards(table: str, columns: Sequence[str] | None) -> list[str]:
    """Three triggers a table for PostgreSQL."""
    when = ""
    if columns is not None:
        old, new = (", ".join(f"{side}.{c}" for c in columns) for side in ("OLD", "NEW"))
        when = f" WHEN (({old}) IS DISTINCT FROM ({new}))"
    run = "EXECUTE FUNCTION gb_refuse_change()"
    return [
        f"CREATE TRIGGER gb_{table}_no_update BEFORE UPDATE ON gb_{table} FOR EACH ROW{when} {run}",
        f"CREATE TRIGGER gb_{table}_no_delete BEFORE DELETE ON gb_{table} FOR EACH ROW {run}",
        f"CREATE TRIGGER gb_{table}_no_truncate BEFORE TRUNCATE ON gb_{table}"
        f" FOR EACH STATEMENT {run}",
    ]


def mysql_guards(table: str, columns: Sequence[str] | None) -> list[str]:
    """Two triggers a table for MySQL and MariaDB, where TRUNCATE runs none."""
    refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{_REFUSAL}'"
    update = refuse
    if columns is not None:
        same = " AND ".join(f"OLD.`{c}` <=> NEW.`{c}`" for c in columns)
        update = f"BEGIN IF NOT ({same}) THEN {refuse}; END IF; END"
    return [
        f"CREATE TRIGGER IF NOT EXISTS gb_{table}_no_{verb} BEFORE {verb.upper()}"
        f" ON gb_{table} FOR EACH ROW {body}"
        for verb, body in (("update", update), ("delete", refuse))
    ]


def unguards(table: str) -> list[str]:
    """What drops a table's triggers, where a trigger has a name of its own."""
    return [f"DROP TRIGGER IF EXISTS gb_{table}_no_{verb}" for verb in _VERBS]


def postgresql_unguards(table: str) -> list[str]:
    """What drops a table's triggers on PostgreSQL, where they are named within it."""
    verbs = (*_VERBS, "truncate")
    return [f"DROP TRIGGER IF EXISTS gb_{table}_no_{verb} ON gb_{table}" for verb in verbs]
