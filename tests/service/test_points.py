"""Opening balances and grants by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.commands.points import GrantPoints, OpeningRow
from gongyi_bank.errors import (
    FourEyesRequired,
    IdempotencyConflict,
    InvalidAmount,
    InvalidInstant,
    InvalidValue,
    NothingToTakeOver,
    UnknownCustomer,
    UnknownRecord,
)
from gongyi_bank.values import POINTS_MAX, Points, compose_account_no
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


def test_a_balance_beyond_every_single_amount_is_in_a_receipt_that_can_be_read_again(
    district: District,
) -> None:
    account = district.customer()
    grant = {"account": account, "points": Points(POINTS_MAX), "reason": "压力", "outlet": "B01"}
    points = district.acting("K1").points
    for key in ("one", "two"):
        receipt = points.grant(**grant, second_person="K1b", idempotency_key=key)
        assert points.grant(**grant, second_person="K1b", idempotency_key=key) == receipt
    assert receipt.balance == Points(POINTS_MAX) + Points(POINTS_MAX)


def test_a_bulk_receipt_of_large_balances_can_be_read_again(district: District) -> None:
    account = district.customer()
    grant = {"account": account, "points": Points(POINTS_MAX), "reason": "压力", "outlet": "B01"}
    district.acting("K1").points.grant(**grant, second_person="K1b")
    rows = [district.row(account, "10-03 08:00", ref="R1")]
    hours = district.bank.hours
    done = hours.record_many(rows=rows, idempotency_key="many")
    assert done.outcomes[0].balance == Points(POINTS_MAX) + Points(1)
    assert hours.record_many(rows=rows, idempotency_key="many") == done


@pytest.mark.parametrize("points", ["-1", "0"])
def test_a_command_changed_behind_its_checks_is_refused(district: District, points: str) -> None:
    command = GrantPoints(
        account=district.customer(), points=Points(1), reason="表彰", outlet="B01",
        second_person="K1b",
    )  # fmt: skip
    with pytest.raises(InvalidAmount):
        district.acting("K1").execute(command.model_copy(update={"points": Points(points)}))
    assert district.bank.verify().counts["lines"] == 0


def test_an_opening_record_is_no_service_that_could_be_decided_on(district: District) -> None:
    account = district.customer()
    district.bank.points.bring_forward(rows=[opening(account)])
    hours, which = district.acting("K1").hours, {"account": account, "record_no": 1}
    row = district.row(account, "10-03 08:00")
    again = {"recorded_by": "T1", "checked_by": "K1", "category": "sanitation"}
    span = {"started_at": row.started_at, "ended_at": row.ended_at}
    for call in (
        lambda: hours.correct(**which, **again, **span, reason="有误"),
        lambda: hours.void(**which, reason="有误", second_person="K1b"),
        lambda: hours.approve(**which),
        lambda: hours.refuse(**which, reason="有误"),
    ):
        with pytest.raises(UnknownRecord):
            call()
    assert district.bank.verify().is_clean
