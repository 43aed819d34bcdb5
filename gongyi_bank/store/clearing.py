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


def _everywhere(home: sa.FromClause) -> sa.FromClause:
    """The outlet in whose books each account was on the period's last day."""
    customers = sa.select(home.c.account_no, home.c.outlet_no).where(
        home.c.bank_id == sa.bindparam("bank"), counting.was_kept(home)
    )
    others = sa.select(account.c.account_no, account.c.outlet_no).where(
        of_bank(account), account.c.kind != "customer"
    )
    return sa.union_all(customers, others).subquery()


@query
def _crossings(_: StoreEngine) -> sa.Select[Any]:
    """Lines found by the other side's account, which have an index by day.

    Of two lines that mirror each other the giver's counts.
    """
    line = account_line
    own, other = (_everywhere(counting.homes()).alias(name) for name in ("own", "other"))
    contra = sa.and_(line.c.bank_id == account.c.bank_id, line.c.contra_no == account.c.account_no)
    has_no_mirror = sa.and_(account.c.kind != "customer", account.c.kind != "pool")
    return (
        sa.select(own.c.outlet_no, other.c.outlet_no, line.c.kind, total_of(line.c.amount))
        .select_from(
            account.join(line, contra)
            .join(own, own.c.account_no == line.c.account_no)
            .join(other, other.c.account_no == line.c.contra_no)
        )
        .where(
            of_bank(account),
            counting.within(line.c.business_day),
            own.c.outlet_no != other.c.outlet_no,
            sa.or_(has_no_mirror, line.c.amount < 0),
        )
        .group_by(own.c.outlet_no, other.c.outlet_no, line.c.kind)
    )


def ask_crossings(first_on: dt.date, last_on: dt.date) -> Ask[Rows]:
    """(outlet of the account, outlet of the other side, kind, amount) of lines between outlets."""
    return _crossings.ask(list, first_on=first_on, last_on=last_on)
