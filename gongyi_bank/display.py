"""Text and HTML for people: tables, passbook pages, stars, bars.

Results hand their rows here and get back something to read, in a terminal or a
notebook, in Chinese or English. This room computes nothing about points and writes
nothing; whatever text comes in is escaped before it becomes HTML.
"""

from __future__ import annotations

import dataclasses
import html
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from gongyi_bank.errors import InvalidValue
from gongyi_bank.values import Points

__all__ = [
    "DISCLAIMER",
    "Align",
    "Column",
    "PassbookPage",
    "PassbookRow",
    "Table",
    "bar",
    "passbook_page_html",
    "passbook_page_text",
    "progress_line",
    "sparkline",
    "stars",
    "text_width",
]

Align = Literal["left", "right", "center"]
#: What a value in a bar or a sparkline may be.
Measure = Points | Decimal | Fraction | int | float

#: Printed on every passbook page.
DISCLAIMER = "本存折只记录志愿服务积分，不计息、不贷款、不兑现金。"
_GAP = "  "
# A terminal obeys control characters, and some turn the writing direction of what follows.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


# --- measuring and filling -----------------------------------------------------------------


def text_width(text: str) -> int:
    """The number of terminal columns that a text takes: a Chinese character takes two.

    Combining and invisible signs take none, ambiguous ones (such as ★) one.
    """
    return len(text) if text.isascii() and text.isprintable() else sum(map(_sign_width, text))


