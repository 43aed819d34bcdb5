"""A worker of the bank test: a real client that asks, writes down, and never gives up on a key.

Workers are forked by a nursery, a process with one thread that has imported everything, since a
kill a second would otherwise be mostly importing: `python -m tests.faults.worker`, orders by
lines on the standard input, each answered by the new worker's number.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.commands.transfers import GiftPoints
from gongyi_bank.errors import (
    EngineError,
    GongyiBankError,
    IdempotencyConflict,
    OutcomeUnknown,
    RetryTransaction,
)
from gongyi_bank.store.engines import connect
from gongyi_bank.values import Points
from tests.district import START
from tests.faults import errands
from tests.faults.errands import COMMANDS, Errand, Wallet
from tests.faults.hands import Hand
from tests.faults.journal import Attempt, Journal, read_journals
from tests.faults.planted import hand_of
from tests.faults.reports import REPORTS, question

#: A file in the journals' folder: enough has happened, and everybody comes to an end.
ENOUGH = "enough"
#: All workers race for the same key during so many seconds.
RACE_SECONDS = 0.2
#: What a worker does next, by the upper end of its share.
SHARES = (
    (0.45, "fresh"), (0.60, "race"), (0.68, "late"), (0.72, "other"),
    # 18 % read what they read at one moment, half of them by the library's own reports …
    (0.81, "statement"), (0.86, "balances"), (0.90, "trial_balance"),
    # … and 10 % account by account.
    (0.94, "each"), (0.96, "balance"), (0.98, "balance_as_of"), (1.00, "totals"),
)  # fmt: skip
#: The morning after the bank was founded: the day before can be closed.
BEGIN = START + dt.timedelta(days=1)
#: How many of its own acknowledged errands a worker may come back to.
REMEMBERED_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is told when it begins."""

    url: str
    accounts: tuple[int, ...]
    seed: int
    #: Its place among the workers, and how many were killed there before.
    place: int
    predecessors: int
    folder: str
    #: By the monotonic clock: when the run began, and when to bring it to an end.
    began: float
    stop: float
    #: How long it asks for what is unresolved after that, while the bank is left in peace.
    settle_seconds: float
    planted: str | None = None
    #: What SQLite is told after the library has set its connection up.
    pragmas: tuple[str, ...] = ()

    def journal(self, predecessor: int | None = None) -> Path:
        """The file of this worker, or of one before it."""
        number = self.predecessors if predecessor is None else predecessor
        return Path(self.folder) / f"worker-{self.place}-{number}.jsonl"

    def to_json(self) -> str:
        """The order as a line."""
        return json.dumps(asdict(self))


class DrivenClock:
    """The bank's clock: it goes with the machine's, and jumps when the file says so."""

    def __init__(self, folder: Path, began: float) -> None:
        self._file = folder / "clock"
        self._began = began

    def __call__(self) -> dt.datetime:
        """Now, for the bank."""
        jump = float(self._file.read_text() or 0)
        return BEGIN + dt.timedelta(seconds=time.monotonic() - self._began + jump)


