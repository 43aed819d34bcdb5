"""冲正 that moved nothing, and debits beside holds: a later reversal took the wrong points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.commands.transfers import PoolGrant, TransferLeg
from gongyi_bank.errors import InsufficientPoints
from gongyi_bank.policies import PointsExpiry, Policy, ReversalRules
from gongyi_bank.receipts.reversals import PartReversed
from gongyi_bank.values import Points
from tests.district import District, at
from tests.reports.test_verification import tampered

TWO = {"reason": "误记", "second_person": "K1b"}
LETS_GO = ReversalRules(spent="take_available")
EXPIRY = PointsExpiry(mode="months", length=1)


@pytest.fixture
def founded(engine_url: str) -> Iterator[Callable[..., District]]:
    """Founds a district with further policies and a store."""
    made: list[District] = []

    def found(*policies: Policy) -> District:
        district = District(engine_url, policies=policies)
        made.append(district)
        store = NewStore(code="P01", name="店", kind="enterprise", recruited_by="B01S01")
        district.bank.stores.recruit(stores=[store])
        offer = NewOffer(store="P01", sku="SOAP", name="皂", points=Points(2), stock=99)
        district.bank.stores.publish_offers(offers=[offer])
        return district

    yield found
    for district in made:
        district.close()


def grant(district: District, account: int, points: int) -> int:
    desk = district.acting("K1").points
    line_no: int = desk.grant(account=account, points=Points(points), outlet="B01", **TWO).line_no
    return line_no


def spend(district: District, account: int, points: int) -> Any:
    desk = district.acting("T1").redemptions
    return desk.redeem(account=account, store="P01", sku="SOAP", quantity=points // 2)


def gift(district: District, source: int, target: int) -> Any:
    desk = district.acting("T1").transfers
    return desk.gift(account=source, target=target, points=Points(6), outlet="B01S01")


def reverse(district: District, account: int, line_no: int, **fields: Any) -> PartReversed:
    desk = district.acting("K1").reversals
    part: PartReversed = desk.reverse_line(account=account, line_no=line_no, **TWO | fields).part
    return part


def undo(district: District, receipt: Any) -> list[tuple[Points, Points]]:
    """What moved of each line of a voucher, and what had expired."""
    desk = district.acting("K1").reversals
    undone = desk.reverse_voucher(voucher=receipt.voucher_id, **TWO)
    return [(part.moved, part.expired) for part in undone.parts]


# --- a gift that the receiver has spent --------------------------------------------------------


def test_a_gift_that_could_not_come_back_does_not_pay_for_a_wrong_grant(
    founded: Callable[..., District],
) -> None:
    district = founded(LETS_GO)
    giver, receiver = district.customer(), district.customer()
    wrong = grant(district, giver, 10)
    grant(district, giver, 20)
    given = gift(district, giver, receiver)
    spend(district, receiver, 6)
    assert undo(district, given) == [(Points(0), Points(0))] * 2
    part = reverse(district, giver, wrong)
    assert (part.moved, part.expired, part.balance) == (Points(10), Points(0), Points(14))
    assert district.bank.verify().is_clean


def test_a_void_takes_the_points_of_a_service_that_were_given_and_let_go(
    founded: Callable[..., District],
) -> None:
    district = founded(LETS_GO)
    giver, receiver = district.customer(), district.customer()
    district.serve(giver, "10-14 08:00", 480)
    grant(district, giver, 20)
    given = gift(district, giver, receiver)
    spend(district, receiver, 6)
    undo(district, given)
    receipt = district.acting("K1").hours.void(account=giver, record_no=1, **TWO)
    assert (receipt.points, receipt.balance) == (Points(8), Points(14))
    assert district.bank.verify().is_clean


def test_a_donation_that_the_pool_has_granted_on_stays_given(
    founded: Callable[..., District],
) -> None:
    district = founded(LETS_GO)
    keeper = district.acting("K1")
    giver, receiver = district.customer(), district.customer()
    keeper.pools.open(code="LOVE", name="爱心", outlet="B01")
    wrong = grant(district, giver, 10)
    grant(district, giver, 20)
    donated = district.acting("T1").transfers.donate(
        account=giver, pool="LOVE", points=Points(6), outlet="B01S01"
    )
    keeper.transfers.grant(
        pool="LOVE", grants=[PoolGrant(account=receiver, points=Points(6))], **TWO
    )
    assert undo(district, donated) == [(Points(0), Points(0))] * 2
    assert reverse(district, giver, wrong).balance == Points(14)
    assert district.bank.verify().is_clean


@pytest.mark.parametrize("spent", ["refuse", "debt"])
def test_after_a_gift_was_let_go_the_policy_still_decides_about_the_grant(
    founded: Callable[..., District], spent: str
) -> None:
    district = founded(LETS_GO)
    giver, receiver = district.customer(), district.customer()
    wrong = grant(district, giver, 10)
    given = gift(district, giver, receiver)
    spend(district, receiver, 6)
    undo(district, given)
    district.clock.advance(days=1)
    district.bank.policies.adopt(
        policy=ReversalRules(spent=spent), effective_on=district.clock().date()
    )
    if spent == "refuse":
        with pytest.raises(InsufficientPoints) as caught:
            reverse(district, giver, wrong)
        assert caught.value.facts["available"] == "4.00"
    else:
        assert reverse(district, giver, wrong).debt == Points(6)
    assert district.bank.verify().is_clean


def test_what_expired_in_the_receiver_s_hands_is_due_from_nobody(
    founded: Callable[..., District],
) -> None:
    district = founded(EXPIRY, LETS_GO)
    giver, receiver = district.customer(), district.customer()
    wrong = grant(district, giver, 10)
    given = gift(district, giver, receiver)
    spend(district, receiver, 2)
    spend(district, giver, 4)
    district.clock.advance(days=40)
    grant(district, giver, 20)
    assert undo(district, given) == [(Points(0), Points(4))] * 2
    # The giver spent 4 and the receiver 2; the other 4 nobody had.
    part = reverse(district, giver, wrong)
    assert (part.moved, part.expired, part.balance) == (Points(6), Points(4), Points(14))
    assert district.bank.verify().is_clean


# --- many legs ---------------------------------------------------------------------------------


def test_a_gift_of_many_legs_does_not_pay_for_a_donation_of_the_same_voucher(
    founded: Callable[..., District],
) -> None:
    district = founded(LETS_GO)
    giver, receiver, donor, other = (district.customer() for _ in range(4))
    keeper = district.acting("K1")
    keeper.pools.open(code="LOVE", name="爱心", outlet="B01")
    wrong = [grant(district, account, 10) for account in (giver, donor)]
    sent = keeper.transfers.send(
        legs=[
            TransferLeg(source=giver, target=receiver, points=Points(6)),
            TransferLeg(source=donor, target_pool="LOVE", points=Points(6)),
        ],
        outlet="B01",
        **TWO,
    )
    keeper.transfers.grant(pool="LOVE", grants=[PoolGrant(account=other, points=Points(6))], **TWO)
    undo(district, sent)
    balances = [district.bank.reports.balance(account) for account in (giver, donor)]
    assert balances == [Points(10), Points(4)]
    moved = [
        reverse(district, account, line_no).moved
        for account, line_no in zip((giver, donor), wrong, strict=True)
    ]
    assert moved == [Points(10), Points(4)]
    assert district.bank.verify().is_clean


def test_what_was_let_go_of_many_legs_is_owed_by_all_givers_like_goods(
    founded: Callable[..., District],
) -> None:
    """The books do not know who gave to whom: docs/how-to/reversals.md."""
    district = founded(LETS_GO)
    one, other, saver, spender = (district.customer() for _ in range(4))
    wrong = {account: grant(district, account, 10) for account in (one, other)}
    sent = district.acting("K1").transfers.send(
        legs=[
            TransferLeg(source=one, target=saver, points=Points(6)),
            TransferLeg(source=other, target=spender, points=Points(6)),
        ],
        outlet="B01",
        **TWO,
    )
    spend(district, spender, 6)
    undo(district, sent)
    parts = [reverse(district, account, line_no) for account, line_no in wrong.items()]
    assert [(part.moved, part.expired) for part in parts] == [(Points(7), Points(0))] * 2
    assert district.bank.verify().is_clean


def test_an_audit_sees_halves_that_say_something_else(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    district = District(f"sqlite:///{path}", policies=(LETS_GO,))
    giver, receiver = district.customer(), district.customer()
    grant(district, giver, 10)
    given = gift(district, giver, receiver)
    district.acting("T1").transfers.gift(
        account=receiver, target=district.customer(), points=Points(6), outlet="B01S01"
    )
    undo(district, given)
    assert district.bank.verify().is_clean
    district.close()
    says_expired = "UPDATE gb_line_part SET expired = amount WHERE account_no = ?"
    found = tampered((path, giver), tmp_path, (says_expired, (giver,)))
    assert "part_sides" in {fault.kind for fault in found.faults}


# --- a debit beside a hold ---------------------------------------------------------------------


@pytest.mark.parametrize(("which", "moved"), [(0, 0), (1, 4)])
def test_a_debit_beside_a_hold_died_where_it_cites(
    founded: Callable[..., District], which: int, moved: int
) -> None:
    """Of two grants of 4 the older was captured, and is dead; the younger came back."""
    district = founded(EXPIRY)
    account, counter = district.customer(), district.acting("T1")
    grants = [grant(district, account, 4)]
    district.clock.now = at("10-30 12:00")
    grants.append(grant(district, account, 4))
    district.clock.now = at("11-14 12:00")
    hold = counter.holds.place(account=account, points=Points(4), store="P01", hours=100)
    taken = spend(district, account, 4)
    district.clock.now = at("11-16 12:00")
    captured = counter.holds.capture(hold=hold.hold_id)
    back = counter.redemptions.refund(
        redemption=taken.redemption_id, reason="退货", second_person="K1"
    )
    assert back.points - back.expired == Points(4)
    part = reverse(district, account, captured.line_no)
    assert (part.moved, part.expired, part.balance) == (Points(0), Points(4), Points(4))
    part = reverse(district, account, grants[which])
    assert (part.moved, part.expired) == (Points(moved), Points(4 - moved))
    assert part.balance == Points(4 - moved)
    assert district.bank.verify().is_clean
