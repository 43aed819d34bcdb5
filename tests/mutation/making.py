"""The workshop: a copy of the repository in which the posting path has all its mutants.

May not change anything outside the workshop's folder.
"""

from __future__ import annotations

import ast
import difflib
import shutil
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents

HOME = Path("mutants") / "posting"
#: Whatever runs between a desk's call and the COMMIT of an act that moves points.
POSTING = (
    *(
        f"gongyi_bank/service/{noun}.py"
        for noun in (
            "gate hours points redemptions holds reservations transfers reversals refunds"
            " closings clearing together grouping locks scenes sweeps outbox seals passbooks"
            " collector"
        ).split()
    ),
    *(
        f"gongyi_bank/store/{noun}.py"
        for noun in (
            "ledger writing transaction holds hours redemptions refunds reversals transfers"
            " locks points vouchers closings outbox policies staff outlets seals balances"
            " passbooks connections"
        ).split()
    ),
)
_COPIED = ("gongyi_bank", "tests", "docs", "pyproject.toml", "README.md")
_MOVED = ("query", "functools.cache", "contextmanager")
_MARK = "__mutmut_"


def make(home: Path = HOME) -> list[str]:
    """Make the copy and the mutants anew; their names."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for name in _COPIED:
        source = Path(name)
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "_build")
            shutil.copytree(source, home / name, ignore=left_out)
        else:
            shutil.copy(source, home / name)
    names = []
    for path in POSTING:
        code = undecorated(Path(path).read_text(encoding="utf-8"))
        mutated = mutate_file_contents(path, code)
        (home / path).write_text(mutated.code, encoding="utf-8")
        names += [f"{module_of(path)}.{name}" for name in mutated.mutant_names]
    return names


def module_of(path: str) -> str:
    """The module's name of a file."""
    return path.removesuffix(".py").replace("/", ".")


def undecorated(code: str) -> str:
    """The code with decorators called below a function instead of written above it.

    It means the same; mutmut changes nothing in a function that is decorated.
    """
    lines = code.splitlines()
    for node in reversed(ast.parse(code).body):
        if isinstance(node, ast.FunctionDef) and _decorator(node) in _MOVED:
            assert node.end_lineno is not None
            lines.insert(node.end_lineno, f"\n\n{node.name} = {_decorator(node)}({node.name})")
            del lines[node.decorator_list[0].lineno - 1]
    return "\n".join(lines) + "\n"


def _decorator(node: ast.FunctionDef) -> str:
    return ", ".join(ast.unparse(one) for one in node.decorator_list)


def function_of(mutant: str) -> str:
    """The function that a mutant is one of, by the name that calls are noted under."""
    return mutant.partition(_MARK)[0]


def difference(mutant: str, home: Path = HOME) -> str:
    """What was changed, as a unified diff of the function."""
    module, _, name = mutant.rpartition(".")
    code = (home / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    original = function_of(name) + _MARK + "orig"
    found = {
        node.name: ast.get_source_segment(code, node) or ""
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef) and node.name in (name, original)
    }
    before, after = found[original].replace(original, "f"), found[name].replace(name, "f")
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return "\n".join(list(changed)[2:])
