"""Opening records: the first entry of accounts that came from paper books."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.accrual import RecordFacts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.hours import RECORD_FACTS
from gongyi_bank.store.tables import hour_record
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
