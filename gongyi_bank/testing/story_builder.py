"""Telling a district's story in a few lines: its house, its people, and what happens day by day.

story = Story.found("sqlite://", day="2022-10-01").branch("B01").savings_branch("B01S01", "B01")
story.customer("zhang").day("2022-10-03").records("zhang", start="08:00", minutes=90)

Everything goes through the bank's public desks. `small_district` tells a story that is always the
same; `SMALL_CAST` names who and what is in it, for the strategies. Nothing here needs Hypothesis.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from gongyi_bank.arguments import require_each_once, require_list
from gongyi_bank.bank import Bank
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.closings import CloseBooks
from gongyi_bank.commands.customers import CustomerKind, NewCustomer, RegisterCustomers
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.commands.outlets import Appointment, AppointStaff, NewOutlet, OpenOutlets, Role
from gongyi_bank.commands.points import BringForward, GrantPoints, OpeningRow
from gongyi_bank.commands.pools import OpenPool
from gongyi_bank.commands.redemptions import Redeem, Reserve
from gongyi_bank.commands.stores import NewOffer, NewStore, PublishOffers, RecruitStores, StoreKind
from gongyi_bank.commands.transfers import DonatePoints, GiftPoints
from gongyi_bank.errors import InvalidInstant, InvalidValue
from gongyi_bank.periods import require_moment
from gongyi_bank.policies import Tariff
from gongyi_bank.receipts.closings import BooksClosed
from gongyi_bank.testing.arguments import refuse_own, require_kind, require_whole
from gongyi_bank.testing.clock import SHANGHAI, FrozenClock, passed, require_bookable
from gongyi_bank.testing.reference import ReferenceBank
from gongyi_bank.values import SCALE_MAX, Points, clean_code, compose_account_no, parse_account_no

#: As long as a customer's reference can be.
_REF_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePoint:
    """Where service is recorded, and the two people who do it (经办 and 复核).

    Raises InvalidText.
    """

    outlet: str
    recorded_by: str
    checked_by: str
    #: The branch above the outlet, which hands it its blank passbooks; None if it gives out none.
    branch: str | None = None

    def __post_init__(self) -> None:
        for field in ("outlet", "recorded_by", "checked_by", "branch"):
            value = getattr(self, field)
            if value is not None or field != "branch":
                object.__setattr__(self, field, clean_code(value, field=field))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who and what a district has that rows and histories may name.

    Raises InvalidValue.
    """

    accounts: tuple[int, ...]
    service_points: tuple[ServicePoint, ...]
    #: Categories of the tariff.
    categories: tuple[str, ...] = ("service",)
    #: (store, article) of every offer.
    goods: tuple[tuple[str, str], ...] = ()
    pools: tuple[str, ...] = ()
    #: Two administrators: who acts, and who agrees where two people are needed.
    administrators: tuple[str, str] = ("admin", "admin2")
    #: From this moment on things may happen.
    begins_at: dt.datetime

    def __post_init__(self) -> None:
        accounts = (parse_account_no(no, field="accounts") for no in self._list("accounts"))
        self._keep("accounts", accounts)
        reason = "a ServicePoint is needed"
        points = self._list("service_points")
        self._keep(
            "service_points",
            (require_kind("service_points", point, ServicePoint, reason) for point in points),
        )
        self._keep("goods", (_article(pair) for pair in self._list("goods")))
        for field in ("categories", "pools", "administrators"):
            codes = self._list(field)
            self._keep(field, (clean_code(code, field=field) for code in codes))
        if len(self.administrators) != 2:
            raise InvalidValue.of("administrators", self.administrators, "two people are needed")
        require_moment(self.begins_at, "begins_at")

    def _list(self, field: str) -> Iterable[Any]:
        return require_list(getattr(self, field), field=field)

    def _keep(self, field: str, values: Iterable[Any]) -> None:
        object.__setattr__(self, field, require_each_once(values, field=field))


def _article(pair: Any) -> tuple[str, str]:
    """(store, article) of an offer."""
    codes = tuple(require_list(pair, field="goods"))
    if len(codes) != 2:
        raise InvalidValue.of("goods", pair, "a store and an article are needed")
    store, sku = (clean_code(code, field="goods") for code in codes)
    return store, sku


