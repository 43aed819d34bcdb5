"""爱心联盟的规则: who is in the alliance, and what an offer's stock may become.

Pure. `stock` is the pieces that are neither given out nor reserved, `reserved` those that
reservations hold. For every offer, at every moment: stock = the sum of its stock moves, and
reserved = the sum of the quantities of its redemptions in state `reserved`.

The first of these that applies refuses. Recruiting: unknown or closed outlet, not permitted, a
code that comes twice, a day in the future, a code that is taken, a day in a closed period.
Leaving: unknown store, not permitted, left before. Publishing: not permitted, an article that
comes twice, unknown store, a store that has left, an article with other content. Restocking and
withdrawing: unknown store, not permitted, unknown article, no pieces, withdrawn, more than there
are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gongyi_bank.arguments import require_each_once
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    CodeTaken,
    InvalidValue,
    OfferWithdrawn,
    OutOfStock,
    StoreClosed,
    UnknownOffer,
    UnknownStore,
)

LISTED: Final = "listed"
WITHDRAWN: Final = "withdrawn"
#: (store number, sku): what an offer is known by, and the order in which offers are locked.
OfferKey = tuple[int, str]


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """A partner store and the outlet that recruited it, which handles what happens there."""

    store_no: int
    code: str
    name: str
    kind: str
    outlet_no: int
    outlet_code: str
    joined_on: dt.date
    #: The first day on which it is no longer in the alliance.
    left_on: dt.date | None

    @property
    def place(self) -> tuple[int, int]:
        """Its number and its outlet's, which never change."""
        return self.store_no, self.outlet_no

    def is_member_on(self, day: dt.date) -> bool:
        """Whether it is in the alliance on that day."""
        return self.joined_on <= day and (self.left_on is None or day < self.left_on)


@dataclass(slots=True)
class OfferFacts:
    """An offer as it stands; acts change `stock` and `reserved` as they go."""

    store_no: int
    sku: str
    name: str
    #: What one piece costs, in the smallest part.
    points: int
    stock: int
    reserved: int
    state: str
    #: `stock` and `reserved` as loaded: the guard of the write.
    seen_stock: int
    seen_reserved: int

    @property
    def key(self) -> OfferKey:
        """What the offer is known by."""
        return self.store_no, self.sku

    @property
    def is_changed(self) -> bool:
        """Whether the act changed what it counts."""
        return (self.stock, self.reserved) != (self.seen_stock, self.seen_reserved)

    def go_on(self) -> None:
        """What an act made of it counts as loaded, for the next act that is written with it."""
        self.seen_stock, self.seen_reserved = self.stock, self.reserved

    def give_out(self, quantity: int) -> None:
        """Free pieces leave the store."""
        self.stock -= quantity

    def take_in(self, quantity: int) -> None:
        """Pieces that were given out come back."""
        self.stock += quantity

    def hold(self, quantity: int) -> None:
        """Free pieces are put aside."""
        self.stock -= quantity
        self.reserved += quantity

    def hand_over(self, quantity: int) -> None:
        """Pieces that were put aside leave the store."""
        self.reserved -= quantity

    def free(self, quantity: int) -> None:
        """Pieces that were put aside are free again."""
        self.reserved -= quantity
        self.stock += quantity


@dataclass(frozen=True, slots=True)
class PublishedOffer:
    """What an offer said when it was published, for judging a repetition."""

    store_no: int
    sku: str
    name: str
    points: int
    first_stock: int


def require_store(stores: Mapping[str, StoreFacts], code: str) -> StoreFacts:
    """The store with this code; raises UnknownStore."""
    store = stores.get(code)
    if store is None:
        raise UnknownStore(store=code)
    return store


def require_member(store: StoreFacts, day: dt.date) -> None:
    """Raise StoreClosed unless the store is in the alliance on that day."""
    if not store.is_member_on(day):
        raise StoreClosed(store=store.code, day=day)


def require_offer(offers: Mapping[OfferKey, OfferFacts], store: StoreFacts, sku: str) -> OfferFacts:
    """The store's offer; raises UnknownOffer."""
    offer = offers.get((store.store_no, sku))
    if offer is None:
        raise UnknownOffer(store=store.code, sku=sku)
    return offer


def require_listed(offer: OfferFacts, store: StoreFacts) -> None:
    """Raise OfferWithdrawn unless the offer is on the list."""
    if offer.state != LISTED:
        raise OfferWithdrawn(store=store.code, sku=offer.sku)


def decide_recruits(
    known: Mapping[str, StoreFacts], parts: Iterable[NewStore], today: dt.date
) -> list[NewStore]:
    """The stores that are new; one that is known alike is a replay.

    Raises CodeTaken for a known code with other content, InvalidValue for a code that comes
    twice or a day in the future.
    """
    fresh: list[NewStore] = []
    require_each_once((part.code for part in parts), field="code")
    for part in parts:
        if part.joined_on is not None and part.joined_on > today:
            raise InvalidValue.of("joined_on", part.joined_on, "is in the future")
        store = known.get(part.code)
        if store is None:
            fresh.append(part)
            continue
        said = (part.name, part.kind, part.recruited_by, part.joined_on or store.joined_on)
        if said != (store.name, store.kind, store.outlet_code, store.joined_on):
            raise CodeTaken(what="商家 store", taken=part.code)
    return fresh


def decide_offers(
    stores: Mapping[str, StoreFacts],
    published: Mapping[OfferKey, PublishedOffer],
    parts: Iterable[NewOffer],
    today: dt.date,
    scale: int,
) -> list[PublishedOffer]:
    """The offers that are new; one that was published alike is a replay, whatever its stock now.

    Raises UnknownStore, CodeTaken for a known article with other content, StoreClosed for a
    new offer of a store that has left.
    """
    fresh = []
    require_each_once(((part.store, part.sku) for part in parts), field="sku")
    for part in parts:
        store = require_store(stores, part.store)
        points = part.points.to_units(scale)
        said = PublishedOffer(store.store_no, part.sku, part.name, points, part.stock)
        earlier = published.get((store.store_no, part.sku))
        if earlier is None:
            require_member(store, today)
            fresh.append(said)
        elif earlier != said:
            raise CodeTaken(what="兑换品 offer", taken=f"{part.store}/{part.sku}")
    return fresh


def decide_restock(offer: OfferFacts, store: StoreFacts, quantity: int) -> None:
    """Change the free pieces; more only of a listed offer, and never below zero.

    Raises InvalidValue for zero, OfferWithdrawn, OutOfStock.
    """
    if quantity == 0:
        raise InvalidValue.of("quantity", quantity, "pieces to add, or negative to write off")
    if quantity > 0:
        require_listed(offer, store)
    if offer.stock + quantity < 0:
        raise OutOfStock(sku=offer.sku, left=offer.stock, wanted=-quantity)
    offer.stock += quantity
