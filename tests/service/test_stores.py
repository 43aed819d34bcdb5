"""Recruiting stores and keeping their offers, on every engine."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    CodeTaken,
    InvalidAmount,
    InvalidValue,
    NotPermitted,
    OfferWithdrawn,
    OutletClosed,
    OutOfStock,
    StoreClosed,
    UnknownOffer,
    UnknownOutlet,
    UnknownStore,
)
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.tables import account, offer, partner_store, stock_move, voucher
from gongyi_bank.values import Points
from tests.district import District


def new_store(code: str = "P1", **fields: Any) -> NewStore:
    said = {"name": "幸福超市", "kind": "community_store", "recruited_by": "B01S01"} | fields
    return NewStore(code=code, **said)


def new_offer(store: str = "P1", sku: str = "A", **fields: Any) -> NewOffer:
    said = {"name": "大米5kg", "points": Points("0.50"), "stock": 5} | fields
    return NewOffer(store=store, sku=sku, **said)


def a_shop(district: District, *offers: NewOffer) -> None:
    """P1 at B01S01 with these offers, or with five pieces of A at 0.50."""
    district.bank.stores.recruit(stores=[new_store(joined_on=dt.date(2022, 1, 1))])
    district.bank.stores.publish_offers(offers=list(offers) or [new_offer()])


def rows(district: District, table: sa.Table) -> int:
    with district.bank.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def require_stock_agrees(district: District) -> None:
    """For every offer the moves sum up to the free pieces."""
    with district.bank.engine.connect() as connection:
        offers = connection.execute(sa.select(offer.c.store_no, offer.c.sku, offer.c.stock)).all()
        moved = {
            (row[0], row[1]): int(row[2])
            for row in connection.execute(
                sa.select(
                    stock_move.c.store_no, stock_move.c.sku, sa.func.sum(stock_move.c.quantity)
                ).group_by(stock_move.c.store_no, stock_move.c.sku)
            )
        }
    assert {(row[0], row[1]): row[2] for row in offers if row[2]} == {
        key: total for key, total in moved.items() if total
    }


def test_a_store_joins_with_an_account_at_the_outlet_that_recruited_it(district: District) -> None:
    teller = district.acting("T1")
    receipt = teller.stores.recruit(stores=[new_store("P1"), new_store("P2")])
    assert (receipt.codes, receipt.replayed) == (("P1", "P2"), ())
    with district.bank.engine.connect() as connection:
        found = connection.execute(
            sa.select(account.c.account_no, account.c.outlet_no).where(account.c.kind == "store")
        ).all()
        outlet_nos = set(connection.scalars(sa.select(partner_store.c.recruited_by_no)))
    assert {row[0] for row in found} == {internal_no("store", no) for no in receipt.store_nos}
    assert {row[1] for row in found} == outlet_nos


def test_recruiting_and_publishing_again_change_nothing(district: District) -> None:
    district.bank.stores.recruit(stores=[new_store("P1")])
    district.bank.stores.publish_offers(offers=[new_offer()])
    district.bank.stores.restock(store="P1", sku="A", quantity=3, reason="补货")
    vouchers = rows(district, voucher)
    again = district.bank.stores.recruit(stores=[new_store("P1")])
    assert (again.voucher_id, again.replayed) == (None, ("P1",))
    repeated = district.bank.stores.publish_offers(offers=[new_offer()])
    assert (repeated.voucher_id, repeated.published, repeated.replayed) == (None, 0, 1)
    assert rows(district, voucher) == vouchers
    mixed = district.bank.stores.publish_offers(offers=[new_offer(), new_offer(sku="B", stock=0)])
    assert (mixed.published, mixed.replayed) == (1, 1)
    assert district.bank.stores.publish_offers(offers=[new_offer(sku="B", stock=0)]).replayed == 1
    require_stock_agrees(district)


def test_another_content_under_a_known_code_is_refused_and_nothing_is_written(
    district: District,
) -> None:
    a_shop(district)
    stores, offers = rows(district, partner_store), rows(district, offer)
    with pytest.raises(CodeTaken):
        district.bank.stores.recruit(stores=[new_store("P2"), new_store(name="别家")])
    with pytest.raises(CodeTaken):
        district.bank.stores.publish_offers(offers=[new_offer(sku="B"), new_offer(stock=6)])
    assert (rows(district, partner_store), rows(district, offer)) == (stores, offers)


def test_who_may_recruit_where(district: District) -> None:
    with pytest.raises(NotPermitted):
        district.acting("T2").stores.recruit(stores=[new_store()])
    with pytest.raises(NotPermitted):
        district.acting("AUD").stores.recruit(stores=[new_store()])
    with pytest.raises(UnknownOutlet):
        district.bank.stores.recruit(stores=[new_store(recruited_by="B99")])
    district.bank.staff.end(code="T2", role="teller", outlet="B01S02", reason="调岗")
    district.bank.outlets.close(outlet="B01S02", reason="合并")
    with pytest.raises(OutletClosed):
        district.bank.stores.recruit(stores=[new_store(recruited_by="B01S02")])
    assert district.acting("K1").stores.recruit(stores=[new_store()]).voucher_id


def test_restocking_moves_stock_and_never_below_zero(district: District) -> None:
    a_shop(district)
    desk = district.acting("T1").stores
    assert desk.restock(store="P1", sku="A", quantity=2, reason="补货").stock == 7
    assert desk.restock(store="P1", sku="A", quantity=-7, reason="受潮报损").stock == 0
    with pytest.raises(OutOfStock):
        desk.restock(store="P1", sku="A", quantity=-1, reason="受潮报损")
    assert desk.restock(store="P1", sku="A", quantity=1, reason="补货").stock == 1
    with pytest.raises(UnknownOffer):
        desk.restock(store="P1", sku="Z", quantity=1, reason="补货")
    with pytest.raises(UnknownStore):
        desk.restock(store="P9", sku="A", quantity=1, reason="补货")
    require_stock_agrees(district)


def test_a_key_answers_a_restock_once(district: District) -> None:
    a_shop(district)
    desk = district.bank.stores
    wish = {"store": "P1", "sku": "A", "quantity": 2, "reason": "补货", "idempotency_key": "k"}
    assert desk.restock(**wish) == desk.restock(**wish)
    assert [row["stock"] for row in desk.offers("P1")] == [7]


def test_a_withdrawn_offer_stays_withdrawn(district: District) -> None:
    a_shop(district)
    desk = district.bank.stores
    assert desk.withdraw_offer(store="P1", sku="A", reason="停产").state == "withdrawn"
    with pytest.raises(OfferWithdrawn):
        desk.withdraw_offer(store="P1", sku="A", reason="停产")
    assert desk.publish_offers(offers=[new_offer()]).replayed == 1
    assert [row["state"] for row in desk.offers()] == ["withdrawn"]


def test_a_store_leaves_once_and_publishes_nothing_more(district: District) -> None:
    a_shop(district)
    desk = district.bank.stores
    assert desk.leave(store="P1", reason="歇业").left_on == dt.date(2022, 10, 15)
    with pytest.raises(StoreClosed):
        desk.leave(store="P1", reason="歇业")
    with pytest.raises(StoreClosed):
        desk.publish_offers(offers=[new_offer(sku="B")])
    with pytest.raises(NotPermitted):
        district.acting("K1").stores.leave(store="P1", reason="歇业")


def test_a_clerk_keeps_only_their_own_store(district: District) -> None:
    district.bank.stores.recruit(stores=[new_store("P1"), new_store("P2")])
    clerk = Appointment(code="C1", role="store_clerk", outlet="B01S01", store="P1")
    district.bank.staff.appoint(appointments=[clerk])
    desk = district.acting("C1").stores
    assert desk.publish_offers(offers=[new_offer("P1")]).published == 1
    assert desk.restock(store="P1", sku="A", quantity=1, reason="补货").stock == 6
    with pytest.raises(NotPermitted):
        desk.publish_offers(offers=[new_offer("P1", "B"), new_offer("P2")])
    with pytest.raises(NotPermitted):
        desk.recruit(stores=[new_store("P3")])


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"points": 1.5}, InvalidAmount),
        ({"points": Points("0")}, InvalidAmount),
        ({"points": Points("-1")}, InvalidAmount),
        ({"stock": -1}, InvalidValue),
        ({"stock": 10**12}, InvalidValue),
        ({"name": "大米\x00"}, InvalidValue),
        ({"sku": "x" * 41}, InvalidValue),
    ],
)
def test_an_offer_that_could_never_be_right_is_refused(
    fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        new_offer(**fields)


def test_the_list_of_offers_shows_what_is_free(sqlite_district: District) -> None:
    a_shop(sqlite_district, new_offer(name="𠮷祥大米"), new_offer(sku="B", stock=0))
    shown = list(sqlite_district.bank.stores.offers("P1"))
    assert [(row["sku"], row["name"], row["points"], row["stock"]) for row in shown] == [
        ("A", "𠮷祥大米", Points("0.50"), 5),
        ("B", "大米5kg", Points("0.50"), 0),
    ]
    with pytest.raises(UnknownStore):
        sqlite_district.bank.stores.offers("P9")
