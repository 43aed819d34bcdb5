"""规则的施行: from which day on a policy may begin.

Pure. The first of these that applies refuses: not permitted; a day no later than that of the
newest policy of its kind; days that were decided on already.
"""

from __future__ import annotations

import datetime as dt

from gongyi_bank.errors import PolicyTooLate

_DAY = dt.timedelta(days=1)


def require_undecided(
    kind: str, effective_on: dt.date, today: dt.date, decided_on: dt.date | None
) -> None:
    """Raise PolicyTooLate where the policy would change what was decided already.

    `decided_on` is the newest day of service in the books, for the policies that are looked
    up by it: the day after is free. The others are looked up by the day of the act, so they
    begin today at the earliest.

    >>> import datetime as dt
    >>> require_undecided("tariff", dt.date(2022, 1, 1), dt.date(2022, 10, 1), None)
    """
    if decided_on is not None:
        earliest_on = decided_on + _DAY
    elif kind in ("tariff", "hour_limits"):
        return
    else:
        earliest_on = today
    if effective_on < earliest_on:
        raise PolicyTooLate(kind=kind, effective_on=effective_on, earliest_on=earliest_on)
