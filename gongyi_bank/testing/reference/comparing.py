"""Holding two banks' answers against each other: what must be equal, and which id is which.

Ids are random, and a seal's root covers them; everything else must be the same in two banks to
which the same was said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import GongyiBankError

_AN_ID: Final = "<id>"
_A_HASH: Final = "<hash>"
#: The fields that hold a hash.
_HASHES: Final = frozenset({"root"})
CommandT = TypeVar("CommandT", bound=Command)


def comparable(said: Any) -> Any:
    """A receipt or an error without what is random in it: ids and hashes, and nothing else.

    That there is an id, or how many, still counts. Errors are compared by code and facts.

    >>> comparable(PoolClosed(pool="P1"))
    ('pool_closed', {'pool': 'P1'})
    """
    if isinstance(said, UUID):
        return _AN_ID
    if isinstance(said, GongyiBankError):
        return said.code, {name: str(comparable(fact)) for name, fact in said.facts.items()}
    if isinstance(said, (tuple, list)):
        return [comparable(part) for part in said]
    fields = dict(_fields(said))
    if not fields:
        return said
    shown = {name: comparable(value) for name, value in fields.items()}
    hashes = {name: _A_HASH for name in _HASHES & shown.keys() if shown[name] is not None}
    return {"": type(said).__name__} | shown | hashes


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a model or of a dataclass that shows them; of anything else, none."""
    if isinstance(value, BaseModel):
        yield from ((name, getattr(value, name)) for name in type(value).model_fields)
    elif dataclasses.is_dataclass(value):
        shown = (field.name for field in dataclasses.fields(value) if field.init)
        yield from ((name, getattr(value, name)) for name in shown)


class Ids:
    """Which id of one bank is which of another: learned from receipts, used in commands."""

    def __init__(self) -> None:
        self._pairs: dict[UUID, UUID] = {}

    @property
    def pairs(self) -> Mapping[UUID, UUID]:
        """What is known so far."""
        return MappingProxyType(self._pairs)

    def pair(self, one: UUID, other: UUID) -> None:
        """From now on `one` here is `other` there; the first thing said of an id holds."""
        self._pairs.setdefault(one, other)

    def forget_after(self, count: int) -> None:
        """Forget all but the first so many pairs: those of acts that were undone.

        The reference gives the same ids again to what happens instead.
        """
        for one in list(self._pairs)[count:]:
            del self._pairs[one]

    def learn(self, said: Any, other: Any) -> None:
        """Pair the ids of two answers that are equal but for their ids."""
        if isinstance(said, UUID) and isinstance(other, UUID):
            self.pair(said, other)
        elif isinstance(said, (tuple, list)):
            for part, other_part in zip(said, other, strict=True):
                self.learn(part, other_part)
        else:
            for name, value in _fields(said):
                self.learn(value, getattr(other, name))

    def translate(self, command: CommandT) -> CommandT:
        """The same command with the other bank's ids; an id that nobody knows stays as it is."""
        return self._translated(command)  # type: ignore[no-any-return]

    def _translated(self, value: Any) -> Any:
        if isinstance(value, UUID):
            return self._pairs.get(value, value)
        if isinstance(value, tuple):
            return tuple(self._translated(part) for part in value)
        if isinstance(value, BaseModel):
            changes = {
                name: changed
                for name, held in _fields(value)
                if (changed := self._translated(held)) != held
            }
            return value.model_copy(update=changes) if changes else value
        return value
