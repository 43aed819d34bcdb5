"""Keep the documentation in step with the code.

`python -m tests.docs` writes the generated tables anew; with `--outputs` also what the
examples print (but for those on PostgreSQL). Read the difference before you keep it.
"""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.docs.generated import GENERATED, made_anew
from tests.docs.pages import DOCS, examples_of, name_of, pages, run_what_comes_before, with_outputs


def write(page: Path, text: str) -> None:
    """Write a page and say so, if it has changed."""
    if text != page.read_text("utf-8"):
        page.write_text(text, "utf-8")
        print(name_of(page))


def main() -> None:
    """Write what has changed."""
    for path in GENERATED:
        write(DOCS / path, made_anew(DOCS / path))
    if "--outputs" not in sys.argv:
        return
    for page in pages():
        text = page.read_text("utf-8")
        if examples_of(text, name_of(page)):
            names: dict[str, Any] = {"__name__": "page"}
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
                run_what_comes_before(text, names)
                write(page, with_outputs(text, name_of(page), names))


if __name__ == "__main__":
    main()
