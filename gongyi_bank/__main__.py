"""The main job: take a district's books over and show what is in them.

python -m gongyi_bank [FOLDER] [--database URL] [--json FILE] [--language zh|en]

Exit status: 0 done, 1 the database holds these books already, 2 something could not be read
or opened, and then nothing was written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from gongyi_bank import takeover
from gongyi_bank.bank import Bank
from gongyi_bank.display import Table, progress_line
from gongyi_bank.errors import BankExists, FileUnreadable, GongyiBankError, TakenOverBefore
from gongyi_bank.periods import Period, PeriodKind, end_of
from gongyi_bank.takeover import Story, TakeoverReport, showing

_DEFAULT_DATABASE = "sqlite:///gongyi_bank.db"
_ADMINISTRATOR = "admin"
_SAMPLE = Path(__file__).parent / "testing" / "story"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return the exit status."""
    chosen = _parse(arguments)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show 汉字 shows question marks rather than an exception.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    try:
        _run(chosen)
    except TakenOverBefore as error:
        print(error, file=sys.stderr)
        return 1
    except GongyiBankError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\n已中断，再次运行即可继续 / interrupted; run it again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; the books are complete.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m gongyi_bank",
        description="接管一个区县的账册并展示结果。Take a district's books over and show them.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=_SAMPLE, metavar="FOLDER",
        help="文件夹，默认为自带的小故事 / the folder; by default the story that comes along",
    )  # fmt: skip
    parser.add_argument(
        "--database", default=_DEFAULT_DATABASE, metavar="URL",
        help=f"数据库，默认 / SQLAlchemy URL, by default {_DEFAULT_DATABASE}",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE",
        help="把数字写入文件，并在旁边写出指标 / write the figures, and the indicators beside them",
    )  # fmt: skip
    parser.add_argument(
        "--language", choices=("zh", "en"), default="zh", help="表头语言 / language of headings"
    )
    return parser.parse_args(arguments)


def _run(chosen: argparse.Namespace) -> None:
    story = takeover.open_story(chosen.folder)
    if chosen.json is not None:
        _require_writable(chosen.json)
    bank = _bank(chosen.database, story)
    try:
        report = takeover.take_over_story(bank, story, progress=_progress())
        if report.is_replay:
            raise TakenOverBefore(database=_shown(bank.engine.url))
        _after(bank, story, report, chosen)
    finally:
        bank.close()


def _bank(database: str, story: Story) -> Bank:
    """The bank that the story is about: founded, or gone on with where it was interrupted."""
    with warnings.catch_warnings(record=True) as unsafe:
        warnings.simplefilter("always")
        try:
            bank = takeover.found_for_story(
                database, story, administrator=_ADMINISTRATOR, unsafe_settings="warn"
            )
        except BankExists as error:
            bank = Bank.open(
                database,
                bank=error.facts["bank"],
                staff=_ADMINISTRATOR,
                unsafe_settings="warn",
            )
    for warning in unsafe:
        print(f"注意 / note: {warning.message}", file=sys.stderr)
    return bank


def _after(bank: Bank, story: Story, report: TakeoverReport, chosen: argparse.Namespace) -> None:
    last = story.months[-1].period
    quarter = Period.containing(last.last_on, PeriodKind.QUARTER)
    found = takeover.figures(bank, report)
    if chosen.json is not None:
        _write(chosen.json, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        beside = chosen.json.with_name(f"{chosen.json.stem}_indicators.csv")
        _write(beside, bank.ratings.indicators(quarter).to_csv())
    standing = bank.at(end_of(last, bank.zone))
    holders = showing.issue_passbooks(standing, quarter)
    _show_months(standing, report, found, chosen.language)
    _show_people(standing, holders, (quarter, last), chosen.language)
    checked = standing.verify().to_table()
    print(checked.to_text(chosen.language) if checked.rows else _verdict(checked), end="\n\n")
    print(f"账册在 / the books are in: {_shown(bank.engine.url)}")


def _verdict(checked: Table) -> str:
    """One line where nothing was found: what was checked."""
    return "\n".join([checked.title, *checked.notes])


def _show_months(
    bank: Bank, report: TakeoverReport, found: dict[str, object], language: str
) -> None:
    """What was credited, refused and why, and what waits for whom."""
    tables = [
        report.table,
        showing.what_was_credited(found, language),
        showing.what_was_refused(found, language),
        showing.first_problems(report),
        showing.what_waits(bank, language),
    ]
    print(f"\n{bank.name}\n")
    for table in tables:
        print(table.to_text(language), end="\n\n")


def _show_people(
    bank: Bank, holders: Sequence[int], periods: tuple[Period, Period], language: str
) -> None:
    """A passbook page, a branch's ledger book, and who stands where in quarter and month."""
    quarter, month = periods
    if holders:
        print(bank.passbooks.page(holders[0]).to_text(), end="\n\n")
    league = bank.ratings.outlet_league(quarter, top=12)
    if league.standings:
        best = league.standings[0].indicators.outlet_code
        book = showing.ledger_book_extract(bank, showing.branch_of(bank, best), quarter)
        print(book.to_text(language), end="\n\n")
    for result in (
        league,
        bank.ratings.volunteer_league(month, top=10, names=True),
        bank.ratings.volunteers_by_stars(),
    ):
        print(result.to_table().to_text(language), end="\n\n")


# --- files and terminals -------------------------------------------------------------------


def _require_writable(path: Path) -> None:
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FileUnreadable(file=path, reason="it cannot be written there")


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode())
    except OSError as error:
        raise FileUnreadable(file=path, reason=error.strerror or "OSError") from None


def _shown(url: sa.URL) -> str:
    """Where the books are, without a password; a file by its whole path."""
    if url.get_backend_name() == "sqlite" and url.database:
        return str(Path(url.database).resolve())
    return url.render_as_string(hide_password=True)


def _progress() -> Callable[[str, int, int | None], None] | None:
    """A bar on a terminal; nothing at all, and no codes, elsewhere."""
    if not sys.stderr.isatty():
        return None
    shown = ""

    def draw(name: str, done: int, total: int | None) -> None:
        nonlocal shown
        line = progress_line(done, total or done, f"{name:<20}")
        if line != shown:
            end = "\n" if done == total else ""
            print(f"\r{line}\x1b[K", end=end, file=sys.stderr, flush=True)
            shown = line

    return draw


if __name__ == "__main__":
    sys.exit(main())
