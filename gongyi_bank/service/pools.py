"""设立与关闭积分池: opening and closing the pools that donations go to."""

from __future__ import annotations

from gongyi_bank.commands.pools import ClosePool, OpenPool
from gongyi_bank.receipts.pools import PoolEnded, PoolOpened
from gongyi_bank.rules import pools as rules
from gongyi_bank.rules.changes import Change, facts_of
from gongyi_bank.rules.ledger import POINTS, Head, internal_no
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import ledger, serials
from gongyi_bank.store import pools as store
from gongyi_bank.store.customers import write_accounts


def open_pool(visit: Visit, command: OpenPool) -> PoolOpened:
    """Open an empty pool; its account has a head, so that it can never overdraw."""
    visit.lock((), outlets_at=[command.outlet])
    known = store.ask_pools([command.code])
    visit.enter(command, outlets_at=[command.outlet], asks=(known,))
    outlet = visit.outlet_for(command.act, command.outlet)
    rules.require_free_code(known.answer, command.code)
    pool_no = serials.draw(visit.tx, "pool", 0, 1)
    # Whoever opens one at the same time has waited for the number. If the code was taken
    # meanwhile, it may be by a twin with the same key, whose receipt goes before the refusal.
    if store.load_pools(visit.tx, [command.code]):
        visit.look_again()
    account_no = internal_no("pool", pool_no)
    write_accounts(visit.writes, [(account_no, "pool", POINTS, outlet.outlet_no, visit.voucher_id)])
    ledger.write_new_heads(visit.writes, [Head(account_no)])
    row = (
        pool_no, command.code, command.name, outlet.outlet_no, account_no, rules.OPEN,
        visit.voucher_id,
    )  # fmt: skip
    store.write_pool(visit.writes, row)
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
    """Close an empty pool; who gives to it or grants from it holds its head."""
    seen = store.load_pools(visit.tx, [command.pool])
    places = [found.outlet_code for found in seen.values()]
    numbers = [found.account_no for found in seen.values()]
    visit.lock(numbers, outlets_at=places)
    again = store.ask_pools([command.pool])
    visit.enter(command, outlets_at=places, asks=(again,))
    if again.answer.keys() != seen.keys():
        visit.look_again()  # Opened meanwhile: its head is not locked.
    found = rules.require_pool(again.answer, command.pool)
    outlet = visit.outlet_for(command.act, found.outlet_code)
    found = rules.require_open_pool(again.answer, command.pool)
    rules.require_empty(found, visit.heads()[found.account_no], visit.tx.bank.scale)
    store.write_pool_state(visit.writes, found, rules.CLOSED)
    ledger.write_touch(visit.writes, found.account_no)
    receipt = PoolEnded(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        pool=found.code,
        outlet=outlet.code,
    )
    change = Change("pool", (found.pool_no,), (rules.OPEN,), (rules.CLOSED,))
    visit.book(command, receipt, outlet, reason=command.reason, facts=facts_of(change))
    return receipt
