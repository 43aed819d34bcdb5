"""A person's name, telephone and identity number, pushed through everything that fails.

Afterwards every output is searched: errors in every form, tracebacks, warnings, logs with
SQLAlchemy at its most talkative, vouchers, receipts and the outbox. Only the table that personal
data live in may hold them.
"""

from __future__ import annotations

import itertools
import json
import logging
import pickle
import traceback
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.errors import GongyiBankError, InvalidValue
from tests.books import everything
from tests.district import District
from tests.refusals import RULES
from tests.refused_states import ALL
from tests.security.cases import SIXTH, scene
from tests.security.test_mass_assignment import changed, document_of, places

NAME, PHONE, BIRTH = "金丝雀鸣", "13987654321", "19900307"
#: Every sixth refusal always, the rest in the long form.
REFUSALS = [
    pytest.param(refusal, id=refusal.__name__, marks=() if number % 6 == 0 else pytest.mark.slow)
    for number, refusal in enumerate(sorted(ALL, key=lambda cls: cls.__name__))
]
#: The only table that may hold them.
PEOPLE = "gb_person"


def identity_no(serial: int) -> str:
    """An identity number with a right check digit, of an area that there is not."""
    body = f"990002{BIRTH}{serial:03d}"
    weighed = sum(int(digit) * 2 ** (17 - i) for i, digit in enumerate(body))
    return body + "10X98765432"[weighed % 11]


#: What is looked for: whole, in part, and as Python, JSON and bytes show it.
SECRETS = {
    form
    for secret in (NAME, PHONE, f"990002{BIRTH}", BIRTH, "1990-03-07", "datetime.date(1990, 3, 7)")
    for form in (secret, ascii(secret)[1:-1], json.dumps(secret)[1:-1], repr(secret.encode())[2:-1])
}


class FullDistrict(District):
    """One whose customers have all their personal data in the books."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        self._serials = itertools.count(1)
        super().__init__(*args, **fields)

    def customer(self, outlet: str = "B01S01", **fields: Any) -> int:
        number = identity_no(next(self._serials))
        shown = {"document_kind": "resident_id", "document_no": number}
        person = {"name": NAME, "phone": PHONE, "birth_on": "1990-03-07"} | shown | fields
        person["registered_on"] = str(person.pop("registered_on", "2022-01-01"))
        new = NewCustomer.model_validate_json(json.dumps({"outlet": outlet} | person))
        return self.bank.customers.register(customers=[new]).accounts[0]


def said_by(error: BaseException) -> list[str]:
    """Everything that somebody could print of an error."""
    said = [str(error), repr(error), *map(repr, error.args), *traceback.format_exception(error)]
    if isinstance(error, GongyiBankError):
        said += [repr(error.facts), repr(error.shown_facts()), error.message("zh")]
        said += [repr(pickle.loads(pickle.dumps(error)))]
    return said


def require_clean(said: list[str]) -> None:
    text = "\n".join(said)
    found = {secret for secret in SECRETS if secret in text}
    assert not found, [line for line in text.splitlines() if any(s in line for s in found)][:3]


def outputs_of(bank: Bank) -> list[str]:
    """What leaves the bank by itself: every table but one, and the outbox."""
    tables = {name: rows for name, rows in everything(bank).items() if name != PEOPLE}
    return [repr(tables), repr(bank.outbox.read("canary", count_max=1000)), repr(bank)]


@pytest.fixture
def listening(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every logger at its most talkative."""
    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "gongyi_bank"):
        caplog.set_level(logging.DEBUG, name)
    return caplog


@pytest.mark.parametrize("refusal", REFUSALS)
def test_no_refusal_tells_whom_it_is_about(
    refusal: type[GongyiBankError],
    listening: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
    sqlite_url: str,
) -> None:
    # Only rows that open the bank a second time need a file.
    needs_file = refusal.__name__ in ("BankExists", "UnknownBank")
    district = FullDistrict(sqlite_url if needs_file else "sqlite://", policies=RULES)
    wish = ALL[refusal](district)
    with pytest.raises(refusal) as caught:
        wish()
    # The logs first: reading all tables is logged row by row, too.
    said = [listening.text, *said_by(caught.value), *outputs_of(district.bank)]
    require_clean([*said, *(str(warning.message) for warning in recwarn)])
    district.close()


