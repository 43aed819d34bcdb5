"""Commands from JSON: what does not parse is refused, and what parses is served or refused."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import strategies as st

from gongyi_bank.commands.hours import RecordManyHours, ServiceRow
from gongyi_bank.errors import GongyiBankError, InvalidValue
from tests.books import everything
from tests.fuzz.strangers import JSON, TEXTS, fuzzed, fuzzed_long, spoilt
from tests.security.cases import EVERY, scene
from tests.security.test_injection import require_ours
from tests.security.test_mass_assignment import document_of, places

#: What was found, as (act, document): it stays. NUL in a UUID came back in the refusal as it is;
#: a field's name came back whatever it was, and however long.
FOUND = [
    ("holds.capture", '{"hold": "\\u0000"}'),
    ("redemptions.release", '{"redemption": "\\n[ERROR] x", "reason": "x"}'),
    ("accounts.freeze", json.dumps({"account": 1, "reason": "x", "x\n" * 5_000: 1})),
    ("policies.adopt", '{"policy": ' + "[" * 100_000),
    ("policies.adopt", '{"policy": {"kind": "tariff", "rates": ' + "[" * 150 + "]" * 150 + "}}"),
    ("points.grant", '{"points": ' + "9" * 5_000 + "}"),
]

_NOON = dt.datetime(2022, 10, 3, 12, tzinfo=dt.UTC)
SERVICE = ServiceRow(
    account=100300000016, category="sanitation", outlet="B01S01", recorded_by="T1",
    checked_by="K1", started_at=_NOON, ended_at=_NOON + dt.timedelta(hours=1),
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, str]:
    """An act and a text: its command's JSON with a few places changed, or spoilt bytes of it."""
    act = draw(st.sampled_from(sorted(EVERY)))
    document = document_of(scene(act).command)
    for _ in range(draw(st.integers(0, 3))):
        change(draw, document)
    text = json.dumps(document)
    if draw(st.integers(0, 9)) == 0:
        text = draw(spoilt(text.encode())).decode(errors="replace")
    return act, text


def change(draw: st.DrawFn, document: Any) -> None:
    """Put something else in one place, take it away, or move a neighbour's value there."""
    inner = [path for path, _ in places(document) if path]
    if not inner:
        return
    *way, last = draw(st.sampled_from(inner))
    place = document
    for key in way:
        place = place[key]
    match draw(st.sampled_from(["replace", "replace", "remove", "add", "repeat"])):
        case "remove":
            del place[last]
        case "add" if isinstance(place, dict):
            place[draw(st.sampled_from(["idempotency_key", "outlet", "reason", "ref"]) | TEXTS)] = (
                draw(JSON)
            )
        case "repeat" if isinstance(place, list):
            place.append(copy.deepcopy(place[last]))
        case _:
            place[last] = draw(JSON)


def check(act: str, text: str) -> None:
    """No exception but ours; a receipt comes back from its JSON as it was."""
    made = scene(act)
    try:
        command = type(made.command).model_validate_json(text)
    except InvalidValue as error:
        require_ours(error)
        return
    assert type(command).model_validate_json(command.model_dump_json()) == command
    try:
        receipt = made.attempt(command)
    except GongyiBankError as error:
        require_ours(error)
        return
    assert command.receipt.from_json(receipt.to_json()) == receipt


@fuzzed(sent=documents())
def test_whatever_is_sent_as_a_command_is_served_or_refused(sent: tuple[str, str]) -> None:
    check(*sent)


@fuzzed_long(sent=documents())
def test_whatever_is_sent_as_a_command_for_long(sent: tuple[str, str]) -> None:
    check(*sent)


@pytest.mark.parametrize(("act", "text"), FOUND)
def test_what_was_found_once_stays_found(act: str, text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        type(scene(act).command).model_validate_json(text)
    require_ours(caught.value)


def _without_end(item: Any) -> Iterator[Any]:
    while True:
        yield item


@pytest.mark.parametrize(
    "rows", [range(10**9), _without_end(0), _without_end(SERVICE)], ids=["range", "wrong", "right"]
)
def test_a_list_without_end_is_refused_at_its_first_wrong_or_surplus_row(
    rows: Iterable[Any],
) -> None:
    with pytest.raises(InvalidValue, match=r"^\[invalid_value\] rows"):
        RecordManyHours(rows=rows)


@pytest.mark.slow
def test_nothing_of_all_this_was_written() -> None:
    """Comes last in this file: the districts are as they were arranged."""
    for act in EVERY:
        assert everything(scene(act).district.bank) == scene(act).tables
