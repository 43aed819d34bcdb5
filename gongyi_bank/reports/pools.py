"""积分池: the list of pools, what each of them has, and its statement. Read only."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.display import Column, Table
from gongyi_bank.reports import statements
from gongyi_bank.reports.statements import Days, Statement
from gongyi_bank.reports.words import OUTLET_STATES
from gongyi_bank.rules.pools import PoolFacts, require_pool
from gongyi_bank.store import pools as store
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, clean_code

_COLUMNS = (
    Column("pool", "积分池", "Pool"),
    Column("name", "名称", "Name"),
    Column("outlet", "网点", "Outlet"),
    Column("outlet_name", "网点名称", "Outlet name"),
    Column("account", "账号", "Account", "right"),
    Column("received", "收入", "Received", "right"),
    Column("given", "拨付", "Given", "right"),
    Column("balance", "余额", "Balance", "right"),
    Column("state", "状态", "State", words=OUTLET_STATES),
)


def list_pools(tx: Transaction) -> Table:
    """Every pool, oldest first."""
    scale = tx.bank.scale
    rows = tuple(
        (
            *row[:5], Points.of_units(row[5], scale), Points.of_units(row[6], scale),
            Points.of_units(row[5] - row[6], scale), row[7],
        )
        for row in store.list_pools(tx)
    )  # fmt: skip
    return Table(title="积分池", title_en="Pools", columns=_COLUMNS, rows=rows)


def balance(tx: Transaction, pool: str) -> Points:
    """What a pool has now; raises UnknownPool."""
    return statements.balance(tx, _require(tx, pool).account_no)


def statement(
    tx: Transaction,
    pool: str,
    *,
    newest: int = 50,
    before_line: int | None = None,
    between: Days | None = None,
    as_of: dt.date | dt.datetime | None = None,
) -> Statement:
    """The newest lines of a pool's account; raises UnknownPool, InvalidValue."""
    found = _require(tx, pool)
    return statements.statement(
        tx,
        found.account_no,
        newest=newest,
        before_line=before_line,
        between=between,
        as_of=as_of,
    )


def _require(tx: Transaction, pool: str) -> PoolFacts:
    code = clean_code(pool, field="pool")
    return require_pool(store.load_pools(tx, [code]), code)
