"""Lines that are to be reversed, with their mirrors, their earlier parts and expired numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.past import PartTaken, Past, may_spend
from gongyi_bank.rules.reversals import CitedLine, LineKey, Reversible
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import ZERO, total_of, whole
from gongyi_bank.store.tables import (
    account,
    account_line,
    hold,
    hold_event,
    line_part,
    redemption,
    voucher,
)
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query

_FIELDS = tuple(CitedLine.__slots__)
#: The accounts on the other side of lines that are reversed by themselves.
_ONE_SIDED = ("issued", "store")


def _columns(line: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    return [line.c[name] for name in _FIELDS]


@query
def _line(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    return sa.select(*_columns(line)).where(
        of_bank(line),
        line.c.account_no == sa.bindparam("account"),
        line.c.line_no == sa.bindparam("line"),
    )


@query
def _lines_of(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    return (
        sa.select(*_columns(line))
        .where(of_bank(line), line.c.voucher_id == sa.bindparam("voucher"))
        .order_by(line.c.account_no, line.c.line_no)
    )


@query
def _voucher(_: StoreEngine) -> sa.Select[Any]:
    return sa.select(voucher.c.act).where(
        of_bank(voucher), voucher.c.voucher_id == sa.bindparam("voucher")
    )


def is_made_by(made: sa.FromClause, part: sa.FromClause) -> sa.ColumnElement[bool]:
    """This is the line by which a part went back; a part of which nothing moved has none."""
    return sa.and_(
        made.c.bank_id == part.c.bank_id,
        made.c.account_no == part.c.account_no,
        made.c.line_no == part.c.by_line_no,
    )


@query
def _parts(engine: StoreEngine) -> sa.Select[Any]:
    """All parts of lines of these accounts, with the lines that they are of."""
    part, line, made = line_part, account_line, account_line.alias("made")
    its_line = sa.and_(
        line.c.bank_id == part.c.bank_id,
        line.c.account_no == part.c.account_no,
        line.c.line_no == part.c.line_no,
    )
    return (
        sa.select(
            part.c.account_no,
            part.c.line_no,
            part.c.part_no,
            part.c.amount,
            part.c.expired,
            line.c.amount.label("of_amount"),
            line.c.contra_no,
            line.c.credited_after,
            line.c.debited_after,
            made.c.amount.label("moved"),
            made.c.credited_after.label("credited_by_then"),
            _cites_from(line, part).label("cites_from"),
        )
        .select_from(part.join(line, its_line).outerjoin(made, is_made_by(made, part)))
        .where(of_bank(part), engine.among(part.c.account_no, "accounts"))
    )


@query
def _expired(engine: StoreEngine) -> sa.Select[Any]:
    """The numbers that expiry lines took after these lines: no earlier one can have taken them."""
    line, expiry = account_line, account_line.alias("expiry")
    after = sa.and_(
        expiry.c.bank_id == line.c.bank_id,
        expiry.c.account_no == line.c.account_no,
        expiry.c.line_no > line.c.line_no,
    )
    return (
        sa.select(
            line.c.account_no,
            line.c.line_no,
            (expiry.c.debited_after + expiry.c.amount).label("below"),
            expiry.c.debited_after,
        )
        .select_from(line.join(expiry, after))
        .where(
            of_bank(line),
            engine.among(line.c.account_no, "accounts"),
            engine.among(line.c.line_no, "lines"),
            line.c.amount > 0,
            expiry.c.kind == "expiry",
        )
    )


@query
def _captured(engine: StoreEngine) -> sa.Select[Any]:
    """Of these lines the captures, of goods too: the number below the first point each cites."""
    line = account_line
    return sa.select(line.c.account_no, line.c.line_no, _captured_from(line)).where(
        of_bank(line),
        engine.among(line.c.account_no, "accounts"),
        engine.among(line.c.line_no, "lines"),
        sa.or_(line.c.kind == "capture", line.c.kind == "redemption"),
    )


def _cites_from(line: sa.FromClause, part: sa.FromClause) -> sa.ColumnElement[Any]:
    """Of a part with dead points: from which number on its line cites, if not from its own."""
    taken = redemption
    redeemed = sa.select(taken.c.cites_from).where(
        taken.c.bank_id == line.c.bank_id,
        taken.c.voucher_id == line.c.voucher_id,
        taken.c.line_no == line.c.line_no,
        taken.c.account_no == line.c.account_no,
    )
    at_once = redeemed.correlate(line).scalar_subquery()
    return sa.case(
        (part.c.expired == 0, sa.null()),
        (line.c.kind == "redemption", sa.func.coalesce(at_once, _captured_from(line))),
        (line.c.kind == "capture", _captured_from(line)),
    )


def _captured_from(line: sa.FromClause) -> sa.ScalarSelect[Any]:
    """The number below the first point that a capture cites.

    A hold is captured from its first point on, part by part.
    """
    step, earlier = hold_event, hold_event.alias("earlier")
    its_hold = sa.and_(
        hold.c.bank_id == step.c.bank_id,
        hold.c.hold_id == step.c.hold_id,
        hold.c.account_no == line.c.account_no,
    )
    captured = sa.func.sum(earlier.c.amount)
    before = (
        sa.select(whole(sa.func.coalesce(captured, sa.literal_column("0"))))
        .where(
            earlier.c.bank_id == step.c.bank_id,
            earlier.c.hold_id == step.c.hold_id,
            earlier.c.event_no < step.c.event_no,
            earlier.c.line_no.is_not(None),
        )
        .correlate(step)
        .scalar_subquery()
    )
    return (
        sa.select(hold.c.cites_from + before)
        .select_from(step.join(hold, its_hold))
        .where(
            step.c.bank_id == line.c.bank_id,
            step.c.voucher_id == line.c.voucher_id,
            step.c.line_no == line.c.line_no,
        )
        .correlate(line)
        .scalar_subquery()
    )


@query
def _uneven(_: StoreEngine) -> sa.Select[Any]:
    """Vouchers that took more of what an act gave than of what it received, or the other way."""
    part, line, other = line_part, account_line, account
    its_line = sa.and_(
        line.c.bank_id == part.c.bank_id,
        line.c.account_no == part.c.account_no,
        line.c.line_no == part.c.line_no,
    )
    its_other = sa.and_(other.c.bank_id == line.c.bank_id, other.c.account_no == line.c.contra_no)
    sign = sa.case((line.c.amount > 0, sa.literal_column("1")), else_=sa.literal_column("-1"))
    amount, expired = total_of(sign * part.c.amount), total_of(sign * part.c.expired)
    return (
        sa.select(part.c.voucher_id, amount.label("amount"), expired.label("expired"))
        .select_from(part.join(line, its_line).join(other, its_other))
        .where(of_bank(part), *(other.c.kind != kind for kind in _ONE_SIDED))
        .group_by(part.c.voucher_id)
        .having(sa.or_(amount != ZERO, expired != ZERO))
        .order_by(part.c.voucher_id)
    )


def list_uneven(tx: Transaction) -> list[tuple[bytes, int, int]]:
    """(voucher, by how much more points, and expired ones, its parts took of receivers)."""
    return [(voucher_id, amount, expired) for voucher_id, amount, expired in _uneven(tx)]


def load_cited(tx: Transaction, account_no: int, line_no: int) -> list[CitedLine]:
    """A line and, where its leg went to another account with lines, the mirror of it.

    Empty for a line that does not exist. Lines never change, so no lock is needed.
    """
    rows = _line(tx, account=account_no, line=line_no)
    if not rows:
        return []
    line = CitedLine(*rows[0])
    if not line.has_mirror:
        return [line]
    sides = {line.account_no, line.contra_no}
    both = (CitedLine(*row) for row in _lines_of(tx, voucher=line.voucher_id))
    return [one for one in both if {one.account_no, one.contra_no} == sides]


def load_of_voucher(tx: Transaction, voucher_id: bytes) -> list[CitedLine] | None:
    """All lines that a voucher wrote, by account and number; None if there is no such voucher."""
    if not _voucher(tx, voucher=voucher_id):
        return None
    return [CitedLine(*row) for row in _lines_of(tx, voucher=voucher_id)]


def asks_before(lines: Iterable[CitedLine]) -> tuple[Ask[Rows], ...]:
    """What was taken of their accounts' lines before, what has expired since, what they cite.

    True behind the heads' locks. Reversals and refunds are few in an account.
    """
    return _asks_before([line.key for line in lines])


def asks_reversible(account_no: int, line_no: int) -> tuple[Ask[Rows], ...]:
    """One line without a mirror, with what `asks_before` asks: all in one breath."""
    return (
        _line.ask(list, account=account_no, line=line_no),
        *_asks_before([(account_no, line_no)]),
    )


def _asks_before(keys: Sequence[LineKey]) -> tuple[Ask[Rows], ...]:
    accounts = sorted({account_no for account_no, _ in keys})
    lines = sorted({line_no for _, line_no in keys})
    return (
        _parts.ask(list, accounts=accounts),
        _expired.ask(list, accounts=accounts, lines=lines),
        _captured.ask(list, accounts=accounts, lines=lines),
    )


def reversibles(lines: Iterable[CitedLine], asked: Sequence[Ask[Rows]]) -> list[Reversible]:
    """The lines with what `asks_before` found."""
    parts, expired, captured = (ask.answer for ask in asked)
    pasts: dict[int, Past] = {}
    taken: dict[LineKey, list[PartTaken]] = {}
    for account_no, line_no, _, amount, *rest in sorted(parts, key=itemgetter(0, 1, 2)):
        mine = taken.setdefault((account_no, line_no), [])
        mine.append(_part_taken(mine[-1].high if mine else None, amount, rest))
        pasts.setdefault(account_no, Past()).note(mine[-1])
    # Two lines of an account name an expiry line twice.
    for account_no, below, last in sorted({(row[0], *row[2:]) for row in expired}):
        pasts.setdefault(account_no, Past()).expired.append((below, last))
    cites = {(account_no, line_no): cites_from for account_no, line_no, cites_from in captured}
    return [
        Reversible(
            line,
            sum(part.high - part.low for part in taken.get(line.key, ())),
            len(taken.get(line.key, ())),
            sum(part.expired for part in taken.get(line.key, ())),
            pasts.setdefault(line.account_no, Past()),
            cites.get(line.key),
        )
        for line in lines
    ]


def _part_taken(after: int | None, amount: int, rest: Sequence[Any]) -> PartTaken:
    """A row of `_parts`; `after` is the last number of the part before it."""
    expired, of_amount, contra_no, credited_after, debited_after, moved, credited_by_then, cites = (
        rest
    )
    is_credit = of_amount > 0
    below = (credited_after if is_credit else debited_after) - abs(of_amount)
    low = below if after is None else after
    numbers = (is_credit, low, low + amount, expired)
    cites_from = None if cites is None else cites + low - below
    made = (abs(moved or 0), credited_by_then or 0)
    return PartTaken(*numbers, *made, cites_from, may_spend(contra_no))


def reversible(asked: Sequence[Ask[Rows]]) -> Reversible:
    """The line that `asks_reversible` asked for; it must exist."""
    line, *before = asked
    return reversibles([CitedLine(*line.answer[0])], before)[0]
