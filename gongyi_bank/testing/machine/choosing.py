"""Choosing what a wish is about among what the reference bank's books hold at that moment.

The first choice is always the most sensible one. Mostly an act is about something that it can be
about (see `subjects`), now and then about anything there is, and rarely about what is not there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from gongyi_bank.periods import business_day
from gongyi_bank.rules.closings import CLOSED, DAY
from gongyi_bank.rules.outlets import BRANCH, SAVINGS_BRANCH
from gongyi_bank.testing.machine.subjects import Subjects
from gongyi_bank.testing.machine.wishes import Twist, Wish
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.rows import HourRecord, Line, StoredHold
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no

T = TypeVar("T")
NOBODY = compose_account_no(9999, 1)
#: No bank makes such an id.
NO_ID = UUID(int=2**127)
#: Among how many blank books and the like one is chosen.
_NEAREST = 12
#: One of so many wishes is about anything there is.
_CARELESS = 6
_AMOUNTS = ("1", "0.01", "0.50", "1.51", "3.33", "9.01", "20", "0.07", "400")
_HOURS_LATER = (1, 4, 30, 73, 200, 720, 9000)


class Choice:
    """What one wish chooses: accounts, outlets, holds, amounts, days.

    >>> choice.account(), choice.points(), choice.hold()
    """

    def __init__(
        self, wish: Wish, books: Books, *, ids: Mapping[UUID, UUID], now: dt.datetime, scale: int
    ) -> None:
        """`ids` are the bank's own ids by those of the reference."""
        self.wish = wish
        self.books = books
        self.now = now
        self.scale = scale
        #: What there is that an act can be about.
        self.subjects = Subjects(books, now, scale)
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

    def likely(self, fit: Sequence[T], every: Sequence[T]) -> Sequence[T]:
        """Those that fit, if there are any; now and then all there are."""
        return every if not fit or self.is_rare(_CARELESS) else fit

    def is_rare(self, number: int = 9) -> bool:
        """One of so many wishes."""
        return self.wish.units % number == number - 1

    def points(self, most: int | None = None) -> Points:
        """An amount: one point, a part of one, more than anybody has.

        Mostly no more than `most`, in the smallest part.
        """
        amounts = [Points(amount) for amount in _AMOUNTS]
        if most is not None:
            low = [one for one in amounts if one <= Points.of_units(max(most, 0), self.scale)]
            amounts = list(self.likely(low, amounts))
        return self.one_of(amounts, self.wish.units)

    # --- the house ---

    def outlet(self, number: int | None = None) -> str:
        """A savings branch, or another outlet, or none there is."""
        number = self.wish.what if number is None else number
        known = [*self.savings_branches(), *self.branches(), self.head_office()]
        return self._known(known, number, "NONE")

    def counter(self, number: int | None = None) -> str:
        """An open savings branch; rarely another outlet, or none there is."""
        number = self.wish.what if number is None else number
        outlet = self.outlet(number)
        counters = self.subjects.counters()
        careless = self.is_rare(_CARELESS) or self.wish.twist == Twist.ABSENT
        return outlet if careless or not counters else self.one_of(counters, number)

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
        known = self.likely(self.subjects.members(), list(self.books.stores))
        return self._known(known, self.wish.what // 3, "NONE")

    def goods(self, fit: Sequence[tuple[str, str]]) -> tuple[str, str]:
        """A store and an article of it, one of those that fit; or one that it has not."""
        codes = {store.store_no: code for code, store in self.books.stores.items()}
        found = [(codes[store_no], sku) for store_no, sku in self.books.offers]
        return self._known(self.likely(fit, found), self.wish.what, ("NONE", "A"))

    def pool(self, fit: Sequence[str]) -> str:
        """A pool, one of those that fit; or none there is."""
        return self._known(self.likely(fit, list(self.books.pools)), self.wish.what, "NONE")

    def book(self, fit: Sequence[int]) -> int:
        """One of the first of these passbooks, or one that nobody has printed."""
        return self._known(fit[:_NEAREST], self.wish.units, compose_passbook_no(999_999))

    # --- people and what they did ---

    def account(self, further: int = 0, fit: Sequence[int] = ()) -> int:
        """A customer's account, one of those that fit, or nobody's; `further` is another one."""
        if self._is_absent(0):
            return NOBODY
        known = self.likely(fit, list(self.books.customers))
        return self.one_of(known, self.wish.who + further)

    def other_than(self, account: int, fit: Sequence[int] = ()) -> int:
        """Another account than this one."""
        known = self.likely([no for no in fit if no != account], list(self.books.customers))
        return self.one_of([no for no in known if no != account] or [NOBODY], self.wish.what)

    def hold(self, further: int = 0) -> UUID:
        """A hold, those that still hold something first; rarely a reservation's; or none."""
        goods, fit = self.books.redemptions, self.subjects.holds()
        every = [no for no in self.books.holds if no not in goods or self.is_rare()]
        return self._newest_id(fit, every, further)

    def hold_to_capture(self) -> UUID:
        """One of which a part was captured before another one, mostly."""
        begun = self.subjects.begun() if self.wish.what % 3 < 2 else []
        return self._newest_id(begun, begun) if begun else self.hold()

    def points_of(self, hold: UUID) -> Points | None:
        """A part of what a hold keeps, or all of it."""
        found = self._held_by(hold)
        left = None if found is None else found.amount - found.captured
        return self.points(left) if self.wish.how % 2 else None

    def _held_by(self, hold: UUID) -> StoredHold | None:
        found = (one for one in self.books.holds.values() if self._real(one.hold_id) == hold)
        return next(found, None)

    def redemption(self, fit: Sequence[bytes]) -> UUID:
        """A redemption: those that fit before others; or none."""
        return self._newest_id(fit, list(self.books.redemptions))

    def voucher(self) -> UUID:
        """A voucher of which something can be taken back, or another one, or none."""
        moved = [line.voucher_id for line in self.subjects.lines()]
        return self._newest_id(self._in_order(moved), list(self.books.vouchers))

    def _in_order(self, vouchers: Iterable[bytes]) -> list[bytes]:
        """As they were booked, each once."""
        wanted = set(vouchers)
        return [one for one in self.books.vouchers if one in wanted]

    def _newest_id(self, fit: Sequence[bytes], every: Sequence[bytes], further: int = 0) -> UUID:
        found = [self._real(one) for one in self.likely(fit, every)]
        return self.newest(found, NO_ID, further)

    def line(self) -> tuple[int, int]:
        """(account, line) of a line that can be taken back, or of another, or of none."""
        every = [line for no in self.books.customers for line in self.books.lines.get(no, ())]
        order = {voucher_id: place for place, voucher_id in enumerate(self.books.vouchers)}
        lines = sorted(
            self.likely(self.subjects.single_lines(), every),
            key=lambda line: order[line.voucher_id],
        )
        return self.newest([(line.account_no, line.line_no) for line in lines], (NOBODY, 1))

    def line_that(self, fits: Callable[[Line], bool]) -> tuple[int, int]:
        """(account, line) of any account's line, the newest that fits first; or of none."""
        every = sorted(
            (line for lines in self.books.lines.values() for line in lines),
            key=lambda line: (line.voucher_id, line.account_no, line.line_no),
        )
        known = self.likely([line for line in every if fits(line)], every)
        found = [(line.account_no, line.line_no) for line in reversed(known)]
        if self.wish.twist == Twist.ABSENT or not found:
            return self.one_of([(NOBODY, 1), (self.account(), 999), (self.account(), 0)])
        return self.one_of(found, self.wish.who + 12 * self.wish.back)

    def is_sealed(self, line: Line) -> bool:
        """Whether the bank has closed the day of a line."""
        return line.business_day <= (self.closed_day() or dt.date.min)

    def closed_day(self) -> dt.date | None:
        """The last day of the bank's newest closing of days, or of one before it."""
        mine = (self.books.head_office.outlet_no, DAY, CLOSED)
        found = [one.last_on for one in self.books.closings.values()
                 if (one.outlet_no, one.kind, one.state) == mine]  # fmt: skip
        return self.newest(found, None)

    def record(self, fit: Sequence[HourRecord]) -> tuple[int, int]:
        """(account, record) of a record of hours, one of those that fit; or of none."""
        every = [one for mine in self.books.records.values() for one in mine]
        every = [one for one in every if one.kind == "service" or self.is_rare()]
        found = sorted(self.likely(fit, every), key=lambda one: one.voucher_id)
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
        found = self._held_by(hold)
        hours = self.one_of(_HOURS_LATER, self.wish.units)
        return (found.deadline_at if found else self.now) + dt.timedelta(hours=hours)
