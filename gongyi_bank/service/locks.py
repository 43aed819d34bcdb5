"""Taking all locks of several acts before the first of them, in the order of every act.

Nothing is decided here and nothing written: what is locked is only held until the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from gongyi_bank.arguments import require_list
from gongyi_bank.rules.pools import require_pool
from gongyi_bank.rules.stores import require_store
from gongyi_bank.service.holds import goods_of
from gongyi_bank.store import closings, ledger, pools, stores
from gongyi_bank.store.holds import ask_overdue_of
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import clean_code, parse_account_no


def lock_ahead(
    tx: Transaction, accounts: Iterable[int], store_codes: Iterable[str], pool_codes: Iterable[str]
) -> None:
    """Lock these heads and everything that these stores offer, and keep all days open.

    Days are kept first, because who closes a day waits for all who keep one open.
    """
    numbers = {parse_account_no(number) for number in require_list(accounts, field="accounts")}
    wanted_pools = _codes(pool_codes, "pools")
    wanted_stores = _codes(store_codes, "stores")
    found_pools = pools.load_pools(tx, wanted_pools) if wanted_pools else {}
    found_stores = stores.load_stores(tx, wanted_stores) if wanted_stores else {}
    numbers |= {require_pool(found_pools, code).account_no for code in wanted_pools}
    store_nos = [require_store(found_stores, code).store_no for code in wanted_stores]
    heads = [ledger.ask_heads(numbers)] if numbers else []
    if numbers:  # whoever meets a reservation that has lapsed puts its goods back, wherever
        overdue = ask_overdue_of(numbers, ledger.load_moment(tx, sorted(numbers)))
        tx.gather(overdue)
        store_nos += [store_no for store_no, _ in goods_of(overdue.answer)]
    offers = [stores.ask_lock_all_offers(store_nos)] if store_nos else []
    tx.lock(*closings.asks_to_keep(tx), *heads, *offers)


def _codes(codes: Iterable[str], field: str) -> list[str]:
    return [clean_code(code, field=field) for code in require_list(codes, field=field)]
