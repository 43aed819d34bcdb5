"""What pools may grant in a month and a year, to whom, and what one customer may be granted."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gongyi_bank.bank import Bank
from gongyi_bank.errors import (
    GongyiBankError,
    GranteeLimitReached,
    PoolLimitReached,
    PoolShort,
    TransferLimitReached,
    TransferNotAllowed,
)
from gongyi_bank.policies import ReversalRules, TransferRules
from gongyi_bank.store.tables import policy
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District
from tests.racing import at_once
from tests.service.test_races import THREADS, kinds
from tests.service.test_transfers import (
    ONE,
    TWO,
    a_pool,
    adopt,
    grant,
    leg,
    require_sound,
    saver,
    send,
)

HALF = Points("0.50")
AGREED = {"reason": "慰问", "second_person": "K1b"}


def reverse(district: District, voucher: Any) -> None:
    district.bank.reversals.reverse_voucher(voucher=voucher, reason="误拨", second_person="ADM2")


def refused_by(caught: pytest.ExceptionInfo[GongyiBankError]) -> tuple[Any, ...]:
    """What was used, wanted and allowed."""
    facts = caught.value.facts
    return facts["used"], facts["wanted"], facts["limit"]


@pytest.fixture
def limited(engine_url: str) -> Iterator[District]:
    """Pools P1 with eight points and P2 with four; a pool grants five a month and seven a year,
    a customer is granted two a month and three a year."""
    rules = TransferRules(
        grant_points_month_max=Points(5), grant_points_year_max=Points(7),
        grantee_points_month_max=TWO, grantee_points_year_max=Points(3),
    )  # fmt: skip
    made = District(engine_url, policies=(rules,))
    a_pool(made, points=8)
    a_pool(made, "P2", points=4)
    yield made
    made.close()


def test_what_a_pool_grants_is_counted_by_calendar_month_and_year(limited: District) -> None:
    takers = [saver(limited, 0) for _ in range(8)]
    grant(limited, (takers[0], TWO), (takers[1], TWO))
    with pytest.raises(PoolLimitReached) as refused:
        grant(limited, (takers[2], Points("1.01")))
    assert refused_by(refused) == ("4.00", "1.01", "5")
    assert refused.value.facts["pool"] == "P1"
    grant(limited, (takers[2], ONE))
    limited.clock.advance(days=17)  # November
    grant(limited, (takers[3], ONE), (takers[4], ONE))
    with pytest.raises(PoolLimitReached) as refused:
        grant(limited, (takers[5], Points("0.01")))
    assert refused_by(refused) == ("7.00", "0.01", "7")
    grant(limited, (takers[5], TWO), pool="P2")  # each pool by itself
    limited.clock.advance(days=61)  # January
    grant(limited, (takers[0], ONE))
    require_sound(limited)


def test_what_a_customer_is_granted_is_counted_over_all_pools(limited: District) -> None:
    taker, other = saver(limited, 0), saver(limited, 0)
    grant(limited, (taker, ONE))
    grant(limited, (taker, HALF), pool="P2")
    with pytest.raises(GranteeLimitReached) as refused:
        grant(limited, (other, ONE), (taker, Points("0.51")))
    assert refused_by(refused) == ("1.50", "0.51", "2")
    assert refused.value.facts["account"] == taker
    legs = (leg("P1", taker, HALF), leg("P2", taker, Points("0.01")))
    with pytest.raises(GranteeLimitReached) as refused:
        send(limited, *legs, **AGREED)
    assert refused_by(refused) == ("1.50", "0.51", "2")
    send(limited, legs[0], **AGREED)
    limited.clock.advance(days=17)
    with pytest.raises(GranteeLimitReached) as refused:
        grant(limited, (taker, Points("1.01")))
    assert refused_by(refused) == ("2.00", "1.01", "3")
    require_sound(limited)


def test_one_customer_too_many_and_nobody_is_granted_anything(limited: District) -> None:
    takers = [saver(limited, 0) for _ in range(3)]
    grant(limited, (takers[2], TWO))
    before = everything(limited.bank)
    parts = [(taker, HALF) for taker in takers]
    for wish in (
        lambda: grant(limited, *parts),
        lambda: send(limited, *(leg("P1", *part) for part in parts), **AGREED),
        lambda: send(limited, leg("P2", takers[0], HALF), leg("P1", takers[2], HALF), **AGREED),
    ):
        with pytest.raises(GranteeLimitReached) as refused:
            wish()
        assert refused.value.facts["account"] == takers[2]
    assert everything(limited.bank) == before


def test_a_grant_that_came_back_does_not_count(limited: District) -> None:
    takers = [saver(limited, 0) for _ in range(3)]
    done = grant(limited, *((taker, TWO) for taker in takers[:2]))
    for wish in ((takers[0], Points("0.01")), (takers[2], Points("1.01"))):
        with pytest.raises(TransferLimitReached):
            grant(limited, wish)
    limited.bank.reversals.reverse_line(
        account=takers[0], line_no=1, points=HALF, reason="误拨", second_person="ADM2"
    )
    with pytest.raises(GranteeLimitReached) as refused:
        grant(limited, (takers[0], Points("0.51")))
    assert refused_by(refused) == ("1.50", "0.51", "2")
    grant(limited, (takers[0], HALF))
    reverse(limited, done.voucher_id)
    with pytest.raises(PoolLimitReached) as refused:
        grant(limited, *((taker, Points("1.51")) for taker in takers))
    assert refused_by(refused) == ("0.50", "4.53", "5")
    grant(limited, *((taker, Points("1.50")) for taker in takers))
    require_sound(limited)


def test_points_that_could_not_be_taken_back_are_still_granted(engine_url: str) -> None:
    rules = TransferRules(grant_points_month_max=TWO, grantee_points_month_max=TWO)
    policies = (rules, ReversalRules(spent="take_available"))
    district = District(engine_url, policies=policies)
    a_pool(district, points=8)
    taker, friend = saver(district, 0), saver(district, 0)
    done = grant(district, (taker, TWO))
    send(district, leg(taker, friend, Points("1.25")))
    reverse(district, done.voucher_id)
    for wish in ((taker, Points("0.76")), (friend, Points("0.76"))):
        with pytest.raises(TransferLimitReached) as refused:
            grant(district, wish)
        assert refused_by(refused) == ("1.25", "0.76", "2")
    grant(district, (taker, Points("0.75")))
    require_sound(district)
    district.close()


def test_an_act_counts_once_for_its_pool_and_for_each_who_receives(engine_url: str) -> None:
    rules = TransferRules(grant_count_month_max=2, grantee_count_year_max=1)
    district = District(engine_url, policies=(rules,))
    a_pool(district, points=8)
    a_pool(district, "P2", points=8)
    takers = [saver(district, 0) for _ in range(5)]
    first = grant(district, (takers[0], ONE), (takers[1], ONE))
    send(district, leg("P1", takers[2]), leg("P2", takers[2]), leg("P1", takers[3]), **AGREED)
    with pytest.raises(PoolLimitReached) as refused:
        grant(district, (takers[4], ONE))
    assert refused_by(refused) == (2, 1, "2")
    with pytest.raises(GranteeLimitReached) as refused:
        grant(district, (takers[4], ONE), (takers[2], ONE), pool="P2")
    assert refused_by(refused) == (1, 1, "1")
    reverse(district, first.voucher_id)
    grant(district, (takers[0], ONE))
    require_sound(district)
    district.close()


def test_what_a_pool_hands_on_to_another_is_netted_and_counts_for_the_giver(
    limited: District,
) -> None:
    taker = saver(limited, 0)
    legs = (leg("P1", "P2", TWO), leg("P2", taker, TWO))
    send(limited, *legs, **AGREED)
    with pytest.raises(PoolLimitReached) as refused:
        send(limited, leg("P1", "P2", Points("3.01")), **AGREED)
    assert refused.value.facts["pool"] == "P1"
    assert refused_by(refused) == ("2.00", "3.01", "5")
    grant(limited, *((saver(limited, 0), ONE) for _ in range(4)), pool="P2")
    require_sound(limited)


def test_pools_grant_to_whom_the_rules_of_the_day_name(district: District) -> None:
    a_pool(district, points=8)
    volunteer, group = saver(district, 0), saver(district, 0, kind="organisation")
    home = saver(district, 0, kind="household")
    grant(district, *((account, ONE) for account in (volunteer, group, home)))
    adopt(district, TransferRules(grantees=("volunteer", "household")))
    grant(district, (volunteer, ONE), (home, ONE))
    before = everything(district.bank)
    for wish in (
        lambda: grant(district, (volunteer, ONE), (group, ONE)),
        lambda: send(district, leg("P1", volunteer), leg("P1", group), **AGREED),
    ):
        with pytest.raises(TransferNotAllowed) as refused:
            wish()
        assert refused.value.facts["account"] == group
        assert "此类客户不得接受" in refused.value.message("zh")
    assert everything(district.bank) == before


def test_refusals_come_in_their_order(limited: District) -> None:
    """Each wish breaks what the later ones break as well."""
    group = saver(limited, 0, kind="organisation")
    taker = saver(limited, 0)
    adopt(limited, limited_to_volunteers(limited))
    for error, wish in (
        (TransferNotAllowed, lambda: grant(limited, (group, Points(9)), pool="P2")),
        (PoolLimitReached, lambda: grant(limited, (taker, Points("5.01")), pool="P2")),
        (PoolShort, lambda: grant(limited, (taker, Points("4.01")), pool="P2")),
        (GranteeLimitReached, lambda: grant(limited, (taker, Points("2.01")), pool="P2")),
    ):
        with pytest.raises(error) as refused:
            wish()
        assert type(refused.value) is error
    grant(limited, (taker, TWO), pool="P2")


def limited_to_volunteers(district: District) -> TransferRules:
    """The rules of today, for volunteers only."""
    today = district.clock.now.date()
    rules = district.bank.policies.book().in_force(TransferRules, today)[1]
    return rules.model_copy(update={"grantees": ("volunteer",)})


# --- at once ---------------------------------------------------------------------------------


def test_grants_at_once_do_not_pass_the_limit_of_their_pool(limited: District) -> None:
    takers = [saver(limited, 0) for _ in range(THREADS)]
    results = at_once(*[lambda taker=taker: grant(limited, (taker, ONE)) for taker in takers])
    assert kinds(results) == {"PoolGranted": 5, PoolLimitReached.__name__: THREADS - 5}
    assert limited.bank.pools.balance("P1") == Points(3)
    assert sum(limited.bank.reports.balances(takers).values(), Points(0)) == Points(5)
    require_sound(limited)


def test_two_pools_at_once_do_not_pass_the_limit_of_a_customer(limited: District) -> None:
    taker = saver(limited, 0)
    granting = [
        lambda code=code: grant(limited, (taker, HALF), pool=code) for code in ("P1", "P2")
    ] * (THREADS // 2)
    sending = [lambda: send(limited, leg("P1", taker, HALF), **AGREED)] * 2
    results = at_once(*granting, *sending)
    done = {"PoolGranted": 0, "PointsSent": 0} | kinds(results)
    assert done["PoolGranted"] + done["PointsSent"] == 4
    assert done[GranteeLimitReached.__name__] == len(results) - 4
    assert limited.bank.reports.balance(taker) == TWO
    require_sound(limited)


# --- rules that were adopted before there were such limits --------------------------------------

NEW = {name for name in TransferRules.model_fields if name.startswith("grant")}


def test_rules_without_these_fields_are_read_and_limit_nothing(
    engine_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(NEW) == 9
    district = District(engine_url)
    written = TransferRules.model_dump_json
    with monkeypatch.context() as old:
        old.setattr(TransferRules, "model_dump_json", lambda self: written(self, exclude=NEW))
        adopt(district, TransferRules(gift_count_month_max=3))
    with district.bank.engine.connect() as connection:
        newest = sa.select(policy.c.body).order_by(policy.c.policy_id.desc()).limit(1)
        stored = json.loads(connection.execute(newest).scalar_one())
    assert stored["gift_count_month_max"] == 3
    assert not NEW & stored.keys()
    bank = Bank.open(engine_url, staff="K1", clock=district.clock, unsafe_settings="allow")
    today: dt.date = district.clock.now.date()
    rules = bank.policies.book().in_force(TransferRules, today)[1]
    assert rules == TransferRules(gift_count_month_max=3)
    a_pool(district, points=8)
    group = saver(district, 0, kind="organisation")
    for _ in range(2):
        grants = [{"account": group, "points": Points(4)}]
        bank.transfers.grant(pool="P1", grants=grants, **AGREED)
    require_sound(district)
    bank.close()
    district.close()
