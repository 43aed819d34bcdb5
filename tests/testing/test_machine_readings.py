"""The machine compares what acts write of the house and of people, and what can be read of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Desks
from gongyi_bank.desks.base import Desk
from gongyi_bank.desks.customers import HoursDesk
from gongyi_bank.desks.holds import HoldsDesk
from gongyi_bank.desks.house import OutletsDesk
from gongyi_bank.desks.passbooks import PassbooksDesk
from gongyi_bank.desks.ratings import RatingsDesk
from gongyi_bank.desks.reports import ReportsDesk
from gongyi_bank.display import Table
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.writing import Insert, Update, Writes
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import MAKERS, Wish
from gongyi_bank.testing.machine.asking import QUESTIONS
from gongyi_bank.testing.machine.comparison import COLUMNS, rows_of_bank, rows_of_reference
from gongyi_bank.testing.reference.readings import READINGS
from gongyi_bank.values import Points
from tests.testing.test_machine import (
    PLANTED_RUNS_MAX,
    act_of,
    drive,
    machine_on,
    plant,
    unwritten,
)

Fault = Callable[[pytest.MonkeyPatch], None]


#: What of the desks is no act and is not asked for, and why.
NOT_ASKED = {
    "closings.close": "three acts, each of which the machine does by itself; it reads a state only",
    "execute": "acts are done by it",
    "execute_many": "acts are done by it",
    "glance": "what runs a reading",
    "keep": "what writes places in the outbox",
    "outbox.acknowledge": "writes how far a reader has come, which is no part of the books",
    "outbox.position": "how far a reader has come, which is no part of the books",
    "outbox.read": "vouchers, which are compared as rows; giving them places is a write",
    "read": "what runs a reading",
    "verify": "at the end of each run by itself: `assert_sound`; a reference has nothing to audit",
}


def no_acts() -> set[str]:
    """Every public method of a bank's desks, and of all of them, but acts."""
    found = {name for name, _ in inspect.getmembers(Desks, inspect.isfunction)}
    for noun, member in inspect.getmembers(Desks, lambda one: isinstance(one, property)):
        desk = inspect.signature(member.fget, eval_str=True).return_annotation
        assert issubclass(desk, Desk)
        found |= {f"{noun}.{verb}" for verb, _ in inspect.getmembers(desk, inspect.isfunction)}
    return {name for name in found if not name.rpartition(".")[2].startswith("_")}


def test_every_reading_of_every_desk_is_asked_for_on_both_sides() -> None:
    assert QUESTIONS.keys() == READINGS.keys()
    assert no_acts() == QUESTIONS.keys() | NOT_ASKED.keys()
    assert not QUESTIONS.keys() & NOT_ASKED.keys()


def test_a_reading_that_is_new_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReportsDesk, "forecast", lambda _: None, raising=False)
    assert no_acts() - QUESTIONS.keys() - NOT_ASKED.keys() == {"reports.forecast"}


def test_every_table_has_rows_to_compare_from_the_first_step_on(machine: BankMachine) -> None:
    """What the furnishing leaves empty is met by acts; the house and its people are there."""
    today = machine.clock.now.date()
    written = rows_of_bank(machine.bank, machine.ids)
    told = rows_of_reference(machine.books, machine.ids, today)
    assert written.keys() == told.keys() == COLUMNS.keys()
    filled = {name for name, rows in written.items() if rows}
    assert filled >= {
        "outlet", "staff", "staff_role", "policy", "customer", "customer_stay", "partner_store",
        "offer", "person", "passbook", "pool", "account_line",
    }  # fmt: skip


def test_every_reading_is_shown_alike_whatever_is_asked(machine: BankMachine) -> None:
    """About what is there and what is not, before and after something has happened."""
    for reading in QUESTIONS:
        for wish in (Wish(), Wish(who=3, what=2, how=1, units=9), Wish(twist=9, units=1)):
            machine.shows_alike(reading, wish)
    for act in ("redemptions.reserve", "hours.record", "outlets.rename", "closings.announce"):
        machine.act(act, Wish())
    machine.time_passes(moment="a week")
    for reading in QUESTIONS:
        for number in range(6):
            wish = Wish(who=number, what=number, how=number, units=7 * number)
            machine.shows_alike(reading, wish)


# --- what is planted is found --------------------------------------------------------------


def spoiled(table: str, column: str, value: Any, *, kind: type[Insert | Update] = Insert) -> Fault:
    """Every new row of a table, or every changed one, says the same in one column."""

    def spoil(_: str, writes: Writes) -> None:
        for step in writes.steps:
            if isinstance(step, kind) and step.table.name == table:
                names = (
                    step.columns if isinstance(step, Insert)
                    else (*step.key, *step.guards, *step.changes)
                )  # fmt: skip
                place = len(names) - 1 - names[::-1].index(column)  # a guard is what was there
                step.rows[:] = [(*row[:place], value, *row[place + 1 :]) for row in step.rows]

    return lambda monkeypatch: plant(monkeypatch, spoil)


def not_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, unwritten("outlets.rename", "gb_outlet", kind=Update))


def answering(desk: type, verb: str, otherwise: Callable[[Any], Any]) -> Fault:
    """A desk shows something else than what it has read."""
    honest = getattr(desk, verb)

    def show(self: Any, *args: Any, **fields: Any) -> Any:
        return otherwise(honest(self, *args, **fields))

    return lambda monkeypatch: monkeypatch.setattr(desk, verb, show)


def without_last(said: Table) -> Table:
    return dataclasses.replace(said, rows=said.rows[:-1])


