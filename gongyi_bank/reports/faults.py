"""What an audit finds: faults as values, never as exceptions."""

from __future__ import annotations

from dataclasses import dataclass

from gongyi_bank.display import Column, Shown, Table

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
    "rows": "账簿行",
    "seals": "封账",
}
#: What the account that looked may do to written history.
_RIGHTS = {
    True: ("本账号可改写历史", "this account may change history"),
    False: ("本账号不能改写历史", "this account may not change history"),
    None: ("本账号能否改写历史不详", "whether this account may change history is not known"),
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
class Verification(Shown):
    """核对: every fault found, and how much was looked at."""

    faults: tuple[Fault, ...]
    #: What was checked, and how many of it.
    counts: dict[str, int]
    #: Triggers that keep written history from being changed: how many are there and switched
    #: on, and how many there should be. They are a fence; what was changed is told by faults.
    guards_installed: int = 0
    guards_expected: int = 0
    #: Whether the account that looked may itself change written history: an owner always may,
    #: a service need not (`Bank.grants`). None where the server does not tell. No fault.
    history_is_writable: bool | None = None
    #: Faults that were told one by one (`verify(tell=…)`) and are not kept here.
    told: int = 0
    #: The seal up to which only the sealed roots were checked, if any.
    since: int | None = None

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.faults and not self.told

    @property
    def is_guarded(self) -> bool:
        """Whether every trigger that the schema comes with is there and switched on."""
        return self.guards_installed >= self.guards_expected

    def to_table(self) -> Table:
        """The faults as a table, with what was checked below it."""
        checked = "，".join(f"{_COUNT_NAMES.get(k, k)} {count}" for k, count in self.counts.items())
        found = len(self.faults) + self.told
        verdict_en = "the books agree" if self.is_clean else f"{found} faults"
        verdict = "账目相符" if self.is_clean else f"发现 {found} 处不符"
        guards = f"{self.guards_installed}/{self.guards_expected}"
        return Table(
            title=f"核对：{verdict}",
            title_en=f"Verified: {verdict_en}",
            columns=_COLUMNS,
            rows=tuple((f.kind, f.where, f.found, f.expected) for f in self.faults),
            notes=(f"已核对 {checked}；触发器 {guards}；{_RIGHTS[self.history_is_writable][0]}",),
            notes_en=(
                "looked at "
                + ", ".join(f"{n} {k}" for k, n in self.counts.items())
                + f"; guards {guards}; {_RIGHTS[self.history_is_writable][1]}",
            ),
        )

    def __str__(self) -> str:
        table = self.to_table()
        return table.heading() if self.is_clean else table.to_text()
