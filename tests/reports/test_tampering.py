"""What an audit sees of changes behind the bank's back, and, named one by one, what it cannot.

Guards and constraints are dropped first. Then every column of every table is changed, and in
every table a row is deleted, copied and swapped, on a sealed day and on the open one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from gongyi_bank.store import audit_queries, verification
from gongyi_bank.store.tables import metadata
from tests.reports.sealed_life import SealedLife
from tests.reports.tampering import CHANGE, HASHES, Tamperer, Tampering
from tests.tidy.house import ROOT

SEAL_KEY = b"kept outside the database"
PAGE = ROOT / "docs" / "explanation" / "reliability.md"

#: Deeds that no audit can tell, by the reason why. Everything else must be found.
_REASONS: dict[str, tuple[str, ...]] = {
    "personal data is in no hash, so that it can be erased": (
        "person.bank_id", "person.name", "person.document_kind", "person.document_no",
        "person.document_index", "person.birth_on", "person.phone", "person.delete",
        "person.swap",
    ),
    "words that people read; no rule goes by them": (
        "outlet.name", "pool.name", "partner_store.name",
    ),
    "a counter may be ahead of the numbers in use": (
        "serial_counter.last_no", "serial_counter.insert",
    ),
    "how far readers have come says nothing about the bank": (
        "voucher.outbox_no", "outbox_consumer.bank_id", "outbox_consumer.name",
        "outbox_consumer.outbox_no", "outbox_consumer.delete", "outbox_consumer.insert",
        "outbox_consumer.swap",
    ),
    "another bank, or what tells wrong keys before any row is read": (
        "bank.insert", "bank.policies_stamp", "bank.seal_key_mark", "bank.index_key_mark",
    ),
}  # fmt: skip
UNSEEN = {deed: reason for reason, deeds in _REASONS.items() for deed in deeds}


@pytest.fixture(scope="module", params=[None, SEAL_KEY], ids=["plain", "keyed"])
def tamperer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tamperer]:
    """A lived bank on SQLite without its guards."""
    path = tmp_path_factory.mktemp("tampering") / "bank.db"
    life = SealedLife(f"sqlite:///{path}", request.param)
    assert life.bank.verify().is_clean
    yield Tamperer(life.bank, life.closed[-1].last_on)
    life.district.close()


def missed(
    tamperer: Tamperer, deeds: list[Tampering], *, by_sense_min: float = 0.0
) -> list[Tampering]:
    """The deeds that an audit does not see, of those that the database lets through.

    At least the share `by_sense_min` is told by something else than hashes, too.
    """
    unseen, refused, by_sense = [], 0, 0
    for deed in deeds:
        try:
            found = tamperer.audit(deed, random.Random(str(deed)))
        except sa.exc.IntegrityError:  # a key of the table, which SQLite cannot drop
            refused += 1
            continue
        if found.is_clean:
            unseen.append(deed)
        by_sense += any(fault.kind not in HASHES for fault in found.faults)
    assert refused < len(deeds) / 20
    done = len(deeds) - refused
    print(f"\n{done - len(unseen)} of {done} deeds were found, {refused} refused by keys;")
    print(f"{by_sense} also without any hash")
    assert by_sense >= by_sense_min * done
    return unseen


def is_expected(deed: Tampering) -> bool:
    """Whether the list of what cannot be seen has it."""
    return f"{deed.table.removeprefix('gb_')}.{deed.column or deed.deed}" in UNSEEN


def test_every_table_has_rows_in_this_life(tamperer: Tamperer) -> None:
    assert not [name for name, rows in tamperer.rows.items() if not rows]
    days = {(deed.table, deed.day) for deed in tamperer.deeds()}
    dated = {name for name, table in metadata.tables.items() if "voucher_id" in table.c}
    assert dated == {table for table, day in days if day == "sealed"}
    assert dated == {table for table, day in days if day == "open"}


def test_a_sample_of_deeds_is_found(tamperer: Tamperer) -> None:
    chance = random.Random(1)
    by_place: dict[tuple[str, str, bool], list[Tampering]] = {}
    for deed in tamperer.deeds():
        if not is_expected(deed):
            place = (deed.table, deed.day, deed.deed == CHANGE)
            by_place.setdefault(place, []).append(deed)
    sample = [chance.choice(deeds) for deeds in by_place.values()]
    assert missed(tamperer, sample[:: 1 + (len(sample) > 60)]) == []


def test_a_sample_of_deeds_is_found_in_accounts_that_are_read_page_by_page(
    tamperer: Tamperer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "ROWS_MAX", 1)
    monkeypatch.setattr(audit_queries, "PAGE_MAX", 2)
    of_accounts = {
        "gb_account_head", "gb_account_line", "gb_hold", "gb_hold_event", "gb_hour_record",
        "gb_line_part", "gb_passbook", "gb_redemption", "gb_refund",
    }  # fmt: skip
    deeds = [deed for deed in tamperer.deeds() if deed.table in of_accounts]
    assert missed(tamperer, random.Random(3).sample(deeds, 15)) == []


@pytest.mark.slow
@pytest.mark.parametrize("tamperer", [None], ids=["plain"], indirect=True)
def test_every_deed_is_found_or_named(tamperer: Tamperer) -> None:
    """Without a key, so that what is found is found by everybody who audits."""
    unseen = missed(tamperer, list(tamperer.deeds()), by_sense_min=0.75)
    assert [str(deed) for deed in unseen if not is_expected(deed)] == []
    named = {f"{deed.table.removeprefix('gb_')}.{deed.column or deed.deed}" for deed in unseen}
    assert UNSEEN.keys() - named == set(), "these are seen after all"


@pytest.mark.slow
@pytest.mark.parametrize("tamperer", [SEAL_KEY], ids=["keyed"], indirect=True)
def test_every_fourth_deed_is_found_or_named_with_a_key(tamperer: Tamperer) -> None:
    unseen = missed(tamperer, list(tamperer.deeds())[::4], by_sense_min=0.75)
    assert [str(deed) for deed in unseen if not is_expected(deed)] == []


@pytest.mark.slow
def test_every_fourth_deed_is_found_or_named_on_postgresql(postgresql_tables_url: str) -> None:
    """SQLite has them all; here a quarter of them takes half a minute."""
    life = SealedLife(postgresql_tables_url, SEAL_KEY)
    assert life.bank.verify().is_clean
    tamperer = Tamperer(life.bank, life.closed[-1].last_on)
    unseen = missed(tamperer, list(tamperer.deeds())[::4])
    assert [str(deed) for deed in unseen if not is_expected(deed)] == []
    life.district.close()


def test_a_sample_is_found_on_postgresql(postgresql_tables_url: str) -> None:
    life = SealedLife(postgresql_tables_url)
    tamperer = Tamperer(life.bank, life.closed[-1].last_on)
    deeds = [deed for deed in tamperer.deeds() if not is_expected(deed)]
    assert missed(tamperer, random.Random(2).sample(deeds, 25)) == []
    life.district.close()


def test_auditors_are_told_what_cannot_be_seen() -> None:
    page = PAGE.read_text("utf-8")
    assert [deed for deed in UNSEEN if f"`{deed}`" not in page] == []


def test_dropped_guards_are_reported(tamperer: Tamperer) -> None:
    found = tamperer.bank.verify()
    assert found.is_clean
    assert not found.is_guarded
    assert found.guards_installed == 0 < found.guards_expected
    assert f"0/{found.guards_expected}" in found.to_table().notes[0]
