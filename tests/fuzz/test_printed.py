"""What comes back from outside as text: printed numbers, amounts, periods, cursors and proofs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gongyi_bank import values
from gongyi_bank.errors import GongyiBankError, InvalidValue
from gongyi_bank.identities import IdentityKind, birth_date_of, check_identity_no
from gongyi_bank.periods import Period
from gongyi_bank.reports.seals import LineProof
from gongyi_bank.values import Points
from tests.district import District
from tests.fuzz.strangers import JSON, NUMBERS, TEXTS
from tests.refusals import held
from tests.security.test_injection import require_ours

#: What reads a text from outside, and what it writes again.
READERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "account": (values.parse_account_no, values.format_account_no),
    "passbook": (values.parse_passbook_no, values.format_passbook_no),
    "points": (Points, str),
    "sum": (Points.of_sum, str),
    "period": (Period.parse, str),
    "code": (lambda text: values.clean_code(text, field="x"), lambda code: code),
    "text": (lambda text: values.clean_text(text, field="x", length_max=50), lambda text: text),
    "reason": (lambda text: values.lint_free_text(text, "x"), lambda text: text),
    **{
        kind.value: (functools.partial(check_identity_no, kind), lambda number: number)
        for kind in IdentityKind
    },
}
DIGITS = st.text("0123456789 -X", min_size=7, max_size=20)
ANYTHING = TEXTS | DIGITS | NUMBERS | JSON | st.binary(max_size=9) | st.integers(0, 10**13)


@pytest.mark.parametrize("name", READERS)
@given(text=ANYTHING)
@example(text="\ud800")
@example(text=10**5000)
@example(text=13987654321)
def test_what_is_read_is_read_again_from_what_is_written(name: str, text: Any) -> None:
    read, write = READERS[name]
    try:
        value = read(text)
    except InvalidValue as error:
        require_ours(error)
        return
    assert read(write(value)) == value


@given(text=ANYTHING)
def test_a_date_of_birth_is_one_or_is_refused(text: Any) -> None:
    try:
        assert 1800 <= birth_date_of(text).year <= 9999
    except InvalidValue as error:
        require_ours(error)


# --- cursors ---------------------------------------------------------------------------------


@functools.cache
def held_points() -> tuple[District, Any]:
    district = District("sqlite://")
    return district, held(district)


@given(
    after=ANYTHING | st.tuples(st.datetimes(timezones=st.just(dt.UTC)) | JSON, st.uuids() | JSON)
)
@example(after=("x", UUID(int=0)))
@example(after=(dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14))), UUID(int=0)))
def test_a_cursor_is_a_place_in_the_list_or_is_refused(after: Any) -> None:
    district, hold = held_points()
    place = (hold.deadline_at, hold.hold_id)
    try:
        found = district.bank.holds.list(after=after)
    except GongyiBankError as error:
        require_ours(error)
        return
    is_before = not after or (after[0], after[1].bytes) < (place[0], place[1].bytes)
    assert len(found) == is_before


@given(before=ANYTHING)
def test_a_page_begins_before_a_line_or_a_record_or_is_refused(before: Any) -> None:
    district, hold = held_points()
    bank = district.bank
    for read in (
        lambda: bank.reports.statement(hold.account, before_line=before).lines,
        lambda: bank.hours.of(hold.account, before=before),
    ):
        try:
            assert len(read()) == (before is None or before > 1)
        except GongyiBankError as error:
            require_ours(error)


# --- proofs ----------------------------------------------------------------------------------


@functools.cache
def a_proof() -> LineProof:
    district = District("sqlite://")
    account = district.customer()
    district.serve(account, "10-03 08:00")
    district.clock.advance(days=2)
    district.bank.closings.close("2022-10-15")
    return district.bank.reports.proof(account, 1)


def test_the_proof_holds_as_long_as_nobody_touches_it() -> None:
    assert a_proof().holds(a_proof().root)


@given(
    field=st.sampled_from(["root", "leaf", "path"]),
    text=TEXTS | st.text("0123456789abcdef", min_size=64, max_size=64),
)
@example(field="root", text="no root")
@example(field="leaf", text="\ud800")
@example(field="path", text="zz")
def test_a_proof_that_somebody_touched_does_not_hold(field: str, text: str) -> None:
    proof, root = a_proof(), a_proof().root
    if field == "root":
        assert proof.holds(text) == (text == root)
        return
    other: Any = text if field == "leaf" else (("left", text), *proof.path)
    assert not dataclasses.replace(proof, **{field: other}).holds(root)
