"""Threads, tasks and groups on a watched bank are held against an order that explains them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from gongyi_bank.bank import Bank
from gongyi_bank.commands.holds import PlaceHold
from gongyi_bank.commands.points import GrantPoints
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import GongyiBankError, InsufficientPoints, RetryTransaction
from gongyi_bank.group_commit import GroupCommit
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.writing import Update, Writes
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import ordering
from gongyi_bank.testing.machine.blocks import Block
from gongyi_bank.testing.machine.ordering import Scene, in_order
from gongyi_bank.testing.machine.watching import Ear, Heard
from gongyi_bank.values import Points
from tests.testing.test_machine import act_of, machine_on, unwritten
from tests.testing.test_watched_async import opened

#: What a thread does: its number in, whatever it likes out.
Work = Callable[[Bank, int], Any]
THREADS = 6


def first(machine: BankMachine) -> int:
    return next(iter(machine.books.customers))


def grant(machine: BankMachine, number: int) -> GrantPoints:
    """Another amount by each thread."""
    return GrantPoints(
        account=first(machine), points=Points(1 + number), reason="感谢", outlet="B01",
        second_person="K1b", idempotency_key=f"t{number}",
    )  # fmt: skip


def hold(machine: BankMachine, points: int) -> PlaceHold:
    return PlaceHold(account=first(machine), points=Points(points), store="P1")


def goods(machine: BankMachine, number: int) -> Redeem:
    return Redeem(account=first(machine), store="P1", sku="B", idempotency_key=f"g{number}")


def at_once(bank: Any, work: Work, count: int = THREADS) -> list[Any]:
    """All threads begin together, and all have ended."""
    together = threading.Barrier(count)

    def run(number: int) -> Any:
        together.wait()
        return work(bank, number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def certainly(run: Callable[[], Any]) -> Any:
    """Again where the server wants it."""
    while True:
        with contextlib.suppress(RetryTransaction):
            return run()


def said_to(bank: Any, command: Any) -> str:
    """The code of a refusal, or done."""
    try:
        certainly(lambda: bank.execute(command))
    except GongyiBankError as refusal:
        return refusal.code
    return "done"


# --- a right service stays green -----------------------------------------------------------


def test_threads_that_credit_one_account_are_right_in_whatever_order(
    machine_anywhere: BankMachine,
) -> None:
    machine = machine_anywhere
    with machine.watched() as bank:
        for begun in (0, THREADS):
            at_once(bank, lambda bank, no, b=begun: said_to(bank, grant(machine, b + no)))
    machine.teardown()
    assert len(machine.books.lines[first(machine)]) == 1 + 2 * THREADS


def test_who_of_several_came_too_late_is_told_by_the_order(machine_anywhere: BankMachine) -> None:
    """Four pieces are on the shelf; a refusal is right where nothing is left any more."""
    machine = machine_anywhere
    with machine.watched() as bank:
        said = at_once(bank, lambda bank, number: said_to(bank, goods(machine, number)))
    assert sorted(said) == ["done"] * 4 + ["out_of_stock"] * 2
    machine.teardown()


def test_blocks_of_several_threads_are_seen_when_they_are_committed(
    machine_anywhere: BankMachine,
) -> None:
    """In the bank's transactions and in the callers', kept, refused and given up."""
    machine = machine_anywhere
    others = list(machine.books.customers)

    def work(bank: Bank, number: int) -> None:
        account = others[number % 3]
        command = grant(machine, number).model_copy(update={"account": account})
        if number % 2:
            with bank.begin(staff="admin") as counter:
                counter.execute(command)
                counter.execute(hold(machine, 1))
        else:
            with bank.engine.begin() as connection, bank.within(connection, staff="K1") as counter:
                counter.execute(command)
                if number == 4:
                    raise KeyError

    def try_again(bank: Bank, number: int) -> None:
        with contextlib.suppress(KeyError):
            certainly(lambda: work(bank, number))

    with machine.watched() as bank:
        at_once(bank, try_again)
    machine.teardown()
    assert sum(one.amount for one in machine.books.holds.values()) == 300


def test_what_goes_through_a_group_is_heard(machine_anywhere: BankMachine) -> None:
    machine = machine_anywhere
    sent = len(machine.sent)
    with (
        machine.watched() as bank,
        GroupCommit(bank.acting_as("admin"), wait_ms=200) as counter,
    ):
        said = at_once(counter, lambda bank, number: said_to(bank, goods(machine, number)), 8)
        assert said_to(counter, hold(machine, 1)) == "done"
    assert sorted(said) == ["done"] * 4 + ["out_of_stock"] * 4
    machine.teardown()
    assert len(machine.sent) == sent + 9


def test_keys_that_threads_share_have_one_effect(machine_anywhere: BankMachine) -> None:
    machine = machine_anywhere
    with machine.watched() as bank, GroupCommit(bank.acting_as("admin")) as counter:
        at_once(bank, lambda bank, number: said_to(bank, grant(machine, number % 2)))
        at_once(counter, lambda bank, number: said_to(bank, goods(machine, number % 2)))
    machine.teardown()
    assert len(machine.books.lines[first(machine)]) == 1 + 2 + 2


def test_tasks_that_act_at_once_are_right_in_whatever_order(async_engine_url: str) -> None:
    machine = machine_on(async_engine_url)()

    async def one(bank: Any, number: int) -> None:
        with contextlib.suppress(RetryTransaction):
            async with bank.begin(staff="K1") as counter:
                await counter.execute(grant(machine, number))

    async def run() -> None:
        async with opened(machine) as bank, machine.watched(bank) as seen:
            await asyncio.gather(*(one(seen, number) for number in range(THREADS)))

    asyncio.run(run())
    machine.teardown()
    assert len(machine.books.lines[first(machine)]) > 1


def test_hundreds_at_once_are_right_in_about_as_many_tries() -> None:
    """130 callers race for 60 pieces, and all are asked for before any is answered.

    The first refusal is heard before the first of the last twenty pieces is.
    """
    numbers, tries = list(range(130)), 0
    answered = [*numbers[:40], *numbers[60:90], *numbers[40:60], *numbers[90:]]
    acts = [heard(min(no, 60), 1, 2 + answered.index(no), is_change=no < 60) for no in numbers]
    _, scene = counting()

    def do(one: Heard) -> bool:
        nonlocal tries
        tries += 1
        return scene.do(one)

    order = in_order(acts, Scene(do, scene.picture, scene.go_back))
    require_told(order.acts)
    assert order.is_found
    assert tries < 10 * len(acts)


@pytest.mark.slow
def test_threads_are_right_however_often_they_race(machine_anywhere: BankMachine) -> None:
    """Credits, debits, holds and refusals of six threads on one account, in turns."""
    machine = machine_anywhere
    for turn in range(12):
        with machine.watched() as bank:

            def work(bank: Bank, number: int, turn: int = turn) -> None:
                said_to(bank.acting_as("admin"), hold(machine, 1 + number))
                said_to(bank, grant(machine, 100 * turn + number))
                said_to(bank.acting_as("admin"), goods(machine, turn))

            at_once(bank, work)
        machine.heads_and_stock_agree()
    machine.teardown()


# --- what is wrong under threads is found --------------------------------------------------


def every_second(spoil: Callable[[str, Writes], None]) -> Callable[[str, Writes], None]:
    turns = itertools.count()

    def spoiled(found: str, writes: Writes) -> None:
        if next(turns) % 2:
            spoil(found, writes)

    return spoiled


@pytest.mark.parametrize("through", ["threads", "a group"])
def test_an_update_that_is_lost_under_threads_is_found(
    through: str, machine_anywhere: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other hold, or redemption, leaves the head as it found it: no order explains that."""
    machine, write = machine_anywhere, Transaction.write
    lose = {
        "threads": every_second(
            unwritten("holds.place", "gb_account_head", kind=Update, column="held")
        ),
        "a group": unwritten("redemptions.redeem", "gb_offer", kind=Update),
    }[through]

    def spoiled(self: Transaction, writes: Writes) -> None:
        lose(act_of(writes), writes)
        write(self, writes)

    def run() -> None:
        with machine.watched() as bank:
            if through == "threads":
                at_once(bank, lambda bank, number: said_to(bank, hold(machine, 1 + number)))
            else:
                with GroupCommit(bank.acting_as("admin"), wait_ms=200) as counter:
                    at_once(counter, lambda bank, number: said_to(bank, goods(machine, number)))
        machine.teardown()

    monkeypatch.setattr(Transaction, "write", spoiled)
    with pytest.raises(AssertionError, match=r"differ|the bank answered"):
        run()


