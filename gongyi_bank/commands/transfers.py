"""Commands about 转赠、捐赠 and grants from pools: points that change hands, never for money."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from gongyi_bank.commands.base import AccountNo, AsTuple, Code, Command, Reason
from gongyi_bank.commands.hours import ROWS_MAX
from gongyi_bank.errors import InvalidValue
from gongyi_bank.errors.validation import CheckedModel
from gongyi_bank.policies import GiftRelation
from gongyi_bank.receipts.transfers import (
    PointsDonated,
    PointsGifted,
    PointsSent,
    PoolGranted,
)
from gongyi_bank.values import PositivePoints


class GiftPoints(Command):
    """转赠: give points to another customer, within the transfer rules."""

    receipt: ClassVar = PointsGifted
    act: ClassVar[str] = "transfers.gift"
    # Who is whose kin is personal: it is judged by the rules and kept nowhere.
    left_out: ClassVar[dict[str, Any]] = {"idempotency_key": True, "relation": True}

    account: AccountNo
    """The account that gives."""
    target: AccountNo
    """The account that receives."""
    points: PositivePoints
    """How many."""
    outlet: Code
    """The outlet that handles it; a customer is served anywhere."""
    relation: GiftRelation = Field(default="other", repr=False)
    """What the receiver is to the giver; the rules may allow kin only. It is not kept."""

    @model_validator(mode="after")
    def _goes_elsewhere(self) -> Self:
        if self.target == self.account:
            raise InvalidValue.of("target", self.target, "is the giver")
        return self


class DonatePoints(Command):
    """捐赠: give points to a pool, or to an organisation's account."""

    receipt: ClassVar = PointsDonated
    act: ClassVar[str] = "transfers.donate"

    account: AccountNo
    """The account that gives."""
    points: PositivePoints
    """How many."""
    outlet: Code
    """The outlet that handles it; a customer is served anywhere."""
    pool: Code | None = None
    """The pool that receives; or leave it out and give `organisation`."""
    organisation: AccountNo | None = None
    """The organisation's account that receives."""

    @model_validator(mode="after")
    def _has_one_receiver(self) -> Self:
        if (self.pool is None) == (self.organisation is None):
            raise InvalidValue.of("pool", self.pool, "give pool or organisation")
        if self.organisation == self.account:
            raise InvalidValue.of("organisation", self.organisation, "is the giver")
        return self


class PoolGrant(CheckedModel):
    """One customer's part of a grant."""

    account: AccountNo
    """The account that receives."""
    points: PositivePoints
    """How many."""


class GrantFromPool(Command):
    """积分池拨付: grant points of a pool to customers, to all of them or to none."""

    receipt: ClassVar = PoolGranted
    act: ClassVar[str] = "transfers.grant"

    pool: Code
    """The pool that gives; its outlet handles it."""
    grants: Annotated[tuple[PoolGrant, ...], AsTuple, Field(min_length=1, max_length=ROWS_MAX)]
    """Who receives how many; nobody twice."""
    reason: Reason
    """Why, in words that may stand in the books."""
    second_person: Code
    """复核: the staff code of who agreed, another person."""

    @model_validator(mode="after")
    def _names_nobody_twice(self) -> Self:
        seen: set[int] = set()
        for index, part in enumerate(self.grants):
            if part.account in seen:
                raise InvalidValue.of(f"grants[{index}].account", part.account, "comes twice")
            seen.add(part.account)
        return self


class TransferLeg(CheckedModel):
    """One leg of a many-legged act: so many points from one side to another."""

    source: AccountNo | None = None
    """The customer's account that gives; or leave it out and give `source_pool`."""
    source_pool: Code | None = None
    """The pool that gives."""
    target: AccountNo | None = None
    """The customer's account that receives; or leave it out and give `target_pool`."""
    target_pool: Code | None = None
    """The pool that receives."""
    points: PositivePoints
    """How many."""
    relation: GiftRelation = Field(default="other", repr=False)
    """Of a gift: what the receiver is to the giver, as in `GiftPoints`. It is not kept."""

    @model_validator(mode="after")
    def _has_two_sides(self) -> Self:
        if (self.source is None) == (self.source_pool is None):
            raise InvalidValue.of("source", self.source, "give source or source_pool")
        if (self.target is None) == (self.target_pool is None):
            raise InvalidValue.of("target", self.target, "give target or target_pool")
        if (self.source, self.source_pool) == (self.target, self.target_pool):
            raise InvalidValue.of("target", self.target or self.target_pool, "is the giver")
        return self


class SendPoints(Command):
    """多方转账: many legs among customers and pools, all or nothing, under one voucher.

    Each leg is a gift, a donation or a grant by who gives and who receives, and is judged
    as such; what an account gives and receives in one of these ways is netted to one line.
    """

    receipt: ClassVar = PointsSent
    act: ClassVar[str] = "transfers.send"
    left_out: ClassVar[dict[str, Any]] = {
        "idempotency_key": True,
        "legs": {"__all__": {"relation"}},
    }

    legs: Annotated[tuple[TransferLeg, ...], AsTuple, Field(min_length=1, max_length=ROWS_MAX)]
    """The legs."""
    outlet: Code
    """The outlet that handles it."""
    reason: Reason | None = None
    """Why; needed where a pool gives."""
    second_person: Code | None = None
    """复核: who agreed, another person; needed where a pool gives."""

    @model_validator(mode="after")
    def _pools_give_with_care(self) -> Self:
        if any(leg.source_pool is not None for leg in self.legs):
            if self.reason is None:
                raise InvalidValue.of("reason", None, "a pool gives: say why")
            if self.second_person is None:
                reason = "a pool gives: name the person who checked it"
                raise InvalidValue.of("second_person", None, reason)
        return self
