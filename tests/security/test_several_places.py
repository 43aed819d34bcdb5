"""Who may do an act that concerns several things: whoever may do it with each of them.

Every act × every role and place × the further thing at the own outlet, its sibling, its parent,
its child, another branch and an outlet of that, and at another store next door; in both orders.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from gongyi_bank.commands.base import Command
from gongyi_bank.commands.closings import AnnounceClosing, CloseBooks, DrainClosing
from gongyi_bank.commands.hours import RecordHours
from gongyi_bank.commands.passbooks import AllotPassbooks
from gongyi_bank.commands.redemptions import Redeem
from gongyi_bank.desks.base import SERVICES
from gongyi_bank.errors import NotPermitted, PassbookStockShort, UnknownCustomer
from gongyi_bank.rules.staff import PERMISSIONS
from gongyi_bank.service.grouping import Wish, perform_together
from tests.books import everything
from tests.district import District, at
from tests.refusals import NOBODY
from tests.security.cases import ACTORS, prepare
from tests.security.several import (
    ALONE,
    AT_THE_HEAD_OFFICE,
    COVERED,
    FOR_ELSEWHERE,
    PLACES,
    SEVERAL,
    STORES,
    Several,
    everywhere,
    pairs,
    saver_at,
)

HERE = "B01S01"


def is_short(pair: tuple[str, str]) -> bool:
    """Whether these two are tried always: one lies here, and the other somewhere else."""
    return HERE in pair and len(set(pair)) == 2 and "H" not in pair


#: Two things, the further one anywhere. The long form begins anywhere, too.
PAIRS = [
    pytest.param(pair, id="+".join(pair), marks=() if is_short(pair) else pytest.mark.slow)
    for pair in pairs(tuple(STORES))
]
#: Everybody whose role may agree, and one of each that may not; AH acts.
SECONDS = [code for code in ACTORS if code[0] in "KTS" or code in ("CO", "UH")]
WITH_SECOND = [name for name, case in SEVERAL.items() if case.has_second]


def attempt(case: Several, pair: tuple[str, str], code: str, second: str) -> list[Any]:
    """What became of each thing: None, or its refusal; nothing is kept."""
    scene = everywhere()
    command = case.build(scene, case.listed(pair), code, second)
    try:
        with scene.bank.simulate(staff=code) as counter:
            receipt = counter.execute(command)
    except NotPermitted as refusal:
        return [refusal] * 3
    if not case.is_each:
        return [None] * 3
    return [outcome.error for outcome in receipt.outcomes]


def wanted(case: Several, places: Iterable[bool]) -> list[bool]:
    """Whether each of three things goes through: for most acts, all or none."""
    each = list(places)
    return each if case.is_each else [all(each)] * 3


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", SEVERAL)
def test_only_who_may_do_it_with_each_thing_does_it_with_all(
    name: str, pair: tuple[str, str]
) -> None:
    case = SEVERAL[name]
    if not set(pair) <= set(case.names):
        return
    for code in case.actors:
        listed = case.listed(pair)
        expected = wanted(case, (case.allows(code, one) for one in listed))
        found = attempt(case, pair, code, "ADM2")
        assert [error is None for error in found] == expected, (code, found)
        if code[0] in case.roles:
            require_right_place(case, found, {one for one in listed if not case.allows(code, one)})


def require_right_place(case: Several, found: list[Any], closed: set[str]) -> None:
    """A refusal names a place at which the act is refused; each thing's names its own."""
    for error in found:
        assert error is None or error.facts["outlet"] in {STORES[one] for one in closed}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", WITH_SECOND)
def test_only_who_may_agree_to_each_thing_agrees_to_all(name: str, pair: tuple[str, str]) -> None:
    case = SEVERAL[name]
    if not set(pair) <= set(case.names):
        return
    for code in SECONDS:
        listed = case.agreed_at(pair)
        expected = wanted(case, (case.agrees(code, one) for one in listed))
        found = attempt(case, pair, "AH", code)
        assert [error is None for error in found] == expected, (code, found)
        assert {error.facts["staff"] for error in found if error} <= {code}
        require_right_place(case, found, {one for one in listed if not case.agrees(code, one)})


@pytest.mark.parametrize("name", [name for name, case in SEVERAL.items() if not case.is_each])
def test_nothing_of_it_is_written_though_the_first_thing_was_allowed(name: str) -> None:
    """The refusal is caught, and the transaction committed with whatever is in it."""
    case, scene = SEVERAL[name], everywhere()
    trials = [
        (code, case.build(scene, case.listed(pair), code, "ADM2"))
        for pair in ((HERE, "B02S01"), ("B02S01", HERE))
        for code in case.actors
        if not all(case.allows(code, one) for one in pair)
    ]
    assert len(trials) > 5
    before = everything(scene.bank)
    for code, command in trials:
        with scene.bank.begin(staff=code) as counter, pytest.raises(NotPermitted):
            counter.execute(command)
    assert everything(scene.bank) == before


@pytest.mark.parametrize("there", ["B01S02", "B02S01"])
@pytest.mark.parametrize("act", FOR_ELSEWHERE)
def test_whose_account_lies_elsewhere_is_served_by_whoever_may_here(act: str, there: str) -> None:
    roles, build = FOR_ELSEWHERE[act]
    is_each = act == "redemptions.redeem_many"
    case = Several(act, roles, lambda *_: build(HERE, there), is_each=is_each)
    for code in case.actors:
        (found, *_) = attempt(case, (HERE, there), code, "ADM2")
        assert (found is None) == case.allows(code, HERE), (code, found)
        assert found is None or code[0] not in roles or found.facts["outlet"] == HERE


