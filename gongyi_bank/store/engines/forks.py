"""After a fork: connections stay the parent's, and the child makes its own.

Two processes that share one would read each other's answers, and show one customer another's
balance. `multiprocessing` forks on Linux, and so do servers that load an application first.
"""

from __future__ import annotations

import functools
import os
import weakref

import sqlalchemy as sa

_ours: weakref.WeakSet[sa.Engine] = weakref.WeakSet()
#: In a child the parent's pools. They are never closed nor let go: whoever closes their connections
#: says goodbye in the parent's name, and SQLite forbids it.
_left: list[sa.Pool] = []


def keep_apart(engine: sa.Engine) -> None:
    """Let this engine begin with an empty pool in each child that is forked from here on."""
    _watch()
    _ours.add(engine)


@functools.cache
def _watch() -> None:
    if hasattr(os, "register_at_fork"):  # where there is none, nobody forks
        os.register_at_fork(after_in_child=_begin_anew)


def _begin_anew() -> None:
    for engine in list(_ours):
        _left.append(engine.pool)
        engine.dispose(close=False)
