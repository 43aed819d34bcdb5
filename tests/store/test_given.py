"""What an account has given this month and this year, as the limits on gifts count it."""

from __future__ import annotations

import datetime as dt

from gongyi_bank.policies import PointsExpiry
from gongyi_bank.rules.given import given_by
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.rules.transfers import DONATION, GIFT, GRANT, GRANTEE, Given
from gongyi_bank.store.given import ask_given
from gongyi_bank.values import Points
from tests.district import SHANGHAI, District
from tests.service.test_transfers import a_pool, grant, leg, send


def on(district: District, month: int, day: int, year: int = 2022) -> None:
    district.clock.now = dt.datetime(year, month, day, 12, tzinfo=SHANGHAI)


def gift(district: District, account: int, target: int, points: str) -> int:
    receipt = district.acting("T1").transfers.gift(
        account=account, target=target, points=Points(points), outlet="B01S01"
    )
    return receipt.line_no


def take_back(district: District, account: int, line_no: int, points: str | None = None) -> None:
    district.bank.reversals.reverse_line(
        account=account, line_no=line_no, reason="误记", second_person="ADM2",
        points=None if points is None else Points(points),
    )  # fmt: skip


def given(district: District, *accounts: int) -> dict[tuple[int, str], Given]:
    today = district.clock.now.date()
    return district.bank.read(lambda tx: given_by(tx.look(ask_given(accounts, today)), today))


def test_each_account_has_what_it_gave_in_the_month_and_the_year_by_itself(
    sqlite_district: District,
) -> None:
    one, other, target = (sqlite_district.customer() for _ in range(3))
    for account in (one, other):
        sqlite_district.serve(account, "10-03 08:00", 480)
    sqlite_district.acting("K1").pools.open(code="P1", name="爱心池", outlet="B01")
    on(sqlite_district, 11, 30)
    gift(sqlite_district, one, target, "0.10")
    on(sqlite_district, 12, 1)
    gift(sqlite_district, one, target, "0.20")
    gift(sqlite_district, one, other, "0.40")
    gift(sqlite_district, other, target, "0.05")
    sqlite_district.acting("T1").transfers.donate(
        account=one, pool="P1", points=Points("0.30"), outlet="B01S01"
    )
    assert given(sqlite_district, one, other, target) == {
        (one, GIFT): Given(60, 2, 70, 3),
        (one, DONATION): Given(30, 1, 30, 1),
        (other, GIFT): Given(5, 1, 5, 1),
    }
    assert given(sqlite_district, other) == {(other, GIFT): Given(5, 1, 5, 1)}


def test_a_new_year_begins_with_nothing_and_its_first_day_counts(
    sqlite_district: District,
) -> None:
    account, target = sqlite_district.customer(), sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00", 480)
    on(sqlite_district, 12, 31)
    gift(sqlite_district, account, target, "0.10")
    on(sqlite_district, 1, 1, 2023)
    assert given(sqlite_district, account) == {}
    gift(sqlite_district, account, target, "0.20")
    on(sqlite_district, 2, 20, 2023)
    assert given(sqlite_district, account) == {(account, GIFT): Given(0, 0, 20, 1)}


def test_what_came_back_was_not_given_and_what_came_back_whole_does_not_count(
    sqlite_district: District,
) -> None:
    account, target = sqlite_district.customer(), sqlite_district.customer()
    sqlite_district.serve(account, "10-03 08:00", 480)
    whole = gift(sqlite_district, account, target, "0.10")
    part = gift(sqlite_district, account, target, "0.40")
    gift(sqlite_district, account, target, "0.80")
    take_back(sqlite_district, target, whole - 1)
    take_back(sqlite_district, target, part - 1, "0.15")
    assert given(sqlite_district, account) == {(account, GIFT): Given(105, 2, 105, 2)}


def test_a_gift_of_points_with_two_dates_counts_once(sqlite_tables_url: str) -> None:
    district = District(sqlite_tables_url, policies=(PointsExpiry(mode="months", length=3),))
    account, target = district.customer(), district.customer()
    district.serve(account, "10-03 08:00")
    on(district, 11, 5)
    district.serve(account, "10-04 08:00")
    before = district.bank.reports.balance(account)
    gift(district, account, target, "1.50")
    assert before == Points(2)
    assert len(district.bank.reports.statement(account).lines) == 4
    assert given(district, account) == {(account, GIFT): Given(150, 1, 150, 1)}
    district.close()


def test_what_pools_gave_and_what_each_was_granted_is_told_beside_it(
    sqlite_district: District,
) -> None:
    one, other = sqlite_district.customer(), sqlite_district.customer()
    first, second = internal_no("pool", 1), internal_no("pool", 2)
    a_pool(sqlite_district, points=8)
    a_pool(sqlite_district, "P2")
    on(sqlite_district, 10, 31)
    grant(sqlite_district, (one, Points("0.10")), (other, Points("0.20")))
    on(sqlite_district, 11, 1)
    done = grant(sqlite_district, (one, Points("0.40")))
    legs = (leg("P1", "P2", Points("0.60")), leg("P1", other, Points("0.05")))
    send(sqlite_district, *legs, reason="慰问", second_person="K1b")
    take_back(sqlite_district, one, 2, "0.15")
    assert given(sqlite_district, one, first, second) == {
        (one, GRANTEE): Given(25, 1, 35, 2),
        (first, GRANT): Given(90, 2, 120, 3),
        (second, GRANTEE): Given(60, 1, 60, 1),
    }
    sqlite_district.bank.reversals.reverse_voucher(
        voucher=done.voucher_id, reason="误记", second_person="ADM2"
    )
    assert given(sqlite_district, one, other, first) == {
        (one, GRANTEE): Given(0, 0, 10, 1),
        (other, GRANTEE): Given(5, 1, 25, 2),
        (first, GRANT): Given(65, 1, 95, 2),
    }
