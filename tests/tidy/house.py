"""The package as text: what every tidy test reads, and how it reports.

A checker is a plain function from modules (or files) to a list of faults, so that each test file
can also feed it a bad snippet and prove that it is able to fail.
"""

import ast
import functools
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gongyi_bank"

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Module:
    """One Python file, parsed."""

    #: Path below the repository, with slashes: `gongyi_bank/rules/hours.py`.
    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name; a package's is that of its folder."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def folder(self) -> str:
        """The dotted package from which the relative imports of this module start."""
        return self.path.rpartition("/")[0].replace("/", ".")

    def at(self, node: ast.AST) -> str:
        """Where a node stands, in the form that editors and terminals can open."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def module_from(text: str, *, path: str = "gongyi_bank/rules/snippet.py") -> Module:
    """Parse a text as if it were the file at `path`; self-tests make their snippets with it."""
    return Module(path=path, text=text, tree=ast.parse(text, filename=path))


def read_modules(folder: Path) -> list[Module]:
    return [_read(file) for file in sorted(folder.rglob("*.py"))]


@functools.cache
def _read(file: Path) -> Module:
    """Parsed once: most tests of this folder look at the same files, and none changes them."""
    return module_from(file.read_text("utf-8"), path=file.relative_to(ROOT).as_posix())


def package_modules() -> list[Module]:
    """Every module of the package; a missing package is a failure, an unwritten part is not."""
    if not (PACKAGE / "__init__.py").exists():
        pytest.fail("gongyi_bank/__init__.py is missing: there is no package to check")
    return read_modules(PACKAGE)


def tracked_files() -> list[Path]:
    """Files that git tracks, or would track if they were added now."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode("utf-8")
    names = sorted(name for name in listing.split("\0") if name)
    return [ROOT / name for name in names if (ROOT / name).is_file()]


#: What statements stand in: a function stands in no expression, so none need be looked through.
_HOLDERS = ast.stmt | ast.ExceptHandler | ast.match_case


def functions(module: Module) -> Iterator[FunctionNode]:
    """All of them, nested ones too."""
    waiting: list[ast.AST] = [module.tree]
    for node in waiting:
        if isinstance(node, FunctionNode):
            yield node
        waiting += (child for child in ast.iter_child_nodes(node) if isinstance(child, _HOLDERS))


def imports(
    module: Module, *, known: Iterable[str], nodes: Iterable[ast.AST]
) -> Iterator[tuple[ast.AST, str]]:
    """Yield each import among `nodes` with the dotted module it enters, relative ones resolved.

    `from gongyi_bank import values` enters `gongyi_bank.values` where that is a known module.
    """
    known = set(known)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                parents = module.folder.split(".")
                parents = parents[: len(parents) - node.level + 1]
                source = ".".join([*parents, *([source] if source else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield node, inner if inner in known else source


def report(faults: Sequence[str], *, advice: str) -> None:
    """Fail with all faults at once and with what the developer should do about them."""
    if faults:
        pytest.fail("\n".join([*faults, "", f"What to do: {advice}"]), pytrace=False)
