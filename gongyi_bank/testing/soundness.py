"""Asserting that a bank's books agree, with a failure that can be read.

Needs nothing but the bank itself; any test runner knows an AssertionError.
"""

from __future__ import annotations

import datetime as dt

from gongyi_bank.arguments import require_flag
from gongyi_bank.bank import Desks
from gongyi_bank.reports.faults import Verification
from gongyi_bank.rules.holds import LAPSED
from gongyi_bank.testing.arguments import require_kind

#: Faults and holds that a failure shows; one slip may put every account out of order.
SHOWN_MAX = 20


def assert_sound(bank: Desks, *, guarded: bool = True, swept: bool = False) -> Verification:
    """Assert that `bank.verify()` finds nothing, and hand back what it looked at.

    A bank sees what is committed, a counter also what its own transaction has written. With
    `guarded` (the default) every trigger of the schema must be there and switched on; with
    `swept` no hold or reservation may be past its deadline and still keep points, which
    `bank.holds.lapse_overdue()` sees to. Raises AssertionError that lists every finding, and
    InvalidValue for what is no bank and no counter.

    >>> assert_sound(bank)
    """
    require_kind("bank", bank, Desks, "a Bank or a counter of one is needed")
    require_flag(guarded, field="guarded")
    require_flag(swept, field="swept")
    found = bank.verify()
    wrong = [str(fault) for fault in found.faults]
    if guarded and not found.is_guarded:
        wrong.append(f"only {found.guards_installed} of {found.guards_expected} guards are on")
    wrong += _overdue(bank) if swept else []
    if wrong:
        raise AssertionError(_told(wrong, found))
    return found


def _overdue(bank: Desks) -> list[str]:
    """Holds past their deadline that nobody has swept."""
    table = bank.holds.list()
    names = [column.key for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    return [
        f"hold {row['hold_id']} of account {row['account']} keeps {row['points_left']}"
        f" since its deadline {_minute(row['deadline_at'])}"
        for row in rows
        if row["state"] == LAPSED
    ]


def _minute(moment: dt.datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")


def _told(wrong: list[str], found: Verification) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    more = len(wrong) - SHOWN_MAX
    lines = [
        f"the books are not sound, {len(wrong)} {'finding' if len(wrong) == 1 else 'findings'}:",
        *(f"  {line}" for line in wrong[:SHOWN_MAX]),
        *([f"  and {more} more"] if more > 0 else []),
        f"looked at {counts}",
    ]
    return "\n".join(lines)
