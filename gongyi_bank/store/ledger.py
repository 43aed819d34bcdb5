"""The ledger's rows: heads locked and loaded, lines and heads written."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from gongyi_bank.periods import business_day
from gongyi_bank.rules import expiry
from gongyi_bank.rules.expiry import ExpiryTerms
from gongyi_bank.rules.ledger import EARLIEST, FLOORED_KINDS, Head, Posting, internal_kind
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.holds import ask_overdue_of
from gongyi_bank.store.locks import Place
from gongyi_bank.store.tables import account_head, account_line, internal_move, line_part
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Writes, columns_of
from gongyi_bank.values import NEVER

_HEAD_FIELDS = columns_of(account_head)
assert tuple(Head.__slots__)[: len(_HEAD_FIELDS)] == _HEAD_FIELDS, "Head begins as the table does"
_LINE_COLUMNS = columns_of(account_line)
_MOVE_COLUMNS = columns_of(internal_move)
_PART_COLUMNS = columns_of(line_part)
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


_lock_heads = _heads.locking(account_head.c.account_no)


@query
def _living(engine: StoreEngine) -> sa.Select[Any]:
    """Of each account the first credit line, from the noted one on, whose date is not past.

    No point dies before an older one, so all credits before that line are dead. Of lines
    without a date those live that were booked on `unlimited_from` or later, and a pool's.
    """
    line, later = account_line, account_line.alias("later")
    first = (
        sa.select(sa.func.min(later.c.line_no))
        .where(
            later.c.bank_id == sa.bindparam("bank"),
            later.c.account_no == account_head.c.account_no,
            later.c.line_no >= account_head.c.next_expiry_line_no,
            later.c.expires_on >= sa.bindparam("today"),
            sa.or_(
                later.c.expires_on < sa.bindparam("never"),
                later.c.business_day >= sa.bindparam("unlimited_from"),
                later.c.account_no >= sa.bindparam("pools"),
            ),
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
        sa.select(
            line.c.account_no,
            credited_before,
            line.c.line_no,
            line.c.expires_on,
            line.c.business_day,
        )
        .select_from(account_head.join(line, its_line))
        .where(of_bank(account_head), engine.among(account_head.c.account_no, "accounts"))
    )


def ask_heads(accounts: Iterable[int]) -> Ask[dict[int, Head]]:
    """The heads of these accounts, by number, locked in ascending order by whoever posts.

    See `note_passed_dates`.
    """
    numbers = sorted(set(accounts))
    asked = _heads.ask(_heads_of, accounts=numbers)
    return asked.locked_by(_lock_heads).locking(Place.HEADS, numbers)


def _heads_of(rows: Rows) -> dict[int, Head]:
    heads = {}
    for row in rows:
        head = Head(*row)
        head.seen_line_no, head.seen_record_no = head.line_no, head.record_no
        head.seen_held = head.held
        heads[head.account_no] = head
    return heads


def note_passed_dates(tx: Transaction, heads: dict[int, Head], terms: ExpiryTerms) -> None:
    """Bring the heads up to the day of `terms`: which of their points are past their date by now.

    Costs nothing until a head's next date has come, and then one statement for all of them.
    """
    for head in heads.values():
        head.seen_expiry = (head.dead_no, head.next_expiry_on, head.next_expiry_line_no)
        if terms.introductions and _may_be_introduced(head):
            booked_on = business_day(head.booked_at, tx.bank.zone)
            expiry.note_introduction(head, terms, booked_on)
    due = sorted(no for no, head in heads.items() if head.next_expiry_on < terms.today)
    if not due:
        return
    rows = _living(
        tx,
        accounts=due,
        today=terms.today,
        never=NEVER,
        unlimited_from=terms.unlimited_from,
        pools=FLOORED_KINDS["pool"],
    )
    living = {row[0]: row[1:] for row in rows}
    for number in due:
        _note_living(heads[number], living.get(number), terms)


def _may_be_introduced(head: Head) -> bool:
    """Whether it is a customer's with points that have no date; a pool's never get one."""
    has_undated = NEVER in (head.last_expires_on, head.next_expiry_on)
    return has_undated and internal_kind(head.account_no) is None


def _note_living(head: Head, living: tuple[Any, ...] | None, terms: ExpiryTerms) -> None:
    """What is found of a head whose date had come: (numbers below, line, its date, its day)."""
    if living is None:
        head.dead_no, head.next_expiry_on, head.next_expiry_line_no = head.credited, NEVER, 0
        return
    head.dead_no, head.next_expiry_line_no, head.next_expiry_on, booked_on = living
    if internal_kind(head.account_no) is None:
        head.next_expiry_on = terms.last_day(head.next_expiry_on, booked_on)


def load_moment(tx: Transaction, accounts: Sequence[int]) -> dt.datetime:
    """The moment that an act on these accounts, at least one, would go by now, for who looks.

    An account's clock never goes back: where this host's is behind it, the account's decides.
    """
    return max(load_moments(tx, accounts).values())


def load_moments(tx: Transaction, accounts: Iterable[int]) -> dict[int, dt.datetime]:
    """The moment that an act on each of these accounts alone would go by now, for who looks."""
    now, numbers = tx.clock(), set(accounts)
    heads = tx.look(ask_heads(numbers)) if numbers else {}
    return {no: max(now, heads[no].booked_at) if no in heads else now for no in numbers}


def load_heads(
    tx: Transaction, accounts: Sequence[int], terms: ExpiryTerms, now: dt.datetime
) -> dict[int, Head]:
    """The heads of these accounts as an act would find them at `now`, for who only looks.

    Brought up to the day of `terms`; what holds past their deadline keep is free. What an act
    would go by, `load_moment` says.
    """
    heads, overdue = ask_heads(accounts), ask_overdue_of(accounts, now)
    tx.gather(heads, overdue)
    found = heads.answer
    note_passed_dates(tx, found, terms)
    for hold in overdue.answer:
        head = found[hold.account_no]
        head.held -= hold.left
        head.debt = min(head.debt, head.short)
    return found


def _living_points(*conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Accounts with living points that meet the conditions, first date first."""
    head = account_head
    return (
        sa.select(head.c.next_expiry_on, head.c.account_no)
        .where(of_bank(head), head.c.next_expiry_line_no > sa.literal_column("0"), *conditions)
        .order_by(head.c.next_expiry_on, head.c.account_no)
        .limit(sa.bindparam("count_max", type_=sa.Integer()))
    )