def _sign_width(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _fill(text: str, width: int, align: Align) -> str:
    missing = max(width - text_width(text), 0)
    left = {"left": 0, "right": missing, "center": missing // 2}[align]
    return " " * left + text + " " * (missing - left)


def _cell(value: object, language: str) -> str:
    """One value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return {"zh": ("否", "是")}.get(language, ("no", "yes"))[value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    text = value.isoformat() if isinstance(value, date) else str(value)
    return _line(text)


def _line(text: str) -> str:
    """The text as one harmless line: line breaks and tabs become blanks, control signs go."""
    return text if text.isprintable() else _UNSAFE.sub("", " ".join(text.split()))


# --- tables --------------------------------------------------------------------------------

# Colours are mixed from the page's own, so that a dark notebook needs no second sheet. The
# selectors are long because notebooks style tables too, and the more exact rule wins.
_TABLE_CSS = """
.gb-box{overflow-x:auto;margin:.6em 0 1em;
font:14px/1.5 system-ui,-apple-system,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
.gb-box table.gb-table{border-collapse:collapse;border:0;margin:0;color:inherit;font:inherit}
.gb-box table.gb-table caption{caption-side:top;text-align:left;font-weight:600;font-size:15px;
padding:0 0 .45em;color:inherit}
.gb-box table.gb-table th,.gb-box table.gb-table td{padding:.32em .9em;border:0;text-align:left;
background:none;white-space:nowrap;color:inherit}
.gb-box table.gb-table thead th{font-weight:600;border-top:2px solid #b3261e;
border-bottom:1px solid rgba(128,128,128,.55);vertical-align:bottom}
.gb-box table.gb-table tbody tr{background:none}
.gb-box table.gb-table tbody td{border-bottom:1px solid rgba(128,128,128,.2)}
.gb-box table.gb-table tbody tr:last-child td{border-bottom:1px solid rgba(128,128,128,.55)}
.gb-box table.gb-table tbody tr:hover{background:rgba(128,128,128,.1)}
.gb-box table.gb-table .gb-right{text-align:right;font-variant-numeric:tabular-nums}
.gb-box table.gb-table .gb-center{text-align:center}
.gb-box table.gb-table .gb-red{color:#e0453b}
.gb-box .gb-note{font-size:12px;opacity:.75;margin:.45em 0 0;line-height:1.5}
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: `Column("points", "积分", "Points", "right")`."""

    #: The name in dicts and data frames.
    key: str
    #: The heading in Chinese.
    title_zh: str
    #: The heading in English.
    title_en: str
    #: Where the cells stand; numbers stand right.
    align: Align = "left"
    #: What values of this column are called in Chinese and English; others stand as they are.
    words: Mapping[str, tuple[str, str]] = dataclasses.field(
        default_factory=dict, hash=False, repr=False
    )

    def title(self, language: str) -> str:
        """The heading in "zh" or "en"."""
        return self.title_zh if language == "zh" else self.title_en

    def shown(self, value: object, language: str) -> str:
        """One value as people read it in "zh" or "en"."""
        if isinstance(value, str) and value in self.words:
            value = self.words[value][language != "zh"]
        return _cell(value, language)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Rows with headings, for a terminal, a notebook or pandas: `print(table)`.

    A notebook shows it as HTML by itself; iterating gives a dict per row.
    Raises InvalidValue when a row has more or fewer cells than there are columns.
    """

    #: Stands above the table.
    title: str
    #: From left to right.
    columns: tuple[Column, ...]
    #: One tuple per row, a cell per column; None is an empty cell.
    rows: tuple[tuple[Any, ...], ...] = ()
    #: Stand below the table.
    notes: tuple[str, ...] = ()
    #: The title and the notes in English, where there are any; else the others stand there too.
    title_en: str = ""
    notes_en: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))
        object.__setattr__(self, "title", _line(self.title))
        object.__setattr__(self, "title_en", _line(self.title_en))
        object.__setattr__(self, "notes", tuple(map(_line, self.notes)))
        object.__setattr__(self, "notes_en", tuple(map(_line, self.notes_en)))
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise InvalidValue.of(
                    "rows", index, f"{len(row)} cells in {len(self.columns)} columns"
                )
        if len(set(self.keys)) != len(self.columns):
            raise InvalidValue.of("columns", self.keys, "two columns have the same key")

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns' names, from left to right."""
        return tuple(column.key for column in self.columns)

    def __len__(self) -> int:
        return len(self.rows)

    def __bool__(self) -> bool:
        return True  # A table without rows is still a result.

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.keys, row, strict=True)) for row in self.rows)

    def _shown(self, language: str) -> list[list[str]]:
        return [
            [column.shown(value, language) for value, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]

    def _title(self, language: str) -> str:
        return (language != "zh" and self.title_en) or self.title

    def _notes(self, language: str) -> tuple[str, ...]:
        return (self.notes_en if language != "zh" else ()) or self.notes

    def heading(self, language: str = "zh") -> str:
        """The title and the notes without the rows: what there is to say where none are."""
        return "\n".join(filter(None, [self._title(language), *self._notes(language)]))

    def to_text(self, language: str = "zh") -> str:
        """The table for a terminal, Chinese characters aligned; "zh" or "en" headings."""
        heads = [column.title(language) for column in self.columns]
        shown = self._shown(language)
        widths = [max(map(text_width, cells)) for cells in zip(heads, *shown, strict=True)]
        lines = [_text_line(row, self.columns, widths) for row in [heads, *shown]]
        lines.insert(1, _GAP.join("─" * width for width in widths))
        if not shown:
            lines.append(_no_rows(language))
        title = self._title(language)
        return "\n".join([*([title] if title else []), *lines, *self._notes(language)])

    def to_html(self, language: str = "zh") -> str:
        """The table for a notebook or a page, light or dark; every text in it is escaped."""
        head = "".join(
            _html_cell("th", column.title(language), column, ' scope="col"')
            for column in self.columns
        )
        body = "".join(self._html_row(row) for row in self._shown(language))
        if not self.rows:
            empty = _no_rows(language)
            body = f'<tr><td colspan="{len(self.columns)}" class="gb-center">{empty}</td></tr>'
        title = html.escape(self._title(language))
        caption = f"<caption>{title}</caption>" if title else ""
        told = map(html.escape, self._notes(language))
        notes = "".join(f'<p class="gb-note">{note}</p>' for note in told)
        return (
            f'<div class="gb-box"><style>{_TABLE_CSS}</style><table class="gb-table">{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )

    def _html_row(self, row: Sequence[str]) -> str:
        cells = zip(row, self.columns, strict=True)
        return "<tr>" + "".join(_html_cell("td", text, column) for text, column in cells) + "</tr>"

    def to_pandas(self) -> Any:
        """A pandas DataFrame, one column per key; points become exact Decimals.

        Use `.astype(float)` on a column for a chart. Raises ImportError, naming the extra
        `notebook`, where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as missing:
            raise ImportError(
                "to_pandas needs pandas: pip install 'gongyi-bank[notebook]'"
            ) from missing
        rows = [[_plain(value) for value in row] for row in self.rows]
        return pandas.DataFrame(rows, columns=list(self.keys))

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return self.to_text()


class Shown:
    """A result that a notebook and a terminal show by themselves."""

    __slots__ = ()

    def to_table(self) -> Table:
        """The result for people."""
        raise NotImplementedError

    def to_plain_table(self) -> Table:
        """The same in plain values, without pictures: what a data frame takes."""
        return self.to_table()

    def to_pandas(self) -> Any:
        """A pandas DataFrame of plain values."""
        return self.to_plain_table().to_pandas()

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    def __str__(self) -> str:
        return self.to_table().to_text()


def _plain(value: object) -> object:
    return value.to_decimal() if isinstance(value, Points) else value


def _no_rows(language: str) -> str:
    return "（无记录）" if language == "zh" else "(no rows)"


def _text_line(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    cells = zip(row, widths, columns, strict=True)
    return _GAP.join(_fill(text, width, column.align) for text, width, column in cells).rstrip()


def _html_cell(tag: str, text: str, column: Column, attributes: str = "") -> str:
    names = [] if column.align == "left" else [f"gb-{column.align}"]
    # 红字: an amount taken back is red in Chinese books.
    if tag == "td" and column.align == "right" and text[:1] == "-" and text[1:2].isdigit():
        names.append("gb-red")
    marked = f' class="{" ".join(names)}"' if names else ""
    return f"<{tag}{attributes}{marked}>{html.escape(text)}</{tag}>"


# --- stars, bars, lines --------------------------------------------------------------------


def stars(count: int, out_of: int = 5) -> str:
    """Stars earned and stars open: `stars(3)` is "★★★☆☆"."""
    earned = min(max(count, 0), out_of)
    return "★" * earned + "☆" * (out_of - earned)


def _fraction(value: Measure) -> Fraction:
    return Fraction(value.to_decimal() if isinstance(value, Points) else value)


def _share(value: Measure, maximum: Measure) -> Fraction:
    """The share from 0 to 1; nothing is a share of nothing."""
    whole = _fraction(maximum)
    return (
        min(max(_fraction(value) / whole, Fraction(0)), Fraction(1)) if whole > 0 else Fraction(0)
    )


def bar(value: Measure, maximum: Measure, width: int = 20) -> str:
    """A bar of blocks, exact to an eighth, padded to `width`: "███▌      "."""
    eighths = round(_share(value, maximum) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + " ▏▎▍▌▋▊▉"[rest]).ljust(width)[:width]


def sparkline(values: Sequence[Measure | None]) -> str:
    """A small chart in one line, from zero to the largest: `sparkline([1, 4, 2])` is "▃█▅".

    None is a blank; values below zero stand on the ground line.
    """
    top = max((_fraction(value) for value in values if value is not None), default=Fraction(0))
    return "".join(
        " " if value is None else "▁▂▃▄▅▆▇█"[round(_share(value, top) * 7)] for value in values
    )


def progress_line(done: int, total: int, label: str, *, width: int = 24) -> str:
    """How far a long act is, for a terminal: "记账 ██████░░░░░░  50%  500/1000"."""
    share = _share(done, total) if total > 0 else Fraction(1)
    # Rounded down: nothing is full before it is done.
    full = int(share * width)
    counts = f"{done:>{len(str(total))}}/{total}"
    return f"{label} {'█' * full}{'░' * (width - full)} {int(share * 100):>3}%  {counts}".strip()


# --- passbook pages ------------------------------------------------------------------------


class PassbookRow(NamedTuple):
    """One printed row of a passbook; a plain tuple in this order will do as well."""

    #: The row's number.
    row_no: int
    #: Booked on this business day.
    day: date | str
    #: 摘要: what it was for, in a few characters.
    summary: str
    #: 存入, or None.
    credit: Points | None
    #: 支取, or None.
    debit: Points | None
    #: 余额 after this row.
    balance: Points
    #: 网点: where it was handled.
    outlet: str | int


_PASSBOOK_COLUMNS = (
    Column("row_no", "行", "No.", "right"),
    Column("day", "日期", "Date"),
    Column("summary", "摘要", "Details"),
    Column("debit", "支取", "Debit", "right"),
    Column("credit", "存入", "Credit", "right"),
    Column("balance", "余额", "Balance", "right"),
    Column("outlet", "网点", "Outlet", "center"),
)
#: The narrowest that each column is ruled, so that pages of one book look alike.
_PASSBOOK_WIDTHS = (3, 10, 16, 10, 10, 10, 6)

_PASSBOOK_CSS = """
.gb-book{box-sizing:border-box;display:inline-block;max-width:100%;overflow-x:auto;
margin:.6em 0 1em;padding:16px 22px 12px;color:#26364d;background:#fbf8ef;
border:1px solid #d9cfb4;border-radius:8px;
box-shadow:0 2px 10px rgba(0,0,0,.18);
font:14px/1.45 "Noto Sans CJK SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif}
.gb-book .gb-head{display:flex;justify-content:space-between;align-items:baseline;gap:2em;
border-bottom:3px double #b3261e;padding-bottom:8px;margin-bottom:6px}
.gb-book .gb-bank{color:#b3261e;font-size:18px;font-weight:700;letter-spacing:.18em;
font-family:"Noto Serif CJK SC","Songti SC",SimSun,serif}
.gb-book .gb-who{display:flex;gap:2.2em;font-size:13px;margin:0 0 8px}
.gb-book .gb-who b,.gb-book .gb-head b{font-weight:600;font-variant-numeric:tabular-nums}
.gb-book .gb-who b{letter-spacing:.03em;word-spacing:.2em}
.gb-book .gb-label{color:#8a7f63;margin-right:.5em}
.gb-book table.gb-page{border-collapse:collapse;border:0;margin:0;width:100%;color:#26364d;
font-size:14px;background:none}
.gb-book table.gb-page th,.gb-book table.gb-page td{height:25px;padding:0 12px;text-align:left;
border:0;border-left:1px solid #e3d9bd;white-space:nowrap;background:none;color:#26364d;
vertical-align:middle}
.gb-book table.gb-page th:first-child,.gb-book table.gb-page td:first-child{border-left:0}
.gb-book table.gb-page thead th{color:#8f2a22;font-weight:600;font-size:12.5px;text-align:center;
border-bottom:1px solid #b3261e;letter-spacing:.3em;text-indent:.3em}
.gb-book table.gb-page tbody tr,.gb-book table.gb-page tbody tr:hover{background:none}
.gb-book table.gb-page tbody td{border-bottom:1px solid #e3d9bd}
.gb-book table.gb-page tbody tr.gb-fold td{border-bottom:2px dashed #cdbf97}
.gb-book table.gb-page tbody tr:last-child td{border-bottom:1px solid #b3261e}
.gb-book table.gb-page td.gb-right{text-align:right;min-width:5.2em;
font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:13px}
.gb-book table.gb-page td.gb-center{text-align:center}
.gb-book table.gb-page td:first-child{color:#a3977a;font-size:12px;min-width:1.6em}
.gb-book table.gb-page td:nth-child(3){min-width:9em}
.gb-book table.gb-page td:nth-child(6){font-weight:700}
.gb-book .gb-foot{color:#8a7f63;font-size:12px;margin:8px 0 0;text-align:center}
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PassbookPage:
    """One page of a passbook, ruled like a savings book: `print(page)`.

    It is printed in Chinese, whoever reads it. Raises InvalidValue when the rows do not
    fit on the page.
    """

    #: The book's printed number, formatted.
    serial: str
    #: The holder's name, masked.
    holder: str
    #: The account number, formatted.
    account: str
    #: The page's number in the book, from 1.
    page_no: int
    #: The rows printed so far.
    rows: tuple[PassbookRow, ...]
    #: How many ruled rows a page has.
    rows_per_page: int = 24
    #: The ruled row, from 1, on which the first of `rows` stands.
    first_row: int = 1
    #: The name at the head of the page.
    bank: str = "公益银行"
    #: The sentence at its foot.
    disclaimer: str = DISCLAIMER

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(PassbookRow(*row) for row in self.rows))
        for field in ("serial", "holder", "account", "bank", "disclaimer"):
            object.__setattr__(self, field, _line(getattr(self, field)))
        if self.first_row < 1 or self.first_row - 1 + len(self.rows) > self.rows_per_page:
            raise InvalidValue.of(
                "rows",
                len(self.rows),
                f"from row {self.first_row} they do not fit on {self.rows_per_page} ruled rows",
            )

    def _ruled(self) -> list[list[str]]:
        printed = [
            [_cell(getattr(row, column.key), "zh") for column in _PASSBOOK_COLUMNS]
            for row in self.rows
        ]
        empty = [""] * len(_PASSBOOK_COLUMNS)
        above = self.first_row - 1
        below = self.rows_per_page - above - len(printed)
        return [empty] * above + printed + [empty] * below

    def to_text(self) -> str:
        """The page for a terminal, framed and ruled."""
        ruled = self._ruled()
        heads = [column.title_zh for column in _PASSBOOK_COLUMNS]
        widths = [
            max(least, *map(text_width, cells))
            for least, *cells in zip(_PASSBOOK_WIDTHS, heads, *ruled, strict=True)
        ]
        inner = sum(widths) + 3 * len(widths) - 1
        page, title = f"第 {self.page_no} 页 ", f" {self.bank} 存折"
        head = title + _fill(page, inner - text_width(title), "right")
        who = f" 户名 {self.holder}   账号 {self.account}   存折号 {self.serial}"
        middle = self.rows_per_page // 2
        lines = [
            _rule("┏━┓", [inner]),
            f"┃{_fill(head, inner, 'left')}┃",
            f"┃{_fill(who, inner, 'left')}┃",
            _rule("┣━┯┫", [width + 2 for width in widths]),
            _boxed(heads, widths, centred=True),
            _rule("┠─┼┨", [width + 2 for width in widths]),
            *(_boxed(row, widths) for row in ruled[:middle]),
            _rule("┠┄┼┨", [width + 2 for width in widths]),
            *(_boxed(row, widths) for row in ruled[middle:]),
            _rule("┣━┷┫", [width + 2 for width in widths]),
            f"┃{_fill(self.disclaimer, inner, 'center')}┃",
            _rule("┗━┛", [inner]),
        ]
        return "\n".join(lines)

    def to_html(self) -> str:
        """The page for a notebook: paper stays paper, also in a dark one."""
        head = "".join(f'<th scope="col">{column.title_zh}</th>' for column in _PASSBOOK_COLUMNS)
        body = "".join(
            self._html_row(row, is_fold=number == self.rows_per_page // 2)
            for number, row in enumerate(self._ruled(), start=1)
        )
        return (
            f'<div class="gb-book"><style>{_PASSBOOK_CSS}</style><div class="gb-head">'
            f'<span class="gb-bank">{html.escape(self.bank)} 存折</span>'
            f"<span>第 <b>{self.page_no}</b> 页</span></div>"
            f'<div class="gb-who">{_labelled("户名", self.holder)}'
            f"{_labelled('账号', self.account)}{_labelled('存折号', self.serial)}</div>"
            f'<table class="gb-page"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
            f'<p class="gb-foot">{html.escape(self.disclaimer)}</p></div>'
        )

    def _html_row(self, row: Sequence[str], *, is_fold: bool) -> str:
        cells = zip(row, _PASSBOOK_COLUMNS, strict=True)
        shown = "".join(_html_cell("td", text, column) for text, column in cells)
        marked = ' class="gb-fold"' if is_fold else ""
        return f"<tr{marked}>{shown}</tr>"

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return self.to_text()


def _labelled(label: str, text: str) -> str:
    return f'<span><span class="gb-label">{label}</span><b>{html.escape(text)}</b></span>'


def _rule(signs: str, widths: Sequence[int]) -> str:
    """A ruled line from its signs: left, dash, (cross,) right."""
    return signs[0] + signs[2:-1].join(signs[1] * width for width in widths) + signs[-1]


def _boxed(row: Sequence[str], widths: Sequence[int], *, centred: bool = False) -> str:
    cells = zip(row, widths, _PASSBOOK_COLUMNS, strict=True)
    shown = (_fill(text, w, "center" if centred else column.align) for text, w, column in cells)
    return f"┃ {' │ '.join(shown)} ┃"


def passbook_page_text(
    *,
    serial: str,
    holder: str,
    account: str,
    page_no: int,
    rows: Sequence[tuple[Any, ...]],
    rows_per_page: int = 24,
    first_row: int = 1,
    bank: str = "公益银行",
    disclaimer: str = DISCLAIMER,
) -> str:
    """A passbook page for a terminal, from plain arguments; see PassbookPage."""
    return _page(locals()).to_text()


def passbook_page_html(
    *,
    serial: str,
    holder: str,
    account: str,
    page_no: int,
    rows: Sequence[tuple[Any, ...]],
    rows_per_page: int = 24,
    first_row: int = 1,
    bank: str = "公益银行",
    disclaimer: str = DISCLAIMER,
) -> str:
    """A passbook page for a notebook, from plain arguments; see PassbookPage."""
    return _page(locals()).to_html()


def _page(arguments: dict[str, Any]) -> PassbookPage:
    return PassbookPage(**arguments)
