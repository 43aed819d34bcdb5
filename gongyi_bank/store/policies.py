"""The adopted policies of a bank, as one book."""

from __future__ import annotations

import sqlalchemy as sa

from gongyi_bank.policies import POLICIES, PolicyBook
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import bank, policy
from gongyi_bank.store.transaction import Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of


@query
def _all(_: StoreEngine) -> sa.Select[tuple[int, str, object, str]]:
    return sa.select(policy.c.policy_id, policy.c.kind, policy.c.effective_on, policy.c.body).where(
        of_bank(policy)
    )


@query
def _stamp(_: StoreEngine) -> sa.Select[tuple[int]]:
    return sa.select(bank.c.policies_stamp).where(of_bank(bank))


def load_stamp(tx: Transaction) -> int:
    """Changes with every adoption: what an open handle compares its copy with."""
    stamp: int = _stamp(tx)[0][0]
    return stamp


def load_book(tx: Transaction, stamp: int) -> PolicyBook:
    """All policies ever adopted."""
    adopted = [
        (policy_id, effective_on, POLICIES[kind].model_validate_json(body))
        for policy_id, kind, effective_on, body in _all(tx)
    ]
    return PolicyBook(adopted, stamp)


POLICY_COLUMNS = columns_of(policy)


def write_policies(writes: Writes, rows: list[Row]) -> None:
    """Add policies (full rows in the order of POLICY_COLUMNS) and change the bank's stamp."""
    writes.insert(policy, POLICY_COLUMNS, rows)


def write_stamp(tx: Transaction, voucher_id: bytes) -> None:
    """Tell every open handle that its copy of the rules is old.

    The stamp comes from the voucher's random part: one that was rolled back never returns.
    """
    stamp = int.from_bytes(voucher_id[-7:], "big")
    tx.execute(
        sa.update(bank).where(bank.c.bank_id == tx.bank.bank_id).values(policies_stamp=stamp)
    )
