"""The bank's door: founding, opening, transactions, and the desks.

bank = Bank.open("sqlite:///yanjiang.db", staff="T-1")
bank.hours.record(account=…, …)              # one transaction
with bank.begin() as counter:                # one transaction for several acts
    counter.hours.record(…)
    counter.redemptions.redeem(…)
with bank.within(session) as counter: …      # inside the caller's own transaction
with bank.simulate() as counter: …           # really runs, always rolls back
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self, TextIO, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gongyi_bank.arguments import require_list
from gongyi_bank.commands.base import Command
from gongyi_bank.desks.base import SERVICES, House
from gongyi_bank.desks.closings import ClosingsDesk
from gongyi_bank.desks.customers import AccountsDesk, CustomersDesk, HoursDesk, PointsDesk
from gongyi_bank.desks.holds import HoldsDesk
from gongyi_bank.desks.house import OutletsDesk, PoliciesDesk, StaffDesk
from gongyi_bank.desks.outbox import OutboxDesk
from gongyi_bank.desks.passbooks import PassbooksDesk
from gongyi_bank.desks.ratings import RatingsDesk
from gongyi_bank.desks.reports import ReportsDesk
from gongyi_bank.desks.reversals import ReversalsDesk
from gongyi_bank.desks.stores import RedemptionsDesk, StoresDesk
from gongyi_bank.desks.transfers import PoolsDesk, TransfersDesk
from gongyi_bank.errors import EngineSettingsUnsafe, InvalidValue, UnknownAct, UnknownBank
from gongyi_bank.opening import (
    UnsafeSettings,
    engine_of,
    grants,
    key_marks,
    keys_of,
    opening,
    refuse_unsafe,
    zone_of,
)
from gongyi_bank.periods import require_aware, require_clock, require_moment
from gongyi_bank.policies import Policy, require_policies
from gongyi_bank.reports.faults import Fault, Verification
from gongyi_bank.reports.verification import verify
from gongyi_bank.service import founding
from gongyi_bank.service.gate import HouseShelf, perform
from gongyi_bank.service.locks import lock_ahead
from gongyi_bank.store import founding as store
from gongyi_bank.store.connections import (
    Savepoint,
    one_statement,
    own_transaction,
    retrying,
    savepoint_within,
)
from gongyi_bank.store.engines import PREPARED, StoreEngine, Wire, engine_for
from gongyi_bank.store.locks import held_in
from gongyi_bank.store.migrations import bring_up_to_date
from gongyi_bank.store.transaction import BankIdentity, Clock, Keys, Transaction
from gongyi_bank.values import clean_code, clean_text

T = TypeVar("T")
LockOrder = Literal["allow", "refuse"]


def system_clock() -> dt.datetime:
    """Now, in UTC: the clock of a bank that is given no other."""
    return dt.datetime.now(dt.UTC)


class Desks(House):
    """Everything that can be done, by noun."""

    @property
    def outlets(self) -> OutletsDesk:
        """网点: the tree of outlets."""
        return OutletsDesk(self)

    @property
    def staff(self) -> StaffDesk:
        """岗位: who works where."""
        return StaffDesk(self)

    @property
    def policies(self) -> PoliciesDesk:
        """规则: the numbers that the district sets."""
        return PoliciesDesk(self)

    @property
    def customers(self) -> CustomersDesk:
        """客户: registering and moving customers."""
        return CustomersDesk(self)

    @property
    def accounts(self) -> AccountsDesk:
        """账户: an account's state."""
        return AccountsDesk(self)

    @property
    def points(self) -> PointsDesk:
        """积分: opening balances and grants by hand."""
        return PointsDesk(self)

    @property
    def hours(self) -> HoursDesk:
        """服务时长: recording service and deciding on what waits."""
        return HoursDesk(self)

    @property
    def passbooks(self) -> PassbooksDesk:
        """存折: stock, and the books in the customers' hands."""
        return PassbooksDesk(self)

    @property
    def transfers(self) -> TransfersDesk:
        """转赠、捐赠与拨付: points from one account to another."""
        return TransfersDesk(self)

    @property
    def pools(self) -> PoolsDesk:
        """积分池: what donations go to and grants come from."""
        return PoolsDesk(self)

    @property
    def stores(self) -> StoresDesk:
        """商家: who is in the alliance, and what they offer."""
        return StoresDesk(self)

    @property
    def redemptions(self) -> RedemptionsDesk:
        """兑换: goods for points, at once or by reservation."""
        return RedemptionsDesk(self)

    @property
    def outbox(self) -> OutboxDesk:
        """发件箱: every voucher, for other services."""
        return OutboxDesk(self)

    @property
    def holds(self) -> HoldsDesk:
        """预留: points put aside for a payee, until captured, released or lapsed."""
        return HoldsDesk(self)

    @property
    def reversals(self) -> ReversalsDesk:
        """冲正: taking lines back by new lines that cite them."""
        return ReversalsDesk(self)

    @property
    def closings(self) -> ClosingsDesk:
        """结账: closing days, months, quarters and years."""
        return ClosingsDesk(self)

    @property
    def reports(self) -> ReportsDesk:
        """报表: statements, summaries, ledger books and trial balances."""
        return ReportsDesk(self)

    @property
    def ratings(self) -> RatingsDesk:
        """星级: stars and leagues of volunteers and savings branches."""
        return RatingsDesk(self)

    def verify(
        self,
        *,
        since: int | Literal["last_seal"] | None = None,
        trusted_root: str | None = None,
        tell: Callable[[Fault], object] | None = None,
    ) -> Verification:
        """核对: audit the books as they stand; all faults come back as values.

        With `since` (a seal's number, or "last_seal") what that seal covers is only held
        against the sealed roots, and accounts are audited that have moved since. With
        `trusted_root` too (the seal's root, as the auditor kept it outside) sealed rows are
        not read at all. `tell` is called with every fault as it is found; then none is kept.

        A counter audits what its transaction has written, too. On a server it has to be one of
        yours at REPEATABLE READ (`within`): at READ COMMITTED an audit, which asks many questions,
        takes what others commit in between for faults. Raises InvalidValue, EngineSettingsUnsafe.
        """
        return self._read_one_moment(
            lambda tx: verify(tx, since=since, trusted_root=trusted_root, tell=tell)
        )

    def _read_one_moment(self, look: Callable[[Transaction], T]) -> T:
        """Read by many questions, between which nobody else's commit may be seen."""
        return self.read(look)

    def execute_many(self, commands: Iterable[Command]) -> list[Any]:
        """Run commands in order and return their receipts; the first refusal stops the rest.

        On a counter all of them stand in its transaction; on a bank each is one of its own.
        Raises InvalidValue for what is no list.
        """
        listed = require_list(commands, field="commands")
        return [self.execute(command) for command in listed]


