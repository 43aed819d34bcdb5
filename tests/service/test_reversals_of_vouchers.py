"""Reversing what has many lines: found whatever they went between; limits and closed pools."""

from __future__ import annotations

import pytest

from gongyi_bank.errors import PoolClosed, TransferLimitReached
from gongyi_bank.policies import PointsExpiry, ReversalRules, TransferRules
from gongyi_bank.values import Points
from tests.district import District
from tests.service.test_redemptions import saver
from tests.service.test_reversals import reverse, reverse_voucher
from tests.service.test_statement_counts import registered, rows_for
from tests.service.test_transfers import ONE, a_pool, gift, give, grant, leg, require_sound, send


def balances(district: District, *accounts: int) -> list[Points]:
    return list(district.bank.reports.balances(accounts).values())


def test_every_line_of_a_many_legged_transfer_comes_back(district: District) -> None:
    one, two, three = saver(district, 480), saver(district, 480), district.customer()
    a_pool(district)
    legs = [leg(one, three), leg(two, three), leg(one, two), leg(one, "P1"), leg(two, "P1")]
    sent = send(district, *legs)
    undone = reverse_voucher(district, sent.voucher_id)
    assert len({part.account for part in undone.parts}) == 4
    assert balances(district, one, two, three) == [Points(8), Points(8), Points(0)]
    assert district.bank.pools.balance("P1") == 0
    require_sound(district)


def test_every_line_of_a_list_without_a_key_comes_back(district: District) -> None:
    accounts = registered(district, 60)
    booked = district.bank.hours.record_many(rows=rows_for(district, accounts, 3))
    undone = district.bank.reversals.reverse_voucher(
        voucher=booked.voucher_id, reason="误记", second_person="ADM2"
    )
    assert [part.account for part in undone.parts] == sorted(accounts)
    assert set(balances(district, *accounts)) == {Points(0)}
    assert district.bank.verify().is_clean


def test_a_gift_is_found_beside_the_expiries_of_both_sides(engine_url: str) -> None:
    district = District(engine_url, policies=(PointsExpiry(mode="months", length=1),))
    giver, taker = saver(district), saver(district)
    district.clock.advance(days=20)
    district.serve(giver, "10-03 12:00", 120)
    district.clock.advance(days=15)
    sent = gift(district, giver, taker)
    assert balances(district, giver, taker) == [Points(1), Points(1)]
    assert len(reverse_voucher(district, sent.voucher_id).parts) == 2
    assert balances(district, giver, taker) == [Points(2), Points(0)]
    assert district.bank.verify().is_clean
    district.close()


def test_what_expired_after_a_younger_line_was_reversed_is_owed_by_nobody(
    engine_url: str,
) -> None:
    rules = (PointsExpiry(mode="months", length=1), ReversalRules(spent="debt"))
    district = District(engine_url, policies=rules)
    account = saver(district, 60)
    district.serve(account, "10-04 08:00", 60)
    assert reverse(district, account, 2).part.moved == 1
    district.clock.advance(days=40)
    receipt = reverse(district, account, 1, points=Points("0.40"))
    assert (receipt.part.moved, receipt.part.expired, receipt.part.debt) == (
        Points(0), Points("0.40"), Points(0),
    )  # fmt: skip
    assert reverse(district, account, 1).part.expired == Points("0.60")
    assert balances(district, account) == [Points(0)]
    assert district.bank.verify().is_clean, str(district.bank.verify())
    district.close()


def test_a_gift_that_came_back_does_not_count_towards_the_limit(engine_url: str) -> None:
    rules = TransferRules(gift_count_month_max=1, gift_points_month_max=Points(2))
    district = District(engine_url, policies=(rules,))
    giver, taker = saver(district, 480), district.customer()
    first = gift(district, giver, taker, points=Points(2))
    with pytest.raises(TransferLimitReached):
        gift(district, giver, taker)
    reverse_voucher(district, first.voucher_id)
    line_no = gift(district, giver, taker, points=Points(2)).line_no
    reverse(district, giver, line_no, points=Points("1.50"))
    with pytest.raises(TransferLimitReached) as refused:
        gift(district, giver, taker)
    assert refused.value.facts["used"] == 1  # a part of it is still given
    reverse(district, giver, line_no)
    gift(district, giver, taker)
    require_sound(district)
    district.close()


def test_a_closed_pool_neither_gives_nor_receives_by_a_reversal(district: District) -> None:
    giver, taker = saver(district), district.customer()
    a_pool(district)
    given = give(district, giver, pool="P1")
    granted = grant(district, (taker, ONE))
    district.acting("K1").pools.close(pool="P1", reason="撤并")
    for voucher in (granted.voucher_id, given.voucher_id):
        with pytest.raises(PoolClosed):
            reverse_voucher(district, voucher)
    with pytest.raises(PoolClosed):
        reverse(district, taker, 1)
    require_sound(district)
