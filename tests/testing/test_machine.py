"""The machine drives banks against the reference: it finds nothing, unless something is planted."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from gongyi_bank.bank import Bank
from gongyi_bank.bank import Counter as Desk
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.holds import PlaceHold
from gongyi_bank.commands.points import GrantPoints
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import (
    EngineError,
    InvalidValue,
    NotPermitted,
    OutcomeUnknown,
)
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.rules.ledger import Head
from gongyi_bank.service.gate import ClockBehind, Visit
from gongyi_bank.store.engines import connect
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.writing import VOUCHER_COLUMNS, Insert, Update, Writes
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import MAKERS, Loss, Wish
from gongyi_bank.testing.machine.losses import losing
from gongyi_bank.testing.machine.passing_time import FURTHEST_BACK
from gongyi_bank.values import Points
from tests.district import District
from tests.testing.campaign import RUNS_PER_SEED

MachineType = type[BankMachine]


def machine_on(url: str, **more: Any) -> MachineType:
    """A machine whose banks all lie in one database."""
    engine = connect(url)

    class Machine(BankMachine):
        seen: ClassVar[Counter[str]] = Counter()
        losses: ClassVar[Counter[str]] = Counter()

        def found(self, **given: Any) -> Bank:
            bank = more.get("bank", Bank)
            return bank.found(engine, unsafe_settings="allow", **given)

        def observe(self, staff: str, command: Command, said: Any) -> None:
            self.seen[command.act] += not isinstance(said, Exception)

        def teardown(self) -> None:
            self.losses.update(loss.moment for loss in self.lost)
            super().teardown()

    return Machine


def drive(
    machine: MachineType, *, runs: int, steps: int = 25, until: Callable[[], Any] = lambda: False
) -> None:
    """Runs of the machine under the same seeds every time, or fewer, until something is met.

    They are not the same runs: Hypothesis draws numbers that it finds in whatever is imported.
    """
    for number, begun in enumerate(range(0, runs, RUNS_PER_SEED)):
        chosen = settings(
            max_examples=min(RUNS_PER_SEED, runs - begun), stateful_step_count=steps,
            deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        run_state_machine_as_test(seed(number)(machine), settings=chosen)
        if until():
            return


# --- it finds nothing ----------------------------------------------------------------------


def test_a_bank_and_the_reference_answer_alike(sqlite_url: str) -> None:
    machine = machine_on(sqlite_url)
    drive(machine, runs=8)
    assert sum(machine.seen.values()) > 100
    assert len(machine.seen) > 25


@pytest.mark.slow
def test_they_answer_alike_for_long(sqlite_url: str) -> None:
    machine = machine_on(sqlite_url)
    drive(machine, runs=35, steps=40)
    assert len(machine.seen) > 50


@pytest.mark.slow
@pytest.mark.parametrize("months", [0, 1])
def test_they_answer_alike_where_points_expire(sqlite_url: str, months: int) -> None:
    """After a month, and on the same day: then clocks that go back meet what is past its date."""
    machine = machine_on(sqlite_url)
    machine.founding = {"policies": (PointsExpiry(mode="months", length=months),)}
    drive(machine, runs=20, steps=40)


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql_url", "mariadb_url"])
def test_they_answer_alike_on_servers_that_lose_connections(
    database: str, request: pytest.FixtureRequest
) -> None:
    machine = machine_on(request.getfixturevalue(database))
    drive(machine, runs=25, steps=30)
    assert len(machine.seen) > 50
    assert machine.losses


def test_a_connection_lost_before_the_first_statement_is_an_error_of_ours(
    district: District,
) -> None:
    """Once the driver's own error came through where the cursor could not be made."""
    account = district.customer()
    bank, spent = district.bank.acting_as("K1"), []

    def lose(connection: sa.Connection) -> None:
        if not spent:
            spent.append(1)
            connection.connection.dbapi_connection.close()  # type: ignore[union-attr]

    sa.event.listen(bank.engine, "begin", lose)
    command = GrantPoints(
        account=account, points=Points(1), reason="表彰", outlet="B01", second_person="K1b",
        idempotency_key="once",
    )  # fmt: skip
    with contextlib.suppress(EngineError):
        bank.execute(command)
    assert spent
    assert bank.execute(command).balance == Points(1)


@pytest.mark.parametrize("moment", ["answer", "commit"])
def test_a_lost_answer_is_an_unknown_outcome_and_the_key_tells(
    district: District, moment: Any
) -> None:
    account, bank = district.customer(), district.bank.acting_as("K1")
    command = GrantPoints(
        account=account, points=Points(1), reason="表彰", outlet="B01", second_person="K1b",
        idempotency_key="once",
    )  # fmt: skip
    with losing(bank.engine, Loss(moment)) as lost, pytest.raises(OutcomeUnknown):
        bank.execute(command)
    assert lost == [Loss(moment)]
    assert bank.reports.balance(account) == Points(1 if moment == "answer" else 0)
    assert bank.execute(command).balance == Points(1)


