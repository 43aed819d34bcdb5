"""期初与人工入账: one opening per account, first of all or not at all."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from gongyi_bank.commands.points import OpeningRow
from gongyi_bank.errors import (
    AccountClosed,
    FourEyesRequired,
    IdempotencyConflict,
    InvalidAmount,
    InvalidInstant,
    InvalidValue,
    NothingToTakeOver,
    NotPermitted,
    UnknownCustomer,
)
from gongyi_bank.rules.accrual import CustomerFacts, Declined, RecordFacts, Replayed
from gongyi_bank.rules.ledger import Head
from gongyi_bank.rules.points import (
    OpeningAccepted,
    OpeningDecision,
    OpeningFacts,
    decide_openings,
    require_past,
)
from gongyi_bank.rules.staff import OutletFacts, RoleFacts, StaffFacts
from gongyi_bank.values import Points, compose_account_no

ANNA, BELA, GONE, USED, SERVED = (compose_account_no(1003, serial) for serial in range(1, 6))
NOBODY = compose_account_no(1003, 9)
TODAY = dt.date(2022, 10, 15)


def administrator(outlet_no: int = 1000, tier: int = 1, own: int | None = None) -> StaffFacts:
    return StaffFacts(1, "A", own, (RoleFacts("administrator", outlet_no, tier),))


ADMINISTRATOR = administrator()


def facts(scale: int = 2, actor: StaffFacts = ADMINISTRATOR) -> OpeningFacts:
    states = {ANNA: "active", BELA: "frozen", GONE: "closed", USED: "active", SERVED: "active"}
    customers = {
        no: CustomerFacts(no, state, dt.date(2022, 1, 1), 1003) for no, state in states.items()
    }
    heads = {no: Head(no) for no in states}
    heads[USED].line_no = 1
    heads[SERVED].record_no = 1
    home = OutletFacts(1003, "B01S01", "储蓄所", 3, 1001, is_open=True)
    return OpeningFacts(
        TODAY, scale, actor, {1003: home}, customers, {"C-1": customers[ANNA]}, heads, {}
    )


def row(**fields: Any) -> OpeningRow:
    given = {"account": ANNA, "minutes": 90, "points": Points("1.50"), "as_of": TODAY} | fields
    return OpeningRow(**given)


def verdict(decision: OpeningDecision) -> object:
    if isinstance(decision, Declined):
        return decision.error
    return "replayed" if isinstance(decision, Replayed) else "taken over"


def verdicts(*rows: OpeningRow, scale: int = 2) -> list[object]:
    return [verdict(decision) for decision in decide_openings(facts(scale), rows)]


TOMORROW, YESTERDAY = TODAY + dt.timedelta(days=1), TODAY - dt.timedelta(days=1)
NOTHING = InvalidValue.of("points", Points(0), "nothing is brought forward")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "taken over"),
        ({"account": BELA}, "taken over"),
        ({"account": None, "customer_ref": "C-1"}, "taken over"),
        ({"account": None, "customer_ref": "C-2"}, UnknownCustomer(account="C-2")),
        ({"account": NOBODY}, UnknownCustomer(account=NOBODY)),
        ({"account": GONE}, AccountClosed(account=GONE)),
        ({"account": USED}, NothingToTakeOver(account=USED)),
        ({"account": SERVED}, NothingToTakeOver(account=SERVED)),
        (
            {"as_of": TOMORROW},
            InvalidInstant.of("as_of", TOMORROW, "it is in the future"),
        ),
        ({"as_of": YESTERDAY}, "taken over"),
        ({"minutes": 0}, "taken over"),
        ({"points": Points(0)}, "taken over"),
        ({"minutes": 0, "points": Points(0)}, NOTHING),
        (
            {"points": Points("0.001")},
            InvalidAmount.of("points", "0.001", "this bank keeps 2 decimals"),
        ),
        ({"points": Points("0.0100")}, "taken over"),
    ],
)
def test_every_rule_of_an_opening(fields: dict[str, Any], expected: object) -> None:
    assert verdicts(row(**fields)) == [expected]


def test_within_one_call_the_second_is_a_replay_with_its_line_or_a_conflict() -> None:
    first, again, other = row(), row(), row(minutes=91)
    decided = decide_openings(facts(), [first, again, other])
    record = RecordFacts(ANNA, 1, "credited", first.digest(), 90, 150, 1)
    anna = facts().customers[ANNA]
    assert decided == [
        OpeningAccepted(first, first.digest(), anna, 150, TODAY, None),
        Replayed(again, record),
        Declined(other, IdempotencyConflict(key=ANNA)),
    ]


def test_a_conflict_names_the_customer_as_the_row_does() -> None:
    by_ref = {"account": None, "customer_ref": "C-1"}
    assert verdicts(row(**by_ref), row(**by_ref, minutes=91)) == [
        "taken over",
        IdempotencyConflict(key="C-1"),
    ]


def test_hours_alone_make_a_record_and_no_line() -> None:
    _, again = decide_openings(facts(), [row(points=Points(0)), row(points=Points(0))])
    assert isinstance(again, Replayed)
    assert (again.record.points, again.record.line_no) == (0, None)


def test_an_opening_counts_where_and_when_the_customers_books_are_open() -> None:
    """The customer's outlet, and the customer, decide; the day it is of is told beside."""
    opened = dt.date(2022, 11, 1)

    def value_day(outlet: OutletFacts, day: dt.date, account_no: int) -> tuple[dt.date, dt.date]:
        return (opened, day) if (outlet.outlet_no, account_no) == (1003, ANNA) else (day, day)

    books = dataclasses.replace(facts(), value_day=value_day)
    (decided,) = decide_openings(books, [row()])
    assert isinstance(decided, OpeningAccepted)
    assert (decided.value_on, decided.origin_on) == (opened, TODAY)


def test_a_refused_opening_leaves_the_account_free() -> None:
    assert verdicts(row(minutes=0, points=Points(0)), row()) == [NOTHING, "taken over"]


def test_the_same_amount_with_other_decimals_is_the_same_row() -> None:
    assert verdicts(row(), row(points=Points("1.5"))) == ["taken over", "replayed"]


@pytest.mark.parametrize(
    ("value_on", "expected"),
    [(None, TODAY), (TODAY, TODAY), (TODAY - dt.timedelta(days=1), TODAY - dt.timedelta(days=1))],
)
def test_a_grant_is_for_today_or_earlier(value_on: dt.date | None, expected: dt.date) -> None:
    assert require_past(value_on, TODAY) == expected


def test_a_grant_is_never_for_tomorrow() -> None:
    with pytest.raises(InvalidInstant) as caught:
        require_past(TOMORROW, TODAY)
    assert caught.value == InvalidInstant.of("value_on", TOMORROW, "it is in the future")


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (administrator(), "taken over"),
        (administrator(1001, 2), "taken over"),
        (
            administrator(1002, 2),
            NotPermitted(
                staff="A", act="points.bring_forward", outlet="B01S01", roles="administrator"
            ),
        ),
        (administrator(own=ANNA), FourEyesRequired(act="points.bring_forward", staff="A")),
        (administrator(own=BELA), "taken over"),
    ],
)
def test_points_are_brought_forward_by_who_rules_the_customers_outlet_and_is_not_the_customer(
    actor: StaffFacts, expected: object
) -> None:
    assert [verdict(d) for d in decide_openings(facts(actor=actor), [row()])] == [expected]
