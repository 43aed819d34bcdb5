"""Design §2: a module enters its own floor or one below, never above, and nobody in a circle."""

import ast
from collections.abc import Iterator

import pytest

from tests.tidy.house import Module, imports, module_from, package_modules, report

#: The house, ground floor first: each first-level module or folder of the package once.
#: "gongyi_bank" is the package's own __init__, the public list.
FLOORS: dict[str, tuple[str, ...]] = {
    "ground": (
        "errors",
        "arguments",
        "values",
        "identities",
        "periods",
        "policies",
        "commands",
        "receipts",
        "display",
    ),
    "rules": ("rules",),
    "store": ("store",),
    "service": ("service", "reports"),
    "bank": ("desks", "opening", "bank", "group_commit", "takeover"),
    "async": ("aio",),
    "door": ("gongyi_bank",),
    "testing": ("testing",),
    "programs": ("importer", "migrate", "__main__"),
}
#: Neighbours on one floor that do not enter each other.
APART = {("service", "reports"), ("reports", "service")}

LEVEL_OF = {room: level for level, rooms in enumerate(FLOORS.values()) for room in rooms}


def room_of(module_name: str) -> str:
    """The first-level part of a dotted name: `gongyi_bank.store.ledger` is in room `store`."""
    return module_name.split(".")[1] if "." in module_name else module_name


def floor_faults(modules: list[Module]) -> list[str]:
    known = {module.name for module in modules}
    faults = [
        f"{module.path}: room '{room_of(module.name)}' has no floor"
        for module in modules
        if room_of(module.name) not in LEVEL_OF
    ]
    for module in modules:
        room = room_of(module.name)
        for node, entered in imports(module, known=known, nodes=ast.walk(module.tree)):
            target = room_of(entered)
            if entered.split(".")[0] != "gongyi_bank" or {room, target} - LEVEL_OF.keys():
                continue
            if LEVEL_OF[target] > LEVEL_OF[room]:
                faults.append(f"{module.at(node)}: '{room}' enters '{target}', which is above it")
            elif (room, target) in APART:
                faults.append(f"{module.at(node)}: '{room}' enters '{target}', its neighbour")
    return faults


def executed_on_import(module: Module) -> Iterator[ast.AST]:
    """The statements that run when the module is imported: no functions, no TYPE_CHECKING."""
    waiting: list[ast.AST] = [module.tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def cycle_faults(modules: list[Module]) -> list[str]:
    known = {module.name for module in modules}
    entered = {
        module.name: sorted(
            {name for _, name in imports(module, known=known, nodes=executed_on_import(module))}
            & known
        )
        for module in modules
    }
    faults: list[str] = []
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            faults.append(" → ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for target in entered[name]:
                walk(target, [*path, name])
            done.add(name)

    for name in entered:
        walk(name, [])
    return faults


def test_modules_enter_only_their_own_floor_or_one_below() -> None:
    report(
        floor_faults(package_modules()),
        advice="move the code down to the floor that needs it, or hand the value in as an argument;"
        " a new first-level module gets its place in FLOORS of tests/tidy/test_floors.py.",
    )


def test_no_modules_import_each_other_in_a_circle() -> None:
    report(
        cycle_faults(package_modules()),
        advice="move what both need into a module below both; do not hide the circle in a function."
        " A package whose __init__ imports its parts is entered by their full names.",
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("gongyi_bank/rules/hours.py", "from gongyi_bank.store import ledger"),
        ("gongyi_bank/rules/hours.py", "from ..store import ledger"),
        ("gongyi_bank/values.py", "def late():\n    import gongyi_bank.bank"),
        ("gongyi_bank/reports/pages.py", "from gongyi_bank.service.gate import enter"),
        ("gongyi_bank/service/hours.py", "from gongyi_bank import reports"),
        ("gongyi_bank/store/hours.py", "from gongyi_bank import Bank"),
        ("gongyi_bank/cellar.py", ""),
    ],
)
def test_the_check_of_floors_can_fail(path: str, text: str) -> None:
    others = ["gongyi_bank/store/ledger.py", "gongyi_bank/reports/__init__.py"]
    modules = [module_from(text, path=path), *(module_from("", path=other) for other in others)]
    assert floor_faults(modules)


def test_the_check_of_floors_lets_a_walk_downstairs_pass() -> None:
    text = "from ..rules import accrual\nfrom gongyi_bank.values import Points\nimport datetime"
    assert not floor_faults([module_from(text, path="gongyi_bank/store/hours.py")])


def test_the_check_of_circles_can_fail() -> None:
    first = module_from("from . import b", path="gongyi_bank/rules/a.py")
    second = module_from("from .a import x", path="gongyi_bank/rules/b.py")
    lazy = module_from("def f():\n    from .a import x", path="gongyi_bank/rules/b.py")
    assert cycle_faults([first, second]) == [
        "gongyi_bank.rules.a → gongyi_bank.rules.b → gongyi_bank.rules.a"
    ]
    assert not cycle_faults([first, lazy])
