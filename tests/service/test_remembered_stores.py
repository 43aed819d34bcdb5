"""A handle remembers where stores are, which saves a round trip; never more than that."""

from __future__ import annotations

from gongyi_bank.bank import Bank
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_redemptions import require_books_agree, saver
from tests.service.test_statement_counts import statements
from tests.service.test_stores import a_shop, new_offer, new_store


def recruit(desk: Bank, store: str, sku: str) -> None:
    """A store with one offer."""
    desk.stores.recruit(stores=[new_store(store)])
    desk.stores.publish_offers(offers=[new_offer(store=store, sku=sku)])


def test_a_redemption_at_a_store_that_is_known_is_three_statements(district: District) -> None:
    a_shop(district)
    account, desk = saver(district), district.bank.redemptions
    desk.redeem(account=account, store="P1", sku="A")
    with statements(district.bank) as seen:
        desk.redeem(account=account, store="P1", sku="A")
    if district.bank.engine.dialect.name == "postgresql":
        assert len(seen) == 3, "\n".join(seen)
    else:
        assert len(seen) <= 20, "\n".join(seen)


def test_a_lapsed_reservation_of_other_goods_is_freed_on_the_way(district: District) -> None:
    a_shop(district)
    recruit(district.bank, "P9", "Z")
    desk, account = district.bank.redemptions, saver(district)
    desk.redeem(account=saver(district), store="P9", sku="Z")  # the handle knows P9 now
    desk.reserve(account=account, store="P1", sku="A", quantity=4)
    district.clock.advance(hours=72)
    assert desk.redeem(account=account, store="P9", sku="Z", quantity=4).balance == Points(0)
    assert district.bank.holds.lapse_overdue().hold_ids == ()
    require_books_agree(district)


def test_a_store_of_a_transaction_that_was_undone_is_not_remembered(district: District) -> None:
    a_shop(district)
    desk, account = district.bank.redemptions, saver(district)
    with district.bank.simulate() as undone:
        recruit(undone, "P8", "Y")
        undone.redemptions.redeem(account=account, store="P8", sku="Y")
    recruit(district.bank, "P9", "Z")  # it may get the other one's number
    recruit(district.bank, "P8", "Y")
    for store, sku in (("P8", "Y"), ("P9", "Z")):
        assert desk.redeem(account=account, store=store, sku=sku).store == store
    require_books_agree(district)
