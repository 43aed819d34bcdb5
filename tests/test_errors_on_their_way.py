"""Errors on their way: copied, pickled, read back from receipts, told by another clock.

Whatever way an error takes, it stays equal, keeps its hash and says the same.
"""

from __future__ import annotations

import base64
import copy
import datetime as dt
import gc
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank.errors import (
    EngineError,
    GongyiBankError,
    HoldLapsed,
    OutcomeUnknown,
    ServiceInFuture,
    UnknownOutlet,
    error_of,
)
from gongyi_bank.receipts.hours import RowOutcome
from gongyi_bank.values import Points
from tests.district import SHANGHAI, District
from tests.test_errors import CLASSES

ZONES = ("Asia/Shanghai", "UTC", "America/New_York", "Asia/Kathmandu")
NOON = dt.datetime(2022, 10, 15, 4, tzinfo=dt.UTC)


def moments() -> st.SearchStrategy[dt.datetime]:
    """Any moment of the calendar in one of several zones."""
    return st.datetimes(timezones=st.sampled_from([ZoneInfo(name) for name in ZONES]))


def values() -> st.SearchStrategy[Any]:
    """What a fact can be, but for moments."""
    points = st.integers(-(10**16), 10**16).map(lambda units: Points.of_units(units, 2))
    return st.one_of(
        st.text(), st.integers(), st.dates(), points, st.none(), st.uuids(), st.booleans()
    )


@st.composite
def errors(draw: st.DrawFn) -> GongyiBankError:
    """Any error of the tree, with any facts: moments where the names say so."""
    cls = draw(st.sampled_from(CLASSES))
    names = sorted(cls._required) + draw(st.lists(st.sampled_from(["when_at", "more"])))
    is_moment = {name: name == "now" or name.endswith("_at") for name in names}
    return cls(**{name: draw(moments() if is_moment[name] else values()) for name in names})


def sent_in_a_receipt(error: GongyiBankError) -> GongyiBankError:
    """As it comes back from the kept receipt of a bulk call."""
    again = RowOutcome.of_list(RowOutcome(0, None, "refused", error=error).to_list()).error
    assert again is not None
    return again


WAYS: dict[str, Callable[[GongyiBankError], GongyiBankError]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "receipt": sent_in_a_receipt,
}


@pytest.mark.parametrize("way", WAYS)
@given(error=errors())
def test_an_error_arrives_as_it_was_sent(way: str, error: GongyiBankError) -> None:
    arrived = WAYS[way](error)
    assert arrived is not error
    assert type(arrived) is type(error)
    assert arrived == error
    assert hash(arrived) == hash(error)
    assert str(arrived) == str(error)
    assert arrived.shown_facts() == error.shown_facts()


@given(error=errors(), zone=st.sampled_from(ZONES))
def test_told_by_another_clock_an_error_is_another_object_and_still_equal(
    error: GongyiBankError, zone: str
) -> None:
    before, said, worth = dict(error.facts), str(error), hash(error)
    told = error.in_zone(ZoneInfo(zone))
    assert error.facts == before
    assert (str(error), hash(error)) == (said, worth)
    assert told == error
    assert hash(told) == worth
    for way in WAYS.values():
        assert way(told) == error
        assert str(way(told)) == str(told)
    assert told.in_zone(ZoneInfo(zone)).shown_facts() == told.shown_facts()


@given(first=errors(), second=errors())
def test_errors_are_equal_only_if_they_say_the_same(
    first: GongyiBankError, second: GongyiBankError
) -> None:
    if first == second:
        assert hash(first) == hash(second)
        assert str(first.in_zone(SHANGHAI)) == str(second.in_zone(SHANGHAI))


def test_an_error_without_moments_is_itself_by_every_clock() -> None:
    error = UnknownOutlet(outlet="B")
    assert error.in_zone(SHANGHAI) is error
    lapsed = HoldLapsed(hold="h", deadline_at=NOON)
    assert lapsed != HoldLapsed(hold="h", deadline_at=NOON + dt.timedelta(microseconds=1))
    assert lapsed == HoldLapsed(hold="h", deadline_at=NOON.astimezone(SHANGHAI))


