"""What a bank's tables hold and what the reference's books hold, in one form: rows, by table.

Ids are told in the reference's own, as receipts have paired them.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Desks
from gongyi_bank.policies import POLICIES
from gongyi_bank.rules.customers import CLOSED
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store import tables
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.testing.reference import Ids
from gongyi_bank.testing.reference.books import Books

#: The columns that are compared: all but hashes and what only a database needs.
COLUMNS: dict[str, tuple[str, ...]] = {
    "account_line": (
        "account_no", "line_no", "kind", "amount", "contra_no", "credited_after",
        "debited_after", "expires_on", "value_on", "origin_on", "booked_at", "business_day",
        "outlet_no", "voucher_id", "policy_id",
    ),
    "account_head": (
        "account_no", "credited", "debited", "held", "debt", "line_no", "record_no",
        "verified_minutes",
    ),
    "hour_record": (
        "account_no", "record_no", "kind", "state", "first_state", "ref", "row_digest",
        "outlet_no", "project", "category", "started_at", "ended_at", "service_on", "value_on",
        "voided_on", "minutes", "client_rating", "recorded_by_no", "checked_by_no", "points",
        "line_no", "policy_id", "replaces_record_no", "voucher_id", "decided_voucher_id",
        "voided_voucher_id",
    ),
    "hold": (
        "hold_id", "account_no", "payee_no", "amount", "captured", "state", "placed_at",
        "deadline_at", "latest_at", "outlet_no", "cites_from", "event_no", "ref", "voucher_id",
    ),
    "hold_event": ("hold_id", "event_no", "kind", "amount", "deadline_at", "line_no"),
    "redemption": (
        "redemption_id", "account_no", "store_no", "sku", "quantity", "points", "state", "ref",
        "redeemed_on", "line_no", "hold_id", "cites_from", "voucher_id",
        "settled_voucher_id",
    ),
    "refund": (
        "redemption_id", "part_no", "account_no", "refunded_on", "quantity", "points",
        "refund_line_no", "restocked", "voucher_id",
    ),
    "line_part": (
        "account_no", "line_no", "part_no", "kind", "amount", "expired", "by_line_no",
        "voucher_id",
    ),
    "internal_move": (
        "voucher_id", "leg_no", "source_no", "target_no", "unit", "amount", "business_day",
        "outlet_no",
    ),
    "offer": ("store_no", "sku", "name", "points", "stock", "reserved", "state"),
    "passbook": (
        "passbook_no", "state", "outlet_no", "pages", "rows_per_page", "account_no",
        "volume_no", "issued_on", "first_line_no", "printed_line_no",
    ),
    "loss_report": (
        "account_no", "report_no", "passbook_no", "kind", "state", "lapses_at",
        "reissue_from_on",
    ),
    "pool": ("pool_no", "code", "name", "outlet_no", "account_no", "state"),
    "closing": (
        "closing_no", "outlet_no", "kind", "first_on", "last_on", "state", "voucher_id",
        "closed_voucher_id",
    ),
    "voucher": (
        "voucher_id", "act", "idempotency_key", "staff_no", "second_staff_no", "outlet_no",
        "business_day", "booked_at", "reason",
    ),
    "outlet": ("outlet_no", "code", "name", "tier", "parent_no", "setting", "state", "closed_on"),
    "outlet_stay": ("outlet_no", "stay_no", "since_on", "parent_no", "state"),
    "staff": ("staff_no", "code", "own_account_no"),
    "staff_role": (
        "staff_no", "role_no", "role", "outlet_no", "store_no", "since_on", "ended_on",
    ),
    "policy": ("policy_id", "kind", "effective_on", "body"),
    "customer": (
        "account_no", "kind", "outlet_no", "stay_no", "ref", "registered_on", "state",
        "state_since_on", "closed_on",
    ),
    "customer_stay": ("account_no", "stay_no", "since_on", "outlet_no"),
    "partner_store": (
        "store_no", "code", "name", "kind", "recruited_by_no", "joined_on", "left_on",
        "account_no",
    ),
    # Nothing of it but the account's number is ever shown: see `_told_where`.
    "person": ("account_no", "name", "document_kind", "document_no", "birth_on", "phone"),
}  # fmt: skip
#: The tables of which it is told only where they differ, and never what they hold.
_PERSONAL = ("person",)
Row = dict[str, Any]
Rows = dict[str, list[str]]


def rows_of_bank(bank: Desks, ids: Ids, only: Collection[str] = COLUMNS) -> Rows:
    """The rows of a bank by table, its ids told in the reference's."""
    names = {one.bytes: other.bytes for one, other in ids.pairs.items()}
    found = bank.read(lambda tx: {name: _read(tx, name) for name in only})
    return {name: _shown(COLUMNS[name], rows, names) for name, rows in found.items()}


