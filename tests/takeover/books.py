"""Stories for the takeover's tests: the packaged one, cut down, and what stands in the books."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.store import tables
from gongyi_bank.takeover import found_for_story, open_story
from gongyi_bank.testing import story_folder

#: Columns that differ between two takeovers of the same rows: ids, hashes, cut into acts.
_OF_THE_RUN = {"voucher_id", "decided_voucher_id", "voided_voucher_id", "settled_voucher_id"}
_OF_THE_RUN |= {"line_hash", "head_hash", "bank_id", "redemption_id"}
_BOOKS = ("outlet", "customer", "account_head", "account_line", "hour_record", "redemption")
_BOOKS += ("partner_store", "offer", "staff_role", "staff")


class Books(dict[str, list[tuple[Any, ...]]]):
    """What the books say, by table; too long to be shown."""

    def __repr__(self) -> str:
        return f"<books: {', '.join(f'{len(rows)} {name}' for name, rows in self.items())}>"


def copied_story(target: Path, *, rows_max: int | None = None) -> Path:
    """A copy of the packaged story.

    With `rows_max` its monthly files are cut to so many rows, and the others to what these
    rows speak of.
    """
    shutil.copytree(story_folder(), target)
    if rows_max is None:
        return target
    monthly = [*target.glob("services_*.csv"), *target.glob("redemptions_*.csv")]
    for file in monthly:
        edit(file, lambda lines: lines[: rows_max + 1])
    cells = ",".join(file.read_text("utf-8") for file in monthly).replace("\n", ",")
    named = set(cells.split(","))

    def kept(lines: list[str]) -> list[str]:
        return [lines[0], *(line for line in lines[1:] if line.split(",")[0] in named)]

    for name in ("customers.csv", "opening_2022-09-30.csv", "partner_stores.csv", "offers.csv"):
        edit(
            target / name,
            lambda lines: [lines[0], *(x for x in lines[1:] if x.split(",")[0] in named)],
        )
    return target


def edit(file: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change a file's lines; the header is lines[0]."""
    lines = file.read_text("utf-8").splitlines()
    file.write_bytes("".join(line + "\r\n" for line in change(lines)).encode())


def founded(url: str, folder: Path, **founding: Any) -> Bank:
    """The bank of a story, with nothing taken over yet."""
    return found_for_story(url, open_story(folder), unsafe_settings="allow", **founding)


def books_of(bank: Bank) -> Books:
    """What the books say, without what differs between two runs."""
    found = Books()
    bank_id = bank.read(lambda tx: tx.bank.bank_id)
    with bank.engine.connect() as connection:
        for name in _BOOKS:
            table: sa.Table = getattr(tables, name)
            columns = [c for c in table.c if c.name not in _OF_THE_RUN]
            rows = connection.execute(sa.select(*columns).where(table.c.bank_id == bank_id))
            found[name] = sorted((tuple(row) for row in rows), key=repr)
    return found
