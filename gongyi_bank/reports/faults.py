"""What an audit finds: faults as values, never as exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gongyi_bank.display import Column, Table

_COLUMNS = (
    Column("kind", "问题", "Fault"),
    Column("where", "位置", "Where"),
    Column("found", "账面", "Found"),
    Column("expected", "应为", "Expected"),
)
#: What was looked at, as people say it.
_COUNT_NAMES = {
    "accounts": "账户",
    "lines": "明细",
    "vouchers": "凭证",
    "records": "服务记录",
    "redemptions": "兑换",
    "books": "存折",
    "outlets": "网点",
    "offers": "兑换品",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing in the books that does not agree with another."""

    #: Stable, for programs: "line_hash", "head_credited", "record_line" …
    kind: str
    #: The account, line, record or outlet, in words.
    where: str
    #: What the books say, and what the rest of them says that it should be.
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.kind} @ {self.where}: {self.found}, expected {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """核对: every fault found, and how much was looked at."""

    faults: tuple[Fault, ...]
    #: What was checked, and how many of it.
    counts: dict[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def to_table(self) -> Table:
        """The faults as a table, with what was checked below it."""
        checked = "，".join(f"{_COUNT_NAMES.get(k, k)} {count}" for k, count in self.counts.items())
        verdict_en = "the books agree" if self.is_clean else f"{len(self.faults)} faults"
        verdict = "账目相符" if self.is_clean else f"发现 {len(self.faults)} 处不符"
        return Table(
            title=f"核对：{verdict}",
            title_en=f"Verified: {verdict_en}",
            columns=_COLUMNS,
            rows=tuple((f.kind, f.where, f.found, f.expected) for f in self.faults),
            notes=(f"已核对 {checked}",),
            notes_en=("looked at " + ", ".join(f"{n} {k}" for k, n in self.counts.items()),),
        )

    def to_pandas(self) -> Any:
        """A pandas DataFrame, one row per fault."""
        return self.to_table().to_pandas()

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    def __str__(self) -> str:
        table = self.to_table()
        return table.heading() if self.is_clean else table.to_text()
