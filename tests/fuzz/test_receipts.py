"""Receipts from JSON: what `to_json` did not write is refused, and what it holds is not shown."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import InvalidValue
from tests.fuzz.strangers import JSON, TEXTS, fuzzed
from tests.security.cases import EVERY
from tests.security.test_injection import require_ours


def commands(kind: type[Command]) -> Iterator[type[Command]]:
    """All kinds of this kind."""
    for one in kind.__subclasses__():
        yield one
        yield from commands(one)


#: The command of each act.
COMMANDS = {vars(one).get("act"): one for one in commands(Command)}
PERSONAL = "梅兰芳 13987654321 990000190001010018"
BAD = [
    "", "[", "{}", "null", "[]", '"x"', "[1, 2, 3, 4]", "[" * 100_000, json.dumps(PERSONAL),
    json.dumps({"account": PERSONAL}), json.dumps({"business_day": PERSONAL}),
    json.dumps({PERSONAL: 1}), json.dumps([PERSONAL, PERSONAL, PERSONAL, [PERSONAL]]),
]  # fmt: skip


def check(act: str, text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        COMMANDS[act].receipt.from_json(text)
    require_ours(caught.value)
    told = f"{caught.value!r} {caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert not [part for part in PERSONAL.split() if part in told]


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_no_receipt_is_refused_unseen(text: str) -> None:
    for act in EVERY:
        check(act, text)


@fuzzed(act=st.sampled_from(sorted(EVERY)), text=st.one_of(TEXTS, JSON.map(json.dumps)))
def test_whatever_is_read_as_a_receipt_is_refused(act: str, text: str) -> None:
    check(act, text)
