"""Every strategy shrinks to the smallest value there is, and lists of it to no more than needed.

A list keeps what does not matter if its elements are made of many draws: a shrinker leaves out
short stretches. So a strategy that is added, or grows, must stay short.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.policies import HourLimits, Tariff, TariffRate, TransferRules
from gongyi_bank.testing import SMALL_CAST
from gongyi_bank.testing import strategies as gb
from gongyi_bank.values import Points, compose_account_no, compose_passbook_no

FIRST, BEGINS_AT = SMALL_CAST.accounts[0], SMALL_CAST.begins_at
MINUTE, LATER = dt.timedelta(minutes=1), BEGINS_AT + dt.timedelta(days=20)
ROW = {
    "account": FIRST, "category": "service", "outlet": "B01S01", "recorded_by": "T-B01S01",
    "checked_by": "K-B01", "started_at": BEGINS_AT, "ended_at": BEGINS_AT + MINUTE,
}  # fmt: skip
CELLS = {
    "ref": "V0001", "customer_ref": "C1", "outlet_code": "B01S01", "project": "",
    "category": "service", "started_at": "2022-10-03T08:00", "ended_at": "2022-10-03T08:01",
    "client_rating": "", "recorded_by": "T-B01S01", "checked_by": "K-B01",
}  # fmt: skip
PIECE = {"account": FIRST, "store": "P01", "sku": "SOAP", "quantity": 1}
Wanted = Callable[[Any], bool]

#: By name: the strategy, its plainest example as `said` shows it, and something to look for.
STRATEGIES: dict[str, tuple[SearchStrategy[Any], Any, Wanted]] = {
    "account_numbers": (
        gb.account_numbers(), compose_account_no(1001, 0), lambda no: no % 10 == 7,
    ),
    "bad_amounts": (gb.bad_amounts(), "", lambda value: isinstance(value, float)),
    "bad_service_cells": (
        gb.bad_service_cells(["C1", "C2"]), (CELLS | {"ref": ""}, "ref"),
        lambda bad: bad[1] == "ended_at" and bad[0]["customer_ref"] == "C2",
    ),
    "bad_service_rows": (
        gb.bad_service_rows(now=LATER),
        (ROW | {"started_at": BEGINS_AT.replace(tzinfo=None)}, "invalid_instant"),
        lambda bad: bad.code == "in_future",
    ),
    "codes": (gb.codes(), "0", lambda code: len(code) > 3),
    "customers": (
        gb.customers(["S1", "S2"], refs=gb.codes()),
        {"kind": "volunteer", "outlet": "S1", "name": "张三", "ref": "0"},
        lambda new: new.outlet == "S2" and new.phone is not None,
    ),
    "histories": (gb.histories(), (), lambda steps: len(steps) > 1),
    "identity_numbers": (
        gb.identity_numbers(), "990000190001010016", lambda number: number.endswith("X"),
    ),
    "names": (gb.names(), "张三", lambda name: len(name) > 2),
    "offers": (
        gb.offers(),
        {"store": "P01", "sku": "SKU-001", "name": "肥皂", "points": Points("0.01"), "stock": 0},
        lambda offer: offer.stock > 5 and offer.points > Points(3),
    ),
    "outlet_trees": (
        gb.outlet_trees(), [("B01", "H", "urban")],
        lambda tree: any(one.setting == "rural" for one in tree),
    ),
    "passbook_numbers": (gb.passbook_numbers(), compose_passbook_no(1), lambda no: no > 5000),
    "phone_numbers": (gb.phone_numbers(), "13000000000", lambda phone: phone[1] == "5"),
    "points": (gb.points(-5, 5), Points("0.00"), lambda amount: amount > Points(3)),
    "policies": (
        gb.policies(TransferRules, HourLimits), TransferRules().model_dump(exclude_none=True),
        lambda policy: policy.kind == "hour_limits" and policy.daily_minutes_free > 600,
    ),
    "redemption_requests": (
        gb.redemption_requests(), PIECE, lambda wish: wish.act == "redemptions.reserve",
    ),
    "redemption_rows": (gb.redemption_rows(), PIECE, lambda row: row.quantity > 3),
    "service_cells": (
        gb.service_cells(["C1", "C2"]), CELLS, lambda cells: cells["customer_ref"] == "C2",
    ),
    "service_rows": (
        gb.service_rows(refs=gb.codes()), ROW | {"ref": "0"},
        lambda row: row.client_rating == 5 and row.ended_at - row.started_at > 200 * MINUTE,
    ),
    "stores": (
        gb.stores(),
        {"code": "P001", "name": "第1超市", "kind": "community_store", "recruited_by": "B01S01"},
        lambda store: store.kind == "enterprise",
    ),
    "tariffs": (
        gb.tariffs(["a", "b"]),
        Tariff(rates=(TariffRate(category="a", name="a", points_per_hour=Points(0)),)).model_dump(),
        lambda tariff: len(tariff.rates) == 2,
    ),
    "wrong_identity_numbers": (
        gb.wrong_identity_numbers(), "090000190001010016", lambda number: len(number) == 17,
    ),
}  # fmt: skip


def said(found: Any) -> Any:
    """A value without what it leaves open, in a form that can be written down."""
    if hasattr(found, "model_dump"):
        return found.model_dump(exclude_none=True)
    if isinstance(found, gb.BadRow):
        return said_row(found.fields), found.code
    if isinstance(found, tuple) and found and hasattr(found[0], "setting"):
        return [(one.code, one.parent, one.setting) for one in found]
    slots = getattr(found, "__slots__", None)
    if slots and not isinstance(found, Points):
        return said_row({name: getattr(found, name) for name in slots})
    return found


def said_row(fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def smallest(strategy: SearchStrategy[Any], wanted: Wanted = lambda _: True) -> Any:
    quick = settings(max_examples=1000, database=None, phases=[Phase.generate, Phase.shrink])
    return find(strategy, wanted, settings=quick, random=Random(0))


def test_every_public_strategy_is_looked_at() -> None:
    values = {"BadRow", "HISTORY_ACTS", "SERVICE_COLUMNS", "SERVICE_FAULTS", "csv_text"}
    assert STRATEGIES.keys() == {*gb.__all__} - values


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_plainest_example_is_the_smallest_there_is(name: str) -> None:
    strategy, plainest, _ = STRATEGIES[name]
    assert said(smallest(strategy)) == plainest


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_list_shrinks_to_the_elements_that_matter(name: str, count: int) -> None:
    strategy, _, wanted = STRATEGIES[name]
    found = smallest(st.lists(strategy), lambda some: sum(map(wanted, some)) >= count)
    assert len(found) == count
