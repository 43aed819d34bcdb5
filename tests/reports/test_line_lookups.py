"""What stands behind a line is found by the line's voucher, however long the account is."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.policies import PointsExpiry
from gongyi_bank.values import NEVER, Points
from tests.district import District
from tests.service.test_expiry_later import MONTH, NONE, adopt
from tests.service.test_redemptions import saver
from tests.service.test_reversals import spend, void
from tests.service.test_statement_counts import statements
from tests.service.test_stores import a_shop

TABLES = ("gb_hour_record", "gb_redemption")


def plans(district: District, read: Any) -> list[str]:
    """How SQLite looks into the tables of records and redemptions while something is read."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    engine = district.bank.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        read()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    found = []
    with engine.connect() as connection:
        for statement, parameters in seen:
            if any(table in statement for table in TABLES):
                cursor = connection.connection.cursor()
                plan = cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters)
                found += [row[3] for row in plan]
    return [step for step in found if any(table in step for table in TABLES)]


@pytest.mark.parametrize(
    ("which", "index"),
    [
        ("explain", "voucher_id=?"),
        ("provenance", "voucher_id=?"),
        # A range of the account's own, however many others the vouchers wrote for.
        ("spent_on", "account_no=? AND redeemed_on>? AND redeemed_on<?"),
    ],
)
def test_records_and_redemptions_are_sought_by_an_index(
    sqlite_district: District, which: str, index: str
) -> None:
    district = sqlite_district
    a_shop(district)
    account = saver(district, 480)
    spend(district, account)
    district.serve(account, "10-04 08:00", 60)
    void(district, account, 2)
    reports = district.bank.reports
    reads = {
        "explain": [lambda n=n: reports.explain(account, n) for n in (1, 2, 4)],
        "provenance": [lambda: reports.provenance(account, 2)],
        "spent_on": [lambda: reports.spent_on(account, 1)],
    }
    steps = [step for read in reads[which] for step in plans(district, read)]
    assert steps
    for step in steps:
        assert step.startswith("SEARCH"), step
        assert index in step, step


def test_what_stands_behind_a_line_is_told_as_before(district: District) -> None:
    a_shop(district)
    account = saver(district, 480)
    spend(district, account)
    held = district.bank.redemptions.reserve(account=account, store="P1", sku="A")
    district.bank.redemptions.capture(redemption=held.redemption_id)
    district.serve(account, "10-04 08:00", 60)
    void(district, account, 2)
    reports = district.bank.reports
    assert reports.explain(account, 1).record_no == 1
    assert reports.explain(account, 2).quantity == 1
    assert reports.explain(account, 5).record_no == 2
    assert [use.sku for use in reports.spent_on(account, 1).uses] == ["A", "A", None]
    assert reports.provenance(account, 3).sources[0].record_no == 1


# --- the date in force ------------------------------------------------------------------------


def shown(district: District, account: int) -> list[Any]:
    return [row[-1] for row in reversed(district.bank.reports.statement(account).to_table().rows)]


def test_a_statement_shows_the_date_that_was_introduced_since(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    assert shown(district, account) == ["—"]
    adopt(district, MONTH, days=5)  # from 20 October: good until 20 November
    until = dt.date(2022, 11, 20)
    assert shown(district, account) == [until]
    assert district.bank.reports.explain(account, 1).line.expires_on == until
    day = dt.date(2022, 10, 3)
    assert district.bank.reports.balance_as_of(account, day).corrections[0].expires_on == until


def test_points_behind_a_living_older_date_are_shown_as_good_as_long(district: District) -> None:
    account = district.customer()
    adopt(district, PointsExpiry(mode="months", length=12))
    district.serve(account, "10-03 08:00")  # good until 15 October 2023
    adopt(district, NONE, days=1)
    district.clock.advance(days=1)
    district.serve(account, "10-04 08:00")
    adopt(district, MONTH, days=1)
    district.clock.advance(days=1)
    until = dt.date(2023, 10, 15)
    assert shown(district, account) == [until, until]
    (dates,) = [made.expires_on for made in district.bank.reports.expiry_schedule(account).dates]
    assert dates == until


def test_without_an_introduction_a_statement_is_one_statement(district: District) -> None:
    account = saver(district)
    with statements(district.bank) as seen:
        page = district.bank.reports.statement(account)
    assert len(seen) == 1
    assert page.lines[0].expires_on == NEVER
    assert page.closing == Points(2)
