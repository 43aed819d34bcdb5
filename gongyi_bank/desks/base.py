"""How an act becomes a typed method: one declaration, from the command's own fields.

`record = act(RecordHours, hours.record)` on a desk gives `desk.record(account=…, …)` with
exactly the keyword arguments of `RecordHours`, for readers, editors and type checkers alike.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar, overload

from gongyi_bank.commands.base import Command
from gongyi_bank.service.gate import Visit
from gongyi_bank.store.transaction import Transaction

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C", bound=Command)

#: Which service serves which command; filled by the desks' declarations.
SERVICES: dict[type[Command], Callable[[Any, Any], Any]] = {}


class House:
    """Whatever desks stand in: a bank (one transaction a call) or a counter (one for all)."""

    #: Whether every act is a transaction of its own, or all of them stand in one.
    commits_each_act: ClassVar[bool] = False

    def execute(self, command: Command) -> Any:
        """Run any command and return its receipt."""
        raise NotImplementedError

    def read(self, look: Callable[[Transaction], T]) -> T:
        """Run a reading function in a transaction."""
        raise NotImplementedError

    def glance(self, look: Callable[[Transaction], T]) -> T:
        """Run a reading function of one statement, which needs no transaction of its own."""
        raise NotImplementedError

    def keep(self, work: Callable[[Transaction], T]) -> T:
        """Run a function that writes what is no act (see `service.outbox`), and keep it."""
        raise NotImplementedError


class Desk:
    """A window of the bank for one noun."""

    def __init__(self, house: House) -> None:
        self._house = house


class Act(Generic[P, R]):
    """A desk's method that runs one command."""

    def __init__(self, command: Callable[P, Command], serve: Callable[[Visit, Any], R]) -> None:
        assert isinstance(command, type)
        self._command: type[Command] = command
        self.__doc__ = command.__doc__
        SERVICES[self._command] = serve

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, desk: None, owner: type) -> Act[P, R]: ...
    @overload
    def __get__(self, desk: Desk, owner: type) -> Callable[P, R]: ...
    def __get__(self, desk: Desk | None, owner: type) -> Act[P, R] | Callable[P, R]:
        if desk is None:
            return self
        command, house = self._command, desk._house

        def run(*args: P.args, **fields: P.kwargs) -> R:
            receipt: R = house.execute(command(*args, **fields))
            return receipt

        run.__name__ = self.__name__
        run.__doc__, run.__signature__ = _described(command)  # type: ignore[attr-defined]
        return run


def act(command: Callable[P, Command], serve: Callable[[Visit, Any], R]) -> Act[P, R]:
    """Declare a desk's act: the command that it takes and the service that serves it."""
    return Act(command, serve)


@functools.cache
def _described(command: type[Command]) -> tuple[str, inspect.Signature]:
    """What help() shows: the command's docstring with its fields, and how it is called."""
    fields = [
        f"    {name}: {field.description or ''}" for name, field in command.model_fields.items()
    ]
    answer = getattr(command, "receipt", None)
    signature = inspect.signature(command).replace(return_annotation=answer)
    return "\n".join([command.__doc__ or "", "", "Fields:", *fields]), signature
