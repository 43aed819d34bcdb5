"""Passbooks and loss reports as facts and as rows.

Who holds which book is protected by the account's head, blank stock by the books' own
rows, which are locked in number order and only in the state that the act needs: so no act
waits for a book that it could not take anyway.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.passbooks import (
    BLANK,
    DESTROYABLE,
    IN_USE,
    Book,
    BookLine,
    Holding,
    LossReport,
)
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import (
    account_head,
    account_line,
    customer,
    loss_report,
    outlet,
    passbook,
)
from gongyi_bank.store.transaction import Ask, Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

REPORT_COLUMNS = columns_of(loss_report)
_BOOK = tuple(passbook.c[name] for name in Book.__slots__)
_REPORT = tuple(loss_report.c[name] for name in LossReport.__slots__)

# --- loss reports, and who is frozen by them -------------------------------------------------


def _in_force() -> tuple[sa.ColumnElement[bool], ...]:
    """Reports that count at `now`: a written one stands, an oral one until it lapses."""
    report = loss_report
    not_lapsed = sa.or_(report.c.lapses_at.is_(None), report.c.lapses_at > sa.bindparam("now"))
    return of_bank(report), report.c.state == "in_force", not_lapsed


@query
def _frozen(engine: StoreEngine) -> sa.Select[Any]:
    report = loss_report
    return sa.select(report.c.account_no, report.c.passbook_no).where(
        *_in_force(), engine.among(report.c.account_no, "accounts")
    )


def ask_frozen(accounts: Iterable[int], now: dt.datetime) -> Ask[dict[int, int]]:
    """The lost passbook of each account that is under a loss report in force at `now`."""
    return _frozen.ask(
        lambda rows: {row[0]: row[1] for row in rows}, accounts=sorted(set(accounts)), now=now
    )


def load_frozen(tx: Transaction, accounts: Iterable[int], now: dt.datetime) -> dict[int, int]:
    """The lost passbook of each account that is under a loss report in force at `now`."""
    numbers = sorted(set(accounts))
    return dict(_frozen(tx, accounts=numbers, now=now)) if numbers else {}


@query
def _newest_report(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*_REPORT)
        .where(of_bank(loss_report), loss_report.c.account_no == sa.bindparam("account"))
        .order_by(loss_report.c.report_no.desc())
        .limit(1)
    )


def load_newest_report(tx: Transaction, account_no: int) -> LossReport | None:
    """The account's newest loss report; none before it can be in force."""
    rows = _newest_report(tx, account=account_no)
    return LossReport(*rows[0]) if rows else None


def write_report(writes: Writes, row: Row) -> None:
    """Add a loss report (a full row in the order of REPORT_COLUMNS)."""
    writes.insert(loss_report, REPORT_COLUMNS, [row])


def write_report_settled(writes: Writes, report: LossReport, state: str, voucher_id: bytes) -> None:
    """Say what became of a report in force."""
    writes.update(
        loss_report,
        [(report.account_no, report.report_no, report.state, state, voucher_id)],
        key=("account_no", "report_no"),
        guards=("state",),
        changes=("state", "settled_voucher_id"),
    )


# --- an account and its books ----------------------------------------------------------------


@query
def _holder(_: StoreEngine) -> sa.Select[Any]:
    same = sa.and_(
        account_head.c.bank_id == customer.c.bank_id,
        account_head.c.account_no == customer.c.account_no,
    )
    return (
        sa.select(customer.c.state, account_head.c.line_no)
        .select_from(customer.join(account_head, same))
        .where(of_bank(customer), customer.c.account_no == sa.bindparam("account"))
    )


@query
def _books_of(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*_BOOK)
        .where(of_bank(passbook), passbook.c.account_no == sa.bindparam("account"))
        .order_by(passbook.c.volume_no)
    )


def load_holding(tx: Transaction, account_no: int) -> tuple[str | None, Holding]:
    """The customer's state, None for nobody, and the books that the account had."""
    holder = _holder(tx, account=account_no)
    state, newest_line_no = holder[0] if holder else (None, 0)
    books = tuple(Book(*row) for row in _books_of(tx, account=account_no))
    return state, Holding(account_no, books, newest_line_no)


