"""Style, naming 8, and what must not be left lying about: names, markers, paths, mute handlers."""

import ast
import re
from typing import TypeGuard

import pytest

from tests.tidy.house import ROOT, Module, module_from, package_modules, report, tracked_files

EMPTY_WORDS = frozenset(
    {"manager", "helper", "util", "handler", "processor", "info", "data", "misc"}
)

LEFTOVERS = {
    "an unfinished note": re.compile(r"\b(TODO|FIXME|XXX)\b"),
    "a path of one machine": re.compile(r"(?<![\w.~-])/(work|root|farm|tmp|home/\w+)/"),
    "a registry host": re.compile(r"pypi\.org|pythonhosted\.org|--(extra-)?index-url"),
}


def name_faults(modules: list[Module]) -> list[str]:
    faults = []
    for module in modules:
        if found := _empty_words(module.name.rpartition(".")[2]):
            faults.append(f"{module.path}: the module's name says '{found}'")
        faults += [
            f"{module.at(node)}: class {node.name} says '{found}'"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef) and (found := _empty_words(node.name))
        ]
    return faults


def _empty_words(name: str) -> str:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return " ".join(word for word in words if word.lower().removesuffix("s") in EMPTY_WORDS)


def leftover_faults(path: str, text: str) -> list[str]:
    return [
        f"{path}:{number}: {what}: {found.group()}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in LEFTOVERS.items()
        if (found := pattern.search(line))
    ]


def silence_faults(modules: list[Module]) -> list[str]:
    """Bare `except:`, and `except Exception` whose body does nothing; suppress(Exception) too."""
    faults = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler):
                if node.type is None:
                    faults.append(f"{module.at(node)}: bare except")
                elif _is_broad(node.type) and all(_does_nothing(line) for line in node.body):
                    faults.append(f"{module.at(node)}: except {ast.unparse(node.type)} is silent")
            elif _is_suppress(node) and any(_is_broad(argument) for argument in node.args):
                faults.append(f"{module.at(node)}: {ast.unparse(node)}")
    return faults


def _is_suppress(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")


def _is_broad(type_: ast.expr) -> bool:
    types = type_.elts if isinstance(type_, ast.Tuple) else [type_]
    return any(ast.unparse(one) in {"Exception", "BaseException"} for one in types)


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue | ast.Break) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def test_names_say_what_a_thing_is() -> None:
    report(
        name_faults(package_modules()),
        advice="name it by its noun in docs/glossary.md or by what it decides, loads or writes.",
    )


def test_nothing_is_left_lying_about() -> None:
    # This file spells the patterns out, so it does not read itself.
    faults = []
    for file in tracked_files():
        if file.suffix not in {".png", ".pdf", ".csv"} and file.name != "test_words.py":
            text = file.read_text("utf-8", errors="replace")
            faults += leftover_faults(file.relative_to(ROOT).as_posix(), text)
    report(
        faults,
        advice="finish it or write an issue; take the path or the host out, or compute it.",
    )


def test_no_handler_swallows_everything() -> None:
    report(
        silence_faults(package_modules()),
        advice="catch the errors you expect by name; translate the rest or let them rise.",
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("gongyi_bank/store/utils.py", ""),
        ("gongyi_bank/store/ledger.py", "class LedgerManager: ..."),
        ("gongyi_bank/store/ledger.py", "class InfoOfLines: ..."),
        ("gongyi_bank/store/data/__init__.py", ""),
    ],
)
def test_the_check_of_names_can_fail(path: str, text: str) -> None:
    assert name_faults([module_from(text, path=path)])


def test_the_check_of_names_lets_whole_words_pass() -> None:
    text = "class Database: ...\nclass Informed: ...\nclass Utility: ..."
    assert not name_faults([module_from(text, path="gongyi_bank/store/dates.py")])


@pytest.mark.parametrize(
    "line",
    ["# TODO: later", "see /work/shared/x", "open('/root/.x')", "https://pypi.org/simple"],
)
def test_the_check_of_leftovers_can_fail(line: str) -> None:
    assert leftover_faults("file.md", line)
    assert not leftover_faults("file.md", "docs/work/plan.md, XXXL and https://example.org/home/")


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    f()\nexcept:\n    raise",
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept (ValueError, Exception):\n    ...",
        "with contextlib.suppress(Exception):\n    f()",
    ],
)
def test_the_check_of_silence_can_fail(text: str) -> None:
    assert silence_faults([module_from(text)])


def test_the_check_of_silence_lets_named_errors_pass() -> None:
    text = "try:\n    f()\nexcept ValueError:\n    pass\nexcept Exception as e:\n    raise X from e"
    assert not silence_faults([module_from(text)])
