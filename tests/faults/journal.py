"""What the workers of the bank test write down, and what becomes of it: a history.

Every worker appends lines of JSON to a file of its own and hands each to the system at once, so
that a kill loses at most the line that was under way. Times are seconds of the machine's
monotonic clock, which all processes share.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
#: How a submission ended, as its worker was told. Of the others nobody knows.
SETTLED = frozenset({"ok", "refused", "conflict"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One submission of an act under a key, and what was answered."""

    key: str
    act: str
    #: The digest of the request, in hex: two requests under one key differ in it.
    digest: str
    #: What is asked for: (account, units) of every line, a debit below zero.
    lines: tuple[tuple[int, int], ...]
    #: `fresh`, `race`, `late`, `other` (another request under the key) or `again`.
    kind: str
    #: The place of the worker among the six; a successor has its predecessor's.
    place: int
    started: float
    #: Who acts, and the command as JSON: for whoever must submit it again.
    staff: str = ""
    command: str = ""
    ended: float | None = None
    #: `ok`, `refused`, `conflict`; `failed` and `retry` (rolled back), `unknown`, None (killed).
    outcome: str | None = None
    code: str | None = None
    #: The receipt, and the line numbers and balances (in units) by account that it tells of.
    receipt: Mapping[str, Any] | None = None
    shows: Mapping[int, int] = field(default_factory=dict)
    balances: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether whoever submitted it knows what became of it."""
        return self.outcome in SETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One reading of all accounts."""

    #: `statement` (all in one), or `each` (one by one, in one transaction).
    kind: str
    place: int
    started: float
    ended: float
    #: Units and newest line by customer's account.
    balances: Mapping[int, int]
    lines: Mapping[int, int]
    #: The sum over the internal accounts: what was issued, taken, …, from the bank's side.
    internal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one of the library's own reports showed."""

    #: Its name (`tests.faults.reports`).
    kind: str
    place: int
    started: float
    ended: float
    #: The day, the moment or the days that it was asked for.
    asked: tuple[str, ...]
    #: By account; of a trial balance by kind of account.
    shown: Mapping[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that the workers of a run wrote down."""

    attempts: tuple[Attempt, ...] = ()
    looks: tuple[Look, ...] = ()
    reports: tuple[Report, ...] = ()
    #: Places whose last worker came to its end by itself.
    finished: frozenset[int] = frozenset()


class Journal:
    """A worker's own file."""

    def __init__(self, path: Path, place: int) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._place = place
        self._count = 0

    def intend(self, **fields: Any) -> int:
        """Note what is about to be submitted; returns its number."""
        self._count += 1
        self._write("try", n=self._count, started=time.monotonic(), **fields)
        return self._count

    def answered(self, number: int, outcome: str, **fields: Any) -> None:
        """Note what came of it."""
        self._write("answer", n=number, outcome=outcome, ended=time.monotonic(), **fields)

    def looked(self, **fields: Any) -> None:
        """Note what a reading showed."""
        self._write("look", ended=time.monotonic(), **fields)

    def reported(self, **fields: Any) -> None:
        """Note what one of the library's reports showed."""
        self._write("report", ended=time.monotonic(), **fields)

    def end(self) -> None:
        """Note that the worker has nothing left to do."""
        self._write("end")
        self.close()

    def close(self) -> None:
        """Close the file; the system has it all."""
        self._file.close()

    def _write(self, entry: str, **fields: Any) -> None:
        line = {"entry": entry, "place": self._place, **fields}
        self._file.write(json.dumps(line, default=str) + "\n")
        self._file.flush()


def read_journals(paths: Iterable[Path]) -> History:
    """The history in these files, each of which may have been cut off in its last line."""
    attempts: list[Attempt] = []
    looks: list[Look] = []
    reports: list[Report] = []
    finished: set[int] = set()
    for path in paths:
        mine: dict[int, Attempt] = {}
        for entry in _entries(path):
            kind = entry.pop("entry")
            if kind == "look":
                looks.append(_look(entry))
            elif kind == "report":
                reports.append(_report(entry))
            elif kind == "end":
                finished.add(entry["place"])
            else:
                _note(kind, entry, mine)
        attempts += mine.values()
    return History(
        attempts=tuple(sorted(attempts, key=lambda attempt: attempt.started)),
        looks=tuple(sorted(looks, key=lambda look: look.started)),
        reports=tuple(sorted(reports, key=lambda report: report.started)),
        finished=frozenset(finished),
    )


def _entries(path: Path) -> list[dict[str, Any]]:
    *whole, _cut_off = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]


def _note(kind: str, entry: dict[str, Any], mine: dict[int, Attempt]) -> None:
    """What was tried, or what was answered."""
    number = entry.pop("n")
    if kind == "try":
        entry["lines"] = tuple((account, units) for account, units in entry["lines"])
        mine[number] = Attempt(**entry)
    else:
        for name in ("shows", "balances"):
            entry[name] = _by_account(entry.get(name, {}))
        mine[number] = replace(mine[number], **entry)


def _look(entry: dict[str, Any]) -> Look:
    entry["balances"], entry["lines"] = map(_by_account, (entry["balances"], entry["lines"]))
    return Look(**entry)


def _report(entry: dict[str, Any]) -> Report:
    entry["asked"] = tuple(entry["asked"])
    if entry["kind"] != "trial_balance":
        entry["shown"] = _by_account(entry["shown"])
    return Report(**entry)


def _by_account(found: Mapping[str, T]) -> dict[int, T]:
    """JSON has only texts for keys."""
    return {int(account): figure for account, figure in found.items()}