def test_what_was_noted_on_an_error_and_where_it_came_from_goes_along() -> None:
    cause = EngineError(reason="disk")
    with pytest.raises(ServiceInFuture) as caught:
        raise ServiceInFuture(ended_at=NOON, now=NOON) from cause
    caught.value.add_note("row 7")
    told = caught.value.in_zone(SHANGHAI)
    assert told is not caught.value
    assert told.__cause__ is cause
    assert traceback.extract_tb(told.__traceback__)[-1].line == (
        "raise ServiceInFuture(ended_at=NOON, now=NOON) from cause"
    )
    assert told.__notes__ == ["row 7"]
    for way in ("copy", "deepcopy", "pickle"):
        assert WAYS[way](told).__notes__ == ["row 7"]


READ_ELSEWHERE = """
import base64, pickle, sys
errors = pickle.loads(base64.b64decode(sys.stdin.read()))
sys.stdout.write(base64.b64encode(pickle.dumps([(e, str(e)) for e in errors])).decode())
"""


def test_every_error_goes_to_another_process_and_back() -> None:
    sent = [cls(**{name: _fact(name) for name in cls._required}) for cls in CLASSES]
    program = [sys.executable, "-c", READ_ELSEWHERE]
    there = subprocess.run(
        program, input=base64.b64encode(pickle.dumps(sent)), stdout=subprocess.PIPE, check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/New_York"},
    )  # fmt: skip
    for error, (arrived, said) in zip(
        sent, pickle.loads(base64.b64decode(there.stdout)), strict=True
    ):
        assert type(arrived) is type(error)
        assert arrived == error
        assert hash(arrived) == hash(error)
        assert str(arrived) == said == str(error)


def _fact(name: str) -> Any:
    if name == "now" or name.endswith("_at"):
        return NOON.astimezone(SHANGHAI)
    return {"account": 1003_0000001_6, "day": dt.date(2022, 10, 3)}.get(name, f"<{name}>")


def test_rows_of_every_bulk_call_tell_times_by_the_banks_clock() -> None:
    error = ServiceInFuture(ended_at=NOON, now=NOON)
    row = RowOutcome.refusal(3, "R1", 7, error, SHANGHAI)
    assert (row.index, row.ref, row.outcome, row.account) == (3, "R1", "refused", 7)
    assert row.error == error
    assert row.error is not None
    assert "2022-10-15 12:00" in row.error.message("zh")
    assert "UTC" in error.message("zh")


def test_a_refusal_is_told_by_the_banks_clock_and_shown_once(sqlite_district: District) -> None:
    account = sqlite_district.customer()
    with pytest.raises(ServiceInFuture) as caught:
        sqlite_district.serve(account, "10-15 08:00", ended_at=NOON + dt.timedelta(hours=8))
    assert caught.value.facts["now"].utcoffset() == dt.timedelta(hours=8)
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.count("ServiceInFuture: [") == 1
    assert "raise ServiceInFuture(" in shown


def test_an_error_read_back_from_its_code_is_of_its_class() -> None:
    unknown = OutcomeUnknown(key="K", reason="lost")
    assert error_of(unknown.code, unknown.shown_facts()) == unknown


def test_a_refusal_that_tells_a_moment_keeps_nothing_open(tmp_path: Path) -> None:
    """An error that hung in a circle with the frames it came through kept SQLite's file open."""
    file = tmp_path / "bank.db"
    district = District(f"sqlite:///{file}")
    account = district.customer()
    gc.disable()
    try:
        with pytest.raises(ServiceInFuture):
            district.serve(account, "10-20 08:00")
        district.close()
        held = [link for link in Path("/proc/self/fd").iterdir() if _target(link) == str(file)]
    finally:
        gc.enable()
    assert held == []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # the folder's own, which is closed by now
        return ""
