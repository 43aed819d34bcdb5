"""Choosing what a wish is about among what the reference bank's books hold at that moment.

The first choice is always the most sensible one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from gongyi_bank.periods import business_day
from gongyi_bank.rules.holds import HELD
from gongyi_bank.rules.outlets import BRANCH, SAVINGS_BRANCH
from gongyi_bank.testing.machine.wishes import Twist, Wish
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no

T = TypeVar("T")
NOBODY = compose_account_no(9999, 1)
#: No bank makes such an id.
NO_ID = UUID(int=2**127)
#: Among how many blank books and the like one is chosen.
_NEAREST = 12
_AMOUNTS = ("1", "0.01", "0.50", "1.51", "3.33", "9.01", "20", "0.07", "400")
_HOURS_LATER = (1, 4, 30, 73, 200, 720, 9000)


class Choice:
    """What one wish chooses: accounts, outlets, holds, amounts, days.

    >>> choice.account(), choice.points(), choice.hold()
    """

    def __init__(
        self, wish: Wish, books: Books, *, ids: Mapping[UUID, UUID], now: dt.datetime
    ) -> None:
        """`ids` are the bank's own ids by those of the reference."""
        self.wish = wish
        self.books = books
        self.now = now
        self.today = business_day(now, books.zone)
        self._ids = ids

    # --- plain choices ---

    def one_of(self, values: Sequence[T], number: int | None = None) -> T:
        """One of several, by the wish's form if no number says which."""
        return values[(self.wish.how if number is None else number) % len(values)]

    def newest(self, values: Sequence[T], otherwise: T, further: int = 0) -> T:
        """One of several counted back from the newest; `otherwise` if there is none."""
        back = self.wish.back + further
        if not values or self._is_absent(2):
            return otherwise
        return values[-1 - back % len(values)]

    def _is_absent(self, kind: int) -> bool:
        """Whether the wish is about something of this kind that is not there."""
        return self.wish.twist == Twist.ABSENT and self.wish.units % 4 == kind

    def _known(self, values: Sequence[T], number: int, nothing: T) -> T:
        """One of those known, or what nobody knows."""
        return nothing if not values or self._is_absent(1) else self.one_of(values, number)

    def is_rare(self, number: int = 9) -> bool:
        """One of so many wishes."""
        return self.wish.units % number == number - 1

    def points(self) -> Points:
        """An amount: one point, a part of one, more than anybody has."""
        return Points(self.one_of(_AMOUNTS, self.wish.units))

    def points_or_all(self) -> Points | None:
        """An amount, or all there is."""
        return self.points() if self.wish.how % 2 else None

    # --- the house ---

    def outlet(self, number: int | None = None) -> str:
        """A savings branch, or another outlet, or none there is."""
        number = self.wish.what if number is None else number
        known = [*self.savings_branches(), *self.branches(), self.head_office()]
        return self._known(known, number, "NONE")

    def savings_branches(self) -> list[str]:
        """Codes of savings branches, open or closed."""
        return self._codes(SAVINGS_BRANCH)

    def branches(self) -> list[str]:
        """Codes of branches."""
        return self._codes(BRANCH)

    def head_office(self) -> str:
        """总行."""
        return self.books.head_office.code

    def _codes(self, tier: int) -> list[str]:
        return [one.code for one in self.books.outlets.values() if one.tier == tier]

    def store(self) -> str:
        """A store of the alliance, or none."""
        return self._known(list(self.books.stores), self.wish.what // 3, "NONE")

    def goods(self) -> tuple[str, str]:
        """A store and an article of it, or one that it has not."""
        codes = {store.store_no: code for code, store in self.books.stores.items()}
        found = [(codes[store_no], sku) for store_no, sku in self.books.offers]
        return self._known(found, self.wish.what, ("NONE", "A"))

    def pool(self) -> str:
        """A pool, or none there is."""
        return self._known(list(self.books.pools), self.wish.what, "NONE")

    def book(self, *states: str) -> int:
        """A passbook in one of these states, or one that nobody has printed."""
        found = [no for no, one in self.books.passbooks.items() if one.state in states]
        return self._known(found[:_NEAREST], self.wish.units, compose_passbook_no(999_999))

    # --- people and what they did ---

    def account(self, further: int = 0) -> int:
        """A customer's account, or nobody's; `further` is another one."""
        known = list(self.books.customers)
        return NOBODY if self._is_absent(0) else self.one_of(known, self.wish.who + further)

    def hold(self, further: int = 0) -> UUID:
        """A hold, those that still hold something first; rarely a reservation's; or none."""
        holds, goods = self.books.holds.values(), self.books.redemptions
        mine = [one for one in holds if one.hold_id not in goods or self.is_rare()]
        mine.sort(key=lambda one: one.state == HELD)
        return self.newest([self._real(one.hold_id) for one in mine], NO_ID, further)

    def redemption(self, *states: str) -> UUID:
        """A redemption: those in these states before others; or none."""
        all_of_them = self.books.redemptions.values()
        wanted_last = sorted(all_of_them, key=lambda one: one.state in states)
        return self.newest([self._real(one.redemption_id) for one in wanted_last], NO_ID)

    def voucher(self) -> UUID:
        """A voucher that moved points, or another one, or none."""
        moved = {line.voucher_id for lines in self.books.lines.values() for line in lines}
        order = sorted(self.books.vouchers, key=lambda one: one in moved)
        return self.newest([self._real(one) for one in order], NO_ID)

    def line(self) -> tuple[int, int]:
        """(account, line) of a customer's line, or of none."""
        order = {voucher_id: place for place, voucher_id in enumerate(self.books.vouchers)}
        lines = [line for no in self.books.customers for line in self.books.lines.get(no, ())]
        lines.sort(key=lambda line: order[line.voucher_id])
        return self.newest([(line.account_no, line.line_no) for line in lines], (NOBODY, 1))

    def record(self, *states: str) -> tuple[int, int]:
        """(account, record) of a record of hours, those in these states before others."""
        found = [one for mine in self.books.records.values() for one in mine]
        found = [one for one in found if one.kind == "service" or self.is_rare()]
        found.sort(key=lambda one: (one.state in states, one.voucher_id))
        return self.newest([(one.account_no, one.record_no) for one in found], (self.account(), 99))

    def _real(self, reference_id: bytes) -> UUID:
        """The bank's own id; one that no receipt told cannot be asked for."""
        return self._ids.get(UUID(bytes=reference_id), NO_ID)

    # --- time ---

    def day(self, *days: int) -> dt.date:
        """Today, or so many days before it (or after, below 0)."""
        return self.today - dt.timedelta(days=self.one_of(days, self.wish.back))

    def later(self) -> dt.datetime:
        """A moment to come."""
        return self.now + dt.timedelta(hours=self.one_of(_HOURS_LATER, self.wish.units))

    def extended(self, hold: UUID) -> dt.datetime:
        """Later than a hold's deadline, if there is such a hold."""
        ends = [one.deadline_at for one in self.books.holds.values()
                if self._real(one.hold_id) == hold]  # fmt: skip
        hours = self.one_of(_HOURS_LATER, self.wish.units)
        return (ends[0] if ends else self.now) + dt.timedelta(hours=hours)
