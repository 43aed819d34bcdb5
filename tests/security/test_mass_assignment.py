"""Commands from JSON take what they know, in the type that they know, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import InvalidValue
from tests.security.cases import EVERY, SIXTH, scene

Path = tuple[str | int, ...]
#: What a sender would like to set: the act, the actor, what the bank itself writes.
SURPLUS = ("act", "staff", "bank_id", "voucher_id", "booked_at", "receipt", "__class__", "balance")
#: Other types than the one that stands in the JSON; none of them is read as if it were right.
WRONG: dict[type, list[Any]] = {
    int: [True, False, 1.0, 1.5, 1e300, 10**30, -(10**30), 2**63, "", "x", [], [1], {}],
    str: [True, 1.5, float("nan"), 10**30, "", "\x00", [], ["x"], {}, {"x": "y"}],
    bool: [0, 1, 1.0, "true", "", None, [], {}],
    list: [1, "x", True, 1.5, {}, {"0": 1}, [None], [[]], []],
    dict: [1, "x", True, 1.5, None, [], [1]],
}


def places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place in a JSON document, with what stands there."""
    yield path, value
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


def changed(document: Any, path: Path, value: Any) -> str:
    """The document as JSON, with another value at one place."""
    if not path:
        return json.dumps(value)
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(document)


def document_of(command: Command) -> Any:
    return json.loads(command.model_dump_json(exclude_none=True))


def refusal(make: type[Command], text: str) -> InvalidValue:
    """What is said to this JSON: ours, short and printable."""
    with pytest.raises(InvalidValue) as caught:
        make.model_validate_json(text)
    assert len(str(caught.value)) < 1_000
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("act", EVERY)
def test_no_field_is_taken_that_the_command_does_not_have(act: str) -> None:
    command = scene(act).command
    document = document_of(command)
    assert type(command).model_validate_json(json.dumps(document)) == command
    objects = [path for path, value in places(document) if isinstance(value, dict)]
    for path in objects:
        for name in SURPLUS:
            error = refusal(type(command), changed(document, (*path, name), 1))
            assert str(error.facts["field"]).rpartition(".")[2] in (name, "…")


@pytest.mark.parametrize("act", SIXTH)
def test_no_value_is_taken_for_one_of_another_type(act: str) -> None:
    command = scene(act).command
    document = document_of(command)
    for path, value in places(document):
        for wrong in WRONG[type(value)]:
            refusal(type(command), changed(document, path, wrong))


@pytest.mark.parametrize(
    "text", ["", "null", "1", "[]", '"x"', "{", '{"account": 1', "{}{}", "\x00"]
)
def test_what_is_no_document_is_refused_and_not_shown(text: str) -> None:
    for act in EVERY:
        error = refusal(type(scene(act).command), text)
        assert "account" not in str(error.facts["value"])


def test_the_name_of_a_surplus_field_is_shown_only_where_it_is_a_name() -> None:
    """A person's name, or a line of a log, could stand there."""
    command = scene("accounts.freeze").command
    document = document_of(command)
    for name in ("金丝雀鸣", "13987654321", "x\n[ERROR] all is lost", "\u202ex", "x" * 10_000, ""):
        error = refusal(type(command), changed(document, (name,), 1))
        assert error.facts["field"] == "…"
