"""What accounts have given and were granted in each month: read, written, and recomputed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.given import PURPOSES, Month, Sum, Sums, month_of
from gongyi_bank.rules.reversals import CitedLine
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.reversals import is_made_by
from gongyi_bank.store.sums import ZERO, total_of, whole
from gongyi_bank.store.tables import account_head, account_line, given_sum, line_part
from gongyi_bank.store.tables.columns import Day
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of

_COLUMNS = columns_of(given_sum)
#: So many accounts are recomputed at a time.
_ACCOUNTS_MAX = 200
#: Above every account number.
_LAST = 2**62


@query
def _sums(engine: StoreEngine) -> sa.Select[Any]:
    first, last = (sa.bindparam(name, type_=Day()) for name in ("first", "last"))
    return sa.select(*(given_sum.c[name] for name in _COLUMNS)).where(
        of_bank(given_sum),
        engine.among(given_sum.c.account_no, "accounts"),
        given_sum.c.month_on >= first,
        given_sum.c.month_on <= last,
    )


def _is_counted() -> sa.ColumnElement[bool]:
    return sa.or_(*(account_line.c.kind == kind for kind in PURPOSES))


def _kept() -> sa.ColumnElement[Any]:
    """What a line moved, less what came back of it: the lines of its parts say how much."""
    line, part, made = account_line, line_part, account_line.alias("made")
    back = (
        sa.select(sa.func.coalesce(sa.func.sum(sa.func.abs(made.c.amount)), ZERO))
        .select_from(part.join(made, is_made_by(made, part)))
        .where(
            part.c.bank_id == line.c.bank_id,
            part.c.account_no == line.c.account_no,
            part.c.line_no == line.c.line_no,
        )
        .correlate(line)
        .scalar_subquery()
    )
    return sa.func.abs(line.c.amount) - back


@query
def _kept_of(engine: StoreEngine) -> sa.Select[Any]:
    """What is left of one voucher's lines, by account and kind."""
    line = account_line
    lines = (
        sa.select(line.c.account_no, line.c.kind, _kept().label("kept"))
        .where(
            of_bank(line),
            line.c.voucher_id == sa.bindparam("voucher"),
            engine.among(line.c.account_no, "accounts"),
            _is_counted(),
        )
        .subquery("lines")
    )
    return sa.select(lines.c.account_no, lines.c.kind, total_of(lines.c.kept)).group_by(
        lines.c.account_no, lines.c.kind
    )


def _sums_of(rows: Rows) -> dict[Month, Sum]:
    return {(row[0], row[1], row[2]): Sum(*row[3:]) for row in rows}


def ask_given(accounts: Iterable[int], today: dt.date) -> Ask[dict[Month, Sum]]:
    """What these accounts gave, and were granted, in each month of this calendar year.

    Their heads' locks keep it true. A few rows an account, however many lines it has.
    """
    return _ask_sums(accounts, today.replace(month=1, day=1), dt.date.max)


def _ask_sums(accounts: Iterable[int], first: dt.date, last: dt.date) -> Ask[dict[Month, Sum]]:
    return _sums.ask(_sums_of, accounts=sorted(set(accounts)), first=first, last=last)


def asks_given_then(
    lines: Sequence[CitedLine],
) -> tuple[Ask[dict[Month, Sum]], Ask[dict[tuple[int, str], int]]]:
    """The sums that these lines of one voucher are in, and what is left of that act in them.

    Nobody is asked where no line is of a kind that limits count.
    """
    counted = [line for line in lines if line.kind in PURPOSES]
    accounts = sorted({line.account_no for line in counted})
    months = [month_of(line.value_on) for line in counted] or [dt.date.max]

    def kept(rows: Rows) -> dict[tuple[int, str], int]:
        return {(account_no, kind): points for account_no, kind, points in rows}

    voucher_id = counted[0].voucher_id if counted else b""
    return (
        _ask_sums(accounts, min(months), max(months)).settled_if(not counted),
        _kept_of.ask(kept, voucher=voucher_id, accounts=accounts).settled_if(not counted),
    )


def write_sums(writes: Writes, sums: Sums) -> None:
    """Add what an act makes of these sums, whether they are new or not."""
    rows = [(*month, *found) for month, found in sorted(sums.items())]
    writes.insert(given_sum, _COLUMNS, rows, replaces=Sum._fields)


# --- for an audit ----------------------------------------------------------------------------


@query
def _heads(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    return (
        sa.select(head.c.account_no)
        .where(of_bank(head), head.c.account_no > sa.bindparam("above"))
        .order_by(head.c.account_no)
        .limit(sa.bindparam("size", type_=sa.Integer()))
    )


def _within(number: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return sa.and_(number > sa.bindparam("above"), number <= sa.bindparam("last"))


@query
def _stored(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(*(given_sum.c[name] for name in _COLUMNS)).where(
        of_bank(given_sum), _within(given_sum.c.account_no)
    )


@query
def _by_day(_: StoreEngine) -> sa.Select[Any]:
    """What the lines of each kind and value date kept, and how many vouchers kept something."""
    line = account_line
    lines = (
        sa.select(
            line.c.account_no, line.c.value_on, line.c.kind, line.c.voucher_id,
            _kept().label("kept"),
        )
        .where(of_bank(line), _within(line.c.account_no), _is_counted())
        .subquery("lines")
    )  # fmt: skip
    counted = sa.case((lines.c.kept > ZERO, lines.c.voucher_id), else_=sa.null())
    return (
        sa.select(
            lines.c.account_no,
            lines.c.value_on,
            lines.c.kind,
            whole(sa.func.sum(lines.c.kept)).label("points"),
            sa.func.count(sa.distinct(counted)).label("acts"),
        )
        .select_from(lines)
        .group_by(lines.c.account_no, lines.c.value_on, lines.c.kind)
    )


def compare_given(tx: Transaction) -> Iterator[tuple[Month, Sum | None, Sum | None]]:
    """(month, its sum, what its lines add up to) wherever there is either."""
    above = 0
    while above < _LAST:
        numbers = [row[0] for row in _heads(tx, above=above, size=_ACCOUNTS_MAX)]
        last = numbers[-1] if len(numbers) == _ACCOUNTS_MAX else _LAST
        found = _sums_of(_stored(tx, above=above, last=last))
        made: dict[Month, Sum] = {}
        for account_no, value_on, kind, points, acts in _by_day(tx, above=above, last=last):
            month = (account_no, month_of(value_on), kind)
            before = made.get(month, Sum())
            made[month] = Sum(before.points + points, before.acts + acts)
        for month in sorted(found.keys() | made.keys()):
            yield month, found.get(month), made.get(month)
        above = last
