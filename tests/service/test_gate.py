"""The gate: keys, refusals, and the caller's own transaction, for every act of the core."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from gongyi_bank.bank import Bank, Counter, Desks
from gongyi_bank.commands import customers, hours, outlets
from gongyi_bank.commands.base import Command
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import (
    GongyiBankError,
    IdempotencyConflict,
    InvalidInstant,
    InvalidText,
    InvalidValue,
    NotPermitted,
    OutletClosed,
    ServiceOverlap,
    UnknownAct,
    UnknownStaff,
)
from gongyi_bank.policies import AccountRules, Tariff, TariffRate
from gongyi_bank.values import Points
from tests.acts import ACTS, keyed
from tests.books import counts, everything
from tests.district import District
from tests.mysqld import engine_name

#: Acts that are not in the table: their own tests try keys, refusals and twins.
_ELSEWHERE = ("passbooks.", "stores.")
_REDEMPTIONS_ELSEWHERE = {
    f"redemptions.{verb}" for verb in ("redeem", "redeem_many", "release", "reserve")
}
each_act = pytest.mark.parametrize("act", ACTS)


def test_the_table_has_every_act_of_the_core() -> None:
    acts = {command.act for command in SERVICES if not command.act.startswith(_ELSEWHERE)}
    assert acts - _REDEMPTIONS_ELSEWHERE == set(ACTS)


# --- keys ----------------------------------------------------------------------------------


@each_act
def test_a_key_gives_the_same_receipt_and_writes_nothing_more(district: District, act: str) -> None:
    staff, command, _ = ACTS[act](district)
    bank = district.acting(staff)
    vouchers, started_at = counts(bank)["gb_voucher"], district.clock.now
    first = bank.execute(keyed(command))
    before = everything(bank)
    district.clock.advance(days=1)
    again = bank.execute(keyed(command))
    assert again == first
    assert type(again) is type(first)
    assert everything(bank) == before
    voucher = {row[1]: row for row in before["gb_voucher"]}[first.voucher_id.bytes]
    assert (voucher[2], voucher[3]) == (act, "K1")
    assert len(before["gb_voucher"]) == vouchers + 1
    assert first.booked_at == started_at


@each_act
def test_a_key_with_another_request_or_of_another_act_is_a_conflict(
    district: District, act: str
) -> None:
    staff, command, change = ACTS[act](district)
    bank = district.acting(staff)
    bank.execute(keyed(command))
    stranger = customers.FreezeAccount(account=district.customer(), reason="x")
    if act == "accounts.freeze":
        stranger = customers.WakeAccount(account=stranger.account)
    before = everything(bank)
    for other in (keyed(command, **change), keyed(stranger)):
        with pytest.raises(IdempotencyConflict) as caught:
            bank.execute(other)
        assert caught.value.facts["key"] == "K1"
    assert everything(bank) == before


@each_act
def test_a_command_survives_json_and_is_still_the_same_request(
    sqlite_district: District, act: str
) -> None:
    staff, command, _ = ACTS[act](sqlite_district)
    for short in (True, False):
        text = keyed(command).model_dump_json(exclude_unset=short)
        sent = type(command).model_validate_json(text)
        assert sent == keyed(command)
        assert sent.request_digest() == keyed(command).request_digest()
    bank = sqlite_district.acting(staff)
    assert bank.execute(sent) == bank.execute(keyed(command))


@each_act
def test_a_refusal_leaves_key_and_transaction_free(district: District, act: str) -> None:
    staff, command, _ = ACTS[act](district)
    before = everything(district.bank)
    with district.bank.engine.connect() as connection, connection.begin() as caller:
        for stranger, refusal in (("AUD", NotPermitted), ("NOBODY", UnknownStaff)):
            with district.bank.within(connection, staff=stranger) as counter:
                with pytest.raises(refusal):
                    counter.execute(keyed(command))
                assert connection.scalar(sa.select(sa.literal(1))) == 1
        assert counts(connection) == {name: len(rows) for name, rows in before.items()}
        with district.bank.within(connection, staff=staff) as counter:
            first = counter.execute(keyed(command))
        caller.commit()
    assert district.acting(staff).execute(keyed(command)) == first


@each_act
def test_a_simulated_act_leaves_no_trace(district: District, act: str) -> None:
    staff, command, _ = ACTS[act](district)
    before = everything(district.bank)
    with district.bank.simulate(staff=staff) as counter:
        counter.execute(keyed(command))
    assert everything(district.bank) == before
    district.acting(staff).execute(keyed(command))


# --- in the caller's transaction -----------------------------------------------------------


class Base(DeclarativeBase):
    """The caller's own tables."""


