"""Several acts in one transaction: who locks out of order is told, on every engine."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.outlets import Appointment, NewOutlet
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    EngineError,
    InvalidNumber,
    InvalidValue,
    LockOutOfOrder,
    RetryTransaction,
    TransactionEnded,
    UnknownPool,
    UnknownStore,
)
from gongyi_bank.policies import HourLimits
from gongyi_bank.store.locks import HeldLocks, Lock, Place
from gongyi_bank.store.tables import voucher
from gongyi_bank.values import Points
from tests.acts import ACTS, keyed
from tests.district import District


def watched(district: District, staff: str = "T1") -> Bank:
    """The district's bank, opened by a developer who wants to be told."""
    return Bank.open(
        district.bank.engine, staff=staff, clock=district.clock, unsafe_settings="allow",
        lock_order="refuse",
    )  # fmt: skip


def shop(district: District, *codes: str) -> None:
    for code in codes:
        store = NewStore(
            code=code, name=f"超市{code}", kind="community_store", recruited_by="B01S01",
            joined_on=dt.date(2022, 1, 1),
        )  # fmt: skip
        district.bank.stores.recruit(stores=(store,))
        offers = [
            NewOffer(store=code, sku=sku, name="毛巾", points=Points("0.10"), stock=100)
            for sku in ("A", "B")
        ]
        district.bank.stores.publish_offers(offers=offers)


def two_customers(district: District) -> tuple[int, int]:
    pair = district.customer(), district.customer()
    for account in pair:
        district.serve(account, "10-03 08:00", 180)
    return pair


def buy(desks: Any, account: int, store: str = "P1", sku: str = "A") -> Any:
    return desks.redemptions.redeem(account=account, store=store, sku=sku)


@contextmanager
def closing_with(last: Callable[[], object]) -> Iterator[None]:
    """The block, and then this."""
    yield
    last()


def count_vouchers(district: District) -> int:
    with district.bank.engine.connect() as connection:
        return connection.scalars(sa.select(sa.func.count()).select_from(voucher)).one()


def test_a_lower_account_after_a_higher_one_is_refused_and_named(district: District) -> None:
    low, high = two_customers(district)
    row = {"points": Points(1), "reason": "表彰", "second_person": "K1b", "outlet": "B01"}
    with watched(district, "K1").begin() as counter:
        counter.points.grant(account=high, **row)
        before = counter.reports.balance(low)
        with pytest.raises(LockOutOfOrder) as caught:
            counter.points.grant(account=low, **row)
        assert caught.value.facts == {"wanted": str(low), "holding": str(high)}
        # Nothing was written or locked, so the transaction goes on, and in order.
        assert counter.reports.balance(low) == before
        counter.points.grant(account=high, **row)
    assert district.bank.reports.balance(high) == Points(5)
    assert district.bank.verify().is_clean


def test_an_account_after_the_goods_of_another_is_refused(district: District) -> None:
    low, high = two_customers(district)
    shop(district, "P1")
    before = count_vouchers(district)
    with (
        pytest.raises(LockOutOfOrder) as caught,
        watched(district).begin() as counter,
        closing_with(lambda: buy(counter, high)),
    ):
        buy(counter, low)
    assert caught.value.facts == {"wanted": str(high), "holding": "A"}
    assert count_vouchers(district) == before


def test_in_order_nothing_is_refused(district: District) -> None:
    low, high = two_customers(district)
    shop(district, "P1")
    with watched(district).begin() as counter:
        row = {"outlet": "B01S01", "points": Points("0.10")}
        counter.transfers.gift(account=low, target=high, **row)
        counter.transfers.gift(account=high, target=low, **row)
        buy(counter, low, sku="A")
        buy(counter, high, sku="B")
        buy(counter, low, sku="A")
    assert district.bank.verify().is_clean


def test_what_was_locked_ahead_may_come_in_any_order(district: District) -> None:
    low, high = two_customers(district)
    shop(district, "P1", "P2")
    keeper = district.acting("K1")
    keeper.pools.open(code="POOL", name="爱心池", outlet="B01")
    with watched(district).begin() as counter:
        counter.lock(accounts=[high, low], stores=["P2", "P1"], pools=["POOL"])
        buy(counter, high, "P2", "B")
        buy(counter, low, "P1", "A")
        counter.transfers.donate(account=high, pool="POOL", points=Points("0.10"), outlet="B01S01")
        buy(counter, low, "P2", "A")
        counter.lock(accounts=[low])
    assert district.bank.verify().is_clean


