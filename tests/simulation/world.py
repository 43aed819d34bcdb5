"""The world that clients live in: its bank, its chance, its scheduler, its audits, its history."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections import Counter, deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from greenlet import GreenletExit, getcurrent

from gongyi_bank.bank import Bank
from gongyi_bank.periods import business_day
from gongyi_bank.store import connections
from gongyi_bank.testing import assert_sound
from gongyi_bank.testing.machine.comparison import require_equal_rows, rows_of_reference
from gongyi_bank.testing.machine.furnishing import ADMINISTRATOR, HEAD_OFFICE, furnishing
from gongyi_bank.testing.machine.passing_time import MOMENTS
from gongyi_bank.testing.reference import ReferenceBank
from tests.district import Clock
from tests.simulation.clients import Client
from tests.simulation.mirror import Mirror, unlike
from tests.simulation.planted import WANTED, Planted, planting
from tests.simulation.requests import FOUNDINGS, SCALE, Maker, Request
from tests.simulation.wire import Broken

#: Acts between two audits of everything.
AUDIT_EVERY = 250
#: How often, when somebody begins something, minutes pass; and how often more.
MINUTES_RATE, MOMENTS_RATE = 0.5, 0.03
_MOMENTS = (
    "midnight", "just before midnight", "the next deadline", "just before the next deadline",
    "the next deadline", "the next expiry", "a week",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a run came to."""

    seed: int
    acts: int
    statements: int
    #: SHA-256 over every statement, failure, answer and refusal in their order.
    digest: str
    acknowledged: int
    reads: int
    #: What was committed, by act; by kind, the lines that it wrote.
    committed: dict[str, int]
    lines: dict[str, int]
    refused: dict[str, int]
    failures: dict[str, int]
    #: Days that passed.
    days: int
    audits: int


