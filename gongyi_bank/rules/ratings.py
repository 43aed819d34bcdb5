"""星级: who has how many stars, and why. Hours and indicators in, ranks and stars out.

Volunteer stars come from verified minutes and from nothing else: what was redeemed or has
expired never lowers one. Savings branches are compared with each other, in whole numbers.

Ties. Equal measures share a rank, and the next rank is skipped (1, 2, 2, 4). A star for the
best so many per cent is a ceiling: a tie has it only if all of the tie fit in, so a tie is
never split and the share never exceeded. Shares are rounded down to whole branches.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gongyi_bank.policies import OutletStars
from gongyi_bank.values import SCALE_MAX, Points

VOLUNTEER = "volunteer"
STARS_MAX = 5
#: An indicator is scored in thousandths of the best one.
SCORE_MAX = 1000
_MINUTES_PER_HOUR = 60


# --- volunteers ----------------------------------------------------------------------------


def count_stars(minutes: int, star_hours: Sequence[int]) -> int:
    """Stars for so many minutes; a threshold that is reached counts (民法典 1259)."""
    return bisect_right([hours * _MINUTES_PER_HOUR for hours in star_hours], minutes)


def gap_minutes(minutes: int, star_hours: Sequence[int]) -> int | None:
    """Minutes to the next star; None where there is none above."""
    stars = count_stars(minutes, star_hours)
    if stars == len(star_hours):
        return None
    return star_hours[stars] * _MINUTES_PER_HOUR - minutes


def distribute_stars(total: int, reached: Sequence[int]) -> tuple[int, ...]:
    """How many have exactly 0 to 5 stars; `reached[n]` of the total have at least n + 1."""
    at_least = [total, *reached, *[0] * (STARS_MAX + 1 - len(reached))]
    return tuple(at_least[star] - at_least[star + 1] for star in range(STARS_MAX + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedMinutes:
    """What one customer did in a period."""

    account: int
    #: The sender's reference, if the customer has one.
    ref: str | None
    #: volunteer, organisation or household.
    kind: str
    #: Credited minutes of service given in the period.
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolunteerStanding(ServedMinutes):
    """A place in the league of a period."""

    #: Equal minutes share it.
    rank: int
    #: 0 to 5; only volunteers have stars.
    stars: int
    #: Masked, and only where names were asked for.
    name: str | None = None


def rank_volunteers(
    served: Iterable[ServedMinutes], star_hours: Sequence[int]
) -> tuple[VolunteerStanding, ...]:
    """The most minutes first; in a tie by reference, then by account number."""
    ordered = sorted(served, key=lambda s: (-s.minutes, s.ref is None, s.ref or "", s.account))
    fewer = [-s.minutes for s in ordered]
    return tuple(
        VolunteerStanding(
            account=one.account,
            ref=one.ref,
            kind=one.kind,
            minutes=one.minutes,
            rank=bisect_left(fewer, -one.minutes) + 1,
            stars=count_stars(one.minutes, star_hours) if one.kind == VOLUNTEER else 0,
        )
        for one in ordered
    )


# --- savings branches ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletIndicators:
    """注册账户、服务时长、项目总数、兑换总额、吸纳企业: a savings branch in a period."""

    outlet_code: str
    outlet_name: str
    #: Accounts registered here that are open at the end of the period.
    registered_accounts: int
    #: Credited minutes of service given here in the period.
    service_minutes: int
    #: Different projects among that service.
    projects: int
    #: Points that its own customers redeemed in the period, wherever they did.
    points_redeemed: Points
    #: Stores that it recruited and that are in the alliance at the end of the period.
    enterprises: int

    @property
    def measures(self) -> tuple[int, int, int, int, int]:
        """The five as whole numbers, for comparing one branch with another."""
        return (
            self.registered_accounts,
            self.service_minutes,
            self.projects,
            self.points_redeemed.to_units(SCALE_MAX),
            self.enterprises,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletStanding:
    """A savings branch's place in the league of a period."""

    indicators: OutletIndicators
    #: Each indicator in thousandths of the best branch's.
    scores: tuple[int, ...]
    #: The scores by their weights, summed: at most 1000 times the sum of the weights.
    score: int
    #: Equal scores share it.
    rank: int
    #: The last place of those who share the rank: what the star goes by.
    last_place: int
    #: 0 to 5; a branch that has nothing at all has none, any other at least one.
    stars: int


def relative_score(measure: int, best: int) -> int:
    """Thousandths of the best, rounded down; where the best has nothing, all score zero.

    So does what is below zero: 兑换总额 where more came back in the period than was given out.
    """
    return max(0, measure) * SCORE_MAX // best if best > 0 else 0


def star_quota(permille: int, outlets: int) -> int:
    """How many branches the best share is, rounded down: a share is never exceeded."""
    return permille * outlets // 1000


def rank_outlets(
    rows: Sequence[OutletIndicators], policy: OutletStars
) -> tuple[OutletStanding, ...]:
    """The highest weighted score first; in a tie by code."""
    best = [max(column) for column in zip(*(row.measures for row in rows), strict=True)]
    scored = []
    for row in rows:
        scores = tuple(map(relative_score, row.measures, best))
        score = sum(w * s for w, s in zip(policy.weights, scores, strict=True))
        scored.append((-score, row.outlet_code, scores, row))
    scored.sort(key=lambda entry: entry[:2])
    lower = [entry[0] for entry in scored]
    return tuple(
        OutletStanding(
            indicators=row,
            scores=scores,
            score=-negative,
            rank=bisect_left(lower, negative) + 1,
            last_place=(last_place := bisect_right(lower, negative)),
            stars=_outlet_stars(-negative, last_place, len(rows), policy),
        )
        for negative, _, scores, row in scored
    )


def _outlet_stars(score: int, last_place: int, outlets: int, policy: OutletStars) -> int:
    if not score:
        return 0
    for stars, permille in policy.permilles:
        if last_place <= star_quota(permille, outlets):
            return stars
    return 1


def score_needed(
    standing: OutletStanding, league: Sequence[OutletStanding], policy: OutletStars
) -> int | None:
    """The least score for one star more while the others stay as they are.

    None with all stars, or where the bank is too small for the next star's share.
    """
    following = standing.stars + 1
    if following > STARS_MAX:
        return None
    if following == 1:
        return 1
    quota = star_quota(dict(policy.permilles)[following], len(league))
    if not quota:
        return None
    others = [one.score for one in league if one is not standing]
    return others[quota - 1] + 1
