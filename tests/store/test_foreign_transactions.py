"""Transactions that somebody else set up: other engines, isolation levels, sessions, databases."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from gongyi_bank.bank import Bank
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    BankExists,
    EngineSettingsUnsafe,
    InsufficientPoints,
    InvalidValue,
    RetryTransaction,
    TransactionEnded,
    UnknownBank,
)
from gongyi_bank.values import Points
from tests.district import District
from tests.mysqld import engine_name

PRAGMAS = ("foreign_keys=ON", "recursive_triggers=ON", "busy_timeout=10000", "synchronous=FULL")


def foreign_engine(url: str, **options: Any) -> sa.Engine:
    """An engine as an application makes one, with safe settings but its own way to begin."""
    if engine_name(url) == "mariadb":
        options = {"isolation_level": "READ COMMITTED"} | options
    engine = sa.create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        keep_references(engine)
    return engine


def keep_references(engine: sa.Engine) -> None:
    """What an application must set on SQLite, and the least it must."""

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        for pragma in PRAGMAS:
            connection.execute("PRAGMA " + pragma)


def shop(district: District, points: str = "1", stock: int = 100) -> None:
    store = NewStore(
        code="P1", name="幸福超市", kind="community_store", recruited_by="B01S01",
        joined_on=dt.date(2022, 1, 1),
    )  # fmt: skip
    district.bank.stores.recruit(stores=(store,))
    offer = NewOffer(store="P1", sku="S", name="毛巾", points=Points(points), stock=stock)
    district.bank.stores.publish_offers(offers=(offer,))


def test_reservations_through_a_foreign_engine_never_exceed_the_points(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 180)
    shop(district)
    engine = foreign_engine(district.url)
    bank = Bank.open(engine, staff="T1", clock=district.clock, unsafe_settings="allow")
    accepted: list[Any] = []

    def reserve() -> None:
        for _ in range(3):
            try:
                accepted.append(bank.redemptions.reserve(account=account, store="P1", sku="S"))
            except (InsufficientPoints, RetryTransaction):
                continue

    threads = [threading.Thread(target=reserve) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == 3
    assert district.bank.verify().is_clean
    engine.dispose()


def test_a_connection_that_commits_every_statement_is_refused(district: District) -> None:
    account = district.customer()
    engine = foreign_engine(district.url, isolation_level="AUTOCOMMIT")
    bank = Bank.open(engine, staff="K1", clock=district.clock, unsafe_settings="allow")
    grant = {
        "account": account, "points": Points(1), "reason": "x", "second_person": "K1b",
        "outlet": "B01",
    }  # fmt: skip
    with pytest.raises(EngineSettingsUnsafe, match="AUTOCOMMIT"):
        bank.points.grant(**grant)
    with (
        engine.connect() as connection,
        pytest.raises(EngineSettingsUnsafe, match="AUTOCOMMIT"),
        bank.within(connection) as counter,
    ):
        counter.points.grant(**grant)
    assert bank.reports.balance(account) == Points(0)
    engine.dispose()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("change", ["freeze", "loss", "dismissal", "policy"])
def test_a_snapshot_older_than_a_change_is_not_acted_upon(
    postgresql_url: str, level: str, change: str
) -> None:
    district = District(postgresql_url)
    bank, account = district.bank, district.customer()
    district.serve(account, "10-03 08:00", 60)
    shop(district)
    engine = bank.engine.execution_options(isolation_level=level)
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(sa.text("SELECT count(*) FROM gb_bank"))
        if change == "freeze":
            bank.accounts.freeze(account=account, reason="x")
        elif change == "loss":
            printed = bank.passbooks.print_stock(count=1)
            for target in ("B01", "B01S01"):
                bank.passbooks.allot(target=target, first=printed.first, last=printed.last)
            district.acting("T1").passbooks.issue(account=account)
            district.acting("T1").passbooks.report_loss(account=account, kind="oral")
        elif change == "dismissal":
            bank.staff.end(code="T1", role="teller", outlet="B01S01", reason="x")
        else:
            policy = bank.policies.book().in_force(*_rules(district))[1]
            bank.policies.adopt(policy=policy, effective_on=dt.date(2022, 10, 16))
        with (
            pytest.raises(RetryTransaction),
            bank.within(connection, staff="T1") as counter,
        ):
            counter.redemptions.redeem(account=account, store="P1", sku="S")
        transaction.rollback()
    assert bank.reports.balance(account) == Points(1)
    district.close()


def _rules(district: District) -> Any:
    from gongyi_bank.policies import RedemptionRules

    return RedemptionRules, district.clock().date()


def test_a_bank_of_another_database_is_not_taken_for_this_one(
    sqlite_url: str, postgresql_url: str
) -> None:
    one, other = District(sqlite_url, scale=4), District(postgresql_url)
    account = other.customer()
    with (
        pytest.raises(UnknownBank),
        other.bank.engine.begin() as connection,
        one.bank.within(connection, staff="T1") as counter,
    ):
        counter.reports.balance(account)
    one.close()
    other.close()


class Base(DeclarativeBase):
    """The caller's own tables."""


