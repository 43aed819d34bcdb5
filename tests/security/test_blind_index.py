"""Nobody is registered twice, by a keyed index: without its key it leads to no document."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import AlreadyRegistered, IdempotencyConflict, InvalidValue
from gongyi_bank.rules.customers import default_index_key
from gongyi_bank.store import tables
from gongyi_bank.values import canonical
from tests.books import everything
from tests.district import District

KEY, OTHER_KEY = b"kept outside the database", b"another one, of another bank"
NUMBER = "E12345678"
PERSON = tables.person.c


def passport(number: str = NUMBER, **fields: Any) -> dict[str, Any]:
    return {"document_kind": "passport", "document_no": number} | fields


def index_of(district: District) -> str:
    """What stands in the only row of a bank."""
    mine = PERSON.bank_id == district.bank.read(lambda tx: tx.bank.bank_id)
    with district.bank.engine.connect() as connection:
        return connection.execute(sa.select(PERSON.document_index).where(mine)).scalar_one()


def keyed(key: bytes, number: str = NUMBER) -> str:
    """The index as the page says it is, by the standard library."""
    return hmac.new(key, canonical("passport", number), hashlib.sha256).hexdigest()


def test_the_index_is_under_the_bank_s_own_key(sqlite_tables_url: str) -> None:
    """Also where the same person is in three banks of one database."""
    founding: tuple[dict[str, Any], ...] = (
        {"bank": "甲", "index_key": KEY}, {"bank": "乙", "index_key": OTHER_KEY}, {"bank": "丙"},
    )  # fmt: skip
    banks = [District(sqlite_tables_url, **given) for given in founding]
    for district in banks:
        district.customer(**passport())
    third = banks[2].bank.read(lambda tx: tx.bank.bank_id)
    keys = [KEY, OTHER_KEY, default_index_key(third, "丙")]
    assert [index_of(district) for district in banks] == [keyed(key) for key in keys]
    assert len({index_of(district) for district in banks}) == 3
    for district in banks:
        district.close()


def test_the_index_of_a_key_stays_the_same_in_every_later_version(sqlite_url: str) -> None:
    district = District(sqlite_url, index_key=KEY)
    district.customer(**passport())
    assert index_of(district) == (
        "b6314f92f6e81d0a76cda9fefb9ad4ea37b6ba9776b6426afcade04fd784f99d"
    )
    district.close()


def test_from_all_that_is_in_the_database_no_number_is_found_without_the_key(
    sqlite_url: str,
) -> None:
    """Whoever has it all and tries every number; the number itself, its column aside, is nowhere.

    Of a bank without an index key the same search finds it: that key is made of what is there.
    """
    for keys, is_found in (({"index_key": KEY, "seal_key": OTHER_KEY}, False), ({}, True)):
        district = District(sqlite_url, bank=f"雁江{len(keys)}", **keys)
        district.customer(**passport())
        index = index_of(district)
        with district.bank.engine.begin() as connection:
            connection.execute(sa.update(tables.person).values(document_no=None))
        values = {value for rows in everything(district.bank).values() for row in rows
                  for value in row}  # fmt: skip
        said = {value for value in values if isinstance(value, (str, bytes))}
        assert index in said
        assert not any(NUMBER in value for value in said if isinstance(value, str))
        assert not any(NUMBER.encode() in value for value in said if isinstance(value, bytes))
        assert (index in tried(district, said)) is is_found
        district.close()


def tried(district: District, said: set[str | bytes]) -> set[str]:
    """Every hash of the number that can be made with what somebody finds in the database."""
    bank_id, name = district.bank.read(lambda tx: (tx.bank.bank_id, tx.bank.name))
    plain = (NUMBER.encode(), f"passport{NUMBER}".encode(), canonical("passport", NUMBER),
             canonical(NUMBER))  # fmt: skip
    keys = {value.encode() if isinstance(value, str) else value for value in said}
    keys |= {bytes.fromhex(value) for value in said if isinstance(value, str) and is_hex(value)}
    keys |= {b"", str(bank_id).encode(), default_index_key(bank_id, name)}
    made = {hashlib.sha256(text).hexdigest() for text in plain}
    return made | {hmac.digest(key, text, "sha256").hex() for key in keys for text in plain}


def is_hex(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def test_a_document_is_known_again_under_the_key_and_no_other_is(sqlite_url: str) -> None:
    founded = District(sqlite_url, index_key=KEY)
    account = founded.customer(**passport())
    founded.close()
    with_key = Bank.open(sqlite_url, staff="admin", index_key=KEY, unsafe_settings="allow")
    founded.bank = with_key.at(founded.clock)
    before = everything(with_key)
    for number in (NUMBER, NUMBER.lower()):
        with pytest.raises(AlreadyRegistered) as caught:
            founded.customer("B02S01", name="李四", **passport(number))
        assert caught.value.facts["account"] == account
        assert NUMBER not in str(caught.value).upper()
    assert everything(with_key) == before
    assert founded.customer(name="李四", **passport("E12345679")) != account
    assert founded.customer(name="李四", **passport(document_kind="other")) != account
    founded.close()


def test_a_reference_answers_only_for_the_document_it_was_used_with(sqlite_url: str) -> None:
    """No digest of a request knows the number; the index does."""
    district = District(sqlite_url, index_key=KEY)
    account = district.customer(ref="R1", **passport())
    assert district.customer(ref="R1", **passport()) == account
    with pytest.raises(IdempotencyConflict):
        district.customer(ref="R1", **passport("E12345679"))
    district.close()


@pytest.mark.parametrize(("founding", "opening"), [
    (KEY, None), (KEY, OTHER_KEY), (KEY, b""), (KEY, b"short"), (None, KEY), (None, b""),
])  # fmt: skip
def test_with_a_wrong_or_a_missing_key_the_bank_is_not_opened(
    sqlite_url: str, founding: bytes | None, opening: bytes | None
) -> None:
    """Else a person who is known would be registered once more."""
    district = District(sqlite_url, index_key=founding)
    district.customer(**passport())
    before = everything(district.bank)
    with pytest.raises(InvalidValue) as caught:
        Bank.open(sqlite_url, staff="admin", index_key=opening, unsafe_settings="allow")
    assert caught.value.facts["field"] == "index_key"
    assert everything(district.bank) == before
    district.close()


@pytest.mark.parametrize("key", [b"", b"short", b"fifteen bytes .", "a text of many letters"])
def test_no_bank_is_founded_under_a_key_that_can_be_guessed(sqlite_url: str, key: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        District(sqlite_url, index_key=key)
    assert caught.value.facts["field"] == "index_key"
