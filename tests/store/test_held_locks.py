"""What a transaction remembers of its locks, without a bank: what is early, and its name."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import LockOutOfOrder
from gongyi_bank.store.locks import HeldLocks, Lock, Place, counter_of, held_in

HOUSE: Lock = (Place.OUTLETS, 0)
ALL_OF_2: Lock = (Place.OFFERS, (2,))
ACCOUNTS = "账户编号 serial numbers of accounts"


def head(account_no: int) -> Lock:
    return Place.HEADS, account_no


def offer(store_no: int, sku: str) -> Lock:
    return Place.OFFERS, (store_no, sku)


def told(held: list[Lock], *wanted: Lock) -> tuple[str, str] | None:
    """What is early and after what, as the refusal names it; None if nothing is."""
    locks = HeldLocks()
    locks.add(held)
    try:
        locks.require_order(wanted)
    except LockOutOfOrder as error:
        return error.facts["wanted"], error.facts["holding"]
    return None


def test_each_bank_of_a_transaction_has_its_own_locks() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        assert held_in(connection, 1) is None
        connection.begin()
        one, other = held_in(connection, 1), held_in(connection, 2)
        assert one is not None
        assert held_in(connection, 1) is one
        assert other is not one


def test_whoever_holds_nothing_may_lock_anything() -> None:
    assert told([], head(7), HOUSE, ALL_OF_2) is None


@pytest.mark.parametrize(
    ("held", "wanted", "refusal"),
    [
        (head(7), HOUSE, ("网点 outlets", "7")),
        ((Place.CLOSINGS, 0), HOUSE, ("网点 outlets", "结账 closings")),
        (head(7), (Place.CLOSINGS, 0), ("结账 closings", "7")),
        ((Place.STORES, 2), head(7), ("7", "商家 stores")),
        (offer(2, "B"), (Place.STORES, 3), ("商家 stores", "B")),
        (offer(2, "B"), offer(2, "A"), ("A", "B")),
        (offer(2, "B"), ALL_OF_2, ("兑换品 offers", "B")),
        (ALL_OF_2, offer(1, "A"), ("A", "兑换品 offers")),
        (counter_of("staff", 0), offer(2, "A"), ("A", "人员编号 serial numbers of staff")),
        (
            counter_of("account", 1003),
            counter_of("store", 0),
            ("商家编号 serial numbers of stores", f"{ACCOUNTS} at 1003"),
        ),
        (
            counter_of("account", 1004),
            counter_of("account", 1003),
            (f"{ACCOUNTS} at 1003", f"{ACCOUNTS} at 1004"),
        ),
        (
            (Place.CONSUMERS, "sms"),
            counter_of("outbox", 0),
            ("发件箱编号 serial numbers of the outbox", "发件箱 outbox of sms"),
        ),
        (
            (Place.CONSUMERS, "sms"),
            (Place.CONSUMERS, "reports"),
            ("发件箱 outbox of reports", "发件箱 outbox of sms"),
        ),
    ],
)
def test_what_comes_before_what_is_held_is_refused_by_its_name(
    held: Lock, wanted: Lock, refusal: tuple[str, str]
) -> None:
    assert told([held], wanted) == refusal
    assert told([wanted], held) is None


def test_what_is_held_may_be_locked_again_and_so_may_all_that_a_store_offers() -> None:
    assert told([head(7), head(9)], head(7)) is None
    assert told([ALL_OF_2], offer(2, "A"), offer(2, "ZZZ"), offer(3, "A")) is None
    assert told([ALL_OF_2, offer(3, "A")], offer(2, "A"), offer(3, "A")) is None


def test_after_all_that_a_store_offers_the_store_before_it_is_early_and_the_next_is_not() -> None:
    assert told([ALL_OF_2], (Place.OFFERS, (1,))) == ("兑换品 offers", "兑换品 offers")
    assert told([ALL_OF_2], (Place.OFFERS, (3,))) is None


def test_three_are_named_in_order_and_once_and_the_others_counted() -> None:
    early = [head(number) for number in (5, 3, 4)]
    assert told([head(9)], *early) == ("3, 4, 5", "9")
    assert told([head(9)], *early, head(6), head(8)) == ("3, 4, 5, … (5)", "9")
    skus = [offer(store, "A") for store in (1, 2, 3, 4)]
    assert told([offer(5, "B")], *skus) == ("A", "B")


def test_what_is_locked_in_any_order_reaches_as_far_as_its_last() -> None:
    assert told([head(9), head(3)], head(8)) == ("8", "9")


def test_own_rows_may_be_locked_at_any_time_and_reach_nowhere() -> None:
    locks = HeldLocks()
    locks.add_new([head(9)])
    locks.require_order([head(3)])
    locks.add([head(10)])
    locks.require_order([head(9)])
    with pytest.raises(LockOutOfOrder):
        locks.require_order([head(8)])


def test_what_was_locked_since_a_copy_is_let_go_by_restoring_it() -> None:
    locks = HeldLocks()
    locks.add([head(3)])
    copied = locks.copy()
    locks.add([head(9)])
    locks.restore(copied)
    locks.require_order([head(5), head(3)])
    with pytest.raises(LockOutOfOrder):
        locks.require_order([head(2)])
    # The copy stays what it was, and can be gone back to once more.
    locks.add([head(7)])
    locks.restore(copied)
    locks.require_order([head(5)])
