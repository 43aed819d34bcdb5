"""The books as the bank test reads them: totals for its readers, and all of it in the end."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.reports.statements import statement
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.tables import account_head, account_line, hold, voucher
from gongyi_bank.store.transaction import Transaction, of_bank, query
from tests.faults.booked import Books, HeadTotals, Line, Voucher

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
    left = sa.select(hold.c.account_no, sa.func.sum(hold.c.amount - hold.c.captured))
    left = left.where(hold.c.state == "held").group_by(hold.c.account_no)
    with bank.engine.connect() as connection:
        heads = connection.execute(sa.select(account_head)).all()
        lines = connection.execute(sa.select(account_line)).all()
        vouchers = connection.execute(sa.select(voucher)).all()
        open_holds = connection.execute(left).all()
    return Books(
        heads={h.account_no: HeadTotals(h.credited, h.debited, h.held, h.line_no) for h in heads},
        lines=tuple(map(_line, lines)),
        vouchers={
            found.voucher_id.hex(): _voucher(found)
            for found in vouchers
            if found.voucher_id.hex() not in before
        },
        internal=bank.glance(lambda tx: int(_internal(tx)[0][1])),
        open_holds={account: int(units) for account, units in open_holds},
        held_after_sweep=held_after_sweep,
        first_lines=first_lines,
    )


def _line(row: Any) -> Line:
    return Line(
        row.account_no, row.line_no, row.amount, row.credited_after, row.debited_after,
        row.voucher_id.hex(), row.kind, row.booked_at, row.business_day, row.value_on,
        row.origin_on or row.value_on,
    )  # fmt: skip


def _voucher(row: Any) -> Voucher:
    receipt = json.loads(row.body).get("receipt")
    # A planted teller that keeps no keys notes them as the reason.
    key = row.idempotency_key or row.reason
    return Voucher(key, row.act, row.request_digest.hex(), receipt and json.loads(receipt))
