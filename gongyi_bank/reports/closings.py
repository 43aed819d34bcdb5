"""结账登记: what is closed, and whether the closings and what was rolled up with them agree."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from gongyi_bank.display import Column, Table
from gongyi_bank.errors import InvalidValue, UnknownOutlet
from gongyi_bank.periods import Period, PeriodKind
from gongyi_bank.reports.faults import Fault
from gongyi_bank.reports.words import CLOSING_STATES, PERIOD_KINDS
from gongyi_bank.rules.closings import CLOSED, DAY, EVERYWHERE, Home, closed_through
from gongyi_bank.rules.ledger import EARLIEST
from gongyi_bank.rules.outlets import Stays
from gongyi_bank.store import closings as store
from gongyi_bank.store.closings import AuditClosing
from gongyi_bank.store.outlets import ask_place, list_subtree, load_head_office
from gongyi_bank.store.totals import compare_totals
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.values import clean_code

#: Closings in one list at the most.
CLOSINGS_MAX = 1000
#: Two machines' clocks may differ by so much without anybody having tampered.
_CLOCKS_APART = dt.timedelta(minutes=5)
_ONE_DAY = dt.timedelta(days=1)
_COLUMNS = (
    Column("closing_no", "结账号", "No.", "right"),
    Column("outlet", "网点", "Outlet"),
    Column("outlet_name", "网点名称", "Name"),
    Column("kind", "期间", "Period", words=PERIOD_KINDS),
    Column("first_on", "自", "First day"),
    Column("last_on", "至", "Last day"),
    Column("state", "状态", "State", words=CLOSING_STATES),
)


def state_of(tx: Transaction, label: str, outlet: str | None) -> str | None:
    """The state of the closing that ends with a period; None before it is announced.

    One statement. Raises UnknownOutlet.
    """
    period = Period.parse(label)
    place = ask_place(outlet)
    closing = store.ask_closing(outlet, str(period.kind), period.last_on)
    tx.gather(place, closing)
    if place.answer is None:
        raise UnknownOutlet(outlet=outlet)
    return closing.answer.state if closing.answer else None


def register(tx: Transaction, outlet: str | None, newest: int) -> Table:
    """The newest closings of an outlet and everything below it, newest first."""
    if type(newest) is not int or not 1 <= newest <= CLOSINGS_MAX:
        raise InvalidValue.of("newest", newest, f"a whole number from 1 to {CLOSINGS_MAX}")
    top = load_head_office(tx).code if outlet is None else clean_code(outlet, field="outlet")
    places = [row[0] for row in list_subtree(tx, top)]
    if not places:
        raise UnknownOutlet(outlet=top)
    return Table(
        title=f"结账登记 {top}",
        title_en=f"Closings of {top}",
        columns=_COLUMNS,
        rows=tuple(store.list_closings(tx, places, newest)),
    )


# --- audit ---------------------------------------------------------------------------------


class ClosedPeriods:
    """When which periods were closed where: what an auditor holds lines and records against."""

    def __init__(self, closings: Iterable[AuditClosing], stays: Stays) -> None:
        """`stays` say which outlet was above each one when."""
        self._stays = stays
        self._closed: dict[int, list[tuple[dt.datetime, dt.date]]] = {}
        for one in sorted(closings, key=lambda one: one.closing_no):
            if one.kind != DAY and one.closed_at is not None:
                place = _place_of(one, stays)
                self._closed.setdefault(place, []).append((one.closed_at, one.last_on))
        for periods in self._closed.values():
            periods.sort()

    def value_through(self, outlet_no: int, booked_at: dt.datetime) -> dt.date:
        """The last value date that was closed at an outlet when something was booked."""
        if not self._closed:
            return EARLIEST
        stays = self._stays.get(outlet_no, ())
        days = {}
        for place in {outlet_no, EVERYWHERE, *(stay.parent_no for stay in stays)}:
            periods = self._closed.get(place or EVERYWHERE, [])
            count = bisect_right(periods, booked_at - _CLOCKS_APART, key=lambda one: one[0])
            closed = (last_on for _, last_on in periods[:count])
            days[place or EVERYWHERE] = max(closed, default=EARLIEST)
        return closed_through(days, outlet_no, stays)

    @property
    def is_by_branch(self) -> bool:
        """Whether anybody but the bank has closed: then it matters who was served."""
        return any(place != EVERYWHERE for place in self._closed)

    def value_through_of(self, homes: Iterable[Home], booked_at: dt.datetime) -> dt.date:
        """The last value date that was closed, then, for who was registered at these homes."""
        days = (
            home.closed_through(self.value_through(home.outlet.outlet_no, booked_at))
            for home in homes
        )
        return max(days, default=EARLIEST)


def _place_of(one: AuditClosing, stays: Stays) -> int:
    """The outlet of a closing; the one with nobody above it stands for all of them."""
    is_head_office = any(stay.parent_no is None for stay in stays.get(one.outlet_no, ()))
    return EVERYWHERE if is_head_office else one.outlet_no


def check_closings(closings: Iterable[AuditClosing], stays: Stays) -> Iterator[Fault]:
    """Closings of a kind follow each other without a gap, over whole periods that were over.

    A closing starts where the one before it ended: the outlet's own, or one above it then.
    """
    begun: dict[str, dict[int, dt.date]] = {}
    for one in sorted(closings, key=lambda one: one.closing_no):
        where = f"结账 {one.closing_no}"
        days = begun.setdefault(one.kind, {})
        before = closed_through(days, one.outlet_no, stays.get(one.outlet_no, ()))
        if before > EARLIEST and one.first_on != before + _ONE_DAY:
            yield Fault("closing_gap", where, str(one.first_on), str(before + _ONE_DAY))
        if Period.containing(one.last_on, PeriodKind(one.kind)).last_on != one.last_on:
            yield Fault("closing_period", where, str(one.last_on), f"the end of a {one.kind}")
        if one.announced_on <= one.last_on:
            yield Fault("closing_day", where, str(one.announced_on), f"after {one.last_on}")
        if (one.state == CLOSED) != (one.closed_at is not None):
            yield Fault("closing_state", where, one.state, "closed by a voucher")
        place = _place_of(one, stays)
        days[place] = max(one.last_on, days.get(place, EARLIEST))


def check_totals(tx: Transaction) -> Iterator[Fault]:
    """What was rolled up is what the lines and moves through that day add up to."""
    for number, through_on, found, made in compare_totals(tx):
        if found != made:
            yield Fault("account_total", f"账户 {number} 至 {through_on}", str(found), str(made))
