"""What may be done with a book: every refusal and every boundary, without a database."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import (
    GongyiBankError,
    InvalidValue,
    LossNotReported,
    NoPassbook,
    PassbookFrozen,
    PassbookFull,
    PassbookInUse,
    PassbookNotAvailable,
    PassbookNotFull,
    PassbookStockShort,
    ReissueTooEarly,
    UnknownCustomer,
    UnknownPassbook,
    WrongTier,
)
from gongyi_bank.policies import PassbookRules
from gongyi_bank.rules import passbooks as rules
from gongyi_bank.rules.passbooks import Book, Holding, LossReport
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.values import compose_passbook_no, format_passbook_no

ACCOUNT = 100200000019
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = dt.datetime(2022, 10, 15, 12, tzinfo=SHANGHAI)
DAY = NOON.date()
BRANCH = OutletFacts(1001, "B01", "莲花分行", 2, 1000, True)
SAVINGS = OutletFacts(1002, "B01S01", "莲花团结社区储蓄所", 3, 1001, True)
HEAD = OutletFacts(1000, "H", "总行", 1, None, True)


def book(index: int = 1, state: str = "in_use", **fields: Any) -> Book:
    held = {"account_no": ACCOUNT, "volume_no": 1, "issued_on": DAY} | {
        "first_line_no": 1,
        "printed_line_no": 0,
    }
    common = {"outlet_no": 1002, "pages": 2, "rows_per_page": 3}
    given = common | (held if state not in ("blank", "spoiled") else {}) | fields
    return Book(passbook_no=compose_passbook_no(index), state=state, **given)


def report(kind: str = "oral", state: str = "in_force", **fields: Any) -> LossReport:
    terms = rules.report_terms(kind, DAY, SHANGHAI, PassbookRules())
    given = {"lapses_at": terms[0], "reissue_from_on": terms[1]} | fields
    return LossReport(ACCOUNT, 1, compose_passbook_no(1), kind, state, **given)


def holding(*books: Book, newest: int = 0) -> Holding:
    return Holding(ACCOUNT, books, newest)


@pytest.mark.parametrize(
    ("first_line", "line", "place"),
    [
        (1, 1, (1, 1)),
        (1, 3, (1, 3)),
        (1, 4, (2, 1)),
        (1, 6, (2, 3)),
        (7, 7, (1, 1)),
        (7, 10, (2, 1)),
    ],
)
def test_page_and_row_follow_from_the_line(
    first_line: int, line: int, place: tuple[int, int]
) -> None:
    assert book(first_line_no=first_line).place_of(line) == place


@pytest.mark.parametrize(
    ("printed", "newest_page", "lines"),
    [(0, 1, (1, 0)), (1, 1, (1, 1)), (3, 1, (1, 3)), (4, 2, (4, 4)), (6, 2, (4, 6))],
)
def test_the_newest_page_is_the_one_with_the_newest_line(
    printed: int, newest_page: int, lines: tuple[int, int]
) -> None:
    shown = book(printed_line_no=printed)
    assert shown.newest_page_no == newest_page
    assert shown.lines_on(newest_page) == lines


@pytest.mark.parametrize(
    ("page", "lines"), [(1, (1, 3)), (2, (4, 6)), (3, (7, 6))], ids=["full", "last", "none"]
)
def test_a_page_ends_where_its_rows_or_the_printed_lines_end(
    page: int, lines: tuple[int, int]
) -> None:
    assert book(printed_line_no=6, pages=3).lines_on(page) == lines


def test_an_oral_report_lapses_at_the_banks_midnight_kept_in_utc() -> None:
    lapses_at, _ = rules.report_terms("oral", DAY, SHANGHAI, PassbookRules())
    assert lapses_at == dt.datetime(2022, 10, 20, 16, tzinfo=dt.UTC)
    assert lapses_at.tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("printed", "newest", "lines_max", "count"),
    [
        (0, 0, 500, 0),
        (0, 1, 500, 1),
        (0, 6, 500, 6),
        (0, 7, 500, 6),
        (4, 9, 500, 2),
        (0, 6, 4, 4),
        (6, 6, 500, 0),
    ],
)
def test_what_is_printed_is_what_is_new_as_far_as_there_is_room(
    printed: int, newest: int, lines_max: int, count: int
) -> None:
    assert rules.decide_printing(book(printed_line_no=printed), newest, lines_max) == count


@given(
    st.integers(min_value=0, max_value=60),
    st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=60),
)
def test_every_line_is_printed_once_however_the_printing_is_cut(
    newest: int, cuts: list[int]
) -> None:
    printed: list[int] = []
    places: set[tuple[int, int, int]] = set()
    volume = book()
    for lines_max in cuts:
        if not volume.rows_left:
            first = (volume.printed_line_no or 0) + 1
            volume = book(
                volume_no=(volume.volume_no or 0) + 1,
                first_line_no=first,
                printed_line_no=first - 1,
            )
        count = rules.decide_printing(volume, newest, lines_max)
        start = (volume.printed_line_no or 0) + 1
        for line in range(start, start + count):
            printed.append(line)
            places.add((volume.volume_no or 0, *volume.place_of(line)))
        volume = book(
            volume_no=volume.volume_no,
            first_line_no=volume.first_line_no,
            printed_line_no=start + count - 1,
        )
    assert printed == list(range(1, len(printed) + 1))
    assert len(places) == len(printed)
    assert all(page <= 2 and row <= 3 for _, page, row in places)


@pytest.mark.parametrize(
    ("now", "is_in_force"),
    [
        (dt.datetime(2022, 10, 15, 12, tzinfo=SHANGHAI), True),
        (dt.datetime(2022, 10, 20, 12, tzinfo=SHANGHAI), True),
        (dt.datetime(2022, 10, 20, 23, 59, 59, 999_999, tzinfo=SHANGHAI), True),
        (dt.datetime(2022, 10, 21, tzinfo=SHANGHAI), False),
    ],
)
def test_an_oral_report_counts_to_the_end_of_the_fifth_day_after_it(
    now: dt.datetime, is_in_force: bool
) -> None:
    assert report("oral").is_in_force(now) is is_in_force
    assert report("written").is_in_force(now)
    assert not report("written", "lifted").is_in_force(now)


@pytest.mark.parametrize(
    ("earlier", "kind", "days", "fate"),
    [
        (None, "oral", 0, None),
        (report("oral"), "written", 5, "superseded"),
        (report("oral"), "written", 6, "lapsed"),
        (report("oral"), "oral", 6, "lapsed"),
        (report("oral", "lifted"), "oral", 0, None),
        (report("written", "lifted"), "written", 0, None),
    ],
)
def test_what_becomes_of_the_report_before(
    earlier: LossReport | None, kind: str, days: int, fate: str | None
) -> None:
    now = NOON + dt.timedelta(days=days)
    assert rules.decide_earlier_report(book(), earlier, kind, now) == fate


def test_a_new_book_is_given_on_the_seventh_day_and_not_before() -> None:
    written = report("written")
    with pytest.raises(ReissueTooEarly) as refusal:
        rules.require_reissuable(ACCOUNT, written, NOON, DAY + dt.timedelta(days=6))
    assert refusal.value.facts == {"account": ACCOUNT, "earliest_on": dt.date(2022, 10, 22)}
    assert rules.require_reissuable(ACCOUNT, written, NOON, DAY + dt.timedelta(days=7)) is written


THREE = [compose_passbook_no(index) for index in (1, 2, 3)]
FIRST_TWO = THREE[:2]
LAPSED_AT = NOON + dt.timedelta(days=6)
NUMBER, SERIAL, SERIAL_2 = FIRST_TWO[0], *map(format_passbook_no, FIRST_TWO)
FROZEN_BOOK = PassbookFrozen(account=ACCOUNT, serial=SERIAL)
ANY_REPORT = LossNotReported(account=ACCOUNT, kind="（口头或书面 oral or written）")
NO_WRITTEN_REPORT = LossNotReported(account=ACCOUNT, kind="书面 (written)")
RANGE_SHORT = PassbookStockShort(outlet="B01", first=SERIAL, last=SERIAL_2)


def not_available(state: str, act: str) -> PassbookNotAvailable:
    return PassbookNotAvailable(serial=SERIAL, state=state, act=act)


def wrong_range(last: int) -> InvalidValue:
    return InvalidValue.of("last", last, "it takes 1 to 10 books from first to last")


REFUSALS: list[tuple[str, GongyiBankError, Any]] = [
    (
        "a range the wrong way round",
        wrong_range(NUMBER),
        lambda: rules.numbers_between(FIRST_TWO[1], FIRST_TWO[0], count_max=10),
    ),
    (
        "a range longer than allowed",
        wrong_range(compose_passbook_no(11)),
        lambda: rules.numbers_between(FIRST_TWO[0], compose_passbook_no(11), count_max=10),
    ),
    (
        "allotting books of which one is missing",
        PassbookStockShort(outlet="B01", first=SERIAL, last=format_passbook_no(THREE[-1])),
        lambda: rules.require_allottable(BRANCH, THREE, {("blank", 1001): 2}),
    ),
    (
        "allotting books of which one is elsewhere",
        RANGE_SHORT,
        lambda: rules.require_allottable(
            BRANCH, FIRST_TWO, {("blank", 1001): 1, ("blank", 1000): 1}
        ),
    ),
    (
        "allotting books of which one is spoiled",
        RANGE_SHORT,
        lambda: rules.require_allottable(
            BRANCH, FIRST_TWO, {("blank", 1001): 1, ("spoiled", 1001): 1}
        ),
    ),
    (
        "allotting to the head office",
        WrongTier(outlet="H", tier="总行 head office", wanted="储蓄所 savings branch"),
        lambda: rules.require_below(HEAD),
    ),
    (
        "issuing where no stock is left",
        PassbookStockShort(outlet="B01S01", first="（任一 any）", last="（任一 any）"),
        lambda: rules.require_blank_at(SAVINGS, None, None),
    ),
    (
        "issuing a book that was never printed",
        UnknownPassbook(serial=f"{SERIAL} @ B01S01"),
        lambda: rules.require_blank_at(SAVINGS, None, FIRST_TWO[0]),
    ),
    (
        "issuing a blank book of another outlet",
        UnknownPassbook(serial=f"{SERIAL} @ B01"),
        lambda: rules.require_blank_at(BRANCH, book(1, "blank"), FIRST_TWO[0]),
    ),
    (
        "issuing a spoiled book",
        not_available("spoiled", "issue"),
        lambda: rules.require_blank_at(SAVINGS, book(1, "spoiled"), FIRST_TWO[0]),
    ),
    (
        "destroying a book in use",
        not_available("in_use", "destroy"),
        lambda: rules.require_destroyable([book(1)], FIRST_TWO[:1]),
    ),
    (
        "destroying a blank book",
        not_available("blank", "destroy"),
        lambda: rules.require_destroyable([book(1, "blank")], FIRST_TWO[:1]),
    ),
    (
        "destroying a book twice",
        not_available("destroyed", "destroy"),
        lambda: rules.require_destroyable([book(1, "destroyed")], FIRST_TWO[:1]),
    ),
    (
        "destroying a book that was never printed",
        UnknownPassbook(serial=SERIAL_2),
        lambda: rules.require_destroyable([book(1, "void")], FIRST_TWO),
    ),
    (
        "an unknown account",
        UnknownCustomer(account=ACCOUNT),
        lambda: rules.require_known(ACCOUNT, None),
    ),
    (
        "an account whose only book is void",
        NoPassbook(account=ACCOUNT),
        lambda: rules.require_current(holding(book(1, "void"))),
    ),
    (
        "a second book",
        PassbookInUse(account=ACCOUNT, serial=SERIAL_2),
        lambda: rules.require_none_in_use(holding(book(1, "replaced"), book(2))),
    ),
    (
        "a book reported lost",
        FROZEN_BOOK,
        lambda: rules.require_not_lost(book(), report("oral"), NOON),
    ),
    (
        "printing in a full book",
        PassbookFull(serial=SERIAL),
        lambda: rules.decide_printing(book(printed_line_no=6), 7, 500),
    ),
    (
        "renewing a book with one row left",
        PassbookNotFull(serial=SERIAL, rows_left=1),
        lambda: rules.require_renewable(book(printed_line_no=5), damaged=False),
    ),
    (
        "stretching an oral report by another",
        FROZEN_BOOK,
        lambda: rules.decide_earlier_report(book(), report("oral"), "oral", NOON),
    ),
    (
        "an oral report after a written one",
        FROZEN_BOOK,
        lambda: rules.decide_earlier_report(book(), report("written"), "oral", NOON),
    ),
    (
        "a second written report",
        FROZEN_BOOK,
        lambda: rules.decide_earlier_report(book(), report("written"), "written", NOON),
    ),
    ("lifting nothing", ANY_REPORT, lambda: rules.require_liftable(ACCOUNT, None, NOON)),
    (
        "lifting a lapsed report",
        ANY_REPORT,
        lambda: rules.require_liftable(ACCOUNT, report("oral"), LAPSED_AT),
    ),
    (
        "reissuing from an oral report",
        NO_WRITTEN_REPORT,
        lambda: rules.require_reissuable(ACCOUNT, report("oral"), NOON, DAY),
    ),
    (
        "reissuing from a lifted report",
        NO_WRITTEN_REPORT,
        lambda: rules.require_reissuable(
            ACCOUNT, report("written", "lifted"), NOON, DAY + dt.timedelta(days=9)
        ),
    ),
]


@pytest.mark.parametrize(("what", "error", "decide"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_it_is_refused(what: str, error: GongyiBankError, decide: Any) -> None:
    with pytest.raises(GongyiBankError) as refusal:
        decide()
    assert refusal.value == error
    assert refusal.value.message("zh") != refusal.value.message("en"), what


def test_what_is_allowed_is_not_refused() -> None:
    rules.require_allottable(BRANCH, FIRST_TWO, {("blank", 1001): 2})
    rules.require_destroyable([book(1, "void"), book(2, "spoiled")], FIRST_TWO)
    rules.require_renewable(book(printed_line_no=6), damaged=False)
    rules.require_renewable(book(printed_line_no=5), damaged=True)
    rules.require_not_lost(book(), report("oral"), LAPSED_AT)
    rules.require_none_in_use(holding(book(1, "void")))
    assert rules.require_below(SAVINGS) == BRANCH.outlet_no
    assert rules.require_blank_at(SAVINGS, book(1, "blank"), None).passbook_no == FIRST_TWO[0]
    assert rules.require_blank_at(SAVINGS, book(1, "blank"), NUMBER).passbook_no == NUMBER
    assert rules.numbers_between(*FIRST_TWO, count_max=2) == FIRST_TWO
    assert rules.numbers_between(NUMBER, NUMBER, count_max=2) == [NUMBER]


def test_the_next_book_continues_where_the_last_one_ends() -> None:
    had = holding(
        book(1, "replaced", printed_line_no=6),
        book(2, "void", volume_no=2, first_line_no=7, printed_line_no=8),
        newest=10,
    )
    assert (had.current, had.next_volume_no, had.next_line_no) == (None, 3, 9)
    nothing = holding(newest=10)
    assert (nothing.next_volume_no, nothing.next_line_no) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "value_on", "shown"),
    [
        ("service", dt.date(2022, 10, 31), "服务入折"),
        ("service", dt.date(2022, 10, 3), "服务入折 10月3日"),
        ("new kind", dt.date(2022, 10, 31), "new kind"),
    ],
)
def test_the_page_says_what_a_line_was_for(kind: str, value_on: dt.date, shown: str) -> None:
    assert rules.summary_of(kind, value_on, dt.date(2022, 10, 31)) == shown
