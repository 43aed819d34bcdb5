"""One act of the reference bank: who acts, under which key, and all of it or nothing.

An act is a function `serve(visit, command) -> receipt`, as in the bank itself, and says its
refusals in the same order: `visit.enter(...)` first (unless the bank finds out something before
it looks for the key), then facts from `visit.books`, then pure rules; then it changes the
books; and last `visit.book(...)`, which writes the voucher and the posting's lines.

Nothing has to be undone by hand. What an act changed before it raised, or before it returned
without having booked, did not happen: `perform` puts the books back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from gongyi_bank.commands.base import Command
from gongyi_bank.errors import GongyiBankError, IdempotencyConflict, UnknownStaff
from gongyi_bank.periods import business_day, require_moment
from gongyi_bank.policies import PolicyBook
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.rules.accrual import require_open_outlet
from gongyi_bank.rules.closings import ClosedDays
from gongyi_bank.rules.expiry import ExpiryTerms, terms_of
from gongyi_bank.rules.ledger import Head, Posting
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    handling_role,
    require_permission,
)
from gongyi_bank.testing.reference.books import Books
from gongyi_bank.testing.reference.rows import Line, LinePart, Move, Voucher
from gongyi_bank.values import new_uuid7

#: What serves a command: takes the visit and the command, answers with the receipt.
Serve = Callable[[Any, Any], AnyReceipt]
Acts = dict[type[Command], Serve]
ItemT = TypeVar("ItemT")
#: Of a head, what must be the same whether an act added it up or the rows are counted anew.
_COUNTED = ("credited", "debited", "held", "debt", "line_no", "record_no", "verified_minutes")


class BankFacts(NamedTuple):
    """What never changes about a bank."""

    name: str
    #: Decimal places of a point.
    scale: int
    zone: ZoneInfo
    founded_at: dt.datetime


class _Replayed(Exception):
    def __init__(self, receipt: AnyReceipt) -> None:
        self.receipt = receipt


def require_datable(moment: dt.datetime) -> None:
    """The bank's ids begin with their moment, of which there is none before 1970.

    Raises InvalidInstant.
    """
    new_uuid7(moment, bytes(10))


class _Behind(Exception):
    """An account was booked on later than this act's clock says: judge all of it by then."""

    def __init__(self, moment: dt.datetime) -> None:
        self.moment = moment


