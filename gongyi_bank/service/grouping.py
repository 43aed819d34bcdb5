"""合并提交: several acts judged one after another behind common locks, and written at once.

Each act keeps its own voucher, key, digest and receipt, and is judged by the same rules on the
same facts as alone, in order, after what the acts before it changed. So the books are those of
the acts one by one; only the locks, the questions, the statement that writes and the COMMIT are
shared. What cannot be answered from the common facts is left to be done alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.commands.redemptions import Redeem, Reserve
from gongyi_bank.errors import EngineError, GongyiBankError, UnknownStaff
from gongyi_bank.receipts.base import AnyReceipt
from gongyi_bank.rules.ledger import Posting
from gongyi_bank.rules.staff import OutletFacts
from gongyi_bank.service.gate import (
    ClockBehind,
    HouseShelf,
    Visit,
    next_voucher_id,
    receipt_again,
)
from gongyi_bank.service.hours import RecordedTogether
from gongyi_bank.service.redemptions import RedeemedTogether
from gongyi_bank.service.together import Apart, Together
from gongyi_bank.store import staff, vouchers
from gongyi_bank.store.transaction import Ask, Transaction
from gongyi_bank.store.vouchers import EarlierVoucher
from gongyi_bank.store.writing import VOUCHER_COLUMNS, Writes

#: Where a voucher's body stands in its row.
_BODY: Final = VOUCHER_COLUMNS.index("body")


@dataclass(frozen=True, slots=True)
class Wish:
    """A command, and the code of whoever acts."""

    staff: str
    command: Command


@dataclass(slots=True)
class Outcome:
    """What became of a wish in its group: a receipt, a refusal, or nothing yet."""

    receipt: AnyReceipt | None = None
    error: GongyiBankError | None = None
    #: Whether the answer rests on rows that the group has written.
    is_written: bool = False


#: How the acts that can be grouped are judged there.
TOGETHER: Final[dict[type[Command], type[Together[Any, Any]]]] = {
    Redeem: RedeemedTogether,
    Reserve: RedeemedTogether,
    RecordHours: RecordedTogether,
}


def perform_together(tx: Transaction, shelf: HouseShelf, wishes: Sequence[Wish]) -> list[Outcome]:
    """Judge and write a group; an outcome without receipt and error is to be done alone.

    Raises Apart where only one by one gives the same answers, and whatever a transaction can
    raise; then nothing of the group may be committed.
    """
    group = _Group(tx, shelf, wishes)
    group.lock_and_read()
    outcomes = [group.answer(wish) for wish in wishes]
    if group.written:
        tx.write(Writes.joined(group.written))
    return outcomes


class _Group(Visit):
    """The common part: what is locked and asked for all, and what they write."""

    def __init__(self, tx: Transaction, shelf: HouseShelf, wishes: Sequence[Wish]) -> None:
        super().__init__(tx, wishes[0].staff, shelf)
        self.wishes = wishes
        commands: dict[type[Together[Any, Any]], list[Command]] = {}
        for wish in wishes:
            commands.setdefault(TOGETHER[type(wish.command)], []).append(wish.command)
        self.kinds = {kind: kind(tx, listed, self.now) for kind, listed in commands.items()}
        self.earlier: dict[str, EarlierVoucher] = {}
        #: The keys under which this group itself writes.
        self.claimed: set[str] = set()
        #: The keys of acts that are left to be done alone, and must find them as they are.
        self.left: set[str] = set()
        self.written: list[Writes] = []
        self.ids: list[bytes] = []

    def lock_and_read(self) -> None:
        """Lock, and then read, what all of them together need."""
        kinds = list(self.kinds.values())
        self.tx.gather(*(ask for kind in kinds for ask in kind.asks_before()))
        then = [ask for kind in kinds for ask in kind.locks()]
        numbers = set().union(*(kind.numbers for kind in kinds))
        places = set().union(*(kind.places for kind in kinds))
        self.lock(numbers, *then, outlets_at=places)
        # In the order of the acts, as ids of moments that follow each other would be.
        self.ids = [next_voucher_id(self.now) for _ in self.wishes]
        self.ids.reverse()
        heads = [self._heads] if self._heads else []
        self._read(places, [*heads, *(ask for kind in kinds for ask in kind.asks(self))])
        try:
            locked = self.heads()
        except ClockBehind:
            raise Apart from None
        for kind in kinds:
            kind.begin(self, locked)

    def _read(self, places: Iterable[str], asks: Sequence[Ask[Any]]) -> None:
        named = set().union(*(kind.people for kind in self.kinds.values()))
        ask_staff = staff.ask_staff([*named, *(wish.staff for wish in self.wishes)])
        keys = [wish.command.idempotency_key for wish in self.wishes]
        ask_keys = vouchers.ask_by_keys(key for key in keys if key is not None)
        ask_outlets = self.ask_outlets(places)
        ask_homes = self.ask_homes()
        self.tx.gather(ask_staff, *ask_outlets, *ask_homes, *asks, ask_keys)
        self.people, stamp = ask_staff.answer
        if stamp is None:
            raise Apart  # nobody named is there at all: each hears it by itself
        #: Until the first act puts its own in the place.
        self.staff = next(iter(self.people.values()))
        self.outlets = ask_outlets[0].answer if ask_outlets else {}
        self.earlier = ask_keys.answer
        self.judge_by(stamp, ask_homes)

    def answer(self, wish: Wish) -> Outcome:
        """Judge one wish, and note what it writes."""
        command, key = wish.command, wish.command.idempotency_key
        kind = self.kinds[TOGETHER[type(command)]]
        try:
            earlier = self.earlier.get(key) if key is not None else None
            if earlier is not None:
                return Outcome(receipt_again(command, earlier), is_written=key in self.claimed)
            visit = _Member(self, wish)
            decision = kind.judge(visit, command)
        except EngineError:
            raise
        except GongyiBankError as error:
            return Outcome(error=error.in_zone(self.tx.bank.zone))
        if decision is None:
            self.left |= {key} if key is not None else set()
            return Outcome()
        if key in self.left:
            raise Apart  # the earlier act would find its key claimed by this one
        receipt = kind.book(visit, command, decision)
        self._note(visit, command)
        return Outcome(receipt, is_written=True)

    def _note(self, visit: _Member, command: Command) -> None:
        self.written.append(visit.writes)
        key = command.idempotency_key
        if key is not None:
            body = visit.writes.vouchers[0][_BODY]
            digest = command.request_digest()
            self.earlier[key] = EarlierVoucher(command.act, digest, body)
            self.claimed.add(key)


class _Member(Visit):
    """One act of a group: who acts, its voucher and its rows; what is known is the group's."""

    def __init__(self, group: _Group, wish: Wish) -> None:
        self.tx, self.shelf, self.staff_code = group.tx, group.shelf, wish.staff
        self.asked_at, self.now, self.today = group.asked_at, group.now, group.today
        self.policies, self.closed = group.policies, group.closed
        self.outlets, self.people, self.homes = group.outlets, group.people, group.homes
        self._is_all_kept, self._kept = group._is_all_kept, group._kept
        self.voucher_id = group.ids.pop()
        self.writes = Writes()
        actor = self.people.get(wish.staff)
        if actor is None or not actor.roles:
            raise UnknownStaff(staff=wish.staff)
        self.staff = actor

    def book(
        self,
        command: Command,
        receipt: AnyReceipt,
        outlet: OutletFacts,
        *,
        posting: Posting | None = None,
        **more: Any,
    ) -> None:
        """Make the voucher and its rows, which are written with those of the others."""
        heads = list(posting.heads.values()) if posting else []
        dates = [head.dates for head in heads]
        super().book(command, receipt, outlet, posting=posting, **more)
        for head, found in zip(heads, dates, strict=True):
            head.go_on(found)

    def _write(self, command: Command) -> None:
        """Later, all at once."""
