"""One customer at a glance."""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import UnknownCustomer
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no, format_passbook_no
from tests.district import District


def open_store(district: District) -> None:
    store = NewStore(code="ST1", name="幸福超市", kind="community_store", recruited_by="B01S01")
    district.bank.stores.recruit(stores=[store])
    rice = NewOffer(store="ST1", sku="rice", name="大米", points=Points(2), stock=50)
    district.bank.stores.publish_offers(offers=[rice])


def test_a_summary_says_what_was_earned_spent_and_held(district: District) -> None:
    open_store(district)
    account = district.customer(name="张三丰", ref="C1")
    district.serve(account, "10-03 08:00", 480)
    district.serve(account, "10-04 08:00", 481)
    wish = {"account": account, "store": "ST1", "sku": "rice"}
    district.bank.redemptions.redeem(**wish)
    district.clock.advance(days=1)
    district.bank.redemptions.reserve(**wish, quantity=2)
    found = district.bank.reports.customer_summary(account)
    assert (found.holder, found.kind, found.state, found.ref) == (
        "张*丰",
        "volunteer",
        "active",
        "C1",
    )
    assert (found.outlet, found.registered_on) == ("B01S01", dt.date(2022, 1, 1))
    assert (found.credited, found.debited, found.balance) == (8, 2, 6)
    assert (found.held, found.expirable, found.available) == (4, 0, 2)
    assert (found.verified_minutes, found.records, found.waiting, found.lines) == (480, 2, 1, 2)
    assert found.newest_line_on == dt.date(2022, 10, 15)
    assert found.passbook is None
    assert found.closed_on is None
    assert "张*丰" in str(found)
    assert "张三丰" not in str(found) + found._repr_html_()


def test_points_past_their_date_are_not_available_before_any_sweep(engine_url: str) -> None:
    district = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.clock.now = dt.datetime(2022, 11, 15, 23, 59, tzinfo=district.bank.zone)
    assert district.bank.reports.customer_summary(account).available == Points(1)
    district.clock.advance(minutes=1)
    found = district.bank.reports.customer_summary(account)
    assert (found.balance, found.expirable, found.available) == (1, 1, 0)
    district.close()


@pytest.mark.parametrize(
    ("kind", "minutes", "stars"),
    [
        ("volunteer", 99 * 60 + 59, 0),
        ("volunteer", 100 * 60, 1),
        ("volunteer", 300 * 60 - 1, 1),
        ("volunteer", 1500 * 60, 5),
        ("organisation", 1500 * 60, None),
        ("household", 1500 * 60, None),
    ],
)
def test_stars_are_a_volunteers_by_lifetime_hours(
    sqlite_district: District, kind: str, minutes: int, stars: int | None
) -> None:
    account = sqlite_district.customer(kind=kind)
    row = OpeningRow(account=account, minutes=minutes, points=Points(0), as_of=dt.date(2022, 9, 30))
    sqlite_district.bank.points.bring_forward(rows=[row])
    assert sqlite_district.bank.reports.customer_summary(account).stars == stars


def test_the_passbook_in_use_is_shown_and_whether_it_is_lost(district: District) -> None:
    account = district.customer()
    books = district.bank.passbooks
    first, last = compose_passbook_no(1), compose_passbook_no(2)
    books.print_stock(count=2)
    books.allot(target="B01", first=first, last=last)
    books.allot(target="B01S01", first=first, last=last)
    books.issue(account=account, outlet="B01S01")
    found = district.bank.reports.customer_summary(account)
    assert (found.passbook, found.printed_line_no) == (format_passbook_no(first), 0)
    assert not found.is_passbook_lost
    books.report_loss(account=account, kind="oral", outlet="B01S01")
    lost = district.bank.reports.customer_summary(account)
    assert lost.is_passbook_lost
    assert "挂失" in str(lost)
    district.clock.advance(days=7)
    assert not district.bank.reports.customer_summary(account).is_passbook_lost


def test_a_closed_account_says_when(district: District) -> None:
    account = district.customer()
    district.bank.accounts.close(account=account, reason="迁出")
    found = district.bank.reports.customer_summary(account)
    assert (found.state, found.closed_on) == ("closed", dt.date(2022, 10, 15))


def test_nobody_has_no_summary(sqlite_district: District) -> None:
    with pytest.raises(UnknownCustomer):
        sqlite_district.bank.reports.customer_summary(compose_account_no(1003, 999))