class Counter(Desks):
    """柜台: all desks within one transaction, for one staff member."""

    def __init__(self, tx: Transaction, staff: str, shelf: HouseShelf) -> None:
        self._tx = tx
        self._staff = staff
        self._shelf = shelf

    def execute(self, command: Command) -> Any:
        """Run any command in this transaction and return its receipt."""
        return perform(self._tx, self._staff, self._shelf, command, _service_of(command))

    def read(self, look: Callable[[Transaction], T]) -> T:
        """Read in this transaction, what it wrote included."""
        return look(self._tx)

    def _read_one_moment(self, look: Callable[[Transaction], T]) -> T:
        # At READ COMMITTED, as all of ours are on a server, each question has a moment of its own.
        if not self._tx.sees_one_moment():
            raise EngineSettingsUnsafe(
                reason="at READ COMMITTED an audit takes what others book meanwhile for faults:"
                " use Bank.verify, or REPEATABLE READ"
            )
        return self.read(look)

    def lock(
        self,
        *,
        accounts: Iterable[int] = (),
        stores: Iterable[str] = (),
        pools: Iterable[str] = (),
    ) -> None:
        """Take all locks of the coming acts now, in the right order and in one statement.

        Accounts, everything that the stores offer, and pools. Acts that follow may then come in
        any order without waiting for others in a circle. Raises LockOutOfOrder, UnknownStore,
        UnknownPool, InvalidNumber, and InvalidValue for what is no list.
        """
        self._tx.require_sound()
        lock_ahead(self._tx, accounts, stores, pools)

    def glance(self, look: Callable[[Transaction], T]) -> T:
        """Read in this transaction, what it wrote included."""
        return look(self._tx)

    def keep(self, work: Callable[[Transaction], T]) -> T:
        """Write what is no act in this transaction."""
        return work(self._tx)


