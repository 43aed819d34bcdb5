"""Pools as facts and as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.pools import PoolFacts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import account, account_head, outlet, pool
from gongyi_bank.store.transaction import Ask, Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

POOL_COLUMNS = columns_of(pool)
_ITS_OUTLET = sa.and_(outlet.c.bank_id == pool.c.bank_id, outlet.c.outlet_no == pool.c.outlet_no)
_ITS_HEAD = sa.and_(
    account_head.c.bank_id == pool.c.bank_id, account_head.c.account_no == pool.c.account_no
)


def _facts(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(
            pool.c.pool_no,
            pool.c.code,
            pool.c.name,
            pool.c.outlet_no,
            outlet.c.code.label("outlet_code"),
            pool.c.account_no,
            pool.c.state,
        )
        .select_from(pool.join(outlet, _ITS_OUTLET))
        .where(of_bank(pool), condition)
    )


@query
def _by_codes(engine: StoreEngine) -> sa.Select[Any]:
    return _facts(engine.among(pool.c.code, "codes"))


@query
def _by_accounts(engine: StoreEngine) -> sa.Select[Any]:
    return _facts(engine.among(pool.c.account_no, "accounts"))


def ask_pools_of(accounts: Iterable[int]) -> Ask[dict[int, PoolFacts]]:
    """The pools among these accounts, by account; their state is true behind their heads' locks."""
    return _by_accounts.ask(
        lambda rows: {found.account_no: found for found in (PoolFacts(*row) for row in rows)},
        accounts=sorted(set(accounts)),
    )


def ask_pools(codes: Iterable[str]) -> Ask[dict[str, PoolFacts]]:
    """The pools with these codes, by code; only their heads' locks keep the state true."""
    return _by_codes.ask(
        lambda rows: {row[1]: PoolFacts(*row) for row in rows}, codes=sorted(set(codes))
    )


def load_pools(tx: Transaction, codes: Iterable[str]) -> dict[str, PoolFacts]:
    """The pools with these codes, by code."""
    return tx.look(ask_pools(codes))


@query
def _listed(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    return (
        sa.select(
            pool.c.code,
            pool.c.name,
            outlet.c.code.label("outlet_code"),
            outlet.c.name.label("outlet_name"),
            pool.c.account_no,
            head.c.credited,
            head.c.debited,
            pool.c.state,
        )
        .select_from(pool.join(outlet, _ITS_OUTLET).join(head, _ITS_HEAD))
        .where(of_bank(pool))
        .order_by(pool.c.pool_no)
    )


def list_pools(tx: Transaction) -> list[tuple[Any, ...]]:
    """Every pool, oldest first: code, name, outlet, its name, account, credited, debited,
    state."""
    return _listed(tx)


@dataclass(frozen=True, slots=True)
class AuditPool:
    """A pool with the account and the head that it should have."""

    pool_no: int
    code: str
    outlet_no: int
    account_no: int
    account_kind: str | None
    account_outlet_no: int | None
    head_no: int | None


@query
def _audited(_: StoreEngine) -> sa.Select[Any]:
    own = sa.and_(account.c.bank_id == pool.c.bank_id, account.c.account_no == pool.c.account_no)
    its_head = sa.and_(
        account_head.c.bank_id == pool.c.bank_id, account_head.c.account_no == pool.c.account_no
    )
    return (
        sa.select(
            pool.c.pool_no,
            pool.c.code,
            pool.c.outlet_no,
            pool.c.account_no,
            account.c.kind,
            account.c.outlet_no.label("account_outlet_no"),
            account_head.c.account_no.label("head_no"),
        )
        .select_from(pool.outerjoin(account, own).outerjoin(account_head, its_head))
        .where(of_bank(pool))
        .order_by(pool.c.pool_no)
    )


def list_audited(tx: Transaction) -> list[AuditPool]:
    """Every pool with what it should have."""
    return [AuditPool(*row) for row in _audited(tx)]


def write_pool(writes: Writes, row: Row) -> None:
    """Add a pool (a full row in the order of POOL_COLUMNS), after its account."""
    writes.insert(pool, POOL_COLUMNS, [row])


def write_pool_state(writes: Writes, found: PoolFacts, state: str) -> None:
    """Change a pool's state; guarded by the state that was decided on."""
    writes.update(
        pool,
        [(found.pool_no, found.state, state)],
        key=("pool_no",),
        guards=("state",),
        changes=("state",),
    )
