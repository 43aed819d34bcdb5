"""Telling commands, answers and differences in a line, for whoever reads a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.testing.reference import comparable


def told(value: Any) -> str:
    """A command with what differs from its defaults, a refusal by its code, a receipt by name."""
    if isinstance(value, Command):
        fields = type(value).model_fields
        given = [
            f"{name}={shown!r}"
            for name, shown in value.__repr_args__()
            if name in fields and shown != fields[name].get_default()
        ]
        return f"{value.act}({', '.join(given)})"
    if isinstance(value, GongyiBankError):
        return f"{value.code} {dict(value.facts)}"
    return type(value).__name__


def difference(said: Any, other: Any) -> str:
    """What the bank said and what the reference said, where they differ."""
    ours, theirs = comparable(said), comparable(other)
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        return f"the bank answered {_whole(said)}, the reference {_whole(other)}"
    return "\n".join(["the answers differ:", *_fields(ours, theirs)])


def _fields(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    for name in ours.keys() | theirs.keys():
        if ours.get(name) != theirs.get(name):
            yield f"  {name}: the bank {ours.get(name)}, the reference {theirs.get(name)}"


def _whole(said: Any) -> str:
    return told(said) if isinstance(said, GongyiBankError) else repr(said)
