"""Opening, closing and reading pools, on every engine."""

from __future__ import annotations

import pytest

from gongyi_bank.errors import (
    CodeTaken,
    InvalidValue,
    NotPermitted,
    OutletNotEmpty,
    PoolClosed,
    PoolNotEmpty,
    UnknownPool,
)
from gongyi_bank.rules.ledger import internal_no
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District
from tests.service.test_transfers import a_pool, give, grant, require_sound, saver


def test_a_pool_is_opened_empty_with_a_number_above_all_customers(district: District) -> None:
    receipt = district.acting("K1").pools.open(code="P1", name="爱心池", outlet="B01S02")
    assert (receipt.pool, receipt.outlet) == ("P1", "B01S02")
    assert receipt.account == internal_no("pool", 1) > saver(district)
    assert district.bank.pools.balance("P1") == Points(0)
    (row,) = district.bank.pools.list().rows
    assert row[:5] == ("P1", "爱心池", "B01S02", "莲花胜利社区储蓄所", receipt.account)
    require_sound(district)


def test_a_code_is_used_once_also_after_closing(district: District) -> None:
    a_pool(district)
    a_pool(district, "P2")
    desk = district.acting("K1").pools
    desk.close(pool="P1", reason="撤并")
    before = everything(district.bank)
    for code in ("P1", "P2"):
        with pytest.raises(CodeTaken):
            desk.open(code=code, name="新池", outlet="B01")
    assert everything(district.bank) == before


def test_only_keepers_of_the_place_open_and_close(district: District) -> None:
    a_pool(district)
    for staff in ("T1", "K2", "AUD"):
        with pytest.raises(NotPermitted):
            district.acting(staff).pools.open(code="P9", name="新池", outlet="B01")
        with pytest.raises(NotPermitted):
            district.acting(staff).pools.close(pool="P1", reason="撤并")


def test_only_an_empty_pool_is_closed_and_only_once(district: District) -> None:
    a_pool(district, points=2)
    desk = district.acting("K1").pools
    with pytest.raises(PoolNotEmpty) as refused:
        desk.close(pool="P1", reason="撤并")
    assert refused.value.facts["balance"] == "2.00"
    grant(district, (saver(district, 0), Points(2)))
    desk.close(pool="P1", reason="撤并")
    with pytest.raises(PoolClosed):
        desk.close(pool="P1", reason="撤并")
    with pytest.raises(UnknownPool):
        desk.close(pool="P2", reason="撤并")
    with pytest.raises(PoolClosed):
        give(district, saver(district), pool="P1")
    assert district.bank.pools.list().rows[0][-1] == "closed"
    require_sound(district)


def test_an_outlet_with_an_open_pool_is_not_closed(district: District) -> None:
    district.acting("K2").pools.open(code="P1", name="爱心池", outlet="B02S02")
    with pytest.raises(OutletNotEmpty) as refused:
        district.bank.outlets.close(outlet="B02S02", reason="撤并")
    assert "1 个积分池" in refused.value.message("zh")
    district.acting("K2").pools.close(pool="P1", reason="撤并")
    district.bank.outlets.close(outlet="B02S02", reason="撤并")


def test_a_pool_has_a_statement_like_any_account(district: District) -> None:
    a_pool(district, points=5)
    taker = saver(district, 0)
    grant(district, (taker, Points(2)))
    page = district.bank.pools.statement("P1", newest=1)
    assert (page.opening, page.debited, page.closing) == (Points(5), Points(2), Points(3))
    assert [line.summary for line in page.lines] == ["积分池拨付"]
    older = district.bank.pools.statement("P1", before_line=page.next_before_line)
    assert [line.summary for line in older.lines] == ["受捐"]
    account = district.bank.pools.list().rows[0][4]
    assert district.bank.reports.statement(account, newest=1) == page
    assert district.bank.pools.balance("P1") == page.closing
    for look in (district.bank.pools.balance, district.bank.pools.statement):
        with pytest.raises(UnknownPool):
            look("P2")
    with pytest.raises(InvalidValue):
        district.bank.pools.balance("no such code")
