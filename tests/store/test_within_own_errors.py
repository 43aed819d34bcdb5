"""Statements of the caller's that fail in a `within` block, or on its way in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from gongyi_bank.aio import AsyncBank
from gongyi_bank.bank import Bank
from gongyi_bank.errors import (
    BlockUndone,
    EngineError,
    InvalidValue,
    RetryTransaction,
    TransactionEnded,
)
from gongyi_bank.values import Points
from tests.district import District
from tests.store.test_within import OpenCaller, buy, each_way, shop


class Base(DeclarativeBase):
    """The caller's own tables."""


class Parcel(Base):
    """A row of the caller's, whose label nobody else may have."""

    __tablename__ = "parcel"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(unique=True)


PARCEL = Parcel.__table__


@pytest.fixture
def account(district: District) -> int:
    """A customer with two points, a store, and a table of the caller's."""
    number = district.customer()
    district.serve(number, "10-03 08:00", 120)
    shop(district)
    Base.metadata.create_all(district.bank.engine)
    return number


def parcels(bank: Bank) -> list[int]:
    with bank.engine.connect() as connection:
        return list(connection.scalars(sa.select(Parcel.id).order_by(Parcel.id)))


def pack(caller: Any, number: int, label: int) -> None:
    caller.execute(sa.insert(Parcel).values(id=number, label=label))


def look_for_nothing(caller: Any) -> None:
    """A statement that fails, and whose error nobody is told of."""
    with pytest.raises(sa.exc.DBAPIError):
        caller.execute(sa.text("SELECT * FROM no_such_table"))


def told(connection: sa.Connection, code: str) -> None:
    """Let the server say this, as if it had met with it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE 'x' USING ERRCODE = '{code}'; END $$")
    else:
        connection.exec_driver_sql(f"SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = {code}")


def repeat_a_label(bank: Bank, session: Session, account: int, *, flushes: bool) -> None:
    """An act, and a row of the caller's that cannot be."""
    with bank.within(session) as counter:
        buy(counter, account)
        session.add(Parcel(id=2, label=1))
        if flushes:
            session.flush()


def pack_twice(bank: Bank, caller: Any, account: int) -> None:
    """An act, and a statement of the caller's that cannot be."""
    with bank.within(caller) as counter:
        buy(counter, account)
        pack(caller, 2, 1)


# --- a row that cannot be ---------------------------------------------------------------------


@pytest.mark.parametrize("flushes", [False, True], ids=["at the end", "in the block"])
@pytest.mark.parametrize("begins", [False, True], ids=["by itself", "begun"])
def test_a_row_that_the_callers_session_cannot_flush_is_the_callers_own_error(
    district: District, account: int, flushes: bool, begins: bool
) -> None:
    bank = district.acting("T1")
    with Session(bank.engine) as session:
        if begins:
            session.begin()
        session.add(Parcel(id=1, label=1))
        with pytest.raises(sa.exc.IntegrityError):
            repeat_a_label(bank, session, account, flushes=flushes)
        assert not session.in_nested_transaction()
        assert session.scalars(sa.select(Parcel.id)).all() == [1]
        session.add(Parcel(id=3, label=3))
        with bank.within(session) as counter:
            assert buy(counter, account).balance == Points(1)
        session.commit()
    assert parcels(bank) == [1, 3]
    assert bank.reports.balance(account) == Points(1)
    assert bank.verify().is_clean


