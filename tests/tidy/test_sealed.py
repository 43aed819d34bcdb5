"""Every table that an act writes is sealed, column by column, or says why not."""

import sqlalchemy as sa

from gongyi_bank.store.seals import NOT_SEALED, SEALED
from gongyi_bank.store.tables import metadata
from tests.tidy.house import ROOT, report

TABLES = {name.removeprefix("gb_"): table for name, table in metadata.tables.items()}
#: The page that tells auditors what no check can see.
PAGE = ROOT / "docs" / "explanation" / "reliability.md"


def sealed_columns(name: str) -> set[str]:
    """The columns that some part of the table covers."""
    return {
        column
        for part in SEALED[name]
        for column in (*part.columns, *(part.at_once[2] if part.at_once else ()))
    }


def table_faults(tables: dict[str, sa.Table]) -> list[str]:
    faults = [f"{name}: neither sealed nor named with a reason" for name in tables
              if name not in SEALED and name not in NOT_SEALED]  # fmt: skip
    return faults + [f"{name}: both sealed and not" for name in SEALED if name in NOT_SEALED]


def test_every_table_is_sealed_or_says_why_not() -> None:
    report(
        table_faults(TABLES),
        advice="list it in SEALED of store/seals.py, or in NOT_SEALED with the reason.",
    )
    assert SEALED.keys() | NOT_SEALED.keys() <= TABLES.keys()
    assert all("voucher_id" in TABLES[name].c for name in SEALED)


def test_the_check_of_tables_can_fail() -> None:
    assert table_faults(TABLES | {"forgotten": TABLES["voucher"]})


def test_a_column_that_no_seal_covers_is_told_to_auditors() -> None:
    page = PAGE.read_text("utf-8")
    unsealed = [
        f"{name}.{column.name}"
        for name in SEALED
        for column in TABLES[name].columns
        if column.name != "bank_id" and column.name not in sealed_columns(name)
    ]
    faults = [column for column in unsealed if f"`{column}`" not in page]
    report(faults, advice="say in docs/explanation/reliability.md what watches over the column.")


def test_the_reasons_stand_in_the_page_for_auditors() -> None:
    page = PAGE.read_text("utf-8")
    report(
        [name for name in NOT_SEALED if f"`{name}`" not in page],
        advice="name the table in docs/explanation/reliability.md.",
    )


def test_parts_have_names_of_their_own() -> None:
    names = [part.name for parts in SEALED.values() for part in parts]
    assert len(names) == len(set(names))
