"""星级: stars and leagues, to look at. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable

from gongyi_bank.desks.base import Desk
from gongyi_bank.periods import Period
from gongyi_bank.reports import ratings
from gongyi_bank.reports.standings import (
    Indicators,
    OutletLeague,
    OutletRating,
    VolunteerLeague,
    VolunteerRating,
    VolunteersByStars,
)


class RatingsDesk(Desk):
    """星级与排行: volunteers by hours, savings branches by five indicators.

    A period is a `Period` or its label: "2022-10", "2022Q4", "2022".
    """

    def volunteer_stars(self, account: int | str) -> VolunteerRating:
        """A volunteer's lifetime stars: `bank.ratings.volunteer_stars(account).stars`.

        They go by verified minutes, so that redeeming or expiry never lowers them. Raises
        UnknownCustomer, and NotAVolunteer for an organisation or a household.
        """
        return self._house.read(lambda tx: ratings.explain(tx, account))

    def volunteers_by_stars(self) -> VolunteersByStars:
        """How many volunteers have 0 to 5 lifetime stars; reads like a dict."""
        return self._house.read(ratings.volunteers_by_stars)

    def explain(self, account: int | str, period: Period | str | None = None) -> VolunteerRating:
        """Why a volunteer has these stars for a month, a quarter or a year (or lifetime).

        Gives minutes, thresholds, the gap to the next star, what was not counted and why, and
        the version of the rule. Raises as `volunteer_stars`, and InvalidValue for a day.
        """
        return self._house.read(lambda tx: ratings.explain(tx, account, period))

    def volunteer_league(
        self,
        period: Period | str,
        *,
        top: int | None = None,
        kinds: Iterable[str] = ("volunteer",),
        names: bool = False,
    ) -> VolunteerLeague:
        """Who gave the most credited minutes in a month, a quarter or a year.

        Equal minutes share a rank. `names=True` adds masked names. Raises InvalidValue.
        """
        return self._house.read(
            lambda tx: ratings.volunteer_league(tx, period, top=top, kinds=kinds, names=names)
        )

    def indicators(self, period: Period | str, outlets: Iterable[str] | None = None) -> Indicators:
        """The five indicators of all savings branches, or of those at and below `outlets`.

        Accounts and stores as they stand at the end of the period; minutes, projects and
        points within it. Raises UnknownOutlet.
        """
        return self._house.read(lambda tx: ratings.indicators(tx, period, outlets))

    def outlet_league(self, period: Period | str, *, top: int | None = None) -> OutletLeague:
        """Savings branches by the weighted score of their five indicators, with stars.

        Equal scores share a rank, and a tie is never split by a star: it has the star only if
        all of it fits into the star's share.
        """
        return self._house.read(lambda tx: ratings.outlet_league(tx, period, top=top))

    def explain_outlet(self, code: str, period: Period | str) -> OutletRating:
        """Why a savings branch has these stars: its figures, the best ones, quotas and gap.

        Raises UnknownOutlet for a code that was no savings branch in the period.
        """
        return self._house.read(lambda tx: ratings.explain_outlet(tx, code, period))
