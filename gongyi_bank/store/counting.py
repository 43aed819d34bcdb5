"""What counts in a period, and where, so that the figures of a closed one never change.

A record counts in the period of its `value_on`: the day of service, or the first open day
where that was closed already. One that is voided is taken off again in the period of its
`voided_on`, which is the same while that period is open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.accrual import CREDITED
from gongyi_bank.store.tables import account, customer_stay, hour_record, outlet_stay
from gongyi_bank.store.tables.columns import Day
from gongyi_bank.store.transaction import of_bank

FIRST: sa.BindParameter[Any] = sa.bindparam("first_on", type_=Day())
LAST: sa.BindParameter[Any] = sa.bindparam("last_on", type_=Day())
#: In the very words of the partial index.
IS_VOIDED: sa.ColumnElement[bool] = hour_record.c.state == sa.literal_column("'voided'")
_MINUS: sa.ColumnElement[int] = sa.literal_column("-1")


def within(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """The day lies in the period between `first_on` and `last_on`."""
    return column.between(FIRST, LAST)


def was_credited() -> sa.ColumnElement[bool]:
    """Credited, whether or not it was voided later."""
    return sa.or_(hour_record.c.state == CREDITED, IS_VOIDED)


def stood_at_the_end() -> sa.ColumnElement[bool]:
    """Credited in the period, and not voided in it."""
    record = hour_record
    voided_later = sa.and_(IS_VOIDED, record.c.voided_on > LAST)
    return sa.and_(within(record.c.value_on), sa.or_(record.c.state == CREDITED, voided_later))


def was_taken_back() -> sa.ColumnElement[bool]:
    """Of an earlier period, and voided in this one."""
    record = hour_record
    return sa.and_(IS_VOIDED, within(record.c.voided_on), record.c.value_on < FIRST)


def counted(
    *columns: str, where: Callable[[], sa.ColumnElement[bool]] = lambda: sa.true()
) -> sa.Subquery:
    """What counts in the period: these columns of the records with signed minutes and points.

    `where` narrows both halves: what was credited, and what was taken back of earlier periods.
    """
    record = hour_record

    def half(condition: sa.ColumnElement[bool], sign: Callable[[Any], Any]) -> sa.Select[Any]:
        amounts = [sign(record.c[name]).label(name) for name in ("minutes", "points")]
        return sa.select(
            *(record.c[name] for name in columns), *amounts, sign(sa.literal_column("1")).label("n")
        ).where(of_bank(record), condition, where())

    credits_ = half(stood_at_the_end(), lambda value: value)
    debits = half(was_taken_back(), lambda value: value * _MINUS)
    return sa.union_all(credits_, debits).subquery("counted")


def homes() -> sa.FromClause:
    """Where accounts were registered on the period's last day: a later move changes nothing."""
    return customer_stay.alias("home")


def was_home(home: sa.FromClause) -> sa.ColumnElement[bool]:
    """The newest stay that had begun by the period's last day."""
    return sa.and_(home.c.since_on <= LAST, _is_newest(home, customer_stay, "account_no"))


def was_kept(home: sa.FromClause) -> sa.ColumnElement[bool]:
    """As `was_home`, but the first stay has no beginning.

    A host whose clock is behind that of the one that registered may have booked a line on the day
    before.
    """
    return sa.and_(_has_begun(home), _is_newest(home, customer_stay, "account_no"))


def kept_at(account_no: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The outlet of the stay that `was_kept`, or of an account that never moves.

    One seek for each account: a join with all stays would be as fast as the server's figures about
    them are good.
    """
    home, begun, own = homes(), customer_stay.alias("begun"), account.alias("own")
    bank: sa.BindParameter[Any] = sa.bindparam("bank")
    newest_no = sa.select(sa.func.max(begun.c.stay_no)).where(
        begun.c.bank_id == home.c.bank_id,
        begun.c.account_no == home.c.account_no,
        _has_begun(begun),
    )
    customers = sa.select(home.c.outlet_no).where(
        home.c.bank_id == bank,
        home.c.account_no == account_no,
        home.c.stay_no == newest_no.scalar_subquery(),
    )
    others = sa.select(own.c.outlet_no).where(own.c.bank_id == bank, own.c.account_no == account_no)
    return sa.func.coalesce(customers.scalar_subquery(), others.scalar_subquery())


def _has_begun(stay: sa.FromClause) -> sa.ColumnElement[bool]:
    """It had begun by the period's last day; the first has no beginning."""
    return sa.or_(stay.c.stay_no == sa.literal_column("1"), stay.c.since_on <= LAST)


def _is_newest(stay: sa.FromClause, table: sa.Table, owner: str) -> sa.ColumnElement[bool]:
    """No later stay of its owner had begun by the period's last day."""
    later = table.alias("later")
    began = sa.select(later.c.stay_no).where(
        later.c.bank_id == stay.c.bank_id,
        later.c[owner] == stay.c[owner],
        later.c.stay_no > stay.c.stay_no,
        later.c.since_on <= LAST,
    )
    return ~began.exists()


def places() -> sa.FromClause:
    """Which outlet was above each one on the period's last day: a later move changes nothing."""
    return outlet_stay.alias("stand")


def was_open(stand: sa.FromClause) -> sa.ColumnElement[bool]:
    """Of the stay at the end of the period: open then, or closed no earlier than in the period."""
    return sa.or_(stand.c.state == "open", stand.c.since_on >= FIRST)


def was_place(stand: sa.FromClause) -> sa.ColumnElement[bool]:
    """The newest stay that had begun by the period's last day; the first has no beginning."""
    return sa.and_(_has_begun(stand), _is_newest(stand, outlet_stay, "outlet_no"))
