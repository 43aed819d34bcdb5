"""What the clearing between branches is about: its moves, and the lines that crossed from branch
to branch. Read only; the sums by which a closing nets are in `store.totals`."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from gongyi_bank.store import counting
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import total_of
from gongyi_bank.store.tables import account, account_line, closing, internal_move
from gongyi_bank.store.transaction import Ask, Rows, of_bank, query


@query
def _netted(_: StoreEngine) -> sa.Select[Any]:
    move = internal_move
    its = sa.and_(
        move.c.bank_id == closing.c.bank_id, move.c.voucher_id == closing.c.closed_voucher_id
    )
    return (
        sa.select(move.c.source_no, move.c.target_no, move.c.amount)
        .select_from(closing.join(move, its))
        .where(of_bank(closing), closing.c.closing_no == sa.bindparam("closing"))
    )


def ask_netted(closing_no: int) -> Ask[Rows]:
    """(source, target, amount) of the moves that a closing made."""
    return _netted.ask(list, closing=closing_no)


@query
def _crossings(_: StoreEngine) -> sa.Select[Any]:
    """Lines found by the other side's account, which have an index by day.

    Of two lines that mirror each other the giver's counts.
    """
    line = account_line
    contra = sa.and_(line.c.bank_id == account.c.bank_id, line.c.contra_no == account.c.account_no)
    has_no_mirror = sa.and_(account.c.kind != "customer", account.c.kind != "pool")
    sums = (
        sa.select(line.c.account_no, line.c.contra_no, line.c.kind)
        .add_columns(total_of(line.c.amount).label("amount"))
        .select_from(account.join(line, contra))
        .where(
            of_bank(account),
            counting.within(line.c.business_day),
            sa.or_(has_no_mirror, line.c.amount < 0),
        )
        .group_by(line.c.account_no, line.c.contra_no, line.c.kind)
        .subquery("sums")
    )
    placed = sa.select(
        counting.kept_at(sums.c.account_no).label("own_no"),
        counting.kept_at(sums.c.contra_no).label("other_no"),
        sums.c.kind,
        sums.c.amount,
    ).subquery("placed")
    return (
        sa.select(placed.c.own_no, placed.c.other_no, placed.c.kind, total_of(placed.c.amount))
        .where(placed.c.own_no != placed.c.other_no)
        .group_by(placed.c.own_no, placed.c.other_no, placed.c.kind)
    )


def ask_crossings(first_on: dt.date, last_on: dt.date) -> Ask[Rows]:
    """(outlet of the account, outlet of the other side, kind, amount) of lines between outlets."""
    return _crossings.ask(list, first_on=first_on, last_on=last_on)
