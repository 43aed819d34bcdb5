"""概况、台账与试算 in the reference: one customer, an outlet's accounts, the whole bank's books."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Final

from gongyi_bank.arguments import require_flag
from gongyi_bank.errors import UnknownCustomer
from gongyi_bank.periods import Period, business_day, require_day
from gongyi_bank.policies import VolunteerStars
from gongyi_bank.rules.customers import CLOSED
from gongyi_bank.rules.expiry import terms_of
from gongyi_bank.rules.ledger import has_lines, internal_kind
from gongyi_bank.rules.passbooks import IN_USE
from gongyi_bank.rules.ratings import VOLUNTEER, count_stars
from gongyi_bank.testing.reference.books import WAITING, Books
from gongyi_bank.testing.reference.clearing import place_on
from gongyi_bank.testing.reference.looking import Look, below
from gongyi_bank.testing.reference.rows import Customer, HourRecord
from gongyi_bank.testing.reference.told import Told, tell
from gongyi_bank.values import clean_code, mask_name, parse_account_no

#: The kinds of accounts, in the order of a trial balance.
_KINDS: Final = (
    "customer", "issued", "brought_forward", "store", "expired", "returned", "pool", "transit",
    "clearing",
)  # fmt: skip
#: An outlet, and a kind of account.
Account = tuple[int, str]


# --- one customer ----------------------------------------------------------------------------


def customer_summary(look: Look, account: int | str) -> Told:
    """客户概况: one customer at a glance, as an act would find them now."""
    books, number = look.books, parse_account_no(account)
    if number not in books.customers:
        raise UnknownCustomer(account=number)
    customer = books.customers[number]
    now = look.moment_of(number)
    today = business_day(now, books.zone)
    head = books.head(number, terms_of(books.policy_book(), today))
    mine = (one for one in books.holds.values() if one.account_no == number)
    head.held -= sum(one.amount - one.captured for one in mine if look.has_lapsed(one))
    records, lines = books.records.get(number, ()), books.lines[number]
    outlet = books.outlets[customer.outlet_no]
    stars = count_stars(
        head.verified_minutes, books.policy_book().in_force(VolunteerStars, today)[1].hours
    )
    in_use = [one for one in books.passbooks.values()
              if one.account_no == number and one.state == IN_USE]  # fmt: skip
    return tell(
        "CustomerSummary",
        account=number,
        holder=mask_name(customer.name),
        kind=customer.kind,
        state=customer.state,
        ref=customer.ref,
        outlet=outlet.code,
        outlet_name=outlet.name,
        registered_on=customer.registered_on,
        closed_on=closed_on(customer),
        credited=look.points(head.credited),
        debited=look.points(head.debited),
        balance=look.points(head.balance),
        held=look.points(head.held),
        expirable=look.points(head.expirable),
        available=look.points(head.available),
        verified_minutes=head.verified_minutes,
        stars=stars if customer.kind == VOLUNTEER else None,
        records=len(records),
        waiting=sum(one.state in WAITING for one in records),
        lines=len(lines),
        newest_line_on=lines[-1].business_day if lines else None,
        passbook=in_use[0].serial if in_use else None,
        is_passbook_lost=number in books.frozen([number], now),
        printed_line_no=in_use[0].printed_line_no if in_use else None,
    )


def closed_on(customer: Customer) -> dt.date | None:
    """The day on which an account was closed."""
    return customer.state_since_on if customer.state == CLOSED else None


# --- what counts in a period -----------------------------------------------------------------


def counted(look: Look, span: Period) -> Iterator[tuple[HourRecord, int]]:
    """The records that count in a period, with 1; those of earlier ones voided in it, with −1."""
    for kept in look.books.records.values():
        for one in kept:
            if counts(one, span):
                yield one, 1
            elif is_taken_back(one, span):
                yield one, -1


def counts(one: HourRecord, span: Period) -> bool:
    """Credited in the period, and not voided in it."""
    is_of_it = span.first_on <= one.value_on <= span.last_on
    stands = one.voided_on is None or one.voided_on > span.last_on
    return is_of_it and stands and one.state in ("credited", "voided")


def is_taken_back(one: HourRecord, span: Period) -> bool:
    """Of an earlier period, and voided in this one."""
    is_voided = one.voided_on is not None and span.first_on <= one.voided_on <= span.last_on
    return is_voided and one.value_on < span.first_on


def parents_then(books: Books, day: dt.date) -> dict[int, int | None]:
    """The outlet above each one on a day."""
    return {number: books.parent_then(number, day) for number in books.outlets}


def within(number: int, top_no: int, parents: dict[int, int | None]) -> bool:
    """Whether an outlet is that one or below it."""
    above = parents[number]
    return number == top_no or (above is not None and within(above, top_no, parents))


# --- many accounts ---------------------------------------------------------------------------


def ledger_book(
    look: Look, outlet: str, period: Period | str | None = None, *, names: bool = False
) -> Told:
    """台账: every account at an outlet and below it, in a period or to date."""
    require_flag(names, field="names")
    books, top = look.books, below(look, clean_code(outlet, field="outlet"))[0]
    span = period if isinstance(period, Period | None) else Period.parse(period)
    through = span.last_on if span else dt.date.max
    parents = parents_then(books, through)
    minutes: Counter[int] = Counter()
    for one, sign in counted(look, span) if span else ():
        minutes[one.account_no] += sign * one.minutes
    rows, sums = [], Counter[str]()
    for number, customer in sorted(books.customers.items()):
        place = books.outlets[place_on(books, number, through)]
        known = [line for line in books.lines[number] if line.business_day <= through]
        has_begun = any(day <= through for day, _ in customer.stays)
        if not within(place.outlet_no, top.outlet_no, parents) or not (has_begun or known):
            continue
        now = [line for line in known if span is None or line.business_day >= span.first_on]
        units = {
            "opening": sum(line.amount for line in known) - sum(line.amount for line in now),
            "credited": sum(line.amount for line in now if line.amount > 0),
            "debited": -sum(line.amount for line in now if line.amount < 0),
            "closing": sum(line.amount for line in known),
        }
        credited = (one for one in books.records.get(number, ()) if one.state == "credited")
        mine = minutes[number] if span else sum(one.minutes for one in credited)
        sums.update(units | {"minutes": mine})
        row = tell(
            "LedgerBookRow",
            account=number,
            holder=mask_name(customer.name) if names else None,
            kind=customer.kind,
            state=customer.state,
            outlet=place.code,
            outlet_name=place.name,
            minutes=mine,
            **{name: look.points(value) for name, value in units.items()},
        )
        rows.append(row)
    return tell(
        "LedgerBook",
        outlet=top.code,
        outlet_name=top.name,
        period=span,
        rows=tuple(rows),
        minutes=sums["minutes"],
        **{name: look.points(sums[name]) for name in ("opening", "credited", "debited", "closing")},
    )


def trial_balance(look: Look, outlet: str | None = None, as_of: dt.date | None = None) -> Told:
    """试算平衡: every leg in both its accounts, of the bank or of an outlet and all below it."""
    books = look.books
    top_no = books.head_office.outlet_no if outlet is None else below(look, outlet)[0].outlet_no
    day = dt.date.max if as_of is None else require_day(as_of, "as_of")
    debits, credits_ = _both_sides(books, day)
    parents = parents_then(books, day)
    every = sorted(
        (key for key in debits.keys() | credits_.keys() if debits[key] or credits_[key]),
        key=lambda key: (key[0], _KINDS.index(key[1])),
    )
    inside = [key for key in every if within(key[0], top_no, parents)]
    outside = sum(credits_[key] - debits[key] for key in every if key not in inside)
    return tell(
        "TrialBalance",
        outlet=None if outlet is None else books.outlets[top_no].code,
        as_of=as_of,
        rows=tuple(
            tell(
                "TrialBalanceRow",
                outlet=books.outlets[key[0]].code,
                outlet_name=books.outlets[key[0]].name,
                kind=key[1],
                debits=look.points(debits[key]),
                credits=look.points(credits_[key]),
                balance=look.points(credits_[key] - debits[key]),
            )
            for key in inside
        ),
        debits=look.points(sum(debits[key] for key in inside)),
        credits=look.points(sum(credits_[key] for key in inside)),
        outside=look.points(outside),
    )


def _both_sides(books: Books, day: dt.date) -> tuple[Counter[Account], Counter[Account]]:
    """What went out of and into the accounts through a day, by outlet and kind."""
    debits: Counter[Account] = Counter()
    credits_: Counter[Account] = Counter()
    for number, lines in books.lines.items():
        own = _account(books, number, day)
        for line in (one for one in lines if one.business_day <= day):
            here, there = (debits, credits_) if line.amount < 0 else (credits_, debits)
            here[own] += abs(line.amount)
            if not has_lines(line.contra_no):
                there[_account(books, line.contra_no, day)] += abs(line.amount)
    for move in (one for one in books.moves if one.business_day <= day):
        debits[_account(books, move.source_no, day)] += move.amount
        credits_[_account(books, move.target_no, day)] += move.amount
    return debits, credits_


def _account(books: Books, number: int, day: dt.date) -> Account:
    return place_on(books, number, day), internal_kind(number) or "customer"
