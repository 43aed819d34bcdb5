"""Reading the documentation: its pages, their code blocks, and what each block should print.

The convention: a ```python block is run; what it prints stands in the ```text block right
after it. All blocks of a page are one program. ```python postgresql runs on a real server.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.tidy.house import ROOT

DOCS = ROOT / "docs"
_FENCE = re.compile(
    r"^(?P<fence>```+)(?P<label>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.M | re.S
)


def pages() -> list[Path]:
    """Every page of the documentation, the two front pages first."""
    return [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """The page's path as tests and faults show it."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: str
    #: The line on which its body begins.
    line: int
    #: The words after the fence: the language, then what is special about it.
    words: tuple[str, ...]
    body: str

    @property
    def language(self) -> str:
        """The first word after the fence."""
        return self.words[0] if self.words else ""

    @property
    def place(self) -> str:
        """Page and line, for faults."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Example:
    """A block of Python and what the page says it prints."""

    block: Block
    shown: str


def blocks_of(text: str, page: str) -> list[Block]:
    """The fenced blocks of a page in order."""
    return [
        Block(
            page=page,
            line=text.count("\n", 0, found.start("body")) + 1,
            words=tuple(found["label"].split()),
            body=found["body"],
        )
        for found in _FENCE.finditer(text)
    ]


def examples_of(text: str, page: str) -> list[Example]:
    """The Python of a page in order, each with the text block that follows it directly."""
    blocks = blocks_of(text, page)
    shown = {
        number: after.body
        for number, (block, after) in enumerate(pairwise(blocks))
        if after.language == "text" and _is_next(text, block, after)
    }
    return [
        Example(block, shown.get(number, ""))
        for number, block in enumerate(blocks)
        if block.language == "python"
    ]


def _is_next(text: str, block: Block, after: Block) -> bool:
    """Whether nothing but blank lines stands between two blocks."""
    end_line = block.line + block.body.count("\n")
    between = text.splitlines()[end_line : after.line - 2]
    return not any(line.strip() for line in between)


def prose_of(text: str) -> str:
    """A page without its fenced blocks, line by line as long as before."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def run_examples(examples: list[Example], names: dict[str, Any]) -> list[str]:
    """Run the blocks of a page as one program; every output that differs from what is shown.

    An exception rises with the page and the line in its traceback.
    """
    faults = []
    for example in examples:
        block = example.block
        printed = io.StringIO()
        # As many blank lines before it as the page has, so that a traceback tells the line.
        code = compile("\n" * (block.line - 1) + block.body, block.page, "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        if _tidy(printed.getvalue()) != _tidy(example.shown):
            faults.append(
                f"{block.place} prints\n{printed.getvalue()}\nbut the page shows\n{example.shown}"
            )
    return faults


def _tidy(text: str) -> list[str]:
    """Lines without blanks at their ends, nor blank lines around them."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]


_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def links_of(text: str) -> Iterator[str]:
    """The targets of a page's links that lead into the repository."""
    for found in _LINK.finditer(prose_of(text)):
        if not re.match(r"[a-z]+:", found["target"]):
            yield found["target"]


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings, as a Git host makes them."""
    heads = re.findall(r"^#+ +(.+?)\s*$", prose_of(text), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


_NAMED = re.compile(r"`(?P<path>(?:gongyi_bank|tests|docs)/[\w./-]*)(?:::(?P<name>[\w.]+))?`")


def code_names_of(text: str) -> Iterator[tuple[str, str | None]]:
    """(path, name within it) for every `path/of/file.py::name` that a page speaks of."""
    for found in _NAMED.finditer(prose_of(text)):
        yield found["path"], found["name"]


def with_outputs(text: str, page: str, names: dict[str, Any]) -> str:
    """The page with what its blocks really print, for the author to read and keep."""
    for example in examples_of(text, page):
        if "postgresql" in example.block.words:
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(example.block.body, example.block.place, "exec"), names)
        body = "".join(f"{line}\n" for line in _tidy(printed.getvalue()))
        fenced = f"```{' '.join(example.block.words)}\n{example.block.body}```\n"
        shown = f"\n```text\n{example.shown}```\n"
        if body != example.shown and f"{fenced}{shown}" in text:
            text = text.replace(f"{fenced}{shown}", f"{fenced}\n```text\n{body}```\n")
    return text


CONTINUES = re.compile(r"<!-- continues (\S+) -->")


def run_what_comes_before(text: str, names: dict[str, Any]) -> None:
    """Run the page that this one says it continues, if it does."""
    if before := CONTINUES.search(text):
        run_examples(examples_of((ROOT / before[1]).read_text("utf-8"), before[1]), names)
