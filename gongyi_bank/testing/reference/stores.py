"""爱心联盟: recruiting stores, and publishing, restocking and withdrawing what they offer."""

from __future__ import annotations

from dataclasses import replace

from gongyi_bank.commands.stores import (
    LeaveAlliance,
    NewStore,
    PublishOffers,
    RecruitStores,
    Restock,
    WithdrawOffer,
)
from gongyi_bank.receipts.stores import (
    AllianceLeft,
    OfferChanged,
    OffersPublished,
    StoresRecruited,
)
from gongyi_bank.rules import stores as rules
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.rules.stores import OfferFacts, StoreFacts
from gongyi_bank.testing.reference.gate import Acts, Visit
from gongyi_bank.testing.reference.rows import Offer
from gongyi_bank.values import Points


def recruit(visit: Visit, command: RecruitStores) -> StoresRecruited:
    """Take stores into the alliance, each at the outlet that recruited it."""
    codes, books = [part.code for part in command.stores], visit.books
    outlet_codes = sorted({part.recruited_by for part in command.stores})
    visit.enter(command, outlets_at=outlet_codes)
    outlets = {code: visit.outlet_for(command.act, code) for code in outlet_codes}
    known = books.stores_named(codes)
    fresh = rules.decide_recruits(known, command.stores, visit.today)
    for part in fresh:
        joined_on = part.joined_on or visit.today
        visit.closed.require_open_value(outlets[part.recruited_by], joined_on)
    for part in fresh:
        books.stores[part.code] = _new(visit, part, outlets[part.recruited_by])
    receipt = StoresRecruited(
        voucher_id=visit.voucher_uuid if fresh else None,
        business_day=visit.today,
        booked_at=visit.now,
        codes=tuple(codes),
        store_nos=tuple(books.stores[code].store_no for code in codes),
        replayed=tuple(code for code in codes if code in known),
    )
    if fresh:
        visit.book(command, receipt, visit.handled_at(command.act, outlets.values()))
    return receipt


def _new(visit: Visit, part: NewStore, outlet: OutletFacts) -> StoreFacts:
    return StoreFacts(
        store_no=visit.books.draw("store"),
        code=part.code,
        name=part.name,
        kind=part.kind,
        outlet_no=outlet.outlet_no,
        outlet_code=outlet.code,
        joined_on=part.joined_on or visit.today,
        left_on=None,
    )


def leave(visit: Visit, command: LeaveAlliance) -> AllianceLeft:
    """A store leaves the alliance; what is reserved there is still honoured."""
    found = rules.require_store(visit.books.stores, command.store)
    visit.enter(command, outlets_at=[found.outlet_code])
    visit.go_by_newest()
    handled_at = visit.outlet_for(command.act, found.outlet_code)
    rules.require_member(found, visit.today)
    visit.books.stores[found.code] = replace(found, left_on=visit.today)
    receipt = AllianceLeft(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        store=found.code,
        left_on=visit.today,
    )
    visit.book(command, receipt, handled_at, reason=command.reason)
    return receipt


def publish_offers(visit: Visit, command: PublishOffers) -> OffersPublished:
    """List offers with their first stock; one that was published alike is a replay."""
    books = visit.books
    stores = books.stores_named(part.store for part in command.offers)
    visit.enter(command, outlets_at=[facts.outlet_code for facts in stores.values()])
    outlets = {
        facts.outlet_code: visit.outlet_for(command.act, facts.outlet_code, store_no=facts.store_no)
        for facts in stores.values()
    }
    published = {key: offer.published for key, offer in books.offers.items()}
    fresh = rules.decide_offers(stores, published, command.offers, visit.today, visit.bank.scale)
    for said in fresh:
        offer = Offer(said, said.first_stock, rules.LISTED)
        books.offers[offer.key] = offer
    receipt = OffersPublished(
        voucher_id=visit.voucher_uuid if fresh else None,
        business_day=visit.today,
        booked_at=visit.now,
        published=len(fresh),
        replayed=len(command.offers) - len(fresh),
    )
    if fresh:
        visit.book(command, receipt, visit.handled_at(command.act, outlets.values()))
    return receipt


def restock(visit: Visit, command: Restock) -> OfferChanged:
    """Add pieces to an offer, or write spoiled ones off; never below zero."""
    store, offer, handled_at = _enter(visit, command)
    rules.decide_restock(offer, store, command.quantity)
    kept = visit.books.offers[offer.key]
    visit.books.offers[offer.key] = kept._replace(supplied=kept.supplied + command.quantity)
    return _changed(visit, command, store, offer, handled_at)


def withdraw_offer(visit: Visit, command: WithdrawOffer) -> OfferChanged:
    """Take an offer off the list; what is reserved of it is still honoured."""
    store, offer, handled_at = _enter(visit, command)
    rules.require_listed(offer, store)
    kept = visit.books.offers[offer.key]
    visit.books.offers[offer.key] = kept._replace(state=rules.WITHDRAWN)
    return _changed(visit, command, store, offer, handled_at)


def _enter(
    visit: Visit, command: Restock | WithdrawOffer
) -> tuple[StoreFacts, OfferFacts, OutletFacts]:
    """The offer as it is; the actor must be allowed at this store."""
    store = rules.require_store(visit.books.stores, command.store)
    visit.enter(command, outlets_at=[store.outlet_code])
    handled_at = visit.outlet_for(command.act, store.outlet_code, store_no=store.store_no)
    offers = visit.books.offer_facts([(store.store_no, command.sku)])
    return store, rules.require_offer(offers, store, command.sku), handled_at


def _changed(
    visit: Visit,
    command: Restock | WithdrawOffer,
    store: StoreFacts,
    was: OfferFacts,
    handled_at: OutletFacts,
) -> OfferChanged:
    offer = visit.books.offer_facts([was.key])[was.key]
    receipt = OfferChanged(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        store=store.code,
        sku=offer.sku,
        points=Points.of_units(offer.points, visit.bank.scale),
        stock=offer.stock,
        reserved=offer.reserved,
        state=offer.state,
    )
    visit.book(command, receipt, handled_at, reason=command.reason)
    return receipt


ACTS: Acts = {
    RecruitStores: recruit,
    LeaveAlliance: leave,
    PublishOffers: publish_offers,
    Restock: restock,
    WithdrawOffer: withdraw_offer,
}