def test_the_canaries_are_in_the_books() -> None:
    """A check of the check: what is looked for can be found."""
    district = FullDistrict("sqlite://")
    district.customer()
    people = repr(everything(district.bank)[PEOPLE])
    assert {NAME, PHONE, BIRTH} <= {secret for secret in SECRETS if secret in people}
    with pytest.raises(AssertionError):
        require_clean([people])
    district.close()


def test_a_server_that_quotes_the_row_is_not_passed_on(
    postgresql_url: str, listening: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL adds the failing row, or the double key, to its message."""
    district = FullDistrict(postgresql_url)
    account = district.customer()
    with district.bank.engine.begin() as connection:
        connection.exec_driver_sql(
            f"ALTER TABLE {PEOPLE} ADD CONSTRAINT no_canary CHECK (phone <> '{PHONE}') NOT VALID"
        )
        connection.exec_driver_sql(
            f"CREATE UNIQUE INDEX one_name ON {PEOPLE} (name) WHERE phone IS NULL"
        )
    listening.clear()
    said: list[str] = []
    for fields in ({}, {"phone": None}, {"phone": None}):
        person = {"document_no": identity_no(900 + len(said))} | fields
        try:
            said.append(repr(district.customer(**person)))
        except GongyiBankError as error:
            said += said_by(error)
    assert "SQLSTATE 23514" in str(said)
    assert "SQLSTATE 23505" in str(said)
    require_clean([listening.text, *said, *outputs_of(district.bank)])
    assert district.bank.reports.balance(account) == 0
    district.close()


# --- what somebody types into the wrong field -------------------------------------------------

#: Texts that are no code and no public name: what stands there by mistake may be personal.
PRIVATE = frozenset({"account", "target", "source", "organisation", "passbook", "passbooks",
                     "first", "last", "reason"})  # fmt: skip


@pytest.mark.parametrize("act", SIXTH)
def test_a_number_typed_into_the_wrong_field_is_not_repeated(act: str) -> None:
    command = scene(act).command
    document = document_of(command)
    for path, _ in places(document):
        names = [part for part in path if isinstance(part, str)]
        if (
            not names
            or names[-1] not in PRIVATE
            or (act, names[-1]) == ("passbooks.allot", "target")
        ):
            continue
        for secret in (
            PHONE,
            identity_no(7),
            int(PHONE),
            f"张三，{PHONE}",
            f"{PHONE[:3]} {PHONE[3:7]} {PHONE[7:]}",
        ):
            with pytest.raises(InvalidValue) as caught:
                type(command).model_validate_json(changed(document, path, secret))
            require_clean(said_by(caught.value))


@pytest.mark.parametrize("act", SIXTH)
def test_a_number_in_any_other_field_is_taken_or_not_repeated(act: str) -> None:
    """A code may be anything; what refuses it does not say what it was."""
    command = scene(act).command
    document = document_of(command)
    for path, _ in places(document):
        for secret in (
            PHONE,
            identity_no(7),
            int(PHONE),
            f"({PHONE[:3]}) {PHONE[3:7]}-{PHONE[7:]}",
        ):
            try:
                type(command).model_validate_json(changed(document, path, secret))
            except InvalidValue as refused:
                require_clean(said_by(refused))


def test_whatever_is_wrong_with_a_person_the_person_is_not_told() -> None:
    district = District("sqlite://")
    good = {"outlet": "B01S01", "name": NAME, "phone": PHONE, "document_kind": "resident_id",
            "document_no": identity_no(1), "birth_on": "1990-03-07"}  # fmt: skip
    wrong: list[Any] = [
        1.5,
        True,
        None,
        [PHONE],
        {NAME: PHONE},
        NAME * 100,
        f"{PHONE}\x00",
        "\ud800",
    ]
    said: list[str] = []
    private = [field for field in good if field not in ("outlet", "document_kind")]
    documents = [good | {field: value} for field in (*private, "birth_on", NAME) for value in wrong]
    for document in [good, good, *documents]:
        for text in (json.dumps({"customers": [document]}), json.dumps(document), f"{document}"):
            try:
                command = type(scene("customers.register").command).model_validate_json(text)
                said += [repr(command), str(command), repr(district.bank.execute(command))]
            except GongyiBankError as error:
                said += said_by(error)
    assert len(said) > 500
    require_clean([*said, *outputs_of(district.bank)])
    district.close()
