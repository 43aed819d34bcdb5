"""Strategies for service rows, good and bad, as values and as the cells of a clerk's CSV file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.arguments import require_flag, require_list
from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import require_moment
from gongyi_bank.testing.arguments import (
    require_codes,
    require_range,
    require_whole,
    require_word,
    require_words,
    require_zone,
)
from gongyi_bank.testing.clock import SHANGHAI
from gongyi_bank.testing.story_builder import SMALL_CAST, Cast
from gongyi_bank.testing.strategies.arguments import refs_of, require_cast
from gongyi_bank.values import compose_account_no

#: The columns of a services file, in the order in which `services_YYYY-MM.csv` has them.
SERVICE_COLUMNS = (
    "ref", "customer_ref", "outlet_code", "project", "category", "started_at", "ended_at",
    "client_rating", "recorded_by", "checked_by",
)  # fmt: skip
_PROJECTS = (None, "敬老月", "河长制", "PRJ-7")


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that is refused: its fields, and the code of the error that must come.

    `is_unmade` says that `ServiceRow(**fields)` itself refuses it; the bank refuses the others.
    Raises InvalidValue.
    """

    fields: Mapping[str, Any]
    code: str
    is_unmade: bool

    def __post_init__(self) -> None:
        _require_mapping("fields", self.fields)
        require_word("code", self.code, SERVICE_FAULTS)
        require_flag(self.is_unmade, field="is_unmade")


