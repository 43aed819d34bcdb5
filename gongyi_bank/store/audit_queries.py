"""The queries of an audit: everything that hangs on an account, with the lines that it cites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import sqlalchemy as sa

from gongyi_bank.rules.accrual import COUNTING
from gongyi_bank.store.audit_rows import (
    LINE_COLUMNS,
    AuditBook,
    AuditHold,
    AuditHoldStep,
    AuditPart,
    AuditRecord,
    AuditRedemption,
    AuditRefund,
    CitedLine,
    Row,
    Stint,
)
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import whole
from gongyi_bank.store.tables import (
    account,
    account_line,
    customer,
    hold,
    hold_event,
    hour_record,
    line_part,
    passbook,
    pool,
    redemption,
    refund,
    voucher,
)
from gongyi_bank.store.transaction import Query, Transaction, of_bank, query

#: Of an account that is read in pages, so many rows of a kind at a time.
PAGE_MAX = 5_000
#: The columns of a row that are its table's own, without what is found for it.
RECORD: Final = AuditRecord.__slots__[:-2]
REDEMPTION: Final = AuditRedemption.__slots__[:-2]
STEP: Final = AuditHoldStep.__slots__[:-1]
REFUND: Final = AuditRefund.__slots__[:-1]
_COUNTING: Final[list[Any]] = [sa.literal_column(f"'{state}'") for state in COUNTING]


class Reading:
    """A select over accounts: of some of them whole, or of one of them a page at a time."""

    def __init__(
        self, select: Callable[[], sa.Select[Any]], of: sa.Column[Any], *key: sa.Column[Any]
    ) -> None:
        self._of, self._key = of, key
        names = [column.name for column in select().selected_columns]
        self._places = [names.index(column.name) for column in key]
        self._some = Query(lambda _: select().where(within(of)).order_by(of, *key))
        self._first = Query(lambda _: self._page(select()))
        self._next = Query(lambda _: self._page(select()).where(*self._beyond()))

    def _page(self, select: sa.Select[Any]) -> sa.Select[Any]:
        size = sa.bindparam("size", type_=sa.Integer())
        one = select.where(self._of == sa.bindparam("account"))
        return one.order_by(*self._key).limit(size)

    def _beyond(self) -> list[sa.ColumnElement[bool]]:
        """Behind what was seen: by the first column of the key, by the second where that is so."""
        seen = [sa.bindparam(f"seen_{n}", type_=c.type) for n, c in enumerate(self._key)]
        if len(seen) == 1:
            return [self._key[0] > seen[0]]
        # Not a comparison of pairs, for which MariaDB takes no index.
        return [
            self._key[0] >= seen[0],
            sa.or_(self._key[0] > seen[0], self._key[1] > seen[1]),
        ]

    def some(self, tx: Transaction, above: int, last: int) -> list[Row]:
        """The rows of all accounts above one number, through another."""
        return self._some(tx, above=above, last=last)

    def pages(self, tx: Transaction, account_no: int) -> Iterator[list[Row]]:
        """The rows of one account; what is read must be in no other page."""
        rows = self._first(tx, account=account_no, size=PAGE_MAX)
        while rows:
            is_last = len(rows) < PAGE_MAX
            seen = {f"seen_{n}": rows[-1][place] for n, place in enumerate(self._places)}
            yield rows
            rows.clear()  # before the next ones are there
            if not is_last:
                rows = self._next(tx, account=account_no, size=PAGE_MAX, **seen)


def within(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    inside: sa.ColumnElement[bool] = sa.and_(
        column > sa.bindparam("above"), column <= sa.bindparam("last")
    )
    return inside


@query
def customers(_: StoreEngine) -> sa.Select[Any]:
    """Accounts of customers and pools, with the customer or pool where there is one."""
    same = sa.and_(
        customer.c.bank_id == account.c.bank_id, customer.c.account_no == account.c.account_no
    )
    its_pool = sa.and_(
        pool.c.bank_id == account.c.bank_id, pool.c.account_no == account.c.account_no
    )
    of_a_pool = sa.case((pool.c.account_no.is_not(None), account.c.kind))
    return (
        sa.select(
            account.c.account_no,
            sa.func.coalesce(customer.c.kind, of_a_pool).label("kind"),
            sa.func.coalesce(customer.c.state, pool.c.state).label("state"),
        )
        .select_from(account.outerjoin(customer, same).outerjoin(pool, its_pool))
        .where(
            of_bank(account),
            sa.or_(account.c.kind == "customer", account.c.kind == "pool"),
            within(account.c.account_no),
        )
    )


def _lines() -> sa.Select[Any]:
    line = account_line
    return sa.select(*(line.c[name] for name in LINE_COLUMNS)).where(of_bank(line))


@query
def cited_lines(engine: StoreEngine) -> sa.Select[Any]:
    """Some lines of an account: sought by their key, and not joined to what cites them, since a
    planner that knows nothing of a long account reads all of it for every row."""
    line = account_line
    return sa.select(*(line.c[name] for name in CitedLine.__slots__)).where(
        of_bank(line),
        line.c.account_no == sa.bindparam("account"),
        engine.among(line.c.line_no, "numbers"),
    )


@query
def voided_by(engine: StoreEngine) -> sa.Select[Any]:
    """Which voucher voided some records of an account."""
    record = hour_record
    return sa.select(record.c.record_no, record.c.voided_voucher_id).where(
        of_bank(record),
        record.c.account_no == sa.bindparam("account"),
        engine.among(record.c.record_no, "numbers"),
    )


def _records() -> sa.Select[Any]:
    return sa.select(*(hour_record.c[name] for name in RECORD)).where(of_bank(hour_record))


def _stints() -> sa.Select[Any]:
    record = hour_record
    return sa.select(*(record.c[name] for name in Stint._fields)).where(
        of_bank(record), record.c.kind == "service", record.c.state.in_(_COUNTING)
    )


def _redemptions() -> sa.Select[Any]:
    return sa.select(*(redemption.c[name] for name in REDEMPTION)).where(of_bank(redemption))


def _holds() -> sa.Select[Any]:
    return sa.select(*(hold.c[name] for name in AuditHold.__slots__)).where(of_bank(hold))


def _steps() -> sa.Select[Any]:
    step = hold_event
    its_hold = sa.and_(hold.c.bank_id == step.c.bank_id, hold.c.hold_id == step.c.hold_id)
    return (
        sa.select(hold.c.account_no, *(step.c[name] for name in STEP))
        .select_from(hold.join(step, its_hold))
        .where(of_bank(hold))
        .order_by(step.c.hold_id, step.c.event_no)
    )


LINES = Reading(_lines, account_line.c.account_no, account_line.c.line_no)
RECORDS = Reading(_records, hour_record.c.account_no, hour_record.c.record_no)
STINTS = Reading(
    _stints, hour_record.c.account_no, hour_record.c.started_at, hour_record.c.record_no
)
REDEMPTIONS = Reading(_redemptions, redemption.c.account_no, redemption.c.redemption_id)
HOLDS = Reading(_holds, hold.c.account_no, hold.c.hold_id)


@query
def some_steps(_: StoreEngine) -> sa.Select[Any]:
    return _steps().where(within(hold.c.account_no))


def _of_holds(column: sa.Column[Any], its_account: sa.Column[Any]) -> sa.ColumnElement[bool]:
    first, last = (sa.bindparam(name, type_=column.type) for name in ("first", "last"))
    inside: sa.ColumnElement[bool] = sa.and_(
        its_account == sa.bindparam("account"), column.between(first, last)
    )
    return inside


@query
def steps_of(_: StoreEngine) -> sa.Select[Any]:
    return _steps().where(_of_holds(hold.c.hold_id, hold.c.account_no))


@query
def hold_ids(_: StoreEngine) -> sa.Select[Any]:
    """Which holds an account has from one id to another."""
    return sa.select(hold.c.hold_id).where(
        of_bank(hold), _of_holds(hold.c.hold_id, hold.c.account_no)
    )


@query
def reserved_of(_: StoreEngine) -> sa.Select[Any]:
    return _redemptions().where(_of_holds(redemption.c.hold_id, redemption.c.account_no))


@query
def step_counts(_: StoreEngine) -> sa.Select[Any]:
    """How many steps the holds of some accounts have."""
    return (
        sa.select(hold.c.account_no, whole(sa.func.sum(hold.c.event_no)))
        .where(of_bank(hold), within(hold.c.account_no))
        .group_by(hold.c.account_no)
    )


@query
def parts(_: StoreEngine) -> sa.Select[Any]:
    part = line_part
    its_voucher = sa.and_(
        voucher.c.bank_id == part.c.bank_id, voucher.c.voucher_id == part.c.voucher_id
    )
    columns = [part.c[name] for name in AuditPart.__slots__[:-1]]
    return (
        sa.select(*columns, voucher.c.business_day)
        .select_from(part.join(voucher, its_voucher))
        .where(of_bank(part), within(part.c.account_no))
        .order_by(part.c.account_no, part.c.line_no, part.c.part_no)
    )


@query
def refunds(_: StoreEngine) -> sa.Select[Any]:
    taken = redemption
    its_own = sa.and_(
        taken.c.bank_id == refund.c.bank_id,
        taken.c.account_no == refund.c.account_no,
        taken.c.redemption_id == refund.c.redemption_id,
    )
    of_taken = (taken.c.redemption_id.label("found"), taken.c.line_no)
    return (
        sa.select(
            *(refund.c[name] for name in REFUND), *of_taken,
            taken.c.points.label("taken_points"), taken.c.quantity.label("taken_quantity"),
        )
        .select_from(refund.outerjoin(taken, its_own))
        .where(of_bank(refund), within(refund.c.account_no))
        .order_by(refund.c.account_no, refund.c.redemption_id, refund.c.part_no)
    )  # fmt: skip


@query
def books(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*(passbook.c[name] for name in AuditBook.__slots__))
        .where(of_bank(passbook), within(passbook.c.account_no))
        .order_by(passbook.c.account_no, passbook.c.volume_no)
    )
