"""What a person wants to see after a takeover: a few tables and one passbook page."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

from gongyi_bank.bank import Bank, Counter, Desks
from gongyi_bank.display import Column, PassbookPage, Table
from gongyi_bank.periods import Period
from gongyi_bank.rules.accrual import WAITING_HEAD_OFFICE
from gongyi_bank.store.outlets import load_all_outlets
from gongyi_bank.store.takeover import list_waiting
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.takeover.report import TakeoverReport
from gongyi_bank.values import format_minutes

#: What the reasons are called; others are shown by their code.
REASONS = {
    "before_registration": ("早于登记日", "before the registration"),
    "four_eyes": ("经办复核为同一人", "recorded and checked by one person"),
    "idempotency_conflict": ("编号已用于不同内容", "reference used for other content"),
    "in_future": ("晚于入账时点", "in the future"),
    "insufficient_points": ("积分不足", "insufficient points"),
    "not_positive": ("服务不足一分钟", "less than a minute long"),
    "out_of_stock": ("库存不足", "out of stock"),
    "overlap": ("时间重叠", "overlaps another record"),
    "replayed": ("重复报送，不再入账", "sent again, no effect"),
    "unknown_category": ("没有此服务类别", "unknown category"),
    "unknown_customer": ("没有此客户", "unknown customer"),
}


def what_was_credited(figures: dict[str, Any], language: str = "zh") -> Table:
    """Month by month: credited, waiting, refused, redeemed, and what is in the books then."""
    rows = []
    months = figures["months"]
    for label, told in months.items():
        rows.append((
            label, told["service_rows"], told["credited_records"], told["points_credited"],
            format_minutes(told["minutes_credited"], language), sum(told["waiting"].values()),
            *_without_effect(told["refused"]), told["redemption_rows"], told["redeemed"],
            *_without_effect(told["redemption_refused"]),
            told["points_redeemed"], told["points_outstanding_after"],
        ))  # fmt: skip
    columns = (
        Column("month", "月份", "Month"),
        Column("service_rows", "服务记录", "Service rows", "right"),
        Column("credited", "已入折", "Credited", "right"),
        Column("points", "入折积分", "Points", "right"),
        Column("hours", "服务时长", "Hours", "right"),
        Column("waiting", "待批", "Waiting", "right"),
        Column("repeated", "重复", "Repeated", "right"),
        Column("refused", "不予受理", "Refused", "right"),
        Column("redemption_rows", "兑换申请", "Redemption rows", "right"),
        Column("redeemed", "已兑换", "Redeemed", "right"),
        Column("redemptions_repeated", "重复", "Repeated", "right"),
        Column("redemptions_refused", "不予受理", "Refused", "right"),
        Column("points_redeemed", "兑换积分", "Points redeemed", "right"),
        Column("outstanding", "月末结余", "Points outstanding", "right"),
    )
    return Table(
        title="入折与兑换",
        title_en="Credited and redeemed",
        columns=columns,
        rows=tuple(rows),
    )


def _without_effect(refused: dict[str, int]) -> tuple[int, int]:
    """Rows that repeat another one, and refused ones, of the figures' counts by reason."""
    repeated = refused.get("replayed", 0)
    return repeated, sum(refused.values()) - repeated


def what_was_refused(figures: dict[str, Any], language: str = "zh") -> Table:
    """Rows without effect, by reason and month."""
    months = figures["months"]
    rows = []
    kinds = (("refused", ("服务", "service")), ("redemption_refused", ("兑换", "redemption")))
    for key, titles in kinds:
        kind = titles[language != "zh"]
        for code in sorted({code for told in months.values() for code in told[key]}):
            counts = [told[key].get(code, 0) for told in months.values()]
            reason = REASONS.get(code, (code, code))[language != "zh"]
            rows.append((kind, reason, code, *counts, sum(counts)))
    columns = (
        Column("kind", "类别", "Kind"),
        Column("reason", "原因", "Reason"),
        Column("code", "代码", "Code"),
        *(Column(label, label, label, "right") for label in months),
        Column("total", "合计", "Total", "right"),
    )
    return Table(
        title="未受理和重复的行，按原因",
        title_en="Refused and repeated rows by reason",
        columns=columns,
        rows=tuple(rows),
    )


