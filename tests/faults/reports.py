"""The library's own reports, read as a service reads them and noted in plain figures.

Amounts are in units, days and moments ISO texts, so that a journal can keep them and the checks
(`tests.faults.shown`) can work the same out from the lines. The names are those of the reports.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from gongyi_bank.bank import Bank
from gongyi_bank.values import Points
from tests.district import SHANGHAI

_DAY = dt.timedelta(days=1)


def question(kind: str, moment: dt.datetime, chance: random.Random) -> tuple[str, ...]:
    """What to ask a report for: moments and days at which something has happened, and others."""
    # Gifts count on the day itself, services in the month before.
    day = moment.astimezone(SHANGHAI).date() - chance.choice((0, 0, 1, 20)) * _DAY
    if kind == "balance":
        return (moment.isoformat(),)
    if kind == "balance_as_of":
        return (str(day),)
    if kind == "totals":
        last_on = day + chance.choice((0, 20, 400)) * _DAY
        return str(day), str(last_on), chance.choice(("booking", "value"))
    if kind == "trial_balance":
        return chance.choice(((), (str(day),)))
    return ()


def balances(bank: Bank, accounts: list[int]) -> dict[int, int]:
    """All of them in one query."""
    return {no: _units(points) for no, points in bank.reports.balances(accounts).items()}


def balance(bank: Bank, accounts: list[int], instant: str) -> dict[int, int]:
    """What each passbook showed at an instant."""
    as_of = dt.datetime.fromisoformat(instant)
    return {no: _units(bank.reports.balance(no, as_of=as_of)) for no in accounts}


def balance_as_of(bank: Bank, accounts: list[int], day: str) -> dict[int, list[Any]]:
    """Each account at a day's end: booked, known then, by value, corrected; and what came late."""
    found = {}
    for no in accounts:
        shown = bank.reports.balance_as_of(no, dt.date.fromisoformat(day))
        bases = (shown.booked, shown.known_then, shown.by_value, shown.corrected)
        late = [line.line_no for line in shown.corrections]
        found[no] = [*map(_units, bases), late]
    return found


def totals(
    bank: Bank, accounts: list[int], first: str, last: str, dating: Any
) -> dict[int, list[Any]]:
    """Each account between two days: opening, closing, and by kind lines, credited, debited."""
    between = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    found = {}
    for no in accounts:
        shown = bank.reports.totals(no, between, dating=dating)
        kinds = {
            one.kind: [one.lines, _units(one.credited), _units(one.debited)] for one in shown.kinds
        }
        found[no] = [_units(shown.opening), _units(shown.closing), kinds]
    return found


def trial_balance(bank: Bank, _accounts: list[int], day: str | None = None) -> dict[str, list[int]]:
    """Debits and credits by kind of account, of the whole bank; and what it says of them all."""
    shown = bank.reports.trial_balance(as_of=dt.date.fromisoformat(day) if day else None)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in shown.rows:
        found[row.kind][0] += _units(row.debits)
        found[row.kind][1] += _units(row.credits)
    return {**found, "total": [_units(shown.debits), _units(shown.credits)]}


def _units(points: Points) -> int:
    return points.to_units(2)


#: Every report by its name, asked of the bank about these accounts.
REPORTS: dict[str, Callable[..., dict[Any, Any]]] = {
    report.__name__: report for report in (balances, balance, balance_as_of, totals, trial_balance)
}
