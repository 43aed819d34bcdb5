"""The branch ledger book and the trial balance."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gongyi_bank.errors import InvalidInstant, InvalidValue, UnknownOutlet
from gongyi_bank.periods import Period
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.store.tables import metadata
from gongyi_bank.values import Points
from tests.district import District
from tests.reports.history import EXPIRY, History


@pytest.fixture
def quarter(district: District) -> tuple[District, int, int, int]:
    """Three accounts: two of B01, one of B02; services in October and November."""
    first = district.customer("B01S01", name="张三丰")
    second = district.customer("B01S02", name="李四")
    third = district.customer("B02S01", name="王五")
    district.serve(first, "10-03 08:00", 120)
    district.serve(third, "10-03 08:00", 60)
    district.clock.advance(days=30)
    district.serve(first, "11-03 08:00", 60)
    district.serve(second, "11-03 08:00", 90)
    district.bank.hours.void(account=first, record_no=2, reason="录错", second_person="ADM2")
    return district, first, second, third


def test_a_branch_has_the_accounts_of_its_savings_branches(
    quarter: tuple[District, int, int, int],
) -> None:
    district, first, second, third = quarter
    books = {code: district.bank.reports.ledger_book(code) for code in ("H", "B01", "B01S02")}
    assert [row.account for row in books["H"].rows] == [first, second, third]
    assert [row.account for row in books["B01"].rows] == [first, second]
    assert [row.account for row in books["B01S02"].rows] == [second]
    whole = books["B01"]
    assert (whole.opening, whole.credited, whole.debited) == (0, Points("4.50"), 1)
    assert (whole.closing, whole.minutes) == (Points("3.50"), 210)
    row = whole.rows[0]
    assert (row.outlet, row.kind, row.holder) == ("B01S01", "volunteer", None)
    assert (row.credited, row.debited, row.closing, row.minutes) == (3, 1, 2, 120)
    assert not district.bank.reports.ledger_book("B02S02").rows


@pytest.mark.parametrize(
    ("period", "opening", "credited", "debited", "closing", "minutes"),
    [
        ("2022-09", "0", "0", "0", "0", 0),
        ("2022-10", "0", "2", "0", "2", 120),
        ("2022-11", "2", "2.50", "1", "3.50", 90),
        ("2022-12", "3.50", "0", "0", "3.50", 0),
        ("2022Q4", "0", "4.50", "1", "3.50", 210),
    ],
)
def test_a_period_runs_from_opening_to_closing(
    quarter: tuple[District, int, int, int],
    period: str,
    opening: str,
    credited: str,
    debited: str,
    closing: str,
    minutes: int,
) -> None:
    district = quarter[0]
    book = district.bank.reports.ledger_book("B01", period)
    assert len(book.rows) == 2
    assert (book.opening, book.credited) == (Points(opening), Points(credited))
    assert (book.debited, book.closing, book.minutes) == (Points(debited), Points(closing), minutes)
    assert book == district.bank.reports.ledger_book("B01", Period.parse(period))
    for row in book.rows:
        assert row.opening + row.credited - row.debited == row.closing


def test_the_book_shows_itself_with_a_total_and_masked_names(
    quarter: tuple[District, int, int, int],
) -> None:
    reports = quarter[0].bank.reports
    book = reports.ledger_book("B01", "2022-11", names=True)
    assert [row.holder for row in book.rows] == ["张*丰", "李*"]
    assert "合计" in str(book)
    assert "2022-11" in str(book)
    assert "张三丰" not in book._repr_html_()
    assert len(book.to_table()) == 3


def test_a_branch_is_the_sum_of_its_savings_branches_and_the_head_office_of_its_branches(
    sqlite_tables_url: str,
) -> None:
    district = District(sqlite_tables_url, policies=(EXPIRY,))
    History(district, 5).live(120)
    reports = district.bank.reports
    for period in (None, "2022-10", "2022-11"):
        for whole, parts in (
            ("H", ("B01", "B02")),
            ("B01", ("B01S01", "B01S02")),
            ("B02", ("B02S01", "B02S02")),
        ):
            books = [reports.ledger_book(code, period) for code in parts]
            book = reports.ledger_book(whole, period)
            assert book.closing == sum(part.closing for part in books)
            assert book.minutes == sum(part.minutes for part in books)
    balances = reports.balances([row.account for row in reports.ledger_book("H").rows])
    assert sum(balances.values()) == reports.ledger_book("H").closing
    district.close()


def test_a_book_of_no_outlet_or_no_period_is_refused(sqlite_district: District) -> None:
    reports = sqlite_district.bank.reports
    with pytest.raises(UnknownOutlet):
        reports.ledger_book("B99")
    for period in ("2022-13", 2022, dt.date(2022, 10, 1)):
        with pytest.raises(InvalidValue):
            reports.ledger_book("B01", period)  # type: ignore[arg-type]
    for outlet in (5, "B01\n", "x" * 10_000):
        with pytest.raises(InvalidValue):
            reports.ledger_book(outlet)  # type: ignore[arg-type]


# --- trial balance -------------------------------------------------------------------------


def test_debits_equal_credits_for_the_bank(quarter: tuple[District, int, int, int]) -> None:
    balance = quarter[0].bank.reports.trial_balance()
    rows = {(row.outlet, row.kind): (row.debits, row.credits) for row in balance.rows}
    assert rows == {
        ("B01S01", "customer"): (1, 3),
        ("B01S02", "customer"): (0, Points("1.50")),
        ("B02S01", "customer"): (0, 1),
        ("B01S01", "issued"): (Points("5.50"), 1),
    }
    assert balance.debits == balance.credits == Points("6.50")
    assert balance.is_balanced
    assert balance.outside == Points(0)
    assert "借贷平衡" in str(balance)


def test_a_subtree_balances_with_the_accounts_outside_it(
    quarter: tuple[District, int, int, int],
) -> None:
    reports = quarter[0].bank.reports
    # B02's customer holds a point that B01S01 issued (通存通兑).
    there = reports.trial_balance("B02")
    assert [(row.outlet, row.balance) for row in there.rows] == [("B02S01", Points(1))]
    assert there.outside == Points(-1)
    assert there.is_balanced
    here = reports.trial_balance("B01")
    assert here.outside == Points(1)
    assert here.is_balanced
    assert reports.trial_balance("H").outside == Points(0)


@pytest.mark.parametrize(
    ("as_of", "total"), [("10-14", "0"), ("10-15", "3"), ("11-13", "3"), ("11-14", "6.50")]
)
def test_as_of_a_day_leaves_out_what_came_later(
    quarter: tuple[District, int, int, int], as_of: str, total: str
) -> None:
    reports = quarter[0].bank.reports
    balance = reports.trial_balance(as_of=dt.date.fromisoformat(f"2022-{as_of}"))
    assert balance.debits == balance.credits == Points(total)
    assert balance.is_balanced


def test_as_of_today_says_the_same_from_the_lines_as_to_date_from_the_heads(
    engine_url: str,
) -> None:
    district = District(engine_url, policies=(EXPIRY,))
    History(district, 2).live(80)
    reports = district.bank.reports
    today = district.clock.now.date()
    for outlet in (None, "B01", "B02S01"):
        to_date, as_of = reports.trial_balance(outlet), reports.trial_balance(outlet, today)
        assert to_date.rows == as_of.rows
        assert to_date.is_balanced
        assert as_of.is_balanced
    with pytest.raises(UnknownOutlet):
        reports.trial_balance("B99")
    with pytest.raises(InvalidInstant):
        reports.trial_balance(as_of="2022-10-31")  # type: ignore[arg-type]
    district.close()


def test_a_move_between_two_internal_accounts_counts_on_both_sides(
    quarter: tuple[District, int, int, int],
) -> None:
    district = quarter[0]
    move = metadata.tables["gb_internal_move"]
    with district.bank.engine.begin() as connection:
        voucher_id = connection.scalar(sa.text("SELECT min(voucher_id) FROM gb_customer"))
        outlets = dict(connection.execute(sa.text("SELECT code, outlet_no FROM gb_outlet")).all())
        source, target = outlets["B01S01"], outlets["B02S01"]
        connection.execute(
            sa.insert(move).values(
                bank_id=1, voucher_id=voucher_id, leg_no=1, unit="points", amount=700,
                source_no=internal_no("issued", source), target_no=internal_no("expired", target),
                business_day=dt.date(2022, 11, 14), outlet_no=source,
            )
        )  # fmt: skip
    reports = district.bank.reports
    rows = {
        (row.outlet, row.kind): (row.debits, row.credits) for row in reports.trial_balance().rows
    }
    assert rows["B01S01", "issued"] == (Points("12.50"), 1)
    assert rows["B02S01", "expired"] == (0, 7)
    assert reports.trial_balance().is_balanced
    assert reports.trial_balance("B02").outside == Points(-8)
    assert len(reports.trial_balance(as_of=dt.date(2022, 11, 13)).rows) == 3
