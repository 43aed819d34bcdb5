"""积分入折: every boundary of the story's README, the order of the rules, and the fold."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.commands.hours import ServiceRow
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
    UnknownCategory,
    UnknownCustomer,
    UnknownOutlet,
    UnknownStaff,
)
from gongyi_bank.periods import business_day
from gongyi_bank.policies import HourLimits, PolicyBook, Tariff, TariffRate
from gongyi_bank.rules.accrual import (
    Accepted,
    CustomerFacts,
    Declined,
    HourFacts,
    RecordFacts,
    Replayed,
    decide_hours,
    points_for,
    require_open_outlet,
)
from gongyi_bank.rules.staff import OutletFacts, RoleFacts, StaffFacts
from gongyi_bank.values import Points, compose_account_no

SHANGHAI = ZoneInfo("Asia/Shanghai")
ANNA, BELA, GONE = (compose_account_no(1003, serial) for serial in (1, 2, 3))
NOBODY = compose_account_no(1003, 9)
REGISTERED = dt.date(2022, 10, 1)
#: The clock: 23:59 of the last day, as in the story.
NOW = dt.datetime(2022, 10, 31, 23, 59, tzinfo=SHANGHAI)
HEAD = OutletFacts(1000, "H", "总行", 1, None, True)
BRANCH = OutletFacts(1001, "B01", "分行", 2, 1000, True)
OTHER_BRANCH = OutletFacts(1002, "B02", "分行", 2, 1000, True)
SAVINGS = OutletFacts(1003, "B01S01", "储蓄所", 3, 1001, True)
SHUT = OutletFacts(1004, "B01S02", "储蓄所", 3, 1001, False)


def person(
    no: int, code: str, role: str, outlet: OutletFacts, own: int | None = None
) -> StaffFacts:
    return StaffFacts(no, code, own, (RoleFacts(role, outlet.outlet_no, outlet.tier),))


STAFF = (
    person(1, "T", "teller", SAVINGS),
    person(2, "K", "ledger_keeper", BRANCH),
    person(3, "ADM", "administrator", HEAD),
    person(4, "STRANGER", "teller", OTHER_BRANCH),
    person(5, "AUDITOR", "auditor", HEAD),
    person(6, "ANNA", "teller", SAVINGS, own=ANNA),
    StaffFacts(7, "LEFT", None, ()),
)
TARIFF = Tariff(
    rates=(
        TariffRate(category="care", name="关爱", points_per_hour=Points("1.50")),
        TariffRate(category="clean", name="环境", points_per_hour=Points("1")),
    )
)
BOOK = PolicyBook([(1, dt.date(1900, 1, 1), TARIFF), (2, dt.date(1900, 1, 1), HourLimits())], 1)


def facts(**changes: Any) -> HourFacts:
    customers = {
        no: CustomerFacts(no, state, REGISTERED, 1003)
        for no, state in ((ANNA, "active"), (BELA, "frozen"), (GONE, "closed"))
    }
    given = {
        "now": NOW,
        "day_of": lambda instant: business_day(instant, SHANGHAI),
        "scale": 2,
        "policies": BOOK,
        "customers": customers,
        "customers_by_ref": {"C-1": customers[ANNA]},
        "outlets": {o.code: o for o in (HEAD, BRANCH, OTHER_BRANCH, SAVINGS, SHUT)},
        "actor": STAFF[2],
        "staff": {p.code: p for p in STAFF},
        "refs": {},
        "spans": {},
        "daily": {},
        "record_nos": dict.fromkeys(customers, 0),
    } | changes
    return HourFacts(**given)


def at(text: str) -> dt.datetime:
    """An instant of 2022 from "10-03 08:00"."""
    return dt.datetime.fromisoformat(f"2022-{text}").replace(tzinfo=SHANGHAI)


def row(start: str = "10-03 08:00", minutes: float = 60, **fields: Any) -> ServiceRow:
    started_at = at(start)
    given = {
        "account": None if "customer_ref" in fields else ANNA,
        "category": "clean",
        "started_at": started_at,
        "ended_at": started_at + dt.timedelta(minutes=minutes),
        "outlet": "B01S01",
        "recorded_by": "T",
        "checked_by": "K",
    } | fields
    return ServiceRow(**given)


def verdict(decision: object) -> object:
    """A state, `replayed`, or the class of the refusal."""
    if isinstance(decision, Accepted):
        return decision.state
    return type(decision.error) if isinstance(decision, Declined) else "replayed"


def verdicts(*rows: ServiceRow, **changes: Any) -> list[object]:
    return [verdict(decision) for decision in decide_hours(facts(**changes), rows)]


# --- the daily limits ----------------------------------------------------------------------

CREDITED, BRANCH_WAITS, HEAD_WAITS = "credited", "waiting_branch", "waiting_head_office"


@pytest.mark.parametrize(
    ("before", "minutes", "state"),
    [
        (0, 1, CREDITED),
        (0, 479, CREDITED),
        (0, 480, CREDITED),
        (0, 481, BRANCH_WAITS),
        (0, 719, BRANCH_WAITS),
        (0, 720, BRANCH_WAITS),
        (0, 721, HEAD_WAITS),
        (0, 1440, HEAD_WAITS),
        (0, 1441, ServiceTooLong),
        (479, 1, CREDITED),
        (480, 1, BRANCH_WAITS),
        (420, 60, CREDITED),
        (420, 61, BRANCH_WAITS),
        (660, 60, BRANCH_WAITS),
        (660, 61, HEAD_WAITS),
        (720, 1, HEAD_WAITS),
        (719, 1, BRANCH_WAITS),
    ],
)
def test_the_minutes_of_the_start_day_decide_who_approves(
    before: int, minutes: int, state: object
) -> None:
    daily = {(ANNA, dt.date(2022, 10, 3)): before}
    assert verdicts(row("10-03 00:00", minutes), daily=daily) == [state]


def test_waiting_minutes_count_and_refused_rows_do_not() -> None:
    rows = [
        row("10-03 00:00", 481),
        row("10-03 08:01", 239),
        row("10-03 12:00", 0),
        row("10-03 12:00", 1),
    ]
    assert verdicts(*rows) == [BRANCH_WAITS, BRANCH_WAITS, ServiceNotPositive, HEAD_WAITS]


def test_other_days_and_other_customers_do_not_count() -> None:
    rows = [row("10-03 00:00", 480), row("10-04 00:00", 480), row(account=BELA, minutes=480)]
    assert verdicts(*rows) == [CREDITED] * 3


def test_a_row_belongs_to_the_day_on_which_it_starts() -> None:
    over_midnight, next_day = row("10-03 20:00", 480), row("10-04 04:00", 480)
    one_more = row("10-03 19:59", 1)
    assert verdicts(over_midnight, next_day, one_more) == [CREDITED, CREDITED, BRANCH_WAITS]
    first = decide_hours(facts(), [over_midnight])[0]
    assert isinstance(first, Accepted)
    assert first.service_on == dt.date(2022, 10, 3)


def test_the_start_day_is_that_of_the_bank_whatever_zone_the_row_is_in() -> None:
    started_at = dt.datetime(2022, 10, 2, 16, 0, tzinfo=dt.UTC)  # midnight of the 3rd in Shanghai
    given = row(started_at=started_at, ended_at=started_at + dt.timedelta(minutes=5))
    decided = decide_hours(facts(), [given])[0]
    assert isinstance(decided, Accepted)
    assert (decided.service_on, decided.minutes) == (dt.date(2022, 10, 3), 5)


# --- the time of a row ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3600, ServiceNotPositive),
        (-1, ServiceNotPositive),
        (0, ServiceNotPositive),
        (1, ServiceNotPositive),
        (59, ServiceNotPositive),
        (60, CREDITED),
        (61, CREDITED),
    ],
)
def test_a_service_has_at_least_one_whole_minute(seconds: int, expected: object) -> None:
    assert verdicts(row(minutes=seconds / 60)) == [expected]


@pytest.mark.parametrize(
    ("started_at", "expected"),
    [("10-31 22:58", CREDITED), ("10-31 22:59", CREDITED), ("10-31 23:00", ServiceInFuture)],
)
def test_ending_at_the_clock_is_not_in_the_future(started_at: str, expected: object) -> None:
    assert verdicts(row(started_at)) == [expected]


def test_a_second_after_the_clock_is_in_the_future() -> None:
    ended_at = NOW + dt.timedelta(seconds=1)
    assert verdicts(row("10-31 22:00", ended_at=ended_at)) == [ServiceInFuture]


@pytest.mark.parametrize(
    ("started_at", "expected"),
    [
        ("09-30 12:00", ServiceBeforeRegistration),
        ("09-30 23:59", ServiceBeforeRegistration),
        ("10-01 00:00", CREDITED),
        ("10-02 00:00", CREDITED),
    ],
)
def test_the_day_of_registration_counts_and_the_day_before_does_not(
    started_at: str, expected: object
) -> None:
    assert verdicts(row(started_at, minutes=120)) == [expected]


@pytest.mark.parametrize(
    ("started_at", "minutes", "expected"),
    [
        ("10-03 07:00", 60, CREDITED),
        ("10-03 07:00", 61, ServiceOverlap),
        ("10-03 07:00", 59, CREDITED),
        ("10-03 09:00", 60, CREDITED),
        ("10-03 08:59", 60, ServiceOverlap),
        ("10-03 09:01", 60, CREDITED),
        ("10-03 08:00", 60, ServiceOverlap),
        ("10-03 08:15", 30, ServiceOverlap),
        ("10-03 07:00", 180, ServiceOverlap),
        ("10-02 20:00", 720, BRANCH_WAITS),
    ],
)
def test_intervals_are_half_open(started_at: str, minutes: int, expected: object) -> None:
    assert verdicts(row(), row(started_at, minutes)) == [CREDITED, expected]


def test_a_waiting_record_takes_its_time_too_and_another_customer_may_serve_then() -> None:
    rows = [row(minutes=481), row("10-03 16:00", 60), row("10-03 16:00", 60, account=BELA)]
    assert verdicts(*rows) == [BRANCH_WAITS, ServiceOverlap, CREDITED]


def test_time_is_what_passed_also_when_the_clocks_are_changed() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    def span(start: int, end: int, fold: int = 0) -> dict[str, dt.datetime]:
        day = dt.datetime(2022, 10, 30, tzinfo=berlin)
        return {"started_at": day.replace(hour=start), "ended_at": day.replace(hour=end, fold=fold)}

    changes = {"day_of": lambda instant: business_day(instant, berlin)}
    rows = [row(**span(1, 2, fold=1)), row(**span(3, 4)), row(**span(2, 3))]
    decided = decide_hours(facts(**changes), rows)
    assert [verdict(d) for d in decided] == [CREDITED, CREDITED, ServiceOverlap]
    assert isinstance(decided[0], Accepted)
    assert decided[0].minutes == 120


# --- people and places ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded_by", "checked_by", "expected"),
    [
        ("T", "K", CREDITED),
        ("K", "T", CREDITED),
        ("ADM", "K", CREDITED),
        ("T", "T", FourEyesRequired),
        ("NOBODY", "NOBODY", FourEyesRequired),
        ("T", "NOBODY", UnknownStaff),
        ("NOBODY", "T", UnknownStaff),
        ("T", "LEFT", UnknownStaff),
        ("T", "STRANGER", NotPermitted),
        ("T", "AUDITOR", NotPermitted),
        ("ANNA", "K", FourEyesRequired),
        ("K", "ANNA", FourEyesRequired),
    ],
)
def test_two_known_people_of_the_outlet_or_above_and_neither_the_volunteer(
    recorded_by: str, checked_by: str, expected: object
) -> None:
    assert verdicts(row(recorded_by=recorded_by, checked_by=checked_by)) == [expected]


def test_a_colleague_may_record_what_a_member_of_staff_did_as_a_volunteer() -> None:
    assert verdicts(row(account=BELA, recorded_by="ANNA")) == [CREDITED]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"customer_ref": "C-1"}, CREDITED),
        ({"customer_ref": "C-2"}, UnknownCustomer),
        ({"account": NOBODY}, UnknownCustomer),
        ({"account": GONE}, AccountClosed),
        ({"account": BELA}, CREDITED),
        ({"category": "CLEAN"}, UnknownCategory),
        ({"outlet": "B99"}, UnknownOutlet),
        ({"outlet": "B01S02"}, OutletClosed),
        ({"outlet": "B02"}, NotPermitted),
    ],
)
def test_what_a_row_names_must_be_in_the_books(fields: dict[str, Any], expected: object) -> None:
    assert verdicts(row(**fields)) == [expected]


def test_an_outlet_is_known_and_open() -> None:
    assert require_open_outlet({"H": HEAD}, "H") is HEAD


# --- the order of the rules ----------------------------------------------------------------

#: Each rule with fields that break it and nothing else, in the order of the story's README
#: (with the rules that the story does not need put between).
BREAKS: list[tuple[type[GongyiBankError], dict[str, Any]]] = [
    (IdempotencyConflict, {"ref": "TAKEN"}),
    (UnknownCustomer, {"account": NOBODY}),
    (UnknownCategory, {"category": "nothing"}),
    (ServiceNotPositive, {"ended_at": at("10-03 08:00")}),
    (ServiceInFuture, {"started_at": at("10-31 23:30"), "ended_at": at("11-01 01:00")}),
    (ServiceBeforeRegistration, {"started_at": at("09-30 08:00"), "ended_at": at("09-30 08:30")}),
    (FourEyesRequired, {"checked_by": "T"}),
    (ServiceOverlap, {}),
]


def _both(first: int, second: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields that break both rules, and the facts for it."""
    (one, fields), (other, more) = BREAKS[first], BREAKS[second]
    both = more | fields
    if {one, other} == {ServiceNotPositive, ServiceInFuture}:
        both = {"started_at": at("11-02 08:00"), "ended_at": at("11-02 07:00")}
    if {one, other} == {ServiceNotPositive, ServiceBeforeRegistration}:
        both = {"started_at": at("09-30 08:00"), "ended_at": at("09-30 07:00")}
    start = both.get("started_at", at("10-03 08:00"))
    span = (start - dt.timedelta(hours=3), start + dt.timedelta(hours=3), 7)
    changes: dict[str, Any] = {"spans": {ANNA: [span]}} if ServiceOverlap in (one, other) else {}
    if IdempotencyConflict in (one, other):
        changes["refs"] = {"TAKEN": RecordFacts(ANNA, 1, "credited", b"another")}
    if {one, other} == {ServiceInFuture, ServiceBeforeRegistration}:
        # Only a customer who registers tomorrow can break both.
        changes["customers"] = {ANNA: CustomerFacts(ANNA, "active", dt.date(2022, 11, 5), 1003)}
        both = fields
    return both, changes


