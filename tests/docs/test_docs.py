"""The documentation tells the truth: examples run and print what is shown, names and links lead
somewhere, and tables that say what the code says are the code's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gongyi_bank
from gongyi_bank.bank import Bank
from gongyi_bank.desks.base import SERVICES
from tests.docs.generated import GENERATED, made_anew
from tests.docs.pages import (
    DOCS,
    anchors_of,
    blocks_of,
    code_names_of,
    examples_of,
    links_of,
    name_of,
    pages,
    prose_of,
    run_examples,
    run_what_comes_before,
)
from tests.postgresql import PostgresqlServer
from tests.tidy.house import ROOT, report

#: Blocks that the tests cannot run, by page and first line; each needs its reason here.
NOT_RUN: dict[str, str] = {}


def with_examples() -> list[Any]:
    """The pages that have Python in them, by name."""
    return [
        pytest.param(page, id=name_of(page))
        for page in pages()
        if page.exists() and examples_of(page.read_text("utf-8"), name_of(page))
    ]


@pytest.fixture
def durable_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """A database that a bank may be opened in as a page says it, without another word."""
    with postgresql_server.durable(), postgresql_server.fresh_database() as url:
        yield url


@pytest.mark.parametrize("page", with_examples())
def test_examples_run_and_print_what_the_page_shows(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    text = page.read_text("utf-8")
    examples = examples_of(text, name_of(page))
    if any("postgresql" in example.block.words for example in examples):
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("durable_url"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    try:
        run_what_comes_before(text, names)
        report(run_examples(examples, names), advice="show what the block prints, or print less.")
    finally:
        for value in names.values():
            if isinstance(value, Bank):
                value.close()


def test_every_block_of_python_is_run() -> None:
    marked = [
        f"{block.place}: {block.body.splitlines()[0]}"
        for page in pages()
        for block in blocks_of(page.read_text("utf-8"), name_of(page))
        if block.language in ("py", "python3", "pycon") or "no-run" in block.words
    ]
    report(
        [place for place in marked if place not in NOT_RUN],
        advice="label it ```python, so that it is run.",
    )


def test_links_lead_somewhere() -> None:
    faults = []
    for page in pages():
        for link in links_of(page.read_text("utf-8")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                faults.append(f"{name_of(page)}: {link} is not there")
            elif anchor and anchor not in anchors_of(target.read_text("utf-8")):
                faults.append(f"{name_of(page)}: {link}: no such heading")
    report(faults, advice="mend the link or the heading.")


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = links_of(page.read_text("utf-8"))
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links]
    report(
        [name_of(page) for page in pages() if page.resolve() not in reached],
        advice="link to it from docs/index.md or from a page that is linked there.",
    )


def test_the_code_that_pages_speak_of_exists() -> None:
    faults = []
    for page in pages():
        for path, name in code_names_of(page.read_text("utf-8")):
            file = ROOT / path
            if not file.exists():
                faults.append(f"{name_of(page)}: {path} is not there")
            elif name and name not in _names_in(file):
                faults.append(f"{name_of(page)}: {path} has no {name}")
    report(faults, advice="the code has moved: read it again and mend the page.")


def unheld(text: str) -> list[str]:
    """Lines of the security checklist that neither name a test nor say that there is no feature."""
    checklist = text.partition("## The checklist")[2].partition("\n## ")[0]
    rows = [row.split(" | ") for row in checklist.splitlines() if row.startswith("| ")][1:]
    assert rows
    return [
        line
        for line, held_by, *_ in rows
        if not (any(name for _, name in code_names_of(held_by)) or "no such feature yet" in held_by)
    ]


def test_every_line_of_the_security_checklist_is_held_by_a_test_or_said_to_be_open() -> None:
    text = (DOCS / "explanation/security.md").read_text("utf-8")
    report(
        unheld(text), advice="name its test, `tests/….py::test_…`, or say what there is instead."
    )


def _names_in(file: Path) -> set[str]:
    """Functions, classes, methods and assigned names of a module, methods as `Class.method`."""
    names: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        names |= _defined(node)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{inner}" for part in node.body for inner in _defined(part)}
    return names


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("path", GENERATED)
def test_generated_tables_are_up_to_date(path: str) -> None:
    page = DOCS / path
    stale = page.read_text("utf-8") != made_anew(page)
    report([name_of(page)] if stale else [], advice="run `python -m tests.docs`.")


def test_every_act_has_a_row_in_the_table_of_roles() -> None:
    rows = set(re.findall(r"^\| `([\w.]+)`", (DOCS / "how-to/roles.md").read_text("utf-8"), re.M))
    missing = sorted({command.act for command in SERVICES} - rows)
    report(missing, advice="say in PERMISSIONS who may do it; nobody can do it now.")


def test_every_public_name_is_in_the_documentation() -> None:
    told = "\n".join(page.read_text("utf-8") for page in pages())
    report(
        [
            name
            for name in getattr(gongyi_bank, "__all__", ())
            if not re.search(rf"\b{name}\b", told)
        ],
        advice="run `python -m tests.docs`: docs/reference.md lists every public name.",
    )


def test_the_two_front_pages_show_the_same_commands() -> None:
    commands = [
        [b.body for b in blocks_of(page.read_text("utf-8"), page.name) if b.language == "console"]
        for page in pages()[:2]
    ]
    assert commands[0] == commands[1]
    assert len(commands[0]) == 2
    assert all(
        block.startswith("python3 -m venv") and block.count("\n") == 1 for block in commands[0]
    )


# --- the checks can fail -------------------------------------------------------------------

PAGE = """# A page

```python
print("one")
total = 1
```

```text
one
```

Text, then [a link](there.md#far-away), [out](https://example.org), `gongyi_bank/values.py::Points`.

```python
print(total + 1)
```
"""


def test_examples_of_a_page_share_their_names_and_are_compared() -> None:
    examples = examples_of(PAGE, "page.md")
    assert [example.shown for example in examples] == ["one\n", ""]
    faults = run_examples(examples, {})
    assert len(faults) == 1
    assert "page.md:15 prints\n2" in faults[0]


def test_an_output_further_down_belongs_to_no_block() -> None:
    apart = PAGE.replace("```\n\n```text", "```\n\nIt prints:\n\n```text")
    assert [example.shown for example in examples_of(apart, "page.md")] == ["", ""]


def test_an_example_that_fails_tells_its_line() -> None:
    examples = examples_of("\n\n```python\n\n1 / 0\n```\n", "page.md")
    with pytest.raises(ZeroDivisionError) as caught:
        run_examples(examples, {})
    assert [(f.path, f.lineno + 1) for f in caught.traceback if f.path == "page.md"] == [
        ("page.md", 5)
    ]


def test_a_line_of_the_checklist_that_nothing_holds_is_found() -> None:
    page = """## The checklist

| the line | held by | what it does |
|---|---|---|
| Default deny | `tests/docs/test_docs.py::unheld` | … |
| Expiry | no such feature yet | … |
| Races | `tests/docs/test_docs.py` | a file is no test |
| Codes | | … |

## Beyond

| Files | nothing | … |
"""
    assert unheld(page) == ["| Races", "| Codes"]


def test_links_headings_and_code_names_are_found() -> None:
    assert list(links_of(PAGE)) == ["there.md#far-away"]
    assert list(code_names_of(PAGE)) == [("gongyi_bank/values.py", "Points")]
    assert anchors_of("# One deposit, six rooms\n## 总行 head office") == {
        "one-deposit-six-rooms",
        "总行-head-office",
    }
    assert "print" not in prose_of(PAGE)
