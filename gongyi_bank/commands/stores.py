"""Commands about 爱心联盟: recruiting stores, and what they offer."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gongyi_bank.commands.base import AsTuple, Code, Command, PublicName, Reason
from gongyi_bank.errors.validation import CheckedModel
from gongyi_bank.receipts.stores import (
    AllianceLeft,
    OfferChanged,
    OffersPublished,
    StoresRecruited,
)
from gongyi_bank.values import PositivePoints

#: 幸福超市, 慈善超市, 爱心企业: the three kinds of the alliance.
StoreKind = Literal["community_store", "charity_shop", "enterprise"]
_PIECES_MAX = 1_000_000


class NewStore(CheckedModel):
    """A store that joins the alliance."""

    code: Code
    """The code people use; unique in the bank."""
    name: PublicName
    """What is written over the door."""
    kind: StoreKind
    """幸福超市 `community_store`, 慈善超市 `charity_shop` or 爱心企业 `enterprise`."""
    recruited_by: Code
    """The outlet that recruited it; what happens at the store is handled there."""
    joined_on: dt.date | None = None
    """Since when; today if left out, never in the future, and never in a closed period."""


class RecruitStores(Command):
    """吸纳商家: take stores into the alliance; one that is there already alike is no error."""

    receipt: ClassVar = StoresRecruited
    act: ClassVar[str] = "stores.recruit"

    stores: Annotated[tuple[NewStore, ...], AsTuple, Field(min_length=1, max_length=10_000)]
    """The stores."""


class LeaveAlliance(Command):
    """退出联盟: from today nothing new is redeemed there; reservations are still honoured."""

    receipt: ClassVar = AllianceLeft
    act: ClassVar[str] = "stores.leave"

    store: Code
    """The store."""
    reason: Reason
    """Why."""


class NewOffer(CheckedModel):
    """An article that a store gives for points."""

    store: Code
    """The store."""
    sku: Code
    """The article number, unique within the store."""
    name: PublicName
    """What it is."""
    points: PositivePoints
    """What one piece costs."""
    stock: Annotated[int, Field(ge=0, le=_PIECES_MAX)]
    """Pieces to begin with."""


class PublishOffers(Command):
    """上架: list offers; one that was published before alike is no error."""

    receipt: ClassVar = OffersPublished
    act: ClassVar[str] = "stores.publish_offers"

    offers: Annotated[tuple[NewOffer, ...], AsTuple, Field(min_length=1, max_length=10_000)]
    """The offers."""


class Restock(Command):
    """补货、报损: add pieces to an offer, or take spoiled ones away."""

    receipt: ClassVar = OfferChanged
    act: ClassVar[str] = "stores.restock"

    store: Code
    """The store."""
    sku: Code
    """The article."""
    quantity: Annotated[int, Field(ge=-_PIECES_MAX, le=_PIECES_MAX)]
    """Pieces to add; negative for 报损, never more than are free; not zero."""
    reason: Reason
    """Why."""


class WithdrawOffer(Command):
    """下架: nothing more is redeemed from this offer; reservations are still honoured."""

    receipt: ClassVar = OfferChanged
    act: ClassVar[str] = "stores.withdraw_offer"

    store: Code
    """The store."""
    sku: Code
    """The article."""
    reason: Reason
    """Why."""