@pytest.mark.parametrize("first", range(len(BREAKS)))
def test_each_rule_refuses_by_itself(first: int) -> None:
    fields, changes = _both(first, first)
    assert verdicts(row(**fields), **changes) == [BREAKS[first][0]]


@pytest.mark.parametrize(
    ("first", "second"),
    [(i, j) for i in range(len(BREAKS)) for j in range(i + 1, len(BREAKS))],
    ids=lambda i: BREAKS[i][0].__name__,
)
def test_of_two_broken_rules_the_earlier_one_is_named(first: int, second: int) -> None:
    fields, changes = _both(first, second)
    assert verdicts(row(**fields), **changes) == [BREAKS[first][0]]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_several_that_overlap_the_oldest_is_named_in_whatever_order_they_were_read(
    order: tuple[int, int],
) -> None:
    # Found by Hypothesis: a list named another record than the same rows one by one.
    known = [(at("10-03 08:00"), at("10-03 08:01"), 2), (at("10-03 12:00"), at("10-03 13:00"), 1)]
    (decided,) = decide_hours(facts(spans={ANNA: [known[i] for i in order]}), [row(minutes=480)])
    assert isinstance(decided, Declined)
    assert decided.error == ServiceOverlap(other=1)


def test_overlap_comes_before_the_daily_limits() -> None:
    daily = {(ANNA, dt.date(2022, 10, 3)): 720}
    span = (at("10-03 08:30"), at("10-03 08:31"), 1)
    assert verdicts(row(), spans={ANNA: [span]}, daily=daily) == [ServiceOverlap]
    assert verdicts(row(), daily=daily) == [HEAD_WAITS]


