"""到期计划: which of a customer's points are good until when. Read only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from gongyi_bank.display import Column, Shown, Table
from gongyi_bank.periods import business_day
from gongyi_bank.reports.statements import require_totals
from gongyi_bank.rules import expiry
from gongyi_bank.rules.expiry import ExpiryTerms, Lot
from gongyi_bank.rules.ledger import Head, internal_kind
from gongyi_bank.store import provenance as store
from gongyi_bank.store.ledger import load_heads, load_moment
from gongyi_bank.store.policies import load_book, load_stamp
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import NEVER, Points, format_account_no

_WORDS = {
    "长期有效": ("长期有效", "no date"),
    "预留": ("预留", "held"),
    "已过期": ("已过期", "past"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiringPoints:
    """Points with one last day."""

    #: The last day on which they can be spent; NEVER where no policy has set one.
    expires_on: dt.date
    points: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpirySchedule(Shown):
    """到期计划: what expires when if nothing more is spent; all of it together is the balance.

    Debits take the points that die first. What is held is honoured past its date, so it stands
    by itself.
    """

    account: int
    #: The business day as of which it is said.
    day: dt.date
    #: Earliest first; points without a date last.
    dates: tuple[ExpiringPoints, ...]
    #: Put aside by holds and reservations.
    held: Points
    #: Past their date: nobody can spend them, and the next act or day close takes them.
    past: Points
    #: What may be spent now: all that has a date here.
    available: Points

    def to_table(self) -> Table:
        """One row per last day, then what is held and what is past its date."""
        rows: list[tuple[object, Points]] = [
            ("长期有效" if d.expires_on == NEVER else d.expires_on, d.points) for d in self.dates
        ]
        others = (("预留", self.held), ("已过期", self.past))
        rows += [(name, points) for name, points in others if points]
        return Table(
            title=f"到期计划 {format_account_no(self.account)}",
            title_en=f"Expiry schedule {format_account_no(self.account)}",
            columns=(
                Column("expires_on", "有效至", "Valid until", words=_WORDS),
                Column("points", "积分", "Points", "right"),
            ),
            rows=tuple(rows),
            notes=(f"{self.day} 可用 {self.available}",),
            notes_en=(f"available on {self.day}: {self.available}",),
        )


def expiry_schedule(tx: Transaction, account: int | str) -> ExpirySchedule:
    """Which of an account's points are good until when, as an act would find them now.

    Raises UnknownCustomer.
    """
    totals = require_totals(tx, account)
    now = load_moment(tx, [totals.account_no])
    today = business_day(now, tx.bank.zone)
    terms = expiry.terms_of(load_book(tx, load_stamp(tx)), today)
    if internal_kind(totals.account_no) is not None:
        terms = ExpiryTerms(today, NEVER)  # A policy gives no date to a pool's points.
    head = load_heads(tx, [totals.account_no], terms, now)[totals.account_no]
    free_from = head.debited + head.held + head.expirable
    dates = expiry.schedule(_lots(tx, head, terms, free_from), terms, free_from)

    def points(units: int) -> Points:
        return Points.of_units(units, tx.bank.scale)

    return ExpirySchedule(
        account=head.account_no,
        day=today,
        dates=tuple(
            ExpiringPoints(expires_on=day, points=points(n)) for day, n in sorted(dates.items())
        ),
        held=points(head.held),
        past=points(head.expirable),
        available=points(head.available),
    )


def _lots(tx: Transaction, head: Head, terms: ExpiryTerms, free_from: int) -> list[Lot]:
    """The credit lines of the points above `free_from`.

    Where expiry has ended once, an older line may have a later date than these, and theirs is
    never earlier: then all that lives is read.
    """
    if free_from >= head.credited:
        return []
    (first,) = store.find_credits(tx, [(head.account_no, free_from)])
    if any(made.ended_on <= terms.today for made in terms.introductions):
        first = min(first, head.next_expiry_line_no or first)
    lines = store.list_credits_from(tx, head.account_no, first=first, newest=head.line_no)
    return [Lot(line.low, line.high, line.expires_on or NEVER, line.business_day) for line in lines]
