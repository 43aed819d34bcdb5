"""Watching what a service does on a bank: every command that it sends, and what it was answered.

A service answers its own callers with a page or a status; what the bank said to it stays inside.
The machine must know it to hold it against the reference. The bank for asyncio runs the other one
inside, so that it is enough to watch that; nothing of asyncio is loaded here.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import EngineError, OutcomeUnknown, TransactionEnded
from gongyi_bank.group_commit import Answers
from gongyi_bank.store import tables
from gongyi_bank.store.transaction import Clock, Transaction
from gongyi_bank.testing.machine.blocks import Block, Courses

if TYPE_CHECKING:
    from gongyi_bank.aio import AsyncBank

AsyncBankT = TypeVar("AsyncBankT", bound="AsyncBank")


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A command, who sent it and when, what it was answered or what rose, and in which block."""

    staff: str
    command: Command
    said: Any
    block: Block
    at: dt.datetime
    #: The moments at which it was asked for, and at which its answer was there.
    began: int
    ended: int
    #: Its voucher, where the books alone could tell.
    found: bytes | None = None

    @property
    def is_unanswered(self) -> bool:
        """Whether nobody was told what became of it: the answer was lost, or a task stopped."""
        if isinstance(self.said, BaseException):
            return isinstance(self.said, OutcomeUnknown) or not isinstance(self.said, Exception)
        return False

    @property
    def is_answered(self) -> bool:
        """Whether it says something about the act, and not about the connection or the block."""
        return not (self.is_unanswered or isinstance(self.said, (EngineError, TransactionEnded)))

    @property
    def place(self) -> bytes:
        """Its place in the order of the books, as its voucher's id tells it; empty without one."""
        said = getattr(self.said, "voucher_id", None)
        return said.bytes if said is not None else self.found or b""

    @property
    def is_change(self) -> bool:
        """Whether the books are others since: not by a refusal, nor by what is undone."""
        return self.block.is_there() and bool(self.place or self.is_unanswered)

    @property
    def is_seen_at(self) -> float:
        """By which moment all others go by it."""
        if not self.is_change:
            return self.ended
        ended_at = self.block.transaction.ended_at
        return math.inf if ended_at is None else ended_at


class Ear:
    """What was heard on a bank, as the answers came, and in which transactions."""

    def __init__(self, bank: Bank) -> None:
        self.heard: list[Heard] = []
        self._moments = itertools.count(1)
        self.courses = Courses(self.moment)
        self._bank = bank
        self._known = {one.voucher_id for one in _vouchers(bank)}

    def moment(self) -> int:
        """A moment, later than all before."""
        return next(self._moments)

    def begin(self) -> int:
        """The moment at which whoever calls begins an act."""
        self.courses.note_ended()
        return self.moment()

    def settle(self) -> None:
        """Nothing more will be heard: let the books tell what nobody knows yet."""
        self.courses.close()
        if not any(one.is_unanswered or one.block.transaction.is_unsure for one in self.heard):
            return
        there = _vouchers(self._bank)
        ids = {one.voucher_id for one in there}
        for transaction in {one.block.transaction for one in self.heard}:
            if transaction.is_unsure and not self._told_in(transaction) <= ids:
                transaction.undo(self.moment())
        self._find_unanswered([one for one in there if one.voucher_id not in self._known])

    def _told_in(self, transaction: Block | None = None) -> set[bytes]:
        """The vouchers of what stands, as receipts told them: in one transaction, or in all."""
        return {
            voucher_id.bytes
            for one in self.heard
            if one.block.is_there() and transaction in (None, one.block.transaction)
            if (voucher_id := getattr(one.said, "voucher_id", None)) is not None
        }

    def _find_unanswered(self, new: list[sa.Row[Any]]) -> None:
        """Acts whose answer was lost are in the books, or were undone."""
        told = self._told_in()
        left = [one for one in new if one.voucher_id not in told]
        for number, one in enumerate(self.heard):
            if not one.is_unanswered or not one.block.is_there():
                continue
            wanted = one.command.act, one.command.idempotency_key
            mine = next((row for row in left if (row.act, row.idempotency_key) == wanted), None)
            if mine is None:
                one.block.undo(self.moment())
            else:
                left.remove(mine)
                self.heard[number] = dataclasses.replace(one, found=mine.voucher_id)

    def before(self, last: Heard) -> list[Heard]:
        """What was done before this one and is undone now as it is, but was there then."""
        return [
            one
            for one in self.heard
            if one.is_answered
            and one.ended < last.ended
            and one.block.transaction is last.block.transaction
            and not one.block.is_there()
            and one.block.is_there(last.ended)
        ]


