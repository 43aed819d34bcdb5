"""Acts inside the caller's own transaction: a Connection, a Session, or one held by asyncio."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from gongyi_bank.aio import AsyncBank, AsyncCounter
from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    EngineSettingsUnsafe,
    InsufficientPoints,
    InvalidValue,
    RetryTransaction,
    TransactionEnded,
    UnknownStaff,
)
from gongyi_bank.store.tables import voucher
from gongyi_bank.values import Points
from tests.district import District
from tests.store.test_foreign_transactions import foreign_engine, keep_references

THANKS = sa.Table("thanks", sa.MetaData(), sa.Column("words", sa.String(20), primary_key=True))


def shop(district: District) -> None:
    store = NewStore(
        code="P1", name="幸福超市", kind="community_store", recruited_by="B01S01",
        joined_on=dt.date(2022, 1, 1),
    )  # fmt: skip
    district.bank.stores.recruit(stores=(store,))
    offer = NewOffer(store="P1", sku="S", name="毛巾", points=Points(1), stock=100)
    district.bank.stores.publish_offers(offers=(offer,))


@pytest.fixture
def account(district: District) -> int:
    """A customer with two points, a store, and a table of the caller's."""
    number = district.customer()
    district.serve(number, "10-03 08:00", 120)
    shop(district)
    THANKS.metadata.create_all(district.bank.engine)
    return number


@contextmanager
def by_connection(bank: Bank) -> Iterator[sa.Connection]:
    with bank.engine.connect() as connection:
        yield connection


@contextmanager
def by_session(bank: Bank) -> Iterator[Session]:
    with Session(bank.engine) as session:
        yield session


each_way = pytest.mark.parametrize("open_caller", [by_connection, by_session])
OpenCaller = Callable[[Bank], Any]


def thank(caller: Any, words: str) -> None:
    caller.execute(sa.insert(THANKS).values(words=words))


def thanks(bank: Bank) -> list[str]:
    with bank.engine.connect() as connection:
        return list(connection.scalars(sa.select(THANKS.c.words).order_by(THANKS.c.words)))


def buy(counter: Counter, account: int, quantity: int = 1, key: str | None = None) -> Any:
    return counter.redemptions.redeem(
        account=account, store="P1", sku="S", quantity=quantity, idempotency_key=key
    )


def spoil(bank: Bank, caller: Any, *works: Callable[[Counter], object]) -> None:
    """Do these in one block that fails at its end."""
    with bank.within(caller) as counter:
        for work in works:
            work(counter)
        raise ZeroDivisionError


