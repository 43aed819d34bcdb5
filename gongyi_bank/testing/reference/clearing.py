"""清算 in the reference: every branch's books summed line by line, each time from the first one."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from gongyi_bank.rules.ledger import Leg, Mark, Posting, internal_kind, internal_no
from gongyi_bank.rules.outlets import stays_of
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.gate import Visit


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
    branches = {number: _branch(books, number, last_on) for number in books.outlets}
    sums: Counter[int] = Counter()
    for lines in books.lines.values():
        for line in lines:
            if line.business_day > last_on:
                break
            sums[branches[_place(books, line.account_no, last_on)]] += line.amount
            if line.contra_no not in books.lines:
                sums[branches[_place(books, line.contra_no, last_on)]] -= line.amount
    return sums


def _place(books: Books, account_no: int, day: dt.date) -> int:
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


def _branch(books: Books, outlet_no: int, day: dt.date) -> int:
    """The branch above an outlet on a day; a branch and the head office are their own."""
    if books.outlets[outlet_no].parent_no is None:
        return outlet_no
    stay = [one for one in stays_of(books.stays)[outlet_no] if one.first_on <= day][-1]
    if stay.parent_no is None or books.outlets[stay.parent_no].parent_no is None:
        return outlet_no
    return stay.parent_no
