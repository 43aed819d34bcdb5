"""Whom and what an act can be about with some hope: asked of what the books hold at a moment.

The rules say more, and the machine is there to try them; here stand only the plain things, so that
a rare act (a book reissued a week after its loss, an outlet reopened) succeeds now and then.
"""

from __future__ import annotations

import datetime as dt

from gongyi_bank.periods import Period, add_months, business_day
from gongyi_bank.policies import AccountRules
from gongyi_bank.rules.closings import CLOSED as BOOKS_CLOSED
from gongyi_bank.rules.closings import CLOSING
from gongyi_bank.rules.customers import ACTIVE, CLOSED, DORMANT, FROZEN
from gongyi_bank.rules.holds import HELD
from gongyi_bank.rules.ledger import internal_kind
from gongyi_bank.rules.outlets import BRANCH, HEAD_OFFICE, SAVINGS_BRANCH
from gongyi_bank.rules.passbooks import BLANK, DESTROYABLE, IN_USE, WRITTEN
from gongyi_bank.rules.redemptions import RESERVED
from gongyi_bank.rules.reversals import REVERSIBLE
from gongyi_bank.rules.stores import LISTED
from gongyi_bank.testing.reference.books import WAITING, Books
from gongyi_bank.testing.reference.outlets import left_open
from gongyi_bank.testing.reference.rows import Closing, HourRecord, Line
from gongyi_bank.values import Points

#: Periods that are closed one after the other, the commonest first.
_KINDS = ("day", "month", "quarter", "year")
#: Roles that a run itself has given; without the others hardly anything could be done.
_NEWCOMERS = ("N1", "N2")


