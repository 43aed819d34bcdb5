"""Two at once at the same piece, points or reference, on the engine that has many writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import (
    GongyiBankError,
    IdempotencyConflict,
    InsufficientPoints,
    OutOfStock,
    RedemptionSettled,
    StoreClosed,
)
from gongyi_bank.store.tables import voucher
from tests.district import District
from tests.racing import at_once
from tests.service.test_redemptions import require_books_agree, saver
from tests.service.test_stores import a_shop, new_offer


@pytest.fixture
def crowded(postgresql_tables_url: str) -> Iterator[District]:
    """A shop with a single piece, on the engine that has many writers."""
    made = District(postgresql_tables_url)
    a_shop(made, *(new_offer(sku=f"S{i}", stock=1) for i in range(8)))
    yield made
    made.close()


def test_two_who_want_the_last_piece_do_not_both_get_it(crowded: District) -> None:
    accounts = [saver(crowded, 480), saver(crowded, 480)]
    desk = crowded.bank.redemptions
    for i in range(8):
        results = at_once(
            lambda i=i: desk.redeem(account=accounts[0], store="P1", sku=f"S{i}"),
            lambda i=i: desk.redeem(account=accounts[1], store="P1", sku=f"S{i}"),
        )
        losers = [result for result in results if isinstance(result, GongyiBankError)]
        assert [type(error) for error in losers] == [OutOfStock]
    require_books_agree(crowded)


def test_one_who_asks_twice_at_once_spends_points_once(crowded: District) -> None:
    account = saver(crowded, 30)
    desk = crowded.bank.redemptions
    results = at_once(
        lambda: desk.redeem(account=account, store="P1", sku="S0"),
        lambda: desk.reserve(account=account, store="P1", sku="S1"),
    )
    losers = [result for result in results if isinstance(result, GongyiBankError)]
    assert [type(error) for error in losers] == [InsufficientPoints]
    require_books_agree(crowded)


def test_the_same_reference_sent_twice_at_once_is_redeemed_once(crowded: District) -> None:
    accounts = [saver(crowded, 480), saver(crowded, 480)]
    desk = crowded.bank.redemptions

    def send(account: int, ref: str) -> Callable[[], Any]:
        return lambda: desk.redeem(account=account, store="P1", sku="S0", ref=ref)

    first, second = at_once(send(accounts[0], "R1"), send(accounts[0], "R1"))
    assert first == second
    results = at_once(
        lambda: desk.redeem(account=accounts[0], store="P1", sku="S1", ref="R2"),
        lambda: desk.redeem(account=accounts[1], store="P1", sku="S2", ref="R2"),
    )
    assert sum(isinstance(result, IdempotencyConflict) for result in results) == 1
    require_books_agree(crowded)


def test_a_reservation_is_settled_once_however_many_try(crowded: District) -> None:
    account = saver(crowded, 480)
    desk = crowded.bank.redemptions
    for i in range(8):
        reserved = desk.reserve(account=account, store="P1", sku=f"S{i}").redemption_id
        results = at_once(
            lambda reserved=reserved: desk.capture(redemption=reserved),
            lambda reserved=reserved: desk.release(redemption=reserved, reason="不要了"),
        )
        losers = [result for result in results if isinstance(result, GongyiBankError)]
        assert [type(error) for error in losers] == [RedemptionSettled]
    require_books_agree(crowded)


def test_a_store_does_not_leave_while_somebody_redeems_there(crowded: District) -> None:
    account = saver(crowded, 480)
    results = at_once(
        lambda: crowded.bank.redemptions.redeem(account=account, store="P1", sku="S0"),
        lambda: crowded.bank.stores.leave(store="P1", reason="歇业"),
    )
    assert all(r is not None and not isinstance(r, GongyiBankError) for r in results[1:])
    with crowded.bank.engine.connect() as connection:
        newest = connection.execute(
            sa.select(voucher.c.act).order_by(voucher.c.booked_at, voucher.c.voucher_id)
        ).all()
    redeemed = not isinstance(results[0], GongyiBankError)
    assert ("redemptions.redeem" in {row[0] for row in newest}) == redeemed
    if not redeemed:
        assert isinstance(results[0], StoreClosed)