def test_a_row_at_another_place_is_refused_before_anything_is_told_of_its_customer() -> None:
    """Whoever is named in a row has to be of its place as well; but that is asked later."""
    scene, people = everywhere(), {"recorded_by": "TO", "checked_by": "ADM2"}
    places = (HERE, "B02S01", HERE, "B01")
    rows = [scene.district.row(NOBODY, "10-05 08:00", outlet=one, **people) for one in places]
    with scene.bank.simulate(staff="TO") as counter:
        outcomes = counter.hours.record_many(rows=rows).outcomes
    errors = [type(outcome.error) for outcome in outcomes]
    assert errors == [UnknownCustomer, NotPermitted, UnknownCustomer, NotPermitted]


@functools.cache
def closing_scene(is_announced: bool) -> District:
    """The day that is closed is over; with people of all roles but clerks."""
    district = District("sqlite://")
    prepare(district)
    district.clock.advance(days=2)
    for outlet in reversed(PLACES) if is_announced else ():  # those below first
        district.bank.closings.announce(period="2022-10-15", outlet=outlet)
    return district


@pytest.mark.parametrize("act", [AnnounceClosing, DrainClosing, CloseBooks])
@pytest.mark.parametrize("outlet", PLACES)
def test_the_books_below_an_outlet_are_closed_by_who_keeps_all_of_them(
    act: type[Command], outlet: str
) -> None:
    command = act.model_validate({"period": "2022-10-15", "outlet": outlet})
    bank = closing_scene(act is DrainClosing).bank
    below = [place for place in PLACES if place in COVERED[outlet]]
    case = Several(act.act, "AK", lambda *_: command)
    for code in (code for code in ACTORS if code[0] not in "CD"):
        may = all(case.allows(code, place) for place in below)
        with bank.simulate(staff=code) as counter:
            if may:
                counter.execute(command)
                continue
            with pytest.raises(NotPermitted) as caught:
                counter.execute(command)
        assert caught.value.facts["outlet"] == outlet


def test_a_range_of_books_goes_on_only_if_all_of_it_lies_with_who_gives() -> None:
    """Whoever asks: those who may hand on the one book, and those who may hand on the other."""
    district = District("sqlite://")
    prepare(district)
    stock = district.bank.passbooks
    printed = stock.print_stock(count=2)
    stock.allot(target="B01", first=printed.first, last=printed.first)
    before = everything(district.bank)
    for target, permitted in (("B01", {"AH", "KH"}), ("B01S01", {"AH", "KH", "KB"})):
        command = AllotPassbooks(target=target, first=printed.first, last=printed.last)
        for code in (code for code in ACTORS if code[0] not in "CD"):
            refusal = PassbookStockShort if code in permitted else NotPermitted
            with district.bank.begin(staff=code) as counter, pytest.raises(refusal):
                counter.execute(command)
    assert everything(district.bank) == before
    district.close()


@pytest.mark.parametrize("kind", ["hours", "goods"])
def test_in_a_group_each_act_is_judged_by_who_does_it_and_where(kind: str) -> None:
    """Acts of everybody everywhere are locked, read and written together, and judged apart."""
    scene, wishes, expected = everywhere(), [], []
    case = SEVERAL["hours.record_many" if kind == "hours" else "redemptions.redeem_many"]
    for place, code in itertools.product(case.names, ACTORS):
        command: Command
        if kind == "hours":
            command = RecordHours(
                account=saver_at(HERE), category="sanitation", outlet=place, recorded_by=code,
                checked_by="ADM2", started_at=at("10-06 08:00"), ended_at=at("10-06 09:00"),
            )  # fmt: skip
        else:
            command = Redeem(account=saver_at(HERE), store=place, sku="A")
        wishes.append(Wish(code, command))
        expected.append(case.allows(code, place))
    with scene.bank.simulate() as counter:
        outcomes = perform_together(counter._tx, counter._shelf, wishes)
    found = [type(outcome.error) is not NotPermitted for outcome in outcomes]
    assert found == expected
    assert sum(outcome.receipt is not None for outcome in outcomes) > 0


# --- which acts there are -----------------------------------------------------------------------


def has_several(command: type[Command]) -> bool:
    """Whether a field of it is a list, or it names a range, or a voucher."""
    texts = [str(field.annotation) for field in command.model_fields.values()]
    return any("tuple[" in text for text in texts) or bool(
        {"first", "voucher"} & command.model_fields.keys()
    )


def test_every_act_on_several_things_is_tried_here() -> None:
    """What a new act is about has to be said: a list is never one thing."""
    acts = {command.act: command for command in SERVICES}
    closings = {"closings.announce", "closings.close", "closings.drain"}
    tried = {case.act for case in SEVERAL.values()} | FOR_ELSEWHERE.keys() | closings
    tried |= {"passbooks.allot"}
    assert tried | AT_THE_HEAD_OFFICE | ALONE == acts.keys()
    assert not ALONE & (tried | AT_THE_HEAD_OFFICE)
    several = {act for act, command in acts.items() if has_several(command)}
    assert {"holds.capture_many", "hours.record_many", "passbooks.destroy"} <= several
    assert not several & ALONE
    for act in AT_THE_HEAD_OFFICE:
        assert PERMISSIONS[act] == {"administrator"}
