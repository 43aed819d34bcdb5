"""The gate that every act passes: who acts, where, under which key, and what is written.

An act is a function `serve(visit, command) -> receipt` and walks the same steps
(design.md §4): `visit.lock(...)`, then `visit.enter(...)` and further facts in later
statements, then pure rules, and last `visit.book(...)`, which writes everything at once.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from gongyi_bank.commands.base import DIGEST_VERSION, Command
from gongyi_bank.errors import IdempotencyConflict, RetryTransaction, UnknownStaff
from gongyi_bank.periods import business_day
from gongyi_bank.policies import PolicyBook
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.rules.accrual import require_open_outlet
from gongyi_bank.rules.ledger import Head, Posting, voucher_digest
from gongyi_bank.rules.staff import OutletFacts, StaffFacts, require_permission
from gongyi_bank.store import ledger, outlets, policies, staff, vouchers
from gongyi_bank.store.engines import KeyTaken
from gongyi_bank.store.transaction import Transaction
from gongyi_bank.store.writing import Writes
from gongyi_bank.values import new_uuid7

CommandT = TypeVar("CommandT", bound=Command)
ReceiptT = TypeVar("ReceiptT", bound=AnyReceipt)
Serve = Callable[["Visit", CommandT], ReceiptT]
#: How often an act whose key was claimed meanwhile looks again before it gives up.
_TRIES = 3


class PolicyShelf:
    """A handle's copy of the bank's policies, read again when their stamp has changed."""

    def __init__(self) -> None:
        self._book: PolicyBook | None = None

    def book(self, tx: Transaction) -> PolicyBook:
        """The policies as this transaction sees them."""
        stamp = policies.load_stamp(tx)
        if self._book is None or self._book.version != stamp:
            self._book = policies.load_book(tx, stamp)
        return self._book


class _Replayed(Exception):
    def __init__(self, receipt: AnyReceipt) -> None:
        self.receipt = receipt


class Visit:
    """One act on its way through the rooms: its transaction, its people, its rows."""

    def __init__(self, tx: Transaction, staff_code: str, shelf: PolicyShelf) -> None:
        self.tx = tx
        self.staff_code = staff_code
        self._shelf = shelf
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
        self.now = self.tx.clock().astimezone(dt.UTC)
        self.today = business_day(self.now, self.tx.bank.zone)
        self.voucher_id = new_uuid7(self.now, os.urandom(10))

    @property
    def voucher_uuid(self) -> UUID:
        """The id of the voucher that this act will write."""
        return UUID(bytes=self.voucher_id)

    # --- lock, then facts ---

    def lock(self, accounts: Iterable[int]) -> None:
        """Lock these accounts' heads; the clock is read after the wait."""
        ledger.lock_heads(self.tx, accounts)
        self._stamp()

    def enter(
        self, command: Command, *, outlets_at: Iterable[str] = (), people: Iterable[str] = ()
    ) -> None:
        """Read who acts, the outlets and people named, the key, and the rules in force.

        A key that is in the books ends the act here: same request, its receipt; another
        request, IdempotencyConflict. Raises UnknownStaff for an actor not in service.
        """
        if command.idempotency_key is not None:
            self._look_up_key(command, command.idempotency_key)
        self.people = staff.load_staff(self.tx, [self.staff_code, *people])
        actor = self.people.get(self.staff_code)
        if actor is None or not actor.roles:
            raise UnknownStaff(staff=self.staff_code)
        self.staff = actor
        codes = list(outlets_at)
        self.outlets = outlets.load_outlets(self.tx, codes) if codes else {}
        self.policies = self._shelf.book(self.tx)

    def _look_up_key(self, command: Command, key: str) -> None:
        earlier = vouchers.load_by_key(self.tx, key)
        if earlier is None:
            return
        if earlier.act != command.act or earlier.request_digest != command.request_digest():
            raise IdempotencyConflict(key=key)
        body = json.loads(earlier.body)
        raise _Replayed(command.receipt.from_json(body["receipt"]))

    def outlet_for(self, act: str, code: str | None, *, store_no: int | None = None) -> OutletFacts:
        """The open outlet that handles the act, and the proof that the actor may do it there.

        Without a code it is the outlet of the actor's first role.
        """
        outlet = self._own_outlet() if code is None else require_open_outlet(self.outlets, code)
        require_permission(self.staff, act, outlet, store_no)
        return outlet

    def _own_outlet(self) -> OutletFacts:
        own_no = self.staff.roles[0].outlet_no
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
