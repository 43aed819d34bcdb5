"""The garbage collector rests while a long list is booked.

A list of 8 000 services makes some hundred thousand values that all live until the act ends and
form no cycles. The collector looks at each of them several times and finds nothing: that was
over a third of the call (docs/decisions/0020).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from gongyi_bank.commands.base import Command

#: From so many items on.
LONG = 250


@contextmanager
def resting_for(command: Command) -> Iterator[None]:
    """The collector rests within the block if the command holds a long list.

    It is the whole process's: other threads' cycles wait too, for as long as the act takes.
    Where it is off already, it stays off; two such blocks at once may end the rest early, which
    costs time and nothing else.
    """
    if not _is_long(command) or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _is_long(command: Command) -> bool:
    return any(type(value) is tuple and len(value) >= LONG for value in vars(command).values())