# --- references ----------------------------------------------------------------------------


def test_a_reference_is_a_replay_or_a_conflict_also_within_one_call() -> None:
    rows = [row(ref="R"), row(ref="R"), row(ref="R", minutes=61), row("10-04 08:00", ref="S")]
    assert verdicts(*rows) == [CREDITED, "replayed", IdempotencyConflict, CREDITED]


def test_a_waiting_row_sent_again_is_a_replay() -> None:
    given = row(minutes=481, ref="R")
    decisions = decide_hours(facts(), [given, given])
    assert [verdict(d) for d in decisions] == [BRANCH_WAITS, "replayed"]
    assert isinstance(decisions[1], Replayed)
    assert (decisions[1].record.record_no, decisions[1].record.points) == (1, 0)


def test_a_refused_row_leaves_its_reference_free() -> None:
    rows = [row(ref="R", checked_by="T"), row(ref="R"), row(ref="R", checked_by="T")]
    assert verdicts(*rows) == [FourEyesRequired, CREDITED, IdempotencyConflict]


def test_the_same_moment_written_in_another_zone_is_the_same_row() -> None:
    given = row(ref="R")
    abroad = row(
        ref="R",
        started_at=given.started_at.astimezone(dt.UTC),
        ended_at=given.ended_at.astimezone(dt.UTC),
    )
    assert verdicts(given, abroad) == [CREDITED, "replayed"]


