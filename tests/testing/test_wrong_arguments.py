"""Every public callable of the kit, with wrong arguments: each is refused at the call, by its name.

The table says of every argument what it is; what is wrong for it follows. A name that is public and
not in the table is a failure, and so is an argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis.stateful import RULE_MARKER

import gongyi_bank.testing
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.holds import CaptureHold, CaptureHolds, HoldCapture
from gongyi_bank.commands.outlets import NewOutlet
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.errors import EngineUnsupported, GongyiBankError, InvalidValue
from gongyi_bank.errors.words import said
from gongyi_bank.testing import machine, play, small_reference
from gongyi_bank.testing import strategies as gb
from gongyi_bank.testing.machine import Loss
from gongyi_bank.testing.reference.bank import ACTS
from gongyi_bank.testing.reference.readings import READINGS
from tests.testing.argument_table import PARTS, Call, Scene, table


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.machine.teardown()


#: Public, and without an argument of its own.
WITHOUT = {
    "BankMachine.books", "BankMachine.close", "BankMachine.teardown", "FrozenClock.now",
    "BankMachine.heads_and_stock_agree", "Outcome.code", "Outcome.is_moot", "ReferenceBank.close",
    "ReferenceBank.look", "ReferenceBank.name", "ReferenceBank.scale", "ReferenceBank.zone",
    "SMALL_CAST", "Story.bank", "Story.cast", "Story.clock", "Story.last", "Story.now", "losses",
    "story_folder", "strategies", "strategies.HISTORY_ACTS", "strategies.SERVICE_COLUMNS",
    "strategies.SERVICE_FAULTS", "strategies.bad_amounts", "strategies.phone_numbers",
    "strategies.wrong_identity_numbers", "wishes", "MAKERS",
}  # fmt: skip
#: Not to be called: what people override, what a class method makes, and what is refused whole.
NOT_CALLED = {
    "BankMachine.found": "overridden, and called by the machine",
    "BankMachine.observe": "overridden, and called by the machine",
    "EngineConformance": "its fixtures are overridden, its tests called by pytest",
    "ReferenceBank": "made by ReferenceBank.found",
    "ReferenceBank.grants": "refused whatever it is told: there is no database",
    "ReferenceBank.migrate": "refused whatever it is told: there is no database",
    "ReferenceBank.open": "refused whatever it is told: there is no database",
}


def public() -> set[str]:
    """Every public name of the kit and of its parts, with the methods of its classes."""
    found = {*gongyi_bank.testing.__all__, *machine.__all__}
    found |= {f"strategies.{name}" for name in gb.__all__}
    for name in gongyi_bank.testing.__all__:
        item = getattr(gongyi_bank.testing, name)
        if inspect.isclass(item) and name != "EngineConformance":
            found |= {f"{name}.{method}" for method in _methods(item)}
    return found


def _methods(item: type) -> Iterator[str]:
    """Its own public methods and properties, without the rules that Hypothesis calls."""
    for ancestor in item.__mro__:
        if ancestor.__module__.startswith("gongyi_bank"):
            for name, value in vars(ancestor).items():
                is_method = isinstance(value, (property, staticmethod, classmethod))
                is_method |= inspect.isfunction(value)
                if is_method and not name.startswith("_") and not hasattr(value, RULE_MARKER):
                    yield name


def unknown(names: set[str], calls: Mapping[str, Call]) -> list[str]:
    """The names that no table knows."""
    return sorted(names - calls.keys() - WITHOUT - NOT_CALLED.keys())


def unlooked_at(calls: Mapping[str, Call]) -> list[str]:
    """The arguments of which no table says what is wrong for them."""
    return [
        f"{name}({field})"
        for name, call in calls.items()
        for field, parameter in inspect.signature(call.run).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if field not in {*call.wrong, *call.free}
    ]


def test_the_table_knows_every_public_name_and_argument(scene: Scene) -> None:
    calls = table(scene)
    assert unknown(public(), calls) == []
    assert unlooked_at(calls) == []
    assert {*WITHOUT, *NOT_CALLED} - public() == set(), "these are gone"
    assert {*calls} - public() - {*READINGS} == set(), "these are gone"


def test_the_table_notices_a_new_name_and_a_new_argument(scene: Scene) -> None:
    calls = table(scene)
    assert unknown({*public(), "Ledger"}, calls) == ["Ledger"]
    assert unlooked_at({"play": calls["play"]._replace(wrong={"bank": ()})}) == [
        "play(history)", "play(prefix)",
    ]  # fmt: skip


def faults(name: str, call: Call, state: Callable[[], Any]) -> list[str]:
    """The wrong arguments that are not refused at the call, by their names, in both languages."""
    found, before = [], state()
    for field, values in call.wrong.items():
        for value in values:
            where = f"{name}({field}={value!r:.40})"
            try:
                call.run(**{**call.good, field: value})
            except EngineUnsupported as refusal:
                wanted = field == "database"
                found += [] if wanted else [f"{where}: {refusal}"]
            except InvalidValue as refusal:
                found += [f"{where}: {fault}" for fault in _unclear(refusal, field)]
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                found.append(f"{where}: {type(error).__name__}: {error}")
            else:
                found.append(f"{where}: taken")
    if state() != before:
        found.append(f"{name}: something has changed")
    return found


def _unclear(refusal: InvalidValue, field: str) -> list[str]:
    """What a refusal does not say."""
    named, reason = refusal.facts["field"], refusal.facts["reason"]
    found = [] if named.split(".")[0].split("[")[0] == field else [f"names {named}"]
    if said("reason", reason, "zh") == reason:
        found.append(f"is not said in Chinese: {reason}")
    return found


def test_every_good_call_is_taken() -> None:
    """Else what is refused might be refused for something else."""
    at = Scene()
    for name, call in table(at).items():
        try:
            call.run(**call.good)
        except GongyiBankError as error:
            pytest.fail(f"{name}: {error}")
    at.machine.close()


@pytest.mark.parametrize("part", PARTS)
def test_wrong_arguments_are_refused_at_the_call(
    scene: Scene, part: Callable[[Scene], dict[str, Call]]
) -> None:
    found = [
        fault for name, call in part(scene).items() for fault in faults(name, call, scene.state)
    ]
    assert found == []


def test_the_check_of_refusals_can_fail() -> None:
    """What takes anything, raises late or something foreign, names another or changes something."""
    changed: list[int] = []

    def lenient(one: Any = 1, other: Any = 1) -> Any:
        changed.append(1)
        if other is None:
            raise TypeError("NoneType")
        if other == "":
            raise InvalidValue.of("one", other, "said in no other language")
        return one

    call = Call(lenient, {}, {"one": (None,), "other": (None, "")})
    assert faults("lenient", call, lambda: len(changed)) == [
        "lenient(one=None): taken",
        "lenient(other=None): TypeError: NoneType",
        "lenient(other=''): names one",
        "lenient(other=''): is not said in Chinese: said in no other language",
        "lenient: something has changed",
    ]


# --- beyond single arguments ------------------------------------------------------------------


def test_a_history_is_looked_at_whole_before_it_is_lived(scene: Scene) -> None:
    lived = len(scene.reference.books.vouchers)
    for history in ([scene.step, None], [scene.step, replace(scene.step, of=1)]):
        with pytest.raises(InvalidValue):
            play(scene.reference, history)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="prefix"):
        play(scene.reference, [scene.step], prefix="x" * 198)
    assert len(scene.reference.books.vouchers) == lived


def test_a_step_about_something_of_another_kind_is_moot(scene: Scene) -> None:
    """A redemption that was refused or has no hold leaves nothing to capture."""
    captures = [
        CaptureHold(hold=UUID(int=0)),
        CaptureHolds(captures=[HoldCapture(hold=UUID(int=0))]),
    ]
    for command in captures:
        capture = replace(scene.step, command=command, of=0)
        assert [one.code for one in play(small_reference().bank, [scene.step, capture])] == [
            "done", "moot",
        ]  # fmt: skip


def test_a_bank_for_asyncio_lives_no_history(scene: Scene) -> None:
    class Awaited:
        at = acting_as = scene.reference.at

        async def execute(self, command: object) -> None:
            raise AssertionError("nobody awaits it")

    with pytest.raises(InvalidValue, match="bank"):
        play(Awaited(), [scene.step])  # type: ignore[arg-type]


def test_a_request_that_may_be_lost_has_a_key(scene: Scene) -> None:
    keyless = scene.redeem.model_copy(update={"idempotency_key": None})
    with pytest.raises(InvalidValue, match="needs a key"):
        scene.machine.do("admin", keyless, loss=Loss("answer"))


@pytest.mark.parametrize("command", sorted(ACTS, key=lambda command: command.act))
def test_no_command_is_made_unseen(command: type[Command]) -> None:
    """By pydantic's own ways past its checks, and then handed to a bank."""
    assert "idempotency_key" in command.model_fields
    if any(field.is_required() for field in command.model_fields.values()):
        with pytest.raises(InvalidValue, match="is needed"):
            small_reference().bank.execute(command.model_construct())
    for field in command.model_fields:
        with pytest.raises(InvalidValue):
            command.model_construct(**{field: object()})


def test_no_copy_of_a_value_is_changed_unseen(scene: Scene) -> None:
    point = NewOutlet(code="B09", name="九分行", parent="H")
    for value, change in (
        (scene.redeem, {"quantity": "5"}), (scene.redeem, {"account": 5}), (point, {"code": "a b"}),
        (scene.redeem, {"idempotency_key": "a b"}), (scene.redeem, {"nonsense": 1}),
    ):  # fmt: skip
        with pytest.raises(InvalidValue):
            value.model_copy(update=change)
    copied = scene.redeem.model_copy(update={"quantity": 2})
    assert copied == Redeem(
        account=scene.redeem.account, store="P01", sku="SOAP", quantity=2, idempotency_key="K-1"
    )
    assert scene.redeem.model_copy() == scene.redeem
