"""Desks about points that change hands: gifts, donations, and pools with their grants."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.commands.pools import ClosePool, OpenPool
from gongyi_bank.commands.transfers import DonatePoints, GiftPoints, GrantFromPool, SendPoints
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.display import Table
from gongyi_bank.reports import pools as reports
from gongyi_bank.reports.statements import Days, Statement
from gongyi_bank.service import pools, transfers
from gongyi_bank.values import Points


class TransfersDesk(Desk):
    """转赠、捐赠与拨付: points from one account to another."""

    gift = act(GiftPoints, transfers.gift)
    donate = act(DonatePoints, transfers.donate)
    grant = act(GrantFromPool, transfers.grant)
    send = act(SendPoints, transfers.send)


class PoolsDesk(Desk):
    """积分池: what donations go to and grants come from."""

    open = act(OpenPool, pools.open_pool)
    close = act(ClosePool, pools.close)

    def list(self) -> Table:
        """Every pool with what it received, gave and has."""
        return self._house.read(reports.list_pools)

    def balance(self, pool: str) -> Points:
        """余额: what a pool has now. Raises UnknownPool."""
        return self._house.read(lambda tx: reports.balance(tx, pool))

    def statement(
        self,
        pool: str,
        *,
        newest: int = 50,
        before_line: int | None = None,
        between: Days | None = None,
        as_of: dt.date | dt.datetime | None = None,
    ) -> Statement:
        """积分池明细: as `reports.statement`, for a pool. Raises UnknownPool, InvalidValue."""
        return self._house.read(
            lambda tx: reports.statement(
                tx, pool, newest=newest, before_line=before_line, between=between, as_of=as_of
            )
        )