@pytest.mark.parametrize(
    "change",
    [
        {"account": BELA},
        {"category": "care"},
        {"started_at": at("10-03 07:59")},
        {"ended_at": at("10-03 09:01")},
        {"outlet": "B01"},
        {"project": "P"},
        {"client_rating": 5},
        {"recorded_by": "ADM"},
        {"checked_by": "ADM"},
        {"customer_ref": "C-1", "account": None},
    ],
    ids=lambda change: ",".join(change),
)
def test_every_field_belongs_to_the_content_of_a_reference(change: dict[str, Any]) -> None:
    given = {"account": ANNA, "ref": "R"}
    assert verdicts(row(**given), row(**given | change)) == [CREDITED, IdempotencyConflict]


def test_records_are_numbered_without_gaps_within_their_account() -> None:
    rows = [row(), row(), row("10-03 09:00"), row(account=BELA), row("10-03 10:00", 481)]
    decided = decide_hours(facts(record_nos={ANNA: 4, BELA: 0, GONE: 0}), rows)
    assert [d.record_no for d in decided if isinstance(d, Accepted)] == [5, 6, 1, 7]


# --- what a record is worth ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "rate", "scale", "units"),
    [
        (1, 10_000, 2, 1),  # 0.0166… is floored to 0.01
        (59, 10_000, 2, 98),
        (60, 10_000, 2, 100),
        (61, 10_000, 2, 101),
        (151, 15_000, 2, 377),  # 3.775
        (1, 5_000, 2, 0),  # 0.008333…
        (30, 10_000, 0, 0),
        (119, 10_000, 0, 1),
        (1, 1, 4, 0),
        (60, 1, 4, 1),
        (480, 0, 2, 0),
    ],
)
def test_points_are_floored_once_per_record(
    minutes: int, rate: int, scale: int, units: int
) -> None:
    assert points_for(minutes, rate, scale) == units


