"""For users' own tests and notebooks: a frozen clock, a story builder, strategies, and more.

Nothing in the bank itself enters this room. What needs Hypothesis or pytest (the extra
`testing`) is loaded when it is asked for, so the rest can be used without them.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gongyi_bank.testing.clock import FrozenClock
from gongyi_bank.testing.histories import Outcome, Step, play
from gongyi_bank.testing.reference import ReferenceBank
from gongyi_bank.testing.soundness import assert_sound
from gongyi_bank.testing.story_builder import (
    SMALL_CAST,
    Cast,
    ServicePoint,
    Story,
    small_district,
    small_reference,
)

if TYPE_CHECKING:
    from gongyi_bank.testing import strategies
    from gongyi_bank.testing.conformance import EngineConformance
    from gongyi_bank.testing.machine import BankMachine

#: Where each name lives that needs an extra; None is a module of that name.
_LATER: dict[str, str | None] = {
    "BankMachine": "machine",
    "EngineConformance": "conformance",
    "strategies": None,
}

__all__ = [
    "BankMachine",
    "Cast",
    "EngineConformance",
    "FrozenClock",
    "Outcome",
    "ReferenceBank",
    "SMALL_CAST",
    "ServicePoint",
    "Step",
    "Story",
    "assert_sound",
    "play",
    "small_district",
    "small_reference",
    "story_folder",
    "strategies",
]


def story_folder() -> Path:
    """The folder with the small 雁江 story's files and the figures that its books must give."""
    return Path(__file__).parent / "story"


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_LATER[name] or name}")
    except ModuleNotFoundError as error:
        if error.name not in ("hypothesis", "pytest"):
            raise
        reason = f"{name} needs {error.name}: pip install 'gongyi-bank[testing]'"
        raise ModuleNotFoundError(reason, name=error.name) from None
    return module if _LATER[name] is None else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