def test_a_wrong_refusal_among_threads_is_found(
    machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are asked for before any is answered, so every order is tried."""
    serve, turns, begin = SERVICES[PlaceHold], itertools.count(), Ear.begin
    calls, all_begun = itertools.count(), threading.Barrier(THREADS)

    def refuse(visit: Any, command: PlaceHold) -> Any:
        if next(turns) == 3:
            raise InsufficientPoints(account=command.account, needed="1", available="0")
        return serve(visit, command)

    def begin_together(ear: Ear) -> int:
        moment = begin(ear)
        if next(calls) < THREADS:
            all_begun.wait()
        return moment

    monkeypatch.setitem(SERVICES, PlaceHold, refuse)
    monkeypatch.setattr(Ear, "begin", begin_together)
    with (
        pytest.raises(AssertionError, match=r"insufficient_points.*\n.*no order explains them$"),
        machine.watched() as bank,
    ):
        at_once(bank, lambda bank, _: said_to(bank, hold(machine, 1)))


def own_connection(bank: Bank, command: Any) -> Any:
    with bank.engine.begin() as connection, bank.within(connection, staff="admin") as counter:
        return counter.execute(command)


def own_session(bank: Bank, command: Any) -> Any:
    with (
        Session(bank.engine) as session,
        session.begin(),
        bank.within(session, staff="admin") as counter,
    ):
        return counter.execute(command)


def stale_after_a_grant(patch: pytest.MonkeyPatch) -> None:
    """A hold is refused by what was free before a grant of 50 points."""

    def refuse(visit: Any, command: PlaceHold) -> None:
        raise InsufficientPoints(account=command.account, needed="21.00", available="20.00")

    patch.setitem(SERVICES, PlaceHold, refuse)


@pytest.mark.parametrize("serve", [own_connection, own_session])
@pytest.mark.parametrize("is_stale", [False, True])
def test_what_a_thread_committed_comes_before_what_a_later_one_asks_for(
    serve: Callable[[Bank, Any], Any],
    is_stale: bool,
    machine: BankMachine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests one after the other, by two workers: a stale refusal is wrong."""
    if is_stale:
        stale_after_a_grant(monkeypatch)

    def run() -> None:
        with (
            machine.watched() as bank,
            ThreadPoolExecutor(1) as one_worker,
            ThreadPoolExecutor(1) as another,
        ):
            one_worker.submit(serve, bank, grant(machine, 49)).result()
            with contextlib.suppress(InsufficientPoints):
                another.submit(serve, bank, hold(machine, 21)).result()

    if is_stale:
        with pytest.raises(AssertionError, match="the bank answered insufficient_points"):
            run()
    else:
        run()
        machine.teardown()


def test_what_is_acknowledged_among_threads_and_not_there_is_found(
    machine: BankMachine,
) -> None:
    class Forgetful(Bank):
        def execute(self, command: Any) -> Any:
            if command.idempotency_key != "t3":
                return super().execute(command)
            with self.simulate() as counter:
                return counter.execute(command)

    machine.bank.__class__ = Forgetful

    def run() -> None:
        with machine.watched() as bank:
            at_once(bank, lambda bank, number: said_to(bank, grant(machine, number)))
        machine.teardown()

    with pytest.raises(AssertionError):
        run()


# --- the search itself ---------------------------------------------------------------------


def heard(said: Any, began: int, ended: int, *, is_change: bool = True) -> Heard:
    """Something that was answered with `said`, under way between two moments."""
    found = b"v" if is_change else None
    one = Heard("K1", None, said, Block(), None, began, ended, found)  # type: ignore[arg-type]
    one.block.ended_at = ended
    return one


def counting(start: int = 0) -> tuple[list[int], Scene[int]]:
    """A bank that counts: an act says what it has found there, and a change adds one."""
    state = [start]

    def do(one: Heard) -> bool:
        is_right = one.said == state[0]
        state[0] += one.is_change
        return is_right

    def go_back(picture: int) -> None:
        state[0] = picture

    return state, Scene(do, lambda: state[0], go_back)


@given(st.permutations(range(7)), st.lists(st.integers(0, 7), max_size=4))
@settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_whatever_the_answers_came_in_an_order_is_found(
    answers: list[int], looks: list[int]
) -> None:
    acts = [heard(said, 1, 9 + n) for n, said in enumerate(answers)]
    acts += [heard(said, 1, 30 + n, is_change=False) for n, said in enumerate(looks)]
    order = in_order(acts, counting()[1])
    assert order.is_found
    assert [one.said for one in order.acts if one.is_change] == sorted(answers)


def test_what_was_over_before_another_began_comes_before_it() -> None:
    """A counter that says 1 and then 0 is wrong, unless both were under way at once."""
    for later, is_right in ((2, True), (4, False)):
        order = in_order([heard(1, 1, 3), heard(0, later, 5)], counting()[1])
        assert order.is_found or not is_right
        if not is_right:
            with pytest.raises(AssertionError):
                require_told(order.acts)


def require_told(acts: list[Heard]) -> None:
    """What the judge does with an order: one act after the other."""
    state, scene = counting()
    for one in acts:
        assert scene.do(one), state


def test_a_search_ends_and_says_that_it_did_not_try_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "TRIES_MAX", 50)
    acts = [heard(0, 1, 9, is_change=False), *(heard(99, 1, 9 + n) for n in range(3))]
    every = in_order(acts, Scene(lambda one: True, lambda: 0, lambda _: None))
    assert every.is_found
    wrong = heard(0, 1, 99)

    def do(one: Heard) -> bool:
        return one is not wrong

    order = in_order([*(heard(n, 1, 9) for n in range(12)), wrong],
                     Scene(do, lambda: 0, lambda _: None))  # fmt: skip
    assert not order.is_found
    assert not order.is_every_tried
    few = in_order([heard(1, 1, 9), wrong], Scene(do, lambda: 0, lambda _: None))
    assert not few.is_found
    assert few.is_every_tried
