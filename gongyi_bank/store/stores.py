"""Partner stores and their offers as facts and rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gongyi_bank.rules.stores import OfferFacts, OfferKey, PublishedOffer, StoreFacts
from gongyi_bank.store.engines import StoreEngine
from gongyi_bank.store.locks import Place
from gongyi_bank.store.tables import offer, outlet, partner_store, stock_move
from gongyi_bank.store.transaction import Ask, Rows, Transaction, of_bank, query
from gongyi_bank.store.writing import Row, Writes, columns_of

STORE_COLUMNS = columns_of(partner_store)
OFFER_COLUMNS = columns_of(offer)
_MOVE_COLUMNS = columns_of(stock_move)
_ITS_OUTLET = sa.and_(
    outlet.c.bank_id == partner_store.c.bank_id,
    outlet.c.outlet_no == partner_store.c.recruited_by_no,
)
_ITS_STORE = sa.and_(
    partner_store.c.bank_id == offer.c.bank_id, partner_store.c.store_no == offer.c.store_no
)


@query
def _numbers(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(partner_store.c.code, partner_store.c.store_no).where(
        of_bank(partner_store), engine.among(partner_store.c.code, "codes")
    )


@query
def _stores(engine: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(
            partner_store.c.store_no,
            partner_store.c.code,
            partner_store.c.name,
            partner_store.c.kind,
            partner_store.c.recruited_by_no,
            outlet.c.code,
            partner_store.c.joined_on,
            partner_store.c.left_on,
        )
        .select_from(partner_store.join(outlet, _ITS_OUTLET))
        .where(of_bank(partner_store), engine.among(partner_store.c.code, "codes"))
    )


@query
def _lock_stores(engine: StoreEngine) -> sa.Select[Any]:
    rows = (
        sa.select(partner_store.c.store_no)
        .where(of_bank(partner_store), engine.among(partner_store.c.store_no, "stores"))
        .order_by(partner_store.c.store_no)
    )
    return engine.lock(rows)


@query
def _lock_all_offers(engine: StoreEngine) -> sa.Select[Any]:
    rows = (
        sa.select(offer.c.store_no, offer.c.sku)
        .where(of_bank(offer), engine.among(offer.c.store_no, "stores"))
        .order_by(offer.c.store_no, offer.c.sku)
    )
    return engine.lock(rows)


@query
def _offers(engine: StoreEngine) -> sa.Select[Any]:
    return sa.select(
        offer.c.store_no,
        offer.c.sku,
        offer.c.name,
        offer.c.points,
        offer.c.stock,
        offer.c.reserved,
        offer.c.state,
    ).where(
        of_bank(offer),
        engine.among(offer.c.store_no, "stores"),
        engine.among(offer.c.sku, "skus"),
    )


_lock_offers = _offers.locking(offer.c.store_no, offer.c.sku)


@query
def _published(engine: StoreEngine) -> sa.Select[Any]:
    """Offers with the stock they began with: the move of the act that published them."""
    first_move = sa.and_(
        stock_move.c.bank_id == offer.c.bank_id,
        stock_move.c.store_no == offer.c.store_no,
        stock_move.c.sku == offer.c.sku,
        stock_move.c.voucher_id == offer.c.voucher_id,
    )
    return (
        sa.select(
            offer.c.store_no,
            offer.c.sku,
            offer.c.name,
            offer.c.points,
            sa.func.coalesce(stock_move.c.quantity, 0),
        )
        .select_from(offer.outerjoin(stock_move, first_move))
        .where(
            of_bank(offer),
            engine.among(offer.c.store_no, "stores"),
            engine.among(offer.c.sku, "skus"),
        )
    )


_LISTING = (
    partner_store.c.code,
    partner_store.c.name,
    offer.c.sku,
    offer.c.name,
    offer.c.points,
    offer.c.stock,
    offer.c.reserved,
    offer.c.state,
)


@query
def _listing(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*_LISTING)
        .select_from(offer.join(partner_store, _ITS_STORE))
        .where(of_bank(offer))
        .order_by(partner_store.c.code, offer.c.sku)
    )


@query
def _listing_of_store(_: StoreEngine) -> sa.Select[Any]:
    return (
        sa.select(*_LISTING)
        .select_from(offer.join(partner_store, _ITS_STORE))
        .where(of_bank(offer), partner_store.c.code == sa.bindparam("code"))
        .order_by(offer.c.sku)
    )


def load_store_numbers(tx: Transaction, codes: Iterable[str]) -> dict[str, int]:
    """The numbers of the stores with these codes."""
    names = sorted(set(codes))
    return dict(_numbers(tx, codes=names)) if names else {}


def ask_stores(codes: Iterable[str]) -> Ask[dict[str, StoreFacts]]:
    """The stores with these codes, by code."""
    return _stores.ask(
        lambda rows: {row[1]: StoreFacts(*row) for row in rows}, codes=sorted(set(codes))
    )


def load_stores(tx: Transaction, codes: Iterable[str]) -> dict[str, StoreFacts]:
    """The stores with these codes, by code."""
    return tx.look(ask_stores(codes))


def lock_stores(tx: Transaction, store_nos: Iterable[int]) -> None:
    """Lock these stores' rows in order, before any of their offers."""
    numbers = sorted(set(store_nos))
    tx.lock(_lock_stores.ask(list, stores=numbers).locking(Place.STORES, numbers))


