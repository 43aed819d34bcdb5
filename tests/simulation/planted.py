"""Faults planted in the clients or under the library: a run with one of them must go red.

They are switches of this harness, never of the library.
"""

from __future__ import annotations

import enum


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
