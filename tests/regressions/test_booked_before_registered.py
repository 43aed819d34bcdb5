"""A customer is registered by a host whose clock is ahead, and served by one that is behind.

Their first line then lies on the day before they came to their savings branch. Sums of the ledger
left the customer out on that day, so the trial balance as of it was off by the line, and so were
what the day's closing netted and the ledger book.
"""

from __future__ import annotations

import datetime as dt

from gongyi_bank.values import Points
from tests.district import District, at


def test_a_line_before_the_registration_is_in_the_books_of_the_first_branch(
    district: District,
) -> None:
    district.clock.now = at("10-17 00:30")
    account = district.customer("B02S01", registered_on=dt.date(2022, 10, 17))
    district.clock.now = at("10-16 23:59")
    given = district.acting("K1").points.grant(
        account=account, points=Points("2"), reason="表彰", outlet="B01", second_person="K1b"
    )
    assert given.business_day == dt.date(2022, 10, 16)
    assert district.bank.reports.trial_balance(as_of=dt.date(2022, 10, 16)).is_balanced
    district.clock.now = at("10-17 08:00")
    assert district.bank.closings.close("2022-10-16").netted == 2
    for code in ("B01", "B02"):
        assert district.bank.reports.trial_balance(code).outside == Points("0")
    owed = {row.outlet: str(row.closing) for row in district.bank.reports.clearing().rows}
    assert owed == {"H": "0.00", "B01": "2.00", "B02": "-2.00"}
    books = [district.bank.reports.ledger_book(code, "2022-10-16") for code in ("B02", "B01")]
    assert [[(row.account, row.credited) for row in book.rows] for book in books] == [
        [(account, Points("2"))],
        [],
    ]
    (row,) = district.bank.reports.ledger_book("H", "2022-10-17").rows
    assert (row.opening, row.credited) == (Points("2"), Points("0"))
    assert district.bank.verify().is_clean


def test_who_comes_later_is_in_no_earlier_book(district: District) -> None:
    district.clock.now = at("10-18 08:00")
    district.customer("B02S01", registered_on=dt.date(2022, 10, 17))
    for day, count in (("2022-10-16", 0), ("2022-10-17", 1)):
        assert len(district.bank.reports.ledger_book("H", day).rows) == count
