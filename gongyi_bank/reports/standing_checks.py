"""How things stand, against what the database should have refused and against the books.

These tables are no ledger: an act changes a row, and only its voucher tells the old state. So
less can be said about them than about the ledger; `docs/explanation/reliability.md` says what.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from gongyi_bank.reports.faults import Fault
from gongyi_bank.store import agreements
from gongyi_bank.store import constraints as store
from gongyi_bank.store import stay_checks as stays
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import format_account_no


def faults_of_standing(tx: Transaction, counters: Mapping[tuple[str, int], int]) -> Iterator[Fault]:
    """Everything that does not agree."""
    for name, count in store.list_breaches(tx):
        yield Fault("constraint", name, f"{count} rows break it", "none")
    for name, count in store.list_dangling(tx):
        yield Fault("reference", name, f"{count} rows lead nowhere", "none")
    for account_no in store.list_unlike_stays(tx):
        where = f"账户 {format_account_no(account_no)}"
        yield Fault("customer_stay", where, "registered elsewhere", "as its newest stay says")
    for name, count in agreements.list_disagreements(tx):
        yield Fault("disagreement", name, f"{count} rows say another thing", "none")
    yield from _stays(tx)
    for redemption_id in store.list_wrong_prices(tx):
        where = f"兑换 {redemption_id.hex()}"
        yield Fault("redemption_points", where, "another price", "what its pieces cost")
    for redemption_id in store.list_wrong_days(tx):
        yield Fault("redemption_day", f"兑换 {redemption_id.hex()}", "another day", "its act's day")
    printed, counted = counters.get(("passbook", 0), 0), store.count_passbooks(tx)
    if printed != counted:
        yield Fault("passbook_count", "存折", f"{counted}", f"{printed}")
    yield from _founding(tx)


def _stays(tx: Transaction) -> Iterator[Fault]:
    """Stays follow each other by their acts' days, at outlets that were there; a closed outlet
    names the day on which it was closed, and nothing is open there."""
    for stay in stays.list_stays_of_customers(tx):
        if (expected := stay.expected()) is not None:
            where = f"账户 {format_account_no(stay.owner_no)}"
            yield Fault("customer_stay", where, str(stay), expected)
    for stay in stays.list_stays_of_outlets(tx):
        if (expected := stay.expected()) is not None:
            yield Fault("outlet_stay", f"网点 {stay.owner_no}", str(stay), expected)
    for code, closed_on, booked_on in stays.list_closed_otherwise(tx):
        yield Fault("outlet_closed", f"网点 {code}", str(closed_on), str(booked_on))
    for code, what, count in stays.list_left_open(tx):
        yield Fault("outlet_left", f"网点 {code}", f"{count} {what}", "nothing open: it is closed")


def _founding(tx: Transaction) -> Iterator[Fault]:
    """The bank is the one that its first voucher founded."""
    row = store.load_founding(tx)
    if row is None:
        yield Fault("bank", "银行", "no bank or no voucher", "both")
        return
    name, scale, zone, founded_at, booked_at, body = row
    try:
        facts = json.loads(body)
    except ValueError:
        facts = {}
    told = facts if isinstance(facts, dict) else {}
    expected = (told.get("bank"), told.get("scale"), told.get("time_zone"), booked_at)
    if (name, scale, zone, founded_at) != expected:
        found = f"{name}, {scale}, {zone}, {founded_at}"
        yield Fault("bank", "银行", found, ", ".join(map(str, expected)))