@query
def _lines(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    at_outlet = sa.and_(outlet.c.bank_id == line.c.bank_id, outlet.c.outlet_no == line.c.outlet_no)
    columns = (
        line.c.line_no,
        line.c.business_day,
        line.c.value_on,
        line.c.kind,
        line.c.amount,
        (line.c.credited_after - line.c.debited_after).label("balance"),
        outlet.c.code,
    )
    return (
        sa.select(*columns)
        .select_from(line.join(outlet, at_outlet))
        .where(
            of_bank(line),
            line.c.account_no == sa.bindparam("account"),
            line.c.line_no.between(sa.bindparam("first"), sa.bindparam("last")),
        )
        .order_by(line.c.line_no)
    )


def list_lines(tx: Transaction, account_no: int, first: int, last: int) -> list[BookLine]:
    """The account's lines from `first` to `last`, as the book prints them."""
    if last < first:
        return []
    rows = _lines(tx, account=account_no, first=first, last=last)
    return [BookLine(*row) for row in rows]


# --- stock -----------------------------------------------------------------------------------


@query
def _lock_blank(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(
        sa.select(passbook.c.passbook_no)
        .where(
            of_bank(passbook),
            passbook.c.passbook_no.between(sa.bindparam("first"), sa.bindparam("last")),
            passbook.c.state == BLANK,
        )
        .order_by(passbook.c.passbook_no)
    )


@query
def _lock_discarded(engine: StoreEngine) -> sa.Select[Any]:
    return engine.lock(
        sa.select(passbook.c.passbook_no)
        .where(
            of_bank(passbook),
            engine.among(passbook.c.passbook_no, "numbers"),
            sa.or_(*(passbook.c.state == state for state in DESTROYABLE)),
        )
        .order_by(passbook.c.passbook_no)
    )


@query
def _take_lowest(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(passbook.c.passbook_no)
        .where(
            of_bank(passbook),
            passbook.c.outlet_no == sa.bindparam("outlet"),
            passbook.c.state == BLANK,
        )
        .order_by(passbook.c.passbook_no)
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True)
    )


@query
def _books(engine: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*_BOOK)
        .where(of_bank(passbook), engine.among(passbook.c.passbook_no, "numbers"))
        .order_by(passbook.c.passbook_no)
    )


@query
def _range_counts(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(passbook.c.state, passbook.c.outlet_no, sa.func.count())
        .where(
            of_bank(passbook),
            passbook.c.passbook_no.between(sa.bindparam("first"), sa.bindparam("last")),
        )
        .group_by(passbook.c.state, passbook.c.outlet_no)
    )


def lock_blank(tx: Transaction, first: int, last: int) -> None:
    """Lock the blank books of a range, in order; facts come in a later statement."""
    if not tx.engine.locks_at_begin:
        _lock_blank(tx, first=first, last=last)


def lock_discarded(tx: Transaction, numbers: Sequence[int]) -> None:
    """Lock those of these books that may be destroyed, in order; facts come later."""
    if not tx.engine.locks_at_begin:
        _lock_discarded(tx, numbers=sorted(numbers))


def take_lowest_blank(tx: Transaction, outlet_no: int) -> int | None:
    """Lock and name the lowest blank book at an outlet that nobody else is just taking."""
    rows = _take_lowest(tx, outlet=outlet_no)
    return rows[0][0] if rows else None


def load_books(tx: Transaction, numbers: Iterable[int]) -> list[Book]:
    """These books as they stand, in number order; unknown numbers are left out."""
    wanted = sorted(set(numbers))
    return [Book(*row) for row in _books(tx, numbers=wanted)] if wanted else []


def count_range(tx: Transaction, first: int, last: int) -> dict[tuple[str, int], int]:
    """How many books of a range are in which state at which outlet (by number)."""
    rows = _range_counts(tx, first=first, last=last)
    return {(state, outlet_no): count for state, outlet_no, count in rows}


