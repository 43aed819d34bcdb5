"""Design §2: `rules/` is pure: no SQL, clock, randomness or environment."""

import ast

import pytest

from tests.tidy.house import Module, imports, module_from, package_modules, report

IMPURE_MODULES = frozenset(
    "asyncio glob io logging os pathlib random secrets shutil socket sqlalchemy sqlite3 subprocess"
    " sys tempfile threading time urllib".split()
)
IMPURE_FUNCTIONS = frozenset({"open", "print", "input", "exec", "eval"})
#: Attributes whose call reads a clock or draws: `datetime.now()`, `date.today()`, `uuid.uuid4()`.
IMPURE_METHODS = frozenset({"now", "today", "utcnow", "uuid1", "uuid4"})


def purity_faults(modules: list[Module]) -> list[str]:
    return [
        f"{module.at(node)}: {what}"
        for module in modules
        if module.path.startswith("gongyi_bank/rules/")
        for node, what in _impurities(module)
    ]


def _impurities(module: Module) -> list[tuple[ast.AST, str]]:
    nodes = list(ast.walk(module.tree))
    found: list[tuple[ast.AST, str]] = [
        (node, f"imports {name}")
        for node, name in imports(module, known=(), nodes=nodes)
        if name.split(".")[0] in IMPURE_MODULES
    ]
    for node in nodes:
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in IMPURE_FUNCTIONS | IMPURE_METHODS:
                found.append((node, f"calls {called.id}()"))
            elif isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS:
                found.append((node, f"calls {ast.unparse(called)}()"))
        elif isinstance(node, ast.Global):
            found.append((node, "keeps state in a global"))
    return found


def test_rules_are_pure() -> None:
    report(
        purity_faults(package_modules()),
        advice="a rule decides on facts that it is given: let service/ load them, read the bank's"
        " clock or draw the number, and hand the value in.",
    )


@pytest.mark.parametrize(
    "text",
    [
        "import os.path",
        "from sqlalchemy import select",
        "def f():\n    import random",
        "from datetime import datetime\nstamp = datetime.now()",
        "import datetime\nday = datetime.date.today()",
        "text = open('tariff.csv').read()",
        "def f():\n    global seen\n    seen = 1",
    ],
)
def test_the_check_of_purity_can_fail(text: str) -> None:
    assert purity_faults([module_from(text)])
    assert not purity_faults([module_from(text, path="gongyi_bank/store/snippet.py")])


def test_the_check_of_purity_lets_pure_code_pass() -> None:
    text = "from datetime import date\ndef later(on: date) -> date:\n    return on.replace(day=1)"
    assert not purity_faults([module_from(text)])
