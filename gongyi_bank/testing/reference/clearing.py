"""清算 in the reference: every branch's books summed line by line, each time from the first one."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from gongyi_bank.errors import InvalidValue
from gongyi_bank.periods import require_day
from gongyi_bank.rules.closings import CLOSED, DAY
from gongyi_bank.rules.ledger import Leg, Mark, Posting, internal_kind, internal_no
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import Visit
from gongyi_bank.testing.reference.looking import Look
from gongyi_bank.testing.reference.rows import Closing
from gongyi_bank.testing.reference.told import Told, tell


def net_branches(visit: Visit, last_on: dt.date) -> Posting:
    """The moves after which the books of each branch at a day's end balance by themselves."""
    books, posting = visit.books, visit.posting({})
    head_no = books.head_office.outlet_no
    own_no, mark = internal_no("clearing", head_no), Mark("clearing", visit.today, head_no)
    rests = _sums(books, last_on)
    for number in books.outlets:
        rests[number] += books.internal_balance(internal_no("clearing", number))
    for number in sorted(rests.keys() - {head_no}):
        rest, its_no = rests[number], internal_no("clearing", number)
        if rest > 0:
            posting.post(Leg(its_no, own_no, rest), mark)
        elif rest < 0:
            posting.post(Leg(own_no, its_no, -rest), mark)
    return posting


def _sums(books: Books, last_on: dt.date) -> Counter[int]:
    """What the lines through a day add up to in each branch's books, on both their sides."""
    branches = {number: branch_on(books, number, last_on) for number in books.outlets}
    sums: Counter[int] = Counter()
    for lines in books.lines.values():
        for line in lines:
            if line.business_day > last_on:
                break
            sums[branches[place_on(books, line.account_no, last_on)]] += line.amount
            if line.contra_no not in books.lines:
                sums[branches[place_on(books, line.contra_no, last_on)]] -= line.amount
    return sums


def place_on(books: Books, account_no: int, day: dt.date) -> int:
    """The outlet where an account was on a day; the bank's own never move."""
    kind = internal_kind(account_no)
    if kind is None:
        homes = books.homes(account_no)  # A host behind may have booked before the first of them.
        begun = [home for home in homes if home.first_on <= day]
        return (begun or homes)[-1 if begun else 0].outlet.outlet_no
    if kind == "pool":
        return books.place(account_no).outlet_no
    owner_no = account_no - internal_no(kind, 0)
    return books.store_of_no(owner_no).outlet_no if kind == "store" else owner_no


def branch_on(books: Books, outlet_no: int, day: dt.date) -> int:
    """The branch above an outlet on a day; a branch and the head office are their own."""
    parent_no = books.parent_then(outlet_no, day)
    is_below_a_branch = parent_no is not None and books.outlets[parent_no].parent_no is not None
    return parent_no if parent_no is not None and is_below_a_branch else outlet_no


# --- 清算表 ------------------------------------------------------------------------------------


def clearing(look: Look, day: dt.date | None = None) -> Told:
    """清算表: what each branch owes the others since the bank's books were closed on a day.

    Without a day by the newest closing. Raises InvalidValue for any other day.
    """
    books = look.books
    if day is not None:
        require_day(day, "day")
    closed = {
        one.last_on: one
        for one in books.closings.values()
        if (one.outlet_no, one.kind, one.state) == (books.head_office.outlet_no, DAY, CLOSED)
    }
    last_on = max(closed, default=None) if day is None else day
    if last_on is None or last_on not in closed:
        reason = "the last day of a closing of the whole bank (closings.register)"
        raise InvalidValue.of("day", day, reason)
    made = closed[last_on]
    owed, sums = _crossings(books, made), _sums(books, last_on)
    business, netted = Counter[int](), Counter[int]()
    for (own_no, other_no, _), amount in owed.items():
        business[own_no] += amount
        business[other_no] -= amount
    for move in books.moves:
        if move.voucher_id == made.closed_voucher_id:
            netted[move.target_no - internal_no("clearing", 0)] += move.amount
            netted[move.source_no - internal_no("clearing", 0)] -= move.amount
    return tell(
        "Clearing",
        first_on=made.first_on,
        last_on=last_on,
        rows=tuple(
            tell(
                "ClearingRow",
                outlet=books.outlets[number].code,
                outlet_name=books.outlets[number].name,
                opening=look.points(-sums[number] - netted[number]),
                business=look.points(business[number]),
                moved=look.points(netted[number] - business[number]),
                closing=look.points(-sums[number]),
            )
            for number in sorted({branch_on(books, one, last_on) for one in books.outlets})
        ),
        crossings=tuple(
            tell(
                "ClearingCrossing",
                outlet=books.outlets[own_no].code,
                other=books.outlets[other_no].code,
                kind=kind,
                points=look.points(amount),
            )
            for (own_no, other_no, kind), amount in sorted(owed.items())
            if amount
        ),
    )


def _crossings(books: Books, made: Closing) -> Counter[tuple[int, int, str]]:
    """What one branch owes another by the lines of a closing's days; gifts are counted once."""
    day, owed = made.last_on, Counter[tuple[int, int, str]]()
    for line in (line for lines in books.lines.values() for line in lines):
        is_once = line.contra_no not in books.lines or line.amount < 0
        if is_once and made.first_on <= line.business_day <= day:
            own_no, other_no = (
                branch_on(books, place_on(books, number, day), day)
                for number in (line.account_no, line.contra_no)
            )
            if own_no != other_no:
                owed[own_no, other_no, line.kind] -= line.amount
    return owed
