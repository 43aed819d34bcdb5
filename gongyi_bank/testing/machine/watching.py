"""Watching what a service does on a bank: every command that it sends, and what it was answered.

A service answers its own callers with a page or a status; what the bank said to it stays inside.
The machine must know it to hold it against the reference.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import EngineError, GongyiBankError
from gongyi_bank.store import tables


@dataclass(slots=True)
class Block:
    """A transaction in which acts are sent, which stand or fall together."""

    #: Whether they stand; None where the caller's own transaction decides it later.
    is_kept: bool | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A command, who sent it, a receipt or a refusal, and in which transaction."""

    staff: str
    command: Command
    said: Any
    block: Block


class _Watched(Bank):
    """A bank that notes what is done on it; not what is only simulated."""

    heard: list[Heard]

    def _like(self, **changes: Any) -> Self:
        made = super()._like(**changes)
        made.heard = self.heard
        return made

    def execute(self, command: Command) -> Any:
        return self._note(super().execute, command, self._actor(None), Block(is_kept=True))

    @contextmanager
    def begin(self, *, staff: str | None = None) -> Iterator[Counter]:
        block = Block(is_kept=False)
        with super().begin(staff=staff) as counter:
            yield self._listening(counter, staff, block)
        block.is_kept = True

    @contextmanager
    def within(
        self, connection_or_session: sa.Connection | Session, *, staff: str | None = None
    ) -> Iterator[Counter]:
        block = Block(is_kept=False)
        with super().within(connection_or_session, staff=staff) as counter:
            yield self._listening(counter, staff, block)
        block.is_kept = None

    def _listening(self, counter: Counter, staff: str | None, block: Block) -> Counter:
        run, code = counter.execute, self._actor(staff)

        def execute(command: Command) -> Any:
            return self._note(run, command, code, block)

        counter.execute = execute  # type: ignore[method-assign]
        return counter

    def _note(
        self, run: Callable[[Command], Any], command: Command, staff: str, block: Block
    ) -> Any:
        try:
            said = run(command)
        except GongyiBankError as refusal:
            self.heard.append(Heard(staff, command, refusal, block))
            raise
        self.heard.append(Heard(staff, command, said, block))
        return said


def watched(bank: Bank, heard: list[Heard]) -> Bank:
    """The same bank, which adds to `heard` what is done on it."""
    made = copy.copy(bank)
    made.__class__ = type("Watched", (_Watched, type(bank)), {})
    assert isinstance(made, _Watched)
    made.heard = heard
    return made


def standing(bank: Bank, heard: Iterable[Heard]) -> list[Heard]:
    """Those that stand: not what was given up with its transaction, and no lost connections."""
    answered = [one for one in heard if not isinstance(one.said, EngineError)]
    wanted = {id_ for one in answered if (id_ := _voucher_of(one.said)) is not None}
    missing = wanted - _kept(bank, wanted)
    for one in answered:
        if one.block.is_kept is None and _voucher_of(one.said) in missing:
            one.block.is_kept = False
    return [one for one in answered if one.block.is_kept is not False]


def _voucher_of(said: Any) -> UUID | None:
    found: UUID | None = getattr(said, "voucher_id", None)
    return found


def _kept(bank: Bank, vouchers: Iterable[UUID]) -> set[UUID]:
    """Those of these vouchers that the bank has."""
    column = tables.voucher.c.voucher_id
    query = sa.select(column).where(column.in_([one.bytes for one in vouchers]))
    rows = bank.read(
        lambda tx: tx.connection.execute(
            query.where(tables.voucher.c.bank_id == tx.bank.bank_id)
        ).all()
    )
    return {UUID(bytes=voucher_id) for (voucher_id,) in rows}
