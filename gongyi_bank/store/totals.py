"""Sums over all accounts, and the roll-ups by which they stay short.

Accounts with a floor (customers, pools) are summed from their heads. The others have none:
theirs are the totals rolled up with the newest closed day, and what came since. So nothing
here grows with the history before the last closed day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.ledger import EARLIEST, FLOORED_KINDS
from gongyi_bank.store import counting
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import ZERO, only_where, total_of
from gongyi_bank.store.tables import (
    account,
    account_head,
    account_line,
    account_total,
    closing,
    customer,
    internal_move,
    outlet,
)
from gongyi_bank.store.tables.columns import Big, Day
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of

_TOTAL_COLUMNS = columns_of(account_total)
#: Accounts with a head, and lines of their own.
_FLOORED = ("customer", "pool")
_DAY: sa.BindParameter[Any] = sa.bindparam("day", type_=Day())
_SINCE: sa.BindParameter[Any] = sa.bindparam("since", type_=Day())
#: Where the numbers of pools begin.
_POOLS: sa.BindParameter[Any] = sa.bindparam("pools", FLOORED_KINDS["pool"], type_=Big)


@dataclass(frozen=True, slots=True)
class AccountSum:
    """What went out of (debits) and into (credits) one kind of account of one outlet."""

    outlet_no: int
    kind: str
    debits: int
    credits: int


def _is_floored() -> sa.ColumnElement[bool]:
    return sa.or_(*(account.c.kind == kind for kind in _FLOORED))


def _places() -> sa.Subquery:
    """The outlet and kind of every account with a floor."""
    kind = sa.literal_column("'customer'", sa.Text()).label("kind")
    customers = sa.select(customer.c.account_no, customer.c.outlet_no, kind).where(
        of_bank(customer)
    )
    pools = sa.select(account.c.account_no, account.c.outlet_no, account.c.kind).where(
        of_bank(account), account.c.kind == "pool"
    )
    return sa.union_all(customers, pools).subquery("places")


def _of_heads(place: sa.Subquery) -> sa.Select[Any]:
    head = account_head
    return (
        sa.select(
            place.c.outlet_no, place.c.kind, total_of(head.c.debited), total_of(head.c.credited)
        )
        .select_from(place.join(head, head.c.account_no == place.c.account_no))
        .where(of_bank(head))
        .group_by(place.c.outlet_no, place.c.kind)
    )


@query
def _floored_to_date(_: StoreEngine) -> sa.Select[Any]:
    return _of_heads(_places())


def _by_place(sums: sa.Subquery) -> sa.Select[Any]:
    """Debits and credits of accounts with a floor, by where they were kept and by kind."""
    kind = sa.case((sums.c.account_no >= _POOLS, "pool"), else_="customer")
    placed = sa.select(
        counting.kept_at(sums.c.account_no).label("outlet_no"),
        sa.cast(kind, sa.Text()).label("kind"),
        sums.c.debits,
        sums.c.credits,
    ).subquery("placed")
    return sa.select(
        placed.c.outlet_no, placed.c.kind, total_of(placed.c.debits), total_of(placed.c.credits)
    ).group_by(placed.c.outlet_no, placed.c.kind)


@query
def _floored_then(_: StoreEngine) -> sa.CompoundSelect[Any]:
    """What accounts with a floor had at the end of a day, where the customers were then.

    What they have now less what came after, in one statement: so both are of one moment. What came
    after is found by the other side's account, whose lines have an index by day: a sum that is as
    long as the tail.
    """
    head, line = account_head, account_line
    now = (
        sa.select(
            head.c.account_no, head.c.debited.label("debits"), head.c.credited.label("credits")
        )
        .where(of_bank(head))
        .subquery("now")
    )
    contra = sa.and_(line.c.bank_id == account.c.bank_id, line.c.contra_no == account.c.account_no)
    after = (
        sa.select(
            line.c.account_no,
            total_of(only_where(line.c.amount < 0, line.c.amount)).label("debits"),
            total_of(only_where(line.c.amount > 0, -line.c.amount)).label("credits"),
        )
        .select_from(account.join(line, contra))
        .where(of_bank(account), line.c.business_day > counting.LAST)
        .group_by(line.c.account_no)
        .subquery("after")
    )
    return sa.union_all(_by_place(now), _by_place(after))


def _rolled_up() -> sa.Select[Any]:
    """Every account's newest totals of days up to `since`, one seek in the key for each."""
    older = account_total.alias("older")
    newest = (
        sa.select(sa.func.max(older.c.through_on, type_=older.c.through_on.type))
        .where(
            older.c.bank_id == account.c.bank_id,
            older.c.account_no == account.c.account_no,
            older.c.through_on <= _SINCE,
        )
        .correlate(account)
        .scalar_subquery()
    )
    its_total = sa.and_(
        account_total.c.bank_id == account.c.bank_id,
        account_total.c.account_no == account.c.account_no,
        account_total.c.through_on == newest,
    )
    total = account_total
    return (
        sa.select(account.c.account_no, account.c.outlet_no, account.c.kind)
        .add_columns(total.c.debits, total.c.credits)
        .select_from(account.join(total, its_total))
        .where(of_bank(account), ~_is_floored())
    )


