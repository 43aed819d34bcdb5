"""Faults planted in the clients, under the library or in it: a run with one of them must go red.

They are switches of this harness. Where a fault is one of the library's own, a function of it is
replaced while the run lasts.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from gongyi_bank import bank
from gongyi_bank.errors import EngineError, OutcomeUnknown, RetryTransaction
from gongyi_bank.store import connections, holds, ledger, reversals
from gongyi_bank.store.transaction import Ask
from tests.district import START


class Planted(enum.StrEnum):
    """What is broken on purpose, by the name under which `--planted` takes it."""

    #: Acts are sent without their keys, so that a second try is another act.
    NO_KEY = "no-key"
    #: After OutcomeUnknown the act is sent again under a new key.
    NEW_KEY = "new-key"
    #: OutcomeUnknown is taken for "done".
    UNKNOWN_IS_DONE = "unknown-is-done"
    #: A retryable error is taken for "done".
    RETRY_IS_DONE = "retry-is-done"
    #: The acts of a block are acknowledged before its COMMIT.
    EARLY_ANSWER = "early-answer"
    #: All balances are read one by one, with no transaction around them.
    TORN_READ = "torn-read"
    #: COMMIT says that it was done, and undoes everything.
    LOST_COMMIT = "lost-commit"
    #: COMMIT is sent after every statement that writes.
    COMMIT_EACH = "commit-each"
    #: After the server has undone the transaction only the statement that failed is run again.
    STATEMENT_RETRIED = "statement-retried"
    #: Now and then a ledger line is not written, and nobody is told.
    LOST_LINE = "lost-line"
    #: Now and then a head is changed by nobody's act.
    STRAY_WRITE = "stray-write"
    #: ROLLBACK commits what was written so far.
    KEPT_HALF = "kept-half"
    #: After a COMMIT whose answer was lost the act is told to have failed.
    UNKNOWN_IS_FAILED = "unknown-is-failed"
    #: After such a COMMIT the library says, and acts by it, that nothing was applied.
    UNKNOWN_IS_RETRIED = "unknown-is-retried"
    #: A simulated block is committed.
    TRIAL_KEPT = "trial-kept"
    #: Acts do not look whether points are past their date by now.
    FORGOTTEN_EXPIRY = "forgotten-expiry"
    #: Acts and the sweep overlook holds that are past their deadline.
    FORGOTTEN_LAPSE = "forgotten-lapse"
    #: A line is reversed as if nothing of it had been taken back before.
    REVERSED_TWICE = "reversed-twice"


#: Acts that clients want oftener, since only they can meet the fault, and seldom do.
WANTED: dict[Planted, dict[str, int]] = {
    Planted.REVERSED_TWICE: {"reversals.reverse_line": 60, "reversals.reverse_voucher": 30},
}


@contextmanager
def planting(planted: Planted | None) -> Iterator[None]:
    """Break the library while this lasts, if the fault is one of the library's own."""
    found = _BROKEN.get(planted) if planted else None
    if found is None:
        yield
        return
    room, name, broken = found
    with mock.patch.object(room, name, broken):
        yield


def _overdue_long_ago(accounts: Any, _now: Any) -> Ask[Any]:
    return _ask_overdue_of(accounts, START.replace(year=2000))


def _never_reversed(lines: Any, asked: Any) -> list[Any]:
    found = _reversibles(lines, asked)
    for one in found:
        one.taken = 0
    return found


def _commit_known_to_fail(connection: Any, support: Any, key: str | None) -> None:
    try:
        _commit(connection, support, key)
    except OutcomeUnknown as unknown:
        raise EngineError(reason=unknown.code) from None


def _commit_retried(connection: Any, support: Any, key: str | None) -> None:
    try:
        _commit(connection, support, key)
    except OutcomeUnknown as unknown:
        raise RetryTransaction(reason=unknown.code) from None


def _always_kept(*given: Any, **named: Any) -> Any:
    return _own_transaction(*given, **named | {"keep": True})


_commit, _own_transaction = connections._commit, connections.own_transaction
_ask_overdue_of, _reversibles = holds.ask_overdue_of, reversals.reversibles
_BROKEN: dict[Planted, tuple[Any, str, Any]] = {
    Planted.UNKNOWN_IS_FAILED: (connections, "_commit", _commit_known_to_fail),
    Planted.UNKNOWN_IS_RETRIED: (connections, "_commit", _commit_retried),
    Planted.TRIAL_KEPT: (bank, "own_transaction", _always_kept),
    Planted.FORGOTTEN_EXPIRY: (ledger, "note_passed_dates", lambda *_: None),
    Planted.FORGOTTEN_LAPSE: (holds, "ask_overdue_of", _overdue_long_ago),
    Planted.REVERSED_TWICE: (reversals, "reversibles", _never_reversed),
}
