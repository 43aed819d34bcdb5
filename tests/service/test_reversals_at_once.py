"""Two at once at the same line, voucher or redemption, on the engine that has many writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import (
    GongyiBankError,
    GoodsReturned,
    InsufficientPoints,
    LineTakenBack,
    NothingToReverse,
    RecordNotCredited,
)
from gongyi_bank.store.tables import account_line, line_part
from gongyi_bank.values import Points
from tests.district import District
from tests.racing import at_once
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop

ROUNDS = range(6)
TWO = {"reason": "误记", "second_person": "ADM2"}


@pytest.fixture
def crowded(postgresql_tables_url: str) -> Iterator[District]:
    """A shop, on the engine that has many writers."""
    made = District(postgresql_tables_url)
    a_shop(made)
    yield made
    made.close()


def refusals(results: list[Any]) -> list[type[Exception]]:
    return [type(result) for result in results if isinstance(result, GongyiBankError)]


def taken_back(district: District, account: int) -> tuple[int, int]:
    """What the parts of the account's first line add up to, and the lines that did it."""
    part, line = line_part.c, account_line.c
    with district.bank.engine.connect() as connection:
        parts = connection.scalars(sa.select(part.amount).where(part.account_no == account)).all()
        lines = connection.scalars(
            sa.select(line.amount).where(line.account_no == account, line.kind == "reversal")
        ).all()
    return sum(parts), -sum(lines)


def test_two_who_reverse_the_same_line_reverse_it_once(crowded: District) -> None:
    desk = crowded.bank.reversals
    for _ in ROUNDS:
        account = saver(crowded, 120)
        crowded.serve(account, "10-04 08:00", 240)
        act = lambda account=account: desk.reverse_line(account=account, line_no=1, **TWO)  # noqa: E731
        assert refusals(at_once(act, act, act)) == [LineTakenBack] * 2
        assert taken_back(crowded, account) == (200, 200)
    assert crowded.bank.verify().is_clean


def test_parts_reversed_at_once_never_exceed_the_line(crowded: District) -> None:
    desk = crowded.bank.reversals
    for _ in ROUNDS:
        account = saver(crowded, 120)
        crowded.serve(account, "10-04 08:00", 240)

        def act(account: int = account) -> Any:
            return desk.reverse_line(account=account, line_no=1, points=Points("0.80"), **TWO)

        assert refusals(at_once(act, act, act)) == [LineTakenBack]
        assert taken_back(crowded, account) == (160, 160)
    assert crowded.bank.verify().is_clean


@pytest.mark.parametrize("other", ["reverse_voucher", "void"])
def test_a_line_is_not_taken_back_twice_by_two_ways(crowded: District, other: str) -> None:
    bank = crowded.bank
    for _ in ROUNDS:
        account = crowded.customer()
        voucher = crowded.serve(account, "10-03 08:00", 120).voucher_id
        crowded.serve(account, "10-04 08:00", 240)
        ways: dict[str, Callable[..., Any]] = {
            "reverse_voucher": lambda v=voucher: bank.reversals.reverse_voucher(voucher=v, **TWO),
            "void": lambda a=account: bank.hours.void(account=a, record_no=1, **TWO),
        }
        results = at_once(
            lambda a=account: bank.reversals.reverse_line(account=a, line_no=1, **TWO),
            ways[other],
        )
        # Whoever reverses a line first, its record can still be voided for its minutes.
        assert set(refusals(results)) <= {LineTakenBack, NothingToReverse, RecordNotCredited}
        assert taken_back(crowded, account) == (200, 200)
    assert bank.verify().is_clean


def test_points_are_either_spent_or_taken_back(crowded: District) -> None:
    crowded.bank.stores.restock(store="P1", sku="A", quantity=50, reason="补货")
    for _ in ROUNDS:
        account = saver(crowded, 60)
        results = at_once(
            lambda a=account: crowded.bank.reversals.reverse_line(account=a, line_no=1, **TWO),
            lambda a=account: crowded.bank.redemptions.redeem(account=a, store="P1", sku="A"),
        )
        assert refusals(results) == [InsufficientPoints]
    assert crowded.bank.verify().is_clean


def test_the_same_pieces_come_back_once(crowded: District) -> None:
    crowded.bank.stores.restock(store="P1", sku="A", quantity=50, reason="补货")
    desk = crowded.bank.redemptions
    for _ in ROUNDS:
        account = saver(crowded, 120)
        taken = desk.redeem(account=account, store="P1", sku="A", quantity=3).redemption_id

        def act(taken: Any = taken) -> Any:
            return desk.refund(redemption=taken, quantity=2, **TWO)

        assert refusals(at_once(act, act)) == [GoodsReturned]
        assert crowded.bank.reports.balance(account) == Points("1.50")
    assert crowded.bank.verify().is_clean


def test_gifts_reversed_both_ways_at_once_do_not_lock_each_other(crowded: District) -> None:
    for _ in ROUNDS:
        one, other = saver(crowded, 120), saver(crowded, 120)
        for source, target in ((one, other), (other, one)):
            crowded.bank.transfers.gift(
                account=source, target=target, points=Points(1), outlet="B01S01"
            )
        results = at_once(
            *(
                lambda a=a, n=n: crowded.bank.reversals.reverse_line(account=a, line_no=n, **TWO)
                for a, n in ((one, 2), (other, 2), (one, 3), (other, 3))
            )
        )
        assert refusals(results) == [LineTakenBack] * 2
        assert crowded.bank.reports.balance(one) == 2
    assert crowded.bank.verify().is_clean
