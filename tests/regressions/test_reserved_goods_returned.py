"""Returned goods that had been reserved, and whose points were others than the numbers they took.

A reservation is placed on points, and what is handed over later takes the lowest numbers there are
then. Their refund went by those numbers, not by the points that the reservation had been placed on:
beside a hold that was captured later it called young points dead, and gave nothing back; after
another redemption it gave dead points back. The simulation found it (tests/simulation/seeds.py).
"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from gongyi_bank.errors import GongyiBankError
from gongyi_bank.policies import PointsExpiry
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_refunds import give_back, on_the_older
from tests.service.test_reversals import reverse, spend
from tests.service.test_stores import a_shop
from tests.testing.mirrored import MirroredDistrict
from tests.testing.test_reference_ledger import require_equal_books

HALF = Points("0.50")


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_reserved_and_returned_services_can_be_taken_back_as_the_reference_says(
    seed: int,
) -> None:
    """In any order of holds, reservations and redemptions, and in parts."""
    chance = random.Random(seed)
    with contextlib.closing(
        MirroredDistrict("sqlite://", policies=(PointsExpiry(mode="months", length=1),))
    ) as district:
        a_shop(district)
        account = district.customer()
        district.serve(account, "10-03 08:00", 120)
        district.clock.advance(days=20)
        district.serve(account, "11-01 08:00", 120)
        returnable = _spend_and_reserve(district, account, chance)
        district.clock.advance(days=15)
        for redemption in chance.sample(returnable, len(returnable)):
            give_back(district, redemption, quantity=1)
        for line_no in chance.sample((1, 2), 2):
            with contextlib.suppress(GongyiBankError):  # spent by now, as the reference says too
                reverse(district, account, line_no, points=chance.choice((HALF, None)))
        require_equal_books(district)
        assert district.bank.verify().is_clean


def _spend_and_reserve(district: District, account: int, chance: random.Random) -> list[Any]:
    """A hold, a reservation of two pieces and a redemption of two; what can be returned."""
    desk = district.acting("T1")
    returnable, open_holds, reserved = [], [], []
    for step in chance.sample(("hold", "reserve", "redeem"), 3):
        if step == "hold":
            open_holds.append(on_the_older(district, account).hold_id)
        elif step == "reserve":
            wish = {"account": account, "store": "P1", "sku": "A", "quantity": 2}
            reserved.append(desk.redemptions.reserve(**wish).redemption_id)
        else:
            returnable.append(spend(district, account, 2).redemption_id)
    for step in chance.sample(("capture", "hand over"), 2):
        if step == "capture":
            desk.holds.capture(hold=open_holds[0])
        elif chance.random() < 0.5:
            desk.redemptions.capture(redemption=reserved[0])
        else:
            part = desk.redemptions.capture(redemption=reserved[0], quantity=1)
            returnable.append(part.part_id)
            desk.redemptions.capture(redemption=reserved[0])
    return returnable + reserved