def test_what_was_refused_before_a_lost_answer_is_judged_after_it(sqlite_url: str) -> None:
    """Asked for again, it comes after what stood behind it and was committed with it."""
    parts = [
        ("transfers.grant", Wish(who=9, what=3, how=7, units=77, back=1, twist=1)),
        ("transfers.grant", Wish(units=1)),
    ]
    machine = machine_on(sqlite_url)()
    machine.act("transfers.donate", Wish(units=67))
    for loss in (Loss("answer"), Loss("commit")):
        machine.loses_connection_together(parts=parts, loss=loss)
    machine.heads_and_stock_agree()
    machine.teardown()


def test_every_act_of_the_bank_has_a_maker() -> None:
    assert {command for command, _ in MAKERS.values()} == SERVICES.keys()


def test_a_service_adds_rules_of_its_own(sqlite_url: str) -> None:
    """What its own code made the bank answer is held against the reference, too."""
    done = []

    class WithGifts(machine_on(sqlite_url)):  # type: ignore[misc]
        @rule()
        def thanks_everybody(self) -> None:
            account = next(iter(self.books.customers))
            command = GrantPoints(
                account=account, points=Points(1), reason="感谢", outlet="B01",
                second_person="K1b",
            )  # fmt: skip
            said = self.bank.acting_as("K1").execute(command)
            assert self.answered("K1", command, said) == said
            done.append(said)

    drive(WithGifts, runs=200, steps=15, until=lambda: done)
    assert done


def test_what_the_service_says_otherwise_is_found(sqlite_url: str) -> None:
    machine = machine_on(sqlite_url)()
    account = next(iter(machine.books.customers))
    place = PlaceHold(account=account, points=Points(2), store="P1")
    said = machine.bank.execute(place)
    other = place.model_copy(update={"points": Points(3)})
    with pytest.raises(AssertionError, match=r"points: the bank 2.00, the reference 3.00"):
        machine.answered("admin", other, said)
    machine.teardown()


def thanks(machine: BankMachine, points: int) -> GrantPoints:
    """Points for the first customer."""
    return GrantPoints(
        account=next(iter(machine.books.customers)), points=Points(points), reason="感谢",
        outlet="B01", second_person="K1b",
    )  # fmt: skip


def test_what_a_service_did_is_held_against_the_reference(machine: BankMachine) -> None:
    """In transactions of its own and of the bank's, by its own people, keys and refusals too."""
    with machine.watched() as bank:
        bank.acting_as("K1").execute(thanks(machine, 1))
        bank.acting_as("K1").points.grant(**dict(thanks(machine, 2)))
        with bank.begin(staff="K1") as counter:
            counter.execute(thanks(machine, 4))
        with bank.engine.begin() as connection, bank.within(connection, staff="K1") as counter:
            counter.points.grant(**dict(thanks(machine, 8)))
            with pytest.raises(NotPermitted):
                counter.points.grant(**dict(thanks(machine, 8)) | {"outlet": "B02S01"})
    machine.teardown()
    line = next(iter(machine.books.lines.values()))[-1]
    assert line.credited_after == 2000 + 1500


def test_what_a_service_gave_up_is_left_out(machine: BankMachine) -> None:
    """With its own transaction, with a block of the bank's, or because it only looked."""
    sent = len(machine.sent)
    with machine.watched() as bank:
        with bank.engine.connect() as connection:
            with bank.within(connection, staff="K1") as counter:
                counter.execute(thanks(machine, 1))
            connection.rollback()
            with contextlib.suppress(KeyError), bank.within(connection, staff="K1") as counter:
                counter.execute(thanks(machine, 2))
                raise KeyError
        with contextlib.suppress(KeyError), bank.begin(staff="K1") as counter:
            counter.execute(thanks(machine, 4))
            raise KeyError
        with bank.simulate(staff="K1") as counter:
            counter.execute(thanks(machine, 8))
    assert len(machine.sent) == sent
    machine.teardown()


def test_what_was_acknowledged_and_is_not_there_is_found(sqlite_url: str) -> None:
    machine = machine_on(sqlite_url, bank=AcknowledgedBeforeCommit)()
    account = next(iter(machine.books.customers))
    with machine.watched() as bank:
        bank.redemptions.reserve(account=account, store="P1", sku="A")
    with pytest.raises(AssertionError, match="held=50"):
        machine.teardown()


