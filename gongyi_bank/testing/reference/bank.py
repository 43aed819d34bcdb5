"""The reference bank's door: the same desks, commands, receipts and refusals as `Bank`.

What it has not are reports and an engine: what it knows is in `books`, for everybody to look at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from zoneinfo import ZoneInfo

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import InvalidValue, TransactionEnded, UnknownAct
from gongyi_bank.periods import require_aware
from gongyi_bank.policies import Policy
from gongyi_bank.testing.reference import (
    closings,
    customers,
    founding,
    holds,
    hours,
    outlets,
    passbooks,
    points,
    pools,
    redemptions,
    refunds,
    reservations,
    reversals,
    staff,
    stores,
    transfers,
)
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import Acts, BankFacts, perform
from gongyi_bank.values import clean_code

Clock = Callable[[], dt.datetime]
_NOUNS = (
    outlets,
    staff,
    customers,
    passbooks,
    stores,
    hours,
    points,
    holds,
    redemptions,
    reservations,
    refunds,
    reversals,
    transfers,
    pools,
    closings,
)
#: Which function serves which command.
ACTS: Acts = {command: serve for noun in _NOUNS for command, serve in noun.ACTS.items()}


class ReferenceDesk:
    """A window for one noun: `reference.hours.record(...)` runs the act "hours.record"."""

    def __init__(self, house: ReferenceDesks, noun: str) -> None:
        self._house = house
        self._noun = noun

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        act = f"{self._noun}.{verb}"
        for command in ACTS:
            if command.act == act:
                return lambda **fields: self._house.execute(command(**fields))
        raise AttributeError(f"no act {act}")

    def __dir__(self) -> list[str]:
        acts = (command.act.split(".") for command in ACTS)
        return sorted(verb for noun, verb in acts if noun == self._noun)


class ReferenceDesks:
    """Everything that can be done, by noun."""

    def execute(self, command: Command) -> Any:
        """Run any command and return its receipt; a refusal changes nothing."""
        raise NotImplementedError

    def execute_many(self, commands: Iterable[Command]) -> list[Any]:
        """Run commands in order and return their receipts; the first refusal stops the rest."""
        return [self.execute(command) for command in commands]

    def __getattr__(self, noun: str) -> ReferenceDesk:
        if noun not in dir(self):
            raise AttributeError(f"no desk {noun}")
        return ReferenceDesk(self, noun)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(command.act.split(".")[0] for command in ACTS)})


class ReferenceCounter(ReferenceDesks):
    """柜台: several acts that stand or fall together, for one staff member."""

    def __init__(self, bank: ReferenceBank, staff: str) -> None:
        self._bank = bank
        self._staff = staff
        #: Whether the block that it belongs to has ended.
        self.is_closed = False

    def execute(self, command: Command) -> Any:
        """Run any command; a refusal changes nothing but what numbers come next."""
        if self.is_closed:
            raise TransactionEnded()
        return self._bank.perform(self._staff, command)


class ReferenceBank(ReferenceDesks):
    """A 公益银行 of dicts and pure rules: what a `Bank` must answer, told in another way.

    >>> reference = ReferenceBank.found(bank="雁江", clock=clock)
    >>> reference.outlets.open(outlets=[NewOutlet(code="B01", name="莲花分行", parent="H")]).codes
    ('B01',)
    """

    def __init__(self, bank: BankFacts, books: Books, *, staff: str | None, clock: Clock) -> None:
        """Use `ReferenceBank.found`."""
        self._facts = bank
        self._staff = staff
        self._clock = clock
        #: All that the bank knows; look at it, and change nothing in it.
        self.books = books

    @classmethod
    def found(
        cls,
        *,
        bank: str = "公益银行",
        head_office: str = "H",
        head_office_name: str | None = None,
        administrator: str = "admin",
        scale: int = 2,
        time_zone: str = "Asia/Shanghai",
        policies: Iterable[Policy] = (),
        clock: Clock = lambda: dt.datetime.now(dt.UTC),
    ) -> Self:
        """A new bank with its head office, opened for its first administrator."""
        if type(scale) is not int or not 0 <= scale <= 4:
            raise InvalidValue.of("scale", scale, "a whole number from 0 to 4")
        founded_at = require_aware(clock(), "clock")
        facts = BankFacts(bank, scale, ZoneInfo(time_zone), founded_at)
        books = founding.found(
            facts,
            code=clean_code(head_office, field="head_office"),
            name=head_office_name or f"{bank}总行",
            administrator=clean_code(administrator, field="administrator"),
            policies=policies,
        )
        return cls(facts, books, staff=administrator, clock=clock)

    def acting_as(self, staff: str) -> Self:
        """The same bank, for another staff member."""
        return type(self)(self._facts, self.books, staff=staff, clock=self._clock)

    def at(self, clock: Clock | dt.datetime) -> Self:
        """The same bank with another clock, or with time standing still at an instant."""
        if callable(clock):
            return type(self)(self._facts, self.books, staff=self._staff, clock=clock)
        instant = require_aware(clock, "clock")
        return self.at(lambda: instant)

    @property
    def name(self) -> str:
        """The bank's name."""
        return self._facts.name

    @property
    def zone(self) -> ZoneInfo:
        """The bank's time zone."""
        return self._facts.zone

    @property
    def scale(self) -> int:
        """Decimal places of a point."""
        return self._facts.scale

    @contextmanager
    def begin(self, *, staff: str | None = None) -> Iterator[ReferenceCounter]:
        """Several acts that stand together, or, after an exception, none of them."""
        before, counter = self.books.copy(), ReferenceCounter(self, self._actor(staff))
        try:
            yield counter
        except BaseException:
            self.books.restore(before)
            raise
        finally:
            counter.is_closed = True

    @contextmanager
    def simulate(self, *, staff: str | None = None) -> Iterator[ReferenceCounter]:
        """Several acts that really run, and are always undone."""
        before = self.books.copy()
        try:
            with self.begin(staff=staff) as counter:
                yield counter
        finally:
            self.books.restore(before)

    def execute(self, command: Command) -> Any:
        """Run any command and return its receipt; a refusal changes nothing."""
        with self.begin() as counter:
            return counter.execute(command)

    def perform(self, staff: str, command: Command) -> Any:
        """Run one act among others that stand with it."""
        serve = ACTS.get(type(command))
        if serve is None:
            raise UnknownAct.of("command", type(command).__name__, "no command of this library")
        return perform(self.books, self._facts, self._clock(), staff, command, serve)

    def _actor(self, staff: str | None) -> str:
        code = staff or self._staff
        if code is None:
            raise InvalidValue.of("staff", None, "say who acts: ReferenceBank.acting_as(…)")
        return clean_code(code, field="staff")

    def __repr__(self) -> str:
        return f"<ReferenceBank {self.name}, staff {self._staff}>"
