"""On PostgreSQL an act passes the gate before it locks anything else: on every desk.

Whoever closes a day holds the gate, and waits there for all who passed it before. An act that
locked something first, and came to the gate then, would wait for the closer while the closer
waits for it. (A caller moved customers, and a closing beside it took twelve seconds.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gongyi_bank.store.closings import _lock_bank
from gongyi_bank.store.outlets import _gate, _gate_alone, _gate_once
from gongyi_bank.store.transaction import Query, Transaction
from tests.acts import keyed
from tests.district import District
from tests.security.cases import EVERY

GATES = (_gate, _gate_alone, _gate_once)
_LOCKS = ("FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE")


@pytest.fixture
def postgresql_district(postgresql_district_url: str) -> Iterator[District]:
    made = District(postgresql_district_url, is_founded=True)
    yield made
    made.close()


def locked_in_order(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """The queries that lock something, as they are asked from now on."""
    found: list[Query] = []
    rows_of = Transaction._rows_of

    def noted(tx: Transaction, asked: Sequence[tuple[Query, dict[str, Any]]]) -> Any:
        queries = [one for one, _ in asked]
        found.extend(one for one in queries if any(lock in one.compiled(tx).sql for lock in _LOCKS))
        return rows_of(tx, asked)

    monkeypatch.setattr(Transaction, "_rows_of", noted)
    return found


@pytest.mark.parametrize("act", sorted(EVERY))
def test_nothing_is_locked_before_the_gate(
    postgresql_district: District, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    staff, command, _ = EVERY[act](postgresql_district)
    bank = postgresql_district.acting(staff)
    locked = locked_in_order(monkeypatch)
    bank.execute(keyed(command))
    gates = [place for place, one in enumerate(locked) if one in GATES]
    # The bank's own row comes first for who changes which outlet is where, and for who closes.
    before = [one for one in locked[: gates[0]] if one is not _lock_bank] if gates else []
    assert [one.__doc__ or one._build.__name__ for one in before] == []


def test_acts_pass_the_gate_at_all(
    postgresql_district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff, command, _ = EVERY["customers.move"](postgresql_district)
    bank = postgresql_district.acting(staff)
    locked = locked_in_order(monkeypatch)
    bank.execute(keyed(command))
    assert locked[0] in GATES
    assert len(locked) >= 3
