"""Connections lost before, during and after COMMIT: what the caller is told must be true.

A proxy loses the connection once in every try. A single act either is run again by the library
(certainly not applied) or ends in OutcomeUnknown with its key; the same key then tells the truth.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import OutcomeUnknown, RetryTransaction
from gongyi_bank.periods import business_day
from gongyi_bank.store.tables import voucher
from gongyi_bank.values import Points
from tests.district import SHANGHAI, District, at
from tests.faults.proxy import IS_APPLIED, Loss, Proxy, running_proxy

pytestmark = pytest.mark.slow


TRIES = 36
_BY_ENGINE = {"postgresql": "postgresql_url", "mariadb": "mariadb_tables_url"}


class Town:
    """A district reached directly, and the same bank through a proxy."""

    def __init__(self, url: str, proxy: Proxy) -> None:
        self.district = District(url)
        self.proxy = proxy
        self.through = Bank.open(
            proxy.client_url(), staff="T1", clock=self.district.clock, unsafe_settings="allow"
        )
        self.account, self.other = (self.district.customer() for _ in range(2))
        for day in range(3, 15):
            self.district.serve(self.account, f"10-{day:02d} 08:00", 240)
        store = NewStore(
            code="P1", name="幸福超市", kind="community_store", recruited_by="B01S01",
            joined_on=dt.date(2022, 1, 1),
        )  # fmt: skip
        self.district.bank.stores.recruit(stores=(store,))
        offer = NewOffer(store="P1", sku="S", name="毛巾", points=Points("0.10"), stock=1000)
        self.district.bank.stores.publish_offers(offers=(offer,))

    def vouchers(self, key: str) -> int:
        """How many vouchers there are under a key."""
        found = sa.select(sa.func.count()).where(voucher.c.idempotency_key == key)
        with self.district.bank.engine.connect() as connection:
            return connection.scalars(found).one()


@pytest.fixture(params=sorted(_BY_ENGINE))
def town(request: pytest.FixtureRequest) -> Iterator[Town]:
    url = request.getfixturevalue(_BY_ENGINE[request.param])
    with running_proxy(url) as proxy:
        made = Town(url, proxy)
        yield made
        made.through.close()
        made.district.close()


Submit = Callable[[Bank, str], Any]


def credit(town: Town, number: int) -> Submit:
    # Each on another half hour, so that none overlaps another.
    start = at("10-03 00:00") + dt.timedelta(days=number // 12, minutes=30 * (number % 12))
    fields = {
        "account": town.other, "category": "sanitation", "outlet": "B01S01",
        "started_at": start, "ended_at": start + dt.timedelta(minutes=30),
        "recorded_by": "T1", "checked_by": "K1",
    }  # fmt: skip
    return lambda bank, key: bank.hours.record(**fields, idempotency_key=key)


def redeem(town: Town, number: int) -> Submit:
    goods = {"account": town.account, "store": "P1", "sku": "S"}
    return lambda bank, key: bank.redemptions.redeem(**goods, idempotency_key=key)


def capture(town: Town, number: int) -> Submit:
    wish = {"account": town.account, "points": Points("0.10"), "store": "P1"}
    hold = town.district.acting("T1").holds.place(**wish).hold_id
    return lambda bank, key: bank.holds.capture(hold=hold, idempotency_key=key)


def give(town: Town, number: int) -> Submit:
    gift = {
        "account": town.account, "target": town.other, "points": Points("0.10"),
        "outlet": "B01S01",
    }  # fmt: skip
    return lambda bank, key: bank.transfers.gift(**gift, idempotency_key=key)


#: Each act, and what one of it changes about (the account, the other's account).
ACTS: dict[str, tuple[Callable[[Town, int], Submit], str, str]] = {
    "credit": (credit, "0", "0.50"),
    "redeem": (redeem, "-0.10", "0"),
    "capture": (capture, "-0.10", "0"),
    "give": (give, "-0.10", "0.10"),
}


def submitted(town: Town, submit: Submit, key: str, loss: Loss) -> tuple[Any, bool]:
    """Submit through the proxy until there is a receipt; and whether the outcome was unknown."""
    for tried in range(2):
        try:
            return submit(town.through, key), bool(tried)
        except OutcomeUnknown as told:
            unknown = told
        assert unknown.facts["key"] == key
        assert not unknown.retryable
        assert IS_APPLIED[loss] in (None, bool(town.vouchers(key)))
    raise AssertionError("the connection is lost once in every try")


@pytest.mark.parametrize("name", sorted(ACTS))
def test_every_act_is_done_once_however_the_connection_is_lost(town: Town, name: str) -> None:
    make, *changes = ACTS[name]
    bank = town.district.acting("T1")
    both = (town.account, town.other)
    before = [bank.reports.balance(account) for account in both]
    losses = list(Loss)
    told: Counter[tuple[Loss, bool]] = Counter()
    for number in range(TRIES):
        loss, key = losses[number % len(losses)], f"{name}-{number}"
        submit = make(town, number)
        town.proxy.arm(loss, skip=number // len(losses) % 4 if loss is Loss.DURING_ACT else 0)
        receipt, was_unknown = submitted(town, submit, key, loss)
        assert not town.proxy.disarm(), "nothing was lost"
        told[loss, was_unknown] += 1
        assert submit(town.through, key) == submit(bank, key) == receipt
        assert town.vouchers(key) == 1
    # Before COMMIT is sent the library knows, and tries again; from then on nobody can know.
    each = TRIES // len(losses)
    assert told == {(loss, loss is not Loss.DURING_ACT): each for loss in losses}
    assert town.proxy.losses == TRIES
    after = [bank.reports.balance(account) for account in both]
    changed = [Points(change) * TRIES for change in changes]
    assert after == [was + more for was, more in zip(before, changed, strict=True)]
    assert bank.verify().is_clean


def test_a_day_is_closed_once_however_the_connection_is_lost(town: Town) -> None:
    """Three transactions, each of which may be lost; calling it again goes on where it was."""
    clock, bank = town.district.clock, town.district.bank
    through = town.through.acting_as("admin")
    losses, closed = list(Loss), []
    for number in range(TRIES):
        clock.advance(days=1)
        day = str(business_day(clock.now, SHANGHAI) - dt.timedelta(days=1))
        loss = losses[number % len(losses)]
        town.proxy.arm(loss, skip=number // len(losses) % 3)
        told = type(None)
        try:
            receipt = through.closings.close(day)
        except (RetryTransaction, OutcomeUnknown) as error:
            told = type(error)
            receipt = through.closings.close(day)
        # A reading transaction is not run again: it says so, when it looks how far this had come.
        is_known = told in (type(None), RetryTransaction)
        assert is_known == (loss is Loss.DURING_ACT), (number, loss, told)
        assert not town.proxy.disarm(), "nothing was lost"
        assert bank.closings.close(day) == receipt
        closed.append(receipt)
    assert town.proxy.losses == TRIES
    acts = sa.select(sa.func.count()).where(voucher.c.act == "closings.close")
    with bank.engine.connect() as connection:
        assert connection.scalars(acts).one() == TRIES
    assert len({receipt.voucher_id for receipt in closed}) == TRIES
    assert bank.verify().is_clean


def test_a_block_is_never_run_again_by_itself(town: Town) -> None:
    """`begin` belongs to the caller: before COMMIT it is retryable, afterwards unknown."""
    goods = {"account": town.account, "store": "P1", "sku": "S"}
    for number, loss in enumerate(Loss):
        keys = {"idempotency_key": f"block-{number}"}
        town.proxy.arm(loss, skip=2 if loss is Loss.DURING_ACT else 0)
        expected = RetryTransaction if loss is Loss.DURING_ACT else OutcomeUnknown
        with pytest.raises(expected), town.through.begin() as counter:
            counter.redemptions.redeem(**goods, **keys)
        assert IS_APPLIED[loss] in (None, bool(town.vouchers(keys["idempotency_key"])))
        with town.through.begin() as counter:
            counter.redemptions.redeem(**goods, **keys)
        assert town.vouchers(keys["idempotency_key"]) == 1
    assert town.district.bank.verify().is_clean


def test_in_a_callers_transaction_a_loss_is_told_and_nothing_stays(town: Town) -> None:
    goods = {"account": town.account, "store": "P1", "sku": "S"}
    for skip in range(4):
        town.through.reports.balance(town.account)  # a sound connection is in the pool
        town.proxy.arm(Loss.DURING_ACT, skip=skip)
        with (
            town.through.engine.connect() as connection,
            pytest.raises(RetryTransaction),
            town.through.within(connection) as counter,
        ):
            counter.redemptions.redeem(**goods, idempotency_key=f"within-{skip}")
        assert not town.proxy.disarm()
        assert town.vouchers(f"within-{skip}") == 0
    assert town.district.bank.verify().is_clean
