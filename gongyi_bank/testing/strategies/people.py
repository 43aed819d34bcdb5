"""Strategies for people: names, telephones, identity numbers, customers.

Nobody in them exists: identity numbers begin with area codes that were never assigned
(990000–990099), with a right check digit.

Each value is made of few draws. A shrinker leaves an element out of a list only if it is a short
stretch, of at most four draws; so one number stands for several things.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.arguments import require_flag
from gongyi_bank.commands.customers import CustomerKind, NewCustomer
from gongyi_bank.errors import InvalidValue
from gongyi_bank.identities import IdentityKind
from gongyi_bank.testing.arguments import (
    require_codes,
    require_days,
    require_range,
    require_words,
)
from gongyi_bank.testing.strategies.arguments import refs_of

#: The plainest first: examples shrink towards it.
_SURNAMES = ("张", "李", "王", "欧阳", "司马", "㐱", "𠮷", "𡈼")
_GIVEN = "三四五小明国强丽娟〇喆堃㛃𬱖𠅘𪚥"
#: Signs in the order in which Hypothesis shrinks them, from "0" on, and what they stand for.
_SIGNS = {chr(ord("0") + place): sign for place, sign in enumerate(_GIVEN)}
#: Minorities' names with a dot, names in Latin letters, and one without a surname.
_WHOLE = ("阿依古丽·买买提", "José O'Neil", "Ng Wai-Lam", "卓玛")
#: What a customer may be called.
_NAMES = (*(surname + given for given in _GIVEN for surname in _SURNAMES), *_WHOLE)
_FIRST_BORN_ON = dt.date(1900, 1, 1)
_LAST_BORN_ON = dt.date(2020, 12, 31)
_KINDS = ("volunteer", "organisation", "household")


def names(*, length_max: int = 6) -> SearchStrategy[str]:
    """Names of people as passbooks hold them, rare characters of four bytes (𠮷) among them.

    Also minorities' names with a dot and names in Latin letters. Shrinks to 张三. Raises
    InvalidValue.
    """
    _, most = require_range("length", 2, length_max, floor=2, ceiling=100)
    heads = [surname for surname in _SURNAMES if len(surname) < most]
    whole = [name for name in _WHOLE if len(name) <= most]
    signs = st.text(tuple(_SIGNS), min_size=1, max_size=most - 1)
    return st.builds(
        lambda head, rest: head if head in whole else (head + _given(rest))[:most],
        st.sampled_from((*heads, *whole)), signs,
    )  # fmt: skip


def _given(signs: str) -> str:
    return "".join(_SIGNS[sign] for sign in signs)


_HEADS = "3456789"


def phone_numbers() -> SearchStrategy[str]:
    """Mobile numbers of eleven digits, as they are typed. Shrinks to 13000000000."""
    return st.builds(_phone, st.sampled_from(_HEADS), st.integers(0, 10**9 - 1))


def _phone(head: str, tail: int) -> str:
    return f"1{head}{tail:09d}"


#: How many identity numbers there are of one day: areas by serials.
_SERIALS = 100 * 999


def identity_numbers(
    *, born_from: dt.date = _FIRST_BORN_ON, born_until: dt.date = _LAST_BORN_ON
) -> SearchStrategy[str]:
    """Mainland identity numbers (居民身份证, GB 11643) with a right check digit, X among them.

    Nobody's: the area code was never assigned. Shrinks to the first day and the first number.
    Raises InvalidValue.

    >>> check_identity_no("resident_id", identity_numbers().example())
    """
    first, last = require_days(born_from, born_until, ("born_from", "born_until"))
    if first.year < 1800:
        raise InvalidValue.of("born_from", first, "no identity number has a day before 1800")
    return st.builds(_numbered, _days(first, last), st.integers(0, _SERIALS - 1))


def _days(first: dt.date, last: dt.date) -> SearchStrategy[dt.date]:
    """Days, each of one draw."""
    return st.integers(first.toordinal(), last.toordinal()).map(dt.date.fromordinal)


def _numbered(born_on: dt.date, number: int) -> str:
    area, serial = divmod(number, 999)
    body = f"9900{area:02d}{born_on:%Y%m%d}{serial + 1:03d}"
    weighed = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return body + "10X98765432"[weighed % 11]


def wrong_identity_numbers() -> SearchStrategy[str]:
    """Identity numbers with one slip: a wrong check digit, a wrong digit, a digit too few.

    No bank takes them (`invalid_number`).
    """
    return st.builds(_spoiled, identity_numbers(), st.integers(0, 18 * 9 - 1))


def _spoiled(number: str, slip: int) -> str:
    place, by = divmod(slip, 9)
    if place == 17:
        return number[:17]
    digit = str((int(number[place]) + by + 1) % 10)
    return number[:place] + digit + number[place + 1 :]


def customers(
    outlets: Iterable[str] = ("B01S01",),
    *,
    kinds: Iterable[CustomerKind] = ("volunteer", "household"),
    documents: bool = True,
    refs: SearchStrategy[str] | None = None,
) -> SearchStrategy[NewCustomer]:
    """Customers who open an account at one of these savings branches.

    With `documents` some of them show an identity card; number and date of birth agree then.
    `refs` gives them references of the sender's own. Shrinks to 张三 at the first outlet,
    with nothing else known. Two of them may have the same document: see `unique_by`.

    >>> st.lists(customers(["B01S01"]), min_size=1, unique_by=lambda new: new.document_no or new)

    Raises InvalidValue.
    """
    places = require_codes("outlets", outlets)
    chosen = require_words("kinds", kinds, _KINDS)
    forms = [
        (kind, place, phoned, shown)
        for shown in ((False, True) if require_flag(documents, field="documents") else (False,))
        for phoned in (False, True)
        for kind in chosen
        for place in places
    ]
    numbers = st.integers(0, _SERIALS * len(_NAMES) - 1)
    born_on = _days(_FIRST_BORN_ON, _LAST_BORN_ON)
    return st.builds(
        _customer, st.sampled_from(forms), numbers, born_on, refs_of("refs", refs)
    )  # fmt: skip


def _customer(
    form: tuple[CustomerKind, str, bool, bool], number: int, born_on: dt.date, ref: str | None
) -> NewCustomer:
    kind, outlet, is_phoned, is_shown = form
    name_no, serial = divmod(number, _SERIALS)
    return NewCustomer(
        kind=kind, outlet=outlet, ref=ref, name=_NAMES[name_no],
        phone=_phone(_HEADS[number % len(_HEADS)], number) if is_phoned else None,
        birth_on=born_on if is_shown else None,
        document_no=_numbered(born_on, serial) if is_shown else None,
        document_kind=IdentityKind.RESIDENT_ID if is_shown else None,
    )  # fmt: skip
