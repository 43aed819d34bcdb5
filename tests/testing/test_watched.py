"""What a service does on a watched bank is held against the reference, as it was when done."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.holds import PlaceHold, ReleaseHold
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import GongyiBankError, InsufficientPoints, OutcomeUnknown
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import Loss, Wish
from gongyi_bank.testing.machine.losses import losing
from gongyi_bank.values import Points
from tests.testing.test_machine import machine_on, thanks

Serve = Callable[[Bank, PlaceHold], Any]


def placing(machine: BankMachine, points: int, **more: Any) -> PlaceHold:
    """Points of the first customer put aside."""
    account = next(iter(machine.books.customers))
    return PlaceHold(account=account, points=Points(points), store="P1", **more)


# --- what ended a block --------------------------------------------------------------------


def alone(bank: Bank, command: PlaceHold) -> None:
    bank.acting_as("admin").execute(command)


def in_a_block(bank: Bank, command: PlaceHold) -> None:
    with bank.begin(staff="admin") as counter:
        counter.execute(command)


def in_the_callers(bank: Bank, command: PlaceHold) -> None:
    with bank.engine.begin() as connection, bank.within(connection, staff="admin") as counter:
        counter.execute(command)


def in_a_session(bank: Bank, command: PlaceHold) -> None:
    with (
        Session(bank.engine) as session,
        session.begin(),
        bank.within(session, staff="admin") as counter,
    ):
        counter.execute(command)


WAYS = pytest.mark.parametrize("serve", [alone, in_a_block, in_the_callers, in_a_session])


@WAYS
def test_a_wrong_refusal_that_ends_a_block_is_found(
    serve: Serve, machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(visit: Any, command: PlaceHold) -> None:
        raise InsufficientPoints(account=command.account, needed="1", available="0")

    monkeypatch.setitem(SERVICES, PlaceHold, refuse)
    with (
        pytest.raises(AssertionError, match="the bank answered insufficient_points"),
        machine.watched() as bank,
        contextlib.suppress(InsufficientPoints),
    ):
        serve(bank, placing(machine, 1))
    machine.teardown()


@WAYS
def test_a_crash_that_the_service_hides_is_found(
    serve: Serve, machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(visit: Any, command: PlaceHold) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(SERVICES, PlaceHold, crash)
    with (
        pytest.raises(AssertionError, match="the bank answered ZeroDivisionError"),
        machine.watched() as bank,
        contextlib.suppress(ZeroDivisionError),
    ):
        serve(bank, placing(machine, 1))


@WAYS
def test_a_right_refusal_that_ends_a_block_is_none(serve: Serve, machine: BankMachine) -> None:
    with machine.watched() as bank, contextlib.suppress(InsufficientPoints):
        serve(bank, placing(machine, 21))
    machine.teardown()


def test_a_refusal_is_judged_after_what_its_block_did_before(machine: BankMachine) -> None:
    """What was done before it is undone with it, and so are the ids that it gave."""
    before, known = machine.books.copy(), dict(machine.ids.pairs)
    with machine.watched() as bank:
        for _ in range(2):
            with contextlib.suppress(InsufficientPoints), bank.begin(staff="admin") as counter:
                held = counter.execute(placing(machine, 15))
                released = counter.execute(placing(machine, 5))
                counter.execute(ReleaseHold(hold=released.hold_id, reason="改期"))
                counter.execute(placing(machine, 6))
    assert held.available == Points(5)
    assert machine.books == before
    assert machine.ids.pairs == known
    assert machine.sent == []
    machine.teardown()


# --- what was given up, and when -----------------------------------------------------------


def test_a_refusal_in_what_is_given_up_later_is_judged_as_it_was(machine: BankMachine) -> None:
    """Its own block goes on; the caller's transaction, with the block before it, does not."""
    with machine.watched() as bank, bank.engine.connect() as connection:
        with bank.within(connection, staff="admin") as counter:
            counter.execute(placing(machine, 15))
        with (
            bank.within(connection, staff="admin") as counter,
            pytest.raises(InsufficientPoints),
        ):
            counter.execute(placing(machine, 15))
        connection.rollback()
        with bank.within(connection, staff="admin") as counter:
            counter.execute(placing(machine, 15))
        connection.commit()
    assert len(machine.sent) == 1
    machine.teardown()


