"""The desk of 预留: points put aside for a payee."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from gongyi_bank.commands.holds import (
    CaptureHold,
    CaptureHolds,
    ExtendHold,
    LapseOverdue,
    PlaceHold,
    ReleaseHold,
    ReleaseHolds,
)
from gongyi_bank.commands.hours import ROWS_MAX
from gongyi_bank.desks.base import Desk, act
from gongyi_bank.display import Column, Table
from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import require_moment
from gongyi_bank.reports.words import HOLD_STATES
from gongyi_bank.rules.holds import HELD, LAPSED
from gongyi_bank.service import holds
from gongyi_bank.store import holds as store
from gongyi_bank.store.ledger import load_moments
from gongyi_bank.store.transaction import Rows, Transaction
from gongyi_bank.values import Points, format_account_no, parse_account_no

_COLUMNS = (
    Column("hold_id", "预留编号", "Hold"),
    Column("account", "账号", "Account", "right"),
    Column("payee", "受付方", "Payee"),
    Column("sku", "货号", "Article"),
    Column("points", "预留积分", "Held at first", "right"),
    Column("captured", "已支用", "Captured", "right"),
    Column("points_left", "尚留积分", "Still held", "right"),
    Column("state", "状态", "State", words=HOLD_STATES),
    Column("placed_at", "预留时间", "Placed"),
    Column("deadline_at", "到期", "Deadline"),
)
#: Before any deadline.
_FIRST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class HoldsDesk(Desk):
    """预留: points put aside for a payee, until captured, released or lapsed."""

    place = act(PlaceHold, holds.place)
    extend = act(ExtendHold, holds.extend)
    capture = act(CaptureHold, holds.capture)
    capture_many = act(CaptureHolds, holds.capture_many)
    release = act(ReleaseHold, holds.release)
    release_many = act(ReleaseHolds, holds.release_many)
    lapse_overdue = act(LapseOverdue, holds.lapse_overdue)

    def list(
        self, *, after: tuple[dt.datetime, UUID] | None = None, count_max: int = 1000
    ) -> Table:
        """Open holds of the bank, first deadline first; those of reservations have an article.

        `lapsed` is where only the sweep is missing. The next page begins `after` the deadline
        and id of the last row.
        """
        _require_count(count_max)
        since, hold_id = _place((_FIRST, UUID(int=0)) if after is None else after)
        return self._house.read(
            lambda tx: _table(
                tx, "预留", "Holds", store.list_open(tx, since, hold_id.bytes, count_max)
            )
        )

    def of(self, account: int | str, *, count_max: int = 100) -> Table:
        """An account's newest holds, newest first, whatever became of them."""
        _require_count(count_max)
        number = parse_account_no(account)
        shown = format_account_no(number)
        return self._house.read(
            lambda tx: _table(
                tx, f"账户 {shown} 预留", f"Holds of account {shown}",
                store.list_of_account(tx, number, count_max),
            )
        )  # fmt: skip


def _place(after: tuple[dt.datetime, UUID]) -> tuple[dt.datetime, UUID]:
    if not isinstance(after, tuple) or len(after) != 2 or not isinstance(after[1], UUID):
        raise InvalidValue.of("after", after, "the deadline and the id of the last row")
    return require_moment(after[0], "after"), after[1]


def _require_count(count_max: int) -> None:
    if type(count_max) is not int or not 1 <= count_max <= ROWS_MAX:
        raise InvalidValue.of("count_max", count_max, f"a whole number from 1 to {ROWS_MAX}")


def _table(tx: Transaction, title: str, title_en: str, rows: Rows) -> Table:
    zone, scale = tx.bank.zone, tx.bank.scale
    now = load_moments(tx, (row[1] for row in rows))

    def shown(row: tuple[Any, ...]) -> tuple[Any, ...]:
        hold_id, account, payee, sku, amount, captured, state, placed_at, deadline_at = row
        is_open = state == HELD
        left = amount - captured if is_open else 0
        return (
            UUID(bytes=hold_id), account, payee, sku,
            *(Points.of_units(units, scale) for units in (amount, captured, left)),
            LAPSED if is_open and now[account] >= deadline_at else state,
            placed_at.astimezone(zone), deadline_at.astimezone(zone),
        )  # fmt: skip

    return Table(title=title, title_en=title_en, columns=_COLUMNS, rows=tuple(map(shown, rows)))
