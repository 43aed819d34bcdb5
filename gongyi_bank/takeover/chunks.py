"""How the rows of a file become acts: chunk by chunk, each chunk one transaction.

The books never show part of a chunk, and every row has its reference, so a takeover that was
interrupted is simply run again. Rows are judged in the order of the file; what the bank
refuses is a problem with the row's line number. A list of rows that can be refused one by one
has an idempotency key made of its rows: sent again it is not judged again, but told what it
was told the first time, refusals included.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pydantic import ValidationError

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.commands.base import refusal_of
from gongyi_bank.commands.customers import RegisterCustomers
from gongyi_bank.errors import EngineError, GongyiBankError, RetryTransaction
from gongyi_bank.receipts.hours import ManyRecorded, RowOutcome
from gongyi_bank.store.takeover import refresh_statistics
from gongyi_bank.store.vouchers import ask_by_key
from gongyi_bank.takeover.reading import Line, Sheet
from gongyi_bank.takeover.report import Progress, RowProblem, StepReport


class Digested(Protocol):
    """A row that can say whether it is the same as another one."""

    def digest(self) -> bytes:
        """SHA-256 over all its fields."""
        ...


class ActOnMany(Protocol):
    """A desk's act over a list, of which each row is judged by itself."""

    def __call__(self, *, rows: Any, idempotency_key: str) -> ManyRecorded:
        """What became of each row."""
        ...


RowT = TypeVar("RowT")
DigestedT = TypeVar("DigestedT", bound=Digested)
#: After these chunks of a file the planner's figures are counted anew: ten times as many rows.
_GROWN_AFTER = frozenset({1, 10, 100})
#: A chunk is tried this often when the database says that it was certainly not applied.
_TRIES = 8
TAKEN, REPLAYED, REFUSED = "taken", "replayed", "refused"
_WAITING = {"waiting_branch": "branch_approval", "waiting_head_office": "head_office_approval"}


@dataclass(kw_only=True)
class Office:
    """接管组: the bank that takes over, opened for whoever does it, and how it goes about it."""

    #: Opened for an administrator, who also appoints the recorders that rows name.
    bank: Bank
    #: Rows in one transaction.
    rows_per_chunk: int = 1000
    progress: Progress | None = None

    def report(self, name: str, done: int, total: int | None) -> None:
        """Tell whoever wants to know how far a step is."""
        if self.progress is not None:
            self.progress(name, done, total)


@dataclass(frozen=True, kw_only=True)
class Step(Generic[RowT]):
    """How the rows of one kind of file become an act."""

    name: str
    #: A row as the desk takes it; raises what the row's own values deserve.
    build: Callable[[dict[str, Any]], RowT]
    #: The act over a list of rows; one outcome per row.
    act: Callable[[Counter, Sequence[RowT]], Sequence[RowOutcome]]
    #: The column that an error's code or field speaks of, where the names differ.
    columns: dict[str, str] = field(default_factory=dict)
    #: Of the columns, those about staff: the one that holds the code named is at fault.
    staff_columns: tuple[str, ...] = ()


def run(
    office: Office,
    sheet: Sheet,
    step: Step[RowT],
    as_at: dt.datetime,
    earlier: StepReport | None = None,
    concerns: Callable[[Line], bool] = lambda line: True,
) -> StepReport:
    """Take a file over, chunk by chunk, as at one moment of the bank's clock.

    The report of an earlier pass over the same file, for other lines, is gone on with; what
    cannot be read was told by the first pass.
    """
    report = earlier or StepReport(name=step.name)
    bank = office.bank.at(as_at)
    office.report(step.name, report.rows, sheet.lines)
    chunks = _chunks(sheet, office.rows_per_chunk, None if earlier else report, concerns)
    for number, chunk in enumerate(chunks, start=1):
        report.rows += len(chunk)
        built: list[tuple[Line, RowT]] = []
        for line in chunk:
            try:
                built.append((line, _built(step, line)))
            except GongyiBankError as error:
                report.refuse(_problem(sheet, step, line, error))
        rows = [row for _, row in built]
        outcomes = _in_one_transaction(bank, step, rows) if rows else []
        for (line, _), outcome in zip(built, outcomes, strict=True):
            if outcome.error is not None:
                report.refuse(_problem(sheet, step, line, outcome.error))
            else:
                _count(report, outcome)
        if number in _GROWN_AFTER:
            refresh_statistics(bank.engine)
        office.report(step.name, report.rows, max(sheet.lines, report.rows))
    report.problems.sort(key=lambda problem: problem.line)
    office.report(step.name, report.rows, report.rows)
    return report


