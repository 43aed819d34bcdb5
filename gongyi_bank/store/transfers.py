"""What accounts have given in a month and a year, the points that they could give, and whether
the two sides of every transfer agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.expiry import ExpiryTerms
from gongyi_bank.rules.ledger import EARLIEST, MIRROR_KINDS, Head
from gongyi_bank.rules.transfers import GIFT, GRANT, GRANTEE, LINE_KINDS, Given, Lot
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import whole
from gongyi_bank.store.tables import account, account_head, account_line, line_part
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.values import NEVER

#: Whose limits the lines of a kind count to; see `TransferFacts.given`.
_PURPOSES = {given: purpose for purpose, (given, _) in LINE_KINDS.items()} | {
    LINE_KINDS[GRANT][1]: GRANTEE
}


@query
def _given(engine: StoreEngine) -> sa.Select[Any]:
    """One read of the account's own lines, of which those of the year count.

    A gift of points with several dates has several lines: it counts once, by its voucher, as a
    grant to many does for its pool. What came back by a reversal was not given, and a gift that
    came back whole does not count.
    """
    line, part = account_line, line_part
    zero: sa.ColumnElement[Any] = sa.literal_column("0")
    back = (
        sa.select(sa.func.coalesce(sa.func.sum(part.c.amount - part.c.expired), zero))
        .where(
            part.c.bank_id == line.c.bank_id,
            part.c.account_no == line.c.account_no,
            part.c.line_no == line.c.line_no,
        )
        .correlate(line)
        .scalar_subquery()
    )
    lines = (
        sa.select(
            line.c.account_no, line.c.kind, line.c.value_on, line.c.voucher_id,
            (sa.func.abs(line.c.amount) - back).label("given"),
        )
        .where(
            of_bank(line),
            engine.among(line.c.account_no, "accounts"),
            line.c.value_on >= sa.bindparam("year_first", type_=line.c.value_on.type),
            sa.or_(*(line.c.kind == kind for kind in _PURPOSES)),
        )
        .subquery("lines")
    )  # fmt: skip
    given, voucher_id = lines.c.given, lines.c.voucher_id
    in_month = lines.c.value_on >= sa.bindparam("month_first", type_=line.c.value_on.type)
    month_points = sa.func.sum(sa.case((in_month, given), else_=zero))
    counted = sa.case((given > zero, voucher_id), else_=sa.null())
    month_counted = sa.case((sa.and_(in_month, given > zero), voucher_id), else_=sa.null())
    return (
        sa.select(
            lines.c.account_no,
            lines.c.kind,
            whole(month_points).label("points_month"),
            sa.func.count(sa.distinct(month_counted)).label("count_month"),
            whole(sa.func.sum(given)).label("points_year"),
            sa.func.count(sa.distinct(counted)).label("count_year"),
        )
        .select_from(lines)
        .group_by(lines.c.account_no, lines.c.kind)
    )


def ask_given(accounts: Iterable[int], today: dt.date) -> Ask[dict[tuple[int, str], Given]]:
    """What these accounts gave, and were granted, this calendar month and year.

    Their heads' locks keep it true.
    """

    def read(rows: Rows) -> dict[tuple[int, str], Given]:
        return {(row[0], _PURPOSES[row[1]]): Given(*row[2:]) for row in rows}

    return _given.ask(
        read,
        accounts=sorted(set(accounts)),
        month_first=today.replace(day=1),
        year_first=today.replace(month=1, day=1),
    )


@query
def _lots(engine: StoreEngine) -> sa.Select[Any]:
    """Credit lines with points that are not spent, oldest first."""
    line, head = account_line, account_head
    unspent = sa.and_(
        line.c.bank_id == head.c.bank_id,
        line.c.account_no == head.c.account_no,
        line.c.amount > 0,
        line.c.credited_after > head.c.debited,
    )
    return (
        sa.select(
            line.c.account_no,
            (line.c.credited_after - line.c.amount).label("low"),
            line.c.credited_after,
            line.c.expires_on,
            line.c.business_day,
            line.c.kind,
        )
        .select_from(head.join(line, unspent))
        .where(of_bank(head), engine.among(head.c.account_no, "accounts"))
        .order_by(line.c.account_no, line.c.line_no)
    )


def load_lots(tx: Transaction, heads: Iterable[Head], terms: ExpiryTerms) -> dict[int, list[Lot]]:
    """The unspent points of these accounts, line by line; one scan of each account's lines.

    Points without a date have the one that an introduction of expiry has given them since. No
    point dies before an older one: where expiry has ended once, a line that is spent by now may
    have a later date than these, and the head tells it.
    """
    newest = {
        head.account_no: EARLIEST if head.next_expiry_on == NEVER else head.next_expiry_on
        for head in heads
    }
    numbers = sorted(newest)
    found: dict[int, list[Lot]] = {}
    for number, low, high, until, booked_on, kind in _lots(tx, accounts=numbers) if numbers else ():
        is_gifted = kind == LINE_KINDS[GIFT][1]
        newest[number] = max(newest[number], terms.last_day(until, booked_on))
        found.setdefault(number, []).append(Lot(low, high, newest[number], is_gifted))
    return found


# --- for an audit ----------------------------------------------------------------------------


@query
def _unpaired(_: StoreEngine) -> sa.Select[Any]:
    """Lines between two accounts with a floor that are not mirrored, one for one.

    Per voucher, pair of accounts, kind, amount, dates and direction there are as many lines
    on the one side as on the other.
    """
    line, out = account_line, MIRROR_KINDS.items()
    floored = sa.and_(
        account_head.c.bank_id == line.c.bank_id, account_head.c.account_no == line.c.contra_no
    )
    is_low = line.c.account_no < line.c.contra_no
    low = sa.case((is_low, line.c.account_no), else_=line.c.contra_no)
    high = sa.case((is_low, line.c.contra_no), else_=line.c.account_no)
    kind = sa.case(*((line.c.kind == taken, given) for given, taken in out), else_=line.c.kind)
    goes_up = sa.case((is_low == (line.c.amount < 0), 1), else_=0)
    side = sa.case((is_low, 1), else_=-1)
    same = (
        line.c.voucher_id, low, high, kind, goes_up, sa.func.abs(line.c.amount),
        line.c.business_day, line.c.value_on, line.c.origin_on, line.c.outlet_no,
    )  # fmt: skip
    found = (
        sa.select(
            line.c.account_no,
            line.c.line_no,
            line.c.contra_no,
            sa.func.sum(side).over(partition_by=same).label("surplus"),
        )
        .select_from(account_head.join(line, floored))
        .where(of_bank(account_head))
        .subquery("found")
    )
    return (
        sa.select(found.c.account_no, found.c.line_no, found.c.contra_no)
        .where(found.c.surplus != 0)
        .order_by(found.c.account_no, found.c.line_no)
    )


@query
def _in_transit(_: StoreEngine) -> sa.Select[Any]:
    """Vouchers whose lines leave something in a transit account."""
    line = account_line
    own = sa.and_(account.c.bank_id == line.c.bank_id, account.c.account_no == line.c.contra_no)
    left = sa.func.sum(line.c.amount)
    return (
        sa.select(line.c.contra_no, line.c.voucher_id, whole(-left).label("amount"))
        .select_from(account.join(line, own))
        .where(of_bank(account), account.c.kind == "transit")
        .group_by(line.c.contra_no, line.c.voucher_id)
        .having(left != 0)
        .order_by(line.c.contra_no, line.c.voucher_id)
    )


def list_unpaired(tx: Transaction) -> list[tuple[int, int, int]]:
    """(account, line, other account) of lines between two accounts without their mirror."""
    return [(account_no, line_no, other) for account_no, line_no, other in _unpaired(tx)]


def list_in_transit(tx: Transaction) -> list[tuple[int, bytes, int]]:
    """(transit account, voucher, what is left there) of vouchers that left something there."""
    return [(account_no, voucher_id, left) for account_no, voucher_id, left in _in_transit(tx)]