def _by_lines() -> sa.Select[Any]:
    """The other side of the lines after `since` and up to `day`."""
    line = account_line
    contra = sa.and_(line.c.bank_id == account.c.bank_id, line.c.contra_no == account.c.account_no)
    return (
        sa.select(
            account.c.account_no,
            account.c.outlet_no,
            account.c.kind,
            total_of(only_where(line.c.amount > 0, line.c.amount)).label("debits"),
            total_of(only_where(line.c.amount < 0, -line.c.amount)).label("credits"),
        )
        .select_from(account.join(line, contra))
        .where(
            of_bank(account),
            ~_is_floored(),
            line.c.business_day > _SINCE,
            line.c.business_day <= _DAY,
        )
        .group_by(account.c.account_no, account.c.outlet_no, account.c.kind)
    )


def _by_moves(number: sa.Column[Any], *, is_debit: bool) -> sa.Select[Any]:
    """One side of the moves between internal accounts after `since` and up to `day`."""
    move = internal_move
    own = sa.and_(move.c.bank_id == account.c.bank_id, number == account.c.account_no)
    amounts = (move.c.amount, ZERO) if is_debit else (ZERO, move.c.amount)
    return (
        sa.select(
            account.c.account_no, account.c.outlet_no, account.c.kind, *map(total_of, amounts)
        )
        .select_from(account.join(move, own))
        .where(
            of_bank(account),
            ~_is_floored(),
            move.c.business_day > _SINCE,
            move.c.business_day <= _DAY,
        )
        .group_by(account.c.account_no, account.c.outlet_no, account.c.kind)
    )


def _moves() -> tuple[sa.Select[Any], sa.Select[Any]]:
    """Both sides of those moves."""
    return (
        _by_moves(internal_move.c.source_no, is_debit=True),
        _by_moves(internal_move.c.target_no, is_debit=False),
    )


@query
def _internal_rolled_up(_: StoreEngine) -> sa.Select[Any]:
    return _rolled_up()


@query
def _internal_moved(_: StoreEngine) -> sa.CompoundSelect[Any]:
    return sa.union_all(_by_lines(), *_moves())


@query
def _rolled_up_through(_: StoreEngine) -> sa.Select[Any]:
    """The newest closed day of the whole bank that is not after `day`."""
    of_the_bank = sa.and_(
        outlet.c.bank_id == closing.c.bank_id,
        outlet.c.outlet_no == closing.c.outlet_no,
        outlet.c.head_mark == 1,
    )
    last_on = closing.c.last_on
    return (
        sa.select(sa.func.max(last_on, type_=last_on.type))
        .select_from(closing.join(outlet, of_the_bank))
        .where(
            of_bank(closing),
            closing.c.kind == "day",
            closing.c.state == "closed",
            last_on <= _DAY,
        )
    )


@query
def _netted(_: StoreEngine) -> sa.CompoundSelect[Any]:
    return sa.union_all(*_moves())


Totals = dict[int, tuple[int, int]]


def ask_rolled_up_through(day: dt.date) -> Ask[dt.date]:
    """The newest day up to this one through which internal accounts are rolled up."""
    return _rolled_up_through.ask(lambda rows: rows[0][0] or EARLIEST, day=day)


def asks_of_internal(since: dt.date, day: dt.date) -> tuple[Ask[Rows], Ask[Rows]]:
    """Internal accounts' totals rolled up through `since`, and what came then and up to a day."""
    return _internal_rolled_up.ask(list, since=since), _internal_moved.ask(
        list, since=since, day=day
    )


def ask_floored_then(day: dt.date) -> Ask[Rows]:
    """(outlet, kind, debits, credits) of customers and pools at the end of a day, not merged."""
    return _floored_then.ask(list, last_on=day)


def ask_netted(since: dt.date) -> Ask[Rows]:
    """Moves between internal accounts since what was rolled up last, to this moment."""
    return _netted.ask(list, since=since, day=dt.date.max)