def what_waits(bank: Bank, language: str = "zh") -> Table:
    """Records over the daily limits, by whose approval they wait for."""
    columns = (
        Column("outlet", "待批机构", "Waits for"),
        Column("name", "名称", "Name"),
        Column("records", "记录", "Records", "right"),
        Column("hours", "时长", "Hours", "right"),
        Column("first_on", "最早服务日", "Oldest day", "right"),
    )
    rows = tuple(bank.read(lambda tx: list(_waiting_rows(tx, language))))
    return Table(title="待审批", title_en="Waiting for approval", columns=columns, rows=rows)


def _waiting_rows(tx: Transaction, language: str) -> Iterator[tuple[str, str, int, str, dt.date]]:
    outlets = load_all_outlets(tx)
    head_office = next(facts for facts in outlets.values() if facts.parent_no is None)
    found: dict[int, tuple[int, int, dt.date]] = {}
    for state, branch_no, count, minutes, first_on in list_waiting(tx):
        number = head_office.outlet_no if state == WAITING_HEAD_OFFICE else branch_no
        records, total, oldest = found.get(number, (0, 0, first_on))
        found[number] = (records + count, total + minutes, min(oldest, first_on))
    for number, (records, total, oldest) in sorted(found.items()):
        facts = outlets[number]
        yield facts.code, facts.name, records, format_minutes(total, language), oldest


def first_problems(report: TakeoverReport, language: str = "zh", count_max: int = 8) -> Table:
    """The first refused rows with line, column, value and reason."""
    columns = (
        Column("file", "文件", "File"),
        Column("line", "行", "Line", "right"),
        Column("column", "列", "Column"),
        Column("value", "值", "Value"),
        Column("reason", "原因", "Reason"),
    )
    rows = tuple(
        (problem.file, problem.line, problem.column, problem.value,
         problem.error.message(language, with_advice=False))
        for problem in report.problems[:count_max]
    )  # fmt: skip
    count = len(report.problems)
    return Table(
        title="退回的行",
        title_en="Rows returned",
        columns=columns,
        rows=rows,
        notes=(f"共 {count} 行；--problems FILE.csv 写出全部行、原因和办法",),
        notes_en=(f"{count} rows in all; --problems FILE.csv writes them all, why and what to do",),
    )


# --- passbooks -----------------------------------------------------------------------------


def passbook_page(bank: Bank, quarter: Period, *, is_kept: bool) -> PassbookPage | None:
    """The page of the busiest volunteer's passbook; None where nobody served.

    Whoever has no book yet gets one, and that is rolled back unless it `is_kept`. `bank`
    stands at the end of the quarter.
    """
    with bank.begin() if is_kept else bank.simulate() as counter:
        holders = issue_passbooks(counter, quarter)
        return counter.passbooks.page(holders[0]) if holders else None


def issue_passbooks(counter: Counter, quarter: Period, count_max: int = 3) -> list[int]:
    """发放存折: books for the busiest volunteers, printed up to date; returns their accounts.

    The books go the way of all books: printed at the head office, allotted to the branch and
    to the savings branch. Whoever has one already keeps it.
    """
    standings = counter.ratings.volunteer_league(quarter, top=count_max).standings
    accounts = [standing.account for standing in standings[:count_max]]
    for account in accounts:
        if not len(counter.passbooks.of(account)):
            home = counter.reports.customer_summary(account).outlet
            _issue(counter, account, home, branch_of(counter, home))
    return accounts


def _issue(counter: Counter, account: int, home: str, branch: str) -> None:
    book = counter.passbooks.print_stock(count=1).first
    for target in (branch, home):
        counter.passbooks.allot(target=target, first=book, last=book)
    counter.passbooks.issue(account=account, outlet=home, passbook=book)
    counter.passbooks.update(account=account, outlet=home)


def branch_of(house: Desks, savings_branch: str) -> str:
    """The code of the branch above a savings branch."""
    outlets = house.read(load_all_outlets)
    found = next(facts for facts in outlets.values() if facts.code == savings_branch)
    return outlets[found.parent_no or found.outlet_no].code


def ledger_book_extract(bank: Bank, outlet: str, period: Period, count_max: int = 8) -> Table:
    """台账: the first rows of an outlet's ledger book for a period, and its totals."""
    table = bank.reports.ledger_book(outlet, period, names=True).to_table()
    rows, total = table.rows[:-1], table.rows[-1]
    left = len(rows) - count_max
    return dataclasses.replace(
        table,
        rows=(*rows[:count_max], total),
        notes=(f"另有 {left} 户",) if left > 0 else (),
        notes_en=(f"and {left} more accounts",) if left > 0 else (),
    )
