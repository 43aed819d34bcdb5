"""积分入折, to the letter: what a refusal names, and all that an accepted row says."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gongyi_bank.errors import (
    AccountClosed,
    FourEyesRequired,
    GongyiBankError,
    IdempotencyConflict,
    NotPermitted,
    OutletClosed,
    ServiceBeforeRegistration,
    ServiceInFuture,
    ServiceNotPositive,
    ServiceOverlap,
    ServiceTooLong,
    UnknownCustomer,
    UnknownOutlet,
    UnknownStaff,
)
from gongyi_bank.rules.accrual import Accepted, Declined, RecordFacts, Replayed, decide_hours
from gongyi_bank.rules.staff import OutletFacts, StaffFacts
from tests.rules.test_accrual import (
    ANNA,
    BELA,
    BRANCH_WAITS,
    CREDITED,
    GONE,
    HEAD,
    NOBODY,
    NOW,
    OTHER_BRANCH,
    REGISTERED,
    SAVINGS,
    STAFF,
    at,
    facts,
    person,
    row,
)

ACT, AROUND = "hours.record", "staff of the outlet or above"
EARLY, LATE = at("09-30 08:00"), at("10-31 23:59:01")


def not_permitted(staff: str, roles: str) -> NotPermitted:
    return NotPermitted(staff=staff, act=ACT, outlet="B01S01", roles=roles)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"account": NOBODY}, UnknownCustomer(account=NOBODY)),
        ({"customer_ref": "C-2"}, UnknownCustomer(account="C-2")),
        ({"account": GONE}, AccountClosed(account=GONE)),
        (
            {"ended_at": at("10-03 08:00")},
            ServiceNotPositive(started_at=at("10-03 08:00"), ended_at=at("10-03 08:00")),
        ),
        ({"minutes": 1441}, ServiceTooLong(minutes=1441, minutes_max=1440)),
        ({"start": "10-31 23:00", "ended_at": LATE}, ServiceInFuture(ended_at=LATE, now=NOW)),
        (
            {"started_at": EARLY, "ended_at": at("09-30 09:00")},
            ServiceBeforeRegistration(service_on=EARLY.date(), registered_on=REGISTERED),
        ),
        ({"outlet": "B99"}, UnknownOutlet(outlet="B99")),
        ({"outlet": "B01S02"}, OutletClosed(outlet="B01S02")),
        ({"checked_by": "T"}, FourEyesRequired(act=ACT, staff="T")),
        ({"recorded_by": "NOBODY"}, UnknownStaff(staff="NOBODY")),
        ({"checked_by": "LEFT"}, UnknownStaff(staff="LEFT")),
        ({"checked_by": "STRANGER"}, not_permitted("STRANGER", AROUND)),
        ({"recorded_by": "ANNA"}, FourEyesRequired(act=ACT, staff="ANNA")),
    ],
)
def test_a_refusal_names_what_was_found(fields: dict[str, Any], error: GongyiBankError) -> None:
    given = row(**fields)
    assert decide_hours(facts(), [given]) == [Declined(given, error)]


NAMED_OR_SENDER = "the row's own recorder or checker, administrator, service_account"


@pytest.mark.parametrize(
    ("actor", "fields", "error"),
    [
        # Before anything is said about the customer: a stranger learns nothing.
        (
            person(4, "STRANGER", "teller", OTHER_BRANCH),
            {"account": NOBODY},
            not_permitted("STRANGER", "administrator, ledger_keeper, service_account, teller"),
        ),
        (person(3, "ADM", "administrator", HEAD, ANNA), {}, FourEyesRequired(act=ACT, staff="ADM")),
        (person(8, "T2", "teller", SAVINGS), {}, not_permitted("T2", NAMED_OR_SENDER)),
        (STAFF[0], {}, None),
        (person(9, "APP", "service_account", HEAD), {}, None),
    ],
)
def test_who_sends_a_row_answers_for_it_and_never_for_their_own_hours(
    actor: Any, fields: dict[str, Any], error: GongyiBankError | None
) -> None:
    (decided,) = decide_hours(facts(actor=actor), [row(**fields)])
    assert (decided.error if isinstance(decided, Declined) else None) == error


@pytest.mark.parametrize(
    ("actor", "fields", "staff"),
    [
        (STAFF[5], {"recorded_by": "ANNA"}, "ANNA"),
        (STAFF[2], {"checked_by": "ANNA"}, "ANNA"),
        (person(9, "APP", "service_account", HEAD, ANNA), {}, "APP"),
    ],
)
def test_two_people_who_stood_behind_anothers_row_are_asked_again_about_their_own(
    actor: StaffFacts, fields: dict[str, Any], staff: str
) -> None:
    """Who two people are is judged once for all of a list's rows, whose hours it is each time."""
    others, own = row(account=BELA, **fields), row("10-04 08:00", **fields)
    books = facts(actor=actor)
    first, second = decide_hours(books, [others, own])
    assert isinstance(first, Accepted)
    assert second == Declined(own, FourEyesRequired(act=ACT, staff=staff))
    # What was found once is what is gone by: the two need not be looked up again.
    books.staff.clear()
    (third,) = decide_hours(books, [row("10-05 08:00", account=BELA, **fields)])
    assert isinstance(third, Accepted)
    assert (third.recorder, third.checker) == (first.recorder, first.checker)


