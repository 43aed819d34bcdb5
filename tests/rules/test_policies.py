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
    with pytest.raises(PolicyTooLate) as caught:
        require_undecided(kind, earliest_on - dt.timedelta(days=1), TODAY, decided_on)
    assert caught.value.facts["earliest_on"] == earliest_on


def test_before_any_service_a_tariff_may_begin_whenever_it_likes() -> None:
    require_undecided("tariff", dt.date(1950, 1, 1), TODAY, None)
