"""The machine: a bank and the reference bank live the same random life, and must answer alike.

Hypothesis draws acts of every desk, lets time pass, sends requests again, opens transactions and
gives them up, and loses connections. Whatever differs is found at the step that shows it first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import (
    contextmanager,
    suppress,
)
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from hypothesis.strategies import SearchStrategy

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import EngineError, GongyiBankError, OutcomeUnknown
from gongyi_bank.testing.arguments import require_word
from gongyi_bank.testing.machine.asking import QUESTIONS
from gongyi_bank.testing.machine.both_sides import answer_of, require_wish
from gongyi_bank.testing.machine.furnishing import (
    ADMINISTRATOR,
    STAFF,
)
from gongyi_bank.testing.machine.house_acts import HOUSE_MAKERS
from gongyi_bank.testing.machine.judging import Watching
from gongyi_bank.testing.machine.ledger_acts import LEDGER_MAKERS
from gongyi_bank.testing.machine.losses import Loss, losing, losses
from gongyi_bank.testing.machine.needs import needed_first
from gongyi_bank.testing.machine.passing_time import FURTHEST_BACK, MOMENTS, SETBACKS
from gongyi_bank.testing.machine.subjects import Subjects
from gongyi_bank.testing.machine.telling import told
from gongyi_bank.testing.machine.wishes import Twist, Wish, wishes

#: How a command of every act is made, by the act's name.
MAKERS = {command.act: (command, make) for command, make in (LEDGER_MAKERS | HOUSE_MAKERS).items()}
#: An act by name, with the wish that says what it is about.
Part = tuple[str, Wish]
End = Literal["kept", "undone", "simulated"]
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
#: What a store comes for with what was put aside for it, more than once until nothing is left.
_CAPTURES = ("holds.capture", "redemptions.capture", "holds.capture_many")
#: What customers come for with their books, in this order at its plainest.
_BOOKS = (
    "passbooks.update", "passbooks.issue", "passbooks.report_loss", "passbooks.lift_loss",
    "passbooks.reissue", "passbooks.renew",
)  # fmt: skip


class _Undone(Exception):
    """The caller gives up in the middle of a transaction."""


class BankMachine(Watching):
    """A bank and the reference bank, to be driven by Hypothesis through every act there is.

    As it stands it drives a bank in a SQLite file of its own. Override `found` for a database of
    yours, and add rules: `self.watched` gives the bank that your service works on, and holds what
    it did there against the reference; `self.do` runs a command on both sides. After every step
    the heads and the stock must agree; at the end every row, and the books must be sound.

    >>> class TestOurs(BankMachine.TestCase): ...
    """

    # --- what is wished for ---

    def wished(self, act: str, wish: Wish) -> tuple[str, Command]:
        """(staff, command): what a wish comes to, by what the books hold now.

        Raises InvalidValue for an act that there is not.

        >>> self.do(*self.wished("holds.capture", wish))
        """
        command, make = MAKERS[require_word("act", act, MAKERS)]
        choice = self._choice(require_wish(wish))
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
        """What a wish comes to, done on both sides; what it needs is brought about before.

        Raises AssertionError, InvalidValue.
        """
        self._bring_about_needs(act, wish)
        return self.do(*self.wished(act, wish))

    def _bring_about_needs(self, act: str, wish: Wish) -> None:
        known = require_word("act", act, MAKERS)
        for beginning, sensible in needed_first(known, require_wish(wish), self._look):
            if beginning in MOMENTS:
                self._pass_to(beginning)
            else:
                self.do(*self.wished(beginning, sensible))

    def _pass_to(self, moment: str) -> None:
        self._show(MOMENTS[require_word("moment", moment, MOMENTS)](self.clock.now, self.books))

    def _set_back(self, by: str) -> None:
        """The clock shows an earlier time: not before the run began, nor by more than a month."""
        back = SETBACKS[require_word("by", by, SETBACKS)]
        self._show(max(self._earliest, self.clock.now - back))

    @property
    def _earliest(self) -> dt.datetime:
        return max(self.begins_at, self.latest - FURTHEST_BACK)

    @property
    def _can_go_back(self) -> bool:
        return self.may_go_back and self.clock.now > self._earliest

    def _show(self, moment: dt.datetime) -> None:
        was, now = self.clock.now, moment.astimezone(dt.UTC)
        self.clock.set(now, backwards=True)
        self.latest = max(self.latest, now)
        self._tell(f"it is {self._shown():%Y-%m-%d %H:%M:%S}{', set back' if now < was else ''}")

    def _look(self) -> Subjects:
        return Subjects(self.books, self.clock.now, self.reference.scale)

    # --- rules; those of single acts are added below the class ---

    @rule(moment=st.sampled_from(tuple(MOMENTS)))
    def time_passes(self, moment: str) -> None:
        """A minute, an hour, or until something is due: a midnight, a deadline, a last day."""
        self._pass_to(moment)

    @precondition(lambda self: self._can_go_back)
    @rule(by=st.sampled_from(tuple(SETBACKS)))
    def clock_is_set_back(self, by: str) -> None:
        """By a second, by days: it goes on from there, or somebody sets it right."""
        self._set_back(by)

    @precondition(lambda self: self.clock.now < self.latest)
    @rule()
    def clock_is_set_right(self) -> None:
        """It shows the latest that it has ever shown."""
        self._show(self.latest)

    @precondition(lambda self: self._can_go_back)
    @rule(part=st.deferred(lambda: _parts()), by=st.sampled_from(tuple(SETBACKS)))
    def host_is_behind(self, part: Part, by: str) -> None:
        """An act by another host, whose clock is behind; the next act is by the others' again."""
        self._bring_about_needs(*part)
        others = self.clock.now
        self._set_back(by)
        self.do(*self.wished(*part))
        self._show(others)

    @rule(act=st.sampled_from(_BEGINNINGS), wish=wishes())
    def something_begins(self, act: str, wish: Wish) -> None:
        """One of the acts that others follow."""
        self.act(act, wish)

    @rule(act=st.sampled_from(_SEQUELS), wish=wishes())
    def something_follows(self, act: str, wish: Wish) -> None:
        """One of the acts about what happened before."""
        self.act(act, wish)

    @rule(act=st.sampled_from(_CAPTURES), wish=wishes())
    def something_is_captured(self, act: str, wish: Wish) -> None:
        """All that is held, or a part of it, or of what earlier captures have left."""
        self.act(act, wish)

    @rule(act=st.sampled_from(_BOOKS), wish=wishes())
    def something_about_a_book(self, act: str, wish: Wish) -> None:
        """A customer comes with a passbook, without one, or for one."""
        self.act(act, wish)

    @rule(reading=st.sampled_from(tuple(QUESTIONS)), wish=wishes())
    def somebody_asks(self, reading: str, wish: Wish) -> None:
        """A balance, a statement, a list: nothing is changed by it."""
        self.shows_alike(reading, wish)

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
            said = answer_of(ours, command)
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
