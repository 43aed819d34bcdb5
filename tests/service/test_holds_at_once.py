"""Two at once at the same hold, on the engine that has many writers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from gongyi_bank.errors import (
    GongyiBankError,
    HoldExceeded,
    HoldLapsed,
    HoldSettled,
    IdempotencyConflict,
    InsufficientPoints,
    RedemptionSettled,
    ReservationExceeded,
)
from gongyi_bank.values import Points
from tests.district import District
from tests.racing import at_once
from tests.service.test_holds import require_holds_agree
from tests.service.test_redemptions import saver
from tests.service.test_stores import a_shop, new_offer

ROUNDS = 6
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def crowded(postgresql_tables_url: str) -> Iterator[District]:
    """A shop on the engine that has many writers."""
    made = District(postgresql_tables_url)
    a_shop(made, new_offer(stock=100))
    yield made
    made.close()


def errors(results: list[Any]) -> list[type[GongyiBankError]]:
    return [type(result) for result in results if isinstance(result, GongyiBankError)]


def placed(district: District, account: int, points: str = "0.20", **fields: Any) -> UUID:
    hold: UUID = district.bank.holds.place(
        account=account, points=Points(points), store="P1", **fields
    ).hold_id
    return hold


def test_two_captures_take_no_more_than_was_held(crowded: District) -> None:
    account, desk = saver(crowded, 480), crowded.bank.holds
    for _ in range(ROUNDS):
        hold = placed(crowded, account)

        def part(hold: UUID = hold) -> Any:
            return desk.capture(hold=hold, points=Points("0.15"))

        assert errors(at_once(part, part)) == [HoldExceeded]

        def rest(hold: UUID = hold) -> Any:
            return desk.capture(hold=hold)

        assert errors(at_once(rest, rest)) == [HoldSettled]
    require_holds_agree(crowded)


def test_a_capture_and_a_release_do_not_both_get_the_points(crowded: District) -> None:
    account, desk = saver(crowded, 480), crowded.bank.holds
    for _ in range(ROUNDS):
        hold = placed(crowded, account)
        results = at_once(
            lambda hold=hold: desk.capture(hold=hold),
            lambda hold=hold: desk.release(hold=hold, reason="改期"),
        )
        assert errors(results) == [HoldSettled]
    require_holds_agree(crowded)


def test_a_capture_just_in_time_and_a_sweep_do_not_both_win(crowded: District) -> None:
    """Their clocks differ by a moment: one is just before the deadline, one is past it."""
    account = saver(crowded, 480)
    for _ in range(ROUNDS):
        hold = placed(crowded, account, hours=1)
        past = crowded.bank.at(crowded.clock.now + HOUR)
        results = at_once(
            lambda hold=hold: crowded.bank.holds.capture(hold=hold),
            past.holds.lapse_overdue,
        )
        is_captured = not errors(results[:1])
        assert bool(results[1].hold_ids) != is_captured
        if not is_captured:
            assert errors(results) == [HoldSettled]
    require_holds_agree(crowded)


def test_an_extension_just_in_time_and_a_sweep_do_not_both_win(crowded: District) -> None:
    account = saver(crowded, 480)
    for _ in range(ROUNDS):
        hold = placed(crowded, account, hours=1)
        later = crowded.clock.now + 5 * HOUR
        past = crowded.bank.at(crowded.clock.now + HOUR)
        results = at_once(
            lambda hold=hold, later=later: crowded.bank.holds.extend(hold=hold, deadline_at=later),
            past.holds.lapse_overdue,
        )
        is_extended = not errors(results[:1])
        assert bool(results[1].hold_ids) != is_extended
        if is_extended:
            assert past.holds.capture(hold=hold).state == "captured"
        else:
            with pytest.raises(HoldSettled):
                crowded.bank.holds.capture(hold=hold)
    require_holds_agree(crowded)


def test_whoever_waits_for_the_customer_is_told_the_deadline_by_the_clock_after(
    crowded: District,
) -> None:
    account = saver(crowded, 480)
    hold = placed(crowded, account, hours=1)
    past = crowded.bank.at(crowded.clock.now + HOUR)
    results = at_once(lambda: past.holds.capture(hold=hold), lambda: past.holds.capture(hold=hold))
    assert errors(results) == [HoldLapsed, HoldLapsed]


def test_points_are_not_held_twice_and_references_stand_for_one_hold(crowded: District) -> None:
    account, other = saver(crowded, 60), saver(crowded, 60)
    desk = crowded.bank.holds

    def place(ref: str, account: int = account) -> Callable[[], Any]:
        return lambda: desk.place(account=account, points=Points("0.60"), store="P1", ref=ref)

    assert errors(at_once(place("R1"), place("R2"))) == [InsufficientPoints]
    crowded.clock.advance(hours=72)
    first, second = at_once(place("R3"), place("R3"))
    assert first == second
    crowded.clock.advance(hours=72)
    assert errors(at_once(place("R4"), place("R4", other))) == [IdempotencyConflict]
    require_holds_agree(crowded)


def test_parts_of_a_reservation_are_handed_over_once(crowded: District) -> None:
    account, desk = saver(crowded, 480), crowded.bank.redemptions
    for _ in range(3):
        one = desk.reserve(account=account, store="P1", sku="A", quantity=2).redemption_id

        def part(one: UUID = one) -> Any:
            return desk.capture(redemption=one, quantity=1)

        assert errors(at_once(part, part, part)) == [RedemptionSettled]
        one = desk.reserve(account=account, store="P1", sku="A", quantity=2).redemption_id
        results = at_once(
            lambda one=one: desk.capture(redemption=one, quantity=1),
            lambda one=one: desk.release(redemption=one, reason="改期"),
        )
        assert errors(results) in ([], [RedemptionSettled])
    one = desk.reserve(account=account, store="P1", sku="A", quantity=3).redemption_id
    both = [lambda: desk.capture(redemption=one, quantity=2)] * 2
    assert errors(at_once(*both)) == [ReservationExceeded]
    require_holds_agree(crowded)
