"""Losing the connection on purpose: before a statement, after it, at COMMIT, or its answer.

What is lost is lost for real: the driver's connection is closed, so any database will do that does
not live in a connection itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.testing.arguments import require_whole, require_word

#: More statements than an act has, so that some losses come too late.
_STATEMENTS_MAX = 12
#: What is logged of a cursor or a connection that is closed a second time.
_CLOSED_BEFORE = (
    "Error closing cursor", "Exception closing connection", "Exception terminating connection",
)  # fmt: skip


Moment = Literal["before", "after", "commit", "answer"]


@dataclass(frozen=True, slots=True)
class Loss:
    """The connection is lost `before` or `after` the n-th statement (from 0), before the
    `commit`, or when it was done and only the `answer` was not there yet. Raises InvalidValue."""

    moment: Moment
    statement: int = 0

    def __post_init__(self) -> None:
        require_word("moment", self.moment, get_args(Moment))
        require_whole("statement", self.statement, 0, 10_000)


def losses() -> SearchStrategy[Loss]:
    """Losses; they shrink to the lost answer of a COMMIT."""
    ends = st.sampled_from((Loss("answer"), Loss("commit")))
    at = st.integers(0, _STATEMENTS_MAX)
    return st.one_of(ends, st.builds(Loss, st.sampled_from(("before", "after")), at))


@contextmanager
def losing(engine: sa.Engine, loss: Loss, record: list[Loss] | None = None) -> Iterator[list[Loss]]:
    """Lose a connection of this engine once, within the block; yields what was lost so far.

    What was lost is added to `record` at the end, too, whatever rises from the block.
    """
    seen: list[int] = []
    lost: list[Loss] = []

    def at_statement(connection: sa.Connection, *_: Any) -> None:
        seen.append(1)
        if len(seen) == loss.statement + 1:
            _lose(connection, loss, lost)

    def at_commit(connection: sa.Connection) -> None:
        _lose(connection, loss, lost)

    name, listen = {
        "before": ("before_cursor_execute", at_statement),
        "after": ("after_cursor_execute", at_statement),
    }.get(loss.moment, ("commit", at_commit))
    sa.event.listen(engine, name, listen)
    try:
        with _unheard(engine, lost):
            yield lost
    finally:
        sa.event.remove(engine, name, listen)
        if record is not None:
            record += lost


@contextmanager
def _unheard(engine: sa.Engine, lost: list[Loss]) -> Iterator[None]:
    """What is closed already cannot be closed again: SQLAlchemy logs it as an error."""
    pool = type(engine.pool)

    def is_heard(record: logging.LogRecord) -> bool:
        return not (lost and record.getMessage().startswith(_CLOSED_BEFORE))

    logger = logging.getLogger(f"{pool.__module__}.{pool.__name__}")
    logger.addFilter(is_heard)
    try:
        yield
    finally:
        logger.removeFilter(is_heard)


def _lose(connection: sa.Connection, loss: Loss, lost: list[Loss]) -> None:
    """Close the driver's connection; what it had not committed is undone by the server."""
    if lost:
        return
    lost.append(loss)
    driver: Any = connection.connection.dbapi_connection
    if loss.moment == "answer":
        driver.commit()
    else:
        driver.rollback()  # closed in the middle, SQLite might keep its lock until it is collected
    driver.close()