class Ticket(Base):
    """A row of the caller's own."""

    __tablename__ = "ticket"
    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str] = mapped_column(sa.String(40))


@pytest.fixture
def caller(district: District) -> sa.Engine:
    """The engine of a service with a table of its own in the same database."""
    Base.metadata.create_all(district.bank.engine)
    return district.bank.engine


def tickets(engine: sa.Engine) -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(sa.select(Ticket.note).order_by(Ticket.id)))


def test_within_a_session_both_rows_are_committed_by_the_caller_alone(
    district: District, caller: sa.Engine
) -> None:
    account = district.customer()
    before = counts(district.bank)["gb_voucher"]
    with Session(caller) as session:
        session.add(Ticket(id=1, note="first"))
        session.flush()
        with district.bank.within(session, staff="T1") as counter:
            counter.accounts.freeze(account=account, reason="x")
        session.add(Ticket(id=2, note="second"))
        assert session.in_transaction()
        session.rollback()
    assert (tickets(caller), counts(district.bank)["gb_voucher"]) == ([], before)
    with Session(caller) as session:
        session.add(Ticket(id=1, note="first"))
        with district.bank.within(session, staff="T1") as counter:
            counter.accounts.freeze(account=account, reason="x")
        session.add(Ticket(id=2, note="second"))
        session.commit()
    assert tickets(caller) == ["first", "second"]
    assert counts(district.bank)["gb_voucher"] == before + 1


def test_an_exception_undoes_the_block_and_not_what_the_caller_wrote(
    district: District, caller: sa.Engine
) -> None:
    account = district.customer()
    before = counts(district.bank)

    class Trouble(Exception):
        pass

    def fail_within(session: Session) -> None:
        with district.bank.within(session, staff="T1") as counter:
            counter.accounts.freeze(account=account, reason="x")
            session.add(Ticket(id=2, note="inside"))
            session.flush()
            raise Trouble

    with Session(caller) as session:
        session.add(Ticket(id=1, note="before"))
        session.flush()
        with pytest.raises(Trouble):
            fail_within(session)
        session.expunge_all()
        session.add(Ticket(id=3, note="after"))
        session.commit()
    assert tickets(caller) == ["before", "after"]
    assert counts(district.bank) == before


def test_a_refusal_caught_by_the_caller_costs_neither_its_rows_nor_other_acts(
    district: District, caller: sa.Engine
) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    with Session(caller) as session:
        session.add(Ticket(id=1, note="mine"))
        with district.bank.within(session, staff="T1") as counter:
            counter.accounts.freeze(account=account, reason="x")
            with pytest.raises(ServiceOverlap):
                _serve(counter, district, account, "10-03 08:30")
            assert _serve(counter, district, account, "10-03 09:00").record_no == 2
        session.commit()
    assert tickets(caller) == ["mine"]


def _serve(desk: Any, district: District, account: int, start: str) -> Any:
    row = district.row(account, start)
    names = set(hours.RecordHours.model_fields) - {"idempotency_key"}
    return desk.hours.record(**{name: getattr(row, name) for name in sorted(names)})