def test_ids_of_what_was_undone_are_forgotten(machine: BankMachine) -> None:
    """The reference gives them again; a bulk row's redemption was once asked for by such an id."""
    known = dict(machine.ids.pairs)
    machine.acts_together(parts=[("redemptions.redeem", Wish())], end="undone")
    assert machine.ids.pairs == known
    machine.acts_together(parts=[("redemptions.redeem", Wish())], end="kept")
    assert len(machine.ids.pairs) > len(known)


def test_an_act_that_there_is_not_is_named(machine: BankMachine) -> None:
    with pytest.raises(InvalidValue, match=r"act: 'bank\.rob'"):
        machine.act("bank.rob", Wish())


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("founding", {"scale": 0}, "scale"),
        ("founding", {"scale": "2"}, "scale"),
        ("founding", {"seal_key": b"0123456789abcdef"}, "founding"),
        ("begins_at", dt.datetime(2019, 12, 31, tzinfo=dt.UTC), "begins_at"),
    ],
)
def test_what_no_run_can_begin_with_is_named(
    sqlite_url: str, name: str, value: Any, named: str
) -> None:
    machine = machine_on(sqlite_url)
    setattr(machine, name, value)
    with pytest.raises(InvalidValue) as caught:
        machine()
    assert caught.value.facts["field"] == named


def test_a_wish_shows_what_is_not_plain() -> None:
    assert repr(Wish()) == "Wish()"
    assert repr(replace(Wish(), back=2, how=1)) == "Wish(how=1, back=2)"


# --- clocks that go back, and differ -------------------------------------------------------


def test_every_act_by_a_host_that_is_behind_is_answered_alike(sqlite_url: str) -> None:
    """By a second and by days: it goes by the ledger's clock, and the next act by the others'."""
    later: Counter[str] = Counter()

    class Machine(machine_on(sqlite_url)):  # type: ignore[misc]
        def observe(self, staff: str, command: Command, said: Any) -> None:
            super().observe(staff, command, said)
            booked_at = getattr(said, "booked_at", self.clock.now)
            later[command.act] += booked_at > self.clock.now

    machine = Machine()
    for by in ("half an hour", "three days and a bit"):
        for act in MAKERS:
            machine.time_passes(moment="an hour")
            machine.act("hours.record", Wish(who=len(machine.sent)))
            others = machine.clock.now
            machine.host_is_behind(part=(act, Wish(units=3)), by=by)
            machine.heads_and_stock_agree()
            assert machine.clock.now >= others
    machine.teardown()
    assert len(machine.seen) > 50
    assert len(+later) > 20


def test_a_clock_that_is_set_back_goes_on_from_there_until_it_is_set_right(
    machine: BankMachine,
) -> None:
    began = machine.clock.now
    machine.time_passes(moment="a week")
    noon = machine.clock.now
    machine.clock_is_set_back(by="a day")
    assert machine.clock.now == noon - dt.timedelta(days=1)
    machine.act("points.grant", Wish())
    machine.time_passes(moment="an hour")
    assert machine.clock.now == noon - dt.timedelta(hours=23)
    machine.clock_is_set_right()
    assert machine.clock.now == noon
    machine.clock_is_set_back(by="four weeks")
    assert machine.clock.now == began
    machine.time_passes(moment="100 days")
    for _ in range(3):
        machine.clock_is_set_back(by="four weeks")
    assert machine.latest - machine.clock.now == FURTHEST_BACK
    machine.act("transfers.gift", Wish())
    machine.teardown()


