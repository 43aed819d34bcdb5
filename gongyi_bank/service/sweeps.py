"""清理: whom an act that goes over many accounts must pass over, because their day is closed.

A host whose clock is behind may find things due in accounts whose branch has closed the day
already. Nothing is written about them on it; the next day takes them. A sweep that does so
many at a time looks past them, or they would fill each of its pages and keep it from all others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, TypeVar

from gongyi_bank.rules.closings import ClosedDays, Home
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.service.gate import Visit
from gongyi_bank.store import outlets

ItemT = TypeVar("ItemT")
#: So many are looked at together where some may have to be passed over.
_PAGE: Final = 500


def find_due(
    visit: Visit,
    closed: ClosedDays,
    list_after: Callable[[ItemT | None, int], list[ItemT]],
    account_of: Callable[[ItemT], int],
    count_max: int,
) -> tuple[list[ItemT], int]:
    """The first so many that can be swept today, and how many were passed over on the way to them.

    `list_after` lists so many after one of them, in their order. Nothing is locked yet: what is
    found must be judged again behind the locks.
    """
    if not closed.reaches(visit.today):
        return list_after(None, count_max), 0
    found: list[ItemT] = []
    left_out, last, size = 0, None, max(count_max, _PAGE)
    while True:
        page = list_after(last, size)
        shut = _closed_among(visit, closed, {account_of(item) for item in page})
        for item in page:
            if account_of(item) in shut:
                left_out += 1
                continue
            found.append(item)
            if len(found) == count_max:
                return found, left_out
        if len(page) < size:
            return found, left_out
        last = page[-1]


def _closed_among(visit: Visit, closed: ClosedDays, accounts: Collection[int]) -> set[int]:
    homes, places = outlets.ask_homes(accounts), outlets.ask_places(accounts)
    visit.tx.gather(homes, places)
    return closed_today(visit, closed, accounts, homes.answer, places.answer)


def closed_today(
    visit: Visit,
    closed: ClosedDays,
    accounts: Iterable[int],
    homes: Mapping[int, Iterable[Home]],
    places: Mapping[int, OutletFacts],
) -> set[int]:
    """Those of these accounts about which nothing can be booked today.

    Where they were registered the day is closed, or where they belong now and their expiry lines
    stand: who moved on a later day than a host's clock shows, was elsewhere on that day.
    """
    return {
        number
        for number in accounts
        if closed.closed_home(homes.get(number, ()), visit.today) is not None
        or visit.today <= closed.booking_through(places[number])
    }
