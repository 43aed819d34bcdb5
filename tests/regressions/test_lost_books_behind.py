"""Found by the machine's clocks: acts about a book or an account's state went by their host's own.

All that moves points went by the account's newest line where the host was behind it. So one host
told a customer that a lost book was frozen still, and paid out on it in the next breath; a loss
that was reported anew was said to be reported already, and to all other hosts the book was free.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_expiry_later import grant
from tests.service.test_passbooks import stock_up


def lapsed_elsewhere(district: District) -> tuple[int, Bank]:
    """Whose book was reported lost and is free again by now; a host that lives a month ago."""
    stock_up(district)
    account = district.customer()
    district.bank.passbooks.issue(account=account, outlet="B01S01")
    district.bank.passbooks.report_loss(account=account, kind="oral", outlet="B01S01")
    behind = district.clock() + dt.timedelta(hours=1)
    district.clock.advance(days=20)
    grant(district, account, 100)
    return account, district.bank.at(behind)


def test_a_book_that_is_free_again_is_free_by_a_host_that_is_behind(district: District) -> None:
    account, behind = lapsed_elsewhere(district)
    printed = behind.passbooks.update(account=account, outlet="B01S01")
    assert len(printed.lines) == 1
    assert printed.booked_at == district.clock()


def test_a_loss_reported_anew_by_a_host_that_is_behind_freezes_the_book(
    district: District,
) -> None:
    account, behind = lapsed_elsewhere(district)
    again = behind.passbooks.report_loss(account=account, kind="oral", outlet="B01S01")
    assert again.report_no == 2
    assert again.lapses_at is not None
    assert again.lapses_at > district.clock()


def test_an_account_whose_book_is_free_again_is_closed_by_a_host_that_is_behind(
    district: District,
) -> None:
    account, behind = lapsed_elsewhere(district)
    closed = behind.accounts.close(
        account=account, balance_to="pool", reason="迁出", second_person="ADM2"
    )
    assert closed.paid_out == Points(1)
    assert closed.booked_at == district.clock()


@pytest.mark.parametrize("verb", ["freeze", "unfreeze"])
def test_no_state_of_an_account_is_older_than_its_newest_line(
    district: District, verb: str
) -> None:
    account = district.customer()
    behind = district.bank.at(district.clock())
    district.clock.advance(days=3)
    grant(district, account, 100)
    said: Any = behind.accounts.freeze(account=account, reason="核查")
    if verb == "unfreeze":
        said = behind.accounts.unfreeze(account=account, reason="核实")
    assert said.booked_at == district.clock()
    assert district.bank.verify().is_clean, str(district.bank.verify())
