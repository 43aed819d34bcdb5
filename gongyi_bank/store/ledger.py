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
from gongyi_bank.store.transaction import Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of

_HEAD_FIELDS = columns_of(account_head)
_LINE_COLUMNS = columns_of(account_line)
_MOVE_COLUMNS = columns_of(internal_move)
_GUARDS = ("line_no", "record_no")
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
def _passed(_: StoreEngine) -> sa.Select[Any]:
    """The newest credit line of one account whose date is past."""
    line = account_line
    return (
        sa.select(line.c.line_no, line.c.credited_after)
        .where(
            of_bank(line),
            line.c.account_no == sa.bindparam("account"),
            line.c.line_no >= sa.bindparam("from_line"),
            line.c.expires_on < sa.bindparam("today"),
        )
        .order_by(line.c.line_no.desc())
        .limit(1)
    )


@query
def _next_credit(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    return (
        sa.select(line.c.line_no, line.c.expires_on)
        .where(
            of_bank(line),
            line.c.account_no == sa.bindparam("account"),
            line.c.line_no >= sa.bindparam("from_line"),
            line.c.expires_on.is_not(None),
        )
        .order_by(line.c.line_no)
        .limit(1)
    )


def lock_heads(tx: Transaction, accounts: Iterable[int]) -> None:
    """Lock the heads in ascending order. Read nothing of them here: facts come later."""
    numbers = sorted(set(accounts))
    if numbers and not tx.engine.locks_at_begin:
        _lock(tx, accounts=numbers)


def load_heads(tx: Transaction, accounts: Iterable[int], today: dt.date) -> dict[int, Head]:
    """The heads of these accounts, brought up to `today` about what is past its date."""
    heads = {}
    for row in _heads(tx, accounts=sorted(set(accounts))):
        head = Head(**dict(zip(_HEAD_FIELDS, row, strict=True)))
        head.seen_line_no, head.seen_record_no = head.line_no, head.record_no
        heads[head.account_no] = head
        if head.next_expiry_on < today:
            _note_passed_dates(tx, head, today)
    return heads


def _note_passed_dates(tx: Transaction, head: Head, today: dt.date) -> None:
    start = head.next_expiry_line_no
    passed = _passed(tx, account=head.account_no, from_line=start, today=today)
    if passed:
        line_no, head.dead_no = passed[0]
        start = line_no + 1
    following = _next_credit(tx, account=head.account_no, from_line=start)
    no_more = (0, dt.date.max)
    head.next_expiry_line_no, head.next_expiry_on = following[0] if following else no_more


def write_posting(writes: Writes, posting: Posting, digest: bytes, seal_key: bytes | None) -> None:
    """Add an act's lines, moves and changed heads to what it writes."""
    writes.insert(account_line, _LINE_COLUMNS, posting.sealed_lines(digest, seal_key))
    writes.insert(internal_move, _MOVE_COLUMNS, posting.moves)
    rows = [
        (head.account_no, head.seen_line_no, head.seen_record_no, *_changed_values(head))
        for head in posting.heads.values()
        if head.is_changed
    ]
    writes.update(account_head, rows, key=("account_no",), guards=_GUARDS, changes=_CHANGES)


def write_new_heads(writes: Writes, heads: Iterable[Head]) -> None:
    """Add the heads of newly opened accounts."""
    rows = [tuple(getattr(head, name) for name in _HEAD_FIELDS) for head in heads]
    writes.insert(account_head, _HEAD_FIELDS, rows)
