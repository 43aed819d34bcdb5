"""Every number that a district may set, as versioned, effective-dated rule sets.

A policy is a frozen model, adopted from a day on, never edited, and cited by what it
decided. The defaults here are those of the sources named; a district overrides them with
`bank.policies.adopt(...)`. Adding a kind of policy means adding a class to `POLICIES`.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from gongyi_bank.arguments import require_each_once, require_list
from gongyi_bank.errors import InvalidValue, UnknownCategory, UnknownPolicy
from gongyi_bank.errors.validation import CheckedModel
from gongyi_bank.periods import PeriodKind, add_months
from gongyi_bank.values import NEVER, Points, PositivePoints, clean_code

#: Rates are kept in ten-thousandths of a point, the finest scale a bank can have.
RATE_SCALE = 4


class Policy(CheckedModel):
    """A frozen rule set; strict, and without fields that nobody knows."""

    kind: ClassVar[str]


def _not_negative(points: Points) -> Points:
    if points < Points(0):
        raise ValueError("it must not be negative")
    return points


class TariffRate(Policy):
    """What an hour of one category of service is worth."""

    kind: ClassVar[str] = "tariff_rate"
    #: The category's code, as service rows name it.
    category: Annotated[str, AfterValidator(lambda code: clean_code(code, field="category"))]
    #: What people call it.
    name: Annotated[str, Field(min_length=1, max_length=100)]
    points_per_hour: Annotated[Points, AfterValidator(_not_negative)]


class Tariff(Policy):
    """积分标准: points per hour by category, in force on the day of service.

    Points are floored once per record to the bank's smallest part. Without a tariff of its
    own a bank has one category, `service`, at 1 point per hour.
    """

    kind: ClassVar[str] = "tariff"
    rates: tuple[TariffRate, ...] = (
        TariffRate(category="service", name="志愿服务", points_per_hour=Points(1)),
    )

    @model_validator(mode="after")
    def _categories_are_distinct(self) -> Self:
        if len({rate.category for rate in self.rates}) != len(self.rates):
            raise ValueError("a category is named twice")
        return self


class HourLimits(Policy):
    """时长上限: soft daily limits that escalate instead of cutting off (广东 i志愿)."""

    kind: ClassVar[str] = "hour_limits"
    #: Up to and including this many minutes a day count at once.
    daily_minutes_free: Annotated[int, Field(ge=1, le=1440)] = 480
    #: Up to and including this many wait for the branch; more wait for the head office.
    daily_minutes_branch: Annotated[int, Field(ge=1, le=1440)] = 720
    #: One record can never span more than this.
    record_minutes_max: Annotated[int, Field(ge=1, le=10080)] = 1440


class PointsExpiry(Policy):
    """积分有效期: none, N months from booking, or the end of the Nth calendar year."""

    kind: ClassVar[str] = "points_expiry"
    mode: Literal["none", "months", "calendar_years"] = "none"
    length: Annotated[int, Field(ge=0, le=600)] = 0

    def expires_on(self, business_day: dt.date) -> dt.date:
        """The last day on which points credited on `business_day` may be spent."""
        if self.mode == "months":
            return add_months(business_day, self.length)
        if self.mode == "calendar_years":
            return dt.date(business_day.year + self.length, 12, 31)
        return NEVER


class RedemptionRules(Policy):
    """兑换: how long a reservation holds points and goods, and how many pieces at once."""

    kind: ClassVar[str] = "redemption_rules"
    reservation_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 72
    quantity_max: Annotated[int, Field(ge=1, le=10_000)] = 1000


class HoldRules(Policy):
    """预留: how long points may be put aside for somebody, reservations included.

    No source gives numbers; these are the house's own, like those of a reservation.
    """

    kind: ClassVar[str] = "hold_rules"
    #: Until the deadline, where the act names none.
    hours: Annotated[int, Field(ge=1, le=24 * 365)] = 72
    #: From placing to the end, however often it is extended.
    hours_max: Annotated[int, Field(ge=1, le=24 * 365)] = 720

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hours > self.hours_max:
            raise ValueError("the usual time must not be longer than the longest")
        return self


class PassbookRules(Policy):
    """存折: its size, and the terms of a loss report (储蓄管理条例 31: oral, 5 days)."""

    kind: ClassVar[str] = "passbook_rules"
    pages: Annotated[int, Field(ge=1, le=100)] = 8
    rows_per_page: Annotated[int, Field(ge=1, le=100)] = 18
    oral_loss_days: Annotated[int, Field(ge=1, le=60)] = 5
    reissue_wait_days: Annotated[int, Field(ge=0, le=60)] = 7


#: Who may hold an account; see `NewCustomer.kind`.
HolderKind = Literal["volunteer", "organisation", "household"]
#: What the receiver of a gift is to the giver: judged, never kept (it is personal).
GiftRelation = Literal["direct_kin", "kin", "friend", "neighbour", "other"]
_PointsMax = PositivePoints | None
_CountMax = Annotated[int, Field(ge=1, le=100_000)] | None


class TransferRules(Policy):
    """转赠、捐赠与拨付: who may give points to whom, how much, and how long they are good there.

    北京 lets direct kin receive, 上海 kin and friends, and donations to the needy and to
    institutions; 南京 lets groups only donate, and its fund gives to those who cannot earn. No
    source gives a number for the yearly limit: it is the house's own. Limits are per giver, those
    of grantees per account that pools grant to, and by calendar month or year; None is no limit.
    """

    kind: ClassVar[str] = "transfer_rules"
    givers: tuple[HolderKind, ...] = ("volunteer", "household")
    receivers: tuple[HolderKind, ...] = ("volunteer", "household")
    relations: tuple[GiftRelation, ...] = ("direct_kin", "kin", "friend", "neighbour", "other")
    #: Whether points that came as a gift may be gifted on; donated they may be always.
    may_give_on: bool = True
    gift_points_month_max: _PointsMax = None
    gift_points_year_max: _PointsMax = Points(300)
    gift_count_month_max: _CountMax = None
    gift_count_year_max: _CountMax = None
    donors: tuple[HolderKind, ...] = ("volunteer", "organisation", "household")
    donation_points_month_max: _PointsMax = None
    donation_points_year_max: _PointsMax = None
    donation_count_month_max: _CountMax = None
    donation_count_year_max: _CountMax = None
    #: To which customers pools may grant; to each other they may always.
    grantees: tuple[HolderKind, ...] = ("volunteer", "organisation", "household")
    #: What one pool grants …
    grant_points_month_max: _PointsMax = None
    grant_points_year_max: _PointsMax = None
    grant_count_month_max: _CountMax = None
    grant_count_year_max: _CountMax = None
    #: … and what one customer is granted by all pools.
    grantee_points_month_max: _PointsMax = None
    grantee_points_year_max: _PointsMax = None
    grantee_count_month_max: _CountMax = None
    grantee_count_year_max: _CountMax = None
    #: What arrives keeps the giver's dates (`source`), or is good as if it were earned now.
    arrival: Literal["source", "fresh"] = "source"
    #: 过户: who must be one of the two people where the balance of an account that closes goes to
    #: another one, which is no gift and counts to no limit: a ledger keeper or an administrator
    #: (`keeper`), or nobody in particular (`counter`).
    title_by: Literal["keeper", "counter"] = "keeper"


class ClosingRules(Policy):
    """结账: what becomes of service and corrections for a period that is closed.

    `book_late` books them in the open period with their origin date (domain.md: late
    corrections post to the open period, a closed one is never edited); `refuse` refuses.
    """

    kind: ClassVar[str] = "closing_rules"
    late_work: Literal["book_late", "refuse"] = "book_late"


class ReversalRules(Policy):
    """冲正与退回: what becomes of points that are spent already, and of the dates of a refund.

    `refuse` takes nothing back that is spent, `take_available` takes what there is and lets the
    rest go, `debt` (欠分) lets later credits settle it first. What a refund gives back is good
    as long as the `cited` points were (and nothing for those past their date), or has a `fresh`
    validity of its own.
    """

    kind: ClassVar[str] = "reversal_rules"
    spent: Literal["refuse", "take_available", "debt"] = "refuse"
    refund_validity: Literal["cited", "fresh"] = "cited"


class AccountRules(Policy):
    """账户: after how many months without use an account may be marked dormant."""

    kind: ClassVar[str] = "account_rules"
    dormant_months: Annotated[int, Field(ge=1, le=600)] = 24


def _rising(values: tuple[int, ...]) -> tuple[int, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError("the thresholds must rise")
    return values


#: Hours for one star, two stars and so on, each more than the one before; "以上" includes the
#: number (民法典 1259), so whoever reaches a threshold has its star.
StarHours = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...],
    Field(min_length=1, max_length=5),
    AfterValidator(_rising),
]


class VolunteerStars(Policy):
    """志愿者星级: one to five stars by lifetime verified hours."""

    kind: ClassVar[str] = "volunteer_stars"
    hours: StarHours = (100, 300, 600, 1000, 1500)


class PeriodVolunteerStars(Policy):
    """月兑换、季小评、年总评 of volunteers: hours in the period for one to five stars.

    No source gives numbers for months and quarters; these are the house's own.
    """

    kind: ClassVar[str] = "period_volunteer_stars"
    month_hours: StarHours = (4, 8, 16, 24, 32)
    quarter_hours: StarHours = (12, 24, 48, 72, 96)
    year_hours: StarHours = (50, 100, 200, 300, 400)

    def hours_for(self, period_kind: PeriodKind) -> tuple[int, ...]:
        """The thresholds of a month, a quarter or a year; InvalidValue for a day."""
        if period_kind is PeriodKind.DAY:
            reason = "stars are given for a month, a quarter or a year"
            raise InvalidValue.of("period", "day", reason)
        return {
            PeriodKind.MONTH: self.month_hours,
            PeriodKind.QUARTER: self.quarter_hours,
            PeriodKind.YEAR: self.year_hours,
        }[period_kind]


class OutletStars(Policy):
    """储蓄所星级: five indicators with weights, and the best few per cent get the stars.

    The seed names the five indicators (注册账户、服务时长、项目总数、兑换总额、吸纳企业) and the
    outcome, 9 four-star and 3 five-star of 314; weights and cut-offs are the house's own.
    """

    kind: ClassVar[str] = "outlet_stars"
    accounts_weight: Annotated[int, Field(ge=0, le=100)] = 20
    minutes_weight: Annotated[int, Field(ge=0, le=100)] = 20
    projects_weight: Annotated[int, Field(ge=0, le=100)] = 20
    redeemed_weight: Annotated[int, Field(ge=0, le=100)] = 20
    enterprises_weight: Annotated[int, Field(ge=0, le=100)] = 20
    #: The best so many thousandths of all savings branches have five stars …
    five_star_permille: Annotated[int, Field(ge=0, le=1000)] = 10
    #: … so many at least four (the five-star ones counted in), three, and two.
    four_star_permille: Annotated[int, Field(ge=0, le=1000)] = 39
    three_star_permille: Annotated[int, Field(ge=0, le=1000)] = 150
    two_star_permille: Annotated[int, Field(ge=0, le=1000)] = 500

    @model_validator(mode="after")
    def _ranks_somebody(self) -> Self:
        if not sum(self.weights):
            raise ValueError("at least one indicator must have a weight")
        shares = [permille for _, permille in self.permilles]
        if shares != sorted(shares):
            raise ValueError("fewer stars must be for the same share or a larger one")
        return self

    @property
    def weights(self) -> tuple[int, int, int, int, int]:
        """The weights in the order of the seed's indicators."""
        return (
            self.accounts_weight, self.minutes_weight, self.projects_weight,
            self.redeemed_weight, self.enterprises_weight,
        )  # fmt: skip

    @property
    def permilles(self) -> tuple[tuple[int, int], ...]:
        """(stars, best share in thousandths), most stars first."""
        return (
            (5, self.five_star_permille), (4, self.four_star_permille),
            (3, self.three_star_permille), (2, self.two_star_permille),
        )  # fmt: skip


