"""为什么: what stands behind one line of a passbook, down to the rounding. Read only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gongyi_bank.display import Column, Table
from gongyi_bank.policies import RATE_SCALE, PolicyBook, Tariff
from gongyi_bank.reports.statements import StatementLine, require_line, statement_lines
from gongyi_bank.reports.words import FACTS
from gongyi_bank.store import statements as store
from gongyi_bank.store.policies import load_book, load_stamp
from gongyi_bank.store.statements import LineRecord, LineRedemption, VoucherFacts
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import Points, format_account_no

_TITLES = (
    ("act", "业务"), ("voucher_id", "凭证"), ("booked_at", "入账时间"), ("staff", "经办人员"),
    ("second_person", "复核人员"), ("reason", "事由"), ("record_no", "服务记录"),
    ("ref", "外部编号"), ("category", "类别"), ("project", "项目"), ("minutes", "服务分钟"),
    ("recorded_by", "经办"), ("checked_by", "复核"), ("tariff_id", "积分标准"),
    ("tariff_effective_on", "标准施行日"), ("points_per_hour", "每小时积分"),
    ("arithmetic", "计算"), ("store", "商家"), ("sku", "兑换品"), ("quantity", "数量"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a line is there: what does not apply to its kind is None."""

    account: int
    line: StatementLine
    #: The act of its voucher, as "noun.verb".
    act: str
    #: Who acted, and who agreed.
    staff: str
    second_person: str | None
    reason: str | None
    #: The hour record that was paid, or taken back by a reversal.
    record_no: int | None = None
    ref: str | None = None
    category: str | None = None
    project: str | None = None
    minutes: int | None = None
    recorded_by: str | None = None
    checked_by: str | None = None
    #: The version of the tariff: the policy's id, since when it is in force, its rate.
    tariff_id: int | None = None
    tariff_effective_on: dt.date | None = None
    points_per_hour: Points | None = None
    #: "151 min × 1.50 / 60 = 3.775 → 3.77, floored".
    arithmetic: str | None = None
    #: The store and the article of a redemption.
    store: str | None = None
    sku: str | None = None
    quantity: int | None = None

    def to_table(self) -> Table:
        """What is known, one fact a row."""
        said = {"voucher_id": self.line.voucher_id, "booked_at": self.line.booked_at}
        facts = [(title, said.get(name) or getattr(self, name)) for name, title in _TITLES]
        shown = [("摘要", f"{self.line.summary} {self.line.amount}"), *facts]
        return Table(
            title=f"账户 {format_account_no(self.account)} 第 {self.line.line_no} 行",
            title_en=f"Account {format_account_no(self.account)}, line {self.line.line_no}",
            columns=(
                Column("fact", "项目", "Fact", words=FACTS),
                Column("value", "内容", "Value"),
            ),
            rows=tuple((title, value) for title, value in shown if value is not None),
        )

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    def __str__(self) -> str:
        return self.to_table().to_text()


def explain(tx: Transaction, account: int | str, line_no: int) -> Explanation:
    """Why this line: its record, tariff and arithmetic, or its voucher, reason and people.

    Raises UnknownCustomer or UnknownLine.
    """
    line = require_line(tx, account, line_no)
    voucher = store.load_voucher(tx, line.voucher_id)
    facts: dict[str, object] = {}
    if line.kind in ("service", "opening", "reversal"):
        record = store.load_line_record(tx, line)
        facts = _record_facts(tx, record) if record else {}
    elif line.kind == "redemption":
        taken = store.load_line_redemption(tx, line)
        facts = _redemption_facts(taken) if taken else {}
    return _explanation(line.account_no, statement_lines(tx, [line])[0], voucher, facts)


def _explanation(
    account_no: int, line: StatementLine, voucher: VoucherFacts, facts: dict[str, object]
) -> Explanation:
    return Explanation(
        account=account_no,
        line=line,
        act=voucher.act,
        staff=voucher.staff,
        second_person=voucher.second_person,
        reason=voucher.reason,
        **facts,  # type: ignore[arg-type]
    )


def _record_facts(tx: Transaction, record: LineRecord) -> dict[str, object]:
    facts: dict[str, object] = {
        name: getattr(record, name)
        for name in (
            "record_no", "ref", "category", "project", "minutes", "recorded_by", "checked_by",
        )
    }  # fmt: skip
    if record.policy_id is not None and record.category is not None:
        facts |= _tariff_facts(load_book(tx, load_stamp(tx)), record, tx.bank.scale)
    return facts


def _tariff_facts(book: PolicyBook, record: LineRecord, scale: int) -> dict[str, object]:
    for policy_id, effective_on, tariff in book.history(Tariff.kind):
        if policy_id == record.policy_id and isinstance(tariff, Tariff):
            rates = {rate.category: rate.points_per_hour for rate in tariff.rates}
            rate = rates[record.category or ""]
            return {
                "tariff_id": policy_id,
                "tariff_effective_on": effective_on,
                "points_per_hour": rate,
                "arithmetic": arithmetic(record.minutes, rate, record.points, scale),
            }
    return {}


def arithmetic(minutes: int, rate: Points, points: int, scale: int) -> str:
    """How the points of a record came about, with the rounding in words.

    `arithmetic(151, Points("1.50"), 377, 2)` is "151 min × 1.50 / 60 = 3.775 → 3.77, floored".
    """
    credited = Points.of_units(points, scale)
    exact = Fraction(minutes * rate.to_units(RATE_SCALE), 60 * 10**RATE_SCALE)
    start = f"{minutes} min × {rate} / 60 = "
    if exact == Fraction(credited.to_decimal()):
        return f"{start}{credited}"
    return f"{start}{_decimal_text(exact)} → {credited}, floored"


def _decimal_text(exact: Fraction) -> str:
    """The number with all its decimals, or with six of them and "…"."""
    digits = exact * 10**6
    cut = Decimal(digits.numerator // digits.denominator).scaleb(-6)
    if digits.denominator == 1:
        return f"{cut.normalize():f}"
    return f"{cut:f}…"


def _redemption_facts(taken: LineRedemption) -> dict[str, object]:
    return {
        "store": f"{taken.store} {taken.store_name}",
        "sku": taken.sku,
        "quantity": taken.quantity,
        "ref": taken.ref,
    }
