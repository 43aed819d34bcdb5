"""The books as the bank test reads them: totals for its readers, and all of it in the end."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.reports.statements import statement
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import account_head, account_line, hold, hold_event, voucher
from gongyi_bank.store.transaction import Transaction, of_bank, query
from tests.faults.booked import Books, HeadTotals, Hold, HoldStep, Line, Voucher

#: Internal accounts have numbers below every customer's; pools are not used here.
_CUSTOMERS = sa.literal_column(str(10 * internal_no("transit", 0)))


@query
def _internal(_: StoreEngine) -> sa.Select[Any]:
    """What lines say about the bank's side: the sum over all internal accounts."""
    total = sa.func.coalesce(sa.func.sum(account_line.c.amount), 0)
    others = sa.select(sa.literal_column("0"), -total, sa.literal_column("0"))
    return others.where(of_bank(account_line), account_line.c.contra_no < _CUSTOMERS)


@query
def _all_totals(engine: StoreEngine) -> sa.CompoundSelect[Any]:
    """Every customer with balance and newest line, and the bank's side as account 0."""
    total = sa.func.coalesce(sa.func.sum(account_line.c.amount), 0)
    head = account_head.c
    customers = sa.select(head.account_no, head.credited - head.debited, head.line_no)
    internal = sa.select(sa.literal_column("0"), -total, sa.literal_column("0"))
    return sa.union_all(
        customers.where(of_bank(account_head)),
        internal.where(of_bank(account_line), account_line.c.contra_no < _CUSTOMERS),
    )


#: Balances and newest lines by account, and the bank's side.
Totals = tuple[dict[int, int], dict[int, int], int]


def totals_at_once(bank: Bank) -> Totals:
    """All accounts in one statement."""
    rows = bank.glance(_all_totals)
    balances = {int(no): int(units) for no, units, _ in rows}
    internal = balances.pop(0)
    return balances, {int(no): int(line) for no, _, line in rows if no}, internal


def totals_one_by_one(bank: Bank, accounts: list[int]) -> Totals:
    """A statement's newest line of each account, and the bank's side, in one transaction."""

    def look(tx: Transaction) -> Totals:
        newest = {no: statement(tx, no, newest=1).lines[0] for no in accounts}
        balances = {no: line.balance.to_units(2) for no, line in newest.items()}
        lines = {no: line.line_no for no, line in newest.items()}
        return balances, lines, int(_internal(tx)[0][1])

    return bank.read(look)


def voucher_ids(bank: Bank) -> frozenset[str]:
    """The acts that are in the books now."""
    with bank.engine.connect() as connection:
        return frozenset(
            found.hex() for found in connection.scalars(sa.select(voucher.c.voucher_id))
        )


def load_books(
    bank: Bank, *, before: frozenset[str], first_lines: dict[int, int], held_after_sweep: int = 0
) -> Books:
    """The books as they are; `before` are the acts of the time before the workers came."""
    steps = sa.select(hold_event, voucher.c.booked_at).join(
        voucher, hold_event.c.voucher_id == voucher.c.voucher_id
    )
    with bank.engine.connect() as connection:
        heads = connection.execute(sa.select(account_head)).all()
        lines = connection.execute(sa.select(account_line)).all()
        vouchers = connection.execute(sa.select(voucher)).all()
        holds = connection.execute(sa.select(hold)).all()
        events = connection.execute(steps.order_by(hold_event.c.event_no)).all()
    done: dict[bytes, list[HoldStep]] = defaultdict(list)
    for event in events:
        done[event.hold_id].append(_step(event))
    return Books(
        heads={h.account_no: HeadTotals(h.credited, h.debited, h.held, h.line_no) for h in heads},
        lines=tuple(map(_line, lines)),
        vouchers={
            found.voucher_id.hex(): _voucher(found)
            for found in vouchers
            if found.voucher_id.hex() not in before
        },
        internal=bank.glance(lambda tx: int(_internal(tx)[0][1])),
        holds=tuple(_hold(found, done[found.hold_id]) for found in holds),
        held_after_sweep=held_after_sweep,
        first_lines=first_lines,
    )


def _line(row: Any) -> Line:
    return Line(
        row.account_no, row.line_no, row.amount, row.credited_after, row.debited_after,
        row.voucher_id.hex(), row.kind, row.booked_at, row.business_day, row.value_on,
        row.origin_on or row.value_on,
    )  # fmt: skip


def _step(row: Any) -> HoldStep:
    time_left = row.deadline_at - row.booked_at
    return HoldStep(row.event_no, row.kind, row.amount, row.voucher_id.hex(), time_left)


def _hold(row: Any, steps: list[HoldStep]) -> Hold:
    return Hold(
        row.hold_id.hex(), row.account_no, row.amount, row.captured, row.state,
        row.voucher_id.hex(), tuple(steps),
    )  # fmt: skip


def _voucher(row: Any) -> Voucher:
    receipt = json.loads(row.body).get("receipt")
    # A planted teller that keeps no keys notes them as the reason.
    key = row.idempotency_key or row.reason
    return Voucher(key, row.act, row.request_digest.hex(), receipt and json.loads(receipt))
