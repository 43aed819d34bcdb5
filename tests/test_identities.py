"""Identity documents: check digits and dates are hard, areas are not, and numbers stay unseen."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gongyi_bank import identities
from gongyi_bank.errors import InvalidNumber
from gongyi_bank.identities import IdentityKind

DIGITS = "0123456789"


# --- identity documents

RESIDENT = "11010519491231002X"


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        ("resident_id", " 11010519491231002x ", RESIDENT),
        ("resident_id", "360426199101010071", "360426199101010071"),
        ("resident_id", "43051119990228002X", "43051119990228002X"),
        (IdentityKind.USCC, "91110000600037341L", "91110000600037341L"),
        ("passport", "e12345678", "E12345678"),
        ("home_return_permit", "H12345678", "H12345678"),
        ("home_return_permit", "M1234567801", "M1234567801"),
        ("taiwan_permit", "12345678", "12345678"),
        ("military_id", "军字第1234567号", "军字第1234567号"),
        ("household_register", RESIDENT, RESIDENT),
        ("household_register", "001234567", "001234567"),
        ("foreign_permanent_residence", "CHN110123456789", "CHN110123456789"),
        ("other", "介绍信2022-17", "介绍信2022-17"),
    ],
)
def test_numbers_of_real_documents_are_kept_in_capitals(kind, text, kept):
    assert identities.check_identity_no(kind, text) == kept


def with_check_digit(body: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


@given(
    st.text(DIGITS, min_size=6, max_size=6),
    st.dates(date(1800, 1, 1), date(2100, 1, 1)),
    st.text(DIGITS, min_size=3, max_size=3),
)
def test_no_area_code_is_refused_and_the_birth_date_is_read(area, born_on, sequence):
    number = with_check_digit(f"{area}{born_on:%Y%m%d}{sequence}")
    assert identities.birth_date_of(number) == born_on
    assert identities.check_identity_no("residence_permit", number) == number


@given(st.integers(0, 17), st.sampled_from(DIGITS + "X"))
def test_every_wrong_digit_of_an_identity_number_is_caught_and_not_told(place, digit):
    wrong = RESIDENT[:place] + digit + RESIDENT[place + 1 :]
    if wrong == RESIDENT:
        return
    with pytest.raises(InvalidNumber) as caught:
        identities.check_identity_no("resident_id", wrong)
    assert wrong not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("resident_id", with_check_digit("11010519490230002")),
        ("resident_id", with_check_digit("11010517991231002")),
        ("resident_id", "110105491231002"),
        ("resident_id", "１１０１０５19491231002X"),
        ("resident_id", None),
        ("uscc", "91110000600037341M"),
        ("uscc", "91110000600037341I"),
        ("uscc", "9111000060003734"),
        ("passport", "ﬁ12345"),
        ("passport", "E1 345678"),
        ("home_return_permit", "A12345678"),
        ("household_register", "110105194912310021"),
        ("no_such_kind", RESIDENT),
    ],
)
def test_numbers_that_no_document_carries_are_refused(kind, wrong):
    with pytest.raises(InvalidNumber) as caught:
        identities.check_identity_no(kind, wrong)
    assert wrong is None or wrong not in str(caught.value)


@pytest.mark.parametrize("head", ["N2", "Y1", "A1", "54", "55"])
def test_credit_codes_of_collectives_and_villages_are_accepted(head):
    signs = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = f"{head}512002MA6ABCDEX"
    total = sum(signs.index(sign) * pow(3, i, 31) for i, sign in enumerate(body))
    number = body + signs[(31 - total % 31) % 31]
    assert identities.check_identity_no("uscc", number) == number
