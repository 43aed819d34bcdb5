"""What the audit says of transfers: mirrored lines, empty transit, pools with their accounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gongyi_bank.reports.house_checks import check_pools, check_transit
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.pools import AuditPool
from tests.district import District
from tests.reports.test_verification import tampered
from tests.service.test_transfers import ONE, TWO, a_pool, gift, grant, leg, saver, send


@pytest.fixture(scope="module")
def transfers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A SQLite file with transfers of every purpose, and the account that gave a gift."""
    path = tmp_path_factory.mktemp("transfers") / "bank.db"
    district = District(f"sqlite:///{path}")
    giver, taker, other = saver(district), saver(district, 0), saver(district, 0)
    a_pool(district, points=5)
    a_pool(district, "P2")
    gift(district, giver, taker, points=TWO)
    grant(district, (taker, ONE), (other, TWO))
    send(district, leg(giver, other, TWO), leg(giver, "P2"), leg(taker, "P1"))
    assert district.bank.verify().is_clean
    district.close()
    return path, giver


GIFT_IN = "kind = 'gift_in' AND contra_no = ?"
IN_TRANSIT = (
    "kind = 'gift_in' AND contra_no IN (SELECT account_no FROM gb_account WHERE kind = 'transit')"
)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (f"UPDATE gb_account_line SET amount = amount + 1 WHERE {GIFT_IN}", "line_pair"),
        (f"UPDATE gb_account_line SET kind = 'close' WHERE {GIFT_IN}", "line_pair"),
        (f"UPDATE gb_account_line SET value_on = '2022-01-01' WHERE {GIFT_IN}", "line_pair"),
        (f"UPDATE gb_account_line SET business_day = '2022-01-01' WHERE {GIFT_IN}", "line_pair"),
        (f"UPDATE gb_account_line SET origin_on = '2022-01-01' WHERE {GIFT_IN}", "line_pair"),
        (f"UPDATE gb_account_line SET outlet_no = 1000 WHERE {GIFT_IN}", "line_pair"),
        (f"UPDATE gb_account_line SET voucher_id = zeroblob(16) WHERE {GIFT_IN}", "line_pair"),
        (f"DELETE FROM gb_account_line WHERE {GIFT_IN}", "line_pair"),
        (
            "UPDATE gb_account_line SET amount = -amount WHERE kind IN ('gift_in', 'gift_out')"
            " AND ? IN (account_no, contra_no)",
            "line_sign",
        ),
    ],
)
def test_a_gift_that_is_not_mirrored_exactly_is_a_fault(
    transfers: tuple[Path, int], tmp_path: Path, sql: str, kind: str
) -> None:
    found = tampered(transfers, tmp_path, (sql, (transfers[1],)))
    assert kind in {fault.kind for fault in found.faults}, str(found)


def test_a_second_line_needs_a_second_mirror(transfers: tuple[Path, int], tmp_path: Path) -> None:
    """Two lines that look alike do not share one mirror."""
    columns = "bank_id, account_no, kind, amount, contra_no, credited_after, debited_after," + (
        " expires_on, value_on, origin_on, booked_at, business_day, outlet_no, voucher_id,"
        " policy_id, line_hash"
    )
    copy = (
        f"INSERT INTO gb_account_line ({columns}, line_no)"
        f" SELECT {columns}, line_no + 100 FROM gb_account_line WHERE {GIFT_IN}"
    )
    found = tampered(transfers, tmp_path, (copy, (transfers[1],)))
    assert "line_pair" in {fault.kind for fault in found.faults}, str(found)


def pool_row(**changes: object) -> str:
    change = ", ".join(f"{name} = {value}" for name, value in changes.items())
    return f"UPDATE gb_pool SET {change} WHERE code = 'P1'"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (f"UPDATE gb_account_line SET amount = amount + 1 WHERE {IN_TRANSIT}", "transit"),
        (f"DELETE FROM gb_account_line WHERE {IN_TRANSIT}", "transit"),
        (pool_row(account_no=internal_no("pool", 9)), "pool"),
        (pool_row(outlet_no=1000), "pool"),
        (pool_row(pool_no=9), "pool"),
        (pool_row(state="'closed'"), "account_closed"),
        ("UPDATE gb_account SET kind = 'customer' WHERE kind = 'pool'", "pool"),
        ("UPDATE gb_account SET outlet_no = 1000 WHERE kind = 'pool'", "pool"),
        ("DELETE FROM gb_account_head WHERE account_no > 10000000000000", "pool"),
        ("DELETE FROM gb_pool WHERE code = 'P1'", "account"),
        ("UPDATE gb_serial_counter SET last_no = 1 WHERE series = 'pool'", "serial_counter"),
    ],
)
def test_what_no_longer_agrees_about_pools_and_transit_is_named(
    transfers: tuple[Path, int], tmp_path: Path, sql: str, kind: str
) -> None:
    found = tampered(transfers, tmp_path, (sql, ()))
    assert kind in {fault.kind for fault in found.faults}, str(found)


@pytest.mark.parametrize("kind", ["gift_in", "gift_out", "donation_in", "pool_grant_in"])
def test_a_transfer_against_an_account_of_another_kind_is_a_fault(
    transfers: tuple[Path, int], tmp_path: Path, kind: str
) -> None:
    issued = "(SELECT min(account_no) FROM gb_account WHERE kind = 'issued')"
    sql = f"UPDATE gb_account_line SET contra_no = {issued} WHERE kind = ?"
    found = tampered(transfers, tmp_path, (sql, (kind,)))
    assert "line_contra" in {fault.kind for fault in found.faults}


def test_pools_and_transit_are_judged_as_they_stand() -> None:
    number = internal_no("pool", 1)
    assert check_pools([AuditPool(1, "P1", 1001, number, "pool", 1001, number)]) == []
    (fault,) = check_pools([AuditPool(1, "P1", 1001, number, None, None, None)])
    assert (fault.kind, fault.where) == ("pool", "积分池 P1")
    assert check_transit([]) == []
    (fault,) = check_transit([(60001001, bytes(16), 5)])
    assert (fault.kind, fault.found) == ("transit", "5")
