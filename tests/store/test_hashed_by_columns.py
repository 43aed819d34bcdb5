"""What a long list writes is hashed column by column, and read back row by row: the same bytes."""

from __future__ import annotations

import pytest

from gongyi_bank.rules import ledger
from gongyi_bank.store import seals
from tests.acts import ACTS, keyed
from tests.district import District


@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_is_hashed_by_columns_is_found_whole(
    sqlite_district: District, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """verify() makes every hash and every claim anew, row by row."""
    monkeypatch.setattr(ledger, "COLUMNS_FROM", 1)
    monkeypatch.setattr(seals, "COLUMNS_FROM", 1)
    staff, command, _ = ACTS[act](sqlite_district)
    sqlite_district.acting(staff).execute(keyed(command))
    found = sqlite_district.bank.verify()
    assert found.is_clean, str(found)


def test_a_long_list_is_found_whole_with_a_seal_key(sqlite_tables_url: str) -> None:
    district = District(sqlite_tables_url, seal_key=b"k" * 32)
    accounts = [district.customer() for _ in range(4)]
    rows = [
        district.row(account, f"10-{day:02} 08:00", ref=f"R{account}-{day}" if day % 2 else None)
        for account in accounts
        for day in range(1, 13)
    ]
    assert district.bank.hours.record_many(rows=rows).count("credited") == len(rows)
    assert district.bank.verify().is_clean
    district.close()