def test_what_is_locked_ahead_must_exist_and_comes_first(district: District) -> None:
    low, high = two_customers(district)
    with watched(district).begin() as counter:
        with pytest.raises(UnknownStore):
            counter.lock(stores=["NOWHERE"])
        with pytest.raises(UnknownPool):
            counter.lock(pools=["NOWHERE"])
        with pytest.raises(InvalidNumber):
            counter.lock(accounts=[low + 1])
        counter.lock(accounts=[high])
        with pytest.raises(LockOutOfOrder):
            counter.lock(accounts=[low])
        counter.lock()
    with pytest.raises(TransactionEnded):
        counter.lock(accounts=[low])


def test_a_customer_registered_here_may_be_served_but_another_may_not(district: District) -> None:
    other = district.customer()
    with watched(district).begin() as counter:
        new = NewCustomer(outlet="B01S01", name="李四")
        account = counter.customers.register(customers=[new]).accounts[0]
        counter.accounts.freeze(account=account, reason="核查")
        with pytest.raises(LockOutOfOrder) as caught:
            counter.accounts.freeze(account=other, reason="核查")
    assert caught.value.message("en").startswith(f"{other} must be locked before serial numbers")
    assert "编号" in caught.value.message("zh")


def test_an_act_on_the_house_comes_before_any_account(district: District) -> None:
    account = district.customer()
    bank = watched(district, "admin")
    with bank.begin() as counter:
        counter.outlets.rename(outlet="B02S02", name="石桥")
        counter.outlets.rename(outlet="B01S01", name="团结")
        counter.accounts.freeze(account=account, reason="核查")
        counter.outlets.rename(outlet="B01S02", name="胜利")
    with bank.begin() as counter:
        counter.accounts.unfreeze(account=account, reason="找回")
        with pytest.raises(LockOutOfOrder, match="outlets"):
            counter.outlets.rename(outlet="B02S02", name="石桥所")


def test_blocks_within_one_transaction_share_what_they_hold(district: District) -> None:
    low, high = two_customers(district)
    bank = watched(district, "K1")
    with bank.engine.begin() as connection:
        with bank.within(connection) as counter:
            counter.accounts.freeze(account=high, reason="核查")
        with pytest.raises(LockOutOfOrder), bank.within(connection) as counter:
            counter.accounts.freeze(account=low, reason="核查")
        # Another bank handle of the same transaction knows it too.
        with pytest.raises(LockOutOfOrder), bank.acting_as("T1").within(connection) as counter:
            counter.accounts.freeze(account=low, reason="核查")
    with bank.engine.begin() as connection, bank.within(connection) as counter:
        counter.accounts.freeze(account=low, reason="核查")


def test_an_undone_block_has_let_go_of_its_locks(district: District) -> None:
    low, high = two_customers(district)
    bank = watched(district)
    with bank.engine.begin() as connection:
        with (
            pytest.raises(ZeroDivisionError),
            bank.within(connection) as counter,
            closing_with(lambda: 1 / 0),
        ):
            counter.accounts.freeze(account=high, reason="核查")
        with bank.within(connection) as counter:
            counter.accounts.freeze(account=low, reason="核查")
            counter.accounts.freeze(account=high, reason="核查")


def test_what_was_read_is_acknowledged_after_all_acts(district: District) -> None:
    account, _ = two_customers(district)
    shop(district, "P1")
    bank = watched(district)
    newest = bank.outbox.read("sms")[-1].outbox_no
    with bank.begin() as counter:  # as the how-to of the outbox says
        buy(counter, account)
        counter.customers.register(customers=[NewCustomer(outlet="B01S01", name="李四")])
        assert counter.outbox.acknowledge("sms", newest) == newest
        assert counter.outbox.acknowledge("sms", 1) == newest
    with bank.begin() as counter:
        counter.outbox.acknowledge("sms", newest)
        with pytest.raises(LockOutOfOrder) as caught:
            buy(counter, account)
        with pytest.raises(LockOutOfOrder):
            counter.customers.register(customers=[NewCustomer(outlet="B01S01", name="李四")])
        with pytest.raises(LockOutOfOrder):
            counter.outbox.acknowledge("reports", 1)
    assert caught.value.facts == {
        "wanted": f"{account}, A", "holding": "发件箱 outbox of sms",
    }  # fmt: skip
    assert bank.outbox.position("reports") == 0
    assert district.bank.reports.balance(account) == Points("2.90")
    assert district.bank.verify().is_clean