POLICIES: dict[str, type[Policy]] = {
    policy.kind: policy
    for policy in (
        Tariff,
        HourLimits,
        PointsExpiry,
        RedemptionRules,
        HoldRules,
        PassbookRules,
        AccountRules,
        ClosingRules,
        ReversalRules,
        TransferRules,
        VolunteerStars,
        PeriodVolunteerStars,
        OutletStars,
    )
}


PolicyT = TypeVar("PolicyT", bound=Policy)


def require_policy(value: Any, field: str) -> Policy:
    """A policy of a kind that there is. Raises InvalidValue."""
    if type(value) not in POLICIES.values():
        raise InvalidValue.of(field, value, f"a policy is one of {', '.join(sorted(POLICIES))}")
    policy: Policy = value
    return policy


def require_policies(values: Iterable[Policy], *, field: str = "policies") -> tuple[Policy, ...]:
    """Policies of kinds that there are, one of each kind. Raises InvalidValue."""
    found = tuple(require_policy(value, field) for value in require_list(values, field=field))
    require_each_once((policy.kind for policy in found), field=field)
    return found


class PolicyBook:
    """All policies of a bank, by kind and effective date; knows which was in force when."""

    def __init__(self, adopted: Iterable[tuple[int, dt.date, Policy]], version: int) -> None:
        #: How many adoptions this copy has seen; an older copy is read again.
        self.version = version
        self._days: dict[str, list[dt.date]] = {}
        self._entries: dict[str, list[tuple[int, Policy]]] = {}
        for policy_id, effective_on, policy in sorted(adopted, key=lambda entry: entry[1]):
            self._days.setdefault(policy.kind, []).append(effective_on)
            self._entries.setdefault(policy.kind, []).append((policy_id, policy))
        self._rates: dict[int, dict[str, int]] = {}

    def in_force(self, policy: type[PolicyT], day: dt.date) -> tuple[int, PolicyT]:
        """(policy id, the policy of this kind in force on `day`); raises UnknownPolicy."""
        position = bisect_right(self._days.get(policy.kind, []), day) - 1
        if position < 0:
            raise UnknownPolicy(kind=policy.kind, day=day)
        policy_id, found = self._entries[policy.kind][position]
        assert isinstance(found, policy)
        return policy_id, found

    def newest_on(self, kind: str) -> dt.date | None:
        """The effective day of the newest policy of a kind."""
        days = self._days.get(kind)
        return days[-1] if days else None

    def history(self, kind: str) -> list[tuple[int, dt.date, Policy]]:
        """Every version of a kind: (policy id, effective day, policy), oldest first."""
        entries = self._entries.get(kind, [])
        return [(i, day, p) for day, (i, p) in zip(self._days.get(kind, []), entries, strict=True)]

    def longest_record(self) -> dt.timedelta:
        """How long a record can be at the most under any hour limits ever adopted."""
        limits = [p for _, p in self._entries.get(HourLimits.kind, []) if isinstance(p, HourLimits)]
        return dt.timedelta(minutes=max((p.record_minutes_max for p in limits), default=1440))

    def rate(self, category: str, day: dt.date) -> tuple[int, int]:
        """(policy id, ten-thousandths of a point per hour) for service given on `day`.

        Raises UnknownCategory when the tariff of that day does not have the category.
        """
        policy_id, tariff = self.in_force(Tariff, day)
        rates = self._rates.get(policy_id)
        if rates is None:
            rates = {r.category: r.points_per_hour.to_units(RATE_SCALE) for r in tariff.rates}
            self._rates[policy_id] = rates
        try:
            return policy_id, rates[category]
        except KeyError:
            raise UnknownCategory(category=category, day=day) from None
