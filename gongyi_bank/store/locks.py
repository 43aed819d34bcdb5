"""What a transaction has locked, remembered so that the order of locks can be kept.

Every act locks in one order: outlets, closings, heads ascending, stores, offers, serial
counters; and who acknowledges to the outbox locks their consumer's row after all of that. Two
acts on accounts can therefore never wait for each other in a circle; a closing beside an act on
the house can (decision 0012), and two transactions of several acts.
Whoever opens a bank with `lock_order="refuse"` is told so where it is written, not at night.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Iterable
from enum import IntEnum
from typing import Any, Final

import sqlalchemy as sa

from gongyi_bank.errors import LockOutOfOrder


class Place(IntEnum):
    """What can be locked alone, in the order in which it is."""

    #: All of them together: whoever locks one alone has locked the head office's first.
    OUTLETS = 0
    #: Two who announce the same one meet at its key, when they write.
    CLOSINGS = 1
    HEADS = 2
    STORES = 3
    OFFERS = 4
    #: The last of an act. A transaction of several acts draws in the order of `SERIES`.
    COUNTERS = 5
    #: To acknowledge says that all work is done, so it comes after all work.
    CONSUMERS = 6


#: A place and the row's key. Of an offer (store, SKU); (store,) is all that the store offers.
Lock = tuple[Place, Any]
#: Serial counters with their names, in the order in which a district is set up: the house, its
#: people and rules, then stores, pools, passbooks and customers. The outbox numbers what is done.
SERIES: Final = {
    "outlet": "网点编号 serial numbers of outlets",
    "staff": "人员编号 serial numbers of staff",
    "policy": "规则编号 serial numbers of policies",
    "store": "商家编号 serial numbers of stores",
    "pool": "积分池编号 serial numbers of pools",
    "passbook": "存折编号 serial numbers of passbooks",
    "account": "账户编号 serial numbers of accounts",
    "outbox": "发件箱编号 serial numbers of the outbox",
}
_SERIES: Final = tuple(SERIES)
#: After every SKU.
_END = "\U0010ffff"
#: How many of the things that should have been locked before are named.
_NAMED_MAX = 3


def counter_of(series: str, owner_no: int) -> Lock:
    """The lock of a serial counter: accounts have one for each outlet."""
    return Place.COUNTERS, (_SERIES.index(series), owner_no)


class HeldLocks:
    """The locks of one transaction, and the last of them in the order."""

    def __init__(self) -> None:
        self._held: set[Lock] = set()
        self._last: Lock | None = None

    def take(self, *wanted: Lock) -> None:
        """These are locked next. Raises LockOutOfOrder, and then none of them is held."""
        self.require_order(wanted)
        self.add(wanted)

    def require_order(self, wanted: Iterable[Lock]) -> None:
        """Raise LockOutOfOrder if one of these lies before what is held and is not held."""
        if self._last is None:
            return
        early = sorted(lock for lock in wanted if lock < self._last and not self._is_held(lock))
        if early:
            names = list(dict.fromkeys(map(_name_of, early)))
            more = f", … ({len(names)})" if len(names) > _NAMED_MAX else ""
            raise LockOutOfOrder(
                wanted=", ".join(names[:_NAMED_MAX]) + more, holding=_name_of(self._last)
            )

    def add(self, taken: Iterable[Lock]) -> None:
        """These are held from now on."""
        for lock in taken:
            self._held.add(lock)
            place, key = lock
            is_all = place is Place.OFFERS and len(key) == 1
            reached = (place, (*key, _END)) if is_all else lock
            if self._last is None or self._last < reached:
                self._last = reached

    def _is_held(self, lock: Lock) -> bool:
        place, key = lock
        return lock in self._held or (place is Place.OFFERS and (place, key[:1]) in self._held)

    def add_new(self, made: Iterable[Lock]) -> None:
        """Rows that this transaction made: nobody else can wait for what nobody sees."""
        self._held.update(made)

    def copy(self) -> tuple[set[Lock], Lock | None]:
        """All of it as it is now, for `restore`."""
        return set(self._held), self._last

    def restore(self, copied: tuple[set[Lock], Lock | None]) -> None:
        """Let go of what was locked since: an undone savepoint does."""
        self._held, self._last = set(copied[0]), copied[1]


def _name_of(lock: Lock) -> str:
    place, key = lock
    if place is Place.HEADS:
        return str(key)
    if place is Place.OFFERS and len(key) == 2 and key[1] != _END:
        return str(key[1])
    if place is Place.COUNTERS:
        rank, owner_no = key
        return f"{SERIES[_SERIES[rank]]}{f' at {owner_no}' if owner_no else ''}"
    if place is Place.CONSUMERS:
        return f"发件箱 outbox of {key}"
    return {
        Place.OUTLETS: "网点 outlets",
        Place.CLOSINGS: "结账 closings",
        Place.STORES: "商家 stores",
        Place.OFFERS: "兑换品 offers",
    }[place]


#: What each database transaction that is under way has locked, for each bank in it.
_of_transactions: weakref.WeakKeyDictionary[Hashable, dict[int, HeldLocks]] = (
    weakref.WeakKeyDictionary()
)


def held_in(connection: sa.Connection, bank_id: int) -> HeldLocks | None:
    """The locks of the transaction that this connection is in; `within` may join it twice."""
    transaction = connection.get_transaction()
    if transaction is None:
        return None
    return _of_transactions.setdefault(transaction, {}).setdefault(bank_id, HeldLocks())
