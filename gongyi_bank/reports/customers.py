"""客户概况: one customer at a glance. Read only; the name is shown masked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from gongyi_bank.display import Column, Table, stars
from gongyi_bank.errors import UnknownCustomer
from gongyi_bank.periods import business_day
from gongyi_bank.policies import VolunteerStars
from gongyi_bank.reports.words import FACTS, SUMMARY_VALUES
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.rules.ratings import count_stars
from gongyi_bank.store import balances as store
from gongyi_bank.store.customers import load_names
from gongyi_bank.store.ledger import load_heads, load_moment
from gongyi_bank.store.passbooks import load_frozen
from gongyi_bank.store.policies import load_book, load_stamp
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import (
    Points,
    format_account_no,
    format_minutes,
    format_passbook_no,
    mask_name,
    parse_account_no,
)

#: Organisations and households earn points, but no stars: those are a volunteer's.
WITH_STARS = "volunteer"
KIND_NAMES = {"volunteer": "志愿者", "organisation": "单位", "household": "家庭"}
STATE_NAMES = {"active": "正常", "frozen": "冻结", "dormant": "休眠", "closed": "销户"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSummary:
    """客户概况: who, where, what was earned and spent, and what can be spent now."""

    account: int
    #: The name, masked; None once it is erased.
    holder: str | None
    #: volunteer, organisation or household.
    kind: str
    #: active, frozen, dormant or closed.
    state: str
    ref: str | None
    #: The savings branch where the account is registered.
    outlet: str
    outlet_name: str
    registered_on: dt.date
    closed_on: dt.date | None
    #: Ever credited and debited; the balance is the difference.
    credited: Points
    debited: Points
    balance: Points
    #: Reserved for redemptions.
    held: Points
    #: Past their date, and not spendable, though no expiry line stands in the book yet.
    expirable: Points
    #: What the points themselves allow to be spent now; a state may forbid it.
    available: Points
    #: Lifetime verified minutes, opening ones included.
    verified_minutes: int
    #: By lifetime hours; None of an organisation or a household.
    stars: int | None
    #: Hour records, and how many of them wait for an approval.
    records: int
    waiting: int
    lines: int
    #: The business day of the newest line.
    newest_line_on: dt.date | None
    #: The serial number of the passbook in use, as printed, and whether it is reported lost.
    passbook: str | None
    is_passbook_lost: bool
    #: The newest line printed in it.
    printed_line_no: int | None

    def to_table(self) -> Table:
        """The summary, one fact a row."""
        shown = (
            ("户名", self.holder),
            ("类别", KIND_NAMES.get(self.kind, self.kind)),
            ("状态", STATE_NAMES.get(self.state, self.state)),
            ("外部编号", self.ref),
            ("开户网点", f"{self.outlet} {self.outlet_name}"),
            ("开户日期", self.registered_on),
            ("销户日期", self.closed_on),
            ("累计存入", self.credited),
            ("累计支取", self.debited),
            ("余额", self.balance),
            ("预留", self.held),
            ("已过期待销", self.expirable or None),
            ("可用", self.available),
            ("服务时长", format_minutes(self.verified_minutes)),
            ("星级", None if self.stars is None else stars(self.stars)),
            ("服务记录", f"{self.records}（待批 {self.waiting}）"),
            ("明细行数", self.lines),
            ("最近入账", self.newest_line_on),
            ("存折", f"{self.passbook} 挂失" if self.is_passbook_lost else self.passbook),
        )
        return Table(
            title=f"客户概况 {format_account_no(self.account)}",
            title_en=f"Customer {format_account_no(self.account)}",
            columns=(
                Column("fact", "项目", "Fact", words=FACTS),
                Column("value", "内容", "Value", words=SUMMARY_VALUES),
            ),
            rows=tuple((title, value) for title, value in shown if value is not None),
        )

    def _repr_html_(self) -> str:
        return self.to_table().to_html()

    def __str__(self) -> str:
        return self.to_table().to_text()


def customer_summary(tx: Transaction, account: int | str) -> CustomerSummary:
    """One customer at a glance, as an act would find them now; raises UnknownCustomer."""
    account_no = parse_account_no(account)
    customer = store.load_customer(tx, account_no)
    if customer is None:
        raise UnknownCustomer(account=account_no)
    now = load_moment(tx, [account_no])
    today = business_day(now, tx.bank.zone)
    policies = load_book(tx, load_stamp(tx))
    head = load_heads(tx, [account_no], terms_of(policies, today), now)[account_no]
    counts = store.load_customer_counts(tx, account_no)
    name = load_names(tx, [account_no]).get(account_no)
    scheme = policies.in_force(VolunteerStars, today)[1]
    earned = count_stars(head.verified_minutes, scheme.hours)

    def points(units: int) -> Points:
        return Points.of_units(units, tx.bank.scale)

    return CustomerSummary(
        account=account_no,
        holder=None if name is None else mask_name(name),
        kind=customer.kind,
        state=customer.state,
        ref=customer.ref,
        outlet=customer.outlet,
        outlet_name=customer.outlet_name,
        registered_on=customer.registered_on,
        closed_on=customer.closed_on,
        credited=points(head.credited),
        debited=points(head.debited),
        balance=points(head.balance),
        held=points(head.held),
        expirable=points(head.expirable),
        available=points(head.available),
        verified_minutes=head.verified_minutes,
        stars=earned if customer.kind == WITH_STARS else None,
        records=counts.records,
        waiting=counts.waiting,
        lines=head.line_no,
        newest_line_on=counts.newest_line_on,
        passbook=None if counts.passbook_no is None else format_passbook_no(counts.passbook_no),
        is_passbook_lost=bool(load_frozen(tx, [account_no], now)),
        printed_line_no=counts.printed_line_no,
    )
