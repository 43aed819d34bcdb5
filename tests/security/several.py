"""A district in which everything is there several times and everywhere, for acts on several things.

One district serves all tests: every act is only tried in it, or refused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from gongyi_bank.commands import holds, hours, passbooks, points, redemptions, reversals, transfers
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.customers import MoveCustomer, NewCustomer, RegisterCustomers
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.stores import NewOffer, NewStore, PublishOffers, RecruitStores
from gongyi_bank.values import Points
from tests.district import District
from tests.security.cases import ACTORS, ROLES

T = TypeVar("T")

#: The places of the things, seen from B01S01: its own, its sibling, its parent, the head office,
#: another branch and a child of that; and which of them each place's people cover.
COVERED = {
    "H": ("H", "B01", "B01S01", "B01S02", "B02", "B02S01"),
    "B01": ("B01", "B01S01", "B01S02"),
    "B01S01": ("B01S01",),
    "B01S02": ("B01S02",),
    "B02": ("B02", "B02S01"),
    "B02S01": ("B02S01",),
}
PLACES = tuple(COVERED)
#: Every store but the last has the name of its place; that one is a second store at B01S01.
NEXT_DOOR = "NEXT"
STORES = {place: place for place in PLACES} | {NEXT_DOOR: "B01S01"}
#: Where somebody of cases.ACTORS works, by the second letter of their code.
WORKS_AT = {"H": "H", "B": "B01", "O": "B01S01", "S": "B01S02", "X": "B02", "Y": "B02S01"}
#: The clerks C are of the store at B01S01, the clerk D is of the one next door.
CLERK_OF = {"C": "B01S01", "D": NEXT_DOOR}
ONE, QUARTER = Points("1"), Points("0.25")


class Everywhere:
    """The district, with what the acts are about by the name of its place (or store)."""

    def __init__(self) -> None:
        self.district = District("sqlite://")
        self.bank = self.district.bank
        self._recruit()
        people = [
            Appointment(
                code=code, role=ROLES[code[0]], outlet=WORKS_AT[code[1]],
                store=CLERK_OF.get(code[0]),
            )
            for code in ACTORS
        ]  # fmt: skip
        self.bank.staff.appoint(appointments=people)
        self.holds = {store: self._hold(store) for store in STORES}
        for place in PLACES:
            self._fund(place)

    def _recruit(self) -> None:
        new = [
            NewStore(code=code, name="爱心超市", kind="charity_shop", recruited_by=place)
            for code, place in STORES.items()
        ]
        self.bank.stores.recruit(stores=new)
        offers = [NewOffer(store=c, sku="A", name="毛巾", points=QUARTER, stock=9) for c in STORES]
        self.bank.stores.publish_offers(offers=offers)

    def saver(self, start: str = "10-03 08:00", **fields: Any) -> int:
        """A customer with two points."""
        account = self.district.customer(**fields)
        self.district.serve(account, start, 120)
        return account

    def _hold(self, store: str) -> list[UUID]:
        account, place = self.saver(), self.bank.holds.place
        return [place(account=account, points=QUARTER, store=store).hold_id for _ in range(3)]

    def _fund(self, place: str) -> None:
        self.bank.pools.open(code=place, name="爱心池", outlet=place)
        self.bank.transfers.donate(account=self.saver(), pool=place, points=ONE, outlet="H")

    @functools.cache  # noqa: B019
    def voucher(self, first: str, last: str) -> UUID:
        """A voucher with two lines at the first place and one at the last."""
        rows = [served(self, place, "admin") for place in (first, first, last)]
        booked = self.bank.hours.record_many(rows=rows)
        assert booked.voucher_id is not None
        assert all(outcome.error is None for outcome in booked.outcomes)
        return booked.voucher_id

    @functools.cache  # noqa: B019
    def books(self, first: str, last: str) -> tuple[int, int]:
        """Two books out of use, next to each other in the series, that lie at these places."""
        stock = self.bank.passbooks
        printed = stock.print_stock(count=2)
        for book, place in ((printed.first, first), (printed.last, last)):
            above = {"H": (), "B01": ("B01",), "B02": ("B02",)}.get(place, (place[:3], place))
            for target in above:
                stock.allot(target=target, first=book, last=book)
            stock.spoil(passbook=book, reason="水渍")
        return printed.first, printed.last


def pairs(places: Sequence[T]) -> Iterator[tuple[T, T]]:
    """Each two places, in both orders, and each one twice."""
    return ((one, other) for one in places for other in places)


@functools.cache
def everywhere() -> Everywhere:
    """Arranged once for all tests of a process."""
    return Everywhere()


def served(scene: Everywhere, place: str, code: str, second: str = "ADM2") -> hours.ServiceRow:
    """A service of somebody new at this place, recorded by one person and checked by another."""
    row = scene.district.row(scene.district.customer(), "10-04 08:00", outlet=place)
    return dataclasses.replace(row, recorded_by=code, checked_by=second)


# --- the acts: from where their things lie, who acts and who agrees, to a command ---------------

Names = tuple[str, ...]
Build = Callable[[Everywhere, Names, str, str], Command]


def _each(scene: Everywhere, names: Names) -> tuple[UUID, ...]:
    """Holds at these stores, no one twice."""
    return tuple(scene.holds[name][names[:i].count(name)] for i, name in enumerate(names))


def _capture_many(scene: Everywhere, names: Names, _: str, __: str) -> Command:
    parts = tuple(holds.HoldCapture(hold=hold) for hold in _each(scene, names))
    return holds.CaptureHolds(captures=parts)


def _release_many(scene: Everywhere, names: Names, _: str, __: str) -> Command:
    return holds.ReleaseHolds(holds=_each(scene, names), reason="改期")


@functools.cache
def _volunteers() -> list[int]:
    return [everywhere().district.customer() for _ in range(3)]


def _rows(names: Names, code: str, second: str) -> tuple[hours.ServiceRow, ...]:
    district = everywhere().district
    rows = (
        district.row(account, "10-05 08:00", outlet=name)
        for account, name in zip(_volunteers(), names, strict=True)
    )
    return tuple(dataclasses.replace(row, recorded_by=code, checked_by=second) for row in rows)


def _record_many(_: Everywhere, names: Names, code: str, second: str) -> Command:
    return hours.RecordManyHours(rows=_rows(names, code, second))


@functools.cache
def _savers() -> list[int]:
    return [everywhere().saver() for _ in range(3)]


def _redeem_many(_: Everywhere, names: Names, __: str, ___: str) -> Command:
    rows = (
        redemptions.RedemptionRow(account=account, store=name, sku="A")
        for account, name in zip(_savers(), names, strict=True)
    )
    return redemptions.RedeemMany(rows=tuple(rows))


def _publish(_: Everywhere, names: Names, __: str, ___: str) -> Command:
    return PublishOffers(offers=tuple(
        NewOffer(store=name, sku=f"B{index}", name="香皂", points=QUARTER, stock=3)
        for index, name in enumerate(names)
    ))  # fmt: skip


def _recruit(_: Everywhere, names: Names, __: str, ___: str) -> Command:
    return RecruitStores(stores=tuple(
        NewStore(code=f"NEW{index}", name="爱心超市", kind="charity_shop", recruited_by=name)
        for index, name in enumerate(names)
    ))  # fmt: skip


def _register(_: Everywhere, names: Names, __: str, ___: str) -> Command:
    return RegisterCustomers(customers=tuple(
        NewCustomer(outlet=name, name="李四", ref=f"NEW{index}") for index, name in enumerate(names)
    ))  # fmt: skip


@functools.cache
def _newcomers(place: str) -> list[int]:
    return [everywhere().district.customer(place) for _ in range(3)]


def _bring_forward(_: Everywhere, names: Names, __: str, ___: str) -> Command:
    return points.BringForward(rows=tuple(
        points.OpeningRow(
            account=_newcomers(name)[names[:i].count(name)], minutes=60, points=ONE,
            as_of=dt.date(2022, 9, 30),
        )
        for i, name in enumerate(names)
    ))  # fmt: skip


def _destroy_list(scene: Everywhere, names: Names, _: str, second: str) -> Command:
    listed = scene.books(names[0], names[-1])
    return passbooks.DestroyPassbooks(passbooks=listed, second_person=second, reason="焚毁")


def _destroy_range(scene: Everywhere, names: Names, _: str, second: str) -> Command:
    first, last = scene.books(names[0], names[-1])
    return passbooks.DestroyPassbooks(first=first, last=last, second_person=second, reason="焚毁")


def _reverse_voucher(scene: Everywhere, names: Names, _: str, second: str) -> Command:
    voucher = scene.voucher(names[0], names[-1])
    return reversals.ReverseVoucher(voucher=voucher, reason="误记", second_person=second)


def _reverse_voucher_at(scene: Everywhere, names: Names, _: str, second: str) -> Command:
    """Lines of the last place, taken back at the first."""
    voucher = scene.voucher(names[-1], names[-1])
    return reversals.ReverseVoucher(
        voucher=voucher, outlet=names[0], reason="误记", second_person=second
    )


def _reverse_voucher_at_one(scene: Everywhere, names: Names, _: str, second: str) -> Command:
    """Lines of both places, taken back at the first."""
    voucher = scene.voucher(names[0], names[-1])
    return reversals.ReverseVoucher(
        voucher=voucher, outlet=names[0], reason="误记", second_person=second
    )


@functools.cache
def _credited(place: str) -> int:
    scene = everywhere()
    row = served(scene, place, "admin")
    scene.bank.hours.record_many(rows=[row])
    assert row.account is not None
    return row.account


def _reverse_line_at(_: Everywhere, names: Names, __: str, second: str) -> Command:
    return reversals.ReverseLine(
        account=_credited(names[-1]), line_no=1, outlet=names[0], reason="误记",
        second_person=second,
    )  # fmt: skip


def _send_from_pools(_: Everywhere, names: Names, __: str, second: str) -> Command:
    """Each pool gives; the first one's outlet handles it."""
    legs = tuple(
        transfers.TransferLeg(source_pool=name, target=account, points=QUARTER)
        for name, account in zip(names, _volunteers(), strict=True)
    )
    return transfers.SendPoints(legs=legs, outlet=names[0], reason="慰问", second_person=second)