@given(st.integers(0, 10_080), st.integers(0, 10**8), st.integers(0, 4))
def test_points_are_the_floor_of_the_exact_fraction(minutes: int, rate: int, scale: int) -> None:
    exact = Fraction(minutes) * Fraction(rate, 10_000) / 60 * 10**scale
    assert points_for(minutes, rate, scale) == exact.numerator // exact.denominator


def test_the_tariff_and_the_limits_of_the_day_of_service_decide() -> None:
    later = dt.date(2022, 10, 10)
    dearer = Tariff(rates=(TariffRate(category="clean", name="x", points_per_hour=Points(2)),))
    stricter = HourLimits(daily_minutes_free=60, daily_minutes_branch=90)
    adopted = [
        *((i, dt.date(1900, 1, 1), p) for i, p in ((1, TARIFF), (2, HourLimits()))),
        (3, later, dearer),
        (4, later, stricter),
    ]
    book = PolicyBook(adopted, 2)
    rows = [
        row("10-09 08:00", 61),
        row("10-09 23:00", 61),
        row("10-10 08:00", 60),
        row("10-10 09:00", 1),
        row("10-10 12:00", 30, category="care"),
    ]
    decided = decide_hours(facts(policies=book), rows)
    assert [verdict(d) for d in decided] == [
        CREDITED, CREDITED, CREDITED, BRANCH_WAITS, UnknownCategory,
    ]  # fmt: skip
    taken = [d for d in decided if isinstance(d, Accepted)]
    assert [(d.points, d.tariff_id, d.limits_id) for d in taken] == [
        (101, 1, 2), (101, 1, 2), (200, 3, 4), (3, 3, 4),
    ]  # fmt: skip


