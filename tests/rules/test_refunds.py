"""退货: pieces come back at most once, and their points add up to what they had cost."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import GoodsNotGiven, GoodsReturned
from gongyi_bank.rules.refunds import Refundable, decide_refund, require_given_out


def taken(**changes: object) -> Refundable:
    """Three pieces at 0.50, handed over, none of them back."""
    found = Refundable(
        redemption_id=bytes(16), account_no=1, store_no=1, outlet_code="B01S01", sku="A",
        quantity=3, points=150, state="redeemed", line_no=2, parts=0, returned=0, cites_from=0,
    )  # fmt: skip
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["redeemed", "captured"])
def test_goods_that_were_given_out_may_come_back(state: str) -> None:
    require_given_out(taken(state=state), "R")


@pytest.mark.parametrize("state", ["reserved", "released", "lapsed"])
def test_goods_that_were_never_given_out_may_not(state: str) -> None:
    with pytest.raises(GoodsNotGiven) as caught:
        require_given_out(taken(state=state), "R")
    assert caught.value.facts == {"redemption": "R", "state": state}


@pytest.mark.parametrize(
    ("returned", "wanted", "decided"),
    [
        (0, None, (3, 150)),
        (0, 1, (1, 50)),
        (0, 3, (3, 150)),
        (1, None, (2, 100)),
        (2, 1, (1, 50)),
    ],
)
def test_so_many_pieces_or_all_that_are_left(
    returned: int, wanted: int | None, decided: tuple[int, int]
) -> None:
    assert decide_refund(taken(returned=returned), wanted, "R") == decided


@pytest.mark.parametrize(
    ("returned", "wanted", "left"), [(0, 4, 3), (1, 3, 2), (3, None, 0), (3, 1, 0)]
)
def test_no_more_than_was_given_out_comes_back(
    returned: int, wanted: int | None, left: int
) -> None:
    with pytest.raises(GoodsReturned) as caught:
        decide_refund(taken(returned=returned), wanted, "R")
    # Who wants "the rest" of what came back wholly is told how many pieces there were.
    assert caught.value.facts == {"redemption": "R", "left": left, "wanted": wanted or 3}


@given(st.integers(1, 50), st.integers(0, 5000), st.data())
def test_the_parts_add_up_to_the_whole(pieces: int, more: int, data: st.DataObject) -> None:
    found, points = taken(quantity=pieces, points=pieces + more), 0
    while found.returned < pieces:
        wanted = data.draw(st.integers(1, pieces - found.returned))
        count, worth = decide_refund(found, wanted, "R")
        assert worth > 0
        points += worth
        found = dataclasses.replace(found, returned=found.returned + count, parts=found.parts + 1)
    assert points == pieces + more