@each_way
def test_nothing_is_committed_until_the_caller_does(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        thank(caller, "a")
        with bank.within(caller) as counter:
            assert buy(counter, account).balance == Points(1)
        caller.rollback()
    assert thanks(bank) == []
    assert bank.reports.balance(account) == Points(2)
    with open_caller(bank) as caller:
        thank(caller, "b")
        with bank.within(caller) as counter:
            buy(counter, account)
        caller.commit()
    assert thanks(bank) == ["b"]
    assert bank.reports.balance(account) == Points(1)
    assert bank.verify().is_clean


@each_way
def test_an_exception_undoes_the_block_and_nothing_before_or_after_it(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        thank(caller, "before")
        with bank.within(caller) as counter:
            buy(counter, account)
        with pytest.raises(ZeroDivisionError):
            spoil(bank, caller, lambda _: thank(caller, "in"), lambda c: buy(c, account))
        thank(caller, "after")
        caller.commit()
    assert thanks(bank) == ["after", "before"]
    assert bank.reports.balance(account) == Points(1)
    assert bank.verify().is_clean


@each_way
def test_a_refusal_leaves_the_callers_transaction_usable(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        thank(caller, "a")
        with bank.within(caller) as counter:
            with pytest.raises(InsufficientPoints):
                buy(counter, account, 3, key="K")
            buy(counter, account, 1, key="K")  # the key was left free
        with pytest.raises(InsufficientPoints), bank.within(caller) as counter:
            buy(counter, account, 3)
        thank(caller, "b")
        caller.commit()
    assert thanks(bank) == ["a", "b"]
    assert bank.reports.balance(account) == Points(1)


@each_way
def test_a_key_taken_by_another_leaves_the_callers_transaction_usable(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    first = bank.redemptions.redeem(account=account, store="P1", sku="S", idempotency_key="K")
    with open_caller(bank) as caller:
        thank(caller, "a")
        with bank.within(caller) as counter:
            assert buy(counter, account, key="K") == first
        caller.commit()
    assert thanks(bank) == ["a"]
    assert bank.reports.balance(account) == Points(1)


@each_way
def test_blocks_nest_and_the_inner_one_is_undone_alone(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        with bank.within(caller) as outer:
            buy(outer, account)
            with pytest.raises(ZeroDivisionError):
                spoil(bank, caller, lambda inner: buy(inner, account))
            assert outer.reports.balance(account) == Points(1)
            with bank.within(caller):
                thank(caller, "inner")
            assert buy(outer, account).balance == Points(0)
        caller.commit()
    assert thanks(bank) == ["inner"]
    assert bank.reports.balance(account) == Points(0)
    assert bank.verify().is_clean


@each_way
def test_an_outer_block_that_fails_takes_the_inner_one_with_it(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        thank(caller, "before")

        def nest(_: Counter) -> None:
            with bank.within(caller) as inner:
                buy(inner, account)

        with pytest.raises(ZeroDivisionError):
            spoil(bank, caller, lambda outer: buy(outer, account), nest)
        caller.commit()
    assert thanks(bank) == ["before"]
    assert bank.reports.balance(account) == Points(2)
    assert bank.verify().is_clean


def test_the_callers_own_savepoint_takes_the_acts_in_it_with_it(
    district: District, account: int
) -> None:
    bank = district.acting("T1")
    with bank.engine.begin() as connection:
        with bank.within(connection) as counter:
            buy(counter, account)
        savepoint = connection.begin_nested()
        with bank.within(connection) as counter:
            buy(counter, account)
        savepoint.rollback()
        with bank.within(connection) as counter:
            assert counter.reports.balance(account) == Points(1)
    assert bank.reports.balance(account) == Points(1)
    assert bank.verify().is_clean


class Torn(Exception):
    """Stands for whatever interrupts a write half-way."""


@each_way
def test_a_counter_whose_write_failed_does_nothing_more(
    district: District, account: int, open_caller: OpenCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = district.acting("T1")
    support = type(bank._support)
    real, failures = support.write, [Torn()]

    def write(self: Any, *args: Any) -> None:
        real(self, *args)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(support, "write", write)
    with open_caller(bank) as caller:
        thank(caller, "before")
        block = bank.within(caller)
        counter = block.__enter__()
        with pytest.raises(Torn):
            buy(counter, account)
        with pytest.raises(RetryTransaction):
            buy(counter, account)
        with pytest.raises(RetryTransaction, match="Torn"):
            block.__exit__(None, None, None)
        # The block did not end in silence, and its savepoint is undone: the rest may go on.
        with bank.within(caller) as counter:
            assert buy(counter, account).balance == Points(1)
        caller.commit()
    assert thanks(bank) == ["before"]
    assert bank.verify().is_clean


@each_way
def test_a_counter_has_ended_with_its_block_also_when_the_transaction_goes_on(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        with bank.within(caller) as counter:
            pass
        with pytest.raises(TransactionEnded):
            buy(counter, account)
        with pytest.raises(TransactionEnded):
            counter.reports.balance(account)
        caller.rollback()


def test_a_connection_that_commits_every_statement_is_refused_before_anything(
    district: District, account: int
) -> None:
    bank = district.acting("T1")
    engine = foreign_engine(district.url, isolation_level="AUTOCOMMIT")
    for caller in (engine.connect(), Session(engine)):
        with (
            caller,
            pytest.raises(EngineSettingsUnsafe, match="AUTOCOMMIT"),
            bank.within(caller) as counter,
        ):
            buy(counter, account)
    assert bank.reports.balance(account) == Points(2)
    engine.dispose()


def test_what_is_no_connection_and_who_is_no_staff_is_refused(
    district: District, account: int
) -> None:
    for stranger in (district.bank.engine, "sqlite://", None):
        with pytest.raises(InvalidValue), district.bank.within(stranger):  # type: ignore[arg-type]
            pass
    with (
        district.bank.engine.begin() as connection,
        district.bank.within(connection, staff="nobody") as counter,
        pytest.raises(UnknownStaff),
    ):
        buy(counter, account)


# --- asyncio ---------------------------------------------------------------------------------

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


async def _opened(url: str) -> tuple[AsyncBank, int]:
    district = District(url)
    number = district.customer()
    district.serve(number, "10-03 08:00", 120)
    shop(district)
    THANKS.metadata.create_all(district.bank.engine)
    clock = district.clock
    district.close()
    return await AsyncBank.open(url, staff="T1", clock=clock, unsafe_settings="allow"), number


async def spoil_awaited(
    block: AbstractAsyncContextManager[AsyncCounter], goods: dict[str, Any]
) -> None:
    async with block as counter:
        await counter.redemptions.redeem(**goods)
        raise ZeroDivisionError


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [AsyncConnection, AsyncSession])
async def test_the_same_holds_for_what_asyncio_holds(async_engine_url: str, kind: type) -> None:
    bank, account = await _opened(async_engine_url)
    caller: Any = AsyncSession(bank.engine) if kind is AsyncSession else bank.engine.connect()
    goods = {"account": account, "store": "P1", "sku": "S"}
    async with caller:
        await caller.execute(sa.insert(THANKS).values(words="before"))
        async with bank.within(caller) as counter:
            await counter.redemptions.redeem(**goods)
            with pytest.raises(InsufficientPoints):
                await counter.redemptions.redeem(**goods, quantity=2)
            with pytest.raises(ZeroDivisionError):
                await spoil_awaited(bank.within(caller), goods)
            await counter.lock(accounts=[account], stores=["P1"])
        await caller.execute(sa.insert(THANKS).values(words="after"))
        await caller.commit()
    async with bank.engine.connect() as connection:
        words = (await connection.scalars(sa.select(THANKS.c.words))).all()
        assert sorted(words) == ["after", "before"]
        acts = await connection.scalars(
            sa.select(voucher.c.act).where(voucher.c.act == "redemptions.redeem")
        )
        assert len(acts.all()) == 1
    assert await bank.reports.balance(account) == Points(1)
    assert (await bank.verify()).is_clean
    await bank.close()


@pytest.mark.anyio
async def test_asyncio_too_is_refused_a_connection_that_commits_every_statement(
    async_engine_url: str,
) -> None:
    bank, account = await _opened(async_engine_url)
    engine = create_async_engine(bank.engine.url, isolation_level="AUTOCOMMIT")
    if engine.dialect.name == "sqlite":
        keep_references(engine.sync_engine)
    async with engine.connect() as connection:
        with pytest.raises(EngineSettingsUnsafe, match="AUTOCOMMIT"):
            async with bank.within(connection) as counter:
                await counter.redemptions.redeem(account=account, store="P1", sku="S")
    assert await bank.reports.balance(account) == Points(2)
    await engine.dispose()
    await bank.close()
