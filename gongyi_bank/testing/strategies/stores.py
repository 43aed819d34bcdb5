"""Strategies for the alliance: stores, offers, and what customers ask for there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.commands.redemptions import Redeem, RedemptionRow, Reserve
from gongyi_bank.commands.stores import NewOffer, NewStore, StoreKind
from gongyi_bank.testing.arguments import require_codes, require_some, require_whole
from gongyi_bank.testing.story_builder import SMALL_CAST, Cast
from gongyi_bank.testing.strategies.amounts import between
from gongyi_bank.testing.strategies.arguments import refs_of, require_cast
from gongyi_bank.values import Points

_KINDS: tuple[StoreKind, ...] = ("community_store", "charity_shop", "enterprise")
_GOODS = ("肥皂", "大米", "毛巾", "Öl 500 ml", "𠮷祥物")


def stores(recruited_by: Iterable[str] = ("B01S01",)) -> SearchStrategy[NewStore]:
    """Stores that one of these outlets recruits, since today; codes P001 to P999 may come twice.

    Shrinks to P001, a community store of the first outlet. Raises InvalidValue.
    """
    outlets = require_codes("recruited_by", recruited_by)
    return st.builds(
        lambda number, kind, outlet: NewStore(
            code=f"P{number:03d}", name=f"第{number}超市", kind=kind, recruited_by=outlet
        ),
        st.integers(1, 999), st.sampled_from(_KINDS), st.sampled_from(outlets),
    )  # fmt: skip


def offers(
    stores: Iterable[str] = ("P01",),
    *,
    points_max: Points | str | int = 100,
    stock_max: int = 1000,
    scale: int = 2,
) -> SearchStrategy[NewOffer]:
    """Articles of these stores: cheap and dear, with stock and without.

    Shrinks to SKU-001 of the first store for the smallest amount, with nothing in stock. Raises
    InvalidValue.
    """
    codes = require_codes("stores", stores)
    pieces = st.integers(0, require_whole("stock_max", stock_max, 0, 1_000_000))
    smallest = Points.of_units(1, require_whole("scale", scale, 0, 4))
    prices = between(smallest, points_max, scale, ("smallest", "points_max"))
    return st.builds(
        lambda store, number, name, price, stock: NewOffer(
            store=store, sku=f"SKU-{number:03d}", name=name, points=price, stock=stock
        ),
        st.sampled_from(codes), st.integers(1, 999), st.sampled_from(_GOODS), prices, pieces,
    )  # fmt: skip


def redemption_rows(
    cast: Cast = SMALL_CAST, *, quantity_max: int = 5, refs: SearchStrategy[str] | None = None
) -> SearchStrategy[RedemptionRow]:
    """Redemptions as a store sends them, of today; some cost more than the customer has.

    Shrinks to one piece of the first article for the first customer. Raises InvalidValue.
    """
    given, wishes = refs_of("refs", refs), _wishes(cast, quantity_max)
    return st.builds(lambda fields, ref: RedemptionRow(**fields, ref=ref), wishes, given)


def redemption_requests(
    cast: Cast = SMALL_CAST, *, quantity_max: int = 5
) -> SearchStrategy[Redeem | Reserve]:
    """What a customer asks for at the counter: goods at once, or put aside.

    Ready for `bank.execute`. Shrinks to one piece of the first article, at once. Raises
    InvalidValue.
    """
    acts: tuple[type[Redeem | Reserve], ...] = (Redeem, Reserve)
    wishes = _wishes(cast, quantity_max)
    return st.builds(lambda act, fields: act(**fields), st.sampled_from(acts), wishes)


def _wishes(cast: Cast, quantity_max: int) -> SearchStrategy[dict[str, Any]]:
    """Who wants how much of what."""
    accounts = require_cast(cast).accounts
    goods = require_some("cast.goods", cast.goods)
    pieces = st.integers(1, require_whole("quantity_max", quantity_max, 1, 1_000_000))
    return st.builds(
        lambda account, article, quantity: {
            "account": account, "store": article[0], "sku": article[1], "quantity": quantity,
        },
        st.sampled_from(accounts), st.sampled_from(goods), pieces,
    )  # fmt: skip
