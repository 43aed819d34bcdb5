"""The driver's cursor under SQLAlchemy's pool: what the hot path runs its statements on.

SQLAlchemy prepares and closes a result object for every statement, which costs more than a
statement of a single act itself. Listeners for `before_cursor_execute` and
`after_cursor_execute` are still told, so that tracing sees every statement.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from gongyi_bank.errors import EngineError

if TYPE_CHECKING:
    from gongyi_bank.store.engines.base import StoreEngine

#: Every statement at DEBUG, never its parameters.
_log = logging.getLogger("gongyi_bank.sql")


class Wire:
    """One cursor for all statements of a transaction; driver errors leave it as ours."""

    def __init__(self, connection: sa.Connection, engine: StoreEngine) -> None:
        self.connection = connection
        self._engine = engine
        self._cursor: Any = None
        self._driver_error: type[Exception] = connection.dialect.loaded_dbapi.Error

    def fetch(self, sql: str, params: Any) -> list[tuple[Any, ...]]:
        """The rows of a select, as plain tuples."""
        cursor = self._run(sql, params, many=False)
        try:
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        except self._driver_error as error:  # SQLite reads on while rows are fetched
            raise self._engine.classify(error, lost=self._is_lost(error)) from None
        return rows

    def execute(self, sql: str, params: Any) -> int:
        """Run a statement; how many rows it changed."""
        count: int = self._run(sql, params, many=False).rowcount
        return count

    def execute_many(self, sql: str, rows: list[Any]) -> int:
        """Run a statement for every row; how many rows were changed in all."""
        count: int = self._run(sql, rows, many=True).rowcount
        return count

    def _run(self, sql: str, params: Any, *, many: bool) -> Any:
        cursor = self._cursor
        if cursor is None:
            cursor = self._cursor = self._fresh_cursor()
        _log.debug("%s", sql)
        before = self.connection.dispatch.before_cursor_execute
        after = self.connection.dispatch.after_cursor_execute
        for tell in before:
            tell(self.connection, cursor, sql, params, None, many)
        try:
            if many:
                cursor.executemany(sql, params)
            else:
                cursor.execute(sql, params)
        except self._driver_error as error:
            raise self._engine.classify(error, lost=self._is_lost(error)) from None
        except OverflowError:  # from SQLite's driver, which asks nobody
            raise EngineError(reason="a number that 64 bits cannot hold") from None
        except BaseException:
            # A cancelled task: rows that nobody fetched would hold their snapshot for ever.
            self._cursor = None
            cursor.close()
            raise
        for tell in after:
            tell(self.connection, cursor, sql, params, None, many)
        return cursor

    def _fresh_cursor(self) -> Any:
        try:
            return self._engine.fresh_cursor(self.connection)
        except self._driver_error as error:  # lost since it last answered
            raise self._engine.classify(error, lost=self._is_lost(error)) from None

    def _is_lost(self, error: Exception) -> bool:
        """Whether the connection is gone; then the pool must not give it out again."""
        dialect = self.connection.dialect
        driver_connection = self.connection.connection.dbapi_connection
        lost = dialect.is_disconnect(error, driver_connection, self._cursor)  # type: ignore[arg-type]
        if lost:
            self.connection.invalidate(error)
        return lost
