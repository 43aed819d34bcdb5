"""Partner stores, offers and redemptions as facts and rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import partner_store
from gongyi_bank.store.transaction import Transaction, of_bank, query


@query
def _numbers(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(partner_store.c.code, partner_store.c.store_no).where(
        of_bank(partner_store), engine.among(partner_store.c.code, "codes")
    )


def load_store_numbers(tx: Transaction, codes: Iterable[str]) -> dict[str, int]:
    """The numbers of the stores with these codes."""
    names = sorted(set(codes))
    return dict(_numbers(tx, codes=names)) if names else {}