class Visit:
    """One act on its way: its books, its people, its moment."""

    def __init__(
        self,
        books: Books,
        bank: BankFacts,
        asked_at: dt.datetime,
        staff_code: str,
        not_before: dt.datetime | None = None,
    ) -> None:
        self.books = books
        self.bank = bank
        #: What the host's clock says; what lies after it is in the future for whoever asks.
        self.asked_at = require_moment(asked_at, "clock").astimezone(dt.UTC)
        #: The ledger's clock, by which all else is judged: `heads` and `go_by` set it forward.
        self.now = max(self.asked_at, not_before or self.asked_at)
        self.today = business_day(self.now, bank.zone)
        self.staff_code = staff_code
        #: Set by `enter`; before it nobody may be judged.
        self.staff: StaffFacts
        self.people: dict[str, StaffFacts] = {}
        self.outlets: dict[str, OutletFacts] = {}
        self.policies: PolicyBook = books.policy_book()
        self.closed: ClosedDays = books.closed_days()
        self._voucher_id = self._draw_id()
        self.is_booked = False

    def new_id(self) -> bytes:
        """An id in the order of time, for a hold or a redemption. Raises InvalidInstant."""
        require_datable(self.now)
        return self._draw_id()

    def _draw_id(self) -> bytes:
        return self.books.draw("id").to_bytes(16)

    @property
    def voucher_id(self) -> bytes:
        """The id of the voucher that this act will write, as bytes. Raises InvalidInstant."""
        require_datable(self.now)
        return self._voucher_id

    @property
    def voucher_uuid(self) -> UUID:
        """The id of the voucher that this act will write."""
        return UUID(bytes=self.voucher_id)

    # --- facts ---

    def go_by(self, moment: dt.datetime) -> None:
        """Go by the books' clock where it is ahead of this host's."""
        self.now = max(self.now, moment)
        self.today = business_day(self.now, self.bank.zone)

    def go_by_newest(self) -> None:
        """Go by the newest moment of the whole bank: for acts that concern all of it."""
        booked = (made.booked_at for made in self.books.vouchers.values())
        self.go_by(max(booked, default=self.bank.founded_at).astimezone(dt.UTC))

    def go_by_accounts(self, accounts: Iterable[int]) -> None:
        """Go by the clocks of these accounts; an act that comes behind one begins anew."""
        newest = max(map(self.books.clock_of, accounts), default=self.now)
        if newest > self.now:
            raise _Behind(newest)

    def enter(
        self,
        command: Command,
        *,
        outlets_at: Iterable[str] = (),
        people: Iterable[str] = (),
        before_replay: Callable[[Any], None] | None = None,
    ) -> None:
        """Look for the key, then for who acts and for the outlets and people named.

        A key that is in the books ends the act here: same request, its receipt; another
        request, IdempotencyConflict. `before_replay` looks at that receipt first. Raises
        UnknownStaff for an actor not in service.
        """
        earlier = None
        if command.idempotency_key is not None:
            earlier = self.books.voucher_of_key(command.idempotency_key)
        if earlier is not None:
            receipt = self._receipt_again(command, earlier)
            if before_replay is not None:
                before_replay(receipt)
            raise _Replayed(receipt)
        self.people = self.books.staff_named([self.staff_code, *people])
        actor = self.people.get(self.staff_code)
        if actor is None or not actor.roles:
            raise UnknownStaff(staff=self.staff_code)
        self.staff = actor
        self.outlets = self.books.outlets_named(outlets_at)

    def _receipt_again(self, command: Command, earlier: Voucher) -> AnyReceipt:
        same = (command.act, command.request_digest()) == (earlier.act, earlier.request_digest)
        if not same:
            raise IdempotencyConflict(key=command.idempotency_key)
        return command.receipt.from_json(earlier.receipt.to_json())

    def outlet_for(self, act: str, code: str | None, *, store_no: int | None = None) -> OutletFacts:
        """The open outlet that handles the act, and the proof that the actor may do it there.

        Without a code it is the outlet from which the actor may do it.
        """
        if code is None:
            outlet = self.outlet_over(act, ())
        else:
            outlet = require_open_outlet(self.outlets, code)
        require_permission(self.staff, act, outlet, store_no)
        return outlet

    def require_role(self, act: str) -> None:
        """Raise NotPermitted for an actor who may do the act nowhere."""
        if not self.staff.roles_for(act):
            self.outlet_for(act, None)

    def handled_at(self, act: str, places: Iterable[OutletFacts]) -> OutletFacts:
        """Where an act on several things is booked: their only outlet, or else one over them."""
        different = {place.outlet_no: place for place in places}
        if len(different) == 1:
            return next(iter(different.values()))
        return self.outlet_over(act, different.values())

    def outlet_over(self, act: str, places: Iterable[OutletFacts]) -> OutletFacts:
        """The outlet of the actor's role by which the act reaches these places."""
        own_no = (handling_role(self.staff, act, places) or self.staff.roles[0]).outlet_no
        found = self.books.outlets[own_no]
        return require_open_outlet({found.code: found}, found.code)

    def parent_code(self, outlet: OutletFacts) -> str | None:
        """The code of the outlet above this one."""
        return None if outlet.parent_no is None else self.books.outlets[outlet.parent_no].code

    @property
    def expiry_terms(self) -> ExpiryTerms:
        """What the policies in force today say about the dates of points."""
        return terms_of(self.policies, self.today)

    def heads(self, accounts: Iterable[int]) -> dict[int, Head]:
        """The heads of these accounts, counted from the rows as the books are at this moment.

        No account's clock goes back: an act that comes behind their newest lines begins anew.
        """
        numbers = set(accounts)
        self.go_by_accounts(numbers)
        return self.books.heads(numbers, self.expiry_terms)

    def value_day(
        self, outlet: OutletFacts, day: dt.date, *accounts: int
    ) -> tuple[dt.date, dt.date | None]:
        """(value date, origin date or None) of work for `day` there; see `rules.closings`.

        `accounts` are those in whose books it counts.
        """
        homes = [home for account_no in accounts for home in self.books.homes(account_no)]
        return self.closed.value_day(outlet, day, self.today, self.policies, homes)

    def posting(self, heads: dict[int, Head]) -> Posting:
        """A posting on these heads, stamped with this act."""
        return Posting(
            heads=heads,
            voucher_id=self.voucher_id,
            business_day=self.today,
            booked_at=self.now,
            scale=self.bank.scale,
            fresh_until=self.expiry_terms.fresh_until,
        )

    # --- what acts do that go over many accounts ---

    def sweepable(
        self, due: Iterable[ItemT], account_of: Callable[[ItemT], int], count_max: int
    ) -> tuple[list[ItemT], int]:
        """The first so many that can be swept today, and how many come before whose day is closed.

        Closed it is where they were registered on the day, or where they belong by now.
        """
        found: list[ItemT] = []
        left_out = 0
        for item in due:
            number = account_of(item)
            home = self.closed.closed_home(self.books.homes(number), self.today)
            if home or self.today <= self.closed.booking_through(self.books.place(number)):
                left_out += 1
                continue
            found.append(item)
            if len(found) == count_max:
                break
        return found, left_out

    # --- what every act does that asks what may be spent ---

    def free_lapsed(self, accounts: Iterable[int]) -> set[int]:
        """Settle the lapsed holds of these accounts; returns the accounts that had any.

        To be called before `heads` and `offer_facts`, which then count what was given free.
        """
        freed = set()
        for hold in self.books.overdue(accounts, self.now):
            hold.end("lapsed", Head(hold.account_no, held=hold.left))
            self.books.keep_hold(hold, self.voucher_id)
            freed.add(hold.account_no)
        return freed

    def expire_freed(self, posting: Posting, freed: Iterable[int], outlet: OutletFacts) -> None:
        """Expire what of points given free is past its date; the bank does so as its last step."""
        for account_no in freed:
            head = posting.heads[account_no]
            posting.expire(head, outlet.outlet_no)
            head.is_touched = True

    # --- after this point the act must succeed ---

    def book(
        self,
        command: Command,
        receipt: AnyReceipt,
        outlet: OutletFacts,
        *,
        posting: Posting | None = None,
        second: StaffFacts | None = None,
        cites: bytes | None = None,
        reason: str | None = None,
    ) -> None:
        """Write the voucher, and the lines, moves and parts of the posting.

        Holds, records, redemptions and all else the act puts into the books itself, and before
        this: what the heads say must then be what the rows add up to.
        """
        self._require_open_days(outlet, posting)
        self.books.vouchers[self.voucher_id] = Voucher(
            self.voucher_id, command.act, command.idempotency_key, command.request_digest(),
            self.staff.staff_no, second.staff_no if second else None, outlet.outlet_no,
            self.today, self.now, cites, reason, receipt,
        )  # fmt: skip
        if posting is not None:
            self._write_posting(posting)
        self.is_booked = True

    def _require_open_days(self, outlet: OutletFacts, posting: Posting | None) -> None:
        """Raise DayClosed where today is closed, at every outlet that this act writes about.

        That is also where the accounts that it changes are registered.
        """
        places = {place.outlet_no: place for place in (*self.outlets.values(), outlet)}
        written = {outlet.outlet_no, *(posting.outlet_nos() if posting else ())}
        if self.closed.is_by_branch:
            places |= {number: self.books.outlets[number] for number in written}
        for number in sorted(written & places.keys()):
            self.closed.require_open_day(places[number], self.today)
        for head in posting.heads.values() if posting else ():
            if head.is_changed:
                homes = self.books.homes(head.account_no)
                self.closed.require_open_homes(homes, self.today)

    def _write_posting(self, posting: Posting) -> None:
        books = self.books
        for line in (Line(*row) for row in posting.lines):
            books.lines[line.account_no] = (*books.lines[line.account_no], line)
        books.moves += tuple(Move(*row) for row in posting.moves)
        books.parts += tuple(LinePart(*row) for row in posting.parts)
        for head in posting.heads.values():
            counted = books.head(head.account_no, self.expiry_terms)
            for name in _COUNTED:
                found, said = getattr(counted, name), getattr(head, name)
                assert found == said, f"{name} of {head.account_no}: rows {found}, head {said}"
            head.keep_dates(posting.booked_at)
            if head.is_changed:
                books.noted[head.account_no] = head.dates
                books.noted_at[head.account_no] = head.booked_at


def perform(
    books: Books, bank: BankFacts, now: dt.datetime, staff_code: str, command: Command, serve: Serve
) -> Any:
    """Run one act on the books: all of it, or, refused or repeated, nothing."""
    not_before = None
    while True:
        before, visit = books.copy(), None
        try:
            visit = Visit(books, bank, now, staff_code, not_before)
            return serve(visit, command)
        except _Behind as behind:
            not_before = behind.moment
        except _Replayed as replayed:
            return replayed.receipt
        except GongyiBankError as error:
            told = error.in_zone(bank.zone)
            if told is error:
                raise
            raise told from error.__cause__
        finally:
            if visit is None or not visit.is_booked:
                # Within one transaction of several acts numbers that were drawn stay drawn.
                books.restore(before, keep_serials=True)
