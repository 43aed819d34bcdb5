"""Design §2: `gongyi_bank.__all__` is the public face: sorted, complete, documented, light."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import gongyi_bank
from tests.tidy.house import ROOT, report

#: Never loaded by `import gongyi_bank`, except where a core dependency loads it by itself.
HEAVY_MODULES = (
    "aiosqlite alembic asyncio hypothesis matplotlib pandas psycopg pymysql pytest"
    " sqlalchemy.ext.asyncio"
).split()
CORE_DEPENDENCIES = (
    "sqlalchemy, sqlalchemy.dialects.sqlite, sqlalchemy.dialects.postgresql, pydantic,"
    " dateutil.relativedelta, dateutil.rrule, zoneinfo"
)


def list_faults(package: ModuleType | SimpleNamespace) -> list[str]:
    listed = list(getattr(package, "__all__", []))
    visible = {
        name
        for name in dir(package)
        if not name.startswith("_")
        and name != "annotations"
        and not isinstance(getattr(package, name), ModuleType)
    }
    named = {name for name in listed if not name.startswith("_")}
    modules = {name for name in named if isinstance(getattr(package, name, None), ModuleType)}
    return [
        *(["__all__ is missing or empty"] if not listed else []),
        *(["__all__ is not sorted (plain sorted() order)"] if listed != sorted(listed) else []),
        *(f"{name} is twice in __all__" for name in sorted(named) if listed.count(name) > 1),
        *(f"{name} is in __all__, but not there" for name in listed if not hasattr(package, name)),
        *(f"{name} is visible, but not in __all__" for name in sorted(visible - named)),
        *(f"{name} is in __all__, but dir() hides it" for name in sorted(named - visible - modules)
          if hasattr(package, name)),
    ]  # fmt: skip


def docstring_faults(package: ModuleType | SimpleNamespace) -> list[str]:
    faults = []
    for name in getattr(package, "__all__", ()):
        item = getattr(package, name, None)
        if inspect.isclass(item):
            if not _has_own_docstring(item):
                faults.append(f"class {name} has no docstring")
            faults += [
                f"{name}.{method} has no docstring"
                for method in sorted(_public_methods(item))
                if not inspect.getdoc(getattr(item, method))
            ]
        elif inspect.isroutine(item) and not inspect.getdoc(item):
            faults.append(f"function {name} has no docstring")
    return faults


def _has_own_docstring(item: type) -> bool:
    """A dataclass without a docstring gets its signature for one: that does not count."""
    text = item.__dict__.get("__doc__") or ""
    return bool(text.strip()) and not text.startswith(f"{item.__name__}(")


def _public_methods(item: type) -> Iterator[str]:
    """Methods and properties that our own classes define, in `item` or its ancestors."""
    for ancestor in item.__mro__:
        if ancestor.__module__.split(".")[0] in {"gongyi_bank", __name__.split(".")[0]}:
            for name, value in vars(ancestor).items():
                is_method = inspect.isroutine(value) or isinstance(value, property)
                if is_method and not name.startswith("_"):
                    yield name


def _loaded_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
    )


def heavy_faults(statement: str) -> list[str]:
    extra = _loaded_after(statement) - _loaded_after(f"import {CORE_DEPENDENCIES}")
    return [f"`{statement}` loads {name}" for name in HEAVY_MODULES if name in extra]


def test_the_public_list_is_sorted_and_complete() -> None:
    report(
        list_faults(gongyi_bank),
        advice="put every public name into __all__ of gongyi_bank/__init__.py, in sorted() order;"
        " import what is not public under an underscore, or not at all.",
    )


def test_every_public_object_has_a_docstring() -> None:
    report(
        docstring_faults(gongyi_bank),
        advice="write one sentence in the reader's words, a worked line, units, then Raises.",
    )


def test_importing_the_package_stays_light() -> None:
    report(
        heavy_faults("import gongyi_bank"),
        advice="import it inside the function that needs it; it belongs to an extra.",
    )


def test_the_check_of_the_list_can_fail() -> None:
    package = SimpleNamespace(__all__=["b", "a", "a", "gone"], a=1, b=2, stray=3)
    assert list_faults(package) == [
        "__all__ is not sorted (plain sorted() order)",
        "a is twice in __all__",
        "gone is in __all__, but not there",
        "stray is visible, but not in __all__",
    ]


def test_the_check_of_docstrings_can_fail() -> None:
    class Bare:
        def act(self) -> None: ...

    class Documented:
        """Says what it is."""

        def act(self) -> None: ...

    package = SimpleNamespace(__all__=["Bare", "Documented"], Bare=Bare, Documented=Documented)
    assert docstring_faults(package) == [
        "class Bare has no docstring",
        "Bare.act has no docstring",
        "Documented.act has no docstring",
    ]


def test_the_check_of_lightness_can_fail() -> None:
    assert heavy_faults("import hypothesis, alembic")
