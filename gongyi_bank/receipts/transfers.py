"""Receipts about gifts, donations, grants from pools and many-legged transfers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from gongyi_bank.receipts.base import Receipt
from gongyi_bank.values import PointsSum


class PointsGifted(Receipt):
    """Points were given to another customer."""

    account: int
    """The account that gave."""
    target: int
    """The account that received."""
    points: PointsSum
    """How many."""
    line_no: int
    """The giver's newest line; points of several dates make a line each."""
    balance: PointsSum
    """The giver's balance after it."""


class PointsDonated(Receipt):
    """Points were given to a pool or to an organisation."""

    account: int
    """The account that gave."""
    pool: str | None
    """The pool that received."""
    organisation: int | None
    """Or the organisation's account."""
    points: PointsSum
    """How many."""
    line_no: int
    """The giver's newest line; points of several dates make a line each."""
    balance: PointsSum
    """The giver's balance after it."""


class GrantPart(BaseModel):
    """What one customer got of a grant."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    account: int
    """The account that received."""
    points: PointsSum
    """How many."""
    line_no: int
    """The line in the passbook."""
    balance: PointsSum
    """The balance after it."""


class PoolGranted(Receipt):
    """A pool granted points to customers."""

    pool: str
    """The pool that gave."""
    points: PointsSum
    """How many in all."""
    balance: PointsSum
    """The pool's balance after it."""
    grants: tuple[GrantPart, ...]
    """Who received how many, in the order of the request."""


class SideChanged(BaseModel):
    """What a many-legged transfer did to one account."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    account: int | None
    """The customer's account."""
    pool: str | None
    """Or the pool."""
    points: PointsSum
    """What it received less what it gave."""
    line_no: int
    """Its newest line."""
    balance: PointsSum
    """The balance after it."""


class PointsSent(Receipt):
    """Points were sent among customers and pools."""

    sides: tuple[SideChanged, ...]
    """Every account of the legs, in the order in which they name it."""
