"""The books of the reference bank: dicts of frozen rows, and plain questions about them.

Nothing that follows from other rows is kept: balances, heads, what is held, what is left of an
offer and what is past its date are counted anew from the rows whenever somebody asks. So the
running totals of the real bank meet figures here that came about in another way. The one
exception is `noted`, which is itself something that the bank remembers and shows (see there).

A table is changed by putting another row in a row's place, never by changing a row:
`books.customers[no] = replace(customer, state="frozen")`. Then `copy` is a picture.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self
from zoneinfo import ZoneInfo

from gongyi_bank.periods import business_day
from gongyi_bank.policies import Policy, PolicyBook
from gongyi_bank.rules.accrual import CREDITED, CustomerFacts
from gongyi_bank.rules.closings import CLOSING, ClosedDays, Home, homes_of
from gongyi_bank.rules.expiry import (
    ExpiryTerms,
    Lot,
    dated_lots,
    earliest_after,
    note_introduction,
)
from gongyi_bank.rules.holds import HELD, HeldGoods, Hold
from gongyi_bank.rules.ledger import EARLIEST, UNUSED, Head, internal_kind
from gongyi_bank.rules.outlets import Stays, stays_of
from gongyi_bank.rules.passbooks import Book, LossReport
from gongyi_bank.rules.pools import PoolFacts
from gongyi_bank.rules.redemptions import RESERVED
from gongyi_bank.rules.staff import OutletFacts, StaffFacts
from gongyi_bank.rules.stores import OfferFacts, OfferKey, StoreFacts
from gongyi_bank.testing.reference.rows import (
    Closing,
    Customer,
    HourRecord,
    Line,
    LinePart,
    Move,
    Offer,
    Person,
    Redemption,
    Refund,
    Stay,
    StoredHold,
    Voucher,
)
from gongyi_bank.values import NEVER

#: States of a redemption in which its pieces are not on the shelf.
_TAKEN: Final = ("redeemed", "captured", RESERVED)
#: States of a record that waits for an approval.
WAITING: Final = ("waiting_branch", "waiting_head_office")
#: A head as no act has changed it yet.
_FRESH: Final = (0, NEVER, 0)


@dataclass(slots=True)
class Books:
    """Everything that the reference bank knows."""

    zone: ZoneInfo
    outlets: dict[int, OutletFacts] = field(default_factory=dict)
    #: Whether an outlet is in town or in the country, by number.
    settings: dict[int, str] = field(default_factory=dict)
    #: Since when an outlet is closed that is.
    outlets_closed_on: dict[int, dt.date] = field(default_factory=dict)
    #: Where outlets are and were, in the order in which they came to be there.
    stays: tuple[Stay, ...] = ()
    #: By code.
    people: dict[str, Person] = field(default_factory=dict)
    #: (policy id, effective day, policy) as adopted.
    policies: tuple[tuple[int, dt.date, Policy], ...] = ()
    #: In the order in which they were booked.
    vouchers: dict[bytes, Voucher] = field(default_factory=dict)
    customers: dict[int, Customer] = field(default_factory=dict)
    #: The lines of every account that has a head, customers' and pools'.
    lines: dict[int, tuple[Line, ...]] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    parts: tuple[LinePart, ...] = ()
    #: By account, in the order of their numbers.
    records: dict[int, tuple[HourRecord, ...]] = field(default_factory=dict)
    holds: dict[bytes, StoredHold] = field(default_factory=dict)
    redemptions: dict[bytes, Redemption] = field(default_factory=dict)
    refunds: tuple[Refund, ...] = ()
    #: By code.
    stores: dict[str, StoreFacts] = field(default_factory=dict)
    offers: dict[OfferKey, Offer] = field(default_factory=dict)
    #: By code.
    pools: dict[str, PoolFacts] = field(default_factory=dict)
    closings: dict[int, Closing] = field(default_factory=dict)
    passbooks: dict[int, Book] = field(default_factory=dict)
    #: By account, in the order of their numbers.
    loss_reports: dict[int, tuple[LossReport, ...]] = field(default_factory=dict)
    #: The last number drawn of each (series, owner).
    serials: dict[tuple[str, int], int] = field(default_factory=dict)
    #: Which dates each head has been told of: (dead_no, next_expiry_on, next_expiry_line_no). A
    #: bank notes passed dates when it posts, and its sweep counts the heads that it has told.
    noted: dict[int, tuple[int, dt.date, int]] = field(default_factory=dict)
    #: When that was, by account.
    noted_at: dict[int, dt.datetime] = field(default_factory=dict)

    # --- all of it ---

    def copy(self) -> Self:
        """A picture of the books as they are now."""
        picture = dataclasses.replace(self)
        for name in (table.name for table in dataclasses.fields(self)):
            setattr(picture, name, copy.copy(getattr(self, name)))
        return picture

    def restore(self, picture: Books, *, keep_serials: bool = False) -> None:
        """Make the books again what they were."""
        serials = self.serials
        for table in dataclasses.fields(self):
            setattr(self, table.name, getattr(picture, table.name))
        if keep_serials:
            self.serials = serials

    def draw(self, series: str, owner_no: int = 0, count: int = 1, *, first: int = 1) -> int:
        """The first of `count` numbers that were never drawn before."""
        last = self.serials.get((series, owner_no), first - 1)
        self.serials[series, owner_no] = last + count
        return last + 1

    # --- the house ---

    @property
    def head_office(self) -> OutletFacts:
        """总行."""
        return next(outlet for outlet in self.outlets.values() if outlet.parent_no is None)

    def outlet(self, code: str) -> OutletFacts | None:
        """The outlet with this code."""
        return next((found for found in self.outlets.values() if found.code == code), None)

    def outlets_named(self, codes: Iterable[str]) -> dict[str, OutletFacts]:
        """Those of these outlets that there are, by code."""
        wanted = set(codes)
        found = sorted(self.outlets.values(), key=lambda outlet: outlet.code)
        return {outlet.code: outlet for outlet in found if outlet.code in wanted}

    def staff_named(self, codes: Iterable[str]) -> dict[str, StaffFacts]:
        """Those of these people whom the bank knows, with their roles in force."""
        found = (self.people[code] for code in sorted(set(codes)) if code in self.people)
        return {
            person.code: StaffFacts(
                person.staff_no,
                person.code,
                person.own_account_no,
                tuple(role.facts for role in person.in_force),
            )
            for person in found
        }

    def policy_book(self) -> PolicyBook:
        """Every policy ever adopted."""
        return PolicyBook(self.policies, len(self.policies))

    def closed_days(self) -> ClosedDays:
        """Through which day each outlet is closed, drained closings included."""
        closed = (
            (made.outlet_no, self.outlets[made.outlet_no].tier, made.kind, made.last_on)
            for made in self.closings.values()
            if made.state != CLOSING
        )
        return ClosedDays(closed, self.outlet_stays())

    def outlet_stays(self) -> Stays:
        """Which outlet was above each one when."""
        return stays_of(stay[:3] for stay in self.stays)

    def parent_then(self, outlet_no: int, day: dt.date) -> int | None:
        """The outlet above this one on a day; the first one has always been there."""
        first, *moves = self.outlet_stays()[outlet_no]
        begun = [stay for stay in moves if stay.first_on <= day]
        return [first, *begun][-1].parent_no

    def homes(self, account_no: int) -> tuple[Home, ...]:
        """Where a customer is and was registered; the bank's own accounts have no home."""
        customer = self.customers.get(account_no)
        stays = customer.stays if customer is not None else ()
        return homes_of((since_on, self.outlets[number]) for since_on, number in stays)

    def place(self, account_no: int) -> OutletFacts:
        """Where a customer belongs now, or the outlet of a pool."""
        if account_no in self.customers:
            return self.outlets[self.customers[account_no].outlet_no]
        pool = next(pool for pool in self.pools.values() if pool.account_no == account_no)
        return self.outlets[pool.outlet_no]

    def voucher_of_key(self, key: str) -> Voucher | None:
        """The act that was booked under this key."""
        return next((found for found in self.vouchers.values() if found.key == key), None)

    # --- customers ---

    def customer_of_ref(self, ref: str | None) -> Customer | None:
        """The customer who was registered under this reference."""
        if ref is None:
            return None
        return next((found for found in self.customers.values() if found.ref == ref), None)

    def customer_facts(self, accounts: Iterable[int]) -> dict[int, CustomerFacts]:
        """What hours need to know of these customers; unknown ones are left out."""
        found = (self.customers[no] for no in sorted(set(accounts)) if no in self.customers)
        return {
            one.account_no: CustomerFacts(
                one.account_no, one.state, one.registered_on, one.outlet_no
            )
            for one in found
        }

    def states(self, accounts: Iterable[int]) -> dict[int, str]:
        """The states of these customers' accounts; unknown ones are left out."""
        return {no: facts.state for no, facts in self.customer_facts(accounts).items()}

    def waiting(self, account_no: int) -> int:
        """How many of the account's records wait for an approval."""
        return sum(record.state in WAITING for record in self.records.get(account_no, ()))

    def newest_report(self, account_no: int) -> LossReport | None:
        """The account's newest loss report; none before it can be in force."""
        reports = self.loss_reports.get(account_no)
        return reports[-1] if reports else None

    def frozen(self, accounts: Iterable[int], now: dt.datetime) -> dict[int, int]:
        """The lost passbook of each account that is under a loss report in force."""
        found = {}
        for account_no in sorted(set(accounts)):
            report = self.newest_report(account_no)
            if report is not None and report.is_in_force(now):
                found[account_no] = report.passbook_no
        return found

    # --- the ledger ---

    def credited(self, account_no: int) -> int:
        """All that was ever credited to an account with lines."""
        return sum(line.amount for line in self.lines.get(account_no, ()) if line.amount > 0)

    def debited(self, account_no: int) -> int:
        """All that was ever debited from it."""
        return -sum(line.amount for line in self.lines.get(account_no, ()) if line.amount < 0)

    def balance(self, account_no: int) -> int:
        """What the passbook shows."""
        return self.credited(account_no) - self.debited(account_no)

    def held(self, account_no: int) -> int:
        """What holds keep of it, lapsed ones included until somebody settles them."""
        mine = (one for one in self.holds.values() if one.account_no == account_no)
        return sum(one.amount - one.captured for one in mine if one.state == HELD)

    def internal_balance(self, account_no: int) -> int:
        """The balance of an account without lines: what came in less what went out."""
        moved = sum(
            (move.target_no == account_no) * move.amount
            - (move.source_no == account_no) * move.amount
            for move in self.moves
        )
        across = (line for lines in self.lines.values() for line in lines)
        return moved - sum(line.amount for line in across if line.contra_no == account_no)

    def lots(self, account_no: int) -> Iterator[tuple[Line, Lot]]:
        """The credit lines, each with the numbers of its points."""
        high = 0
        for line in self.lines.get(account_no, ()):
            if line.amount > 0:
                low, high = high, high + line.amount
                assert line.expires_on is not None
                yield line, Lot(low, high, line.expires_on, line.business_day)

    def dated(self, account_no: int, terms: ExpiryTerms) -> list[tuple[Line, Lot, dt.date]]:
        """The credit lines with the last day of their points: no older points live longer."""
        found = list(self.lots(account_no))
        if internal_kind(account_no) is None:
            days = [last_on for _, last_on in dated_lots((lot for _, lot in found), terms)]
        else:  # What a pool has gets no date by a later policy.
            days = [max(lot.expires_on for _, lot in found[:n]) for n in range(1, len(found) + 1)]
        return [(line, lot, day) for (line, lot), day in zip(found, days, strict=True)]

    def clock_of(self, account_no: int) -> dt.datetime:
        """The moment of an account's newest line, or when its dates were noted without one."""
        lines, noted_at = self.lines.get(account_no), self.noted_at.get(account_no, UNUSED)
        return max(noted_at, lines[-1].booked_at) if lines else noted_at

    def head(self, account_no: int, terms: ExpiryTerms) -> Head:
        """The account's running state, counted from its rows and brought up to today."""
        lines, records = self.lines[account_no], self.records.get(account_no, ())
        head = Head(
            account_no,
            credited=self.credited(account_no),
            debited=self.debited(account_no),
            held=self.held(account_no),
            line_no=len(lines),
            verified_minutes=sum(one.minutes for one in records if one.state == CREDITED),
            record_no=len(records),
        )
        head.debt = head.short
        head.booked_at = self.clock_of(account_no)
        head.seen_line_no, head.seen_record_no = head.line_no, head.record_no
        head.seen_held = head.held
        self._date(head, terms)
        return head

    def heads(self, accounts: Iterable[int], terms: ExpiryTerms) -> dict[int, Head]:
        """The heads of those of these accounts that there are."""
        return {no: self.head(no, terms) for no in sorted(set(accounts)) if no in self.lines}

    def _date(self, head: Head, terms: ExpiryTerms) -> None:
        """Which of the head's points are past their date, and when to look again."""
        dated = self.dated(head.account_no, terms)
        head.last_expires_on = dated[-1][1].expires_on if dated else EARLIEST
        noted = self.noted.get(head.account_no, _FRESH)
        head.seen_expiry = noted
        head.dead_no, head.next_expiry_on, head.next_expiry_line_no = noted
        is_customers = internal_kind(head.account_no) is None
        if is_customers and terms.introductions:
            note_introduction(head, terms, business_day(head.booked_at, self.zone))
            newest = dated[-1][1] if dated else None
            if newest is not None and newest.expires_on == NEVER:
                day, made = newest.business_day, terms.introductions
                head.last_expires_on = earliest_after(day, terms.today, made)
        living = [(line, last_on) for line, _, last_on in dated if last_on >= terms.today]
        if head.next_expiry_on < terms.today:
            head.next_expiry_on, head.next_expiry_line_no = NEVER, 0
            if living:
                head.next_expiry_on, head.next_expiry_line_no = living[0][1], living[0][0].line_no
        dead = [lot.high for _, lot, last_on in dated if last_on < terms.today]
        head.dead_no = max(dead, default=0)

    # --- holds, stores and what they offer ---

    def hold(self, hold_id: bytes) -> Hold | None:
        """A hold as the rules take it."""
        found = self.holds.get(hold_id)
        if found is None:
            return None
        goods = self.redemptions.get(hold_id)
        return Hold(
            *found[:12],
            seen_event_no=found.event_no,
            outlet_code=self.outlets[found.outlet_no].code,
            goods=HeldGoods(goods.store_no, goods.sku, goods.quantity) if goods else None,
            ref=found.ref,
            row_digest=found.row_digest,
        )

    def keep_hold(self, hold: Hold, voucher_id: bytes) -> None:
        """Note what this act did to a hold: a new one, or an older one with new steps.

        The reservation of a hold that ends, ends with it.
        """
        earlier = self.holds.get(hold.hold_id)
        self.holds[hold.hold_id] = StoredHold(
            hold.hold_id, hold.account_no, hold.payee_no, hold.amount, hold.captured, hold.state,
            hold.placed_at, hold.deadline_at, hold.latest_at, hold.outlet_no, hold.cites_from,
            hold.event_no, hold.ref, hold.row_digest, earlier.voucher_id if earlier else voucher_id,
            (*(earlier.steps if earlier else ()), *hold.steps),
        )  # fmt: skip
        hold.steps = []
        goods = self.redemptions.get(hold.hold_id)
        if goods is not None and hold.state in ("released", "lapsed"):
            self.redemptions[hold.hold_id] = goods._replace(
                state=hold.state, settled_voucher_id=voucher_id
            )

    def overdue(self, accounts: Iterable[int], now: dt.datetime) -> list[Hold]:
        """The lapsed holds of these accounts that nobody has settled, longest overdue first."""
        wanted = set(accounts)
        found = [
            one
            for one in self.holds.values()
            if one.account_no in wanted and one.state == HELD and one.deadline_at <= now
        ]
        found.sort(key=lambda one: (one.deadline_at, one.hold_id))
        return [hold for hold in map(self.hold, (one.hold_id for one in found)) if hold]

    def store_of_no(self, store_no: int) -> StoreFacts:
        """The store with this number."""
        return next(found for found in self.stores.values() if found.store_no == store_no)

    def stores_named(self, codes: Iterable[str]) -> dict[str, StoreFacts]:
        """Those of these stores that there are, by code."""
        return {code: self.stores[code] for code in sorted(set(codes)) if code in self.stores}

    def offer_facts(self, keys: Iterable[OfferKey]) -> dict[OfferKey, OfferFacts]:
        """Offers as the rules take them, their pieces counted from the redemptions.

        Nothing has to be written back: what becomes of the redemptions tells it.
        """
        found = {}
        for key in sorted(set(keys)):
            if key in self.offers:
                offer, reserved = self.offers[key], self._pieces(key, (RESERVED,))
                stock = offer.supplied - self._pieces(key, _TAKEN) + self._returned(key)
                said = offer.published
                found[key] = OfferFacts(
                    *key, said.name, said.points, stock, reserved, offer.state, stock, reserved
                )
        return found

    def _pieces(self, key: OfferKey, states: tuple[str, ...]) -> int:
        mine = (one for one in self.redemptions.values() if (one.store_no, one.sku) == key)
        return sum(one.quantity for one in mine if one.state in states)

    def _returned(self, key: OfferKey) -> int:
        """Pieces that came back and were put on the shelf again."""
        pieces = 0
        for refund in self.refunds:
            given = self.redemptions[refund.redemption_id]
            if refund.restocked and (given.store_no, given.sku) == key:
                pieces += refund.quantity
        return pieces
