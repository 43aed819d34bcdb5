"""变更: what an act's voucher says of a row that shows only how things stand.

Pure. Such a row is no history: an act writes over what it said. So the voucher of the act, which
nobody can change unseen, tells both what the row said and what it says now. All changes of one
subject together lead from what it said at first to what it says today; an audit adds them up,
in any order, and compares (`reports.change_checks`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any, Final, NamedTuple

#: The acts whose vouchers may tell of changes.
ACTS: Final = (
    "accounts.close", "accounts.freeze", "accounts.mark_dormant", "accounts.unfreeze",
    "accounts.wake", "pools.close", "staff.appoint", "staff.end", "stores.leave",
    "stores.withdraw_offer",
)  # fmt: skip
#: Where a voucher's body keeps them.
_CHANGES: Final = "changes"

Values = tuple[Any, ...]


class Change(NamedTuple):
    """One subject, by its table and key, with what its columns said before and say now."""

    what: str
    key: Values
    was: Values
    now: Values


def facts_of(*changes: Change) -> dict[str, object]:
    """For the voucher: what changed."""
    return {_CHANGES: [[plain(part) for part in change] for change in changes]} if changes else {}


def changes_in(body: str) -> list[Change]:
    """What a voucher's body tells; nothing where it cannot be read, which its hash tells."""
    try:
        told = json.loads(body)
        return [
            Change(what, tuple(key), tuple(was), tuple(now))
            for what, key, was, now in told.get(_CHANGES, ())
        ]
    except (AttributeError, TypeError, ValueError):
        return []


def plain(values: Any) -> Any:
    """As JSON gives it back: lists, and days as text."""
    if isinstance(values, tuple):
        return [plain(value) for value in values]
    return values.isoformat() if isinstance(values, dt.date) else values


def number_of(salt: bytes, what: str, *parts: Values) -> int:
    """A number for a subject, or for what it says: equal for equal ones, else another.

    Salted, so that nobody can choose rows whose numbers add up to the same.
    """
    text = json.dumps([what, *map(plain, parts)], ensure_ascii=False, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=32, key=salt).digest())