def _send_elsewhere(_: Everywhere, names: Names, __: str, second: str) -> Command:
    """The last pool gives, and another outlet handles it."""
    leg = transfers.TransferLeg(source_pool=names[-1], target=_volunteers()[0], points=QUARTER)
    return transfers.SendPoints(legs=(leg,), outlet=names[0], reason="慰问", second_person=second)


SAVINGS_BRANCHES = ("B01S01", "B01S02", "B02S01")


@dataclasses.dataclass(frozen=True)
class Several:
    """An act on several things: who may do it where it may be done, and how it is built."""

    act: str
    #: The roles, by their letters in `cases.ROLES`.
    roles: str
    build: Build
    #: Where the things may lie, or at which stores.
    names: Names = PLACES
    #: Whether each thing is refused by itself, and the others go through.
    is_each: bool = False
    #: Whether somebody else has to agree.
    has_second: bool = False
    #: Whether it is handled above all of its places, and who agrees must be of there, too.
    is_above: bool = False

    def listed(self, pair: tuple[str, str]) -> Names:
        """Where the things of a trial lie: the first name twice, so that a third thing differs."""
        return (pair[0], *pair)

    @property
    def actors(self) -> list[str]:
        """Everybody with a role that may, and one of each role that may not."""
        return [code for code in ACTORS if code[0] in self.roles or code[1] == "O"]

    def allows(self, code: str, name: str) -> bool:
        """Whether this person may do it with the one thing that lies there."""
        role, works_at = code[0], WORKS_AT[code[1]]
        is_theirs = role not in CLERK_OF or name == CLERK_OF[role]
        return role in self.roles and STORES[name] in COVERED[works_at] and is_theirs

    def agreed_at(self, pair: tuple[str, str]) -> Names:
        """Where the second person must be of, when somebody of the head office acts."""
        return (
            (*self.listed(pair), "H") if self.is_above and len(set(pair)) > 1 else self.listed(pair)
        )

    def agrees(self, code: str, name: str) -> bool:
        """Whether this person may be the second one where that thing lies."""
        return code[0] in "AKTS" and STORES[name] in COVERED[WORKS_AT[code[1]]]


