"""What people may know or guess, and what it is good for: nothing. There are no codes to guess.

Holds and reservations are named by ids, passbooks by serial numbers, requests by keys; roles
decide what may be done with them. The first test fails when a code, a certificate or an erasure
comes into the library: then its line of the checklist has to be held by tests of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.holds import CaptureHold
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.redemptions import Capture
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import (
    GongyiBankError,
    IdempotencyConflict,
    NotPermitted,
    UnknownHold,
    UnknownRedemption,
)
from gongyi_bank.store.tables import metadata, person
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District
from tests.racing import at_once
from tests.reports.sealed_life import SealedLife
from tests.security.cases import EVERY, new_store
from tests.security.conftest import CALLERS

#: What things of the checklist are called of which there are none, alone or in a longer name.
ABSENT = frozenset(
    "certificate cipher ciphertext encrypted erase erased forget nonce otp passcode password pin"
    " secret token".split()
)
KEY = "K-1"


def names() -> Iterator[str]:
    """Acts, the fields of their commands and receipts, and columns."""
    for command in SERVICES:
        yield command.act
        yield from command.model_fields
        yield from getattr(command.receipt, "model_fields", ())
    for table in metadata.tables.values():
        yield from (table.name, *table.columns.keys())


def absent_in(found: Iterator[str]) -> list[str]:
    """The names that speak of something absent."""
    return sorted({name for name in found if ABSENT & {*re.split(r"[._]", name)}})


def test_there_are_no_codes_no_certificates_and_no_erasure_yet() -> None:
    assert absent_in(names()) == []
    assert absent_in(iter(["person.erase", "redemption_pin", "stamping"])) == [
        "person.erase", "redemption_pin",
    ]  # fmt: skip


#: What is done with what somebody was told the id of.
KNOWN = [
    "holds.capture", "holds.extend", "holds.release", "redemptions.capture", "redemptions.extend",
    "redemptions.release",
]  # fmt: skip


def strangers(district: District) -> list[str]:
    """Who is in service, and has no say where it was put aside."""
    district.bank.stores.recruit(stores=[new_store(code="P9", recruited_by="B02S01")])
    clerk = Appointment(code="C9", role="store_clerk", outlet="B02S01", store="P9")
    district.bank.staff.appoint(appointments=[clerk])
    return ["C9", "T2", "T3", "K2", "AUD"]


@pytest.mark.parametrize("act", KNOWN)
def test_twenty_at_once_who_know_an_id_and_have_no_role_there_do_nothing(
    crowded: Callable[[], District], act: str
) -> None:
    district = crowded()
    staff, command, _ = EVERY[act](district)
    others = strangers(district) * (CALLERS // 5)
    before = everything(district.bank)
    answers = at_once(*[lambda who=who: district.acting(who).execute(command) for who in others])
    assert {type(answer) for answer in answers} == {NotPermitted}, answers
    assert everything(district.bank) == before
    assert isinstance(district.acting(staff).execute(command), command.receipt)


@pytest.mark.parametrize(
    ("act", "made", "refusal"),
    [
        ("holds.capture", lambda guess: CaptureHold(hold=guess), UnknownHold),
        ("redemptions.capture", lambda guess: Capture(redemption=guess), UnknownRedemption),
    ],
)
def test_twenty_guesses_at_once_at_an_id_find_nothing(
    crowded: Callable[[], District],
    act: str,
    made: Callable[[UUID], Command],
    refusal: type[GongyiBankError],
) -> None:
    """Of the same millisecond; what is right of it besides is in the last 74 bits."""
    district = crowded()
    staff, command, _ = EVERY[act](district)
    known: UUID = getattr(command, "hold", None) or getattr(command, "redemption")  # noqa: B009
    before, bank = everything(district.bank), district.acting(staff)
    guesses = [made(UUID(int=known.int ^ n)) for n in range(1, CALLERS + 1)]
    answers = at_once(*[lambda guess=guess: bank.execute(guess) for guess in guesses])
    assert {type(answer) for answer in answers} == {refusal}, answers
    assert everything(district.bank) == before


def test_twenty_guesses_at_once_at_what_was_sent_under_a_key_are_conflicts(
    crowded: Callable[[], District],
) -> None:
    district = crowded()
    staff, command, _ = EVERY["points.grant"](district)
    bank = district.acting(staff)
    bank.execute(command.model_copy(update={"idempotency_key": KEY}))
    before = everything(district.bank)
    guesses = [
        command.model_copy(update={"idempotency_key": KEY, "points": Points(n)})
        for n in range(50, 50 + CALLERS)
    ]
    answers = at_once(*[lambda guess=guess: bank.execute(guess) for guess in guesses])
    assert {type(answer) for answer in answers} == {IdempotencyConflict}, answers
    assert everything(district.bank) == before


def test_the_books_are_sound_without_anybody_s_personal_data(tmp_path: Path) -> None:
    """As after an erasure, which is not built: nothing else knew who somebody was."""
    life = SealedLife(f"sqlite:///{tmp_path / 'bank.db'}", b"kept outside the database")
    account = life.accounts[0]
    before = life.bank.reports.balance(account), life.bank.reports.proof(account, 1)
    with life.bank.engine.begin() as connection:
        assert connection.execute(sa.delete(person)).rowcount > 0
    assert life.bank.verify().is_clean, str(life.bank.verify())
    assert (life.bank.reports.balance(account), life.bank.reports.proof(account, 1)) == before
    life.district.close()