def test_a_district_is_set_up_in_the_order_of_its_serial_numbers(district: District) -> None:
    with watched(district, "admin").begin() as counter:
        counter.outlets.open(outlets=[NewOutlet(code="B03", name="新城", parent="H")])
        counter.staff.appoint(
            appointments=[Appointment(code="K3", role="ledger_keeper", outlet="B03")]
        )
        counter.policies.adopt(policy=HourLimits(), effective_on=dt.date(2023, 1, 1))
        store = NewStore(code="P9", name="店", kind="enterprise", recruited_by="B01S01")
        counter.stores.recruit(stores=[store])
        counter.pools.open(code="POOL", name="爱心池", outlet="B01")
        counter.passbooks.print_stock(count=1)
        counter.customers.register(customers=[NewCustomer(outlet="B01S01", name="李四")])
        assert counter.outbox.read("sms")
        counter.outbox.acknowledge("sms", 1)
        # What is held may be drawn from again.
        counter.outlets.open(outlets=[NewOutlet(code="B04", name="北街", parent="H")])
    assert district.bank.verify().is_clean


def test_serial_numbers_of_two_kinds_or_outlets_come_in_one_order(district: District) -> None:
    bank = watched(district, "admin")
    at_first, at_last = (
        [NewCustomer(outlet=outlet, name="李四")] for outlet in ("B01S01", "B02S02")
    )
    with bank.begin() as counter:
        counter.passbooks.print_stock(count=1)
        counter.customers.register(customers=at_first)
        counter.customers.register(customers=at_last)
        counter.customers.register(customers=at_first)
        assert counter.outbox.read("sms")
    with bank.begin() as counter:
        counter.customers.register(customers=at_last)
        with pytest.raises(LockOutOfOrder) as caught:
            counter.customers.register(customers=at_first)
        with pytest.raises(LockOutOfOrder) as printing:
            counter.passbooks.print_stock(count=1)
        counter.customers.register(customers=at_last)
    accounts = "账户编号 serial numbers of accounts at"
    assert caught.value.facts == {"wanted": f"{accounts} 1003", "holding": f"{accounts} 1006"}
    assert printing.value.facts["wanted"] == "存折编号 serial numbers of passbooks"
    assert printing.value.message("zh").startswith("本事务已锁定 账户编号，此后再锁 存折编号")
    assert district.bank.verify().is_clean


Work = Callable[[Counter], object]


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
@pytest.mark.parametrize(
    "pair", ["acknowledge", "two consumers", "register", "two series", "announce"]
)
def test_what_the_server_would_call_a_deadlock_is_refused_beforehand(
    request: pytest.FixtureRequest, engine: str, pair: str
) -> None:
    """Two in opposite order: the one that is out of order is told, the other is done."""
    url = "mariadb_tables_url" if engine == "mariadb" else "postgresql_url"
    district = District(request.getfixturevalue(url))
    account, _ = two_customers(district)
    shop(district, "P1")
    district.bank.outbox.read("sms")
    for consumer in ("reports", "sms"):
        district.bank.outbox.acknowledge(consumer, 1)
    pairs: dict[str, tuple[Work, Work]] = {
        "acknowledge": (lambda c: buy(c, account), lambda c: c.outbox.acknowledge("sms", 2)),
        "two consumers": (
            lambda c: c.outbox.acknowledge("reports", 2),
            lambda c: c.outbox.acknowledge("sms", 2),
        ),
        "register": (
            lambda c: c.customers.register(customers=[NewCustomer(outlet="B01S01", name="李")]),
            lambda c: c.customers.register(customers=[NewCustomer(outlet="B02S02", name="李")]),
        ),
        "announce": (
            lambda c: c.closings.announce(period="2022-10-15"),
            lambda c: c.accounts.freeze(account=account, reason="核查"),
        ),
        "two series": (
            lambda c: c.passbooks.print_stock(count=1),
            lambda c: c.customers.register(customers=[NewCustomer(outlet="B01S01", name="李")]),
        ),
    }
    first, second = pairs[pair]
    district.clock.advance(days=1)
    bank, met = watched(district, "admin"), threading.Barrier(2)
    outcomes: dict[str, str] = {}

    def work(name: str, before: Work, after: Work) -> None:
        try:
            with bank.begin() as counter:
                before(counter)
                met.wait(20)
                after(counter)
        except EngineError as error:
            outcomes[name] = error.code
        else:
            outcomes[name] = "done"

    orders = {"in order": (first, second), "against it": (second, first)}
    threads = [threading.Thread(target=work, args=(n, *order)) for n, order in orders.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"in order": "done", "against it": "lock_out_of_order"}
    assert district.bank.verify().is_clean
    district.close()


