"""A clock, a key or a rule set that fails: the act is refused, and nothing is written."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hmac
import itertools
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from gongyi_bank.bank import Bank
from gongyi_bank.errors import InvalidInstant, InvalidValue
from gongyi_bank.service import gate
from gongyi_bank.service.gate import HouseShelf
from tests.books import everything
from tests.district import START, Clock, District, at
from tests.security.cases import EVERY, SIXTH, scene

KEY = b"kept outside the database"


class Broken(Exception):
    """What a stranger's clock or key store raises."""


def broken(*_: Any, **__: Any) -> NoReturn:
    raise Broken


#: What no clock may say, and a clock that says nothing.
CLOCKS: dict[str, Callable[[], Any]] = {
    "raises": broken,
    "without a zone": lambda: START.replace(tzinfo=None),
    "nothing": lambda: None,
    "a number": lambda: 1_665_806_400,
    "a text": START.isoformat,
    "a date": START.date,
    "before all books": lambda: dt.datetime(1700, 1, 1, tzinfo=dt.UTC),
    "after all books": lambda: dt.datetime.max.replace(tzinfo=dt.UTC),
}


def writes_nothing(act: str, bank: Bank, expected: tuple[type[Exception], ...]) -> None:
    """The act through this handle raises what is expected, and leaves all tables as they were."""
    made = scene(act)
    with pytest.raises(expected):
        bank.acting_as(made.staff).execute(made.command)
    assert everything(made.district.bank) == made.tables


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_that_cannot_be_right_stops_every_act(clock: str) -> None:
    for act in EVERY:
        bank = scene(act).district.bank.at(CLOCKS[clock])
        with pytest.raises((Broken, InvalidInstant)):
            bank.acting_as(scene(act).staff).execute(scene(act).command)
    writes_nothing("hours.record", scene("hours.record").district.bank.at(CLOCKS[clock]),
                   (Broken, InvalidInstant))  # fmt: skip


@pytest.mark.parametrize("act", SIXTH)
def test_a_clock_that_stops_half_way_leaves_nothing_half_done(act: str) -> None:
    """It is read several times in an act; whichever reading fails, all of it is undone."""
    made = scene(act)
    for good in range(10):
        clock = _stopping(made.district.clock, good)
        try:
            with made.district.bank.at(clock).simulate(staff=made.staff) as counter:
                counter.execute(made.command)
            break
        except Broken:
            continue
    else:
        pytest.fail("the act never came to its end")
    clock = _stopping(made.district.clock, good - 1)
    writes_nothing(act, made.district.bank.at(clock), (Broken,))


def _stopping(clock: Clock, good: int) -> Callable[[], dt.datetime]:
    """A clock that gives so many readings and no more."""
    readings = itertools.count()
    return lambda: clock() if next(readings) < good else broken()


def test_a_clock_that_is_put_back_never_puts_a_line_before_the_one_before_it() -> None:
    district = District("sqlite://")
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.clock.now = at("10-15 09:00")
    district.serve(account, "10-04 08:00")
    lines = everything(district.bank)["gb_account_line"]
    assert len(lines) == 2
    found = district.bank.verify()
    assert found.is_clean, str(found)
    district.close()


# --- keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", SIXTH)
def test_a_key_store_that_fails_stops_every_act(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key, every voucher's hash needs it: no act gets past it."""
    made = scene(act)
    sealed = made.district.bank._like()
    monkeypatch.setattr(sealed, "_keys", dataclasses.replace(sealed._keys, seal_key=KEY))
    monkeypatch.setattr(hmac, "digest", broken)
    writes_nothing(act, sealed, (Broken,))


@pytest.mark.parametrize("name", ["seal_key", "index_key"])
@pytest.mark.parametrize(
    "key", [None, b"another key of the same length", b"short", "kept outside the database", 1, b""]
)
def test_a_bank_is_not_opened_with_a_key_that_is_not_its_own(
    sqlite_url: str, name: str, key: Any
) -> None:
    district = District(sqlite_url, seal_key=KEY, index_key=KEY)
    before = everything(district.bank)
    keys = {"seal_key": KEY, "index_key": KEY} | {name: key}
    with pytest.raises(InvalidValue) as caught:
        Bank.open(sqlite_url, staff="admin", unsafe_settings="allow", **keys)
    assert caught.value.facts["field"] == name
    if isinstance(key, (str, bytes)) and key:
        assert repr(key)[2:-1] not in str(caught.value)
    assert KEY.decode() not in str(caught.value)
    assert everything(district.bank) == before
    district.close()


# --- rule sets -------------------------------------------------------------------------------


@pytest.mark.parametrize("act", SIXTH)
def test_rules_that_cannot_be_read_stop_every_act(
    act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene(act)
    fresh = made.district.bank._like()
    fresh._shelf = HouseShelf()
    monkeypatch.setattr(gate.policies, "load_book", broken)
    writes_nothing(act, fresh, (Broken,))