class Worker:
    """One client: its bank, its journal, and what it still has to find out."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._clock = DrivenClock(Path(order.folder), order.began)
        self._journal = Journal(order.journal(), order.place)
        seed = f"{order.seed}-{order.place}-{order.predecessors}"
        self._chance = random.Random(seed)
        self._wallet = Wallet(list(order.accounts), self._chance)
        self._acknowledged: list[Errand] = []
        self._pending: list[Errand] = []
        #: When something was booked that this worker has been told of.
        self._moments = [START]
        self._count = 0

    def run(self) -> None:
        """Take over what a killed predecessor left, work, and settle what is open."""
        self._hand = self._come_in()
        if self._order.predecessors:
            # All of them: the last one may have been killed before it could ask for the others.
            before = map(self._order.journal, range(self._order.predecessors))
            earlier = read_journals([path for path in before if path.exists()])
            self._pending = [errand_of(attempt) for attempt in unsettled(earlier.attempts)]
        while time.monotonic() < self._order.stop and not self._is_enough():
            self._settle_some()
            self._step()
            time.sleep(self._hand.rest_seconds)
        give_up = time.monotonic() + self._order.settle_seconds
        while self._pending and self._hand.resubmits and time.monotonic() < give_up:
            self._settle_some(share=1.0)
        self._journal.end()

    def _is_enough(self) -> bool:
        return (Path(self._order.folder) / ENOUGH).exists()

    def _come_in(self) -> Hand:
        """A hand at the bank's counter; the bank may be down just now."""
        engine = engine_told(self._order.url, self._order.pragmas)
        while True:
            try:
                bank = Bank.open(engine, staff="T1", clock=self._clock, unsafe_settings="allow")
            except EngineError:
                if time.monotonic() > self._order.stop + self._order.settle_seconds:
                    raise  # nobody is there any more, not even who asked for us
                time.sleep(0.1)
                continue
            return hand_of(self._order.planted)(bank, list(self._order.accounts))

    def _settle_some(self, share: float = 0.3) -> None:
        """Submit again what is unresolved: at once, or else now and then."""
        if not self._hand.resubmits or not self._pending or self._chance.random() > share:
            return
        self._submit(self._pending.pop(0), "again")

    def _step(self) -> None:
        dice = self._chance.random()
        kind = next(name for share, name in SHARES if dice < share)
        if self._chance.random() < self._hand.race_share:
            kind = "race"
        if kind in ("statement", "each"):
            self._look(kind)
            return
        if kind in REPORTS:
            self._report(kind)
            return
        if kind in ("late", "other") and not self._acknowledged:
            kind = "fresh"
        self._submit(self._errand(kind), kind)

    def _errand(self, kind: str) -> Errand:
        if kind == "race":
            slot = int((time.monotonic() - self._order.began) / RACE_SECONDS)
            chance = random.Random(f"{self._order.seed}-{slot}")
            return errands.gift(list(self._order.accounts), chance, f"race-{slot}")
        if kind == "fresh":
            self._count += 1
            key = f"w{self._order.place}-{self._order.predecessors}-{self._count}"
            return self._wallet.next(key, self._clock())
        earlier = self._chance.choice(self._acknowledged)
        if kind == "other" and isinstance(earlier.command, GiftPoints):
            return _another(earlier)
        return earlier

    def _submit(self, errand: Errand, kind: str) -> None:
        command = errand.command
        number = self._journal.intend(
            key=errand.key, act=command.act, digest=command.request_digest().hex(),
            lines=errand.lines, kind=kind, staff=errand.staff, command=command.model_dump_json(),
        )  # fmt: skip
        was_told: list[Any] = []

        def tell(receipt: Any) -> None:
            was_told.append(receipt)
            self._acknowledge(number, errand, receipt)

        try:
            self._hand.submit(errand, tell)
        except GongyiBankError as error:
            if not was_told:
                self._take_no(number, errand, error)

    def _acknowledge(self, number: int, errand: Errand, receipt: Any) -> None:
        told = json.loads(receipt.to_json())
        shows, balances = _told(told)
        self._journal.answered(number, "ok", receipt=told, shows=shows, balances=balances)
        self._wallet.remember(errand, told)
        self._acknowledged.append(errand)
        self._moments.append(receipt.booked_at)
        for remembered in (self._acknowledged, self._moments):
            del remembered[:-REMEMBERED_MAX]

    def _take_no(self, number: int, errand: Errand, error: GongyiBankError) -> None:
        outcome = _outcome(error)
        reason = str(error.facts.get("reason", "")) if isinstance(error, EngineError) else ""
        self._journal.answered(number, outcome, code=f"{error.code} {reason}".strip())
        if outcome not in ("refused", "conflict"):
            self._pending.append(errand)
            time.sleep(0.05)

    def _look(self, kind: str) -> None:
        started = time.monotonic()
        try:
            found = self._hand.at_once() if kind == "statement" else self._hand.one_by_one()
        except EngineError:
            time.sleep(0.05)
            return
        balances, lines, internal = found
        self._journal.looked(
            kind=kind, started=started, balances=balances, lines=lines, internal=internal
        )

    def _report(self, kind: str) -> None:
        asked = question(kind, self._chance.choice(self._moments), self._chance)
        started = time.monotonic()
        try:
            shown = self._hand.report(kind, asked)
        except EngineError:
            time.sleep(0.05)
            return
        self._journal.reported(kind=kind, started=started, asked=asked, shown=shown)