#: What a story says itself where others hand on what they are given, and what to say instead.
_OF_FOUNDING = {"clock": "the story has its own clock: see story.day(…)"}
_OF_DISTRICT = _OF_FOUNDING | {"day": "it has its own first day: see story.day(…)"}
_OF_RECORDS = {
    "account": "give who= instead", "outlet": "give at= instead",
    "started_at": "give start= instead", "ended_at": "give minutes= instead",
}  # fmt: skip


class Story:
    """A district that is told step by step; every step is an act and returns the story.

    >>> story = Story.found("sqlite://", day="2022-10-01")
    >>> story.branch("B01").savings_branch("B01S01", "B01").customer("zhang", "B01S01")
    >>> story.day("2022-10-03").records("zhang", start="08:00", minutes=90)
    >>> story.bank.reports.balance(story.account("zhang"))

    People and accounts are named by the references that the story gave them; an account number
    does as well. What the bank refuses rises as the refusal that it is.
    """

    def __init__(self, bank: Bank | ReferenceBank, *, clock: FrozenClock | None = None) -> None:
        """Tell on: `bank` is opened for an administrator; `clock` is its clock, if it is frozen.

        Without one the bank's own clock goes on until the first `day`. Raises InvalidValue.
        """
        if not isinstance(bank, ReferenceBank):
            require_kind("bank", bank, Bank, "a Bank or a ReferenceBank is needed")
        if clock is not None:
            require_kind("clock", clock, FrozenClock, "a FrozenClock is needed")
        told: Any = bank  # The desks of both are called alike.
        self._bank: Bank = told if clock is None else told.at(clock)
        self._clock = clock
        self._accounts: dict[str, int] = {}
        self._outlets: dict[int, str] = {}
        self._keepers: dict[str, str] = {}
        self._points: dict[str, ServicePoint] = {}
        self._goods: dict[tuple[str, str], None] = {}
        self._pools: list[str] = []
        #: What the bank answered, in order.
        self.receipts: list[Any] = []

    @classmethod
    def found(cls, database: str | sa.URL | sa.Engine, *, day: str, **founding: Any) -> Self:
        """Found a bank on a morning (08:00, `day="2022-10-01"`) and begin its story.

        `founding` goes to `Bank.found`: name, policies, keys … and no clock, as the story has
        its own. Raises BankExists.
        """
        refuse_own(founding, _OF_FOUNDING)
        morning = _moment(day, "08:00", "day", dt.UTC)
        name = founding.get("time_zone", SHANGHAI.key)
        # The bank looks at its clock after it has looked at the zone's name.
        bank = Bank.found(
            database, clock=lambda: morning.replace(tzinfo=ZoneInfo(name)), **founding
        )
        return cls(bank).day(day)

    # --- what there is ---

    @property
    def bank(self) -> Bank:
        """The bank, with the story's clock."""
        return self._bank

    @property
    def clock(self) -> FrozenClock:
        """The story's clock. Raises InvalidValue before the first `day`."""
        if self._clock is None:
            raise InvalidValue.of("day", None, "say on which day it happens: story.day(…)")
        return self._clock

    @property
    def now(self) -> dt.datetime:
        """The moment that the story has reached, on the bank's clocks."""
        return self.clock.now.astimezone(self._bank.zone)

    @property
    def last(self) -> Any:
        """The receipt of the newest act."""
        return self.receipts[-1]

    @property
    def cast(self) -> Cast:
        """Who and what the story has named so far, for the strategies.

        Raises InvalidValue until two administrators are appointed (`staff`).
        """
        today = self.now.date()
        _, tariff = self._bank.policies.book().in_force(Tariff, today)
        named = [row["staff"] for row in self._bank.staff.roles() if row["role"] == "administrator"]
        return Cast(
            administrators=tuple(named[:2]),
            accounts=tuple(self._outlets),
            service_points=tuple(self._points.values()),
            categories=tuple(rate.category for rate in tariff.rates),
            goods=tuple(self._goods),
            pools=tuple(self._pools),
            begins_at=self.now,
        )

    def account(self, who: str | int) -> int:
        """The account number of a customer by reference. Raises UnknownCustomer, InvalidValue."""
        return self._account_of(who, "who")

    def _account_of(self, who: str | int, field: str) -> int:
        if not isinstance(who, str):
            return parse_account_no(who, field=field)
        ref = clean_code(who, field=field, length_max=_REF_MAX)
        if ref not in self._accounts:
            self._accounts[ref] = self._bank.customers.account_of(ref)
        return self._accounts[ref]

    # --- time ---

    def day(self, day: str) -> Self:
        """It is the morning (08:00) of "2022-10-03"; never a day that is over.

        Raises InvalidInstant.
        """
        moment = _moment(day, "08:00", "day", self._bank.zone)
        if self._clock is None:
            self._clock = FrozenClock(moment)
            self._bank = self._bank.at(self._clock)
        elif moment.date() != self.now.date():
            self._clock.set(moment)
        return self

    def time(self, time: str) -> Self:
        """It is "14:30" of the same day. Raises InvalidInstant for a time that has passed."""
        self.clock.set(self._today_at(time, "time"))
        return self

    def _today_at(self, time: str, field: str) -> dt.datetime:
        today = self.now.date().isoformat()
        return _moment(today, time, field, self._bank.zone)

    # --- the house ---

    def branch(self, code: str, *, name: str | None = None, head_office: str = "H") -> Self:
        """A branch (分行) with its ledger keepers `K-<code>` and `L-<code>`."""
        above = clean_code(head_office, field="head_office")
        self._open(code, f"{code}分行" if name is None else name, above)
        self._keepers[code] = f"K-{code}"
        self.staff(f"K-{code}", "ledger_keeper", code)
        return self.staff(f"L-{code}", "ledger_keeper", code)

    def savings_branch(self, code: str, branch: str, *, name: str | None = None) -> Self:
        """A savings branch (储蓄所) with its teller `T-<code>`, whose work the keeper checks."""
        above = clean_code(branch, field="branch")
        self._open(code, f"{code}储蓄所" if name is None else name, above)
        self.staff(f"T-{code}", "teller", code)
        checker = self._keepers.get(above, f"K-{above}")
        point = ServicePoint(outlet=code, recorded_by=f"T-{code}", checked_by=checker, branch=above)
        self._points[code] = point
        return self

    def _open(self, code: str, name: str, parent: str) -> None:
        self.does(OpenOutlets(outlets=(NewOutlet(code=code, name=name, parent=parent),)))

    def staff(self, code: str, role: Role, outlet: str, *, store: str | None = None) -> Self:
        """Somebody with a role at an outlet and below it."""
        appointment = Appointment(code=code, role=role, outlet=outlet, store=store)
        return self.does(AppointStaff(appointments=(appointment,)))

    def store(
        self, code: str, recruited_by: str, *, name: str | None = None,
        kind: StoreKind = "community_store",
    ) -> Self:  # fmt: skip
        """A partner store, recruited by an outlet."""
        called = f"{code}超市" if name is None else name
        new = NewStore(code=code, name=called, kind=kind, recruited_by=recruited_by)
        return self.does(RecruitStores(stores=(new,)))

    def offer(self, store: str, sku: str, points: Points | str | int, *, stock: int = 100) -> Self:
        """An article for points, with so many pieces."""
        new = NewOffer(store=store, sku=sku, name=sku, points=Points(points), stock=stock)
        self.does(PublishOffers(offers=(new,)))
        self._goods[new.store, new.sku] = None
        return self

    def pool(self, code: str, outlet: str, *, name: str | None = None) -> Self:
        """A pool (积分池) of an outlet."""
        self.does(OpenPool(code=code, name=f"{code}池" if name is None else name, outlet=outlet))
        self._pools.append(code)
        return self

    def customer(
        self,
        ref: str,
        outlet: str | None = None,
        *,
        name: str = "张三",
        kind: CustomerKind = "volunteer",
        **fields: Any,
    ) -> Self:
        """A customer of a savings branch (the first one if none is named), with an account.

        `fields` are those of `NewCustomer`: a document, a telephone, an earlier registration.
        """
        known = clean_code(ref, field="ref", length_max=_REF_MAX)
        place = next(iter(self._points), None) if outlet is None else outlet
        if place is None:
            raise InvalidValue.of("outlet", None, "the story has no savings branch yet")
        new = NewCustomer(ref=known, outlet=place, name=name, kind=kind, **fields)
        self.does(RegisterCustomers(customers=(new,)))
        (self._accounts[known],) = self.last.accounts
        self._outlets[self._accounts[known]] = new.outlet
        return self

    # --- what happens ---

    def records(
        self,
        who: str | int,
        *,
        start: str = "08:00",
        minutes: int = 60,
        category: str = "service",
        at: str | None = None,
        **fields: Any,
    ) -> Self:
        """Service given today from `start` on, recorded at its end by the outlet's teller.

        `at` is the savings branch, the customer's own if it is left out. `fields` are those of
        `RecordHours`: a project, a rating, a reference, a key.
        """
        refuse_own(fields, _OF_RECORDS)
        length = require_whole("minutes", minutes, 1, 1440)
        account = self.account(who)
        point = self._point_of(account, at)
        started_at = self._today_at(start, "start")
        ended_at = passed(started_at, dt.timedelta(minutes=length))
        people = {"recorded_by": point.recorded_by, "checked_by": point.checked_by}
        command = RecordHours(
            account=account, category=category, started_at=started_at, ended_at=ended_at,
            outlet=point.outlet, **people | fields,
        )  # fmt: skip
        if ended_at.astimezone(dt.UTC) > self.clock.now:
            self.clock.set(ended_at)
        return self.does(command, by=command.recorded_by)

    def _point_of(self, account: int, outlet: str | None) -> ServicePoint:
        code = self._outlets.get(account) if outlet is None else clean_code(outlet, field="at")
        if code is None or code not in self._points:
            raise InvalidValue.of("at", code, "no savings branch of this story")
        return self._points[code]

    def brings_forward(
        self, who: str | int, points: Points | str | int, *, minutes: int = 0
    ) -> Self:
        """期初: points and minutes from the paper books, as at yesterday."""
        yesterday = self.now.date() - dt.timedelta(days=1)
        row = OpeningRow(
            account=self.account(who), minutes=minutes, points=Points(points), as_of=yesterday
        )
        self.does(BringForward(rows=(row,)))
        refused = self.last.refused
        if refused:
            raise refused[0].error
        return self

    def is_granted(
        self, who: str | int, points: Points | str | int, *, outlet: str, reason: str = "表彰"
    ) -> Self:
        """Points by hand, given by the first keeper of a branch and agreed by the second."""
        place = clean_code(outlet, field="outlet")
        command = GrantPoints(
            account=self.account(who), points=Points(points), reason=reason, outlet=place,
            second_person=f"L-{place}",
        )  # fmt: skip
        return self.does(command, by=f"K-{place}")

    def redeems(self, who: str | int, store: str, sku: str, *, quantity: int = 1) -> Self:
        """Goods for points at once."""
        account = self.account(who)
        return self.does(Redeem(account=account, store=store, sku=sku, quantity=quantity))

    def reserves(self, who: str | int, store: str, sku: str, *, quantity: int = 1) -> Self:
        """Goods and points put aside; `story.last.redemption_id` names the reservation."""
        account = self.account(who)
        return self.does(Reserve(account=account, store=store, sku=sku, quantity=quantity))

    def gives(
        self, who: str | int, to: str | int, points: Points | str | int, *, at: str | None = None
    ) -> Self:
        """Points from one customer to another, at a savings branch."""
        account, target = self.account(who), self._account_of(to, "to")
        outlet = self._point_of(account, at).outlet
        command = GiftPoints(account=account, target=target, points=Points(points), outlet=outlet)
        return self.does(command)

    def donates(
        self, who: str | int, pool: str, points: Points | str | int, *, at: str | None = None
    ) -> Self:
        """Points from a customer to a pool, at a savings branch."""
        account = self.account(who)
        outlet = self._point_of(account, at).outlet
        command = DonatePoints(account=account, pool=pool, points=Points(points), outlet=outlet)
        return self.does(command)

    def closes(self, period: str) -> Self:
        """The books of a day, month, quarter or year that is over are closed."""
        closed: BooksClosed = self._bank.closings.close(CloseBooks(period=period).period)
        self.receipts.append(closed)
        return self

    def does(self, command: Command, *, by: str | None = None) -> Self:
        """Any other act, by a member of staff or else by whom the bank was opened for."""
        bank = self._bank if by is None else self._bank.acting_as(clean_code(by, field="by"))
        self.receipts.append(bank.execute(command))
        return self


