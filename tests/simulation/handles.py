"""What a client works through: its handle of the bank, and a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.base import Command
from gongyi_bank.store.engines import connect
from tests.simulation.requests import Request
from tests.simulation.wire import WiredConnection, wired

if TYPE_CHECKING:
    from tests.simulation.clients import Client


class OwnTransactionFailed(Exception):
    """BEGIN or COMMIT of the caller's own failed, and nobody knows; the same keys will tell."""


class ClientsBank(Bank):
    """A handle whose acts, also those that a desk does by itself, are seen by its client."""

    client: Client

    def _like(self, **changes: Any) -> ClientsBank:
        made = super()._like(**changes)
        made.client = self.client
        return made

    def execute(self, command: Command) -> Any:
        """Run a command in a transaction of its own."""
        return self.client.alone(Request(self._staff or "", command), super().execute)


def opened(url: str, client: Client) -> ClientsBank:
    """The bank, with an engine and connections of this client's own."""
    engine = connect(url)
    wired(engine, client)
    bank = ClientsBank.open(engine, staff="admin", clock=client.clock, unsafe_settings="allow")
    bank.client = client
    return bank


def foreign_engine(url: str, client: Client) -> sa.Engine:
    """An engine as a service makes it: BEGIN without IMMEDIATE, only the settings right."""
    engine = sa.create_engine(url)
    wired(engine, client)

    def set_up(connection: WiredConnection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("foreign_keys=ON", "recursive_triggers=ON", "busy_timeout=0"):
            connection.execute("PRAGMA " + pragma)

    sa.event.listen(engine, "connect", set_up)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with engine.connect():
        return engine


@contextmanager
def own_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """The caller's own: errors of its own statements are its own, all others the library's."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(engine.connect())
            transaction = connection.begin()
        except sa.exc.DBAPIError:
            raise OwnTransactionFailed from None
        try:
            yield connection
        except BaseException:
            with suppress(sa.exc.DBAPIError):
                transaction.rollback()
            raise
        try:
            transaction.commit()
        except (sa.exc.DBAPIError, sa.exc.PendingRollbackError):
            raise OwnTransactionFailed from None
