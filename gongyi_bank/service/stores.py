"""爱心联盟: recruiting stores, and publishing, restocking and withdrawing what they offer."""

from __future__ import annotations

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
from gongyi_bank.rules.changes import Change, facts_of
from gongyi_bank.rules.ledger import POINTS, internal_no
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.rules.stores import OfferFacts, StoreFacts
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import serials
from gongyi_bank.store import stores as store
from gongyi_bank.store.closings import ask_newest_moment
from gongyi_bank.store.customers import write_accounts
from gongyi_bank.values import Points


def recruit(visit: Visit, command: RecruitStores) -> StoresRecruited:
    """Take stores into the alliance, each with an account at the outlet that recruited it."""
    codes = [part.code for part in command.stores]
    outlet_codes = sorted({part.recruited_by for part in command.stores})
    visit.lock((), outlets_at=outlet_codes)
    # Twins share no lock. So the stores are read before the key: whoever meets the stores of
    # their own twin finds its voucher, too.
    known = store.load_stores(visit.tx, codes)
    visit.enter(command, outlets_at=outlet_codes)
    outlets = {code: visit.outlet_for(command.act, code) for code in outlet_codes}
    fresh = rules.decide_recruits(known, command.stores, visit.today)
    for part in fresh:
        joined_on = part.joined_on or visit.today
        visit.closed.require_open_value(outlets[part.recruited_by], joined_on)
    first_no = serials.draw(visit.tx, "store", 0, len(fresh)) if fresh else 0
    numbers = {code: facts.store_no for code, facts in known.items()}
    numbers |= {part.code: first_no + i for i, part in enumerate(fresh)}
    _write_new(visit, fresh, numbers, outlets)
    receipt = StoresRecruited(
        voucher_id=visit.voucher_uuid if fresh else None,
        business_day=visit.today,
        booked_at=visit.now,
        codes=tuple(codes),
        store_nos=tuple(numbers[code] for code in codes),
        replayed=tuple(code for code in codes if code in known),
    )
    if fresh:
        visit.book(command, receipt, visit.handled_at(command.act, outlets.values()))
    return receipt


def _write_new(
    visit: Visit,
    fresh: list[NewStore],
    numbers: dict[str, int],
    outlets: dict[str, OutletFacts],
) -> None:
    accounts, rows = [], []
    for part in fresh:
        outlet_no, store_no = outlets[part.recruited_by].outlet_no, numbers[part.code]
        account_no = internal_no("store", store_no)
        accounts.append((account_no, "store", POINTS, outlet_no, visit.voucher_id))
        rows.append((
            store_no, part.code, part.name, part.kind, outlet_no, part.joined_on or visit.today,
            None, account_no, visit.voucher_id,
        ))  # fmt: skip
    write_accounts(visit.writes, accounts)
    store.write_stores(visit.writes, rows)


def leave(visit: Visit, command: LeaveAlliance) -> AllianceLeft:
    """A store leaves the alliance; what is reserved there is still honoured."""
    found = rules.require_store(store.load_stores(visit.tx, [command.store]), command.store)
    visit.lock((), outlets_at=[found.outlet_code])
    # Whoever redeems there holds an offer's row, so nobody is half-way when the store leaves.
    store.lock_stores(visit.tx, [found.store_no])
    store.lock_all_offers(visit.tx, found.store_no)
    newest = ask_newest_moment()
    visit.enter(command, outlets_at=[found.outlet_code], asks=[newest])
    visit.go_by(newest.answer)  # a clock that is behind would find a member still
    handled_at = visit.outlet_for(command.act, found.outlet_code)
    found = store.load_stores(visit.tx, [command.store])[command.store]
    rules.require_member(found, visit.today)
    store.write_leaving(visit.writes, found, visit.today)
    receipt = AllianceLeft(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        store=found.code,
        left_on=visit.today,
    )
    change = Change("partner_store", (found.store_no,), (found.left_on,), (visit.today,))
    visit.book(command, receipt, handled_at, reason=command.reason, facts=facts_of(change))
    return receipt


def publish_offers(visit: Visit, command: PublishOffers) -> OffersPublished:
    """List offers with their first stock; one that was published alike is a replay."""
    codes = {part.store for part in command.offers}
    seen = store.load_stores(visit.tx, codes)
    places = {facts.outlet_code for facts in seen.values()}
    visit.lock((), outlets_at=places)
    store.lock_stores(visit.tx, [facts.store_no for facts in seen.values()])
    visit.enter(command, outlets_at=places)
    outlets = {
        facts.outlet_code: visit.outlet_for(command.act, facts.outlet_code, store_no=facts.store_no)
        for _, facts in sorted(seen.items())
    }
    stores = store.load_stores(visit.tx, codes)
    keys = [
        (stores[part.store].store_no, part.sku) for part in command.offers if part.store in stores
    ]
    published = store.load_published(visit.tx, keys)
    scale = visit.tx.bank.scale
    fresh = rules.decide_offers(stores, published, command.offers, visit.today, scale)
    store.write_offers(visit.writes, fresh, visit.voucher_id)
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
    facts, offer, handled_at = _enter(visit, command)
    rules.decide_restock(offer, facts, command.quantity)
    store.write_stock(visit.writes, [offer], visit.voucher_id)
    return _changed(visit, command, facts, offer, handled_at)


def withdraw_offer(visit: Visit, command: WithdrawOffer) -> OfferChanged:
    """Take an offer off the list; what is reserved of it is still honoured."""
    facts, offer, handled_at = _enter(visit, command)
    rules.require_listed(offer, facts)
    store.write_offer_state(visit.writes, offer, rules.WITHDRAWN)
    change = Change("offer", offer.key, (offer.state,), (rules.WITHDRAWN,))
    offer.state = rules.WITHDRAWN
    return _changed(visit, command, facts, offer, handled_at, change)


def _enter(
    visit: Visit, command: Restock | WithdrawOffer
) -> tuple[StoreFacts, OfferFacts, OutletFacts]:
    """Lock the offer, then read it; the actor must be allowed at this store."""
    found = rules.require_store(store.load_stores(visit.tx, [command.store]), command.store)
    key = (found.store_no, command.sku)
    offers = store.ask_offers([key])
    visit.lock((), offers, outlets_at=[found.outlet_code])
    visit.enter(command, outlets_at=[found.outlet_code], asks=(offers,))
    handled_at = visit.outlet_for(command.act, found.outlet_code, store_no=found.store_no)
    offer = rules.require_offer(offers.answer, found, command.sku)
    return found, offer, handled_at


def _changed(
    visit: Visit,
    command: Restock | WithdrawOffer,
    facts: StoreFacts,
    offer: OfferFacts,
    handled_at: OutletFacts,
    *changes: Change,
) -> OfferChanged:
    receipt = OfferChanged(
        voucher_id=visit.voucher_uuid,
        business_day=visit.today,
        booked_at=visit.now,
        store=facts.code,
        sku=offer.sku,
        points=Points.of_units(offer.points, visit.tx.bank.scale),
        stock=offer.stock,
        reserved=offer.reserved,
        state=offer.state,
    )
    visit.book(command, receipt, handled_at, reason=command.reason, facts=facts_of(*changes))
    return receipt
