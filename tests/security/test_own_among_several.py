"""Nobody decides on their own hours or points, whichever of several accounts is theirs.

Every act on more accounts than one, and every act with a second person × whose account it is:
who acts, records, checks or agrees × the first, a middle and the last of the accounts.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

import pytest

from gongyi_bank.commands import (
    customers,
    hours,
    points,
    refunds,
    reversals,
    transfers,
)
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.errors import FourEyesRequired
from gongyi_bank.service.grouping import Wish, perform_together
from gongyi_bank.values import Points
from tests.books import everything
from tests.district import District, at

ONE, QUARTER = Points("1"), Points("0.25")


class Owners:
    """Three customers with points; each is an administrator as well, by the codes of OWNERS."""

    def __init__(self) -> None:
        self.district = District("sqlite://")
        self.bank = bank = self.district.bank
        self.accounts = a, b, c = [self.district.customer() for _ in range(3)]
        self.fresh = [self.district.customer() for _ in range(3)]
        owned = [*zip("XYZ", self.accounts, strict=True), *zip("PQR", self.fresh, strict=True)]
        roles = {"role": "administrator", "outlet": "H"}
        bank.staff.appoint(appointments=[
            Appointment(code=code, own_account=account, **roles) for code, account in owned
        ])  # fmt: skip
        rows = [self.district.row(account, "10-03 08:00", 240) for account in self.accounts]
        booked = [dataclasses.replace(row, recorded_by="admin", checked_by="ADM2") for row in rows]
        self.voucher = bank.hours.record_many(rows=booked).voucher_id
        # So that all of the voucher can be taken back, whatever was given away.
        later = [
            dataclasses.replace(row, started_at=at("10-04 08:00"), ended_at=at("10-04 12:00"))
            for row in booked
        ]
        bank.hours.record_many(rows=later)
        bank.transfers.gift(account=a, target=c, points=QUARTER, outlet="B01S01")
        bank.pools.open(code="POOL", name="爱心池", outlet="B01")
        bank.transfers.donate(account=b, pool="POOL", points=ONE, outlet="B01S01")
        store = NewStore(code="P1", name="爱心超市", kind="charity_shop", recruited_by="B01S01")
        bank.stores.recruit(stores=[store])
        towel = NewOffer(store="P1", sku="A", name="毛巾", points=QUARTER, stock=9)
        bank.stores.publish_offers(offers=[towel])
        redeemed = bank.redemptions.redeem(account=a, store="P1", sku="A")
        self.redemption = redeemed.redemption_id


@functools.cache
def owners() -> Owners:
    """Arranged once: everything is refused, or only tried."""
    return Owners()


Build = Callable[[Owners, str], Command]


def _gift(scene: Owners, _: str) -> Command:
    a, _b, c = scene.accounts
    return transfers.GiftPoints(account=a, target=c, points=QUARTER, outlet="B01S01")


def _gift_back(scene: Owners, _: str) -> Command:
    a, _b, c = scene.accounts
    return transfers.GiftPoints(account=c, target=a, points=QUARTER, outlet="B01S01")


def _grants(scene: Owners, second: str) -> Command:
    grants = [transfers.PoolGrant(account=one, points=QUARTER) for one in scene.accounts]
    return transfers.GrantFromPool(
        pool="POOL", grants=tuple(grants), reason="慰问", second_person=second
    )


def _send(scene: Owners, second: str) -> Command:
    a, b, c = scene.accounts
    legs = tuple(
        transfers.TransferLeg(source=b, target=target, points=QUARTER) for target in (a, c)
    )
    return transfers.SendPoints(legs=legs, outlet="B01S01", second_person=second)


def _reverse_voucher(scene: Owners, second: str) -> Command:
    assert scene.voucher is not None
    return reversals.ReverseVoucher(voucher=scene.voucher, reason="误记", second_person=second)


def _reverse_gift(scene: Owners, second: str) -> Command:
    """One line is named; its mirror is in another's account."""
    return reversals.ReverseLine(
        account=scene.accounts[0], line_no=3, reason="误记", second_person=second
    )


def _close(scene: Owners, second: str) -> Command:
    a, _b, c = scene.accounts
    return customers.CloseAccount(
        account=a, balance_to="account", target=c, reason="迁出", second_person=second
    )


def _grant(scene: Owners, second: str) -> Command:
    return points.GrantPoints(
        account=scene.accounts[0], points=ONE, reason="表彰", second_person=second, outlet="B01"
    )


