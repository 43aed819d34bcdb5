"""The gate that every act passes: who acts, where, under which key, and what is written.

An act is a function `serve(visit, command) -> receipt` and walks the same steps
(design.md §4): `visit.lock(...)`, then `visit.enter(...)` and further facts in later
statements, then pure rules, and last `visit.book(...)`, which writes everything at once.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from gongyi_bank.commands.base import DIGEST_VERSION, Command
from gongyi_bank.errors import IdempotencyConflict, RetryTransaction, UnknownStaff
from gongyi_bank.periods import business_day, require_moment
from gongyi_bank.policies import PolicyBook
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.rules.accrual import require_open_outlet
from gongyi_bank.rules.ledger import Head, Posting, voucher_digest
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    handling_role,
    require_permission,
)
from gongyi_bank.store import ledger, outlets, policies, staff, vouchers
from gongyi_bank.store.engines import KeyTaken
from gongyi_bank.store.transaction import Ask, Transaction
from gongyi_bank.store.vouchers import EarlierVoucher
from gongyi_bank.store.writing import Writes
from gongyi_bank.values import new_uuid7

CommandT = TypeVar("CommandT", bound=Command)
ReceiptT = TypeVar("ReceiptT", bound=AnyReceipt)
Serve = Callable[["Visit", CommandT], ReceiptT]
#: How often an act whose key was claimed meanwhile looks again before it gives up.
_TRIES = 3
#: Acts that change by what other acts are judged. They change the bank's own row, so that a
#: transaction with an older snapshot is told, and open handles read the rules again.
_HOUSE_ACTS = ("outlets.", "policies.", "staff.", "stores.leave")


class PolicyShelf:
    """A handle's copy of the bank's policies, read again when their stamp has changed."""

    def __init__(self) -> None:
        self._book: PolicyBook | None = None

    def longest_record(self) -> dt.timedelta:
        """How long a record can be, as far as this copy knows; a week is the most ever."""
        return self._book.longest_record() if self._book else dt.timedelta(days=7)

    def book(self, tx: Transaction, stamp: int) -> PolicyBook:
        """The policies as this transaction sees them, whose stamp it has read."""
        book = self._book  # Read once: another thread may put its own copy here meanwhile.
        if book is None or book.version != stamp:
            book = self._book = policies.load_book(tx, stamp)
        return book


class _Replayed(Exception):
    def __init__(self, receipt: AnyReceipt) -> None:
        self.receipt = receipt


class Visit:
    """One act on its way through the rooms: its transaction, its people, its rows."""

    def __init__(self, tx: Transaction, staff_code: str, shelf: PolicyShelf) -> None:
        self.tx = tx
        self.staff_code = staff_code
        self.shelf = shelf
        self.now: dt.datetime
        self.today: dt.date
        self.voucher_id: bytes
        self.policies: PolicyBook
        self.outlets: dict[str, OutletFacts]
        self.people: dict[str, StaffFacts]
        self.staff: StaffFacts
        self._stamp()
        #: The rows of this act, written together by `book`.
        self.writes = Writes()

    def _stamp(self) -> None:
        self.now = require_moment(self.tx.clock(), "clock").astimezone(dt.UTC)
        self.today = business_day(self.now, self.tx.bank.zone)
        self.voucher_id = new_uuid7(self.now, os.urandom(10))

    @property
    def voucher_uuid(self) -> UUID:
        """The id of the voucher that this act will write."""
        return UUID(bytes=self.voucher_id)

    # --- lock, then facts ---

    def lock(self, accounts: Iterable[int], *then: Ask[Any]) -> None:
        """Lock these accounts' heads and `then` what comes after; the clock is read after it.

        One statement where the engine can, which locks in the order given.
        """
        if not self.tx.engine.locks_at_begin:
            self.tx.gather(ledger.ask_lock(accounts), *then)
        self._stamp()

    def enter(
        self,
        command: Command,
        *,
        outlets_at: Iterable[str] = (),
        people: Iterable[str] = (),
        asks: Sequence[Ask[Any]] = (),
        before_replay: Callable[[Any], None] | None = None,
    ) -> None:
        """Read who acts, the outlets and people named, the key, and the rules in force.

        `asks` are the act's own questions, answered in the same breath. A key that is in the
        books ends the act here: same request, its receipt; another request,
        IdempotencyConflict. `before_replay` looks at that receipt first, where
        the digest cannot tell everything. Raises UnknownStaff for an actor not in service.
        """
        key, codes = command.idempotency_key, list(outlets_at)
        ask_staff = staff.ask_staff([self.staff_code, *people])
        ask_outlets = [outlets.ask_outlets(codes)] if codes else []
        ask_key = [vouchers.ask_by_key(key)] if key is not None else []
        self.tx.gather(ask_staff, *ask_outlets, *ask_key, *asks)
        for ask in ask_key:
            self._answer_again(command, ask.answer, before_replay)
        self.people, stamp = ask_staff.answer
        actor = self.people.get(self.staff_code)
        if actor is None or not actor.roles or stamp is None:
            raise UnknownStaff(staff=self.staff_code)
        self.staff = actor
        self.outlets = ask_outlets[0].answer if ask_outlets else {}
        self.policies = self.shelf.book(self.tx, stamp)

    def _answer_again(
        self,
        command: Command,
        earlier: EarlierVoucher | None,
        before_replay: Callable[[Any], None] | None,
    ) -> None:
        """End the act if its key is in the books already."""
        if earlier is None:
            return
        if earlier.act != command.act or earlier.request_digest != command.request_digest():
            raise IdempotencyConflict(key=command.idempotency_key)
        body = json.loads(earlier.body)
        receipt = command.receipt.from_json(body["receipt"])
        if before_replay is not None:
            before_replay(receipt)
        raise _Replayed(receipt)

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

    def heads(self, accounts: Iterable[int]) -> dict[int, Head]:
        """The heads of locked accounts, as they are now."""
        return ledger.load_heads(self.tx, accounts, self.today)

    def bring_up(self, heads: dict[int, Head]) -> dict[int, Head]:
        """Heads that were asked for with other questions, brought up to today."""
        ledger.note_passed_dates(self.tx, heads, self.today)
        return heads

    def posting(self, heads: dict[int, Head]) -> Posting:
        """A posting on these heads, stamped with this act."""
        return Posting(
            heads=heads,
            voucher_id=self.voucher_id,
            business_day=self.today,
            booked_at=self.now,
            scale=self.tx.bank.scale,
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
        body: dict[str, object] = dict(facts or {})
        if keep_receipt:
            body["receipt"] = receipt.to_json()
        fields = (
            self.voucher_id, command.act, command.idempotency_key, command.request_digest(),
            DIGEST_VERSION, self.staff.staff_no, second.staff_no if second else None,
            outlet.outlet_no, self.today, self.now, cites, reason,
            json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str),
        )  # fmt: skip
        self.writes.voucher = fields
        if posting is not None:
            digest = voucher_digest(self.tx.bank.bank_id, fields)
            ledger.write_posting(self.writes, posting, digest, self.tx.seal_key)
        self.tx.write(self.writes)
        if command.act.startswith(_HOUSE_ACTS):
            policies.write_stamp(self.tx, self.voucher_id)


def perform(
    tx: Transaction, staff_code: str, shelf: PolicyShelf, command: CommandT, serve: Serve[Any, Any]
) -> Any:
    """Run one act: the only way in. Looks again when its key was claimed meanwhile."""
    tx.require_sound()
    for _ in range(_TRIES):
        try:
            return serve(Visit(tx, staff_code, shelf), command)
        except _Replayed as replayed:
            return replayed.receipt
        except KeyTaken:
            continue
    raise RetryTransaction(reason="the idempotency key is being claimed by another act")
