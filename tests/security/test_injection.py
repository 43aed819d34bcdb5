"""Hostile texts: in every text of every command and in everything a reader may ask for.

What may stand in the books stands there unchanged; what may not is refused by name. Nothing is
executed, nothing else changes, and no driver's error or endless text comes out.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.desks.base import Act, Desk
from gongyi_bank.errors import GongyiBankError, InvalidValue
from tests.books import everything
from tests.district import District
from tests.refusals import held, pool
from tests.security.cases import SIXTH, Scene, scene
from tests.security.test_mass_assignment import changed, document_of, places

#: SQL, quotes, NUL, control and direction signs, four bytes, too long, half a character.
HOSTILE = (
    "x'; DROP TABLE gb_voucher; --", "' OR '1'='1", '" OR ""="', "') UNION SELECT 1 --", "\\'", "`",
    "%", "_%", "%s %(a)s :a ? $1 {0} {facts}", "\x00", "a\x00b", "a\nb", "\x1b[2J", "\x7f",
    "\u202e钱", "\u2066", "\u2028", "\ufeff", "\ud800", "𠮷", "e\u0301" * 300, "长" * 10_000,
    "../../etc/passwd", "<script>alert(1)</script>", "=1+1", "",
)  # fmt: skip
#: What stands in a document, and is no text that people choose.
FIXED = frozenset("mode kind role setting relation balance_to value".split())


def require_ours(error: GongyiBankError) -> None:
    """One line that can be printed and stored, of bounded length."""
    text = str(error)
    text.encode()
    assert len(text) < 1_500, text[:200]
    assert text.isprintable(), ascii(text)
    assert not error.retryable


@pytest.mark.parametrize("act", SIXTH)
def test_no_text_of_a_command_is_anything_but_a_text(act: str) -> None:
    made = scene(act)
    for command in hostile_commands(made):
        try:
            made.attempt(command)
        except GongyiBankError as error:
            require_ours(error)
    assert everything(made.district.bank) == made.tables


def hostile_commands(made: Scene) -> Iterator[Any]:
    """The act's command with each hostile text in each of its texts, as far as it is let in."""
    document = document_of(made.command) | {"idempotency_key": "K1"}
    texts = [path for path, value in places(document) if isinstance(value, str)]
    for path in texts:
        for text in HOSTILE:
            try:
                yield type(made.command).model_validate_json(changed(document, path, text))
            except InvalidValue as error:
                require_ours(error)


def test_what_is_let_in_is_stored_as_it_was_sent() -> None:
    """Names and reasons hold quotes and percent signs; nothing in them is taken for SQL."""
    district = District("sqlite://")
    stored = 0
    for text in HOSTILE:
        try:
            district.bank.outlets.rename(outlet="B01", name=text)
        except InvalidValue:
            continue
        names = {row[3] for row in everything(district.bank)["gb_outlet"]} | {
            row["name"] for row in district.bank.outlets.tree()
        }
        assert text in names
        stored += 1
    assert stored > 10
    district.close()


# --- readers ---------------------------------------------------------------------------------

#: A right argument for every parameter that must be given; a reader is asked with these but one.
GIVEN: dict[str, Any] = {
    "line_no": 1, "day": dt.date(2022, 10, 14), "outlet": "B01S01", "period": "2022-10",
    "between": (dt.date(2022, 10, 1), dt.date(2022, 10, 14)), "ref": "C1", "consumer": "c",
    "code": "B01S01", "through": 0, "pool": "POOL",
}  # fmt: skip
#: Numbers, days and things that no parameter is.
ODD = (
    True, -1, 0, 2**31, 2**63, -(2**63), 10**30, 10**5000, 1.5, float("nan"), b"x",
    dt.date.max, dt.date.min, dt.datetime.max.replace(tzinfo=dt.UTC),
    dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14))), UUID(int=1),
    ["x"], {"x": 1}, "9999Q4", "0001",
)  # fmt: skip
#: Parameters that are lists: each hostile thing comes in one.
LISTS = frozenset({"accounts", "outlets", "kinds"})


@pytest.fixture(params=["sqlite", "postgresql"])
def full_district(request: pytest.FixtureRequest) -> Iterator[District]:
    """A district with an account, a store, a hold and a pool, on both kinds of engine."""
    made = District(request.getfixturevalue(f"{request.param}_url"))
    pool(made)
    held(made)
    yield made
    made.close()


def readers(bank: Bank) -> Iterator[tuple[str, Any]]:
    """Every method of every desk that is no act."""
    desks = {name: getattr(bank, name) for name in dir(Bank) if not name.startswith("_")}
    for noun, desk in desks.items():
        if isinstance(desk, Desk):
            for verb in dir(type(desk)):
                if not verb.startswith("_") and not isinstance(getattr(type(desk), verb), Act):
                    yield f"{noun}.{verb}", getattr(desk, verb)


def test_nothing_that_a_reader_asks_for_is_anything_but_a_value(full_district: District) -> None:
    bank = full_district.bank
    account = everything(bank)["gb_account_head"][0][1]
    before, asked = everything(bank), 0
    for name, read in readers(bank):
        parameters = inspect.signature(read).parameters
        given = {"account": account, "accounts": [account]} | GIVEN
        needed = {n: given[n] for n, p in parameters.items() if p.default is p.empty}
        for parameter in parameters:
            for value in (*HOSTILE, *ODD):
                asked += 1
                ask(name, read, needed | {parameter: [value] if parameter in LISTS else value})
    assert asked > 2_000
    assert unnumbered(everything(bank)) == unnumbered(before)


def ask(name: str, read: Any, arguments: dict[str, Any]) -> None:
    try:
        read(**arguments)
    except GongyiBankError as error:
        require_ours(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it should have been ours
        pytest.fail(f"{name}({list(arguments)!a}): {type(error).__name__}")


def unnumbered(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Without what reading the outbox notes: the places of vouchers and the consumers."""
    skipped = ("gb_voucher", "gb_outbox_consumer", "gb_serial_counter")
    return {name: rows for name, rows in found.items() if name not in skipped}


def test_names_of_people_and_banks_are_values_too(full_district: District) -> None:
    url = full_district.url
    for text in HOSTILE:
        for call in (
            lambda t=text: Bank.open(url, bank=t, unsafe_settings="allow").close(),
            lambda t=text: full_district.acting(t).accounts.freeze(account=1, reason="x"),
            lambda t=text: full_district.bank.begin(staff=t).__enter__(),
        ):
            try:
                call()
            except GongyiBankError as error:
                require_ours(error)


def test_the_json_of_hostile_texts_is_what_was_meant() -> None:
    """A check of the check: what is sent is what HOSTILE says."""
    document = document_of(scene("accounts.freeze").command)
    sent = [json.loads(changed(document, ("reason",), text))["reason"] for text in HOSTILE]
    assert tuple(sent) == HOSTILE