def _void(scene: Owners, second: str) -> Command:
    return hours.VoidHours(
        account=scene.accounts[0], record_no=1, reason="不实", second_person=second
    )


def _refund(scene: Owners, second: str) -> Command:
    return refunds.RefundGoods(
        redemption=scene.redemption, quantity=1, reason="破损", second_person=second
    )


#: Each act, and which of the three accounts it is about.
ACTS: dict[str, tuple[Build, str]] = {
    "transfers.gift": (_gift, "XZ"),
    "transfers.gift, back": (_gift_back, "XZ"),
    "transfers.grant": (_grants, "XYZ"),
    "transfers.send": (_send, "XYZ"),
    "reversals.reverse_voucher": (_reverse_voucher, "XYZ"),
    "reversals.reverse_line": (_reverse_gift, "XZ"),
    "accounts.close": (_close, "XZ"),
    "points.grant": (_grant, "X"),
    "hours.void": (_void, "X"),
    "redemptions.refund": (_refund, "X"),
}


def attempt(build: Build, code: str, second: str) -> Any:
    scene = owners()
    with scene.bank.simulate(staff=code) as counter:
        return counter.execute(build(scene, second))


@pytest.mark.parametrize("act", ACTS)
def test_neither_who_acts_nor_who_agrees_may_own_one_of_the_accounts(act: str) -> None:
    build, owned = ACTS[act]
    before = everything(owners().bank)
    attempt(build, "admin", "ADM2")  # which is what the others are refused
    for owner in owned:
        people = [(owner, "ADM2")]
        if "second_person" in type(build(owners(), "ADM2")).model_fields:
            people.append(("admin", owner))
        for code, second in people:
            with pytest.raises(FourEyesRequired) as caught:
                attempt(build, code, second)
            assert caught.value.facts["staff"] == owner
    for stranger in set("XYZ") - set(owned):
        attempt(build, stranger, "ADM2")
    assert everything(owners().bank) == before


def _rows(recorder: str, checker: str) -> Build:
    def build(scene: Owners, _: str) -> Command:
        rows = (
            dataclasses.replace(
                scene.district.row(account, "10-05 08:00"), recorded_by=recorder, checked_by=checker
            )
            for account in scene.accounts
        )
        return hours.RecordManyHours(rows=tuple(rows))

    return build


@pytest.mark.parametrize("owner", "XYZ")
@pytest.mark.parametrize("role", ["sender", "recorder", "checker"])
def test_of_a_list_only_the_row_of_their_own_account_is_refused(owner: str, role: str) -> None:
    """The further rows are judged by what is known of the same people from the first."""
    sender = owner if role == "sender" else "admin"
    recorder = owner if role == "recorder" else "K1"
    checker = owner if role == "checker" else "ADM2"
    receipt = attempt(_rows(recorder, checker), sender, "")
    refused = [type(outcome.error) for outcome in receipt.outcomes if outcome.error]
    found = [outcome.error is not None for outcome in receipt.outcomes]
    assert found == [owner == one for one in "XYZ"]
    assert refused == [FourEyesRequired]


@pytest.mark.parametrize("owner", "PQR")
def test_nor_does_anybody_bring_forward_their_own(owner: str) -> None:
    def build(scene: Owners, _: str) -> Command:
        return points.BringForward(rows=tuple(
            points.OpeningRow(account=one, minutes=60, points=ONE, as_of=dt.date(2022, 9, 30))
            for one in scene.fresh
        ))  # fmt: skip

    outcomes = attempt(build, owner, "").outcomes
    assert [type(one.error) for one in outcomes if one.error] == [FourEyesRequired]
    assert [one.error is not None for one in outcomes] == [owner == one for one in "PQR"]


@pytest.mark.parametrize("owner", "XYZ")
def test_in_a_group_nobody_hides_behind_who_came_first(owner: str) -> None:
    scene = owners()
    wishes = [
        Wish(code, hours.RecordHours(
            account=account, category="sanitation", outlet="B01S01", recorded_by="K1",
            checked_by="ADM2", started_at=at("10-06 08:00"), ended_at=at("10-06 09:00"),
        ))
        for code, account in (("admin", scene.fresh[0]), *((owner, one) for one in scene.accounts))
    ]  # fmt: skip
    with scene.bank.simulate() as counter:
        outcomes = perform_together(counter._tx, counter._shelf, wishes)
    found = [type(outcome.error) is FourEyesRequired for outcome in outcomes]
    assert found == [False, *(owner == one for one in "XYZ")]
    assert [outcome.receipt is None for outcome in outcomes] == found
