"""Reading CSV: encodings, headers, broken rows, cells; never an exception but ours."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import ColumnMissing, FileUnreadable, GongyiBankError, InvalidValue
from gongyi_bank.takeover.reading import (
    LENGTH_MAX,
    Column,
    Line,
    Parse,
    as_code,
    as_date,
    as_local_time,
    as_name,
    as_one_of,
    as_points,
    as_text,
    as_whole,
    open_sheet,
)
from gongyi_bank.takeover.report import RowProblem
from gongyi_bank.values import Points

SHANGHAI = ZoneInfo("Asia/Shanghai")
COLUMNS = (Column("code", as_code), Column("name", as_name), Column("pieces", as_whole))
SECRET = (Column("ref", as_code), Column("phone", as_text, is_personal=True))
Write = Callable[[bytes | str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: bytes | str) -> Path:
        path = tmp_path / "rows.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows_of(path: Path, columns: tuple[Column, ...] = COLUMNS) -> list[Any]:
    """Values of the rows that can be read, (line, column, code) of the others."""
    return [
        tuple(row.values.values())
        if isinstance(row, Line)
        else (f"line {row.line}", row.column, row.code)
        for row in open_sheet(path, columns).rows()
    ]


# --- encodings -----------------------------------------------------------------------------

TEXT = "code,name,pieces\nA1,𠮷野家大米,3\nA2,中文,4\n"
ROWS = [("A1", "𠮷野家大米", 3), ("A2", "中文", 4)]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8-sig"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "utf-8-sig"),
        (TEXT.encode("gb18030"), "gb18030"),
        (("\ufeff" + TEXT).encode("gb18030"), "gb18030"),
        (TEXT.replace("\n", "\r\n").encode(), "utf-8-sig"),
        (TEXT.replace("\n", "\r").encode("gb18030"), "gb18030"),
        (TEXT.rstrip().encode(), "utf-8-sig"),
    ],
    ids=["utf-8", "BOM", "gb18030", "gb18030-BOM", "CRLF", "CR", "no-last-line-end"],
)
def test_every_encoding_and_line_end_gives_the_same_rows(
    write: Write, content: bytes, encoding: str
) -> None:
    path = write(content)
    assert rows_of(path) == ROWS
    assert open_sheet(path, COLUMNS).encoding == encoding


def test_the_last_byte_of_a_large_file_decides_too(write: Write) -> None:
    text = "code,name,pieces\n" + "A1,name,3\n" * 20_000
    assert len(rows_of(write(text.encode() + "A2,中,4".encode("gb18030")))) == 20_001
    with pytest.raises(FileUnreadable, match="neither UTF-8 nor GB18030"):
        open_sheet(write(text.encode() + b"A2,\xff\xff,4"), COLUMNS)


@pytest.mark.parametrize("content", [TEXT.encode("utf-16"), b"\xff\xfe\x00", b"code\xff"])
def test_other_encodings_are_refused(write: Write, content: bytes) -> None:
    with pytest.raises(FileUnreadable, match=r"rows\.csv"):
        open_sheet(write(content), COLUMNS)


@pytest.mark.parametrize("content", ["", "\n\n", " \r\n,,\n", "\ufeff"])
def test_an_empty_file_is_unreadable(write: Write, content: str) -> None:
    with pytest.raises(FileUnreadable, match="it is empty"):
        open_sheet(write(content), COLUMNS)


def test_a_file_that_is_not_there_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match="there is no such file"):
        open_sheet(tmp_path / "gone.csv", COLUMNS)
    with pytest.raises(FileUnreadable, match="it is no file"):
        open_sheet(tmp_path, COLUMNS)


# --- headers -------------------------------------------------------------------------------


def test_columns_come_in_any_order_and_others_are_ignored(write: Write) -> None:
    path = write(' pieces ,note,"code",name\n3,x,A1,米\n')
    assert rows_of(path) == [("A1", "米", 3)]


def test_a_missing_column_is_named_with_those_found(write: Write) -> None:
    with pytest.raises(ColumnMissing) as raised:
        open_sheet(write("code,品名,qty\n"), COLUMNS)
    assert raised.value.facts == {
        "file": "rows.csv", "columns": "name, pieces", "found": "code, 品名, qty",
    }  # fmt: skip
    assert "缺少列 name, pieces" in raised.value.message("zh")


def test_a_file_about_people_without_a_header_shows_none_of_them(write: Write) -> None:
    with pytest.raises(ColumnMissing) as raised:
        open_sheet(write("C000001,雷敏英,990002195105313869,phone\n"), SECRET)
    assert raised.value.facts["found"] == "…, …, …, phone"


def test_a_column_that_comes_twice_is_ambiguous(write: Write) -> None:
    with pytest.raises(FileUnreadable, match="the column code comes twice"):
        open_sheet(write("code,code,name,pieces\n"), COLUMNS)
    assert rows_of(write("code,name,pieces,note,note\nA1,米,3,,\n")) == [("A1", "米", 3)]


# --- rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("A1,米\nA2,米,1\n", [("line 2", None, "invalid_value"), ("A2", "米", 1)]),
        ("A1,米,1,x\nA2,米,1\n", [("line 2", None, "invalid_value"), ("A2", "米", 1)]),
        ("\n  \n,,\nA2,米,1\n", [("A2", "米", 1)]),
        ("\n\nA2,米,x\n", [("line 4", "pieces", "invalid_amount")]),
        (" A2 ,\u3000米\t, 1 \n", [("A2", "米", 1)]),
        ('A1,"a, ""b""",1\n', [("A1", 'a, "b"', 1)]),
        ('A1,"two\nlines",1\nA2,米,x\n', [
            ("line 2", "name", "invalid_text"), ("line 4", "pieces", "invalid_amount"),
        ]),
        ('A1,"open,1\nA2,米,1\nA3,米,1\n', [
            ("line 2", None, "invalid_text"), ("A2", "米", 1), ("A3", "米", 1),
        ]),
        ('A1,"open,1\nA2,米,1\nA3,"too,1\nA4,米,1\n', [
            ("line 2", None, "invalid_text"), ("A2", "米", 1), ("line 4", None, "invalid_text"),
            ("A4", "米", 1),
        ]),
        ('A1,"x"y,1\nA2,米,1\n', [("line 2", None, "invalid_text"), ("A2", "米", 1)]),
        ("A1,a\0b,1\nA\0,米,1\n", [
            ("line 2", "name", "invalid_text"), ("line 3", "code", "invalid_text"),
        ]),
        ("A1,,1\n,米,1\nA1,米,\n", [
            ("line 2", "name", "invalid_value"), ("line 3", "code", "invalid_value"),
            ("line 4", "pieces", "invalid_value"),
        ]),
        (f"A1,{'x' * LENGTH_MAX},1\nA2,米,1\n", [
            ("line 2", None, "invalid_text"), ("A2", "米", 1),
        ]),
        (f"A1,{'x' * LENGTH_MAX * 3}", [("line 2", None, "invalid_text")]),
        ("A1,'; DROP TABLE gb_bank; --,1\n", [("A1", "'; DROP TABLE gb_bank; --", 1)]),
    ],
)  # fmt: skip
def test_a_broken_row_is_a_problem_and_the_next_one_is_read(
    write: Write, body: str, rows: list[Any]
) -> None:
    assert rows_of(write("code,name,pieces\n" + body)) == rows


