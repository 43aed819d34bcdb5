"""Reading the books for an audit: account by account, a bounded number of rows at a time.

Short accounts are read some together. Of one that is longer than a batch its lines, records,
redemptions and holds come page by page, in the order of a key, each with the line that it cites.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from gongyi_bank.rules.accrual import COUNTING
from gongyi_bank.rules.ledger import Head
from gongyi_bank.store import audit_queries as queries
from gongyi_bank.store.audit_rows import (
    AnyLine,
    AuditBook,
    AuditHold,
    AuditHoldStep,
    AuditLine,
    AuditPart,
    AuditRecord,
    AuditRedemption,
    AuditRefund,
    CitedLine,
    HeldRows,
    Row,
    Stint,
)
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import account_head, account_line, voucher
from gongyi_bank.store.transaction import Transaction, of_bank, query
from gongyi_bank.store.writing import VOUCHER_COLUMNS, columns_of

#: At most so many accounts, with so many rows of a kind in all, are in memory at a time.
ACCOUNTS_MAX = 200
ROWS_MAX = 20_000
#: Vouchers are loaded so many at a time.
VOUCHERS_MAX = 50
#: Above every account number.
_LAST: Final = 2**62
_HEAD_FIELDS = columns_of(account_head)


@dataclass(slots=True)
class AccountRows:
    """An account with all that hangs on it; what there may be many of is read while it is used."""

    account_no: int
    head: Head | None
    #: (kind, state) of the customer or pool.
    customer: tuple[str | None, str | None]
    books: Sequence[AuditBook]
    parts: Sequence[AuditPart]
    refunds: Sequence[AuditRefund]
    #: In parts, for each of which the vouchers are looked up at once.
    lines: Iterable[Sequence[AuditLine]]
    records: Iterable[AuditRecord]
    #: The same records in the order of time, as far as they count.
    stints: Iterable[Stint]
    redemptions: Iterable[AuditRedemption]
    holds: Iterable[Sequence[HeldRows]]
    #: Whether all of it is in memory, or most of it is read while it is used, and once.
    is_loaded: bool


# --- heads and vouchers ----------------------------------------------------------------------


@query
def _heads(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    return (
        sa.select(*(head.c[name] for name in _HEAD_FIELDS))
        .where(of_bank(head), head.c.account_no > sa.bindparam("above"))
        .order_by(head.c.account_no)
        .limit(sa.bindparam("size", type_=sa.Integer()))
    )


@query
def _vouchers(_: StoreEngine) -> sa.Select[Any]:
    wanted: list[sa.BindParameter[bytes]] = [
        sa.bindparam(f"voucher_{number}") for number in range(VOUCHERS_MAX)
    ]
    return sa.select(*(voucher.c[name] for name in VOUCHER_COLUMNS)).where(
        of_bank(voucher), voucher.c.voucher_id.in_(wanted)
    )


@query
def _moved(_: StoreEngine) -> sa.Select[Any]:
    head = account_head
    return (
        sa.select(*(head.c[name] for name in _HEAD_FIELDS))
        .where(
            of_bank(head),
            head.c.account_no > sa.bindparam("above"),
            head.c.booked_at >= sa.bindparam("since", type_=head.c.booked_at.type),
        )
        .order_by(head.c.account_no)
        .limit(sa.bindparam("size", type_=sa.Integer()))
    )


@query
def _detached(_: StoreEngine) -> sa.Select[Any]:
    """Heads that are not what their newest line says, or have a line beyond it."""
    head, line, later = account_head, account_line, account_line.alias("later")
    newest = sa.exists().where(
        line.c.bank_id == head.c.bank_id,
        line.c.account_no == head.c.account_no,
        line.c.line_no == head.c.line_no,
        line.c.credited_after == head.c.credited,
        line.c.debited_after == head.c.debited,
        line.c.line_hash == head.c.head_hash,
    )
    beyond = sa.exists().where(
        later.c.bank_id == head.c.bank_id,
        later.c.account_no == head.c.account_no,
        later.c.line_no > head.c.line_no,
    )
    empty = sa.and_(head.c.line_no == 0, head.c.credited == 0, head.c.debited == 0)
    return (
        sa.select(head.c.account_no, head.c.line_no)
        .where(of_bank(head), sa.or_(beyond, sa.and_(~newest, ~empty)))
        .order_by(head.c.account_no)
    )


def list_detached(tx: Transaction) -> list[tuple[int, int]]:
    """(account, line) of heads that do not agree with their newest line."""
    return [(account_no, line_no) for account_no, line_no in _detached(tx)]


def list_vouchers(tx: Transaction, voucher_ids: list[bytes]) -> Iterator[tuple[Row, bytes]]:
    """All hashed fields of these vouchers and their hash, those that do not exist left out."""
    for start in range(0, len(voucher_ids), VOUCHERS_MAX):
        part = voucher_ids[start : start + VOUCHERS_MAX]
        part += part[-1:] * (VOUCHERS_MAX - len(part))
        for row in _vouchers(tx, **{f"voucher_{number}": v for number, v in enumerate(part)}):
            yield row[:-2], row[-2]  # after the hash comes only the place in the outbox


# --- accounts --------------------------------------------------------------------------------

_ItemT = TypeVar("_ItemT")
_RowT = TypeVar("_RowT")
_KeyT = TypeVar("_KeyT")
#: By account and number.
_Lines = Mapping[tuple[int, int], AnyLine]
_RECORD_NO, _RECORD_LINE, _REPLACES, _VOIDED = map(
    queries.RECORD.index, ("record_no", "line_no", "replaces_record_no", "voided_voucher_id")
)
_REDEMPTION_LINE, _HOLD = map(queries.REDEMPTION.index, ("line_no", "hold_id"))
#: Behind the account, which a step does not have itself.
_STEP_LINE = queries.STEP.index("line_no") + 1
_account_of = operator.attrgetter("account_no")


def batches(tx: Transaction) -> Iterator[list[AccountRows]]:
    """All accounts with a floor, in order, and everything numbered between them."""
    above, is_last = 0, False
    while not is_last:
        rows = _heads(tx, above=above, size=ACCOUNTS_MAX)
        is_last = len(rows) < ACCOUNTS_MAX
        heads = [Head(**dict(zip(_HEAD_FIELDS, row, strict=True))) for row in rows]
        for few, is_long in _together(tx, heads, above):
            last = few[-1].account_no
            yield _load_some(tx, [] if is_long else few, above, last - is_long)
            if is_long:
                yield [_read_long(tx, few[0])]
            above = last
    yield _load_some(tx, [], above, _LAST)


def batches_since(tx: Transaction, since: dt.datetime) -> Iterator[list[AccountRows]]:
    """The accounts that have lines booked since then, one by one, each with all of its rows."""
    above = 0
    while rows := _moved(tx, above=above, since=since, size=ACCOUNTS_MAX):
        for row in rows:
            head = Head(**dict(zip(_HEAD_FIELDS, row, strict=True)))
            above = head.account_no
            for few, is_long in _together(tx, [head], above - 1):
                yield [_read_long(tx, head)] if is_long else _load_some(tx, few, above - 1, above)


def _together(tx: Transaction, heads: list[Head], above: int) -> Iterator[tuple[list[Head], bool]]:
    """Heads whose accounts have few enough rows together, or one that is long by itself."""
    if not heads:
        return
    steps: dict[int, int] = dict(queries.step_counts(tx, above=above, last=heads[-1].account_no))

    def weigh(head: Head) -> int:
        return head.line_no + head.record_no + steps.get(head.account_no, 0)

    for few in _few_together(heads, weigh):
        yield few, weigh(few[0]) > ROWS_MAX


def _few_together(
    items: Iterable[_ItemT], weigh: Callable[[_ItemT], int]
) -> Iterator[list[_ItemT]]:
    """The same items in order, in lists that weigh no more than allowed; at least one in each."""
    few: list[_ItemT] = []
    weight = 0
    for item in items:
        weight += weigh(item)
        if few and weight > ROWS_MAX:
            yield few
            few, weight = [], weigh(item)
        few.append(item)
    if few:
        yield few


def _load_some(tx: Transaction, heads: list[Head], above: int, last: int) -> list[AccountRows]:
    """All that is numbered above one account, through another."""
    if above >= last:
        return []
    span = {"above": above, "last": last}
    by_no = {head.account_no: head for head in heads}
    customers = {number: (kind, state) for number, kind, state in queries.customers(tx, **span)}
    every_line = [AuditLine.of_row(row) for row in queries.LINES.some(tx, **span)]
    lines = _by(_account_of, every_line)
    cited = {(line.account_no, line.line_no): line for line in every_line}
    records = _by(_account_of, _records(queries.RECORDS.some(tx, **span), cited))
    every_hold = [AuditHold(*row) for row in queries.HOLDS.some(tx, **span)]
    holds = _by(_account_of, every_hold)
    known = {(held.account_no, held.hold_id) for held in every_hold}
    rows = queries.REDEMPTIONS.some(tx, **span)
    redemptions = _by(_account_of, _redemptions(rows, cited, known))
    steps = _by(lambda step: step.hold_id, _steps(queries.some_steps(tx, **span), cited))
    parts = _by(_account_of, (AuditPart(*row) for row in queries.parts(tx, **span)))
    refunds = _by(_account_of, map(_refund, queries.refunds(tx, **span)))
    books = _by(_account_of, (AuditBook(*row) for row in queries.books(tx, **span)))
    found = (by_no, customers, lines, records, redemptions, holds, parts, refunds, books)
    return [
        AccountRows(
            account_no=number,
            head=by_no.get(number),
            customer=customers.get(number, (None, None)),
            books=books.get(number, []),
            parts=parts.get(number, []),
            refunds=refunds.get(number, []),
            lines=[lines.get(number, [])],
            records=records.get(number, []),
            stints=_stints_of(records.get(number, [])),
            redemptions=redemptions.get(number, []),
            holds=[_held(holds.get(number, []), steps, redemptions.get(number, []))],
            is_loaded=True,
        )
        for number in sorted(set().union(*found))
    ]


def _read_long(tx: Transaction, head: Head) -> AccountRows:
    """An account of which no more than a page of every kind of rows is in memory at a time."""
    number = head.account_no
    span = {"above": number - 1, "last": number}
    customers = {row[0]: (row[1], row[2]) for row in queries.customers(tx, **span)}
    return AccountRows(
        account_no=number,
        head=head,
        customer=customers.get(number, (None, None)),
        books=[AuditBook(*row) for row in queries.books(tx, **span)],
        parts=[AuditPart(*row) for row in queries.parts(tx, **span)],
        refunds=list(map(_refund, queries.refunds(tx, **span))),
        lines=([AuditLine.of_row(row) for row in page] for page in queries.LINES.pages(tx, number)),
        records=_record_pages(tx, number),
        stints=(Stint(*row) for page in queries.STINTS.pages(tx, number) for row in page),
        redemptions=(
            taken
            for page in queries.REDEMPTIONS.pages(tx, number)
            for taken in _found_redemptions(tx, number, page)
        ),
        holds=_held_pages(tx, number),
        is_loaded=False,
    )


def _record_pages(tx: Transaction, account_no: int) -> Iterator[AuditRecord]:
    for page in queries.RECORDS.pages(tx, account_no):
        replaced = _numbers(page, _REPLACES)
        rows = queries.voided_by(tx, account=account_no, numbers=replaced) if replaced else []
        before = {(account_no, record_no): voucher_id for record_no, voucher_id in rows}
        yield from _records(page, _cited(tx, account_no, page, _RECORD_LINE), before)


def _found_redemptions(
    tx: Transaction, account_no: int, page: list[Row]
) -> Iterator[AuditRedemption]:
    """Redemptions with the lines that they cite, and whether their holds are there."""
    holds = [row[_HOLD] for row in page if row[_HOLD] is not None]
    known: set[tuple[int, bytes]] = set()
    if holds:
        span = {"account": account_no, "first": min(holds), "last": max(holds)}
        known = {(account_no, hold_id) for (hold_id,) in queries.hold_ids(tx, **span)}
    return _redemptions(page, _cited(tx, account_no, page, _REDEMPTION_LINE), known)


def _held_pages(tx: Transaction, account_no: int) -> Iterator[list[HeldRows]]:
    for page in queries.HOLDS.pages(tx, account_no):
        holds = (AuditHold(*row) for row in page)
        for few in _few_together(holds, lambda held: held.event_no):
            span = {"account": account_no, "first": few[0].hold_id, "last": few[-1].hold_id}
            rows = queries.steps_of(tx, **span)
            steps = _steps(rows, _cited(tx, account_no, rows, _STEP_LINE))
            reserved = _found_redemptions(tx, account_no, queries.reserved_of(tx, **span))
            yield _held(few, _by(lambda step: step.hold_id, steps), reserved)


def _cited(tx: Transaction, account_no: int, page: list[Row], place: int) -> _Lines:
    """The lines whose numbers stand in this place of the rows of an account."""
    numbers = _numbers(page, place)
    rows = queries.cited_lines(tx, account=account_no, numbers=numbers) if numbers else []
    return {(account_no, row[0]): CitedLine(*row) for row in rows}


def _numbers(page: list[Row], place: int) -> list[int]:
    return sorted({row[place] for row in page} - {None})


def _held(
    holds: Iterable[AuditHold],
    steps: Mapping[bytes, list[AuditHoldStep]],
    taken: Iterable[AuditRedemption],
) -> list[HeldRows]:
    """Holds with their own steps and reservations."""
    reserved = _by(lambda one: one.hold_id, (one for one in taken if one.hold_id is not None))
    return [
        HeldRows(held, steps.get(held.hold_id, []), reserved.get(held.hold_id, []))
        for held in holds
    ]


def _stints_of(records: Iterable[AuditRecord]) -> list[Stint]:
    counting = (one for one in records if one.kind == "service" and one.state in COUNTING)
    stints = (Stint(one.record_no, one.started_at, one.ended_at) for one in counting)
    return sorted(stints, key=lambda one: (one.started_at, one.record_no))


def _by(key: Callable[[_RowT], _KeyT], rows: Iterable[_RowT]) -> dict[_KeyT, list[_RowT]]:
    found: dict[_KeyT, list[_RowT]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def _records(
    rows: list[Row], lines: _Lines, before: Mapping[tuple[int, int], bytes | None] | None = None
) -> Iterator[AuditRecord]:
    """Records with their lines; `before` says what voided others, where not all are here."""
    if before is None:
        before = {(row[0], row[_RECORD_NO]): row[_VOIDED] for row in rows}
    for row in rows:
        line = lines.get((row[0], row[_RECORD_LINE]))
        yield AuditRecord(*(*row, before.get((row[0], row[_REPLACES])), line))


def _redemptions(
    rows: list[Row], lines: _Lines, holds: Container[tuple[int, bytes]]
) -> Iterator[AuditRedemption]:
    for row in rows:
        has_hold = (row[0], row[_HOLD]) in holds
        yield AuditRedemption(*(*row, has_hold, lines.get((row[0], row[_REDEMPTION_LINE]))))


def _steps(rows: list[Row], lines: _Lines) -> Iterator[AuditHoldStep]:
    for account_no, *row in rows:
        yield AuditHoldStep(*(*row, lines.get((account_no, row[_STEP_LINE - 1]))))


def _refund(row: Row) -> AuditRefund:
    width = len(queries.REFUND)
    found, *taken = row[width:]
    return AuditRefund(*(*row[:width], tuple(taken) if found is not None else None))
