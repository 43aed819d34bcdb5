"""Two banks in one database, with the same account numbers, codes and keys: neither sees the other.

One lives beside the reference, the other lived before. Its numbers are of other outlets and people,
every number of ours is an administrator's there, and voucher ids are equal at equal instants. If a
condition on the bank were missing in some statement, what it found would not be what is ours.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gongyi_bank.policies import PointsExpiry
from gongyi_bank.service import gate
from gongyi_bank.store import tables
from gongyi_bank.store.transaction import Transaction
from tests.acts import ACTS, keyed
from tests.district import District
from tests.neighbours import EqualIds, Neighbour
from tests.testing.lives import FOUNDINGS, Life
from tests.testing.mirrored import MirroredDistrict
from tests.testing.test_reference_ledger import require_equal_books

EXPIRY = PointsExpiry(mode="months", length=1)


def rows_of(district: District) -> dict[str, list[str]]:
    """Every row of one bank."""

    def read(tx: Transaction) -> dict[str, list[str]]:
        return {
            name: sorted(
                repr(tuple(row))
                for row in tx.connection.execute(
                    sa.select(table).where(table.c.bank_id == tx.bank.bank_id)
                )
            )
            for name, table in tables.metadata.tables.items()
            if "bank_id" in table.c
        }

    return district.bank.read(read)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_bank_beside_another_is_told_as_if_it_were_alone(
    sqlite_tables_url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(gate, "_ids", EqualIds())
    neighbour = Neighbour(sqlite_tables_url, policies=(EXPIRY,))
    theirs = Life(neighbour, seed + 10)
    theirs.live(90)
    neighbour.empower()
    before = rows_of(neighbour)
    monkeypatch.setattr(gate, "_ids", EqualIds())
    district = MirroredDistrict(sqlite_tables_url, policies=FOUNDINGS[seed])
    Life(district, seed).live(120)
    require_equal_books(district)
    assert district.bank.verify().is_clean
    assert rows_of(neighbour) == before
    assert neighbour.bank.verify().is_clean
    district.close()
    neighbour.close()


@pytest.mark.slow
@pytest.mark.parametrize("act", sorted(ACTS))
def test_an_act_of_one_bank_is_answered_alike_where_the_other_did_the_same_before(
    sqlite_tables_url: str, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    monkeypatch.setattr(gate, "_ids", EqualIds())
    neighbour = Neighbour(sqlite_tables_url)
    staff, command, _ = ACTS[act](neighbour)
    neighbour.acting(staff).execute(keyed(command))
    neighbour.empower()
    before = rows_of(neighbour)
    monkeypatch.setattr(gate, "_ids", EqualIds())
    district = MirroredDistrict(sqlite_tables_url)
    staff, command, _ = ACTS[act](district)
    district.acting(staff).execute(keyed(command))
    require_equal_books(district)
    assert rows_of(neighbour) == before
    district.close()
    neighbour.close()
