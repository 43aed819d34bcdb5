"""Seals: what they cover, how an audit goes by them, and proofs of single lines."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import InvalidValue, LineNotSealed, UnknownLine
from gongyi_bank.reports.faults import Fault
from gongyi_bank.rules.seals import day_floor, leaf_hash
from gongyi_bank.service.gate import HouseShelf, Visit
from gongyi_bank.service.seals import Sealing
from gongyi_bank.store import seals as store
from gongyi_bank.store.seals import StoredSeal
from gongyi_bank.store.tables import metadata
from gongyi_bank.store.transaction import Transaction
from tests.district import District
from tests.reports.sealed_life import SealedLife


def seals_of(bank: Bank) -> list[StoredSeal]:
    return bank.read(store.list_seals)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def life(request: pytest.FixtureRequest) -> Iterator[SealedLife]:
    """Two sealed days and an open one, on each engine, for tests that only read."""
    server = request.getfixturevalue(f"{request.param}_server")
    with server.fresh_database() as url:
        made = SealedLife(url, b"kept outside the database")
        yield made
        made.district.close()


def test_the_bank_is_clean_and_every_day_has_its_seal(life: SealedLife) -> None:
    found = life.bank.verify()
    assert found.is_clean, str(found)
    assert found.is_guarded
    assert found.counts["seals"] == 2
    first, second = seals_of(life.bank)
    assert [first.root.hex(), second.root.hex()] == [receipt.root for receipt in life.closed]
    assert [first.through_on, second.through_on] == [dt.date(2022, 10, 15), dt.date(2022, 10, 16)]
    counted = json.loads(second.counts)
    assert counted["seal"] == 1, "a seal covers the row of the one before it"
    assert {"hour_record", "hour_record.decided", "hour_record.voided"} <= counted.keys()
    assert not {"person", "account_head", "passbook"} & counted.keys()


@pytest.mark.parametrize("size", [1, 3, 5000])
def test_leaves_hashed_together_are_those_that_are_read_one_by_one(
    life: SealedLife, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SEALED_TOGETHER", size)

    def compare(tx: Transaction, low: bytes, high: bytes) -> Counter[str]:
        seen = Counter[str]()
        for name in store.SEALED:
            leaves = list(store.stream(tx, name, low, high))
            hashes, counts = [], Counter[str]()
            for some, found in store.hash_leaves(tx, name, low, high):
                hashes += some
                counts.update(found)
            assert hashes == [leaf_hash(leaf.content) for leaf in leaves]
            assert counts == Counter(leaf.part.name for leaf in leaves)
            seen += counts
        return seen

    day = day_floor(dt.date(2022, 10, 16), life.bank.zone)
    before = life.bank.read(lambda tx: compare(tx, bytes(16), day))
    since = life.bank.read(lambda tx: compare(tx, day, store.END))
    parts = {part.name for parts in store.SEALED.values() for part in parts}
    assert {"hour_record.decided", "redemption.settled"} <= (before + since).keys() <= parts


def test_a_proof_holds_for_every_sealed_line_and_for_no_other_root(life: SealedLife) -> None:
    first, second = (receipt.root for receipt in life.closed)
    for line_no in (1, 2, 3):
        proof = life.bank.reports.proof(life.accounts[0], line_no)
        assert proof.root == first
        assert proof.holds(first)
        assert not proof.holds(second)
        assert "王小明" not in proof.to_json()
    assert life.bank.reports.proof(life.accounts[2], 1).holds(second)


def test_a_step_that_stands_on_neither_side_proves_nothing(life: SealedLife) -> None:
    """It was taken for one on the right."""
    proof = life.bank.reports.proof(life.accounts[0], 1)
    assert {side for side, _ in proof.path} >= {"right"}
    path = tuple(("above" if side == "right" else side, other) for side, other in proof.path)
    assert not replace(proof, path=path).holds(proof.root)


def test_a_line_of_the_open_day_cannot_be_proved_yet(life: SealedLife) -> None:
    with pytest.raises(LineNotSealed):
        life.bank.reports.proof(life.accounts[-1], 1)
    with pytest.raises(UnknownLine):
        life.bank.reports.proof(life.accounts[0], 999)


def test_an_audit_from_the_last_seal_reads_less(life: SealedLife) -> None:
    whole = life.bank.verify()
    part = life.bank.verify(since="last_seal")
    trusted = life.bank.verify(since=2, trusted_root=life.closed[-1].root)
    assert part.is_clean
    assert trusted.is_clean
    assert part.since == trusted.since == 2
    assert whole.counts["rows"] == part.counts["rows"] > trusted.counts["rows"]
    assert whole.counts["lines"] > part.counts["lines"] == trusted.counts["lines"]


def test_an_audit_with_a_trusted_root_sees_an_exchanged_seal(life: SealedLife) -> None:
    found = life.bank.verify(since=1, trusted_root="00" * 32)
    assert "seal_trusted" in {fault.kind for fault in found.faults}


@pytest.mark.parametrize(
    ("since", "root"), [(9, None), (0, None), (True, None), (None, "00" * 32), (1, "xyz")]
)
def test_what_cannot_be_started_from_is_refused(
    sqlite_tables_url: str, since: int | None, root: str | None
) -> None:
    district = District(sqlite_tables_url)
    district.clock.advance(days=1)
    district.bank.closings.close("2022-10-15")
    with pytest.raises(InvalidValue):
        district.bank.verify(since=since, trusted_root=root)
    district.close()


def test_before_the_first_seal_the_last_seal_is_the_beginning(sqlite_district: District) -> None:
    assert sqlite_district.bank.verify(since="last_seal").since is None
    with pytest.raises(InvalidValue):
        sqlite_district.bank.verify(since="last_seal", trusted_root="00" * 32)


def test_faults_are_told_one_by_one(sqlite_tables_url: str) -> None:
    life = SealedLife(sqlite_tables_url)
    _change(life.bank, "gb_offer", {"stock": 1})
    told: list[Fault] = []
    found = life.bank.verify(tell=told.append)
    assert {fault.kind for fault in told} == {"offer_stock"}
    assert found.faults == ()
    assert not found.is_clean
    assert found.told == len(told) == 6
    life.district.close()


def _change(
    bank: Bank, table: str, values: dict[str, object], *where: sa.ColumnElement[bool]
) -> None:
    with bank.engine.connect() as connection:
        for verb in ("update", "delete"):
            name = f"{table}_no_{verb}"
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        statement = sa.update(metadata.tables[table]).values(values).where(*where)
        assert connection.execute(statement).rowcount
        connection.commit()


@pytest.mark.parametrize("since", [None, "last_seal", 1])
def test_a_sealed_row_that_was_changed_breaks_its_root(
    sqlite_tables_url: str, since: int | str | None
) -> None:
    life = SealedLife(sqlite_tables_url)
    record = metadata.tables["gb_hour_record"].c
    _change(life.bank, "gb_hour_record", {"project": "别的"}, record.account_no == life.accounts[0])
    found = life.bank.verify(since=since)  # type: ignore[arg-type]
    roots = [fault for fault in found.faults if fault.kind == "seal_root"]
    assert [fault.where for fault in roots] == ["封账 1（至 2022-10-15）"]
    trusted = life.bank.verify(since=2, trusted_root=life.closed[-1].root)
    assert trusted.is_clean, "whoever trusts the root does not look at what it covers"
    life.district.close()


def test_a_row_of_the_open_day_that_was_changed_is_named_by_its_voucher(
    sqlite_tables_url: str,
) -> None:
    life = SealedLife(sqlite_tables_url)
    record = metadata.tables["gb_hour_record"].c
    _change(
        life.bank, "gb_hour_record", {"project": "别的"}, record.account_no == life.accounts[-2]
    )
    faults = life.bank.verify().faults
    assert {fault.kind for fault in faults} == {"voucher_rows"}
    assert all("hour_record" in fault.found for fault in faults)
    life.district.close()


def test_small_batches_give_the_same_roots(
    sqlite_tables_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = SealedLife(sqlite_tables_url)
    for size in (1, 3):
        monkeypatch.setattr(store, "ROWS_MAX", size)
        assert life.bank.verify().is_clean
    life.district.close()


@pytest.mark.parametrize(
    ("first_on", "last_on"),
    [("2022-10-16", "2022-10-16"), ("2022-10-15", "2022-10-14"), ("2022-10-15", "2022-10-15")],
    ids=["today", "backwards", "sealed already"],
)
def test_only_days_that_are_over_are_sealed_and_once(
    sqlite_tables_url: str, first_on: str, last_on: str
) -> None:
    district = District(sqlite_tables_url)
    district.clock.advance(days=1)
    district.bank.closings.close("2022-10-15")
    days = dt.date.fromisoformat(first_on), dt.date.fromisoformat(last_on)

    def seal(tx: Transaction) -> None:
        Sealing(Visit(tx, "admin", HouseShelf()), tx.look(store.ask_newest_seal()), *days)

    with pytest.raises(ValueError, match="sealed"), district.bank.begin() as counter:
        counter.read(seal)
    district.close()


def test_days_that_nobody_closed_are_sealed_with_the_next(sqlite_tables_url: str) -> None:
    district = District(sqlite_tables_url)
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.clock.advance(days=5)
    receipt = district.bank.closings.close("2022-10-19")
    assert district.bank.reports.proof(account, 1).holds(receipt.root)
    assert len(seals_of(district.bank)) == 1
    assert district.bank.verify().is_clean
    district.close()
