"""The desks, awaited: each takes its methods and types from the synchronous one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from types import MethodType
from typing import Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from gongyi_bank.bank import Desks
from gongyi_bank.commands.base import Command
from gongyi_bank.desks.base import Act, Desk, House
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
from gongyi_bank.reports.faults import Fault, Verification
from gongyi_bank.store.transaction import Transaction

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
D = TypeVar("D", bound=Desk)


class AsyncHouse:
    """Whatever asynchronous desks stand in: a bank or a counter."""

    async def visit(self, look: Callable[[Desks], T]) -> T:
        """Run what uses the synchronous desks, in one go."""
        raise NotImplementedError


class AsyncDesk:
    """A window of the bank for one noun, awaited."""

    #: The desk that this one stands for.
    stands_for: ClassVar[type[Desk]]

    def __init__(self, house: AsyncHouse) -> None:
        self._house = house


class AsyncMethod(Generic[P, R]):
    """A synchronous desk's method, awaited: same arguments, same result."""

    def __init__(self, bind: Callable[[Desk], Callable[P, R]], doc: str | None) -> None:
        self._bind = bind
        self._signature: inspect.Signature | None = None
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, desk: None, owner: type) -> AsyncMethod[P, R]: ...
    @overload
    def __get__(self, desk: AsyncDesk, owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(
        self, desk: AsyncDesk | None, owner: type
    ) -> AsyncMethod[P, R] | Callable[P, Coroutine[Any, Any, R]]:
        if desk is None:
            return self
        bind, stands_for, house = self._bind, desk.stands_for, desk._house

        async def run(*args: P.args, **fields: P.kwargs) -> R:
            return await house.visit(lambda desks: bind(stands_for(desks))(*args, **fields))

        run.__name__ = self.__name__
        self._describe(run, stands_for)
        return run

    def _describe(self, run: Any, stands_for: type[Desk]) -> None:
        if self._signature is None:
            model = self._bind(stands_for(House()))
            self._signature, self.__doc__ = inspect.signature(model), model.__doc__
        run.__signature__, run.__doc__ = self._signature, self.__doc__


def async_act(act: Act[P, R]) -> AsyncMethod[P, R]:
    """Declare a desk's act, from the synchronous one: `record = async_act(HoursDesk.record)`."""
    return AsyncMethod(lambda desk: act.__get__(desk, type(desk)), act.__doc__)


def async_read(look: Callable[Concatenate[D, P], R]) -> AsyncMethod[P, R]:
    """Declare a desk's reading method: `waiting = async_read(HoursDesk.waiting)`."""
    return AsyncMethod(lambda desk: MethodType(look, desk), look.__doc__)


class AsyncOutletsDesk(AsyncDesk):
    """网点: the tree of head office, branches and savings branches."""

    stands_for = OutletsDesk
    open = async_act(OutletsDesk.open)
    rename = async_act(OutletsDesk.rename)
    move = async_act(OutletsDesk.move)
    close = async_act(OutletsDesk.close)
    reopen = async_act(OutletsDesk.reopen)
    tree = async_read(OutletsDesk.tree)


class AsyncStaffDesk(AsyncDesk):
    """岗位: who works where, in which role."""

    stands_for = StaffDesk
    appoint = async_act(StaffDesk.appoint)
    end = async_act(StaffDesk.end)
    roles = async_read(StaffDesk.roles)


class AsyncPoliciesDesk(AsyncDesk):
    """规则: the numbers that the district sets, with their effective dates."""

    stands_for = PoliciesDesk
    adopt = async_act(PoliciesDesk.adopt)
    book = async_read(PoliciesDesk.book)


class AsyncCustomersDesk(AsyncDesk):
    """客户: registering and moving customers."""

    stands_for = CustomersDesk
    register = async_act(CustomersDesk.register)
    move = async_act(CustomersDesk.move)
    account_of = async_read(CustomersDesk.account_of)


class AsyncAccountsDesk(AsyncDesk):
    """账户: an account's state."""

    stands_for = AccountsDesk
    freeze = async_act(AccountsDesk.freeze)
    unfreeze = async_act(AccountsDesk.unfreeze)
    mark_dormant = async_act(AccountsDesk.mark_dormant)
    wake = async_act(AccountsDesk.wake)
    close = async_act(AccountsDesk.close)


class AsyncPointsDesk(AsyncDesk):
    """积分: opening balances and grants by hand."""

    stands_for = PointsDesk
    bring_forward = async_act(PointsDesk.bring_forward)
    grant = async_act(PointsDesk.grant)
    expire_due = async_act(PointsDesk.expire_due)


class AsyncHoursDesk(AsyncDesk):
    """服务时长: recording service and deciding on what waits."""

    stands_for = HoursDesk
    record = async_act(HoursDesk.record)
    record_many = async_act(HoursDesk.record_many)
    approve = async_act(HoursDesk.approve)
    refuse = async_act(HoursDesk.refuse)
    void = async_act(HoursDesk.void)
    correct = async_act(HoursDesk.correct)
    waiting = async_read(HoursDesk.waiting)
    of = async_read(HoursDesk.of)


class AsyncPassbooksDesk(AsyncDesk):
    """存折: stock, and the books in the customers' hands."""

    stands_for = PassbooksDesk
    print_stock = async_act(PassbooksDesk.print_stock)
    allot = async_act(PassbooksDesk.allot)
    issue = async_act(PassbooksDesk.issue)
    update = async_act(PassbooksDesk.update)
    renew = async_act(PassbooksDesk.renew)
    report_loss = async_act(PassbooksDesk.report_loss)
    lift_loss = async_act(PassbooksDesk.lift_loss)
    reissue = async_act(PassbooksDesk.reissue)
    spoil = async_act(PassbooksDesk.spoil)
    destroy = async_act(PassbooksDesk.destroy)
    stock = async_read(PassbooksDesk.stock)
    page = async_read(PassbooksDesk.page)
    of = async_read(PassbooksDesk.of)


class AsyncTransfersDesk(AsyncDesk):
    """转赠、捐赠与拨付: points from one account to another."""

    stands_for = TransfersDesk
    gift = async_act(TransfersDesk.gift)
    donate = async_act(TransfersDesk.donate)
    grant = async_act(TransfersDesk.grant)
    send = async_act(TransfersDesk.send)


class AsyncPoolsDesk(AsyncDesk):
    """积分池: what donations go to and grants come from."""

    stands_for = PoolsDesk
    open = async_act(PoolsDesk.open)
    close = async_act(PoolsDesk.close)
    list = async_read(PoolsDesk.list)
    balance = async_read(PoolsDesk.balance)
    statement = async_read(PoolsDesk.statement)


class AsyncStoresDesk(AsyncDesk):
    """商家: who is in the alliance, and what they offer."""

    stands_for = StoresDesk
    recruit = async_act(StoresDesk.recruit)
    leave = async_act(StoresDesk.leave)
    publish_offers = async_act(StoresDesk.publish_offers)
    restock = async_act(StoresDesk.restock)
    withdraw_offer = async_act(StoresDesk.withdraw_offer)
    offers = async_read(StoresDesk.offers)


class AsyncHoldsDesk(AsyncDesk):
    """预留: points put aside for a payee, until captured, released or lapsed."""

    stands_for = HoldsDesk
    place = async_act(HoldsDesk.place)
    extend = async_act(HoldsDesk.extend)
    capture = async_act(HoldsDesk.capture)
    capture_many = async_act(HoldsDesk.capture_many)
    release = async_act(HoldsDesk.release)
    release_many = async_act(HoldsDesk.release_many)
    lapse_overdue = async_act(HoldsDesk.lapse_overdue)
    list = async_read(HoldsDesk.list)
    of = async_read(HoldsDesk.of)


class AsyncRedemptionsDesk(AsyncDesk):
    """兑换: goods for points, at once or by reservation."""

    stands_for = RedemptionsDesk
    redeem = async_act(RedemptionsDesk.redeem)
    redeem_many = async_act(RedemptionsDesk.redeem_many)
    reserve = async_act(RedemptionsDesk.reserve)
    capture = async_act(RedemptionsDesk.capture)
    extend = async_act(RedemptionsDesk.extend)
    release = async_act(RedemptionsDesk.release)
    refund = async_act(RedemptionsDesk.refund)
    of = async_read(RedemptionsDesk.of)
    reserved = async_read(RedemptionsDesk.reserved)


class AsyncOutboxDesk(AsyncDesk):
    """发件箱: every voucher, at least once and in order, for each consumer by its name."""

    stands_for = OutboxDesk
    read = async_read(OutboxDesk.read)
    acknowledge = async_read(OutboxDesk.acknowledge)
    position = async_read(OutboxDesk.position)


class AsyncReversalsDesk(AsyncDesk):
    """冲正: taking lines back by new lines that cite them."""

    stands_for = ReversalsDesk
    reverse_line = async_act(ReversalsDesk.reverse_line)
    reverse_voucher = async_act(ReversalsDesk.reverse_voucher)


class AsyncClosingsDesk(AsyncDesk):
    """结账: days, months, quarters and years, of the bank or below an outlet."""

    stands_for = ClosingsDesk
    announce = async_act(ClosingsDesk.announce)
    drain = async_act(ClosingsDesk.drain)
    close_at_once = async_act(ClosingsDesk.close_at_once)
    close = async_read(ClosingsDesk.close)
    register = async_read(ClosingsDesk.register)


class AsyncReportsDesk(AsyncDesk):
    """报表: statements, summaries, ledger books and trial balances."""

    stands_for = ReportsDesk
    statement = async_read(ReportsDesk.statement)
    proof = async_read(ReportsDesk.proof)
    explain = async_read(ReportsDesk.explain)
    expiry_schedule = async_read(ReportsDesk.expiry_schedule)
    provenance = async_read(ReportsDesk.provenance)
    spent_on = async_read(ReportsDesk.spent_on)
    balance = async_read(ReportsDesk.balance)
    balances = async_read(ReportsDesk.balances)
    balance_as_of = async_read(ReportsDesk.balance_as_of)
    totals = async_read(ReportsDesk.totals)
    customer_summary = async_read(ReportsDesk.customer_summary)
    ledger_book = async_read(ReportsDesk.ledger_book)
    trial_balance = async_read(ReportsDesk.trial_balance)
    clearing = async_read(ReportsDesk.clearing)


class AsyncRatingsDesk(AsyncDesk):
    """星级与排行: volunteers by hours, savings branches by five indicators."""

    stands_for = RatingsDesk
    volunteer_stars = async_read(RatingsDesk.volunteer_stars)
    volunteers_by_stars = async_read(RatingsDesk.volunteers_by_stars)
    explain = async_read(RatingsDesk.explain)
    volunteer_league = async_read(RatingsDesk.volunteer_league)
    indicators = async_read(RatingsDesk.indicators)
    outlet_league = async_read(RatingsDesk.outlet_league)
    explain_outlet = async_read(RatingsDesk.explain_outlet)


# --- the door ---


class AsyncDesks(AsyncHouse):
    """Everything that can be done, by noun, awaited."""

    @property
    def outlets(self) -> AsyncOutletsDesk:
        """网点: the tree of outlets."""
        return AsyncOutletsDesk(self)

    @property
    def staff(self) -> AsyncStaffDesk:
        """岗位: who works where."""
        return AsyncStaffDesk(self)

    @property
    def policies(self) -> AsyncPoliciesDesk:
        """规则: the numbers that the district sets."""
        return AsyncPoliciesDesk(self)

    @property
    def customers(self) -> AsyncCustomersDesk:
        """客户: registering and moving customers."""
        return AsyncCustomersDesk(self)

    @property
    def accounts(self) -> AsyncAccountsDesk:
        """账户: an account's state."""
        return AsyncAccountsDesk(self)

    @property
    def points(self) -> AsyncPointsDesk:
        """积分: opening balances and grants by hand."""
        return AsyncPointsDesk(self)

    @property
    def hours(self) -> AsyncHoursDesk:
        """服务时长: recording service and deciding on what waits."""
        return AsyncHoursDesk(self)

    @property
    def passbooks(self) -> AsyncPassbooksDesk:
        """存折: stock, and the books in the customers' hands."""
        return AsyncPassbooksDesk(self)

    @property
    def transfers(self) -> AsyncTransfersDesk:
        """转赠、捐赠与拨付: points from one account to another."""
        return AsyncTransfersDesk(self)

    @property
    def pools(self) -> AsyncPoolsDesk:
        """积分池: what donations go to and grants come from."""
        return AsyncPoolsDesk(self)

    @property
    def stores(self) -> AsyncStoresDesk:
        """商家: who is in the alliance, and what they offer."""
        return AsyncStoresDesk(self)

    @property
    def redemptions(self) -> AsyncRedemptionsDesk:
        """兑换: goods for points, at once or by reservation."""
        return AsyncRedemptionsDesk(self)

    @property
    def outbox(self) -> AsyncOutboxDesk:
        """发件箱: every voucher, for other services."""
        return AsyncOutboxDesk(self)

    @property
    def holds(self) -> AsyncHoldsDesk:
        """预留: points put aside for a payee, until captured, released or lapsed."""
        return AsyncHoldsDesk(self)

    @property
    def reversals(self) -> AsyncReversalsDesk:
        """冲正: taking lines back by new lines that cite them."""
        return AsyncReversalsDesk(self)

    @property
    def closings(self) -> AsyncClosingsDesk:
        """结账: closing days, months, quarters and years."""
        return AsyncClosingsDesk(self)

    @property
    def reports(self) -> AsyncReportsDesk:
        """报表: statements, summaries, ledger books and trial balances."""
        return AsyncReportsDesk(self)

    @property
    def ratings(self) -> AsyncRatingsDesk:
        """星级: stars and leagues of volunteers and savings branches."""
        return AsyncRatingsDesk(self)

    async def verify(
        self,
        *,
        since: int | Literal["last_seal"] | None = None,
        trusted_root: str | None = None,
        tell: Callable[[Fault], object] | None = None,
    ) -> Verification:
        """核对: audit the books as they stand; as `Bank.verify`."""
        return await self.visit(
            lambda desks: desks.verify(since=since, trusted_root=trusted_root, tell=tell)
        )

    async def execute(self, command: Command) -> Any:
        """Run any command and return its receipt; as `Bank.execute`."""
        return await self.visit(lambda desks: desks.execute(command))

    async def execute_many(self, commands: Iterable[Command]) -> list[Any]:
        """Run commands in order and return their receipts; as `Bank.execute_many`."""
        return await self.visit(lambda desks: desks.execute_many(commands))

    async def read(self, look: Callable[[Transaction], T]) -> T:
        """Run a synchronous reading function in a transaction; as `Bank.read`."""
        return await self.visit(lambda desks: desks.read(look))
