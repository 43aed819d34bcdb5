"""Style, habit 10: files of at most 600 lines, functions of at most 60."""

from tests.tidy.house import PACKAGE, ROOT, Module, functions, module_from, read_modules, report

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60

#: Exceptions with their present size: "path" for a file, "path::function" for a function.
#: A ratchet: a number here may only fall, and no entry is added without a reason beside it.
RATCHET: dict[str, int] = {}

#: No code but a sorted list of names, which test_public_list.py looks after.
LISTS = {"gongyi_bank/__init__.py"}


def measured(modules: list[Module]) -> dict[str, int]:
    """Every file and function with its lines; namesakes in one file count as the longest."""
    sizes = {m.path: len(m.text.splitlines()) for m in modules if m.path not in LISTS}
    for module in modules:
        for function in functions(module):
            key = f"{module.path}::{function.name}"
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            sizes[key] = max(lines, sizes.get(key, 0))
    return sizes


def size_faults(modules: list[Module], *, ratchet: dict[str, int]) -> list[str]:
    sizes = measured(modules)
    faults = []
    for key, lines in sizes.items():
        limit = FUNCTION_LINES_MAX if "::" in key else FILE_LINES_MAX
        if lines > max(limit, ratchet.get(key, 0)):
            faults.append(f"{key}: {lines} lines, at most {max(limit, ratchet.get(key, 0))}")
    for key, allowed in ratchet.items():
        if sizes.get(key, 0) < allowed:
            faults.append(f"{key}: the ratchet says {allowed}, it has only {sizes.get(key, 0)} now")
    return faults


def test_files_and_functions_are_short() -> None:
    report(
        size_faults(read_modules(PACKAGE) + read_modules(ROOT / "tests"), ratchet=RATCHET),
        advice="split by noun or by step, so that each part has a name of its own. Where the"
        " ratchet is too high, lower it (or take the entry out) in tests/tidy/test_sizes.py.",
    )


def test_the_check_of_sizes_can_fail() -> None:
    long_file = module_from("x = 1\n" * (FILE_LINES_MAX + 1), path="long.py")
    long_function = module_from("def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX, path="f.py")
    assert size_faults([long_file], ratchet={}) == ["long.py: 601 lines, at most 600"]
    assert size_faults([long_function], ratchet={}) == ["f.py::f: 61 lines, at most 60"]


def test_the_ratchet_only_shrinks() -> None:
    long_function = module_from("def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX, path="f.py")
    assert not size_faults([long_function], ratchet={"f.py::f": 61})
    assert size_faults([long_function], ratchet={"f.py::f": 62})
    assert size_faults([], ratchet={"gone.py": 700})
