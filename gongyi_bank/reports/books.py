"""台账与试算: the ledger book of a branch, and the trial balance. Read only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gongyi_bank.arguments import require_flag
from gongyi_bank.display import Column, Shown, Table
from gongyi_bank.errors import UnknownOutlet
from gongyi_bank.periods import Period, require_day
from gongyi_bank.reports.customers import KIND_NAMES
from gongyi_bank.reports.words import HOLDERS, LEDGER_ACCOUNTS, TOTAL
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.store import balances as store
from gongyi_bank.store.customers import load_names
from gongyi_bank.store.outlets import ask_outlets_then, load_all_outlets, load_outlets
from gongyi_bank.store.totals import AccountSum, list_account_sums
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, clean_code, format_account_no, mask_name

#: The accounts of a trial balance, in the order of its rows.
ACCOUNT_NAMES = {
    "customer": "客户积分",
    "issued": "积分发放",
    "brought_forward": "期初转入",
    "store": "商家收兑",
    "expired": "到期积分",
    "returned": "销户收回",
    "pool": "积分池",
    "transit": "转账过渡",
    "clearing": "分行清算",
}

_BOOK_COLUMNS = (
    Column("account", "账号", "Account", words=TOTAL),
    Column("holder", "户名", "Holder"),
    Column("kind", "类别", "Kind", words=HOLDERS),
    Column("outlet", "储蓄所", "Savings branch"),
    Column("outlet_name", "储蓄所名称", "Name"),
    Column("opening", "期初", "Opening", "right"),
    Column("credited", "存入", "Credited", "right"),
    Column("debited", "支取", "Debited", "right"),
    Column("closing", "期末", "Closing", "right"),
    Column("minutes", "服务分钟", "Minutes", "right"),
)
_TRIAL_COLUMNS = (
    Column("outlet", "网点", "Outlet", words=TOTAL),
    Column("outlet_name", "网点名称", "Name", words=TOTAL),
    Column("kind", "科目", "Account", words=LEDGER_ACCOUNTS),
    Column("debits", "借方", "Debits", "right"),
    Column("credits", "贷方", "Credits", "right"),
    Column("balance", "余额", "Balance", "right"),
)


# --- ledger book ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBookRow:
    """One account in a ledger book."""

    account: int
    #: The name, masked; None when names were not asked for.
    holder: str | None
    #: volunteer, organisation or household.
    kind: str
    state: str
    #: The savings branch where it was registered on the period's last day.
    outlet: str
    outlet_name: str
    #: The balance before the period; zero in a book to date.
    opening: Points
    credited: Points
    debited: Points
    closing: Points
    #: Verified minutes that count in the period, by value date; in a book to date, of all time.
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBook(Shown):
    """台账: every account registered at an outlet or below it, with totals."""

    outlet: str
    outlet_name: str
    #: None: everything to date.
    period: Period | None
    rows: tuple[LedgerBookRow, ...]
    opening: Points
    credited: Points
    debited: Points
    closing: Points
    minutes: int

    def to_table(self) -> Table:
        """The book as a table; the last row is the total."""
        rows = [
            (
                format_account_no(row.account), row.holder, KIND_NAMES.get(row.kind, row.kind),
                row.outlet, row.outlet_name, row.opening, row.credited, row.debited, row.closing,
                row.minutes,
            )
            for row in self.rows
        ]  # fmt: skip
        total = (self.opening, self.credited, self.debited, self.closing, self.minutes)
        span = "至今" if self.period is None else self.period.label
        span_en = "to date" if self.period is None else self.period.label
        return Table(
            title=f"积分台账 {self.outlet} {self.outlet_name} {span}",
            title_en=f"Ledger book {self.outlet} {self.outlet_name} {span_en}",
            columns=_BOOK_COLUMNS,
            rows=(*rows, ("合计", None, None, None, None, *total)),
        )

    def to_plain_table(self) -> Table:
        """One row per account, without the total."""
        table = self.to_table()
        return Table(title="", columns=table.columns, rows=table.rows[:-1])


def ledger_book(
    tx: Transaction, outlet: str, period: Period | str | None = None, *, names: bool = False
) -> LedgerBook:
    """The ledger book of an outlet and everything below it; masked names where asked for.

    Accounts stand where they were registered on the period's last day, and savings branches
    below their branch of that day; lines stand under their business day, minutes under their
    value date: so the book of a closed month, quarter or year never changes. A closed day bars
    bookings, not what they are for: its minutes may still grow until its month is closed.
    Raises UnknownOutlet, and InvalidValue for a period that cannot be read.
    """
    require_flag(names, field="names")
    place = _require_outlet(tx, outlet)
    span = period if isinstance(period, Period | None) else Period.parse(period)
    entries = store.list_book(tx, place.outlet_no, (span.first_on, span.last_on) if span else None)
    holders = load_names(tx, [entry.account_no for entry in entries]) if names else {}

    def points(units: int) -> Points:
        return Points.of_units(units, tx.bank.scale)

    rows = tuple(
        LedgerBookRow(
            account=entry.account_no,
            holder=mask_name(holders[entry.account_no]) if entry.account_no in holders else None,
            kind=entry.kind,
            state=entry.state,
            outlet=entry.outlet,
            outlet_name=entry.outlet_name,
            opening=points(entry.opening),
            credited=points(entry.credited),
            debited=points(entry.debited),
            closing=points(entry.opening + entry.credited - entry.debited),
            minutes=entry.minutes,
        )
        for entry in entries
    )
    opening = sum(entry.opening for entry in entries)
    credited = sum(entry.credited for entry in entries)
    debited = sum(entry.debited for entry in entries)
    return LedgerBook(
        outlet=place.code,
        outlet_name=place.name,
        period=span,
        rows=rows,
        opening=points(opening),
        credited=points(credited),
        debited=points(debited),
        closing=points(opening + credited - debited),
        minutes=sum(entry.minutes for entry in entries),
    )


def _require_outlet(tx: Transaction, code: str) -> OutletFacts:
    code = clean_code(code, field="outlet")
    found = load_outlets(tx, [code]).get(code)
    if found is None:
        raise UnknownOutlet(outlet=code)
    return found


# --- trial balance -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceRow:
    """One kind of account of one outlet."""

    outlet: str
    outlet_name: str
    #: customer, issued, brought_forward, store, expired, returned, pool, transit or clearing.
    kind: str
    #: Points that went out of the accounts, and into them.
    debits: Points
    credits: Points
    #: Credits less debits.
    balance: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance(Shown):
    """试算平衡: all accounts of the bank, or of one outlet and everything below it."""

    #: None: the whole bank.
    outlet: str | None
    #: None: everything to date.
    as_of: dt.date | None
    rows: tuple[TrialBalanceRow, ...]
    debits: Points
    credits: Points
    #: Credits less debits of the accounts outside the subtree; zero for the whole bank.
    outside: Points

    @property
    def is_balanced(self) -> bool:
        """Whether debits equal credits, the accounts outside included."""
        return self.credits - self.debits + self.outside == 0

    def to_table(self) -> Table:
        """The trial balance as a table; the last row is the total."""
        rows: list[tuple[Any, ...]] = [
            (
                row.outlet, row.outlet_name, ACCOUNT_NAMES.get(row.kind, row.kind), row.debits,
                row.credits, row.balance,
            )
            for row in self.rows
        ]  # fmt: skip
        if self.outlet is not None:
            rows.append((None, "辖外网点 outside", None, None, None, self.outside))
        total = (self.debits, self.credits, self.credits - self.debits + self.outside)
        span = "至今" if self.as_of is None else f"截至 {self.as_of}"
        span_en = "to date" if self.as_of is None else f"as of {self.as_of}"
        return Table(
            title=f"试算平衡表 {self.outlet or '全行'} {span}",
            title_en=f"Trial balance {self.outlet or 'of the bank'} {span_en}",
            columns=_TRIAL_COLUMNS,
            rows=(*rows, ("合计", None, None, *total)),
            notes=("借贷平衡" if self.is_balanced else "借贷不平",),
            notes_en=("balanced" if self.is_balanced else "not balanced",),
        )

    def to_plain_table(self) -> Table:
        """One row per outlet and kind of account, without the total."""
        table = self.to_table()
        return Table(title="", columns=table.columns, rows=table.rows[: len(self.rows)])


def trial_balance(
    tx: Transaction, outlet: str | None = None, as_of: dt.date | None = None
) -> TrialBalance:
    """Debits and credits of all accounts: customers by outlet, internal ones by outlet and kind.

    What one outlet issues, another's customer may hold: a subtree balances only together
    with the accounts outside it. Customers and outlets stand where they were on the day.
    Raises UnknownOutlet.
    """
    top = None if outlet is None else _require_outlet(tx, outlet)
    day = None if as_of is None else require_day(as_of, "as_of")
    sums = _merged(list_account_sums(tx, day))
    outlets = load_all_outlets(tx) if day is None else tx.look(ask_outlets_then(day))
    within = {
        number
        for number, place in outlets.items()
        if top is None or _lies_within(place, top, outlets)
    }
    inside = [one for one in sums if one.outlet_no in within]
    outside = sum(one.credits - one.debits for one in sums if one.outlet_no not in within)
    scale = tx.bank.scale
    return TrialBalance(
        outlet=None if top is None else top.code,
        as_of=day,
        rows=tuple(_trial_row(one, outlets[one.outlet_no], scale) for one in inside),
        debits=Points.of_units(sum(one.debits for one in inside), scale),
        credits=Points.of_units(sum(one.credits for one in inside), scale),
        outside=Points.of_units(outside, scale),
    )


def _lies_within(place: OutletFacts, top: OutletFacts, outlets: dict[int, OutletFacts]) -> bool:
    while place.outlet_no != top.outlet_no:
        if place.parent_no is None:
            return False
        place = outlets[place.parent_no]
    return True


def _merged(sums: Iterable[AccountSum]) -> list[AccountSum]:
    """One sum per outlet and kind, in the order of the outlets and of ACCOUNT_NAMES."""
    totals: dict[tuple[int, str], list[int]] = {}
    for one in sums:
        total = totals.setdefault((one.outlet_no, one.kind), [0, 0])
        total[0] += one.debits
        total[1] += one.credits
    order = list(ACCOUNT_NAMES)
    keys = sorted(totals, key=lambda key: (key[0], order.index(key[1])))
    return [AccountSum(*key, *totals[key]) for key in keys if any(totals[key])]


def _trial_row(one: AccountSum, place: OutletFacts, scale: int) -> TrialBalanceRow:
    return TrialBalanceRow(
        outlet=place.code,
        outlet_name=place.name,
        kind=one.kind,
        debits=Points.of_units(one.debits, scale),
        credits=Points.of_units(one.credits, scale),
        balance=Points.of_units(one.credits - one.debits, scale),
    )