@each_way
def test_a_statement_that_cannot_be_is_the_callers_own_error(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        pack(caller, 1, 1)
        with pytest.raises(sa.exc.IntegrityError):
            pack_twice(bank, caller, account)
        pack(caller, 3, 3)
        caller.commit()
    assert parcels(bank) == [1, 3]
    assert bank.reports.balance(account) == Points(2)


def _nested(_: Bank, session: Session) -> Any:
    return session.begin_nested()


def _within(bank: Bank, session: Session) -> Any:
    return bank.within(session)


@pytest.mark.parametrize("block", [_nested, _within])
def test_what_was_pending_before_the_block_fails_as_before_any_savepoint(
    district: District, account: int, block: Callable[[Bank, Session], Any]
) -> None:
    """The session flushes it outside, and undoes its own transaction: SQLAlchemy's rule."""
    bank = district.acting("T1")
    with Session(bank.engine) as session:
        session.add(Parcel(id=1, label=1))
        session.flush()
        session.add(Parcel(id=2, label=1))
        with pytest.raises(sa.exc.IntegrityError), block(bank, session):
            pytest.fail("it was let in")
        with pytest.raises(sa.exc.PendingRollbackError):
            session.scalar(sa.select(Parcel.id))
        session.rollback()
        with bank.within(session) as counter:
            buy(counter, account)
        session.commit()
    assert parcels(bank) == []
    assert bank.reports.balance(account) == Points(1)


# --- a failure that the caller does not tell ---------------------------------------------------


@each_way
def test_a_block_in_which_a_statement_failed_unheard_is_undone_or_stands_whole(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    """PostgreSQL ends a transaction in which a statement fails; the others undo that alone."""
    bank = district.acting("T1")
    is_undone = bank.engine.dialect.name == "postgresql"
    with open_caller(bank) as caller:
        pack(caller, 1, 1)
        block = bank.within(caller)
        counter = block.__enter__()
        buy(counter, account)
        look_for_nothing(caller)
        if is_undone:
            with pytest.raises(BlockUndone):
                block.__exit__(None, None, None)
        else:
            block.__exit__(None, None, None)
        pack(caller, 2, 2)
        with bank.within(caller) as counter:
            assert buy(counter, account).balance == Points(1 if is_undone else 0)
        caller.commit()
    assert parcels(bank) == [1, 2]
    assert bank.verify().is_clean


@each_way
def test_an_act_after_a_statement_that_failed_unheard_says_what_is_wrong(
    postgresql_district_url: str, open_caller: OpenCaller
) -> None:
    district = District(postgresql_district_url, is_founded=True)
    bank, number = district.acting("T1"), district.customer()
    Base.metadata.create_all(bank.engine)
    with open_caller(bank) as caller:
        pack(caller, 1, 1)
        block = bank.within(caller)
        counter = block.__enter__()
        look_for_nothing(caller)
        with pytest.raises(EngineError, match="25P02 a statement failed before") as caught:
            counter.accounts.freeze(account=number, reason="x")
        assert not block.__exit__(EngineError, caught.value, None)
        caller.commit()
    assert parcels(bank) == [1]
    district.close()


def test_a_flush_that_failed_unheard_has_undone_the_block(district: District, account: int) -> None:
    """The session undoes its innermost savepoint then, which is the block's."""
    bank = district.acting("T1")
    with Session(bank.engine) as session:
        session.add(Parcel(id=1, label=1))
        block = bank.within(session)
        counter = block.__enter__()
        buy(counter, account)
        session.add(Parcel(id=2, label=1))
        with pytest.raises(sa.exc.IntegrityError):
            session.flush()
        with pytest.raises(TransactionEnded):
            buy(counter, account)
        with pytest.raises(BlockUndone):
            block.__exit__(None, None, None)
        session.add(Parcel(id=3, label=3))
        session.commit()
    assert parcels(bank) == [1, 3]
    assert bank.reports.balance(account) == Points(2)


@each_way
def test_a_savepoint_of_the_callers_own_keeps_the_block_whole(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        pack(caller, 1, 1)
        with bank.within(caller) as counter:
            with pytest.raises(sa.exc.IntegrityError), caller.begin_nested():
                pack(caller, 2, 1)
            assert buy(counter, account).balance == Points(1)
        caller.commit()
    assert parcels(bank) == [1]
    assert bank.reports.balance(account) == Points(1)


# --- what means: run it all again ---------------------------------------------------------------

#: What each server says of a transaction that can only be run again as a whole.
AGAIN = {"postgresql": ("40001", "40P01"), "mariadb": ("1213", "1020")}
#: A lock that did not come at once (NOWAIT), which the caller may have counted on.
NOT_NOW = {"postgresql": "55P03", "mariadb": "1205"}


@pytest.fixture
def served(server_district: District) -> District:
    """On each server: SQLite has one writer, who meets with nothing of this."""
    Base.metadata.create_all(server_district.bank.engine)
    return server_district


def _server(district: District) -> str:
    name = district.bank.engine.dialect.name
    return "mariadb" if name == "mysql" else name


def fail(bank: Bank, caller: Any, code: str) -> None:
    with bank.within(caller):
        told(caller if isinstance(caller, sa.Connection) else caller.connection(), code)


@each_way
def test_a_deadlock_of_the_callers_statement_is_told_as_one_of_ours(
    served: District, open_caller: OpenCaller
) -> None:
    bank = served.acting("T1")
    for code in AGAIN[_server(served)]:
        with open_caller(bank) as caller:
            with pytest.raises(RetryTransaction, match=code) as caught:
                fail(bank, caller, code)
            assert caught.value.retryable
            assert isinstance(caught.value.__cause__, sa.exc.DBAPIError)
            caller.rollback()


@each_way
def test_a_lock_that_the_caller_did_not_get_at_once_is_theirs_to_judge(
    served: District, open_caller: OpenCaller
) -> None:
    bank = served.acting("T1")
    with open_caller(bank) as caller:
        pack(caller, 1, 1)
        with pytest.raises(sa.exc.DBAPIError, match=NOT_NOW[_server(served)]):
            fail(bank, caller, NOT_NOW[_server(served)])
        caller.commit()
    assert parcels(bank) == [1]


def test_a_deadlock_while_a_session_flushes_is_told_as_one_of_ours(served: District) -> None:
    bank = served.acting("T1")
    code = AGAIN[_server(served)][0]
    with Session(bank.engine) as session:
        refuse = sa.event.listens_for(session, "before_flush")
        refuse(lambda flushing, *_: told(flushing.connection(), code))
        block = bank.within(session)
        block.__enter__()
        session.add(Parcel(id=1, label=1))
        with pytest.raises(RetryTransaction, match=code):
            block.__exit__(None, None, None)
        session.rollback()
    with Session(bank.engine) as session:
        session.add(Parcel(id=1, label=1))
        refuse = sa.event.listens_for(session, "before_flush")
        refuse(lambda flushing, *_: told(flushing.connection(), code))
        with pytest.raises(RetryTransaction, match=code), bank.within(session):
            pytest.fail("it was let in")


@each_way
def test_after_a_release_that_failed_nobody_goes_on_in_the_callers_transaction(
    served: District, open_caller: OpenCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A savepoint that is gone went with more than the block; a COMMIT would say nothing of it."""
    bank = served.acting("T1")
    code, failures = AGAIN[_server(served)][0], [1]
    real = sa.Connection.execute

    def execute(self: sa.Connection, statement: Any, *args: Any, **options: Any) -> Any:
        if "RELEASE" not in str(statement) or not failures:
            return real(self, statement, *args, **options)
        failures.clear()
        try:
            told(self, code)
        except sa.exc.DBAPIError as error:
            error.statement = str(statement)
            raise

    with open_caller(bank) as caller:
        pack(caller, 1, 1)
        monkeypatch.setattr(sa.Connection, "execute", execute)
        with pytest.raises(RetryTransaction, match=code), bank.within(caller):
            pass
        monkeypatch.undo()
        with pytest.raises(sa.exc.PendingRollbackError):
            caller.execute(sa.select(sa.literal(1)))
        with pytest.raises(RetryTransaction, match="lost before this block"), bank.within(caller):
            pytest.fail("it was let in")
    assert parcels(bank) == []


@each_way
def test_a_savepoint_that_a_statement_has_ended_is_missed_and_nobody_goes_on(
    district: District, account: int, open_caller: OpenCaller
) -> None:
    """As after a deadlock on MariaDB that the caller has swallowed: half would be kept."""
    bank = district.acting("T1")
    with open_caller(bank) as caller:
        pack(caller, 1, 1)
        block = bank.within(caller)
        buy(block.__enter__(), account)
        caller.execute(sa.text("ROLLBACK"))
        with pytest.raises(EngineError) as caught:
            block.__exit__(None, None, None)
        assert not caught.value.retryable
        is_sqlite = bank.engine.dialect.name == "sqlite"  # whose driver tells no numbers
        assert is_sqlite or "savepoint is gone" in str(caught.value)
        with pytest.raises(sa.exc.PendingRollbackError):
            pack(caller, 2, 2)
    assert parcels(bank) == []
    assert bank.reports.balance(account) == Points(2)


@each_way
def test_a_block_in_which_the_connection_was_lost_is_to_be_run_again(
    served: District, open_caller: OpenCaller
) -> None:
    bank = served.acting("T1")
    with open_caller(bank) as caller:
        block = bank.within(caller)
        block.__enter__()
        held = caller if isinstance(caller, sa.Connection) else caller.connection()
        held.invalidate()
        with pytest.raises(RetryTransaction, match="connection was lost"):
            block.__exit__(None, None, None)


# --- what cannot be joined -----------------------------------------------------------------------


def test_a_closed_connection_or_session_is_refused_as_what_it_is(
    district: District, account: int
) -> None:
    bank = district.acting("T1")
    closed = bank.engine.connect()
    closed.close()
    ended = Session(bank.engine, close_resets_only=False)
    ended.close()
    for caller in (closed, Session(closed), ended):
        with pytest.raises(InvalidValue, match="closed"), bank.within(caller) as counter:
            buy(counter, account)
    with Session(bank.engine) as session:
        session.close()  # a session of the usual kind begins anew
        with bank.within(session) as counter:
            buy(counter, account)
        session.commit()
    assert bank.reports.balance(account) == Points(1)


@each_way
def test_a_transaction_that_cannot_begin_for_another_writer_may_be_tried_again(
    sqlite_district: District, open_caller: OpenCaller
) -> None:
    bank = sqlite_district.acting("T1")
    options = {"timeout": 0, "isolation_level": None}
    engine = sa.create_engine(sqlite_district.url, connect_args=options)
    begin = sa.event.listens_for(engine, "begin")
    begin(lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    other = Bank.open(engine, unsafe_settings="allow")
    with (
        bank.engine.begin(),
        open_caller(other) as caller,
        pytest.raises(RetryTransaction, match="SQLITE_BUSY"),
        bank.within(caller),
    ):
        pytest.fail("it was let in")
    engine.dispose()


# --- asyncio ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_asyncio_too_leaves_the_caller_their_own_error_and_their_rows(
    async_engine_url: str,
) -> None:
    district = District(async_engine_url)
    Base.metadata.create_all(district.bank.engine)
    district.close()
    bank = await AsyncBank.open(async_engine_url, staff="T1", unsafe_settings="allow")
    is_undone = bank.engine.dialect.name == "postgresql"
    async with AsyncSession(bank.engine) as session:
        session.add(Parcel(id=1, label=1))
        with pytest.raises(sa.exc.IntegrityError):
            async with bank.within(session):
                session.add(Parcel(id=2, label=1))
        block = bank.within(session)
        await block.__aenter__()
        with pytest.raises(sa.exc.DBAPIError):
            await session.execute(sa.text("SELECT * FROM no_such_table"))
        if is_undone:
            with pytest.raises(BlockUndone):
                await block.__aexit__(None, None, None)
        else:
            await block.__aexit__(None, None, None)
        await session.commit()
    async with bank.engine.connect() as connection:
        assert (await connection.scalars(sa.select(Parcel.id))).all() == [1]
    closed = await bank.engine.connect()
    await closed.close()
    with pytest.raises(InvalidValue, match="closed"):
        async with bank.within(closed):
            pytest.fail("it was let in")
    await bank.close()
