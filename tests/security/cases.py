"""A case of every act there is: those of tests/acts.py, and those that have tables elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gongyi_bank.commands import passbooks, redemptions, stores
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.outlets import Appointment
from gongyi_bank.commands.stores import NewOffer, NewStore
from gongyi_bank.values import Points
from tests.acts import ACTS, Case
from tests.books import everything
from tests.district import District
from tests.refusals import booked, books, reserved, saver, serial, shop

_HERE = "B01S01"


def _print_stock(_: District) -> Case:
    return "admin", passbooks.PrintStock(count=2), {"count": 3}


def _allot(district: District) -> Case:
    district.bank.passbooks.print_stock(count=4)
    district.bank.passbooks.allot(target="B01", first=serial(1), last=serial(4))
    command = passbooks.AllotPassbooks(target=_HERE, first=serial(1), last=serial(2))
    return "K1", command, {"last": serial(3)}


def _issue(district: District) -> Case:
    books(district)
    command = passbooks.IssuePassbook(account=district.customer(), outlet=_HERE)
    return "T1", command, {"passbook": serial(2)}


def _update(district: District) -> Case:
    command = passbooks.UpdatePassbook(account=booked(district, lines=2), outlet=_HERE)
    return "T1", command, {"lines_max": 1}


def _renew(district: District) -> Case:
    command = passbooks.RenewPassbook(account=booked(district), outlet=_HERE, damaged=True)
    return "T1", command, {"passbook": serial(3)}


def _report_loss(district: District) -> Case:
    command = passbooks.ReportLoss(account=booked(district), kind="written", outlet=_HERE)
    return "T1", command, {"kind": "oral"}


def _lost(district: District) -> int:
    account = booked(district)
    district.acting("T1").passbooks.report_loss(account=account, kind="written")
    return account


def _lift_loss(district: District) -> Case:
    command = passbooks.LiftLoss(account=_lost(district), reason="找到", outlet=_HERE)
    return "T1", command, {"reason": "拾得"}


def _reissue(district: District) -> Case:
    account = _lost(district)
    district.clock.advance(days=60)
    return "T1", passbooks.ReissuePassbook(account=account, outlet=_HERE), {"passbook": serial(3)}


def _spoil(district: District) -> Case:
    books(district)
    command = passbooks.SpoilPassbook(passbook=serial(1), reason="水渍")
    return "T1", command, {"passbook": serial(2)}


def _destroy(district: District) -> Case:
    _, spoil, _ = _spoil(district)
    district.acting("T1").execute(spoil)
    command = passbooks.DestroyPassbooks(passbooks=(serial(1),), second_person="K1b", reason="焚毁")
    return "K1", command, {"reason": "粉碎"}


def _redeem(district: District) -> Case:
    shop(district)
    command = redemptions.Redeem(account=saver(district), store="P1", sku="A")
    return "T1", command, {"quantity": 2}


def _redeem_many(district: District) -> Case:
    shop(district)
    row = redemptions.RedemptionRow(account=saver(district), store="P1", sku="A")
    return "T1", redemptions.RedeemMany(rows=(row,)), {"rows": (row, row)}


def _reserve(district: District) -> Case:
    shop(district)
    command = redemptions.Reserve(account=saver(district), store="P1", sku="A")
    return "T1", command, {"quantity": 2}


def _release(district: District) -> Case:
    name = reserved(district).redemption_id
    return "T1", redemptions.Release(redemption=name, reason="不要了"), {"reason": "改期"}


def _leave(district: District) -> Case:
    shop(district)
    return "admin", stores.LeaveAlliance(store="P1", reason="停业"), {"reason": "迁出"}


def _publish(district: District) -> Case:
    shop(district)
    new = NewOffer(store="P1", sku="B", name="香皂", points=Points("0.25"), stock=3)
    other = NewOffer(store="P1", sku="B", name="香皂", points=Points("0.26"), stock=3)
    return "T1", stores.PublishOffers(offers=(new,)), {"offers": (other,)}


def new_store(code: str = "P9", recruited_by: str = _HERE) -> NewStore:
    """A store that is not in the alliance yet."""
    return NewStore(code=code, name="爱心超市", kind="charity_shop", recruited_by=recruited_by)


def _recruit(_: District) -> Case:
    return "T1", stores.RecruitStores(stores=(new_store(),)), {"stores": (new_store("P8"),)}


def _restock(district: District) -> Case:
    shop(district)
    command = stores.Restock(store="P1", sku="A", quantity=5, reason="补货")
    return "T1", command, {"quantity": -5}


def _withdraw(district: District) -> Case:
    shop(district)
    command = stores.WithdrawOffer(store="P1", sku="A", reason="缺货")
    return "T1", command, {"reason": "停产"}


#: The acts that tests/acts.py leaves to tables of their own.
MORE: dict[str, Callable[[District], Case]] = {
    "passbooks.allot": _allot,
    "passbooks.destroy": _destroy,
    "passbooks.issue": _issue,
    "passbooks.lift_loss": _lift_loss,
    "passbooks.print_stock": _print_stock,
    "passbooks.reissue": _reissue,
    "passbooks.renew": _renew,
    "passbooks.report_loss": _report_loss,
    "passbooks.spoil": _spoil,
    "passbooks.update": _update,
    "redemptions.redeem": _redeem,
    "redemptions.redeem_many": _redeem_many,
    "redemptions.release": _release,
    "redemptions.reserve": _reserve,
    "stores.leave": _leave,
    "stores.publish_offers": _publish,
    "stores.recruit": _recruit,
    "stores.restock": _restock,
    "stores.withdraw_offer": _withdraw,
}
EVERY: dict[str, Callable[[District], Case]] = dict(sorted((ACTS | MORE).items()))
#: For what is long and alike for all acts: every sixth of them always, the rest in the long form.
SIXTH = [
    pytest.param(act, id=act, marks=() if number % 6 == 0 else pytest.mark.slow)
    for number, act in enumerate(EVERY)
]


#: One person for each role and place, by their code; `finish` appoints the clerks.
PLACES = {"H": "H", "B": "B01", "O": "B01S01", "S": "B01S02", "X": "B02", "Y": "B02S01"}
ROLES = {"A": "administrator", "K": "ledger_keeper", "T": "teller", "S": "service_account",
         "C": "store_clerk", "D": "store_clerk", "U": "auditor"}  # fmt: skip
#: A for the administrator …; a role and a place each. D is the clerk of another store.
ACTORS = ("AH KH KB KX TH TB TO TS TX TY SH SB SO SS SX SY"
          " CB CO CS CY DO UH UB UO US UY").split()  # fmt: skip


def _person(code: str, store: str | None = None) -> Appointment:
    return Appointment(code=code, role=ROLES[code[0]], outlet=PLACES[code[1]], store=store)


def prepare(district: District) -> None:
    """Everybody but the clerks, one who was ended, and a store P0 that nobody else uses."""
    people = [_person(code) for code in ACTORS if code[0] not in "CD"]
    gone = Appointment(code="GONE", role="administrator", outlet="H")
    district.bank.staff.appoint(appointments=[*people, gone])
    district.bank.staff.end(code="GONE", role="administrator", outlet="H", reason="离任")
    district.bank.stores.recruit(stores=[new_store("P0")])


def finish(district: District) -> None:
    """The clerks: those of P1, if the case has it, and one of P0."""
    own = "P1" if any(row["store"] == "P1" for row in district.bank.stores.offers()) else "P0"
    people = [_person(code, own if code[0] == "C" else "P0") for code in ACTORS if code[0] in "CD"]
    district.bank.staff.appoint(appointments=people)


@dataclass(frozen=True)
class Scene:
    """A district arranged for one act, that every test may try as long as it only simulates."""

    district: District
    staff: str
    command: Command
    #: What turns the command into another request.
    change: dict[str, Any]

    @functools.cached_property
    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every value of every table, which no test may change."""
        return everything(self.district.bank)

    def attempt(self, command: Command | None = None, staff: str | None = None) -> Any:
        """Really run the command (or another one), and leave no trace."""
        with self.district.bank.simulate(staff=staff or self.staff) as counter:
            return counter.execute(command or self.command)


@functools.cache
def scene(act: str) -> Scene:
    """The act's case, arranged once for all tests of a process."""
    district = District("sqlite://")
    prepare(district)
    made = EVERY[act](district)
    finish(district)
    return Scene(district, *made)
