"""积分入折: a list of service rows against the books, decided as a fold.

Each row sees the facts as changed by the rows before it, so a list gives the same books as
one by one. A row is decided by the first rule that applies, in this order: the same
reference (replay or conflict), unknown customer, closed account, unknown category, not
positive, too long, in the future, before the registration, unknown or closed outlet,
unknown recorder or checker, four eyes, a sender who is neither of them, overlap; then the
daily limits.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gongyi_bank.commands.hours import ServiceRow
from gongyi_bank.errors import (
    AccountClosed,
    FourEyesRequired,
    GongyiBankError,
    IdempotencyConflict,
    NotPermitted,
    OutletClosed,
    ServiceBeforeRegistration,
    ServiceInFuture,
    ServiceNotPositive,
    ServiceOverlap,
    ServiceTooLong,
    UnknownCustomer,
    UnknownOutlet,
    UnknownStaff,
)
from gongyi_bank.policies import RATE_SCALE, HourLimits, PolicyBook
from gongyi_bank.rules.closings import ValueDay, day_itself
from gongyi_bank.rules.staff import (
    OutletFacts,
    StaffFacts,
    require_not_own,
    require_permission,
    require_stands_behind,
)

CREDITED = "credited"
WAITING_BRANCH = "waiting_branch"
WAITING_HEAD_OFFICE = "waiting_head_office"
REFUSED = "refused"
VOIDED = "voided"
REPLAYED = "replayed"
#: States that take part in overlaps and daily limits.
COUNTING = (CREDITED, WAITING_BRANCH, WAITING_HEAD_OFFICE)
_MINUTE = dt.timedelta(minutes=1)
#: A row of a bulk call, of whatever noun.
RowT = TypeVar("RowT")
_TEN_TO = (1, 10, 100, 1000, 10000)


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What hours need to know of a customer."""

    account_no: int
    state: str
    registered_on: dt.date
    outlet_no: int


@dataclass(slots=True)
class RecordFacts:
    """A record that is in the books already, or that this call has just accepted."""

    account_no: int
    record_no: int
    state: str
    row_digest: bytes
    minutes: int = 0
    points: int = 0
    line_no: int | None = None


@dataclass(slots=True)
class HourFacts:
    """What the books say around the rows to be judged; the fold changes it as it goes."""

    now: dt.datetime
    #: The calendar day of an instant in the bank's zone.
    day_of: Callable[[dt.datetime], dt.date]
    scale: int
    policies: PolicyBook
    #: By account number, and by external reference.
    customers: dict[int, CustomerFacts]
    customers_by_ref: dict[str, CustomerFacts]
    outlets: dict[str, OutletFacts]
    #: Who sends the rows, and whom they name.
    actor: StaffFacts
    staff: dict[str, StaffFacts]
    #: Accepted records by their reference.
    refs: dict[str, RecordFacts]
    #: (start, end, record number) of the counting records of each account near the rows.
    spans: dict[int, list[tuple[dt.datetime, dt.datetime, int]]]
    #: Minutes by account and start day, waiting ones counted.
    daily: dict[tuple[int, dt.date], int]
    #: The number of the newest record of each account.
    record_nos: dict[int, int]
    #: (value date, origin date or None) of an account's service on a day at an outlet.
    value_day: ValueDay = day_itself
    #: Who may record together, by (sender, recorder, checker, outlet): few in a long list.
    pairs: dict[tuple[str, ...], tuple[StaffFacts, StaffFacts]] = field(default_factory=dict)


@dataclass(slots=True)
class Accepted:
    """A row that becomes a record, credited or waiting."""

    row: ServiceRow
    row_digest: bytes
    customer: CustomerFacts
    outlet: OutletFacts
    recorder: StaffFacts
    checker: StaffFacts
    #: When the service began and ended, in UTC.
    started_at: dt.datetime
    ended_at: dt.datetime
    record_no: int
    state: str
    service_on: dt.date
    #: The day in whose period it counts, and the day of service where that is another one.
    value_on: dt.date
    origin_on: dt.date | None
    minutes: int
    #: In the smallest part; what it is worth, also while it waits.
    points: int
    tariff_id: int
    limits_id: int


@dataclass(slots=True)
class Replayed(Generic[RowT]):
    """A row that is in the books already, with the same content."""

    row: RowT
    record: RecordFacts


@dataclass(slots=True)
class Declined(Generic[RowT]):
    """A row that is refused, and why."""

    row: RowT
    error: GongyiBankError


Decision = Accepted | Replayed[ServiceRow] | Declined[ServiceRow]


def decide_hours(facts: HourFacts, rows: Iterable[ServiceRow]) -> list[Decision]:
    """Judge the rows in order; the facts are changed by every accepted one."""
    return [_decide(facts, row) for row in rows]


def points_for(minutes: int, rate: int, scale: int) -> int:
    """Points in the smallest part: minutes × rate / 60, floored once per record.

    `rate` is in ten-thousandths of a point per hour.

    >>> points_for(150, 12000, 2)  # 2.5 h at 1.20
    300
    """
    return minutes * rate * _TEN_TO[scale] // (60 * _TEN_TO[RATE_SCALE])


def _decide(facts: HourFacts, row: ServiceRow) -> Decision:
    row_digest = row.digest()
    earlier = facts.refs.get(row.ref) if row.ref is not None else None
    if earlier is not None:
        if earlier.row_digest == row_digest:
            return Replayed(row, earlier)
        return Declined(row, IdempotencyConflict(key=row.ref))
    try:
        accepted = _judge(facts, row, row_digest)
    except GongyiBankError as error:
        return Declined(row, error)
    _remember(facts, accepted)
    return accepted