def rows_of_reference(
    books: Books, ids: Ids, today: dt.date, only: Collection[str] = COLUMNS
) -> Rows:
    """The rows of the reference's books by table."""
    names = {other.bytes: other.bytes for other in ids.pairs.values()}
    return {name: _shown(COLUMNS[name], _TOLD[name](books, today), names) for name in only}


def require_equal_rows(
    bank: Desks, books: Books, ids: Ids, today: dt.date, only: Collection[str] = COLUMNS
) -> None:
    """Raise AssertionError with the rows that only one side has."""
    written, told = rows_of_bank(bank, ids, only), rows_of_reference(books, ids, today, only)
    wrong = []
    for name, rows in written.items():
        differences = _told_where if name in _PERSONAL else _told_what
        wrong += differences(name, rows, told[name])
    if wrong:
        raise AssertionError("\n".join(["the books differ:", *wrong]))


def _told_what(name: str, rows: list[str], others: list[str]) -> list[str]:
    """The rows that only one side has."""
    wrong = [f"  only the bank has {name} {row}" for row in sorted({*rows} - {*others})]
    wrong += [f"  the bank has no {name} {row}" for row in sorted({*others} - {*rows})]
    if not wrong and len(rows) != len(others):
        wrong.append(f"  the bank has {len(rows)} rows of {name}, not {len(others)}")
    return wrong


def _told_where(name: str, rows: list[str], others: list[str]) -> list[str]:
    """Whose rows differ, by what stands first in them, and nothing else of what they hold."""
    whose = Counter(row.partition(",")[0] for row in rows)
    theirs = Counter(row.partition(",")[0] for row in others)
    wrong = [f"  the bank has {name} of {one} {whose[one]} times, not {theirs[one]}"
             for one in sorted(whose | theirs) if whose[one] != theirs[one]]  # fmt: skip
    if not wrong:
        different = {row.partition(",")[0] for row in {*rows} ^ {*others}}
        wrong = [f"  {name} of {one} is not as it was said (personal)" for one in sorted(different)]
    return wrong


def _read(tx: Transaction, name: str) -> list[Row]:
    table: sa.Table = getattr(tables, name)
    query = sa.select(*(table.c[column] for column in COLUMNS[name]))
    query = query.where(table.c.bank_id == tx.bank.bank_id)
    if table is tables.voucher:  # the reference is founded without one
        query = query.where(table.c.act != "bank.found")
    rows = [dict(row._mapping) for row in tx.connection.execute(query)]
    if table is tables.policy:  # its text is a matter of the store
        for row in rows:
            row["body"] = POLICIES[row["kind"]].model_validate_json(row["body"])
    return rows


def _shown(
    columns: Iterable[str], rows: Iterable[Mapping[str, Any]], names: Mapping[bytes, bytes]
) -> list[str]:
    """Rows in a form that can be compared and read; ids that no receipt told are not compared."""
    return sorted(
        ", ".join(f"{column}={_value(column, row[column], names)}" for column in columns)
        for row in rows
    )


def _value(column: str, value: Any, names: Mapping[bytes, bytes]) -> Any:
    if value is not None and column.endswith("_id") and column != "policy_id":
        return names.get(value, b"?").hex()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return int(value) if isinstance(value, bool) else value


def _named(name: str, rows: Iterable[Any]) -> list[Row]:
    """Rows with attributes as rows with named columns."""
    return [{column: getattr(row, column) for column in COLUMNS[name]} for row in rows]


def _plain(rows: Iterable[Any]) -> list[Row]:
    """Named tuples as rows."""
    return [row._asdict() for row in rows]


def _heads(books: Books, today: dt.date) -> list[Row]:
    heads = books.heads(books.lines, terms_of(books.policy_book(), today))
    return _named("account_head", heads.values())


def _events(books: Books) -> list[Row]:
    return [
        {"hold_id": hold.hold_id, **step._asdict()}
        for hold in books.holds.values()
        for step in hold.steps
    ]


def _vouchers(books: Books) -> list[Row]:
    return [
        one._asdict() | {"idempotency_key": one.key, "second_staff_no": one.second_no}
        for one in books.vouchers.values()
    ]