class Order(Base):
    """A row of the caller's."""

    __tablename__ = "caller_order"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_a_refusal_keeps_what_the_callers_session_had_pending(district: District) -> None:
    account = district.customer()
    shop(district)
    Base.metadata.create_all(district.bank.engine)
    with Session(district.bank.engine) as session:
        session.add(Order(id=1))
        with (
            pytest.raises(InsufficientPoints),
            district.bank.within(session, staff="T1") as counter,
        ):
            counter.redemptions.redeem(account=account, store="P1", sku="S")
        session.commit()
    with Session(district.bank.engine) as session:
        assert session.get(Order, 1) is not None


def test_the_callers_own_errors_stay_their_own(district: District) -> None:
    Base.metadata.create_all(district.bank.engine)
    with (
        district.bank.engine.connect() as connection,
        pytest.raises(sa.exc.IntegrityError),
        district.bank.within(connection, staff="T1"),
    ):
        connection.execute(sa.insert(Order), [{"id": 1}, {"id": 1}])


@pytest.mark.parametrize("kind", ["begin", "simulate", "within"])
def test_a_counter_is_of_no_use_after_its_block(district: District, kind: str) -> None:
    account = district.customer()
    if kind == "within":
        with (
            district.bank.engine.begin() as connection,
            district.bank.within(connection, staff="T1") as counter,
        ):
            pass
    else:
        with getattr(district.bank, kind)(staff="T1") as counter:
            pass
    with pytest.raises(TransactionEnded):
        counter.reports.balance(account)
    with pytest.raises(TransactionEnded):
        counter.accounts.freeze(account=account, reason="x")


def test_a_bank_is_opened_with_the_keys_it_was_founded_with(sqlite_url: str) -> None:
    District(sqlite_url, seal_key=b"s" * 16, index_key=b"i" * 16).close()
    for keys in ({}, {"seal_key": b"s" * 16}, {"seal_key": b"x" * 16, "index_key": b"i" * 16}):
        with pytest.raises(InvalidValue, match="_key"):
            Bank.open(sqlite_url, **keys)  # type: ignore[arg-type]
    Bank.open(sqlite_url, seal_key=b"s" * 16, index_key=b"i" * 16).close()


def test_threads_take_turns_at_a_bank_in_memory() -> None:
    district = District("sqlite://")
    accounts = [district.customer() for _ in range(6)]
    threads = [
        threading.Thread(
            target=lambda a=a: [district.serve(a, f"10-{d:02d} 08:00") for d in range(1, 6)]
        )
        for a in accounts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(district.bank.reports.balance(a) == Points(5) for a in accounts)
    assert district.bank.verify().is_clean
    district.close()


def test_two_founders_at_once_make_one_bank(empty_url: str) -> None:
    results: list[str] = []

    def found() -> None:
        try:
            Bank.found(empty_url, bank="雁江", unsafe_settings="allow").close()
        except BankExists:
            results.append("exists")
        else:
            results.append("founded")

    threads = [threading.Thread(target=found) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["exists", "exists", "founded"]