def new_totals(rolled_up: Rows, moved: Rows) -> Totals:
    """(debits, credits) through a day of every internal account that moved since the last one.

    Accounts that did not move keep their older totals: these hold on.
    """
    totals = {row[0]: [0, 0] for row in moved}
    for number, _, _, debits, credits_ in (*rolled_up, *moved):
        if number in totals:
            totals[number][0] += debits
            totals[number][1] += credits_
    return {number: (debits, credits_) for number, (debits, credits_) in totals.items()}


def write_totals(writes: Writes, totals: Totals, through_on: dt.date, voucher_id: bytes) -> None:
    """Roll up: add the totals of these accounts through a closed day."""
    rows = [(number, through_on, *sums, voucher_id) for number, sums in sorted(totals.items())]
    writes.insert(account_total, _TOTAL_COLUMNS, rows)


def list_account_sums(tx: Transaction, as_of: dt.date | None) -> list[AccountSum]:
    """Every account's debits and credits up to a day, by outlet and kind, not yet merged.

    The customers' side comes from their heads, where they are registered or were on that day;
    the other from the lines, so that the two prove each other. Nothing
    grows with the history before the last closed day.
    """
    rows = _floored_to_date(tx) if as_of is None else tx.look(ask_floored_then(as_of))
    day = as_of or dt.date.max
    internal = asks_of_internal(tx.look(ask_rolled_up_through(day)), day)
    tx.gather(*internal)
    rows += [row[1:] for ask in internal for row in ask.answer]
    return [AccountSum(*row) for row in rows]


# --- audit of what was rolled up -----------------------------------------------------------

#: Accounts whose days are in memory at a time.
_ACCOUNTS_MAX = 50


@query
def _all_totals(engine: StoreEngine) -> sa.Select[Any]:
    total = account_total
    return (
        sa.select(total.c.account_no, total.c.through_on, total.c.debits, total.c.credits)
        .where(of_bank(total), engine.among(total.c.account_no, "accounts"))
        .order_by(total.c.account_no, total.c.through_on)
    )


@query
def _internal(_: StoreEngine) -> sa.CompoundSelect[Any]:
    """The bank's own accounts, and whatever else was rolled up."""
    rolled_up = sa.select(account_total.c.account_no).where(of_bank(account_total))
    own = sa.select(account.c.account_no).where(of_bank(account), ~_is_floored())
    return sa.union(own, rolled_up).order_by("account_no")


@query
def _by_day(engine: StoreEngine) -> sa.CompoundSelect[Any]:
    """What moved on each day, account by account."""
    line, move = account_line, internal_move

    def side(table: sa.Table, number: sa.Column[Any], debits: Any, credits_: Any) -> sa.Select[Any]:
        return (
            sa.select(number, table.c.business_day, total_of(debits), total_of(credits_))
            .where(of_bank(table), engine.among(number, "accounts"))
            .group_by(number, table.c.business_day)
        )

    into, out = (
        only_where(line.c.amount > 0, line.c.amount),
        only_where(line.c.amount < 0, -line.c.amount),
    )
    return sa.union_all(
        side(line, line.c.contra_no, into, out),
        side(move, move.c.source_no, move.c.amount, ZERO),
        side(move, move.c.target_no, ZERO, move.c.amount),
    )


def compare_totals(
    tx: Transaction,
) -> Iterator[tuple[int, dt.date, tuple[int, int], tuple[int, int]]]:
    """(account, day, rolled up, recomputed) of every roll-up, a few accounts at a time.

    And of accounts that moved before the last closed day and were not rolled up since: balances
    begin with the roll-ups, so one that is not there is missing in every figure.
    """
    numbers = [row[0] for row in _internal(tx)]
    closed_on = _rolled_up_through(tx, day=dt.date.max)[0][0] or EARLIEST
    for start in range(0, len(numbers), _ACCOUNTS_MAX):
        part = numbers[start : start + _ACCOUNTS_MAX]
        days: dict[int, list[tuple[dt.date, int, int]]] = {}
        for number, *moved in _by_day(tx, accounts=part):
            days.setdefault(number, []).append((moved[0], moved[1], moved[2]))
        for each in days.values():
            each.sort(reverse=True)
        made = dict.fromkeys(part, (0, 0))
        for number, through_on, *found in _all_totals(tx, accounts=part):
            rest = days.get(number, [])
            while rest and rest[-1][0] <= through_on:
                _, debits, credits_ = rest.pop()
                made[number] = (made[number][0] + debits, made[number][1] + credits_)
            yield number, through_on, (found[0], found[1]), made[number]
        for number, rest in days.items():
            left = [moved for moved in rest if moved[0] <= closed_on]
            if left and number in made:
                last = made[number]
                sums = (sum(one[1] for one in left), sum(one[2] for one in left))
                yield number, closed_on, last, (last[0] + sums[0], last[1] + sums[1])
