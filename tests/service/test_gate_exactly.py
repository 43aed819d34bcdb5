"""The gate, to the letter: ids that rise, and what a handle remembers of the house."""

from __future__ import annotations

import datetime as dt
import itertools
import os

import pytest

from gongyi_bank.service.gate import _VoucherIds
from tests.district import START

_MILLISECOND = dt.timedelta(milliseconds=1)


# --- ids -----------------------------------------------------------------------------------


def give(monkeypatch: pytest.MonkeyPatch, *chances: bytes) -> None:
    """Let chance give these bytes, the last of them for ever."""
    given = itertools.chain(chances, itertools.repeat(chances[-1]))
    monkeypatch.setattr(os, "urandom", lambda count: next(given)[:count])


@pytest.mark.parametrize("chance", [bytes(10), b"\x01" * 10, b"\x00\x00\x00\x00\x00" + b"\xfe" * 5])
def test_ids_of_one_moment_rise_also_where_chance_repeats_itself(
    monkeypatch: pytest.MonkeyPatch, chance: bytes
) -> None:
    give(monkeypatch, chance)
    ids = _VoucherIds()
    made = [ids.next(START) for _ in range(50)]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {16}


def test_ids_of_one_moment_rise_where_chance_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, *(bytes([byte]) * 10 for byte in range(60, 0, -1)))
    ids = _VoucherIds()
    made = [ids.next(START) for _ in range(60)]
    assert made == sorted(set(made))


def test_an_id_that_is_above_the_last_one_is_as_chance_made_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, bytes(10), b"\x07" * 10)
    ids = _VoucherIds()
    ids.next(START)
    assert ids.next(START)[-7:] == b"\x07" * 7


@pytest.mark.parametrize("step", [_MILLISECOND, -_MILLISECOND])
def test_another_millisecond_begins_anew_also_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch, step: dt.timedelta
) -> None:
    give(monkeypatch, b"\x05" * 10, bytes(10))
    ids = _VoucherIds()
    ids.next(START)
    assert ids.next(START + step) == _VoucherIds().next(START + step)


def test_where_the_random_bits_run_out_the_moment_stays_and_order_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give(monkeypatch, b"\xff" * 10)
    ids = _VoucherIds()
    first, second = ids.next(START), ids.next(START)
    assert second == first  # never more than sixteen bytes, nor another moment
    assert int.from_bytes(second[:6]) == START.timestamp() * 1000
