"""Holds that lapse while an act waits for the account: by the moment after the wait they are free.

An act is judged by one moment. On a server it is read when the heads are locked, on SQLite behind
BEGIN IMMEDIATE, which locks everything; never is a hold past it and kept all the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.errors import AccountNotEmpty, InsufficientPoints, RetryTransaction
from gongyi_bank.group_commit import GroupCommit
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_holds import require_holds_agree
from tests.service.test_holds_at_once import placed
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop, new_offer
from tests.waiting import wait_for_lock

ALL = Points(2)
HOUR = dt.timedelta(hours=1)
Act = Callable[[Any, int, int], Any]


def redeem(bank: Any, account: int, _: int) -> Any:
    return bank.redemptions.redeem(account=account, store="P1", sku="B", quantity=2)


def redeem_many(bank: Any, account: int, _: int) -> Any:
    row = RedemptionRow(account=account, store="P1", sku="B", quantity=2)
    done = bank.redemptions.redeem_many(rows=[row])
    for outcome in done.outcomes:
        if outcome.error is not None:
            raise outcome.error
    return done


def reserve(bank: Any, account: int, _: int) -> Any:
    return bank.redemptions.reserve(account=account, store="P1", sku="B", quantity=2)


def place(bank: Any, account: int, _: int) -> Any:
    return bank.holds.place(account=account, store="P1", points=ALL, hours=5)


def gift(bank: Any, account: int, target: int) -> Any:
    return bank.transfers.gift(account=account, target=target, points=ALL, outlet="B01S01")


def close(bank: Any, account: int, target: int) -> Any:
    return bank.accounts.close(
        account=account, reason="销户", balance_to="account", target=target, second_person="ADM2"
    )


def together(bank: Any, account: int, _: int) -> Any:
    """By a committer of groups; alone in its group here."""
    with GroupCommit(bank) as group:
        return group.redemptions.redeem(account=account, store="P1", sku="B", quantity=2)


ACTS: tuple[Act, ...] = (redeem, redeem_many, reserve, place, gift, close, together)


def a_known_shop(district: District) -> None:
    """Three kinds of goods, at a store that the handle has met."""
    a_shop(district, *(new_offer(sku=name, points=Points(1), stock=99) for name in "ABC"))
    district.bank.redemptions.redeem(account=saver(district, 60), store="P1", sku="B")


def keeping(district: District, sku: str | None) -> tuple[int, int, dt.datetime]:
    """Two customers, the first of whom can spend nothing until a moment.

    What keeps the points is a hold, or a reservation of goods before or after those wanted.
    """
    account, target = saver(district, 120), district.customer()
    if sku is None:
        placed(district, account, "2.00", hours=1)
        return account, target, district.clock.now + HOUR
    held = district.bank.redemptions.reserve(account=account, store="P1", sku=sku, quantity=2)
    return account, target, held.deadline_at


class Passing:
    """A clock that shows one moment when it is looked at first, and another one from then on."""

    def __init__(self, first: dt.datetime, then: dt.datetime) -> None:
        self.readings: list[dt.datetime] = []
        self.first, self.then = first, then

    def __call__(self) -> dt.datetime:
        self.readings.append(self.then if self.readings else self.first)
        return self.readings[-1]


def require_sound(district: District) -> None:
    require_holds_agree(district)
    assert district.bank.verify().is_clean, str(district.bank.verify())


@pytest.mark.parametrize("sku", [None, "A", "C"])
def test_by_the_moment_of_an_act_no_hold_is_past_and_kept(
    district: District, sku: str | None
) -> None:
    a_known_shop(district)
    for act in ACTS:
        account, target, deadline_at = keeping(district, sku)
        clock = Passing(deadline_at - dt.timedelta(seconds=1), deadline_at)
        try:
            done = act(district.bank.at(clock), account, target)
        except (InsufficientPoints, AccountNotEmpty):
            assert max(clock.readings) < deadline_at, act.__name__
            assert district.bank.engine.dialect.name == "sqlite", act.__name__
            district.clock.now = deadline_at
            done = act(district.bank, account, target)
        assert done.booked_at == deadline_at, act.__name__
        district.clock.now = deadline_at
    require_sound(district)


@pytest.fixture(params=["postgresql", pytest.param("mariadb", marks=pytest.mark.slow)])
def crowded(request: pytest.FixtureRequest) -> Any:
    """The engines that have many writers."""
    made = District(request.getfixturevalue(f"{request.param}_tables_url"))
    yield made
    made.close()


@pytest.mark.parametrize("is_joined", [False, True], ids=["alone", "within"])
def test_who_waited_for_the_account_can_use_what_lapsed_meanwhile(
    crowded: District, is_joined: bool
) -> None:
    a_known_shop(crowded)
    bank = crowded.bank

    def second(act: Act, *accounts: int) -> Any:
        if not is_joined:
            return act(bank, *accounts)
        with bank.engine.begin() as connection, bank.within(connection) as counter:
            return act(counter, *accounts)

    for act, sku in ((redeem, None), (redeem, "A"), (reserve, "C"), (place, "A"), (gift, None)):
        account, target, deadline_at = keeping(crowded, sku)
        with ThreadPoolExecutor(1) as pool:
            with bank.begin() as first:
                first.customers.move(account=account, outlet="B01S02")
                future = pool.submit(second, act, account, target)
                wait_for_lock(bank, future)
                crowded.clock.now = deadline_at
            assert future.result(60).booked_at == deadline_at
    require_sound(crowded)


@pytest.mark.parametrize("sku", ["A", "C"])
def test_where_the_order_of_locks_is_watched_nobody_is_told_to_have_broken_it(
    crowded: District, sku: str
) -> None:
    """Nobody could name the goods before; whoever comes again finds them at once."""
    a_known_shop(crowded)
    watched = Bank.open(crowded.url, staff="admin", unsafe_settings="allow", lock_order="refuse")
    try:
        account, _, deadline_at = keeping(crowded, sku)
        before = deadline_at - dt.timedelta(seconds=1)
        if sku == "A":
            with (
                pytest.raises(RetryTransaction),
                watched.at(Passing(before, deadline_at)).begin() as at,
            ):
                redeem(at, account, 0)
        done = redeem(watched.at(Passing(before, deadline_at)), account, 0)
    finally:
        watched.close()
    assert done.booked_at == deadline_at
    crowded.clock.now = deadline_at
    require_sound(crowded)