def test_a_quotation_mark_left_open_swallows_no_other_row(write: Write) -> None:
    body = 'A1,"米,1\n' + "".join(f"A{i},米,{i}\n" for i in range(2, 5000))
    rows = rows_of(write("code,name,pieces\n" + body))
    assert rows[0] == ("line 2", None, "invalid_text")
    assert rows[1:] == [(f"A{i}", "米", i) for i in range(2, 5000)]


def test_a_personal_value_is_in_no_problem(write: Write) -> None:
    columns = (Column("ref", as_code), Column("phone", as_date, is_personal=True))
    (problem,) = open_sheet(write("ref,phone\nC1,13912345678\n"), columns).rows()
    assert isinstance(problem, RowProblem)
    assert (problem.column, problem.value) == ("phone", "<str not shown>")
    assert "13912345678" not in f"{problem!r} {problem.error} {problem.message()}"


@pytest.mark.parametrize("cell", ["雷敏英", "990002194601210207", "138 0013 8000"])
def test_a_cell_that_changed_places_in_a_file_about_people_is_in_no_problem(
    write: Write, cell: str
) -> None:
    columns = (Column("kind", as_date), Column("phone", as_text, is_personal=True))
    (problem,) = open_sheet(write(f"kind,phone\n{cell},C1\n"), columns).rows()
    assert isinstance(problem, RowProblem)
    assert (problem.column, problem.value) == ("kind", "<str not shown>")
    assert cell not in f"{problem!r} {problem.error} {problem.message()}"
    (problem,) = open_sheet(write("kind,phone\ncat,C1\n"), columns).rows()
    assert isinstance(problem, RowProblem)
    assert problem.value == "'cat'"


