"""Reading the books for an audit: account by account, a bounded number of rows at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.ledger import Head
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.sums import whole
from gongyi_bank.store.tables import (
    account,
    account_head,
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
from gongyi_bank.store.transaction import Transaction, of_bank, query
from gongyi_bank.store.writing import VOUCHER_COLUMNS, columns_of

#: At most so many accounts, and (one long account aside) lines, are in memory at a time.
ACCOUNTS_MAX = 200
LINES_MAX = 20_000
#: Vouchers are loaded so many at a time.
VOUCHERS_MAX = 50
#: Above every account number.
_LAST = 2**62
_HEAD_FIELDS = columns_of(account_head)
_LINE_COLUMNS = columns_of(account_line)
_VALUE_ON, _ORIGIN_ON, _OUTLET_NO, _POLICY_ID = map(
    _LINE_COLUMNS.index, ("value_on", "origin_on", "outlet_no", "policy_id")
)
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line as it stands: what its hash covers, and the hash."""

    #: All columns but the hash, in order.
    content: Row
    line_hash: bytes
    account_no: int
    line_no: int
    kind: str
    amount: int
    contra_no: int
    credited_after: int
    debited_after: int
    expires_on: dt.date | None
    booked_at: dt.datetime
    business_day: dt.date
    voucher_id: bytes

    @property
    def value_on(self) -> dt.date:
        """The day in whose period it counts."""
        day: dt.date = self.content[_VALUE_ON]
        return day

    @property
    def origin_on(self) -> dt.date | None:
        """The day to which it belongs, where that is another."""
        day: dt.date | None = self.content[_ORIGIN_ON]
        return day

    @property
    def outlet_no(self) -> int:
        """The outlet that handled it."""
        number: int = self.content[_OUTLET_NO]
        return number

    @property
    def policy_id(self) -> int | None:
        """The policy that decided it."""
        number: int | None = self.content[_POLICY_ID]
        return number

    @classmethod
    def of_row(cls, row: Row) -> AuditLine:
        """A line from all its columns."""
        return cls(row[:-1], row[-1], *row[:8], *row[10:12], *row[13:14])


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An hour record, as far as an audit looks at it."""

    account_no: int
    record_no: int
    kind: str
    state: str
    category: str | None
    started_at: dt.datetime
    ended_at: dt.datetime
    minutes: int
    points: int
    line_no: int | None
    policy_id: int | None
    replaces_record_no: int | None
    voucher_id: bytes
    decided_voucher_id: bytes | None
    voided_voucher_id: bytes | None
    first_state: str
    outlet_no: int
    service_on: dt.date
    value_on: dt.date


@dataclass(frozen=True, slots=True)
class AuditRedemption:
    """A redemption, as far as an audit looks at it."""

    account_no: int
    redemption_id: bytes
    state: str
    points: int
    line_no: int | None
    hold_id: bytes | None
    cites_from: int | None
    quantity: int
    store_no: int
    redeemed_on: dt.date
    voucher_id: bytes
    settled_voucher_id: bytes | None


@dataclass(frozen=True, slots=True)
class AuditHold:
    """A hold as it stands."""

    account_no: int
    hold_id: bytes
    payee_no: int
    amount: int
    captured: int
    state: str
    placed_at: dt.datetime
    deadline_at: dt.datetime
    latest_at: dt.datetime
    cites_from: int
    event_no: int
    voucher_id: bytes
    settled_voucher_id: bytes | None


@dataclass(frozen=True, slots=True)
class AuditHoldStep:
    """Something that happened to a hold."""

    hold_id: bytes
    event_no: int
    kind: str
    amount: int
    deadline_at: dt.datetime
    line_no: int | None
    voucher_id: bytes


@dataclass(frozen=True, slots=True)
class AuditPart:
    """A part of a line that was taken back, with its voucher's day."""

    account_no: int
    line_no: int
    part_no: int
    kind: str
    amount: int
    expired: int
    by_line_no: int | None
    voucher_id: bytes
    business_day: dt.date


