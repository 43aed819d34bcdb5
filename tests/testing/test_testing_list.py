"""The kit's public lists are sorted, complete, documented, and load no more than asked for."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

import gongyi_bank.testing
import gongyi_bank.testing.strategies
from tests.tidy.house import ROOT, report
from tests.tidy.test_public_list import docstring_faults, heavy_faults, list_faults


def visible(package: ModuleType) -> SimpleNamespace:
    """The package with what its list names, lazy names included, and what else can be seen."""
    names = {
        name: getattr(package, name)
        for name in {*package.__all__, *dir(package)}
        if not name.startswith("_") and name not in ("Any", "Path", "TYPE_CHECKING")
    }
    return SimpleNamespace(__all__=package.__all__, **names)


@pytest.mark.parametrize("package", [gongyi_bank.testing, gongyi_bank.testing.strategies])
def test_the_list_is_sorted_complete_and_documented(package: ModuleType) -> None:
    faults = list_faults(visible(package)) + docstring_faults(package)
    report(
        [fault for fault in faults if ".test_" not in fault],
        advice="put it into __all__ in sorted() order, with a docstring; or underscore it.",
    )


LIGHT = "from gongyi_bank.testing import FrozenClock, Story, assert_sound, play, story_folder"


def test_what_needs_no_extra_loads_none() -> None:
    assert heavy_faults(LIGHT) == []


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("strategies", "hypothesis"),
        ("BankMachine", "hypothesis"),
        ("EngineConformance", "pytest"),
    ],
)
def test_without_the_extra_the_rest_works_and_the_error_says_what_to_install(
    name: str, missing: str
) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
{LIGHT}
import gongyi_bank.testing
try:
    gongyi_bank.testing.{name}
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == f"{name} needs {missing}: pip install 'gongyi-bank[testing]'"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Strategies'"):
        gongyi_bank.testing.Strategies  # noqa: B018
    assert {*gongyi_bank.testing.__all__} <= {*dir(gongyi_bank.testing)}