@pytest.mark.parametrize("name", sorted(ACTS))
def test_every_act_by_itself_keeps_the_order(sqlite_district: District, name: str) -> None:
    staff, command, _ = ACTS[name](sqlite_district)
    watched(sqlite_district, staff).execute(keyed(command))


def test_by_default_nothing_is_watched_and_only_two_words_are_known(
    sqlite_district: District,
) -> None:
    low, high = two_customers(sqlite_district)
    with sqlite_district.bank.begin() as counter:
        counter.accounts.freeze(account=high, reason="核查")
        counter.accounts.freeze(account=low, reason="核查")
    with pytest.raises(InvalidValue, match="lock_order"):
        Bank.open(sqlite_district.url, lock_order="warn")  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
@pytest.mark.parametrize("is_locked_ahead", [False, True])
def test_two_in_opposite_order_are_told_to_retry_unless_locked_ahead(
    request: pytest.FixtureRequest, engine: str, is_locked_ahead: bool
) -> None:
    url = "mariadb_tables_url" if engine == "mariadb" else "postgresql_url"
    district = District(request.getfixturevalue(url))
    pair = two_customers(district)
    met, outcomes = threading.Barrier(2), []

    def work(first: int, second: int) -> None:
        row = {"points": Points(1), "reason": "x", "second_person": "K1b", "outlet": "B01"}
        try:
            with district.bank.begin(staff="K1") as counter:
                if is_locked_ahead:
                    counter.lock(accounts=(first, second))
                counter.points.grant(account=first, **row)
                if not is_locked_ahead:
                    met.wait(20)
                counter.points.grant(account=second, **row)
        except RetryTransaction:
            outcomes.append("retry")
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=work, args=order) for order in (pair, pair[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == (["done", "done"] if is_locked_ahead else ["done", "retry"])
    done = outcomes.count("done")
    assert [district.bank.reports.balance(account) for account in pair] == [Points(3 + done)] * 2
    assert district.bank.verify().is_clean
    district.close()


LOCKS = st.one_of(
    st.tuples(st.just(Place.HEADS), st.integers(1, 5)),
    st.tuples(st.just(Place.OFFERS), st.tuples(st.integers(1, 2), st.sampled_from("AB"))),
    st.tuples(st.just(Place.OFFERS), st.tuples(st.integers(1, 2))),
    st.tuples(st.just(Place.OUTLETS), st.just(0)),
)


@given(st.lists(st.lists(st.lists(LOCKS, max_size=3), max_size=4), min_size=2, max_size=2))
def test_whoever_is_refused_nothing_never_waits_in_a_circle(plans: list[list[list[Lock]]]) -> None:
    """Locks that the guard lets pass are new ones in ascending order, so no circle can close."""
    for plan in plans:
        guard, taken = HeldLocks(), list[Lock]()
        for act in plan:
            try:
                guard.require_order(act)
            except LockOutOfOrder:
                continue
            guard.add(act)
            rows = {row for lock in act for row in _rows(lock)} - set(taken)
            assert not taken or all(row > max(taken) for row in rows)
            taken += sorted(rows)


def _rows(lock: Lock) -> list[Lock]:
    place, key = lock
    if place is Place.OFFERS and len(key) == 1:
        return [(place, (*key, sku)) for sku in "AB"]
    return [lock]


def test_the_error_is_no_refusal_of_the_rules() -> None:
    assert issubclass(LockOutOfOrder, EngineError)
    assert not LockOutOfOrder.retryable