def _require_mapping(field: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidValue.of(field, type(value).__name__, "values by their names are needed")
    return value


def service_rows(
    cast: Cast = SMALL_CAST,
    *,
    days: int = 14,
    minutes_min: int = 1,
    minutes_max: int = 480,
    refs: SearchStrategy[str] | None = None,
) -> SearchStrategy[ServiceRow]:
    """Service that a district can record, one row at a time.

    Each lies within so many days from `cast.begins_at` on, so let the clock be past them; two
    rows of one customer may overlap, and several on a day may be over the daily limit. `refs`
    gives them references of the sender's own. Shrinks to the first customer, the first
    category and the shortest service at the beginning. Raises InvalidValue.
    """
    return _fields(cast, days, (minutes_min, minutes_max), refs).map(
        lambda fields: ServiceRow(**fields)
    )


def _fields(
    cast: Cast, days: int, minutes: tuple[int, int], refs: SearchStrategy[str] | None
) -> SearchStrategy[dict[str, Any]]:
    """The fields of a good row."""
    require_cast(cast)
    accounts, places, categories = cast.accounts, cast.service_points, cast.categories
    span = require_whole("days", days, 1, 3660) * 1440
    low, high = require_range("minutes", *minutes, floor=1, ceiling=1440)
    if high > span:
        raise InvalidValue.of("minutes_max", high, f"longer than {days} days")

    # Few draws for a row: a shrinker leaves a row out of a list only if it is a short stretch.
    people = len(places) * len(categories) * len(accounts)
    free = [(about, stars) for about in _PROJECTS for stars in (None, 1, 2, 3, 4, 5)]
    lengths = high - low + 1

    def row(
        who: int, when: int, extra: tuple[str | None, int | None], ref: str | None
    ) -> dict[str, Any]:
        who, account = divmod(who, len(accounts))
        place, category = divmod(who, len(categories))
        point, length = places[place], low + when % lengths
        started_at = _after(cast.begins_at, min(when // lengths, span - length))
        return {
            "account": accounts[account],
            "category": categories[category],
            "outlet": point.outlet,
            "recorded_by": point.recorded_by,
            "checked_by": point.checked_by,
            "started_at": started_at,
            "ended_at": _after(started_at, length),
            "project": extra[0],
            "client_rating": extra[1],
            "ref": ref,
        }

    moments = st.integers(0, (span - low + 1) * lengths - 1)
    given = refs_of("refs", refs)
    return st.builds(row, st.integers(0, people - 1), moments, st.sampled_from(free), given)


def _after(moment: dt.datetime, minutes: int) -> dt.datetime:
    later = moment.astimezone(dt.UTC) + dt.timedelta(minutes=minutes)
    return later.astimezone(moment.tzinfo)


# --- rows that are refused -----------------------------------------------------------------

#: A slip: what becomes of a good row's fields, told the clock and a number to vary with.
_Slip = Callable[[dict[str, Any], dt.datetime, int], dict[str, Any]]
_NOBODY = compose_account_no(9999, 1)
#: Later than the books can hold.
_BEYOND = dt.datetime(9001, 1, 1, tzinfo=dt.UTC)
#: By the code of the refusal: slips that the row itself refuses …
_UNMADE: dict[str, tuple[_Slip, ...]] = {
    "invalid_instant": (
        lambda row, now, n: row | {"started_at": row["started_at"].replace(tzinfo=None)},
        lambda row, now, n: row | {"ended_at": _BEYOND},
    ),
    "invalid_number": (
        lambda row, now, n: row | {"account": _with_wrong_digit(row["account"], n)},
        lambda row, now, n: row | {"account": 13800000000 + n},
    ),
    "invalid_text": (
        lambda row, now, n: row | {"category": "sani\x00tation"},
        lambda row, now, n: row | {"outlet": "x" * (41 + n % 50)},
        lambda row, now, n: row | {"project": "a b"},
    ),
    "invalid_value": (
        lambda row, now, n: row | {"client_rating": 6 + n},
        lambda row, now, n: row | {"client_rating": True},
        lambda row, now, n: row | {"customer_ref": "C1"},
    ),
}
#: … and those that the bank refuses.
_REFUSED: dict[str, tuple[_Slip, ...]] = {
    "unknown_customer": (
        lambda row, now, n: row | {"account": _NOBODY},
        lambda row, now, n: row | {"account": None, "customer_ref": f"NOBODY-{n}"},
    ),
    "unknown_category": (lambda row, now, n: row | {"category": f"no-such-{n}"},),
    "not_positive": (
        lambda row, now, n: row | {"ended_at": row["started_at"]},
        lambda row, now, n: row | {"ended_at": row["started_at"] - dt.timedelta(minutes=1 + n)},
    ),
    "too_long": (
        lambda row, now, n: row | {"ended_at": row["started_at"] + dt.timedelta(days=8 + n % 99)},
    ),
    "in_future": (
        lambda row, now, n: row
        | {"started_at": _after(now, n - 1), "ended_at": _after(now, n + 1)},
    ),
    "before_registration": (
        lambda row, now, n: row | _moved(row, dt.timedelta(days=365 * 60 + n % 365)),
    ),
    "unknown_outlet": (lambda row, now, n: row | {"outlet": f"NO-{n}"},),
    "four_eyes": (lambda row, now, n: row | {"checked_by": row["recorded_by"]},),
    "unknown_staff": (lambda row, now, n: row | {"checked_by": f"NOBODY-{n}"},),
}  # fmt: skip
#: What a service row can be refused for, as `bad_service_rows` makes them.
SERVICE_FAULTS = (*_UNMADE, *_REFUSED)


def _with_wrong_digit(account: int, number: int) -> int:
    return account // 10 * 10 + (account + 1 + number % 9) % 10


def _moved(row: dict[str, Any], by: dt.timedelta) -> dict[str, Any]:
    return {name: row[name] - by for name in ("started_at", "ended_at")}


def bad_service_rows(
    cast: Cast = SMALL_CAST,
    *,
    now: dt.datetime,
    codes: Iterable[str] = SERVICE_FAULTS,
    days: int = 14,
) -> SearchStrategy[BadRow]:
    """Good rows with one slip each, and the code of the error that must answer.

    `now` is what the bank's clock shows; `codes` chooses among `SERVICE_FAULTS`. Sent by an
    administrator, a row is refused with exactly this code and nothing is written. Raises
    InvalidValue.
    """
    moment = require_moment(now, "now")
    chosen = require_words("codes", codes, SERVICE_FAULTS)
    good = _fields(cast, days, (1, 480), None)

    slips = [(code, slip) for code in chosen for slip in (_UNMADE | _REFUSED)[code]]

    def spoil(number: int, row: dict[str, Any]) -> BadRow:
        code, change = slips[number % len(slips)]
        fields = change(row, moment, number // len(slips))
        return BadRow(fields=fields, code=code, is_unmade=code in _UNMADE)

    return st.builds(spoil, st.integers(0, 1000 * len(slips) - 1), good)


# --- the same as cells of a file -----------------------------------------------------------


def service_cells(
    customer_refs: Iterable[str],
    cast: Cast = SMALL_CAST,
    *,
    days: int = 14,
    minutes_max: int = 480,
    zone: ZoneInfo = SHANGHAI,
) -> SearchStrategy[dict[str, str]]:
    """Rows of a services file as a clerk types them: text in `SERVICE_COLUMNS`.

    The sender's references (`ref`) come from a small stock, so that some rows come twice.
    Raises InvalidValue.
    """
    people = require_codes("customer_refs", customer_refs, length_max=100)
    rows = service_rows(cast, days=days, minutes_max=minutes_max)
    numbers, clocks = st.integers(0, _REFS * len(people) - 1), require_zone(zone)
    return st.builds(lambda row, number: _numbered(row, people, number, clocks), rows, numbers)


#: How many references a sender has.
_REFS = 99


def _numbered(
    row: ServiceRow, people: tuple[str, ...], number: int, zone: ZoneInfo
) -> dict[str, str]:
    """The cells of a row; the number says under which reference, and which customer."""
    who, ref = divmod(number, _REFS)
    return _cells(row, people[who], zone) | {"ref": f"V{ref + 1:04d}"}


def _cells(row: ServiceRow, customer_ref: str, zone: ZoneInfo) -> dict[str, str]:
    def local(moment: dt.datetime) -> str:
        return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")

    cells = (
        row.ref, customer_ref, row.outlet, row.project, row.category, local(row.started_at),
        local(row.ended_at), row.client_rating, row.recorded_by, row.checked_by,
    )  # fmt: skip
    shown = ("" if cell is None else str(cell) for cell in cells)
    return dict(zip(SERVICE_COLUMNS, shown, strict=True))


#: Cells that no importer can read, by column.
_UNREADABLE = {
    "ref": ("", "V 1", "V\x07"),
    "customer_ref": ("", "张 三"),
    "outlet_code": ("",),
    "category": ("", "a,b c"),
    "started_at": ("", "2022-13-01T08:00", "3.10.2022", "2022-10-03 08:00", "2022-10-03T25:00"),
    "ended_at": ("", "soon", "2022-02-30T08:00"),
    "client_rating": ("-1", "4.5", "五", "9" * 13),
    "recorded_by": ("",),
    "checked_by": ("",),
}


def bad_service_cells(
    customer_refs: Iterable[str], cast: Cast = SMALL_CAST, *, zone: ZoneInfo = SHANGHAI
) -> SearchStrategy[tuple[dict[str, str], str]]:
    """Rows of a services file of which one cell cannot be read: (the cells, the column).

    The importer (`gongyi_bank.takeover`) tells line, column and value, and goes on with the
    next row. Raises InvalidValue.
    """
    slips = [(column, cell) for column, cells in _UNREADABLE.items() for cell in cells]
    people = require_codes("customer_refs", customer_refs, length_max=100)
    clocks = require_zone(zone)

    def spoil(row: ServiceRow, number: int) -> tuple[dict[str, str], str]:
        slip, number = divmod(number, _REFS * len(people))
        column, cell = slips[slip]
        return _numbered(row, people, number, clocks) | {column: cell}, column

    numbers = st.integers(0, len(slips) * _REFS * len(people) - 1)
    return st.builds(spoil, service_rows(cast), numbers)


def csv_text(rows: Iterable[Mapping[str, str]], columns: Iterable[str] = SERVICE_COLUMNS) -> str:
    """Rows as the text of a CSV file with its header, for `Path.write_text`.

    A cell that a row has not is empty. Raises InvalidValue.
    """
    names, written = require_codes("columns", columns), io.StringIO()
    table = csv.DictWriter(written, fieldnames=names, lineterminator="\n")
    table.writeheader()
    for row in require_list(rows, field="rows"):
        cells = _require_mapping("rows", row)
        if not cells.keys() <= {*names}:
            raise InvalidValue.of("rows", row, f"columns are {', '.join(names)}")
        if not all(isinstance(cell, str) for cell in cells.values()):
            raise InvalidValue.of("rows", row, "texts by their columns are needed")
        table.writerow(cells)
    return written.getvalue()