class Bank(Desks):
    """A 公益银行: its desks, its transactions, its clock."""

    commits_each_act = True

    def __init__(
        self,
        engine: sa.Engine,
        identity: BankIdentity,
        *,
        staff: str | None,
        clock: Clock,
        keys: Keys,
        unsafe_settings: UnsafeSettings,
        lock_order: LockOrder = "allow",
        shelf: HouseShelf | None = None,
    ) -> None:
        """Use `Bank.found` or `Bank.open`."""
        self._engine = engine
        self._support = engine_for(engine.dialect.name)
        self._identity = identity
        self._staff = staff
        self._clock = clock
        self._keys = keys
        self._unsafe_settings = unsafe_settings
        self._lock_order = lock_order
        self._shelf = shelf or HouseShelf()
        self._checked: set[sa.Engine] = set()

    # --- founding and opening ---

    @classmethod
    def found(
        cls,
        database: str | sa.URL | sa.Engine,
        *,
        bank: str = "公益银行",
        head_office: str = "H",
        head_office_name: str | None = None,
        administrator: str = "admin",
        scale: int = 2,
        time_zone: str = "Asia/Shanghai",
        policies: Iterable[Policy] = (),
        clock: Clock = system_clock,
        seal_key: bytes | None = None,
        index_key: bytes | None = None,
        unsafe_settings: UnsafeSettings = "refuse",
    ) -> Self:
        """Create the schema where it is missing, and a bank with its head office in it.

        Returns the bank opened for its first administrator. `policies` replace the shipped
        ones from the beginning. Raises BankExists, SchemaOutdated, SchemaTooNew, SchemaUnknown.
        """
        if type(scale) is not int or not 0 <= scale <= 4:
            raise InvalidValue.of("scale", scale, "a whole number from 0 to 4")
        zone = zone_of(time_zone)
        bank = clean_text(bank, field="bank", length_max=100)
        head_office = clean_code(head_office, field="head_office")
        name = f"{bank}总行" if head_office_name is None else head_office_name
        name = clean_text(name, field="head_office_name", length_max=100)
        administrator = clean_code(administrator, field="administrator")
        chosen, now = require_policies(policies), require_clock(clock)
        marks = key_marks(seal_key, index_key)

        given = (seal_key, index_key)

        def run(connection: sa.Connection) -> BankIdentity:
            return founding.establish(
                connection, support, bank=bank, scale=scale, time_zone=zone.key,
                now=require_moment(now(), "clock"), key_marks=marks,
                keys_of=lambda identity: keys_of(identity, *given), head_office=head_office,
                head_office_name=name, administrator=administrator, policies=chosen,
            )  # fmt: skip

        with opening(database, unsafe_settings) as (engine, support):
            identity = retrying(engine, support, run, key=None)
            keys = keys_of(identity, *given)
        return cls(
            engine, identity, staff=administrator, clock=clock, keys=keys,
            unsafe_settings=unsafe_settings,
        )  # fmt: skip

    @classmethod
    def open(
        cls,
        database: str | sa.URL | sa.Engine,
        *,
        bank: str | None = None,
        staff: str | None = None,
        clock: Clock = system_clock,
        seal_key: bytes | None = None,
        index_key: bytes | None = None,
        unsafe_settings: UnsafeSettings = "refuse",
        lock_order: LockOrder = "allow",
    ) -> Self:
        """Open a bank by name, or the only one in the database.

        `staff` is the code of whoever acts through this handle. With `lock_order="refuse"`
        several acts of one transaction raise LockOutOfOrder where they could deadlock, on
        every engine; otherwise the server finds a deadlock, and it is RetryTransaction.
        Raises DatabaseUnreachable; UnknownBank; EngineSettingsUnsafe where the server could lose
        what it acknowledged; SchemaOutdated, SchemaTooNew, SchemaUnknown (see `Bank.migrate`).
        Warns of an engine on which an act may wait for a lock without end.
        """
        if lock_order not in ("allow", "refuse"):
            raise InvalidValue.of("lock_order", lock_order, "allow or refuse")
        name = bank and clean_text(bank, field="bank", length_max=100)
        require_clock(clock)
        with (
            opening(database, unsafe_settings) as (engine, support),
            own_transaction(engine, support, read_only=True) as connection,
        ):
            identity = store.load_identity(connection, name)
            keys = keys_of(identity, seal_key, index_key)
        return cls(
            engine, identity, staff=staff, clock=clock, keys=keys,
            unsafe_settings=unsafe_settings, lock_order=lock_order,
        )  # fmt: skip

    @staticmethod
    def migrate(database: str | sa.URL | sa.Engine, *, script: TextIO | None = None) -> list[str]:
        """Bring a database up to the newest schema; the revisions that were missing, in order.

        May be run twice and by two processes at once; the next run finishes what was killed.
        With `script` nothing is changed: the statements are written there. Wants the extra
        `migrations`. Raises SchemaTooNew, SchemaUnknown, EngineUnsupported.
        """
        with opening(database, "allow") as (engine, support):
            try:
                return bring_up_to_date(engine, support, script)
            finally:
                if engine is not database:
                    engine.dispose()

    @staticmethod
    def grants(database: str | sa.URL | sa.Engine, role: str) -> list[str]:
        """The SQL that lets `role` run the banks of a database, and never change their history.

        `role` is a role of PostgreSQL, or an account of MariaDB or MySQL (`name` or
        `name@host`), which must exist. Nothing is run: an administrator runs them. Raises
        InvalidValue, EngineUnsupported (SQLite has no accounts), SchemaOutdated, EngineError.
        """
        return grants(database, role)

    def acting_as(self, staff: str) -> Self:
        """The same bank, for another staff member. Raises InvalidText for what is no code."""
        # Nobody is nobody: None must not act as whoever the bank was opened for.
        return self._like(staff=clean_code(staff, field="staff"))

    def at(self, clock: Clock | dt.datetime) -> Self:
        """The same bank with another clock, or with time standing still at an instant."""
        if callable(clock):
            return self._like(clock=clock)
        instant = require_aware(clock, "clock")
        return self._like(clock=lambda: instant)

    def _like(self, *, staff: str | None = None, clock: Clock | None = None) -> Self:
        return type(self)(
            self._engine,
            self._identity,
            staff=self._staff if staff is None else staff,
            clock=clock or self._clock,
            keys=self._keys,
            unsafe_settings=self._unsafe_settings,
            lock_order=self._lock_order,
            shelf=self._shelf,
        )

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine underneath, for services that share it."""
        return self._engine

    @property
    def name(self) -> str:
        """The bank's name."""
        return self._identity.name

    @property
    def zone(self) -> ZoneInfo:
        """The bank's time zone."""
        return self._identity.zone

    @property
    def scale(self) -> int:
        """Decimal places of a point."""
        return self._identity.scale

    def close(self) -> None:
        """Give the database connections back."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return f"<Bank {self.name} on {self._engine.dialect.name}, staff {self._staff}>"

    # --- transactions ---

    @contextmanager
    def begin(self, *, staff: str | None = None) -> Iterator[Counter]:
        """One transaction with all desks: committed at the end, undone by an exception."""
        with (
            own_transaction(self._engine, self._support) as connection,
            self._open_counter(self._begun(connection), staff) as counter,
        ):
            yield counter

    @contextmanager
    def within(
        self, connection_or_session: sa.Connection | Session, *, staff: str | None = None
    ) -> Iterator[Counter]:
        """All desks inside the caller's own transaction, which is never committed here.

        An exception undoes only what happened inside the block (a savepoint). An error of the
        caller's own statements passes through, unless all must be run again (RetryTransaction).
        Raises BlockUndone after one that nobody was told of, TransactionEnded after a commit or
        rollback inside, InvalidValue for a connection that was closed, EngineSettingsUnsafe.
        """
        engine = engine_of(connection_or_session)
        support = engine_for(engine.dialect.name)
        joined = savepoint_within(connection_or_session, support, self._identity.bank_id)
        with joined as (connection, savepoint):
            self._require_same_bank(connection, support)
            with self._open_counter(connection, staff, savepoint=savepoint) as counter:
                yield counter

    def _require_same_bank(self, connection: sa.Connection, support: StoreEngine) -> None:
        """Once per engine: its settings are safe, and it holds this bank, not a namesake."""
        if connection.engine in self._checked:
            return
        try:
            found = support.weak_settings(connection)
            identity = store.load_identity(connection, self.name)
        except sa.exc.DBAPIError as error:
            raise support.classify_wrapped(error) from None
        refuse_unsafe(found, self._unsafe_settings)
        if identity != self._identity:
            raise UnknownBank(bank=self.name)
        self._checked.add(connection.engine)

    @contextmanager
    def _open_counter(
        self,
        connection: sa.Connection,
        staff: str | None,
        *,
        is_kept: bool = True,
        savepoint: Savepoint | None = None,
    ) -> Iterator[Counter]:
        """A counter that works until its block ends, and is sound at the end."""
        tx = self._transaction(connection)
        tx.savepoint = savepoint
        held = tx.held.copy() if tx.held is not None else None
        try:
            yield Counter(tx, self._actor(staff), self._shelf)
            if is_kept:
                tx.require_sound()
        except BaseException:
            if tx.held is not None and held is not None:
                tx.held.restore(held)
            raise
        finally:
            tx.close()

    @contextmanager
    def simulate(self, *, staff: str | None = None) -> Iterator[Counter]:
        """One transaction with all desks that really runs and is always rolled back."""
        with (
            own_transaction(self._engine, self._support, keep=False) as connection,
            self._open_counter(self._begun(connection), staff, is_kept=False) as counter,
        ):
            yield counter

    def execute(self, command: Command) -> Any:
        """Run any command in a transaction of its own; retried where that is safe.

        Raises OutcomeUnknown when the answer to COMMIT was lost: submit the key again.
        """
        serve = _service_of(command)

        def run(connection: sa.Connection) -> Any:
            tx = self._transaction(self._begun(connection))
            return perform(tx, self._actor(None), self._shelf, command, serve)

        return retrying(self._engine, self._support, run, key=command.idempotency_key)

    def read(self, look: Callable[[Transaction], T]) -> T:
        """Run a reading function in a transaction of its own that sees one moment."""
        with own_transaction(self._engine, self._support, read_only=True) as connection:
            return look(self._transaction(connection))

    def glance(self, look: Callable[[Transaction], T]) -> T:
        """Run a reading function of one statement, without a transaction around it."""
        with one_statement(self._engine, self._support) as connection:
            return look(self._transaction(connection))

    def keep(self, work: Callable[[Transaction], T]) -> T:
        """Write what is no act in a transaction of its own; retried where that is safe."""

        def run(connection: sa.Connection) -> T:
            return work(self._transaction(self._begun(connection)))

        return retrying(self._engine, self._support, run, key=None)

    def _transaction(self, connection: sa.Connection) -> Transaction:
        is_watched = self._lock_order == "refuse"
        held = held_in(connection, self._identity.bank_id) if is_watched else None
        return Transaction(connection, self._support, self._identity, self._clock, self._keys, held)

    def _begun(self, connection: sa.Connection) -> sa.Connection:
        """A connection in a transaction in which reading may begin.

        On an engine that was handed to us, whatever began it did not take the write lock.
        """
        if not connection.get_execution_options().get(PREPARED):
            self._support.begin_writing(Wire(connection, self._support), self._identity.bank_id)
        return connection

    def _actor(self, staff: str | None) -> str:
        code = self._staff if staff is None else staff
        if code is None:
            raise InvalidValue.of("staff", None, "say who acts: Bank.open(…, staff=…)")
        return clean_code(code, field="staff")


def _service_of(command: Command) -> Callable[[Any, Any], Any]:
    serve = SERVICES.get(type(command))
    if serve is None:
        raise UnknownAct.of("command", type(command).__name__, "no command of this library")
    return serve