def _judge(facts: HourFacts, row: ServiceRow, row_digest: bytes) -> Accepted:
    place = facts.outlets.get(row.outlet)
    if place is not None:
        require_permission(facts.actor, "hours.record", place)
    customer = _require_customer(facts, row)
    service_on = facts.day_of(row.started_at)
    tariff_id, rate = facts.policies.rate(row.category, service_on)
    limits_id, limits = facts.policies.in_force(HourLimits, service_on)
    # In UTC: between two times of one zone Python subtracts the faces of the clock.
    started_at, ended_at = row.started_at.astimezone(dt.UTC), row.ended_at.astimezone(dt.UTC)
    minutes = (ended_at - started_at) // _MINUTE
    _require_time(facts, row, minutes, limits)
    if service_on < customer.registered_on:
        raise ServiceBeforeRegistration(service_on=service_on, registered_on=customer.registered_on)
    outlet = require_open_outlet(facts.outlets, row.outlet)
    recorder, checker = _require_two_people(facts, row, outlet, customer)
    _require_no_overlap(facts, started_at, ended_at, customer.account_no)
    value_on, origin_on = facts.value_day(outlet, service_on, customer.account_no)
    return Accepted(
        row=row,
        row_digest=row_digest,
        customer=customer,
        outlet=outlet,
        recorder=recorder,
        checker=checker,
        started_at=started_at,
        ended_at=ended_at,
        record_no=facts.record_nos[customer.account_no] + 1,
        state=_state(facts, customer.account_no, service_on, minutes, limits),
        service_on=service_on,
        value_on=value_on,
        origin_on=origin_on,
        minutes=minutes,
        points=points_for(minutes, rate, facts.scale),
        tariff_id=tariff_id,
        limits_id=limits_id,
    )


def _require_customer(facts: HourFacts, row: ServiceRow) -> CustomerFacts:
    if row.account is not None:
        customer = facts.customers.get(row.account)
    else:
        customer = facts.customers_by_ref.get(row.customer_ref or "")
    if customer is None:
        raise UnknownCustomer(account=row.account or row.customer_ref)
    if customer.state == "closed":
        raise AccountClosed(account=customer.account_no)
    return customer


def _require_time(facts: HourFacts, row: ServiceRow, minutes: int, limits: HourLimits) -> None:
    if minutes <= 0:
        raise ServiceNotPositive(started_at=row.started_at, ended_at=row.ended_at)
    if minutes > limits.record_minutes_max:
        raise ServiceTooLong(minutes=minutes, minutes_max=limits.record_minutes_max)
    if row.ended_at > facts.now:
        raise ServiceInFuture(ended_at=row.ended_at, now=facts.now)


def require_open_outlet(outlets: dict[str, OutletFacts], code: str) -> OutletFacts:
    """The outlet with this code; raises UnknownOutlet or OutletClosed."""
    outlet = outlets.get(code)
    if outlet is None:
        raise UnknownOutlet(outlet=code)
    if not outlet.is_open:
        raise OutletClosed(outlet=code)
    return outlet


def _require_two_people(
    facts: HourFacts, row: ServiceRow, outlet: OutletFacts, customer: CustomerFacts
) -> tuple[StaffFacts, StaffFacts]:
    """经办 and 复核: two known people of the outlet or above, neither of them the volunteer.

    Whoever sends the row is one of them, or sends what others recorded; never their own hours.
    """
    named = row.recorded_by, row.checked_by
    all_of_them = facts.actor.code, *named, outlet.code
    pair = facts.pairs.get(all_of_them)
    if pair is not None:
        for one in (*pair, facts.actor):
            require_not_own("hours.record", one, customer.account_no)
        return pair
    if row.recorded_by == row.checked_by:
        raise FourEyesRequired(act="hours.record", staff=row.recorded_by)
    people = []
    for code in named:
        person = facts.staff.get(code)
        if person is None or not person.roles:
            raise UnknownStaff(staff=code)
        if not person.serves(outlet):
            roles = "staff of the outlet or above"
            raise NotPermitted(staff=code, act="hours.record", outlet=row.outlet, roles=roles)
        require_not_own("hours.record", person, customer.account_no)
        people.append(person)
    require_not_own("hours.record", facts.actor, customer.account_no)
    require_stands_behind("hours.record", facts.actor, outlet, named)
    facts.pairs[all_of_them] = pair = people[0], people[1]
    return pair


def _require_no_overlap(
    facts: HourFacts, started_at: dt.datetime, ended_at: dt.datetime, account_no: int
) -> None:
    spans = facts.spans.get(account_no, ())
    others = [no for start, end, no in spans if start < ended_at and started_at < end]
    if others:
        # The oldest of them: spans come in no order, and a list names what one by one would.
        raise ServiceOverlap(other=min(others))


def _state(
    facts: HourFacts, account_no: int, service_on: dt.date, minutes: int, limits: HourLimits
) -> str:
    total = facts.daily.get((account_no, service_on), 0) + minutes
    if total > limits.daily_minutes_branch:
        return WAITING_HEAD_OFFICE
    return WAITING_BRANCH if total > limits.daily_minutes_free else CREDITED


def _remember(facts: HourFacts, accepted: Accepted) -> None:
    row, account_no = accepted.row, accepted.customer.account_no
    facts.record_nos[account_no] = accepted.record_no
    span = (accepted.started_at, accepted.ended_at, accepted.record_no)
    facts.spans.setdefault(account_no, []).append(span)
    day = (account_no, accepted.service_on)
    facts.daily[day] = facts.daily.get(day, 0) + accepted.minutes
    if row.ref is not None:
        points = accepted.points if accepted.state == CREDITED else 0
        facts.refs[row.ref] = RecordFacts(
            account_no, accepted.record_no, accepted.state, accepted.row_digest,
            accepted.minutes, points,
        )  # fmt: skip
