"""What the books must hold: the reference bank, told of every COMMIT in the order of the commits.

A SQLite file has one writer at a time, so that each act is judged on exactly what was committed
before it. An act that stands alone is run on the reference at its COMMIT, acts that stand together
on a copy of the reference's books, which takes their place at theirs. Each act is judged by the
moment at which it looked at its client's clock.
"""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any, Self

from gongyi_bank.errors import GongyiBankError
from gongyi_bank.testing.machine.telling import difference
from gongyi_bank.testing.reference import Ids, ReferenceBank, comparable
from gongyi_bank.testing.reference.books import Books
from tests.simulation.requests import Request


class Draft:
    """What a transaction that is not committed has done so far, on books of its own."""

    def __init__(self, mirror: Mirror) -> None:
        self._reference = copy.copy(mirror.reference)
        self._reference.books = mirror.books.copy()
        self._ids = mirror.ids
        #: How many transactions had been committed when it began to write.
        self.made_at = mirror.commits
        #: What it has done, by key.
        self.done: dict[str, Request] = {}

    @property
    def books(self) -> Books:
        """The books as this transaction sees them."""
        return self._reference.books

    def copy(self) -> Self:
        """As it is now, to come back to when a savepoint is undone."""
        picture = copy.copy(self)
        picture._reference = copy.copy(self._reference)
        picture._reference.books = self.books.copy()
        picture.done = dict(self.done)
        return picture

    def answer(self, request: Request, moment: dt.datetime) -> Any:
        """Do a request in this transaction: a receipt, or the refusal."""
        bank = self._reference.at(moment)
        try:
            said = bank.perform(request.staff, self._ids.translate(request.command))
        except GongyiBankError as refusal:
            return refusal
        _note(self.done, request, said)
        return said


class Mirror:
    """The reference bank beside the real one, as far as commits have come."""

    def __init__(self, reference: ReferenceBank) -> None:
        self.reference = reference
        #: Which id of the bank is which of the reference; learned from receipts that stand.
        self.ids = Ids()
        #: Transactions that were committed.
        self.commits = 0
        #: Which request was booked and committed under which key.
        self.done: dict[str, Request] = {}

    @property
    def books(self) -> Books:
        """What is committed."""
        return self.reference.books

    def answer(self, request: Request, moment: dt.datetime) -> Any:
        """Do a request that stands alone and is committed, or refused."""
        bank = self.reference.acting_as(request.staff).at(moment)
        try:
            said = bank.execute(self.ids.translate(request.command))
        except GongyiBankError as refusal:
            return refusal
        self.commits += 1
        _note(self.done, request, said)
        return said

    def commit(self, draft: Draft) -> None:
        """A transaction was committed with all that it did."""
        self.books.restore(draft.books)
        self.commits += 1
        self.done = draft.done | self.done


def _note(done: dict[str, Request], request: Request, said: Any) -> None:
    """Remember what a key stands for, unless nothing was booked and the key is free."""
    if request.key and said.voucher_id is not None:
        done.setdefault(request.key, request)


def unlike(said: Any, answer: Any) -> str | None:
    """In what a receipt, or a refusal with its facts, is not what it must be."""
    return None if comparable(said) == comparable(answer) else difference(said, answer)
