"""What the books say after a takeover, in the shape of the story's expected figures."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from gongyi_bank.bank import Bank
from gongyi_bank.periods import Period, month
from gongyi_bank.store import takeover as store
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.takeover.report import MonthReport, TakeoverReport
from gongyi_bank.values import Points

_WAITING = {"waiting_branch": "branch_approval", "waiting_head_office": "head_office_approval"}
_SERVICE_CREDITED = ("service", "credited")
_NOTHING = (0, 0, 0)


def figures(bank: Bank, report: TakeoverReport) -> dict[str, Any]:
    """The figures of `expected.json`: from the books, and the refused rows from the report.

    So they are the same whether the takeover went through in one go or was interrupted and
    run again in chunks of the same size: what was booked is told again as it was told first.
    A chunk of which nothing was accepted, or which was cut otherwise, is judged again; then the
    reasons of its refusals are those of the later run.
    """
    stars = bank.ratings.volunteers_by_stars()
    return bank.read(lambda tx: _all(tx, report)) | {
        "volunteers_by_stars": {str(count): stars.get(count, 0) for count in range(6)}
    }


def _all(tx: Transaction, report: TakeoverReport) -> dict[str, Any]:
    outlets, customers, stores = store.load_counts(tx)
    periods = [month(told.month) for told in report.months]
    days = (periods[0].first_on, periods[-1].last_on)
    beginning = (dt.date(1, 1, 1), days[1])
    _, points, minutes = store.load_record_sums(tx, beginning).get(
        ("opening", "credited"), _NOTHING
    )
    return {
        "outlets": outlets,
        "customers": customers,
        "stores": stores,
        "opening_minutes": minutes,
        "opening_points": _shown(tx, points),
        "months": {
            told.month: _month(tx, told, period)
            for told, period in zip(report.months, periods, strict=True)
        },
        "top_balances": _amounts(tx, store.list_top_balances(tx, 10)),
        "top_minutes": _lists(store.list_top_minutes(tx, days, 10)),
        "top_outlets": _amounts(tx, store.list_top_outlets(tx, days, 5)),
        "top_stores": _amounts(tx, store.list_top_stores(tx, days, 5)),
    }


def _month(tx: Transaction, told: MonthReport, period: Period) -> dict[str, Any]:
    days = (period.first_on, period.last_on)
    sums = store.load_record_sums(tx, days)
    credited, points, minutes = sums.get(_SERVICE_CREDITED, _NOTHING)
    waiting = {
        name: sums[("service", state)][0]
        for state, name in _WAITING.items()
        if ("service", state) in sums
    }
    redeemed, redeemed_points = store.load_redeemed_sums(tx, days)
    return {
        "service_rows": told.services.rows,
        "credited_records": credited,
        "points_credited": _shown(tx, points),
        "minutes_credited": minutes,
        "refused": _without_effect(
            told.services.rows, credited + sum(waiting.values()), dict(told.services.refused)
        ),
        "waiting": waiting,
        "redemption_rows": told.redemptions.rows,
        "redeemed": redeemed,
        "points_redeemed": _shown(tx, redeemed_points),
        "redemption_refused": _without_effect(
            told.redemptions.rows, redeemed, dict(told.redemptions.refused)
        ),
        "points_outstanding_after": _shown(tx, store.load_outstanding(tx, period.last_on)),
        "top_minutes": _lists(store.list_top_minutes(tx, days, 10)),
    }


def _without_effect(rows: int, in_the_books: int, refused: dict[str, int]) -> dict[str, int]:
    """Refused rows by code, and those that only repeated another row of the files.

    Counted from what is in the books, so that rows which a second run found there are no
    repetitions.
    """
    replayed = rows - in_the_books - sum(refused.values())
    return dict(sorted((refused | ({"replayed": replayed} if replayed else {})).items()))


def _shown(tx: Transaction, units: int) -> str:
    return str(Points.of_units(units, tx.bank.scale))


def _amounts(tx: Transaction, ranked: store.Ranked) -> list[list[str]]:
    return [[name, _shown(tx, units)] for name, units in ranked]


def _lists(ranked: store.Ranked) -> list[list[Any]]:
    return [[name, value] for name, value in ranked]


def write_indicators(bank: Bank, period: Period | str, path: str | Path) -> None:
    """Write the five indicators of every savings branch as CSV, like the story's own file."""
    Path(path).write_bytes(bank.ratings.indicators(period).to_csv().encode())