def test_an_engine_of_the_callers_own_will_do(district: District) -> None:
    account = district.customer()
    # What the server itself would take is refused on MariaDB: tests/store/test_mysql.py.
    is_mariadb = engine_name(district.url) == "mariadb"
    given = {"isolation_level": "READ COMMITTED"} if is_mariadb else {}
    engine = sa.create_engine(district.bank.engine.url, **given)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def _settings(connection: Any, _record: object) -> None:
            for pragma in ("foreign_keys=ON", "recursive_triggers=ON", "synchronous=FULL"):
                connection.execute("PRAGMA " + pragma)

    with engine.begin() as connection, district.bank.within(connection, staff="T1") as counter:
        counter.accounts.freeze(account=account, reason="x", idempotency_key="K1")
    engine.dispose()
    again = district.acting("T1").accounts.freeze(account=account, reason="x", idempotency_key="K1")
    assert again.state == "frozen"


def test_acts_in_one_transaction_see_each_other_and_share_its_fate(district: District) -> None:
    account = district.customer()

    def fail() -> None:
        with district.bank.begin(staff="T1") as counter:
            _serve(counter, district, account, "10-03 08:00")
            assert _serve(counter, district, account, "10-03 09:00").line_no == 2
            _serve(counter, district, account, "10-03 08:59")

    before = everything(district.bank)
    with pytest.raises(ServiceOverlap):
        fail()
    assert everything(district.bank) == before
    with district.bank.begin(staff="T1") as counter:
        _serve(counter, district, account, "10-03 08:00")
        _serve(counter, district, account, "10-03 09:00")
    assert district.serve(account, "10-03 10:00").line_no == 3


# --- who acts, when, and what --------------------------------------------------------------


@pytest.mark.parametrize("staff", ["\ud800", 1.5, "T1; DROP TABLE gb_staff", "x" * 10_000, ""])
def test_an_impossible_staff_code_is_refused_by_name(sqlite_district: District, staff: Any) -> None:
    bank = Bank.open(sqlite_district.bank.engine, unsafe_settings="allow")
    with pytest.raises(InvalidValue) as caught, bank.begin(staff=staff) as counter:
        counter.outlets.rename(outlet="B01", name="x")
    assert caught.value.facts["field"] == "staff"
    str(caught.value).encode()
    if staff:
        assert isinstance(caught.value, InvalidText)


@contextmanager
def _within(bank: Bank, staff: Any) -> Iterator[Counter]:
    with bank.engine.begin() as connection, bank.within(connection, staff=staff) as counter:
        yield counter


#: Every way to say who acts, on a handle that has somebody of its own.
SAID: dict[str, Callable[[Bank, Any], AbstractContextManager[Desks]]] = {
    "acting_as": lambda bank, staff: nullcontext(bank.acting_as(staff)),
    "acting_as, in a block": lambda bank, staff: bank.acting_as(staff).begin(),
    "begin": lambda bank, staff: bank.begin(staff=staff),
    "simulate": lambda bank, staff: bank.simulate(staff=staff),
    "within": _within,
}


@pytest.mark.parametrize("staff", ["", 0, 3, False])
@pytest.mark.parametrize("way", SAID)
def test_an_empty_code_never_stands_for_whoever_the_bank_was_opened_for(
    sqlite_district: District, way: str, staff: Any
) -> None:
    bank = sqlite_district.bank
    before = everything(bank)
    with pytest.raises(InvalidText) as caught, SAID[way](bank, staff) as desks:
        desks.outlets.rename(outlet="B01", name="x")
    assert caught.value.facts["field"] == "staff"
    assert everything(bank) == before


@pytest.mark.parametrize("way", SAID)
def test_nobody_is_nobody_where_somebody_must_be_named(sqlite_district: District, way: str) -> None:
    """A block's None is its default; `acting_as(user.staff)` of a user without a role is not."""
    bank = sqlite_district.bank
    before = everything(bank)
    if way.startswith("acting_as"):
        with pytest.raises(InvalidText):
            bank.acting_as(None)  # type: ignore[arg-type]
    else:
        with SAID[way](bank, None) as desks:
            desks.outlets.rename(outlet="B01", name="x")
    assert (everything(bank) == before) == (way.startswith("acting_as") or way == "simulate")


