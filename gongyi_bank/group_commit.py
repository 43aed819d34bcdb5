"""合并提交: many threads of one service, whose acts are committed together (group commit).

Opt-in, for accounts and stock lots that are hot: acts on one row must follow each other, and
alone each holds its lock until its COMMIT has reached the disk. Here the acts that came while
the last group was being committed make up the next one. Each caller gets exactly the receipt or
the refusal of `bank.execute`; every act keeps its own voucher and key.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, Self, TypeVar, runtime_checkable

from gongyi_bank.bank import Bank, Desks
from gongyi_bank.commands.base import Command
from gongyi_bank.errors import InvalidValue, OutcomeUnknown, QueueEnded, RetryTransaction
from gongyi_bank.service.grouping import TOGETHER, Outcome, Wish, perform_together
from gongyi_bank.store.transaction import Transaction

T = TypeVar("T")
#: How long a caller waits for room in the queue.
_SECONDS_MAX: Final = 30.0
_NO_KEY: Final = "（无 none）"
#: What acts of a group were answered, in their order: receipts, and what was raised.
Answers = Sequence[tuple[Wish, Any]]


@runtime_checkable
class HearsGroups(Protocol):
    """A bank that wants to know what is done in groups, as one that tests watch."""

    def hear_group(self) -> Callable[[Answers], None]:
        """A group begins; what comes back is told its answers, before anybody has them."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A wish in the queue, and who waits for its answer."""

    bank: Bank
    wish: Wish
    future: Future[Any] = field(default_factory=Future)

    def answer(self, said: Any) -> None:
        """Answer with a receipt, or raise what it is."""
        if isinstance(said, BaseException):
            self.future.set_exception(said)
        else:
            self.future.set_result(said)

    def run_alone(self) -> None:
        """Answer with what `bank.execute` says."""
        try:
            receipt = self.bank.execute(self.wish.command)
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            self.future.set_exception(error)
        else:
            self.future.set_result(receipt)


class GroupCommit(Desks):
    """合并提交: a bank's desks for many threads, whose acts are committed in groups.

    with GroupCommit(bank) as counter:
        counter.redemptions.redeem(account=…, …)  # from any thread

    Redemptions, reservations and records of hours are grouped, in the order in which they
    came; all other acts go to the bank at once. One object serves one process: make it after a
    fork, and close it at the end. `batch_max` acts make up a group at most, `queue_max` wait at
    most, and a group waits up to `wait_ms` for as many as the last one had. Raises InvalidValue.
    """

    commits_each_act: ClassVar[bool] = True

    def __init__(
        self, bank: Bank, *, batch_max: int = 64, queue_max: int = 1000, wait_ms: float = 5.0
    ) -> None:
        for name, given in (("batch_max", batch_max), ("queue_max", queue_max)):
            if type(given) is not int or given < 1:
                raise InvalidValue.of(name, given, "a whole number above zero")
        if not 0 <= wait_ms <= 1000:
            raise InvalidValue.of("wait_ms", wait_ms, "milliseconds from 0 to 1000")
        self._bank = bank
        self._queue = _Queue(bank, batch_max, queue_max, wait_ms / 1000)

    def execute(self, command: Command) -> Any:
        """Run any command and return its receipt, or raise its refusal, as `bank.execute` does.

        Raises RetryTransaction when the queue stays full, OutcomeUnknown when the answer to the
        group's COMMIT was lost, QueueEnded after `close`.
        """
        if type(command) not in TOGETHER:
            return self._bank.execute(command)
        future = self._submit(command, _SECONDS_MAX)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Whoever gives up while it waits has not done it.
            raise

    def submit(self, command: Command) -> Future[Any]:
        """Queue any command and return at once; the answer is in the future.

        Acts that are not grouped wait for their turn too. A future that is cancelled while its
        command waits was not done. Raises RetryTransaction when the queue is full.
        """
        return self._submit(command, 0)

    def _submit(self, command: Command, seconds: float) -> Future[Any]:
        entry = _Entry(self._bank, Wish(self._bank._actor(None), command))
        self._queue.put(entry, seconds)
        return entry.future

    def read(self, look: Callable[[Transaction], T]) -> T:
        """Read in a transaction of its own, what was answered included."""
        return self._bank.read(look)

    def glance(self, look: Callable[[Transaction], T]) -> T:
        """Read with one statement, what was answered included."""
        return self._bank.glance(look)

    def keep(self, work: Callable[[Transaction], T]) -> T:
        """Write what is no act in a transaction of its own."""
        return self._bank.keep(work)

    def acting_as(self, staff: str) -> GroupCommit:
        """The same queue, for another staff member."""
        other = object.__new__(type(self))
        other._bank, other._queue = self._bank.acting_as(staff), self._queue
        return other

    def close(self) -> None:
        """Take no more, do what is queued, and stop. The bank stays open."""
        self._queue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Queue:
    """What waits, and the thread that takes it in groups."""

    def __init__(self, bank: Bank, batch_max: int, queue_max: int, wait_seconds: float) -> None:
        self.bank = bank
        self.batch_max, self.queue_max = batch_max, queue_max
        self.wait_seconds = wait_seconds
        self._process = os.getpid()
        self._waiting: deque[_Entry] = deque()
        self._is_closed = False
        lock = threading.Lock()
        #: Somebody came whom the thread waits for; something was taken.
        self._came, self._taken = threading.Condition(lock), threading.Condition(lock)
        #: The thread sleeps until so many wait.
        self._wanted = 1
        self._thread = threading.Thread(target=self._work, name="gongyi-bank", daemon=True)
        self._thread.start()

    def put(self, entry: _Entry, seconds: float) -> None:
        """Queue an entry, waiting so long for room."""
        if os.getpid() != self._process:
            raise QueueEnded()
        with self._taken:
            self._taken.wait_for(
                lambda: self._is_closed or len(self._waiting) < self.queue_max, seconds
            )
            if self._is_closed:
                raise QueueEnded()
            if len(self._waiting) >= self.queue_max:
                raise RetryTransaction(reason=f"{self.queue_max} acts are queued already")
            self._waiting.append(entry)
            if len(self._waiting) >= self._wanted:
                self._came.notify()

    def close(self) -> None:
        """Let the thread finish what is queued; in a forked process there is none."""
        if os.getpid() != self._process:
            return
        with self._came:
            self._is_closed = True
            self._came.notify()
            self._taken.notify_all()
        self._thread.join()

    # --- in the thread ---

    def _work(self) -> None:
        size = 0
        while batch := self._take(size):
            size = len(batch)
            running = [entry for entry in batch if entry.future.set_running_or_notify_cancel()]
            try:
                self._answer(running)
            except BaseException as error:  # noqa: BLE001 - nobody may be left waiting
                for entry in running:
                    if not entry.future.done():
                        entry.future.set_exception(error)

    def _take(self, expected: int) -> list[_Entry]:
        """The next group, which waits a moment for as many as the last one had; none at the end."""
        with self._came:
            self._wait_for(1, None)
            if self._waiting and expected > 1:
                self._wait_for(min(expected, self.batch_max), self.wait_seconds)
            count = self._count_together()
            batch = [self._waiting.popleft() for _ in range(count)]
            self._taken.notify(count)
            return batch

    def _wait_for(self, count: int, seconds: float | None) -> None:
        self._wanted = count
        self._came.wait_for(lambda: self._is_closed or len(self._waiting) >= count, seconds)
        self._wanted = 1

    def _count_together(self) -> int:
        """How many of those in front can be done together; an act of another kind goes alone."""
        count = 0
        for entry in self._waiting:
            if count == self.batch_max:
                break
            if type(entry.wish.command) not in TOGETHER:
                return max(count, 1)
            count += 1
        return count

    def _answer(self, batch: list[_Entry]) -> None:
        rest = batch if len(batch) < 2 else _Group(self.bank, batch).answer()
        for entry in rest:
            entry.run_alone()


