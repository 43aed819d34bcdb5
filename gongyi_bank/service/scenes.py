"""What a redemption must know and lock: stores, offers, customers, and holds that have lapsed.

Nothing is decided here; `service.redemptions` lets the rules decide on it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.errors import LockOutOfOrder, RetryTransaction
from gongyi_bank.rules.holds import Hold
from gongyi_bank.rules.redemptions import RedemptionFacts
from gongyi_bank.rules.stores import OfferKey, StoreFacts
from gongyi_bank.service import holds
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import holds as hold_store
from gongyi_bank.store import hours, passbooks, stores
from gongyi_bank.store import redemptions as store
from gongyi_bank.store.transaction import Ask, Transaction


class Scene:
    """What the books say around rows: stores and lapsed holds first, the rest behind the locks.

    While the locks are waited for, further holds may lapse: they are asked for again by the moment
    that decides, and goods that they keep are then locked last.
    """

    def __init__(
        self,
        tx: Transaction,
        rows: Sequence[RedemptionRow],
        numbers: set[int],
        came_at: dt.datetime,
    ) -> None:
        self.rows, self.numbers = rows, numbers
        #: A lock taken at BEGIN keeps the first answers; behind row locks they are asked again.
        self._is_fixed = tx.engine.locks_at_begin
        self._known = stores.ask_stores(row.store for row in rows)
        self._overdue = hold_store.ask_overdue_of(numbers, came_at)
        self.stores: dict[str, StoreFacts] = {}
        #: The outlets of these stores, by code.
        self.places: set[str] = set()
        self._facing: Ask[dict[str, StoreFacts]] = self._known
        self._is_recalled = False

    def recall(self, visit: Visit) -> bool:
        """Whether the handle remembers the stores, whose numbers and outlets never change.

        That saves a round trip. Lapsed holds then show only behind the heads' locks, too late
        for who must know all locks beforehand.
        """
        known = visit.shelf.stores
        codes = {row.store for row in self.rows}
        if self._is_fixed or visit.tx.held is not None or not codes <= known.keys():
            return False
        self.stores = {code: known[code] for code in codes}
        self._is_recalled = True
        return True

    def compare(self, visit: Visit) -> None:
        """Whether what was remembered is what the books say; called when all was asked."""
        found, known = self._facing.answer, visit.shelf.stores
        known.update(found)
        for code, remembered in self.stores.items() if self._is_recalled else ():
            if code not in found or found[code].place != remembered.place:
                # It was recruited in a transaction that was rolled back.
                known.pop(code, None)
                visit.look_again()
        more = holds.goods_of(self._overdue.answer) - self._keys
        if more:
            self._keys |= more
            offers = stores.ask_offers(more)
            _lock_late(visit.tx, offers)
            visit.tx.gather(offers)
            self._offers.append(offers)

    def asks_before(self) -> list[Ask[Any]]:
        """What tells which offers to lock, and whose days to keep open."""
        return [self._known, self._overdue]

    def locks(self) -> list[Ask[Any]]:
        """The offers, to be locked after the heads."""
        lapsed: set[OfferKey] = set()
        if not self._is_recalled:
            self.stores, lapsed = self._known.answer, holds.goods_of(self._overdue.answer)
        self.places = {found.outlet_code for found in self.stores.values()}
        self._keys = _keys(self.stores, self.rows) | lapsed
        self._offers = [stores.ask_offers(self._keys)]
        return self._offers

    def asks(self, visit: Visit) -> list[Ask[Any]]:
        """The facts behind the locks, heads and outlets left out."""
        self._customers = hours.ask_customers(self.numbers)
        self._frozen = passbooks.ask_frozen(self.numbers, visit.now)
        self._refs = store.ask_by_ref(row.ref for row in self.rows if row.ref)
        self._facing = self._known
        if not self._is_fixed:
            self._facing = stores.ask_stores(self.stores)
            self._overdue = hold_store.ask_overdue_of(self.numbers, visit.now)
        again = () if self._is_fixed else (self._facing, self._overdue)
        return [self._customers, self._frozen, *self._offers, self._refs, *again]

    def facts(self, visit: Visit) -> RedemptionFacts:
        """What the rules go by; what may be spent is filled in by whoever has the heads."""
        return RedemptionFacts(
            today=visit.today,
            scale=visit.tx.bank.scale,
            policies=visit.policies,
            actor=visit.staff,
            customers={no: customer.state for no, customer in self._customers.answer.items()},
            customers_by_ref={},
            frozen=self._frozen.answer,
            stores=self._facing.answer,
            outlets=visit.outlets,
            offers={key: offer for ask in self._offers for key, offer in ask.answer.items()},
            available={},
            refs=self._refs.answer,
            value_day=visit.value_day,
        )

    def lapsed(self) -> list[Hold]:
        """Holds that have lapsed unswept by the moment that decides."""
        return self._overdue.answer


def _lock_late(tx: Transaction, offers: Ask[Any]) -> None:
    """Lock goods that nobody could name before. Raises RetryTransaction if the order forbids it.

    Whoever comes again finds the reservation lapsed before anything is locked.
    """
    try:
        tx.lock(offers)
    except LockOutOfOrder:
        raise RetryTransaction(reason="a reservation lapsed meanwhile") from None


def _keys(known: Mapping[str, StoreFacts], rows: Iterable[RedemptionRow]) -> set[OfferKey]:
    return {(known[row.store].store_no, row.sku) for row in rows if row.store in known}
