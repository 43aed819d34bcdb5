"""What was read of the books, held against the lines that are in them in the end.

Books only grow. So whatever a read showed of an account, the account's first so many lines must
show: those that it began with if it was read at the very beginning, all of them if in the end.
Pure.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from tests.faults.booked import Books, Line
from tests.faults.journal import History, Look, Report

#: What was told of before: by account, the number of the newest line.
Told = Mapping[int, int]


class Shown:
    """The lines, account by account, and what looks and reports may have shown of them."""

    def __init__(self, history: History, books: Books) -> None:
        self._lines: dict[int, list[Line]] = {account: [] for account in books.heads}
        for line in sorted(books.lines, key=lambda line: line.number):
            self._lines.setdefault(line.account, []).append(line)
        self._accounts = books.heads.keys()
        self._first = books.first_lines
        self._balances = {
            account: [0, *(line.balance_after for line in lines)]
            for account, lines in self._lines.items()
        }
        self._needs = _needs(self._lines)
        self._asked = _asked_since(history, books, self._lines)

    def faults_of_look(self, look: Look) -> list[str]:
        """What is wrong with a look at all accounts; looks of either kind are of one moment."""
        faults = []
        for account, units in look.balances.items():
            number = look.lines.get(account, 0)
            balances = self._balances.get(account, [])
            shows = f"a read ({look.kind}) shows {units} of {account} at line {number}"
            if number >= len(balances):
                faults.append(f"{shows}, which is not there")
                continue
            if units != balances[number]:
                faults.append(f"{shows}, which left another balance")
            if number < self._first.get(account, 0):
                faults.append(f"{shows}, and it began with more lines")
            faults += [
                f"{shows}, and not line {least} of {other}, which is of the same act or before it"
                for other, least in self._needs[account][number].items()
                if look.lines.get(other, 0) < least
            ]
        return faults

    def faults_of(self, report: Report) -> list[str]:
        """What is wrong with a report, whenever it was read."""
        if report.kind == "trial_balance":
            return self._faults_of_trial(report)
        name = _name(report)
        if report.shown.keys() != self._accounts:
            return [f"{name} shows {len(report.shown)} of {len(self._accounts)} accounts"]
        if report.kind == "balances":
            return [] if self._is_of_one_moment(report, {}) else [f"{name} is of no one moment"]
        return [
            f"{name} shows {figure} of {account}, which its lines never did"
            for account, figure in report.shown.items()
            if not self._is_of(report, account, self._first.get(account, 0))
        ]

    def faults_behind(self, report: Report, told: Told) -> list[str]:
        """What a report does not show that was told of before. It is right but for that."""
        name = _name(report)
        if report.kind == "trial_balance":
            least, customers = self._sums(report, told), _of_customers(report)
            is_less = any(map(int.__lt__, customers, least))
            return [f"{name} shows {customers} of the customers, not {least}"] if is_less else []
        if report.kind == "balances":
            is_there = self._is_of_one_moment(report, told)
            return [] if is_there else [f"{name} does not show the lines {dict(told)}"]
        return [
            f"{name} does not show line {number} of {account}"
            for account, number in told.items()
            if not self._is_of(report, account, number)
        ]

    def _is_of(self, report: Report, account: int, least: int) -> bool:
        """Whether some first lines of the account, `least` or more, show this."""
        figures = _FIGURES[report.kind](self._lines[account], *report.asked)
        shown = report.shown[account]
        return any(number >= least and figure == shown for number, figure in enumerate(figures))

    def _is_of_one_moment(self, report: Report, told: Told) -> bool:
        """Whether there are first lines of all accounts that show this, and no half a voucher.

        It begins with the fewest, and takes more of an account where a voucher's other half wants
        them: what it ends with are the fewest that will do.
        """
        numbers = {no: max(self._first.get(no, 0), told.get(no, 0)) for no in report.shown}
        while True:
            for account, shown in report.shown.items():
                balances, least = self._balances[account], numbers[account]
                if shown not in balances[least:]:
                    return False
                numbers[account] = balances.index(shown, least)
            wanted = dict(numbers)
            for account, number in numbers.items():
                for other, least in self._needs[account][number].items():
                    wanted[other] = max(wanted.get(other, 0), least)
            if wanted == numbers:
                return True
            numbers = wanted

    def _faults_of_trial(self, report: Report) -> list[str]:
        """It balances; it adds up; customers have what they began with, or what was asked for."""
        rows = dict(report.shown)
        debits, credits_ = rows.pop("total")
        name, faults = _name(report), []
        if debits != credits_:
            faults.append(f"{name} is off by {credits_ - debits}")
        if [debits, credits_] != [sum(row[side] for row in rows.values()) for side in (0, 1)]:
            faults.append(f"{name} is not what its rows add up to")
        customers = _of_customers(report)
        if customers[0] > customers[1]:
            faults.append(f"{name} shows the customers at {customers[1] - customers[0]}")
        asked = {no: bisect_left(since, report.ended) for no, since in self._asked.items()}
        most, least = self._sums(report, asked), self._sums(report, self._first)
        if any(map(int.__lt__, customers, least)):
            faults.append(f"{name} shows {customers} of the customers, who began with {least}")
        if any(map(int.__gt__, customers, most)):
            faults.append(f"{name} shows {customers} of the customers, more than {most}")
        return faults

    def _sums(self, report: Report, numbers: Told) -> list[int]:
        """What went out of and into all accounts by their first so many lines, up to the day."""
        day = dt.date.fromisoformat(report.asked[0]) if report.asked else dt.date.max
        amounts = [
            line.amount
            for account, number in numbers.items()
            for line in self._lines[account][:number]
            if line.day <= day
        ]
        return [-sum(a for a in amounts if a < 0), sum(a for a in amounts if a > 0)]


def _name(report: Report) -> str:
    return " ".join((report.kind, *report.asked))


def _of_customers(report: Report) -> list[int]:
    """What went out of and into all customers' accounts, as a trial balance shows it."""
    found: list[int] = report.shown.get("customer", [0, 0])
    return found


