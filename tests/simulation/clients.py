"""One client of the bank: what it asks for, and what it does when it is told that something failed.

It does what the errors tell it. After RetryTransaction and OutcomeUnknown it submits the same keys
again, after another database error it does so or lets it be, after a refusal it does nothing. What
a client leaves behind when it dies is submitted again by its successor.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenlet import greenlet

from gongyi_bank.bank import Counter
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import EngineError, GongyiBankError, OutcomeUnknown, RetryTransaction
from gongyi_bank.testing.reference.books import Books
from tests.simulation import reading
from tests.simulation.handles import OwnTransactionFailed, foreign_engine, opened, own_transaction
from tests.simulation.mirror import Draft, unlike
from tests.simulation.planted import Planted
from tests.simulation.requests import Request, by_administrator
from tests.simulation.wire import (
    ENDS_OFTENER,
    FAILURES,
    UNCLEAR,
    Broken,
    Killed,
    WiredConnection,
    failure,
)

if TYPE_CHECKING:
    from tests.simulation.world import World

#: An accepted request with the receipt and what the reference answered.
Answer = tuple[Request, Any, Any]


class Abandoned(Exception):
    """The caller gave up in the middle of its own transaction."""


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
        self.unit = dangling
        self._forget()
        #: It died in the middle of something: no statement of it is run any more.
        self.is_dead = False
        self.bank = opened(world.url, self)
        self.foreign = foreign_engine(world.url, self)
        self.revive()

    def _forget(self) -> None:
        """Nothing is under way."""
        #: What acts that stand together have done so far.
        self.draft: Draft | None = None
        #: The request of a single act under way, and what became of it at its COMMIT.
        self.in_hand: Request | None = None
        self.decided: Any = None
        #: What became of the newest COMMIT with acts in it: "done", or the failure that it met.
        self.ended: str | None = None
        #: When it looked at the clock, since the act began.
        self.moment: dt.datetime | None = None
        #: Whether it is reading; then what is committed at its first look is what it must see.
        self.is_reading = False
        self.picture: Books | None = None

    def revive(self) -> None:
        """Begin to live, when the scheduler says so."""
        self.is_parked = False
        self.thread = greenlet(self._live, parent=self.world.loop)

    @property
    def chance(self) -> random.Random:
        """The chance of the whole world: there is only one."""
        return self.world.chance

    def clock(self) -> dt.datetime:
        """The world's, which goes on while somebody acts; for each act it stands still.

        Acts look for what has lapsed by the moment at which they came, and book by the moment at
        which they had their locks. Where the lock is taken at BEGIN, these are one.
        """
        if self.moment is None:
            self.moment = self.world.clock()
        return self.moment

    @property
    def acted_at(self) -> dt.datetime:
        """The moment by which the act under way is judged."""
        return self.moment or self.world.clock()

    # --- what the wire asks -------------------------------------------------------------------

    def take_turn(self, word: str, sql: str = "") -> str | None:
        """Let others go on; then the failure that the scheduler has for this statement, if any."""
        if self.world.is_quiet:
            return None
        if self.is_dead:
            raise Killed
        self.world.switch(self)
        if word == "IMMEDIATE":
            self.moment = None  # another try, by another moment
            if self.ended not in (None, "busy"):
                self.world.fail(f"{self.name} began again, though COMMIT came to {self.ended!r}")
        fails, rate = None, self.world.failure_rate * ENDS_OFTENER.get(word, 1)
        if not self.world.is_quiet and self.chance.random() < rate:
            fails = self.chance.choice(FAILURES[word])
            self.world.failures[f"{word} {fails}"] += 1
        self.world.note(self, word, sql, fails or "")
        return fails

    def has_run(self, word: str) -> None:
        """A statement was run: the first look of who reads is what they see until the end."""
        if self.is_reading and word == "SELECT" and self.picture is None:
            self.picture = self.world.mirror.books.copy()

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

    def commits(self, fails: str | None) -> None:
        """COMMIT was handed over, and meets with this; nobody cares where it ends a reading."""
        if self.in_hand is not None or self.draft is not None:
            self.ended = fails or "done"

    def committed(self) -> None:
        """COMMIT was done, whether or not its answer arrives: the books hold what was in it."""
        world, request, draft = self.world, self.in_hand, self.draft
        if request is not None:
            self.decided = world.mirror.answer(request, self.acted_at)
            if isinstance(self.decided, GongyiBankError):
                world.fail(f"{request} was committed; expected {self.decided!r}")
        elif draft is not None:
            if draft.made_at != world.mirror.commits:
                world.fail(f"somebody else committed while {self.name} was writing")
            world.mirror.commit(draft)
            self.draft = None

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
        self.world.pass_time()
        dice = self.chance.random()
        if self.world.planted is Planted.TORN_READ and self.chance.random() < 0.4:
            return Unit("balances")
        if dice < 0.56:
            return Unit("single", [self.world.wish()])
        if dice < 0.84:
            requests = [self.world.wish() for _ in range(self.chance.randrange(1, 4))]
            distinct = by_administrator(requests)
            gives_up = self.chance.random() < 0.2
            after = self.chance.randrange(len(distinct) + 1) if gives_up else None
            kind = "block" if dice < 0.70 else "within" if dice < 0.82 else "trial"
            return Unit(kind, distinct, after)
        if dice < 0.97:
            return Unit(self.chance.choice(reading.KINDS))
        return Unit(self.chance.choice(("verify", "day", "day")))

    def _is_settled(self, unit: Unit) -> bool:
        """Do it; whether there is nothing more to do about it."""
        unit.tries += 1
        self._forget()
        planted = self.world.planted
        try:
            getattr(self, f"_do_{unit.kind}", self._do_read)(unit)
        except Abandoned:
            self.world.say(self, "gave up")
        except RetryTransaction:
            return self._again(unit, planted is Planted.RETRY_IS_DONE)
        except OutcomeUnknown:
            if planted is Planted.NEW_KEY:
                self.world.renamed.update({f"{r.key}x": r.key for r in unit.requests})
                unit.requests = [request.under(f"{request.key}x") for request in unit.requests]
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

    @contextmanager
    def _told_truly(self, what: object, kind: str) -> Iterator[None]:
        """Hold what the client is told in this block against what became of its COMMIT."""
        self.ended = None
        try:
            yield
        except Broken:
            raise
        except Exception as error:
            self._require_true(what, kind, error)
            raise
        self._require_true(what, kind, None)

    def _require_true(self, what: object, kind: str, told: Exception | None) -> None:
        """Raise Broken where a failure is told of what may be in the books, or the reverse."""
        if kind == "trial":
            may_be: Collection[str | None] = (None,)
        elif kind == "within" and isinstance(told, OwnTransactionFailed):
            return  # the caller's COMMIT, and the caller's error
        elif isinstance(told, OutcomeUnknown):
            may_be = UNCLEAR
        else:
            may_be = (None, "busy") if told else (None, "done")
        if self.ended not in may_be:
            said = type(told).__name__ if told else "all is well"
            self.world.fail(f"{kind} {what}: told {said}, and COMMIT came to {self.ended!r}")

    def _again(self, unit: Unit, takes_it_for_done: bool) -> bool:
        self.world.say(self, "again")
        if takes_it_for_done:
            for request in unit.requests:
                self.world.acknowledge(self, request, None, None)
        return takes_it_for_done

    # --- acts ---------------------------------------------------------------------------------

    def alone(self, request: Request, run: Callable[[Command], Any]) -> Any:
        """An act in a transaction of its own, its answer held against the reference's."""
        self.in_hand, self.decided = request, None
        try:
            with self._told_truly(request, "single"):
                receipt = run(self._sent(request))
        except EngineError:
            raise
        except GongyiBankError as refusal:
            self._check(request, refusal, self.world.mirror.answer(request, self.acted_at))
            raise
        finally:
            self.in_hand = None
        if self.decided is None:
            self.world.fail(f"{request} was answered, and nothing was committed")
        self._check(request, receipt, self.decided)
        self.world.acknowledge(self, request, receipt, self.decided)
        return receipt

    def _sent(self, request: Request) -> Command:
        """What goes over the counter."""
        self.moment = None
        keyless = self.world.planted is Planted.NO_KEY
        return (request.under(None) if keyless else request).command

    def _check(self, request: Request, said: Any, answer: Any) -> None:
        """Hold a receipt or a refusal against what the reference says."""
        if difference := unlike(said, answer):
            self.world.fail(f"{request}: {difference}")
        if isinstance(said, GongyiBankError):
            self.world.refuse(self, request, said.code)

    def _do_single(self, unit: Unit) -> None:
        (request,) = unit.requests
        try:
            self.bank.acting_as(request.staff).execute(request.command)
        except EngineError:
            raise
        except GongyiBankError:
            return  # which `alone` has held against the reference's

    def _do_block(self, unit: Unit) -> None:
        with self._told_truly(unit, "block"), self.bank.begin() as counter:
            answers = self._at_counter(counter, unit, unit.requests)
            if self.world.planted is Planted.EARLY_ANSWER:
                self._acknowledge(answers)
        self._acknowledge(answers)

    def _do_trial(self, unit: Unit) -> None:
        """Acts that are really done, and always undone."""
        with self._told_truly(unit, "trial"), self.bank.simulate() as counter:
            self._at_counter(counter, unit, unit.requests)

    def _do_within(self, unit: Unit) -> None:
        """Two blocks in a transaction of the caller's; one may be undone alone."""
        engine = self.foreign if unit.tries % 2 else self.bank.engine
        answers: list[Answer] = []
        with self._told_truly(unit, "within"), own_transaction(engine) as connection:
            for part in (unit.requests[:1], unit.requests[1:]):
                before = self.draft.copy() if self.draft else None
                try:
                    with self.bank.within(connection) as counter:
                        made = self._at_counter(counter, unit, part)
                except Abandoned:
                    self.draft = before
                else:
                    answers += made
        self._acknowledge(answers)

    def _at_counter(self, counter: Counter, unit: Unit, requests: list[Request]) -> list[Answer]:
        """Acts one after the other; refusals are part of it. What was accepted, with receipts."""
        answers = []
        for index, request in enumerate(requests):
            if index == unit.abandons_after:
                raise Abandoned
            try:
                said = counter.execute(self._sent(request))
            except EngineError:
                raise
            except GongyiBankError as refusal:
                said = refusal
            # Only now: by now this client is the only writer, and what was committed stands.
            self.draft = self.draft or Draft(self.world.mirror)
            answer = self.draft.answer(request, self.acted_at)
            self._check(request, said, answer)
            if not isinstance(said, GongyiBankError):
                answers.append((request, said, answer))
        return answers

    def _acknowledge(self, answers: list[Answer]) -> None:
        for request, receipt, answer in answers:
            self.world.acknowledge(self, request, receipt, answer)

    def _do_day(self, unit: Unit) -> None:
        """Close the days that are over, while others go on and do the same."""
        try:
            self.bank.closings.close(str(self.world.yesterday))
        except EngineError:
            raise
        except GongyiBankError:
            return  # a client has closed a longer period, or announced one: as the reference says

    # --- reading ------------------------------------------------------------------------------

    def _do_read(self, unit: Unit) -> None:
        self.is_reading = True
        wrong = reading.READS[unit.kind](self)
        self.world.reads += 1
        if wrong:
            self.world.fail(wrong)

    def _do_verify(self, _: Unit) -> None:
        """An audit of one moment, while others go on."""
        self.world.reads += 1
        self.world.require_clean(self.bank)

    def dispose(self) -> None:
        """Give up whatever is left; the world is quiet by now."""
        self.foreign.dispose()
        self.bank.close()