def _chunks(
    sheet: Sheet, size: int, report: StepReport | None, concerns: Callable[[Line], bool]
) -> Iterator[list[Line]]:
    """The lines that could be read, so many at a time; the others go into the report."""
    chunk: list[Line] = []
    for row in sheet.rows():
        if isinstance(row, Line):
            if concerns(row):
                chunk.append(row)
        elif report is not None:
            report.rows += 1
            report.refuse(row)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _built(step: Step[RowT], line: Line) -> RowT:
    try:
        return step.build(line.values)
    except ValidationError as error:
        raise refusal_of(error, RegisterCustomers.personal) from None


def _in_one_transaction(bank: Bank, step: Step[RowT], rows: list[RowT]) -> Sequence[RowOutcome]:
    for tried in range(1, _TRIES + 1):
        try:
            with bank.begin() as counter:
                return step.act(counter, rows)
        except RetryTransaction:
            if tried == _TRIES:
                raise
            time.sleep(0.01 * 2**tried)
    raise AssertionError("the loop returns or raises")


def _problem(sheet: Sheet, step: Step[Any], line: Line, error: GongyiBankError) -> RowProblem:
    column = step.columns.get(error.code) or _column_named(step, error)
    if column is None and step.staff_columns:
        code = error.facts.get("staff")
        column = next((name for name in step.staff_columns if line.cells[name] == code), None)
    if column not in line.cells:
        column = None
    return sheet.problem(line.line, column, line.cells[column] if column else None, error)


def _column_named(step: Step[Any], error: GongyiBankError) -> str | None:
    named = str(error.facts.get("field", "")).rpartition(".")[2]
    return step.columns.get(named, named or None)


def _count(report: StepReport, outcome: RowOutcome) -> None:
    if outcome.outcome == REPLAYED:
        report.replayed += 1
        return
    report.taken += 1
    if outcome.outcome in _WAITING:
        report.waiting[_WAITING[outcome.outcome]] += 1
    elif outcome.points is not None:
        report.points += outcome.points
        report.minutes += outcome.minutes


def in_parts(
    rows: Sequence[RowT], act: Callable[[Sequence[RowT]], list[RowOutcome]]
) -> list[RowOutcome]:
    """An act that is all or nothing, over a list of which some rows may be refused.

    A refused list is cut in halves until the rows at fault stand alone: the same books as
    one by one, in far fewer acts.
    """
    try:
        return act(rows)
    except EngineError:
        raise
    except GongyiBankError as error:
        if len(rows) == 1:
            return [RowOutcome(0, None, REFUSED, error=error)]
    half = len(rows) // 2
    return [*in_parts(rows[:half], act), *in_parts(rows[half:], act)]


def key_of(as_at: dt.datetime, rows: Sequence[Digested]) -> str:
    """The idempotency key of a list: the day it is judged at, and what is in it."""
    content = hashlib.sha256(b"".join(row.digest() for row in rows)).hexdigest()
    return f"takeover:{as_at.date()}:{content}"


def is_booked(counter: Counter, key: str) -> bool:
    """Whether a list of this key is in the books."""
    return counter.read(lambda tx: tx.look(ask_by_key(key))) is not None


def keyed(
    counter: Counter, as_at: dt.datetime, rows: Sequence[DigestedT], act: ActOnMany
) -> list[RowOutcome]:
    """What becomes of each row, or became of it when the same list was booked before.

    A list of which nothing was accepted has left no voucher, so it is judged again.
    """
    key = key_of(as_at, rows)
    before = is_booked(counter, key)
    outcomes = act(rows=tuple(rows), idempotency_key=key).outcomes
    if not before:
        return list(outcomes)
    return [
        outcome if outcome.error else dataclasses.replace(outcome, outcome=REPLAYED)
        for outcome in outcomes
    ]


def outcomes_of(is_replayed: Sequence[bool]) -> list[RowOutcome]:
    """An outcome per row of an act that took every row or had it already."""
    return [
        RowOutcome(index, None, REPLAYED if replayed else TAKEN)
        for index, replayed in enumerate(is_replayed)
    ]
