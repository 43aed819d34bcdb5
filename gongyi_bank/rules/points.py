"""期初与人工入账: points that come from a paper book or from a decision.

Pure. The first of these that applies refuses. A grant: unknown or closed outlet, not permitted,
the second person, one's own account, unknown or closed account, a day in the future, an amount
too fine, a closed period where the policy refuses that. An opening row: unknown customer, not
permitted, one's own account, the same account before (replay or conflict), closed account, a
day in the future, nothing in it, an account that has lines or hours already, a closed period
where the policy refuses that.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.errors import (
    GongyiBankError,
    IdempotencyConflict,
    InvalidInstant,
    InvalidValue,
    NothingToTakeOver,
    UnknownCustomer,
)
from gongyi_bank.rules.accrual import CustomerFacts, Declined, RecordFacts, Replayed
from gongyi_bank.rules.closings import ValueDay, day_itself
from gongyi_bank.rules.customers import require_open
from gongyi_bank.rules.ledger import Head
from gongyi_bank.rules.staff import OutletFacts, StaffFacts, require_not_own, require_permission


@dataclass(slots=True)
class OpeningFacts:
    """What the books say around opening rows; the fold changes `openings` as it goes."""

    today: dt.date
    scale: int
    #: Who brings forward, and the customers' own outlets by number.
    actor: StaffFacts
    outlets: dict[int, OutletFacts]
    customers: dict[int, CustomerFacts]
    customers_by_ref: dict[str, CustomerFacts]
    heads: dict[int, Head]
    #: The opening record of each account that has one.
    openings: dict[int, RecordFacts]
    #: (value date, origin date or None) of what an account brings at its outlet for a day.
    value_day: ValueDay = day_itself


@dataclass(frozen=True, slots=True)
class OpeningAccepted:
    """An opening row that is taken over."""

    row: OpeningRow
    row_digest: bytes
    customer: CustomerFacts
    #: In the smallest part.
    points: int
    #: The day in whose period it counts, and the day it is for where that is another one.
    value_on: dt.date
    origin_on: dt.date | None


OpeningDecision = OpeningAccepted | Replayed[OpeningRow] | Declined[OpeningRow]


def decide_openings(facts: OpeningFacts, rows: Iterable[OpeningRow]) -> list[OpeningDecision]:
    """Judge the rows in order: one opening per account, and nothing before it."""
    return [_decide(facts, row) for row in rows]


def _decide(facts: OpeningFacts, row: OpeningRow) -> OpeningDecision:
    row_digest = row.digest()
    try:
        accepted = _judge(facts, row, row_digest)
    except GongyiBankError as error:
        return Declined(row, error)
    if isinstance(accepted, OpeningAccepted):
        account_no = accepted.customer.account_no
        line_no = 1 if accepted.points else None
        facts.openings[account_no] = RecordFacts(
            account_no, 1, "credited", row_digest, row.minutes, accepted.points, line_no
        )
    return accepted


def _judge(
    facts: OpeningFacts, row: OpeningRow, row_digest: bytes
) -> OpeningAccepted | Replayed[OpeningRow]:
    if row.account is not None:
        customer = facts.customers.get(row.account)
    else:
        customer = facts.customers_by_ref.get(row.customer_ref or "")
    if customer is None:
        raise UnknownCustomer(account=row.account or row.customer_ref)
    home = facts.outlets[customer.outlet_no]
    require_permission(facts.actor, "points.bring_forward", home)
    require_not_own("points.bring_forward", facts.actor, customer.account_no)
    earlier = facts.openings.get(customer.account_no)
    if earlier is not None:
        if earlier.row_digest == row_digest:
            return Replayed(row, earlier)
        raise IdempotencyConflict(key=row.customer_ref or customer.account_no)
    require_open(customer.account_no, customer.state)
    if row.as_of > facts.today:
        raise InvalidInstant.of("as_of", row.as_of, "it is in the future")
    if not row.minutes and not row.points:
        raise InvalidValue.of("points", row.points, "nothing is brought forward")
    head = facts.heads[customer.account_no]
    if head.line_no or head.record_no:
        raise NothingToTakeOver(account=customer.account_no)
    points = row.points.to_units(facts.scale)
    value_on, origin_on = facts.value_day(home, row.as_of, customer.account_no)
    return OpeningAccepted(row, row_digest, customer, points, value_on, origin_on)


def require_past(value_on: dt.date | None, today: dt.date) -> dt.date:
    """The day a grant is for: today, or an earlier one."""
    if value_on is None:
        return today
    if value_on > today:
        raise InvalidInstant.of("value_on", value_on, "it is in the future")
    return value_on