FAULTS: dict[str, Fault] = {
    "a rename writes nothing": not_renamed,
    "every customer has one name": spoiled("gb_person", "name", "王五"),
    "no telephone is kept": spoiled("gb_person", "phone", None),
    "every offer has one name": spoiled("gb_offer", "name", "X"),
    "every balance is seven": answering(ReportsDesk, "balance", lambda _: Points(7)),
    "many balances are none": answering(
        ReportsDesk, "balances", lambda said: dict.fromkeys(said, Points(0))
    ),
    "a statement lacks a line": answering(
        ReportsDesk, "statement", lambda said: dataclasses.replace(said, lines=said.lines[1:])
    ),
    "a trial balance forgets a row": answering(
        ReportsDesk, "trial_balance", lambda said: dataclasses.replace(said, rows=said.rows[1:])
    ),
    "the tree lacks an outlet": answering(OutletsDesk, "tree", without_last),
    "the oldest hold is not listed": answering(HoldsDesk, "list", without_last),
    "the oldest record is not listed": answering(HoursDesk, "of", without_last),
    "nothing paid for what was spent": answering(
        ReportsDesk, "provenance", lambda said: dataclasses.replace(said, sources=())
    ),
    "everybody has five stars": answering(
        RatingsDesk, "volunteer_stars", lambda said: dataclasses.replace(said, stars=5)
    ),
    "a page of a book lacks a row": answering(
        PassbooksDesk, "page", lambda said: dataclasses.replace(said, rows=said.rows[1:])
    ),
}


def live(machine: BankMachine) -> None:
    """A little of everything that the faults are about."""
    for act in ("outlets.rename", "customers.register", "stores.publish_offers", "hours.record",
                "holds.place", "redemptions.redeem", "passbooks.update"):  # fmt: skip
        machine.act(act, Wish(back=1))
    for reading in QUESTIONS:
        for who in range(6):
            machine.shows_alike(reading, Wish(who=who))
    machine.teardown()


def test_a_right_life_is_shown_alike(machine: BankMachine) -> None:
    live(machine)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(
    fault: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAULTS[fault](monkeypatch)
    machine = machine_on(sqlite_url)()
    with pytest.raises(AssertionError):
        live(machine)
    machine.close()


#: One in three: that every part of every reading is compared, `test_machine_sees_fields` shows.
@pytest.mark.slow
@pytest.mark.parametrize("fault", list(FAULTS)[::3])
def test_a_planted_fault_is_found_by_chance(
    fault: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rules alone, as any service would meet it."""
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        drive(machine_on(sqlite_url), runs=PLANTED_RUNS_MAX)


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql_url", "mariadb_url"])
def test_servers_show_alike_what_can_be_read(database: str, request: pytest.FixtureRequest) -> None:
    machine = machine_on(request.getfixturevalue(database))()
    for act in MAKERS:
        machine.act(act, Wish(back=1))
    live(machine)


def test_a_reading_that_is_wrong_only_while_something_is_open_is_found_by_its_rule(
    machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(HoldsDesk, "list", without_last)(monkeypatch)
    machine.somebody_asks(reading="holds.list", wish=Wish())
    machine.act("holds.place", Wish())
    with pytest.raises(AssertionError, match=r"holds\.list\(\):\n  the bank does not show"):
        machine.somebody_asks(reading="holds.list", wish=Wish())


# --- what is personal is never told --------------------------------------------------------


def told_by(run: Callable[[], None]) -> str:
    with pytest.raises(AssertionError) as failure:
        run()
    return str(failure.value)


def test_a_difference_of_something_personal_is_told_without_it(machine: BankMachine) -> None:
    """Whose it is, and nothing of what stands there on either side."""
    account = next(iter(machine.books.customers))
    with machine.bank.engine.begin() as connection:
        changed = connection.execute(
            sa.text("UPDATE gb_person SET name = '王五', phone = '139' WHERE account_no = :no"),
            {"no": account},
        )
        assert changed.rowcount >= 1
    told = told_by(machine.teardown)
    assert f"person of account_no={account} is not as it was said (personal)" in told
    masked = told_by(lambda: machine.shows_alike("reports.customer_summary", Wish()))
    assert "holder: the bank shows (personal), the reference (personal)" in masked
    book = told_by(lambda: machine.shows_alike("reports.ledger_book", Wish()))
    for personal in ("王五", "王*", "139", "赵一", "赵*"):
        assert personal not in told + masked + book
    assert "赵一" not in repr(machine.books)


def test_a_person_that_is_lost_is_told_by_the_account(machine: BankMachine) -> None:
    account = next(iter(machine.books.customers))
    with machine.bank.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM gb_person WHERE account_no = :no"), {"no": account})
    told = told_by(lambda: machine._compare_rows("person"))
    assert (
        told == f"the books differ:\n  the bank has person of account_no={account} 0 times, not 1"
    )


def test_the_day_on_which_an_outlet_was_closed_is_compared(
    machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled("gb_outlet", "closed_on", dt.date(1999, 1, 1), kind=Update)(monkeypatch)
    for what in range(8):
        machine.act("outlets.close", Wish(what=what))
    assert machine.books.outlets_closed_on
    assert "1999-01-01" in told_by(machine.teardown)


def test_what_is_planted_is_written_by_the_act(machine: BankMachine) -> None:
    """The planted rename reaches the rows of that act and of no other."""
    seen: list[str] = []
    write = Transaction.write

    def look(self: Transaction, writes: Writes) -> None:
        seen.append(act_of(writes))
        write(self, writes)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Transaction, "write", look)
        machine.act("outlets.rename", Wish(what=1))
    assert seen == ["outlets.rename"]
