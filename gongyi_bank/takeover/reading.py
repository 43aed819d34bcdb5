"""Reading CSV files as clerks send them: row by row, and never an exception but ours.

UTF-8 with or without BOM, else GB18030; the whole file is decoded before anybody relies on
it. A row that cannot be read is handed on as a problem with its line number, and reading
goes on with the next line. This room knows nothing of the bank.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from gongyi_bank.errors import (
    ColumnMissing,
    FileUnreadable,
    GongyiBankError,
    InvalidAmount,
    InvalidInstant,
    InvalidText,
    InvalidValue,
    describe_value,
)
from gongyi_bank.takeover.report import RowProblem
from gongyi_bank.values import Points, clean_code, clean_text

#: Characters in one line, and in one row that runs over several lines.
LENGTH_MAX = 65_536
_BLOCK_BYTES = 1 << 16
#: Blanks around a cell, the wide one of Chinese text among them; no control characters.
_BLANKS = " \t\n\u00a0\u3000"
_ENCODINGS = ("utf-8-sig", "gb18030")
_DATE = re.compile(r"(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
#: Codes that need no further look; almost all are of this kind.
_PLAIN_CODE = re.compile(r"[A-Za-z0-9_.:/#-]{1,100}")
_WHOLE = re.compile(r"[0-9]{1,12}")
#: What a column's name looks like; the first row of a file without a header may be a person.
_HEADING = re.compile(r"[a-z_]{1,40}")

#: Turns a cell into a value, or raises InvalidValue; the second argument is the column's name.
Parse = Callable[[str, str], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a file must have, and how its cells are read."""

    name: str
    parse: Parse
    #: An empty cell is None instead of a fault.
    is_optional: bool = False
    #: Names, documents, telephones: the value is in no problem and no error.
    is_personal: bool = False

    def value_of(self, cell: str) -> Any:
        """The cell as a value; raises InvalidValue."""
        if not cell:
            if self.is_optional:
                return None
            raise InvalidValue.of(self.name, cell, "is needed")
        try:
            return self.parse(cell, self.name)
        except InvalidValue as error:
            if not self.is_personal:
                raise
            raise _without_value(error, cell) from None


@dataclass(frozen=True, slots=True)
class Line:
    """A row that could be read: its line number, its cells as sent, and its values."""

    line: int
    cells: dict[str, str]
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file whose encoding and header are known to be right."""

    path: Path
    encoding: str
    columns: tuple[Column, ...]
    #: Physical lines without the header: about as many as there are rows.
    lines: int

    @property
    def name(self) -> str:
        """The file's name, as problems show it."""
        return self.path.name

    def rows(self) -> Iterator[Line | RowProblem]:
        """Every row in the file's order, as values or as a problem; blank ones are skipped."""
        try:
            with _opened(self.path, self.encoding) as handle:
                yield from self._rows(handle)
        except (UnicodeDecodeError, OSError):
            # It was readable a moment ago.
            raise FileUnreadable(file=self.name, reason="it changed while it was read") from None

    def _rows(self, handle: TextIO) -> Iterator[Line | RowProblem]:
        records = _records(handle)
        heading, width = _heading(self.path, records, self.columns)
        places = [(column, heading[column.name]) for column in self.columns]
        for line, cells in records:
            if isinstance(cells, InvalidValue):
                yield self.problem(line, None, None, cells)
            elif any(cells):
                yield self._row(line, cells, places, width)

    def _row(
        self, line: int, cells: list[str], places: list[tuple[Column, int]], width: int
    ) -> Line | RowProblem:
        if len(cells) != width:
            error = InvalidValue.of("row", len(cells), f"the header has {width} columns")
            return self.problem(line, None, None, error)
        sent, values = {}, {}
        for column, place in places:
            cell = sent[column.name] = cells[place]
            try:
                values[column.name] = column.value_of(cell)
            except InvalidValue as error:
                return self.problem(line, column.name, cell, error)
        return Line(line, sent, values)

    def problem(
        self, line: int, column: str | None, cell: str | None, error: GongyiBankError
    ) -> RowProblem:
        """Why the row on this line is refused; a personal cell is not shown.

        Nor, in a file about people, a cell with other signs than codes, words and dates have:
        where cells have changed places a name stands in it.
        """
        personal = any(c.is_personal for c in self.columns if c.name == column)
        if cell is not None and not cell.isascii() and _is_about_people(self.columns):
            personal = True
            if isinstance(error, InvalidValue):
                error = _without_value(error, cell)
        shown = None if cell is None else describe_value(cell, personal=personal)
        return RowProblem(
            file=self.name, line=line, column=column, value=shown, code=error.code, error=error
        )


