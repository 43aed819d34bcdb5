"""The notebook converts, runs from beginning to end, and shows tables and a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS
from tests.tidy.house import ROOT

jupytext = pytest.importorskip("jupytext", reason="the extra notebook is not installed")

NOTEBOOK = DOCS / "notebooks" / "open_the_books.py"


@pytest.fixture
def quiet_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for everything that a kernel writes; a missing glyph is an error."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONWARNINGS", "error:Glyph:UserWarning")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def converted() -> Any:
    """The script as a notebook, through its file form and back."""
    import nbformat

    notebook = jupytext.read(NOTEBOOK)
    text = jupytext.writes(notebook, fmt="ipynb")
    read = nbformat.reads(text, as_version=4)
    nbformat.validate(read)
    return read


def outputs_of(notebook: Any) -> list[Any]:
    return [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]


def test_the_notebook_converts_and_comes_back_the_same() -> None:
    script = jupytext.writes(converted(), fmt="py:percent")
    code = [line for line in script.splitlines() if not line.startswith("#")]
    assert code == [
        line for line in NOTEBOOK.read_text("utf-8").splitlines() if not line.startswith("#")
    ]


def test_the_notebook_runs_and_shows_tables_and_a_chart(quiet_jupyter: Path) -> None:
    import nbclient

    notebook = converted()
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": "."}}
    ).execute()
    shown = outputs_of(notebook)
    tables = [out for out in shown if "text/html" in out.get("data", {})]
    pictures = [out for out in shown if "image/png" in out.get("data", {})]
    assert len(tables) >= 6
    assert len(pictures) == 1
    said = "".join(out.text for out in shown if out.output_type == "stream")
    assert "账目相符" in said
    assert "credited: 1.50 points" in said
    assert (quiet_jupyter / "gongyi_bank.db").exists()


def test_without_a_chinese_font_the_chart_has_codes(
    quiet_jupyter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, Any] = {"__name__": "notebook"}
    for cell in converted().cells:
        if cell.cell_type == "code" and not cell.source.startswith("import datetime"):
            exec(cell.source, names)
            if "CHINESE_FONTS" in cell.source:
                names["font"] = None
    axes = names["axes"]
    texts = [axes.get_title(), axes.get_xlabel(), *(t.get_text() for t in axes.texts)]
    texts += [label.get_text() for label in axes.get_yticklabels()]
    assert all(text.isascii() for text in texts)
    assert len(axes.get_yticklabels()) == 12
