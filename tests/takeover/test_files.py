"""Folders and files with faults: nothing half done, and every refused row told precisely."""

import shutil
from pathlib import Path

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import BankExists, ColumnMissing, FileUnreadable
from gongyi_bank.policies import Tariff
from gongyi_bank.takeover import (
    RowProblem,
    TakeoverReport,
    figures,
    found_for_story,
    open_story,
    take_over_story,
)
from gongyi_bank.testing import story_folder
from tests.books import counts
from tests.takeover.books import books_of, copied_story, edit, founded

FILES = sorted(path.name for path in story_folder().glob("*.csv") if "expected" not in path.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied_story(tmp_path / "story", rows_max=20)


# --- before anything is written ------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_needed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileUnreadable):
        open_story(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_column_in_any_file_stops_it_before_the_first_row(
    folder: Path, sqlite_url: str, name: str
) -> None:
    whole = copied_story(folder.parent / "whole", rows_max=20)
    bank = founded(sqlite_url, whole)
    before = counts(bank)
    edit(folder / name, lambda lines: [f"x{lines[0]}", *lines[1:]])
    with pytest.raises(ColumnMissing, match=name):
        take_over_story(bank, folder)
    assert counts(bank) == before


@pytest.mark.parametrize("name", FILES)
def test_an_unreadable_file_stops_it_before_the_first_row(
    folder: Path, sqlite_url: str, name: str
) -> None:
    bank = founded(sqlite_url, copied_story(folder.parent / "whole", rows_max=20))
    before = counts(bank)
    file = folder / name
    file.write_bytes(file.read_bytes() + b"\xff\xff\xff")
    with pytest.raises(FileUnreadable, match=name):
        take_over_story(bank, folder)
    assert counts(bank) == before


def test_a_wrong_path_is_no_folder(tmp_path: Path) -> None:
    for wrong in (tmp_path / "gone", story_folder() / "outlets.csv", Path("a\0b")):
        with pytest.raises(FileUnreadable):
            open_story(wrong)
    with pytest.raises(FileUnreadable, match="opening_YYYY-MM-DD"):
        open_story(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("opening_2022-09-30.csv", "opening_2022-02-30.csv"),
        ("services_2022-10.csv", "services_2022-00.csv"),
    ],
)
def test_a_name_that_holds_no_date_is_refused(folder: Path, old: str, new: str) -> None:
    shutil.move(folder / old, folder / new)
    with pytest.raises(FileUnreadable):
        open_story(folder)


def test_without_a_head_office_no_bank_is_founded(folder: Path, tmp_path: Path) -> None:
    edit(folder / "outlets.csv", lambda lines: [lines[0], *lines[2:]])
    with pytest.raises(FileUnreadable, match=r"outlets\.csv"):
        found_for_story(f"sqlite:///{tmp_path / 'new.db'}", open_story(folder))
    assert not (tmp_path / "new.db").exists()


def test_a_bank_is_founded_once(folder: Path, sqlite_url: str) -> None:
    founded(sqlite_url, folder).close()
    with pytest.raises(BankExists):
        founded(sqlite_url, folder)


# --- encodings -----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig"])
def test_the_encoding_makes_no_difference(folder: Path, tmp_path: Path, encoding: str) -> None:
    plain = founded("sqlite://", folder)
    first = figures(plain, take_over_story(plain, folder))
    recoded = tmp_path / "recoded"
    shutil.copytree(folder, recoded)
    for file in recoded.glob("*.csv"):
        file.write_bytes(file.read_text("utf-8").encode(encoding))
    other = founded("sqlite://", recoded)
    assert figures(other, take_over_story(other, recoded)) == first
    assert books_of(other) == books_of(plain)


# --- one row at fault ----------------------------------------------------------------------

FILE_OF = {
    "outlets": "outlets.csv",
    "stores": "partner_stores.csv",
    "offers": "offers.csv",
    "tariff": "tariff.csv",
    "customers": "customers.csv",
    "opening": "opening_2022-09-30.csv",
    "services": "services_2022-10.csv",
    "redemptions": "redemptions_2022-10.csv",
}


def customer(**changes: str) -> str:
    row = {
        "ref": "C900001", "name": "测试", "kind": "volunteer", "outlet_code": "B01S01",
        "registered_on": "2022-01-01", "birth_on": "", "id_no": "", "phone": "",
    } | changes  # fmt: skip
    return ",".join(row.values())


def service(outlet: str = "B09S08", rating: str = "5") -> str:
    times = "2022-10-16T14:00,2022-10-16T16:30"
    return f"SX,C000003,{outlet},,elder_care,{times},{rating},TB09S08-2,KB09-1"


@pytest.fixture(scope="module")
def whole_lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story with all stores, offers and customers, but 20 rows in each monthly file."""
    folder = copied_story(tmp_path_factory.mktemp("lists") / "story", rows_max=20)
    for name in ("partner_stores.csv", "offers.csv", "customers.csv"):
        shutil.copy(story_folder() / name, folder)
    return folder


def problems_of(report: TakeoverReport, step: str) -> list[RowProblem]:
    month = report.months[0]
    steps = {one.name: one for one in report.steps}
    steps |= {"services": month.services, "redemptions": month.redemptions}
    return steps[step].problems


@pytest.fixture(scope="module")
def faultless(whole_lists: Path) -> TakeoverReport:
    return take_over_story(founded("sqlite://", whole_lists), whole_lists)


@pytest.mark.parametrize(
    ("step", "row", "column", "code"),
    [
        ("outlets", "B99S01,新所,savings_branch,B99,urban", "parent_code", "unknown_outlet"),
        ("outlets", "H2,第二总行,head_office,,urban", "tier", "wrong_tier"),
        ("outlets", "B01S99,新所,savings_branch,H,urban", "tier", "wrong_tier"),
        ("outlets", "B01S99,新所,branch,B01,urban", "tier", "wrong_tier"),
        ("outlets", "X1,新所,savings_branch,B01S01,urban", "tier", "wrong_tier"),
        ("outlets", "B01S01,别的储蓄所,savings_branch,B01,urban", "code", "idempotency_conflict"),
        ("outlets", "B01S99,新所,支行,B01,urban", "tier", "invalid_value"),
        ("outlets", f"{'B' * 41},新所,branch,H,urban", "code", "invalid_text"),
        ("stores", "P900,店,杂货店,B01S01,2022-01-01", "kind", "invalid_value"),
        ("stores", "P900,店,爱心企业,B99S01,2022-01-01", "recruited_by", "unknown_outlet"),
        ("stores", "P900,店,爱心企业,B01S01,2122-01-01", "joined_on", "invalid_value"),
        ("offers", "P999,P999-01,米,5.00,5", "store_code", "unknown_store"),
        ("offers", "P001,P001-99,米,0.00,5", "points", "invalid_amount"),
        ("offers", "P001,P001-99,米,5.00,1000001", "stock", "invalid_value"),
        ("tariff", "child_care,关爱儿童,9.00", "category", "idempotency_conflict"),
        ("tariff", "new,新,-1", "points_per_hour", "invalid_amount"),
        ("customers", customer(outlet_code="B99S01"), "outlet_code", "unknown_outlet"),
        ("customers", customer(outlet_code="B01"), "outlet_code", "wrong_tier"),
        ("customers", customer(id_no="990002196606150012"), "id_no", "invalid_number"),
        ("customers", customer(registered_on="2023-01-01"), "registered_on", "invalid_value"),
        ("customers", customer(kind="cat"), "kind", "invalid_value"),
        ("customers", customer(phone="1" * 41), "phone", "invalid_text"),
        ("customers", customer(name="a\x01b"), "name", "invalid_text"),
        ("opening", "C999999,60,1.00,2022-09-30", "customer_ref", "unknown_customer"),
        ("opening", "C000002,60,1.001,2022-09-30", "points", "invalid_amount"),
        ("opening", "C000002,60,1.00,2022-10-01", "as_of", "invalid_instant"),
        ("opening", "C000002,0,0,2022-09-30", "points", "invalid_value"),
        ("services", service(rating="6"), "client_rating", "invalid_value"),
        ("services", service(outlet="B99S99"), "outlet_code", "unknown_outlet"),
        ("redemptions", "RX,C000003,P999,P001-01,1,2022-10-31", "store_code", "unknown_store"),
        ("redemptions", "RX,C000003,P001,P001-99,1,2022-10-31", "sku", "unknown_offer"),
        ("redemptions", "RX,C000003,P001,P001-01,0,2022-10-31", "quantity", "invalid_value"),
    ],
)
def test_a_row_at_fault_is_told_by_line_column_value_and_reason(
    whole_lists: Path,
    faultless: TakeoverReport,
    tmp_path: Path,
    step: str,
    row: str,
    column: str,
    code: str,
) -> None:
    folder = tmp_path / "story"
    shutil.copytree(whole_lists, folder)
    edit(folder / FILE_OF[step], lambda lines: [*lines[:4], row, *lines[4:]])
    report = take_over_story(founded("sqlite://", folder), folder)
    (found,) = [problem for problem in problems_of(report, step) if problem.line == 5]
    assert (found.file, found.column, found.code) == (FILE_OF[step], column, code)
    header = (folder / FILE_OF[step]).read_text("utf-8").splitlines()[0].split(",")
    cell = row.split(",")[header.index(column)]
    if column in ("id_no", "phone", "name"):
        assert found.value == "<str not shown>"
        assert cell not in f"{found!r}{found.error}{found.message()}"
    else:
        assert found.value == repr(cell)
    # Nobody else's row suffers from it.
    assert len(report.problems) == len(faultless.problems) + 1


def test_a_document_that_comes_twice_is_one_customer(sqlite_url: str, folder: Path) -> None:
    lines = (folder / "customers.csv").read_text("utf-8").splitlines()
    again = lines[1].split(",")
    again[0] = "C900009"
    edit(folder / "customers.csv", lambda lines: [*lines, ",".join(again)])
    report = take_over_story(founded(sqlite_url, folder), folder).step("customers")
    (problem,) = report.problems
    assert (problem.line, problem.code) == (len(lines) + 1, "already_registered")
    assert again[6] not in f"{problem!r}{problem.error}"


def test_a_bank_with_another_tariff_adopts_it_from_the_day_after(
    folder: Path, sqlite_url: str
) -> None:
    story = open_story(folder)
    bank = Bank.found(
        sqlite_url, bank="别的银行", head_office="H", head_office_name="雁江区公益银行总行"
    )
    report = take_over_story(bank, story)
    assert report.step("tariff").taken == 9
    book = bank.policies.book()
    assert len(book.in_force(Tariff, story.months[0].period.first_on)[1].rates) == 9
    assert len(book.in_force(Tariff, story.as_of)[1].rates) == 1
    assert take_over_story(bank, story).step("tariff").replayed == 9


def test_somebody_who_may_do_nothing_takes_nothing_over(folder: Path, sqlite_url: str) -> None:
    bank = founded(sqlite_url, folder).acting_as("stranger")
    before = counts(bank)
    report = take_over_story(bank, folder)
    assert not report.is_replay
    assert counts(bank) == before
    assert {p.code for p in report.months[0].services.problems} == {"unknown_staff"}