def open_sheet(path: Path, columns: Sequence[Column]) -> Sheet:
    """Check a file from beginning to end: that it can be read, and that no column is missing.

    Raises FileUnreadable and ColumnMissing.
    """
    encoding = _encoding(path)
    with _opened(path, encoding) as handle:
        _heading(path, _records(handle), columns)
        handle.seek(0)
        lines = sum(1 for _ in _physical_lines(handle)) - 1
    return Sheet(path, encoding, tuple(columns), lines)


def _encoding(path: Path) -> str:
    """The encoding in which every byte of the file makes sense."""
    if not path.is_file():
        reason = "it is no file" if path.exists() else "there is no such file"
        raise FileUnreadable(file=path.name, reason=reason)
    for encoding in _ENCODINGS:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with path.open("rb") as handle:
                while block := handle.read(_BLOCK_BYTES):
                    decoder.decode(block)
                decoder.decode(b"", final=True)
            return encoding
        except UnicodeDecodeError:
            continue
        except OSError as error:
            raise FileUnreadable(file=path.name, reason=error.strerror or "OSError") from None
    raise FileUnreadable(file=path.name, reason="neither UTF-8 nor GB18030")


def _opened(path: Path, encoding: str) -> TextIO:
    # Line ends of every kind become one, also where two blocks of the file meet.
    try:
        return path.open(encoding=encoding, newline=None)
    except OSError as error:
        raise FileUnreadable(file=path.name, reason=error.strerror or "OSError") from None


def _heading(
    path: Path, records: Iterator[tuple[int, _Cells]], columns: Sequence[Column]
) -> tuple[dict[str, int], int]:
    """The position of each column in the first row that is not blank, and how many there are."""
    for _, cells in records:
        if isinstance(cells, InvalidValue):
            raise FileUnreadable(file=path.name, reason="its first line is no CSV header")
        if any(cells):
            names = [cell.removeprefix("\ufeff").strip(_BLANKS) for cell in cells]
            _require_columns(path, names, columns)
            return {name: place for place, name in enumerate(names)}, len(names)
    raise FileUnreadable(file=path.name, reason="it is empty")


def _is_about_people(columns: Sequence[Column]) -> bool:
    return any(column.is_personal for column in columns)


def _without_value(error: InvalidValue, cell: str) -> InvalidValue:
    """The same refusal, and of the cell only that it is a text."""
    field, reason = str(error.facts["field"]), str(error.facts["reason"])
    return type(error).of(field, cell, reason, personal=True)


def _require_columns(path: Path, names: list[str], columns: Sequence[Column]) -> None:
    wanted = [column.name for column in columns]
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise FileUnreadable(file=path.name, reason=f"the column {twice[0]} comes twice")
    missing = [name for name in wanted if name not in names]
    if missing:
        has_personal = _is_about_people(columns)
        found = [_shown_heading(name, has_personal=has_personal) for name in names[:40]]
        raise ColumnMissing(file=path.name, columns=", ".join(missing), found=", ".join(found))


def _shown_heading(name: str, *, has_personal: bool) -> str:
    """A heading as found; in a file about people only what cannot be a person's own."""
    if has_personal and not _HEADING.fullmatch(name):
        return "…"
    shown = describe_value(name)
    return name if shown == f"'{name}'" else shown


# --- lines and records ---------------------------------------------------------------------

_Cells = list[str] | InvalidValue
#: A line number and the line, None where it is too long.
_Numbered = tuple[int, str | None]


def _physical_lines(handle: TextIO) -> Iterator[str | None]:
    """The lines of a file with their ends; None for one that is too long to be a row."""
    while line := handle.readline(LENGTH_MAX):
        if line.endswith("\n") or len(line) < LENGTH_MAX:
            yield line
            continue
        while line and not line.endswith("\n"):
            line = handle.readline(LENGTH_MAX)
        yield None


