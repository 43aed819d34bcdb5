"""Strategies for people: names, telephones, identity numbers, customers.

Nobody in them exists: identity numbers begin with area codes that were never assigned
(990000–990099), with a right check digit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.commands.customers import CustomerKind, NewCustomer
from gongyi_bank.identities import IdentityKind
from gongyi_bank.testing.strategies.arguments import (
    require_days,
    require_range,
    require_some,
    require_words,
)

#: The plainest first: examples shrink towards it.
_SURNAMES = ("张", "李", "王", "欧阳", "司马", "㐱", "𠮷", "𡈼")
_GIVEN = "三四五小明国强丽娟〇喆堃㛃𬱖𠅘𪚥"
_FIRST_BORN_ON = dt.date(1900, 1, 1)
_LAST_BORN_ON = dt.date(2020, 12, 31)
_KINDS = ("volunteer", "organisation", "household")


def names(*, length_max: int = 6) -> SearchStrategy[str]:
    """Names of people as passbooks hold them, rare characters of four bytes (𠮷) among them.

    Also minorities' names with a dot and names in Latin letters. Shrinks to 张三. Raises
    InvalidValue.
    """
    _, most = require_range("length", 2, length_max, floor=2, ceiling=100)
    given = st.text(_GIVEN, min_size=1, max_size=max(most - 2, 1))
    chinese = st.builds(str.__add__, st.sampled_from(_SURNAMES), given)
    dotted = st.sampled_from(("阿依古丽·买买提", "José O'Neil", "Ng Wai-Lam", "卓玛"))
    fits = st.one_of(chinese, dotted).filter(lambda name: len(name) <= most)
    return st.one_of(st.just("张三"), fits)


def phone_numbers() -> SearchStrategy[str]:
    """Mobile numbers of eleven digits, as they are typed. Shrinks to 13000000000."""
    heads = st.sampled_from([f"1{second}" for second in "3456789"])
    return st.builds(lambda head, tail: f"{head}{tail:09d}", heads, st.integers(0, 10**9 - 1))


def identity_numbers(
    *, born_from: dt.date = _FIRST_BORN_ON, born_until: dt.date = _LAST_BORN_ON
) -> SearchStrategy[str]:
    """Mainland identity numbers (居民身份证, GB 11643) with a right check digit, X among them.

    Nobody's: the area code was never assigned. Raises InvalidValue.

    >>> check_identity_no("resident_id", identity_numbers().example())
    """
    first, last = require_days(born_from, born_until, ("born_from", "born_until"))
    return _people(first, last).map(lambda person: person[1])


def _people(first: dt.date, last: dt.date) -> SearchStrategy[tuple[dt.date, str]]:
    """(date of birth, identity number) that fit each other."""
    born_on = st.dates(first, last)
    return st.builds(_numbered, st.integers(0, 99), born_on, st.integers(1, 999))


def _numbered(area: int, born_on: dt.date, serial: int) -> tuple[dt.date, str]:
    body = f"9900{area:02d}{born_on:%Y%m%d}{serial:03d}"
    weighed = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return born_on, body + "10X98765432"[weighed % 11]


def wrong_identity_numbers() -> SearchStrategy[str]:
    """Identity numbers with one slip: a wrong check digit, a wrong digit, a digit too few.

    No bank takes them (`invalid_number`).
    """
    return st.builds(_spoiled, identity_numbers(), st.integers(0, 17), st.integers(1, 9))


def _spoiled(number: str, place: int, by: int) -> str:
    if place == 17:
        return number[:17]
    digit = str((int(number[place]) + by) % 10)
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
    places = require_some("outlets", outlets)
    chosen = require_words("kinds", kinds, _KINDS)
    bare = st.fixed_dictionaries(
        {
            "place": st.sampled_from([(kind, place) for kind in chosen for place in places]),
            "name": names(),
            "phone": st.none() | phone_numbers(),
            "ref": st.none() if refs is None else refs,
        }
    )
    unnamed: SearchStrategy[tuple[dt.date | None, str | None]] = st.just((None, None))
    shown = _people(_FIRST_BORN_ON, _LAST_BORN_ON)
    papers = st.one_of(unnamed, shown) if documents else unnamed
    return st.builds(_customer, bare, papers)


def _customer(fields: dict[str, Any], paper: tuple[dt.date | None, str | None]) -> NewCustomer:
    (kind, outlet), (born_on, number) = fields.pop("place"), paper
    shown = None if number is None else IdentityKind.RESIDENT_ID
    return NewCustomer(
        **fields, kind=kind, outlet=outlet, birth_on=born_on, document_no=number,
        document_kind=shown,
    )  # fmt: skip
