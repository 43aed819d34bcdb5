"""The reference bank answers the acts of the house as the bank does: receipts, replays, refusals.

The cases are those of every other test (tests/acts.py, tests/refusals.py); a random walk adds what
nobody thought of.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import gongyi_bank.testing.reference.bank as reference_bank
from gongyi_bank import errors
from gongyi_bank.commands import passbooks, stores
from gongyi_bank.commands.base import Command
from gongyi_bank.commands.outlets import RenameOutlet
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import GongyiBankError
from gongyi_bank.receipts.closings import BooksClosed
from gongyi_bank.rules.ledger import OUTLET_KINDS, internal_no
from gongyi_bank.testing.reference import ReferenceBank, comparable
from gongyi_bank.values import Points
from tests.acts import ACTS, Case, keyed
from tests.district import District
from tests.refusals import RULES, booked, books, serial, shop
from tests.refused_states import ALL
from tests.testing.house_walk import Walk
from tests.testing.mirrored import MirroredDistrict

HOUSE = ("outlets", "staff", "policies", "customers", "accounts", "stores", "passbooks")


@pytest.fixture
def mirrored() -> Iterator[MirroredDistrict]:
    made = MirroredDistrict("sqlite://", policies=RULES)
    yield made
    made.close()


# --- every act -------------------------------------------------------------------------------


def _lost(d: District, kind: str = "written") -> int:
    account = booked(d)
    d.bank.passbooks.report_loss(account=account, kind=kind)
    return account


def _recruit(_: District) -> Case:
    new = stores.NewStore(code="P1", name="超市", kind="enterprise", recruited_by="B01S01")
    other = stores.NewStore(code="P2", name="超市", kind="enterprise", recruited_by="B01S01")
    return "T1", stores.RecruitStores(stores=(new,)), {"stores": (other,)}


def _publish(d: District) -> Case:
    shop(d)
    new = stores.NewOffer(store="P1", sku="B", name="大米", points=Points(2), stock=3)
    other = stores.NewOffer(store="P1", sku="C", name="大米", points=Points(2), stock=3)
    return "T1", stores.PublishOffers(offers=(new,)), {"offers": (other,)}


def _at_the_shop(command: Callable[..., Command], staff: str, **fields: Any) -> Any:
    def case(d: District) -> Case:
        shop(d)
        return staff, command(store="P1", reason="x", **fields), {"reason": "y"}

    return case


def _with_book(command: Callable[..., Command], change: dict[str, Any], **fields: Any) -> Any:
    def case(d: District) -> Case:
        return "T1", command(account=booked(d, lines=3), **fields), change

    return case


def _issue(d: District) -> Case:
    books(d)
    command = passbooks.IssuePassbook(account=d.customer(), outlet="B01S01")
    return "T1", command, {"passbook": serial(3)}


def _allot(d: District) -> Case:
    d.bank.passbooks.print_stock(count=5)
    command = passbooks.AllotPassbooks(target="B01", first=serial(1), last=serial(3))
    return "admin", command, {"target": "B02"}


def _lift(d: District) -> Case:
    return "T1", passbooks.LiftLoss(account=_lost(d, "oral"), reason="x"), {"reason": "y"}


def _reissue(d: District) -> Case:
    account = _lost(d)
    d.clock.advance(days=30)
    command = passbooks.ReissuePassbook(account=account, outlet="B01S01")
    return "T1", command, {"passbook": serial(4)}


def _spoil(d: District) -> Case:
    books(d)
    return "T1", passbooks.SpoilPassbook(passbook=serial(2), reason="x"), {"reason": "y"}


def _destroy(d: District) -> Case:
    books(d)
    d.bank.passbooks.spoil(passbook=serial(2), reason="x")
    command = passbooks.DestroyPassbooks(
        passbooks=(serial(2),), second_person="ADM2", reason="销毁"
    )
    return "admin", command, {"reason": "y"}


#: What tests/acts.py does not have.
MORE: dict[str, Callable[[District], Case]] = {
    "passbooks.allot": _allot,
    "passbooks.destroy": _destroy,
    "passbooks.issue": _issue,
    "passbooks.lift_loss": _lift,
    "passbooks.print_stock": lambda _: ("admin", passbooks.PrintStock(count=3), {"count": 4}),
    "passbooks.reissue": _reissue,
    "passbooks.renew": _with_book(passbooks.RenewPassbook, {"damaged": False}, damaged=True),
    "passbooks.report_loss": _with_book(passbooks.ReportLoss, {"kind": "oral"}, kind="written"),
    "passbooks.spoil": _spoil,
    "passbooks.update": _with_book(passbooks.UpdatePassbook, {"lines_max": 1}, lines_max=2),
    "stores.leave": _at_the_shop(stores.LeaveAlliance, "admin"),
    "stores.publish_offers": _publish,
    "stores.recruit": _recruit,
    "stores.restock": _at_the_shop(stores.Restock, "T1", sku="A", quantity=-2),
    "stores.withdraw_offer": _at_the_shop(stores.WithdrawOffer, "T1", sku="A"),
}
CASES = {name: case for name, case in (ACTS | MORE).items() if name.split(".")[0] in HOUSE}


def test_every_act_of_the_house_has_a_case() -> None:
    assert CASES.keys() == {c.act for c in SERVICES if c.act.split(".")[0] in HOUSE}


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_act_is_answered_alike_first_again_and_by_whoever_may_not(
    mirrored: MirroredDistrict, name: str
) -> None:
    staff, command, changes = CASES[name](mirrored)
    nobody, auditor, actor = (mirrored.acting(code) for code in ("NO", "AUD", staff))
    for stranger in (nobody, auditor):
        with pytest.raises((errors.UnknownStaff, errors.NotPermitted)):
            stranger.execute(command)
    actor.execute(keyed(command))
    # A key that is known comes before who asks.
    assert nobody.execute(keyed(command)) == actor.execute(keyed(command))
    with pytest.raises(errors.IdempotencyConflict):
        actor.execute(keyed(command, **changes))
    with pytest.raises(errors.IdempotencyConflict):
        mirrored.bank.execute(keyed(RenameOutlet(outlet="B01", name="东城")))
    assert len(mirrored.mirror.seen) > 6


# --- every refusal ---------------------------------------------------------------------------

#: Those of the table that an act of the house comes upon.
REFUSALS = [
    errors.UnknownOutlet, errors.UnknownStaff, errors.UnknownCustomer, errors.UnknownPassbook,
    errors.NotPermitted, errors.TransactionEnded, errors.CodeTaken, errors.AlreadyRegistered,
    errors.OutletClosed, errors.OutletNotClosed, errors.OutletNotEmpty, errors.WrongTier,
    errors.PolicyNotLater, errors.PolicyTooLate, errors.LastAdministrator,
    errors.AccountNotFrozen, errors.AccountNotEmpty, errors.AccountNotDormant,
    errors.NoPassbook, errors.PassbookInUse, errors.PassbookFrozen, errors.PassbookNotAvailable,
    errors.PassbookStockShort, errors.PassbookFull, errors.PassbookNotFull,
    errors.LossNotReported, errors.ReissueTooEarly,
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda cls: cls.__name__)
def test_a_refusal_comes_about_alike_and_changes_nothing(
    mirrored: MirroredDistrict, refusal: type[GongyiBankError]
) -> None:
    wish = ALL[refusal](mirrored)
    before, seen = mirrored.mirror.reference.books.copy(), len(mirrored.mirror.seen)
    with pytest.raises(refusal):
        wish()
    assert mirrored.mirror.seen[seen:], "the reference was not asked"
    assert mirrored.mirror.seen[-1][1] == refusal.code
    assert mirrored.mirror.reference.books == before


# --- what nobody thought of ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_random_life_of_the_house_is_told_alike(mirrored: MirroredDistrict, seed: int) -> None:
    walk = Walk(mirrored, seed)
    walk.go(200)
    done = [act for act, refusal in mirrored.mirror.seen if refusal is None]
    refused = {refusal for _, refusal in mirrored.mirror.seen if refusal is not None}
    assert len(done) > 40
    assert len(refused) > 8
    assert mirrored.bank.verify().is_clean


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 115))
def test_long_random_lives_of_the_house_are_told_alike(
    mirrored: MirroredDistrict, seed: int
) -> None:
    Walk(mirrored, seed).go(400)
    assert mirrored.bank.verify().is_clean


# --- several acts in one transaction -----------------------------------------------------------


def test_acts_of_one_transaction_stand_or_fall_together_in_both(
    mirrored: MirroredDistrict,
) -> None:
    account, books = mirrored.customer(), mirrored.mirror.reference.books
    with suppress(ZeroDivisionError), mirrored.bank.begin(staff="T1") as counter:
        counter.accounts.freeze(account=account, reason="x")
        assert books.customers[account].state == "frozen"
        raise ZeroDivisionError
    assert books.customers[account].state == "active"
    with mirrored.bank.begin(staff="T1") as counter:
        counter.accounts.freeze(account=account, reason="x")
        with pytest.raises(errors.AccountFrozen):
            counter.accounts.freeze(account=account, reason="x")
    assert books.customers[account].state == "frozen"
    with mirrored.mirror.reference.simulate(staff="K1") as counter_too:
        counter_too.accounts.unfreeze(account=account, reason="x")
        assert books.customers[account].state == "active"
    assert books.customers[account].state == "frozen"


def test_every_account_of_the_reference_balances_as_the_trial_balance_says(
    mirrored: MirroredDistrict,
) -> None:
    for act in ("accounts.close", "transfers.grant", "redemptions.refund", "points.grant"):
        staff, command, _ = ACTS[act](mirrored)
        mirrored.acting(staff).execute(command)
    books, scale = mirrored.mirror.reference.books, mirrored.bank.scale
    numbers = {place.code: number for number, place in books.outlets.items()}
    report = mirrored.bank.reports.trial_balance()
    for row in report.rows:
        here = numbers[row.outlet]
        mine = [no for no, one in books.customers.items() if one.outlet_no == here]
        pools = [one.account_no for one in books.pools.values() if one.outlet_no == here]
        stores = [one.store_no for one in books.stores.values() if one.outlet_no == here]
        counted = {
            "customer": sum(map(books.balance, mine)),
            "pool": sum(map(books.balance, pools)),
            "store": sum(books.internal_balance(internal_no("store", no)) for no in stores),
        } | {kind: books.internal_balance(internal_no(kind, here)) for kind in OUTLET_KINDS}
        assert row.balance == Points.of_units(counted[row.kind], scale), row
    assert {row.kind for row in report.rows} >= {"customer", "pool", "store", "issued", "returned"}


# --- the comparison itself ---------------------------------------------------------------------


def test_a_reference_that_says_anything_else_is_seen(
    mirrored: MirroredDistrict, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = reference_bank.ACTS[RenameOutlet]

    def wrong(visit: Any, command: Any) -> Any:
        return honest(visit, command).model_copy(update={"state": "closed"})

    monkeypatch.setitem(reference_bank.ACTS, RenameOutlet, wrong)
    with pytest.raises(AssertionError, match=r"outlets\.rename"):
        mirrored.bank.outlets.rename(outlet="B01", name="东城")


def test_only_ids_and_hashes_are_left_out_of_a_comparison(mirrored: MirroredDistrict) -> None:
    one = mirrored.bank.accounts.freeze(account=mirrored.customer(), reason="x")
    assert comparable(one) == comparable(one.model_copy(update={"voucher_id": one.voucher_id}))
    for name in type(one).model_fields.keys() - {"voucher_id"}:
        assert comparable(one) != comparable(one.model_copy(update={name: "else"}))
    fields = dict.fromkeys(BooksClosed.model_fields) | {"root": "ab" * 32}
    sealed = BooksClosed.model_construct(**fields)
    assert comparable(sealed) == comparable(sealed.model_copy(update={"root": "cd" * 32}))
    assert comparable(sealed) != comparable(sealed.model_copy(update={"root": None}))
    assert comparable(errors.PoolClosed(pool="P1")) != comparable(errors.PoolClosed(pool="P2"))


# --- the room ----------------------------------------------------------------------------------


def test_the_reference_has_every_desk_and_every_act_of_the_bank(
    mirrored: MirroredDistrict,
) -> None:
    reference = mirrored.mirror.reference
    for command in SERVICES:
        noun, verb = command.act.split(".")
        for bank in (mirrored.bank, reference):
            assert callable(getattr(getattr(bank, noun), verb)), command.act
        assert noun in dir(reference)
        assert verb in dir(getattr(reference, noun))
    assert set(reference_bank.ACTS) == set(SERVICES)
    for name in ("gardens", "outlets.dig"):
        desk, _, verb = name.partition(".")
        with pytest.raises(AttributeError):
            getattr(getattr(reference, desk), verb)


def test_nothing_of_the_floors_above_the_rules_enters_the_reference() -> None:
    room = Path(reference_bank.__file__).parent
    allowed = {
        "arguments", "commands", "display", "errors", "identities", "periods", "policies",
        "receipts", "rules", "testing", "values",
    }  # fmt: skip
    for file in sorted(room.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert "sqlalchemy" not in name, f"{file.name}: {name}"
                if name.split(".")[0] == "gongyi_bank":
                    assert name.split(".")[1] in allowed, f"{file.name}: {name}"


def test_a_reference_is_founded_as_a_bank_is() -> None:
    made = ReferenceBank.found(bank="资阳", head_office="ZY", administrator="a", scale=3)
    assert (made.name, made.scale, made.zone.key) == ("资阳", 3, "Asia/Shanghai")
    assert made.books.head_office.code == "ZY"
    with pytest.raises(errors.InvalidValue):
        ReferenceBank.found(scale=5)
    with pytest.raises(errors.UnknownStaff):
        made.acting_as("b").outlets.rename(outlet="ZY", name="x")


def test_an_empty_code_stands_for_nobody_in_the_reference_either() -> None:
    made = ReferenceBank.found(bank="资阳", head_office="ZY")
    for block in (made.begin(staff=""), made.simulate(staff="")):
        with pytest.raises(errors.InvalidText), block as counter:
            counter.outlets.rename(outlet="ZY", name="x")
    with pytest.raises(errors.InvalidText):
        made.acting_as("")
    assert made.books.head_office.name == "资阳总行"
