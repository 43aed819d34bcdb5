"""A bank and the reference bank in one life: whatever one is asked, the other is asked, too."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import currently_in_test_context, note
from hypothesis.stateful import RuleBasedStateMachine, invariant

from gongyi_bank.bank import Bank
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import EngineError, GongyiBankError, InvalidValue
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.receipts.closings import BooksClosed
from gongyi_bank.testing.arguments import require_days, require_kind, require_whole, require_word
from gongyi_bank.testing.clock import SHANGHAI, START, FrozenClock, require_bookable
from gongyi_bank.testing.machine.asking import QUESTIONS, require_same_shown
from gongyi_bank.testing.machine.choosing import Choice
from gongyi_bank.testing.machine.comparison import require_equal_rows
from gongyi_bank.testing.machine.furnishing import (
    ADMINISTRATOR,
    HEAD_OFFICE,
    REGISTERED_ON,
    furnishing,
)
from gongyi_bank.testing.machine.losses import Loss, losing
from gongyi_bank.testing.machine.own_database import own_engine
from gongyi_bank.testing.machine.telling import difference, told
from gongyi_bank.testing.machine.wishes import Wish
from gongyi_bank.testing.reference import Ids, ReferenceBank, comparable
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.soundness import assert_sound
from gongyi_bank.values import SCALE_MAX, clean_code

#: What a run may be founded with.
_FOUNDING = ("policies", "scale", "time_zone")
_SCALE_MIN = 2
#: What must agree after every step; all other tables are compared at the end.
_ALWAYS = ("account_head", "offer")


class BothSides(RuleBasedStateMachine):
    """A bank, the reference bank, and one clock; `BankMachine` has the rules."""

    #: What both banks are founded with: `policies`, `time_zone`, and `scale`, at least 2, as the
    #: goods and grants of a run have hundredths of points.
    founding: ClassVar[Mapping[str, Any]] = {}
    #: When a run begins: not before its customers were registered, at the start of 2020.
    begins_at: ClassVar[dt.datetime] = START
    #: Whether connections may be lost: never where a database lives in one.
    may_lose: ClassVar[bool] = True
    #: Whether clocks go back, and differ between hosts, as they do.
    may_go_back: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        #: The clock of both banks: that of the host whose turn it is. It shows UTC, in which
        #: times compare and add up whatever the clocks of a zone do.
        self.clock = FrozenClock(require_bookable(self.begins_at, "begins_at").astimezone(dt.UTC))
        self._require_settings()
        #: The latest that it has ever shown.
        self.latest = self.clock.now
        settings = {
            "bank": f"machine-{uuid4().hex[:12]}", "head_office": HEAD_OFFICE,
            "administrator": ADMINISTRATOR, "clock": self.clock, **self.founding,
        }  # fmt: skip
        #: The bank under test.
        self.bank: Bank = self.found(**settings)
        #: What it is held against.
        self.reference = ReferenceBank.found(**settings)
        self.ids = Ids()
        #: The roots of sealed days, by the last one of each seal, as receipts have told them.
        self.roots: dict[dt.date, str] = {}
        #: What was sent and stands, with who sent it.
        self.sent: list[tuple[str, Command]] = []
        #: The connections that were lost so far.
        self.lost: list[Loss] = []
        self._is_wrong = False
        self._is_told = False
        #: What was on its way already when the run began, if it begins in a handler.
        self._risen_before = sys.exc_info()[1]
        for command in furnishing(self.books):
            self._furnish(command)
        self.sent.clear()
        self._is_told = True

    def _require_settings(self) -> None:
        """What a run is made with can be; raises InvalidValue that names what cannot."""
        for name in self.founding:
            require_word("founding", name, _FOUNDING)
        require_whole("scale", self.founding.get("scale", _SCALE_MIN), _SCALE_MIN, SCALE_MAX)
        begins_on = self.clock.now.astimezone(SHANGHAI).date()
        require_days(REGISTERED_ON, begins_on, ("registered_on", "begins_at"))

    def found(self, **settings: Any) -> Bank:
        """A new bank for one run, founded with `settings` (name, clock, policies); override it.

        >>> def found(self, **settings):
        ...     return Bank.found("postgresql://bank@db.example.org/test", **settings)
        """
        return Bank.found(own_engine(), unsafe_settings="allow", **settings)

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
        key, is sent again if its outcome is unknown. Raises AssertionError; InvalidValue for
        what is no code, no command and no loss.
        """
        _require_sent(staff, command)
        if loss is not None:
            require_kind("loss", loss, Loss, 'a Loss is needed: Loss("answer")')
            if command.idempotency_key is None:
                raise InvalidValue.of("command", command.act, "what may be lost needs a key")
        bank = self.bank.acting_as(staff)
        said = answer_of(bank, command) if loss is None else self._with_loss(bank, command, loss)
        return self._answered(staff, command, said)

    def answered(self, staff: str, command: Command, said: Any) -> Any:
        """Hold a receipt or a refusal of the bank against what the reference answers.

        For commands that your own code ran on the bank. Raises AssertionError; InvalidValue for
        what is no code, no command and no answer.
        """
        _require_sent(staff, command)
        if isinstance(said, type) or not isinstance(said, (AnyReceipt, GongyiBankError)):
            reason = "a receipt or a refusal is needed"
            raise InvalidValue.of("said", type(said).__name__, reason)
        return self._answered(staff, command, said)

    def _answered(self, staff: str, command: Command, said: Any) -> Any:
        self.sent.append((staff, command))
        return self._held_against(self.reference.acting_as(staff), staff, command, said)

    def _held_against(self, reference: Any, staff: str, command: Command, said: Any) -> Any:
        if isinstance(said, EngineError):
            self._is_wrong = True
            raise said
        other = answer_of(reference, self.ids.translate(command))
        self._tell(f"{self._shown():%Y-%m-%d %H:%M} {staff}: {told(command)} → {told(said)}")
        if comparable(said) != comparable(other):
            self._is_wrong = True
            raise AssertionError(f"{command.act}: {difference(said, other)}")
        if not isinstance(said, GongyiBankError):
            self.ids.learn(said, other)
            if isinstance(said, BooksClosed) and said.root is not None:
                self.roots[said.last_on] = said.root
        if self._is_told:
            self.observe(staff, command, said)
        return said

    def observe(self, staff: str, command: Command, said: Any) -> None:
        """Told every answer of a run, a receipt or a refusal, when both have given it.

        Does nothing; override it to count or to log what your campaigns come to.
        """

    def _with_loss(self, bank: Bank, command: Command, loss: Loss) -> Any:
        with losing(bank.engine, loss, self.lost) as lost:
            said = answer_of(bank, command)
        if lost:
            self._tell(f"  lost: {loss}, the answer was {told(said)}")
            if isinstance(said, EngineError):
                return answer_of(bank, command)
        return said

    def _tell(self, line: str) -> None:
        """Something for whoever reads a failure."""
        if self._is_told and currently_in_test_context():
            note(line)

    def _shown(self) -> dt.datetime:
        """What the clock shows, in the bank's zone."""
        return self.clock.now.astimezone(self.reference.zone)

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
        today = self._shown().date()
        tables = {"only": only} if only else {}
        try:
            require_equal_rows(self.bank, self.books, self.ids, today, **tables)
        except AssertionError:
            self._is_wrong = True
            raise

    def shows_alike(self, reading: str, wish: Wish) -> None:
        """What a wish asks about is shown alike: a balance, a list, a statement (`QUESTIONS`).

        Raises AssertionError, InvalidValue.

        >>> self.shows_alike("reports.balance", Wish(who=2))
        """
        require_word("reading", reading, QUESTIONS)
        choice = self._choice(require_wish(wish))
        self._tell(f"{self._shown():%Y-%m-%d %H:%M} {reading}")
        try:
            require_same_shown(
                reading, choice, self.bank, self.reference, pairs=self.ids.pairs, roots=self.roots
            )
        except AssertionError:
            self._is_wrong = True
            raise

    def _choice(self, wish: Wish) -> Choice:
        """What a wish chooses among, as the books are now."""
        own_ids = {other: one for one, other in self.ids.pairs.items()}
        now, scale = self._shown(), self.reference.scale  # so that commands are told as people read
        return Choice(wish, self.books, ids=own_ids, now=now, scale=scale)

    def teardown(self) -> None:
        """Every row agrees, every reading shows it, the books are sound; the bank is closed.

        Where something else has failed nothing is compared: both sides may stand apart then,
        and it is the first failure that must be seen.
        """
        try:
            if sys.exc_info()[1] is self._risen_before:
                self._require_agreement()
        finally:
            self.close()

    def _require_agreement(self) -> None:
        if not self._is_wrong:
            self._compare_rows()
            self._ask_everything()
            assert_sound(self.bank)

    def _ask_everything(self) -> None:
        """Every reading once, about something else in every run."""
        for number, reading in enumerate(QUESTIONS, len(self.sent)):
            self.shows_alike(reading, Wish(who=number % 12, what=number % 10, how=number % 10))

    def close(self) -> None:
        """Give the bank's connections back; override it where they are yours."""
        if self.bank.engine is not own_engine():  # the next run needs them again
            self.bank.close()


def _require_sent(staff: str, command: object) -> None:
    clean_code(staff, field="staff")
    require_kind("command", command, Command, "a command is needed, for example Redeem(…)")


def require_wish(wish: object) -> Wish:
    """A wish. Raises InvalidValue."""
    return require_kind("wish", wish, Wish, "a Wish is needed: Wish(who=1)")


def answer_of(house: Any, command: Command) -> Any:
    """A receipt, or a refusal as a value."""
    try:
        return house.execute(command)
    except GongyiBankError as refusal:
        return refusal
