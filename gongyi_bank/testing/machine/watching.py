"""Watching what a service does on a bank: every command that it sends, and what it was answered.

A service answers its own callers with a page or a status; what the bank said to it stays inside.
The machine must know it to hold it against the reference. The bank for asyncio runs the other one
inside, so that it is enough to watch that; nothing of asyncio is loaded here.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import EngineError, OutcomeUnknown, TransactionEnded
from gongyi_bank.store import tables
from gongyi_bank.store.transaction import Clock, Transaction
from gongyi_bank.testing.machine.blocks import Block, Courses

if TYPE_CHECKING:
    from gongyi_bank.aio import AsyncBank

AsyncBankT = TypeVar("AsyncBankT", bound="AsyncBank")


@dataclass(frozen=True, slots=True)
class Heard:
    """A command, who sent it and when, what it was answered or what rose, and in which block."""

    staff: str
    command: Command
    said: Any
    block: Block
    at: dt.datetime

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


class Ear:
    """What was heard on a bank, in the order of the answers, and in which transactions."""

    def __init__(self, bank: Bank) -> None:
        self.heard: list[Heard] = []
        self.courses = Courses(self.moment)
        self._bank = bank
        self._known = {one.voucher_id for one in _vouchers(bank)}

    def moment(self) -> int:
        """How much was heard so far."""
        return len(self.heard)

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
        for one in self.heard:
            if not one.is_unanswered or not one.block.is_there():
                continue
            wanted = one.command.act, one.command.idempotency_key
            mine = next((row for row in left if (row.act, row.idempotency_key) == wanted), None)
            if mine is None:
                one.block.undo(self.moment())
            else:
                left.remove(mine)

    def before(self, number: int) -> list[Heard]:
        """What was done before this one and is undone now as it is, but was there then."""
        last = self.heard[number]
        return [
            one
            for one in self.heard[:number]
            if one.is_answered
            and one.block.transaction is last.block.transaction
            and not one.block.is_there()
            and one.block.is_there(number)
        ]


class _Watched(Bank):
    """A bank that notes what is done on it; not what is only simulated."""

    ear: Ear

    def _like(self, **changes: Any) -> Self:
        made = super()._like(**changes)
        made.ear = self.ear
        return made

    def execute(self, command: Command) -> Any:
        return self._note(super().execute, command, self._actor(None), Block())

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
        try:
            said = run(command)
        except BaseException as error:
            self._hear(staff, command, error, block)
            raise
        self._hear(staff, command, said, block)
        return said

    def _hear(self, staff: str, command: Command, said: Any, block: Block) -> None:
        self.ear.heard.append(Heard(staff, command, said, block, self._clock()))


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
