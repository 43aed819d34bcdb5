"""The world that clients live in: its bank, its chance, its scheduler, its audits, its history."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import sqlalchemy as sa
from greenlet import GreenletExit, getcurrent

from gongyi_bank.bank import Bank
from gongyi_bank.commands.customers import NewCustomer
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.reports.faults import Verification
from gongyi_bank.store.tables import voucher
from gongyi_bank.values import Points
from tests.district import OUTLETS, STAFF, START, Clock
from tests.simulation.clients import Client
from tests.simulation.expected import Expected
from tests.simulation.planted import Planted
from tests.simulation.requests import OUTLET, POLICIES, POOL, PRICE, SKU, STORE, Maker, Request
from tests.simulation.wire import Broken

ACCOUNTS, EACH, STOCK = 6, 1500, 12
#: Days that a run may close: reservations must not lapse by themselves.
DAYS_MAX = 60
#: Acts between two audits of everything.
AUDIT_EVERY = 250


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a run came to."""

    seed: int
    acts: int
    statements: int
    #: SHA-256 over every statement, failure, answer and refusal in their order.
    digest: str
    acknowledged: int
    committed: int
    reads: int
    refused: dict[str, int]
    failures: dict[str, int]
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
        #: Nobody takes turns and nothing fails: founding, audits, the end.
        self.is_quiet = True
        self.failures: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.answers: dict[str, tuple[Request, Any]] = {}
        self.ids: dict[str, Any] = {}
        #: New keys of acts that were sent before, and the keys that they had then.
        self.renamed: dict[str, str] = {}
        #: The newest day that somebody was told to be closed.
        self.days_closed = START.date() - dt.timedelta(days=1)
        self.reads = self.statements = self.audits = self.days = self.acts = 0
        self._digest = hashlib.sha256()
        self._newest: deque[str] = deque(maxlen=60)
        self._acts_to_come = 0
        self._buried = 0
        self.accounts = self._found()
        self.expected = Expected(self.accounts, EACH, STOCK)
        self.maker = Maker(self.chance, seed, self.accounts)
        #: Where clients go back to when they let others go on.
        self.loop = getcurrent()
        self.clients = [Client(self, f"c{number}") for number in range(clients)]

    def _found(self) -> list[int]:
        """A bank with an outlet, some customers with points, a store, a pool."""
        bank = self._auditor = Bank.found(
            self.url, bank="雁江", policies=POLICIES, clock=self.clock, unsafe_settings="allow"
        )
        bank.outlets.open(outlets=OUTLETS)
        bank.staff.appoint(appointments=STAFF)
        since = START.date() - dt.timedelta(days=200)
        new = [
            NewCustomer(outlet=OUTLET, name="张三", ref=f"C{n}", registered_on=since)
            for n in range(ACCOUNTS)
        ]
        accounts = list(bank.customers.register(customers=new).accounts)
        for account in accounts:
            bank.points.grant(
                account=account, points=Points.of_units(EACH, 2), reason="开户",
                second_person="ADM2", outlet=OUTLET,
            )  # fmt: skip
        store = NewStore(code=STORE, name="超市", kind="community_store", recruited_by=OUTLET)
        bank.stores.recruit(stores=(store,))
        price = Points.of_units(PRICE, 2)
        rice = NewOffer(store=STORE, sku=SKU, name="大米", points=price, stock=STOCK)
        bank.stores.publish_offers(offers=(rice,))
        bank.pools.open(code=POOL, name="爱心池", outlet="B01")
        return accounts

    # --- the scheduler ------------------------------------------------------------------------

    def run(self, acts: int) -> Told:
        """Live until so many units of work were begun, with an audit every now and then."""
        try:
            with mock.patch("time.sleep", self._sleep):
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

    def go_on_to_next_day(self) -> None:
        """Let the clock go on to the next day, if there are any left."""
        if self.days < DAYS_MAX:
            self.days += 1
            self.clock.advance(days=1)

    def days_to_close(self) -> list[dt.date]:
        """The days that are over and that nobody was told to be closed, in their order."""
        count = (self.clock.now.date() - self.days_closed).days - 1
        return [self.days_closed + dt.timedelta(days=n + 1) for n in range(count)]

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

    def acknowledge(self, client: Client, request: Request, receipt: Any) -> None:
        """A client was told that this is done: from now on it must be, with this receipt."""
        self.say(client, f"{request} done: {getattr(receipt, 'balance', '')}")
        known, first = self.answers.setdefault(request.key, (request, receipt))
        if (known, first) != (request, receipt):
            self.fail(f"{request.key} was answered twice: {first} and {receipt}")
        if self.planted is not Planted.EARLY_ANSWER and request.key not in self.expected.done:
            self.fail(f"{request} was acknowledged, and nothing was committed")
        for name, kind in (("hold_id", "place"), ("redemption_id", "reserve")):
            if request.kind == kind and request.key not in self.ids and receipt is not None:
                self.ids[request.key] = getattr(receipt, name)
                self.maker.open[kind].append(request.key)

    def fail(self, text: str) -> NoReturn:
        """End the run: something is wrong."""
        self.is_quiet = True
        raise Broken("\n".join([f"seed {self.seed}: {text}", "the newest steps:", *self._newest]))

    # --- audits -------------------------------------------------------------------------------

    def audit(self) -> None:
        """Everybody rests: the books must hold exactly what was committed."""
        self.audits += 1
        self.require_clean(self._auditor.verify())
        amounts, reports = self.expected.amounts, self._auditor.reports
        found = {no: p.to_units(2) for no, p in reports.balances(self.accounts).items()}
        self._require_equal("balances", found, {no: amounts["balance", no] for no in self.accounts})
        pool = self._auditor.pools.balance(POOL).to_units(2)
        self._require_equal("the pool", pool, amounts["pool",])
        held = dict.fromkeys(self.accounts, 0)
        for row in self._auditor.holds.list().rows:
            held[row[1]] += row[6].to_units(2)
        self._require_equal("holds", held, {no: amounts["held", no] for no in self.accounts})
        (offer,) = self._auditor.stores.offers().rows
        self._require_equal("free pieces", offer[5], amounts["stock",])
        self._require_equal("keys", self._keys(), sorted(self.expected.done))
        lost = sorted(set(self.answers) - set(self.expected.done))
        self._require_equal("acknowledged and not committed", lost, [])
        twice = sorted(self.renamed[key] for key in self.renamed.keys() & self.expected.done.keys())
        twice = [key for key in twice if key in self.expected.done]
        self._require_equal("done under two keys", twice, [])
        self._require_heads_as_lines()

    def require_clean(self, found: Verification) -> None:
        """An audit of the library's own must find nothing."""
        if not found.is_clean:
            self.fail(f"verify() found {[str(fault) for fault in found.faults[:5]]}")

    def _keys(self) -> list[str]:
        keys = sa.select(voucher.c.idempotency_key).where(
            voucher.c.idempotency_key.is_not(None), voucher.c.act.not_like("closings.%")
        )
        with self._auditor.engine.connect() as connection:
            return sorted(connection.scalars(keys))

    def _require_heads_as_lines(self) -> None:
        """Read beside the library: heads are what their lines come to, nobody is below zero."""
        sql = (
            "SELECT h.account_no, h.credited - h.debited, h.line_no, coalesce(sum(l.amount), 0),"
            " count(l.line_no) FROM gb_account_head h LEFT JOIN gb_account_line l"
            " USING (bank_id, account_no) GROUP BY h.account_no, h.credited, h.debited, h.line_no"
        )
        with self._auditor.engine.connect() as connection:
            for number, balance, line_no, total, lines in connection.exec_driver_sql(sql):
                self._require_equal(f"head {number}", (balance, line_no), (total, lines))
                if balance < 0:
                    self.fail(f"{number} is below zero")

    def _require_equal(self, what: str, found: Any, expected: Any) -> None:
        if found != expected:
            self.fail(f"{what}: the books say {found}, expected {expected}")

    def _told(self) -> Told:
        for lines in sorted(self.expected.amounts.items(), key=repr):
            self._digest.update(repr(lines).encode())
        return Told(
            seed=self.seed, acts=self.acts, statements=self.statements,
            digest=self._digest.hexdigest(), acknowledged=len(self.answers),
            committed=len(self.expected.done), reads=self.reads,
            refused=dict(sorted(self.refused.items())),
            failures=dict(sorted(self.failures.items())), days=self.days, audits=self.audits,
        )  # fmt: skip

    def _end(self) -> None:
        """Nobody is left behind in the middle of a statement."""
        self.is_quiet = True
        for client in self.clients:
            if client.thread and not client.thread.dead:
                client.thread.throw(GreenletExit)
            client.dispose()
        self._auditor.close()
