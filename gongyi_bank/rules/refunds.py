"""退货的规则: how many pieces of a redemption may come back, and for how many points.

Pure. A wish is refused by the first of these that applies: unknown redemption; no permission;
second person missing, the same, or not of the outlet; one's own account; goods that were
never given out; a closed account; more pieces than are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gongyi_bank.errors import GoodsNotGiven, GoodsReturned
from gongyi_bank.rules.redemptions import CAPTURED, REDEEMED
from gongyi_bank.rules.stores import OfferKey

_GIVEN_OUT: Final = (REDEEMED, CAPTURED)


@dataclass(frozen=True, slots=True)
class Refundable:
    """A redemption as it stands, with what was returned of it before."""

    redemption_id: bytes
    account_no: int
    store_no: int
    outlet_code: str
    sku: str
    quantity: int
    #: In the smallest part.
    points: int
    state: str
    line_no: int | None
    #: The number below the first point whose dates it cites; None if a hold was captured.
    cites_from: int | None
    #: How many refunds there were, and of how many pieces.
    parts: int
    returned: int

    @property
    def key(self) -> OfferKey:
        """The offer that the pieces go back to."""
        return self.store_no, self.sku


def require_given_out(found: Refundable, name: object) -> None:
    """Raise GoodsNotGiven unless the goods were handed over."""
    if found.state not in _GIVEN_OUT:
        raise GoodsNotGiven(redemption=name, state=found.state)


def decide_refund(found: Refundable, wanted: int | None, name: object) -> tuple[int, int]:
    """(pieces, points) of the refund: so many, or all that are left. Raises GoodsReturned.

    The last piece brings whatever a division left over, so the parts add up to the whole.
    """
    left = found.quantity - found.returned
    pieces = left if wanted is None else wanted
    if not 0 < pieces <= left:
        raise GoodsReturned(redemption=name, left=left, wanted=pieces or found.quantity)
    return pieces, _worth(found, found.returned + pieces) - _worth(found, found.returned)


def _worth(found: Refundable, pieces: int) -> int:
    return found.points * pieces // found.quantity
