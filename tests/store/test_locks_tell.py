"""A statement that locks also tells what it locked, as it is when it has the lock.

So nobody reads heads, outlets and offers again (docs/decisions/0025). What was not there yet when
the statement began is not among them, and is looked for again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.rules.ledger import Head
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.rules.stores import OfferFacts
from gongyi_bank.store.ledger import ask_heads
from gongyi_bank.store.outlets import ask_outlets
from gongyi_bank.store.stores import ask_offers, load_store_numbers
from gongyi_bank.values import Points
from tests.district import District
from tests.waiting import wait_for_lock

Told = tuple[dict[str, OutletFacts], dict[int, Head], dict[tuple[int, str], OfferFacts]]


@pytest.fixture(params=["postgresql_district_url", "mariadb_district_url"])
def district(request: pytest.FixtureRequest) -> Iterator[District]:
    """On engines with locks of rows."""
    made = District(request.getfixturevalue(request.param), is_founded=True)
    yield made
    made.close()


def test_a_lock_tells_what_it_waited_for(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 120)
    stored = NewStore(code="P1", name="超市", kind="community_store", recruited_by="B01S01")
    district.bank.stores.recruit(stores=[stored])
    rice = NewOffer(store="P1", sku="rice", name="大米", points=Points("1.00"), stock=100)
    district.bank.stores.publish_offers(offers=[rice])
    store_no = district.bank.read(lambda tx: load_store_numbers(tx, ["P1"]))["P1"]
    asks = (
        ask_outlets(["B01S01"], [account]),
        ask_heads([account]),
        ask_offers([(store_no, "rice")]),
    )

    def look() -> Told:
        with district.bank.begin() as counter:
            counter.read(lambda tx: tx.lock(*asks))
            counter.read(lambda tx: tx.gather(*asks))
            places, heads, offers = asks
            return places.answer, heads.answer, offers.answer

    with ThreadPoolExecutor(1) as pool:
        with district.bank.begin() as counter:
            counter.redemptions.redeem(account=account, store="P1", sku="rice")
            future = pool.submit(look)
            wait_for_lock(district.bank, future)
        places, heads, offers = future.result()
    assert set(places) == {"B01S01"}
    assert (heads[account].line_no, heads[account].debited) == (2, 100)
    assert offers[store_no, "rice"].stock == offers[store_no, "rice"].seen_stock == 99


def test_an_account_that_was_opened_while_others_were_waited_for_is_found(
    district: District,
) -> None:
    known = district.customer()
    since = dt.date(2022, 1, 1)
    new = NewCustomer(outlet="B01S01", name="张三", registered_on=since)
    with ThreadPoolExecutor(1) as pool:
        with district.bank.begin() as counter:
            counter.hours.record_many(rows=[district.row(known, "10-03 08:00")])
            with district.bank.begin() as opening:
                (opened,) = opening.customers.register(customers=[new]).accounts
                rows = [district.row(number, "10-03 10:00") for number in (known, opened)]
                future = pool.submit(lambda: district.bank.hours.record_many(rows=rows))
                wait_for_lock(district.bank, future)
        outcomes = future.result().outcomes
    assert [row.outcome for row in outcomes] == ["credited", "credited"]