def _outlets(books: Books) -> list[Row]:
    return [
        {
            "outlet_no": number, "code": one.code, "name": one.name, "tier": one.tier,
            "parent_no": one.parent_no, "setting": books.settings[number],
            "state": "open" if one.is_open else "closed",
            "closed_on": books.outlets_closed_on.get(number),
        }
        for number, one in books.outlets.items()
    ]  # fmt: skip


def _outlet_stays(books: Books) -> list[Row]:
    numbers: Counter[int] = Counter()
    rows = []
    for one in books.stays:
        numbers[one.outlet_no] += 1
        state = "open" if one.is_open else "closed"
        rows.append(one._asdict() | {"stay_no": numbers[one.outlet_no], "state": state})
    return rows


def _roles(books: Books) -> list[Row]:
    return [
        {
            "staff_no": person.staff_no, "role_no": role.role_no, "role": role.facts.role,
            "outlet_no": role.facts.outlet_no, "store_no": role.facts.store_no,
            "since_on": role.since_on, "ended_on": role.ended_on,
        }
        for person in books.people.values()
        for role in person.roles
    ]  # fmt: skip


def _policies(books: Books) -> list[Row]:
    return [
        {"policy_id": number, "kind": one.kind, "effective_on": effective_on, "body": one}
        for number, effective_on, one in books.policies
    ]


def _customers(books: Books) -> list[Row]:
    return [
        {
            "account_no": one.account_no, "kind": one.kind, "outlet_no": one.outlet_no,
            "stay_no": len(one.stays), "ref": one.ref, "registered_on": one.registered_on,
            "state": one.state, "state_since_on": one.state_since_on,
            "closed_on": one.state_since_on if one.state == CLOSED else None,
        }
        for one in books.customers.values()
    ]  # fmt: skip


def _stays(books: Books) -> list[Row]:
    return [
        {"account_no": one.account_no, "stay_no": number, "since_on": day, "outlet_no": outlet}
        for one in books.customers.values()
        for number, (day, outlet) in enumerate(one.stays, start=1)
    ]


def _stores(books: Books) -> list[Row]:
    return [
        {
            "store_no": one.store_no, "code": one.code, "name": one.name, "kind": one.kind,
            "recruited_by_no": one.outlet_no, "joined_on": one.joined_on,
            "left_on": one.left_on, "account_no": internal_no("store", one.store_no),
        }
        for one in books.stores.values()
    ]  # fmt: skip


def _people(books: Books) -> list[Row]:
    return [
        {
            "account_no": one.account_no, "name": one.name,
            "document_kind": one.document[0] if one.document else None,
            "document_no": one.document_no, "birth_on": one.birth_on, "phone": one.phone,
        }
        for one in books.customers.values()
    ]  # fmt: skip


#: The reference's books as tables of named columns.
_TOLD: dict[str, Callable[[Books, dt.date], list[Row]]] = {
    "account_line": lambda books, _: _plain(_each(books.lines)),
    "account_head": _heads,
    "hour_record": lambda books, _: _plain(_each(books.records)),
    "hold": lambda books, _: _plain(books.holds.values()),
    "hold_event": lambda books, _: _events(books),
    "redemption": lambda books, _: _plain(books.redemptions.values()),
    "refund": lambda books, _: _plain(books.refunds),
    "line_part": lambda books, _: _plain(books.parts),
    "internal_move": lambda books, _: _plain(books.moves),
    "offer": lambda books, _: _named("offer", books.offer_facts(books.offers).values()),
    "passbook": lambda books, _: _named("passbook", books.passbooks.values()),
    "loss_report": lambda books, _: _named("loss_report", _each(books.loss_reports)),
    "pool": lambda books, _: _named("pool", books.pools.values()),
    "closing": lambda books, _: _plain(books.closings.values()),
    "voucher": lambda books, _: _vouchers(books),
    "outlet": lambda books, _: _outlets(books),
    "outlet_stay": lambda books, _: _outlet_stays(books),
    "staff": lambda books, _: _named("staff", books.people.values()),
    "staff_role": lambda books, _: _roles(books),
    "policy": lambda books, _: _policies(books),
    "customer": lambda books, _: _customers(books),
    "customer_stay": lambda books, _: _stays(books),
    "partner_store": lambda books, _: _stores(books),
    "person": lambda books, _: _people(books),
}


def _each(by_account: Mapping[int, Iterable[Any]]) -> Iterable[Any]:
    return itertools.chain.from_iterable(by_account.values())
