"""Commands about 兑换: redeeming at once, and reserving, capturing, extending, releasing."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from gongyi_bank.commands.base import (
    AccountNo,
    AsTuple,
    Code,
    Command,
    Moment,
    Quantity,
    Reason,
    Ref,
)
from gongyi_bank.commands.hours import ROWS_MAX
from gongyi_bank.errors import InvalidValue
from gongyi_bank.receipts.hours import ManyRecorded
from gongyi_bank.receipts.redemptions import (
    GoodsRedeemed,
    GoodsReserved,
    ReservationExtended,
    ReservationSettled,
)
from gongyi_bank.values import canonical, clean_code, parse_account_no

_PIECES_MAX = 1_000_000
#: An account number once parsed; a store's customers come again and again.
_account_no = lru_cache(maxsize=8192)(parse_account_no)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedemptionRow:
    """One redemption as a store sends it: who, where, what, how many, when.

    A plain value rather than a model, because thousands come at once. Raises InvalidValue.

    >>> row = RedemptionRow(account=100200001233, store="P001", sku="P001-02", quantity=1)
    """

    #: The account number; or leave it out and give `customer_ref`.
    account: int | None = None
    #: The customer's external reference, as it was registered.
    customer_ref: str | None = None
    #: The store's code.
    store: str
    #: The article number.
    sku: str
    #: Pieces.
    quantity: int = 1
    #: The sender's own reference; the same row sent again has no effect.
    ref: str | None = None
    #: The day on which the goods were handed over; today if left out.
    redeemed_on: dt.date | None = None

    def __post_init__(self) -> None:
        if (self.account is None) == (self.customer_ref is None):
            raise InvalidValue.of("account", self.account, "give account or customer_ref")
        if self.account is not None:
            parse = _account_no if type(self.account) is int else parse_account_no
            object.__setattr__(self, "account", parse(self.account))
        for field, length_max in (("store", 40), ("sku", 40), ("customer_ref", 100), ("ref", 100)):
            self._clean(field, length_max)
        self._require_pieces()
        if self.redeemed_on is not None and type(self.redeemed_on) is not dt.date:
            raise InvalidValue.of("redeemed_on", self.redeemed_on, "a date")

    def _require_pieces(self) -> None:
        quantity = self.quantity
        if type(quantity) is not int or not 1 <= quantity <= _PIECES_MAX:
            raise InvalidValue.of("quantity", quantity, f"a whole number from 1 to {_PIECES_MAX}")

    def _clean(self, field: str, length_max: int) -> None:
        value = getattr(self, field)
        if value is None and field in ("customer_ref", "ref"):
            return
        if type(value) is not str:
            raise InvalidValue.of(field, value, "it must be text")
        cleaned = clean_code(value, field=field, length_max=length_max)
        if cleaned is not value:
            object.__setattr__(self, field, cleaned)

    def digest(self, purpose: str = "redemption") -> bytes:
        """SHA-256 over all fields and the purpose: what "the same row" means.

        Raises InvalidValue for a row that was changed behind its checks.
        """
        self._require_pieces()
        content = canonical(
            purpose, self.account, self.customer_ref, self.store, self.sku, self.quantity,
            self.ref, self.redeemed_on,
        )  # fmt: skip
        return hashlib.sha256(content).digest()


class Redeem(Command):
    """兑换: take points from the passbook and goods from the store, both or neither."""

    receipt: ClassVar = GoodsRedeemed
    act: ClassVar[str] = "redemptions.redeem"

    account: AccountNo
    """The customer's account."""
    store: Code
    """The store."""
    sku: Code
    """The article."""
    quantity: Quantity = 1
    """Pieces."""
    ref: Ref | None = None
    """The sender's own reference; the same redemption sent again has no effect."""
    redeemed_on: dt.date | None = None
    """The day on which the goods were handed over; today if left out, never in the future."""

    def row(self) -> RedemptionRow:
        """This command as a row of a bulk call."""
        return RedemptionRow(
            account=self.account,
            store=self.store,
            sku=self.sku,
            quantity=self.quantity,
            ref=self.ref,
            redeemed_on=self.redeemed_on,
        )


class RedeemMany(Command):
    """Redeem a list: the same books as one by one, in one posting."""

    receipt: ClassVar = ManyRecorded
    act: ClassVar[str] = "redemptions.redeem_many"

    rows: Annotated[tuple[RedemptionRow, ...], AsTuple, Field(min_length=1, max_length=ROWS_MAX)]
    """The rows, judged in order; each is redeemed, is a replay, or is refused by itself."""

    def request_digest(self) -> bytes:
        """SHA-256 over the rows' own digests."""
        return hashlib.sha256(b"".join(row.digest() for row in self.rows)).digest()


class Reserve(Command):
    """预约: hold points and goods until the deadline that the policy sets."""

    receipt: ClassVar = GoodsReserved
    act: ClassVar[str] = "redemptions.reserve"

    account: AccountNo
    """The customer's account."""
    store: Code
    """The store."""
    sku: Code
    """The article."""
    quantity: Quantity = 1
    """Pieces."""
    ref: Ref | None = None
    """The sender's own reference; the same reservation sent again has no effect."""

    def row(self) -> RedemptionRow:
        """This command as a row, to be judged like any redemption."""
        return RedemptionRow(
            account=self.account,
            store=self.store,
            sku=self.sku,
            quantity=self.quantity,
            ref=self.ref,
        )


class Capture(Command):
    """核销: hand over what was reserved, and debit the points that were held.

    A part that is captured becomes a redemption of its own; the rest stays reserved.
    """

    receipt: ClassVar = ReservationSettled
    act: ClassVar[str] = "redemptions.capture"

    redemption: UUID
    """The reservation."""
    quantity: Quantity | None = None
    """Pieces; all that are left if left out."""


class Extend(Command):
    """预约延期: hold points and goods longer, never beyond what the receipt names as latest."""

    receipt: ClassVar = ReservationExtended
    act: ClassVar[str] = "redemptions.extend"

    redemption: UUID
    """The reservation."""
    deadline_at: Moment
    """From this moment on it has lapsed; later than the deadline there is."""


class Release(Command):
    """取消预约: give points and goods free; one past its deadline is settled as lapsed."""

    receipt: ClassVar = ReservationSettled
    act: ClassVar[str] = "redemptions.release"

    redemption: UUID
    """The reservation."""
    reason: Reason
    """Why."""
