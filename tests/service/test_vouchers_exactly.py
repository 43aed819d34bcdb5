"""What a voucher tells beside its receipt: why, what it found lapsed, and what it reversed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from gongyi_bank.commands.redemptions import RedemptionRow
from gongyi_bank.store.tables import account_line, hold, voucher
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_lapsed_on_the_way import ALL, close, donate, gift, prepared, send


def voucher_of(district: District, receipt: Any) -> dict[str, Any]:
    """The voucher of an act, its body read."""
    query = sa.select(voucher).where(voucher.c.voucher_id == receipt.voucher_id.bytes)
    with district.bank.engine.connect() as connection:
        found = dict(connection.execute(query).mappings().one())
    return found | {"body": json.loads(found["body"])}


def redeem(district: District, account: int, _: int) -> Any:
    return district.bank.redemptions.redeem(account=account, store="P1", sku="A")


def redeem_many(district: District, account: int, _: int) -> Any:
    row = RedemptionRow(account=account, store="P1", sku="A", quantity=1, ref="R1")
    return district.bank.redemptions.redeem_many(rows=[row])


def reserve(district: District, account: int, _: int) -> Any:
    return district.bank.redemptions.reserve(account=account, store="P1", sku="A")


def place(district: District, account: int, _: int) -> Any:
    return district.bank.holds.place(account=account, points=ALL, store="P1", hours=1)


@pytest.mark.parametrize("act", [gift, donate, send, close, redeem, redeem_many, reserve, place])
def test_a_voucher_names_the_holds_that_its_act_found_lapsed(
    sqlite_district: District, act: Callable[[District, int, int], Any]
) -> None:
    account, target = prepared(sqlite_district)
    with sqlite_district.bank.engine.connect() as connection:
        held = {str(UUID(bytes=one)) for one in connection.scalars(sa.select(hold.c.hold_id))}
    assert len(held) == 2
    sqlite_district.clock.advance(days=30)
    written = voucher_of(sqlite_district, act(sqlite_district, account, target))
    assert set(written["body"]["lapsed"]) == held


def test_where_nothing_lapsed_nothing_is_said_of_it(sqlite_district: District) -> None:
    account, target = prepared(sqlite_district)
    desk = sqlite_district.bank.transfers
    receipt = desk.gift(account=account, target=target, points=Points("0.10"), outlet="B01S01")
    assert "lapsed" not in voucher_of(sqlite_district, receipt)["body"]


def test_the_reason_of_many_legs_is_on_their_voucher(sqlite_district: District) -> None:
    account, target = prepared(sqlite_district)
    legs = [{"source": account, "target": target, "points": Points("0.10")}]
    desk = sqlite_district.bank.transfers
    receipt = desk.send(legs=legs, outlet="B01S01", reason="互助")
    assert voucher_of(sqlite_district, receipt)["reason"] == "互助"


def test_a_reversal_names_the_voucher_that_it_takes_back(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    credited = sqlite_district.serve(account, "10-03 08:00")
    receipt = sqlite_district.acting("K1").reversals.reverse_line(
        account=account, line_no=1, reason="误记", second_person="K1b"
    )
    written = voucher_of(sqlite_district, receipt)
    assert written["body"]["reversed"] == [str(UUID(bytes=credited.voucher_id.bytes))]
    assert written["reason"] == "误记"


def test_points_granted_for_an_earlier_day_have_that_day(sqlite_district: District) -> None:
    account, day = sqlite_district.customer(), dt.date(2022, 10, 3)
    sqlite_district.acting("K1").points.grant(
        account=account, points=Points(1), reason="表彰", outlet="B01", second_person="K1b",
        value_on=day,
    )  # fmt: skip
    with sqlite_district.bank.engine.connect() as connection:
        line = connection.execute(sa.select(account_line)).mappings().one()
    assert (line["value_on"], line["business_day"]) == (day, dt.date(2022, 10, 15))
