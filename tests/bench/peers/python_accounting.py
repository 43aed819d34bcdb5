"""python-accounting as its README shows it: a journal entry with a line item, posted.

Runs in the peer's environment: `python -P python_accounting.py URL`. Told "single 1" on a
line, it does so and answers with the seconds as JSON.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from datetime import datetime
from importlib.metadata import version

from python_accounting.database.session import get_session
from python_accounting.models import Account, Base, Currency, Entity, LineItem
from python_accounting.transactions import JournalEntry
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

#: Fewer than elsewhere: opening one takes as long as posting.
ACCOUNTS = 100

ENGINE = create_engine(make_url(sys.argv[1]).set(drivername="postgresql+psycopg2"))
Base.metadata.create_all(ENGINE)
SESSION = get_session(ENGINE)


def opened() -> tuple[Entity, Account, list[Account]]:
    """The entity, the account that points come from, and the customers'."""
    entity = Entity(name="bank")
    SESSION.add(entity)
    SESSION.commit()
    currency = Currency(name="points", code="PTS", entity_id=entity.id)
    SESSION.add(currency)
    SESSION.commit()

    def account(name: str, kind: Account.AccountType) -> Account:
        return Account(name=name, account_type=kind, currency_id=currency.id, entity_id=entity.id)

    issued = account("issued", Account.AccountType.DIRECT_EXPENSE)
    customers = [
        account(f"customer {number}", Account.AccountType.CURRENT_LIABILITY)
        for number in range(ACCOUNTS)
    ]
    SESSION.add_all([issued, *customers])
    SESSION.commit()
    return entity, issued, customers


ENTITY, ISSUED, CUSTOMERS = opened()
NEXT = itertools.cycle(CUSTOMERS)


def single() -> None:
    """One journal entry of two sides."""
    entry = JournalEntry(
        narration="service", transaction_date=datetime.now(), account_id=next(NEXT).id,  # noqa: DTZ005
        entity_id=ENTITY.id,
    )  # fmt: skip
    SESSION.add(entry)
    SESSION.flush()
    item = LineItem(narration="service", account_id=ISSUED.id, amount=1, entity_id=ENTITY.id)
    SESSION.add(item)
    SESSION.flush()
    entry.line_items.add(item)
    SESSION.add(entry)
    entry.post(SESSION)


def main() -> None:
    """Say what this is; then act when told."""
    names = ("python-accounting", "sqlalchemy", "psycopg2-binary")
    print(json.dumps({"versions": {name: version(name) for name in names}}), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        single()
        print(json.dumps({"seconds": time.perf_counter() - begin}), flush=True)


if __name__ == "__main__":
    main()