class Subjects:
    """Questions about the books as they are: who can pay, which books can be destroyed …

    >>> Subjects(books, now).payers()
    """

    def __init__(self, books: Books, now: dt.datetime, scale: int) -> None:
        self.books = books
        self.now = now
        self.today = business_day(now, books.zone)
        self._one_point = Points(1).to_units(scale)

    # --- accounts ---

    def payers(self) -> list[int]:
        """Accounts from which a point can be taken."""
        return [no for no in self.usable() if self.available(no) >= self._one_point]

    def available(self, account_no: int) -> int:
        """What an account has and no hold keeps, in the smallest part; dates are left aside."""
        return self.books.balance(account_no) - self.books.held(account_no)

    def usable(self) -> list[int]:
        """Accounts that are neither closed, frozen, asleep nor under a loss report."""
        lost = self.books.frozen(self.books.customers, self.now)
        return [no for no in self._in_state(ACTIVE) if no not in lost]

    def persons(self) -> list[int]:
        """Those of them that are no organisation's, which may receive no gift."""
        return [no for no in self.usable() if self.books.customers[no].kind != "organisation"]

    def frozen(self) -> list[int]:
        """冻结."""
        return self._in_state(FROZEN)

    def dormant(self) -> list[int]:
        """睡眠户."""
        return self._in_state(DORMANT)

    def idle(self) -> list[int]:
        """Accounts that nobody has used for as long as it takes to be dormant."""
        rules = self.books.policy_book().in_force(AccountRules, self.today)[1]
        last = add_months(self.today, -rules.dormant_months)
        return [no for no in self._in_state(ACTIVE) if self._used_on(no) < last]

    def _used_on(self, no: int) -> dt.date:
        customer = self.books.customers[no]
        days = [line.business_day for line in self.books.lines[no]]
        days += [record.service_on for record in self.books.records[no]]
        return max(customer.registered_on, customer.state_since_on, *days)

    def _in_state(self, state: str) -> list[int]:
        return [no for no, one in self.books.customers.items() if one.state == state]

    def unopened(self) -> list[int]:
        """Accounts for which nothing was brought forward from other books."""
        records = self.books.records
        accounts = self._in_state(ACTIVE)
        return [no for no in accounts if all(one.kind == "service" for one in records[no])]

    # --- passbooks ---

    def bookless(self) -> list[int]:
        """Open accounts without a book in use."""
        holders = {one.account_no for one in self.books.passbooks.values() if one.state == IN_USE}
        customers = self.books.customers.items()
        return [no for no, one in customers if one.state != CLOSED and no not in holders]

    def book_holders(self) -> list[int]:
        """Accounts with a book in use that nobody has lost."""
        lost = self.books.frozen(self.books.customers, self.now)
        states = self.books.customers
        found = (one.account_no for one in self.books.passbooks.values() if one.state == IN_USE)
        return [no for no in found if no and no not in lost and states[no].state != CLOSED]

    def unprinted(self) -> list[int]:
        """Those of them whose newest lines are in no book yet."""
        printed = {one.account_no: one.printed_line_no for one in self.books.passbooks.values()
                   if one.state == IN_USE}  # fmt: skip
        return [no for no in self.book_holders() if len(self.books.lines[no]) > (printed[no] or 0)]

    def lost(self) -> list[int]:
        """Accounts whose book is under a loss report."""
        return list(self.books.frozen(self.books.customers, self.now))

    def lost_in_writing(self) -> list[int]:
        """Those of them where it is a written one."""
        reports = self.books.loss_reports
        return [no for no in self.lost() if reports[no][-1].kind == WRITTEN]

    def reissuable(self) -> list[int]:
        """Those of them that have waited as long as they must."""
        reports = self.books.loss_reports
        days = {no: reports[no][-1].reissue_from_on for no in self.lost_in_writing()}
        return [no for no, day in days.items() if day is not None and day <= self.today]

    def blank(self, *tiers: int) -> list[int]:
        """Blank books, or those at outlets of these tiers."""
        outlets = self.books.outlets
        found = [one for one in self.books.passbooks.values() if one.state == BLANK]
        return [
            one.passbook_no for one in found if not tiers or outlets[one.outlet_no].tier in tiers
        ]

    def blank_at(self, code: str) -> list[int]:
        """Blank books at one outlet."""
        place, books = self.books.outlet(code), self.books.passbooks
        return [no for no in self.blank() if place and books[no].outlet_no == place.outlet_no]

    def above_counters(self) -> list[int]:
        """Blank books that can still be handed on: those at branches first."""
        return self.blank(BRANCH) or self.blank(HEAD_OFFICE)

    def useless(self) -> list[int]:
        """Books that may be destroyed."""
        return [no for no, one in self.books.passbooks.items() if one.state in DESTROYABLE]

    # --- outlets and staff ---

    def counters(self) -> list[str]:
        """Open savings branches."""
        outlets = self.books.outlets.values()
        return [one.code for one in outlets if one.tier == SAVINGS_BRANCH and one.is_open]

    def closable(self) -> list[str]:
        """Open outlets where nothing is left to be done."""
        outlets = self.books.outlets.items()
        return [one.code for no, one in outlets
                if one.parent_no and one.is_open and not left_open(self.books, no)]  # fmt: skip

    def reopenable(self) -> list[str]:
        """Closed outlets below an open one."""
        outlets = self.books.outlets
        shut = [one for one in outlets.values() if not one.is_open]
        return [one.code for one in shut if one.parent_no and outlets[one.parent_no].is_open]

    def newcomers(self) -> list[str]:
        """People whom this run has given a role that they still have."""
        people = self.books.people
        return [code for code in _NEWCOMERS if code in people and people[code].in_force]

    # --- stores and pools ---

    def members(self) -> list[str]:
        """Stores of the alliance."""
        return [code for code, one in self.books.stores.items() if one.is_member_on(self.today)]

    def goods(self) -> list[tuple[str, str]]:
        """(store, article) of what is listed and there."""
        found = [*self.books.offer_facts(self.books.offers).values()]
        stores = {self.books.stores[code].store_no: code for code in self.members()}
        on_shelf = [one for one in found if one.state == LISTED and one.stock > 0]
        return [(stores[one.store_no], one.sku) for one in on_shelf if one.store_no in stores]

    def listed(self) -> list[tuple[str, str]]:
        """(store, article) of what is listed, on the shelf or not."""
        stores = {store.store_no: code for code, store in self.books.stores.items()}
        offers = self.books.offers.items()
        return [(stores[no], sku) for (no, sku), one in offers if one.state == LISTED]

    def pools(self) -> list[str]:
        """Open pools."""
        return [code for code, one in self.books.pools.items() if one.state == "open"]

    def funded(self) -> list[str]:
        """Open pools that have a point to give."""
        return [code for code in self.pools() if self.in_pool(code) >= self._one_point]

    def in_pool(self, code: str) -> int:
        """What a pool has, in the smallest part; nothing if there is no such pool."""
        found = self.books.pools.get(code)
        return 0 if found is None else self.available(found.account_no)

    def drained(self) -> list[str]:
        """Open pools that have nothing."""
        return [code for code in self.pools() if not self.in_pool(code)]

    # --- what can be followed up ---

    def holds(self) -> list[bytes]:
        """Holds in force that are no reservation's."""
        goods, now = self.books.redemptions, self.now
        holds = (one for one in self.books.holds.values() if one.state == HELD)
        return [one.hold_id for one in holds if one.deadline_at > now and one.hold_id not in goods]

    def begun(self) -> list[bytes]:
        """Those of them of which a part was captured."""
        return [no for no in self.holds() if self.books.holds[no].captured]

    def held(self) -> list[bytes]:
        """Holds that still keep points, reservations' and overdue ones among them."""
        return [no for no, one in self.books.holds.items() if one.state == HELD]

    def overdue(self) -> list[bytes]:
        """Those of them that are past their deadline."""
        return [no for no in self.held() if self.books.holds[no].deadline_at <= self.now]

    def reserved(self) -> list[bytes]:
        """Reservations in force."""
        holds, goods = self.books.holds, self.books.redemptions.items()
        return [no for no, one in goods
                if one.state == RESERVED and holds[no].deadline_at > self.now]  # fmt: skip

    def given(self) -> list[bytes]:
        """Redemptions whose goods the customer has, or some of them."""
        returned: dict[bytes, int] = {}
        for one in self.books.refunds:
            returned[one.redemption_id] = returned.get(one.redemption_id, 0) + one.quantity
        goods = self.books.redemptions.items()
        return [no for no, one in goods if one.state in ("redeemed", "captured")
                and one.quantity > returned.get(no, 0)]  # fmt: skip

    def waiting(self) -> list[HourRecord]:
        """Services that wait for somebody's approval."""
        return self._records(*WAITING)

    def credited(self) -> list[HourRecord]:
        """Services that were credited."""
        return self._records("credited")

    def _records(self, *states: str) -> list[HourRecord]:
        records = [one for mine in self.books.records.values() for one in mine]
        return [one for one in records if one.state in states and one.kind == "service"]

    def lines(self) -> list[Line]:
        """Customers' lines of which something can still be taken back."""
        taken: dict[tuple[int, int], int] = {}
        for part in self.books.parts:
            key = (part.account_no, part.line_no)
            taken[key] = taken.get(key, 0) + part.amount
        lines = [line for no in self.books.customers for line in self.books.lines.get(no, ())]
        return [line for line in lines if line.kind in REVERSIBLE
                and abs(line.amount) > taken.get((line.account_no, line.line_no), 0)]  # fmt: skip

    def single_lines(self) -> list[Line]:
        """Those of them that are not one of many legs."""
        return [line for line in self.lines() if internal_kind(line.contra_no) != "transit"]

    # --- closings ---

    def announced(self) -> list[Closing]:
        """Closings that were announced and not drained."""
        return [one for one in self.books.closings.values() if one.state == CLOSING]

    def unfinished(self) -> list[Closing]:
        """Closings under way."""
        return [one for one in self.books.closings.values() if one.state != BOOKS_CLOSED]

    def over(self, code: str | None = None) -> list[str]:
        """Periods that are over and can be closed at an outlet, the head office by default."""
        named = self.books.outlet(code) if code else None
        place = (named or self.books.head_office).outlet_no
        mine = [one for one in self.books.closings.values() if one.outlet_no == place]
        through = {kind: max((one.last_on for one in mine if one.kind == kind), default=None)
                   for kind in _KINDS}  # fmt: skip
        founded_on = next(iter(self.books.vouchers.values())).business_day
        found: list[str] = []
        for kind, shorter in zip(_KINDS, (None, *_KINDS), strict=False):
            first_on = Period.containing(self.today, kind).first_on
            period = Period.containing(first_on - dt.timedelta(days=1), kind)
            begun, parts = through[kind], through[shorter] if shorter else period.last_on
            is_new = period.last_on >= founded_on and (begun is None or begun < period.last_on)
            if is_new and parts is not None and parts >= period.last_on:
                found.append(period.label)
        return found
