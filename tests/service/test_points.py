"""Opening balances and grants by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.errors import (
    FourEyesRequired,
    IdempotencyConflict,
    InvalidInstant,
    InvalidValue,
    NothingToTakeOver,
    UnknownCustomer,
)
from gongyi_bank.values import Points, compose_account_no
from tests.district import District

AS_OF = dt.date(2022, 9, 30)


def opening(account: int, minutes: int = 90, points: str = "12.34", **fields: Any) -> OpeningRow:
    return OpeningRow(
        account=account, minutes=minutes, points=Points(points), as_of=fields.get("as_of", AS_OF)
    )


def test_an_opening_balance_is_the_first_line_and_counts_for_the_stars(district: District) -> None:
    account = district.customer()
    done = district.bank.points.bring_forward(rows=[opening(account)])
    outcome = done.outcomes[0]
    assert (outcome.outcome, outcome.line_no, outcome.balance) == ("credited", 1, Points("12.34"))
    assert district.serve(account, "10-03 08:00", 60).balance == Points("13.34")


def test_an_opening_sent_again_is_a_replay_and_with_other_content_a_conflict(
    district: District,
) -> None:
    account = district.customer()
    rows = [opening(account), opening(account), opening(account, points="12.35")]
    outcomes = district.bank.points.bring_forward(rows=rows).outcomes
    assert [o.outcome for o in outcomes] == ["credited", "replayed", "refused"]
    assert isinstance(outcomes[2].error, IdempotencyConflict)
    again = district.bank.points.bring_forward(rows=rows)
    assert [o.outcome for o in again.outcomes] == ["replayed", "replayed", "refused"]
    assert again.voucher_id is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"as_of": dt.date(2022, 10, 16)}, InvalidInstant),
        ({"minutes": 0, "points": "0"}, InvalidValue),
    ],
    ids=["in the future", "nothing"],
)
def test_an_opening_that_cannot_be_is_refused(
    district: District, change: dict[str, Any], error: type[Exception]
) -> None:
    row = opening(district.customer(), **change)
    assert isinstance(district.bank.points.bring_forward(rows=[row]).outcomes[0].error, error)


def test_an_opening_comes_first_or_not_at_all(district: District) -> None:
    account = district.customer()
    district.serve(account, "10-03 08:00")
    unknown = compose_account_no(1001, 1)
    rows = [opening(account), opening(unknown)]
    errors = [o.error for o in district.bank.points.bring_forward(rows=rows).outcomes]
    assert [type(e) for e in errors] == [NothingToTakeOver, UnknownCustomer]


def test_minutes_alone_or_points_alone_can_be_brought_forward(district: District) -> None:
    first, second = district.customer(), district.customer(name="李四")
    rows = [opening(first, minutes=0), opening(second, points="0")]
    outcomes = district.bank.points.bring_forward(rows=rows).outcomes
    assert [(o.outcome, o.line_no) for o in outcomes] == [("credited", 1), ("credited", None)]


def test_a_grant_takes_a_reason_and_two_people(district: District) -> None:
    account = district.customer()
    wish = {
        "account": account,
        "points": Points("5"),
        "reason": "防汛表彰",
        "outlet": "B01",
        "idempotency_key": "G1",
    }
    keeper = district.acting("K1")
    receipt = keeper.points.grant(**wish, second_person="K1b")
    assert receipt.balance == Points("5")
    assert keeper.points.grant(**wish, second_person="K1b") == receipt
    with pytest.raises(FourEyesRequired):
        keeper.points.grant(**wish | {"idempotency_key": "G2"}, second_person="K1")