class World:
    """One run: the same seed, number of acts and clients give the same history."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        clients: int = 5,
        planted: Planted | None = None,
    ) -> None:
        self.seed = seed
        self.url = f"sqlite:///{folder / 'simulated.db'}"
        self.planted = planted
        #: How many of the statements fail; more where a fault must be found soon.
        self.failure_rate = 0.05 if planted else 0.02
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.began_at = self.clock()
        #: Nobody takes turns and nothing fails: founding, audits, the end.
        self.is_quiet = True
        self.failures: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        #: The receipts that somebody was given, by key.
        self.answers: dict[str, Any] = {}
        #: New keys of acts that were sent before, and the keys that they had then.
        self.renamed: dict[str, str] = {}
        self.reads = self.statements = self.audits = self.acts = 0
        self._asked_again: set[str] = set()
        self._digest = hashlib.sha256()
        self._newest: deque[str] = deque(maxlen=60)
        self._acts_to_come = 0
        self._buried = 0
        self._found()
        self.maker = Maker(self.chance, self.clock, WANTED.get(planted) if planted else None)
        #: Where clients go back to when they let others go on.
        self.loop = getcurrent()
        self.clients = [Client(self, f"c{number}") for number in range(clients)]

    def _found(self) -> None:
        """A bank with one of everything, and the reference bank beside it."""
        settings: dict[str, Any] = {
            "bank": "雁江", "head_office": HEAD_OFFICE, "administrator": ADMINISTRATOR,
            "policies": FOUNDINGS[self.seed % len(FOUNDINGS)], "clock": self.clock,
            "scale": SCALE,
        }  # fmt: skip
        self._auditor = Bank.found(self.url, unsafe_settings="allow", **settings)
        self.mirror = Mirror(ReferenceBank.found(**settings))
        for command in furnishing(self.mirror.books):
            self._ask(Request(ADMINISTRATOR, command))

    def _ask(self, request: Request) -> Any:
        """Ask both banks while everybody rests; the receipt, which must be alike."""
        said = self._auditor.acting_as(request.staff).execute(request.command)
        answer = self.mirror.answer(request, self.clock())
        if difference := unlike(said, answer):
            self.fail(f"{request}, asked in the audit: {difference}")
        self.mirror.ids.learn(said, answer)
        return said

    # --- the scheduler ------------------------------------------------------------------------

    def run(self, acts: int) -> Told:
        """Live until so many units of work were begun, with an audit every now and then."""
        try:
            with ExitStack() as stack:
                stack.enter_context(mock.patch("time.sleep", self._sleep))
                # Nobody gives up because this machine is slow: only tries are counted.
                stack.enter_context(mock.patch.object(connections, "SECONDS_MAX", float("inf")))
                stack.enter_context(planting(self.planted))
                while self.acts < acts:
                    self._acts_to_come = min(AUDIT_EVERY, acts - self.acts)
                    self._let_live()
                    self.audit()
        finally:
            self._end()
        return self._told()

    def _sleep(self, _seconds: float) -> None:
        """Whoever waits before another try lets others go on; no time passes."""
        if not self.is_quiet:
            self.loop.switch()

    def _let_live(self) -> None:
        """Switch from client to client until each has settled what it began."""
        self.is_quiet = False
        for client in self.clients:
            client.revive()
        while awake := [client for client in self.clients if not client.is_parked]:
            self.chance.choice(awake).thread.switch()
        self.is_quiet = True

    def switch(self, client: Client) -> None:
        """Back to the scheduler, if it is the client itself that asks."""
        if getcurrent() is client.thread:
            self.loop.switch()

    def wants_rest(self, client: Client) -> bool:
        """Whether the client shall begin nothing new; then its greenlet ends."""
        if self._acts_to_come:
            self._acts_to_come -= 1
            self.acts += 1
            return False
        client.is_parked = True
        return True

    def bury(self, client: Client) -> None:
        """A client died: a successor takes its place, and what it left behind."""
        self._buried += 1
        was_quiet, self.is_quiet = self.is_quiet, True
        client.dispose()
        heir = Client(self, f"c{self.clients.index(client)}.{self._buried}", client.unit)
        self.is_quiet = was_quiet
        self.clients[self.clients.index(client)] = heir

    def pass_time(self) -> None:
        """Let the clock go on, mostly by minutes, now and then until something is due."""
        if self.plays(Planted.FORGOTTEN_EXPIRY, 0.1):
            self.clock.now = MOMENTS["the next expiry"](self.clock(), self.mirror.books)
        if self.chance.random() < MINUTES_RATE:
            self.clock.advance(minutes=self.chance.randrange(1, 90))
        if self.chance.random() < MOMENTS_RATE:
            pass_until = MOMENTS[self.chance.choice(_MOMENTS)]
            self.clock.now = pass_until(self.clock(), self.mirror.books)

    @property
    def today(self) -> dt.date:
        """The bank's business day."""
        return business_day(self.clock(), self._auditor.zone)

    @property
    def yesterday(self) -> dt.date:
        """The day that is over."""
        return self.today - dt.timedelta(days=1)

    def wish(self) -> Request:
        """What somebody may ask for next."""
        return self.maker.request(self.mirror.books, self.mirror.ids)

    def plays(self, planted: Planted, rate: float) -> bool:
        """Whether a planted fault that comes now and then comes now."""
        return self.planted is planted and not self.is_quiet and self.chance.random() < rate

    # --- the history --------------------------------------------------------------------------

    def note(self, client: Client, word: str, sql: str, fails: str) -> None:
        """A statement that somebody runs next."""
        self.statements += 1
        mark = hashlib.sha256(sql.encode()).hexdigest()[:8]
        self._write(f"{client.name} {word} {mark} {fails}")

    def say(self, client: Client, words: str) -> None:
        """Something that a client did or was told."""
        self._write(f"{client.name}: {words}")

    def _write(self, line: str) -> None:
        self._digest.update(f"{line}\n".encode())
        self._newest.append(line)

    def refuse(self, client: Client, request: Request, code: str) -> None:
        """A client was told that this is not done."""
        self.say(client, f"{request} refused: {code}")
        self.refused[code] += 1

    def acknowledge(self, client: Client, request: Request, receipt: Any, answer: Any) -> None:
        """A client was told that this is done: from now on it must be, with this receipt."""
        self.say(client, f"{request} done: {getattr(receipt, 'balance', '')}")
        if answer is not None:
            self.mirror.ids.learn(receipt, answer)
        if not request.key or (receipt is not None and receipt.voucher_id is None):
            return  # nothing was booked, and the key is free
        first = self.answers.setdefault(request.key, receipt)
        if first != receipt:
            self.fail(f"{request.key} was answered twice: {first} and {receipt}")
        if self.planted is not Planted.EARLY_ANSWER and request.key not in self.mirror.done:
            self.fail(f"{request} was acknowledged, and nothing was committed")

    def fail(self, text: str) -> NoReturn:
        """End the run: something is wrong."""
        self.is_quiet = True
        raise Broken("\n".join([f"seed {self.seed}: {text}", "the newest steps:", *self._newest]))

    # --- audits -------------------------------------------------------------------------------

    def audit(self) -> None:
        """Everybody rests: the books must hold exactly what was committed, row by row."""
        self.audits += 1
        self.require_clean(self._auditor)
        self._require_equal_rows()
        lost = sorted(self.answers.keys() - self.mirror.done.keys())
        if lost:
            self.fail(f"acknowledged and not committed: {lost}")
        twice = [key for new, key in self.renamed.items() if {new, key} <= self.mirror.done.keys()]
        if twice:
            self.fail(f"done under two keys: {twice}")
        self._ask_for_receipts()
        self._require_equal_rows()

    def _ask_for_receipts(self) -> None:
        """Every key once more: the receipts are what they were, and name ids nobody was told."""
        for key, request in self.mirror.done.items():
            if key in self._asked_again:
                continue
            self._asked_again.add(key)
            said = self._ask(request)
            first = self.answers.get(key, said)
            if first != said:
                self.fail(f"{request} was answered with {first}, and now with {said}")

    def require_clean(self, bank: Bank) -> None:
        """An audit of the library's own must find nothing."""
        try:
            assert_sound(bank)
        except AssertionError as error:
            self.fail(f"verify(): {error}")

    def _require_equal_rows(self) -> None:
        try:
            require_equal_rows(self._auditor, self.mirror.books, self.mirror.ids, self.today)
        except AssertionError as error:
            self.fail(str(error))

    def _told(self) -> Told:
        books = self.mirror.books
        for name, rows in rows_of_reference(books, self.mirror.ids, self.today).items():
            self._digest.update(repr((name, rows)).encode())
        lines = Counter(line.kind for lines in books.lines.values() for line in lines)
        committed = Counter(voucher.act for voucher in books.vouchers.values())
        return Told(
            seed=self.seed, acts=self.acts, statements=self.statements,
            digest=self._digest.hexdigest(), acknowledged=len(self.answers), reads=self.reads,
            committed=dict(sorted(committed.items())), lines=dict(sorted(lines.items())),
            refused=dict(sorted(self.refused.items())),
            failures=dict(sorted(self.failures.items())),
            days=(self.clock() - self.began_at).days, audits=self.audits,
        )  # fmt: skip

    def _end(self) -> None:
        """Nobody is left behind in the middle of a statement."""
        self.is_quiet = True
        for client in self.clients:
            if client.thread and not client.thread.dead:
                client.thread.throw(GreenletExit)
            client.dispose()
        self._auditor.close()
