"""An audit is of one moment, whatever others book meanwhile; where it cannot be, it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import EngineSettingsUnsafe
from gongyi_bank.store.engines import Wire
from gongyi_bank.values import Points
from tests.district import District


@contextmanager
def busy(district: District, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Between any two questions that are asked in it, somebody else gives a point."""
    accounts = district.customer(), district.customer("B02S01")
    for account in accounts:
        district.bank.points.grant(
            account=account, points=Points(500), reason="表彰", outlet="B01", second_person="K1"
        )
    teller = Bank.open(district.url, staff="admin", clock=district.clock, unsafe_settings="allow")
    fetch, given = Wire.fetch, list[int]()

    def asked(wire: Wire, *said: Any) -> Any:
        rows = fetch(wire, *said)
        with monkeypatch.context() as undone:
            undone.setattr(Wire, "fetch", fetch)
            giver, target = accounts[:: 1 if len(given) % 2 else -1]
            teller.transfers.gift(
                account=giver, target=target, points=Points(1), outlet="B01S01", relation="kin"
            )
            given.append(giver)
        return rows

    monkeypatch.setattr(Wire, "fetch", asked)
    yield given
    monkeypatch.setattr(Wire, "fetch", fetch)
    teller.close()


def test_an_audit_sees_nothing_of_what_is_booked_meanwhile(
    district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    with busy(district, monkeypatch) as given:
        found = district.bank.verify()
    assert found.faults == ()
    assert len(given) > 5


def test_so_does_one_in_a_callers_transaction_that_sees_one_moment(
    postgresql_district_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    district = District(postgresql_district_url, is_founded=True)
    repeatable = district.bank.engine.execution_options(isolation_level="REPEATABLE READ")
    with (
        busy(district, monkeypatch) as given,
        repeatable.begin() as connection,
        district.bank.within(connection) as counter,
    ):
        assert counter.verify().faults == ()
    assert len(given) > 5
    district.close()


def begun(bank: Bank) -> None:
    with bank.begin() as counter:
        counter.verify()


def within(bank: Bank) -> None:
    with bank.engine.begin() as connection, bank.within(connection) as counter:
        counter.verify()


@pytest.mark.parametrize("audit", [begun, within])
def test_where_others_would_be_taken_for_faults_a_counter_does_not_audit(
    server_district: District, audit: Callable[[Bank], None]
) -> None:
    """At READ COMMITTED: on PostgreSQL two of three such audits beside two tellers were red."""
    with pytest.raises(EngineSettingsUnsafe, match=r"use Bank[.]verify, or REPEATABLE READ"):
        audit(server_district.bank)


def test_the_counter_that_was_refused_an_audit_goes_on(server_district: District) -> None:
    account = server_district.customer()
    with server_district.bank.begin() as counter:
        with pytest.raises(EngineSettingsUnsafe):
            counter.verify()
        counter.points.grant(
            account=account, points=Points("5"), reason="表彰", outlet="B01", second_person="K1"
        )
    assert server_district.bank.verify().counts["lines"] == 1