def _moment(day: str, time: str, field: str, zone: dt.tzinfo) -> dt.datetime:
    """A moment in a zone from "2022-10-03" and "08:00"; raises InvalidInstant."""
    try:
        found = dt.datetime.combine(dt.date.fromisoformat(day), dt.time.fromisoformat(time))
    except (TypeError, ValueError):
        found = None
    if found is None or found.tzinfo is not None:
        shown, form = (day, "2022-10-03") if field == "day" else (time, "08:00")
        raise InvalidInstant.of(field, shown, f"written {form}")
    return require_bookable(found.replace(tzinfo=zone), field)


# --- the district that is always the same --------------------------------------------------

#: Who and what `small_district` has: three customers, two savings branches, a store, a pool.
SMALL_CAST = Cast(
    accounts=(
        compose_account_no(1002, 1),
        compose_account_no(1002, 2),
        compose_account_no(1003, 1),
    ),
    service_points=(
        ServicePoint(outlet="B01S01", recorded_by="T-B01S01", checked_by="K-B01", branch="B01"),
        ServicePoint(outlet="B01S02", recorded_by="T-B01S02", checked_by="K-B01", branch="B01"),
    ),
    goods=(("P01", "SOAP"), ("P01", "RICE")),
    pools=("POOL",),
    begins_at=dt.datetime(2022, 10, 3, 8, tzinfo=SHANGHAI),
)


