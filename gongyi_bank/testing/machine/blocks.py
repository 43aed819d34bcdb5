"""What became of transactions and of the savepoints in them: what stands, and what was undone.

A caller's own transaction is followed by SQLAlchemy's events. Whether it was committed tells no
receipt: it ends after the bank's block, and of a block with nothing but refusals no row tells.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

#: Tells the next moment: by these, and no clock, it is told what came before what.
Moment = Callable[[], int]


@dataclass(slots=True, eq=False)
class Block:
    """A transaction, or a part of one, in which acts stand or fall together."""

    #: What it is a part of.
    within: Block | None = None
    #: At which moment it was undone, if it was.
    undone_at: int | None = None
    #: By which moment it was committed for everybody to see; None while nobody knows.
    ended_at: int | None = None
    #: Whether only the books can tell: the answer to COMMIT was lost, or has not come yet.
    is_unsure: bool = False

    def undo(self, moment: int) -> None:
        """From this moment on nothing that was done in it is there; the first time counts."""
        if self.undone_at is None:
            self.undone_at = moment

    def is_there(self, moment: int | None = None) -> bool:
        """Whether what was done in it was there at a moment, or is there in the end."""
        return all(
            one.undone_at is None or (moment is not None and one.undone_at > moment)
            for one in self._chain()
        )

    @property
    def transaction(self) -> Block:
        """The transaction that it is, or is a part of."""
        return list(self._chain())[-1]

    def _chain(self) -> Iterator[Block]:
        one: Block | None = self
        while one is not None:
            yield one
            one = one.within


class Course:
    """One transaction of a caller, followed from the bank's first block in it to its end."""

    def __init__(self, begun: sa.Transaction | None, moment: Moment) -> None:
        self.begun = begun
        self._moment = moment
        self._transaction = Block(is_unsure=True)
        #: The savepoints that are open, the innermost last. The first stands for all that the
        #: caller had set before; the second is the one on which the bank's first block stands.
        self._open = [Block(self._transaction)]
        self.deeper()

    @property
    def innermost(self) -> Block:
        """The savepoint that is open now."""
        return self._open[-1]

    def deeper(self) -> None:
        """A savepoint was set."""
        self._open.append(Block(self._open[-1]))

    def released(self) -> None:
        """The innermost savepoint is none any more; what was done in it is its parent's."""
        if len(self._open) > 1:
            self._open.pop()

    def undone(self) -> None:
        """What was done in the innermost savepoint is undone."""
        gone = self._open.pop()
        gone.undo(self._moment())
        if not self._open:
            self._open = [Block(self._transaction)]

    def rolled_back(self) -> None:
        """All of it is undone."""
        self._transaction.undo(self._moment())
        self._transaction.is_unsure = False

    def committed(self) -> None:
        """All of it is kept, unless the COMMIT that is sent now fails."""
        self._transaction.is_unsure = False

    def is_over(self) -> bool:
        """Whether it has ended; the moment is noted as soon as anybody asks.

        The event is sent before the COMMIT is, but SQLAlchemy's transaction is active until that
        is answered. So whoever begins an act after that finds it over, in whatever thread.
        """
        if self.begun is not None and self.begun.is_active:
            return False
        self._transaction.ended_at = self._moment()
        return True

    def failed(self) -> None:
        """The COMMIT failed: only the books can tell."""
        self._transaction.is_unsure = self._transaction.undone_at is None


#: Which event of a connection tells what.
_TOLD_BY = {
    "savepoint": Course.deeper,
    "release_savepoint": Course.released,
    "rollback_savepoint": Course.undone,
    "rollback": Course.rolled_back,
    "rollback_twophase": Course.rolled_back,
    "commit": Course.committed,
    "commit_twophase": Course.committed,
}


class Courses:
    """The transactions of callers, each by its connection."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._by_connection: dict[sa.Connection, Course] = {}
        #: Those of which nobody has seen the end yet, and whoever looks does so alone.
        self._under_way: list[Course] = []
        self._looking = threading.Lock()
        self._listening: list[tuple[Any, str, Callable[..., None]]] = []

    def of(self, connection: sa.Connection) -> Course:
        """The course of the transaction in which the bank has just begun a block."""
        found, begun = self._by_connection.get(connection), connection.get_transaction()
        if found is None:
            self._follow(connection)
        if found is None or found.begun is not begun:
            found = self._by_connection[connection] = Course(begun, self._moment)
            with self._looking:
                self._under_way.append(found)
        return found

    def note_ended(self) -> None:
        """Somebody begins an act: whatever is over now, all others go by it."""
        with self._looking:
            self._under_way = [one for one in self._under_way if not one.is_over()]

    def close(self) -> None:
        """Listen no longer."""
        while self._listening:
            sa.event.remove(*self._listening.pop())

    def _follow(self, connection: sa.Connection) -> None:
        for name, told in _TOLD_BY.items():

            def tell(*event: Any, told: Callable[..., None] = told) -> None:
                course = self._now_on(event[0])
                if course is not None:
                    told(course)

            self._listen(connection, name, tell)
        if connection.engine not in [target for target, *_ in self._listening]:
            self._listen(connection.engine, "handle_error", self._hear_of_error)

    def _listen(self, target: Any, name: str, tell: Callable[..., None]) -> None:
        sa.event.listen(target, name, tell)
        self._listening.append((target, name, tell))

    def _hear_of_error(self, context: sa.ExceptionContext) -> None:
        course = self._now_on(context.connection) if context.connection else None
        if course is not None and context.statement is None:
            course.failed()

    def _now_on(self, connection: sa.Connection) -> Course | None:
        """The course of its transaction, unless that is a later one in which no bank was asked."""
        course = self._by_connection.get(connection)
        is_that = course is not None and course.begun is connection.get_transaction()
        return course if is_that else None
