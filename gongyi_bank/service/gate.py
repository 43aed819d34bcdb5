"""The gate that every act passes: who acts, where, under which key, and what is written.

An act is a function `serve(visit, command) -> receipt` and walks the same steps
(design.md §4): `visit.lock(...)`, then `visit.enter(...)` and further facts in later
statements, then pure rules, and last `visit.book(...)`, which writes everything at once.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from gongyi_bank.commands.base import DIGEST_VERSION, Command
from gongyi_bank.errors import (
    EngineSettingsUnsafe,
    GongyiBankError,
    IdempotencyConflict,
    RetryTransaction,
    UnknownStaff,
)
from gongyi_bank.periods import business_day, require_moment
from gongyi_bank.policies import PolicyBook
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.rules.accrual import require_open_outlet
from gongyi_bank.rules.closings import ClosedDays, Home
from gongyi_bank.rules.expiry import ExpiryTerms, terms_of
from gongyi_bank.rules.ledger import Head, Posting, voucher_hash
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    handling_role,
    require_permission,
)
from gongyi_bank.rules.stores import StoreFacts
from gongyi_bank.service.collector import resting_for
from gongyi_bank.store import closings, ledger, outlets, policies, seals, staff, vouchers
from gongyi_bank.store.engines import KeyTaken
from gongyi_bank.store.transaction import Ask, Transaction
from gongyi_bank.store.vouchers import EarlierVoucher
from gongyi_bank.store.writing import Writes
from gongyi_bank.values import new_uuid7

CommandT = TypeVar("CommandT", bound=Command)
ReceiptT = TypeVar("ReceiptT", bound=AnyReceipt)
Serve = Callable[["Visit", CommandT], ReceiptT]
#: How often an act looks again (its key was claimed meanwhile, the house was another) before it
#: gives up.
_TRIES = 4
#: Acts that change by what other acts are judged. They change the bank's own row, so that a
#: transaction with an older snapshot is told, and open handles read the rules again.
_HOUSE_ACTS = ("outlets.", "policies.", "staff.", "stores.leave")


class HouseShelf:
    """A handle's copy of what changes rarely, read again when the house's stamp has changed:
    the policies, and through which day every outlet is closed."""

    def __init__(self) -> None:
        self._copy: tuple[PolicyBook, ClosedDays] | None = None
        #: Stores that an act has met, by code; only their places may be gone by before a lock.
        self.stores: dict[str, StoreFacts] = {}

    def longest_record(self) -> dt.timedelta:
        """How long a record can be, as far as this copy knows; a week is the most ever."""
        return self._copy[0].longest_record() if self._copy else dt.timedelta(days=7)

    def is_closed_by_branch(self) -> bool:
        """Whether, as far as this copy knows, a branch has closed more than the bank."""
        return self._copy is not None and self._copy[1].is_by_branch

    def of(self, tx: Transaction, stamp: int) -> tuple[PolicyBook, ClosedDays]:
        """Both as this transaction sees them, whose stamp it has read."""
        copy = self._copy  # Read once: another thread may put its own copy here meanwhile.
        if copy is None or copy[0].version != stamp:
            copy = self._copy = policies.load_book(tx, stamp), closings.load_closed(tx)
        return copy


class _Replayed(Exception):
    def __init__(self, receipt: AnyReceipt) -> None:
        self.receipt = receipt


class _HouseChanged(Exception):
    """Something was closed or adopted between the facts and the writing: look again."""


class ClockBehind(Exception):
    """A locked account was booked on later than this act's clock says: judge by that moment."""

    def __init__(self, moment: dt.datetime) -> None:
        self.moment = moment


