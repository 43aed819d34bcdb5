"""Several callers at once: all of them start from one line, and each one's answer is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from gongyi_bank.bank import Bank, Counter
from gongyi_bank.errors import GongyiBankError


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in a thread each, all from one line; what each returned or was refused with."""
    line = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        line.wait()
        try:
            return call()
        except GongyiBankError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def held_open(bank: Bank, act: Callable[[Counter], Any]) -> Callable[[], Any]:
    """The act in a transaction of its own, which stays open for a moment.

    `begin` never tries again, so an act that only its guards stopped shows as such.
    """

    def call() -> Any:
        with bank.begin() as counter:
            receipt = act(counter)
            time.sleep(0.05)
            return receipt

    return call
