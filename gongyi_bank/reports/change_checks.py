"""账证核对 of what shows only how things stand: each row is where its vouchers' changes lead.

Whatever changes, and however often, all that the vouchers tell of a subject adds up to the way
from what it said at first to what it says now. Added up in any order and for many subjects at
once it needs no memory for each; only where the sums differ are the subjects looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gongyi_bank.reports.faults import Fault
from gongyi_bank.rules.changes import Change, number_of, plain
from gongyi_bank.store import changes as store
from gongyi_bank.store.transaction import Transaction

#: The subjects are added up in so many sums.
_SUMS: Final = 1024
#: Of so many sums that differ the subjects are looked at one by one.
_LOOKED_AT_MAX: Final = 16
_WHOLE: Final = 2**256
_NAMES: Final = {
    "customer": "账户", "offer": "兑换品", "partner_store": "商家", "passbook": "存折",
    "passbook_pages": "存折内页", "pool": "积分池", "staff": "人员", "staff_role": "岗位",
}  # fmt: skip


def check_changes(tx: Transaction) -> Iterator[Fault]:
    """Every row that says something else than its vouchers tell."""
    salt = os.urandom(16)
    sums = [0] * _SUMS
    _add(salt, sums, store.stream_told(tx), 1)
    _add(salt, sums, store.stream_changed(tx), -1)
    differing = [place for place, total in enumerate(sums) if total]
    looked_at = frozenset(differing[:_LOOKED_AT_MAX])
    if looked_at:
        yield from _differing(tx, salt, looked_at)
    if len(differing) > _LOOKED_AT_MAX:
        more = len(differing) - _LOOKED_AT_MAX
        yield Fault("changes", "现状", f"{more} more of {_SUMS} sums differ", "none")


def _add(salt: bytes, sums: list[int], changes: Iterable[Change], sign: int) -> None:
    for one in changes:
        place = _place(salt, one)
        sums[place] = (sums[place] + sign * _worth(salt, one)) % _WHOLE


def _place(salt: bytes, one: Change) -> int:
    return number_of(salt, one.what, one.key) % _SUMS


def _worth(salt: bytes, one: Change) -> int:
    """What the change adds: what it says now, less what it said before."""
    now, was = (number_of(salt, one.what, one.key, values) for values in (one.now, one.was))
    return now - was


def _differing(tx: Transaction, salt: bytes, places: frozenset[int]) -> Iterator[Fault]:
    """The subjects in these sums that differ, with what they say and what was told of them."""
    rests: dict[tuple[str, str], int] = {}
    said: dict[tuple[str, str], list[Any]] = {}

    def look(changes: Iterable[Change], sign: int) -> Iterator[tuple[tuple[str, str], Change]]:
        for one in changes:
            if _place(salt, one) in places:
                subject = (one.what, " ".join(map(str, plain(one.key))))
                rests[subject] = rests.get(subject, 0) + sign * _worth(salt, one)
                yield subject, one

    for subject, one in look(store.stream_told(tx), 1):
        said[subject] = plain(one.now)
    found = {subject: plain(one.now) for subject, one in look(store.stream_changed(tx), -1)}
    for subject in sorted(subject for subject, rest in rests.items() if rest % _WHOLE):
        what, key = subject
        shown, told = found.get(subject, "as at first"), said.get(subject, "nothing told of it")
        yield Fault("changes", f"{_NAMES.get(what, what)} {key}", _shown(shown), _shown(told))


def _shown(said: Any) -> str:
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said)