def unsettled(attempts: tuple[Attempt, ...]) -> list[Attempt]:
    """The newest attempt for every request of which its worker does not know what became."""
    newest = {(attempt.key, attempt.digest): attempt for attempt in attempts}
    return [attempt for attempt in newest.values() if not attempt.is_settled]


def engine_told(url: str, pragmas: tuple[str, ...] = ()) -> sa.Engine:
    """An engine as the library makes it, whose connections are then told these."""
    engine = connect(url)

    def tell(connection: Any, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    if pragmas:
        sa.event.listen(engine, "connect", tell)
    return engine


def errand_of(attempt: Attempt) -> Errand:
    """What was asked for then, to be asked for again."""
    command = COMMANDS[attempt.act].model_validate_json(attempt.command)
    return Errand(command, attempt.lines, attempt.staff)


def _another(earlier: Errand) -> Errand:
    """Another request under the same key: ten points more."""
    command = earlier.command
    assert isinstance(command, GiftPoints)
    points = Points.of_units(command.points.to_units(2) + 1000, 2)
    changed = command.model_copy(update={"points": points})
    units = points.to_units(2)
    return replace(
        earlier, command=changed, lines=((command.account, -units), (command.target, units))
    )


def _outcome(error: GongyiBankError) -> str:
    if isinstance(error, IdempotencyConflict):
        return "conflict"
    if isinstance(error, OutcomeUnknown):
        return "unknown"
    if isinstance(error, RetryTransaction):
        return "retry"
    return "failed" if isinstance(error, EngineError) else "refused"


def _told(receipt: dict[str, Any]) -> tuple[dict[int, int], dict[int, int]]:
    """The newest line of an account that a receipt tells of, and the balance."""
    part = receipt.get("part", receipt)
    if "account" not in part:
        return {}, {}
    account, number = part["account"], part.get("by_line_no") or part.get("line_no")
    balance = {account: Points.of_sum(part["balance"]).to_units(2)} if "balance" in part else {}
    return {account: number} if number else {}, balance


def _be_a_worker(order: Order) -> None:
    """The whole life of a forked worker; its end is an exit, whatever happens."""
    complaints = Path(order.folder) / f"worker-{order.place}-{order.predecessors}.err"
    with complaints.open("w") as err:
        os.dup2(err.fileno(), 2)
        os.dup2(err.fileno(), 1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        code = 1
        try:
            Worker(order).run()
            code = 0
        finally:
            if code:
                sys.excepthook(*sys.exc_info())
            err.flush()
            os._exit(code)


#: The place of who only rehearses.
NOWHERE = -1


def _rehearse(order: Order) -> None:
    """Some acts of every kind that are all rolled back: drivers are imported, queries compiled."""
    bank = Bank.open(order.url, staff="T1", clock=lambda: BEGIN, unsafe_settings="allow")
    hand = Hand(bank, list(order.accounts))
    wallet = Wallet(hand.accounts, random.Random(order.seed))
    for number in range(40):
        errand = wallet.next(f"rehearsed-{number}", BEGIN)
        with suppress(GongyiBankError), bank.simulate(staff=errand.staff) as counter:
            wallet.remember(errand, json.loads(counter.execute(errand.command).to_json()))
    hand.at_once(), hand.one_by_one()
    for kind in REPORTS:
        hand.report(kind, question(kind, BEGIN, random.Random(order.seed)))
    bank.close()  # who is forked must not share a connection
    gc.collect()  # nor keep one open that came back late, in a pool that nobody knows any more


def main() -> None:
    """The nursery: fork a worker for every order, until the input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        given = json.loads(line)
        several = {name: tuple(given[name]) for name in ("accounts", "pragmas")}
        order = Order(**given | several)
        if order.place == NOWHERE:
            _rehearse(order)
            print(NOWHERE, flush=True)
            continue
        number = os.fork()
        if number == 0:
            _be_a_worker(order)
        print(number, flush=True)


if __name__ == "__main__":
    main()
