"""来源与去向: which services paid for what, through refunds and gifts; and what expires when."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from gongyi_bank.errors import InvalidValue, UnknownCustomer, UnknownLine
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.reports.provenance import Provenance
from gongyi_bank.store import provenance as store
from gongyi_bank.values import NEVER, Points, compose_account_no
from tests.district import District
from tests.service.test_expiry_later import adopt, grant, spend, with_a_shop
from tests.service.test_statement_counts import statements


def spent(district: District, account: int, units: int) -> Provenance:
    """A redemption, and what paid for it."""
    spend(district, account, units)
    newest = district.bank.reports.statement(account, newest=1).lines[0].line_no
    return district.bank.reports.provenance(account, newest)


def told(found: Provenance) -> list[tuple[str, str | None, int]]:
    return [(s.kind, s.category, s.points.to_units(2)) for s in found.sources]


def test_a_debit_is_paid_by_the_oldest_services_and_grants(district: District) -> None:
    with_a_shop(district)
    account = district.customer()
    district.serve(account, "10-03 08:00", category="culture")  # 75
    grant(district, account, 20)
    district.serve(account, "10-03 10:00", project="敬老月")  # 100
    assert told(spent(district, account, 50)) == [("service", "culture", 50)]
    found = spent(district, account, 60)
    assert told(found) == [
        ("service", "culture", 25), ("grant", None, 20), ("service", "sanitation", 15),
    ]  # fmt: skip
    assert (found.points, found.unpaid) == (Points("0.60"), 0)
    last = found.sources[-1]
    assert (last.record_no, last.project, last.outlet) == (2, "敬老月", "B01S01")
    assert (last.value_on, last.fund, last.through) == (dt.date(2022, 10, 3), None, ())
    assert "culture" in str(found)
    assert found.to_pandas is not None


def test_a_credit_tells_what_it_paid_for_and_what_is_left(district: District) -> None:
    with_a_shop(district)
    account = district.customer()
    district.serve(account, "10-03 08:00")
    spend(district, account, 30)
    spend(district, account, 20)
    adopt(district, PointsExpiry(mode="months", length=1))
    found = district.bank.reports.spent_on(account, 1)
    uses = [(u.kind, u.store, u.sku, u.points.to_units(2)) for u in found.uses]
    assert uses == [("redemption", "S", "fen", 30), ("redemption", "S", "fen", 20)]
    assert found.left == Points("0.50")
    district.clock.advance(days=40)
    district.bank.points.expire_due()
    found = district.bank.reports.spent_on(account, 1)
    assert [use.kind for use in found.uses] == ["redemption", "redemption", "expiry"]
    assert found.left == 0
    assert "expiry" in found.to_table().to_text("en")


def test_a_refund_is_followed_to_the_services_behind_the_debit_that_it_returns(
    district: District,
) -> None:
    with_a_shop(district)
    account = district.customer()
    district.serve(account, "10-03 08:00", category="culture")  # points 1 to 75
    district.serve(account, "10-03 10:00")  # 76 to 175
    taken = district.bank.redemptions.redeem(account=account, store="S", sku="fen", quantity=90)
    for pieces in (10, 70):  # points 1 to 10 come back as 176 to 185, 11 to 80 as 186 to 255
        district.bank.redemptions.refund(
            redemption=taken.redemption_id, quantity=pieces, reason="x", second_person="ADM2"
        )
    assert told(spent(district, account, 85)) == [("service", "sanitation", 85)]
    found = spent(district, account, 12)
    assert told(found) == [("service", "culture", 10), ("service", "culture", 2)]
    assert [s.through for s in found.sources] == [((account, 4),), ((account, 5),)]
    rest = spent(district, account, 68)
    assert told(rest) == [("service", "culture", 63), ("service", "sanitation", 5)]


def test_a_gift_is_followed_to_the_givers_services(district: District) -> None:
    with_a_shop(district)
    giver, receiver = district.customer(), district.customer()
    district.serve(giver, "10-03 08:00", category="culture")
    district.serve(giver, "10-03 10:00")
    district.serve(receiver, "10-03 08:00", 30)
    district.bank.accounts.close(
        account=giver, balance_to="account", target=receiver, reason="x", second_person="ADM2"
    )
    found = spent(district, receiver, 150)
    assert told(found) == [
        ("service", "sanitation", 50), ("service", "culture", 75), ("service", "sanitation", 25),
    ]  # fmt: skip
    assert [s.account for s in found.sources] == [receiver, giver, giver]
    assert found.sources[1].through == ((receiver, 2),)


def test_a_grant_names_its_fund_and_is_followed_to_the_donors_services(
    district: District,
) -> None:
    with_a_shop(district)
    donor, receiver, keeper = district.customer(), district.customer(), district.acting("K1")
    keeper.pools.open(code="P1", name="居民自筹一点", outlet="B01")
    keeper.pools.open(code="P2", name="社会资助一点", outlet="B01")
    district.serve(donor, "10-03 08:00", 120)
    keeper.transfers.donate(account=donor, pool="P1", points=Points("1.20"), outlet="B01S01")
    keeper.transfers.donate(account=donor, pool="P2", points=Points("0.80"), outlet="B01S01")
    district.serve(receiver, "10-03 08:00", 30)
    for pool, points in (("P1", "1.00"), ("P2", "0.80")):
        keeper.transfers.grant(
            pool=pool, grants=[{"account": receiver, "points": Points(points)}],
            reason="慰问", second_person="K1b",
        )  # fmt: skip
    found = spent(district, receiver, 200)
    assert [(s.account, s.fund, s.fund_name, s.points.to_units(2)) for s in found.sources] == [
        (receiver, None, None, 50),
        (donor, "P1", "居民自筹一点", 100),
        (donor, "P2", "社会资助一点", 50),
    ]
    assert "居民自筹一点" in found.to_table().to_text()


def test_points_that_go_on_to_another_fund_are_the_last_one_s(district: District) -> None:
    with_a_shop(district)
    donor, receiver, keeper = district.customer(), district.customer(), district.acting("K1")
    for code in ("P1", "P2"):
        keeper.pools.open(code=code, name=f"基金{code}", outlet="B01")
    district.serve(donor, "10-03 08:00")
    keeper.transfers.donate(account=donor, pool="P1", points=Points(1), outlet="B01S01")
    legs = [{"source_pool": "P1", "target_pool": "P2", "points": Points(1)}]
    keeper.transfers.send(legs=legs, outlet="B01S01", reason="调剂", second_person="K1b")
    keeper.transfers.grant(
        pool="P2", grants=[{"account": receiver, "points": Points(1)}], reason="慰问",
        second_person="K1b",
    )  # fmt: skip
    (source,) = spent(district, receiver, 100).sources
    assert (source.account, source.fund) == (donor, "P2")
    assert len(source.through) == 3


def test_the_wrong_side_and_what_is_not_there_are_refused(district: District) -> None:
    with_a_shop(district)
    account = district.customer()
    district.serve(account, "10-03 08:00")
    spend(district, account, 1)
    reports = district.bank.reports
    with pytest.raises(InvalidValue, match="credit"):
        reports.provenance(account, 1)
    with pytest.raises(InvalidValue, match="debit"):
        reports.spent_on(account, 2)
    for line_no in (0, 3):
        with pytest.raises(UnknownLine):
            reports.provenance(account, line_no)
    with pytest.raises(UnknownCustomer):
        reports.expiry_schedule(compose_account_no(1003, 999))


def test_a_line_is_found_by_its_numbers_wherever_it_is(district: District) -> None:
    with_a_shop(district)
    account = district.customer()
    amounts = [3, 1, 4, 1, 5, 9, 2, 6] * 6
    for amount in amounts:
        grant(district, account, amount)
    ends = list(itertools.accumulate(amounts))

    def found(tx: object, number: int) -> int:
        return store.find_credits(tx, [(account, number)])[0]  # type: ignore[arg-type]

    for number in range(ends[-1] + 3):
        expected = next((i for i, end in enumerate(ends, 1) if end > number), len(ends) + 1)
        with_number = number
        assert district.bank.read(lambda tx, n=with_number: found(tx, n)) == expected


def test_ten_times_the_history_costs_no_statement_more(district: District) -> None:
    with_a_shop(district)
    found = []
    for size in (40, 400):
        account = district.customer()
        with district.acting("K1").begin() as counter:
            for _ in range(size):
                counter.points.grant(
                    account=account, points=Points("0.10"), reason="x", second_person="K1b",
                    outlet="B01",
                )  # fmt: skip
        spend(district, account, 15)
        with statements(district.bank) as seen:
            made = district.bank.reports.provenance(account, size + 1)
        assert [s.points.to_units(2) for s in made.sources] == [10, 5]
        found.append(len(seen))
    assert found[1] == found[0]


# --- what expires when -------------------------------------------------------------------------


def test_what_expires_when_stands_in_order_with_what_has_no_date_last(district: District) -> None:
    with_a_shop(district)
    account = district.customer()
    adopt(district, PointsExpiry(mode="months", length=1))
    grant(district, account, 100)
    district.clock.advance(days=1)
    grant(district, account, 50)
    adopt(district, PointsExpiry(), days=1)
    district.clock.advance(days=1)
    grant(district, account, 25)
    spend(district, account, 10)
    district.bank.redemptions.reserve(account=account, store="S", sku="fen", quantity=20)
    schedule = district.bank.reports.expiry_schedule(account)
    assert [(d.expires_on, d.points.to_units(2)) for d in schedule.dates] == [
        (dt.date(2022, 11, 15), 70), (dt.date(2022, 11, 16), 50), (NEVER, 25),
    ]  # fmt: skip
    assert (schedule.held, schedule.past) == (Points("0.20"), 0)
    assert schedule.available == Points("1.45")
    text = schedule.to_table().to_text("en")
    assert "no date" in text
    assert "held" in text


def test_a_schedule_of_nothing_is_empty(district: District) -> None:
    schedule = district.bank.reports.expiry_schedule(district.customer())
    assert (schedule.dates, schedule.available) == ((), 0)