class _Watched(Bank):
    """A bank that notes what is done on it; not what is only simulated."""

    ear: Ear

    def _like(self, **changes: Any) -> Self:
        made = super()._like(**changes)
        made.ear = self.ear
        return made

    def execute(self, command: Command) -> Any:
        block = Block()
        try:
            return self._note(super().execute, command, self._actor(None), block)
        finally:
            block.ended_at = self.ear.moment()

    def hear_group(self) -> Callable[[Answers], None]:
        """Acts of several threads in one transaction, in the order in which they are judged."""
        began, at = self.ear.begin(), self._clock()

        def tell(answers: Answers) -> None:
            block = Block()
            for wish, said in answers:
                moment = self.ear.moment()
                one = Heard(wish.staff, wish.command, said, block, at, began, moment)
                self.ear.heard.append(one)
            block.ended_at = self.ear.moment()

        return tell

    @contextmanager
    def begin(self, *, staff: str | None = None) -> Iterator[Counter]:
        block = Block()
        try:
            with super().begin(staff=staff) as counter:
                yield self._listening(counter, staff, lambda: block)
        except BaseException as error:
            if isinstance(error, OutcomeUnknown) or not isinstance(error, Exception):
                block.is_unsure = True
            else:
                block.undo(self.ear.moment())
            raise
        finally:
            block.ended_at = self.ear.moment()

    @contextmanager
    def within(
        self, connection_or_session: sa.Connection | Session, *, staff: str | None = None
    ) -> Iterator[Counter]:
        with super().within(connection_or_session, staff=staff) as counter:
            course = self.ear.courses.of(counter.read(lambda tx: tx.connection))
            block = course.innermost
            yield self._listening(counter, staff, lambda: course.innermost)
        # Whatever the bank did with its savepoint, it has said that all of it stands.
        block.undone_at = None

    def _listening(
        self, counter: Counter, staff: str | None, block: Callable[[], Block]
    ) -> Counter:
        run, code = counter.execute, self._actor(staff)

        def execute(command: Command) -> Any:
            return self._note(run, command, code, block())

        counter.execute = execute  # type: ignore[method-assign]
        return counter

    def _note(
        self, run: Callable[[Command], Any], command: Command, staff: str, block: Block
    ) -> Any:
        began = self.ear.begin()

        def hear(said: Any) -> None:
            ended = self.ear.moment()
            one = Heard(staff, command, said, block, self._clock(), began, ended)
            self.ear.heard.append(one)

        try:
            said = run(command)
        except BaseException as error:
            hear(error)
            raise
        hear(said)
        return said


def watched(bank: Bank, ear: Ear) -> Bank:
    """The same bank, of which `ear` hears what is done on it."""
    made = copy.copy(bank)
    made.__class__ = type("Watched", (_Watched, type(bank)), {})
    assert isinstance(made, _Watched)
    made.ear = ear
    return made


def watched_async(bank: AsyncBankT, ear: Ear, clock: Clock) -> AsyncBankT:
    """The same bank for asyncio with this clock, of which `ear` hears what is done on it."""
    made = copy.copy(bank)
    made._bank = watched(bank._bank.at(clock), ear)
    return made


def _vouchers(bank: Bank) -> list[sa.Row[Any]]:
    """What the bank's books say was done, in order."""
    table = tables.voucher
    query = sa.select(table.c.voucher_id, table.c.act, table.c.idempotency_key)

    def look(tx: Transaction) -> list[sa.Row[Any]]:
        mine = query.where(table.c.bank_id == tx.bank.bank_id).order_by(table.c.voucher_id)
        return list(tx.connection.execute(mine))

    return bank.read(look)