def _records(handle: TextIO) -> Iterator[tuple[int, _Cells]]:
    """(line number, cells) of every record; a quoted cell may run over several lines.

    Where a quotation mark is never closed, its own line alone is a fault: the lines after it
    are read again as rows of their own.
    """
    source = enumerate(_physical_lines(handle), start=1)
    again: deque[_Numbered] = deque()
    width = 0
    while True:
        number, line = again.popleft() if again else next(source, (0, ""))
        if line == "":
            return
        if line is None:
            yield number, InvalidText.of("row", None, f"longer than {LENGTH_MAX} characters")
            continue
        taken: list[_Numbered] = []
        if '"' in line:
            line = _joined(line, again, source, taken)
        cells = _cells(line) if line is not None else None
        if cells is None or (taken and width and len(cells) != width):
            again.extendleft(reversed(taken))
            yield number, InvalidText.of("row", None, "a quotation mark is not closed")
            continue
        width = width or len(cells)
        yield number, cells


def _joined(
    line: str,
    again: deque[_Numbered],
    source: Iterator[_Numbered],
    taken: list[_Numbered],
) -> str | None:
    """The line and those that its open quotation mark swallows; None if it is never closed."""
    quotes, parts, length = line.count('"'), [line], len(line)
    while quotes % 2:
        number, following = again.popleft() if again else next(source, (0, ""))
        if following == "":
            return None
        taken.append((number, following))
        if following is None or length + len(following) > LENGTH_MAX:
            return None
        quotes += following.count('"')
        length += len(following)
        parts.append(following)
    return "".join(parts)


def _cells(record: str) -> list[str] | None:
    """The cells of one record, without blanks around them; None where the quoting is wrong."""
    if '"' not in record:
        return [cell.strip(_BLANKS) for cell in record.split(",")]
    try:
        rows = list(csv.reader([record], strict=True))
    except csv.Error:
        return None
    return [cell.strip(_BLANKS) for cell in rows[0]] if len(rows) == 1 else None


# --- cells ---------------------------------------------------------------------------------


def as_code(cell: str, field: str) -> str:
    """A code or reference."""
    if _PLAIN_CODE.fullmatch(cell):
        return cell
    return clean_code(cell, field=field, length_max=100)


def as_name(cell: str, field: str) -> str:
    """A name."""
    return clean_text(cell, field=field, length_max=100)


def as_text(cell: str, field: str) -> str:
    """Text that the bank itself looks into."""
    return cell


def as_date(cell: str, field: str) -> dt.date:
    """A day, written 2022-10-31."""
    if _DATE.fullmatch(cell):
        try:
            return dt.date.fromisoformat(cell)
        except ValueError:
            pass
    raise InvalidInstant.of(field, cell, "a date is written YYYY-MM-DD")


def as_local_time(zone: ZoneInfo) -> Parse:
    """A moment, written 2022-10-31T14:00, on the clocks of `zone`."""

    def parse(cell: str, field: str) -> dt.datetime:
        if _TIME.fullmatch(cell):
            try:
                return dt.datetime.fromisoformat(cell).replace(tzinfo=zone)
            except ValueError:
                pass
        raise InvalidInstant.of(field, cell, "a time is written YYYY-MM-DDTHH:MM")

    return parse


def as_whole(cell: str, field: str) -> int:
    """A whole number of at most twelve digits, without a sign."""
    if not _WHOLE.fullmatch(cell):
        raise InvalidAmount.of(field, cell, "a whole number, in digits")
    return int(cell)


def as_points(cell: str, field: str) -> Points:
    """Points, written 12.50; never less than nothing."""
    points = Points(cell, field=field)
    if points < Points(0):
        raise InvalidAmount.of(field, cell, "it must not be negative")
    return points


def as_one_of(words: Mapping[str, object]) -> Parse:
    """One of these words, and what each means."""

    def parse(cell: str, field: str) -> object:
        if cell not in words:
            raise InvalidValue.of(field, cell, f"one of {', '.join(words)}")
        return words[cell]

    return parse
