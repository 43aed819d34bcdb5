"""变更: what an act's voucher says of a row that shows only how things stand.

Pure. Such a row is no history: an act writes over what it said. So the voucher of the act, which
nobody can change unseen, tells both what the row said and what it says now. All changes of one
subject together lead from what it said at first to what it says today; an audit adds them up,
in any order, and compares (`reports.change_checks`).

Passbooks are printed and handed on by the thousand: of those numbered one after the other, of
which the same is to be said, a voucher tells once (`Run`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from gongyi_bank.values import compose_passbook_no

#: The acts whose vouchers may tell of changes.
ACTS: Final = (
    "accounts.close", "accounts.freeze", "accounts.mark_dormant", "accounts.unfreeze",
    "accounts.wake", "passbooks.allot", "passbooks.destroy", "passbooks.issue",
    "passbooks.print_stock", "passbooks.reissue", "passbooks.renew", "passbooks.spoil",
    "passbooks.update", "pools.close", "staff.appoint", "staff.end", "stores.leave",
    "stores.withdraw_offer",
)  # fmt: skip
#: Of so many passbooks an act tells at most, and two things of each; what tells more, none wrote.
_TOLD_MAX: Final = 2 * 100_000
#: Where a voucher's body keeps them.
_CHANGES: Final = "changes"

#: Made once: every row and every change of an audit goes through it.
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Values = tuple[Any, ...]


class Change(NamedTuple):
    """One subject, by its table and key, with what its columns said before and say now."""

    what: str
    key: Values
    was: Values
    now: Values


class Run(NamedTuple):
    """The passbooks from one number to another, all of which said and say the same."""

    what: str
    first: int
    last: int
    was: Values
    now: Values

    @property
    def indexes(self) -> range:
        """The numbers on the covers, without their check digits."""
        return range(self.first // 10, self.last // 10 + 1)

    def each(self) -> Iterator[Change]:
        """The change of every single book."""
        for index in self.indexes:
            yield Change(self.what, (compose_passbook_no(index),), self.was, self.now)


def runs_of(changes: Iterable[Change]) -> list[Run]:
    """The same changes of passbooks, in the order of their numbers, in as few runs as can be."""
    runs = []
    # Numbers that follow each other are all as far from their places in the list.
    places = enumerate(sorted(changes, key=lambda one: one.key))
    for _, group in itertools.groupby(
        places, lambda at: (at[1].key[0] // 10 - at[0], at[1].what, at[1].was, at[1].now)
    ):
        same = [one for _, one in group]
        runs.append(Run(same[0].what, same[0].key[0], same[-1].key[0], same[0].was, same[0].now))
    return runs


def facts_of(*changes: Change | Run) -> dict[str, object]:
    """For the voucher: what changed."""
    return {_CHANGES: [[plain(part) for part in change] for change in changes]} if changes else {}


def changes_in(body: str) -> list[Change | Run]:
    """What a voucher's body tells; nothing where it cannot be read, which its hash tells."""
    try:
        found = [_read(told) for told in json.loads(body).get(_CHANGES, ())]
        told_of = sum(len(one.indexes) for one in found if isinstance(one, Run))
    except (AttributeError, OverflowError, TypeError, ValueError):
        return []
    return found if told_of <= _TOLD_MAX else []


def _read(told: list[Any]) -> Change | Run:
    what, *key, was, now = told
    said = tuple(was), tuple(now)
    if len(key) == 1:
        return Change(what, tuple(key[0]), *said)
    first, last = key
    return Run(what, first, last, *said)


def plain(values: Any) -> Any:
    """As JSON gives it back: lists, and days as text."""
    if isinstance(values, tuple):
        return [plain(value) for value in values]
    return values.isoformat() if isinstance(values, dt.date) else values


def number_of(salt: bytes, what: str, *parts: Values) -> int:
    """A number for a subject, or for what it says: equal for equal ones, else another.

    Salted, so that nobody can choose rows whose numbers add up to the same.
    """
    text = _as_json([what, *map(plain, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=32, key=salt).digest())
