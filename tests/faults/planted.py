"""Faults planted into the workers of the bank test, never into the library.

A check that stays green while one of these is at work would prove nothing. Each names the checks
that must turn red, and the engines where it is a fault at all.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from gongyi_bank.bank import Bank
from gongyi_bank.commands.holds import PlaceHold
from gongyi_bank.commands.points import ExpireDue
from gongyi_bank.commands.transfers import GiftPoints
from gongyi_bank.errors import IdempotencyConflict, InsufficientPoints, RetryTransaction
from gongyi_bank.receipts.transfers import PointsGifted
from gongyi_bank.store.engines import READ_ONLY
from gongyi_bank.store.tables import account_head, account_line, voucher
from gongyi_bank.values import Points
from tests.faults.errands import ACCOUNTS, BEGIN_WITH, Errand
from tests.faults.hands import Hand, Tell
from tests.faults.own_teller import OwnTeller
from tests.faults.planted_reads import (
    MOMENT,
    AsOfNow,
    HalfAnAct,
    JustBefore,
    LeftOut,
    StaleRead,
    SwappedRead,
    TornBalances,
    TornRead,
    TornTrial,
)


class NumberedByLines(OwnTeller):
    """Asks the lines for the next number, so that what is lost is amounts and not lines."""

    def give(self, errand: Errand, command: GiftPoints, tell: Tell) -> None:
        self._written: dict[int, int] = {}
        super().give(errand, command, tell)

    def next_line_no(self, connection: sa.Connection, head: Any) -> int:
        newest = sa.select(sa.func.max(account_line.c.line_no)).where(
            account_line.c.bank_id == self.bank_id, account_line.c.account_no == head.account_no
        )
        has_mine = self._written.get(head.account_no)
        return has_mine or int(connection.scalars(newest).one()) + 1

    def write_line(
        self, connection: sa.Connection, command: GiftPoints, head: Any, receipt: PointsGifted
    ) -> None:
        super().write_line(connection, command, head, receipt)
        self._written[head.account_no] = self.next_line_no(connection, head) - 1


class WithoutLock(NumberedByLines):
    """Reads both heads, and writes later what it has worked out from them."""

    def give(self, errand: Errand, command: GiftPoints, tell: Tell) -> None:
        with self.engine.connect().execution_options(**{READ_ONLY: True}) as connection:
            self._seen = self.read_heads(connection, [command.account, command.target])
        time.sleep(MOMENT)
        super().give(errand, command, tell)

    def heads(self, connection: sa.Connection, command: GiftPoints) -> dict[int, Any]:
        return self._seen


class Overdraft(OwnTeller):
    """Asks nobody whether the giver has so much; the database's own CHECK is switched off."""

    def __init__(self, bank: Bank, accounts: list[int]) -> None:
        super().__init__(bank, accounts)
        switch_off = {
            "sqlite": "PRAGMA ignore_check_constraints = ON",
            "mariadb": "SET check_constraint_checks = OFF",
        }.get(self.engine.dialect.name)
        if switch_off is None:
            is_kept = self.engine.dialect.name == "mysql"
            how = "ALTER CHECK {} NOT ENFORCED" if is_kept else "DROP CONSTRAINT IF EXISTS {}"
            with self.engine.begin() as connection:
                named = how.format(f"{account_head.name}_floor_ck")
                connection.exec_driver_sql(f"ALTER TABLE {account_head.name} {named}")
            return
        self.engine.dispose()

        def on_connect(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            cursor.execute(switch_off)
            cursor.close()

        sa.event.listen(self.engine, "connect", on_connect)

    def require(self, head: Any, command: GiftPoints) -> None:
        """Nobody is asked."""


class TwoTransactions(OwnTeller):
    """The giver's side is committed before the taker's is begun."""

    def give(self, errand: Errand, command: GiftPoints, tell: Tell) -> None:
        with self.engine.begin() as connection:
            heads = self.heads(connection, command)
            receipt = self.earlier(connection, command)
            if receipt is not None:
                tell(receipt)
                return
            self.require(heads[command.account], command)
            receipt = self.write_voucher(connection, command, heads)
            self.write_side(connection, command, heads[command.account], receipt)
        time.sleep(MOMENT)
        with self.engine.begin() as connection:
            heads = self.heads(connection, command)
            self.write_side(connection, command, heads[command.target], receipt)
        tell(receipt)


class EarlyAnswer(OwnTeller):
    """Says that it is done as soon as it knows that it can be, and commits a moment later."""

    def give(self, errand: Errand, command: GiftPoints, tell: Tell) -> None:
        with self.engine.connect() as connection, connection.begin() as tried:
            receipt = self.post(connection, command)
            tried.rollback()
        tell(receipt)
        time.sleep(15 * MOMENT)
        super().give(errand, command, lambda _: None)


class WithoutKey(OwnTeller):
    """Keeps no keys: whoever asks twice is served twice. (It notes them as a reason.)"""

    def earlier(self, connection: sa.Connection, command: GiftPoints) -> PointsGifted | None:
        return None

    def key_columns(self, command: GiftPoints) -> dict[str, str | None]:
        return {"reason": command.idempotency_key}


class CheckThenInsert(WithoutKey):
    """Looks for the key first, and posts a moment later what it has not found."""

    race_share = 0.6

    def give(self, errand: Errand, command: GiftPoints, tell: Tell) -> None:
        with self.engine.connect().execution_options(**{READ_ONLY: True}) as connection:
            receipt = self.found(connection, command, voucher.c.reason)
        if receipt is not None:
            tell(receipt)
            return
        time.sleep(5 * MOMENT)
        super().give(errand, command, tell)


class Rowcount(OwnTeller):
    """Claims the key by INSERT … ON CONFLICT DO NOTHING and trusts the driver's rowcount."""

    def earlier(self, connection: sa.Connection, command: GiftPoints) -> PointsGifted | None:
        receipt = self.receipt(connection, command, self._locked)
        row = self.voucher_row(command, receipt)
        claim = postgresql_insert(voucher).values(row).on_conflict_do_nothing()
        if connection.execute(claim).rowcount == 0:
            return super().earlier(connection, command)
        return None

    def heads(self, connection: sa.Connection, command: GiftPoints) -> dict[int, Any]:
        self._locked = super().heads(connection, command)
        return self._locked

    def write_voucher(
        self, connection: sa.Connection, command: GiftPoints, heads: dict[int, Any]
    ) -> PointsGifted:
        """It is there already."""
        return self.receipt(connection, command, heads)

    def voucher_id(self, command: GiftPoints, now: Any) -> Any:
        """The key's own, so that whoever comes second finds it."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{command.idempotency_key}")


class StatementRetried(NumberedByLines):
    """Locks in the order of the request; after a deadlock runs the failed statement again."""

    def give(self, errand: Errand, command: GiftPoints, tell: Tell) -> None:
        self._written = {}
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":  # else it takes a second to see a deadlock
                connection.exec_driver_sql("SET LOCAL deadlock_timeout = '20ms'")
            giver = self.read_heads(connection, [command.account], is_locking=True)
            receipt = self.earlier(connection, command)
            if receipt is None:
                self.require(giver[command.account], command)
                receipt = self.receipt(connection, command, giver)
                self.write_head(connection, command, giver[command.account], receipt)
                time.sleep(2 * MOMENT)
                self._finish(connection, command, giver, receipt)
            connection.commit()
        tell(receipt)

    def _finish(
        self, connection: sa.Connection, command: GiftPoints, giver: Any, receipt: PointsGifted
    ) -> None:
        try:
            taker = self.read_heads(connection, [command.target], is_locking=True)
        except sa.exc.OperationalError:
            connection.rollback()  # as the server has done already
            taker = self.read_heads(connection, [command.target], is_locking=True)
        row = self.voucher_row(command, receipt)
        connection.execute(sa.insert(voucher).values(row))
        self.write_line(connection, command, giver[command.account], receipt)
        self.write_side(connection, command, taker[command.target], receipt)


class Misdirected(OwnTeller):
    """Now and then the points go to the next customer."""

    def post(self, connection: sa.Connection, command: GiftPoints) -> PointsGifted:
        if command.points.to_units(2) % 500:
            return super().post(connection, command)
        others = [no for no in self.accounts if no not in (command.account, command.target)]
        wrong = command.model_copy(update={"target": others[0]})
        self._digest = command.request_digest()
        return super().post(connection, wrong)

    def voucher_row(self, command: GiftPoints, receipt: PointsGifted) -> dict[str, Any]:
        row = super().voucher_row(command, receipt)
        if not command.points.to_units(2) % 500:
            row["request_digest"] = self._digest
        return row


class WrongBalance(OwnTeller):
    """Tells the giver what there was before the gift, and keeps the receipt like that."""

    def receipt(
        self, connection: sa.Connection, command: GiftPoints, heads: dict[int, Any]
    ) -> PointsGifted:
        receipt = super().receipt(connection, command, heads)
        head = heads[command.account]
        before = Points.of_units(head.credited - head.debited, 2)
        return receipt.model_copy(update={"balance": str(before)})


class GreedyStep(OwnTeller):
    """Now and then a step of the bank's own moves a point that nobody wanted moved."""

    def post(self, connection: sa.Connection, command: GiftPoints) -> PointsGifted:
        receipt = super().post(connection, command)
        if command.points.to_units(2) % 500 == 0:
            step = command.model_copy(update={"points": Points(1), "idempotency_key": None})
            heads = self.heads(connection, step)
            with suppress(InsufficientPoints):
                self.require(heads[step.account], step)
                made = self.write_voucher(connection, step, heads)
                for account in (step.account, step.target):
                    self.write_side(connection, step, heads[account], made)
        return receipt

    def voucher_row(self, command: GiftPoints, receipt: PointsGifted) -> dict[str, Any]:
        row = super().voucher_row(command, receipt)
        return row if command.idempotency_key else {**row, "act": ExpireDue.act}


class HeldTooMuch(Hand):
    """Puts a point more aside than the hold says."""

    def submit(self, errand: Errand, tell: Tell) -> None:
        super().submit(errand, tell)
        if isinstance(errand.command, PlaceHold):
            mine = account_head.c.account_no == errand.command.account
            more = sa.update(account_head).where(mine).values(held=account_head.c.held + 100)
            with suppress(sa.exc.DBAPIError), self.bank.engine.begin() as connection:
                connection.execute(more)


class EmptyHold(OwnTeller):
    """Books the placing of a hold and answers as it should, and puts nothing aside."""

    def submit(self, errand: Errand, tell: Tell) -> None:
        command: Any = errand.command
        if not isinstance(command, PlaceHold):
            super().submit(errand, tell)
            return
        with self.bank.simulate(staff=errand.staff) as counter:
            receipt = counter.execute(command)
        with suppress(sa.exc.IntegrityError), self.engine.begin() as connection:
            row = self.voucher_row(command, receipt)
            connection.execute(sa.insert(voucher).values(row))
        tell(receipt)


class BookedDenial(Hand):
    """Books one act in ten and says that the database has undone it; asked again, it knows it."""

    def __init__(self, bank: Bank, accounts: list[int]) -> None:
        super().__init__(bank, accounts)
        self._denied: set[str] = set()

    def submit(self, errand: Errand, tell: Tell) -> None:
        if not errand.key.endswith("7") or errand.key in self._denied:
            super().submit(errand, tell)
            return
        super().submit(errand, lambda _: None)
        self._denied.add(errand.key)
        time.sleep(20 * MOMENT)
        raise RetryTransaction(reason="the database has undone it")


class FalseConflict(Hand):
    """Says of one key in ten that another request has used it, and does nothing."""

    def submit(self, errand: Errand, tell: Tell) -> None:
        if errand.key.endswith("7"):
            raise IdempotencyConflict(key=errand.key)
        super().submit(errand, tell)


class FreshAnswer(Hand):
    """Makes every answer anew, a replay's too."""

    def submit(self, errand: Errand, tell: Tell) -> None:
        def now(receipt: Any) -> None:
            tell(receipt.model_copy(update={"booked_at": self.bank.read(lambda tx: tx.clock())}))

        super().submit(errand, now)


class Forgetful(Hand):
    """Asks for nothing again that was left open."""

    resubmits = False


class Idle(Hand):
    """Does next to nothing, and nothing wrong."""

    rest_seconds = 2.0


#: As much as must happen in so many seconds (`tests.faults.checks.FLOORS`). By then a planted fault
#: has been seen a dozen times; some hold everybody up, and are seen with nearly every read.
USUALLY_ENOUGH, SOON_ENOUGH = 6.0, 3.0


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted fault: who commits it, and what must see it."""

    hand: Callable[[Bank, list[int]], Hand]
    red: frozenset[str]
    #: Where it is a fault at all.
    engines: tuple[str, ...] = ("sqlite", "postgresql", "mariadb")
    #: Among so many customers, who begin with so much: the fewer, the more often two meet; the
    #: less, the sooner it is spent.
    customers: int = ACCOUNTS
    points: int = BEGIN_WITH
    #: A run ends when as much has happened as the floors want of so many seconds, for it is seen
    #: by then; None where too little happens.
    enough: float | None = USUALLY_ENOUGH
    #: Floors that it keeps a run from reaching.
    prevents: frozenset[str] = frozenset()


PLANTED: dict[str, Planted] = {
    "no-lock": Planted(WithoutLock, frozenset({"C3"}), customers=3, enough=SOON_ENOUGH),
    "overdraft": Planted(Overdraft, frozenset({"C1", "C3"}), customers=3, points=20),
    "two-transactions": Planted(TwoTransactions, frozenset({"C1"})),
    # Its clients have their answer before they can be killed.
    "early-answer": Planted(EarlyAnswer, frozenset({"C7"}), prevents=frozenset({"dangling"})),
    # Who keeps no keys knows of no other request under one.
    "no-key": Planted(WithoutKey, frozenset({"C4"}), prevents=frozenset({"conflicts"})),
    "check-then-insert": Planted(CheckThenInsert, frozenset({"C4"})),
    # Elsewhere the driver counts, and it is no fault.
    "rowcount": Planted(
        Rowcount, frozenset({"C4"}), ("postgresql",), prevents=frozenset({"conflicts"})
    ),
    # SQLite has one writer, and so no deadlock.
    "statement-retried": Planted(
        StatementRetried,
        frozenset({"C3"}),
        ("postgresql", "mariadb"),
        customers=2,
        enough=SOON_ENOUGH,
        prevents=frozenset({"refused"}),  # its two customers grow rich on what is lost
    ),
    "torn-read": Planted(TornRead, frozenset({"C1"})),
    "half-an-act": Planted(HalfAnAct, frozenset({"C1"})),
    "swapped-read": Planted(SwappedRead, frozenset({"C1"})),
    "torn-balances": Planted(TornBalances, frozenset({"C1"})),
    "torn-trial": Planted(TornTrial, frozenset({"C1"})),
    "left-out": Planted(LeftOut, frozenset({"C1"})),
    "as-of-now": Planted(AsOfNow, frozenset({"C1"})),
    "just-before": Planted(JustBefore, frozenset({"C7"})),
    "wrong-balance": Planted(WrongBalance, frozenset({"C6"})),
    "greedy-step": Planted(GreedyStep, frozenset({"C5"})),
    "held-too-much": Planted(HeldTooMuch, frozenset({"C3", "C9"})),
    "empty-hold": Planted(EmptyHold, frozenset({"C4", "C5"})),
    "booked-denial": Planted(BookedDenial, frozenset({"C5"})),
    "false-conflict": Planted(FalseConflict, frozenset({"C6"})),
    "misdirected": Planted(Misdirected, frozenset({"C5"})),
    "fresh-answer": Planted(FreshAnswer, frozenset({"C6"})),
    "stale-read": Planted(StaleRead, frozenset({"C7"})),
    "idle": Planted(Idle, frozenset({"C8"}), enough=None),
    # Now and then another worker asks for what one left behind.
    "forgetful": Planted(Forgetful, frozenset({"C9"}), enough=12.0),
}
#: Nothing planted: gifts by hand, as they should be.
BY_HAND = "by-hand"


def hand_of(planted: str | None) -> Callable[[Bank, list[int]], Hand]:
    """Who deals with the bank: the library's own way, or somebody who makes a mistake."""
    if planted is None:
        return Hand
    return OwnTeller if planted == BY_HAND else PLANTED[planted].hand