def test_a_clock_without_a_zone_is_refused(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    naive = dt.datetime(2022, 10, 15, 12)  # noqa: DTZ001
    with pytest.raises(InvalidInstant):
        sqlite_district.bank.at(naive).accounts.freeze(account=account, reason="x")
    told_late = sqlite_district.bank.at(lambda: naive)
    with pytest.raises(InvalidInstant) as caught:
        told_late.verify()
    assert caught.value.facts["field"] == "clock"


def test_a_clock_that_fails_writes_nothing(district: District) -> None:
    account = district.customer()
    before = everything(district.bank)

    def broken() -> dt.datetime:
        raise OSError("no time")

    with pytest.raises(OSError, match="no time"):
        district.bank.at(broken).accounts.freeze(account=account, reason="x")
    assert everything(district.bank) == before


@pytest.mark.parametrize("thing", ["hours.record", None, {"act": "hours.record"}, Command()])
def test_only_commands_can_be_executed(sqlite_district: District, thing: Any) -> None:
    with pytest.raises(UnknownAct):
        sqlite_district.bank.execute(thing)


def test_whoever_works_at_a_closed_outlet_acts_nowhere(district: District) -> None:
    account = district.customer()
    district.bank.staff.appoint(
        appointments=[outlets.Appointment(code="T5", role="teller", outlet="B02S02")]
    )
    with pytest.raises(GongyiBankError) as caught:
        district.bank.outlets.close(outlet="B02S02", reason="x")
    assert "staff roles" in str(caught.value)
    with district.bank.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE gb_outlet SET state = 'closed', closed_on = '2022-10-01' WHERE code = 'B02S02'"
        )
    with pytest.raises(OutletClosed):
        district.acting("T5").accounts.freeze(account=account, reason="x")


# --- policies and open handles -------------------------------------------------------------

DEARER = Tariff(
    rates=(TariffRate(category="sanitation", name="环境整治", points_per_hour=Points("2.00")),)
)


def _adopt_dearer(bank: Any, day: dt.date = dt.date(2022, 10, 6)) -> None:
    bank.policies.adopt(policy=DEARER, effective_on=day)


def test_a_policy_adopted_elsewhere_is_seen_by_an_open_handle(district: District) -> None:
    account = district.customer()
    other = Bank.open(district.url, clock=district.clock, unsafe_settings="allow")
    assert district.serve(account, "10-05 08:00").points == Points("1")
    _adopt_dearer(other.acting_as("admin"))
    assert district.serve(account, "10-06 09:00").points == Points("2")
    assert district.serve(account, "10-03 09:00").points == Points("1")
    other.close()


@pytest.mark.parametrize("how", ["begin", "within", "simulate"])
def test_a_policy_that_was_rolled_back_is_not_seen(district: District, how: str) -> None:
    account = district.customer()
    district.serve(account, "10-05 08:00")

    class Undo(Exception):
        pass

    def adopt_and_undo() -> None:
        if how == "within":
            with (
                district.bank.engine.begin() as connection,
                district.bank.within(connection, staff="admin") as counter,
            ):
                _adopt_and_serve(counter)
                raise Undo
        scope = district.bank.begin if how == "begin" else district.bank.simulate
        with scope(staff="admin") as counter:
            _adopt_and_serve(counter)
            raise Undo

    def _adopt_and_serve(counter: Any) -> None:
        _adopt_dearer(counter)
        assert _serve(counter, district, account, "10-06 09:00").points == Points("2")

    with pytest.raises(Undo):
        adopt_and_undo()
    assert district.serve(account, "10-06 09:00").points == Points("1")
    # The number of the policy that never was is drawn again, for another one.
    district.bank.policies.adopt(policy=AccountRules(), effective_on=dt.date(2022, 10, 15))
    assert district.serve(account, "10-06 10:00").points == Points("1")
