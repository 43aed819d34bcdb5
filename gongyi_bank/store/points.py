"""Opening records: the first entry of accounts that came from paper books."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.accrual import RecordFacts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.hours import RECORD_FACTS
from gongyi_bank.store.tables import account, customer, hour_record
from gongyi_bank.store.transaction import Transaction, of_bank, query


@query
def _openings(engine: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    return sa.select(*RECORD_FACTS).where(
        of_bank(record),
        engine.among(record.c.account_no, "accounts"),
        record.c.record_no == 1,
        record.c.kind == "opening",
    )


def load_openings(tx: Transaction, accounts: Iterable[int]) -> dict[int, RecordFacts]:
    """The opening record of each of these accounts that has one."""
    rows = _openings(tx, accounts=sorted(set(accounts)))
    return {row[0]: RecordFacts(*row) for row in rows}


@query
def _homes(engine: StoreEngine) -> sa.Select[Any]:
    """The outlet that each account belongs to now: a customer's may have moved."""
    its_customer = sa.and_(
        customer.c.bank_id == account.c.bank_id, customer.c.account_no == account.c.account_no
    )
    home = sa.func.coalesce(customer.c.outlet_no, account.c.outlet_no)
    return (
        sa.select(account.c.account_no, home)
        .select_from(account.outerjoin(customer, its_customer))
        .where(of_bank(account), engine.among(account.c.account_no, "accounts"))
    )


def load_homes(tx: Transaction, accounts: Iterable[int]) -> dict[int, int]:
    """The number of the outlet that each of these accounts, customers' or pools', belongs to."""
    return dict(_homes(tx, accounts=sorted(set(accounts))))
