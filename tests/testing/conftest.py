"""Machines at the beginning of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gongyi_bank.testing import BankMachine
from tests.testing.test_machine import machine_on


@pytest.fixture
def machine(sqlite_url: str) -> Iterator[BankMachine]:
    """A machine at the beginning of a run; its first customer has 20 points."""
    made = machine_on(sqlite_url)()
    yield made
    made.close()


@pytest.fixture
def machine_anywhere(engine_url: str) -> Iterator[BankMachine]:
    """The same on every engine."""
    made = machine_on(engine_url)()
    yield made
    made.close()