def test_what_the_callers_savepoint_undid_is_not_there_later(
    machine_anywhere: BankMachine,
) -> None:
    """One that is undone, one that is released, and both with a transaction that is given up."""
    machine = machine_anywhere
    for is_kept in (False, True):
        with machine.watched() as bank, Session(bank.engine) as session:
            undone = session.begin_nested()
            with bank.within(session, staff="admin") as counter:
                counter.execute(placing(machine, 9))
            undone.rollback()
            with session.begin_nested(), bank.within(session, staff="admin") as counter:
                counter.execute(placing(machine, 15))
            with contextlib.suppress(KeyError), bank.within(session, staff="admin") as counter:
                counter.execute(placing(machine, 5))
                raise KeyError
            with bank.within(session, staff="admin") as counter:
                counter.execute(placing(machine, 2))
                with pytest.raises(InsufficientPoints):
                    counter.execute(placing(machine, 4))
            session.commit() if is_kept else session.rollback()
        assert len(machine.sent) == 3 * is_kept
    machine.teardown()


class KeepsNothing(Bank):
    """Blocks in a caller's transaction are acknowledged, and undone."""

    @contextlib.contextmanager
    def within(self, connection_or_session: Any, *, staff: str | None = None) -> Iterator[Counter]:
        within = super().within(connection_or_session, staff=staff)
        with contextlib.suppress(KeyError), within as counter:
            yield counter
            raise KeyError


@pytest.mark.parametrize("serve", [in_the_callers, in_a_session])
def test_what_was_acknowledged_in_a_block_and_is_not_there_is_found(
    serve: Serve, sqlite_url: str
) -> None:
    machine = machine_on(sqlite_url, bank=KeepsNothing)()
    with machine.watched() as bank:
        serve(bank, placing(machine, 1))
    with pytest.raises(AssertionError, match="the bank has no hold"):
        machine.teardown()


def test_an_act_is_judged_by_the_clock_by_which_it_was_done(machine: BankMachine) -> None:
    with machine.watched() as bank:
        bank.execute(placing(machine, 15, hours=1))
        machine.clock.advance(hours=2)
        bank.execute(placing(machine, 15, hours=1))
    assert machine.clock.now == machine.begins_at + dt.timedelta(hours=2)
    machine.teardown()


def test_what_a_connection_does_after_a_commit_undoes_nothing(machine: BankMachine) -> None:
    """A look at the service's own tables, which ends with a rollback when it is closed."""
    with machine.watched() as bank, bank.engine.connect() as connection:
        for _ in range(2):
            with bank.within(connection, staff="admin") as counter:
                counter.execute(placing(machine, 2))
            connection.commit()
            connection.execute(sa.text("SELECT 1"))
            connection.rollback()
    assert len(machine.sent) == 2
    machine.teardown()