class _VoucherIds:
    """Each voucher's id of this process is above the one before, also within a millisecond.

    So the order of ids is the order of the acts (RFC 9562, 6.2), and the index grows at its
    end. Another millisecond, an earlier one included, begins anew. Safe among threads.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._last = bytes(16)
        # Last: who finds the process here has the lock that goes with it.
        self._process = os.getpid()

    def next(self, now: dt.datetime) -> bytes:
        if os.getpid() != self._process:
            # Forked: a lock that another thread held then would never be given back here.
            self._begin()
        chance = os.urandom(10)
        fresh = new_uuid7(now, chance)
        with self._lock:
            last = self._last
            if fresh[:6] == last[:6] and fresh <= last:
                above = (int.from_bytes(last) + 1 + int.from_bytes(chance[:4])).to_bytes(16)
                # A carry out of the random bits is as good as impossible; then order gives way.
                fresh = above if above[:9] == last[:9] else fresh
            self._last = fresh
        return fresh


_ids = _VoucherIds()


def next_voucher_id(now: dt.datetime) -> bytes:
    """The id of one more voucher, above all that this process gave within the millisecond."""
    return _ids.next(now)


class Visit:
    """One act on its way through the rooms: its transaction, its people, its rows."""

    def __init__(
        self,
        tx: Transaction,
        staff_code: str,
        shelf: HouseShelf,
        not_before: dt.datetime | None = None,
    ) -> None:
        self.tx = tx
        self.staff_code = staff_code
        self.shelf = shelf
        self._not_before = not_before
        self.asked_at: dt.datetime
        self.now: dt.datetime
        self.today: dt.date
        self.policies: PolicyBook
        self.closed: ClosedDays
        self.outlets: dict[str, OutletFacts]
        self.people: dict[str, StaffFacts]
        self.staff: StaffFacts
        self._stamp()
        #: The rows of this act, written together by `book`.
        self.writes = Writes()
        #: The accounts that were locked, and where they are registered, as far as it matters.
        self._accounts: set[int] = set()
        #: Their heads, and the outlets that were kept with them, as questions that lock them.
        self._heads: Ask[dict[int, Head]] | None = None
        self._places: Ask[dict[str, OutletFacts]] | None = None
        self.homes: dict[int, tuple[Home, ...]] = {}
        #: The outlets that cannot be closed until this transaction ends; all, or these numbers.
        self._is_all_kept = tx.engine.locks_at_begin
        self._kept: set[int] = set()

    def _stamp(self) -> None:
        #: What this host's clock says; what lies after it is in the future for whoever asks.
        self.asked_at = require_moment(self.tx.clock(), "clock").astimezone(dt.UTC)
        #: The ledger's clock: never before the newest line of an account that the act is about.
        self.now = max(self.asked_at, self._not_before or self.asked_at)
        self.today = business_day(self.now, self.tx.bank.zone)
        self.__dict__.pop("voucher_id", None)  # that of another moment

    def _stamp_behind_locks(self) -> None:
        """The moment that decides is one at which nobody else could change what is locked.

        A lock taken at BEGIN was there when the act came: what it has asked for since stands.
        """
        if not self.tx.engine.locks_at_begin:
            self._stamp()

    def go_by(self, moment: dt.datetime) -> None:
        """Go by the ledger's clock where it is ahead of this host's, before anything is decided."""
        if moment > self.now:
            self._not_before = moment
            self._stamp()

    def new_id(self) -> bytes:
        """An id of this act's moment, above every one that this process has made for it."""
        return next_voucher_id(self.now)

    @functools.cached_property
    def voucher_id(self) -> bytes:
        """The id of the voucher that this act will write, as bytes."""
        return self.new_id()

    @property
    def voucher_uuid(self) -> UUID:
        """The id of the voucher that this act will write."""
        return UUID(bytes=self.voucher_id)

    # --- lock, then facts ---

    def lock(
        self, accounts: Iterable[int], *then: Ask[Any], outlets_at: Iterable[str] = ()
    ) -> None:
        """Keep these outlets' days open, lock these accounts' heads and `then` what comes after.

        With the outlets those where the accounts are registered: their figures may change, too.
        One statement where the engine can, which locks in the order given; the clock is read
        after it. Without outlets every day of the bank is kept open, which is for acts that
        are not done a hundred times a second: all of them share one row.
        """
        codes, numbers = set(outlets_at), set(accounts)
        self._heads = ledger.ask_heads(numbers) if numbers else None
        heads = [self._heads] if self._heads else []
        self.tx.lock(*self._keep(codes, numbers), *heads, *then)
        if self._places is not None and self._places.is_settled:
            self._kept |= {row[0] for row in self._places.rows or ()}
        self._accounts |= numbers
        self._stamp_behind_locks()

    def lock_to_close(self, *steps: Sequence[Ask[Any]]) -> None:
        """Lock what others keep their days open by, step by step: for an act that closes days."""
        for asks in steps:
            self.tx.lock(*asks)
        self._is_all_kept = True
        self._stamp_behind_locks()

    def require_newest_rows(self) -> None:
        """Raise EngineSettingsUnsafe in an older snapshot: this act sums what others book.

        Posting next to each other changes no row that two must lock, so no server would tell.
        """
        if not self.tx.engine.reads_newest_rows(self.tx.wire):
            raise EngineSettingsUnsafe(
                reason="this act sums what others book: use READ COMMITTED, or close step by step"
            )

    def _keep(self, codes: set[str], accounts: set[int]) -> list[Ask[Any]]:
        """What keeps the days of these outlets and accounts, or of all, from being closed."""
        if codes:
            self._places = outlets.ask_outlets(codes, accounts)
            return [*outlets.ask_gate(self.tx), self._places]
        self._is_all_kept = True
        return closings.asks_to_keep(self.tx)

    def ask_outlets(self, codes: Iterable[str]) -> list[Ask[dict[str, OutletFacts]]]:
        """The question about these outlets, if any: the one by which they were kept."""
        names, kept = sorted(set(codes)), self._places
        if not names:
            return []
        if kept is None or kept.params["codes"] != names:
            kept = outlets.ask_outlets(names)
        return [kept]

    def enter(
        self,
        command: Command,
        *,
        outlets_at: Iterable[str] = (),
        people: Iterable[str] = (),
        asks: Sequence[Ask[Any]] = (),
        before_replay: Callable[[Any], None] | None = None,
    ) -> None:
        """Read who acts, the locked heads, the outlets and people named, the key, and the rules.

        `asks` are the act's own questions, answered in the same breath. A key that is in the
        books ends the act here: same request, its receipt; another request,
        IdempotencyConflict. `before_replay` looks at that receipt first, where
        the digest cannot tell everything. Raises UnknownStaff for an actor not in service.
        """
        key = command.idempotency_key
        ask_staff = staff.ask_staff([self.staff_code, *people])
        ask_outlets = self.ask_outlets(outlets_at)
        ask_key = [vouchers.ask_by_key(key)] if key is not None else []
        ask_homes = self.ask_homes()
        heads = [self._heads] if self._heads else []
        self.tx.gather(ask_staff, *ask_outlets, *ask_homes, *heads, *asks, *ask_key)
        for ask in ask_key:
            self._answer_again(command, ask.answer, before_replay)
        self.people, stamp = ask_staff.answer
        actor = self.people.get(self.staff_code)
        if actor is None or not actor.roles or stamp is None:
            raise UnknownStaff(staff=self.staff_code)
        self.staff = actor
        self.outlets = ask_outlets[0].answer if ask_outlets else {}
        self.judge_by(stamp, ask_homes)

    def ask_homes(self) -> list[Ask[dict[int, tuple[Home, ...]]]]:
        """Where the locked accounts are registered, if a branch closes by itself."""
        if self._accounts and self.shelf.is_closed_by_branch():
            return [outlets.ask_homes(self._accounts)]
        return []

    def judge_by(self, stamp: int, asked: list[Ask[dict[int, tuple[Home, ...]]]]) -> None:
        """Go by the rules, closings and homes that were in force when this stamp was read."""
        self.policies, self.closed = self.shelf.of(self.tx, stamp)
        if self._accounts and self.closed.is_by_branch:
            if not asked:  # the handle has only now learned of it
                asked = self.ask_homes()
                self.tx.gather(*asked)
            self.homes = asked[0].answer

    def _answer_again(
        self,
        command: Command,
        earlier: EarlierVoucher | None,
        before_replay: Callable[[Any], None] | None,
    ) -> None:
        """End the act if its key is in the books already."""
        if earlier is None:
            return
        receipt = receipt_again(command, earlier)
        if before_replay is not None:
            before_replay(receipt)
        raise _Replayed(receipt)

    def look_again(self) -> NoReturn:
        """Begin the act anew: what the handle remembered is not what the books say."""
        raise _HouseChanged

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
        found = outlets.load_outlets_by_no(self.tx, [own_no])[own_no]
        return require_open_outlet({found.code: found}, found.code)

    def parent_code(self, outlet: OutletFacts) -> str | None:
        """The code of the outlet above this one."""
        if outlet.parent_no is None:
            return None
        return outlets.load_outlets_by_no(self.tx, [outlet.parent_no])[outlet.parent_no].code

    @property
    def expiry_terms(self) -> ExpiryTerms:
        """What the policies in force today say about the dates of points."""
        return terms_of(self.policies, self.today)

    def heads(self) -> dict[int, Head]:
        """The heads of the locked accounts, brought up to today; `enter` has read them."""
        heads = self._heads.answer if self._heads else {}
        if self._heads and len(heads) < len(self._heads.params["accounts"]):
            self._require_none(set(self._heads.params["accounts"]) - heads.keys())
        self.go_by_accounts()
        ledger.note_passed_dates(self.tx, heads, self.expiry_terms)
        return heads

    def go_by_accounts(self) -> None:
        """Go by the newest line of the locked accounts; `enter` has read their heads.

        An account's clock never goes back: if this host's is behind it, the act begins anew at
        the account's moment, so that deadlines, days and lines all go by one clock.
        """
        heads = self._heads.answer if self._heads else {}
        latest = max((head.booked_at for head in heads.values()), default=self.now)
        if latest > self.now:
            raise ClockBehind(latest)

    def _require_none(self, accounts: set[int]) -> None:
        """Look again if one of these was opened between the locking statement and now."""
        if not self.tx.engine.locks_at_begin and self.tx.look(ledger.ask_heads(accounts)):
            self.look_again()

    def value_day(
        self, outlet: OutletFacts, day: dt.date, *accounts: int
    ) -> tuple[dt.date, dt.date | None]:
        """(value date, origin date or None) of work for `day` there; see `rules.closings`.

        `accounts` are those in whose books it counts; nobody needs to name them for today.
        """
        homes = [home for account_no in accounts for home in self.homes.get(account_no, ())]
        return self.closed.value_day(outlet, day, self.today, self.policies, homes)

    def posting(self, heads: dict[int, Head]) -> Posting:
        """A posting on these heads, stamped with this act."""
        return Posting(
            heads=heads,
            voucher_id=self.voucher_id,
            business_day=self.today,
            booked_at=self.now,
            scale=self.tx.bank.scale,
            fresh_until=self.expiry_terms.fresh_until,
        )

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
        keep_receipt: bool = True,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Write the voucher and, in the same go, every row that hangs on it.

        The rows are those in `self.writes` and the posting's. `facts` go into the voucher's
        body beside the receipt: what an auditor wants to know and no other row tells.
        """
        self._require_open_days(outlet, posting)
        body: dict[str, object] = {**self._claim(posting), **(facts or {})}
        if keep_receipt:
            body["receipt"] = receipt.to_json()
        fields = (
            self.voucher_id, command.act, command.idempotency_key, command.request_digest(),
            DIGEST_VERSION, self.staff.staff_no, second.staff_no if second else None,
            outlet.outlet_no, self.today, self.now, cites, reason,
            json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str),
        )  # fmt: skip
        digest = voucher_hash(self.tx.bank.bank_id, fields, self.tx.seal_key)
        self.writes.vouchers = [(*fields, digest, None)]
        if posting is not None:
            ledger.write_posting(self.writes, posting, digest, self.tx.seal_key)
        self._write(command)

    def _write(self, command: Command) -> None:
        self.tx.write(self.writes)
        if command.act.startswith(_HOUSE_ACTS):
            policies.write_stamp(self.tx, self.voucher_id)

    def _claim(self, posting: Posting | None) -> dict[str, object]:
        """What the voucher says about its rows, so that its hash covers them (rules/seals.py)."""
        rows = Writes(list(self.writes.steps))
        if posting is not None:
            ledger.write_unchained(rows, posting)
        return seals.claim_of(rows, self.tx.bank.bank_id, self.tx.seal_key)

    def _require_open_days(self, outlet: OutletFacts, posting: Posting | None) -> None:
        """Raise DayClosed where today is closed, at every outlet that this act writes about.

        That is where it is handled, and where the accounts that it changes are registered. What
        was not kept open from the start is kept now, and then nothing may have changed
        since the facts were read: whoever closes a day changes the stamp before they let go.
        """
        places = {place.outlet_no: place for place in (*self.outlets.values(), outlet)}
        written = {outlet.outlet_no, *(posting.outlet_nos() if posting else ())}
        unnamed = written - places.keys() if self.closed.is_by_branch else set()
        if unnamed:
            places |= outlets.load_outlets_by_no(self.tx, unnamed)
        homes = self._homes_changed(posting) if self.homes else set()
        if not self._is_all_kept and not self._kept.issuperset(
            {*written, *(home.outlet.outlet_no for home in homes)}
        ):
            self.tx.lock(*closings.asks_to_keep(self.tx))
            if policies.load_stamp(self.tx) != self.policies.version:
                raise _HouseChanged
            self._is_all_kept = True
        for number in sorted(written & places.keys()):
            self.closed.require_open_day(places[number], self.today)
        self.closed.require_open_homes(homes, self.today)

    def _homes_changed(self, posting: Posting | None) -> set[Home]:
        """Where the accounts are or were registered that this act changes."""
        heads = posting.heads.values() if posting is not None else ()
        changed = (head.account_no for head in heads if head.is_changed)
        return {home for account_no in changed for home in self.homes.get(account_no, ())}


def receipt_again(command: Command, earlier: EarlierVoucher) -> Any:
    """The receipt of the act that used this key before; another request is a conflict."""
    if earlier.act != command.act or earlier.request_digest != command.request_digest():
        raise IdempotencyConflict(key=command.idempotency_key)
    return command.receipt.from_json(json.loads(earlier.body)["receipt"])


def perform(
    tx: Transaction, staff_code: str, shelf: HouseShelf, command: CommandT, serve: Serve[Any, Any]
) -> Any:
    """Run one act: the only way in. Looks again when its key was claimed meanwhile.

    A refusal tells times by the bank's clock.
    """
    tx.require_sound()
    not_before, tries = None, _TRIES
    with resting_for(command):
        while tries:
            try:
                return serve(Visit(tx, staff_code, shelf, not_before), command)
            except _Replayed as replayed:
                return replayed.receipt
            except ClockBehind as behind:
                # Not counted: by then a sweep may find more due, but accounts come to an end.
                not_before = behind.moment
            except (KeyTaken, _HouseChanged):
                tries -= 1
            except GongyiBankError as error:
                told = error.in_zone(tx.bank.zone)
                if told is error:
                    raise
                try:
                    raise told from error.__cause__
                finally:
                    del told  # or it would hang in a circle with this frame, and keep all open
    raise RetryTransaction(reason="the key, or the house, is being changed by other acts")