def test_time_passes_though_the_clocks_of_its_zone_show_an_hour_twice(sqlite_url: str) -> None:
    early = dt.datetime(2022, 10, 30, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    machine = type("Early", (machine_on(sqlite_url),), {"begins_at": early})()
    for moment in ("an hour", "a minute", "an hour"):
        machine.time_passes(moment=moment)
    assert machine.clock.now - early.astimezone(dt.UTC) == dt.timedelta(hours=2, minutes=1)
    machine.clock_is_set_back(by="half an hour")
    machine.clock_is_set_right()
    assert machine.clock.now - early.astimezone(dt.UTC) == dt.timedelta(hours=2, minutes=1)
    machine.close()


def test_a_bank_whose_hosts_agree_may_say_so(sqlite_url: str) -> None:
    """`may_go_back = False` leaves no rule that sets the clock back."""
    machine = machine_on(sqlite_url)
    machine.may_go_back = False
    shown = []

    class Watched(machine):  # type: ignore[misc, valid-type]
        @invariant()
        def clock_is_the_latest(self) -> None:
            shown.append(self.clock.now)
            assert self.clock.now == self.latest

    drive(Watched, runs=2, steps=15)
    assert len(set(shown)) > 1


# --- it finds what is planted --------------------------------------------------------------

Spoil = Callable[[str, Writes], None]


def act_of(writes: Writes) -> str:
    """Which act these rows are about to be written for."""
    return str(writes.vouchers[0][VOUCHER_COLUMNS.index("act")])


def unwritten(
    act: str, table: str, *, kind: type[Insert] | type[Update], column: str = ""
) -> Spoil:
    """The act forgets its rows of this table, or of a change one column."""

    def spoil(found: str, writes: Writes) -> None:
        if found != act:
            return
        mine = [one for one in writes.steps if isinstance(one, kind) and one.table.name == table]
        for step in mine:
            writes.steps.remove(step)
            if column and isinstance(step, Update):
                place = len(step.key) + len(step.guards) + step.changes.index(column)
                rows = [(*row[:place], *row[place + 1 :]) for row in step.rows]
                changes = tuple(name for name in step.changes if name != column)
                writes.steps.append(Update(step.table, step.key, step.guards, changes, rows))

    return spoil


def without_debits(found: str, writes: Writes) -> None:
    """Goods are given and the passbook shows no line for it."""
    for step in writes.steps:
        if found == "redemptions.redeem" and step.table.name == "gb_account_line":
            writes.steps.remove(step)
            break


class KeyIgnored(Bank):
    """Every request is a new one."""

    def execute(self, command: Command) -> Any:
        return super().execute(command.model_copy(update={"idempotency_key": None}))


class UndoneIsKept(Bank):
    """A caller that gives up finds its acts booked."""

    @contextlib.contextmanager
    def begin(self, *, staff: str | None = None) -> Iterator[Desk]:
        kept = super().begin(staff=staff)
        counter = kept.__enter__()
        try:
            yield counter
        finally:
            kept.__exit__(None, None, None)


class SimulationIsKept(Bank):
    """What was only to be looked at is booked."""

    def simulate(self, *, staff: str | None = None) -> AbstractContextManager[Desk]:
        return self.begin(staff=staff)


class AcknowledgedBeforeCommit(Bank):
    """A reservation is answered, and never committed."""

    def execute(self, command: Command) -> Any:
        if command.act != "redemptions.reserve":
            return super().execute(command)
        with self.simulate() as counter:
            return counter.execute(command)


#: Most are found within ten runs, and none has needed more than forty: enough to be certain.
PLANTED_RUNS_MAX = 600
PLANTED: dict[str, type[Bank] | Spoil] = {
    "a capture leaves held what it took": unwritten(
        "holds.capture", "gb_account_head", kind=Update, column="held"
    ),
    "a debit is lost": without_debits,
    "stock is never less": unwritten("redemptions.redeem", "gb_offer", kind=Update),
    "goods come back twice": unwritten("redemptions.refund", "gb_refund", kind=Insert),
    "voided minutes stay": unwritten(
        "hours.void", "gb_account_head", kind=Update, column="verified_minutes"
    ),
    "a released hold stays open": unwritten("holds.release", "gb_hold", kind=Update),
    "a key is ignored": KeyIgnored,
    "what was given up is kept": UndoneIsKept,
    "a simulation is kept": SimulationIsKept,
    "acknowledged before commit": AcknowledgedBeforeCommit,
}


def plant(monkeypatch: pytest.MonkeyPatch, spoil: Spoil) -> None:
    """Spoil what every act writes, right before it is written."""
    write = Transaction.write

    def spoiled(self: Transaction, writes: Writes) -> None:
        spoil(act_of(writes), writes)
        write(self, writes)

    monkeypatch.setattr(Transaction, "write", spoiled)


@pytest.mark.slow
@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(
    fault: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = PLANTED[fault]
    bank = planted if isinstance(planted, type) else Bank
    if not isinstance(planted, type):
        plant(monkeypatch, planted)
    # An answer that differs, a write that the books do not take, or a line that is not there.
    with pytest.raises((AssertionError, EngineError, IndexError)):
        drive(machine_on(sqlite_url, bank=bank), runs=PLANTED_RUNS_MAX)


def dated_by_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account's newest line keeps no act from being booked before it."""
    heads = Visit.heads

    def by_the_host(self: Visit) -> dict[int, Head]:
        try:
            return heads(self)
        except ClockBehind:
            assert self._heads is not None
            for head in self._heads.answer.values():
                head.booked_at = min(head.booked_at, self.now)
            return heads(self)

    monkeypatch.setattr(Visit, "heads", by_the_host)


def ahead_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What concerns the whole bank goes by the clock of whoever asks."""
    monkeypatch.setattr(Visit, "go_by", lambda self, moment: None)


@pytest.mark.slow
@pytest.mark.parametrize("planted", [dated_by_the_host, ahead_of_nobody])
def test_a_bank_that_goes_by_its_host_s_clock_is_found(
    planted: Callable[[pytest.MonkeyPatch], None], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(monkeypatch)
    with pytest.raises((AssertionError, EngineError)):
        drive(machine_on(sqlite_url), runs=PLANTED_RUNS_MAX)
