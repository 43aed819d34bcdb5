"""Measure everything that issue 3 aims at, as ratios within one run.

    python -m tests.bench              # 10⁴ and 10⁵ lines, a quarter of an hour
    python -m tests.bench --quick      # only shows that the programme runs
    python -m tests.bench --full       # 10⁶ lines as well, and memory: an hour
    python -m tests.bench --only reads pieces
    python -m tests.bench --write docs/explanation/benchmarks.md

The sides of a figure work in turns, A B A B …, so that each round is as warm as the other; a
ratio is the median of the rounds' ratios. Each topic is a file here with a TITLE and a
`measure(stand)` that yields figures.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from tests.bench.figures import Figure, table
from tests.bench.stand import Length, Stand, machine, standing

#: The topics, in the order of the issue's table; each is a file of this name.
TOPICS = (
    "yardstick",
    "bulk",
    "single",
    "peers",
    "contention",
    "group_commit",
    "close",
    "reads",
    "pieces",
    "memory",
)
QUICK = "Nothing here is measured: the sizes are small and the rounds few."
LENGTHS: dict[Length, str] = {
    "quick": QUICK,
    "usual": "Banks of 10⁴ and 10⁵ lines.",
    "full": "Banks of 10⁴, 10⁵ and 10⁶ lines.",
}
Measured = tuple[ModuleType, list[Figure]]


def run(stand: Stand, topics: tuple[str, ...]) -> Iterator[Measured]:
    """The figures of each topic, told as they come."""
    for name in topics:
        topic = importlib.import_module(f"tests.bench.{name}")
        begin = time.monotonic()
        print(f"\n## {topic.TITLE}", flush=True)
        figures = []
        for figure in topic.measure(stand):
            print(figure.to_row(is_judged=not stand.is_quick), flush=True)
            figures.append(figure)
        print(f"({time.monotonic() - begin:.0f} s)", flush=True)
        yield topic, figures


def as_text(measured: list[Measured], stand: Stand) -> str:
    """The tables and the notes as Markdown."""
    parts = []
    for topic, figures in measured:
        if figures:
            parts.append(f"## {topic.TITLE}\n\n{table(figures, is_judged=not stand.is_quick)}")
    notes = "\n".join(f"- {note}" for note in stand.notes)
    return "\n\n".join([*parts, *([f"## Notes of this run\n\n{notes}"] if notes else [])])


def write(path: Path, tables: str, about: str) -> None:
    """The page, from its template."""
    template = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    page = template.replace("{about}", about).replace("{tables}", tables)
    path.write_text(page, encoding="utf-8")


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0]
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="only show that it runs, in a minute")
    length.add_argument("--full", action="store_true", help="10⁶ lines too, and memory; an hour")
    parser.add_argument("--only", nargs="+", choices=TOPICS, metavar="TOPIC", default=TOPICS,
                        help=f"some of: {', '.join(TOPICS)}")  # fmt: skip
    parser.add_argument("--peers", type=Path, metavar="DIR",
                        help="keep the peers' environments in this folder")  # fmt: skip
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the page")
    return parser.parse_args()


def main() -> None:
    """Run, print, and write the page if asked."""
    given = options()
    length: Length = "quick" if given.quick else "full" if given.full else "usual"
    before = machine()
    with TemporaryDirectory(prefix="gb-peers-") as kept:
        # The short form needs no network: it takes the peers only where they lie already.
        peers = given.peers or (None if given.quick else Path(kept))
        with standing(length, peers) as stand:
            measured = list(run(stand, tuple(given.only)))
            tables = as_text(measured, stand)
    day = dt.datetime.now(dt.UTC).date()
    about = f"{day}. {LENGTHS[length]} Before: {before}. After: {machine()}."
    if given.quick:
        print(f"\n{QUICK}")
    else:
        print(f"\n{about}\n\n{tables}")
    if given.write:
        write(given.write, tables, about)


if __name__ == "__main__":
    main()
