"""From which day on a policy may begin."""

from __future__ import annotations

import datetime as dt

import pytest

from gongyi_bank.errors import PolicyTooLate
from gongyi_bank.rules.policies import require_undecided

TODAY = dt.date(2022, 10, 15)


@pytest.mark.parametrize(
    ("kind", "decided_on", "earliest_on"),
    [
        ("tariff", dt.date(2022, 10, 3), dt.date(2022, 10, 4)),
        ("hour_limits", TODAY, dt.date(2022, 10, 16)),
        ("points_expiry", None, TODAY),
    ],
)
def test_a_policy_begins_where_nothing_is_decided_yet(
    kind: str, decided_on: dt.date | None, earliest_on: dt.date
) -> None:
    require_undecided(kind, earliest_on, TODAY, decided_on)
    day_before = earliest_on - dt.timedelta(days=1)
    with pytest.raises(PolicyTooLate) as caught:
        require_undecided(kind, day_before, TODAY, decided_on)
    assert caught.value.facts == {
        "kind": kind, "effective_on": day_before, "earliest_on": earliest_on,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["tariff", "hour_limits"])
def test_before_any_service_what_service_goes_by_may_begin_whenever_it_likes(kind: str) -> None:
    require_undecided(kind, dt.date(1950, 1, 1), TODAY, None)
