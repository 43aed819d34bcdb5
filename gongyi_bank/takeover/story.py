"""A folder with a district's books: which files it has, and their order.

outlets.csv, partner_stores.csv, offers.csv, tariff.csv, customers.csv, opening_YYYY-MM-DD.csv,
and for each month services_YYYY-MM.csv and redemptions_YYYY-MM.csv. Every file is checked
before the first row is written, so a folder that cannot be read leaves nothing behind.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gongyi_bank.bank import Bank, system_clock
from gongyi_bank.errors import FileUnreadable, InvalidValue
from gongyi_bank.periods import Period, end_of, month
from gongyi_bank.takeover import steps
from gongyi_bank.takeover.chunks import Office
from gongyi_bank.takeover.reading import (
    Column,
    Line,
    Sheet,
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
from gongyi_bank.takeover.report import MonthReport, Progress, StepReport, TakeoverReport

SHANGHAI = ZoneInfo("Asia/Shanghai")
_TIERS = {
    "head_office": 1, "branch": 2, "savings_branch": 3, "总行": 1, "分行": 2, "储蓄所": 3,
}  # fmt: skip
_SETTINGS = {"urban": "urban", "rural": "rural", "城镇": "urban", "农村": "rural"}
_STORE_KINDS = {
    "幸福超市": "community_store", "慈善超市": "charity_shop", "爱心企业": "enterprise",
    "community_store": "community_store", "charity_shop": "charity_shop",
    "enterprise": "enterprise",
}  # fmt: skip
_CUSTOMER_KINDS = {
    "volunteer": "volunteer", "organisation": "organisation", "household": "household",
    "志愿者": "volunteer", "组织": "organisation", "家庭": "household",
}  # fmt: skip

OUTLET_COLUMNS = (
    Column("code", as_code),
    Column("name", as_name),
    Column("tier", as_one_of(_TIERS)),
    Column("parent_code", as_code, is_optional=True),
    Column("setting", as_one_of(_SETTINGS)),
)
STORE_COLUMNS = (
    Column("code", as_code),
    Column("name", as_name),
    Column("kind", as_one_of(_STORE_KINDS)),
    Column("recruited_by", as_code),
    Column("joined_on", as_date),
)
OFFER_COLUMNS = (
    Column("store_code", as_code),
    Column("sku", as_code),
    Column("name", as_name),
    Column("points", as_points),
    Column("stock", as_whole),
)
TARIFF_COLUMNS = (
    Column("category", as_code),
    Column("name", as_name),
    Column("points_per_hour", as_points),
)
CUSTOMER_COLUMNS = (
    Column("ref", as_code),
    Column("name", as_name, is_personal=True),
    Column("kind", as_one_of(_CUSTOMER_KINDS)),
    Column("outlet_code", as_code),
    Column("registered_on", as_date),
    Column("birth_on", as_date, is_optional=True, is_personal=True),
    Column("id_no", as_text, is_optional=True, is_personal=True),
    Column("phone", as_text, is_optional=True, is_personal=True),
)
OPENING_COLUMNS = (
    Column("customer_ref", as_code),
    Column("minutes", as_whole),
    Column("points", as_points),
    Column("as_of", as_date),
)
REDEMPTION_COLUMNS = (
    Column("ref", as_code),
    Column("customer_ref", as_code),
    Column("store_code", as_code),
    Column("sku", as_code),
    Column("quantity", as_whole),
    Column("redeemed_on", as_date),
)


def service_columns(zone: ZoneInfo) -> tuple[Column, ...]:
    """The columns of a services file, whose times are those of the bank's clocks."""
    return (
        Column("ref", as_code),
        Column("customer_ref", as_code),
        Column("outlet_code", as_code),
        Column("project", as_code, is_optional=True),
        Column("category", as_code),
        Column("started_at", as_local_time(zone)),
        Column("ended_at", as_local_time(zone)),
        Column("client_rating", as_whole, is_optional=True),
        Column("recorded_by", as_code),
        Column("checked_by", as_code),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryMonth:
    """The two files of one month."""

    period: Period
    services: Sheet
    redemptions: Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A folder whose files can all be read and have their columns."""

    folder: Path
    outlets: Sheet
    stores: Sheet
    offers: Sheet
    tariff: Sheet
    customers: Sheet
    opening: Sheet
    #: In which the times of the services files are written.
    zone: ZoneInfo
    #: The last day of the paper books, from the opening file's name.
    as_of: dt.date
    months: tuple[StoryMonth, ...]

    @property
    def period(self) -> tuple[dt.date, dt.date]:
        """The first and the last day of the months that the story tells."""
        return self.months[0].period.first_on, self.months[-1].period.last_on

    @property
    def missing_months(self) -> tuple[str, ...]:
        """The months between the first and the last one that have no files."""
        labels = {told.period.label for told in self.months}
        first, last = (self.months[index].period.first_on for index in (0, -1))
        numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
        every = (f"{number // 12:04}-{number % 12 + 1:02}" for number in numbers)
        return tuple(label for label in every if label not in labels)


_MONTHLY = re.compile(r"(services|redemptions)_([0-9]{4}-[0-9]{2})\.csv")
_OPENING = re.compile(r"opening_([0-9]{4}-[0-9]{2}-[0-9]{2})\.csv")


def open_story(folder: str | Path, *, zone: ZoneInfo = SHANGHAI) -> Story:
    """Find a story's files and check each of them whole; nothing is written.

    Raises FileUnreadable for a folder or file that is not there or cannot be read, and
    ColumnMissing.
    """
    folder = Path(folder)
    names = _file_names(folder)
    opening, as_of = _opening_name(folder, names)

    def sheet(name: str, columns: tuple[Column, ...]) -> Sheet:
        return open_sheet(folder / name, columns)

    return Story(
        folder=folder,
        zone=zone,
        outlets=sheet("outlets.csv", OUTLET_COLUMNS),
        stores=sheet("partner_stores.csv", STORE_COLUMNS),
        offers=sheet("offers.csv", OFFER_COLUMNS),
        tariff=sheet("tariff.csv", TARIFF_COLUMNS),
        customers=sheet("customers.csv", CUSTOMER_COLUMNS),
        opening=sheet(opening, OPENING_COLUMNS),
        as_of=as_of,
        months=tuple(
            StoryMonth(
                period=period,
                services=sheet(f"services_{period.label}.csv", service_columns(zone)),
                redemptions=sheet(f"redemptions_{period.label}.csv", REDEMPTION_COLUMNS),
            )
            for period in _months(folder, names)
        ),
    )


def _file_names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise FileUnreadable(file=folder, reason=error.strerror or "OSError") from None
    except ValueError:
        raise FileUnreadable(file=ascii(str(folder)), reason="it is no path") from None


def _opening_name(folder: Path, names: list[str]) -> tuple[str, dt.date]:
    found = [match for name in names if (match := _OPENING.fullmatch(name))]
    if len(found) != 1:
        reason = f"{len(found)} files opening_YYYY-MM-DD.csv, one is needed"
        raise FileUnreadable(file=folder, reason=reason)
    try:
        return found[0][0], dt.date.fromisoformat(found[0][1])
    except ValueError:
        raise FileUnreadable(file=found[0][0], reason="its name holds no date") from None


def _months(folder: Path, names: list[str]) -> list[Period]:
    labels = {match[2] for name in names if (match := _MONTHLY.fullmatch(name))}
    if not labels:
        raise FileUnreadable(file=folder, reason="no file services_YYYY-MM.csv")
    try:
        return [month(label) for label in sorted(labels)]
    except InvalidValue as error:
        reason = f"a month's name is {error.facts['value']}"
        raise FileUnreadable(file=folder, reason=reason) from None


# --- founding and taking over --------------------------------------------------------------


def found_for_story(
    database: Any, story: Story, *, bank: str | None = None, **founding: Any
) -> Bank:
    """Found the bank that a story is about: its head office, and its tariff from the beginning.

    `bank` is its name, else that of its head office without 总行; `founding` is handed to
    `Bank.found`. Raises BankExists, and FileUnreadable where no row names the head office.
    """
    head_office = _head_office(story)
    tariff, _ = steps.read_tariff(story.tariff, StepReport(name="tariff"))
    made = Bank.found(
        database,
        bank=bank or bank_name(story),
        head_office=head_office["code"],
        head_office_name=head_office["name"],
        policies=(tariff,) if tariff else (),
        time_zone=story.zone.key,
        clock=lambda: _end_of_day(story.as_of, story.zone),
        **founding,
    )
    return made.at(system_clock)


def bank_name(story: Story) -> str:
    """The name of the bank that a story is about: its head office's, without 总行."""
    name: str = _head_office(story)["name"]
    return name.removesuffix("总行") or name


def _head_office(story: Story) -> dict[str, Any]:
    for row in story.outlets.rows():
        if isinstance(row, Line) and row.values["tier"] == 1:
            return row.values
    raise FileUnreadable(file=story.outlets.name, reason="no row is the head office")


def _end_of_day(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(23, 59), zone)


def take_over_story(
    bank: Bank,
    folder: str | Path | Story,
    *,
    rows_per_chunk: int = 1000,
    progress: Progress | None = None,
) -> TakeoverReport:
    """Take a district's books over: the house, the opening balances, then month by month.

    `bank` is opened for an administrator. Everything is judged as at the day of its file.
    Each chunk of rows is one transaction, and every row has a reference: run again, what is
    in the books replays and nothing changes; after an interruption the rest follows. Raises
    FileUnreadable and ColumnMissing before anything is written, and whatever the database
    does.
    """
    if type(rows_per_chunk) is not int or not 1 <= rows_per_chunk <= 10_000:
        raise InvalidValue.of("rows_per_chunk", rows_per_chunk, "a whole number from 1 to 10000")
    story = folder if isinstance(folder, Story) else open_story(folder, zone=bank.zone)
    if story.zone != bank.zone:
        story = open_story(story.folder, zone=bank.zone)
    office = Office(bank=bank, rows_per_chunk=rows_per_chunk, progress=progress)
    opened_at = _end_of_day(story.as_of, bank.zone)
    moments = [opened_at, *(end_of(told.period, bank.zone) for told in story.months)]
    return TakeoverReport(
        steps=(
            steps.outlets(office, story.outlets, opened_at),
            steps.stores(office, story.stores, opened_at),
            steps.offers(office, story.offers, opened_at),
            steps.tariff(office, story.tariff, opened_at),
            steps.customers(office, story.customers, moments),
            steps.opening(office, story.opening, opened_at),
        ),
        months=tuple(_month(office, told) for told in story.months),
        missing_months=story.missing_months,
    )


def _month(office: Office, told: StoryMonth) -> MonthReport:
    label, as_at = told.period.label, end_of(told.period, office.bank.zone)
    return MonthReport(
        month=label,
        services=steps.services(office, told.services, as_at, name=f"services {label}"),
        redemptions=steps.redemptions(office, told.redemptions, as_at, name=f"redemptions {label}"),
    )
