"""Passbooks from the press to the shredder, on every engine, also with two callers at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.errors import (
    AccountClosed,
    FourEyesRequired,
    GongyiBankError,
    IdempotencyConflict,
    InvalidNumber,
    InvalidValue,
    LossNotReported,
    NoPassbook,
    NotPermitted,
    PassbookFrozen,
    PassbookFull,
    PassbookInUse,
    PassbookNotAvailable,
    PassbookNotFull,
    PassbookStockShort,
    ReissueTooEarly,
    UnknownCustomer,
    UnknownOutlet,
    UnknownPassbook,
    WrongTier,
)
from gongyi_bank.policies import PassbookRules
from gongyi_bank.store.passbooks import load_frozen
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no
from tests.district import District
from tests.racing import at_once, held_open

#: Small books, so that few lines fill them.
SMALL = PassbookRules(pages=2, rows_per_page=2)


@pytest.fixture
def shelf(engine_url: str) -> Iterator[District]:
    """A district of small books: twenty printed, ten of them at B01S01, five at B01."""
    made = District(engine_url, policies=(SMALL,))
    stock_up(made)
    yield made
    made.close()


def stock_up(district: District) -> None:
    books = district.bank.passbooks
    books.print_stock(count=20)
    books.allot(target="B01", first=serial(1), last=serial(15))
    district.acting("K1").passbooks.allot(target="B01S01", first=serial(1), last=serial(10))


def serial(index: int) -> int:
    return compose_passbook_no(index)


def stock_of(district: District, outlet: str | None = None) -> dict[str, dict[str, int]]:
    """Rows by outlet, without zeros and names."""
    return {
        row["outlet"]: {k: v for k, v in row.items() if k not in ("outlet", "name") and v}
        for row in district.bank.passbooks.stock(outlet)
    }


def serve_times(district: District, account: int, count: int, *, month: int = 9) -> None:
    for day in range(1, count + 1):
        district.serve(account, f"{month:02d}-{day:02d} 08:00", 60)


def frozen(district: District, account: int) -> dict[int, int]:
    return district.bank.read(lambda tx: load_frozen(tx, [account], district.clock()))


# --- stock -----------------------------------------------------------------------------------


def test_stock_is_countable_at_every_outlet_and_adds_up(shelf: District) -> None:
    assert stock_of(shelf) == {
        "H": {"blank": 5, "printed": 5},
        "B01": {"blank": 5, "printed": 5},
        "B01S01": {"blank": 10, "printed": 10},
        "合计": {"blank": 20, "printed": 20},
    }
    assert stock_of(shelf, "B01")["合计"] == {"blank": 15, "printed": 15}
    assert stock_of(shelf, "B02S01") == {"B02S01": {}, "合计": {}}
    with pytest.raises(UnknownOutlet):
        shelf.bank.passbooks.stock("B99")


def test_every_book_printed_has_a_number_of_its_own(shelf: District) -> None:
    receipt = shelf.bank.passbooks.print_stock(count=2)
    assert (receipt.first, receipt.last) == (serial(21), serial(22))
    assert (receipt.pages, receipt.rows_per_page) == (2, 2)


def test_the_head_office_alone_prints(shelf: District) -> None:
    with pytest.raises(NotPermitted):
        shelf.acting("K1").passbooks.print_stock(count=1)


def test_printing_again_with_the_same_key_prints_nothing(shelf: District) -> None:
    books = shelf.bank.passbooks
    first = books.print_stock(count=2, idempotency_key="P1")
    assert books.print_stock(count=2, idempotency_key="P1") == first
    with pytest.raises(IdempotencyConflict):
        books.print_stock(count=3, idempotency_key="P1")
    assert stock_of(shelf)["合计"]["printed"] == 22


@pytest.mark.parametrize(
    ("staff", "target", "first", "last", "error"),
    [
        ("admin", "B01S01", 11, 16, PassbookStockShort),
        ("admin", "B01S01", 10, 11, PassbookStockShort),
        ("admin", "B02", 16, 21, PassbookStockShort),
        ("admin", "B02S01", 16, 17, PassbookStockShort),
        ("admin", "H", 16, 17, WrongTier),
        ("admin", "B99", 16, 17, UnknownOutlet),
        ("admin", "B02", 17, 16, InvalidValue),
        ("K1", "B02", 16, 17, NotPermitted),
        ("K2", "B01S01", 11, 12, NotPermitted),
        ("T1", "B01S01", 11, 12, NotPermitted),
    ],
)
def test_an_allotment_is_refused(
    shelf: District,
    staff: str,
    target: str,
    first: int,
    last: int,
    error: type[GongyiBankError],
) -> None:
    before = stock_of(shelf)
    with pytest.raises(error):
        shelf.acting(staff).passbooks.allot(target=target, first=serial(first), last=serial(last))
    assert stock_of(shelf) == before


def test_an_allotment_sent_again_is_answered_and_not_refused(shelf: District) -> None:
    books = shelf.bank.passbooks
    wish = {"target": "B02", "first": serial(16), "last": serial(17), "idempotency_key": "A1"}
    assert books.allot(**wish) == books.allot(**wish)
    assert stock_of(shelf)["B02"] == {"blank": 2, "printed": 2}


def test_a_number_with_a_slip_is_refused_at_the_door(shelf: District) -> None:
    with pytest.raises(InvalidNumber):
        shelf.bank.passbooks.spoil(passbook=serial(1) + 1, reason="水渍")


def test_spoiled_books_are_destroyed_before_a_second_person(shelf: District) -> None:
    teller, keeper = shelf.acting("T1").passbooks, shelf.acting("K1").passbooks
    for index in (3, 4):
        assert teller.spoil(passbook=serial(index), reason="水渍").outlet == "B01S01"
    with pytest.raises(PassbookNotAvailable):
        teller.spoil(passbook=serial(3), reason="水渍")
    wish = {"first": serial(3), "last": serial(4), "reason": "年度清理"}
    with pytest.raises(FourEyesRequired):
        keeper.destroy(**wish, second_person="K1")
    with pytest.raises(NotPermitted):
        keeper.destroy(**wish, second_person="T2")
    with pytest.raises(NotPermitted):
        shelf.acting("K2").passbooks.destroy(**wish, second_person="K1")
    with pytest.raises(PassbookNotAvailable):
        keeper.destroy(passbooks=[serial(3), serial(5)], reason="年度清理", second_person="K1b")
    done = keeper.destroy(**wish, second_person="T1")
    assert (done.count, done.passbooks) == (2, (serial(3), serial(4)))
    assert stock_of(shelf)["B01S01"] == {"blank": 8, "destroyed": 2, "printed": 10}


@pytest.mark.parametrize(
    "books",
    [
        {},
        {"first": serial(3)},
        {"last": serial(3)},
        {"first": serial(3), "passbooks": (serial(3),)},
        {"first": serial(3), "last": serial(3), "passbooks": (serial(3),)},
    ],
)
def test_what_is_destroyed_is_a_range_or_a_list(
    sqlite_district: District, books: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValue):
        sqlite_district.bank.passbooks.destroy(**books, reason="清理", second_person="ADM2")


# --- issuing, printing, renewing ---------------------------------------------------------------


def test_an_account_gets_the_lowest_book_or_the_one_named(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    first, second = shelf.customer(), shelf.customer("B02S01")
    assert teller.issue(account=first).passbook == serial(1)
    named = teller.issue(account=second, passbook="00000005 " + str(serial(5) % 10))
    assert (named.passbook, named.volume_no, named.first_line_no) == (serial(5), 1, 1)
    assert stock_of(shelf)["B01S01"] == {"blank": 8, "in_use": 2, "printed": 10}


def test_issuing_is_refused(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account, other = shelf.customer(), shelf.customer()
    with pytest.raises(UnknownPassbook):
        teller.issue(account=account, passbook=serial(11))
    with pytest.raises(UnknownPassbook):
        teller.issue(account=account, passbook=serial(99))
    with pytest.raises(PassbookStockShort):
        shelf.acting("T2").passbooks.issue(account=account)
    with pytest.raises(NotPermitted):
        shelf.acting("T2").passbooks.issue(account=account, outlet="B01S01")
    with pytest.raises(WrongTier):
        shelf.acting("K1").passbooks.issue(account=account)
    with pytest.raises(UnknownCustomer):
        teller.issue(account=compose_account_no(1002, 9_999_999))
    teller.issue(account=account)
    with pytest.raises(PassbookInUse):
        teller.issue(account=account)
    with pytest.raises(PassbookNotAvailable):
        teller.issue(account=other, passbook=serial(1))
    shelf.acting("T1").accounts.close(account=other, balance_to="nowhere", reason="本人要求")
    with pytest.raises(AccountClosed):
        teller.issue(account=other)


def test_an_update_prints_exactly_the_lines_not_printed_yet(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer()
    with pytest.raises(NoPassbook):
        teller.update(account=account)
    teller.issue(account=account)
    assert teller.update(account=account).lines == ()
    serve_times(shelf, account, 3)
    printed = teller.update(account=account)
    assert [(p.page, p.row, p.line_no) for p in printed.lines] == [(1, 1, 1), (1, 2, 2), (2, 1, 3)]
    assert [str(p.balance) for p in printed.lines] == ["1.00", "2.00", "3.00"]
    assert {(p.kind, p.day, p.amount) for p in printed.lines} == {
        ("service", dt.date(2022, 10, 15), Points("1.00"))
    }
    assert (printed.rows_left, printed.lines_left, printed.is_full) == (1, 0, False)
    assert teller.update(account=account).lines == ()


def test_an_update_sent_again_gives_the_same_lines_and_prints_none(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer()
    teller.issue(account=account)
    serve_times(shelf, account, 2)
    first = teller.update(account=account, idempotency_key="U1")
    assert teller.update(account=account, idempotency_key="U1") == first
    assert len(first.lines) == 2
    assert teller.update(account=account).lines == ()


def test_an_update_prints_no_more_than_it_is_told_to(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer()
    serve_times(shelf, account, 3)
    teller.issue(account=account)
    receipt = teller.update(account=account, lines_max=2)
    assert ([p.line_no for p in receipt.lines], receipt.lines_left) == ([1, 2], 1)
    assert [p.line_no for p in teller.update(account=account).lines] == [3]


def test_a_full_book_is_renewed_and_the_new_one_goes_on(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer()
    old = teller.issue(account=account).passbook
    serve_times(shelf, account, 3)
    teller.update(account=account)
    with pytest.raises(PassbookNotFull) as refusal:
        teller.renew(account=account)
    assert refusal.value.facts["rows_left"] == 1
    serve_times(shelf, account, 3, month=10)
    last = teller.update(account=account)
    assert (last.is_full, last.lines_left) == (True, 2)
    with pytest.raises(PassbookFull):
        teller.update(account=account)
    new = teller.renew(account=account)
    assert (new.replaced, new.passbook) == (old, serial(2))
    assert (new.volume_no, new.first_line_no) == (2, 5)
    printed = teller.update(account=account).lines
    assert [(p.page, p.row, p.line_no) for p in printed] == [(1, 1, 5), (1, 2, 6)]
    assert [(row["volume"], row["state"]) for row in shelf.bank.passbooks.of(account)] == [
        (1, "已换"),
        (2, "在用"),
    ]
    keeper = shelf.acting("K1").passbooks
    keeper.destroy(passbooks=[old], second_person="T1", reason="年度清理")
    assert stock_of(shelf)["B01S01"] == {
        "blank": 8,
        "in_use": 1,
        "destroyed": 1,
        "printed": 10,
    }
    assert len(shelf.bank.passbooks.of(account)) == 2


def test_a_damaged_book_is_renewed_wherever_the_customer_is(shelf: District) -> None:
    shelf.acting("K1").passbooks.allot(target="B01S02", first=serial(11), last=serial(12))
    account = shelf.customer()
    shelf.acting("T1").passbooks.issue(account=account)
    new = shelf.acting("T2").passbooks.renew(account=account, damaged=True)
    assert (new.outlet, new.first_line_no, new.volume_no) == ("B01S02", 1, 2)
    assert stock_of(shelf)["B01S02"] == {"blank": 1, "in_use": 1, "replaced": 1, "printed": 3}


def test_the_size_of_a_book_is_that_of_its_printing(shelf: District) -> None:
    larger = PassbookRules(pages=3, rows_per_page=10)
    shelf.bank.policies.adopt(policy=larger, effective_on=dt.date(2022, 10, 16))
    shelf.clock.advance(days=1)
    account = shelf.customer()
    shelf.acting("T1").passbooks.issue(account=account)
    assert shelf.bank.passbooks.page(account).rows_per_page == 2
    assert shelf.bank.passbooks.print_stock(count=1).pages == 3


def test_a_page_shows_what_is_printed_and_masks_the_name(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer(name="李小龙")
    teller.issue(account=account)
    serve_times(shelf, account, 4)
    assert shelf.bank.passbooks.page(account).rows == ()
    teller.update(account=account, lines_max=3)
    page = shelf.bank.passbooks.page(account)
    assert (page.page_no, page.holder, len(page.rows)) == (2, "李*龙", 1)
    row = shelf.bank.passbooks.page(account, 1).rows[1]
    assert (row.row_no, row.summary, row.credit, row.debit) == (
        2,
        "服务入折 9月2日",
        Points("1.00"),
        None,
    )
    assert (row.balance, row.outlet) == (Points("2.00"), "B01S01")
    assert "李*龙" in str(page)
    assert "<table" in page._repr_html_()
    assert shelf.bank.passbooks.page(account, 1, show_name=True).holder == "李小龙"
    for page_no in (0, 3):
        with pytest.raises(InvalidValue):
            shelf.bank.passbooks.page(account, page_no)


def test_the_last_lines_of_a_closed_account_can_be_printed(shelf: District) -> None:
    account = shelf.customer()
    shelf.acting("T1").passbooks.issue(account=account)
    serve_times(shelf, account, 1)
    shelf.acting("T1").accounts.close(
        account=account, balance_to="pool", reason="本人要求", second_person="K1"
    )
    printed = shelf.acting("T1").passbooks.update(account=account).lines
    assert [(p.kind, str(p.amount)) for p in printed] == [("service", "1.00"), ("close", "-1.00")]


# --- loss --------------------------------------------------------------------------------------


def test_an_oral_report_freezes_at_once_and_lapses_by_itself(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer()
    book = teller.issue(account=account).passbook
    report = shelf.acting("T3").passbooks.report_loss(account=account, kind="oral")
    assert (report.passbook, report.report_no, report.reissue_from_on) == (book, 1, None)
    assert frozen(shelf, account) == {account: book}
    assert stock_of(shelf)["B01S01"] == {"blank": 9, "lost": 1, "printed": 10}
    for refused in (teller.update, teller.renew):
        with pytest.raises(PassbookFrozen):
            refused(account=account)
    with pytest.raises(PassbookFrozen):
        teller.report_loss(account=account, kind="oral")
    with pytest.raises(LossNotReported):
        teller.reissue(account=account)
    shelf.clock.now = dt.datetime.fromisoformat("2022-10-20T23:59:59+08:00")
    assert frozen(shelf, account) == {account: book}
    shelf.clock.advance(seconds=1)
    assert frozen(shelf, account) == {}
    assert stock_of(shelf)["B01S01"] == {"blank": 9, "in_use": 1, "printed": 10}
    assert teller.update(account=account).lines == ()
    with pytest.raises(LossNotReported):
        teller.lift_loss(account=account, reason="找回")
    assert teller.report_loss(account=account, kind="oral").report_no == 2
    assert frozen(shelf, account) == {account: book}


def test_a_book_found_again_is_in_use(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer()
    book = teller.issue(account=account).passbook
    for kind in ("oral", "written"):
        teller.report_loss(account=account, kind=kind)
        assert teller.lift_loss(account=account, reason="家中找回").passbook == book
        assert frozen(shelf, account) == {}
    with pytest.raises(LossNotReported):
        teller.lift_loss(account=account, reason="家中找回")


def test_a_lost_book_is_replaced_after_the_waiting_time(shelf: District) -> None:
    teller = shelf.acting("T1").passbooks
    account = shelf.customer()
    serve_times(shelf, account, 3)
    lost = teller.issue(account=account).passbook
    teller.update(account=account)
    teller.report_loss(account=account, kind="oral")
    shelf.clock.advance(days=2)
    report = teller.report_loss(account=account, kind="written")
    assert (report.lapses_at, report.reissue_from_on) == (None, dt.date(2022, 10, 24))
    shelf.clock.now = dt.datetime.fromisoformat("2022-10-23T23:59:59+08:00")
    assert frozen(shelf, account) == {account: lost}
    with pytest.raises(ReissueTooEarly):
        teller.reissue(account=account)
    shelf.clock.advance(seconds=1)
    new = teller.reissue(account=account)
    assert (new.voided, new.volume_no, new.first_line_no) == (lost, 2, 4)
    assert frozen(shelf, account) == {}
    assert stock_of(shelf)["B01S01"] == {"blank": 8, "in_use": 1, "void": 1, "printed": 10}
    with pytest.raises(LossNotReported):
        teller.lift_loss(account=account, reason="找回")
    # The new book can be lost as well.
    teller.report_loss(account=account, kind="oral")
    assert frozen(shelf, account) == {account: new.passbook}


def test_a_loss_can_only_be_reported_of_a_book_in_use(shelf: District) -> None:
    with pytest.raises(NoPassbook):
        shelf.acting("T1").passbooks.report_loss(account=shelf.customer(), kind="oral")


# --- two callers at once -----------------------------------------------------------------------


def all_at_once(bank: Bank, *acts: Callable[[Counter], Any]) -> list[Any]:
    """Each act in a transaction of its own, which stays open for a moment."""
    return at_once(*(held_open(bank, act) for act in acts))


def names_of(results: list[Any]) -> list[str]:
    return sorted(type(result).__name__ for result in results)


def test_two_tellers_cannot_issue_the_same_book(shelf: District) -> None:
    def issue(account: int) -> Callable[[Counter], Any]:
        return lambda counter: counter.passbooks.issue(account=account, passbook=serial(7))

    acts = [issue(shelf.customer()) for _ in range(3)]
    results = all_at_once(shelf.acting("T1"), *acts)
    assert names_of(results) == ["PassbookIssued"] + ["PassbookNotAvailable"] * 2
    assert stock_of(shelf)["B01S01"] == {"blank": 9, "in_use": 1, "printed": 10}


def test_two_tellers_take_two_books_from_the_stock(shelf: District) -> None:
    def issue(account: int) -> Callable[[Counter], Any]:
        return lambda counter: counter.passbooks.issue(account=account)

    acts = [issue(shelf.customer()) for _ in range(3)]
    results = all_at_once(shelf.acting("T1"), *acts)
    assert sorted(r.passbook for r in results) == [serial(i) for i in (1, 2, 3)]


def test_one_account_gets_one_book_from_two_tellers(shelf: District) -> None:
    account = shelf.customer()
    acts = [lambda counter: counter.passbooks.issue(account=account)] * 3
    results = all_at_once(shelf.acting("T1"), *acts)
    assert names_of(results) == ["PassbookInUse", "PassbookInUse", "PassbookIssued"]


def test_one_key_from_two_tellers_is_one_issue(shelf: District) -> None:
    account = shelf.customer()
    wish = {"account": account, "idempotency_key": "I1"}
    acts = [lambda counter: counter.passbooks.issue(**wish)] * 3
    results = all_at_once(shelf.acting("T1"), *acts)
    assert results[0].passbook == serial(1)
    assert results[0] == results[1] == results[2]


def test_two_updates_of_one_book_print_each_line_once(shelf: District) -> None:
    account = shelf.customer()
    shelf.acting("T1").passbooks.issue(account=account)
    serve_times(shelf, account, 4)
    acts = [lambda counter: counter.passbooks.update(account=account, lines_max=2)] * 3
    results = all_at_once(shelf.acting("T1"), *acts)
    assert names_of(results) == ["PassbookUpdated"] * 3
    assert sorted(line.line_no for r in results for line in r.lines) == [1, 2, 3, 4]


def test_a_loss_is_reported_once(shelf: District) -> None:
    account = shelf.customer()
    shelf.acting("T1").passbooks.issue(account=account)
    acts = [lambda counter: counter.passbooks.report_loss(account=account, kind="written")] * 2
    assert names_of(all_at_once(shelf.acting("T1"), *acts)) == ["LossReported", "PassbookFrozen"]


def test_one_range_is_allotted_to_one_outlet(shelf: District) -> None:
    def allot(target: str, **more: Any) -> Callable[[Counter], Any]:
        wish = {"target": target, "first": serial(11), "last": serial(15)} | more
        return lambda counter: counter.passbooks.allot(**wish)

    acts = [allot("B01S01"), allot("B01S02"), allot("B01S02")]
    results = all_at_once(shelf.acting("K1"), *acts)
    assert names_of(results) == ["PassbookStockShort"] * 2 + ["StockAllotted"]
    assert stock_of(shelf)["合计"] == {"blank": 20, "printed": 20}


def test_one_allotment_sent_by_two_is_one(shelf: District) -> None:
    wish = {"target": "B01S02", "first": serial(11), "last": serial(15), "idempotency_key": "A1"}
    acts = [lambda counter: counter.passbooks.allot(**wish)] * 2
    first, second = all_at_once(shelf.acting("K1"), *acts)
    assert names_of([first]) == ["StockAllotted"]
    assert first == second


def test_a_book_is_destroyed_once(shelf: District) -> None:
    shelf.acting("T1").passbooks.spoil(passbook=serial(3), reason="水渍")
    wish = {"passbooks": (serial(3),), "second_person": "T1", "reason": "清理"}
    acts = [lambda counter: counter.passbooks.destroy(**wish)] * 2
    results = all_at_once(shelf.acting("K1"), *acts)
    assert names_of(results) == ["PassbookNotAvailable", "PassbooksDestroyed"]