@dataclass(frozen=True, slots=True)
class AuditRefund:
    """A refund as it stands."""

    account_no: int
    redemption_id: bytes
    part_no: int
    refunded_on: dt.date
    quantity: int
    points: int
    refund_line_no: int | None
    voucher_id: bytes


@dataclass(frozen=True, slots=True)
class AuditBook:
    """A passbook that was issued."""

    account_no: int
    passbook_no: int
    volume_no: int
    state: str
    first_line_no: int
    printed_line_no: int


@dataclass(slots=True)
class Batch:
    """Some accounts, in order, with all that hangs on them."""

    heads: dict[int, Head]
    #: (kind, state) of each customer.
    customers: dict[int, tuple[str, str]]
    lines: dict[int, list[AuditLine]]
    records: dict[int, list[AuditRecord]]
    redemptions: dict[int, list[AuditRedemption]]
    #: What open holds add up to.
    held: dict[int, int]
    holds: dict[int, list[AuditHold]]
    #: By hold, in order.
    hold_steps: dict[bytes, list[AuditHoldStep]]
    books: dict[int, list[AuditBook]]
    parts: dict[int, list[AuditPart]]
    refunds: dict[int, list[AuditRefund]]

    @property
    def account_nos(self) -> list[int]:
        """Every account that anything was found for, in order."""
        parts = (
            self.heads, self.customers, self.lines, self.records, self.redemptions, self.holds,
            self.books, self.parts, self.refunds,
        )  # fmt: skip
        return sorted(set().union(*parts))


def _within(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    inside: sa.ColumnElement[bool] = sa.and_(
        column > sa.bindparam("above"), column <= sa.bindparam("last")
    )
    return inside


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
def _customers(_: StoreEngine) -> sa.Select[Any]:
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
            _within(account.c.account_no),
        )
    )


@query
def _lines(_: StoreEngine) -> sa.Select[Any]:
    line = account_line
    return (
        sa.select(*(line.c[name] for name in _LINE_COLUMNS))
        .where(of_bank(line), _within(line.c.account_no))
        .order_by(line.c.account_no, line.c.line_no)
    )


@query
def _records(_: StoreEngine) -> sa.Select[Any]:
    record = hour_record
    return (
        sa.select(*(record.c[name] for name in AuditRecord.__slots__))
        .where(of_bank(record), _within(record.c.account_no))
        .order_by(record.c.account_no, record.c.record_no)
    )


@query
def _redemptions(_: StoreEngine) -> sa.Select[Any]:
    taken = redemption
    return (
        sa.select(*(taken.c[name] for name in AuditRedemption.__slots__))
        .where(of_bank(taken), _within(taken.c.account_no))
        .order_by(taken.c.account_no, taken.c.redemption_id)
    )


@query
def _held(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(hold.c.account_no, whole(sa.func.sum(hold.c.amount - hold.c.captured)))
        .where(of_bank(hold), _within(hold.c.account_no), hold.c.state == "held")
        .group_by(hold.c.account_no)
    )


@query
def _holds(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*(hold.c[name] for name in AuditHold.__slots__))
        .where(of_bank(hold), _within(hold.c.account_no))
        .order_by(hold.c.account_no, hold.c.hold_id)
    )


@query
def _hold_steps(_: StoreEngine) -> sa.Select[Any]:
    step = hold_event
    its_hold = sa.and_(hold.c.bank_id == step.c.bank_id, hold.c.hold_id == step.c.hold_id)
    return (
        sa.select(*(step.c[name] for name in AuditHoldStep.__slots__))
        .select_from(hold.join(step, its_hold))
        .where(of_bank(hold), _within(hold.c.account_no))
        .order_by(step.c.hold_id, step.c.event_no)
    )


@query
def _parts(_: StoreEngine) -> sa.Select[Any]:
    part = line_part
    its_voucher = sa.and_(
        voucher.c.bank_id == part.c.bank_id, voucher.c.voucher_id == part.c.voucher_id
    )
    columns = [part.c[name] for name in AuditPart.__slots__[:-1]]
    return (
        sa.select(*columns, voucher.c.business_day)
        .select_from(part.join(voucher, its_voucher))
        .where(of_bank(part), _within(part.c.account_no))
        .order_by(part.c.account_no, part.c.line_no, part.c.part_no)
    )


