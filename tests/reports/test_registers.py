"""Lists of what there is: outlets, staff, hour records, customers by reference."""

from __future__ import annotations

import pytest

from gongyi_bank.errors import InvalidValue, UnknownCustomer, UnknownOutlet
from tests.district import District


def codes(district: District, outlet: str | None) -> list[object]:
    return [row["code"] for row in district.bank.outlets.tree(outlet)]


def test_a_subtree_is_an_outlet_and_everything_below_it(district: District) -> None:
    assert codes(district, "B01") == ["B01", "B01S01", "B01S02"]
    assert codes(district, "B01S02") == ["B01S02"]
    assert codes(district, None) == codes(district, "H")
    assert len(codes(district, "H")) == 7
    with pytest.raises(UnknownOutlet):
        district.bank.outlets.tree("B99")


def test_ended_roles_are_listed_only_when_asked_for(district: District) -> None:
    district.bank.staff.end(code="T2", role="teller", outlet="B01S02", reason="调离")
    now, ever = (
        [row["staff"] for row in district.bank.staff.roles(ended=ended)] for ended in (False, True)
    )
    assert "T2" not in now
    assert "T2" in ever


def test_what_waits_is_seen_from_above_and_not_from_beside(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 481)
    assert len(district.bank.hours.waiting()) == 1
    assert len(district.bank.hours.waiting("B01")) == 1
    assert len(district.bank.hours.waiting("B02")) == 0
    row = next(iter(district.bank.hours.waiting("B01S01")))
    assert (row["state"], row["minutes"], row["started_at"]) == (
        "waiting_branch",
        481,
        "2022-10-03 08:00",
    )


def test_an_accounts_records_come_newest_first_and_in_pages(district: District) -> None:
    account = district.customer(ref="C1")
    for day in range(1, 6):
        district.serve(account, f"10-{day:02d} 08:00")
    assert district.bank.customers.account_of("C1") == account
    first = [row["record_no"] for row in district.bank.hours.of(account, newest=3)]
    then = [row["record_no"] for row in district.bank.hours.of(account, before=first[-1])]
    assert first + then == [5, 4, 3, 2, 1]
    with pytest.raises(UnknownCustomer):
        district.bank.customers.account_of("C2")
    with pytest.raises(InvalidValue):
        district.bank.hours.of(account, newest=0)
