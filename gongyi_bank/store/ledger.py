"""The ledger's rows: heads locked and loaded, lines and heads written."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.ledger import Head, Posting
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import account_head, account_line, internal_move
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of
from gongyi_bank.values import NEVER

_HEAD_FIELDS = columns_of(account_head)
assert tuple(Head.__slots__)[: len(_HEAD_FIELDS)] == _HEAD_FIELDS, "Head begins as the table does"
_LINE_COLUMNS = columns_of(account_line)
_MOVE_COLUMNS = columns_of(internal_move)
_GUARDS = ("line_no", "record_no", "held")
#: What a posting may change about a head.
_CHANGES = tuple(name for name in _HEAD_FIELDS if name not in ("account_no", "overdraft_limit"))
_changed_values = operator.attrgetter(*_CHANGES)


@query
def _heads(engine: StoreEngine) -> sa.Select[Any]:
    columns = [account_head.c[name] for name in _HEAD_FIELDS]
    return sa.select(*columns).where(
        of_bank(account_head), engine.among(account_head.c.account_no, "accounts")
    )


@query
def _lock(engine: StoreEngine) -> sa.Select[Any]:
    rows = (
        sa.select(account_head.c.account_no)
        .where(of_bank(account_head), engine.among(account_head.c.account_no, "accounts"))
        .order_by(account_head.c.account_no)
    )
    return engine.lock(rows)


@query
def _living(engine: StoreEngine) -> sa.Select[Any]:
    """Of each account the first credit line, from the noted one on, whose date is not past.

    No point dies before an older one, so all credits before that line are dead.
    """
    line, later = account_line, account_line.alias("later")
    first = (
        sa.select(sa.func.min(later.c.line_no))
        .where(
            later.c.bank_id == sa.bindparam("bank"),
            later.c.account_no == account_head.c.account_no,
            later.c.line_no >= account_head.c.next_expiry_line_no,
            later.c.expires_on >= sa.bindparam("today"),
        )
        .scalar_subquery()
    )
    its_line = sa.and_(
        line.c.bank_id == account_head.c.bank_id,
        line.c.account_no == account_head.c.account_no,
        line.c.line_no == first,
    )
    credited_before = (line.c.credited_after - line.c.amount).label("credited_before")
    return (
        sa.select(line.c.account_no, credited_before, line.c.expires_on, line.c.line_no)
        .select_from(account_head.join(line, its_line))
        .where(of_bank(account_head), engine.among(account_head.c.account_no, "accounts"))
    )


def ask_lock(accounts: Iterable[int]) -> Ask[Rows]:
    """Lock the heads in ascending order. Nothing of them is read here: facts come later."""
    return _lock.ask(list, accounts=sorted(set(accounts)))


def ask_heads(accounts: Iterable[int]) -> Ask[dict[int, Head]]:
    """The heads of these accounts, by number; see `note_passed_dates`."""
    return _heads.ask(_heads_of, accounts=sorted(set(accounts)))


def _heads_of(rows: Rows) -> dict[int, Head]:
    heads = {}
    for row in rows:
        head = Head(*row)
        head.seen_line_no, head.seen_record_no = head.line_no, head.record_no
        head.seen_held = head.held
        heads[head.account_no] = head
    return heads


def note_passed_dates(tx: Transaction, heads: dict[int, Head], today: dt.date) -> None:
    """Bring the heads up to `today`: which of their points are past their date by now.

    Costs nothing until a head's next date has come, and then one statement for all of them.
    """
    due = sorted(no for no, head in heads.items() if head.next_expiry_on < today)
    if not due:
        return
    living = {row[0]: row[1:] for row in _living(tx, accounts=due, today=today)}
    for number in due:
        head = heads[number]
        nothing_lives = (head.credited, NEVER, 0)
        head.dead_no, head.next_expiry_on, head.next_expiry_line_no = living.get(
            number, nothing_lives
        )


def load_heads(tx: Transaction, accounts: Iterable[int], today: dt.date) -> dict[int, Head]:
    """The heads of these accounts, brought up to `today`."""
    heads = tx.look(ask_heads(accounts))
    note_passed_dates(tx, heads, today)
    return heads


@query
def _lot(_: StoreEngine) -> sa.Select[Any]:
    """A credit line, and the expiry lines after it: no earlier one can have taken its points."""
    line = account_line
    return (
        sa.select(line.c.amount, line.c.credited_after, line.c.debited_after)
        .where(
            of_bank(line),
            line.c.account_no == sa.bindparam("account"),
            line.c.line_no >= sa.bindparam("line"),
            sa.or_(line.c.line_no == sa.bindparam("line"), line.c.kind == "expiry"),
        )
        .order_by(line.c.line_no)
    )


def load_lot(
    tx: Transaction, account_no: int, line_no: int
) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """The numbers of a credit line's points, and those that expiry lines have taken since.

    Each as (number below, last number); see `rules.ledger.expired_within`.
    """
    (amount, credited_after, _), *expiries = _lot(tx, account=account_no, line=line_no)
    expired = [(debited_after + taken, debited_after) for taken, _, debited_after in expiries]
    return (credited_after - amount, credited_after), expired


def write_posting(writes: Writes, posting: Posting, digest: bytes, seal_key: bytes | None) -> None:
    """Add an act's lines, moves and changed heads to what it writes."""
    writes.insert(account_line, _LINE_COLUMNS, posting.sealed_lines(digest, seal_key))
    writes.insert(internal_move, _MOVE_COLUMNS, posting.moves)
    rows = [
        (
            head.account_no,
            head.seen_line_no,
            head.seen_record_no,
            head.seen_held,
            *_changed_values(head),
        )
        for head in posting.heads.values()
        if head.is_changed
    ]
    writes.update(account_head, rows, key=("account_no",), guards=_GUARDS, changes=_CHANGES)


def write_touch(writes: Writes, account_no: int) -> None:
    """Leave a mark on a head that changes nothing: whoever locks it knows that it is new.

    For acts that change what postings go by without a posting of their own: a transaction
    with an older snapshot then fails to lock the head instead of going by what was.
    """
    writes.update(
        account_head, [(account_no, account_no)], key=("account_no",), changes=("account_no",)
    )


def write_new_heads(writes: Writes, heads: Iterable[Head]) -> None:
    """Add the heads of newly opened accounts."""
    rows = [tuple(getattr(head, name) for name in _HEAD_FIELDS) for head in heads]
    writes.insert(account_head, _HEAD_FIELDS, rows)
