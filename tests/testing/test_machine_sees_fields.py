"""Of every reading everything is compared: whatever part of an answer is wrong is found."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from gongyi_bank.display import Table
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import PolicyBook
from gongyi_bank.reports.statements import StatementLine
from gongyi_bank.testing import BankMachine
from gongyi_bank.testing.machine import MAKERS, Wish
from gongyi_bank.testing.machine.asking import QUESTIONS

_WRONG = "wrong"
#: Fewer parts of answers would mean that there was little to compare.
TRIED_MIN = 300
#: What a view of a line has and does not say: whose it is, its tariff, where it was read.
_UNSAID = {"account_no", "policy_id", "may_have_date"}
#: Headings and words for people, which the reference has not.
_WORDS = {"columns", "title", "title_en", "notes", "notes_en"}


def spoilt(said: Any) -> Iterator[tuple[str, Any]]:
    """An answer with one part of it wrong, with each part in turn; of lists the first row's."""
    if isinstance(said, PolicyBook):
        yield "entries", PolicyBook(tuple(said.history("tariff")), 1)
    elif isinstance(said, StatementLine):
        for name, line in spoilt_fields(said._line):
            yield name, StatementLine(line, said._bank)
    elif dataclasses.is_dataclass(said) and not isinstance(said, type):
        names = {one.name for one in dataclasses.fields(said)}
        for name in sorted(names - _WORDS if isinstance(said, Table) else names):
            for where, value in spoilt(getattr(said, name)):
                made = copy.copy(said)
                object.__setattr__(made, name, value)
                yield f"{name}.{where}", made
    elif isinstance(said, tuple) and said:
        yield "last", said[:-1]
        for where, value in spoilt(said[0]):
            yield f"0.{where}", (value, *said[1:])
    elif isinstance(said, dict) and said:
        yield "first", said | {next(iter(said)): _WRONG}
    elif not isinstance(said, (tuple, dict)):
        yield "", _WRONG


def spoilt_fields(line: Any) -> Iterator[tuple[str, Any]]:
    """A line as it is stored with another value in one column, in each that is shown."""
    for name, value in line._asdict().items():
        if name in _UNSAID or value is None:
            continue
        if isinstance(value, int):
            yield name, line._replace(**{name: value + 1})
        elif isinstance(value, str):
            yield name, line._replace(**{name: value + "x"})
        elif isinstance(value, bytes):
            yield name, line._replace(**{name: bytes(len(value))})
        else:
            yield name, line._replace(**{name: value.replace(year=value.year - 1)})


def best_wish(machine: BankMachine, reading: str) -> tuple[Wish, Any]:
    """The wish to which the bank has most to say."""
    found: list[tuple[int, int, Wish, Any]] = []
    noun, _, verb = reading.partition(".")
    for number in range(24):
        wish = Wish(who=number % 12, what=number % 10, how=number % 7, back=number // 12)
        fields = QUESTIONS[reading](machine._choice(wish))
        try:
            said = getattr(getattr(machine.bank, noun), verb)(**fields)
        except GongyiBankError:
            continue
        found.append((sum(1 for _ in spoilt(said)), -number, wish, said))
    *_, wish, said = max(found)
    return wish, said


def live(machine: BankMachine) -> None:
    """Something of everything, with a day that is sealed, and a service that waits."""
    for act in MAKERS:
        machine.act(act, Wish(back=1))
    machine.act("passbooks.update", Wish())
    for act in ("closings.close", "hours.record", "redemptions.reserve", "holds.place"):
        machine.act(act, Wish())
    machine.time_passes(moment="a week")
    for who in range(6):
        machine.act("hours.record", Wish(who=who, how=4))


def test_whatever_is_wrong_in_an_answer_is_found(
    machine: BankMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(machine)
    unseen, tried = [], 0
    for reading in QUESTIONS:
        noun, _, verb = reading.partition(".")
        wish, said = best_wish(machine, reading)
        machine.shows_alike(reading, wish)
        ways = list(spoilt(said))
        assert ways, reading
        for where, answer in ways:
            tried += 1
            with monkeypatch.context() as patched:
                desk = type(getattr(machine.bank, noun))
                patched.setattr(desk, verb, lambda *_, answer=answer, **__: answer)
                try:
                    machine.shows_alike(reading, wish)
                except AssertionError:
                    continue
            unseen.append(f"{reading} {where}")
    assert unseen == []
    assert tried > TRIED_MIN
