"""Statements page by page, by day and by moment; balances; and why a line is there."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import (
    GongyiBankError,
    InvalidInstant,
    InvalidNumber,
    InvalidValue,
    UnknownCustomer,
    UnknownLine,
)
from gongyi_bank.policies import PointsExpiry, Tariff, TariffRate
from gongyi_bank.reports.explanations import arithmetic
from gongyi_bank.values import NEVER, Points, compose_account_no, format_account_no
from tests.district import START, District

NOBODY = compose_account_no(1003, 999)


def serve_days(district: District, days: int) -> int:
    """An account with one line a day: 1 point on 15 October, 1 on the 16th and so on."""
    account = district.customer()
    for day in range(days):
        district.serve(account, f"10-{day + 1:02} 08:00")
        district.clock.advance(days=1)
    return account


def numbers(statement: Any) -> list[int]:
    return [line.line_no for line in statement.lines]


def test_a_statement_shows_the_newest_lines_first_and_adds_up(district: District) -> None:
    account = serve_days(district, 3)
    statement = district.bank.reports.statement(account)
    assert numbers(statement) == [3, 2, 1]
    assert [str(line.balance) for line in statement.lines] == ["3.00", "2.00", "1.00"]
    assert (statement.opening, statement.credited, statement.debited) == (0, 3, 0)
    assert statement.closing == Points(3)
    assert statement.next_before_line is None
    line = statement.lines[0]
    assert (line.kind, line.summary, line.outlet) == ("service", "服务入折", "B01S01")
    assert (line.outlet_name, line.value_on) == ("莲花团结社区储蓄所", dt.date(2022, 10, 3))
    assert line.day == dt.date(2022, 10, 17)
    assert line.booked_at == START + dt.timedelta(days=2)
    assert line.booked_at.utcoffset() == dt.timedelta(hours=8)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8])
def test_pages_join_without_gap_or_overlap(sqlite_district: District, size: int) -> None:
    account = serve_days(sqlite_district, 7)
    reports, seen, before, opening = sqlite_district.bank.reports, [], None, None
    while True:
        page = reports.statement(account, newest=size, before_line=before)
        assert opening is None or page.closing == opening
        assert page.opening + page.credited - page.debited == page.closing
        assert len(page.lines) <= size
        seen += numbers(page)
        before, opening = page.next_before_line, page.opening
        if before is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert opening == Points(0)


@pytest.mark.parametrize(
    ("first", "last", "lines", "opening", "closing"),
    [
        ("10-15", "10-15", [1], 0, 1),
        ("10-16", "10-18", [4, 3, 2], 1, 4),
        ("10-01", "10-14", [], 0, 0),
        ("10-20", "10-31", [], 5, 5),
        ("10-19", "10-19", [5], 4, 5),
        ("10-01", "12-31", [5, 4, 3, 2, 1], 0, 5),
    ],
)
def test_between_two_days_both_are_included(
    sqlite_district: District, first: str, last: str, lines: list[int], opening: int, closing: int
) -> None:
    account = serve_days(sqlite_district, 5)
    days = (dt.date.fromisoformat(f"2022-{first}"), dt.date.fromisoformat(f"2022-{last}"))
    statement = sqlite_district.bank.reports.statement(account, between=days)
    assert numbers(statement) == lines
    assert (statement.opening, statement.closing) == (opening, closing)
    assert statement.next_before_line is None


def test_a_page_between_days_ends_at_the_first_day(district: District) -> None:
    account = serve_days(district, 5)
    reports = district.bank.reports
    days = (dt.date(2022, 10, 16), dt.date(2022, 10, 18))
    page = reports.statement(account, between=days, newest=2)
    assert numbers(page) == [4, 3]
    assert page.next_before_line == 3
    page = reports.statement(account, between=days, newest=2, before_line=3)
    assert numbers(page) == [2]
    assert page.next_before_line is None


@pytest.mark.parametrize(
    ("as_of", "lines"),
    [
        (dt.date(2022, 10, 14), []),
        (dt.date(2022, 10, 15), [1]),
        (dt.date(2022, 10, 16), [2, 1]),
        (dt.date(2022, 12, 31), [3, 2, 1]),
        (START, [1]),
        (START - dt.timedelta(microseconds=1), []),
        (START.astimezone(dt.UTC) + dt.timedelta(days=1), [2, 1]),
    ],
)
def test_as_of_a_day_counts_to_its_end_and_as_of_an_instant_includes_it(
    district: District, as_of: dt.date, lines: list[int]
) -> None:
    account = serve_days(district, 3)
    statement = district.bank.reports.statement(account, as_of=as_of)
    assert numbers(statement) == lines
    assert statement.closing == Points(len(lines))


def test_a_day_ends_at_midnight_of_the_bank(district: District) -> None:
    account = district.customer()
    district.clock.now = dt.datetime(2022, 10, 31, 15, 59, 59, tzinfo=dt.UTC)
    district.serve(account, "10-01 08:00")
    district.clock.advance(seconds=1)
    district.serve(account, "10-02 08:00")
    reports = district.bank.reports
    assert numbers(reports.statement(account, as_of=dt.date(2022, 10, 31))) == [1]
    november = (dt.date(2022, 11, 1), dt.date(2022, 11, 1))
    assert numbers(reports.statement(account, between=november)) == [2]


def test_an_account_without_lines_has_an_empty_statement(district: District) -> None:
    statement = district.bank.reports.statement(district.customer())
    assert statement.lines == ()
    assert statement.closing == Points(0)
    assert "（无记录）" in str(statement)


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"newest": 0}, InvalidValue),
        ({"newest": 10_001}, InvalidValue),
        ({"newest": True}, InvalidValue),
        ({"before_line": 0}, InvalidValue),
        ({"before_line": "3"}, InvalidValue),
        ({"between": (dt.date(2022, 2, 1), dt.date(2022, 1, 31))}, InvalidValue),
        ({"between": dt.date(2022, 2, 1)}, InvalidValue),
        ({"between": ("2022-02-01", "2022-02-02")}, InvalidInstant),
        ({"as_of": START.replace(tzinfo=None)}, InvalidInstant),
        ({"as_of": dt.date.max}, InvalidInstant),
        ({"as_of": "2022-01-01"}, InvalidInstant),
        ({"account": NOBODY}, UnknownCustomer),
        ({"account": NOBODY + 1}, InvalidNumber),
        ({"account": "x'; DROP TABLE gb_account; --"}, InvalidNumber),
    ],
)
def test_a_statement_that_cannot_be_is_refused(
    sqlite_district: District, wish: dict[str, Any], error: type[GongyiBankError]
) -> None:
    wish = {"account": sqlite_district.customer()} | wish
    with pytest.raises(error):
        sqlite_district.bank.reports.statement(**wish)


def test_points_without_a_date_show_a_dash_and_others_their_last_day(
    sqlite_tables_url: str,
) -> None:
    district = District(sqlite_tables_url, policies=(PointsExpiry(mode="months", length=1),))
    account = district.customer()
    district.serve(account, "10-01 08:00")
    assert district.bank.reports.statement(account).lines[0].expires_on == dt.date(2022, 11, 15)
    district.bank.policies.adopt(effective_on=dt.date(2022, 10, 16), policy=PointsExpiry())
    district.clock.advance(days=1)
    district.serve(account, "10-02 08:00")
    statement = district.bank.reports.statement(account)
    assert statement.lines[0].expires_on == NEVER
    cells = list(statement.to_table())
    assert [cell["expires_on"] for cell in cells] == ["—", dt.date(2022, 11, 15)]
    assert "9999" not in str(statement)
    assert "9999" not in statement._repr_html_()
    district.close()


def test_a_statement_becomes_a_data_frame(sqlite_district: District) -> None:
    pandas = pytest.importorskip("pandas")
    frame = sqlite_district.bank.reports.statement(serve_days(sqlite_district, 2)).to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["line_no"]) == [2, 1]


def test_an_account_may_be_given_as_printed(sqlite_district: District) -> None:
    account = serve_days(sqlite_district, 1)
    printed = format_account_no(account)
    assert sqlite_district.bank.reports.statement(printed).account == account
    assert printed in str(sqlite_district.bank.reports.statement(account))


@pytest.mark.parametrize("lines", [1, 9])
def test_a_page_takes_one_statement_however_many_lines_there_are(
    sqlite_district: District, lines: int
) -> None:
    account = serve_days(sqlite_district, lines)
    sent: list[str] = []
    sqlite_district.bank.reports.statement(account)
    sa.event.listen(
        sqlite_district.bank.engine,
        "before_cursor_execute",
        lambda conn, cursor, sql, *more: sent.append(sql),
    )
    sqlite_district.bank.reports.statement(account)
    assert len([sql for sql in sent if sql.startswith("SELECT")]) == 1
    plan = sqlite_district.bank.read(
        lambda tx: tx.connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM gb_account_line WHERE bank_id = 1 AND account_no = 1"
            " AND line_no > 0 AND line_no <= 9 ORDER BY line_no DESC LIMIT 5"
        ).all()
    )
    assert "USING PRIMARY KEY" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


# --- balances ------------------------------------------------------------------------------


def test_balances_are_read_for_many_accounts_at_once(district: District) -> None:
    first, second = serve_days(district, 2), district.customer(name="李四")
    reports = district.bank.reports
    assert reports.balance(first) == Points(2)
    assert reports.balance(second) == Points(0)
    assert reports.balances([second, format_account_no(first)]) == {first: 2, second: 0}
    assert reports.balances([]) == {}
    with pytest.raises(UnknownCustomer):
        reports.balances([first, NOBODY])
    with pytest.raises(UnknownCustomer):
        reports.balance(NOBODY)


# --- why a line is there -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "rate", "points", "text"),
    [
        (151, "1.50", 377, "151 min × 1.50 / 60 = 3.775 → 3.77, floored"),
        (100, "1.00", 166, "100 min × 1.00 / 60 = 1.666666… → 1.66, floored"),
        (60, "1.00", 100, "60 min × 1.00 / 60 = 1.00"),
        (150, "1.20", 300, "150 min × 1.20 / 60 = 3.00"),
        (1, "0.5", 0, "1 min × 0.5 / 60 = 0.008333… → 0.00, floored"),
        (6000, "1.0001", 10001, "6000 min × 1.0001 / 60 = 100.01"),
    ],
)
def test_the_arithmetic_shows_the_rounding(minutes: int, rate: str, points: int, text: str) -> None:
    assert arithmetic(minutes, Points(rate), points, 2) == text


def test_a_service_line_names_its_record_and_the_tariff_of_that_day(district: District) -> None:
    account = district.customer()
    newer = Tariff(rates=(TariffRate(category="elder_care", name="老", points_per_hour=Points(9)),))
    district.bank.policies.adopt(effective_on=dt.date(2022, 10, 16), policy=newer)
    district.clock.advance(days=5)
    district.serve(account, "10-03 08:00", 151, category="elder_care", ref="S1", project="敬老")
    district.serve(account, "10-17 08:00", 60, category="elder_care")
    old, new = (district.bank.reports.explain(account, line_no) for line_no in (1, 2))
    assert (old.record_no, old.ref, old.category, old.project) == (1, "S1", "elder_care", "敬老")
    assert (old.minutes, old.points_per_hour) == (151, Points("1.50"))
    assert old.arithmetic == "151 min × 1.50 / 60 = 3.775 → 3.77, floored"
    assert (old.recorded_by, old.checked_by) == ("T1", "K1")
    assert (old.act, old.staff, old.second_person) == ("hours.record", "T1", "K1")
    assert new.points_per_hour == Points(9)
    assert new.tariff_effective_on == dt.date(2022, 10, 16)
    assert new.tariff_id != old.tariff_id
    assert "3.775 → 3.77" in str(old)
    assert "敬老" in old._repr_html_()


def test_a_grant_names_its_reason_and_the_second_person(district: District) -> None:
    account = district.customer()
    district.acting("K1").points.grant(
        account=account, points=Points(5), reason="防汛表彰", outlet="B01", second_person="K1b"
    )
    why = district.bank.reports.explain(account, 1)
    assert (why.reason, why.staff, why.second_person) == ("防汛表彰", "K1", "K1b")
    assert why.line.summary == "人工入账"
    assert why.record_no is None
    assert why.arithmetic is None


def test_a_reversal_names_the_record_it_takes_back(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00", 60)
    district.serve(account, "10-04 08:00", 90)
    district.bank.hours.void(account=account, record_no=1, reason="录错", second_person="ADM2")
    why = district.bank.reports.explain(account, 3)
    assert (why.line.summary, why.line.amount) == ("冲正", Points(-1))
    assert (why.record_no, why.minutes, why.reason) == (1, 60, "录错")
    assert why.second_person == "ADM2"


def test_an_opening_and_a_redemption_explain_themselves(district: District) -> None:
    account = district.customer()
    row = OpeningRow(account=account, minutes=90, points=Points(9), as_of=dt.date(2022, 9, 30))
    district.bank.points.bring_forward(rows=[row])
    store = NewStore(code="ST1", name="幸福超市", kind="community_store", recruited_by="B01S01")
    district.bank.stores.recruit(stores=[store])
    rice = NewOffer(store="ST1", sku="rice", name="大米", points=Points("2.50"), stock=5)
    district.bank.stores.publish_offers(offers=[rice])
    wish = {"account": account, "store": "ST1", "sku": "rice", "quantity": 2, "ref": "R1"}
    district.bank.redemptions.redeem(**wish)
    opening, taken = (district.bank.reports.explain(account, number) for number in (1, 2))
    assert (opening.line.summary, opening.minutes, opening.tariff_id) == ("期初", 90, None)
    assert (taken.line.summary, taken.line.amount) == ("兑换", Points(-5))
    assert (taken.store, taken.sku, taken.quantity) == ("ST1 幸福超市", "rice", 2)
    assert taken.ref == "R1"


@pytest.mark.parametrize(("line_no", "error"), [(2, UnknownLine), (0, InvalidValue)])
def test_a_line_that_is_not_there_cannot_be_explained(
    sqlite_district: District, line_no: int, error: type[GongyiBankError]
) -> None:
    account = serve_days(sqlite_district, 1)
    with pytest.raises(error):
        sqlite_district.bank.reports.explain(account, line_no)
    with pytest.raises(UnknownCustomer):
        sqlite_district.bank.reports.explain(NOBODY, 1)