@query
def _stock(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(passbook.c.outlet_no, passbook.c.state, sa.func.count())
        .where(of_bank(passbook))
        .group_by(passbook.c.outlet_no, passbook.c.state)
    )


@query
def _lost(_: StoreEngine) -> sa.Select[Any]:
    reported = sa.and_(
        passbook.c.bank_id == loss_report.c.bank_id,
        passbook.c.passbook_no == loss_report.c.passbook_no,
    )
    return (
        sa.select(passbook.c.outlet_no, sa.func.count())
        .select_from(loss_report.join(passbook, reported))
        .where(*_in_force(), passbook.c.state == IN_USE)
        .group_by(passbook.c.outlet_no)
    )


def count_stock(tx: Transaction) -> dict[int, dict[str, int]]:
    """Books by outlet number and state: every book ever printed is counted once."""
    counts: dict[int, dict[str, int]] = {}
    for outlet_no, state, count in _stock(tx):
        counts.setdefault(outlet_no, {})[state] = count
    return counts


def count_lost(tx: Transaction, now: dt.datetime) -> dict[int, int]:
    """Those of the books in use, by outlet number, that are reported lost at `now`."""
    return dict(_lost(tx, now=now))


# --- writing ---------------------------------------------------------------------------------


def write_printed(
    writes: Writes, numbers: Iterable[int], outlet_no: int, size: tuple[int, int], voucher_id: bytes
) -> None:
    """Add blank books of (pages, rows per page) at an outlet."""
    columns = ("passbook_no", "state", "outlet_no", "pages", "rows_per_page", "voucher_id")
    rows = [(number, BLANK, outlet_no, *size, voucher_id) for number in numbers]
    writes.insert(passbook, columns, rows)


def write_allotted(
    writes: Writes, numbers: Iterable[int], source_no: int, target_no: int, voucher_id: bytes
) -> None:
    """Move blank books from one outlet to another."""
    writes.update(
        passbook,
        [(number, BLANK, source_no, target_no, voucher_id) for number in numbers],
        key=("passbook_no",),
        guards=("state", "outlet_no"),
        changes=("outlet_no", "voucher_id"),
    )


def write_states(
    writes: Writes, books: Iterable[Book], state: str, outlet_no: int | None, voucher_id: bytes
) -> None:
    """Put books into another state, and into the hands of an outlet where one is given."""
    rows = [
        (b.passbook_no, b.state, state, b.outlet_no if outlet_no is None else outlet_no, voucher_id)
        for b in books
    ]
    writes.update(
        passbook,
        rows,
        key=("passbook_no",),
        guards=("state",),
        changes=("state", "outlet_no", "voucher_id"),
    )


def write_issued(
    writes: Writes, book: Book, holding: Holding, issued_on: dt.date, voucher_id: bytes
) -> None:
    """Put a blank book into a customer's hand, ready for the first line in no book yet."""
    first = holding.next_line_no
    row = (
        book.passbook_no, BLANK, book.outlet_no, IN_USE, holding.account_no,
        holding.next_volume_no, issued_on, first, first - 1, voucher_id,
    )  # fmt: skip
    writes.update(
        passbook,
        [row],
        key=("passbook_no",),
        guards=("state", "outlet_no"),
        changes=(
            "state", "account_no", "volume_no", "issued_on", "first_line_no",
            "printed_line_no", "voucher_id",
        ),
    )  # fmt: skip


def write_lines_printed(
    writes: Writes, book: Book, line_no: int, state: str, voucher_id: bytes
) -> None:
    """Say up to which line a book is printed, and its state then; guarded by what was seen."""
    writes.update(
        passbook,
        [(book.passbook_no, book.state, book.printed_line_no, line_no, state, voucher_id)],
        key=("passbook_no",),
        guards=("state", "printed_line_no"),
        changes=("printed_line_no", "state", "voucher_id"),
    )
