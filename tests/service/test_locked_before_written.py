"""Whatever an act changes of an account or of goods, it has locked before: on every desk.

SQLite locks its whole file, so a lock that was forgotten does no harm there and no test of what
comes out would notice. What an act says it locks is noted on every engine alike.
"""

from __future__ import annotations

from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.store.locks import Lock, Place
from gongyi_bank.store.tables import account_head, account_line, hold, offer, refund
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.writing import Insert, Writes
from tests.acts import ACTS, keyed
from tests.district import District
from tests.refusals import saver, shop

#: Which columns of a table say what has to be locked before its rows are written.
WRITTEN_UNDER: dict[str, tuple[Place, tuple[str, ...]]] = {
    account_head.name: (Place.HEADS, ("account_no",)),
    account_line.name: (Place.HEADS, ("account_no",)),
    hold.name: (Place.HEADS, ("account_no",)),
    refund.name: (Place.HEADS, ("account_no",)),
    offer.name: (Place.OFFERS, ("store_no", "sku")),
}


def locks_needed(writes: Writes) -> set[Lock]:
    """What must be locked for these rows; of a changed row only its key is known."""
    needed: set[Lock] = set()
    for step in writes.steps:
        place, names = WRITTEN_UNDER.get(step.table.name, (None, ()))
        columns = step.columns if isinstance(step, Insert) else step.key
        is_new = isinstance(step, Insert) and step.table in (account_head, offer)
        if place is None or is_new or not set(names) <= set(columns):
            continue
        for row in step.rows:
            key = tuple(row[columns.index(name)] for name in names)
            needed.add((place, key if place is Place.OFFERS else key[0]))
    return needed


class Watch:
    """Notes what is written and what was locked by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.needed: set[Lock] = set()
        self.unlocked: set[Lock] = set()
        write = Transaction.write

        def noted(tx: Transaction, writes: Writes) -> None:
            assert tx.held is not None
            held, _ = tx.held.copy()
            needed = locks_needed(writes) - locks_of_new_rows(writes)
            self.needed |= needed
            self.unlocked |= {
                (place, key)
                for place, key in needed
                if (place, key) not in held
                and not (place is Place.OFFERS and (place, key[:1]) in held)
            }
            write(tx, writes)

        monkeypatch.setattr(Transaction, "write", noted)


def locks_of_new_rows(writes: Writes) -> set[Lock]:
    """Accounts that this act opens: nobody else can see them."""
    return {
        (Place.HEADS, row[step.columns.index("account_no")])
        for step in writes.steps
        if isinstance(step, Insert) and step.table is account_head
        for row in step.rows
    }


def watched(district: District, staff: str) -> Bank:
    return Bank.open(
        district.bank.engine, staff=staff, clock=district.clock, unsafe_settings="allow",
        lock_order="refuse",
    )  # fmt: skip


@pytest.mark.parametrize("act", sorted(ACTS))
def test_an_act_has_locked_every_account_that_it_changes(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    staff, command, _ = ACTS[act](sqlite_district)
    bank = watched(sqlite_district, staff)
    watch = Watch(monkeypatch)
    bank.execute(keyed(command))
    assert watch.unlocked == set()


GOODS = {
    "redeem": lambda desks, account: desks.redeem(account=account, store="P1", sku="A"),
    "reserve": lambda desks, account: desks.reserve(account=account, store="P1", sku="A"),
    "refund": lambda desks, account: desks.refund(
        redemption=desks.redeem(account=account, store="P1", sku="A").redemption_id,
        second_person="ADM2",
        reason="破损",
    ),
    "release": lambda desks, account: desks.release(
        redemption=desks.reserve(account=account, store="P1", sku="A").redemption_id,
        reason="不要了",
    ),
}


@pytest.mark.parametrize("act", GOODS)
def test_an_act_has_locked_the_goods_that_it_takes_or_puts_back(
    sqlite_district: District, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    account = saver(sqlite_district)
    shop(sqlite_district)
    bank: Any = watched(sqlite_district, "admin")
    watch = Watch(monkeypatch)
    GOODS[act](bank.redemptions, account)
    assert watch.unlocked == set()
    assert {place for place, _ in watch.needed} == {Place.HEADS, Place.OFFERS}
