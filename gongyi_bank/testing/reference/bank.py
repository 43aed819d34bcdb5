"""The reference bank's door: the same desks, commands, receipts and refusals as `Bank`.

It has every act, and every reading (`readings.READINGS`). What else a bank has
(`readings.ABSENT`) needs a database; asking for it is refused, and all that the reference knows is
in `books`, for everybody to look at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, NoReturn, Self
from zoneinfo import ZoneInfo

from gongyi_bank.arguments import require_list
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.closings import CloseBooks
from gongyi_bank.errors import InvalidValue, TransactionEnded, UnknownAct
from gongyi_bank.periods import require_aware, require_clock, require_moment
from gongyi_bank.policies import Policy, require_policies
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
from gongyi_bank.testing.reference.looking import Look
from gongyi_bank.testing.reference.readings import ABSENT, READINGS, absent
from gongyi_bank.values import clean_code, clean_text

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


#: The acts by their names, and how a bank's desk calls one that does more under its own.
_COMMANDS = {command.act: command for command in ACTS} | {"closings.close_at_once": CloseBooks}
_METHODS = sorted({*_COMMANDS, *READINGS})


class ReferenceDesk:
    """A window for one noun: `reference.hours.record(...)` runs the act "hours.record"."""

    def __init__(self, house: ReferenceDesks, noun: str) -> None:
        self._house = house
        self._noun = noun

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        house, name = self._house, f"{self._noun}.{verb}"
        if name == "closings.close":
            return partial(closings.close_through, house)
        if name in READINGS:
            return lambda *args, **fields: READINGS[name](house.look(), *args, **fields)
        if name in _COMMANDS:
            return lambda **fields: house.execute(_COMMANDS[name](**fields))
        if name in ABSENT:
            raise absent(name)
        raise AttributeError(f"no act {name}")

    def __dir__(self) -> list[str]:
        named = (name.split(".") for name in _METHODS)
        return [verb for noun, verb in named if noun == self._noun]


class ReferenceDesks:
    """Everything that can be done, by noun."""

    #: Whether every act stands alone, or all of them together.
    commits_each_act: ClassVar[bool] = False

    def execute(self, command: Command) -> Any:
        """Run any command and return its receipt; a refusal changes nothing."""
        raise NotImplementedError

    def look(self) -> Look:
        """The books as they are now, for whoever reads."""
        raise NotImplementedError

    def execute_many(self, commands: Iterable[Command]) -> list[Any]:
        """Run commands in order and return their receipts; the first refusal stops the rest."""
        listed = require_list(commands, field="commands")
        return [self.execute(command) for command in listed]

    def __getattr__(self, noun: str) -> ReferenceDesk:
        if noun in ABSENT:
            raise absent(noun)
        if noun not in _NAMES:
            raise AttributeError(f"no desk {noun}")
        return ReferenceDesk(self, noun)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_NAMES})


#: The desks that there are.
_NAMES = frozenset(name.split(".")[0] for name in _METHODS)


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

    def look(self) -> Look:
        """The books as they are now, what this block did included."""
        if self.is_closed:
            raise TransactionEnded()
        return self._bank.look()


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object, **_fields: object) -> NoReturn:
        raise absent(name)

    refuse.__doc__ = "What needs a database; raises NotImplementedError."
    return refuse


class ReferenceBank(ReferenceDesks):
    """A 公益银行 of dicts and pure rules: what a `Bank` must answer, told in another way.

    >>> reference = ReferenceBank.found(bank="雁江", clock=clock)
    >>> reference.outlets.open(outlets=[NewOutlet(code="B01", name="莲花分行", parent="H")]).codes
    ('B01',)

    Every act, and whatever can be read but the outbox; a report is told field by field
    (`told.Told`). What a bank has beyond that (`within`, `verify` …) raises NotImplementedError.
    """

    commits_each_act = True
    open = staticmethod(_refusing("open"))
    migrate = staticmethod(_refusing("migrate"))
    grants = staticmethod(_refusing("grants"))

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
        """A new bank with its head office, opened for its first administrator.

        It takes what `Bank.found` takes, without a database and keys. Raises InvalidValue.
        """
        if type(scale) is not int or not 0 <= scale <= 4:
            raise InvalidValue.of("scale", scale, "a whole number from 0 to 4")
        zone = _zone_of(time_zone)
        bank = clean_text(bank, field="bank", length_max=100)
        head_office = clean_code(head_office, field="head_office")
        name = f"{bank}总行" if head_office_name is None else head_office_name
        name = clean_text(name, field="head_office_name", length_max=100)
        administrator = clean_code(administrator, field="administrator")
        chosen = require_policies(policies)
        facts = BankFacts(bank, scale, zone, require_moment(require_clock(clock)(), "clock"))
        books = founding.found(
            facts, code=head_office, name=name, administrator=administrator, policies=chosen
        )
        return cls(facts, books, staff=administrator, clock=clock)

    def acting_as(self, staff: str) -> Self:
        """The same bank, for another staff member. Raises InvalidText for what is no code."""
        code = clean_code(staff, field="staff")
        return type(self)(self._facts, self.books, staff=code, clock=self._clock)

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

    def look(self) -> Look:
        """The books as they are now, for whoever reads."""
        return Look(self.books, self._facts, self._clock)

    def close(self) -> None:
        """Nothing, as a bank in memory has nothing to give back."""

    def execute(self, command: Command) -> Any:
        """Run any command and return its receipt; a refusal changes nothing."""
        with self.begin() as counter:
            return counter.execute(command)

    def perform(self, staff: str, command: Command) -> Any:
        """Run one act among others that stand with it."""
        serve, code = ACTS.get(type(command)), clean_code(staff, field="staff")
        if serve is None:
            raise UnknownAct.of("command", type(command).__name__, "no command of this library")
        return perform(self.books, self._facts, self._clock(), code, command, serve)

    def _actor(self, staff: str | None) -> str:
        code = self._staff if staff is None else staff
        if code is None:
            raise InvalidValue.of("staff", None, "say who acts: ReferenceBank.acting_as(…)")
        return clean_code(code, field="staff")

    def __repr__(self) -> str:
        return f"<ReferenceBank {self.name}, staff {self._staff}>"


def _zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        raise InvalidValue.of("time_zone", name, "no IANA time zone") from None