def test_a_refusal_is_judged_after_what_its_connection_committed(
    machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not put before a transaction that ended before it on the same connection."""

    def refuse(visit: Any, command: PlaceHold) -> None:
        raise InsufficientPoints(account=command.account, needed="21.00", available="20.00")

    def run() -> None:
        with machine.watched() as bank, bank.engine.connect() as connection:
            with bank.within(connection, staff="admin") as counter:
                counter.execute(thanks(machine, 50))
            connection.commit()
            with bank.within(connection, staff="admin") as counter:
                counter.execute(placing(machine, 21))

    monkeypatch.setitem(SERVICES, PlaceHold, refuse)
    with pytest.raises(InsufficientPoints) as seen:
        run()
    assert "the bank answered insufficient_points" in seen.value.__notes__[0]


# --- answers that were lost ----------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("key", [None, "once"])
@pytest.mark.parametrize("moment", ["answer", "commit"])
def test_what_became_of_an_act_without_an_answer_is_looked_up(
    serve: Serve, key: str | None, moment: Any, machine: BankMachine
) -> None:
    """A service that swallows the error and does not ask again; others of its kind around it."""
    command = placing(machine, 2, idempotency_key=key)
    with machine.watched() as bank:
        bank.execute(placing(machine, 1))
        with (
            losing(bank.engine, Loss(moment)) as lost,
            contextlib.suppress(OutcomeUnknown, sa.exc.DBAPIError),
        ):
            serve(bank, command)
        bank.execute(placing(machine, 3))
    assert len(lost) == 1
    assert len(machine.sent) == (3 if moment == "answer" else 2)
    machine.teardown()
    assert {one.amount for one in machine.books.holds.values()} >= {100, 300}


def test_a_service_that_asks_again_is_held_against_one_act(machine: BankMachine) -> None:
    command = placing(machine, 2, idempotency_key="once")
    with machine.watched() as bank:
        with losing(bank.engine, Loss("answer")), pytest.raises(OutcomeUnknown):
            bank.execute(command)
        bank.execute(command)
    assert len(machine.sent) == 1
    machine.teardown()


def test_a_lost_connection_makes_no_noise(
    machine_anywhere: BankMachine, caplog: pytest.LogCaptureFixture
) -> None:
    machine = machine_anywhere
    with caplog.at_level(logging.WARNING):
        for statement in range(8):
            command = placing(machine, 1, idempotency_key=f"k{statement}")
            machine.do("admin", command, loss=Loss("after", statement))
    assert len(machine.lost) > 3
    assert caplog.text == ""
    machine.teardown()


# --- whose failure is seen -----------------------------------------------------------------


class OurFailure(Exception):
    """Something of the service's own."""


def run_once(machine: type[BankMachine]) -> None:
    chosen = settings(
        max_examples=30, stateful_step_count=6, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=chosen)


def test_the_failure_of_a_service_is_the_one_that_is_seen(sqlite_url: str) -> None:
    class Ours(machine_on(sqlite_url)):  # type: ignore[misc]
        @rule()
        def a_rule_of_ours(self) -> None:
            with self.watched() as bank:
                bank.acting_as("K1").execute(thanks(self, 1))
                raise OurFailure

    with pytest.raises(OurFailure) as seen:
        run_once(Ours)
    assert seen.value.__context__ is None


def test_a_failure_after_an_act_that_nobody_watched_is_the_one_that_is_seen(
    sqlite_url: str,
) -> None:
    class Ours(machine_on(sqlite_url)):  # type: ignore[misc]
        @rule()
        def a_rule_of_ours(self) -> None:
            self.bank.acting_as("K1").execute(thanks(self, 1))
            raise OurFailure

    with pytest.raises(OurFailure):
        run_once(Ours)


def test_a_crash_of_the_bank_in_a_rule_is_the_one_that_is_seen(sqlite_url: str) -> None:
    class Crashing(Bank):
        def execute(self, command: Any) -> Any:
            super().execute(command)
            raise OurFailure

    machine = machine_on(sqlite_url)()
    machine.bank.__class__ = Crashing

    def run() -> None:
        try:
            machine.act("customers.register", Wish())
        finally:
            machine.teardown()

    with pytest.raises(OurFailure):
        run()


def test_what_differs_beside_a_failure_is_a_note_and_is_told_if_that_is_caught(
    machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(visit: Any, command: PlaceHold) -> None:
        raise InsufficientPoints(account=command.account, needed="1", available="0")

    monkeypatch.setitem(SERVICES, PlaceHold, refuse)

    def fail() -> None:
        with machine.watched() as bank:
            with contextlib.suppress(GongyiBankError):
                bank.execute(placing(machine, 1))
            raise OurFailure

    with pytest.raises(OurFailure) as seen:
        fail()
    assert "the bank answered insufficient_points" in seen.value.__notes__[0]
    with pytest.raises(AssertionError, match="the bank answered insufficient_points"):
        machine.teardown()


def test_every_time_is_told_in_the_banks_zone(machine: BankMachine) -> None:
    told: list[str] = []
    machine._tell = told.append  # type: ignore[method-assign]
    machine.act("holds.place", Wish(how=1))
    machine.time_passes(moment="a minute")
    machine.act("holds.lapse_overdue", Wish())
    machine.act("hours.record", Wish())
    times = [line for line in told if line.startswith("it is ")]
    assert times[0] == "it is 2022-10-15 12:01:00"
    assert "Asia/Shanghai" in told[-1]
    assert [line for line in told if "utc" in line] == []
    assert [line for line in told if "2022-10-15 0" in line] == []