SEVERAL = {
    "holds.capture_many": Several("holds.capture_many", "AKTSCD", _capture_many, tuple(STORES)),
    "holds.release_many": Several("holds.release_many", "AKTSCD", _release_many, tuple(STORES)),
    "redemptions.redeem_many": Several(
        "redemptions.redeem_many", "AKTSCD", _redeem_many, tuple(STORES), is_each=True
    ),
    "stores.publish_offers": Several("stores.publish_offers", "AKTSCD", _publish, tuple(STORES)),
    "stores.recruit": Several("stores.recruit", "AKTS", _recruit),
    "customers.register": Several("customers.register", "AKTS", _register, SAVINGS_BRANCHES),
    "points.bring_forward": Several(
        "points.bring_forward", "A", _bring_forward, SAVINGS_BRANCHES, is_each=True
    ),
    "hours.record_many": Several(
        "hours.record_many", "AKTS", _record_many, is_each=True, has_second=True
    ),
    "passbooks.destroy, a list": Several(
        "passbooks.destroy", "AK", _destroy_list, has_second=True
    ),
    "passbooks.destroy, a range": Several(
        "passbooks.destroy", "AK", _destroy_range, has_second=True
    ),
    "reversals.reverse_voucher": Several(
        "reversals.reverse_voucher", "AK", _reverse_voucher, has_second=True, is_above=True
    ),
    "reversals.reverse_voucher, elsewhere": Several(
        "reversals.reverse_voucher", "AK", _reverse_voucher_at, has_second=True
    ),
    "reversals.reverse_voucher, at one": Several(
        "reversals.reverse_voucher", "AK", _reverse_voucher_at_one, has_second=True
    ),
    "reversals.reverse_line, elsewhere": Several(
        "reversals.reverse_line", "AK", _reverse_line_at, has_second=True
    ),
    "transfers.send, from pools": Several(
        "transfers.send", "AK", _send_from_pools, has_second=True
    ),
    "transfers.send, elsewhere": Several(
        "transfers.send", "AK", _send_elsewhere, has_second=True
    ),
}  # fmt: skip


