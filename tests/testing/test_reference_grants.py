"""The reference counts what pools grant, and what customers are granted, as the bank does."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any, Literal

import pytest

from gongyi_bank.errors import Refused
from gongyi_bank.policies import PointsExpiry, ReversalRules, TransferRules
from gongyi_bank.values import Points
from tests.service.test_grant_limits import AGREED
from tests.service.test_transfers import a_pool, give, grant, leg, saver, send
from tests.testing.mirrored import MirroredDistrict
from tests.testing.test_reference_ledger import require_equal_books

LIMITS = TransferRules(
    grant_points_month_max=Points(4), grant_count_month_max=4, grant_points_year_max=Points(9),
    grantee_points_month_max=Points(3), grantee_count_month_max=4,
    grantee_points_year_max=Points(8), grantees=("volunteer", "household"),
)  # fmt: skip
POOLS = ("P1", "P2")


class Granting:
    """Grants of two pools to a few customers, some of which are taken back; nothing else."""

    def __init__(self, district: MirroredDistrict, seed: int) -> None:
        self.district = district
        self.chance = random.Random(f"grants {seed}")
        self.takers = [
            saver(district, 0, kind=kind)
            for kind in ("volunteer", "volunteer", "household", "organisation")
        ]
        #: Vouchers of grants that were booked.
        self.granted: list[Any] = []

    def points(self) -> Points:
        return Points.of_units(self.chance.randrange(10, 120), 2)

    def step(self) -> None:
        """One more wish, which may be refused; or some days pass."""
        wish = self.chance.choices(
            (self.grant, self.send, self.take_back, self.spend, self.wait), (6, 4, 3, 1, 1)
        )[0]
        with suppress(Refused):  # the mirror has seen it, and compared it
            wish()

    def grant(self) -> None:
        takers = self.chance.sample(self.takers[: self.chance.choice((3, 3, 3, 4))], 2)
        parts = [(taker, self.points()) for taker in takers]
        done = grant(self.district, *parts, pool=self.chance.choice(POOLS))
        self.granted.append(done.voucher_id)

    def send(self) -> None:
        taker, other = self.chance.sample(self.takers[:3], 2)
        legs = [leg("P1", taker, self.points()), leg("P2", other, self.points())]
        if self.chance.random() < 0.3:
            legs.append(leg("P1", "P2", self.points()))
        done = send(self.district, *legs, **AGREED)
        self.granted.append(done.voucher_id)

    def take_back(self) -> None:
        if not self.granted:
            return
        voucher = self.chance.choice(self.granted)
        by = {"reason": "误拨", "second_person": "ADM2"}
        if self.chance.random() < 0.5:
            self.district.bank.reversals.reverse_voucher(voucher=voucher, **by)
        else:
            taker = self.chance.choice(self.takers[:3])
            self.district.bank.reversals.reverse_line(
                account=taker, line_no=self.chance.randrange(1, 9), points=Points("0.10"), **by
            )

    def spend(self) -> None:
        taker = self.chance.choice(self.takers[:2])
        send(self.district, leg(taker, self.takers[2], self.points()))

    def wait(self) -> None:
        self.district.clock.advance(days=self.chance.choice((1, 12, 25)))


@pytest.mark.parametrize(("seed", "spent"), [(0, "take_available"), (1, "debt"), (3, "refuse")])
def test_limits_on_grants_are_counted_alike(
    seed: int, spent: Literal["take_available", "debt", "refuse"]
) -> None:
    policies = (LIMITS, ReversalRules(spent=spent), PointsExpiry(mode="months", length=2))
    district = MirroredDistrict("sqlite://", policies=policies)
    for code in POOLS:
        give(district, saver(district), pool=a_pool(district, code, points=8), points=Points(8))
    granting = Granting(district, seed)
    for _ in range(70):
        granting.step()
    require_equal_books(district)
    seen = district.mirror.seen
    assert {"pool_limit", "grantee_limit", "transfer_not_allowed"} <= {told for _, told in seen}
    assert len(granting.granted) > 10
    taken_back = [act for act, told in seen if act.startswith("reversals.") and told is None]
    assert len(taken_back) > 3
    assert district.bank.verify().is_clean
    district.close()