@query
def _refunds(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*(refund.c[name] for name in AuditRefund.__slots__))
        .where(of_bank(refund), _within(refund.c.account_no))
        .order_by(refund.c.account_no, refund.c.redemption_id, refund.c.part_no)
    )


@query
def _books(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*(passbook.c[name] for name in AuditBook.__slots__))
        .where(of_bank(passbook), _within(passbook.c.account_no))
        .order_by(passbook.c.account_no, passbook.c.volume_no)
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


def batches_since(tx: Transaction, since: dt.datetime) -> Iterator[Batch]:
    """The accounts that have lines booked since then, one by one, each with all of its rows."""
    above = 0
    while rows := _moved(tx, above=above, since=since, size=ACCOUNTS_MAX):
        for row in rows:
            head = Head(**dict(zip(_HEAD_FIELDS, row, strict=True)))
            yield _load_batch(tx, [head], {"above": head.account_no - 1, "last": head.account_no})
        above = rows[-1][0]


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


def batches(tx: Transaction) -> Iterator[Batch]:
    """All accounts with a floor, in order, and everything numbered between them."""
    above = 0
    while True:
        rows = _heads(tx, above=above, size=ACCOUNTS_MAX)
        heads = [Head(**dict(zip(_HEAD_FIELDS, row, strict=True))) for row in rows]
        taken = _a_few(heads)
        is_last = len(taken) == len(rows) < ACCOUNTS_MAX
        last = _LAST if is_last else taken[-1].account_no
        yield _load_batch(tx, taken, {"above": above, "last": last})
        if is_last:
            return
        above = last


def _a_few(heads: list[Head]) -> list[Head]:
    """The first heads that have few enough lines together; at least one."""
    lines = 0
    for number, head in enumerate(heads):
        lines += head.line_no
        if number and lines > LINES_MAX:
            return heads[:number]
    return heads


def _load_batch(tx: Transaction, heads: list[Head], span: dict[str, int]) -> Batch:
    batch = Batch(
        heads={head.account_no: head for head in heads},
        customers={number: (kind, state) for number, kind, state in _customers(tx, **span)},
        lines={},
        records={},
        redemptions={},
        held=dict(_held(tx, **span)),
        holds={},
        hold_steps={},
        books={},
        parts={},
        refunds={},
    )
    for row in _lines(tx, **span):
        batch.lines.setdefault(row[0], []).append(AuditLine.of_row(row))
    for row in _records(tx, **span):
        batch.records.setdefault(row[0], []).append(AuditRecord(*row))
    for row in _redemptions(tx, **span):
        batch.redemptions.setdefault(row[0], []).append(AuditRedemption(*row))
    for row in _holds(tx, **span):
        batch.holds.setdefault(row[0], []).append(AuditHold(*row))
    for row in _hold_steps(tx, **span):
        batch.hold_steps.setdefault(row[0], []).append(AuditHoldStep(*row))
    for row in _parts(tx, **span):
        batch.parts.setdefault(row[0], []).append(AuditPart(*row))
    for row in _refunds(tx, **span):
        batch.refunds.setdefault(row[0], []).append(AuditRefund(*row))
    for row in _books(tx, **span):
        batch.books.setdefault(row[0], []).append(AuditBook(*row))
    return batch


def list_vouchers(tx: Transaction, voucher_ids: list[bytes]) -> Iterator[tuple[Row, bytes]]:
    """All hashed fields of these vouchers and their hash, those that do not exist left out."""
    for start in range(0, len(voucher_ids), VOUCHERS_MAX):
        part = voucher_ids[start : start + VOUCHERS_MAX]
        part += part[-1:] * (VOUCHERS_MAX - len(part))
        for row in _vouchers(tx, **{f"voucher_{number}": v for number, v in enumerate(part)}):
            yield row[:-2], row[-2]  # after the hash comes only the place in the outbox