# --- acts in which what lies elsewhere does not count: a customer is served anywhere -------------


@functools.cache
def saver_at(place: str) -> int:
    """A customer of that savings branch with two points."""
    return everywhere().saver(outlet=place)


def _gift(here: str, there: str) -> Command:
    return transfers.GiftPoints(
        account=saver_at(there), target=_newcomers(there)[0], points=QUARTER, outlet=here
    )


def _donate(here: str, there: str) -> Command:
    return transfers.DonatePoints(account=saver_at(there), pool=there, points=QUARTER, outlet=here)


def _grant(here: str, there: str) -> Command:
    parts = tuple(
        transfers.PoolGrant(account=account, points=QUARTER) for account in _newcomers(there)
    )
    return transfers.GrantFromPool(pool=here, grants=parts, reason="慰问", second_person="ADM2")


def _send(here: str, there: str) -> Command:
    giver, points = saver_at(there), QUARTER
    legs = (
        transfers.TransferLeg(source=giver, target=_newcomers(there)[0], points=points),
        transfers.TransferLeg(source=giver, target_pool=there, points=points),
    )
    return transfers.SendPoints(legs=legs, outlet=here)


def _move(here: str, there: str) -> Command:
    return MoveCustomer(account=_newcomers(there)[0], outlet=here)


def _redeem(here: str, there: str) -> Command:
    row = redemptions.RedemptionRow(account=saver_at(there), store=here, sku="A")
    return redemptions.RedeemMany(rows=(row, row))


#: The roles that may do each, and the act as it is done here for what is there.
FOR_ELSEWHERE: dict[str, tuple[str, Callable[[str, str], Command]]] = {
    "customers.move": ("AKTS", _move),
    "redemptions.redeem_many": ("AKTSC", _redeem),
    "transfers.donate": ("AKTS", _donate),
    "transfers.gift": ("AKTS", _gift),
    "transfers.grant": ("AK", _grant),
    "transfers.send": ("AKTS", _send),
}
#: Acts that are done at the actor's own outlet, or about one thing at one place; or in which the
#: other places follow from the one. A new act has to be put here, or into a table above.
ALONE = frozenset(
    "accounts.close accounts.freeze accounts.mark_dormant accounts.unfreeze accounts.wake"
    " holds.capture holds.extend holds.lapse_overdue holds.place holds.release"
    " hours.approve hours.correct hours.record hours.refuse hours.void"
    " outlets.close outlets.rename outlets.reopen"
    " passbooks.issue passbooks.lift_loss passbooks.print_stock passbooks.reissue"
    " passbooks.renew passbooks.report_loss passbooks.spoil passbooks.update"
    " points.expire_due points.grant policies.adopt pools.close pools.open"
    " redemptions.capture redemptions.extend redemptions.redeem redemptions.refund"
    " redemptions.release redemptions.reserve staff.end"
    " stores.leave stores.restock stores.withdraw_offer".split()
)
#: Acts on several outlets that only administrators do, whose role is bound to the head office.
AT_THE_HEAD_OFFICE = frozenset({"outlets.move", "outlets.open", "staff.appoint"})
