"""The points that accounts could give, and whether the two sides of every transfer agree."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.expiry import ExpiryTerms
from gongyi_bank.rules.ledger import EARLIEST, MIRROR_KINDS, Head
from gongyi_bank.rules.transfers import GIFT, LINE_KINDS, Lot, oldest_free
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.statements import line_at
from gongyi_bank.store.sums import ZERO, whole
from gongyi_bank.store.tables import account, account_head, account_line
from gongyi_bank.store.tables.columns import Big
from gongyi_bank.store.transaction import Transaction, of_bank, query
from gongyi_bank.values import NEVER

#: Whole numbers, so that a half is one, too.
_ONE: sa.ColumnElement[int] = sa.literal_column("1", Big)
_TWO: sa.ColumnElement[int] = sa.literal_column("2", Big)
_FOUR: sa.ColumnElement[int] = sa.literal_column("4", Big)
#: How many lines one statement looks at in an account, one after another: MariaDB ends a
#: recursion at a thousand steps and says nothing.
_STEPS_MAX = 500


def _asked(engine: StoreEngine) -> sa.Select[Any]:
    """Each account asked for, before its first step."""
    asked = engine.rows_of("asked", ("account_no", "above", "upto", "newest"))
    head, is_joined = engine.row_at(
        (account_head.c.bank_id, account_head.c.account_no),
        of_bank(account_head),
        account_head.c.account_no == asked.c.account_no,
    )
    return sa.select(
        head.c.bank_id,
        asked.c.account_no,
        asked.c.above,
        asked.c.upto,
        # The line that this step found, if it found one.
        sa.cast(ZERO, Big).label("found_no"),
        sa.cast(_ONE, Big).label("low"),
        asked.c.newest.label("high"),
        asked.c.newest,
        # How far to look from `low` on; 0 is by halves.
        sa.cast(ZERO, Big).label("stride"),
        sa.cast(ZERO, Big).label("step_no"),
    ).select_from(asked.outerjoin(head, is_joined))


def _seek(engine: StoreEngine) -> sa.CTE:
    """The first line in [low, high] after which more than `above` was credited, again and again.

    Sought next to the one found before, then at four times the distance again and again, and
    then by halves. All accounts take their steps together, and a step looks at one line.
    """
    seek = _asked(engine).cte("seek", recursive=True)
    stride, ahead = seek.c.stride, seek.c.low + seek.c.stride - _ONE
    looked_at = sa.case(
        (stride == ZERO, (seek.c.low + seek.c.high) // _TWO),
        (ahead < seek.c.high, ahead),
        else_=seek.c.high,
    )
    asked = (account_line.c.line_no, account_line.c.credited_after)
    line, is_joined = line_at(engine, asked, seek, looked_at)
    is_above = line.c.credited_after > seek.c.above
    is_first = sa.and_(is_above, line.c.line_no == seek.c.low)
    is_nearer = sa.and_(is_above, line.c.line_no > seek.c.low)
    step = (
        sa.select(
            seek.c.bank_id,
            seek.c.account_no,
            sa.case((is_first, line.c.credited_after), else_=seek.c.above),
            seek.c.upto,
            sa.case((is_first, line.c.line_no), else_=ZERO),
            sa.case((is_nearer, seek.c.low), else_=line.c.line_no + _ONE),
            sa.case((is_first, seek.c.newest), (is_above, line.c.line_no), else_=seek.c.high),
            seek.c.newest,
            sa.case((is_first, _ONE), (is_above, ZERO), else_=stride * _FOUR),
            seek.c.step_no + _ONE,
        )
        .select_from(seek.outerjoin(line, is_joined))
        .where(seek.c.above < seek.c.upto, seek.c.step_no < sa.literal_column(str(_STEPS_MAX)))
    )
    return seek.union_all(step)


#: What makes a lot of a line.
_LOT = tuple(
    account_line.c[name]
    for name in (
        "account_no", "line_no", "amount", "credited_after", "expires_on", "business_day", "kind",
    )
)  # fmt: skip


@query
def _lots(engine: StoreEngine) -> sa.Select[Any]:
    """Credit lines in order, the first that of the point after `above`, the last that of `upto`."""
    found = _seek(engine)
    line, is_joined = line_at(engine, _LOT, found, found.c.found_no)
    return (
        sa.select(
            line.c.account_no,
            (line.c.credited_after - line.c.amount).label("low_no"),
            line.c.credited_after,
            line.c.expires_on,
            line.c.business_day,
            line.c.kind,
        )
        .select_from(found.outerjoin(line, is_joined))
        .where(found.c.found_no > ZERO)
        .order_by(line.c.account_no, line.c.line_no)
    )


def load_lots(
    tx: Transaction,
    heads: Iterable[Head],
    terms: ExpiryTerms,
    amounts: Mapping[int, int] | None = None,
) -> dict[int, list[Lot]]:
    """The lots of the oldest free points of these accounts: of so many of them, or of all.

    Points without a date have the one that an introduction of expiry has given them since. No
    point dies before an older one: where expiry has ended once, a line that is spent by now may
    have a later date than these, and the head tells it. What is read grows with the lots alone,
    and not with the lines of the account: one statement for a hundred lots or more.
    """
    newest: dict[int, dt.date] = {}
    asked: dict[int, tuple[int, int, int]] = {}
    for head in heads:
        number, above, upto = head.account_no, oldest_free(head), head.credited
        if amounts is not None:
            upto = min(upto, above + amounts.get(number, 0))
        if above < upto:
            asked[number] = above, upto, head.seen_line_no
        newest[number] = EARLIEST if head.next_expiry_on == NEVER else head.next_expiry_on
    found: dict[int, list[Lot]] = {}
    while asked:
        wanted = json.dumps([(number, *span) for number, span in sorted(asked.items())])
        for number, low, high, until, booked_on, kind in _lots(tx, asked=wanted):
            is_gifted = kind == LINE_KINDS[GIFT][1]
            newest[number] = max(newest[number], terms.last_day(until, booked_on))
            found.setdefault(number, []).append(Lot(low, high, newest[number], is_gifted))
        asked = {number: _left(found.get(number), *span) for number, span in asked.items()}
        asked = {number: span for number, span in asked.items() if span[0] < span[1]}
    return found


def _left(lots: Sequence[Lot] | None, above: int, upto: int, newest: int) -> tuple[int, int, int]:
    """From where on lots must still be found."""
    if not lots or lots[-1].high <= above:
        raise ValueError("an account has fewer credits in its lines than its head says")
    return lots[-1].high, upto, newest


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
