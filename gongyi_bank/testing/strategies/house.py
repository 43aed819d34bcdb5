"""Strategies for the house: codes, the tree of outlets, passbook serials, account numbers."""

from __future__ import annotations

import re

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gongyi_bank.commands.outlets import NewOutlet, Setting
from gongyi_bank.errors import InvalidValue
from gongyi_bank.testing.arguments import require_range, require_whole
from gongyi_bank.values import clean_code, compose_account_no, compose_passbook_no

_SIGNS = "abcXYZ012-_.:/#莲花𠮷"
_SETTINGS: tuple[Setting, ...] = ("urban", "rural")


def codes(*, length_max: int = 40) -> SearchStrategy[str]:
    """Codes as people give them to outlets, staff and stores: letters, digits, 汉字, - _ . : / #.

    Shrinks to "0". Raises InvalidValue.
    """
    most = require_whole("length_max", length_max, 1, 200)
    return st.text(_SIGNS, min_size=1, max_size=most)


#: The codes that trees give to outlets.
_OURS = re.compile(r"B\d\d(S\d\d)?")


def outlet_trees(
    *,
    head_office: str = "H",
    branches_min: int = 1,
    branches_max: int = 3,
    savings_branches_min: int = 0,
    savings_branches_max: int = 3,
) -> SearchStrategy[tuple[NewOutlet, ...]]:
    """Branches under a head office with their savings branches, parents before children.

    Ready for `bank.outlets.open(outlets=…)`. The counts of savings branches are those of each
    branch. Shrinks to the fewest outlets: B01 with nothing below it. Raises InvalidValue.
    """
    root = clean_code(head_office, field="head_office")
    if _OURS.fullmatch(root):
        raise InvalidValue.of("head_office", root, "what is below it is called B01, B01S01, …")
    branches = require_range("branches", branches_min, branches_max, floor=0, ceiling=99)
    below = require_range(
        "savings_branches", savings_branches_min, savings_branches_max, floor=0, ceiling=99
    )
    settings = st.sampled_from(_SETTINGS)
    branch = st.tuples(settings, st.lists(settings, min_size=below[0], max_size=below[1]))
    shapes = st.lists(branch, min_size=branches[0], max_size=branches[1])
    return shapes.map(lambda shape: _tree(root, shape))


def _tree(root: str, shape: list[tuple[Setting, list[Setting]]]) -> tuple[NewOutlet, ...]:
    found = []
    for number, (setting, below) in enumerate(shape, start=1):
        code = f"B{number:02d}"
        found.append(NewOutlet(code=code, name=f"第{number}分行", parent=root, setting=setting))
        found += [
            NewOutlet(code=f"{code}S{n:02d}", name=f"第{n}储蓄所", parent=code, setting=its)
            for n, its in enumerate(below, start=1)
        ]
    return tuple(found)


def passbook_numbers(*, serial_min: int = 1, serial_max: int = 99_999_999) -> SearchStrategy[int]:
    """Passbook numbers with a right check digit, as `parse_passbook_no` takes them.

    The bank prints its first book with serial 1. Shrinks to the lowest. Raises InvalidValue.
    """
    low, high = require_range("serial", serial_min, serial_max, floor=0, ceiling=99_999_999)
    return st.integers(low, high).map(compose_passbook_no)


def account_numbers(
    *, outlet_no_min: int = 1001, outlet_no_max: int = 9999, serial_max: int = 9_999_999
) -> SearchStrategy[int]:
    """Account numbers with a right check digit: most of them nobody has (`unknown_customer`).

    Raises InvalidValue.
    """
    low, high = require_range("outlet_no", outlet_no_min, outlet_no_max, floor=1000, ceiling=9999)
    most = require_whole("serial_max", serial_max, 0, 9_999_999)
    return st.builds(compose_account_no, st.integers(low, high), st.integers(0, most))
