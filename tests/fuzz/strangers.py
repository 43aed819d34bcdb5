"""What strangers send, as strategies: nasty texts and numbers, any JSON, and spoilt good bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: Examples of the long form of each test.
LONG = int(os.environ.get("GONGYI_BANK_FUZZ_EXAMPLES", "200"))

NASTY_TEXTS = st.sampled_from([
    "", " ", "\x00", "\n", "\r", "\x1b[2J", "\u202e", "\ufeff", "\ud800", "𠮷", "e\u0301", "\u3000",
    "'", '"', "','", "x'; DROP TABLE gb_voucher; --", "%s", "{0}", "NaN", "1e5", "-0", "+1", "0x1",
    "١٢٣", "１２", "1" * 40, "9" * 4_400, "x" * 300, "0001-01-01", "9999-12-31", "2022-02-30",
    "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00", "2022-10-03T08:00:00Z", "24:00",
    "00000000-0000-0000-0000-000000000000", "H", "B01", "B01S01", "P1", "T1", "K1b", "2022Q4",
])  # fmt: skip
TEXTS = NASTY_TEXTS | st.text(max_size=20)
NUMBERS = st.sampled_from([
    0, 1, -1, 2**31, 2**63, -(2**63) - 1, 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), 100300000016, 13987654321,
])  # fmt: skip
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | st.integers()
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)

#: Bytes that mean something in a CSV file, in one of its encodings, or nowhere.
_NASTY_BYTES = st.sampled_from([
    b"", b",", b'"', b'""', b'"\n', b"\r", b"\n", b"\r\n", b"\x00", b"\xff", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\xe4\xb8", b"\x81\x30\x81\x30", b"\x81", "，".encode(), "钱".encode("gb18030"),
    b"9" * 20, b"-1", b"1e5", b"NaN", b"=cmd", b"x" * 200, b'"' * 99, b",,,,,,", b"2022-02-30",
    b"9999-12-31", "\u202e".encode(), "\u3000".encode(), b"H", b"C000001", b"0", b"0.00001",
])  # fmt: skip
_PLACES = st.floats(0, 1)
_EDITS = st.lists(
    st.tuples(_PLACES, st.integers(0, 30), _NASTY_BYTES | st.binary(max_size=8)), max_size=6
)
_CODINGS = st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "gb18030", "utf-16", "utf-16-be", "big5"])


def spoilt(good: bytes) -> st.SearchStrategy[bytes]:
    """A good UTF-8 file in another encoding, with some of its bytes replaced, cut or repeated."""
    return st.builds(_spoil, st.just(good), _CODINGS, _EDITS, st.floats(0.5, 2))


def _spoil(good: bytes, coding: str, edits: list[tuple[float, int, bytes]], kept: float) -> bytes:
    content = bytearray(good.decode().encode(coding, "replace"))
    for place, length, new in edits:
        at = int(place * len(content))
        content[at : at + length] = new
    whole = bytes(content)
    return (
        whole[: int(len(whole) * kept)]
        if kept < 1
        else whole + whole[: int(len(whole) * (kept - 1))]
    )


def fuzzed(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """As `given`, with the fixtures of a test made once for all its examples."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return lambda test: settings(suppress_health_check=quiet)(given(**strategies)(test))


def fuzzed_long(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """The long form, among the slow tests."""
    quiet = list(HealthCheck)
    many = settings(max_examples=LONG, deadline=None, suppress_health_check=quiet)
    return lambda test: pytest.mark.slow(many(given(**strategies)(test)))