# --- a list is the same as one by one ------------------------------------------------------

ROWS = st.builds(
    row,
    start=st.sampled_from(["10-03 00:00", "10-03 04:00", "10-03 08:00", "10-04 00:00"]),
    minutes=st.sampled_from([0, 30, 60, 240, 480, 481, 721]),
    account=st.sampled_from([ANNA, ANNA, BELA, NOBODY]),
    ref=st.sampled_from([None, None, "R", "S"]),
    checked_by=st.sampled_from(["K", "K", "ADM", "T"]),
    category=st.sampled_from(["clean", "care", "nothing"]),
)


@given(st.lists(ROWS, max_size=12))
def test_a_list_is_decided_as_one_by_one(rows: list[ServiceRow]) -> None:
    together = facts()
    in_bulk = [verdict(d) for d in decide_hours(together, rows)]
    books = facts()
    one_by_one = [verdict(decide_hours(books, [one])[0]) for one in rows]
    assert in_bulk == one_by_one
    assert (together.spans, together.daily, together.refs, together.record_nos) == (
        books.spans, books.daily, books.refs, books.record_nos,
    )  # fmt: skip


@given(st.lists(ROWS, max_size=12))
def test_what_is_accepted_never_overlaps_and_never_escapes_the_limits(
    rows: list[ServiceRow],
) -> None:
    accepted = [d for d in decide_hours(facts(), rows) if isinstance(d, Accepted)]
    daily: dict[object, int] = {}
    for position, one in enumerate(accepted):
        for other in accepted[:position]:
            apart = one.row.started_at >= other.row.ended_at
            apart = apart or other.row.started_at >= one.row.ended_at
            assert apart or one.customer != other.customer
        day = (one.customer.account_no, one.service_on)
        daily[day] = daily.get(day, 0) + one.minutes
        assert (one.state == CREDITED) == (daily[day] <= 480)
        assert (one.state == HEAD_WAITS) == (daily[day] > 720)