def ask_lock_all_offers(store_nos: Iterable[int]) -> Ask[Rows]:
    """Lock everything that these stores offer, in key order; facts come in a later statement."""
    numbers = sorted(set(store_nos))
    every = [(number,) for number in numbers]
    return _lock_all_offers.ask(list, stores=numbers).locking(Place.OFFERS, every)


def lock_all_offers(tx: Transaction, store_no: int) -> None:
    """Lock everything that a store offers."""
    tx.lock(ask_lock_all_offers([store_no]))


def ask_offers(keys: Iterable[OfferKey]) -> Ask[dict[OfferKey, OfferFacts]]:
    """These offers as they stand, those unknown left out; locked in key order, after all heads."""
    wanted = set(keys)

    def parse(rows: Rows) -> dict[OfferKey, OfferFacts]:
        # The last two fields are what was seen: the guard of the write.
        found = [OfferFacts(*row, *row[4:6]) for row in rows if (row[0], row[1]) in wanted]
        return {offer.key: offer for offer in found}

    asked = _offers.ask(parse, **_key_lists(wanted))
    return asked.locked_by(_lock_offers).locking(Place.OFFERS, list(wanted))


def load_offers(tx: Transaction, keys: Iterable[OfferKey]) -> dict[OfferKey, OfferFacts]:
    """These offers as they stand, those unknown left out."""
    return tx.look(ask_offers(keys))


def load_published(tx: Transaction, keys: Iterable[OfferKey]) -> dict[OfferKey, PublishedOffer]:
    """These offers as they were when they were published, those unknown left out."""
    params = _key_lists(keys)
    rows = _published(tx, **params) if params["stores"] else []
    return {(row[0], row[1]): PublishedOffer(*row) for row in rows}


def _key_lists(keys: Iterable[OfferKey]) -> dict[str, Any]:
    """The keys as two lists: between them they name these offers and perhaps some more."""
    pairs = set(keys)
    return {
        "stores": sorted({store_no for store_no, _ in pairs}),
        "skus": sorted({sku for _, sku in pairs}),
    }


def list_offers(tx: Transaction, store: str | None) -> list[tuple[Any, ...]]:
    """Offers in order: store, its name, sku, name, points, stock, reserved, state."""
    return _listing(tx) if store is None else _listing_of_store(tx, code=store)


def write_stores(writes: Writes, rows: list[Row]) -> None:
    """Add stores (full rows in the order of STORE_COLUMNS)."""
    writes.insert(partner_store, STORE_COLUMNS, rows)


def write_leaving(writes: Writes, store: StoreFacts, left_on: object) -> None:
    """A store leaves the alliance; its row is locked."""
    writes.update(
        partner_store, [(store.store_no, left_on)], key=("store_no",), changes=("left_on",)
    )


def write_offers(writes: Writes, offers: list[PublishedOffer], voucher_id: bytes) -> None:
    """Add offers and, where there is any, the move of their first stock."""
    rows: list[Row] = [
        (o.store_no, o.sku, o.name, o.points, o.first_stock, 0, "listed", voucher_id)
        for o in offers
    ]
    writes.insert(offer, OFFER_COLUMNS, rows)
    moves: list[Row] = [
        (o.store_no, o.sku, voucher_id, o.first_stock) for o in offers if o.first_stock
    ]
    writes.insert(stock_move, _MOVE_COLUMNS, moves)


def write_stock(writes: Writes, offers: Iterable[OfferFacts], voucher_id: bytes) -> None:
    """Write what an act did to offers' counts, with one move for each change of stock."""
    changed = [o for o in offers if o.is_changed]
    rows: list[Row] = [
        (o.store_no, o.sku, o.seen_stock, o.seen_reserved, o.stock, o.reserved) for o in changed
    ]
    writes.update(
        offer,
        rows,
        key=("store_no", "sku"),
        guards=("stock", "reserved"),
        changes=("stock", "reserved"),
    )
    moves: list[Row] = [
        (o.store_no, o.sku, voucher_id, o.stock - o.seen_stock)
        for o in changed
        if o.stock != o.seen_stock
    ]
    writes.insert(stock_move, _MOVE_COLUMNS, moves)


def write_offer_state(writes: Writes, found: OfferFacts, state: str) -> None:
    """Change an offer's state; the guard is the state it was decided in."""
    row = (found.store_no, found.sku, found.state, state)
    writes.update(offer, [row], key=("store_no", "sku"), guards=("state",), changes=("state",))
