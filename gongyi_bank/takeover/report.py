"""What a takeover tells: how many rows became what, and every row that was refused."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from gongyi_bank.display import Column, Table
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.values import Points

#: Called with the step's name, how many rows are done, and of how many (if that is known).
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """A row that was not taken over."""

    #: The file's name.
    file: str
    #: The physical line on which the row begins; the header is usually line 1.
    line: int
    #: The column at fault, if it is one.
    column: str | None
    #: What stands there, as text; a personal value is not shown.
    value: str | None
    #: The error's stable code.
    code: str
    #: Why, with the facts.
    error: GongyiBankError

    def message(self, language: str = "zh") -> str:
        """One line for a person."""
        place = f"{self.file}:{self.line}"
        column = f" {self.column}={self.value}" if self.column else ""
        return f"{place}{column} — {self.error.message(language)}"


@dataclass(slots=True, kw_only=True)
class StepReport:
    """What became of the rows of one file."""

    #: The step: `outlets`, `customers`, `services 2022-10` …
    name: str
    #: Rows in the file, refused ones included.
    rows: int = 0
    #: Rows that went into the books now.
    taken: int = 0
    #: Rows that had been taken over before, alike.
    replayed: int = 0
    #: Refused rows by the error's code.
    refused: Counter[str] = field(default_factory=Counter)
    #: Why each was refused, in the order of the file.
    problems: list[RowProblem] = field(default_factory=list)
    #: Accepted rows that wait, by whose approval: `branch_approval`, `head_office_approval`.
    waiting: Counter[str] = field(default_factory=Counter)
    #: Points credited (services, opening) or redeemed.
    points: Points = field(default_factory=lambda: Points(0))
    #: Minutes credited (services, opening).
    minutes: int = 0

    def refuse(self, problem: RowProblem) -> None:
        """Count a refused row."""
        self.refused[problem.code] += 1
        self.problems.append(problem)

    @property
    def not_taken(self) -> dict[str, int]:
        """Rows without effect by reason, replays (`replayed`) among them, sorted."""
        counts = dict(self.refused)
        if self.replayed:
            counts["replayed"] = self.replayed
        return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthReport:
    """One month: its services file and its redemptions file."""

    #: "2022-10"
    month: str
    services: StepReport
    redemptions: StepReport


@dataclass(frozen=True, kw_only=True)
class TakeoverReport:
    """What a whole folder brought: `print(report)`."""

    #: The steps before the months: outlets, stores, offers, tariff, customers, opening.
    steps: tuple[StepReport, ...]
    months: tuple[MonthReport, ...]
    #: Between the first and the last month, those without files: "2022-11".
    missing_months: tuple[str, ...] = ()

    def step(self, name: str) -> StepReport:
        """One of the steps before the months, by name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def all_steps(self) -> tuple[StepReport, ...]:
        """Every step in the order in which it ran."""
        monthly = [step for month in self.months for step in (month.services, month.redemptions)]
        return (*self.steps, *monthly)

    @property
    def problems(self) -> tuple[RowProblem, ...]:
        """Every refused row, file by file and in the order of each file."""
        return tuple(problem for step in self.all_steps for problem in step.problems)

    def problems_csv(self) -> str:
        """Every refused row as CSV: file, line, column, value, code, and why in zh and en."""
        buffer = io.StringIO()
        # The mark at the beginning tells spreadsheets that this is UTF-8.
        buffer.write("\ufeff")
        writer = csv.writer(buffer)
        writer.writerow(("file", "line", "column", "value", "code", "reason_zh", "reason_en"))
        for problem in self.problems:
            reasons = (problem.error.message("zh"), problem.error.message("en"))
            writer.writerow((
                problem.file, problem.line, problem.column, problem.value, problem.code, *reasons,
            ))  # fmt: skip
        return buffer.getvalue()

    @property
    def is_replay(self) -> bool:
        """Whether the books held these customers and all else already: nothing was changed."""
        is_unchanged = not any(step.taken for step in self.all_steps)
        return is_unchanged and self.step("customers").replayed > 0

    @property
    def table(self) -> Table:
        """One row per step."""
        rows = [
            (step.name, step.rows, step.taken, sum(step.waiting.values()), step.replayed,
             sum(step.refused.values()))
            for step in self.all_steps
        ]  # fmt: skip
        return Table(
            title="接管",
            title_en="Takeover",
            columns=_COLUMNS,
            rows=tuple(rows),
            notes=tuple(f"{label} 没有文件" for label in self.missing_months),
            notes_en=tuple(f"there are no files for {label}" for label in self.missing_months),
        )

    def __str__(self) -> str:
        return str(self.table)

    def _repr_html_(self) -> str:
        return self.table.to_html()


_STEPS = {
    "outlets": ("网点", "outlets"),
    "stores": ("商家", "stores"),
    "offers": ("兑换品", "offers"),
    "tariff": ("积分标准", "tariff"),
    "customers": ("客户", "customers"),
    "opening": ("期初余额", "opening"),
}
_COLUMNS = (
    Column("step", "步骤", "Step", words=_STEPS),
    Column("rows", "行数", "Rows", "right"),
    Column("taken", "受理", "Accepted", "right"),
    Column("waiting", "其中待批", "Of them waiting", "right"),
    Column("replayed", "重复或已在账", "Repeated or there already", "right"),
    Column("refused", "不予受理", "Refused", "right"),
)
