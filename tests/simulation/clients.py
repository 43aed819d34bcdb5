"""One client of the bank: what it asks for, and what it does when it is told that something failed.

It does what the errors tell it. After RetryTransaction and OutcomeUnknown it submits the same keys
again, after another database error it does so or lets it be, after a refusal it does nothing. What
a client leaves behind when it dies is submitted again by its successor.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from greenlet import greenlet

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.errors import EngineError, GongyiBankError, OutcomeUnknown, RetryTransaction
from gongyi_bank.store.engines import connect
from tests.simulation.expected import Draft, Effect, Refused, Replay
from tests.simulation.planted import Planted
from tests.simulation.requests import Request, submit
from tests.simulation.wire import (
    ENDS_OFTENER,
    FAILURES,
    Broken,
    Killed,
    WiredConnection,
    failure,
    wired,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


class Abandoned(Exception):
    """The caller gave up in the middle of its own transaction."""


class OwnTransactionFailed(Exception):
    """BEGIN or COMMIT of the caller's own failed, and nobody knows; the same keys will tell."""


@contextmanager
def own_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """The caller's own: errors of its own statements are its own, all others the library's."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(engine.connect())
            transaction = connection.begin()
        except sa.exc.DBAPIError:
            raise OwnTransactionFailed from None
        try:
            yield connection
        except BaseException:
            with suppress(sa.exc.DBAPIError):
                transaction.rollback()
            raise
        try:
            transaction.commit()
        except (sa.exc.DBAPIError, sa.exc.PendingRollbackError):
            raise OwnTransactionFailed from None


@dataclass(slots=True)
class Unit:
    """What a client does as one: an act, a block of acts, acts in its own transaction, a read."""

    kind: str
    requests: list[Request] = field(default_factory=list)
    #: After so many acts the caller gives up, if ever.
    abandons_after: int | None = None
    #: How often it was begun.
    tries: int = 0


class Client:
    """A handle with connections of its own, in a greenlet that runs when the scheduler says so."""

    def __init__(self, world: World, name: str, dangling: Unit | None = None) -> None:
        self.world = world
        self.name = name
        self.connections: list[WiredConnection] = []
        self.draft = Draft()
        #: The request of a single act under way; decided at its COMMIT.
        self.in_hand: Request | None = None
        self.decided: Effect | Replay | Refused | None = None
        self.unit = dangling
        #: It died in the middle of something: no statement of it is run any more.
        self.is_dead = False
        self.bank = self._open(connect(world.url))
        self.foreign = self._foreign_engine()
        self.revive()

    def revive(self) -> None:
        """Begin to live, when the scheduler says so."""
        self.is_parked = False
        self.thread = greenlet(self._live, parent=self.world.loop)

    @property
    def chance(self) -> random.Random:
        """The chance of the whole world: there is only one."""
        return self.world.chance

    def _open(self, engine: sa.Engine) -> Bank:
        wired(engine, self)
        return Bank.open(engine, staff="admin", clock=self.world.clock, unsafe_settings="allow")

    def _foreign_engine(self) -> sa.Engine:
        """An engine as a service makes it: BEGIN without IMMEDIATE, only the settings right."""
        engine = sa.create_engine(self.world.url)
        wired(engine, self)

        def set_up(connection: WiredConnection, _record: object) -> None:
            connection.isolation_level = None
            for pragma in ("foreign_keys=ON", "recursive_triggers=ON", "busy_timeout=0"):
                connection.execute("PRAGMA " + pragma)

        sa.event.listen(engine, "connect", set_up)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        with engine.connect():
            return engine

    # --- what the wire asks -------------------------------------------------------------------

    def take_turn(self, word: str, sql: str = "") -> str | None:
        """Let others go on; then the failure that the scheduler has for this statement, if any."""
        if self.world.is_quiet:
            return None
        if self.is_dead:
            raise Killed
        self.world.switch(self)
        fails, rate = None, self.world.failure_rate * ENDS_OFTENER.get(word, 1)
        if not self.world.is_quiet and self.chance.random() < rate:
            fails = self.chance.choice(FAILURES[word])
            self.world.failures[f"{word} {fails}"] += 1
        self.world.note(self, word, sql, fails or "")
        return fails

    def wait(self) -> None:
        """Somebody holds the write lock: let them go on."""
        self.world.switch(self)

    def fail(self, kind: str | None) -> None:
        """Raise what was decided for this statement."""
        if kind is None:
            return
        if kind.startswith("killed"):
            self.is_dead = True
            for connection in self.connections:
                connection.undo()
            raise Killed
        raise failure(kind)

    def committed(self) -> None:
        """COMMIT was done, whether or not its answer arrives: the books hold what was in it."""
        world, request = self.world, self.in_hand
        if request is not None:
            outcome = self.decided = world.expected.decide(request, Draft())
            if isinstance(outcome, Refused):
                world.fail(f"{request} was committed against the rules: {outcome}")
            if isinstance(outcome, Effect):
                self.draft.add(request, outcome)
        world.expected.commit(self.draft)
        self.draft = Draft()

    # --- the client's life --------------------------------------------------------------------

    def _live(self) -> None:
        try:
            while self.unit is not None or not self.world.wants_rest(self):
                unit = self.unit = self.unit or self._next()
                while not self._is_settled(unit):
                    pass
                self.unit = None
        except Killed:
            self.world.bury(self)

    def _next(self) -> Unit:
        dice, make = self.chance.random(), self.world.maker.request
        if self.world.planted is Planted.TORN_READ and self.chance.random() < 0.4:
            return Unit("balances")
        if dice < 0.54:
            return Unit("single", [make()])
        if dice < 0.82:
            requests = [make() for _ in range(self.chance.randrange(1, 4))]
            distinct = list({request.key: request for request in requests}.values())
            gives_up = self.chance.random() < 0.2
            after = self.chance.randrange(len(distinct) + 1) if gives_up else None
            return Unit("block" if dice < 0.70 else "within", distinct, after)
        if dice < 0.97:
            return Unit(self.chance.choice(("balances", "balances", "trial", "statement")))
        return Unit(self.chance.choice(("verify", "day", "day")))

    def _is_settled(self, unit: Unit) -> bool:
        """Do it; whether there is nothing more to do about it."""
        unit.tries += 1
        self.draft, self.in_hand, self.decided = Draft(), None, None
        planted = self.world.planted
        try:
            getattr(self, f"_do_{unit.kind}")(unit)
        except Abandoned:
            self.world.say(self, "gave up")
        except RetryTransaction:
            return self._again(unit, planted is Planted.RETRY_IS_DONE)
        except OutcomeUnknown:
            if planted is Planted.NEW_KEY:
                self.world.renamed.update({f"{r.key}x": r.key for r in unit.requests})
                unit.requests = [replace(r, key=f"{r.key}x") for r in unit.requests]
            return self._again(unit, planted is Planted.UNKNOWN_IS_DONE)
        except OwnTransactionFailed:
            return self._again(unit, takes_it_for_done=False)
        except EngineError as error:
            self.world.say(self, error.code)
            return unit.kind != "day" and self.chance.random() < 0.5
        except Broken:
            raise
        except Exception as error:  # noqa: BLE001 - whatever else comes out is a finding
            self.world.fail(f"{unit} raised {type(error).__name__}: {error}")
        return True

    def _again(self, unit: Unit, takes_it_for_done: bool) -> bool:
        self.world.say(self, "again")
        if takes_it_for_done:
            for request in unit.requests:
                self.world.acknowledge(self, request, None)
        return takes_it_for_done

    def _do_single(self, unit: Unit) -> None:
        (request,) = unit.requests
        self.in_hand = request
        try:
            receipt = self._sent(self.bank, request)
        except EngineError:
            raise
        except GongyiBankError as refusal:
            self.in_hand = None
            self._check_refusal(request, refusal.code)
            return
        self.in_hand = None
        outcome = self.decided or self.world.expected.decide(request, Draft())
        self._check_receipt(request, outcome, receipt, Draft())
        self.world.acknowledge(self, request, receipt)

    def _sent(self, desks: Bank | Counter, request: Request) -> Any:
        if self.world.planted is Planted.NO_KEY:
            request = replace(request, key="")
        return submit(desks, request, self.world.ids.get(request.about))

    def _do_block(self, unit: Unit) -> None:
        with self.bank.begin() as counter:
            answers = self._at_counter(counter, unit, unit.requests)
            if self.world.planted is Planted.EARLY_ANSWER:
                self._acknowledge(answers)
        self._acknowledge(answers)

    def _do_within(self, unit: Unit) -> None:
        """Two blocks in a transaction of the caller's; one may be undone alone."""
        engine = self.foreign if unit.tries % 2 else self.bank.engine
        answers: list[tuple[Request, Any]] = []
        with own_transaction(engine) as connection:
            for part in (unit.requests[:1], unit.requests[1:]):
                before = self.draft.copy()
                try:
                    with self.bank.within(connection) as counter:
                        answers += self._at_counter(counter, unit, part)
                except Abandoned:
                    answers = answers[: len(before.done)]
                    self.draft = before
        self._acknowledge(answers)

    def _at_counter(
        self, counter: Counter, unit: Unit, requests: list[Request]
    ) -> list[tuple[Request, Any]]:
        """Acts one after the other; refusals are part of it. What was accepted, with receipts."""
        answers = []
        for index, request in enumerate(requests):
            if index == unit.abandons_after:
                raise Abandoned
            try:
                receipt = self._sent(counter, request)
            except EngineError:
                raise
            except GongyiBankError as refusal:
                self._check_refusal(request, refusal.code)
                continue
            outcome = self.world.expected.decide(request, self.draft)
            if isinstance(outcome, Effect):
                self.draft.add(request, outcome)
            self._check_receipt(request, outcome, receipt, self.draft)
            answers.append((request, receipt))
        return answers

    def _acknowledge(self, answers: list[tuple[Request, Any]]) -> None:
        for request, receipt in answers:
            self.world.acknowledge(self, request, receipt)

    def _check_refusal(self, request: Request, code: str) -> None:
        outcome = self.world.expected.decide(request, self.draft)
        self.world.say(self, f"{request} refused: {code}")
        self.world.refused[code] += 1
        if not isinstance(outcome, Refused) or code not in outcome.codes:
            self.world.fail(f"{request} was refused as {code}; expected {outcome}")

    def _check_receipt(
        self, request: Request, outcome: Effect | Replay | Refused, receipt: Any, draft: Draft
    ) -> None:
        if isinstance(outcome, Refused):
            self.world.fail(f"{request} was accepted; expected {outcome}")
        balance = getattr(receipt, "balance", None)
        if isinstance(outcome, Effect) and outcome.account and balance is not None:
            name = ("pool",) if request.kind == "grant" else ("balance", outcome.account)
            expected = self.world.expected.amounts[name] + draft.changes[name]
            if balance.to_units(2) != expected:
                self.world.fail(f"{request}: the receipt says {balance}, expected {expected}")

    # --- reading ------------------------------------------------------------------------------

    def _do_balances(self, _: Unit) -> None:
        """One statement sees one moment, and that is now: whatever was acknowledged is in it."""
        expected = self.world.expected
        if self.world.planted is Planted.TORN_READ:
            found = {no: self.bank.reports.balance(no) for no in expected.accounts}
        else:
            found = self.bank.reports.balances(expected.accounts)
        self.world.reads += 1
        for account, balance in found.items():
            if balance.to_units(2) != expected.amounts["balance", account]:
                now = expected.amounts["balance", account]
                self.world.fail(f"{account} was read as {balance}, and is {now}")

    def _do_trial(self, _: Unit) -> None:
        self.world.reads += 1
        if not self.bank.reports.trial_balance().is_balanced:
            self.world.fail("the trial balance is not balanced")

    def _do_statement(self, _: Unit) -> None:
        account = self.chance.choice(self.world.expected.accounts)
        page = self.bank.reports.statement(account, newest=20)
        self.world.reads += 1
        if page.closing.to_units(2) != self.world.expected.amounts["balance", account]:
            self.world.fail(f"the statement of {account} ends with {page.closing}")

    def _do_verify(self, _: Unit) -> None:
        """An audit of one moment, while others go on."""
        self.world.reads += 1
        self.world.require_clean(self.bank.verify())

    def _do_day(self, unit: Unit) -> None:
        """Close what is over, one day after the other, while others go on and do the same."""
        if unit.tries == 1:
            self.world.go_on_to_next_day()
        for day in self.world.days_to_close():
            self.bank.closings.close(str(day))
            self.world.days_closed = max(self.world.days_closed, day)

    def dispose(self) -> None:
        """Give up whatever is left; the world is quiet by now."""
        self.foreign.dispose()
        self.bank.close()
