"""The CSV importer and whatever bytes it is given: ours or nothing is raised, and books agree."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import strategies as st

from gongyi_bank.bank import Bank
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.takeover import TakeoverReport, take_over_story
from gongyi_bank.takeover.reading import (
    LENGTH_MAX,
    Column,
    as_code,
    as_name,
    as_whole,
    open_sheet,
)
from tests.fuzz.strangers import fuzzed, fuzzed_long, spoilt
from tests.security.test_injection import require_ours
from tests.takeover.books import copied_story, edit, founded

COLUMNS = (Column("code", as_code), Column("name", as_name, is_personal=True),
           Column("pieces", as_whole, is_optional=True))  # fmt: skip
FILES = ("customers.csv", "offers.csv", "opening_2022-09-30.csv", "outlets.csv",
         "partner_stores.csv", "redemptions_2022-10.csv", "services_2022-10.csv",
         "tariff.csv")  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """A folder that was taken over once, and the bank that has it."""

    folder: Path
    bank: Bank
    good: dict[str, bytes]

    def take_over(self, file: str, content: bytes) -> TakeoverReport | None:
        """Take the folder over again, one of its files having other bytes."""
        path = self.folder / file
        path.write_bytes(content)
        try:
            return take_over_story(self.bank, self.folder)
        except GongyiBankError as error:
            require_ours(error)
            return None
        finally:
            path.write_bytes(self.good[file])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The packaged story cut down to a few rows of every file."""
    folder = copied_story(tmp_path_factory.mktemp("fuzz") / "story", rows_max=2)
    texts = [file.read_text("utf-8") for file in folder.glob("[cps]*.csv")]
    named = {cell for text in texts for line in text.splitlines() for cell in line.split(",")}
    named |= {name[:3] for name in named if name.startswith("B")} | {"H"}
    edit(folder / "outlets.csv", lambda x: [x[0], *(y for y in x[1:] if y.split(",")[0] in named)])
    bank = founded("sqlite://", folder)
    take_over_story(bank, folder)
    yield Desk(folder, bank, {file: (folder / file).read_bytes() for file in FILES})
    bank.close()


def check(desk: Desk, file: str, content: bytes) -> None:
    """Every row is taken, replayed or a problem with its line, and the books stay right."""
    report = desk.take_over(file, content)
    if report is None:
        return
    for problem in report.problems:
        assert problem.line >= 1
        assert str(problem).isprintable()
        require_ours(problem.error)


@fuzzed(file=st.sampled_from(FILES), data=st.data())
def test_a_spoilt_file_is_taken_over_as_far_as_it_can_be_read(
    desk: Desk, file: str, data: st.DataObject
) -> None:
    check(desk, file, data.draw(spoilt(desk.good[file])))


@fuzzed_long(file=st.sampled_from(FILES), data=st.data())
def test_a_spoilt_file_for_long(desk: Desk, file: str, data: st.DataObject) -> None:
    check(desk, file, data.draw(spoilt(desk.good[file])))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda good: good.decode().encode("gb18030"), id="GB18030"),
        pytest.param(lambda good: b"\xef\xbb\xbf" + good, id="UTF-8 with BOM"),
        pytest.param(lambda good: good.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(lambda good: good.replace(b",", b"\x00,"), id="NUL"),
        pytest.param(lambda good: good.replace(b",", b';'), id="semicolons"),
        pytest.param(lambda good: good.replace(b",", b',"', 30), id="quotes open"),
        pytest.param(lambda good: good + b"," * 70_000, id="a line too long"),
        pytest.param(lambda good: good.split(b"\n", 1)[1], id="no header"),
        pytest.param(lambda good: b"", id="nothing"),
    ],
)  # fmt: skip
def test_known_ways_to_spoil_a_file(
    desk: Desk, file: str, change: Callable[[bytes], bytes]
) -> None:
    check(desk, file, change(desk.good[file]))


def test_the_books_agree_after_all_that(desk: Desk) -> None:
    """Comes after the others: whatever was taken over is in order."""
    found = desk.bank.verify()
    assert found.is_clean, str(found)
    report = take_over_story(desk.bank, desk.folder)
    assert report.problems is not None


# --- reading alone: fast, so that more is tried ------------------------------------------------

GOOD = 'code,name,pieces\nA1,大米5kg,3\nA2,"油, 一桶",4\nA3,盐,\n'.encode()


@fuzzed(content=st.binary(max_size=300) | spoilt(GOOD))
def test_any_bytes_are_rows_and_problems_or_no_csv(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    try:
        found = list(open_sheet(path, COLUMNS).rows())
    except GongyiBankError as error:
        require_ours(error)
        return
    lines = [row.line for row in found]
    assert lines == sorted(set(lines))
    assert len(found) <= content.count(b"\n") + content.count(b"\r") + 1


#: More than one row, or one line, can be.
SIZE = 2 * LENGTH_MAX


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        b'"',
        b'"\n',
        b'a"\n',
        b'"a\nb\nc\n',
        b",",
        b"\n",
        b"\r",
        b'""',
        b'",',
        b'"\r\n,',
        b"x",
        b"\x00",
    ],
)
def test_large_files_of_one_kind_are_read_in_bounded_memory(tmp_path: Path, unit: bytes) -> None:
    """What could be read again and again, or be one row without end."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"code,name,pieces\n" + unit * (SIZE // len(unit)))
    tracemalloc.start()
    try:
        rows = sum(1 for _ in open_sheet(path, COLUMNS).rows())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows <= path.stat().st_size
    assert peak < 1_000_000
