"""积分池 in the reference: opening and closing the pools that donations go to."""

from __future__ import annotations

from dataclasses import replace

from gongyi_bank.commands.pools import ClosePool, OpenPool
from gongyi_bank.receipts.pools import PoolEnded, PoolOpened
from gongyi_bank.rules import pools as rules
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.pools import PoolFacts
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.lots import entry_of


def open_pool(visit: Visit, command: OpenPool) -> PoolOpened:
    """Open an empty pool."""
    books = visit.books
    visit.enter(command, outlets_at=[command.outlet])
    outlet = visit.outlet_for(command.act, command.outlet)
    rules.require_free_code(books.pools, command.code)
    pool_no = books.draw("pool")
    account_no = internal_no("pool", pool_no)
    books.pools[command.code] = PoolFacts(
        pool_no=pool_no,
        code=command.code,
        name=command.name,
        outlet_no=outlet.outlet_no,
        outlet_code=outlet.code,
        account_no=account_no,
        state=rules.OPEN,
    )
    books.lines[account_no] = ()
    receipt = PoolOpened(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        pool=command.code,
        outlet=outlet.code,
        account=account_no,
    )
    visit.book(command, receipt, outlet)
    return receipt


def close(visit: Visit, command: ClosePool) -> PoolEnded:
    """Close an empty pool."""
    books = visit.books
    known = {command.pool: books.pools[command.pool]} if command.pool in books.pools else {}
    visit.enter(command, outlets_at=[found.outlet_code for found in known.values()])
    found = rules.require_pool(known, command.pool)
    outlet = visit.outlet_for(command.act, found.outlet_code)
    found = rules.require_open_pool(known, command.pool)
    entry = entry_of(visit, [found.account_no])
    rules.require_empty(found, entry.heads[found.account_no], visit.bank.scale)
    books.pools[found.code] = replace(found, state=rules.CLOSED)
    receipt = PoolEnded(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        pool=found.code,
        outlet=outlet.code,
    )
    visit.book(command, receipt, outlet, reason=command.reason)
    return receipt


ACTS: Acts = {
    OpenPool: open_pool,
    ClosePool: close,
}
