"""The machine: a bank and the reference bank live the same random life, and must answer alike.

Hypothesis draws acts of every desk, lets time pass, sends requests again, opens transactions and
gives them up, and loses connections. Whatever differs is found at the step that shows it first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Literal
from uuid import UUID, uuid4

from hypothesis import currently_in_test_context, note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import SearchStrategy

from gongyi_bank.bank import Bank
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import EngineError, GongyiBankError, InvalidValue, OutcomeUnknown
from gongyi_bank.testing.clock import START, FrozenClock
from gongyi_bank.testing.machine.choosing import Choice
from gongyi_bank.testing.machine.comparison import require_equal_rows
from gongyi_bank.testing.machine.furnishing import (
    ADMINISTRATOR,
    HEAD_OFFICE,
    STAFF,
    furnishing,
)
from gongyi_bank.testing.machine.house_acts import HOUSE_MAKERS
from gongyi_bank.testing.machine.ledger_acts import LEDGER_MAKERS
from gongyi_bank.testing.machine.losses import Loss, losing, losses
from gongyi_bank.testing.machine.needs import needed_first
from gongyi_bank.testing.machine.own_database import own_engine
from gongyi_bank.testing.machine.passing_time import MOMENTS
from gongyi_bank.testing.machine.subjects import Subjects
from gongyi_bank.testing.machine.telling import difference, told
from gongyi_bank.testing.machine.watching import Heard, standing, watched
from gongyi_bank.testing.machine.wishes import Twist, Wish, wishes
from gongyi_bank.testing.reference import Ids, ReferenceBank, comparable
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.soundness import assert_sound

#: How a command of every act is made, by the act's name.
MAKERS = {command.act: (command, make) for command, make in (LEDGER_MAKERS | HOUSE_MAKERS).items()}
#: An act by name, with the wish that says what it is about.
Part = tuple[str, Wish]
End = Literal["kept", "undone", "simulated"]
#: What must agree after every step; all other tables are compared at the end.
_ALWAYS = ("account_head", "offer")
#: What most other acts need to have happened before …
_BEGINNINGS = (
    "hours.record", "holds.place", "redemptions.reserve", "redemptions.redeem",
    "transfers.gift", "transfers.donate", "points.grant",
)  # fmt: skip
#: … and what may become of it: both are drawn more often than other acts.
_SEQUELS = (
    "holds.capture", "redemptions.capture", "redemptions.refund", "reversals.reverse_line",
    "reversals.reverse_voucher", "holds.release", "redemptions.release", "holds.capture_many",
    "holds.extend", "redemptions.extend", "hours.approve", "hours.refuse", "hours.void",
    "hours.correct", "transfers.grant", "holds.lapse_overdue", "points.expire_due",
    "closings.close",
)  # fmt: skip
#: What customers come for with their books, in this order at its plainest.
_BOOKS = (
    "passbooks.update", "passbooks.issue", "passbooks.report_loss", "passbooks.lift_loss",
    "passbooks.reissue", "passbooks.renew",
)  # fmt: skip


class _Undone(Exception):
    """The caller gives up in the middle of a transaction."""


class BankMachine(RuleBasedStateMachine):
    """A bank and the reference bank, to be driven by Hypothesis through every act there is.

    As it stands it drives a bank in a SQLite file of its own. Override `found` for a database of
    yours, and add rules: `self.watched` gives the bank that your service works on, and holds what
    it did there against the reference; `self.do` runs a command on both sides. After every step
    the heads and the stock must agree; at the end every row, and the books must be sound.

    >>> class TestOurs(BankMachine.TestCase): ...
    """

    #: What both banks are founded with: `policies`, `scale`, `time_zone`.
    founding: ClassVar[Mapping[str, Any]] = {}
    #: When a run begins.
    begins_at: ClassVar[dt.datetime] = START
    #: Whether connections may be lost: never where a database lives in one.
    may_lose: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        #: The clock of both banks; it only goes on.
        self.clock = FrozenClock(self.begins_at)
        settings = {
            "bank": f"machine-{uuid4().hex[:12]}", "head_office": HEAD_OFFICE,
            "administrator": ADMINISTRATOR, "clock": self.clock, **self.founding,
        }  # fmt: skip
        #: The bank under test.
        self.bank: Bank = self.found(**settings)
        #: What it is held against.
        self.reference = ReferenceBank.found(**settings)
        self.ids = Ids()
        #: What was sent and stands, with who sent it.
        self.sent: list[tuple[str, Command]] = []
        #: The connections that were lost so far.
        self.lost: list[Loss] = []
        self._is_wrong = False
        self._is_told = False
        for command in furnishing(self.books):
            self._furnish(command)
        self.sent.clear()
        self._is_told = True

    def found(self, **settings: Any) -> Bank:
        """A new bank for one run, founded with `settings` (name, clock, policies); override it.

        >>> def found(self, **settings):
        ...     return Bank.found("postgresql://bank@db.example.org/test", **settings)
        """
        return Bank.found(own_engine(), **settings)

    def _furnish(self, command: Command) -> None:
        """What every run begins with must succeed, or nothing would be tried in earnest."""
        said = self.do(ADMINISTRATOR, command)
        if isinstance(said, GongyiBankError):
            raise said

    @property
    def books(self) -> Books:
        """What the reference knows: accounts, holds, stores, lines …"""
        return self.reference.books

    # --- both sides at once ---

    def do(self, staff: str, command: Command, *, loss: Loss | None = None) -> Any:
        """Run a command on both sides, which must answer alike; the receipt or the refusal.

        With `loss` the bank's connection is lost on the way, and the request, which needs a
        key, is sent again if its outcome is unknown. Raises AssertionError.
        """
        bank = self.bank.acting_as(staff)
        said = _answer(bank, command) if loss is None else self._with_loss(bank, command, loss)
        return self.answered(staff, command, said)

    def answered(self, staff: str, command: Command, said: Any) -> Any:
        """Hold a receipt or a refusal of the bank against what the reference answers.

        For commands that your own code ran on the bank. Raises AssertionError.
        """
        self.sent.append((staff, command))
        return self._held_against(self.reference.acting_as(staff), staff, command, said)

    @contextmanager
    def watched(self) -> Iterator[Bank]:
        """The bank as your service is to use it: what it did is held against the reference.

        At the end of the block, in the order in which it was done; what your service gave up
        with its transaction is left out. Raises AssertionError.

        >>> with self.watched() as bank:
        ...     status = ServiceApp(bank).post_service(body)
        """
        heard: list[Heard] = []
        yield watched(self.bank, heard)
        for one in standing(self.bank, heard):
            self.answered(one.staff, one.command, one.said)

    def _held_against(self, reference: Any, staff: str, command: Command, said: Any) -> Any:
        if isinstance(said, EngineError):
            self._is_wrong = True
            raise said
        other = _answer(reference, self.ids.translate(command))
        self._tell(f"{self.clock.now:%Y-%m-%d %H:%M} {staff}: {told(command)} → {told(said)}")
        if comparable(said) != comparable(other):
            self._is_wrong = True
            raise AssertionError(f"{command.act}: {difference(said, other)}")
        if not isinstance(said, GongyiBankError):
            self.ids.learn(said, other)
        if self._is_told:
            self.observe(staff, command, said)
        return said

    def observe(self, staff: str, command: Command, said: Any) -> None:
        """Told every answer of a run, a receipt or a refusal, when both have given it.

        Does nothing; override it to count or to log what your campaigns come to.
        """

    def _with_loss(self, bank: Bank, command: Command, loss: Loss) -> Any:
        with losing(bank.engine, loss, self.lost) as lost:
            said = _answer(bank, command)
        if lost:
            self._tell(f"  lost: {loss}, the answer was {told(said)}")
            if isinstance(said, EngineError):
                return _answer(bank, command)
        return said

    def _tell(self, line: str) -> None:
        """Something for whoever reads a failure."""
        if self._is_told and currently_in_test_context():
            note(line)

    # --- what is wished for ---

    def wished(self, act: str, wish: Wish) -> tuple[str, Command]:
        """(staff, command): what a wish comes to, by what the books hold now.

        Raises InvalidValue for an act that there is not.

        >>> self.do(*self.wished("holds.capture", wish))
        """
        if act not in MAKERS:
            raise InvalidValue.of("act", act, f"one of {', '.join(sorted(MAKERS))}")
        command, make = MAKERS[act]
        choice = Choice(
            wish, self.books, ids=self._own_ids(), now=self.clock.now, scale=self.reference.scale
        )
        staff, fields = make(choice)
        if wish.twist in Twist.KEYED:
            fields["idempotency_key"] = f"key-{len(self.sent)}"
        elif wish.twist == Twist.BY_ANOTHER:
            staff = STAFF[(wish.who + wish.back) % len(STAFF)]
        elif wish.twist == Twist.KEY_OF_ANOTHER:
            keys = [one.key for one in self.books.vouchers.values() if one.key is not None]
            fields["idempotency_key"] = choice.newest(keys, None)
        return staff, command(**fields)

    def act(self, act: str, wish: Wish) -> Any:
        """What a wish comes to, done on both sides; what it needs is brought about before."""
        self._bring_about_needs(act, wish)
        return self.do(*self.wished(act, wish))

    def _bring_about_needs(self, act: str, wish: Wish) -> None:
        for beginning, sensible in needed_first(act, wish, self._look):
            if beginning in MOMENTS:
                self._pass_to(beginning)
            else:
                self.do(*self.wished(beginning, sensible))

    def _pass_to(self, moment: str) -> None:
        self.clock.set(MOMENTS[moment](self.clock.now, self.books))
        self._tell(f"it is {self.clock.now:%Y-%m-%d %H:%M:%S}")

    def _look(self) -> Subjects:
        return Subjects(self.books, self.clock.now, self.reference.scale)

    def _own_ids(self) -> dict[UUID, UUID]:
        """The bank's ids by the reference's."""
        return {other: one for one, other in self.ids.pairs.items()}

    # --- rules; those of single acts are added below the class ---

    @rule(moment=st.sampled_from(tuple(MOMENTS)))
    def time_passes(self, moment: str) -> None:
        """A minute, an hour, or until something is due: a midnight, a deadline, a last day."""
        self._pass_to(moment)

    @rule(act=st.sampled_from(_BEGINNINGS), wish=wishes())
    def something_begins(self, act: str, wish: Wish) -> None:
        """One of the acts that others follow."""
        self.act(act, wish)

    @rule(act=st.sampled_from(_SEQUELS), wish=wishes())
    def something_follows(self, act: str, wish: Wish) -> None:
        """One of the acts about what happened before."""
        self.act(act, wish)

    @rule(act=st.sampled_from(_BOOKS), wish=wishes())
    def something_about_a_book(self, act: str, wish: Wish) -> None:
        """A customer comes with a passbook, without one, or for one."""
        self.act(act, wish)

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 20))
    def comes_again(self, back: int) -> None:
        """A request that was sent before, word for word."""
        self.do(*self.sent[-1 - back % len(self.sent)])

    @precondition(lambda self: self.may_lose)
    @rule(part=st.deferred(lambda: _parts()), loss=losses())
    def loses_connection(self, part: Part, loss: Loss) -> None:
        """An act whose connection is lost, and the same request until it is answered."""
        self._bring_about_needs(*part)
        staff, command = self.wished(*part)
        if command.idempotency_key is None:
            command = command.model_copy(update={"idempotency_key": f"loss-{len(self.sent)}"})
        said = self.do(staff, command, loss=loss)
        if not isinstance(said, GongyiBankError):
            again = self.do(staff, command)
            assert again == said, f"{command.act}: the same key was answered otherwise"

    @rule(
        parts=st.deferred(lambda: st.lists(_parts(), min_size=1, max_size=4)),
        end=st.sampled_from(("kept", "undone", "simulated")),
    )
    def acts_together(self, parts: list[Part], end: End) -> None:
        """Several acts in one transaction; refusals in the middle do not end it."""
        self._tell(f"together, {end}:")
        with self._standing_together(end), self._opened(end) as (theirs, ours):
            self._in_turn(parts, theirs, ours)
            if end == "undone":
                raise _Undone

    @precondition(lambda self: self.may_lose)
    @rule(parts=st.deferred(lambda: st.lists(_parts(), min_size=1, max_size=3)), loss=losses())
    def loses_connection_together(self, parts: list[Part], loss: Loss) -> None:
        """Several acts whose connection is lost on the way: all of them again, with their keys."""
        self._tell(f"together, {loss}:")
        prefix, before = f"loss-{len(self.sent)}", self._reached()
        done = self.books
        try:
            with (
                losing(self.bank.engine, loss, self.lost),
                self._opened("kept") as (theirs, ours),
            ):
                self._in_turn(parts, theirs, ours, prefix=prefix)
                done = self.books.copy()
        except EngineError as error:
            if self._is_wrong:
                raise
            self._tell(f"  lost, the answer was {told(error)}; all again:")
            if isinstance(error, OutcomeUnknown) and loss.moment == "answer":
                # All of it is in the books: what was refused is judged after what came later.
                self.books.restore(done)
                again = [command for _, command in self.sent[before[0] :]]
                with self._opened("kept") as (theirs, ours):
                    self._one_by_one(again, theirs, ours)
                return
            self._go_back_to(*before)
            with self._opened("kept") as (theirs, ours):
                self._in_turn(parts, theirs, ours, prefix=prefix)

    @rule(
        blocks=st.deferred(
            lambda: st.lists(
                st.tuples(
                    st.lists(_parts(), min_size=1, max_size=2),
                    st.sampled_from(("kept", "undone")),
                ),
                min_size=1, max_size=3,
            )
        ),
        end=st.sampled_from(("kept", "undone")),
    )  # fmt: skip
    def acts_within_callers_transaction(
        self, blocks: list[tuple[list[Part], End]], end: End
    ) -> None:
        """Blocks in the caller's own transaction, each with a savepoint; some are given up."""
        self._tell(f"the caller's transaction, {end}:")
        picture = self.books.copy()
        with self._standing_together(end), self.bank.engine.connect() as connection:
            transaction = connection.begin()
            for parts, block_end in blocks:
                self._tell(f" block, {block_end}:")
                with (
                    self._standing_together(block_end),
                    self.reference.begin(staff=ADMINISTRATOR) as theirs,
                    self.bank.within(connection, staff=ADMINISTRATOR) as ours,
                ):
                    self._in_turn(parts, theirs, ours)
                    if block_end == "undone":
                        raise _Undone
            if end == "undone":
                transaction.rollback()
                self.books.restore(picture)
            else:
                transaction.commit()

    def _in_turn(
        self, parts: list[Part], theirs: Any, ours: Any, *, prefix: str | None = None
    ) -> None:
        """Acts one after the other at two counters; with a prefix each has a key."""
        for number, part in enumerate(parts):
            _, command = self.wished(*part)
            if prefix is not None:
                key = f"{prefix}-{number}"
                command = command.model_copy(update={"idempotency_key": key})
            self._one_by_one([command], theirs, ours)
            self.sent.append((ADMINISTRATOR, command))

    def _one_by_one(self, commands: Iterable[Command], theirs: Any, ours: Any) -> None:
        """These commands at two counters, answered alike."""
        for command in commands:
            said = _answer(ours, command)
            if isinstance(said, EngineError):
                raise said
            self._held_against(theirs, ADMINISTRATOR, command, said)

    @contextmanager
    def _opened(self, end: End) -> Iterator[tuple[Any, Any]]:
        """One transaction on both sides; what the bank raises at its end undoes both."""
        name = "simulate" if end == "simulated" else "begin"
        theirs = getattr(self.reference, name)(staff=ADMINISTRATOR)
        ours = getattr(self.bank, name)(staff=ADMINISTRATOR)
        with theirs as their_counter, ours as our_counter:
            yield their_counter, our_counter

    @contextmanager
    def _standing_together(self, end: End) -> Iterator[None]:
        """What is not kept is not sent again, and its ids mean nothing."""
        before = self._reached()
        with suppress(_Undone):
            yield
        if end != "kept":
            self._go_back_to(*before)

    def _reached(self) -> tuple[int, int]:
        """How much was sent, and how many ids are known."""
        return len(self.sent), len(self.ids.pairs)

    def _go_back_to(self, sent: int, known: int) -> None:
        del self.sent[sent:]
        self.ids.forget_after(known)

    # --- what must always hold ---

    @invariant()
    def heads_and_stock_agree(self) -> None:
        """Balances, holds and stock are what the reference counts from its rows."""
        self._compare_rows(*_ALWAYS)

    def _compare_rows(self, *only: str) -> None:
        today = self.clock.now.astimezone(self.reference.zone).date()
        tables = {"only": only} if only else {}
        try:
            require_equal_rows(self.bank, self.books, self.ids, today, **tables)
        except AssertionError:
            self._is_wrong = True
            raise

    def teardown(self) -> None:
        """Every row agrees, and the books are sound; then the bank is closed."""
        try:
            if not self._is_wrong:
                self._compare_rows()
                assert_sound(self.bank)
        finally:
            self.close()

    def close(self) -> None:
        """Give the bank's connections back; override it where they are yours."""
        self.bank.close()


def _answer(house: Any, command: Command) -> Any:
    """A receipt, or a refusal as a value."""
    try:
        return house.execute(command)
    except GongyiBankError as refusal:
        return refusal


def _parts() -> SearchStrategy[Part]:
    """Any act with any wish, those on points first and oftener."""
    acts = (*_BEGINNINGS, *_SEQUELS, *MAKERS)
    return st.tuples(st.sampled_from(acts), wishes())


def _rule_of(noun: str) -> Any:
    """The rule for the acts of one desk: `state.holds(act='capture', wish=Wish(back=1))`."""
    verbs = [act.removeprefix(f"{noun}.") for act in MAKERS if act.startswith(f"{noun}.")]

    def run(self: BankMachine, act: str, wish: Wish) -> None:
        self.act(f"{noun}.{act}", wish)

    run.__name__ = noun
    run.__doc__ = f"An act of the desk {noun}, by whom it suits or by others."
    return rule(act=st.sampled_from(verbs), wish=wishes())(run)


for _noun in sorted({act.split(".")[0] for act in MAKERS}):
    setattr(BankMachine, _noun, _rule_of(_noun))