class _Group:
    """Entries that are done in one transaction."""

    def __init__(self, bank: Bank, entries: list[_Entry]) -> None:
        self.bank, self.entries = bank, entries
        self.outcomes: list[Outcome] | None = None
        self._is_tried = False

    def answer(self) -> list[_Entry]:
        """Answer whom it can; the rest is to be done alone."""
        tell = self.bank.hear_group() if isinstance(self.bank, HearsGroups) else None
        lost = None
        try:
            self.bank.keep(self._perform)
        except Exception as error:  # noqa: BLE001 - some are judged anew, each hears its own
            if self.outcomes is None or isinstance(error, RetryTransaction):
                return self.entries  # certainly not applied
            lost = error
        answers = [
            (entry, _answer_to(entry.wish, outcome, lost))
            for entry, outcome in zip(self.entries, self.outcomes or [], strict=True)
        ]
        if tell is not None:
            tell([(entry.wish, said) for entry, said in answers if said is not None])
        for entry, said in answers:
            if said is not None:
                entry.answer(said)
        return [entry for entry, said in answers if said is None]

    def _perform(self, tx: Transaction) -> None:
        self.outcomes = None
        if self._is_tried:
            raise _TriedBefore
        self._is_tried = True
        wishes = [entry.wish for entry in self.entries]
        self.outcomes = perform_together(tx, self.bank._shelf, wishes)


def _answer_to(wish: Wish, outcome: Outcome, lost: Exception | None) -> Any:
    """What to say when the answer to COMMIT is there or was lost; None where it is done alone."""
    if outcome.is_written and lost is not None:
        return _unknown(wish.command, lost)
    if outcome.receipt is not None:
        return outcome.receipt
    # A refusal may rest on what was perhaps not committed: nothing was written.
    return outcome.error if lost is None else None


class _TriedBefore(Exception):
    """The group was not applied and is not tried again as a whole."""


def _unknown(command: Command, lost: Exception) -> OutcomeUnknown:
    reason = lost.facts["reason"] if isinstance(lost, OutcomeUnknown) else type(lost).__name__
    return OutcomeUnknown(key=command.idempotency_key or _NO_KEY, reason=reason)