def small_district(database: str | sa.URL | sa.Engine, **founding: Any) -> Story:
    """Found a small district that is always the same: what `SMALL_CAST` names is in it.

    A branch, two savings branches, the customers zhang (50 points), li (20) and wang (0), a
    store with soap for 0.50 (30 pieces) and rice for 5 (100), a pool. It is 08:00 of 3 October
    2022. `founding` goes to `Bank.found`, with a scale of at least 1 for the soap; the clock is
    the story's. Raises BankExists, InvalidValue.

    >>> story = small_district("sqlite://")
    """
    _require_district(founding)
    story = Story.found(database, day="2022-10-01", **founding)
    return _settled(story, founding.get("head_office", "H"))


def small_reference(**founding: Any) -> Story:
    """The same small district on a `ReferenceBank`: in memory, without a database.

    `founding` goes to `ReferenceBank.found`, without a clock and with a scale of at least 1;
    `story.bank` is the reference bank. Raises InvalidValue.

    >>> story = small_reference()
    """
    _require_district(founding)
    clock = FrozenClock(_moment("2022-10-01", "08:00", "day", SHANGHAI))
    bank = ReferenceBank.found(clock=clock, **founding)
    return _settled(Story(bank).day("2022-10-01"), founding.get("head_office", "H"))


def _require_district(founding: Mapping[str, Any]) -> None:
    refuse_own(founding, _OF_DISTRICT)
    require_whole("scale", founding.get("scale", 2), 1, SCALE_MAX)


def _settled(story: Story, head_office: str) -> Story:
    story.staff("admin2", "administrator", head_office)
    story.branch("B01", head_office=head_office)
    story.savings_branch("B01S01", "B01").savings_branch("B01S02", "B01")
    story.customer("zhang", "B01S01").customer("li", "B01S01", name="李四")
    story.customer("wang", "B01S02", name="王五")
    story.store("P01", "B01S01").offer("P01", "SOAP", "0.50", stock=30).offer("P01", "RICE", 5)
    story.pool("POOL", "B01")
    story.brings_forward("zhang", 50, minutes=3000).brings_forward("li", 20, minutes=1200)
    return story.day("2022-10-03")