@given(content=st.binary(max_size=400))
def test_no_bytes_at_all_raise_anything_but_ours(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(b"code,name,pieces\n" + content)
    try:
        sheet = open_sheet(path, COLUMNS)
    except GongyiBankError:
        return
    assert all(isinstance(row, Line | RowProblem) for row in sheet.rows())


@given(body=st.text(alphabet='",\n\r\0 a1中𠮷\u202e', max_size=80))
def test_every_line_is_told_of_at_most_once_and_in_order(
    body: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "text.csv"
    path.write_bytes(("code,name,pieces\n" + body).encode())
    lines = [row.line for row in open_sheet(path, COLUMNS).rows()]
    assert lines == sorted(set(lines))
    assert all(2 <= line <= 2 + body.count("\n") + body.count("\r") for line in lines)


# --- cells ---------------------------------------------------------------------------------

TIME = as_local_time(SHANGHAI)


@pytest.mark.parametrize(
    ("parse", "cell", "value"),
    [
        (as_whole, "0", 0),
        (as_whole, "007", 7),
        (as_whole, "999999999999", 999_999_999_999),
        (as_date, "2024-02-29", dt.date(2024, 2, 29)),
        (TIME, "2022-10-16T14:00", dt.datetime(2022, 10, 16, 14, tzinfo=SHANGHAI)),
        (TIME, "2022-10-16T14:00:59", dt.datetime(2022, 10, 16, 14, 0, 59, tzinfo=SHANGHAI)),
        (as_points, "12.50", Points("12.50")),
        (as_points, "0", Points(0)),
        (as_one_of({"幸福超市": "community_store"}), "幸福超市", "community_store"),
        (as_name, "𠮷", "𠮷"),
    ],
)
def test_cells_become_values(parse: Parse, cell: str, value: object) -> None:
    assert parse(cell, "field") == value


@pytest.mark.parametrize(
    ("parse", "cell"),
    [
        *((as_whole, cell) for cell in ("-1", "+1", "1.0", "1e3", "１２", "9" * 13, "x", "1 0")),
        *((as_date, cell) for cell in ("2023-02-29", "2022-13-01", "2022-1-1", "20221001")),
        *((as_date, cell) for cell in ("0000-01-01", "9999-12-31", "２022-10-01", "2022-10-01T")),
        *((TIME, cell) for cell in ("2022-10-16", "2022-10-16 14:00", "2022-10-16T24:00")),
        *((TIME, cell) for cell in ("2022-10-16T14:00Z", "2022-10-16T14:60", "0001-01-01T00:00")),
        *((as_points, cell) for cell in ("-1", "1.23456", "NaN", "1e3", "1,5", "9" * 40)),
        (as_one_of({"a": "b"}), "c"),
        (as_code, "A B"),
        (as_code, "A\u202eB"),
        (as_code, "A" * 101),
        (as_name, "x" * 10_000),
    ],
)  # fmt: skip
def test_cells_that_could_never_be_right_are_refused_by_name(parse: Parse, cell: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        parse(cell, "field")
    assert raised.value.facts["field"] == "field"
