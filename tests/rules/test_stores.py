"""Who is in the alliance, and what may become of an offer's stock: every boundary."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    CodeTaken,
    InvalidAmount,
    InvalidValue,
    OfferWithdrawn,
    OutOfStock,
    StoreClosed,
    UnknownOffer,
    UnknownStore,
)
from gongyi_bank.rules.stores import (
    LISTED,
    WITHDRAWN,
    OfferFacts,
    PublishedOffer,
    StoreFacts,
    decide_offers,
    decide_recruits,
    decide_restock,
    require_listed,
    require_member,
    require_offer,
    require_store,
)
from gongyi_bank.values import Points

TODAY = dt.date(2022, 10, 15)
STORE = StoreFacts(
    1, "P1", "龙潭幸福超市", "community_store", 1003, "B01S01", dt.date(2022, 7, 1), None
)
PART = NewStore(
    code="P1", name="龙潭幸福超市", kind="community_store", recruited_by="B01S01",
    joined_on=dt.date(2022, 7, 1),
)  # fmt: skip
OFFER = NewOffer(store="P1", sku="A", name="大米5kg", points=Points("30"), stock=5)
PUBLISHED = PublishedOffer(1, "A", "大米5kg", 3000, 5)


def an_offer(stock: int = 5, state: str = LISTED) -> OfferFacts:
    return OfferFacts(1, "A", "大米5kg", 3000, stock, 0, state, stock, 0)


@pytest.mark.parametrize(
    ("day", "left_on", "is_member"),
    [
        (dt.date(2022, 6, 30), None, False),
        (dt.date(2022, 7, 1), None, True),
        (dt.date(2022, 10, 14), dt.date(2022, 10, 15), True),
        (dt.date(2022, 10, 15), dt.date(2022, 10, 15), False),
    ],
)
def test_a_store_is_a_member_from_its_first_day_until_the_day_it_leaves(
    day: dt.date, left_on: dt.date | None, is_member: bool
) -> None:
    store = replace(STORE, left_on=left_on)
    if is_member:
        require_member(store, day)
    else:
        with pytest.raises(StoreClosed) as caught:
            require_member(store, day)
        assert caught.value.facts == {"store": "P1", "day": day}


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(UnknownStore) as store:
        require_store({"P1": STORE}, "P9")
    assert store.value.facts == {"store": "P9"}
    with pytest.raises(UnknownOffer) as offer:
        require_offer({(1, "A"): an_offer()}, STORE, "B")
    assert offer.value.facts == {"store": "P1", "sku": "B"}
    with pytest.raises(OfferWithdrawn) as withdrawn:
        require_listed(an_offer(state=WITHDRAWN), STORE)
    assert withdrawn.value.facts == {"store": "P1", "sku": "A"}


@pytest.mark.parametrize(
    ("stock", "quantity", "left"), [(5, 1, 6), (5, -5, 0), (5, -4, 1), (5, -6, None), (0, -1, None)]
)
def test_stock_is_never_below_zero(stock: int, quantity: int, left: int | None) -> None:
    offer = an_offer(stock)
    if left is None:
        with pytest.raises(OutOfStock) as caught:
            decide_restock(offer, STORE, quantity)
        assert caught.value.facts == {"sku": "A", "left": stock, "wanted": -quantity}
        assert not offer.is_changed
    else:
        decide_restock(offer, STORE, quantity)
        assert (offer.stock, offer.is_changed) == (left, True)


def test_a_withdrawn_offer_is_written_off_but_not_filled_up() -> None:
    offer = an_offer(state=WITHDRAWN)
    with pytest.raises(OfferWithdrawn):
        decide_restock(offer, STORE, 1)
    decide_restock(offer, STORE, -1)
    with pytest.raises(InvalidValue) as caught:
        decide_restock(offer, STORE, 0)
    reason = "pieces to add, or negative to write off"
    assert caught.value == InvalidValue.of("quantity", 0, reason)


def test_holding_and_handing_over_keep_count_of_every_piece() -> None:
    offer = an_offer(5)
    offer.hold(1)
    offer.hold(2)
    assert (offer.stock, offer.reserved) == (2, 3)
    offer.go_on()
    assert not offer.is_changed, "the next act of a call takes this for loaded"
    offer.hand_over(2)
    assert offer.is_changed
    assert (offer.stock, offer.reserved) == (2, 1)
    offer.free(1)
    assert (offer.stock, offer.reserved) == (3, 0)
    offer.give_out(3)
    assert (offer.stock, offer.reserved) == (0, 0)
    for taken_in in (1, 2):
        offer.take_in(taken_in)
    assert (offer.stock, offer.reserved) == (3, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "另一家"},
        {"kind": "charity_shop"},
        {"recruited_by": "B01S02"},
        {"joined_on": dt.date(2022, 7, 2)},
    ],
)
def test_a_store_is_recruited_once_and_alike(change: dict[str, object]) -> None:
    known = {"P1": STORE}
    assert decide_recruits({}, [PART], TODAY) == [PART]
    assert decide_recruits(known, [PART], TODAY) == []
    assert decide_recruits(known, [PART.model_copy(update={"joined_on": None})], TODAY) == []
    with pytest.raises(CodeTaken) as caught:
        decide_recruits(known, [PART.model_copy(update=change)], TODAY)
    assert caught.value.facts == {"what": "商家 store", "taken": "P1"}


def test_every_new_store_of_a_list_is_recruited_also_behind_one_that_is_known() -> None:
    further = PART.model_copy(update={"code": "P2"})
    assert decide_recruits({"P1": STORE}, [PART, further], TODAY) == [further]
    assert decide_recruits({}, [PART, further], TODAY) == [PART, further]


def test_a_store_joins_today_at_the_latest_and_stands_once_in_a_list() -> None:
    def joining(day: dt.date) -> NewStore:
        return PART.model_copy(update={"joined_on": day})

    assert decide_recruits({}, [joining(TODAY)], TODAY)
    tomorrow = TODAY + dt.timedelta(days=1)
    with pytest.raises(InvalidValue) as early:
        decide_recruits({}, [joining(tomorrow)], TODAY)
    assert early.value == InvalidValue.of("joined_on", tomorrow, "is in the future")
    with pytest.raises(InvalidValue) as twice:
        decide_recruits({}, [PART, PART], TODAY)
    assert twice.value == InvalidValue.of("code", "P1", "comes twice")


@pytest.mark.parametrize("change", [{"name": "大米"}, {"points": Points("30.01")}, {"stock": 6}])
def test_an_offer_is_published_once_and_alike(change: dict[str, object]) -> None:
    stores, published = {"P1": STORE}, {(1, "A"): PUBLISHED}
    assert decide_offers(stores, {}, [OFFER], TODAY, 2) == [PUBLISHED]
    assert decide_offers(stores, published, [OFFER], TODAY, 2) == []
    with pytest.raises(CodeTaken) as caught:
        decide_offers(stores, published, [OFFER.model_copy(update=change)], TODAY, 2)
    assert caught.value.facts == {"what": "兑换品 offer", "taken": "P1/A"}


def test_a_store_that_has_left_publishes_nothing_new_but_repeats_what_it_said() -> None:
    stores = {"P1": replace(STORE, left_on=TODAY)}
    assert decide_offers(stores, {(1, "A"): PUBLISHED}, [OFFER], TODAY, 2) == []
    with pytest.raises(StoreClosed):
        decide_offers(stores, {}, [OFFER], TODAY, 2)


def test_a_list_of_offers_names_known_stores_and_each_article_once() -> None:
    with pytest.raises(UnknownStore):
        decide_offers({}, {}, [OFFER], TODAY, 2)
    with pytest.raises(InvalidValue) as twice:
        decide_offers({"P1": STORE}, {}, [OFFER, OFFER], TODAY, 2)
    assert twice.value == InvalidValue.of("sku", ("P1", "A"), "comes twice")
    fine = OFFER.model_copy(update={"points": Points("0.001")})
    with pytest.raises(InvalidAmount, match="decimals"):
        decide_offers({"P1": STORE}, {}, [fine], TODAY, 2)