def test_other_people_and_other_outlets_of_a_list_are_judged_for_themselves() -> None:
    rows = [
        row(), row("10-04 08:00", recorded_by="NOBODY"), row("10-05 08:00", checked_by="STRANGER"),
        row("10-06 08:00", outlet="B02"), row("10-07 08:00"),
    ]  # fmt: skip
    first, *wrong, last = decide_hours(facts(), rows)
    assert isinstance(first, Accepted)
    assert isinstance(last, Accepted)
    elsewhere = NotPermitted(staff="T", act=ACT, outlet="B02", roles=AROUND)
    assert [one.error for one in wrong if isinstance(one, Declined)] == [
        UnknownStaff(staff="NOBODY"), not_permitted("STRANGER", AROUND), elsewhere,
    ]  # fmt: skip


def test_an_overlap_names_the_record_that_is_there() -> None:
    given = row()
    span = (given.started_at, given.ended_at, 7)
    assert decide_hours(facts(spans={ANNA: [span]}), [given]) == [
        Declined(given, ServiceOverlap(other=7))
    ]


def test_rows_without_a_reference_are_never_the_same_record() -> None:
    decided = decide_hours(facts(), [row(), row("10-03 09:00")])
    assert all(isinstance(one, Accepted) for one in decided)


@pytest.mark.parametrize(
    ("minutes", "state", "worth", "credited"),
    [(90, CREDITED, 150, 150), (481, BRANCH_WAITS, 801, 0)],
)
def test_an_accepted_row_says_who_where_when_and_how_much(
    minutes: int, state: str, worth: int, credited: int
) -> None:
    opened, served = dt.date(2022, 11, 1), dt.date(2022, 10, 3)

    def value_day(outlet: OutletFacts, day: dt.date, account_no: int) -> tuple[dt.date, dt.date]:
        """The month of service is closed at this outlet, for this customer."""
        return (opened, day) if (outlet, account_no) == (SAVINGS, ANNA) else (day, day)

    books, given = facts(value_day=value_day), row(minutes=minutes, ref="R")
    again, other = row(minutes=minutes, ref="R"), row(minutes=minutes + 1, ref="R")
    accepted, replayed, declined = decide_hours(books, [given, again, other])
    assert accepted == Accepted(
        row=given,
        row_digest=given.digest(),
        customer=books.customers[ANNA],
        outlet=SAVINGS,
        recorder=STAFF[0],
        checker=STAFF[1],
        started_at=given.started_at,
        ended_at=given.ended_at,
        record_no=1,
        state=state,
        service_on=served,
        value_on=opened,
        origin_on=served,
        minutes=minutes,
        points=worth,
        tariff_id=1,
        limits_id=2,
    )
    assert replayed == Replayed(
        again, RecordFacts(ANNA, 1, state, given.digest(), minutes, credited)
    )
    assert declined == Declined(other, IdempotencyConflict(key="R"))
