"""Tables, passbook pages and small charts, as people see them."""

from __future__ import annotations

import builtins
import html.parser
import subprocess
import sys
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank import display
from gongyi_bank.display import Column, PassbookPage, Table
from gongyi_bank.errors import InvalidValue
from gongyi_bank.values import Points

COLUMNS = (
    Column("outlet", "网点", "Outlet"),
    Column("points", "积分", "Points", "right"),
    Column("stars", "星级", "Stars", "center"),
)
TABLE = Table(
    title="十月",
    columns=COLUMNS,
    rows=(("三贤祠储蓄所", Points("12.50"), "★★★"), ("Rd 1", Points("-3.00"), "★")),
    notes=("红字为冲正。",),
)
TEXTS = st.text(max_size=12)


class Reader(html.parser.HTMLParser):
    """Collects the tags and the text of a page, except for style sheets."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.texts.append(data)


# --- widths


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("积分", 4), ("𠮷", 2), ("é", 1), ("e\u0301", 1), ("★─", 2), ("（）", 4)],
)
def test_chinese_takes_two_columns_and_combining_marks_none(text, width):
    assert display.text_width(text) == width


# --- tables


def test_a_table_is_aligned_in_a_terminal():
    assert str(TABLE).splitlines() == [
        "十月",
        "网点           积分  星级",
        "────────────  ─────  ────",
        "三贤祠储蓄所  12.50  ★★★",
        "Rd 1          -3.00   ★",
        "红字为冲正。",
    ]


def test_headings_come_in_english_too():
    assert TABLE.to_text("en").splitlines()[1].split() == ["Outlet", "Points", "Stars"]
    assert ">Outlet<" in TABLE.to_html("en")


@given(st.lists(st.tuples(TEXTS, TEXTS, st.integers())))
def test_every_column_starts_at_the_same_place_whatever_is_in_it(rows):
    columns = (*COLUMNS[:2], Column("end", "尾", "End", "right"))
    lines = Table(title="", columns=columns, rows=tuple(rows)).to_text().splitlines()
    if rows:
        assert len(lines) == len(rows) + 2
        assert {display.text_width(line) for line in lines} == {display.text_width(lines[1])}


@given(TEXTS, TEXTS, TEXTS)
def test_every_text_is_escaped_in_html(title, cell, note):
    column = Column("key", f"<i>{title}", "x")
    table = Table(title=f"</b>{title}", columns=(column,), rows=((f"<b>{cell}",),), notes=(note,))
    page = Reader(table.to_html())
    assert page.open == []
    assert set(page.tags) <= {"div", "style", "table", "caption", "thead", "tr", "th"} | {
        "tbody",
        "td",
        "p",
    }


def test_numbers_stand_right_and_reversals_are_red():
    page = TABLE.to_html()
    assert '<td class="gb-right">12.50</td>' in page
    assert '<td class="gb-right gb-red">-3.00</td>' in page
    assert "<caption>十月</caption>" in page
    assert TABLE._repr_html_() == page


def test_values_are_shown_as_people_read_them():
    noon = datetime(2022, 10, 31, 12, 0, 59, tzinfo=UTC)
    columns = tuple(Column(key, key, key) for key in "abcdef")
    row = (None, True, noon, date(2022, 10, 31), Decimal("1.50"), "a\nb\tc")
    shown = Table(title="", columns=columns, rows=(row,))
    assert shown.to_text().splitlines()[2].split(maxsplit=1)[0] == "是"
    assert "2022-10-31 12:00  2022-10-31  1.50  a b c" in shown.to_text("en")
    assert "yes" in shown.to_text("en")


def test_control_characters_never_reach_a_terminal():
    columns = (Column("key", "键", "Key"),)
    table = Table(
        title="\x1b[2J", columns=columns, rows=(("\x1b[31m\u202eab",),), notes=("\ud800",)
    )
    assert str(table).splitlines() == ["[2J", "键", "──────", "[31mab"]
    table.to_html().encode()


def test_a_table_has_a_length_and_dicts():
    assert len(TABLE) == 2
    assert [row["points"] for row in TABLE] == [Points("12.50"), Points("-3.00")]
    assert TABLE.keys == ("outlet", "points", "stars")


def test_a_table_without_rows_says_so_and_is_still_true():
    empty = Table(title="空", columns=COLUMNS)
    assert empty
    assert "无记录" in str(empty)
    assert "no rows" in empty.to_html("en")
    assert len(empty.to_pandas()) == 0


def test_rows_and_keys_must_fit_the_columns():
    with pytest.raises(InvalidValue):
        Table(title="", columns=COLUMNS, rows=((1, 2),))
    with pytest.raises(InvalidValue):
        Table(title="", columns=(COLUMNS[0], COLUMNS[0]))


def test_a_data_frame_has_the_keys_and_exact_amounts():
    frame = TABLE.to_pandas()
    assert list(frame.columns) == ["outlet", "points", "stars"]
    assert frame["points"].sum() == Decimal("9.50")
    assert frame["points"].astype(float).max() == 12.5


def test_without_pandas_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match=r"gongyi-bank\[notebook\]"):
        TABLE.to_pandas()


def test_pandas_is_not_imported_before_it_is_asked_for():
    program = "import sys, gongyi_bank.display; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# --- stars, bars, lines


def test_stars_are_filled_and_open():
    assert display.stars(3) == "★★★☆☆"
    assert display.stars(0) == "☆☆☆☆☆"
    assert display.stars(9) == "★★★★★"
    assert display.stars(1, 3) == "★☆☆"


@pytest.mark.parametrize(
    ("value", "maximum", "shown"),
    [
        (0, 8, "        "),
        (8, 8, "████████"),
        (3, 8, "███     "),
        (Points("3.50"), 8, "███▌    "),
        (9, 8, "████████"),
        (-1, 8, "        "),
        (1, 0, "        "),
    ],
)
def test_bars_are_exact_to_an_eighth(value, maximum, shown):
    assert display.bar(value, maximum, 8) == shown


@given(st.integers(-5, 10**6), st.integers(0, 10**6), st.integers(0, 60))
def test_bars_keep_their_width(value, maximum, width):
    assert len(display.bar(value, maximum, width)) == width


def test_sparklines_rise_from_zero():
    assert display.sparkline([1, 4, 2]) == "▃█▅"
    assert display.sparkline([0, None, Points(7), Decimal("3.5"), -1]) == "▁ █▅▁"
    assert display.sparkline([]) == ""
    assert display.sparkline([0, 0]) == "▁▁"


def test_progress_is_full_only_when_all_is_done():
    shown = display.progress_line(999, 1000, "记账", width=10)
    assert shown == "记账 █████████░  99%   999/1000"
    assert "100%" in display.progress_line(1000, 1000, "记账")
    assert "100%" in display.progress_line(0, 0, "记账")


# --- passbook pages

ROWS = (
    (1, date(2022, 10, 8), "服务·助老", Points("3.00"), None, Points("3.00"), "1002"),
    (2, date(2022, 10, 31), "兑换·<洗衣液>", None, Points("1.50"), Points("1.50"), 1107),
)
PAGE = {
    "serial": "00000123 3",
    "holder": "张*丰",
    "account": "1002 0000123 3",
    "page_no": 1,
    "rows": ROWS,
    "rows_per_page": 4,
}


def test_a_passbook_page_is_a_framed_ruled_page():
    lines = display.passbook_page_text(**PAGE).splitlines()
    assert len({display.text_width(line) for line in lines}) == 1
    assert len([line for line in lines if line.startswith("┃") and "│" in line]) == 1 + 4
    page = "\n".join(lines)
    for text in ("张*丰", "1002 0000123 3", "00000123 3", "第 1 页", display.DISCLAIMER):
        assert text in page
    cells = [cell.strip() for cell in lines[6].strip("┃").split("│")]
    assert cells == ["1", "2022-10-08", "服务·助老", "", "3.00", "3.00", "1002"]


def test_a_passbook_page_in_html_has_all_ruled_rows_and_is_escaped():
    page = display.passbook_page_html(**PAGE)
    read = Reader(page)
    assert read.open == []
    assert read.tags.count("tr") == 1 + 4
    assert "兑换·<洗衣液>" in read.texts
    assert display.DISCLAIMER in read.texts
    assert "<洗衣液>" not in page


@given(
    st.lists(st.text(max_size=30), max_size=6),
    st.integers(1, 3),
    st.text(max_size=9),
    st.text(max_size=60),
)
def test_every_page_of_a_book_is_square(summaries, first_row, holder, bank):
    rows = [(n, "2022-10-08", text, None, None, Points(0), 1) for n, text in enumerate(summaries)]
    page = PassbookPage(
        **{**PAGE, "rows": rows, "rows_per_page": 9, "first_row": first_row},
        bank=unicodedata.normalize("NFC", bank),
    )
    lines = str(page).split("\n")
    assert len(lines) == 9 + 10
    assert len({display.text_width(line) for line in lines}) == 1
    assert Reader(page._repr_html_()).tags.count("tr") == 1 + 9


def test_an_update_prints_below_what_is_printed_already():
    lines = display.passbook_page_text(**{**PAGE, "first_row": 3}).splitlines()
    assert [line.split("│")[0].strip("┃ ") for line in lines if "│" in line][1:] == [
        "",
        "",
        "1",
        "2",
    ]


@pytest.mark.parametrize("first_row", [0, 4])
def test_rows_that_do_not_fit_on_the_page_are_refused(first_row):
    with pytest.raises(InvalidValue):
        PassbookPage(**PAGE, first_row=first_row)


def test_the_public_list_is_true():
    assert all(hasattr(display, name) for name in display.__all__)


def test_a_table_speaks_the_language_it_is_asked_for() -> None:
    table = Table(
        title="兑换品",
        title_en="Offers",
        columns=(Column("state", "状态", "State", words={"listed": ("在架", "on the list")}),),
        rows=(("listed",), ("other",), (None,)),
        notes=("共 2 项",),
        notes_en=("2 in all",),
    )
    for show in (table.to_text, table.to_html):
        zh, en = show("zh"), show("en")
        assert all(words in zh for words in ("兑换品", "在架", "other", "共 2 项"))
        assert all(words in en for words in ("Offers", "on the list", "other", "2 in all"))
        assert "Offers" not in zh
        assert "兑换品" not in en
    assert table.heading() == "兑换品\n共 2 项"
    assert table.heading("en") == "Offers\n2 in all"
    # For programs the values stay what they are.
    assert [row["state"] for row in table] == ["listed", "other", None]


def test_without_english_a_table_keeps_its_only_title() -> None:
    assert TABLE.to_text("en").startswith("十月\n")
    assert TABLE.to_text("en").endswith("红字为冲正。")