def _needs(lines: Mapping[int, Sequence[Line]]) -> dict[int, list[dict[int, int]]]:
    """By account and number: how many lines of others the vouchers of the first so many have."""
    last: dict[str, dict[int, int]] = defaultdict(dict)
    for each in lines.values():
        for line in each:
            last[line.voucher][line.account] = line.number
    needs: dict[int, list[dict[int, int]]] = {}
    for account, each in lines.items():
        needs[account] = [{}]
        for line in each:
            found = dict(needs[account][-1])
            for other, number in last[line.voucher].items():
                found[other] = max(found.get(other, 0), number)
            needs[account].append(found)
    return needs


def _asked_since(
    history: History, books: Books, lines: Mapping[int, Sequence[Line]]
) -> dict[int, list[float]]:
    """By account: when somebody had asked for the first so many lines. None is there before."""
    first: dict[str, float] = {}
    for attempt in history.attempts:
        first[attempt.key] = min(first.get(attempt.key, attempt.started), attempt.started)
    since = {
        voucher_id: first.get(voucher.key or "", 0.0)
        for voucher_id, voucher in books.vouchers.items()
    }
    return {
        account: list(accumulate((since.get(line.voucher, 0.0) for line in each), max))
        for account, each in lines.items()
    }


# --- what the first lines of an account show, one more of them each time ---


def _balance(lines: Sequence[Line], instant: str) -> Iterator[int]:
    moment, found = dt.datetime.fromisoformat(instant), 0
    yield found
    for line in lines:
        if line.booked_at <= moment:
            found = line.balance_after
        yield found


def _balance_as_of(lines: Sequence[Line], day_text: str) -> Iterator[list[Any]]:
    day = dt.date.fromisoformat(day_text)
    booked = known_then = by_value = corrected = 0
    late: list[int] = []
    yield [booked, known_then, by_value, corrected, late]
    for line in lines:
        counts, belongs = line.value_on <= day, line.belongs_on <= day
        if line.day <= day:
            booked = line.balance_after
            known_then += counts * line.amount
        elif belongs:
            late.append(line.number)
        by_value += counts * line.amount
        corrected += belongs * line.amount
        yield [booked, known_then, by_value, corrected, late]


def _totals(lines: Sequence[Line], first: str, last: str, dating: str) -> Iterator[list[Any]]:
    first_on, last_on = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    opening = closing = 0
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    yield [opening, closing, kinds]
    for line in lines:
        day = line.day if dating == "booking" else line.value_on
        if day <= last_on:
            closing += line.amount
        if day < first_on:
            opening += line.amount
        elif day <= last_on:
            total = kinds[line.kind]
            total[0] += 1
            total[1] += max(line.amount, 0)
            total[2] -= min(line.amount, 0)
        yield [opening, closing, kinds]


_FIGURES: dict[str, Callable[..., Iterator[Any]]] = {
    "balance": _balance,
    "balance_as_of": _balance_as_of,
    "totals": _totals,
}
#: All reports that are read.
KINDS = (*_FIGURES, "balances", "trial_balance")