@query
def _due(_: StoreEngine) -> sa.Select[Any]:
    """Accounts whose next date has come, after this date and number."""
    head = account_head
    after_on: sa.BindParameter[dt.date] = sa.bindparam("after_on")
    is_next = sa.or_(head.c.next_expiry_on > after_on, head.c.account_no > sa.bindparam("after_no"))
    return _living_points(
        head.c.next_expiry_on < sa.bindparam("today"), head.c.next_expiry_on >= after_on, is_next
    )


@query
def _undated(_: StoreEngine) -> sa.Select[Any]:
    """Customers with points that no date has been noted for, after this number."""
    head = account_head
    return _living_points(
        head.c.next_expiry_on == sa.bindparam("never"),
        head.c.account_no < sa.bindparam("pools"),
        head.c.account_no > sa.bindparam("after_no"),
    )


#: A noted date and an account: accounts with points that may be past their date have this order.
Due = tuple[dt.date, int]
BEFORE_ALL: Due = (EARLIEST, 0)


def list_due(tx: Transaction, terms: ExpiryTerms, after: Due, count_max: int) -> list[Due]:
    """At most so many accounts with points that may be past their date, found by an index.

    While points expire, those are among them that an introduction has given a date and nobody
    has noted it yet: noted in time they are found by it, also if expiry ends again before.
    """
    due: list[Due] = []
    after_on, after_no = after
    if after_on < NEVER:
        found = _due(
            tx, today=terms.today, after_on=after_on, after_no=after_no, count_max=count_max
        )
        due, after_no = [(day, number) for day, number in found], 0
    if not terms.is_in_force or len(due) == count_max:
        return due
    pools, left = FLOORED_KINDS["pool"], count_max - len(due)
    rows = _undated(tx, never=NEVER, pools=pools, after_no=after_no, count_max=left)
    return due + [(day, number) for day, number in rows]


def write_posting(writes: Writes, posting: Posting, digest: bytes, seal_key: bytes | None) -> None:
    """Add an act's lines, moves and changed heads to what it writes."""
    writes.insert(account_line, _LINE_COLUMNS, posting.sealed_lines(digest, seal_key))
    write_unchained(writes, posting)
    for head in posting.heads.values():
        head.keep_dates(posting.booked_at)
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


def write_unchained(writes: Writes, posting: Posting) -> None:
    """Add a posting's rows that no chain covers: their voucher answers for them."""
    writes.insert(internal_move, _MOVE_COLUMNS, posting.moves)
    writes.insert(line_part, _PART_COLUMNS, posting.parts)


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
