"""What closing an account does to its passbook."""

from __future__ import annotations

import pytest

from gongyi_bank.errors import NoPassbook, PassbookFrozen
from gongyi_bank.values import Points
from tests.district import District


@pytest.fixture
def with_book(district: District) -> tuple[District, int]:
    """A customer with a point and a passbook."""
    bank = district.bank
    printed = bank.passbooks.print_stock(count=2)
    for target in ("B01", "B01S01"):
        bank.passbooks.allot(target=target, first=printed.first, last=printed.last)
    account = district.customer()
    district.serve(account, "10-03 08:00", 60)
    district.acting("T1").passbooks.issue(account=account)
    return district, account


def test_a_closed_accounts_book_takes_its_last_lines_and_is_void(
    with_book: tuple[District, int],
) -> None:
    district, account = with_book
    teller = district.acting("T1")
    closed = teller.accounts.close(
        account=account, balance_to="pool", reason="迁出", second_person="K1"
    )
    assert closed.paid_out == Points(1)
    assert [line.kind for line in teller.passbooks.update(account=account).lines] == [
        "service",
        "close",
    ]
    assert "作废" in str(district.bank.passbooks.of(account))
    with pytest.raises(NoPassbook):
        teller.passbooks.update(account=account)
    assert district.bank.verify().is_clean


def test_an_account_whose_book_is_lost_pays_nothing_out(with_book: tuple[District, int]) -> None:
    district, account = with_book
    teller = district.acting("T1")
    teller.passbooks.report_loss(account=account, kind="oral")
    with pytest.raises(PassbookFrozen):
        teller.accounts.close(account=account, balance_to="pool", reason="迁出", second_person="K1")
