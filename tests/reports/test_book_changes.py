"""What vouchers tell of passbooks: a book that says something else was changed by nobody's act."""

from __future__ import annotations

from pathlib import Path

import pytest

from gongyi_bank.values import compose_passbook_no
from tests.district import District
from tests.reports.test_verification import tampered
from tests.service.test_redemptions import saver

FIRST, LAST = (compose_passbook_no(number) for number in (1, 12))


class Shelf:
    """A district whose passbooks have been through every act that there is."""

    def __init__(self, district: District) -> None:
        self.district, self.books = district, district.bank.passbooks
        self.books.print_stock(count=12)
        for target in ("B01", "B01S01"):
            self.books.allot(target=target, first=FIRST, last=LAST)
        self.holder = saver(district, 120)
        self.in_use = self.give(self.holder)
        self.books.update(account=self.holder, outlet="B01S01")
        worn = district.customer()
        self.replaced = self.give(worn)
        self.books.renew(account=worn, outlet="B01S01", damaged=True)
        leaving = district.customer()
        self.void = self.give(leaving)
        district.bank.accounts.close(account=leaving, reason="迁出")
        self.books.update(account=leaving, outlet="B01S01")
        self._lose()
        self._throw_away()

    def give(self, account: int) -> int:
        return self.books.issue(account=account, outlet="B01S01").passbook

    def _lose(self) -> None:
        loser = self.district.customer()
        self.lost = self.give(loser)
        self.books.report_loss(account=loser, outlet="B01S01", kind="written")
        self.district.clock.advance(days=8)
        self.books.reissue(account=loser, outlet="B01S01")

    def _throw_away(self) -> None:
        """A list with a gap in it, and of books in two states."""
        spoiled = [compose_passbook_no(number) for number in (9, 10, 12)]
        for number in spoiled:
            self.books.spoil(passbook=number, reason="水渍")
        destroyed = [*spoiled, self.replaced]
        self.books.destroy(passbooks=destroyed, reason="销毁", second_person="ADM2")
        self.blank = compose_passbook_no(11)


def test_every_act_on_passbooks_tells_what_it_changed(district: District) -> None:
    shelf = Shelf(district)
    states = {
        FIRST: "in_use",
        shelf.replaced: "destroyed",
        shelf.void: "void",
        shelf.blank: "blank",
    }
    assert len({*states, shelf.lost}) == 5
    found = district.bank.verify()
    assert found.is_clean, str(found)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shelf]:
    """The file of such a district."""
    path = tmp_path_factory.mktemp("shelf") / "bank.db"
    district = District(f"sqlite:///{path}")
    shelf = Shelf(district)
    district.close()
    return path, shelf


@pytest.mark.parametrize(
    ("which", "change", "said"),
    [
        ("in_use", "state = 'destroyed'", "存折 {}: destroyed, 1003, expected in_use, 1003"),
        ("in_use", "state = 'void'", "存折 {}: void, 1003, expected in_use, 1003"),
        ("in_use", "state = 'replaced'", "存折 {}: replaced, 1003, expected in_use, 1003"),
        ("in_use", "outlet_no = 1002", "存折 {}: in_use, 1002, expected in_use, 1003"),
        ("void", "state = 'destroyed'", "存折 {}: destroyed, 1003, expected void, 1003"),
        ("lost", "state = 'replaced'", "存折 {}: replaced, 1003, expected void, 1003"),
        ("replaced", "state = 'replaced'", "存折 {}: replaced, 1003, expected destroyed, 1003"),
        ("blank", "state = 'destroyed'", "存折 {}: destroyed, 1003, expected blank, 1003"),
        ("blank", "state = 'spoiled'", "存折 {}: spoiled, 1003, expected blank, 1003"),
        ("blank", "outlet_no = 1002", "存折 {}: blank, 1002, expected blank, 1003"),
        ("in_use", "printed_line_no = 0", "存折内页 {}"),
        ("in_use", "issued_on = '2022-01-01'", "存折内页 {}"),
        ("in_use", "account_no = account_no + 10", "存折内页 {}"),
        ("blank", "pages = 1", "存折内页 {}"),
        ("blank", "rows_per_page = 1", "存折内页 {}"),
        ("blank", "passbook_no = passbook_no + 100", "存折 {}: as at first, expected blank, 1003"),
    ],
)
def test_a_book_that_no_voucher_tells_of_is_found_and_named(
    books: tuple[Path, Shelf], tmp_path: Path, which: str, change: str, said: str
) -> None:
    number = getattr(books[1], which)
    sql = f"UPDATE gb_passbook SET {change} WHERE passbook_no = {number}"
    found = tampered(books, tmp_path, (sql, ()))  # type: ignore[arg-type]
    told = [str(fault) for fault in found.faults if fault.kind == "changes"]
    assert any(text.startswith(f"changes @ {said.format(number)}") for text in told), told
